"""Moves a `Repeat` over the wire: every request of a recorded course, each as soon as its parent is answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from netmon.collectors.snmp.course import Asked, Repeat, decoded
from netmon.collectors.snmp.layout import Value
from netmon.collectors.snmp.link import Link
from netmon.collectors.snmp.pdu import Head, VarBind
from netmon.collectors.snmp.run import DEVICE_IN_FLIGHT
from netmon.collectors.snmp.transport import Exchange

Values = tuple[Value, ...]


class RepeatRun:
    """One repetition. The first request goes alone; the others follow if ``go`` says so of the values that it brought.

    Until the first is answered this is all in call-backs: a poll costs one future, one timer and no task of its own.
    """

    def __init__(self, links: Mapping[str, Link], repeat: Repeat, go: Callable[[Values], bool]) -> None:
        """``links``: one for each context of the course."""
        self._links = [links[step.asked.context] for step in repeat.course.steps]
        self.first = self._links[0]
        self.requests = self.timeouts = self.varbinds = 0
        self._repeat = repeat
        self._go = go
        self._requests = self.first.repeating(repeat)
        self._values: list[Values | None] = [None] * len(repeat.course.steps)
        self._others: dict[int, list[VarBind]] = {}  # good replies with other names than the course has
        self._ready = deque((0,))
        self._out: set[Exchange] = set()
        self._end: asyncio.Future[None] | None = None

    @property
    def values(self) -> Values | None:
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
        steps = self._repeat.course.steps
        found = {steps[number].asked: varbinds for number, varbinds in self._others.items()}
        for step, values in zip(steps, self._values, strict=True):
            if values is not None:
                found[step.asked] = decoded(step, values)
        return found

    async def run(self, budget_s: float) -> None:
        """Return when every request was answered or given up, at the latest after ``budget_s``.

        Raises CollectError when the first was not answered.
        """
        loop = asyncio.get_running_loop()
        self._end = loop.create_future()
        timer = loop.call_later(max(0.0, budget_s), self._over)
        try:
            self._pump()
            await self._end
        finally:
            timer.cancel()
            for exchange in self._out:
                self.first.transport.cancel(exchange)

    def _over(self) -> None:
        """The budget is."""
        first = next((exchange for exchange in self._out if exchange.step == 0), None)
        self._finish(None if first is None else self.first.lost("timeout", first))

    def _finish(self, error: Exception | None = None) -> None:
        if self._end is not None and not self._end.done():
            if error is None:
                self._end.set_result(None)
            else:
                self._end.set_exception(error)

    def _pump(self) -> None:
        ready, out, repeat = self._ready, self._out, self._repeat
        while ready and len(out) < DEVICE_IN_FLIGHT:
            number = ready.popleft()
            exchange = self._links[number].send_step(repeat, number, self._requests[number], self._done)
            if not exchange.over:  # the engine was closed
                out.add(exchange)
        if not out:
            self._finish()

    def _done(self, exchange: Exchange, head: Head | None, varbinds: list[VarBind]) -> None:
        self._out.discard(exchange)
        number, values = exchange.step, exchange.values
        self.requests += 1
        self.timeouts += exchange.attempt
        if values is not None:
            self.varbinds += len(values)
            self._values[number] = values
            if number:
                self._ready.extend(self._repeat.course.after[number])
            elif self._go(values):
                self._ready.extend(self._repeat.course.roots)
        elif head is not None:
            self.varbinds += len(varbinds)
            if varbinds and not head.error_status:
                self._others[number] = varbinds
        elif number == 0:
            self._finish(self.first.lost(exchange.reason, exchange))
            return
        if self._ready or not self._out:
            self._pump()
