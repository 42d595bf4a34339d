"""Faults of the whole province, from the simulator's truth to one incident each: its cause, its children, its end.

All happen at once, as the incidents must not disturb each other. How long each took is printed (pytest -s or -rP), and
is not asserted beyond what the test waits: that is the benchmarks' task.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from netmon.model import Inventory
from netmon.sim.world import Fault
from netmon.topology import Topology
from tests.conftest import wait_until
from tests.live.province import Province

pytestmark = pytest.mark.live

LATEST_S = 45.0  # generous: a loaded machine, and the power cut waits for its batteries


@dataclass(frozen=True)
class Script:
    """What is broken, chosen from the inventory so that no fault touches another."""

    fibre: str  # site with a port of its own at the core router
    house: str  # building with one UPS and two sites
    house_sites: frozenset[str]
    probed: str  # node that answers probes itself
    judged: str  # node that is judged by its children
    below: Mapping[str, frozenset[str]]  # node -> the sites that hang from it with all their lines

    @property
    def children(self) -> frozenset[str]:
        return self.below[self.probed] | self.below[self.judged]

    @property
    def targets(self) -> tuple[str, ...]:
        return (f"{self.fibre}-1", self.house, self.probed, self.judged)


def script(inventory: Inventory) -> Script:
    topology = Topology(inventory)
    alone = {site for site in inventory.sites if len(topology.lines_of(site)) == 1}
    ups = {d.site for d in inventory.devices.values() if d.kind == "ups"}
    small = [n.id for n in inventory.nodes.values() if n.kind == "aggregation"]
    probed = next(n for n in small if inventory.nodes[n].probe)
    judged = next(n for n in small if not inventory.nodes[n].probe)
    below = {
        node: frozenset(
            site
            for site in topology.sites_below(node)
            if set(topology.lines_of(site)) <= set(topology.lines_below(node))
        )
        for node in (probed, judged)
    }
    touched = {site for node in below for site in topology.sites_below(node)}
    fibre = next(
        line.site
        for line in inventory.lines.values()
        if line.remote_device and line.handoff == "sfp" and line.site in alone & ups
    )
    houses: dict[str, set[str]] = {}
    for site in inventory.sites.values():
        if site.building:
            houses.setdefault(site.building, set()).add(site.id)
    house, sites = next(
        (house, sites)
        for house, sites in houses.items()
        if len(sites) == 2 and len(sites & ups) == 1 and sites <= alone - touched and fibre not in sites
    )
    return Script(fibre, house, frozenset(sites), probed, judged, below)


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


@pytest.fixture(scope="module")
def chosen(province: Province) -> Script:
    return script(province.inventory)


@pytest.fixture(scope="module")
def broken(province: Province, chosen: Script) -> Iterator[Province]:
    """The province with everything of the script broken, and each incident reported."""
    province.happen(
        Fault("fibre", chosen.targets[0], 0.0, 25.0),
        Fault("power", chosen.house, 0.0, 23.0),  # the battery lasts 18 s of it; then the routers boot for 12 s
        Fault("node", chosen.probed, 1.0, 22.0),
        Fault("node", chosen.judged, 2.0, 22.0),
    )
    wait_until(lambda: len(main_incidents(province, chosen)) == 4, LATEST_S, "one incident for each fault")
    yield province


@pytest.fixture(scope="module")
def healed(broken: Province, chosen: Script) -> Province:
    """The province after everything of the script has been repaired and found good."""
    wait_until(lambda: broken.truth_at("ends", chosen.house), LATEST_S, "the end of the last fault")
    wait_until(lambda: not broken.incidents("open"), LATEST_S + 30, "no open incident")
    return broken


def main_incidents(province: Province, chosen: Script) -> list[dict[str, Any]]:
    return province.incidents_of(chosen.fibre, *chosen.house_sites, chosen.probed, chosen.judged)


def test_one_incident_each_with_its_cause(broken: Province, chosen: Script) -> None:
    fibre, house, probed, judged = (
        broken.incidents_of(*subjects)
        for subjects in ((chosen.fibre,), chosen.house_sites, (chosen.probed,), (chosen.judged,))
    )
    assert [len(found) for found in (fibre, house, probed, judged)] == [1, 1, 1, 1]
    assert {i["subject_kind"] for i in probed + judged} == {"node"}
    for node in (probed[0], judged[0]):
        assert (node["cause"], node["kind"]) == ("upstream", "outage")
        wait_until(
            lambda node=node["subject"]: set(broken.incidents_of(node)[0]["children"]) == chosen.below[node],
            what=f"all sites below {node['subject']} as its children",
        )
    wait_until(lambda: broken.incidents_of(chosen.fibre)[0]["cause"] == "line", LATEST_S, "the line as the cause")
    wait_until(lambda: broken.incidents_of(*chosen.house_sites)[0]["cause"] == "power", LATEST_S, "power as the cause")
    keys = {e["key"] for e in broken.incidents_of(*chosen.house_sites)[0]["evidence"]}
    assert keys & {"ups_on_battery", "neighbour_ups_on_battery"}
    # Both sites of the house are in the one incident, whichever was found first.
    [house_incident] = wait_until(
        lambda: [i for i in broken.incidents_of(*chosen.house_sites) if i["children"]], LATEST_S, "the neighbour"
    )
    assert {house_incident["subject"], *house_incident["children"]} == chosen.house_sites


def test_how_long_it_took(broken: Province, chosen: Script) -> None:
    subjects = ((chosen.fibre,), tuple(chosen.house_sites), (chosen.probed,), (chosen.judged,))
    for kind, target, subject in zip(
        ("fibre", "power", "node", "node by children"), chosen.targets, subjects, strict=True
    ):
        [incident] = broken.incidents_of(*subject)
        began = broken.truth_at("begins", target)
        assert began is not None
        seconds = at(incident["opened_at"]) - began
        first = at(incident["began_at"]) - began
        print(f"{kind}: first sign after {first:.1f} s, incident after {seconds:.1f} s")
        assert 0 < seconds < LATEST_S
        assert -1 < first <= seconds


def test_children_are_not_alerted(healed: Province, chosen: Script) -> None:
    others = {i["subject"] for i in healed.incidents()} - {chosen.fibre, chosen.probed, chosen.judged}
    assert others <= chosen.house_sites
    assert len(healed.incidents()) == 4
    told = [m for m in healed.sink.got if any(healed.inventory.sites[s].sms_name in m["text"] for s in chosen.children)]
    assert told == []


def test_all_is_closed_and_right_at_the_end(healed: Province, chosen: Script) -> None:
    by_subject = {i["subject"]: i for i in main_incidents(healed, chosen)}
    assert all(i["closed_at"] for i in by_subject.values())
    assert by_subject[chosen.fibre]["cause"] == "line"
    [house] = [by_subject[s] for s in chosen.house_sites if s in by_subject]
    assert (house["cause"], house["confirmed"]) == ("power", True)
    summary = healed.get("/api/v1/summary").json
    assert (summary["reachable"], summary["incidents_open"]) == (310, 0)


def test_messages_tell_of_each_once(healed: Province, chosen: Script) -> None:
    waiting = "SELECT id, attempts, detail FROM intent WHERE state = 'pending'"
    with contextlib.suppress(pytest.fail.Exception):
        wait_until(lambda: not healed.rows(waiting), what="every message sent")
    assert healed.rows(waiting) == []
    rows = healed.rows("SELECT incident, change, contact, channel, state FROM intent")
    sent = [row for row in rows if row[4] == "sent"]
    assert sent
    assert {row[4] for row in rows} <= {"sent", "suppressed", "standby"}
    for incident in main_incidents(healed, chosen):
        told = [(change, contact) for number, change, contact, *_ in sent if number == incident["id"]]
        assert len(told) == len(set(told)), told


def test_the_intervals_say_the_same(healed: Province, chosen: Script) -> None:
    """What the yearly report will be made of: each loss is one interval, bounded by when it was true."""
    for site in sorted({chosen.fibre, *chosen.house_sites, *chosen.children}):
        wait_until(lambda site=site: _conditions(healed, site)[-1] == "up", what=f"the last interval of {site}")
        lost = [c for c in _conditions(healed, site) if c in ("down", "unreachable")]
        assert len(lost) == 1 or set(lost) == {"down", "unreachable"}, (site, lost)


def _conditions(province: Province, site: str) -> list[str]:
    try:
        rows = province.rows("SELECT condition FROM interval WHERE kind = 'site' AND subject = ? ORDER BY since", site)
    except sqlite3.OperationalError as error:
        raise OSError(str(error)) from error  # locked: asked again
    return [condition for (condition,) in rows]
