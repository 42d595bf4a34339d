"""Five-minute means of each sensor, for curves and for the share of time within a regulation's limits. Pure.

A mean is kept as sum and count, so that values which come late are added to what is on disk already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SLOT_S = 300  # DESIGN.md, Storage: five-minute sensor means ...
KEEP_S = 35 * 86400.0  # ... for 35 days
GRACE_S = 30.0  # what was measured just before the end of a slot arrives just after it
CLOSED_AT_ONCE = 500  # of one look: nothing may hold the loop for 20 ms


class SensorMean(NamedTuple):
    """Values of one sensor whose moments lie in one slot (beginning / 300 s)."""

    sensor: str
    slot: int
    n: int  # of values
    total: float


class Means:
    """Means that are being made. ``add`` takes values in any order; ``close`` gives the slots that are over."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, str], list[float]] = {}

    def add(self, sensor: str, at: float, value: float, now: float) -> None:
        """One true value, measured at ``at``. What would be forgotten at once is left out."""
        if now - at > KEEP_S:
            return
        found = self._open.setdefault((int(at // SLOT_S), sensor), [0.0, 0.0])
        found[0] += 1
        found[1] += value

    def close(self, now: float) -> list[SensorMean]:
        """Slots that have ended, a share of them at each call, the oldest first."""
        end = int((now - GRACE_S) // SLOT_S)
        ended = sorted(key for key in self._open if key[0] < end)
        found = []
        for slot, sensor in ended[:CLOSED_AT_ONCE]:
            count, total = self._open.pop((slot, sensor))
            found.append(SensorMean(sensor, slot, int(count), total))
        return found

    def rest(self) -> list[SensorMean]:
        """Everything, before a stop: what comes after the start is added to it."""
        found = [SensorMean(sensor, slot, int(n), total) for (slot, sensor), (n, total) in sorted(self._open.items())]
        self._open.clear()
        return found

    def keep_only(self, sensors: Mapping[str, object]) -> None:
        for key in [key for key in self._open if key[1] not in sensors]:
            del self._open[key]
