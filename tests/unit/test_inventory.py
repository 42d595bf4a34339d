# ruff: noqa: E501  (a table of texts as they are printed)
"""One mistake, one line with its place; a good inventory comes out as it was written."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from netmon.errors import ConfigError, Problem
from netmon.inventory import Loaded, check_text, load
from netmon.model import Contract, Probe

PEOPLE = """
areas:
  - {id: "a", name: "Khu A", sms_name: "Khu A"}
contacts:
  - {id: "desk", name: "Desk", phone: "+84000000001", audiences: ["technician"], areas: ["a"], channels: ["mail"]}
credentials:
  - {id: "c", community: {env: "C", default: "public"}}
sensor_types:
  - {id: "room", quantity: "temperature", unit: "Cel", warn_above: 35, alarm_above: 40, hold: 15m}
decoders:
  - id: "box"
    fields: {t: {path: "a.t", unit: "Cel"}, h: {path: "a.h"}}
"""
TREE = """
nodes:
  - {id: "core", name: "Core", kind: "core", short_name: "Core", address: "198.18.0.1",
     devices: [{id: "r-core", kind: "router", address: "198.18.0.1", credential: "c"}]}
  - {id: "agg", name: "Agg", kind: "aggregation", parent: "core"}
sites:
  - id: "s1"
    name: "Site 1"
    sms_name: "Site 1"
    block: "party"
    level: "commune"
    area: "a"
    contacts: ["desk"]
    lines:
      - {id: "s1-1", parent: "agg", address: "198.18.1.1", device: "r1", if_name: "ge0",
         contract: {down: "20M", up: "10M", since: "2026-01-01"}, remote_device: "r-core", remote_if_name: "ge7"}
    devices:
      - {id: "r1", kind: "router", address: "198.18.1.1", credential: "c"}
    sensors:
      - {id: "s1-t", type: "room", topic: "x/s1", decoder: "senml", field: "t"}
  - id: "s2"
    name: "Site 2"
    sms_name: "Site 2"
    block: "other"
    level: "province"
    area: "a"
    lines:
      - {id: "s2-1", parent: "core", address: "198.18.1.2"}
