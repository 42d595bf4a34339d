"""Polls every device when it is due: spread over the interval, never stacked, the dead ones backed off.

The due time comes from the schedule (slot + k * interval), not from "now + interval", so lateness does not add up. The
runner here owns success, duration and counters; a poll function only polls (STYLE.md, collector contract).
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import math
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from netmon.clock import Clock
from netmon.model import Device, PollResult

log = logging.getLogger(__name__)

BACKOFF_MAX = 8  # a device that stays silent is polled every 2, 4, then 8 intervals: reachability is the probes' task


@dataclass(slots=True)
class _Slot:
    device: Device
    phase_mono: float  # any moment of its grid: polls are due a whole number of intervals from it
    due_mono: float
    interval_s: float
    running: bool = False
    again: bool = False  # poll once more when this poll has ended
    failures: int = 0
    generation: int = 0


@dataclass(slots=True)
class PollCounters:
    """What the runner counts: overruns (due again while still running) and failures by reason."""

    overruns: int = 0
    failures: dict[str, int] = field(default_factory=dict)


class Scheduler:
    """Runs ``poll(device)`` for every device on its own schedule, at most ``concurrency`` at once."""

    def __init__(
        self,
        poll: Callable[[Device], Awaitable[PollResult]],
        on_result: Callable[[PollResult], None],
        clock: Clock,
        interval_s: float,
        concurrency: int = 400,
    ) -> None:
        self._poll = poll
        self._on_result = on_result
        self._clock = clock
        self._interval_s = interval_s
        self._limit = asyncio.Semaphore(concurrency)
        self._slots: dict[str, _Slot] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.counters = PollCounters()

    def set_devices(self, devices: Mapping[str, Device], interval_s: float | None = None) -> None:
        """Take a new set of devices; unchanged ones keep their slot, so a reload disturbs nobody."""
        self._interval_s = interval_s or self._interval_s
        now = self._clock.mono()
        slots: dict[str, _Slot] = {}
        for device in devices.values():
            every = device.interval_s or self._interval_s
            old = self._slots.get(device.id)
            if old and old.device == device and old.interval_s == every:
                slots[device.id] = old
                continue
            # The id decides the phase: polls are spread, and stay where they are over restarts.
            phase = zlib.crc32(device.id.encode()) / 2**32 * every
            generation = old.generation + 1 if old else 0
            due = now + (phase - now) % every
            slots[device.id] = _Slot(device, phase, due, every, generation=generation)
        first_start = not self._slots
        self._slots = slots
        if first_start:
            # The first round does not wait out the interval: everything is known within a few seconds of a start.
            for slot in slots.values():
                slot.due_mono = now + (slot.due_mono - now) * min(1.0, 5.0 / slot.interval_s)
        self._heap = [(s.due_mono, s.generation, s.device.id) for s in slots.values()]
        heapq.heapify(self._heap)
        self._wake.set()

    def poll_now(self, device: str, *, again: bool = False) -> None:
        """Poll a device at once, besides its schedule. If it is being polled already nothing happens.

        With ``again`` it is then polled once more afterwards: that poll may have passed by what has changed.
        """
        slot = self._slots.get(device)
        if slot and slot.failures > 1:  # something speaks for it, or against it: look as often as at any other
            slot.failures = 0
            self._plan_next(slot, self._clock.mono())
            self._wake.set()
        if slot and not slot.running:
            self._launch(slot)
        elif slot:
            slot.again = slot.again or again

    async def run(self) -> None:
        """Runs until cancelled; then waits for nothing: a poll has no state worth keeping."""
        try:
            while True:
                await self._sleep_until_due()
                for name in self.due():
                    slot = self._slots[name]
                    if slot.running:
                        self.counters.overruns += 1
                    else:
                        self._launch(slot)
        finally:
            for task in self._tasks:
                task.cancel()

    def due(self) -> list[str]:
        """The devices whose time has come; each is planned anew."""
        now, found = self._clock.mono(), []
        while self._heap and self._heap[0][0] <= now:
            due, generation, device = heapq.heappop(self._heap)
            slot = self._slots.get(device)
            if slot is not None and slot.generation == generation and slot.due_mono == due:
                self._plan_next(slot, now)
                found.append(device)
        return found

    async def _sleep_until_due(self) -> None:
        self._wake.clear()
        wait_s = max(0.0, self._heap[0][0] - self._clock.mono()) if self._heap else 3600.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    def _plan_next(self, slot: _Slot, now: float) -> None:
        every = slot.interval_s
        step = every * min(BACKOFF_MAX, 2 ** max(0, slot.failures - 1))
        # On the grid again after the quick first round, and not so near that a rate would mean nothing.
        slot.due_mono = slot.phase_mono + every * math.ceil((now + step - every / 2 - slot.phase_mono) / every)
        heapq.heappush(self._heap, (slot.due_mono, slot.generation, slot.device.id))

    def _launch(self, slot: _Slot) -> None:
        slot.running = True
        task = asyncio.create_task(self._run_one(slot), name=f"poll {slot.device.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_one(self, slot: _Slot) -> None:
        device = slot.device.id
        try:
            async with self._limit:
                started = self._clock.now()
                try:
                    result = await self._poll(slot.device)
                except Exception as error:  # the one catch-all, at the runner's border: a bug costs one poll
                    log.exception("poll crashed device=%s", device)
                    reason = f"bug:{type(error).__name__}"
                    result = PollResult(device, started, self._clock.now() - started, ok=False, reason=reason)
        finally:
            slot.running = False
        if result.ok:
            if slot.failures:
                log.info("poll recovered device=%s failures=%d", device, slot.failures)
            slot.failures = 0
        else:
            slot.failures += 1
            self.counters.failures[result.reason] = self.counters.failures.get(result.reason, 0) + 1
            if slot.failures == 1:
                log.info("poll failed device=%s reason=%s", device, result.reason)
        current = self._slots.get(device)
        if current is slot:  # a reload may have removed or replaced the device meanwhile
            self._on_result(result)
            if slot.again and not slot.running:
                slot.again = False
                self._launch(slot)
