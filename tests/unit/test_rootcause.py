"""Root cause: which evidence makes which cause, and that a power cut is never called a broken line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from netmon.alerts.evidence import Witness
from netmon.alerts.joining import better
from netmon.alerts.power import drained
from netmon.alerts.review import review
from netmon.alerts.rootcause import find
from netmon.model import Cause, Device, Evidence, Incident, Inventory, Subject
from netmon.state import SensorView
from tests.unit.world import T0, World, change_line, province

LOST_AT = 60.0  # seconds after T0 at which the scenes begin


def with_parent_port(inventory: Inventory, line: str, handoff: str = "sfp") -> Inventory:
    return change_line(inventory, line, handoff=handoff, remote_device="r-node", remote_if_name="XGE0/7")


def with_ups(inventory: Inventory, site: str) -> Inventory:
    ups = Device(f"ups-{site}", "ups", "198.19.0.1", 161, "public", site=site)
    return replace(inventory, devices={**inventory.devices, ups.id: ups})


def scene(inventory: Inventory, *lost: str, before: Callable[[World], None] = lambda w: None) -> World:
    """A province in which ``lost`` is cut 60 s after the start; ``before`` runs 20 s before."""
    world = World(inventory)
    world.run(LOST_AT - 20)
    before(world)
    world.run(20)
    world.lose(*lost)
    world.run(12)
    return world


def look(world: World, site: str) -> Cause:
    world.book.witness.observe(world.state)
    return find(Subject("site", site), world.state, world.topology, world.config, world.now, world.book.witness)


def keys(cause: Cause) -> set[str]:
    return {e.key for e in cause.evidence}


def test_nothing_known_is_unknown_and_says_what_is_missing() -> None:
    cause = look(scene(province(), "b3"), "b3")
    assert (cause.kind, cause.confirmed) == ("unknown", False)
    assert keys(cause) == {"router_silent"}
    assert cause.missing == ("ups", "parent_port")


UPS_TABLE = [
    ("drained", {"ups_on_battery": 1.0, "ups_charge_ratio": 0.04}, ("power", True)),
    ("minutes left", {"ups_on_battery": 1.0, "ups_runtime_seconds": 120.0, "ups_charge_ratio": 0.5}, ("power", True)),
    ("plenty left", {"ups_on_battery": 1.0, "ups_charge_ratio": 0.95}, ("power", False)),
    ("on mains", {"ups_on_battery": 0.0, "ups_charge_ratio": 1.0}, ("unknown", False)),
]


@pytest.mark.parametrize(("figures", "expected"), [row[1:] for row in UPS_TABLE], ids=[row[0] for row in UPS_TABLE])
def test_power_by_the_ups_seen_before_the_loss(figures: dict[str, float], expected: tuple[str, bool]) -> None:
    world = scene(province(), "a6", before=lambda w: w.poll("ups-a6", **figures))
    cause = look(world, "a6")
    assert (cause.kind, cause.confirmed) == expected
    assert "ups" not in cause.missing
    assert ("ups_on_battery" in keys(cause)) == bool(figures["ups_on_battery"])
    assert ("ups_on_mains" in keys(cause)) == (not figures["ups_on_battery"])


def test_ups_evidence_has_the_time_it_was_first_seen_on_battery_and_the_last_charge() -> None:
    world = World()
    world.poll("ups-a6", ups_on_battery=0.0, ups_charge_ratio=1.0)
    world.run(30)
    world.poll("ups-a6", ups_on_battery=1.0, ups_charge_ratio=0.6)
    from_at = world.now
    world.run(30)
    world.poll("ups-a6", ups_on_battery=1.0, ups_charge_ratio=0.1)
    last_at = world.now
    world.lose("a6")
    world.run(12)
    evidence = {e.key: e for e in look(world, "a6").evidence}
    assert evidence["ups_on_battery"].at == from_at
    assert (evidence["ups_charge"].at, evidence["ups_charge"].args) == (last_at, {"percent": "10"})


def test_a_ups_that_was_silent_long_before_tells_nothing() -> None:
    world = scene(province(), before=lambda w: w.poll("ups-a6", ups_on_battery=1.0, ups_charge_ratio=0.01))
    world.run(600)
    world.lose("a6")
    world.run(12)
    assert look(world, "a6").kind == "unknown"


def test_firing_alert_counts_where_the_poll_is_forgotten() -> None:
    world = scene(province(), "a6", before=lambda w: w.alert("UpsOnBattery", Subject("device", "ups-a6"), site="a6"))
    assert (look(world, "a6").kind, look(world, "a6").confirmed) == ("power", False)


def test_ups_of_the_same_house() -> None:
    # ups-a2 stands in the house of a1, which has none; only a1 is lost, in the moment the mains went.
    world = scene(province(), "a1", before=lambda w: w.poll("ups-a2", ups_on_battery=1.0))
    cause = look(world, "a1")
    assert (cause.kind, cause.confirmed) == ("power", True)
    assert {e.args.get("name") for e in cause.evidence if e.key == "neighbour_ups_on_battery"} == {"UBND a2"}


@pytest.mark.parametrize(("value", "expected"), [(0.0, ("power", True)), (1.0, ("unknown", False))])
def test_mains_sensor(value: float, expected: tuple[str, bool]) -> None:
    world = scene(province(), "a7")
    world.hear("mains-a7", value)
    cause = look(world, "a7")
    assert (cause.kind, cause.confirmed) == expected
    assert keys(cause) & {"mains_lost", "mains_present"} == {"mains_present" if value else "mains_lost"}


@pytest.mark.parametrize(
    ("supply", "heard_after_s", "gone", "proves"),
    [
        ("mains", 60.0, False, True),
        ("mains", -60.0, False, False),
        ("mains", 60.0, True, False),
        ("", 60.0, False, False),
    ],
)
def test_a_sensor_without_a_battery_that_still_speaks_proves_mains(
    supply: str, heard_after_s: float, gone: bool, proves: bool
) -> None:
    """Over the mobile network, from a site whose line is lost. Its silence would prove nothing."""
    facts = province()
    heat = replace(facts.sensors["heat-a7"], via="cellular", supply=supply, name="công tơ")
    world = scene(replace(facts, sensors={**facts.sensors, "heat-a7": heat}), "a7")
    began = world.verdict("line", "a7").since
    at = began + heard_after_s
    world.state.sensors["heat-a7"] = SensorView("heat-a7", "ok", at, 25.0, None, at, gone_at=at + 1 if gone else None)
    cause = look(world, "a7")
    found = [e for e in cause.evidence if e.key == "mains_fed_sensor"]
    assert bool(found) is proves
    if proves:
        assert (found[0].at, found[0].args) == (at, {"name": "công tơ"})
        assert cause.kind != "power"


@pytest.mark.parametrize("handoff", ["sfp", "ont"])
def test_wan_port_down_while_the_router_answers_over_the_other_line(handoff: str) -> None:
    world = scene(change_line(province(), "two-1", handoff=handoff), "two-1")
    down_at = T0 + LOST_AT
    world.poll("r-two", ports={"GE0/two-1": (False, down_at), "GE0/two-2": (True, T0 - 1e5)})
    cause = look(world, "two")
    # Behind an ONT the port only tells that the ONT is dead: it may have lost its power.
    assert (cause.kind, cause.confirmed) == (("line", True) if handoff == "sfp" else ("unknown", False))
    port = next(e for e in cause.evidence if e.key == "port_down")
    assert (port.at, port.args) == (pytest.approx(down_at), {"port": "GE0/two-1"})
    assert "router_alive" in keys(cause)
    assert ("ont_power" in cause.missing) == (handoff == "ont")


def test_light_lost_while_the_router_answers() -> None:
    world = scene(province(), "two-1")
    world.poll("r-two", ports={"GE0/two-1": (True, None)})
    poll = world.state.polls["r-two"]
    dark = replace(poll, figures=tuple(replace_figure("netmon_optical_rx_dbm", -40.0, "GE0/two-1")))
    world.state.polls["r-two"] = dark
    assert (look(world, "two").kind, look(world, "two").confirmed) == ("line", True)


def replace_figure(name: str, value: float, if_name: str) -> list[object]:
    from netmon.model import Figure, labels

    return [Figure(name, labels(device="r-two", ifName=if_name), value)]


PARENT = [
    # handoff, port above up, UPS said before the loss -> kind, confirmed
    ("sfp", True, None, ("device", False)),
    ("ont", True, None, ("unknown", False)),  # that port sees the telco's own equipment
    ("sfp", False, None, ("unknown", False)),  # dark is the port also when the router has no power
    ("ont", False, None, ("unknown", False)),
    ("sfp", False, "mains", ("unknown", False)),  # its battery may be dead: nobody saw it carry the site
    ("sfp", False, "tried", ("line", False)),
    ("ont", False, "mains", ("unknown", False)),
    ("sfp", False, "battery", ("power", True)),
    ("ont", False, "battery", ("power", True)),
]


@pytest.mark.parametrize(("handoff", "up", "ups", "expected"), PARENT)
def test_port_above(handoff: str, up: bool, ups: str | None, expected: tuple[str, bool]) -> None:
    inventory = with_parent_port(province(), "b3", handoff)
    if ups:
        inventory = with_ups(inventory, "b3")

    def before(world: World) -> None:
        world.poll("r-node", ports={"XGE0/7": (True, None)})
        if ups:
            if ups == "tried":  # it was seen to carry the site for half a minute
                for ago_s in (90.0, 50.0):
                    world.poll("ups-b3", at=world.now - ago_s, ups_on_battery=1.0, ups_charge_ratio=0.9)
                    world.book.witness.observe(world.state)
            world.poll(
                "ups-b3", ups_on_battery=float(ups == "battery"), ups_charge_ratio=0.05 if ups == "battery" else 0.9
            )

    world = scene(inventory, "b3", before=before)
    world.poll("r-node", ports={"XGE0/7": (up, None)})
    cause = look(world, "b3")
    assert (cause.kind, cause.confirmed) == expected
    if expected[0] != "power":
        assert ("parent_port_down" in keys(cause)) == (not up)


def test_lost_together_in_one_house_is_evidence_but_no_cause() -> None:
    cause = look(scene(province(), "b1", "b2"), "b1")
    assert (cause.kind, cause.confirmed) == ("unknown", False)  # cut drop cable and power look the same
    assert {e.key: e.args.get("count") for e in cause.evidence}["same_building"] == "2"


def test_lost_together_in_one_house_on_different_cables_is_suspected_power() -> None:
    inventory = province()
    sites = {**inventory.sites}
    for site, cable in (("b1", "cable-1"), ("b2", "cable-2")):
        sites[site] = replace(sites[site], cable=cable)
    cause = look(scene(replace(inventory, sites=sites), "b1", "b2"), "b1")
    assert (cause.kind, cause.confirmed) == ("power", False)


def test_houses_of_one_feeder_lost_together() -> None:
    cause = look(scene(province(), "a3", "a4", "a5"), "a4")
    assert (cause.kind, cause.confirmed) == ("power", False)  # all under one node: perhaps its splitter
    inventory = change_line(province(), "a5", parent="b")
    cause = look(scene(inventory, "a3", "a4", "a5"), "a4")
    assert (cause.kind, cause.confirmed) == ("power", True)


def test_node_by_probe_and_children() -> None:
    world = scene(province(), "b")
    cause = find(Subject("node", "b"), world.state, world.topology, world.config, world.now)
    assert (cause.kind, cause.confirmed) == ("upstream", True)
    assert {e.key: dict(e.args) for e in cause.evidence} == {
        "node_silent": {},
        "children_lost": {"lost": "5", "known": "5"},
    }
    site = find(Subject("site", "b3"), world.state, world.topology, world.config, world.now)
    assert (site.kind, site.evidence[0].args) == ("upstream", {"name": "Nút B"})


def test_blind_is_monitor() -> None:
    world = scene(province(), "uplink")
    for subject in (Subject("netmon", "netmon"), Subject("site", "b3"), Subject("line", "b3"), Subject("node", "a")):
        cause = find(subject, world.state, world.topology, world.config, world.now)
        assert (cause.kind, cause.confirmed) == ("monitor", True), subject


REVIEW = [
    # first cause, its evidence, handoff, booted (s after loss, None: ran on), port moved -> kind, confirmed
    ("unknown", (), "sfp", 40.0, False, ("power", False)),  # a reset looks the same: only suspected
    ("power", ("ups_on_battery",), "sfp", 40.0, False, ("power", True)),
    ("power", ("same_feeder",), "ont", 40.0, True, ("power", True)),
    ("device", ("parent_port_up",), "sfp", 40.0, False, ("device", True)),
    ("line", ("parent_port_down", "ups_on_mains"), "sfp", 40.0, True, ("power", False)),
    ("line", ("parent_port_down", "mains_present"), "sfp", 40.0, True, ("line", False)),
    ("line", ("parent_port_down", "ups_on_mains"), "sfp", None, True, ("line", True)),
    ("unknown", (), "sfp", None, True, ("line", True)),
    ("unknown", (), "sfp", None, False, ("line", False)),
    ("unknown", ("mains_said",), "ont", None, False, ("line", False)),  # the ONT was powered: it lies beyond
    ("unknown", (), "ont", None, False, ("unknown", False)),  # perhaps the telco's cabinet has no power
    ("unknown", ("mains_said",), "sfp", 40.0, False, ("unknown", False)),  # somebody restarted it
    ("unknown", (), "ont", None, True, ("unknown", False)),  # the ONT was not, or is broken
    ("power", ("ups_on_battery",), "ont", None, True, ("power", False)),  # an ONT without UPS
    ("power", ("ups_on_battery",), "sfp", None, True, ("unknown", False)),
    ("device", ("parent_port_up",), "sfp", None, False, ("device", False)),
]


@pytest.mark.parametrize(("first", "evidence", "handoff", "booted", "moved", "expected"), REVIEW)
def test_review_after_recovery(
    first: str, evidence: tuple[str, ...], handoff: str, booted: float | None, moved: bool, expected: tuple[str, bool]
) -> None:
    from netmon.model import Evidence

    world = World(change_line(province(), "b3", handoff=handoff))
    began, good_at = T0 + 100, T0 + 200
    cause = Cause(first, False, tuple(Evidence(k, began) for k in evidence), ("ups",))  # type: ignore[arg-type]
    incident = Incident(
        1,
        Subject("site", "b3"),
        "outage",
        "critical",
        began,
        began,
        cause,
        first,
        good_since=good_at,  # type: ignore[arg-type]
    )
    waiting = review(incident, world.state, world.topology, world.book.witness)
    assert (waiting.kind, waiting.missing) == (first, ("ups", "uptime"))
    world.now = T0 + 230
    uptime = world.now - (began + booted) if booted is not None else 1e6
    world.poll("r-b3", uptime_s=uptime, ports={"GE0/b3": (True, began + 5 if moved else began - 5000)})
    world.book.witness.observe(world.state)
    result = review(replace(incident, cause=waiting), world.state, world.topology, world.book.witness)
    assert (result.kind, result.confirmed) == expected
    assert result.missing == ("ups",)
    assert ({"rebooted", "not_rebooted"} & keys(result)) == {"rebooted" if booted is not None else "not_rebooted"}
    again = review(replace(incident, cause=result), world.state, world.topology, world.book.witness)
    assert again == result  # looked at every step until it closes


def test_correction_is_told_on_closing() -> None:
    world = scene(with_ups(province(), "b3"), "b3", before=lambda w: w.poll("ups-b3", ups_on_battery=1.0))
    assert world.open()["b3"].first_cause == "power"
    world.run(100)
    world.restore()
    world.run(20)
    world.poll("r-b3", ports={"GE0/b3": (True, T0 + LOST_AT)})
    closed = world.run(60)[-1]
    assert closed.kind == "closed"
    assert (closed.incident.first_cause, closed.incident.cause.kind) == ("power", "unknown")


def test_no_evidence_makes_a_power_cut_a_broken_line() -> None:
    """Whatever an unpowered site can show: dark ports above, a reboot, a silent UPS, an ONT that died first."""
    for handoff in ("sfp", "ont"):
        for ups_before in (None, "drained", "dead battery"):
            for parent_port in (False, True):
                inventory = with_ups(change_line(province(), "b3", handoff=handoff), "b3") if ups_before else province()
                inventory = change_line(inventory, "b3", handoff=handoff)
                if parent_port:
                    inventory = with_parent_port(inventory, "b3", handoff)
                charge = {"drained": 0.1, "dead battery": 0.0}.get(ups_before or "", 0.0)

                def before(world: World, ups: str | None = ups_before, charge: float = charge) -> None:
                    world.poll("r-node", ports={"XGE0/7": (True, None)})
                    if ups:
                        world.poll("ups-b3", ups_on_battery=float(ups == "drained"), ups_charge_ratio=charge)

                world = scene(inventory, "b3", before=before)
                world.poll("r-node", ports={"XGE0/7": (False, T0 + LOST_AT)})
                world.run(100)
                assert world.open()["b3"].cause.kind in ("power", "unknown")
                world.restore()
                world.run(20)
                world.poll("r-b3", uptime_s=30.0, ports={"GE0/b3": (True, world.now - 20)})
                closed = world.run(60)[-1].incident
                assert (closed.open, closed.cause.kind) == (False, "power"), (handoff, ups_before, parent_port)


@pytest.mark.parametrize(
    ("uptimes", "same_run"),
    [
        (((0, 1000.0), (60, 1060.5)), True),
        (((0, 2**32 / 100 - 30), (60, 30.2)), True),  # 497 days: the counter starts anew, the device did not
        (((0, 1000.0), (60, 20.0)), False),
    ],
)
def test_reboot_or_wrap(uptimes: tuple[tuple[float, float], ...], same_run: bool) -> None:
    world, witness = World(), Witness()
    boots = []
    for at, uptime in uptimes:
        world.poll("r-b3", at=T0 + at, uptime_s=uptime)
        witness.observe(world.state)
        boots.append(witness.booted_at("r-b3"))
    assert (boots[0] == boots[1]) == same_run
    world.poll("r-b3", at=T0 + 90, uptime_s=0.0)  # 0 is unknown, not a reboot
    witness.observe(world.state)
    assert witness.booted_at("r-b3") == boots[-1]


def test_witness_forgets_devices_that_are_gone() -> None:
    world, witness = World(), Witness()
    world.poll("r-b3", ports={"GE0/b3": (True, None)})
    witness.observe(world.state)
    assert witness.port("r-b3", "GE0/b3") is not None
    world.state.polls.clear()
    witness.observe(world.state)
    assert witness.port("r-b3", "GE0/b3") is None
    assert witness.answered_at("r-b3") is None


def test_battery_that_fell_fast_is_taken_as_drained_by_the_loss() -> None:
    from netmon.alerts.evidence import Supply

    supply = Supply(battery_from=0.0, battery_at=60.0, charge_ratio=0.6, seen_at=60.0)
    assert drained(supply, 120.0)
    assert not drained(supply, 61.0)


def test_a_cut_line_stays_one_when_its_port_is_up_before_the_router_answers() -> None:
    """A poll between the repair and the first answer sees a port that is up above a silent router."""
    down, up = Evidence("parent_port_down", T0), Evidence("parent_port_up", T0 + 60)
    cut, silent = Cause("line", False, (down,)), Cause("device", False, (up,))
    assert better(cut, silent) == replace(cut, evidence=(down, up))
    assert better(silent, cut).kind == "line"
    assert better(cut, Cause("device", True, (up,))).kind == "device"
    assert better(Cause("unknown", False, (down,)), silent).kind == "device"
