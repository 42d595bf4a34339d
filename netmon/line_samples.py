"""Five-minute samples of each line, and the 95th percentile over a week of them. Pure.

What is measured within five minutes is averaged; the slot closes a minute after its end, so that a poll that was still
under way counts where it belongs.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping

from netmon.model import LineSample

SAMPLE_S = 300  # TT 06/2026/TT-BKHCN, article 5.6: samples every 5 minutes
WEEK = 2016  # ... over 7 days
GRACE_S = 60.0  # a slow poll is budgeted 20 s
FIELDS = ("in_ratio", "out_ratio", "rtt_s", "loss_ratio", "jitter_s")
CLOSED_AT_ONCE = 20  # of one look: sorting a week twice takes 0.4 ms, and nothing may hold the loop for 20 ms


class Sampler:
    """Means that are being made. ``add`` takes measurements in any order; ``close`` gives the slots that are over."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], tuple[list[float], list[int]]] = {}
        self._closed_to = 0  # slots before this one are over

    def add(self, line: str, at: float, **values: float | None) -> None:
        """Values by field name; None is left out. What comes after its slot was closed counts no more."""
        slot = int(at // SAMPLE_S)
        if slot < self._closed_to:
            return
        sums, counts = self._open.setdefault((line, slot), ([0.0] * len(FIELDS), [0] * len(FIELDS)))
        for name, value in values.items():
            if value is not None:
                column = FIELDS.index(name)
                sums[column] += value
                counts[column] += 1

    def close(self, now: float) -> list[LineSample]:
        """Samples of slots that have ended, oldest first: a share of the lines at each call, all within a minute."""
        self._closed_to = int((now - GRACE_S) // SAMPLE_S)
        ended = sorted((key for key in self._open if key[1] < self._closed_to), key=lambda key: key[1])
        found = []
        for line, slot in ended[: max(CLOSED_AT_ONCE, len(ended) // 60)]:
            sums, counts = self._open.pop((line, slot))
            means = [total / count if count else None for total, count in zip(sums, counts, strict=True)]
            if any(counts):
                found.append(LineSample(line, slot * SAMPLE_S, *means))
        return found

    def keep_only(self, lines: Mapping[str, object]) -> None:
        for key in [key for key in self._open if key[0] not in lines]:
            del self._open[key]


class P95:
    """The 95th percentile of the five-minute means of 7 days, one direction of one line."""

    def __init__(self, times: Iterable[int] = (), means: Iterable[float] = ()) -> None:
        """``times`` are beginnings of slots, ascending: what is known from before a restart."""
        self._times, self._means = array("q", times), array("d", means)  # tuples would take 150 MB for 310 sites
        self._value = self._percentile()

    def add(self, at: int, mean: float | None) -> None:
        """Take the mean of the slot that began at ``at``; None: nothing was measured, but time goes on.

        What is known of that slot or of later ones (the clock was set back) is forgotten.
        """
        while self._times and self._times[-1] >= at:
            self._times.pop()
            self._means.pop()
        if mean is not None:
            self._times.append(at)
            self._means.append(mean)
        old = bisect_right(self._times, at - WEEK * SAMPLE_S)
        del self._times[:old], self._means[:old]
        self._value = self._percentile()

    def value(self) -> float | None:
        """Nearest-rank percentile; None while there is no sample."""
        return self._value  # sorting a week for every scrape would cost a core's percents

    def _percentile(self) -> float | None:
        ordered = sorted(self._means)
        return ordered[-(-len(ordered) * 95 // 100) - 1] if ordered else None
