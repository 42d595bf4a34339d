"""Topic `incidents`: from fault to message, netmon beside the usual stack on the same simulated routers.

``live`` is real time: the provinces of `LANES` live side by side, each lane's stages one after the other. ``virtual``
is the same detection in virtual time (`bench.detection`), ``scenarios`` the causes (`bench.scenarios`).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import detection, judge, usual
from bench.causes import score_of
from bench.children import BenchError
from bench.ground import Outcome, Stage, play
from bench.report import Options, Target, machine_line, number, say, table, target_table
from netmon.sim.weather import Climate

CLEAR = "loss1"
LANES: tuple[tuple[Stage, ...], ...] = (
    (
        Stage(CLEAR, Climate(0.01), 20.5, singles=42, cascades=5, usual=True),
        Stage("loss5", Climate(0.05), 10.5, usual=True),
    ),
    (Stage("loss15", Climate(0.15), 30.5, singles=16, cascades=2, usual=True),),
    (Stage("bursts0.3_loss15", Climate(0.15, 0.3), 30.5, singles=16, cascades=2),),
    (Stage("bursts1_loss15", Climate(0.15, 1.0), 30.5, singles=16, cascades=2),),
    (Stage("bursts0.3_loss5", Climate(0.05, 0.3), 10.5), Stage("bursts1_loss5", Climate(0.05, 1.0), 10.5)),
)
_SHORT: dict[str, Any] = {"minutes": 5.0, "warm_s": 40.0, "lasts_s": 150.0, "after_s": 85.0, "waves": 1}
QUICK: tuple[tuple[Stage, ...], ...] = (
    (Stage(CLEAR, Climate(0.01), singles=6, cascades=1, usual=True, **_SHORT),),
    (Stage("bursts1_loss15", Climate(0.15, 1.0), singles=4, cascades=1, **_SHORT),),
)
LOSSY = ("loss15", "bursts0.3_loss15", "bursts1_loss15")
BURSTY = ("bursts0.3_loss5", "bursts1_loss5", "bursts0.3_loss15", "bursts1_loss15")
SEEDS, FAULTS = 1, 300
NICE = -10
START_S = 15.0  # between the starts of two lanes
FOUR = "5 % in 10 minutes and 15 % in 30, bursts of 0.3 s and of 1 s on average"
SHOWN = {
    "netmon": "netmon, `tell_after: 0s`",
    "stock": "stock: 15 s, `for: 1m`, a group per site",
    "grouped": "stock, grouped as Debian ships it",
    "tuned": "tuned: 5 s, `for: 15s`, inhibition",
    "patient": "tuned, and snmp_exporter asks again after 1 s",
}
WEATHER = {
    CLEAR: "1 %",
    "loss5": "5 %",
    "loss15": "15 %",
    "bursts0.3_loss5": "5 %, bursts of 0.3 s",
    "bursts1_loss5": "5 %, bursts of 1 s",
    "bursts0.3_loss15": "15 %, bursts of 0.3 s",
    "bursts1_loss15": "15 %, bursts of 1 s",
}


# --- measuring -------------------------------------------------------------------------------------------------------


def measure_live(options: Options) -> dict[str, Any]:
    """All lanes at once, ahead of what else runs on the machine: a starved simulator is a network that nobody has."""
    _priority(NICE)  # inherited by what is started
    try:
        return {**_live(options), "nice": os.getpriority(os.PRIO_PROCESS, 0)}
    finally:
        _priority(0)


def _priority(nice: int) -> None:
    """As far as it is permitted; of the session's group as well, where the kernel schedules by sessions (sched(7))."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(f"{nice}\n", encoding="ascii")


def _live(options: Options) -> dict[str, Any]:
    outcomes: dict[str, Outcome] = {}
    missing: dict[str, str] = {}

    stop = threading.Event()

    def walk(stages: Sequence[Stage], folder: Path, wait_s: float) -> None:
        stop.wait(wait_s)  # five daemons that start at once would make each other late
        for stage in stages:
            if stop.is_set():
                return
            try:
                outcomes[stage.name] = play(stage, options.seed, folder, stop)
            except (BenchError, OSError) as error:
                missing[stage.name] = " ".join(str(error).split())[-300:]
                say(f"incidents: {stage.name} could not be measured: {error}")

    with tempfile.TemporaryDirectory(prefix="netmon-bench-") as folder:
        lanes = QUICK if options.quick else LANES
        with ThreadPoolExecutor(len(lanes)) as pool:
            walks = [pool.submit(walk, stages, Path(folder), START_S * n) for n, stages in enumerate(lanes)]
            try:
                for one in walks:
                    one.result()
            finally:
                stop.set()  # asked to end: each lane ends its own processes
    if not outcomes:
        raise BenchError("; ".join(missing.values()))
    return {**figures(outcomes), "missing": missing}


