"""Timeouts of many requests that are nearly all answered: setting one costs an append, and taking one back nothing."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netmon.collectors.snmp.exchange import Exchange

TICK_S = 0.02  # how late one may come


class Wheel:
    """Calls ``expired`` for each exchange that still waits when its time has come, at most `TICK_S` late.

    ``due`` of an exchange is in the loop's seconds; 0 means that it does not wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[Exchange], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._slots: dict[int, list[Exchange]] = {}
        self._order: list[int] = []  # the slots there are, a heap
        self._timer: asyncio.TimerHandle | None = None

    def set(self, exchange: Exchange, after_s: float) -> None:
        """Wait for it so long; an earlier time that was set for it is forgotten."""
        exchange.due = due = self._loop.time() + after_s
        number = int(due / TICK_S) + 1
        slot = self._slots.get(number)
        if slot is not None:
            slot.append(exchange)
            return
        self._slots[number] = [exchange]
        heapq.heappush(self._order, number)
        if self._order[0] == number:
            self._plan()

    def close(self) -> None:
        """Nothing is called any more."""
        self._slots.clear()
        self._order.clear()
        self._plan()

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._order[0] * TICK_S, self._turn) if self._order else None

    def _turn(self) -> None:
        number = int(self._loop.time() / TICK_S)
        while self._order and self._order[0] <= number:
            slot = heapq.heappop(self._order)
            for exchange in self._slots.pop(slot):
                if exchange.due and int(exchange.due / TICK_S) + 1 == slot:  # else answered, or waits anew
                    exchange.due = 0.0
                    self._expired(exchange)
        self._plan()
