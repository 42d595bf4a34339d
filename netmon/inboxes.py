"""Reads the inboxes that replies come by: a thread for each, as their clients block; each has its own pace.

A thread hands what it fetched to the loop and waits until that is on disk; only then does it read on, as the Bot gives
nothing out twice. It dies with the process: what it may be holding then is still at the server, or with the Bot lost
between its answer and our disk (netmon/alerts/channels/inbox_bot.py).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from netmon.alerts.channels import inbox_bot, inbox_mail
from netmon.config import Config
from netmon.errors import CollectError, NetmonError
from netmon.model import Reply

log = logging.getLogger(__name__)

RETRY_S = (2.0, 5.0, 15.0, 60.0)
HAND_OVER_S = 60.0
LEAST_PAUSE_S = 1.0  # after a turn that brought nothing: who answers a long poll at once is not asked all the time
Fetch = Callable[[str, float], tuple[list[Reply], str]]  # (cursor, now) -> what came, new cursor
Take = Callable[[str, list[Reply], str], Awaitable[None]]  # inbox, what came, new cursor


@dataclass(frozen=True, slots=True)
class Inbox:
    """``pause_s``: between two turns; 0 where a turn is a long poll."""

    name: str
    fetch: Fetch
    pause_s: float


def inboxes(config: Config) -> list[Inbox]:
    """Those that the configuration names."""
    found = []
    for channel in config.notify.channels.values():
        if channel.kind == "zalo_bot" and channel.replies:
            found.append(Inbox(channel.name, lambda cursor, now, c=channel: inbox_bot.fetch(c, cursor, now), 0.0))  # type: ignore[misc]
    mailbox = config.notify.mailbox
    if mailbox.host:
        read = lambda cursor, now: inbox_mail.fetch(mailbox, cursor, now)  # noqa: E731
        found.append(Inbox(inbox_mail.NAME, read, mailbox.interval_s))
    return found


class Listener:
    """One thread on one inbox, from ``start`` to ``stop``."""

    def __init__(self, inbox: Inbox, cursor: str, take: Take, now: Callable[[], float]) -> None:
        self._inbox, self._cursor, self._take, self._now = inbox, cursor, take, now
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._held: tuple[list[Reply], str] | None = None  # fetched, and not on disk yet
        self._thread = threading.Thread(target=self._run, name=f"inbox {inbox.name}", daemon=True)
        self.failing = False

    @property
    def name(self) -> str:
        return self._inbox.name

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Read no further. What is being fetched is still handed over, if the loop runs that long."""
        self._stopping.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                news = self._turn()
            except (NetmonError, concurrent.futures.TimeoutError) as error:
                self._failed(error)
                failures += 1
                self._stopping.wait(RETRY_S[min(failures, len(RETRY_S)) - 1])
                continue
            except Exception as error:  # noqa: BLE001  what a server sent has broken a parser: that turn is lost, not the inbox
                if self._loop.is_closed():
                    return
                self._held = None
                self._failed(CollectError("crashed", f"{type(error).__name__}"))
                failures += 1
                self._stopping.wait(RETRY_S[-1])
                continue
            if self.failing:
                log.info("inbox read again inbox=%s", self._inbox.name)
            self.failing, failures = False, 0
            self._stopping.wait(self._inbox.pause_s if news else max(self._inbox.pause_s, LEAST_PAUSE_S))

    def _turn(self) -> bool:
        """Whether anything came."""
        found, cursor = self._held or self._inbox.fetch(self._cursor, self._now())
        news = bool(found) or cursor != self._cursor
        if news:
            self._held = found, cursor
            kept = asyncio.run_coroutine_threadsafe(self._kept(found, cursor), self._loop)
            kept.result(HAND_OVER_S)
            self._cursor = cursor
        self._held = None
        return news

    async def _kept(self, found: list[Reply], cursor: str) -> None:
        await self._take(self._inbox.name, found, cursor)

    def _failed(self, error: Exception) -> None:
        if not self.failing:
            reason = error.reason if isinstance(error, CollectError) else "store"
            log.error("inbox cannot be read inbox=%s reason=%s error=%s", self._inbox.name, reason, error)
        self.failing = True
