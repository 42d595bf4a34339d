"""What netmon says of itself: holds of the loop over the last minute, depths of queues and recent drops."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable

import pytest

from netmon.clock import Clock
from netmon.metrics import METRICS
from netmon.model import Sensor, labels
from netmon.selfwatch import SKEW, TICK_S, WINDOW_S, LoopMeter, QueueWatch, SkewWatch, spared_collector
from netmon.state import Gauges


class Script:
    """A monotonic clock that gives the times of a script, one per question, and says when it is at its end."""

    def __init__(self, times: Iterable[float]) -> None:
        self._times = [0.0, *times]  # the first one is for the clock's own anchor
        self.ended = asyncio.Event()

    def __call__(self) -> float:
        if len(self._times) == 1:
            self.ended.set()
            return self._times[0]
        return self._times.pop(0)


async def measure(*ticks: tuple[float, float]) -> float:
    """The meter's answer after ticks that began at a time and were held for some seconds."""
    script = Script([t for at, hold in ticks for t in (at, at + TICK_S + hold)])
    meter = LoopMeter(Clock(script, lambda: 0.0))
    assert meter.worst_s() == 0.0
    running = asyncio.create_task(meter.run())
    await script.ended.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return meter.worst_s()


@pytest.mark.parametrize(
    ("ticks", "worst_s"),
    [
        ([(0, 0.002)], 0.002),
        ([(0, 0.002), (1, 0.3), (2, 0.01)], 0.3),
        ([(0, 0.3), (1, 0.002), (WINDOW_S + 2, 0.01)], 0.01),  # the long hold is over a minute ago
        ([(0, 0.1), (30, 0.3), (50, 0.2), (95, 0.01)], 0.2),  # the second worst takes its place
        ([(0, -0.004)], 0.0),  # a clock that rounds down
        ([(0, 0.2), (1, 0.2), (WINDOW_S + 0.5, 0.0)], 0.2),  # of two equal holds the later one counts on
    ],
)
def test_the_longest_hold_of_the_last_minute(ticks: list[tuple[float, float]], worst_s: float) -> None:
    assert asyncio.run(measure(*ticks)) == pytest.approx(worst_s)


def test_a_real_hold_is_seen() -> None:
    async def run() -> float:
        clock = Clock()
        meter = LoopMeter(clock)
        running = asyncio.create_task(meter.run())
        await asyncio.sleep(0)
        end = clock.mono() + TICK_S + 0.1
        while clock.mono() < end:
            pass  # what no coroutine may do
        await asyncio.sleep(TICK_S)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return meter.worst_s()

    assert asyncio.run(run()) >= 0.099


class Queues:
    def __init__(self) -> None:
        self.depths = {"mqtt": (0, 0)}
        self.gauges = Gauges()
        self.watch = QueueWatch(lambda: self.depths)

    def write(self, now: float) -> tuple[float | None, float | None]:
        self.watch.write(self.gauges, now)
        series = labels(queue="mqtt")
        names = "netmon_queue_depth", "netmon_dropped_recently"
        depth, dropped = (self.gauges.family(name).get(series) for name in names)
        return depth, dropped


def test_drops_are_recent_for_a_minute() -> None:
    queues = Queues()
    queues.depths = {"mqtt": (5, 1000)}
    assert queues.write(0) == (5, 0), "what was dropped before the start of the watch is not recent"
    queues.depths = {"mqtt": (7, 1003)}
    assert queues.write(10) == (7, 3)
    queues.depths = {"mqtt": (0, 1003)}
    assert queues.write(40) == (0, 3)
    assert queues.write(60) == (0, 3), "they fell between 0 and 10"
    assert queues.write(70) == (0, 0)
    queues.depths = {"mqtt": (0, 1004)}
    assert queues.write(80) == (0, 1)


def test_a_queue_that_is_gone_leaves_and_a_new_one_is_seen_whole() -> None:
    queues = Queues()
    queues.write(0)
    queues.depths = {"notify": (2, 4)}
    assert queues.write(10) == (None, None)
    assert queues.gauges.family("netmon_dropped_recently") == {labels(queue="notify"): 4}


def test_memory_of_the_watch_is_bounded() -> None:
    queues = Queues()
    for second in range(1000):
        queues.depths = {"mqtt": (0, second)}
        _, dropped = queues.write(float(second))
        assert dropped == min(second, 60)


def test_the_series_are_in_the_catalogue() -> None:
    queues = Queues()
    queues.write(0)
    for name, pairs, _ in queues.gauges:
        assert METRICS[name].labels == tuple(n for n, _ in pairs)


@pytest.mark.parametrize(("took_s", "spared"), [(0.002, False), (0.050, True)])
def test_what_a_long_collection_looked_at_is_left_out_of_later_ones(took_s: float, spared: bool) -> None:
    used_s = 0.0

    def cpu_s() -> float:
        nonlocal used_s
        used_s += took_s  # it is asked when a collection begins and when it ends
        return used_s

    watches = len(gc.callbacks)
    with spared_collector(Clock(lambda: 0.0, lambda: 0.0), cpu_s):
        kept = [[] for _ in range(10_000)]  # type: list[list[int]]
        before = gc.get_freeze_count()
        assert before > 10_000  # all that existed
        gc.collect(1)
        assert gc.get_freeze_count() == before  # only full ones take long
        gc.collect()
        assert (gc.get_freeze_count() >= before + len(kept)) is spared
    assert gc.get_freeze_count() == 0
    assert len(gc.callbacks) == watches


def test_what_is_in_use_is_left_out_more_and_more_rarely() -> None:
    now = used_s = 0.0

    def cpu_s() -> float:
        nonlocal used_s
        used_s += 1.0
        return used_s

    found = []
    with spared_collector(Clock(lambda: now, lambda: 0.0), cpu_s):
        kept: list[list[int]] = []
        for at in (0.0, 4.0, 5.0, 14.0, 15.0, 34.0, 35.0):
            now = at
            before = gc.get_freeze_count()
            kept.extend([] for _ in range(1_000))
            gc.collect()
            found.append(gc.get_freeze_count() >= before + 1_000)
    assert found == [True, False, True, False, True, False, True]


def test_skew_is_shown_where_the_sensor_is_and_leaves_with_it() -> None:
    gauges, watch = Gauges(), SkewWatch()
    here, there = Sensor("a", "t", "a", "senml", site="one"), Sensor("a", "t", "a", "senml", site="two")
    watch.write(gauges, {"a": -86_400.0, "unknown": 5.0}, {"a": here})
    assert gauges.family(SKEW) == {labels(sensor="a", site="one"): -86_400.0}
    watch.write(gauges, {"a": -86_399.5}, {"a": here})
    assert gauges.family(SKEW) == {labels(sensor="a", site="one"): -86_400.0}, "no news"
    watch.write(gauges, {"a": 0.2}, {"a": here})
    assert gauges.family(SKEW) == {labels(sensor="a", site="one"): 0.2}
    watch.write(gauges, {"a": 0.2}, {"a": there})
    assert gauges.family(SKEW) == {labels(sensor="a", site="two"): 0.2}
    watch.write(gauges, {"a": 0.2}, {})
    assert not gauges.family(SKEW)
    assert SKEW in METRICS
