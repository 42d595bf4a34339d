"""One running drill: a copy of what netmon knows, its own pipeline on it, and the drill's word where the drill says so.

Everything that judges is the daemon's own code: trackers, verdicts, incidents, causes, planning, messages. Nothing of
the real state is written; what real collectors bring meanwhile is shown to the copy, too, but for the drilled places.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from netmon.alerts import handling
from netmon.alerts.incidents import Book
from netmon.alerts.joining import place_of
from netmon.alerts.messages_facts import Texts
from netmon.alerts.plan import plan
from netmon.alerts.plan_record import TOLD, Record
from netmon.alerts.plan_write import Writer
from netmon.alerts.rules import Evaluator, Rule, limits, threshold_figures
from netmon.clock import Clock
from netmon.collectors.probes.reach import Tracker
from netmon.config import Config
from netmon.drill.base import Base
from netmon.drill.end_text import end_message
from netmon.drill.overlay import Overlay
from netmon.drill.probes import Probes
from netmon.drill.report import Ending, Noted, Report
from netmon.drill.scenario import Scenario, Step, first_id, label
from netmon.model import Change, Contact, Event, Incident, Intent, PollResult, Sensor
from netmon.pipeline import STEP_S, Pipeline
from netmon.state import Reach, State
from netmon.works import Work

POLLS_AT_ONCE = 20  # the others have their turn at the next step: nothing may hold the loop
LOOK_S = 0.3  # a poll out of turn takes about this long
PLANNED_S = 60.0  # a planned work ends so long after it is said
SENDING_S = 30.0  # nobody waits longer for messages about the end of what was drilled
STARTS = ("opened", "raised", "reopened")
NEVER = float("inf")


class Exercise:
    """``step`` is to be called when ``due_mono`` has come. ``report`` is how it stands."""

    def __init__(
        self,
        number: int,
        scenario: Scenario,
        overlay: Overlay,
        base: Base,
        rules: Sequence[Rule],
        people: Iterable[Contact],
        by: str,
        trackers: Mapping[str, Tracker],
        clock: Clock,
        words: Mapping[str, Texts],
        record: Record,
    ) -> None:
        self.scenario, self.words, self.record, self._clock = scenario, words, record, clock
        self.config = calm(base.config)
        self._people = tuple(people)
        self.overlay, self._trackers = overlay, trackers
        self.state = self._copy(base, label(number))
        found = limits(rules, self.state.inventory, self.config.alerts.thresholds)
        self.state.gauges.replace("thresholds", threshold_figures(rules, found))
        book = Book(self.config, base.incidents, first_id(number))
        book.witness = base.witness
        self.pipeline = Pipeline(
            self.state,
            self.state.plans.topology,
            self.config,
            clock,
            Evaluator(rules, found),
            book,
            self._look,
            lambda: True,
        )
        self._poll_at: dict[str, float] = {}
        self._steps = [*scenario.steps]
        self._news = False
        self._detected_at = NEVER
        self._ours: dict[int, Incident] = {}
        self._unsent: dict[str, Intent] = {}
        self.report = Report(
            id=number,
            scenario=scenario.name,
            title=scenario.title,
            place=overlay.place.name,
            by=by,
            to=tuple(contact.name for contact in self._people),
            began_at=clock.now(),
            expected=scenario.cause,
            limits=scenario.limits,
        )

    def begin(self, real: State) -> None:
        """The drill's time begins; what became known since the copy was taken is shown to it first."""
        for target, reach in real.reach.items():
            if self.state.reach.get(target) is not reach:
                self.take_reach(reach)
        for device, poll in real.polls.items():
            if self.state.polls.get(device) is not poll:
                self.take_poll(poll)
        now, mono = self._clock.now(), self._clock.mono()
        self._start_mono, self._judged_mono = mono, float("-inf")
        self._probes = Probes(
            self._trackers,
            self.pipeline.topology,
            self.config.probe.timeout_s,
            now - mono,
            self.overlay.passes,
            self._take_drilled,
        )
        devices, turn_s = self.overlay.devices, self.config.snmp.interval_s
        self._poll_at = {d: mono + turn_s * n / len(devices) for n, d in enumerate(devices)}
        self.report = replace(self.report, began_at=now)
        self.note("began", self.scenario.name)

    def _copy(self, base: Base, drill: str) -> State:
        """What netmon knows now, but for what is of no use here: other sensors, silences, works, other people."""
        inventory = base.inventory
        sensors: dict[str, Sensor] = {s: inventory.sensors[s] for s in self.overlay.sensors}
        gateways = {self.overlay.gateway: inventory.gateways[self.overlay.gateway]} if self.overlay.gateway else {}
        contacts = {contact.id: replace(contact, backup="") for contact in self._people}
        copied = replace(inventory, sensors=sensors, gateways=gateways, contacts=contacts, rosters={})
        state = State(copied, drill=drill)
        state.reach |= base.reach
        state.polls |= base.polls
        state.verdicts |= base.verdicts
        state.sensors = {name: base.sensors[name] for name in sensors}
        state.health.first_round_done = True
        return state

    # --- what is real ------------------------------------------------------------------------------------------------

    def take_reach(self, reach: Reach) -> None:
        """News of a probe target, of which the drill takes what is not its own."""
        if reach.target not in self.overlay.targets:
            self.pipeline.take_reach(reach)

    def take_poll(self, poll: PollResult) -> None:
        """A finished poll; one of the far end has the drilled ports as the drill says."""
        if poll.device not in self.overlay.devices:
            self.pipeline.take_poll(self.overlay.mend(poll, self._clock.now()))

    def take_event(self, event: Event) -> None:
        """A trap."""
        if event.device not in self.overlay.devices:
            self.pipeline.take_event(event)

    # --- what is not -------------------------------------------------------------------------------------------------

    def _take_drilled(self, reach: Reach) -> None:
        before = self.state.reach.get(reach.target)
        self._news = self._news or before is None or before.lost != reach.lost
        self.pipeline.take_reach(reach)

    def _look(self, device: str) -> None:
        if device in self._poll_at or self.overlay.poll(device, self._clock.now()) is not None:
            soon = self._clock.mono() + LOOK_S
            self._poll_at[device] = min(soon, self._poll_at.get(device, NEVER))

    @property
    def due_mono(self) -> float:
        """When there is something to do next."""
        steps = self._start_mono + self._steps[0].at_s if self._steps else NEVER
        polls = min(self._poll_at.values(), default=NEVER)
        return min(self._probes.due_at, polls, steps, self._judged_mono + STEP_S)

    async def step(self) -> list[Intent]:
        """Everything that is due; what is to be told, for the caller to commit and to send."""
        now, mono = self._clock.now(), self._clock.mono()
        while self._steps and self._steps[0].at_s <= mono - self._start_mono:
            self._take_step(self._steps.pop(0), now)
        self._probes.advance(mono)
        due = [device for device, at in self._poll_at.items() if at <= mono]
        for device in due[:POLLS_AT_ONCE]:
            if (poll := self.overlay.poll(device, now)) is not None:
                self.pipeline.take_poll(poll)
                self._poll_at[device] = mono + self.config.snmp.interval_s
                if device not in self.overlay.devices:
                    del self._poll_at[device]  # the real one comes in its turn
        self.pipeline.take_readings(self.overlay.readings(now))
        if not self._news and mono - self._judged_mono < STEP_S:
            return []
        self._news, self._judged_mono = False, mono
        ours = [change for change in await self.pipeline.step() if self._is_ours(change.incident)]
        for change in ours:
            self._take_change(change)
        self.state.incidents = dict(self._ours)  # what is real is told by the real one
        intents = plan(ours, self.state, self.config, self.record, now, self.words)
        self.record.add(intents)
        self._unsent |= {i.id: i for i in intents if i.state == "pending"}
        return intents

    def _take_step(self, step: Step, now: float) -> None:
        if step.action == "planned":
            site, name = self.overlay.place.subject, self.scenario.name
            where = (f"{site.kind}:{site.id}",)
            work = Work(1, step.value, name, where, now - 3600.0, now + PLANNED_S)  # type: ignore[arg-type]
            self.state.plans.works[work.id] = work
        for event in self.overlay.apply(step, now):
            self.pipeline.take_event(event)
            self._look(event.device)
        told = f"{step.where} {step.action}: {step.value}"
        self.note("step", told if step.charge_ratio is None else f"{told} {step.charge_ratio:.0%}")

    def _is_ours(self, incident: Incident) -> bool:
        """Whether it came of the drill: opened here, about a drilled place."""
        if incident.id >= 0:
            return False
        place = place_of(incident.subject, self.state.inventory)
        return incident.subject == self.overlay.place.subject or place.id in self.overlay.places

    def _take_change(self, change: Change) -> None:
        incident = change.incident
        if incident.id not in self._ours:
            cause = incident.cause
            self.note("detected", f"{cause.kind}{'' if cause.confirmed else '?'} {incident.subject.id}")
        elif change.kind == "closed":
            self.note("closed", incident.cause.kind)
        elif incident.cause.kind != self._ours[incident.id].cause.kind:
            self.note("cause", incident.cause.kind)
        self._ours[incident.id] = incident
        # What led to it, as a UPS on battery, may have been told before: measured is the fault itself.
        if change.kind in STARTS and self.report.detected_s is None and (after_s := self._since_fault_s()) >= 0:
            self._detected_at = change.at
            self.report = replace(self.report, detected_s=after_s, first_cause=incident.cause.kind)
        whole = [i for i in self._ours.values() if i.open or not i.timeline or i.timeline[-1].kind != "child"]
        if whole:
            cause = whole[0].cause
            self.report = replace(self.report, cause=cause.kind, confirmed=cause.confirmed, incidents=len(whole))

    def _since_fault_s(self) -> float:
        return self._clock.mono() - self._start_mono - self.scenario.fault_at_s

    def note(self, kind: str, text: str = "") -> None:
        """Write into the report what happens now."""
        noted = Noted(self._clock.now(), kind, text)
        self.report = replace(self.report, notes=(*self.report.notes, noted))

    # --- people ------------------------------------------------------------------------------------------------------

    def take_result(self, intent: Intent) -> None:
        """A message was sent, or could not be."""
        if intent.state not in ("sent", "failed") or self._unsent.pop(intent.id, None) is None:
            return
        self.record.add([intent])
        if intent.state == "failed":
            self.report = replace(self.report, failed=self.report.failed + 1)
            self.note("failed", f"{intent.contact} {intent.channel}")
            return
        self.report = replace(self.report, messages=self.report.messages + 1)
        self.note("sent", f"{intent.contact} {intent.channel} {intent.change}")
        if self.report.sent_s is None and intent.change in TOLD and intent.created_at >= self._detected_at:
            self.report = replace(self.report, sent_s=max(0.0, self._since_fault_s()))

    def acknowledge(self, who: str, note: str = "") -> None:
        """Somebody takes it: the first one counts. Raises HandlingError while nothing has been told."""
        if self.report.sent_s is None:
            raise handling.HandlingError(f"nothing of {self.report.label} has been told yet")
        after_s = max(0.0, self._since_fault_s() - self.report.sent_s)
        if self.report.acknowledged_s is None:
            self.report = replace(self.report, acknowledged_s=after_s, acknowledged_by=who)
        self.note("taken", f"{who}: {note}" if note else who)
        for incident in self._ours.values():
            if incident.open:
                change = self.pipeline.handle(incident, lambda i, now: handling.acknowledge(i, who, note, now))
                self._ours[incident.id] = change.incident

    def answer(self, mains: bool, who: str) -> bool:
        """A person says whether the drilled place has mains; False while there is nothing to say it of."""
        changes = [self.pipeline.take_answer(number, mains, who) for number, i in self._ours.items() if i.open]
        if any(changes):
            self.note("mains_said" if mains else "no_mains_said", who)
        return any(changes)

    # --- the end -----------------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """True when there is nothing more to come, or its time is up."""
        past_s = self._clock.mono() - self._start_mono
        report, scenario = self.report, self.scenario
        if past_s >= scenario.lasts_s:
            return True
        if self._steps or any(incident.open for incident in self._ours.values()):
            return False
        after_s = past_s - scenario.fault_at_s
        if not self._ours:
            return after_s > max(scenario.limits.detected_s, scenario.steps[-1].at_s - scenario.fault_at_s + SENDING_S)
        if self._unsent and self._clock.now() - self._closed_at() < SENDING_S:
            return False
        if report.sent_s is None:
            return after_s > scenario.limits.sent_s
        return report.acknowledged_s is not None or after_s > report.sent_s + scenario.limits.acknowledged_s

    def _closed_at(self) -> float:
        return max((incident.closed_at or 0.0 for incident in self._ours.values()), default=0.0)

    def end(self, ending: Ending, by: str = "") -> list[Intent]:
        """The drill is over: the messages that say so."""
        self.note(ending, by)
        self.report = replace(self.report, ended_at=self._clock.now(), ending=ending, ended_by=by)
        return end_intents(self.report, self._people, self.state, self.config, self.words, self._clock.now())


def end_intents(
    report: Report, people: Iterable[Contact], state: State, config: Config, words: Mapping[str, Texts], now: float
) -> list[Intent]:
    """What tells each of the people that the drill is over, each place once; the same ids whenever it is asked."""
    writer = Writer(state, config, words, now)
    found: dict[tuple[str, str, str], Intent] = {}
    for contact in people:
        told = partial(end_message, report, writer.words(contact))
        for intent in writer.of_drill(contact, report.id, told):
            found.setdefault((intent.channel, intent.address or "", intent.state), intent)
    return list(found.values())


def calm(real: Config) -> Config:
    """A drill is told at once and to nobody else: no quiet hours, no digests, no escalation, no brief.

    And no ZNS: its templates are Zalo's to approve, and none of them says that it is a drill.
    """
    alerts = replace(
        real.alerts, quiet_hours="", escalate_s=0.0, escalate_node_s=0.0, morning="", storm_incidents=1_000_000
    )
    channels = {name: channel for name, channel in real.notify.channels.items() if channel.kind != "zns"}
    return replace(real, alerts=alerts, notify=replace(real.notify, channels=channels))
