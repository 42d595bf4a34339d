"""`python -m bench.scenarios`: faults of all causes through netmon's own parts in virtual time; the matrix."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from bench.scenarios.drive import T0, play
from bench.scenarios.faults import cases
from bench.scenarios.land import build
from bench.scenarios.score import Score, score


def run(seed: int, count: int) -> Score:
    """One province and its faults."""
    land = build(seed)
    script = cases(land, seed, count)
    played = play(land, script, seed)
    return score(script, played.incidents.values(), land.inventory, T0)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scenarios", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many provinces (default: 1)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first seed (default: 1)")
    parser.add_argument("--faults", type=int, default=300, metavar="N", help="faults in each (default: 300)")
    parser.add_argument("--notes", action="store_true", help="tell each fault that was not explained rightly")
    args = parser.parse_args(argv)
    total, began = Score(), time.monotonic()
    seeds = list(range(args.first, args.first + args.seeds))
    for seed in seeds:
        one = run(seed, args.faults)
        total.add(one)
        print(f"seed {seed}:", " ".join(f"{k}={v:g}" for k, v in one.figures().items()), flush=True)
        if args.notes:
            print(*one.notes, sep="\n", flush=True)
    figures = total.figures()
    print("\nwhere the evidence exists, at the end:", *total.table(total.proven), sep="\n")
    print("\nall faults that were told, at the end:", *total.table(total.matrix), sep="\n")
    print("\nall faults that were told, as first told:", *total.table(total.first), sep="\n")
    print("\n" + "\n".join(f"{name}: {value:g}" for name, value in figures.items()))
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if good(figures) else 1


def good(figures: dict[str, float]) -> bool:
    """The limits that netmon promises (docs/explanation/detection.md)."""
    clean = not any(figures[name] for name in ("doubled", "lost", "left_open", "stray", "power_blamed_on_line"))
    ratios = figures["cause_right_ratio"] >= 0.95 and figures["left_unknown_ratio"] <= 0.05
    return clean and ratios and figures["line_blamed_on_power_ratio"] <= 0.01


if __name__ == "__main__":
    sys.exit(main())
