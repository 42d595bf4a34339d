"""What netmon says of itself: holds of the loop over the last minute, depths of queues and recent drops."""

from __future__ import annotations

import asyncio
import gc
import weakref
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


def test_no_full_collection_begins_by_itself_and_all_is_as_before_afterwards() -> None:
    class Cycle:
        def __init__(self) -> None:
            self.me = self

    before = gc.get_threshold()
    full = gc.get_stats()[2]["collections"] + 1  # one at the beginning
    with spared_collector():
        assert gc.get_freeze_count() > 0
        kept = [[Cycle()] for _ in range(200_000)]
        assert gc.get_stats()[2]["collections"] == full
        assert gc.get_stats()[1]["collections"] > 0
        old = weakref.ref(kept[0][0])
        del kept
        assert old() is not None
        gc.collect()  # as `collect_rarely` does
        assert old() is None
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before


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
