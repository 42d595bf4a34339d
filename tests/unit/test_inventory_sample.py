"""The committed sample: what the domain's facts demand of it, and that it loads with nothing to complain about."""

from __future__ import annotations

import csv
import re
import shutil
from collections import Counter
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml

from netmon.alerts.catalog import load_catalog
from netmon.collectors.snmp.profiles import profile_names
from netmon.config import Config
from netmon.inventory import Loaded, load, load_settings
from netmon.model import Inventory, Secret
from netmon.settings_load import key_of
from netmon.sim.demo import Demo, keep_sites
from netmon.topology import Topology
from tests.conftest import ROOT, shared
from tests.live.province import quoted_yaml

SAMPLE = ROOT / "inventory" / "netmon.yml"


@cache
def loaded() -> Loaded:
    return load(SAMPLE, {}, profile_names, [rule.alert for rule in load_catalog()])


def sample() -> Inventory:
    return loaded().inventory


def test_it_loads_without_any_secret_and_warns_only_of_default_communities() -> None:
    assert len(loaded().warnings) == 2
    assert all("the default is used" in str(warning) for warning in loaded().warnings)


def test_the_counts_of_the_province() -> None:
    sites = sample().sites.values()
    assert len(sites) == 310
    assert Counter(site.block for site in sites) == {"party": 149, "government": 145, "other": 16}
    assert len({site.unit_code for site in sites if site.level == "commune"}) == 111
    assert Counter(site.level for site in sites) == {"province": 55, "district": 33, "commune": 222}
    assert len(sample().areas) == 12
    assert len(sample().nodes) == 15


