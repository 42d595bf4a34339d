"""Five-minute samples: exact means, the percentile by hand, a week that survives, and the rows in netmon.db."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from netmon.history.linesamples import LineSamples
from netmon.history.store import Store
from netmon.line_samples import CLOSED_AT_ONCE, P95, SAMPLE_S, WEEK, Sampler
from netmon.model import LineSample
from tests.conftest import ROOT

T0 = 1_790_000_100  # a full multiple of 300 s
DAY = 86400 // SAMPLE_S


# --- the percentile --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([], None),
        ([0.5], 0.5),
        ([0.1, 0.9], 0.9),
        ([n / 100 for n in range(1, 21)], 0.19),  # rank ceil(0.95 * 20) = 19
        ([n / 100 for n in range(21, 0, -1)], 0.20),  # rank ceil(19.95) = 20 of 21, in any order
        ([n / 1000 for n in range(1, 101)], 0.095),
    ],
)
def test_p95_by_hand(means: list[float], expected: float | None) -> None:
    p95 = P95()
    for number, mean in enumerate(means):
        p95.add(T0 + number * SAMPLE_S, mean)
    assert p95.value() == expected
    assert P95([T0 + n * SAMPLE_S for n in range(len(means))], means).value() == expected


def test_p95_forgets_after_seven_days() -> None:
    p95 = P95()
    for number in range(WEEK):
        p95.add(T0 + number * SAMPLE_S, 1.0 if number < 150 else 0.5)
    assert p95.value() == 1.0, "150 of 2016 are more than 5 %"
    for number in range(WEEK, WEEK + 49):
        p95.add(T0 + number * SAMPLE_S, 0.5)
    assert p95.value() == 1.0, "101 are so too"
    p95.add(T0 + (WEEK + 49) * SAMPLE_S, 0.5)
    assert p95.value() == 0.5, "100 are not"


def test_p95_forgets_by_time_even_where_nothing_is_measured() -> None:
    p95 = P95([T0], [1.0])
    p95.add(T0 + (WEEK - 1) * SAMPLE_S, None)
    assert p95.value() == 1.0
    p95.add(T0 + WEEK * SAMPLE_S, None)
    assert p95.value() is None


def test_a_clock_set_back_leaves_nothing_twice() -> None:
    p95 = P95()
    for number, mean in ((0, 0.1), (1, 0.9), (2, 0.9), (1, 0.2)):
        p95.add(T0 + number * SAMPLE_S, mean)
    assert p95.value() == 0.2, "0.1 and 0.2"


def test_the_percentiles_of_a_province_fit_the_memory() -> None:
    """310 sites with two directions each keep a week of 5 min means: 2,016 numbers, not 2,016 objects."""
    tracemalloc.start()
    p95 = P95([T0 + n * SAMPLE_S for n in range(WEEK)], [0.1 + n / 7 for n in range(WEEK)])
    for number in range(WEEK, WEEK + 20):
        p95.add(T0 + number * SAMPLE_S, 0.1 + number / 7)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 50_000


# --- slots -----------------------------------------------------------------------------------------------------------


def test_a_slot_holds_the_means_of_its_five_minutes() -> None:
    sampler = Sampler()
    for at, value in ((0, 0.1), (150, 0.3), (299.9, 0.2), (300, 1.0)):
        sampler.add("a", T0 + at, in_ratio=value, rtt_s=None)
    sampler.add("a", T0 + 10, rtt_s=0.01)
    assert sampler.close(T0 + 359) == [], "a slow poll may still be under way"
    sampler.add("a", T0 + 299, in_ratio=0.2)
    (sample,) = sampler.close(T0 + 360)
    assert sample == LineSample("a", T0, pytest.approx(0.2), None, 0.01)
    sampler.add("a", T0 + 299, in_ratio=9.0)  # too late: the slot is on disk
    assert sampler.close(T0 + 700) == [LineSample("a", T0 + 300, 1.0)]


def test_many_lines_are_closed_bit_by_bit() -> None:
    """Sorting a week for each of them at once would hold the loop."""
    sampler = Sampler()
    for number in range(3 * CLOSED_AT_ONCE):
        sampler.add(f"l{number}", T0, in_ratio=0.5)
    sampler.add("gone", T0, in_ratio=0.5)
    sampler.keep_only({f"l{number}": 0 for number in range(3 * CLOSED_AT_ONCE)})
    sizes = [len(sampler.close(T0 + 400 + second)) for second in range(5)]
    assert sizes == [CLOSED_AT_ONCE] * 3 + [0, 0]


# --- on disk ---------------------------------------------------------------------------------------------------------


def run(path: Path, work: Callable[[LineSamples], Awaitable[None]]) -> None:
    async def main() -> None:
        store = Store(path)
        await store.open(float(T0))
        try:
            await work(LineSamples(store))
        finally:
            await store.close()

    asyncio.run(main())


def week_of(line: str, high: int) -> list[LineSample]:
    """A week in which ``high`` samples are above the limit, the others idle; out is never known."""
    return [LineSample(line, T0 + n * SAMPLE_S, 0.95 if n < high else 0.2, None, 0.012, 0.0) for n in range(WEEK)]


def test_samples_come_back_and_percentiles_are_what_they_were(tmp_path: Path) -> None:
    """The rule of 7 days is judged by the same number before and after a restart: 101 of 2016 are more than 5 %."""
    end = T0 + WEEK * SAMPLE_S - 1
    odd = LineSample("odd", T0, 1.2345678, 0.0, None, 1.0, 0.0000004)

    async def write(kept: LineSamples) -> None:
        await kept.save(week_of("a-1", 101))
        await kept.save([*week_of("b-1", 100), odd])
        await kept.save([LineSample("a-1", T0, 0.95)])  # written once more: replaced, not a second one
        await kept.save([LineSample("a-1", T0 + 10 * WEEK * SAMPLE_S, 5.0)])  # the clock was wrong once

    async def read(kept: LineSamples) -> None:
        assert await kept.read("odd", 0, 2e9) == [LineSample("odd", T0, 1.234568, 0.0, None, 1.0, 0.0)]
        assert await kept.read("nobody", 0, 2e9) == []
        day = await kept.read("b-1", T0 + SAMPLE_S, T0 + 86400)
        assert [s.at for s in day] == [T0 + n * SAMPLE_S for n in range(1, DAY)]
        assert day[0] == LineSample("b-1", T0 + SAMPLE_S, 0.95, None, 0.012, 0.0)
        found = await kept.recall(end)
        assert {name: (p.value(), q.value()) for name, (p, q) in found.items()} == {
            "a-1": (0.95, None), "b-1": (0.2, None), "odd": (1.234568, 0.0),
        }  # fmt: skip
        assert (await kept.recall(end + 5 * SAMPLE_S))["a-1"][0].value() == 0.2, "a week later in part"

    run(tmp_path / "n.db", write)
    run(tmp_path / "n.db", read)


def test_long_ranges_are_averaged(tmp_path: Path) -> None:
    async def work(kept: LineSamples) -> None:
        await kept.save([LineSample("a", T0 + n * SAMPLE_S, n / 10, None if n % 2 else 0.5) for n in range(6)])
        found = await kept.read("a", T0, T0 + 6 * SAMPLE_S, step=3)
        assert [s.in_ratio for s in found] == pytest.approx([0.1, 0.4])
        assert [s.out_ratio for s in found] == [0.5, 0.5]
        assert [s.at % (3 * SAMPLE_S) for s in found] == [0, 0]

    run(tmp_path / "n.db", work)


def test_old_samples_and_lines_without_any_are_forgotten(tmp_path: Path) -> None:
    async def work(kept: LineSamples) -> None:
        await kept.save([LineSample("old", T0), *(LineSample("a", T0 + n * SAMPLE_S, 0.5) for n in range(4))])
        assert await kept.forget(T0 + 2 * SAMPLE_S)
        assert [s.at for s in await kept.read("a", 0, 2e9)] == [T0 + 2 * SAMPLE_S, T0 + 3 * SAMPLE_S]
        assert set(await kept.recall(T0 + 86400)) == {"a"}

    run(tmp_path / "n.db", work)


def test_a_much_shorter_retention_is_reached_a_day_at_a_time(tmp_path: Path) -> None:
    async def work(kept: LineSamples) -> None:
        await kept.save(week_of("a", 0))
        end = T0 + WEEK * SAMPLE_S
        left = []
        for _ in range(4):
            done = await kept.forget(end - 4 * 86400)
            left.append((len(await kept.read("a", 0, 2e9)), done))
        assert left == [(6 * DAY, False), (5 * DAY, False), (4 * DAY, True), (4 * DAY, True)]

    run(tmp_path / "n.db", work)


CHILD = """
import asyncio, sys
from netmon.history.linesamples import LineSamples
from netmon.history.store import Store
from tests.unit.test_line_samples import T0, week_of

async def main():
    store = Store(sys.argv[1])
    await store.open(float(T0))
    week = week_of("a-1", 101)
    for number in range(0, len(week), 7):
        await LineSamples(store).save(week[number : number + 7])
        print(number + 7, flush=True)

asyncio.run(main())
"""


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert child.stdout is not None
    with child.stdout:
        for _ in range(random.Random(7).randrange(20, 60)):
            said = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        said = max([said, *(int(line) for line in child.stdout.read().decode().splitlines())])
    child.wait()

    async def read(kept: LineSamples) -> None:
        found = await kept.read("a-1", 0, 2e9)
        assert len(found) in (said, said + 7), "one more may be committed than was said"
        assert found == week_of("a-1", 101)[: len(found)]
        p95, _ = (await kept.recall(T0 + len(found) * SAMPLE_S))["a-1"]
        assert p95.value() == (0.95 if len(found) * 5 < 101 * 100 else 0.2)

    run(path, read)
