"""netmon as the bench's contender: the real engine, poller and scheduler in a process of its own.

Told what to do by lines of JSON on its standard input, answers each with one line. CPU is that of this process alone.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import resource
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from bench.agent import CREDENTIAL
from bench.columns import COLUMNS, COMMUNITY, as_yaml, profile
from bench.devices import address
from bench.report import ROOT, percentile
from netmon import exposition
from netmon.clock import Clock
from netmon.collectors.snmp.engine import Engine
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import load_profiles
from netmon.config import SnmpConfig
from netmon.fold import Fold
from netmon.model import Credential, Device, Inventory, PollResult, Secret, Site
from netmon.scheduler import Scheduler
from netmon.selfwatch import spared_collector
from netmon.state import State
from netmon.topology import Topology

AT_ONCE = 64  # devices polled at a time: 31,000 a minute are no more
PROFILE_ROWS = 12
V2C = Credential("bench", "2c", Secret(COMMUNITY))
FAMILIES = frozenset(column.name for column in COLUMNS)


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def lateness(device: str, started_mono: float, interval_s: float) -> float:
    """How long after its due time a poll began: the scheduler's grid is given by the device's name."""
    late_s = (started_mono - zlib.crc32(device.encode()) / 2**32 * interval_s) % interval_s
    return 0.0 if interval_s - late_s < 1e-3 else late_s  # rounding


def compact_setting() -> dict[str, Any]:
    """The setting that keeps text as gzip members; empty where this netmon has none."""
    known = {field.name for field in fields(SnmpConfig)}
    return {"compact": True} if "compact" in known else {}


def make_inventory(count: int, port: int, version: str) -> Inventory:
    """One site and one router each, as a province has them."""
    sites, devices = {}, {}
    for number in range(count):
        site = f"site-{number:05d}"
        sites[site] = Site(site, f"Trạm {number}", f"Tram {number}", "government", "commune", "area")
        router = f"{site}-rt"
        devices[router] = Device(router, "router", address(number), port, "bench", site)
    return Inventory(sites=sites, devices=devices, credentials={"bench": CREDENTIAL if version == "3" else V2C})


class Worker:
    """What a daemon does with its devices, without probes, pages and messages."""

    def __init__(self, count: int, port: int, version: str, compact: bool) -> None:
        # Slow facts are due at the first poll only, for all sizes alike: what they cost is a part of its own, and three
        # rounds of 31,000 devices take longer than the interval.
        config = SnmpConfig(slow_interval_s=86_400.0, **(compact_setting() if compact else {}))
        self._clock = Clock()
        with tempfile.TemporaryDirectory(prefix="netmon-bench-") as folder:
            path = Path(folder) / "generic.yml"
            path.write_text(as_yaml(profile()), encoding="utf-8")
            profiles = load_profiles((str(path),))
        gc.collect()
        self._empty_bytes = rss_bytes()
        self._inventory = make_inventory(count, port, version)
        self._credential = self._inventory.credentials["bench"]
        self.engine = Engine(config, self._clock)
        self.poller = Poller(self.engine, profiles, config, self._clock)
        self.state = State(self._inventory)
        self.fold = Fold(self.state, Topology(self._inventory))

    async def run(self, ask: asyncio.StreamReader) -> None:
        await self.engine.start()
        try:
            with spared_collector():  # as the daemon
                while line := await ask.readline():
                    what = json.loads(line)
                    answer = await getattr(self, f"do_{what.pop('do')}")(**what)
                    print(json.dumps(answer), flush=True)
        finally:
            await self.engine.close()

    async def do_round(self, first: int = 0, count: int = 0, fold: bool = True) -> dict[str, Any]:
        """Poll every device once, as fast as it goes; ``fold``: into gauges, too, as the daemon, else only polled."""
        devices = list(self._inventory.devices.values())[first : first + count if count else None]
        turn = iter(devices)
        take = self.fold.poll if fold else self._keep
        before = cpu_s(), time.monotonic(), self._marks()

        async def one_after_another() -> None:
            for device in turn:
                take(await self.poller.poll(device, self._credential))

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
        told = self._since(before)
        began = cpu_s()
        seen = self._seen(devices)
        return {**told, **seen, "text_cpu_s": cpu_s() - began}

    def _keep(self, result: PollResult) -> None:
        self.state.polls[result.device] = result

    async def do_schedule(self, interval_s: float, seconds: float) -> dict[str, Any]:
        """The real scheduler for so long; how late polls began, by device, in seconds."""
        polled: list[PollResult] = []

        def take(result: PollResult) -> None:
            self.fold.poll(result)
            polled.append(result)

        late: dict[str, list[float]] = {}

        async def poll(device: Device) -> PollResult:
            late.setdefault(device.id, []).append(lateness(device.id, self._clock.mono(), interval_s))
            return await self.poller.poll(device, self._credential)

        scheduler = Scheduler(poll, take, self._clock, interval_s)
        devices = self._inventory.devices
        one = next(iter(devices))
        scheduler.set_devices({one: devices[one]}, interval_s)  # so that the rest is spread over the whole interval
        scheduler.set_devices(devices, interval_s)
        before = cpu_s(), time.monotonic(), self._marks()
        task = asyncio.create_task(scheduler.run())
        await asyncio.sleep(seconds)
        told = self._since(before)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        late.pop(one, None)  # its first poll is not on the grid
        alive = [value for device, values in late.items() if self._answers(device) for value in values]
        return {
            **told,
            "polls": len(polled),
            "ok": sum(result.ok for result in polled),
            "polls_of_living": len(alive),
            "late_p99_s": percentile(alive, 0.99),
            "late_max_s": max(alive),
            "overruns": scheduler.counters.overruns,
            "core_share": told["cpu_s"] / told["wall_s"],
            **self._memory(),
        }

    def _answers(self, device: str) -> bool:
        return device in self.state.polls and self.state.polls[device].ok

    async def do_join(self, times: int) -> dict[str, Any]:
        """Seconds that joining the text of all devices took, and that generate_latest took for the same samples."""
        polls = list(self.state.polls.values())
        whole = exposition.join_chunks(polls)
        families = list(text_string_to_metric_families(whole.decode()))
        registry = CollectorRegistry()
        registry.register(_Ready(families))
        return {
            "samples": whole.count(b"\n") - 2 * len(families),
            "again": sum(len(family.samples) for family in families),
            "join_s": [_timed(lambda: exposition.join_chunks(polls)) for _ in range(times)],
            "generate_latest_s": [_timed(lambda: generate_latest(registry)) for _ in range(max(3, times // 5))],
        }

    async def do_profile(self) -> dict[str, Any]:
        """Where a round spends its time: function -> share of the whole, by its own time, the largest first."""
        profile = cProfile.Profile()
        profile.enable()
        await self.do_round()
        profile.disable()
        stats: Any = pstats.Stats(profile)  # its table is not in the types
        own = {_where(*key): entry[2] for key, entry in stats.stats.items()}
        first = sorted(own, key=lambda name: own[name], reverse=True)[:PROFILE_ROWS]
        return {"profile": {name: own[name] / stats.total_tt for name in first}}

    async def do_memory(self) -> dict[str, Any]:
        return self._memory()

    async def do_text(self, number: int) -> dict[str, Any]:
        """What is exposed of one device, to be compared with what others say of it."""
        poll = self.state.polls[list(self._inventory.devices)[number]]
        return {"text": {family: chunk.decode() for family, chunk in poll.chunks.items()}}

    # --- counting ----------------------------------------------------------------------------------------------------

    def _marks(self) -> dict[str, int]:
        return dict(self.engine.stats) | dict(self.poller.stats)

    def _since(self, before: tuple[float, float, dict[str, int]]) -> dict[str, Any]:
        events = {key: value - before[2].get(key, 0) for key, value in self._marks().items()}
        hits = events.get("layout_hits", 0)
        misses = events.get("layout_changed", 0) + events.get("layout_learnt", 0)
        return {
            "cpu_s": cpu_s() - before[0],
            "wall_s": time.monotonic() - before[1],
            "events": {key: value for key, value in events.items() if value},
            "layout_hits": hits,
            "layout_misses": misses,
        }

    def _seen(self, devices: Iterable[Device]) -> dict[str, Any]:
        """Series with text that the polls just made brought, and how many polls were good."""
        polls = [self.state.polls[device.id] for device in devices]
        good = [poll for poll in polls if not _reason(poll)]
        return {
            "polls": len(polls),
            "ok": len(good),
            "series": sum(c.count(b"\n") for poll in good for family, c in poll.chunks.items() if family in FAMILIES),
            "reasons": dict(Counter(_reason(poll) for poll in polls if _reason(poll))),
            "varbinds": sum(poll.varbinds for poll in good),
            "requests": sum(poll.requests for poll in good),
            "timeouts": sum(poll.timeouts for poll in polls),
        }

    def _memory(self) -> dict[str, Any]:
        gc.collect()
        used = rss_bytes()
        return {"rss_bytes": used, "rss_bytes_per_device": (used - self._empty_bytes) / len(self._inventory.devices)}


def _reason(poll: PollResult) -> str:
    """Why a poll, or a column of it, failed; empty for a good one."""
    return poll.reason if not poll.ok else next(iter(poll.failed.values()), "")


def _where(file: str, line: int, function: str) -> str:
    """A function as a person looks for it; built-in ones have no file."""
    if file == "~":
        return function
    path = Path(file)
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}:{function}"


class _Ready(Collector):
    """Samples that are all there: generate_latest only has to write them."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _timed(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


async def _main(given: argparse.Namespace) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    worker = Worker(given.devices, given.port, given.version, given.compact)
    print(json.dumps({"ready": True}), flush=True)
    await worker.run(reader)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--version", choices=("2c", "3"), default="2c")
    parser.add_argument("--compact", action="store_true")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
