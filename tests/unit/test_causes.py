"""Evidence beyond ports and UPS polls, what a person says, and mates on one mains that are one fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netmon.alerts.event_notes import noted
from netmon.alerts.review import review
from netmon.alerts.rootcause import HOLD_S
from netmon.model import Event, Inventory, Subject
from netmon.state import Said
from tests.unit.test_rootcause import keys, look, scene, with_parent_port, with_ups
from tests.unit.world import T0, change_line, province


def together(*sites: str, **group: str) -> Inventory:
    """The province with these sites in one building, feeder or cable."""
    facts = province()
    return replace(facts, sites={**facts.sites, **{s: replace(facts.sites[s], **group) for s in sites}})  # type: ignore[arg-type]


# --- evidence --------------------------------------------------------------------------------------------------------


def test_a_ups_trap_counts_as_a_poll_would() -> None:
    world = scene(province(), before=lambda w: w.poll("ups-a6", ups_on_battery=0.0, ups_charge_ratio=1.0))
    world.state.events.append(Event("ups_on_battery", "ups-a6", world.now))
    world.lose("a6")
    world.run(12)
    cause = look(world, "a6")
    assert (cause.kind, cause.confirmed, cause.rule) == ("power", False, "power_ups")


@pytest.mark.parametrize(("mains", "expected"), [(False, ("power", True, "power_person")), (True, ("unknown", False))])
def test_what_a_person_says_counts_for_the_outage_in_which_it_was_said(
    mains: bool, expected: tuple[object, ...]
) -> None:
    world = scene(province(), "b3")
    world.state.said["b3"] = Said(mains, T0 + 10, "Bình")  # before the loss: about another one
    assert look(world, "b3").kind == "unknown"
    world.state.said["b3"] = Said(mains, world.now, "Bình")
    cause = look(world, "b3")
    assert (cause.kind, cause.confirmed, cause.rule)[: len(expected)] == expected
    said = next(e for e in cause.evidence if e.key == ("mains_said" if mains else "no_mains_said"))
    assert said.args == {"name": "Bình"}


def test_mains_said_good_and_the_far_port_down_is_the_line() -> None:
    world = scene(with_parent_port(province(), "b3"), "b3")
    world.poll("r-node", ports={"XGE0/7": (False, world.now - 11)})
    assert look(world, "b3").kind == "unknown"
    world.state.said["b3"] = Said(True, world.now, "Bình")
    cause = look(world, "b3")
    assert (cause.kind, cause.confirmed, cause.rule) == ("line", True, "line_far_port")


def test_a_port_above_that_came_up_again_is_a_router_that_boots_and_no_device_fault() -> None:
    world = scene(with_parent_port(province(), "b3"), "b3")
    world.poll("r-node", ports={"XGE0/7": (True, world.now - 2)})
    cause = look(world, "b3")
    assert cause.kind == "unknown"
    assert "device_port_up|parent_port_moved" in cause.rejected


def test_an_icmp_error_names_who_sent_it_and_carries_no_address() -> None:
    world = scene(province(), "b3")
    for sender, name in (("198.18.0.9", "Lõi"), ("203.0.113.77", None)):
        reach = replace(world.state.reach["b3"], error="icmp 3/1 host unreachable", error_from=sender)
        world.state.reach["b3"] = reach
        found = [e.args["name"] for e in look(world, "b3").evidence if e.key == "icmp_error"]
        assert found == ([name] if name else [])


@pytest.mark.parametrize(
    ("after_s", "up", "expected"), [(HOLD_S + 5, True, "device"), (60.0, True, "unknown"), (60.0, False, "unknown")]
)
def test_a_routing_session_that_outlives_its_hold_time_means_the_router_lives(
    after_s: float, up: bool, expected: str
) -> None:
    from netmon.model import Figure, labels

    world = scene(province(), "b3")
    world.run(after_s)
    world.poll("r-node")
    session = Figure("netmon_neighbor_up", labels(device="r-node", protocol="bgp", peer="198.18.1.1"), float(up))
    world.state.polls["r-node"] = replace(world.state.polls["r-node"], figures=(session,))
    cause = look(world, "b3")
    assert cause.kind == expected
    assert ("neighbour_down" in keys(cause)) == (not up)
    assert ("neighbour_up" in keys(cause)) == (expected == "device")


def test_a_cause_says_which_rule_decided_and_what_was_rejected() -> None:
    cause = look(scene(province(), "b3"), "b3")
    assert cause.rule == "unknown_evidence"
    assert cause.rejected == ("device_port_up|parent_port", "power|ups", "line_far_port|parent_port")


# --- mates -----------------------------------------------------------------------------------------------------------


def test_sites_of_one_house_whose_batteries_end_apart_are_one_incident() -> None:
    world = scene(province(), "b1")  # b1 and b2 share a house
    world.run(100)
    world.lose("b2")
    world.run(12)
    assert world.open()["b1"].children == ("b2",)
    assert "b2" not in world.open()
    world.restore("b1")
    world.run(100)
    assert world.open()["b2"].began_at == pytest.approx(world.verdict("site", "b2").since), "still missing: its own"


def test_a_battery_that_ends_in_the_last_moment_is_still_the_same_fault() -> None:
    world = scene(province(), "b1")
    world.run(100)
    world.lose("b2")
    world.run(3)
    world.restore("b1")  # back before the other is known to be lost
    world.run(12)
    assert world.open()["b1"].children == ("b2",)
    world.restore()
    world.run(100)
    assert [i.subject.id for i in world.state.incidents.values()] == ["b1"]


def test_sites_of_one_feeder_follow_only_where_nothing_else_is_known_and_not_for_ever() -> None:
    for later_s, own in ((100, False), (3000, True)):
        world = scene(province(), "a3")  # a3, a4, a5 are on one feeder
        world.run(later_s)
        world.lose("a4")
        world.run(12)
        assert ("a4" in world.open()) == own
    world = scene(with_parent_port(province(), "a4"), "a3")
    world.run(100)
    world.lose("a4")
    world.poll("r-node", ports={"XGE0/7": (True, T0 - 1e5)})
    world.run(4)
    world.poll("r-node", ports={"XGE0/7": (True, T0 - 1e5)})
    world.run(8)
    assert world.open()["a4"].cause.kind == "device"


def test_a_ups_on_battery_joins_the_outage_of_its_feeder_and_grows_into_it() -> None:
    facts = with_ups(province(), "a4")
    world = scene(facts, "a3")
    world.alert("UpsOnBattery", Subject("device", "ups-a4"), site="a4")
    world.run(2)
    assert [i.subject.id for i in world.book.open.values()] == ["a3"]
    world = scene(facts, before=lambda w: w.poll("ups-a4", ups_on_battery=1.0, ups_charge_ratio=0.9))
    world.alert("UpsOnBattery", Subject("device", "ups-a4"), site="a4")
    world.run(2)
    (first,) = world.book.open
    world.poll("ups-a4", ups_on_battery=1.0, ups_charge_ratio=0.8)
    world.lose("a3")
    world.run(12)
    assert {i.id: i.subject.id for i in world.book.open.values()} == {first: "a3"}


def test_a_battery_that_is_low_after_the_cut_is_no_new_incident_also_after_a_restart() -> None:
    world = scene(province(), "a6", before=lambda w: w.poll("ups-a6", ups_on_battery=1.0, ups_charge_ratio=0.1))
    world.run(60)
    world.restore()
    world.poll("ups-a6", ups_on_battery=0.0, ups_charge_ratio=0.1)
    world.run(30)
    world.state.alerts.clear()
    world.alert("UpsBatteryLow", Subject("device", "ups-a6"), site="a6")
    world.run(100)
    assert [i.subject.id for i in world.state.incidents.values()] == ["a6"]
    world.restart()
    world.state.health.started_at = world.now
    world.alert("UpsBatteryLow", Subject("device", "ups-a6"), site="a6")
    world.run(60)
    assert not world.book.open
    assert [i.subject.id for i in world.state.incidents.values()] == ["a6"]


def test_a_battery_that_is_still_low_when_its_node_is_back_is_no_new_incident() -> None:
    def low() -> None:
        world.alert("UpsBatteryLow", Subject("device", "ups-b3"), site="b3")

    facts = with_ups(province(), "b3")
    world = scene(facts, "b3", before=lambda w: w.poll("ups-b3", ups_on_battery=1.0, ups_charge_ratio=0.1))
    world.restore()
    world.poll("ups-b3", ups_on_battery=0.0, ups_charge_ratio=0.1)
    world.run(20)
    low()
    world.run(100)
    assert not world.book.open
    world.lose("b")  # nobody hears the UPS
    world.state.alerts.clear()
    world.run(60)
    world.restore()
    world.run(8)
    low()
    world.run(100)
    assert [i.subject.id for i in world.state.incidents.values()] == ["b3", "b"]
    world.state.alerts.clear()
    world.run(200)
    low()  # the mains went again, long after
    world.run(5)
    assert [i.subject.id for i in world.book.open.values()] == ["ups-b3"]


@pytest.mark.parametrize(("port_up", "expected"), [(True, "line"), (False, "unknown")])
def test_a_router_that_sees_its_ont_and_has_mains_lost_the_line_beyond(port_up: bool, expected: str) -> None:
    world = scene(change_line(province(), "two-1", handoff="ont"), "two-1")
    world.poll("r-two", ports={"GE0/two-1": (port_up, T0 - 1e5 if port_up else world.now), "GE0/two-2": (True, None)})
    assert look(world, "two").kind == "unknown"  # perhaps the cabinet has no power
    world.state.said["two"] = Said(True, world.now, "Bình")
    cause = look(world, "two")
    assert (cause.kind, cause.confirmed) == (expected, False)


# --- a restart in between --------------------------------------------------------------------------------------------


def test_a_command_that_restarted_the_router_is_remembered_over_a_restart_of_netmon() -> None:
    world = scene(province(), "b3")
    trap = Event("warm_start", "r-b3", world.now)
    incident = noted(world.open()["b3"], trap)
    assert not world.state.events
    world.restart()
    world.run(30)
    world.poll("r-b3", uptime_s=world.now - trap.at)
    world.book.witness.observe(world.state)
    back = replace(incident, good_since=world.now - 1)
    cause = review(back, world.state, world.topology, world.book.witness)
    assert (cause.kind, cause.confirmed, cause.rule) == ("device", True, "device_warm_start")
    before = replace(back, timeline=tuple(replace(e, at=e.at - 3600) for e in back.timeline))
    assert review(before, world.state, world.topology, world.book.witness).kind == "power"


@pytest.mark.parametrize(("charge", "expected"), [(0.6, ("power", True)), (0.97, ("unknown", False))])
def test_the_charge_before_the_loss_is_remembered_over_a_restart_of_netmon(
    charge: float, expected: tuple[str, bool]
) -> None:
    """An ONT without a UPS: the router ran on, and nobody saw the UPS on battery."""
    facts = change_line(with_ups(province(), "b3"), "b3", handoff="ont")
    world = scene(facts, "b3", before=lambda w: w.poll("ups-b3", ups_on_battery=0.0, ups_charge_ratio=1.0))
    world.restart()
    world.run(30)
    world.restore()
    world.run(10)
    world.poll("r-b3", ports={"GE0/b3": (True, T0 + 60)})
    world.poll("ups-b3", ups_on_battery=0.0, ups_charge_ratio=charge)
    closed = world.run(80)[-1]
    assert (closed.kind, closed.incident.subject.id) == ("closed", "b3")
    assert (closed.incident.cause.kind, closed.incident.cause.confirmed) == expected