def figures(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """The live part of the results file: per stage and contender, and the figures that are promised."""
    told: dict[str, dict[str, judge.Told]] = {}
    stages: dict[str, Any] = {}
    for name, found in outcomes.items():
        notes = {"netmon": judge.of_netmon(found)}
        if found.stage.usual:
            notes |= {other: judge.of_alertmanager(found.posts, other) for other in usual.NAMES}
        told[name] = {who: judge.judge(found.cuts, heard) for who, heard in notes.items()}
        false = judge.false_incidents(found)
        stages[name] = {
            "loss": found.stage.climate.loss_ratio,
            "burst_s": found.stage.climate.bad_s,
            "minutes": found.stage.minutes,
            "lines": len(found.inventory.lines),
            "cascades_of_sites": [len(cut.sites) for cut in found.cuts if cut.node],
            "false_incidents": len(false),
            "false": false[:20],
            "load": found.load,
            "cpu_s": found.cpu_s,
            "contenders": {who: one.as_json() for who, one in told[name].items()},
        }
    ours = {name: one["netmon"] for name, one in told.items()}
    stock = told[CLEAR]["stock"].as_json() if CLEAR in told else {}
    clear = ours[CLEAR].as_json() if CLEAR in ours else {}
    lossy = judge.times([s for name in LOSSY if name in ours for s in ours[name].singles])
    resolved = judge.times([s for one in ours.values() for s in one.resolved])

    def false_in(*names: str) -> int | None:
        return sum(stages[name]["false_incidents"] for name in names) if set(names) <= set(stages) else None

    return {
        "single_p50_s": clear.get("single", {}).get("p50_s"),
        "single_p95_s": clear.get("single", {}).get("p95_s"),
        "lossy_p95_s": lossy.get("p95_s"),
        "cascade_p95_s": clear.get("cascade", {}).get("p95_s"),
        "resolved_p95_s": resolved.get("p95_s"),
        "messages_per_cascade": clear.get("messages_per_cascade"),
        "false_incidents_loss5": false_in("loss5"),
        "false_incidents_loss15": false_in("loss15"),
        "false_incidents_bursty": false_in(*BURSTY),
        "stock_single_p50_s": stock.get("single", {}).get("p50_s"),
        "stock_messages_per_cascade": stock.get("messages_per_cascade"),
        "lossy_single": lossy,
        "missed": sum(s is None for one in ours.values() for s in (*one.singles, *one.cascades)),
        "stages": stages,
    }


def measure_virtual(options: Options) -> dict[str, Any]:
    """Detection alone in virtual time: whole provinces in every weather."""
    return {"virtual": detection.measure(range(options.seed, options.seed + (1 if options.quick else SEEDS)))}


def measure_scenarios(options: Options) -> dict[str, Any]:
    """The causes, on provinces of this seed's own; the whole matrix is the topic `causes`."""
    seeds = range(options.seed, options.seed + (1 if options.quick else SEEDS))
    total, _ = score_of(seeds, 60 if options.quick else FAULTS)
    return total.figures()


PARTS: dict[str, Callable[[Options], Mapping[str, Any]]] = {
    "live": measure_live,
    "virtual": measure_virtual,
    "scenarios": measure_scenarios,
}


# --- the page --------------------------------------------------------------------------------------------------------


def targets(result: Mapping[str, Any]) -> list[Target]:
    """What was promised, against what was measured."""

    def get(name: str) -> float | None:
        found: float | None = result.get(name)
        return found

    right, unknown = get("cause_right_ratio"), get("left_unknown_ratio")
    return [
        Target("one site, loss under 2 %, p95", "≤ 10 s", 10, get("single_p95_s"), why="from fault to message"),
        Target("one site, lossy lines (15 %), p95", "≤ 20 s", 20, get("lossy_p95_s"), why="all three kinds of loss"),
        Target("an aggregation point, p95", "≤ 12 s", 12, get("cascade_p95_s"), why="the five largest, 25 to 35 sites"),
        Target("messages per aggregation point", "1", 1, get("messages_per_cascade")),
        Target("false incidents, 5 %, 10 minutes", "0", 0, get("false_incidents_loss5"), why="310 sites"),
        Target("false incidents, 15 %, 30 minutes", "0", 0, get("false_incidents_loss15"), why="310 sites"),
        Target("false incidents, bursts", "0", 0, get("false_incidents_bursty"), why=FOUR),
        Target(
            "causes that are not right, where the evidence exists", "≤ 5 %", 0.05, None if right is None else 1 - right,
            "" if right is None else f"{1 - right:.2%}",
        ),
        Target("causes left unknown there", "≤ 5 %", 0.05, unknown, "" if unknown is None else f"{unknown:.2%}"),
        Target("power blamed on the line", "0", 0, get("power_blamed_on_line"), why="at the end or first"),
        Target("line blamed on power", "≤ 1 %", 0.01, get("line_blamed_on_power_ratio")),
    ]  # fmt: skip


def page(result: Mapping[str, Any]) -> str:
    """The section of the page, from the results file alone."""
    parts = [machine_line(result), target_table(targets(result))]
    stages = result.get("stages", {})
    if CLEAR in stages:
        parts += [
            "Seconds from fault to message, lines that lose 1 %, all contenders at once:",
            _seconds(stages[CLEAR]),
        ]
        sizes = ", ".join(str(n) for n in sorted(stages[CLEAR]["cascades_of_sites"], reverse=True))
        parts += [f"Aggregation points that failed, by sites behind them: {sizes}."]
    if stages:
        parts += ["netmon in every weather, in real time:", _weathers(stages)]
        parts += ["What was told though nothing was lost:", _false(stages)]
    if virtual := result.get("virtual"):
        head = ("310 lines in virtual time", "minutes", "false outages", "known after, p50 s", "p95 s", "max s")
        keys = ("minutes", "false_outages", "p50_s", "p95_s", "max_s")
        parts += [table(head, [(name, *(f"{row[key]:g}" for key in keys)) for name, row in virtual.items()])]
    if missing := result.get("missing"):
        parts += ["Not measured:", "".join(f"- {name}: {why}\n" for name, why in sorted(missing.items()))]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _seconds(stage: Mapping[str, Any]) -> str:
    named = {"single": "one site", "cascade": "aggregation point", "resolved": "back"}
    head = ["Contender"]
    head += [f"{name}, {of}" for name in named.values() for of in ("p50 s", "p95 s", "max s")]
    rows = []
    for who, one in stage["contenders"].items():
        row = [SHOWN[who]]
        for what in named:
            took = one[what]
            missed = f" ({took['missed']} of {took['n']} never)" if took["missed"] else ""
            row += [number(took.get("p50_s")) + missed, number(took.get("p95_s")), number(took.get("max_s"))]
        rows.append([*row, number(one["messages_per_single"]), _counts(one)])
    return table([*head, "messages per site", "messages per aggregation point"], rows)


def _counts(one: Mapping[str, Any]) -> str:
    counts = one["messages_of_cascades"]
    return number(one["messages_per_cascade"]) + (f" ({counts[0]} to {counts[-1]})" if counts else "")


def _weathers(stages: Mapping[str, Any]) -> str:
    head = ["Loss, round trip", "minutes", "false incidents", "sites cut", "p50 s", "p95 s", "max s", "missed"]
    rows = []
    for name, said in WEATHER.items():
        if name not in stages:
            continue
        one = stages[name]
        single, cascade = (one["contenders"]["netmon"][what] for what in ("single", "cascade"))
        rows.append(
            (
                said,
                number(one["minutes"]),
                str(one["false_incidents"]),
                str(single["n"]),
                *(number(single.get(key)) for key in ("p50_s", "p95_s", "max_s")),
                str(single["missed"] + cascade["missed"]),
                number(cascade.get("max_s")),
                number(one["load"]),
            )
        )
    return table([*head, "aggregation points, max s", "load"], rows)


def _false(stages: Mapping[str, Any]) -> str:
    rows = []
    for name, said in WEATHER.items():
        if name in stages:
            told = {who: str(one["false_messages"]) for who, one in stages[name]["contenders"].items()}
            names = ("netmon", "stock", "tuned", "patient")
            rows.append((said, number(stages[name]["minutes"]), *(told.get(who, "–") for who in names)))
    return table(("Loss, round trip", "minutes", "netmon", "stock", "tuned", "tuned, asks again"), rows)
