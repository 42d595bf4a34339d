"""The steps from what is known to what is told: verdicts, sensors, rules, incidents, intents. Runs in the event loop.

A step is taken at once when a probe target is lost or comes back, else every second. Everything it calls is pure; what
it decides is committed by the store before anything is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol
from zoneinfo import ZoneInfo

from netmon import gateways, sensors
from netmon.alerts.event_notes import EventNotes
from netmon.alerts.incidents import Book
from netmon.alerts.outside import OutsideAlerts
from netmon.alerts.rules import Evaluator
from netmon.alerts.silent_with import SilentWith
from netmon.alerts.verdict import judge
from netmon.clock import Clock
from netmon.config import Config
from netmon.events import Events
from netmon.fold import Fold
from netmon.hours import is_open
from netmon.model import (
    Change,
    Condition,
    Event,
    Figure,
    Gateway,
    Incident,
    LineSample,
    PollResult,
    Reading,
    Sensor,
    Subject,
    TimelineEntry,
    Word,
    labels,
)
from netmon.sensor_means import Means, SensorMean
from netmon.state import GatewayView, Reach, Said, SensorView, State
from netmon.topology import Topology

log = logging.getLogger(__name__)

STEP_S = 1.0
SENSORS_S = 5.0  # silence is noticed within this time; readings are taken at once
MEANS_MOST = 200_000  # 100 minutes of 10,000 sensors
SAMPLES_MOST = 100_000  # a day of 310 lines, for a disk that refuses
KEEP_CLOSED_S = 86400.0  # closed incidents stay on the page for a day


class Shadow(Protocol):
    """Hears of what is real, too: a drill, which works on a copy. It must neither block nor raise."""

    def take_reach(self, reach: Reach) -> None: ...

    def take_poll(self, poll: PollResult) -> None: ...

    def take_event(self, event: Event) -> None: ...

    def clock_stepped(self, step_s: float) -> None: ...


class Pipeline:
    """Owns the state's conclusions. ``set_inventory`` swaps everything at once after a reload."""

    def __init__(
        self,
        state: State,
        topology: Topology,
        config: Config,
        clock: Clock,
        evaluator: Evaluator,
        book: Book,
        poll_now: Callable[[str], None],
        broker_connected: Callable[[], bool | None],
    ) -> None:
        self.state, self.topology, self.config = state, topology, config
        self.fold = Fold(state, topology)
        self.evaluator, self.book = evaluator, book
        self.outside = OutsideAlerts(())
        self._events, self._notes = Events(topology), EventNotes(book.ledger)
        self._clock, self._poll_now, self._broker_connected = clock, poll_now, broker_connected
        self._zone = ZoneInfo(config.timezone)  # read once, as a reload leaves it alone
        self._news = asyncio.Event()
        self.shadow: Shadow | None = None
        self._started_mono = clock.mono()
        self._evaluated_mono = self._sensed_mono = float("-inf")
        self.samples: deque[LineSample] = deque(maxlen=SAMPLES_MOST)  # complete, and not yet on disk
        self.samples_dropped = 0
        self.silent_with = SilentWith()
        self._means = Means()
        self.means: deque[SensorMean] = deque(maxlen=MEANS_MOST)  # complete, and not yet on disk
        self.means_dropped = 0

    def set_inventory(self, topology: Topology, config: Config) -> None:
        """After a reload; the state's inventory has been set by the caller through the fold."""
        self.topology, self.config = topology, config
        self._means.keep_only(self.state.inventory.sensors)
        self.state.plans.topology = topology
        self._events = Events(topology)
        self.book.config = self.book.ledger.config = config

    # --- what comes in -----------------------------------------------------------------------------------------------

    def take_reach(self, reach: Reach) -> None:
        """News of a probe target: judged at once when it was lost or came back."""
        before = self.state.reach.get(reach.target)
        self.fold.reach(reach)
        if before is None or before.lost != reach.lost:
            if reach.lost or (before is not None and before.lost):  # a first answer after the start is no fault
                self._look_closer(reach.target)
            self._news.set()
        if self.shadow:
            self.shadow.take_reach(reach)

    def _look_closer(self, target: str) -> None:
        """Poll what may hold evidence now: the device at the site, its UPS, and the port at the far end."""
        line = self.state.inventory.lines.get(target)
        if line is None:
            for device in self.topology.devices_of(target):
                self._poll_now(device)
            return
        for device in (*self.topology.devices_of(line.site), line.remote_device):
            self._poll_now(device)

    def take_poll(self, result: PollResult) -> None:
        self.fold.poll(result)
        if self.shadow:
            self.shadow.take_poll(result)

    def take_event(self, event: Event) -> tuple[Event, tuple[str, ...]]:
        """A trap: kept, and shown with the incident it is about. Returns it named, and the probe targets to look at."""
        event = self._events.named(event, self.state.polls)
        self.state.events.append(event)
        self._notes.take(event, self._events.places(event))
        if self.shadow:
            self.shadow.take_event(event)
        return event, self._events.targets(event)

    def outside_changed(self) -> None:
        """What an Alertmanager has handed in is as good as evaluated."""
        self.state.outside = self.outside.texts()
        self.state.alerts = self.evaluator.alerts() | self.outside.alerts(self.state.inventory)
        self._news.set()

    def take_readings(self, readings: Iterable[Reading | Word]) -> None:
        """A committed batch of the ingest, and what gateways say of themselves."""
        now = self._clock.now()
        for reading in readings:
            if isinstance(reading, Word):
                self._hear(reading)
                continue
            sensor = self.state.inventory.sensors.get(reading.sensor)
            if sensor is not None:
                self._sense(sensor, now, reading)

    def _hear(self, word: Word) -> None:
        if word.gateway in self.state.inventory.gateways:
            view = self.state.gateways.get(word.gateway) or GatewayView(word.gateway)
            self.fold.gateway(gateways.told(view, word))

    def _sense(self, sensor: Sensor, now: float, reading: Reading | None) -> None:
        view = self.state.sensors.get(sensor.id) or SensorView(sensor.id)
        kind = self.state.inventory.sensor_types[sensor.type]
        via, heard_at = self._line_of(sensor), None
        way, _, name = sensor.via.partition(":")
        if way == "gateway" and (gateway := self.state.inventory.gateways.get(name)) is not None:
            seen = self.state.gateways.get(name)
            via, heard_at = gateways.way(seen, self._line_of(gateway)), seen.heard_at if seen else None
        watched = kind.watch == "always" or self._watched(sensor, now)
        connected = self._broker_connected()
        after = sensors.step(view, sensor, kind, now, reading, via, connected, via_heard_at=heard_at, watched=watched)
        if after is not view or sensor.id not in self.state.sensors:
            self.fold.sensor(after)
        if after.state == "explained" != view.state:
            self.silent_with.note(sensor.id)
        if reading is None or reading.retained or reading.gone or reading.mark == "bad":
            return
        if sensors.is_valid(reading.value, kind):
            self._means.add(sensor.id, reading.moment, reading.value, now)

    def _watched(self, sensor: Sensor, now: float) -> bool:
        """A door is watched outside its site's hours, and only if it is armed (MESSAGES.md)."""
        site = self.state.inventory.sites.get(sensor.site)
        return sensor.armed and not is_open(site.hours if site else "", now, self._zone)

    def _line_of(self, thing: Sensor | Gateway) -> Condition | None:
        """The condition of the line its messages come through; None where no line explains a silence."""
        way, _, name = thing.via.partition(":")
        if way != "line":
            return None
        subject = Subject("line", name) if name else Subject("site", thing.site)
        if not name and not thing.site:
            subject = Subject("node", thing.node)
        verdict = self.state.verdicts.get(subject)
        return verdict.condition if verdict else None

    def _judge_gateways(self, now: float) -> None:
        state, connected = self.state, self._broker_connected()
        for gateway in state.inventory.gateways.values():
            members = [state.inventory.sensors[name] for name in self.topology.sensors_behind(gateway.id)]
            views = [
                (view, state.inventory.sensor_types[sensor.type])
                for sensor in members
                if (view := state.sensors.get(sensor.id)) is not None
            ]
            before = state.gateways.get(gateway.id) or GatewayView(gateway.id)
            self.fold.gateway(gateways.judge(before, gateway, views, now, self._line_of(gateway), connected))

    # --- steps -------------------------------------------------------------------------------------------------------

    async def wait(self) -> None:
        """Until there is news, at most a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STEP_S):
                await self._news.wait()
        self._news.clear()

    async def step(self) -> list[Change]:
        """One judgement; returns the changes of incidents, which the caller commits and tells."""
        state, now, mono = self.state, self._clock.now(), self._clock.mono()
        self._mind_first_round(mono)
        before = state.verdicts
        self.fold.verdicts(judge(state.inventory, self.topology, state.reach, before, self.config, now))
        await asyncio.sleep(0)  # others may have the loop, but not between an incident and its commit
        if mono - self._sensed_mono >= SENSORS_S:
            self._sensed_mono = mono
            self._judge_gateways(now)
            for number, name in enumerate(list(state.inventory.sensors)):
                sensor = state.inventory.sensors.get(name)
                if sensor is not None:  # a reload may come between two of them
                    self._sense(sensor, now, None)
                if number % 100 == 99:
                    await asyncio.sleep(0)
        if mono - self._evaluated_mono >= self.config.alerts.evaluate_s:
            self._evaluated_mono = mono
            await self._evaluate(now)
        changes = self._notes.fill(self.book.step(state, self.topology, now), state, self._events, now)
        for change in changes:
            state.incidents[change.incident.id] = change.incident
            state.revision += 1
            log.info(
                "incident %s id=%s subject=%s:%s cause=%s confirmed=%s",
                change.kind,
                state.drill or change.incident.id,
                change.incident.subject.kind,
                change.incident.subject.id,
                change.incident.cause.kind,
                change.incident.cause.confirmed,
            )
        found = self.fold.samples(now)
        self.samples_dropped += max(0, len(self.samples) + len(found) - SAMPLES_MOST)
        self.samples.extend(found)
        self._keep_means(self._means.close(now))
        self._forget_old(now)
        self._count()
        state.health.evaluated_at = now
        return changes

    def handle(self, incident: Incident, step: Callable[[Incident, float], Incident]) -> Change:
        """What a person does with an incident. Raises HandlingError where it cannot be done."""
        now = self._clock.now()
        change = self.book.handle(incident.id, lambda found: step(found, now), now)
        if change is None:  # closed too long ago to come back
            change = Change("updated", step(incident, now), now)
        self._show(change)
        return change

    def report(self, subject: Subject, who: str, text: str) -> Change:
        """Open an incident by hand. Raises HandlingError where there is one about it."""
        change = self.book.report(subject, who, text, self._clock.now())
        self._show(change)
        return change

    def _show(self, change: Change) -> None:
        if change.incident.id in self.state.incidents or change.incident.open:
            self.state.incidents[change.incident.id] = change.incident
        self.state.revision += 1

    def take_answer(self, number: int, mains: bool, who: str, how: str = "") -> Change | None:
        """A person on site answers: 5 = mains present, 6 = no mains. It is evidence; None if none such is open."""
        found = self.book.open.get(number)
        if found is None:
            return None
        now = self._clock.now()
        sites = (found.subject.id, *found.children) if found.subject.kind == "site" else found.children
        self.state.said |= dict.fromkeys(sites, Said(mains, now, who))
        said = "mains_said" if mains else "no_mains_said"
        entry = TimelineEntry(now, "evidence", who, f"{said} {how}".strip())
        change = self.book.handle(number, lambda incident: replace(incident, timeline=(*incident.timeline, entry)), now)
        if change is not None:
            self._show(change)
        self._news.set()
        return change

    def clock_stepped(self, step_s: float) -> None:
        """The system clock was stepped: `for`, holds, silences and recoveries go on as if it had not been."""
        self.evaluator.shift(step_s)
        self.book.ledger.shift(step_s)
        self.state.incidents.update(self.book.open)
        for view in list(self.state.sensors.values()):
            self.fold.sensor(sensors.shifted(view, step_s))
        for gateway in list(self.state.gateways.values()):
            self.fold.gateway(gateways.shifted(gateway, step_s))
        if self.shadow:
            self.shadow.clock_stepped(step_s)

    async def _evaluate(self, now: float) -> None:
        self.fold.snmp_silence()
        for rule in self.evaluator.rules:
            self.evaluator.step_rule(rule, self.state.gauges, now)
            await asyncio.sleep(0)  # no rule may hold the loop for the next
        self.state.alerts = self.evaluator.alerts() | self.outside.alerts(self.state.inventory)

    def _mind_first_round(self, mono: float) -> None:
        """Nothing is concluded until every probe target has been heard of once, or has had the time (PAINS 2)."""
        health = self.state.health
        if health.first_round_done:
            return
        targets = [line.id for line in self.state.inventory.lines.values() if line.probe.kind != "none"]
        targets += [n.id for n in self.state.inventory.nodes.values() if n.probe and n.probe.kind != "none"]
        known = sum(1 for t in targets if t in self.state.reach and self.state.reach[t].lost is not None)
        probe = self.config.probe
        longest_s = 3 * (probe.interval_s + probe.timeout_s + probe.burst_count * probe.burst_spacing_s)
        if known == len(targets) or mono - self._started_mono > longest_s:
            health.first_round_done = True
            self.state.revision += 1
            log.info("first round done targets=%d known=%d", len(targets), known)

    def _keep_means(self, means: list[SensorMean]) -> None:
        self.means_dropped += max(0, len(self.means) + len(means) - MEANS_MOST)
        self.means.extend(means)

    def close_means(self) -> None:
        """Before a stop: what was measured in the slot that has not ended is kept, too."""
        self._keep_means(self._means.rest())

    def _forget_old(self, now: float) -> None:
        self.state.plans.forget(now - KEEP_CLOSED_S)
        for key, incident in list(self.state.incidents.items()):
            if incident.closed_at is not None and now - incident.closed_at > KEEP_CLOSED_S:
                del self.state.incidents[key]

    def _count(self) -> None:
        open_now = Counter((i.cause.kind, i.severity) for i in self.state.incidents.values() if i.open)
        ours = (a for key, a in self.state.alerts.items() if key not in self.state.outside)  # others may have any name
        firing = Counter((a.alertname, a.severity) for a in ours if a.firing_at is not None)
        figures = [
            Figure("netmon_incidents_open", labels(cause=cause, severity=severity), n)
            for (cause, severity), n in open_now.items()
        ]
        figures += [
            Figure("netmon_alert_active", labels(alertname=name, severity=severity), n)
            for (name, severity), n in firing.items()
        ]
        self.state.gauges.replace("counts", figures)