"""
SETTINGS = """
inventory: ["people.yml", "tree.yml"]
own_uplink: "core"
notify:
  channels:
    mail: {kind: "apprise", url: "mailto://127.0.0.1:25"}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def put(tree: str = TREE, people: str = PEOPLE, settings: str = SETTINGS) -> Path:
        for name, text in (("tree.yml", tree), ("people.yml", people), ("netmon.yml", settings)):
            (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
        return tmp_path / "netmon.yml"

    return put


def read(path: Path, **kwargs: object) -> Loaded:
    return load(path, {"C": "secret"}, **kwargs)  # type: ignore[arg-type]


def problems_of(path: Path, **kwargs: object) -> list[str]:
    """All problems, file names without their folder; empty if it loads."""
    try:
        read(path, **kwargs)
    except ConfigError as error:
        return [str(p).replace(f"{path.parent}/", "") for p in error.problems]
    return []


def test_a_good_inventory_comes_out_as_written(write: Callable[..., Path]) -> None:
    loaded = read(write())
    found = loaded.inventory
    line = found.lines["s1-1"]
    assert (line.site, line.parent, line.role, line.handoff) == ("s1", "agg", "primary", "ont")
    assert line.probe == Probe("icmp", "198.18.1.1", 0)
    assert line.contracts == (Contract(20e6, 10e6, "2026-01-01"),)
    assert (found.devices["r1"].site, found.devices["r1"].port, found.devices["r1"].profiles) == ("s1", 161, ("auto",))
    assert found.devices["r-core"].node == "core"
    assert found.nodes["agg"].probe is None
    assert found.sensors["s1-t"].site == "s1"
    assert found.sensor_types["room"].hold_s == 900.0
    assert found.credentials["c"].community.reveal() == "secret"
    assert found.mappings["box"]["fields"] == {"t": {"path": "a.t", "unit": "Cel"}, "h": {"path": "a.h"}}
    assert loaded.warnings == []
    assert "secret" not in repr(loaded).replace("secret_key", "")


def test_probes_take_what_is_left_out_from_the_config(write: Callable[..., Path]) -> None:
    settings = SETTINGS + 'probe: {kind: "stamp", port: 18620}\nsnmp: {port: 16161}\n'
    tree = TREE.replace('"198.18.1.2"}', '"198.18.1.2", probe: {kind: "tcp", port: 1720}}')
    found = read(write(tree, settings=settings)).inventory
    assert found.lines["s1-1"].probe == Probe("stamp", "198.18.1.1", 18620)
    assert found.lines["s2-1"].probe == Probe("tcp", "198.18.1.2", 1720)
    assert found.devices["r1"].port == 16161


def test_the_address_map_reaches_probes_and_devices(write: Callable[..., Path]) -> None:
    found = read(write(settings=SETTINGS + 'address_map: {"198.18.0.0/15": "127.18.0.0/15"}\n')).inventory
    assert found.lines["s1-1"].probe.address == "127.18.1.1"
    assert found.devices["r1"].address == "127.18.1.1"
    assert found.nodes["core"].probe == Probe("icmp", "127.18.0.1", 0)


def test_the_hash_is_of_the_files_and_of_no_secret(write: Callable[..., Path]) -> None:
    first = load(write(), {"C": "one"})
    assert load(write(), {"C": "two"}).hash == first.hash
    assert load(write(TREE + "\n# changed"), {"C": "one"}).hash != first.hash


# file, what is replaced, by what, and the problem. The line numbers are those of the texts above.
ONE_MISTAKE = [
    ("tree", 'parent: "agg"', 'parent: "agk"', 'tree.yml:15: site "s1", line "s1-1": unknown node "agk"; did you mean "agg"? known: agg, core'),
    ("tree", 'kind: "core"', 'kind: "core", parent: "agg"', 'tree.yml:3: node "core": hangs from itself: core -> agg -> core'),
    ("tree", 'area: "a"\n    contacts', 'area: "b"\n    contacts', 'tree.yml:12: site "s1": unknown area "b"; known: a'),
    ("tree", 'id: "s2"', 'id: "s1"', 'tree.yml:21: site "s1": id "s1" is used twice; first in tree.yml:7'),
    ("tree", 'id: "s2"', 'id: "agg"', 'tree.yml:21: site "agg": id "agg" is that of a node; nodes, sites and lines differ'),
    ("tree", '"Site 2"\n    block', '"sITE  1"\n    block', 'tree.yml:23: site "s2": reads "sITE  1 (Khu A)" in an SMS, as site "s1" does'),
    ("tree", 'sms_name: "Site 2"', 'sms_name: "Sở 2"', "tree.yml:23: site \"s2\": \"sms_name\" holds 'ở'; allowed: A-Z a-z 0-9 space . , : ; - / ( ) + = ?"),
    ("tree", 'sms_name: "Site 2"', 'sms_name: "Site 2 is much too long"', 'tree.yml:23: site "s2": "sms_name" has 23 characters; allowed: at most 22'),
    ("tree", '"198.18.1.2"', '"198.18.1.1"', 'tree.yml:28: site "s2", line "s2-1": address 198.18.1.1 is probed for line "s1-1" too'),
    ("tree", '"198.18.1.2"', '"198.18.1.300"', 'tree.yml:28: site "s2", line "s2-1": "address" cannot be "198.18.1.300"; an address is IPv4, IPv6 or a host name'),
    ("tree", 'parent: "core", address: "198.18.1.2"', 'parent: "core"', 'tree.yml:28: site "s2", line "s2-1": "address" is missing'),
    ("tree", '"router", address: "198.18.1.1"', '"router", address: "198.18.0.1"', 'tree.yml:18: site "s1", device "r1": address 198.18.0.1 port 161 is that of device "r-core" too'),
    ("tree", 'level: "province"', 'level: "hamlet"', 'tree.yml:25: site "s2": unknown level "hamlet"; the keys of alerts.tell_after: commune, district, province'),
    ("tree", 'block: "other"', 'block: "others"', 'tree.yml:24: site "s2": "block" cannot be "others"; did you mean "other"? allowed: government, other, party'),
    ("tree", '["desk"]', '["dekk"]', 'tree.yml:13: site "s1": unknown contact "dekk"; did you mean "desk"? known: desk'),
    ("tree", 'credential: "c"}\n    sensors', 'credential: "d"}\n    sensors', 'tree.yml:18: site "s1", device "r1": unknown credential "d"; known: c'),
    ("tree", 'device: "r1"', 'device: "r-core"', 'tree.yml:15: site "s1", line "s1-1": device "r-core" is not one of this site'),
    ("tree", 'remote_device: "r-core"', 'remote_device: "r1"', 'tree.yml:16: site "s1", line "s1-1": device "r1" is not at a node'),
    ("tree", ', remote_if_name: "ge7"', "", 'tree.yml:16: site "s1", line "s1-1": "remote_device" and "remote_if_name" go together'),
    ("tree", 'device: "r1", if_name', "if_name", 'tree.yml:15: site "s1", line "s1-1": "if_name" without "device"'),
    ("tree", '"20M"', '"20"', "tree.yml:16: site \"s1\", line \"s1-1\", contract number 1: \"down\" cannot be '20'; a bandwidth is bits per second with a unit: 512k, 20M or 1G"),
    ("tree", '"2026-01-01"', "2026-01-01", 'tree.yml:16: site "s1", line "s1-1", contract number 1: "since": 2026-01-01 without quotes is a date in YAML; write "2026-01-01" in quotes'),
    ("tree", '"2026-01-01"', '"2026-1-1"', 'tree.yml:16: site "s1", line "s1-1", contract number 1: "since" cannot be "2026-1-1"; a date is written "2026-01-31"'),
    ("tree", 'parent: "core", address', 'role: "backup", parent: "core", address', 'tree.yml:27: site "s2": no line has the role primary'),
    ("tree", 'type: "room"', 'type: "rom"', 'tree.yml:20: site "s1", sensor "s1-t": unknown sensor type "rom"; did you mean "room"? known: room'),
    ("tree", '"senml"', '"xml"', 'tree.yml:20: site "s1", sensor "s1-t": unknown decoder "xml"; known: box, '),
    ("tree", '"senml"', '"box"', None),
    ("tree", '"senml", field: "t"', '"box", field: "x"', 'tree.yml:20: site "s1", sensor "s1-t": decoder "box" has no field "x"; allowed: h, t'),
    ("tree", '"x/s1"', '"x/+"', 'tree.yml:20: site "s1", sensor "s1-t": "topic" cannot be "x/+"; one exact topic, no + and #, no $ in front'),
    ("tree", 'field: "t"', 'field: "t", via: "cell"', 'tree.yml:20: site "s1", sensor "s1-t": "via" cannot be "cell"; allowed: line, line:ID, cellular, gateway:ID'),
    ("tree", 'field: "t"', 'field: "t", via: "line:s9"', 'tree.yml:20: site "s1", sensor "s1-t": unknown line "s9"; known: s1-1, s2-1'),
    ("tree", 'name: "Site 2"', 'name: "Site 2"\n    place: {lat: 106.5, lon: 11.8, quality: "approx"}', 'tree.yml:23: site "s2" place: "lat" cannot be 106.5; allowed: -90 to 90'),
    ("tree", 'name: "Site 2"', 'name: "Site 2"\n    since: "2026-02-01"\n    until: "2026-01-01"', 'tree.yml:24: site "s2": "until" 2026-01-01 is before "since" 2026-02-01'),
    ("tree", 'name: "Site 2"', 'name: "Site 2"\n    hours: 17:30', 'tree.yml:23: site "s2": "hours": 17:30 without quotes is the number 1050 (base 60) in YAML; write "17:30" in quotes'),
    ("tree", 'name: "Site 2"', 'name: "Site 2"\n    unit_code: 025', 'tree.yml:23: site "s2": "unit_code": 025 without quotes is the number 21 (not base 10) in YAML; write "025" in quotes'),
    ("tree", 'name: "Site 2"', 'name: "Site 2"\n    adress: "x"', 'tree.yml:23: site "s2": unknown key "adress"; did you mean "area"? allowed: area, block, building, cable, commune, contacts, devices, gateways, hours, id, level, lines, name, place, power, security_level, sensors, since, sms_name, thresholds, unit_code, until'),
    ("tree", 'name: "Site 2"', 'name: "Site 2"\n    name: "Site 3"', 'tree.yml:23: site "s2": key "name" is there twice; first in line 22'),
    ("tree", '    block: "other"\n', "", 'tree.yml:21: site "s2": "block" is missing'),
    ("tree", '"198.18.1.2"}', '"198.18.1.2", probe: {kind: "tcp"}}', 'tree.yml:28: site "s2", line "s2-1" probe: "port" is missing; a tcp probe needs one'),
    ("tree", '"198.18.1.2"}', '"198.18.1.2", probe: {kind: "icmp", port: 7}}', 'tree.yml:28: site "s2", line "s2-1" probe: "port" is not for probes of kind icmp'),
    ("people", '{env: "C", default: "public"}', '"hunter2"', 'people.yml:7: credential "c": "community" holds the value itself; write {env: "NAME"} or {file: "/path"}'),
    ("people", '{env: "C", default: "public"}', '{env: "NO"}', 'people.yml:7: credential "c": "community": environment variable NO is not set'),
    ("people", 'areas: ["a"]', 'areas: ["z"]', 'people.yml:5: contact "desk": unknown area "z"; known: a'),
    ("people", '["mail"]', '["sms"]', 'people.yml:5: contact "desk": unknown channel "sms"; the keys of notify.channels: mail'),
    ("people", '"+84000000001"', "84000000001", 'people.yml:5: contact "desk": "phone": 84000000001 without quotes is a number in YAML; write "84000000001" in quotes'),
    ("people", "alarm_above: 40", "alarm_above: 30", 'people.yml:9: sensor type "room": "alarm_above" 30 is below "warn_above" 35'),
    ("people", '"a.t", unit', '"a..t", unit', 'people.yml:12: decoder "box": fields.t: path: \'a..t\' is not JMESPath: '),
    ("people", 'sms_name: "Khu A"', 'sms_name: "Khu A rat dai"', 'people.yml:3: area "a": "sms_name" has 13 characters; allowed: at most 10'),
    ("settings", '"core"', '"cor"', 'netmon.yml:3: "own_uplink": unknown node "cor"; did you mean "core"? known: agg, core'),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "told"), ONE_MISTAKE)
