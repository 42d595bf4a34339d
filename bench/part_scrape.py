"""What a scrape costs: joining text against generate_latest; and how long a real daemon's loop is held meanwhile."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from typing import Any

from bench.children import BenchError, Child, agents, agents_and_reflectors, module, netmon
from bench.columns import USEFUL
from bench.daemon import Daemon, daemon
from bench.report import Options, rounded, say, spread

DEVICES = 306  # whose samples are 104,040
ADDRESSES = 131_072  # of the sample's prefix
PHASE_S = 65.0  # the daemon tells the longest hold of the last minute
PAUSE_S = 1.0
RELOADS = 6
INTERVAL = "10s"  # three times as often as by default


def measure(options: Options) -> dict[str, Any]:
    """``scrape``."""
    return {"scrape": {**_join(options), **_hold(options)}}


def _join(options: Options) -> dict[str, Any]:
    with agents(DEVICES, options.seed, "own") as (_, port), netmon(DEVICES, port) as poller:
        done = poller.ask({"do": "round"})
        if done["ok"] != DEVICES:
            raise BenchError(f"only {done['ok']} of {DEVICES} polls were good")
        told = poller.ask({"do": "join", "times": 5 if options.quick else 25})
    if not told["samples"] == told["again"] == DEVICES * USEFUL:
        raise BenchError(f"{told['samples']} samples joined, {told['again']} generated")
    join, generate = spread(told["join_s"]), spread(told["generate_latest_s"])
    say(f"scrape: {told['samples']} samples joined in {join.median * 1e3:.2f} ms, generated in {generate.median:.2f} s")
    return {
        "samples": told["samples"],
        "join_s": rounded(join.median),
        "generate_latest_s": rounded(generate.median),
        "spread": {"join_s": join.as_json(), "generate_latest_s": generate.as_json()},
    }


def _hold(options: Options) -> dict[str, Any]:
    """The longest hold of the loop while the daemon polls, is scraped, and reloads; and an idle loop's beside it."""
    phase_s = 15.0 if options.quick else PHASE_S
    held: dict[str, float] = {}
    idle: dict[str, float] = {}
    with (
        agents_and_reflectors(ADDRESSES, options.seed, "own") as (agent, snmp, stamp),
        module("idle") as watch,
        daemon(snmp, stamp, INTERVAL) as running,
    ):
        agent.ask("every 10")
        time.sleep(phase_s)  # what a start does is over, and out of the meter's minute

        def phase(name: str, act: Callable[[], None], pause_s: float) -> None:
            until = time.monotonic() + phase_s
            while time.monotonic() < until:
                act()
                time.sleep(min(pause_s, max(0.0, until - time.monotonic())))
            held[name], idle[name] = rounded(running.metric("netmon_loop_hold_seconds")), rounded(_worst(watch))
            say(f"scrape: longest hold with {name}: {held[name] * 1e3:.0f} ms (idle loop: {idle[name] * 1e3:.0f} ms)")

        phase("polls", lambda: None, phase_s)
        samples = [0]
        phase("scrapes", lambda: samples.append(_scrape(running)), PAUSE_S)
        phase("reloads", running.reload, phase_s / RELOADS)
    return {
        "loop_hold_max_s": max(held.values()),
        "loop_hold_s": held,
        "idle_loop_hold_s": idle,
        "daemon_samples": samples[-1],
    }


def _scrape(running: Daemon) -> int:
    """Once as it is and once compressed; the number of samples of devices."""
    plain = running.get("/metrics")[1]
    packed = running.get("/metrics", gzip=True)[1]
    found = 0
    for text in (plain, gzip.decompress(packed)):
        found = text.count(b"\nif")  # all columns of the bench begin like this
        if found < DEVICES * USEFUL:
            raise BenchError(f"the daemon told {found} samples of devices, not {DEVICES * USEFUL}")
    return found


def _worst(watch: Child) -> float:
    worst: float = watch.ask("worst")["worst_s"]
    return worst
