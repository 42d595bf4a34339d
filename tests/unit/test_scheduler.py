"""The runner: spread, never stacked, the dead backed off, a reload that disturbs nobody."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from netmon.clock import Clock
from netmon.model import Device, PollResult
from netmon.scheduler import Scheduler


def device(name: str, interval_s: float = 0.0) -> Device:
    return Device(name, "router", "127.0.0.1", 161, "routers", site="s", interval_s=interval_s)


class Bench:
    """Polls that a test can hold open; ok unless named in ``dead``; raising if named in ``broken``."""

    def __init__(self, interval_s: float) -> None:
        self.calls: list[str] = []
        self.results: list[PollResult] = []
        self.dead: set[str] = set()
        self.broken: set[str] = set()
        self.hold: dict[str, asyncio.Event] = {}
        self.running: dict[str, int] = {}
        self.scheduler = Scheduler(self.poll, self.results.append, Clock(), interval_s)

    async def poll(self, target: Device) -> PollResult:
        name = target.id
        self.calls.append(name)
        self.running[name] = self.running.get(name, 0) + 1
        assert self.running[name] == 1, "two polls of one device at once"
        try:
            if name in self.hold:
                await self.hold[name].wait()
            if name in self.broken:
                raise ZeroDivisionError
            return PollResult(name, 0.0, 0.0, ok=name not in self.dead, reason="timeout" if name in self.dead else "")
        finally:
            self.running[name] -= 1

    async def during(self, seconds: float) -> None:
        task = asyncio.create_task(self.scheduler.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_every_device_is_polled_and_a_slow_one_delays_nobody() -> None:
    async def main() -> Bench:
        bench = Bench(interval_s=0.05)
        bench.hold["slow"] = asyncio.Event()
        bench.scheduler.set_devices({n: device(n) for n in ("slow", "a", "b")})
        await bench.during(0.6)
        return bench

    bench = asyncio.run(main())
    assert bench.calls.count("slow") == 1
    assert bench.calls.count("a") >= 3 and bench.calls.count("b") >= 3
    assert bench.scheduler.counters.overruns >= 2


def test_a_dead_device_is_polled_less_often_and_counted_by_reason() -> None:
    async def main() -> Bench:
        bench = Bench(interval_s=0.03)
        bench.dead.add("dead")
        bench.scheduler.set_devices({n: device(n) for n in ("dead", "alive")})
        await bench.during(0.9)
        return bench

    bench = asyncio.run(main())
    assert bench.calls.count("dead") * 2 < bench.calls.count("alive")
    assert bench.scheduler.counters.failures == {"timeout": bench.calls.count("dead")}


def test_a_bug_in_a_poll_costs_that_poll_only() -> None:
    async def main() -> Bench:
        bench = Bench(interval_s=0.05)
        bench.broken.add("broken")
        bench.scheduler.set_devices({n: device(n) for n in ("broken", "fine")})
        await bench.during(0.3)
        return bench

    bench = asyncio.run(main())
    reasons = {r.reason for r in bench.results if r.device == "broken"}
    assert reasons == {"bug:ZeroDivisionError"}
    assert any(r.ok for r in bench.results if r.device == "fine")


def test_a_reload_drops_removed_devices_and_keeps_the_others() -> None:
    async def main() -> Bench:
        bench = Bench(interval_s=0.05)
        bench.scheduler.set_devices({n: device(n) for n in ("goes", "stays")})
        task = asyncio.create_task(bench.scheduler.run())
        await asyncio.sleep(0.2)
        bench.scheduler.set_devices({"stays": device("stays"), "new": device("new")})
        bench.calls.clear()
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return bench

    bench = asyncio.run(main())
    assert "goes" not in bench.calls
    assert "stays" in bench.calls and "new" in bench.calls


def test_poll_now_is_extra_and_never_doubles_a_running_poll() -> None:
    async def main() -> Bench:
        bench = Bench(interval_s=60.0)
        bench.hold["x"] = asyncio.Event()
        bench.scheduler.set_devices({"x": device("x")})
        bench.scheduler.poll_now("x")
        await asyncio.sleep(0)
        bench.scheduler.poll_now("x")
        bench.scheduler.poll_now("unknown")
        bench.hold["x"].set()
        await asyncio.sleep(0.01)
        return bench

    assert asyncio.run(main()).calls == ["x"]


def test_a_poll_asked_for_during_a_poll_comes_after_it_once_if_it_must_see_what_is_new() -> None:
    async def main() -> list[int]:
        counts = []
        for again in (False, True):
            bench = Bench(interval_s=3600)
            hold = bench.hold["a"] = asyncio.Event()
            bench.scheduler.set_devices({"a": device("a")})
            bench.scheduler.poll_now("a")
            await asyncio.sleep(0)
            for _ in range(3):
                bench.scheduler.poll_now("a", again=again)
            bench.scheduler.poll_now("a")
            hold.set()
            await asyncio.sleep(0.05)
            counts.append(len(bench.calls))
        return counts

    assert asyncio.run(main()) == [1, 2]


def test_the_first_round_is_quick_and_the_others_are_spread_over_the_interval() -> None:
    """Else every poll of the province would come within the same five seconds, for ever."""
    now = [1000.0]
    scheduler = Scheduler(Bench(30.0).poll, lambda result: None, Clock(lambda: now[0], lambda: now[0]), 30.0)
    scheduler.set_devices({f"d{number}": device(f"d{number}") for number in range(300)})
    times: dict[str, list[float]] = {}
    while now[0] < 1100:
        now[0] += 0.1
        for name in scheduler.due():
            times.setdefault(name, []).append(now[0])
    assert max(at[0] for at in times.values()) <= 1005.2 and len(times) == 300
    assert all(at[1] - at[0] >= 14.8 for at in times.values()), "of two polls too near comes no rate"
    assert all(29.8 < at[2] - at[1] < 30.2 for at in times.values())
    places = sorted(at[2] % 30 for at in times.values())
    assert max(b - a for a, b in pairwise(places)) < 2, "no gap in the interval"


def test_a_device_that_something_speaks_for_is_polled_as_often_as_any_other_again() -> None:
    """Backed off to eight intervals it would be seen once in minutes after its site has come back."""

    async def main() -> int:
        bench = Bench(interval_s=0.1)
        bench.dead.add("x")
        bench.scheduler.set_devices({"x": device("x")})
        task = asyncio.create_task(bench.scheduler.run())
        for _ in range(500):
            await asyncio.sleep(0.01)
            if len(bench.calls) >= 6:  # the next one is due in 0.8 s
                break
        bench.dead.clear()
        bench.scheduler.poll_now("x")
        bench.calls.clear()
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return len(bench.calls)

    assert asyncio.run(main()) >= 3
