"""How a simulated line loses packets: each on its own, or in bursts. Loss is round trip; time only goes forward."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol


class Weather(Protocol):
    """Whether a packet sent at ``at`` (seconds) and its answer both arrive."""

    def passes(self, at: float) -> bool: ...


class Independent:
    """Each packet is lost with the same probability."""

    def __init__(self, loss_ratio: float, rng: random.Random) -> None:
        self._loss_ratio, self._rng = loss_ratio, rng

    def passes(self, at: float) -> bool:
        return self._rng.random() >= self._loss_ratio


class Bursty:
    """Gilbert-Elliott in continuous time: nothing passes in bad states, everything in good ones; both exponential."""

    def __init__(self, loss_ratio: float, bad_s: float, rng: random.Random, begins_at: float = 0.0) -> None:
        self._rng = rng
        self._mean_s = (bad_s * (1 - loss_ratio) / loss_ratio, bad_s)  # good, bad
        self._bad = rng.random() < loss_ratio
        self._until = begins_at + rng.expovariate(1 / self._mean_s[self._bad])

    def passes(self, at: float) -> bool:
        while self._until <= at:
            self._bad = not self._bad
            self._until += self._rng.expovariate(1 / self._mean_s[self._bad])
        return not self._bad


@dataclass(frozen=True, slots=True)
class Climate:
    """What the lines of a province are like. ``bad_s`` 0: each packet on its own."""

    loss_ratio: float = 0.0
    bad_s: float = 0.0

    def line(self, rng: random.Random, begins_at: float = 0.0) -> Weather:
        """The weather of one line from ``begins_at`` on."""
        if 0.0 < self.loss_ratio < 1.0 and self.bad_s:
            return Bursty(self.loss_ratio, self.bad_s, rng, begins_at)
        return Independent(self.loss_ratio, rng)


CALM = Climate()
