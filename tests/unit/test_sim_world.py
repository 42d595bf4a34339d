"""What is true in the simulated province: power, batteries, boots, fibres and nodes follow physics."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netmon.model import Inventory, Line
from netmon.sim.mib import SimDevice
from netmon.sim.province import build_devices
from netmon.sim.world import FAULTS, Fault, World
from tests.unit.world import province

UPS_S, BOOT_S = 40.0, 12.0
DAY_S = 86400.0


def world(*faults: Fault, facts: Inventory | None = None) -> World:
    return World(facts or province(), faults, ups_runtime_s=UPS_S, boot_s=BOOT_S)


def at(this: World, t: float) -> World:
    """Let time pass in steps of half a second until ``t``."""
    while this.t < t:
        this.step(min(t, this.t + 0.5))
    return this


def line(this: World, name: str) -> Line:
    return this.inventory.lines[name]


def test_without_faults_everything_works_and_runs_for_long() -> None:
    this = at(world(), 5)
    for site in this.inventory.sites:
        assert this.mains(site)
        assert this.powered(site)
        assert this.site_reachable(site)
        assert this.uptime_s(site) > 20 * DAY_S
        assert this.battery_ratio(site) == 1.0
    assert all(this.line_up(found) for found in this.inventory.lines.values())
    assert all(this.node_up(node) for node in this.inventory.nodes)
    assert len({this.uptime_s(site) for site in this.inventory.sites}) > 5, "they did not all start at once"
    assert this.truth == []


# --- power -----------------------------------------------------------------------------------------------------------


def test_without_a_ups_the_site_is_dark_at_once_and_boots_when_the_mains_are_back() -> None:
    this = world(Fault("power", "house-b", 10, 50))  # b1 and b2
    at(this, 9.5)
    assert this.powered("b1")
    for t in (10, 30, 59.5):
        at(this, t)
        assert not this.mains("b1")
        assert not this.powered("b1")
        assert not this.port_up(line(this, "b1"))
        assert not this.site_reachable("b1")
    at(this, 60)
    assert this.mains("b1")
    assert this.port_up(line(this, "b1")), "there is light as soon as there is power"
    for t in (60, 71.5):
        at(this, t)
        assert not this.powered("b1"), "it boots"
        assert not this.line_up(line(this, "b1"))
    at(this, 72)
    assert this.powered("b1")
    assert this.line_up(line(this, "b1"))
    assert this.uptime_s("b1") == 12.0
    assert at(this, 100).uptime_s("b1") == 40.0


def test_a_ups_carries_its_site_until_it_is_empty() -> None:
    this = world(Fault("power", "house-a6", 10, 70))
    at(this, 10)
    assert not this.mains("a6")
    assert this.powered("a6")
    assert this.site_reachable("a6")
    assert this.battery_ratio("a6") == 1.0
    assert at(this, 30).battery_ratio("a6") == pytest.approx(0.5)
    assert at(this, 49.5).site_reachable("a6")
    at(this, 50)
    assert this.battery_ratio("a6") == 0.0
    assert not this.powered("a6")
    assert not this.site_reachable("a6")
    assert at(this, 79).battery_ratio("a6") == 0.0
    at(this, 80)
    assert this.mains("a6")
    assert not this.powered("a6")
    assert at(this, 92).powered("a6")
    assert this.uptime_s("a6") == 12.0


def test_a_cut_shorter_than_the_battery_is_only_seen_at_the_ups() -> None:
    this = world(Fault("power", "house-a6", 10, 30))
    before = at(this, 5).uptime_s("a6")
    for t in (10, 25, 39.5, 40, 60):
        assert at(this, t).site_reachable("a6")
    assert this.mains("a6")
    assert this.battery_ratio("a6") == 1.0
    assert this.uptime_s("a6") == before + 55.0
    assert this.port_changed_at("a6") is None


@pytest.mark.parametrize("target", ["house-a", "a1", "a2"])
def test_a_building_has_one_mains_and_one_ups(target: str) -> None:
    """a1 and a2 share a house; the UPS stands in a2. A site that loses its mains does so with its house."""
    this = at(world(Fault("power", target, 10, 100)), 30)
    assert [this.mains(s) for s in ("a1", "a2", "a3")] == [False, False, True]
    assert [this.powered(s) for s in ("a1", "a2", "a3")] == [True, True, True]
    at(this, 51)
    assert [this.site_reachable(s) for s in ("a1", "a2", "a3")] == [False, False, True]


def test_a_site_without_a_building_has_a_mains_of_its_own() -> None:
    this = at(world(Fault("power", "two", 10, 10)), 15)
    assert [s for s in this.inventory.sites if not this.mains(s)] == ["two"]


def test_what_stands_at_a_node_has_always_mains() -> None:
    this = at(world(Fault("power", "house-a", 0, 100)), 10)
    assert (this.mains("core"), this.battery_ratio("core"), this.mains("")) == (True, 1.0, True)


# --- lines and nodes -------------------------------------------------------------------------------------------------


def test_a_fibre_takes_its_line_and_no_other() -> None:
    this = at(world(Fault("fibre", "two-1", 10, 20)), 10)
    assert [found for found in this.inventory.lines if not this.line_up(line(this, found))] == ["two-1"]
    assert this.site_reachable("two"), "over its other line"
    assert this.powered("two")
    assert at(this, 30).line_up(line(this, "two-1"))


def test_a_site_with_both_lines_cut_is_away() -> None:
    this = at(world(Fault("fibre", "two-1", 10, 20), Fault("fibre", "two-2", 10, 20)), 15)
    assert not this.site_reachable("two")


def test_a_node_takes_everything_below_it() -> None:
    this = at(world(Fault("node", "a", 10, 20)), 15)
    assert [n for n in this.inventory.nodes if not this.node_up(n)] == ["a"]
    down = {found for found in this.inventory.lines if not this.line_up(line(this, found))}
    assert down == {f"a{n}" for n in range(1, 8)} | {"two-1"}
    this = at(world(Fault("node", "core", 10, 20)), 15)
    assert {n for n in this.inventory.nodes if not this.node_up(n)} == {"core", "a", "b"}
    assert not any(this.site_reachable(site) for site in this.inventory.sites)
    assert all(this.powered(site) for site in this.inventory.sites)
    assert all(this.site_reachable(site) for site in at(this, 30).inventory.sites)


def with_far_end() -> Inventory:
    facts = province()
    far = replace(facts.lines["a6"], remote_device="r-node", remote_if_name="Gi0/0/6")
    return replace(facts, lines={**facts.lines, "a6": far})


def ports(devices: dict[str, SimDevice], device: str) -> dict[str, tuple[bool, float]]:
    """ifName -> (up, ifLastChange) of the ports that carry lines."""
    sim = devices[device]
    return {p.name: (sim.port_up(p), sim.last_change_s(p)) for p in sim.ports if p.line}


def test_a_fibre_takes_the_port_at_both_ends_and_both_say_since_when() -> None:
    this = world(Fault("fibre", "a6", 10, 20), facts=with_far_end())
    devices = build_devices(this)
    at(this, 9)
    assert ports(devices, "r-a6") == {"GE0/a6": (True, 0.0)}
    assert ports(devices, "r-node") == {"Gi0/0/6": (True, 0.0)}
    at(this, 17)  # nobody looked in between
    for device, name in (("r-a6", "GE0/a6"), ("r-node", "Gi0/0/6")):
        up, changed_s = ports(devices, device)[name]
        assert not up
        assert devices[device].uptime_s() - changed_s == pytest.approx(7.0)
    at(this, 45)
    up, changed_s = ports(devices, "r-node")["Gi0/0/6"]
    assert up
    assert devices["r-node"].uptime_s() - changed_s == pytest.approx(15.0)


def test_a_dark_router_is_seen_at_the_far_end_and_forgets_its_own_changes() -> None:
    this = world(Fault("fibre", "a6", 5, 5), Fault("power", "house-a6", 20, 60), facts=with_far_end())
    devices = build_devices(this)
    at(this, 15)
    assert ports(devices, "r-a6")["GE0/a6"][1] > DAY_S
    at(this, 65)
    assert ports(devices, "r-node")["Gi0/0/6"][0] is False
    at(this, 100)
    assert ports(devices, "r-a6") == {"GE0/a6": (True, 0.0)}, "never later than sysUpTime"
    assert devices["r-a6"].uptime_s() == 20.0


def test_a_port_that_was_down_before_the_boot_says_it_was_never_up() -> None:
    this = world(Fault("fibre", "a6", 5, 500), Fault("power", "house-a6", 10, 60), facts=with_far_end())
    devices = build_devices(this)
    at(this, 100)
    assert ports(devices, "r-a6") == {"GE0/a6": (False, 0.0)}
    assert devices["r-node"].uptime_s() - ports(devices, "r-node")["Gi0/0/6"][1] == pytest.approx(95.0)


def test_a_flap_shorter_than_a_poll_leaves_its_trace() -> None:
    this = world(Fault("fibre", "a6", 10, 1), facts=with_far_end())
    devices = build_devices(this)
    at(this, 30)
    up, changed_s = ports(devices, "r-a6")["GE0/a6"]
    assert up
    assert devices["r-a6"].uptime_s() - changed_s == pytest.approx(19.0)


def test_a_hanging_router_forwards_but_does_not_answer() -> None:
    this = at(world(Fault("hang", "r-a6", 10, 20)), 15)
    assert this.hangs("r-a6")
    assert this.site_reachable("a6")
    assert not this.hangs("ups-a6")
    assert not at(this, 30).hangs("r-a6")


def test_a_hot_room_is_hot_and_nothing_else() -> None:
    this = at(world(Fault("hot", "a7", 10, 20)), 15)
    assert (this.hot("a7"), this.hot("a6"), this.site_reachable("a7")) == (True, False, True)


# --- the truth -------------------------------------------------------------------------------------------------------


def test_the_truth_is_written_when_it_begins_and_ends() -> None:
    this = world(Fault("fibre", "a6", 10, 5))
    this.add([Fault("hang", "r-b1", 12, 1)])
    at(this, 20)
    assert this.truth == [
        (10.0, "begins", "fibre", "a6"),
        (12.0, "begins", "hang", "r-b1"),
        (13.0, "ends", "hang", "r-b1"),
        (15.0, "ends", "fibre", "a6"),
    ]


def test_faults_that_overlap_end_with_the_last() -> None:
    this = world(Fault("fibre", "a6", 10, 10), Fault("fibre", "a6", 15, 10), Fault("node", "a", 12, 30))
    assert not at(this, 22).fibre_ok("a6")
    assert at(this, 26).fibre_ok("a6")
    assert not this.line_up(line(this, "a6"))
    assert at(this, 42).line_up(line(this, "a6"))


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_active_from_its_beginning_to_before_its_end(kind: str) -> None:
    fault = Fault(kind, "x", 10, 5)
    assert [fault.active(t) for t in (9.9, 10, 14.9, 15)] == [False, True, True, False]
