"""Topic `causes`: false outages and detection delays, and the confusion matrix of the causes, in virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bench import detection
from bench.report import ROOT, Options, machine_line, say, table
from bench.scenarios.__main__ import run
from bench.scenarios.faults import CAUSES
from bench.scenarios.score import ANSWERS, Score

PAGE = ROOT / "docs" / "explanation" / "detection.md"
SEEDS, FAULTS = 5, 300
COUNTED = ("proven", "matrix", "first")


def measure_detection(options: Options) -> dict[str, Any]:
    return {"climates": detection.measure(range(options.seed, options.seed + (1 if options.quick else SEEDS)))}


def measure_scenarios(options: Options) -> dict[str, Any]:
    """Each province has a seed of its own."""
    seeds = range(options.seed, options.seed + (1 if options.quick else SEEDS))
    total, by_seed = score_of(seeds, 60 if options.quick else FAULTS)
    counts = {name: _nested(getattr(total, name)) for name in COUNTED}
    return {**total.figures(), "by_seed": by_seed, "counts": counts, "kinds": _kinds(total)}


def score_of(seeds: Iterable[int], faults: int) -> tuple[Score, dict[str, dict[str, float]]]:
    """All provinces together, and the figures of each by seed."""
    total, by_seed = Score(), {}
    for seed in seeds:
        one = run(seed, faults)
        by_seed[str(seed)] = one.figures()
        say(f"causes: seed {seed}: {one.figures()}")
        for note in one.notes:
            say(f"causes: {note}")
        total.add(one)
    return total, by_seed


PARTS: dict[str, Callable[[Options], Mapping[str, Any]]] = {
    "detection": measure_detection,
    "scenarios": measure_scenarios,
}


def _nested(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    return {truth: {answer: counts[truth, answer] for answer in ANSWERS} for truth in CAUSES}


def _kinds(total: Score) -> dict[str, list[int]]:
    """Name of a fault -> [with evidence, of them right]."""
    found: dict[str, list[int]] = {}
    for (name, truth, answer), count in sorted(total.names.items()):
        row = found.setdefault(name, [0, 0])
        row[0] += count
        row[1] += count if truth == answer else 0
    return found


def page(result: Mapping[str, Any]) -> str:
    """The section of the page, from the results file alone."""
    parts = [machine_line(result) + "\n"]
    if climates := result.get("climates"):
        rows = [
            (name, *(f"{row[key]:g}" for key in ("minutes", "false_outages", "blips", "p50_s", "p95_s", "early_p95_s")))
            for name, row in climates.items()
        ]
        head = (
            "310 lines that lose",
            "minutes",
            "false outages",
            "blips",
            "known after, p50 s",
            "p95 s",
            "p95 s, 45 s after a start",
        )
        parts.append(table(head, rows))
    if counts := result.get("counts"):
        figures = [(name, f"{result[name]:g}") for name in result["by_seed"][next(iter(result["by_seed"]))]]
        parts += [table(("Figure", f"{len(result['by_seed'])} seeds"), figures)]
        parts += [
            "Where the evidence exists, truth downwards, netmon's word at the end across:\n",
            _matrix(counts["proven"]),
        ]
        parts += ["All faults that were told, at the end:\n", _matrix(counts["matrix"])]
        parts += ["All faults that were told, as the opening message said:\n", _matrix(counts["first"])]
        kinds = [(name, str(seen), str(right)) for name, (seen, right) in result["kinds"].items()]
        parts += [table(("Fault, where its evidence exists", "told", "right"), kinds)]
    return "\n".join(parts)


def _matrix(counts: Mapping[str, Mapping[str, int]]) -> str:
    rows = [(truth, *(str(counts[truth][answer]) for answer in ANSWERS)) for truth in CAUSES]
    return table(("Truth", *ANSWERS), rows)
