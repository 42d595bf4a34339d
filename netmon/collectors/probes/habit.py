"""What kind of loss a line is used to, and how long it must be silent before silence means an outage. Pure.

A line is one of a few kinds (`KINDS`): how much it loses, and how long its gaps last. Each answered and each lost probe
weighs the kinds anew (Bayes' rule on a fixed grid). What a line without a history of its own is taken for, the others
tell (`Fleet`): after a start in bad weather every line is slow to be called lost, after one in good weather none is.

Why kinds and not a mean: gaps of 1 s on average last over 10 s once in 20,000, and a line of them has to be recognised
by its first few gaps, before the long one comes. Units: seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from netmon.config import ProbeConfig

FALSE_LOSS = (
    5e-8  # per regular probe: 310 lines for 30 min are 186,000 probes, or 0.01 false outages in the worst weather
)
HALF_LIFE_S = 1200.0  # what was seen that long ago counts half
STEPS_MOST = 5  # one long gap alone does not make a line of long gaps
REFRESH = 10  # probes between two looks of the fleet at one line


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to lose packets. ``lines``: how many such lines the fleet is taken to hold before any is known."""

    loss_ratio: float
    gap_s: float  # mean length of a gap; 0.1 s and less is one packet at a time
    lines: float


KINDS = (
    Kind(0.002, 0.1, 12.0),
    Kind(0.02, 0.1, 4.0),
    Kind(0.15, 0.1, 1.0),
    Kind(0.1, 0.3, 1.0),
    Kind(0.003, 1.0, 0.003),
    Kind(0.05, 1.0, 0.3),
    Kind(0.15, 1.0, 0.3),
)
CLEAN = tuple(math.log(1 - kind.loss_ratio) for kind in KINDS)


class Fleet:
    """What kinds of lines there are, as far as is known: the prior of each of them."""

    def __init__(self) -> None:
        self._shares: dict[str, tuple[float, ...]] = {}
        self._sums = [kind.lines for kind in KINDS]

    def share(self, line: str, shares: tuple[float, ...]) -> None:
        """A line is of each kind with these probabilities now."""
        before = self._shares.get(line, (0.0,) * len(KINDS))
        self._sums = [total + new - old for total, new, old in zip(self._sums, shares, before, strict=True)]
        self._shares[line] = shares

    def forget(self, line: str) -> None:
        """The line is no longer probed."""
        if line in self._shares:
            self.share(line, (0.0,) * len(KINDS))
            del self._shares[line]

    def prior(self) -> list[float]:
        """Unnormalised; never 0."""
        return [max(total, 1e-9) for total in self._sums]


class Habit:
    """What one line has shown. ``answered`` for each regular probe, ``survived`` for each gap that ended."""

    def __init__(self, line: str, fleet: Fleet, config: ProbeConfig) -> None:
        self._line, self._fleet = line, fleet
        spacing = config.burst_spacing_s
        # That a probe of a burst is lost if the one before it was.
        self._stays = [max(kind.loss_ratio, math.exp(-spacing / kind.gap_s)) for kind in KINDS]
        self._spacing = spacing
        self._fade = 0.5 ** (config.interval_s / HALF_LIFE_S)
        self._seen = [0.0] * len(KINDS)  # log likelihoods
        self._count = 0

    def answered(self) -> None:
        """A regular probe was answered."""
        fade = self._fade
        self._seen = [seen * fade + clean for seen, clean in zip(self._seen, CLEAN, strict=True)]
        self._count += 1
        if self._count % REFRESH == 0:
            self._fleet.share(self._line, self.kinds())

    def survived(self, gap_s: float) -> None:
        """A regular probe was lost, and one of its burst answered ``gap_s`` after it."""
        steps = min(STEPS_MOST, max(0, round(gap_s / self._spacing) - 1)) if self._spacing > 0 else 0
        for number, (kind, stay) in enumerate(zip(KINDS, self._stays, strict=True)):
            self._seen[number] += math.log(kind.loss_ratio) + steps * math.log(stay) + math.log1p(-stay)
        self._fleet.share(self._line, self.kinds())

    def kinds(self) -> tuple[float, ...]:
        """The probability of each kind."""
        top = max(self._seen)
        weights = [prior * math.exp(seen - top) for prior, seen in zip(self._fleet.prior(), self._seen, strict=True)]
        total = sum(weights)
        return tuple(weight / total for weight in weights)

    def probes(self, most: int) -> int:
        """How many probes after a lost one must be lost too, so that chance loses them all FALSE_LOSS times a probe."""
        chances = [share * kind.loss_ratio for share, kind in zip(self.kinds(), KINDS, strict=True)]
        for count in range(1, most):
            chances = [chance * stay for chance, stay in zip(chances, self._stays, strict=True)]
            if sum(chances) <= FALSE_LOSS:
                return count
        return most
