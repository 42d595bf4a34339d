"""What people do, committed before it is answered: incidents handled and opened by hand, planned works, silences."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar
from zoneinfo import ZoneInfo

from netmon.alerts.explain import Telling
from netmon.alerts.handling import HandlingError, noted
from netmon.clock import Clock
from netmon.history.store import Store
from netmon.model import Incident, Subject
from netmon.pipeline import KEEP_CLOSED_S, Pipeline
from netmon.state import State
from netmon.works import Plans, Silence, Work, check_scope

Plan = TypeVar("Plan", Work, Silence)
log = logging.getLogger(__name__)
STORM_DUTY = "storm_duty"


class Desk:
    """All methods are for the event loop. HandlingError says, for the person who asked, what cannot be done and why."""

    def __init__(self, state: State, pipeline: Pipeline, store: Store, clock: Clock) -> None:
        self._state, self._pipeline, self._store, self._clock = state, pipeline, store, clock

    async def load(self) -> None:
        """Take up the works and silences of an earlier run."""
        works, silences = await self._store.load_plans(self._clock.now() - KEEP_CLOSED_S)
        plans = self._state.plans = Plans(self._pipeline.topology, works, silences)
        plans.storm_duty_until = await self._store.switched(STORM_DUTY)

    # --- incidents ---------------------------------------------------------------------------------------------------

    async def find(self, number: int) -> Incident | None:
        """An incident of any age."""
        return self._state.incident(number) or await self._store.incident(number)

    async def telling(self, number: int) -> Telling:
        """What was decided about telling of an incident, and what came of it. Raises StoreError."""
        return await self._store.telling(number)

    async def handle(self, number: int, step: Callable[[Incident, float], Incident]) -> Incident | None:
        """Take one step with an incident; None if there is none of that number."""
        found = await self.find(number)
        if found is None:
            return None
        change = self._pipeline.handle(found, step)
        await self._store.commit_step([change], [], {}, self._clock.now())
        log.info("incident handled id=%d step=%s", number, change.incident.timeline[-1].kind)
        return change.incident

    async def answer(self, number: int, mains: bool, who: str, how: str) -> Incident | None:
        """Somebody at the site says whether there is mains: evidence. None if no such incident is open."""
        change = self._pipeline.take_answer(number, mains, who, how)
        if change is None:
            return None
        await self._store.commit_step([change], [], {}, self._clock.now())
        return change.incident

    async def report(self, subject: Subject, who: str, text: str) -> Incident:
        """Open an incident about a site or a node by hand."""
        known = {"site": self._state.inventory.sites, "node": self._state.inventory.nodes}.get(subject.kind, {})
        if subject.id not in known:
            raise HandlingError(f"the inventory has no {subject.kind} {subject.id!r}; a site or a node can be reported")
        change = self._pipeline.report(subject, who, text)
        await self._store.commit_step([change], [], {}, self._clock.now())
        log.info("incident opened by hand id=%d subject=%s:%s", change.incident.id, subject.kind, subject.id)
        return change.incident

    # --- planned works and silences ----------------------------------------------------------------------------------

    async def add_works(self, works: Iterable[Work]) -> list[Work]:
        """Enter planned works, all or none."""
        made = [self._checked(replace(work, created_at=self._clock.now())) for work in works]
        saved = await self._store.add_plans(made)
        self._state.plans.works.update({work.id: work for work in saved})
        self._state.revision += 1
        for work in saved:
            await self._note_work(work, "work", work.by)
        log.info("works entered count=%d", len(saved))
        return saved

    async def cancel_work(self, number: int, who: str) -> Work | None:
        """Call a work off; what it explained is judged anew. None if there is none of that number."""
        work = self._state.plans.works.get(number)
        if work is None or work.cancelled_at is not None:
            return work
        work = replace(work, cancelled_at=self._clock.now(), cancelled_by=who)
        await self._store.save_plan(work)
        self._state.plans.works[number] = work
        self._state.revision += 1
        await self._note_work(work, "work_over", who)
        return work

    async def add_silence(self, silence: Silence) -> Silence:
        """Keep news from being told."""
        (saved,) = await self._store.add_plans([self._checked(silence)])
        self._state.plans.silences[saved.id] = saved
        self._state.revision += 1
        await self._note_silence(saved, "silenced", saved.by)
        log.info("silence begins id=%d where=%s", saved.id, ",".join(saved.where))
        return saved

    async def end_silence(self, number: int, who: str) -> Silence | None:
        """End a silence now. None if there is none of that number."""
        silence, now = self._state.plans.silences.get(number), self._clock.now()
        if silence is None or silence.end_at <= now:
            return silence
        silence = replace(silence, end_at=now, ended_by=who)
        await self._store.save_plan(silence)
        self._state.plans.silences[number] = silence
        self._state.revision += 1
        await self._note_silence(silence, "silence_over", who)
        return silence

    async def storm_duty(self, hours: float, who: str) -> float:
        """No quiet hours from now on, for so long (0: they hold again); returns until when."""
        until = self._clock.now() + hours * 3600.0
        await self._store.switch(STORM_DUTY, until, who)
        self._state.plans.storm_duty_until = until
        self._state.revision += 1
        log.info("storm duty hours=%g who=%s", hours, who)
        return until

    async def _note_silence(self, silence: Silence, kind: str, who: str) -> None:
        text = f"#{silence.id} {silence.reason}"
        await self._note(kind, who, text, lambda i: self._state.plans.silences_it(silence, i))

    async def _note_work(self, work: Work, kind: str, who: str) -> None:
        zone = ZoneInfo(self._pipeline.config.timezone)
        await self._note(kind, who, f"#{work.id} {work.title}", lambda i: self._state.plans.works_on(work, i, zone))

    async def _note(self, kind: str, who: str, text: str, covers: Callable[[Incident], bool]) -> None:
        """Write what people planned into the timelines of the open incidents that it covers."""
        covered = [i for i in self._state.incidents.values() if i.open and covers(i)]
        changes = [self._pipeline.handle(i, lambda found, now: noted(found, kind, who, text, now)) for i in covered]
        await self._store.commit_step(changes, [], {}, self._clock.now())

    def _checked(self, plan: Plan) -> Plan:
        if not plan.where:
            raise HandlingError("where is missing: at least one kind:id, such as area:bu-dang")
        wrong = [text for scope in plan.where if (text := check_scope(scope, self._pipeline.topology))]
        if wrong:
            raise HandlingError("; ".join(wrong))
        if plan.end_at <= plan.begin_at:
            raise HandlingError("the end is not after the beginning")
        return plan
