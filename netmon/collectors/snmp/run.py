"""Moves a `ColumnWalk` over the wire: all requests of one agent together, within a budget."""

from __future__ import annotations

import asyncio
from collections import deque

from netmon.collectors.snmp.columns import Ask, ColumnWalk
from netmon.collectors.snmp.course import ROOT, Asked, Recorder
from netmon.collectors.snmp.link import PROBE_ATTEMPTS, SYS_UPTIME, Link
from netmon.collectors.snmp.pdu import GET, GET_BULK, GET_NEXT, Head, VarBind
from netmon.collectors.snmp.transport import Exchange

DEVICE_IN_FLIGHT = 16  # requests of one agent at once: small agents have small buffers


class ColumnRun:
    """One poll's columns. When a request stays unanswered, a probe tells whether the agent is lost or cannot do it."""

    def __init__(self, link: Link, walk: ColumnWalk, recorder: Recorder | None = None) -> None:
        self._link = link
        self._walk = walk
        self._recorder = recorder
        self._ready: deque[Ask] = deque()
        self._out: set[Exchange] = set()
        self._doubtful: list[tuple[Ask, str]] = []  # unanswered, until the probe tells
        self._probe: Exchange | None = None
        self._end: asyncio.Future[None] | None = None

    async def run(self, budget_s: float) -> None:
        """Return when every column has ended or failed; after ``budget_s`` those that have not fail as "budget"."""
        loop = asyncio.get_running_loop()
        self._end = loop.create_future()
        timer = loop.call_later(max(0.0, budget_s), self._finish, "budget")
        try:
            self._ready.extend(self._walk.first())
            self._pump()
            await self._end
        finally:
            timer.cancel()
            for exchange in self._out:
                self._link.transport.cancel(exchange)
            if self._probe is not None:
                self._link.transport.cancel(self._probe)

    def _finish(self, reason: str = "") -> None:
        if reason:
            self._walk.stop(reason)
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    def _pump(self) -> None:
        while self._ready and len(self._out) < DEVICE_IN_FLIGHT and not self._over:
            ask = self._ready.popleft()
            asked = self._asked(ask)
            if self._recorder is not None and asked in self._recorder.answers:
                self._ready.extend(self._walk.reply(ask, 0, 0, list(self._recorder.answers[asked])))
                continue
            exchange = self._link.send(
                asked.pdu_type, asked.repetitions, asked.oids, self._done, tag=ask, listed=self._recorder is not None
            )
            if not exchange.over:  # the engine was closed
                self._out.add(exchange)
        if not self._out and not self._ready and self._probe is None:
            self._finish()

    @property
    def _over(self) -> bool:
        return self._end is None or self._end.done()

    def _done(self, exchange: Exchange, head: Head | None, varbinds: list[VarBind]) -> None:
        self._out.discard(exchange)
        ask, step = exchange.tag, ROOT
        if self._over or not isinstance(ask, Ask):
            return
        peer = self._link.peer
        if head is None or head.error_status or not varbinds:
            if self._recorder is not None:
                self._recorder.spoil()
        elif self._recorder is not None:
            step = self._recorder.take(self._asked(ask), varbinds, exchange.listed or b"", ask.parent)
        if head is not None:
            following = self._walk.reply(ask, head.error_status, head.error_index, varbinds)
            for other in following:
                other.parent = step
            self._ready.extend(following)
        elif exchange.reason == "closed":
            self._finish("closed")
            return
        elif peer.answered_mono is not None and peer.answered_mono > exchange.first_mono:
            self._ready.extend(self._walk.no_reply(ask, exchange.reason))
        else:
            self._doubtful.append((ask, exchange.reason))
            if self._probe is None:
                self._probe = self._link.send(GET, 0, [SYS_UPTIME], self._probed, attempts=PROBE_ATTEMPTS)
        self._pump()

    def _probed(self, exchange: Exchange, head: Head | None, varbinds: list[VarBind]) -> None:
        self._probe = None
        if self._over:
            return
        if head is None:
            self._link.peer.no_answer()
            self._finish(exchange.reason)
            return
        for ask, reason in self._doubtful:
            self._ready.extend(self._walk.no_reply(ask, reason))
        self._doubtful.clear()
        self._pump()

    def _asked(self, ask: Ask) -> Asked:
        kind, repetitions = (GET_BULK, ask.repetitions) if ask.bulk else (GET_NEXT, 0)
        return Asked(kind, repetitions, tuple(ask.oids), self._link.context)
