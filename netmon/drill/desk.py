"""The daemon's drills: one at a time, ordered and stopped by people, told by a notifier of its own, kept in the store.

Nothing here may disturb what is real: a drill that fails is stopped, said to be over, and logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from netmon.alerts.channels.ways import Ways
from netmon.alerts.handling import HandlingError
from netmon.alerts.messages_facts import Texts
from netmon.alerts.notify import Notifier
from netmon.alerts.plan_record import Record
from netmon.alerts.plan_write import unusable
from netmon.alerts.replies import Asked
from netmon.clock import Clock
from netmon.collectors.probes.reach import Tracker
from netmon.config import Config
from netmon.drill.base import base_of
from netmon.drill.exercise import Exercise, calm, end_intents
from netmon.drill.overlay import Overlay
from netmon.drill.places import DrillError, choose
from netmon.drill.report import Ending, Noted, Report
from netmon.drill.scenario import ID_SPAN, label, number_of
from netmon.drill.scenario_read import read_scenario
from netmon.history.drills import Drills
from netmon.history.store import Store, StoreError
from netmon.model import Contact, Event, Intent, PollResult
from netmon.pipeline import Pipeline
from netmon.state import Reach, State

log = logging.getLogger(__name__)

GRAIN_S = 0.05  # as the prober's
AT_ONCE = 20  # trackers copied before the loop gets its turn
RUNNING = "netmon_drill_running"

Forked = Callable[[Iterable[str], dict[int, object]], dict[str, Tracker]]


class DrillDesk:
    """All methods are for the event loop. ``forked``: copies of trackers; ``ways``: the real notifier's."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        clock: Clock,
        words: Mapping[str, Texts],
        forked: Forked,
        ways: Ways,
    ) -> None:
        self._pipeline, self._clock, self._words, self._forked = pipeline, clock, words, forked
        self._drills = Drills(store, self._take_result)
        self._contacts: dict[str, Contact] = {}
        self._notifier = Notifier(pipeline.config, self._drills, clock, self._everybody, ways=ways)
        self._exercise: Exercise | None = None
        self._starting = False
        self._task: asyncio.Task[None] | None = None
        self._ending: tuple[Ending, str] | None = None
        self._stop = asyncio.Event()

    def _everybody(self) -> Mapping[str, Contact]:
        return self._pipeline.state.inventory.contacts

    @property
    def _state(self) -> State:
        return self._pipeline.state

    async def start(self) -> None:
        """End what an earlier run left unfinished, and send what it left unsent."""
        self._state.gauges.set(RUNNING, (), 0.0)
        now = self._clock.now()
        for report, ids in await self._drills.unfinished():
            log.warning("drill was interrupted drill=%s", report.label)
            notes = (*report.notes, Noted(now, "interrupted"))
            report = replace(report, ended_at=now, ending="interrupted", notes=notes)
            people = [contact for key in ids if (contact := self._everybody().get(key)) is not None]
            state = State(self._state.inventory, drill=report.label)
            await self._drills.withdraw(report.id)
            intents = end_intents(report, people, state, calm(self._pipeline.config), self._words, now)
            await self._drills.save(report, ids, intents)
        await self._notifier.start()

    async def close(self, drain_s: float) -> None:
        """A drill that runs is over; its last messages are sent, at most for ``drain_s``."""
        await self._finish("interrupted", "netmon")
        await self._notifier.close(drain_s)

    def set_config(self, config: Config) -> None:
        """After a reload: a drill that runs keeps its copy, its messages take the new channels."""
        self._notifier.set_config(config)

    # --- what people do ----------------------------------------------------------------------------------------------

    async def order(self, name: str, data: bytes, wanted: str, to: Iterable[str], by: str) -> Report:
        """Begin a drill. Raises DrillError, or ConfigError for a scenario with mistakes."""
        if self._exercise is not None or self._starting:
            running = self._exercise.report.label if self._exercise else "one"
            raise DrillError(f"{running} is running: one drill at a time; netmon drill --stop ends it")
        self._starting = True
        try:
            return await self._begin(name, data, wanted, tuple(to), by)
        finally:
            self._starting = False

    async def _begin(self, name: str, data: bytes, wanted: str, to: tuple[str, ...], by: str) -> Report:
        scenario = await asyncio.to_thread(read_scenario, name, data)
        pipeline, state = self._pipeline, self._state
        people = self._people(to or scenario.to)
        place = choose(scenario, state, pipeline.topology, pipeline.config, wanted)
        base = base_of(state, pipeline.topology, pipeline.config, pipeline.book.witness)
        overlay = Overlay(place, base)
        targets = overlay.targets
        memo: dict[int, object] = {}
        trackers: dict[str, Tracker] = {}
        for first in range(0, len(targets), AT_ONCE):
            trackers |= self._forked(targets[first : first + AT_ONCE], memo)
            await asyncio.sleep(0)
        number = await self._drills.next_number()
        self._notifier.record = record = Record()
        rules = pipeline.evaluator.rules
        exercise = await asyncio.to_thread(  # it takes some 50 ms for a province
            Exercise, number, scenario, overlay, base, rules, people, by, trackers, self._clock, self._words, record
        )
        self._contacts = {contact.id: contact for contact in people}
        await self._drills.save(exercise.report, self._contacts, ())
        exercise.begin(state)
        self._exercise, self._ending = exercise, None
        self._stop.clear()
        pipeline.shadow = self
        state.gauges.set(RUNNING, (), 1.0)
        state.health.drill = label(number), place.name
        state.revision += 1
        self._task = asyncio.create_task(self._run(exercise), name=f"drill {number}")
        log.info("drill begins drill=%s scenario=%s place=%s", label(number), scenario.name, place.subject.id)
        return exercise.report

    def _people(self, to: tuple[str, ...]) -> list[Contact]:
        config, known = calm(self._pipeline.config), self._everybody()
        if not to:
            raise DrillError(f'nobody is named: --to, or "to" in the scenario; known: {", ".join(sorted(known))}')
        if not config.notify.enabled:
            raise DrillError("no message is sent: notify.enabled is false in netmon.yml")
        found: dict[str, Contact] = {}
        for name in to:
            contact = known.get(name) or next((c for c in known.values() if c.name == name), None)
            if contact is None:
                raise DrillError(f"no contact {name!r}; known: {', '.join(sorted(known))}")
            channels = [config.notify.channels[c] for c in contact.channels if c in config.notify.channels]
            if all(unusable(channel, contact) for channel in channels):
                raise DrillError(f"{contact.name} cannot be told anything: no channel that could reach him")
            found[contact.id] = contact
        return list(found.values())

    async def stop(self, by: str) -> Report | None:
        """End the running drill; None if there is none."""
        return await self._finish("stopped", by)

    async def acknowledge(self, number: int, who: str, note: str = "") -> Report | None:
        """Somebody takes the running drill, by whatever way he answered. None if there is no such drill.

        Raises HandlingError for one that is over, or that nobody has been told of.
        """
        exercise = await self._running(number)
        if exercise is None:
            return None
        exercise.acknowledge(who, note)
        await self._drills.save(exercise.report, self._contacts, ())
        return exercise.report

    async def answer(self, number: int, mains: bool, who: str) -> bool:
        """Somebody says whether there are mains at the drilled place; False if that is about nothing that is open.

        Raises HandlingError for a drill that is over.
        """
        exercise = await self._running(number)
        return exercise is not None and exercise.answer(mains, who)

    def reply(self, contact: Contact, asked: Asked) -> str | None:
        """What somebody answers to a message of the running drill, and what to tell him; None where that is not his.

        1 takes it, 5 and 6 are evidence in the drill; all else is noted.
        """
        exercise = self._exercise
        if exercise is None or number_of(asked.number) != exercise.report.id or contact.id not in self._contacts:
            return None
        words = self._words.get(contact.language) or self._words[self._pipeline.config.language]
        if asked.verb == "take" and exercise.report.sent_s is not None:
            exercise.acknowledge(contact.name)
            return words.text("drill.reply_taken", id=exercise.report.label, who=contact.name)
        if asked.verb not in ("mains", "no_mains") or not exercise.answer(asked.verb == "mains", contact.name):
            exercise.note("replied", f"{contact.name}: {asked.verb}")
        return words.text("drill.reply_noted", id=exercise.report.label)

    async def _running(self, number: int) -> Exercise | None:
        if self._exercise is not None and self._exercise.report.id == number:
            return self._exercise
        if await self._drills.report(number) is None:
            return None
        raise HandlingError(f"{label(number)} is over")

    async def report(self, number: int) -> Report | None:
        """A drill of any age."""
        if self._exercise is not None and self._exercise.report.id == number:
            return self._exercise.report
        return await self._drills.report(number)

    async def reports(self) -> list[Report]:
        """The newest first."""
        return await self._drills.reports()

    # --- what is real, shown to the drill ----------------------------------------------------------------------------

    def take_reach(self, reach: Reach) -> None:
        """As `Pipeline.take_reach`."""
        self._show(lambda exercise: exercise.take_reach(reach))

    def take_poll(self, poll: PollResult) -> None:
        """As `Pipeline.take_poll`."""
        self._show(lambda exercise: exercise.take_poll(poll))

    def take_event(self, event: Event) -> None:
        """As `Pipeline.take_event`."""
        self._show(lambda exercise: exercise.take_event(event))

    def clock_stepped(self, step_s: float) -> None:
        """What a drill measures and shows by the clock would be wrong from here on: it is stopped."""
        self._ending = self._ending or ("stopped", f"netmon: the system clock was stepped by {step_s:.0f} s")
        self._stop.set()

    def _take_result(self, intent: Intent) -> None:
        self._show(lambda exercise: exercise.take_result(intent))

    def _show(self, use: Callable[[Exercise], None]) -> None:
        if self._exercise is None:
            return
        try:
            use(self._exercise)
        except Exception as error:  # noqa: BLE001  nothing of a drill may reach what is real
            self._broken(error)

    def _broken(self, error: Exception) -> None:
        log.error("drill fails, so it is stopped", exc_info=error)
        self._ending = self._ending or ("stopped", f"netmon: {type(error).__name__}")
        self._pipeline.shadow = None
        self._stop.set()

    # --- running -----------------------------------------------------------------------------------------------------

    async def _run(self, exercise: Exercise) -> None:
        try:
            kept: Report | None = None
            while not exercise.over and not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(GRAIN_S, exercise.due_mono - self._clock.mono())):
                        await self._stop.wait()
                        break
                intents = await exercise.step()
                if intents or exercise.report is not kept:
                    kept = exercise.report
                    await self._drills.save(kept, self._contacts, intents)
                self._notifier.submit(intents)
        except Exception as error:  # noqa: BLE001  as above
            self._broken(error)
        try:
            await self._end(exercise)
        except StoreError as error:
            log.error("end of a drill not kept, so not told before the next start error=%s", error)
        finally:
            self._pipeline.shadow = self._exercise = None
            self._state.gauges.set(RUNNING, (), 0.0)
            self._state.health.drill = None
            self._state.revision += 1

    async def _end(self, exercise: Exercise) -> None:
        ending, by = self._ending or ("over", "")
        number = exercise.report.id
        self._notifier.take_back(lambda i: i.change != "drill_end" and -i.incident // ID_SPAN == number)
        await self._drills.withdraw(exercise.report.id)
        intents = exercise.end(ending, by)
        await self._drills.save(exercise.report, self._contacts, intents)
        self._notifier.submit(intents)
        log.info("drill over drill=%s result=%s", exercise.report.label, exercise.report.result)

    async def _finish(self, ending: Ending, by: str) -> Report | None:
        exercise, task = self._exercise, self._task
        if exercise is None or task is None:
            return None
        self._ending = self._ending or (ending, by)
        self._stop.set()
        await asyncio.wait([task])
        return exercise.report