def test_the_sites_are_those_of_the_reference() -> None:
    with shared("domain", "sites.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["site_id"]: row for row in csv.DictReader(file)}
    assert rows.keys() == sample().sites.keys()
    for name, site in sample().sites.items():
        row = rows[name]
        assert site.place is not None
        for key in ("name", "sms_name", "unit_code", "block", "level", "area", "commune", "building"):
            assert getattr(site, key) == row[key], name
        assert (site.place.lat, site.place.lon) == (float(row["lat"]), float(row["lon"]))
        assert sample().lines[f"{name}-1"].parent == row["parent"]


def test_shares_of_what_sites_have() -> None:
    inventory = sample()
    routers = {device.site for device in inventory.devices.values() if device.kind == "router" and device.site}
    ups = {device.site for device in inventory.devices.values() if device.kind == "ups" and device.site}
    rooms = {sensor.site for sensor in inventory.sensors.values() if sensor.site}
    assert 0.18 <= 1 - len(routers) / 310 <= 0.22
    assert 0.30 <= len(ups) / 310 <= 0.40
    assert {inventory.sites[site].level for site in rooms} == {"province", "district", "commune"}
    assert {"node-core", "node-loc-ninh"} <= {sensor.node for sensor in inventory.sensors.values()}
    assert sum(not sensor.site and not sensor.node for sensor in inventory.sensors.values()) >= 40


def test_two_lines_are_on_different_paths() -> None:
    inventory, topology = sample(), Topology(sample())
    two = [site for site in inventory.sites if len(topology.lines_of(site)) == 2]
    assert "tt-cntt-tt" in two
    assert len(two) == 8
    for site in two:
        lines = [inventory.lines[line] for line in topology.lines_of(site)]
        assert [line.role for line in lines] == ["primary", "backup"]
        assert len({line.parent for line in lines}) == 2
        assert len({line.if_name for line in lines}) == 2
        assert inventory.devices[lines[0].device].address not in {line.probe.address for line in lines}


def test_addresses_are_of_the_laboratory_range_and_unique() -> None:
    inventory = sample()
    probes = [line.probe.address for line in inventory.lines.values()]
    probes += [node.probe.address for node in inventory.nodes.values() if node.probe]
    devices = [device.address for device in inventory.devices.values()]
    assert len(set(probes)) == len(probes)
    assert len(set(devices)) == len(devices)
    assert all(re.match(r"198\.1[89]\.", address) for address in probes + devices)
    assert all(re.match(r"198\.18\.0\.", node.probe.address) for node in inventory.nodes.values() if node.probe)
    assert all(d.address.startswith("198.19.") == (d.kind == "ups") for d in inventory.devices.values())


def test_sms_texts_are_unique() -> None:
    inventory = sample()
    texts = [f"{site.sms_name} ({inventory.areas[site.area].sms_name})" for site in inventory.sites.values()]
    assert len({text.lower() for text in texts}) == 310


def test_every_line_has_contract_handoff_and_parent() -> None:
    for line in sample().lines.values():
        assert line.contracts, line.id
        assert 10e6 <= line.contracts[-1].down_bps <= 100e6, line.id
        assert line.circuit, line.id
        assert line.parent in sample().nodes, line.id
        assert bool(line.device) == bool(line.if_name), line.id
    assert len({line.circuit for line in sample().lines.values()}) == len(sample().lines)


def test_some_ports_at_the_parent_are_known_and_no_two_lines_share_one() -> None:
    ports = [(line.remote_device, line.remote_if_name) for line in sample().lines.values() if line.remote_device]
    assert len(ports) >= 20
    assert len(set(ports)) == len(ports)


def test_every_area_has_a_technician_and_no_phone_number_is_real() -> None:
    contacts = sample().contacts.values()
    assert {area for contact in contacts for area in contact.areas} == sample().areas.keys()
    assert all(contact.phone.startswith("+840000") for contact in contacts)
    assert all(contact.email.endswith("@example.invalid") for contact in contacts)


def test_the_sample_tells_nobody_and_listens_on_loopback() -> None:
    assert not loaded().config.notify.enabled
    assert loaded().config.web.host == "127.0.0.1"
    assert loaded().config.mqtt.host == ""
    assert loaded().config.own_uplink == "node-core"


def settings(cls: type) -> set[str]:
    """Every key that netmon.yml may hold below ``cls``."""
    found = set()
    for field in fields(cls):
        hint = get_type_hints(cls)[field.name]
        if field.name != "path":
            found.add(key_of(field.name))
        if is_dataclass(hint) and isinstance(hint, type) and hint is not Secret:
            found |= settings(hint)
    return found


def test_every_setting_stands_in_the_sample() -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    missing = {key for key in settings(Config) if not re.search(rf"^[ #]*{key}:", text, re.MULTILINE)}
    assert missing == set()


def test_what_stands_in_comments_is_the_default(tmp_path: Path) -> None:
    """With all comments of settings taken in (but for secrets and files), the config is still the same."""
    text = SAMPLE.read_text(encoding="utf-8")
    lines, plain = [], re.compile(r"^( *)# ?( *)([a-z_]+:.*)$")
    for line in text.splitlines():
        found = plain.match(line)
        skip = found and re.search(r"env:|_file:|state_dir|address_map|url:|alertmanager|headers|kind: \"alert", line)
        if found and not skip:
            line = f"{found[1]}{found[2]}{found[3]}"
        lines.append(line)
    path = shutil.copytree(SAMPLE.parent, tmp_path / "inventory") / "netmon.yml"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert len(set(lines) - set(text.splitlines())) > 40, "comments were taken in"
    config, expected = load(path, {}).config, loaded().config
    for field in fields(Config):
        if field.name not in ("path", "state_dir", "inventory"):
            assert getattr(config, field.name) == getattr(expected, field.name), field.name


@pytest.mark.parametrize("sites", [1, 60, 110, 310])
def test_any_part_of_the_sample_stands_alone(tmp_path: Path, sites: int) -> None:
    """As `netmon demo --sites N` takes it: no sensor and no gateway is left without its site."""
    kept = set(list(sample().sites)[:sites])
    files = []
    for path in sorted(SAMPLE.parent.rglob("*.yml")):
        if path.name != "netmon.yml":
            tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            keep_sites(tree, kept)
            copy = tmp_path / path.name
            copy.write_text(quoted_yaml(tree), encoding="utf-8")
            files.append(copy.name)
    settings = yaml.safe_load(SAMPLE.read_text(encoding="utf-8")) | {"inventory": files}
    (tmp_path / "netmon.yml").write_text(quoted_yaml(settings), encoding="utf-8")
    found = load(tmp_path / "netmon.yml", {}).inventory
    assert set(found.sites) == kept
    assert ("gw-do-thi" in found.gateways) is ("ubnd-dong-xoai-tan-dong" in kept)


def test_the_demo_tells_at_any_time_of_the_day(tmp_path: Path) -> None:
    demo = Demo(config=str(SAMPLE), port=1, duration_s=0.0, sites=0, faults="none", keep="")
    config = load_settings(str(demo._write_config(tmp_path, loaded(), 2, 3)))
    assert loaded().config.alerts.quiet_hours
    assert not config.alerts.quiet_hours
    assert set(config.alerts.tell_after_s.values()) == {0.0}
