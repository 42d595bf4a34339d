"""What a survey finds, on a simulated province: nothing where the inventory is true, each kind of drift where it is
not, and proposals that, once applied, leave nothing to propose."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netmon.model import Inventory
from netmon.proposals import problem, show
from netmon.survey.circuits import Circuits
from netmon.survey.difference import Difference
from netmon.survey.examine import examine
from netmon.survey.facts import DeviceFacts, Neighbour, OwnAddress, Peer, SeenPort
from tests.conftest import need
from tests.small_province import SITES, TODAY, Case

ONE_2 = 'circuit: "TSL-0001B", address: "127.9.2.1", device: "r-one", if_name: "GE0/0/9", '


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, (old, text.count(old))
    return text.replace(old, new)


def lines(case: Case) -> list[str]:
    """Findings as they are printed, without the folder."""
    folder = f"{case.config.parent}/"
    return [str(problem(d, case.sources)).removeprefix(folder) for d in case.differences() if d.drift]


# --- drift of the network ---


def test_a_true_inventory_has_no_difference(tmp_path: Path) -> None:
    case = Case(tmp_path)
    assert len(case.facts) == 5
    assert sum(len(facts.neighbours) for facts in case.facts.values()) == 6
    assert case.differences() == []


@pytest.mark.parametrize(
    ("kind", "target", "line"),
    [
        (
            "moved",
            "one-1",
            'sites.yml:16: site "s-one", line "one-1": it runs over port {spare} of r-one: circuit TSL-0001 is in its '
            "ifAlias and LLDP of r-core sees it on port GE0/0/1/1 and LLDP sees port GE0/0/1/1 of r-core there and "
            "address 127.9.1.1 is on it; the inventory says port GE0/0/8 of r-one",
        ),
        (
            "renamed",
            "three-1",
            'sites.yml:48: site "s-three", line "three-1": r-three has no port GE0/0/8; it runs over port XGE0/0/8 of '
            "r-three: circuit TSL-0003 is in its ifAlias and address 127.9.1.3 is on it; the inventory says port "
            "GE0/0/8 of r-three",
        ),
        (
            "recircuited",
            "two-1",
            'sites.yml:34: site "s-two", line "two-1": ifAlias of port GE0/0/8 of r-two is "WAN TSL-9997"; the '
            "inventory says circuit TSL-0002",
        ),
        (
            "slow",
            "one-1",
            'sites.yml:14: site "s-one", line "one-1": port GE0/0/8 of r-one runs at 10 Mbit/s; the contract is for '
            "50 Mbit/s",
        ),
        (
            "stranger",
            "r-three",
            'sites.yml:50: site "s-three", device "r-three": LLDP sees "sw-khong-ro-r-three" ({mac}, 127.9.131.3) at '
            "r-three on port {spare}; the inventory knows no such device",
        ),
        (
            "replaced",
            "r-two",
            'sites.yml:40: site "s-two", device "r-two": what answers at 127.9.3.2 port 161 calls itself "r-two-new"; '
            'the inventory says "r-two"',
        ),
    ],
)
def test_each_kind_of_drift_is_one_line(tmp_path: Path, kind: str, target: str, line: str) -> None:
    # Of a device whose name the inventory states, another name is drift; of others it is only proposed.
    sites = changed(SITES, '"127.9.3.2", credential: "c"', '"127.9.3.2", credential: "c", sys_name: "r-two"')
    case = Case(tmp_path, sites=sites, drift=((kind, target),))
    device = target if target.startswith("r-") else case.true.lines[target].device
    spare = list(case.facts[device].ports)[-1]
    mac = next((n.chassis for f in case.facts.values() for n in f.neighbours if "khong-ro" in n.name), "")
    assert lines(case) == [line.format(spare=spare, mac=mac)]


def test_a_cut_line_is_no_drift(tmp_path: Path) -> None:
    case = Case(tmp_path, drift=(("fibre", "one-1"),))
    assert sum(len(facts.neighbours) for facts in case.facts.values()) == 4
    assert case.differences() == []


# --- mistakes in the files ---

CORE_END = '\n        remote_device: "r-core"'
EAST_END = 'remote_device: "r-east"\n        remote_if_name: "GE0/0/2/2"'
ONE_2_END = ', remote_device: "r-east", remote_if_name: "GE0/0/2/1"}'
THREE = ', device: "r-three", if_name: "GE0/0/8"}'
MISTAKES: Mapping[str, tuple[str, str, str]] = {  # name -> (what is in sites.yml, what is there instead, ends in)
    "another port": (f'"GE0/0/8"{CORE_END}', f'"GigabitEthernet0/0/1"{CORE_END}', f'if_name: "GE0/0/8"{CORE_END}'),
    "no port": (f'\n        if_name: "GE0/0/8"{CORE_END}', CORE_END, f'if_name: "GE0/0/8"{CORE_END}'),
    "no ports at all": (THREE, "}", THREE),
    "no circuit": ('        circuit: "TSL-0002"\n', "", 'circuit: "TSL-0002"'),
    "no other end": (ONE_2_END, "}", ONE_2_END),
    "another end": ('remote_if_name: "GE0/0/2/2"', 'remote_if_name: "GE0/0/2/1"', 'remote_if_name: "GE0/0/2/2"'),
    "an end elsewhere": (EAST_END, 'remote_device: "r-core"\n        remote_if_name: "GE0/0/1/1"', EAST_END),
    "neither port nor circuit": (
        f'circuit: "TSL-0003", address: "127.9.1.3"{THREE}',
        'address: "127.9.1.3"}',
        f'circuit: "TSL-0003", address: "127.9.1.3"{THREE}',
    ),
    "another parent": ('        parent: "n-east"', '        parent: "n-west"', 'parent: "n-east"'),
    "a port that is not there": (THREE, THREE.replace("GE0/0/8", "Dialer0"), THREE),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_mended_and_then_there_is_none(tmp_path: Path, name: str) -> None:
    old, new, wanted = MISTAKES[name]
    sites = changed(SITES, old, new)
    case = Case(tmp_path, sites=sites)
    assert len(case.apply().sure) >= 1
    while case.apply().sure:
        pass
    after = (tmp_path / "sites.yml").read_text(encoding="utf-8")
    assert wanted in after
    assert case.differences() == []
    assert case.loaded.inventory.lines == case.true.lines
    # Everything else stays as it was: only lines that the mistake touched differ.
    assert len(set(after.splitlines()) - set(sites.splitlines())) <= 2
    assert re.findall("#.*", after) == re.findall("#.*", sites)


@settings(max_examples=25)  # each writes files, and reads them some times
@given(st.sets(st.sampled_from(sorted(MISTAKES)), min_size=1))
def test_any_mistakes_together_end_in_the_true_inventory(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    sites = SITES
    for name in sorted(names):
        old, new, _ = MISTAKES[name]
        if sites.count(old) == 1:
            sites = sites.replace(old, new)
    case = Case(tmp_path_factory.mktemp("p"), sites=sites)
    for _ in range(4):  # what one step finds shows the next where to look: a port, then what is at its other end
        if not case.apply().sure:
            break
    assert case.proposals().sure == []
    assert case.differences() == []
    assert case.loaded.inventory.lines == case.true.lines


def test_two_lines_that_change_places_change_them_back(tmp_path: Path) -> None:
    sites = changed(SITES, ONE_2, ONE_2.replace("GE0/0/9", "GE0/0/8"))
    sites = changed(
        sites,
        'if_name: "GE0/0/8"\n        remote_device: "r-core"',
        'if_name: "GE0/0/9"\n        remote_device: "r-core"',
    )
    case = Case(tmp_path, sites=sites)
    assert len(case.apply().sure) == 2
    assert case.loaded.inventory.lines == case.true.lines


def test_patch_and_git_take_the_diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("patch", "git")
    sites = changed(SITES, *MISTAKES["no ports at all"][:2]).rstrip("\n")  # without an end of line at its end
    sites = changed(sites, *MISTAKES["no circuit"][:2])
    case = Case(tmp_path, sites=sites)
    monkeypatch.chdir(tmp_path)
    text = show(case.proposals(), case.sources)
    assert text.count("# sure: ") == 2
    for tool in (["patch", "-p1"], ["git", "apply"]):
        folder = tmp_path / tool[0]
        folder.mkdir()
        shutil.copy(tmp_path / "sites.yml", folder)
        done = subprocess.run(tool, input=text.encode(), cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (folder / "sites.yml").read_bytes() == next(iter(case.proposals().after.values()))


# --- devices ---


def test_a_device_that_lldp_sees_is_added_where_it_is_seen(tmp_path: Path) -> None:
    case = Case(tmp_path, drift=(("stranger", "r-three"), ("stranger", "r-east"), ("stranger", "r-two")))
    case.apply()
    after = case.loaded.inventory
    assert after.devices["sw-khong-ro-r-three"] == dataclasses.replace(
        after.devices["r-three"], id="sw-khong-ro-r-three", kind="switch", address="127.9.131.3"
    )
    assert after.devices["sw-khong-ro-r-two"].site == "s-two"
    assert after.devices["sw-khong-ro-r-east"].node == "n-east"
    assert case.proposals().sure == []


def test_a_site_that_was_only_reachable_gets_the_router_that_its_line_leads_to(tmp_path: Path) -> None:
    sites = changed(SITES, ', device: "r-one", if_name: "GE0/0/9"', "")
    sites = changed(
        sites,
        '    lines: [{id: "four-1", parent: "n-west", circuit: "TSL-0004", address: "127.9.1.4"}]\n',
        '    lines: [{id: "four-1", parent: "n-east", address: "127.9.1.4", remote_device: "r-east", '
        'remote_if_name: "GigabitEthernet0/1/4"}]\n',
    )
    case = Case(tmp_path, sites=sites)
    heard = Neighbour("GigabitEthernet0/1/4", "R-Four.example", "02:aa:00:00:00:01", ("ether1",), ("127.9.3.4",))
    east = case.facts["r-east"]
    case.facts["r-east"] = dataclasses.replace(east, neighbours=(*east.neighbours, heard))
    case.apply()
    device = case.loaded.inventory.devices["r-four.example"]
    assert (device.site, device.address, device.credential) == ("s-four", "127.9.3.4", "c")
    assert case.loaded.inventory.lines["four-1"].device == "r-four.example"


def test_a_telephone_is_no_device_to_know(tmp_path: Path) -> None:
    case = Case(tmp_path)
    three = case.facts["r-three"]
    phone = Neighbour("GE0/0/8", "SEP001", "02:bb:00:00:00:01", (), (), frozenset({"bridge", "telephone"}))
    case.facts["r-three"] = dataclasses.replace(three, neighbours=(phone,))
    assert case.differences() == []


def test_the_telcos_equipment_becomes_a_name_of_the_node(tmp_path: Path) -> None:
    """Seen at the outer end of two lines below one node: proposed; of one line only: left to a person."""
    sites = changed(
        SITES,
        'address: "127.9.1.4"}]',
        'address: "127.9.1.4", device: "r-four", if_name: "ether1"}]\n'
        '    devices: [{id: "r-four", kind: "router", address: "127.9.3.4", credential: "c"}]',
    )
    case = Case(tmp_path, sites=sites)
    pe = Neighbour("GE0/0/8", "PE-WEST-01", "02:cc:00:00:00:01", ("xe-0/0/1",), (), frozenset({"router"}))
    case.facts["r-three"] = dataclasses.replace(case.facts["r-three"], neighbours=(pe,))
    assert [d.sure for d in case.differences()] == [False]
    port = SeenPort("ether1", 1, alias="WAN TSL-0004", physical=True)
    case.facts["r-four"] = DeviceFacts(
        "r-four",
        sys_name="r-four",
        credential="c",
        ports={"ether1": port},
        neighbours=(dataclasses.replace(pe, port="ether1"),),
    )
    case.apply()
    assert case.loaded.inventory.nodes["n-west"].known_as == ("PE-WEST-01",)
    assert case.differences() == []
    # From then on a line that ends there hangs from there; not sure, as the inventory names another end of it.
    case.facts["r-two"] = dataclasses.replace(case.facts["r-two"], neighbours=(pe,))
    assert [(d.id, d.key, d.sure) for d in case.differences()] == [("two-1", "parent", False)]


def one_device(case: Case, name: str) -> list[Difference]:
    return [d for d in case.differences() if d.id == name]


def test_what_a_device_is(tmp_path: Path) -> None:
    case = Case(tmp_path)
    two = case.facts["r-two"]
    case.facts["r-two"] = DeviceFacts("r-two", ok=False, reason="timeout")
    (silent,) = one_device(case, "r-two")
    assert (silent.found, silent.sure) == ("does not answer (timeout)", False)
    case.facts["r-two"] = dataclasses.replace(two, credential="other")
    (other,) = one_device(case, "r-two")
    assert other.drift and other.sure and "answers to credential other" in other.found
    case.facts["r-two"] = dataclasses.replace(two, sys_name="BPC-R2.example")
    (named,) = one_device(case, "r-two")
    assert named.sure and not named.drift, "the inventory states no name: nothing has drifted"
    case.apply()
    assert case.loaded.inventory.devices["r-two"].sys_name == "BPC-R2.example"
    assert one_device(case, "r-two") == []
    case.facts["r-two"] = dataclasses.replace(two, sys_name="r-three")
    (taken,) = one_device(case, "r-two")
    assert "the inventory has that name for device r-three" in taken.says


def test_an_address_on_another_device(tmp_path: Path) -> None:
    case = Case(tmp_path)
    three = case.facts["r-three"]
    more = (OwnAddress("127.9.3.2", "GE0/0/8"), OwnAddress("127.9.1.2", ""))
    case.facts["r-three"] = dataclasses.replace(three, addresses=(*three.addresses, *more))
    assert lines(case) == [], "r-two has it itself: a shared address is no mistake"
    two = case.facts["r-two"]
    case.facts["r-two"] = dataclasses.replace(two, addresses=())
    assert [line.partition(": ")[2] for line in lines(case)] == [
        'site "s-two", device "r-two": address 127.9.3.2 is on port GE0/0/8 of r-three; the inventory gives it to this '
        "device",
        'site "s-two", line "two-1": address 127.9.1.2 is on r-three; the inventory gives it to site s-two',
    ]


def test_bgp_tells_the_node_where_lldp_does_not(tmp_path: Path) -> None:
    case = Case(tmp_path, sites=changed(SITES, '        parent: "n-east"', '        parent: "n-west"'))
    case.facts = {n: dataclasses.replace(f, neighbours=()) for n, f in case.facts.items()}
    (found,) = case.differences()
    assert (found.found, found.sure) == ("BGP runs to 127.9.0.2 of n-east", False)
    two = case.facts["r-two"]
    up = (Peer("127.9.0.1", True),)
    case.facts["r-two"] = dataclasses.replace(two, peers=up)
    assert case.differences() == [], "a session with what lies above the parent passes through it"
    case.facts["r-two"] = dataclasses.replace(
        two, peers=(*up, Peer("192.0.2.9", True, 65001), Peer("192.0.2.8", False))
    )
    assert [d.found for d in case.differences()] == ["has a BGP session with 192.0.2.9 (AS 65001)"]
    wan = OwnAddress("192.0.2.10", "GE0/0/8.100", "192.0.2.8/30")
    case.facts["r-two"] = dataclasses.replace(
        two, peers=(*up, Peer("192.0.2.9", True)), addresses=(*two.addresses, wan)
    )
    assert case.differences() == [], "the telco's end of the line"


def test_names_that_many_have_mean_nobody(tmp_path: Path) -> None:
    """Factory names: a neighbour of that name is not taken for the one that the inventory happens to ask."""
    case = Case(tmp_path)
    for name in ("r-two", "r-three"):
        case.facts[name] = dataclasses.replace(case.facts[name], sys_name="MikroTik", chassis="")
    three = case.facts["r-three"]
    heard = Neighbour(three.neighbours[0].port if three.neighbours else "GE0/0/8", "MikroTik", "02:dd:00:00:00:01")
    case.facts["r-three"] = dataclasses.replace(three, neighbours=(heard,))
    assert [d.found for d in case.differences() if d.kind == "device"] == [
        'LLDP sees "MikroTik" (02:dd:00:00:00:01) at r-three on port GE0/0/8'
    ]


def test_a_private_address_that_others_have_too_means_nobody(tmp_path: Path) -> None:
    case = Case(tmp_path)
    two, three = case.facts["r-two"], case.facts["r-three"]
    lan = OwnAddress("192.168.88.1", "GE0/0/8")
    case.facts["r-two"] = dataclasses.replace(two, addresses=(*two.addresses, lan))
    heard = Neighbour("GE0/0/8", "ap", "02:dd:00:00:00:02", (), ("192.168.88.1",))
    case.facts["r-three"] = dataclasses.replace(three, neighbours=(heard,))
    assert [d.found for d in case.differences()] == [
        'LLDP sees "ap" (02:dd:00:00:00:02, 192.168.88.1) at r-three on port GE0/0/8'
    ]
    same = dataclasses.replace(heard, chassis=two.chassis)
    case.facts["r-three"] = dataclasses.replace(three, neighbours=(same,))
    assert case.differences() == [], "with its chassis it is that device"


def test_a_dialer_runs_over_a_port_and_is_as_fast_as_it_likes(tmp_path: Path) -> None:
    case = Case(tmp_path)
    one = case.facts["r-one"]
    ports = {**one.ports, "Dialer0": SeenPort("Dialer0", 99, speed_bps=64000.0, oper_up=True)}
    case.facts["r-one"] = dataclasses.replace(one, ports=ports)
    sites = changed(SITES, f'if_name: "GE0/0/8"{CORE_END}', f'if_name: "Dialer0"{CORE_END}')
    (tmp_path / "sites.yml").write_text(sites, encoding="utf-8")
    case.load()
    assert case.differences() == []


def test_evidence_that_contradicts_itself_is_not_sure(tmp_path: Path) -> None:
    case = Case(tmp_path, sites=changed(SITES, *MISTAKES["a port that is not there"][:2]))
    three = case.facts["r-three"]
    ports = dict(three.ports)
    spare = list(ports)[-1]
    ports[spare] = dataclasses.replace(ports[spare], alias="moved here? TSL-0003")
    case.facts["r-three"] = dataclasses.replace(three, ports=ports)
    (found,) = case.differences()
    assert not found.sure and "one of 2 ports" in found.found
    assert case.proposals().after == {}


def test_juniper_tells_of_units(tmp_path: Path) -> None:
    """LLDP on ge-0/0/0.0 is LLDP on ge-0/0/0, whichever of the two the inventory names."""
    case = Case(tmp_path)

    def unit(facts: DeviceFacts) -> DeviceFacts:
        ports = {**facts.ports, "GE0/0/8.0": SeenPort("GE0/0/8.0", 99, mac="")}
        heard = tuple(
            dataclasses.replace(n, port=n.port + ".0" if n.port == "GE0/0/8" else n.port) for n in facts.neighbours
        )
        return dataclasses.replace(facts, ports=ports, neighbours=heard)

    case.facts["r-two"] = unit(case.facts["r-two"])
    assert case.differences() == []
    (tmp_path / "sites.yml").write_text(
        changed(
            SITES,
            'if_name: "GE0/0/8"\n        remote_device: "r-east"',
            'if_name: "GE0/0/8.0"\n        remote_device: "r-east"',
        ),
        encoding="utf-8",
    )
    case.load()
    assert case.differences() == []


# --- circuits ---


@pytest.mark.parametrize(
    ("alias", "found"),
    [
        ("WAN TSL-0001", ["TSL-0001"]),
        ("tsl-0001b to core", ["TSL-0001B"]),
        ("TSL-00012", []),
        ("xTSL-0001", []),
        ("TSL-7777/TSL-0001B", ["TSL-7777", "TSL-0001B"]),
        ("[MPLS|12.34.56|10M]", ["12.34.56"]),
        ("12x34x56", []),
        ("", []),
    ],
)
def test_circuits_in_descriptions(alias: str, found: list[str]) -> None:
    assert Circuits(["TSL-0001", "TSL-0001B", "12.34.56", ""]).within(alias) == found


def test_an_inventory_without_circuits_has_none_in_descriptions() -> None:
    assert Circuits([""]).within("WAN TSL-0001") == []


def test_nothing_is_everything_that_was_asked() -> None:
    assert examine(Inventory(), {}, TODAY) == []
