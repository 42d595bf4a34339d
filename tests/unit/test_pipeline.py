"""The steps from news to conclusions, driven by hand: when judging begins, what is polled, explained, counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from netmon.alerts import handling
from netmon.alerts.catalog import load_catalog
from netmon.alerts.incidents import Book
from netmon.alerts.rules import Evaluator, limits
from netmon.clock import Clock
from netmon.metrics import METRICS
from netmon.model import Change, Figure, Gateway, Inventory, Probe, Reading, Sensor, Word, labels
from netmon.pipeline import KEEP_CLOSED_S, Pipeline
from netmon.state import Reach, State
from netmon.topology import Topology
from tests.unit.world import CONFIG, T0, province

SILENCE_S = 3600.0  # the default of a sensor type


class Daemon:
    """A pipeline with a clock, probes, polls and a broker moved by hand."""

    def __init__(self, inventory: Inventory | None = None) -> None:
        self.mono = 100.0
        self.ahead_s = 0.0  # what the system clock was stepped by
        self.polled: list[str] = []
        self.broker: bool | None = True
        self.state = State(inventory or province())
        rules = load_catalog()
        self.pipeline = Pipeline(
            self.state,
            Topology(self.state.inventory),
            CONFIG,
            clock := Clock(lambda: self.mono, lambda: T0 + self.mono - 100.0 + self.ahead_s),
            Evaluator(rules, limits(rules, self.state.inventory, {})),
            Book(CONFIG, [], 1),
            self.polled.append,
            lambda: self.broker,
        )
        self.clock = clock
        self.changes: list[Change] = []

    @property
    def now(self) -> float:
        return self.clock.now()

    def targets(self) -> list[str]:
        facts = self.state.inventory
        return [*facts.lines, *(n.id for n in facts.nodes.values() if n.probe)]

    def answer(self, *targets: str, lost: bool | None = False) -> None:
        for target in targets:
            before = self.state.reach.get(target)
            since = before.since if before and before.lost == lost else self.now
            answered = None if lost is None else self.now - (8 if lost else 0)
            self.pipeline.take_reach(Reach(target, lost, since, answered, rtt_s=0.01))

    def lose(self, *targets: str) -> None:
        self.answer(*targets, lost=True)

    def step(self) -> list[Change]:
        changes = asyncio.run(self.pipeline.step())
        self.changes += changes
        return changes

    def run(self, seconds: float, every_s: float = 5.0) -> None:
        end = self.mono + seconds
        while self.mono < end:
            self.mono += every_s
            self.step()

    def started(self) -> Daemon:
        """Everything answers and was judged once."""
        self.answer(*self.targets())
        self.step()
        assert self.state.health.first_round_done
        self.polled.clear()
        return self

    def told(self) -> list[tuple[str, str]]:
        return [(c.kind, c.incident.subject.id) for c in self.changes if c.kind != "updated"]

    def gauge(self, name: str) -> dict[str, float]:
        return {" ".join(v for _, v in pairs): value for pairs, value in self.state.gauges.family(name).items()}


# --- the first round -------------------------------------------------------------------------------------------------


def test_nothing_is_concluded_before_every_target_was_heard_of() -> None:
    daemon = Daemon()
    *known, last = daemon.targets()
    daemon.answer(*known)
    daemon.lose("a7")
    daemon.run(20)
    assert (daemon.state.health.first_round_done, daemon.changes) == (False, [])
    daemon.answer(last, lost=None)
    daemon.step()
    assert not daemon.state.health.first_round_done, "news that it is not yet known is not hearing of it"
    daemon.answer(last)
    daemon.run(20)
    assert daemon.state.health.first_round_done
    assert daemon.told() == [("opened", "a7")]


def test_a_target_that_never_answers_delays_the_first_round_only_so_long() -> None:
    daemon = Daemon()
    daemon.answer(*daemon.targets()[:-1])
    probe = CONFIG.probe
    longest_s = 3 * (probe.interval_s + probe.timeout_s + probe.burst_count * probe.burst_spacing_s)
    daemon.mono += longest_s - 0.1
    daemon.step()
    assert not daemon.state.health.first_round_done
    daemon.mono += 0.2
    daemon.step()
    assert daemon.state.health.first_round_done


def test_targets_that_are_not_probed_are_not_waited_for() -> None:
    facts = province()
    line = replace(facts.lines["a7"], probe=Probe("none", ""))
    node = replace(facts.nodes["b"], probe=Probe("none", ""))
    daemon = Daemon(replace(facts, lines={**facts.lines, "a7": line}, nodes={**facts.nodes, "b": node}))
    daemon.answer(*(t for t in daemon.targets() if t not in ("a7", "b")))
    daemon.step()
    assert daemon.state.health.first_round_done


def test_the_first_round_is_done_once() -> None:
    daemon = Daemon().started()
    facts = daemon.state.inventory
    more = replace(facts, lines={**facts.lines, "new": replace(facts.lines["a7"], id="new")})
    daemon.pipeline.fold.set_inventory(more, Topology(more))
    daemon.pipeline.set_inventory(Topology(more), CONFIG)
    daemon.step()
    assert daemon.state.health.first_round_done, "a new line after a reload does not blind the others"


# --- news ------------------------------------------------------------------------------------------------------------


def wakes(pipeline: Pipeline) -> bool:
    """Whether the next step is taken at once; without news it would come a second after the last."""

    async def run() -> bool:
        try:
            await asyncio.wait_for(pipeline.wait(), 0.2)
        except TimeoutError:
            return False
        return True

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [(False, True, True), (True, False, True), (False, False, False), (True, True, False), (None, False, True)],
)
def test_a_step_is_taken_at_once_when_a_target_is_lost_or_comes_back(
    before: bool | None, after: bool, news: bool
) -> None:
    daemon = Daemon()
    daemon.answer("a7", lost=before)
    assert wakes(daemon.pipeline)
    daemon.answer("a7", lost=after)
    assert wakes(daemon.pipeline) is news
    if news:
        assert not wakes(daemon.pipeline), "news is used up by one step"


def test_without_news_a_step_comes_all_the_same() -> None:
    daemon = Daemon()
    asyncio.run(asyncio.wait_for(daemon.pipeline.wait(), 10))


@pytest.mark.parametrize(
    ("target", "polled"),
    [("a6", {"r-a6", "ups-a6", "r-node"}), ("two-2", {"r-two"}), ("core", {"r-node"}), ("uplink", set())],
)
def test_what_may_hold_evidence_is_polled_when_a_target_is_lost_and_when_it_is_back(
    target: str, polled: set[str]
) -> None:
    facts = province()
    line = replace(facts.lines["a6"], remote_device="r-node")
    daemon = Daemon(replace(facts, lines={**facts.lines, "a6": line})).started()
    daemon.lose(target)
    assert {d for d in daemon.polled if d} == polled
    daemon.polled.clear()
    daemon.lose(target)
    assert not daemon.polled
    daemon.answer(target)
    assert {d for d in daemon.polled if d} == polled


def test_a_start_does_not_poll_everything_at_once() -> None:
    daemon = Daemon()
    daemon.answer(*daemon.targets())
    assert not daemon.polled


# --- sensors ---------------------------------------------------------------------------------------------------------

SENSORS = {
    "at-site": ("a7", "", "line"),
    "at-node": ("", "b", "line"),
    "on-line": ("two", "", "line:two-2"),
    "any-line": ("two", "", "line"),
    "own-way": ("a7", "", "cellular"),
    "by-gateway": ("a7", "", "gateway:gw-1"),
}


def with_sensors() -> Daemon:
    facts = province()
    sensors = {
        s: Sensor(s, "temperature", f"t/{s}", "senml", site=w[0], node=w[1], via=w[2]) for s, w in SENSORS.items()
    }
    gateways = {"gw-1": Gateway("gw-1", "gateway", site="a7", via="cellular")}
    daemon = Daemon(replace(facts, sensors=sensors, gateways=gateways)).started()
    daemon.pipeline.take_readings([Reading(s, 25.0, daemon.now) for s in sensors])
    assert {v.state for v in daemon.state.sensors.values()} == {"ok"}
    return daemon


def states(daemon: Daemon) -> dict[str, str]:
    return {view.sensor: view.state for view in daemon.state.sensors.values()}


def test_a_silence_is_explained_by_the_way_the_messages_come() -> None:
    daemon = with_sensors()
    daemon.lose("a7", "two-2", "b", "b1", "b2", "b3", "b4")
    daemon.run(SILENCE_S + 10, every_s=600)
    assert states(daemon) == {
        "at-site": "explained",
        "at-node": "explained",
        "on-line": "explained",
        "any-line": "stale",  # the site still has its other line
        "own-way": "stale",
        "by-gateway": "explained",  # nothing else came through its gateway either
    }
    assert daemon.state.gateways["gw-1"].state == "stale"
    assert daemon.state.gateways["gw-1"].silent == ("by-gateway",)
    assert daemon.gauge("netmon_gateway_state")["gw-1 a7 stale"] == 1.0
    assert daemon.gauge("netmon_sensor_value") == {}


def test_a_site_cut_off_with_forty_sensors_is_one_incident_and_its_return_none() -> None:
    names = [f"s{n}" for n in range(40)]
    sensors = {s: Sensor(s, "temperature", f"t/{s}", "senml", site="a7") for s in names}
    daemon = Daemon(replace(province(), sensors=sensors)).started()
    daemon.pipeline.take_readings([Reading(s, 25.0, daemon.now) for s in names])
    daemon.run(10)
    daemon.lose("a7")
    daemon.run(2 * SILENCE_S, every_s=30)
    assert daemon.told() == [("opened", "a7")]
    assert set(states(daemon).values()) == {"explained"}
    assert [a.alertname for a in daemon.state.alerts.values() if a.subject.kind == "sensor"] == []
    daemon.answer("a7")
    for n in range(0, 40, 4):  # they come back one after the other, each at its own pace
        daemon.run(SILENCE_S / 12, every_s=30)
        daemon.pipeline.take_readings([Reading(s, 25.0, daemon.now) for s in names[n : n + 4]])
        daemon.answer("a7")
    daemon.run(60)
    assert daemon.told() == [("opened", "a7"), ("closed", "a7")]
    assert [a.alertname for a in daemon.state.alerts.values() if a.subject.kind == "sensor"] == []


def test_a_silence_without_reason_is_stale() -> None:
    daemon = with_sensors()
    daemon.run(SILENCE_S + 10, every_s=600)
    assert {name for name, state in states(daemon).items() if state != "stale"} == {"by-gateway"}


def test_a_gateway_that_says_it_is_gone_is_one_incident_and_so_is_its_return() -> None:
    names = [f"s{n}" for n in range(6)]
    sensors = {s: Sensor(s, "temperature", f"t/{s}", "senml", site="a7", via="gateway:gw") for s in names}
    gateways = {"gw": Gateway("gw", "gateway", site="a7", via="cellular", presence="gw/state")}
    daemon = Daemon(replace(province(), sensors=sensors, gateways=gateways)).started()
    daemon.pipeline.take_readings([Reading(s, 25.0, daemon.now) for s in names])
    daemon.run(20)
    daemon.pipeline.take_readings([Word("gw", daemon.now, gone=True), Word("nobody's", daemon.now, gone=True)])
    daemon.run(60)
    assert daemon.told() == [("opened", "gw")], "long before any of its sensors is late"
    evidence = daemon.changes[0].incident.cause.evidence
    assert [(e.key, e.args.get("count")) for e in evidence] == [("gateway_gone", None), ("gateway_silent", "6")]
    daemon.run(2 * SILENCE_S, every_s=60)
    daemon.pipeline.take_readings([Word("gw", daemon.now, gone=False)])
    daemon.run(60)
    assert daemon.told() == [("opened", "gw")], "nothing has come through it yet"
    daemon.pipeline.take_readings([Reading("s0", 25.0, daemon.now)])
    daemon.run(SILENCE_S - 120, every_s=30)
    daemon.pipeline.take_readings([Reading(s, 25.0, daemon.now) for s in names])
    daemon.run(300)
    assert daemon.told() == [("opened", "gw"), ("closed", "gw")]
    assert set(states(daemon).values()) == {"ok"}


def test_a_lost_broker_makes_all_sensors_unknown_within_seconds() -> None:
    daemon = with_sensors()
    daemon.broker = False
    daemon.run(5)
    assert set(states(daemon).values()) == {"unknown"}
    daemon.broker = True
    daemon.pipeline.take_readings([Reading("own-way", 26.0, daemon.now)])
    assert states(daemon)["own-way"] == "ok", "a reading is taken at once, without a step"
    assert daemon.gauge("netmon_sensor_value")["temperature own-way a7 Cel"] == 26.0


def test_readings_of_sensors_nobody_knows_are_ignored() -> None:
    daemon = with_sensors()
    daemon.pipeline.take_readings([Reading("nobody", 1.0, daemon.now), Reading("own-way", 27.0, daemon.now)])
    assert "nobody" not in daemon.state.sensors
    assert daemon.state.sensors["own-way"].value == 27.0


def test_a_reload_in_the_middle_of_a_step_does_not_break_it() -> None:
    """Between some hundreds of sensors the loop is given free, and a reload may take them and their type away."""
    facts = province()
    many = {f"s{n}": Sensor(f"s{n}", "temperature", f"t/{n}", "senml", site="a7") for n in range(1200)}
    daemon = Daemon(replace(facts, sensors=many))
    daemon.answer(*daemon.targets())

    async def run() -> None:
        step = asyncio.create_task(daemon.pipeline.step())
        for _ in range(2):  # after the verdicts, and after the first of the sensors
            await asyncio.sleep(0)
        assert 0 < len(daemon.state.sensors) < len(many), "the step is in the middle of the sensors"
        bare = replace(facts, sensors={}, sensor_types={}, sites={}, lines={}, devices={}, nodes={})
        daemon.pipeline.fold.set_inventory(bare, Topology(bare))
        daemon.pipeline.set_inventory(Topology(bare), CONFIG)
        await step

    asyncio.run(run())
    assert daemon.state.sensors == {}
    assert daemon.state.verdicts == {}


# --- incidents, acknowledgement, counts ------------------------------------------------------------------------------


def lost_and_open() -> tuple[Daemon, int]:
    daemon = Daemon().started()
    daemon.lose("a7")
    daemon.run(30)
    ((number, incident),) = daemon.state.incidents.items()
    assert (incident.subject.id, incident.open) == ("a7", True)
    return daemon, number


def test_an_open_incident_can_be_taken_and_stays_taken() -> None:
    daemon, number = lost_and_open()
    revision = daemon.state.revision
    incident = daemon.state.incidents[number]
    change = daemon.pipeline.handle(incident, lambda i, now: handling.acknowledge(i, "Bình", "đang tới nơi", now))
    assert (change.kind, change.incident.acked_by) == ("updated", "Bình")
    entry = change.incident.timeline[-1]
    assert (entry.kind, entry.who, entry.text, entry.at) == ("ack", "Bình", "đang tới nơi", daemon.now)
    assert daemon.state.revision > revision
    daemon.run(20)
    assert daemon.state.incidents[number].acked_by == "Bình"
    daemon.answer("a7")
    daemon.run(CONFIG.alerts.recovered_s + 10)
    closed = daemon.state.incidents[number]
    assert (closed.open, closed.acked_by) == (False, "Bình")
    with pytest.raises(handling.HandlingError, match="is closed"):
        daemon.pipeline.handle(closed, lambda i, now: handling.acknowledge(i, "Bình", "", now))
    change = daemon.pipeline.handle(closed, lambda i, now: handling.comment(i, "Bình", "đã thay nguồn", now))
    assert daemon.state.incidents[number].timeline[-1].text == "đã thay nguồn"
    assert change.kind == "updated"


def test_open_incidents_and_firing_alerts_are_counted() -> None:
    daemon, _ = lost_and_open()
    assert sum(daemon.gauge("netmon_incidents_open").values()) == 1
    firing = [a for a in daemon.state.alerts.values() if a.firing_at is not None]
    assert {a.alertname for a in firing} >= {"SiteDown", "LineDown"}
    assert sum(daemon.gauge("netmon_alert_active").values()) == len(firing)
    assert daemon.gauge("netmon_alert_active")["SiteDown critical"] == 1
    daemon.lose("core1")
    daemon.run(20)
    assert daemon.gauge("netmon_alert_active")["SiteDown critical"] == 2
    daemon.answer("a7", "core1")
    daemon.run(CONFIG.alerts.recovered_s + 10)
    assert daemon.gauge("netmon_incidents_open") == daemon.gauge("netmon_alert_active") == {}


def test_pending_alerts_are_not_counted() -> None:
    daemon = Daemon().started()
    cpu = Figure("netmon_device_cpu_ratio", labels(device="r-a7", site="a7"), 1.0)
    daemon.state.gauges.replace("test", [cpu])
    daemon.run(10)
    assert [a.alertname for a in daemon.state.alerts.values()] == ["DeviceCpuHigh"]
    assert daemon.gauge("netmon_alert_active") == {}
    daemon.run(1800)
    assert sum(daemon.gauge("netmon_alert_active").values()) == 1


def test_rules_are_evaluated_at_their_own_pace() -> None:
    daemon = Daemon().started()
    daemon.state.gauges.replace("test", [Figure("netmon_device_fan_ok", labels(device="r-a7", site="a7"), 0.0)])
    every_s = CONFIG.alerts.evaluate_s
    daemon.run(every_s - 1, every_s=1)
    assert not daemon.state.alerts
    daemon.run(1, every_s=1)
    assert [a.alertname for a in daemon.state.alerts.values()] == ["DeviceFanFailed"]


def test_closed_incidents_stay_on_the_page_for_a_day() -> None:
    daemon, number = lost_and_open()
    daemon.answer("a7")
    daemon.run(CONFIG.alerts.recovered_s + 10)
    closed_at = daemon.state.incidents[number].closed_at
    assert closed_at is not None
    for late_s, there in ((-1.0, True), (1.0, False)):
        daemon.mono += closed_at + KEEP_CLOSED_S + late_s - daemon.now
        daemon.step()
        assert (number in daemon.state.incidents) is there


def test_every_step_says_when_it_was() -> None:
    daemon = Daemon().started()
    daemon.run(5)
    assert daemon.state.health.evaluated_at == daemon.now


def test_every_series_of_a_step_is_in_the_catalogue() -> None:
    daemon, _ = lost_and_open()
    for name, pairs, _ in daemon.state.gauges:
        assert METRICS[name].kind == "gauge", name
        assert {label for label, _ in pairs} <= set(METRICS[name].labels), name
    assert {"netmon_incidents_open", "netmon_alert_active"} <= set(daemon.state.gauges.names())


@pytest.mark.parametrize("step_s", [7200.0, -7200.0])
def test_a_step_of_the_clock_reaches_no_for_and_no_recovery(step_s: float) -> None:
    """DESIGN.md, section 2: `for`, timeouts and schedules never see a step."""
    daemon, number = lost_and_open()
    daemon.state.gauges.replace("test", [Figure("netmon_device_cpu_ratio", labels(device="r-a6", site="a6"), 1.0)])
    daemon.answer("a7")
    daemon.run(20)
    (pending,) = [key for key in daemon.state.alerts if key[0] == "DeviceCpuHigh"]
    daemon.ahead_s = step_s
    assert daemon.clock.check_step() == pytest.approx(step_s)
    daemon.pipeline.clock_stepped(step_s)
    daemon.answer(*daemon.targets())
    daemon.run(10)
    assert daemon.state.alerts[pending].firing_at is None
    assert daemon.state.incidents[number].open, "30 s of the 60 have passed"
    daemon.run(CONFIG.alerts.recovered_s)
    assert not daemon.state.incidents[number].open
    daemon.run(1200, every_s=30)
    assert daemon.state.alerts[pending].firing_at is not None