def test_one_mistake_is_one_line(write: Callable[..., Path], file: str, old: str, new: str, told: str | None) -> None:
    texts = {"tree": TREE, "people": PEOPLE, "settings": SETTINGS}
    assert old in texts[file] or told is None
    texts[file] = texts[file].replace(old, new, 1)
    found = problems_of(write(**texts))
    if told is None:
        assert found == []
        return
    assert [text for text in found if text.startswith(told)], found
    assert len(found) <= 2, found  # a wrong id may be missed elsewhere, nothing more


def test_all_mistakes_are_told_at_once_and_in_order(write: Callable[..., Path]) -> None:
    tree = TREE.replace('parent: "agg"', 'parent: "x"').replace('"20M"', "20").replace('block: "other"', "block: NO")
    people = PEOPLE.replace('unit: "Cel", warn', 'unit: "Cel", worn: 1, warn')
    settings = SETTINGS + "tymezone: x\n"
    found = problems_of(write(tree, people, settings))
    assert [text.split(": ", 1)[0] for text in found] == [
        "netmon.yml:7",
        "people.yml:9",
        "tree.yml:15",
        "tree.yml:16",
        "tree.yml:24",
    ]


def test_a_file_that_is_no_yaml_does_not_make_the_rest_look_wrong(write: Callable[..., Path]) -> None:
    found = problems_of(write(people="areas: [\n"))
    assert found == ["people.yml:2: not valid YAML: did not find expected node content"]


