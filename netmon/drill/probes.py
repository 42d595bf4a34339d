"""Drives the trackers of drilled lines and nodes: what a probe finds is the drill's word, all else is the prober's way.

Pure: the caller says when. Times are monotonic, as the trackers'; a ``Reach`` leaves here with UTC times.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from netmon.collectors.probes.reach import NEVER, Tracker
from netmon.state import Reach
from netmon.topology import Topology

AT_ONCE = 200  # probes sent or lost, as the prober's
RTT_S = 0.01  # of a line whose own is not known


@dataclass(slots=True)
class _Target:
    tracker: Tracker
    rtt_s: float
    out: deque[tuple[float, int]] = field(default_factory=deque)  # unanswered: when its time is over, token
    queued_at: float = math.inf

    @property
    def due_at(self) -> float:
        return min(self.tracker.due_at, self.out[0][0]) if self.out else self.tracker.due_at


class Probes:
    """``passes`` says whether a probe of a target is answered now; ``to_utc`` is UTC minus monotonic time."""

    def __init__(
        self,
        trackers: Mapping[str, Tracker],
        topology: Topology,
        timeout_s: float,
        to_utc: float,
        passes: Callable[[str], bool],
        on_reach: Callable[[Reach], None],
    ) -> None:
        self._topology, self._timeout_s, self._to_utc = topology, timeout_s, to_utc
        self._passes, self._on_reach = passes, on_reach
        self._targets = {name: _Target(t, t.reach().rtt_s or RTT_S) for name, t in trackers.items()}
        self._heap: list[tuple[float, str]] = []
        self._token = 0
        for name, target in self._targets.items():
            self._queue(name, target)

    @property
    def due_at(self) -> float:
        """When something is to be done next; never for nothing."""
        return self._heap[0][0] if self._heap else math.inf

    def advance(self, now: float) -> None:
        """What is due by now, in its order; a province all at once takes several calls: nothing may hold the loop."""
        for _ in range(AT_ONCE):
            if not self._heap or self._heap[0][0] > now:
                break
            at, name = heapq.heappop(self._heap)
            target = self._targets[name]
            if at == target.queued_at:
                target.queued_at = math.inf
                self._one(name, target, at)
                self._queue(name, target)

    def _queue(self, name: str, target: _Target) -> None:
        if target.due_at < target.queued_at:
            target.queued_at = target.due_at
            heapq.heappush(self._heap, (target.due_at, name))

    def _one(self, name: str, target: _Target, at: float) -> None:
        tracker, sure = target.tracker, target.tracker.first_lost == NEVER
        if target.out and target.out[0][0] <= at:
            self._tell(tracker.lost(target.out.popleft()[1], at))
        elif tracker.due_at <= at:
            self._token += 1
            tracker.sent(self._token, at)
            if self._passes(name):
                self._tell(tracker.answered(self._token, at, target.rtt_s, at + target.rtt_s))
            else:
                target.out.append((at + self._timeout_s, self._token))
        if sure and tracker.first_lost < NEVER:  # the prober looks at what is above in the same moment
            for above in self._topology.parents_of_target(name):
                if (parent := self._targets.get(above)) is not None:
                    parent.tracker.check(at)
                    self._queue(above, parent)

    def _tell(self, reach: Reach | None) -> None:
        if reach is not None:
            last = reach.last_answer_at
            since = reach.since + self._to_utc if reach.lost is not None else 0.0
            self._on_reach(replace(reach, since=since, last_answer_at=None if last is None else last + self._to_utc))
