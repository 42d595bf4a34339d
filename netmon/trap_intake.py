"""From a trap to a look: polls the device and probes its lines at once, but never more often than ``gap_s``.

A trap within the gap makes one more look when the gap is over: whatever came last is seen. What the trap itself claims
decides nothing, so one that is lost costs at most the time to the next poll.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from netmon.clock import Clock
from netmon.model import Event
from netmon.pipeline import Pipeline

log = logging.getLogger(__name__)


class TrapIntake:
    """``poll_now`` takes a device, ``check_now`` a probe target."""

    def __init__(
        self,
        pipeline: Pipeline,
        gap_s: float,
        clock: Clock,
        poll_now: Callable[[str], None],
        check_now: Callable[[str], None],
    ) -> None:
        self._pipeline, self._gap_s, self._clock = pipeline, gap_s, clock
        self._poll_now, self._check_now = poll_now, check_now
        self._looked: dict[str, float] = {}  # device -> monotonic time
        self._waiting: dict[str, dict[str, None]] = {}  # device -> probe targets to look at when its gap is over
        self.stats: Counter[str] = Counter()

    def take(self, event: Event) -> None:
        """Called by the listener for each trap of a known device."""
        event, targets = self._pipeline.take_event(event)
        waiting = self._waiting.get(event.device)
        if waiting is not None:
            waiting.update(dict.fromkeys(targets))
            self.stats["joined"] += 1
            return
        self._waiting[event.device] = dict.fromkeys(targets)
        due = self._looked.get(event.device, float("-inf")) + self._gap_s
        wait_s = due - self._clock.mono()
        if wait_s <= 0:
            self._look(event.device)
            log.info("trap device=%s kind=%s port=%s", event.device, event.kind, event.if_name or "-")
        else:
            asyncio.get_running_loop().call_later(wait_s, self._look, event.device)

    def _look(self, device: str) -> None:
        self._looked[device] = self._clock.mono()
        self.stats["looked"] += 1
        self._poll_now(device)
        for target in self._waiting.pop(device):
            self._check_now(target)
