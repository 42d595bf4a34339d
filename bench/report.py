"""What every results file shares: medians with their spread, who measured what on which machine, tables. Pure but for
`provenance`, which asks the machine.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
DIGITS = 4  # significant ones in a results file


class Options(NamedTuple):
    """What a run was asked for. ``quick``: a trial, of which nothing is kept. ``most``: devices of the largest size."""

    seed: int
    quick: bool = False
    most: int = 31_000


class Spread(NamedTuple):
    """The middle of several measurements and its bounds."""

    median: float
    min: float
    max: float
    n: int

    def as_json(self) -> dict[str, float | int]:
        return {"median": rounded(self.median), "min": rounded(self.min), "max": rounded(self.max), "n": self.n}


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError where nothing was measured."""
    if not values:
        raise ValueError("nothing was measured")
    return Spread(statistics.median(values), min(values), max(values), len(values))


def percentile(values: Sequence[float], ratio: float) -> float:
    """The smallest value that at least ``ratio`` of them do not exceed (nearest rank)."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * ratio // 1) - 1)]


def rounded(value: float) -> float:
    """To the digits that mean something."""
    return float(f"{value:.{DIGITS}g}")


class Target(NamedTuple):
    """One line of a table: what should be, what was; ``measured`` None = not measured, ``why`` says why or explains."""

    what: str
    target: str
    limit: float
    measured: float | None
    shown: str = ""
    why: str = ""

    @property
    def verdict(self) -> str:
        """Targets are upper bounds."""
        if self.measured is None:
            return "not measured"
        if self.measured <= self.limit:
            return "met"
        if not self.limit:
            return f"missed, {number(self.measured)} and not none"
        return f"missed, {self.measured / self.limit:.2f} times the target"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def target_table(targets: Sequence[Target]) -> str:
    """Target, measured, met or by how much missed."""
    rows = [(t.what, t.target, t.shown or number(t.measured), t.verdict, t.why) for t in targets]
    return table(("What", "Target", "Measured", "Result", "Remark"), rows)


def number(value: float | None, unit: str = "") -> str:
    """As a person reads it; a dash for what was not measured."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def provenance(command: str, seed: int) -> dict[str, Any]:
    """Commit, seed, command and machine of a results file."""
    return {"commit": _commit(), "seed": seed, "command": command, "machine": _machine()}


def _commit() -> str:
    def git(*args: str) -> str:
        done = subprocess.run(("git", *args), cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    # What the bench itself writes does not make a measured tree another one.
    own = (f":!{RESULTS.relative_to(ROOT)}", f":!{PAGE.relative_to(ROOT)}")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", *own)
    return (git("rev-parse", "HEAD") or "unknown") + ("-dirty" if changed else "")


def _machine() -> dict[str, Any]:
    facts = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    models = [line.partition(":")[2].strip() for line in facts if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": rounded(memory / 1e9),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def machine_line(result: Mapping[str, Any]) -> str:
    """One sentence of where a results file comes from."""
    m = result["machine"]
    return (
        f"Commit `{result['commit'][:12]}`, seed {result['seed']}, `{result['command']}`, on {m['cores']} cores of "
        f"{m['cpu']}, {m['memory_gb']:g} GB, Python {m['python']}, Linux {m['kernel']}."
    )


def write_results(name: str, result: Mapping[str, Any]) -> Path:
    """bench/results/NAME.json, whole or not at all."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Put ``text`` between the marks of section ``name`` of the page; the rest of the page is people's."""
    begin, end = f"<!-- bench:{name} -->\n", f"<!-- end of bench:{name} -->\n"
    whole = page.read_text(encoding="utf-8")
    before, found, rest = whole.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{page}: no section between {begin.strip()} and {end.strip()}")
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def say(text: str) -> None:
    """Progress, on stderr."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
