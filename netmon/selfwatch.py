"""What the daemon says of itself while it runs: how long the loop was held, what queues hold and drop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from netmon.clock import Clock
from netmon.model import Figure, Labels, Sensor, labels
from netmon.state import Gauges

log = logging.getLogger(__name__)

TICK_S = 0.05
WINDOW_S = 60.0
COLLECT_S = 3600.0
YOUNG = 10_000  # objects made between two collections of the young: by then nearly all are gone without one
NEVER = 1_000_000  # collections of the middle generation, each after thousands of new objects
SKEW = "netmon_sensor_clock_skew_seconds"
SKEW_STEP_S = 1.0  # devices tell whole seconds: smaller changes of a clock's skew are no news

Depths = Callable[[], Mapping[str, tuple[int, int]]]  # queue -> (entries waiting, entries dropped so far)


@contextlib.contextmanager
def spared_collector() -> Iterator[None]:
    """Within the block Python begins no full garbage collection by itself, and what existed before is in none.

    A full one looks at some hundred objects of every device and holds the loop meanwhile, and Python would begin one
    every few seconds. Young objects are collected as ever; old cycles wait for `collect_rarely`.
    """
    young, middle, old = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, middle, NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)
        gc.unfreeze()


async def collect_rarely() -> None:
    """Until cancelled: free what only refers to itself and has outlived the young collections, a few kB a minute."""
    while True:
        await asyncio.sleep(COLLECT_S)
        found = gc.collect()
        log.debug("full collection objects=%d", found)


class LoopMeter:
    """Measures how late the loop wakes a sleeper: what held it meanwhile held everything else too."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._holds: deque[tuple[float, float]] = deque()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            before = self._clock.mono()
            await asyncio.sleep(TICK_S)
            now = self._clock.mono()
            hold = now - before - TICK_S
            # Only a maximum over the window is asked for: shorter holds that came earlier can never be it again.
            while self._holds and self._holds[-1][1] <= hold:
                self._holds.pop()
            self._holds.append((now, hold))
            while self._holds[0][0] < now - WINDOW_S:
                self._holds.popleft()

    def worst_s(self) -> float:
        """The longest hold of the last minute, in seconds."""
        return max(0.0, self._holds[0][1]) if self._holds else 0.0


class QueueWatch:
    """Turns depths and drop counters into gauges, among them what was dropped within the last minute."""

    def __init__(self, depths: Depths) -> None:
        self._depths = depths
        self._seen: deque[tuple[float, dict[str, int]]] = deque()

    def write(self, gauges: Gauges, now: float) -> None:
        depths = dict(self._depths())
        self._seen.append((now, {queue: dropped for queue, (_, dropped) in depths.items()}))
        while len(self._seen) > 1 and self._seen[1][0] <= now - WINDOW_S:
            self._seen.popleft()
        before = self._seen[0][1]
        figures = []
        for queue, (depth, dropped) in depths.items():
            series = labels(queue=queue)
            figures.append(Figure("netmon_queue_depth", series, depth))
            figures.append(Figure("netmon_dropped_recently", series, dropped - before.get(queue, 0)))
        gauges.replace("queues", figures)


class SkewWatch:
    """Shows how far the clocks of devices are off, writing only what changed: there may be 10,000 of them."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[Labels, float]] = {}

    def write(self, gauges: Gauges, skews: Mapping[str, float], sensors: Mapping[str, Sensor]) -> None:
        """``skews``: sensor -> seconds; of what is not in the inventory nothing is shown."""
        for name in [name for name in self._shown if name not in sensors]:
            gauges.drop(SKEW, self._shown.pop(name)[0])
        for name, skew_s in skews.items():
            sensor = sensors.get(name)
            if sensor is None:
                continue
            series = labels(sensor=name, site=sensor.site, node=sensor.node)
            before = self._shown.get(name)
            if before is not None and before[0] == series and abs(before[1] - skew_s) < SKEW_STEP_S:
                continue
            if before is not None and before[0] != series:
                gauges.drop(SKEW, before[0])
            gauges.set(SKEW, series, skew_s)
            self._shown[name] = series, skew_s
