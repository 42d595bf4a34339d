"""False outages and detection delays of a whole province in virtual time: the real trackers, no sockets.

Every line has its own weather (`netmon.sim.weather`) and a tracker as the prober has it; a province of 310 lines lives
through 30 minutes in some seconds. Delays are from the moment a line dies to the moment it is known to be lost.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.report import percentile
from netmon.collectors.probes.habit import Fleet
from netmon.collectors.probes.reach import QUICK_PROBES, Tracker
from netmon.config import ProbeConfig
from netmon.sim.weather import Climate, Weather

RTT_S = 0.006
CLIMATES = {
    "clean": Climate(),
    "loss 1 %": Climate(0.01),
    "loss 2 %": Climate(0.02),
    "loss 5 %": Climate(0.05),
    "loss 15 %": Climate(0.15),
    "bursts 0.3 s, 5 %": Climate(0.05, 0.3),
    "bursts 0.3 s, 15 %": Climate(0.15, 0.3),
    "bursts 1 s, 5 %": Climate(0.05, 1.0),
    "bursts 1 s, 15 %": Climate(0.15, 1.0),
}
MINUTES = {"loss 5 %": 10, "bursts 0.3 s, 5 %": 10, "bursts 1 s, 5 %": 10}


@dataclass(slots=True)
class Line:
    """A tracker, its weather, and when it dies and is repaired (for ever: never)."""

    tracker: Tracker
    weather: Weather
    dies_at: float = float("inf")
    lives_at: float = float("inf")
    out: deque[tuple[float, int]] = field(default_factory=deque)  # unanswered: time-out at, token
    token: int = 0
    told: list[tuple[float, bool]] = field(default_factory=list)

    def next_at(self) -> float:
        return min(self.tracker.due_at, self.out[0][0]) if self.out else self.tracker.due_at

    def step(self, now: float, timeout_s: float) -> None:
        """The one thing that happens at ``now``."""
        if self.out and self.out[0][0] <= now:
            reach = self.tracker.lost(self.out.popleft()[1], now)
        else:
            self.token += 1
            self.tracker.sent(self.token, now)
            dead = self.dies_at <= now < self.lives_at
            if dead or not self.weather.passes(now):
                self.out.append((now + timeout_s, self.token))
                return
            reach = self.tracker.answered(self.token, now, RTT_S, now + RTT_S)
        if reach is not None and reach.lost is not None and (not self.told or self.told[-1][1] is not reach.lost):
            self.told.append((now, reach.lost))


def province(climate: Climate, seed: int, lines: int = 310, config: ProbeConfig | None = None) -> list[Line]:
    """Lines that start within one interval and know each other's habits."""
    config, fleet, rng = config or ProbeConfig(), Fleet(), random.Random(seed)
    made = []
    for number in range(lines):
        start_at = rng.uniform(0, config.interval_s)
        tracker = Tracker(f"line-{number}", config, start_at, fleet, QUICK_PROBES)
        made.append(Line(tracker, climate.line(random.Random(rng.getrandbits(64)))))
    return made


def run(lines: Sequence[Line], until: float, timeout_s: float = 1.0) -> None:
    """Let time pass, events of all lines in order."""
    heap = [(line.next_at(), number) for number, line in enumerate(lines)]
    heapq.heapify(heap)
    while heap[0][0] <= until:
        at, number = heap[0]
        lines[number].step(at, timeout_s)
        heapq.heapreplace(heap, (lines[number].next_at(), number))


def false_outages(climate: Climate, seed: int, minutes: float = 30.0, lines: int = 310) -> tuple[int, int]:
    """(lines told as lost though all live, blips) from the start of the prober on."""
    made = province(climate, seed, lines)
    run(made, minutes * 60.0)
    return sum(lost for line in made for _, lost in line.told), sum(line.tracker.reach().blips for line in made)


def delays(climate: Climate, seed: int, after_s: float = 300.0, lines: int = 310) -> list[float]:
    """Seconds from death to known loss, of lines that each die at a random moment in the minute after ``after_s``."""
    made, rng = province(climate, seed, lines), random.Random(seed + 1)
    for line in made:
        line.dies_at = after_s + rng.uniform(0, 60.0)
    run(made, after_s + 60.0 + 60.0)
    found = [next(at for at, lost in line.told if lost and at >= line.dies_at) for line in made]
    return sorted(at - line.dies_at for at, line in zip(found, made, strict=True))


def outages(climate: Climate, seed: int, length_s: float, lines: int = 310) -> tuple[int, int]:
    """(lines told as lost, blips) of lines that each die for ``length_s`` once, five minutes after the start."""
    made, rng = province(climate, seed, lines), random.Random(seed + 1)
    run(made, 300.0)
    before = sum(line.tracker.reach().blips for line in made)
    for line in made:
        line.dies_at = 300.0 + rng.uniform(0, 30.0)
        line.lives_at = line.dies_at + length_s
    run(made, 300.0 + 60.0)
    blips = sum(line.tracker.reach().blips for line in made) - before
    return sum(any(lost for _, lost in line.told) for line in made), blips


def measure(seeds: Sequence[int]) -> dict[str, dict[str, float]]:
    """Climate -> figures of as many provinces as there are seeds."""
    found: dict[str, dict[str, float]] = {}
    for name, climate in CLIMATES.items():
        minutes = MINUTES.get(name, 30)
        counted = [false_outages(climate, seed, minutes) for seed in seeds]
        late = [delay for seed in seeds for delay in delays(climate, seed)]
        early = [delay for seed in seeds for delay in delays(climate, seed, 45.0)]
        row = found[name] = {
            "minutes": float(minutes * len(seeds)),
            "false_outages": float(sum(false for false, _ in counted)),
            "blips": float(sum(blips for _, blips in counted)),
            "p50_s": round(percentile(late, 0.5), 2),
            "p95_s": round(percentile(late, 0.95), 2),
            "max_s": round(max(late), 2),
            "early_p95_s": round(percentile(early, 0.95), 2),
        }
        print(f"{name:<20}", *(f"{key}={value:g}" for key, value in row.items()), flush=True)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="provinces per climate (default: 3)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first seed (default: 1)")
    args = parser.parse_args(argv)
    found = measure(range(args.first, args.first + args.seeds))
    return 1 if any(row["false_outages"] for row in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
