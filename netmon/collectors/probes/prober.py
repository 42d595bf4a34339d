"""Drives all probes from one heap of due times and one timer; tells the rest of netmon what is reachable.

Times inside are monotonic; ``Reach`` leaves here with UTC times, converted once when they become true, so that a step
of the system clock moves nothing.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import os
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from netmon.clock import Clock
from netmon.collectors.probes.dgram import LocalFailure
from netmon.collectors.probes.habit import Fleet
from netmon.collectors.probes.opener import Opener, SnmpProbe
from netmon.collectors.probes.reach import NEVER, QUICK_PROBES, Tracker
from netmon.collectors.probes.resolve import Resolver
from netmon.collectors.probes.transport import Destination, Transport, numeric
from netmon.config import ProbeConfig
from netmon.model import Probe
from netmon.state import Reach

GRAIN_S = 0.05  # the timer wakes no oftener: probes leave up to this late, in small batches
SENDS_AT_ONCE = 200  # then the loop gets its turn: a whole province due at once takes several
HELD_S = 0.1  # a timer that is later than this: the loop was held
LATE_S = 10.0  # how long after its time-out an answer still proves life

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Target:
    id: str
    probe: Probe
    tracker: Tracker
    where: Destination | None  # None: the name is not resolved yet
    named: bool
    queued_at: float = float("inf")
    gone: bool = False
    trouble: str = ""  # why it cannot be probed at all
    times: dict[float, float] = field(default_factory=dict)  # monotonic -> UTC, of what the last Reach said


@dataclass(slots=True, eq=False)
class _Sent:
    target: _Target
    transport: Transport
    sent_at: float
    done: bool = False  # counted as lost; an answer may still come


class Prober:
    """Probes all targets. ``on_reach`` is called for each change and about once per interval; it must not block."""

    def __init__(
        self,
        config: ProbeConfig,
        clock: Clock,
        on_reach: Callable[[Reach], None],
        snmp_probe: SnmpProbe | None = None,
    ) -> None:
        self.stats: Counter[str] = Counter()
        self._config, self._clock, self._on_reach = config, clock, on_reach
        self._targets: dict[str, _Target] = {}
        self._fleet = Fleet()
        self._parents: Mapping[str, tuple[str, ...]] = {}
        self._opener = Opener(config, clock, self._on_answer, self.stats, snmp_probe)
        self._resolver = Resolver(self._resolved)
        self._heap: list[tuple[float, int, _Target]] = []
        self._pushed = 0
        self._token = 0
        self._sent: dict[int, _Sent] = {}
        self._timeouts: deque[tuple[float, int]] = deque()
        self._late: deque[tuple[float, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._wake_at = float("inf")
        self._woke_at = float("-inf")
        self._catching_up = False
        self._running = False

    # --- for the rest of netmon ---

    def set_targets(self, targets: Mapping[str, Probe], parents: Mapping[str, tuple[str, ...]]) -> None:
        """Probe exactly these from now on. A target whose probe is the same keeps its state."""
        now = self._clock.mono()
        self._parents = parents
        for name, old in list(self._targets.items()):
            if targets.get(name) != old.probe:
                old.gone = True
                del self._targets[name]
                self._fleet.forget(name)
        for name, probe in targets.items():
            if name in self._targets or probe.kind == "none":
                continue
            start_at = now + zlib.crc32(name.encode()) / 2**32 * self._config.interval_s  # spread, and the same always
            where = numeric(probe)
            tracker = Tracker(name, self._config, start_at, self._fleet, QUICK_PROBES)
            target = _Target(name, probe, tracker, where, where is None)
            self._targets[name] = target
            self._queue(target)
        self._resolver.set_names({t.id: t.probe for t in self._targets.values() if t.named})
        self._arm()

    async def start(self) -> None:
        """Begin to probe."""
        self._running = True
        self._resolver.start()
        self._arm()

    async def close(self) -> None:
        """Stop; nothing is reported any more."""
        self._running = False
        if self._timer:
            self._timer.cancel()
        await self._resolver.close()
        self._opener.close()

    def check_now(self, name: str) -> None:
        """Look at one target at once, with as many probes as it takes to be sure."""
        if target := self._targets.get(name):
            target.tracker.check(self._clock.mono())
            self._queue(target)
            self._arm()

    def reach(self, name: str) -> Reach | None:
        """What is known of one target now."""
        target = self._targets.get(name)
        return self._told(target, target.tracker.reach()) if target else None

    def forked(self, names: Iterable[str], memo: dict[int, object]) -> dict[str, Tracker]:
        """Trackers with the history of these targets, for somebody else to drive."""
        return {name: target.tracker.forked(memo) for name in names if (target := self._targets.get(name))}

    def waiting(self) -> int:
        """Targets that nothing is known of yet, though they can be probed: 0 when the first round is done."""
        return sum(t.tracker.reach().lost is None and not t.trouble for t in self._targets.values())

    # --- the timer ---

    def _arm(self) -> None:
        """Have the timer wake for the next due time, not sooner than GRAIN_S after the last."""
        if not self._running:
            return
        while self._timeouts and self._timeouts[0][1] not in self._sent:
            self._timeouts.popleft()
        while self._late and self._late[0][1] not in self._sent:
            self._late.popleft()
        heads = [queue[0][0] for queue in (self._heap, self._timeouts, self._late) if queue]
        if not heads:
            return
        at = max(min(heads), self._woke_at + GRAIN_S)
        if self._timer is not None and self._wake_at <= at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wake_at = at
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - self._clock.mono()), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._woke_at = now = self._clock.mono()
        # After it was held, the loop needs some turns to see what has become of connections meanwhile.
        self._catching_up = not self._catching_up and now - self._wake_at > HELD_S
        if self._catching_up:
            self._wake_at = now + GRAIN_S
            self._timer = asyncio.get_running_loop().call_later(GRAIN_S, self._wake)
            return
        try:
            for transport in self._opener.transports():
                transport.drain()  # what waits in a buffer has come in time, however late this loop is
            self._expire(now)
            for _ in range(SENDS_AT_ONCE):
                if not self._heap or self._heap[0][0] > now:
                    break
                due_at, _, target = heapq.heappop(self._heap)
                if target.gone or due_at != target.queued_at:
                    continue  # replaced by a sooner one
                target.queued_at = float("inf")
                if target.tracker.due_at <= now:
                    self._probe(target)
                self._queue(target)
        finally:
            self._arm()  # whatever the receiver of on_reach did

    def _queue(self, target: _Target) -> None:
        due_at = target.tracker.due_at
        if due_at < target.queued_at:
            target.queued_at = due_at
            self._pushed += 1
            heapq.heappush(self._heap, (due_at, self._pushed, target))

    def _expire(self, now: float) -> None:
        while self._late and self._late[0][0] <= now:
            token = self._late.popleft()[1]
            if sent := self._sent.pop(token, None):
                sent.transport.forget(token)
        while self._timeouts and self._timeouts[0][0] <= now:
            token = self._timeouts.popleft()[1]
            sent = self._sent.get(token)
            if sent is None:
                continue
            self._late.append((now + LATE_S, token))
            if not sent.done:
                self._lost(token, sent, "", "")

    # --- probes ---

    def _probe(self, target: _Target) -> None:
        self._token += 1
        token, now = self._token, self._clock.mono()
        skipped, sure = target.tracker.skipped, target.tracker.first_lost == NEVER
        target.tracker.sent(token, now)
        if sure:
            self._mind_suspicion(target)  # an answer is overdue
        self.stats["skipped"] += target.tracker.skipped - skipped
        transport = self._opener.open(target.probe.kind, target.where.family) if target.where else target.trouble
        if isinstance(transport, str) or target.where is None:
            self.stats["unsent"] += 1
            target.tracker.unsent(token, now)
            self._hamper(target, str(transport))
            return
        target.trouble = ""
        self._sent[token] = sent = _Sent(target, transport, now)
        self._timeouts.append((now + self._config.timeout_s, token))
        try:
            transport.send(token, target.where)
            self.stats["sent"] += 1
        except LocalFailure:
            del self._sent[token]
            self.stats["unsent"] += 1
            target.tracker.unsent(token, now)
        except OSError as error:
            self.stats["send_errors"] += 1
            self._lost(token, sent, os.strerror(error.errno) if error.errno else str(error), "")

    def _on_answer(self, token: int, rtt_s: float | None, error: str, error_from: str) -> None:
        sent = self._sent.get(token)
        if sent is None:
            return
        if rtt_s is None:
            self.stats["errors"] += 1
            if not sent.done:
                self._lost(token, sent, error, error_from)
        else:
            del self._sent[token]
            self.stats["late" if sent.done else "answered"] += 1
            if not sent.target.gone:
                tracker = sent.target.tracker
                self._tell(sent.target, tracker.answered(token, sent.sent_at, rtt_s, self._clock.mono()))
                self._queue(sent.target)
        self._arm()

    def _lost(self, token: int, sent: _Sent, error: str, error_from: str) -> None:
        sent.done = True
        self.stats["lost"] += 1
        target = sent.target
        if target.gone:
            return
        sure = target.tracker.first_lost == NEVER
        reach = target.tracker.lost(token, self._clock.mono(), error, error_from)
        self._queue(target)
        if sure:
            self._mind_suspicion(target)
        self._tell(target, reach)

    def _mind_suspicion(self, target: _Target) -> None:
        if target.tracker.first_lost < NEVER:
            self.stats["suspected"] += 1
            self._check_above(target.id)

    def _check_above(self, name: str) -> None:
        """Everything above is looked at in the same moment, so that a parent is judged no later than its child."""
        seen, todo = {name}, list(self._parents.get(name, ()))
        while todo:
            above = todo.pop()
            if above in seen:
                continue
            seen.add(above)
            todo.extend(self._parents.get(above, ()))
            self.check_now(above)

    def _tell(self, target: _Target, reach: Reach | None) -> None:
        if reach is not None:
            self._on_reach(self._told(target, reach))

    def _told(self, target: _Target, reach: Reach) -> Reach:
        """The same in UTC: a time that was told before stays as it was told."""
        offset = self._clock.now() - self._clock.mono()
        known = target.times
        since = known.get(reach.since, reach.since + offset) if reach.lost is not None else 0.0
        target.times = {reach.since: since}
        last = reach.last_answer_at
        last = None if last is None else last + offset
        error = reach.error or target.trouble
        quality = (reach.rtt_s, reach.loss_ratio, reach.jitter_s, reach.blips)
        # Not dataclasses.replace: that costs as much as all the rest of a probe's bookkeeping.
        return Reach(target.id, reach.lost, since, last, *quality, error, reach.error_from, reach.unanswered)

    # --- what hampers ---

    def _hamper(self, target: _Target, trouble: str) -> None:
        if trouble != target.trouble:
            target.trouble = trouble
            self._tell(target, target.tracker.reach())

    def _resolved(self, name: str, where: Destination | None, trouble: str) -> None:
        if target := self._targets.get(name):
            if where is not None:
                target.where, target.trouble = where, ""
            elif target.where is None:
                self._hamper(target, trouble)
