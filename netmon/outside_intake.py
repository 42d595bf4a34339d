"""Alertmanager's webhook into the pipeline: committed before it is answered, told as any other alert."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from netmon.alerts.outside import OutsideAlerts, Posted
from netmon.clock import Clock
from netmon.history.outside import load_outside, save_outside
from netmon.history.store import Store, StoreError
from netmon.model import Incident
from netmon.pipeline import Pipeline

log = logging.getLogger(__name__)


class OutsideIntake:
    """All methods are for the event loop."""

    def __init__(self, pipeline: Pipeline, store: Store, clock: Clock, ours: Iterable[str]) -> None:
        self._pipeline, self._store, self._clock, self._ours = pipeline, store, clock, list(ours)
        self._sifting = asyncio.Lock()  # what is sifted while another is being committed does not know of that one

    async def load(self) -> None:
        """Take up what an earlier run knew, before the first step is taken."""
        self._pipeline.outside = OutsideAlerts(self._ours, await load_outside(self._store))
        self._pipeline.outside_changed()

    async def take(self, posted: Iterable[Posted]) -> tuple[int, int]:
        """(news, dropped as our own). Raises StoreError where nothing could be kept: Alertmanager sends it again."""
        outside = self._pipeline.outside
        async with self._sifting:
            now = self._clock.now()
            taken = outside.take(posted, now)
            if taken.changed:
                await save_outside(self._store, taken.changed, now)
                outside.accept(taken.changed)
        if taken.news:
            self._pipeline.outside_changed()
            log.info("alerts of others news=%d own=%d", taken.news, taken.own)
        return taken.news, taken.own

    async def tidy(self) -> None:
        """End what nobody has spoken of for days."""
        outside = self._pipeline.outside
        async with self._sifting:
            now = self._clock.now()
            overdue = outside.overdue(now)
            try:
                await save_outside(self._store, overdue, now)
            except StoreError as error:
                log.error("alerts of others not tidied error=%s", error)
                return
            outside.accept(overdue)
            outside.forget(now)
        self._pipeline.outside_changed()

    def is_from_outside(self, incident: Incident) -> bool:
        """Whether an Alertmanager knows of it by itself, and need not hear of it from us."""
        texts = self._pipeline.state.outside
        return incident.kind == "alert" and all(key in texts for key in incident.alerts)