def test_no_file_matches(write: Callable[..., Path]) -> None:
    found = problems_of(write(settings='inventory: ["tree.yml", "people.yml", "sites/*.yml"]\n' + SETTINGS[48:]))
    assert any('"inventory": no file matches "sites/*.yml"' in text for text in found)


def test_unknown_profiles_and_alerts_are_told_where_their_names_are_given(write: Callable[..., Path]) -> None:
    tree = TREE.replace('"router", address: "198.18.1.1"', '"router", profiles: ["huawai"], address: "198.18.1.1"')
    tree = tree.replace('    contacts: ["desk"]', '    contacts: ["desk"]\n    thresholds: {CpuHigh: 0.5}')
    path = write(tree)
    assert problems_of(path) == []
    assert problems_of(path, profile_names=["huawei", "generic"], alert_names=["DeviceCpuHigh"]) == [
        'tree.yml:14: site "s1": unknown alert "CpuHigh"; did you mean "DeviceCpuHigh"? known: DeviceCpuHigh',
        'tree.yml:19: site "s1", device "r1": unknown profile "huawai"; did you mean "huawei"? known: auto, generic, huawei',
    ]


def test_mistakes_in_profile_files_are_told_with_the_rest(write: Callable[..., Path]) -> None:
    def names(paths: object) -> list[str]:
        raise ConfigError([Problem("p.yml", 3, "", "bad OID")])

    found = problems_of(write(TREE.replace('"agg", address', '"ag", address', 1)), profile_names=names)
    assert [text.split(":")[0] for text in found] == ["tree.yml", "p.yml"]


