"""What was received becomes readings on disk, then acknowledgements, then news for the event loop; in that order."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from netmon.clock import Clock
from netmon.collectors.mqtt import intake
from netmon.collectors.mqtt.client import Message
from netmon.collectors.mqtt.plan import Plan
from netmon.config import MqttConfig
from netmon.errors import NetmonError
from netmon.history.spool import SEEN_IDS, Bad, Batch, Spool
from netmon.model import Reading, Word

log = logging.getLogger(__name__)

COMMIT_RETRY_S = 1.0
CATCH_UP_S = 600.0  # after a reconnect, device times from the gap are believed at most so long, or until a pause of ...
CATCH_UP_PAUSE_S = 1.0  # ... this: then the broker has delivered all it had kept
HANDOVER_READINGS = 500  # taken by the loop at once: a backlog must not hold it
FORGET_S = 60.0  # a connection that lives two keep-alives longer than an acknowledgement has delivered it


class Acker(Protocol):
    """The connection a message came on."""

    def ack(self, mids: Sequence[int]) -> None: ...


class _Received(NamedTuple):
    source: Acker
    message: Message
    received_at: float


@dataclass(slots=True)
class _Prepared:
    """A decoded batch; kept as it is until its commit succeeds."""

    batch: Batch
    messages: int = 0
    acks: list[tuple[Acker, list[int]]] = field(default_factory=list)  # packet ids of each connection, in order
    results: Counter[str] = field(default_factory=Counter)


class Committer:
    """Used by the ingest thread alone. ``stats`` counts messages by result, ``events`` (shared) what goes wrong."""

    def __init__(
        self, config: MqttConfig, spool: Spool, clock: Clock, deliver: Callable[[list[Reading | Word]], None],
        loop: asyncio.AbstractEventLoop, events: Counter[str],
    ) -> None:  # fmt: skip
        self._config = config
        self._spool = spool
        self._clock = clock
        self._handover = Handover(deliver, loop, config.queue_size, events)
        self.plan = Plan()
        self.stats: Counter[str] = Counter()
        self.events = events
        self.skew_s: dict[str, float] = {}
        self._queue: deque[_Received] = deque()
        self._prepared: _Prepared | None = None
        self._commit_failed = False
        self._due_mono = 0.0
        self._seen = intake.Seen(spool.seen(), SEEN_IDS)
        self._heard_until = max((r.received_at for r in spool.last_readings()), default=None)
        self._connected_at = clock.now()
        self._last_message_at = 0.0
        self._late_s = 0.0

    @property
    def depth(self) -> int:
        """Messages received and not yet on disk."""
        prepared = self._prepared  # read once: other threads ask while this one commits
        return len(self._queue) + (prepared.messages if prepared else 0)

    @property
    def full(self) -> bool:
        return len(self._queue) >= self._config.queue_size

    @property
    def due_in_s(self) -> float | None:
        """Time to the next commit; None when nothing waits for one."""
        if not self._queue and self._prepared is None:
            return None
        return max(self._due_mono - self._clock.mono(), 0.0)

    def connected(self, *, session_present: bool) -> None:
        """A connection begins. Without the old session nothing will be repeated and packet ids start again."""
        now = self._clock.now()
        self._connected_at = self._last_message_at = now
        self._late_s = now - self._heard_until if session_present and self._heard_until is not None else 0.0
        if not session_present:
            self._seen.forget()
            self._prepared = self._prepared or _Prepared(Batch())
            self._prepared.batch.forget_before = math.inf

    def receive(self, source: Acker, message: Message) -> None:
        """Queue one message; cannot fail."""
        if not self._queue and self._prepared is None:
            self._due_mono = self._clock.mono() + self._config.commit_interval_s
        self._queue.append(_Received(source, message, self._clock.now()))

    def commit_if_due(self, *, force: bool = False) -> None:
        """Write what is queued, acknowledge it, hand it over. When the disk refuses, keep it and try again later."""
        due_in_s = self.due_in_s
        if due_in_s is None:
            if self._late_s and self._clock.now() - self._last_message_at > CATCH_UP_PAUSE_S:
                self._late_s = 0.0
        elif force or due_in_s == 0:
            if not self._commit_failed:  # a batch that the disk refused is tried again as it is
                self._prepared = self._prepared or _Prepared(Batch())
                self._prepare(self._prepared)
            if self._prepared is not None:
                self._commit(self._prepared)

    def _commit(self, prepared: _Prepared) -> None:
        try:
            self._spool.append(prepared.batch)
        except NetmonError as error:
            self._due_mono = self._clock.mono() + COMMIT_RETRY_S
            self.events["commit_failed"] += 1
            if not self._commit_failed:
                log.error("mqtt messages cannot be stored and are not acknowledged, retrying error=%s", error)
            self._commit_failed = True
            return
        if self._commit_failed:
            log.info("mqtt messages are stored again")
        self._commit_failed, self._prepared = False, None
        self._due_mono = self._clock.mono() + self._config.commit_interval_s
        for source, mids in prepared.acks:
            source.ack(mids)
        self.stats.update(prepared.results)
        self._handover.give([*prepared.batch.words, *prepared.batch.readings])

    def _prepare(self, prepared: _Prepared) -> None:
        """Decode what is queued, in order."""
        now = self._clock.now()
        batch = prepared.batch
        batch.at = now
        if now - self._connected_at > FORGET_S and batch.forget_before is None:
            batch.forget_before = now - FORGET_S
            self._seen.forget(batch.forget_before)
        if self._queue:
            self._last_message_at = self._heard_until = now
        if now - self._connected_at > CATCH_UP_S:
            self._late_s = 0.0
        while self._queue:
            source, message, received_at = self._queue.popleft()
            prepared.results[self._take(batch, message, received_at)] += 1
            prepared.messages += 1
            if message.qos:
                if not prepared.acks or prepared.acks[-1][0] is not source:
                    prepared.acks.append((source, []))
                prepared.acks[-1][1].append(message.mid)

    def _take(self, batch: Batch, message: Message, received_at: float) -> str:
        """Add one message to the batch; returns its result for the counters."""
        payload = message.payload
        topic = ""
        try:
            topic = message.topic.decode()
            if message.qos:
                mark = intake.digest(topic, payload)
                if self._seen.is_redelivery(message.mid, message.dup, mark):
                    return "duplicate"
                self._seen.add(message.mid, mark, batch.at)
                batch.seen.append((message.mid, mark))
            uses = self.plan.get(topic)
            if uses is None:
                batch.bad.append(Bad(received_at, topic, "unknown_topic", "", payload))
                return "unknown_topic"
            taken = intake.take(
                uses, payload, received_at, retained=message.retain, skew_limit_s=self._config.clock_skew_s,
                late_s=self._late_s,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  # a fault of ours must not stop the stream (PAINS 21)
            self.events["decoder_failed"] += 1
            batch.bad.append(Bad(received_at, topic, "internal", repr(error), payload))
            return "undecodable"
        # What may have waited for us at the broker is behind for that reason.
        if taken.skew_s is not None and not message.retain and not -self._late_s <= taken.skew_s < 0:
            self.skew_s.update((reading.sensor, taken.skew_s) for reading in taken.readings)
        batch.readings += taken.readings
        batch.words += taken.words
        if taken.reason:
            batch.bad.append(Bad(received_at, topic, taken.reason, taken.detail, payload))
            return "undecodable"
        return "retained" if message.retain else "ok"


class Handover:
    """Readings and words on their way into the event loop; when it lags the oldest, on disk anyway, are left out and
    counted."""

    def __init__(
        self,
        deliver: Callable[[list[Reading | Word]], None],
        loop: asyncio.AbstractEventLoop,
        limit: int,
        events: Counter[str],
    ) -> None:
        self._deliver = deliver
        self._loop = loop
        self._limit = limit
        self._events = events
        self._lock = threading.Lock()
        self._readings: deque[Reading | Word] = deque()
        self._asked = False

    def give(self, readings: list[Reading | Word]) -> None:
        if not readings:
            return
        with self._lock:
            self._readings.extend(readings)
            while len(self._readings) > self._limit:
                self._readings.popleft()
                self._events["handover_dropped"] += 1
            if self._asked:
                return
            self._asked = True
        try:
            self._loop.call_soon_threadsafe(self._take)
        except RuntimeError:  # the loop has ended before us
            self._events["handover_dropped"] += len(readings)

    def _take(self) -> None:
        with self._lock:
            readings = [self._readings.popleft() for _ in range(min(len(self._readings), HANDOVER_READINGS))]
            self._asked = bool(self._readings)
        if self._asked:
            self._loop.call_soon(self._take)
        self._deliver(readings)
