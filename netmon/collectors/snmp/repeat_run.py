"""Moves a `Repeat` over the wire: every request of a recorded course, each as soon as its parent is answered."""

from __future__ import annotations

import asyncio
from collections import deque

from netmon.collectors.snmp.course import Asked, Repeat, decoded
from netmon.collectors.snmp.layout import Value
from netmon.collectors.snmp.link import Link, Reply
from netmon.collectors.snmp.pdu import Head, VarBind
from netmon.collectors.snmp.run import DEVICE_IN_FLIGHT
from netmon.collectors.snmp.transport import Exchange


class RepeatRun:
    """One repetition, after the reply to its first request."""

    def __init__(self, link: Link, repeat: Repeat, first: Reply) -> None:
        self._link = link
        self._repeat = repeat
        self._steps = repeat.course.steps
        self._values: list[tuple[Value, ...] | None] = [None] * len(self._steps)
        self._values[0] = first.values
        self._others: dict[int, list[VarBind]] = {}  # good replies with other names than the course has
        if first.values is None and not first.error_status:
            self._others[0] = first.varbinds
        self._ready = deque(repeat.course.roots)
        self._out: set[Exchange] = set()
        self._end: asyncio.Future[None] | None = None

    @property
    def values(self) -> tuple[Value, ...] | None:
        """All values in order of the course; None unless all of it went as before."""
        found: list[Value] = []
        for values in self._values:
            if values is None:
                return None
            found += values
        return tuple(found)

    @property
    def others(self) -> bool:
        """Whether a reply had other names than those of the course."""
        return bool(self._others)

    @property
    def answers(self) -> dict[Asked, list[VarBind]]:
        """What need not be asked for again."""
        found = {self._steps[number].asked: varbinds for number, varbinds in self._others.items()}
        for step, values in zip(self._steps, self._values, strict=True):
            if values is not None:
                found[step.asked] = decoded(step, values)
        return found

    async def run(self, budget_s: float) -> None:
        """Return when every request was answered or given up, at the latest after ``budget_s``."""
        if not self._ready:
            return
        loop = asyncio.get_running_loop()
        self._end = loop.create_future()
        timer = loop.call_later(max(0.0, budget_s), self._finish)
        try:
            self._pump()
            await self._end
        finally:
            timer.cancel()
            for exchange in self._out:
                self._link.transport.cancel(exchange)

    def _finish(self) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    def _pump(self) -> None:
        ready, out = self._ready, self._out
        while ready and len(out) < DEVICE_IN_FLIGHT:
            number = ready.popleft()
            asked = self._steps[number].asked
            exchange = self._link.send(
                asked.pdu_type, asked.repetitions, asked.oids, self._done, step=(self._repeat, number)
            )
            if not exchange.over:  # the engine was closed
                out.add(exchange)
        if not out:
            self._finish()

    def _done(self, exchange: Exchange, head: Head | None, varbinds: list[VarBind]) -> None:
        self._out.discard(exchange)
        number = exchange.step
        if exchange.values is not None:
            self._values[number] = exchange.values
            self._ready.extend(self._repeat.course.after[number])
        elif head is not None and not head.error_status and varbinds:
            self._others[number] = varbinds
        if self._ready or not self._out:
            self._pump()
