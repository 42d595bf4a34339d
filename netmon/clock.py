"""One clock: monotonic time anchored to UTC, so that a step of the system clock never reaches a timeout or a `for`."""

from __future__ import annotations

import time
from collections.abc import Callable

STEP_S = 1.0  # DESIGN.md, section 2: a step of over 1 s re-anchors and is an event


class Clock:
    """UTC Unix seconds that advance with the monotonic clock.

    ``now()`` is monotonic + anchor. ``check_step()`` compares with the system clock, re-anchors when they differ by
    more than one second and returns the size of the step in seconds (0.0 when there was none).
    """

    def __init__(self, mono: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._mono = mono
        self._wall = wall
        self._anchor = wall() - mono()

    def mono(self) -> float:
        """Monotonic seconds; only for differences."""
        return self._mono()

    def now(self) -> float:
        """UTC Unix seconds."""
        return self._mono() + self._anchor

    def check_step(self) -> float:
        """Re-anchor if the system clock was stepped by more than a second; returns the step in seconds."""
        step = self._wall() - self.now()
        if abs(step) <= STEP_S:
            return 0.0
        self._anchor += step
        return step