def test_check_text_tells_what_was_found(write: Callable[..., Path]) -> None:
    problems, text = check_text(write(), {})
    assert problems == []
    assert text.splitlines()[0] == "2 sites (1 party, 1 other) in 1 areas, 2 nodes, 2 lines"
    assert text.splitlines()[-1].endswith("environment variable C is not set, the default is used")
    problems, text = check_text(write(TREE.replace('kind: "router", address: "198.18.1.1"', 'kind: "x"')), {})
    assert text == "2 problems"
    assert len(problems) == 2


def test_a_missing_config_is_one_line(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "no.yml") == ["no.yml: cannot be read: No such file or directory"]


def test_sensors_in_town_need_a_place_and_a_way(write: Callable[..., Path]) -> None:
    town = 'sensors:\n  - {id: "w", type: "room", topic: "w", decoder: "box", field: "t"%s}\n'
    place = ', place: {lat: 11.5, lon: 106.9, quality: "approx"}'
    way = f'gateways:\n  - {{id: "g1", name: "G", via: "cellular"{place}}}\n'
    assert problems_of(write(people=PEOPLE + way + town % (place + ', via: "gateway:g1"'))) == []
    [told] = problems_of(write(people=PEOPLE + town % (place + ', via: "gateway:g1"')))
    assert told.endswith('unknown gateway "g1"; known: none')
    [told] = problems_of(write(people=PEOPLE + way))
    assert told.endswith('give its sensors via: "gateway:g1"')
    speaks = way.replace('id: "g1"', 'id: "g1", %s')
    assert problems_of(write(people=PEOPLE + speaks % 'presence: "g/state", heartbeat: "g/stats", silence: 10m')) == []
    found = problems_of(write(people=PEOPLE + speaks % 'presence: "g/+", heartbeat: "g/stats"'))
    assert sorted(text.split(": ", 2)[2] for text in found) == [
        '"heartbeat" without "silence": nothing says after what time it is missed; give it "silence"',
        '"presence" cannot be "g/+"; one exact topic, no + and #, no $ in front',
    ]
    loop = way.replace("cellular", "gateway:g1") + town % (place + ', via: "gateway:g1"')
    [told] = problems_of(write(people=PEOPLE + loop))
    assert told.endswith('"via" cannot be "gateway:g1"; allowed: line, line:ID, cellular')
    found = problems_of(write(people=PEOPLE + town % ""))
    assert [text.split(": ", 2)[2] for text in found] == [
        'needs a "site", a "node" or a "place"',
        'via "line" needs a site; name the way: line:ID, ...',
    ]


def test_two_sensors_never_read_one_field(write: Callable[..., Path]) -> None:
    again = '\n      - {id: "s1-u", type: "room", topic: "x/s1", decoder: "senml", field: "t"}'
    found = problems_of(write(TREE.replace('field: "t"}', 'field: "t"}' + again)))
    assert found == ['tree.yml:21: site "s1", sensor "s1-u": sensor "s1-t" reads the same field of "x/s1"']


V3 = '- {id: "v3", version: "3", username: "u", auth_protocol: "SHA256", priv_protocol: "AES", %s}'


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('auth_password: {env: "A"}, priv_password: {env: "P"}, context_name: "vrf-1"', None),
        ('auth_password: {env: "A"}', '"priv_password" is missing'),
        ('auth_password: {env: "S"}, priv_password: {env: "P"}', '"auth_password" is shorter than 8 characters'),
        ('auth_password: {env: "A"}, priv_password: 123456789', '"priv_password" holds the value itself'),
        ('auth_password: {env: "A", default: "x"}, priv_password: {env: "P"}', 'unknown key "default"'),
        ('auth_password: {env: "A"}, priv_password: {}', '"priv_password" needs exactly one of env and file'),
        ('auth_password: {env: "A"}, priv_password: {file: "/no/such"}', "cannot be read: No such file or directory"),
    ],
)
def test_snmp_v3_credentials(write: Callable[..., Path], keys: str, told: str | None) -> None:
    people = PEOPLE.replace("credentials:\n", "credentials:\n  " + V3 % keys + "\n")
    try:
        loaded = load(write(people=people), {"A": "authpass1", "P": "privpass1", "S": "short"})
    except ConfigError as error:
        assert told is not None
        assert len(error.problems) == 1
        assert told in str(error)
        assert "123456789" not in str(error)
    else:
        assert told is None
        found = loaded.inventory.credentials["v3"]
        assert (found.security_level, found.context_name) == ("authPriv", "vrf-1")
