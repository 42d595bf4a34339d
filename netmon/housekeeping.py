"""What the daemon does beside its steps: signs of life, what was measured goes to disk, what is old goes away."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from netmon.errors import NetmonError
from netmon.history.spool import SpoolError
from netmon.history.store import StoreError
from netmon.influx_lines import sample_line, snapshot_lines
from netmon.model import LineSample
from netmon.pipeline import KEEP_CLOSED_S
from netmon.sensor_means import SensorMean

if TYPE_CHECKING:
    from netmon.app import App

log = logging.getLogger(__name__)
T = TypeVar("T")

HEARTBEAT_S = 10.0  # DESIGN.md, Storage: what happened after the last one is unknown, not up
SAVE_VIEWS_S = 60.0
SAMPLES_AT_ONCE = 5000
TIDY_S = 86400.0


class Housekeeping:
    """Of one running daemon."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def run(self) -> None:
        """Until cancelled."""
        app, clock = self._app, self._app.clock
        saved = tidy_mono = clock.mono()
        while True:
            if step := clock.check_step():
                app.self_metrics.clock_steps.inc()
                log.warning("system clock stepped step_s=%.3f", step)
                app.pipeline.clock_stepped(step)
            now = clock.now()
            await app.store.heartbeat(now)
            await self._save_samples()
            if clock.mono() >= tidy_mono:
                tidy_mono = clock.mono() + (TIDY_S if await self._tidy(now) else 0.0)
            if clock.mono() - saved >= SAVE_VIEWS_S:
                saved = clock.mono()
                await self._save_views()
            app.report.write()
            app.systemd.alive()
            await asyncio.sleep(min(HEARTBEAT_S, (app.systemd.watchdog_s or 60.0) / 3))

    async def save_rest(self) -> None:
        """Before a stop: what was measured and is not on disk yet."""
        self._app.pipeline.close_means()
        await self._save_samples()
        await self._save_views()
        await self._app.store.heartbeat(self._app.clock.now())  # until now everything was seen

    async def _tidy(self, now: float) -> bool:
        """Drop what is too old; False if there is more of it for the next time."""
        app = self._app
        app.notifier.record.keep_only(app.state.incidents, now - KEEP_CLOSED_S)
        try:
            await app.store.tidy(now)
            await app.outside.tidy()
            return await app.samples.forget(now - app.config.history.line_samples_s)
        except NetmonError as error:
            log.error("old rows not removed error=%s", error)
            return True

    async def _save_samples(self) -> None:
        """What the disk refuses waits in memory for the next time; the store's heartbeat says that it does."""
        with contextlib.suppress(SpoolError):
            await self._spool_network(())
        await self._save_all(self._app.pipeline.samples, self._save_lines)
        await self._save_all(self._app.pipeline.means, self._save_means)

    async def _save_lines(self, batch: Sequence[LineSample]) -> None:
        await self._spool_network(batch)  # first: what is written there twice is one point
        await self._app.samples.save(batch)

    async def _save_means(self, batch: Sequence[SensorMean]) -> None:
        app = self._app
        inventory, limits = app.state.inventory, {}
        for mean in batch:
            sensor = inventory.sensors.get(mean.sensor)
            if sensor is not None:
                kind = inventory.sensor_types[sensor.type]
                limits[mean.sensor] = kind.comply_min, kind.comply_max
        await app.means.save(batch, limits, app.clock.now())

    async def _save_all(self, waiting: deque[T], save: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        while batch := list(itertools.islice(waiting, SAMPLES_AT_ONCE)):
            try:
                await save(batch)
            except (SpoolError, StoreError):
                return
            for sample in batch:
                if waiting and waiting[0] is sample:  # else it was dropped meanwhile
                    waiting.popleft()

    async def _spool_network(self, samples: Sequence[LineSample]) -> None:
        """What the history database is to know of the network. Raises SpoolError."""
        app = self._app
        if (network := app.network) is None:
            return
        state, now = app.state, app.clock.now()
        if network.due(now):
            verdicts, polls = list(state.verdicts.values()), list(state.polls.values())
            network.lines += await asyncio.to_thread(snapshot_lines, verdicts, polls, state.inventory, now)
        noted, network.lines = network.lines, []
        lines = noted + [sample_line(sample, state.inventory) for sample in samples]
        try:
            if lines:
                await asyncio.to_thread(app.spool.put_parcel, lines, now)
        except SpoolError:
            network.lines[:0] = noted
            raise

    async def _save_views(self) -> None:
        try:
            await asyncio.to_thread(self._app.spool.save_views, list(self._app.state.sensors.values()))
        except NetmonError as error:
            log.error("sensor views not saved error=%s", error)
