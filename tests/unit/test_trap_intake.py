"""From a trap to a look and to the timeline: what is polled and probed, how often, and what a trap never decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from netmon.alerts.event_notes import AGAIN_S, MOST
from netmon.clock import Clock
from netmon.events import Events
from netmon.model import Device, Event, EventKind, Inventory, PollResult, Port, Subject
from netmon.state import EVENTS_KEPT
from netmon.topology import Topology
from netmon.trap_intake import TrapIntake
from tests.unit.test_pipeline import Daemon
from tests.unit.world import CONFIG, T0, province


def network() -> Inventory:
    """Lines of a6 and a7 end at ports of the router of the core node; the port at the site is named GE0/<line>."""
    facts = province()
    far = {
        name: replace(facts.lines[name], remote_device="r-node", remote_if_name=f"XE-{name}") for name in ("a6", "a7")
    }
    return replace(facts, lines={**facts.lines, **far})


def trap(kind: EventKind, device: str, port: str = "", at: float = T0, index: int = 0) -> Event:
    return Event(kind, device, at, index, port)


class Look:
    """An intake before a pipeline moved by hand; notes what it polls and probes, and when by its own clock."""

    def __init__(self, daemon: Daemon, gap_s: float = 2.0) -> None:
        self.daemon = daemon
        self.polled: list[str] = []
        self.checked: list[str] = []
        clock = Clock(lambda: daemon.mono, lambda: daemon.now)
        self.intake = TrapIntake(daemon.pipeline, gap_s, clock, self.polled.append, self.checked.append)


def seen(*events: Event) -> tuple[list[str], list[str]]:
    look = Look(Daemon(network()).started(), gap_s=0.0)
    for event in events:
        look.intake.take(event)
    return look.polled, look.checked


# --- what is looked at -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "checked"),
    [
        (trap("link_down", "r-a7", "GE0/a7"), ["a7"]),
        (trap("link_up", "r-a7", "GE0/a7"), ["a7"]),
        (trap("link_down", "r-a7", "Vlanif20"), []),  # not a line's port
        (trap("link_down", "r-a7"), ["a7"]),  # some port
        (trap("link_down", "r-two", "GE0/two-2"), ["two-2"]),
        (trap("cold_start", "r-two"), ["two-1", "two-2"]),
        (trap("ups_on_battery", "ups-a6"), ["a6"]),  # no line ends at a UPS: those of its site
        (trap("bgp_backward", "r-a7"), ["a7"]),
        (trap("link_down", "r-node", "XE-a6"), ["a6"]),  # the far end of a line
        (trap("link_down", "r-node", "XE-other"), ["core"]),
        (trap("cold_start", "r-node"), ["core"]),
        (trap("auth_failure", "r-a7"), []),
        (trap("config_changed", "r-a7"), []),
        (trap("other", "r-a7"), []),
    ],
    ids=lambda value: f"{value.kind} {value.device} {value.if_name}" if isinstance(value, Event) else "",
)
def test_the_device_is_polled_and_its_lines_are_probed(event: Event, checked: list[str]) -> None:
    assert seen(event) == ([event.device], checked)


def test_the_name_of_a_port_comes_from_the_latest_poll_where_the_trap_has_none() -> None:
    daemon = Daemon(network()).started()

    def poll(index: int) -> None:
        ports = {"GE0/a7": Port("GE0/a7", index, T0)}
        daemon.state.polls["r-a7"] = PollResult("r-a7", T0, 0.1, ok=True, ports=ports)

    def name(event: Event) -> str:
        return daemon.pipeline.take_event(event)[0].if_name

    assert name(trap("link_down", "r-a7", index=7)) == ""
    poll(7)
    assert name(trap("link_down", "r-a7", index=7)) == "GE0/a7"
    assert name(trap("link_down", "r-a7", index=8)) == ""
    assert name(trap("link_down", "r-a7", "Gi7", index=7)) == "Gi7"
    poll(8)
    assert name(trap("link_down", "r-a7", index=8)) == "GE0/a7"


def test_events_of_devices_that_a_reload_took_away_are_about_nothing() -> None:
    events = Events(Topology(network()))
    gone = trap("link_down", "r-gone", "GE0/a7")
    assert (events.targets(gone), events.places(gone)) == ((), ())


def test_a_link_at_the_far_end_is_about_the_site_too() -> None:
    events = Events(Topology(network()))
    assert events.places(trap("link_down", "r-node", "XE-a6")) == (Subject("node", "core"), Subject("site", "a6"))
    assert events.places(trap("link_down", "r-node", "XE-1")) == (Subject("node", "core"),)
    assert events.places(trap("link_down", "r-a7", "GE0/a7")) == (Subject("site", "a7"),)


# --- how often -------------------------------------------------------------------------------------------------------


def test_many_traps_of_one_device_are_one_look_and_one_more_at_the_end_of_the_gap() -> None:
    daemon = Daemon(network()).started()

    async def main() -> Look:
        look = Look(daemon, gap_s=0.1)
        look.intake.take(trap("link_down", "r-two", "GE0/two-1"))
        assert (look.polled, look.checked) == (["r-two"], ["two-1"])
        for number in range(500):
            look.intake.take(trap("link_up" if number % 2 else "link_down", "r-two", f"GE0/two-{number % 2 + 1}"))
        look.intake.take(trap("link_down", "r-a7", "GE0/a7"))
        assert (look.polled, look.checked) == (["r-two", "r-a7"], ["two-1", "a7"])
        await asyncio.sleep(0.2)
        return look

    look = asyncio.run(main())
    assert look.polled == ["r-two", "r-a7", "r-two"], "what came last is seen as well"
    assert look.checked == ["two-1", "a7", "two-1", "two-2"]
    assert dict(look.intake.stats) == {"looked": 3, "joined": 499}


def test_after_the_gap_a_trap_is_a_look_again() -> None:
    look = Look(Daemon(network()).started())
    look.intake.take(trap("link_down", "r-a7"))
    look.daemon.mono += 2.0
    look.intake.take(trap("link_up", "r-a7"))
    assert look.polled == ["r-a7", "r-a7"]


# --- what it decides: nothing ----------------------------------------------------------------------------------------


def test_a_trap_opens_nothing_and_closes_nothing() -> None:
    daemon = Daemon(network()).started()
    for kind in ("link_down", "cold_start", "ups_on_battery", "bgp_backward"):
        daemon.pipeline.take_event(trap(kind, "r-a7", "GE0/a7", daemon.now))  # type: ignore[arg-type]
    daemon.run(60)
    assert daemon.state.incidents == {}
    daemon.lose("a7")
    daemon.run(30)
    (incident,) = daemon.state.incidents.values()
    daemon.pipeline.take_event(trap("link_up", "r-a7", "GE0/a7", daemon.now))
    daemon.run(120)
    assert daemon.state.incidents[incident.id].open, "only an answer ends it"
    daemon.answer("a7")
    daemon.run(CONFIG.alerts.recovered_s + 10)
    assert not daemon.state.incidents[incident.id].open, "and no trap is needed for that"


def evidence(daemon: Daemon) -> list[tuple[str, str]]:
    (incident,) = daemon.state.incidents.values()
    return [(e.who, e.text) for e in incident.timeline if e.kind == "evidence" and e.who != "netmon"]


def lost(before: Callable[[Daemon], None] = lambda daemon: None) -> Daemon:
    daemon = Daemon(network()).started()
    before(daemon)
    daemon.lose("a7")
    daemon.run(30)
    return daemon


def test_an_event_is_written_into_the_open_incident_of_its_site_and_committed() -> None:
    daemon = lost()
    daemon.changes.clear()
    daemon.pipeline.take_event(trap("link_down", "r-a7", "GE0/a7", daemon.now))
    daemon.pipeline.take_event(trap("link_down", "r-node", "XE-a7", daemon.now))
    daemon.pipeline.take_event(trap("link_down", "r-node", "XE-a6", daemon.now))  # another site's
    daemon.pipeline.take_event(trap("link_down", "r-a1", "GE0/a1", daemon.now))
    daemon.pipeline.take_event(trap("auth_failure", "r-a7", at=daemon.now))  # says nothing of the fault
    daemon.pipeline.take_event(trap("other", "r-a7", at=daemon.now))
    daemon.step()
    assert evidence(daemon) == [("r-a7", "link_down GE0/a7"), ("r-node", "link_down XE-a7")]
    (change,) = daemon.changes
    assert (change.kind, change.at) == ("updated", daemon.now), "nobody is told, but the store keeps it"
    assert change.incident == next(iter(daemon.state.incidents.values()))
    assert daemon.step() == []


def test_what_came_just_before_the_incident_opened_is_written_down_then() -> None:
    def before(daemon: Daemon) -> None:
        daemon.pipeline.take_event(trap("config_changed", "r-a7", at=daemon.now - 600))
        daemon.pipeline.take_event(trap("link_down", "r-a7", "GE0/a7", daemon.now - 1))

    daemon = lost(before)
    assert evidence(daemon) == [("r-a7", "link_down GE0/a7")]
    opened = next(c for c in daemon.changes if c.kind == "opened")
    assert "link_down GE0/a7" in [e.text for e in opened.incident.timeline], "with the first commit"


def test_a_flapping_port_fills_no_timeline() -> None:
    daemon = lost()
    for number in range(300):
        kind: EventKind = "link_up" if number % 2 else "link_down"
        daemon.pipeline.take_event(trap(kind, "r-a7", "GE0/a7", daemon.now + number / 10))
    daemon.step()
    assert evidence(daemon) == [("r-a7", "link_down GE0/a7"), ("r-a7", "link_up GE0/a7")]
    for number in range(MOST + 10):
        daemon.pipeline.take_event(trap("link_down", "r-a7", "GE0/a7", daemon.now + (number + 1) * AGAIN_S))
    daemon.step()
    assert len(evidence(daemon)) == MOST


def test_events_are_kept_up_to_a_bound() -> None:
    daemon = Daemon(network()).started()
    for number in range(EVENTS_KEPT + 5):
        daemon.pipeline.take_event(trap("other", "r-a7", at=T0 + number))
    assert len(daemon.state.events) == EVENTS_KEPT
    assert daemon.state.events[-1].at == T0 + EVENTS_KEPT + 4


def test_events_of_a_node_are_written_into_its_incident() -> None:
    facts = network()
    daemon = Daemon(
        replace(facts, devices={**facts.devices, "r-b": Device("r-b", "router", "10.0.0.1", 161, "p", node="b")})
    )
    daemon.started()
    daemon.lose("b", "b1", "b2", "b3", "b4", "two-2")
    daemon.run(30)
    daemon.pipeline.take_event(trap("cold_start", "r-b", at=daemon.now))
    daemon.step()
    node = next(i for i in daemon.state.incidents.values() if i.subject == Subject("node", "b"))
    assert [(e.who, e.text) for e in node.timeline if e.who == "r-b"] == [("r-b", "cold_start")]
