"""What the daemon says of itself while it runs: how long the loop was held, what queues hold and drop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from netmon.clock import Clock
from netmon.model import Figure, Labels, Sensor, labels
from netmon.state import Gauges

log = logging.getLogger(__name__)

TICK_S = 0.05
WINDOW_S = 60.0
FULL_S = 0.005
SPARE_FIRST_S, SPARE_LAST_S = 5.0, 600.0  # what is found in use is left out again after this; doubled each time
SKEW = "netmon_sensor_clock_skew_seconds"
SKEW_STEP_S = 1.0  # devices tell whole seconds: smaller changes of a clock's skew are no news

Depths = Callable[[], Mapping[str, tuple[int, int]]]  # queue -> (entries waiting, entries dropped so far)


@contextlib.contextmanager
def spared_collector(clock: Clock, cpu_s: Callable[[], float] = time.thread_time) -> Iterator[None]:
    """Within the block full garbage collections stay short: what one that took ``FULL_S`` of CPU found to be in use is
    left out of later ones, from what exists at the beginning (code, inventory, templates) on.

    Such a collection holds the loop, and looks at some hundred objects of every device. What is left out is freed as
    ever when nobody refers to it any more; only a cycle that is in use just then and dies later stays. So it is done
    some seconds after a start, and more and more rarely.
    """
    began_s = 0.0
    wait_s = SPARE_FIRST_S
    again_mono = clock.mono()

    def watch(phase: str, about: Mapping[str, int]) -> None:
        nonlocal began_s, wait_s, again_mono
        if about["generation"] < 2:
            return
        if phase == "start":
            began_s = cpu_s()
        elif cpu_s() - began_s > FULL_S and (now := clock.mono()) >= again_mono:
            gc.freeze()
            again_mono = now + wait_s
            wait_s = min(wait_s * 2, SPARE_LAST_S)

    gc.collect()
    gc.freeze()
    gc.callbacks.append(watch)
    try:
        yield
    finally:
        gc.callbacks.remove(watch)
        gc.unfreeze()


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
