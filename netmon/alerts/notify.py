"""Sends what was decided: each attempt's result recorded, back-off, then the fallback channel, then failed.

An intent is committed by the store before it comes here, and its result after the attempt: a crash between the two
costs at most one duplicate (with the same Message-ID), never a loss. At a start all pending intents are sent. Channels
block, so they run in threads; one message of a channel is on its way at a time, so a slow channel delays no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from netmon.alerts.bucket import Bucket
from netmon.alerts.channels.ways import Ways, outgoing
from netmon.alerts.plan_record import Record
from netmon.clock import Clock
from netmon.config import Config
from netmon.errors import CollectError
from netmon.history.store import StoreError
from netmon.model import Contact, Intent

log = logging.getLogger(__name__)

ATTEMPT_S = 60.0  # channels have time limits of their own; this is for one that forgot
RECORD_S = 2 * 86400.0  # longer than closed incidents are kept in the state: their end may still be news to somebody
KEEP_TRYING_S = 6 * 3600.0  # older news than this is no news; its end is told all the same
MAX_WAITING = 5000  # messages; more are recorded as failed: nobody reads five thousand messages


class Intents(Protocol):
    """Where intents and their results are kept."""

    async def recent_intents(self, after: float) -> list[Intent]:
        """Decisions that are still of interest."""

    async def pending_intents(self) -> list[Intent]:
        """What was meant to be sent and has no result yet."""

    async def mark_intents(self, results: Iterable[tuple[Intent, str]], now: float) -> None:
        """Keep results. Raises StoreError."""

    async def note_paced(self, intents: Iterable[str], now: float) -> None:
        """These messages wait for their channel. Raises StoreError."""

    async def drop_intents(self, ids: Iterable[str]) -> None:
        """Decisions that are to be made anew. Raises StoreError."""


class Notifier:
    """``submit`` committed intents; ``on_result(channel, result)`` is told each outcome, for the counters."""

    def __init__(
        self,
        config: Config,
        store: Intents,
        clock: Clock,
        contacts: Callable[[], Mapping[str, Contact]],
        on_result: Callable[[str, str], None] = lambda channel, result: None,
        max_waiting: int = MAX_WAITING,
        number_of: Callable[[int], int] = lambda incident: incident,
        ways: Ways | None = None,
    ) -> None:
        """``number_of``: what people call an incident; its mails are one thread."""
        self._config, self._store, self._clock = config, store, clock
        self.ways = ways or Ways(config)
        self._contacts, self._on_result = contacts, on_result
        self._max_waiting, self._number_of = max_waiting, number_of
        self._due: list[tuple[float, int, Intent]] = []
        self._pushed = 0
        self._busy: set[str] = set()
        self._unwanted: list[Callable[[Intent], bool]] = []
        self._buckets: dict[str, Bucket] = {}
        self._failing: dict[str, bool] = {}
        self._paced: dict[str, bool] = {}  # messages that wait for their channel -> whether that is written down
        self._attempts: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="notify")
        self.dropped = 0
        self.record = Record()  # what `plan` decides from

    @property
    def depth(self) -> int:
        """Messages waiting or on their way."""
        return len(self._due) + len(self._attempts)

    def failing(self) -> dict[str, bool]:
        """Channel -> whether its latest message could not be sent."""
        return {name: self._failing.get(name, False) for name in self._config.notify.channels}

    def set_config(self, config: Config) -> None:
        self._config = self.ways.config = config

    async def start(self, *, anew: bool = False) -> None:
        """Begin to send, first what an earlier run left unsent. ``anew``: that is decided anew, as another daemon may
        have told it meanwhile."""
        self.record.add(await self._store.recent_intents(self._clock.now() - RECORD_S))
        left = await self._outdated(await self._store.pending_intents())
        if left:
            log.info("messages left by an earlier run count=%d", len(left))
        self.record.add(left)
        if anew:
            await self._forget()
        else:
            self.submit(left)
        self._task = asyncio.create_task(self._dispatch(), name="notifier")

    async def _outdated(self, left: list[Intent]) -> list[Intent]:
        """Without the last word before a stop that could not be sent: netmon runs again, and its digest says so."""
        late = [i for i in left if i.change == "last_word"]
        if late:
            await self._record(*((replace(i, state="suppressed", reason="late:netmon runs again"), "") for i in late))
        return [i for i in left if i.change != "last_word"]

    async def idle(self, within_s: float) -> None:
        """Until all that is due has been sent, at most for so long."""
        deadline = self._clock.mono() + within_s
        while self._ready() or self._attempts:
            left = deadline - self._clock.mono()
            if left <= 0:
                break
            if self._attempts:
                await asyncio.wait(self._attempts, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(0.01)

    async def withdraw(self) -> None:
        """What is not sent yet is another daemon's now; what is on its way goes out."""
        self._due.clear()
        await self._forget()

    async def _forget(self) -> None:
        away = {task.get_name() for task in self._attempts}
        unsent = [i for i in self.record.unsent() if f"message {i.id}" not in away]
        self.record.forget(unsent)
        await self._store.drop_intents([i.id for i in unsent])

    async def close(self, drain_s: float) -> None:
        """Send what is due, at most for ``drain_s``; the rest stays pending for the next start."""
        await self.idle(drain_s)
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for task in self._attempts:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def submit(self, intents: Iterable[Intent]) -> None:
        """Take intents that are committed. Only pending ones are sent; the others were decisions not to."""
        intents = list(intents)
        self.record.add(intents)
        for intent in intents:
            if intent.state == "pending":
                self._push(intent, self._clock.mono())

    def take_back(self, which: Callable[[Intent], bool]) -> None:
        """Take back what waits, also for another attempt; what is on its way arrives. The caller records it."""
        self._due = [entry for entry in self._due if not which(entry[2])]
        heapq.heapify(self._due)
        self._unwanted.append(which)

    def _push(self, intent: Intent, due_mono: float) -> None:
        if any(which(intent) for which in self._unwanted):
            return
        if len(self._due) >= self._max_waiting:
            self.dropped += 1
            log.error("message dropped, too many wait id=%s channel=%s", intent.id, intent.channel)
            return  # stays pending on disk: tried again at the next start
        self._pushed += 1
        heapq.heappush(self._due, (due_mono, self._pushed, intent))
        self._changed.set()

    # --- sending -----------------------------------------------------------------------------------------------------

    def _ready(self) -> list[tuple[float, int, Intent]]:
        now = self._clock.mono()
        return [entry for entry in self._due if entry[0] <= now]

    async def _dispatch(self) -> None:
        while True:
            self._changed.clear()
            self._launch()
            await self._note_paced()
            now = self._clock.mono()
            later = [due for due, _, _ in self._due if due > now]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(later) - now if later else None):
                    await self._changed.wait()

    def _launch(self) -> None:
        """Start one attempt for each idle channel that has something due and may send, the oldest first."""
        paced: set[str] = set()
        for entry in sorted(self._ready()):
            intent = entry[2]
            if intent.channel in self._busy:
                continue
            self._due.remove(entry)
            if (wait_s := self._wait_s(intent.channel)) > 0:
                self._due.append((self._clock.mono() + wait_s, entry[1], intent))
                self._busy.add(intent.channel)  # what else stands in line for it waits as well
                paced.add(intent.channel)
                if intent.id not in self._paced:
                    self._paced[intent.id] = False
                continue
            self._busy.add(intent.channel)
            task = asyncio.create_task(self._attempt(intent), name=f"message {intent.id}")
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)
        self._busy -= paced
        heapq.heapify(self._due)

    def _wait_s(self, name: str) -> float:
        """How long the channel must wait before its next message: its limit, or its provider's (PAINS 23)."""
        channel, now = self._config.notify.channels.get(name), self._clock.mono()
        if channel is None:
            return 0.0
        bucket = self._buckets.get(name)
        if bucket is None or (bucket.per_s, bucket.burst) != (channel.per_minute / 60.0, channel.burst):
            bucket = self._buckets[name] = Bucket(channel.per_minute, channel.burst, now)
        wait_s = bucket.take(now)
        if wait_s > 0:
            self._on_result(name, "paced")
        return wait_s

    async def _note_paced(self) -> None:
        """Write down which messages wait for their channel: once each, as it is a reason why one comes late."""
        fresh = [intent for intent, noted in self._paced.items() if not noted]
        self._paced |= dict.fromkeys(fresh, True)
        try:
            if fresh:
                await self._store.note_paced(fresh, self._clock.now())
        except StoreError as error:
            log.error("waiting of messages not recorded count=%d error=%s", len(fresh), error)

    async def _attempt(self, intent: Intent) -> None:
        try:
            await self._send(intent)
        except CollectError as error:
            await self._failed(replace(intent, attempts=intent.attempts + 1), error)
        else:
            await self._record((replace(intent, state="sent", attempts=intent.attempts + 1), ""))
            self._note(intent.channel, "sent", failing=False)
        finally:
            self._paced.pop(intent.id, None)
            self._busy.discard(intent.channel)
            self._changed.set()

    async def _send(self, intent: Intent) -> None:
        channel = self._config.notify.channels.get(intent.channel)
        contact = self._contacts().get(intent.contact)
        if channel is None or contact is None or not self.ways.leads_to_people(channel):
            what = f"contact {intent.contact}" if contact is None else f"channel {intent.channel}"
            raise CollectError("gone", f"{what} is no longer configured", retryable=False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ATTEMPT_S):
                message = outgoing(intent, contact, self._number_of(intent.incident))
                await loop.run_in_executor(self._threads, self.ways.send, channel, message)
        except TimeoutError:
            raise CollectError("timeout", f"channel {channel.name}: no end within {ATTEMPT_S:.0f} s") from None

    async def _failed(self, intent: Intent, error: CollectError) -> None:
        waits = self._config.notify.retry_s
        log.warning(
            "message not sent id=%s attempt=%d reason=%s error=%s", intent.id, intent.attempts, error.reason, error
        )
        self._note(intent.channel, "failed", failing=True)
        other = self.record.fallback_of(intent)
        # With nobody to take over, a gateway that is away for an hour must not cost the message: the last wait repeats.
        alone = other is None and self._clock.now() - intent.created_at < KEEP_TRYING_S
        if error.retryable and waits and (intent.attempts <= len(waits) or alone):
            await self._record((intent, str(error)))
            self._push(intent, self._clock.mono() + waits[min(intent.attempts, len(waits)) - 1])
            return
        log.error("message given up id=%s channel=%s", intent.id, intent.channel)
        results = [(replace(intent, state="failed"), str(error))]
        if other is not None:
            log.info("message goes to the fallback id=%s channel=%s", other.id, other.channel)
            results.append((replace(other, state="pending"), ""))
        await self._record(*results)
        if other is not None:
            self._push(results[1][0], self._clock.mono())

    async def _record(self, *results: tuple[Intent, str]) -> None:
        self.record.add(intent for intent, _ in results)
        try:
            await self._store.mark_intents(results, self._clock.now())
        except StoreError as error:
            # Not recorded: it may be sent once more after a restart, which is better than not at all.
            log.error("result of a message not recorded id=%s error=%s", results[0][0].id, error)

    def _note(self, channel: str, result: str, *, failing: bool) -> None:
        self._failing[channel] = failing
        self._on_result(channel, result)
