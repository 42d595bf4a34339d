"""Five-minute means: made, kept, added to when values come late, read as curves, and counted against limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from netmon.history.sensormeans import SensorMeans, Share
from netmon.history.store import Store
from netmon.sensor_means import CLOSED_AT_ONCE, GRACE_S, KEEP_S, SLOT_S, Means, SensorMean
from netmon.web.sparkline import sparkline

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
SLOT = 5_984_000
T0 = SLOT * SLOT_S  # 2026-11-24 20:53:20 UTC


def test_a_slot_closes_shortly_after_its_end_and_holds_what_was_measured_in_it() -> None:
    means = Means()
    for offset_s, value in ((0, 20.0), (299, 22.0), (300, 30.0)):
        means.add("a", T0 + offset_s, value, T0 + 300)
    assert means.close(T0 + 300 + GRACE_S - 1) == []
    means.add("a", T0 + 150, 24.0, T0 + 310)
    assert means.close(T0 + 300 + GRACE_S) == [SensorMean("a", SLOT, 3, 66.0)]
    means.add("a", T0 + 10, 26.0, T0 + 400)  # late: a slot of its own, which the store adds up
    assert means.close(T0 + 401) == [SensorMean("a", SLOT, 1, 26.0)]
    assert means.rest() == [SensorMean("a", SLOT + 1, 1, 30.0)]
    assert means.rest() == []


def test_closing_is_shared_out_and_bounded() -> None:
    means = Means()
    means.add("old", T0 - KEEP_S - 1, 1.0, T0)
    for n in range(CLOSED_AT_ONCE + 10):
        means.add(f"s{n}", T0, 1.0, T0)
    assert [len(means.close(T0 + 1000)) for _ in range(3)] == [CLOSED_AT_ONCE, 10, 0]
    means.add("s1", T0, 1.0, T0)
    means.keep_only({})
    assert means.rest() == []


def with_store(path: Path, use: Callable[[SensorMeans], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        store = Store(path / "netmon.db")
        await store.open(T0)
        try:
            return await use(SensorMeans(store, ZONE))
        finally:
            await store.close()

    return asyncio.run(go())


LIMITS = {"room": (20.0, 25.0)}


def test_late_values_are_added_and_the_month_is_right_each_time(tmp_path: Path) -> None:
    async def use(means: SensorMeans) -> None:
        await means.save([SensorMean("room", SLOT, 2, 44.0), SensorMean("free", SLOT, 1, 7.0)], LIMITS, T0)
        assert await means.month("2026-11") == [Share("room", 1, 1)]
        await means.save([SensorMean("room", SLOT, 2, 60.0)], LIMITS, T0)  # the mean is 26 now
        assert await means.month("2026-11") == [Share("room", 1, 0)]
        await means.save([SensorMean("room", SLOT, 4, 80.0), SensorMean("room", SLOT + 1, 1, 20.0)], LIMITS, T0)
        assert await means.month("2026-11") == [Share("room", 2, 2)]
        assert await means.read(["room", "free", "none"], T0, T0 + 600) == {
            "room": [(T0, 23.0), (T0 + 300, 20.0)],
            "free": [(T0, 7.0)],
            "none": [],
        }
        assert await means.read(["room"], T0 + 1, T0 + 300) == {"room": []}

    with_store(tmp_path, use)


def test_months_are_those_of_the_zone_and_outlive_the_means(tmp_path: Path) -> None:
    december = 1_796_058_000  # 2026-11-30 17:00 UTC is midnight in Vietnam

    async def use(means: SensorMeans) -> None:
        slot = december // SLOT_S
        await means.save([SensorMean("room", slot - 1, 1, 22.0), SensorMean("room", slot, 1, 30.0)], LIMITS, december)
        late = december + KEEP_S + 2 * SLOT_S
        await means.save([SensorMean("room", int(late // SLOT_S), 1, 21.0)], LIMITS, late)
        assert await means.month("2026-11") == [Share("room", 1, 1)]
        assert await means.month("2026-12") == [Share("room", 1, 0)]
        assert await means.read(["room"], december - 300, december + 300) == {"room": []}

    with_store(tmp_path, use)


@pytest.mark.parametrize(
    ("curve", "drawn"),
    [
        ([], ""),
        ([(T0, 20.0)], "<circle"),
        ([(T0, 20.0), (T0 + 300, 20.0)], 'points="2.2,13.0'),
        ([(T0, 20.0), (T0 + 300, 25.0)], 'points="2.2,24.0 2.7,2.0"'),
    ],
)
def test_sparkline(curve: list[tuple[int, float]], drawn: str) -> None:
    text = sparkline(curve, T0, T0 + 86400, SLOT_S, "20 – 25 <°C>")
    assert drawn in text
    assert bool(text) is bool(curve)
    if text:
        assert "<title>20 – 25 &lt;°C&gt;</title>" in text


def test_a_pause_is_a_gap() -> None:
    curve = [(T0 + n * 300, float(n)) for n in range(10) if n not in (4, 5, 6)]
    assert sparkline(curve, T0, T0 + 3000, SLOT_S, "").count("<polyline") == 2
