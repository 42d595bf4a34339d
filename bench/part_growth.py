"""From one province to a hundred: CPU and memory per device, share of a core, and what dead devices do to the living.

Dead devices are asked in the same process as none dead, after it: the agents of one in ten fall silent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.children import BenchError, Child, agents, netmon
from bench.columns import USEFUL
from bench.report import Options, rounded, say, spread
from bench.worker import compact_setting

SIZES = (310, 3_100, 31_000)
QUICK_SIZES = (310, 1_000)
INTERVALS = {1_000: 10.0, 3_100: 30.0, 31_000: 60.0}  # seconds between polls; sizes that run under the scheduler
DEAD_RATIO = 0.1
POLLS = 9_300  # per measurement, at least: three rounds of ten provinces
WARM_UP = 3  # rounds before it counts: names, rows and the layout of replies are learnt in the first ones
BAD_ROUNDS = 3  # on a machine that is busy with other things a packet may come too late; such rounds do not count
NEEDED_BYTES = 400_000  # of memory per device before a size is tried


def measure(options: Options) -> dict[str, Any]:
    """``growth`` by device count, and ``dead10``."""
    growth: dict[str, Any] = {}
    dead: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for devices in QUICK_SIZES if options.quick else SIZES:
        if devices > options.most:
            missing[f"growth {devices}"] = f"not asked for: --most {options.most}"
            continue
        try:
            _demand_memory(devices)
            growth[str(devices)], late = _own(devices, options.seed)
            if late:
                dead[str(devices)] = late
            growth[str(devices)]["compact"] = _compact(devices, options.seed)
        except BenchError as error:
            missing[f"growth {devices}"] = str(error)
            say(f"growth: {devices} devices: {error}")
    if not compact_setting():
        missing["growth compact"] = "this netmon has no compact text"
    most = dead[max(dead, key=int)] if dead else {}
    summary = {key: most.get(key) for key in ("late_p99_s", "late_p99_s_none_dead")}
    return {"growth": growth, "dead10": {**summary, "by_devices": dead}, "missing": missing}


def _demand_memory(devices: int) -> None:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    if free < devices * NEEDED_BYTES:
        raise BenchError(f"{free / 1e9:.1f} GB of memory are free, {devices * NEEDED_BYTES / 1e9:.1f} GB are needed")


def _own(devices: int, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every device with a layout of its own and its text ready; under the scheduler where the size has an interval."""
    with agents(devices, seed, "own") as (agent, port), netmon(devices, port) as poller:
        found, busy = _rounds(agent, poller, devices)
        found["agent_core_share"] = busy
        if devices == SIZES[0]:
            found["profile"] = {k: rounded(v) for k, v in poller.ask({"do": "profile"})["profile"].items()}
        interval_s = INTERVALS.get(devices)
        if interval_s is None:
            return found, {}
        runs = []
        for ratio in (0.0, DEAD_RATIO):
            agent.ask(f"dead {ratio}")
            agent.ask(f"every {interval_s}")
            done = poller.ask({"do": "schedule", "interval_s": interval_s, "seconds": max(interval_s, 30.0)})
            runs.append(done)
            say(
                f"growth: {devices} devices every {interval_s:g} s, {ratio:.0%} dead: {done['core_share']:.2f} of a "
                f"core, 99 of 100 polls of the living at most {done['late_p99_s']:.2f} s late"
            )
        alive, dead = runs
        if alive["ok"] < alive["polls"]:
            raise BenchError(f"{alive['polls'] - alive['ok']} of {alive['polls']} polls failed with no device dead")
        found |= {"interval_s": interval_s, "core_share": rounded(alive["core_share"]), "overruns": alive["overruns"]}
        late = {
            "late_p99_s": rounded(dead["late_p99_s"]),
            "late_p99_s_none_dead": rounded(alive["late_p99_s"]),
            "late_max_s": rounded(dead["late_max_s"]),
            "polls_of_living": dead["polls_of_living"],
            "failed_polls": dead["polls"] - dead["ok"],
            "core_share": rounded(dead["core_share"]),
            "interval_s": interval_s,
        }
        return found, late


def _compact(devices: int, seed: int) -> dict[str, Any] | None:
    """A few shared layouts and text kept as gzip members; None where netmon has no such mode."""
    if not compact_setting():
        return None
    with agents(devices, seed, "shared") as (agent, port), netmon(devices, port, compact=True) as poller:
        return _rounds(agent, poller, devices)[0]


def _rounds(agent: Child, poller: Child, devices: int) -> tuple[dict[str, Any], float]:
    """Poll all devices as fast as it goes, the first time not counted; and what share of a core the agents took."""
    for _ in range(WARM_UP):
        poller.ask({"do": "round"}, timeout_s=900)
        agent.ask("tick")
    costs: list[float] = []
    texts: list[float] = []
    before, bad = agent.ask("tick"), 0
    wall = hits = asked = 0.0
    while len(costs) < max(1, min(10, POLLS // devices)):
        agent.ask("tick")
        done = poller.ask({"do": "round"}, timeout_s=900)
        wall += done["wall_s"]
        if done["ok"] != devices or done["series"] != devices * USEFUL:
            bad += 1
            text = f"{done['ok']} of {devices} polls good, {done['series']} series; failures: {done['reasons']}"
            say(f"growth: a round does not count: {text}")
            if bad > BAD_ROUNDS:
                raise BenchError(text)
            continue
        costs.append(done["cpu_s"] / devices)
        texts.append(done["text_cpu_s"] / devices)
        hits += done["layout_hits"]
        asked += done["layout_hits"] + done["layout_misses"]
    busy = (agent.ask("stats")["cpu_s"] - before["cpu_s"]) / wall
    used = poller.ask({"do": "memory"})
    cost = spread(costs)
    say(
        f"growth: {devices} devices: {cost.median * 1e3:.2f} ms CPU per poll, "
        f"{used['rss_bytes_per_device'] / 1e3:.0f} kB per device, agents at {busy:.0%} of a core"
    )
    found = {
        "cpu_s_per_device_poll": rounded(cost.median),
        "rss_bytes_per_device": round(used["rss_bytes_per_device"]),
        "layout_hit_ratio": rounded(hits / asked) if asked else None,
        "text_cpu_s_per_device": rounded(spread(texts).median),
        "bad_rounds": bad,
        "spread": cost.as_json(),
    }
    return found, rounded(busy)
