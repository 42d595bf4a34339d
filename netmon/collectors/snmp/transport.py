"""The few UDP sockets that all agents share: sending, resending, and telling whose reply a datagram is.

Each socket has two lanes of at most ``in_flight`` packets (LAB.md: 600 in flight lost 189 of 310 devices). First
transmissions to agents that answer take one; what is sent again and what goes to silent agents takes the other, so that
dead ones never hold what the living need. A reply counts when request id, source address, version and community are
those of a request that waits (v3: what `session` demands); all else is counted in ``stats`` and ignored.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections import Counter, deque
from typing import Any

from netmon.clock import Clock
from netmon.collectors.snmp.ber import BerError, OidCache
from netmon.collectors.snmp.course import Repeat
from netmon.collectors.snmp.exchange import Done, Exchange, Lane, Port, Trace
from netmon.collectors.snmp.layout import Value
from netmon.collectors.snmp.pdu import (
    RESPONSE,
    V2C,
    V3,
    Head,
    VarBind,
    begin,
    decode_rest,
    decode_varbinds,
    error_name,
    quick_head,
)
from netmon.collectors.snmp.request import ID_AT_LEAST, ID_BITS
from netmon.collectors.snmp.session import Sent, Session
from netmon.collectors.snmp.v3 import read_wrapper
from netmon.collectors.snmp.wheel import Wheel
from netmon.config import SnmpConfig

__all__ = ["Done", "Exchange", "Transport"]

log = logging.getLogger(__name__)

BUSY = 8  # requests under way on one socket
GATHER_S = 0.005
DATAGRAMS_PER_WAKE = 32  # about 10 ms of decoding; then the loop gets a turn
GOOD = Head(V2C, b"", RESPONSE, 0, 0, 0, 0, 0)  # of a repeated reply: all that is asked of it is that it has no error
REMEMBERED_IDS = 8192  # answered or given up lately: a reply to one of them is late, not unknown


def _nobody(exchange: Exchange, head: Head | None, varbinds: list[VarBind]) -> None:
    """Whom the end of an exchange is told that has been told."""


class Transport:
    """Exchanges over shared sockets, by call-back: one ``done`` per exchange, with the reply or without."""

    def __init__(self, config: SnmpConfig, clock: Clock, stats: Counter[str]) -> None:
        self._config = config
        self._clock = clock
        self._stats = stats
        self._ports: dict[int, list[Port]] = {}
        self._pending: dict[int, Exchange] = {}
        self._past: set[int] = set()
        self._past_order: deque[int] = deque()
        self._oids = OidCache()
        self._wheel: Wheel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.trace: Trace | None = None  # sees every datagram that belongs to a request

    def open(self) -> None:
        """Open the sockets; a host without IPv6 just has none of those."""
        self._loop = asyncio.get_running_loop()
        self._wheel = Wheel(self._loop, self._expired)
        for family in (socket.AF_INET, socket.AF_INET6):
            ports = self._ports.setdefault(family, [])
            try:
                for _ in range(max(1, self._config.sockets)):
                    port = Port(family, max(1, self._config.in_flight))
                    ports.append(port)
                    self._loop.add_reader(port.sock, self._readable, port)
            except OSError as e:
                log.warning("no SNMP socket family=%s reason=%s", family.name, e.strerror)

    def close(self) -> None:
        """Close the sockets; exchanges under way end without a reply."""
        left = {**dict.fromkeys(self._pending.values()), **{e: None for lane in self._lanes() for e in lane.waiting}}
        for exchange in [exchange for exchange in left if not exchange.over]:
            exchange.reason = "closed"
            self.cancel(exchange)
        for exchange in left:
            if exchange.reason == "closed":
                exchange.done(exchange, None, [])
        for ports in self._ports.values():
            for port in ports:
                if self._loop is not None:
                    self._loop.remove_reader(port.sock)
                port.sock.close()
        self._ports.clear()
        if self._wheel is not None:
            self._wheel.close()

    def _lanes(self) -> list[Lane]:
        return [lane for ports in self._ports.values() for port in ports for lane in (port.living, port.silent)]

    @property
    def waiting(self) -> int:
        """Requests in line for a slot."""
        return sum(len(lane.waiting) for lane in self._lanes())

    @property
    def in_flight(self) -> int:
        return len(self._pending)

    # --- sending -----------------------------------------------------------------------------------------------------

    def send(self, exchange: Exchange) -> None:
        """Begin an exchange. ``done`` may be called before this returns only when there is no socket for it."""
        ports = self._ports.get(exchange.peer.family)
        if not ports:
            exchange.reason = "unreachable" if self._ports else "closed"
            exchange.over = True
            exchange.done(exchange, None, [])
            return
        exchange.port = port = ports[exchange.peer.spread % len(ports)]
        lane = port.silent if exchange.peer.silent else port.living
        if lane.used < lane.size:
            self._transmit(lane, exchange)
        else:
            lane.waiting.append(exchange)

    def cancel(self, exchange: Exchange) -> None:
        """Forget an exchange; its ``done`` is not called any more. One that stands in line is passed over later."""
        if not exchange.over:
            self._forget(exchange)

    def _enter(self, lane: Lane, exchange: Exchange) -> None:
        if lane.used < lane.size:
            self._transmit(lane, exchange)
        else:
            lane.waiting.append(exchange)

    def _leave(self, exchange: Exchange) -> None:
        """Give the slot back and let the next in line have it."""
        exchange.due = 0.0
        lane = exchange.lane
        exchange.lane = None
        if lane is None:
            return
        lane.used -= 1
        while lane.waiting and lane.used < lane.size:
            following = lane.waiting.popleft()
            if not following.over:
                self._transmit(lane, following)

    def _transmit(self, lane: Lane, exchange: Exchange) -> None:
        lane.used += 1
        exchange.lane = lane
        now = self._clock.mono()
        if not exchange.id:
            exchange.id = self._new_id()
            exchange.first_mono = now
        self._stats["requests" if exchange.attempt == 0 else "retries"] += 1
        self._put(exchange, now)

    def _put(self, exchange: Exchange, now: float) -> None:
        """On the wire, and the clock started."""
        assert self._wheel is not None and exchange.port is not None
        exchange.sent_mono = now
        if exchange.session is None:
            self._pending[exchange.id] = exchange
            data = exchange.request.with_id(exchange.id)
        else:
            data = self._encode(exchange, exchange.session, now)
        if self.trace is not None:
            self.trace("sent", exchange, len(data), now, "")
        try:
            exchange.port.sock.sendto(data, exchange.peer.address)
        except OSError as e:  # no route, or the send buffer is full: as good as lost, the retry may succeed
            self._stats["send_errors"] += 1
            if not isinstance(e, BlockingIOError):
                exchange.reason = "unreachable"
        peer = exchange.peer
        if exchange.attempt == 0 and exchange.attempts > 1 and not exchange.timeout_s:
            wait = peer.rto_s  # what `wait_s` says of a first transmission
        else:
            wait = peer.wait_s(exchange.attempt, exchange.attempts, now - exchange.first_mono, exchange.timeout_s)
        self._wheel.set(exchange, wait)

    def _encode(self, exchange: Exchange, session: Session, now: float) -> bytes:
        """A v3 message, which has a msgID of its own each time (RFC 3412, 6.2)."""
        message_id = self._new_id()
        data, discovery = session.encode(message_id, exchange.id, exchange.request.with_id(exchange.id), now)
        exchange.messages[message_id] = discovery
        self._pending[message_id] = exchange
        return data

    def _new_id(self) -> int:
        """Unguessable, so that only who saw the request can answer it."""
        while True:
            new = random.getrandbits(ID_BITS)
            if new >= ID_AT_LEAST and new not in self._pending and new not in self._past:
                return new

    def _expired(self, exchange: Exchange) -> None:
        self._stats["timeouts"] += 1
        if self.trace is not None:
            self.trace("timeout", exchange, 0, self._clock.mono(), "")
        exchange.attempt += 1
        self._leave(exchange)
        if exchange.attempt < exchange.attempts and exchange.port is not None:
            self._enter(exchange.port.silent, exchange)  # still pending: a reply to the first transmission counts
            return
        self._forget(exchange)
        exchange.done(exchange, None, [])

    def _forget(self, exchange: Exchange) -> None:
        exchange.over = True
        past, order = self._past, self._past_order
        for number in exchange.messages or (exchange.id,):
            if self._pending.pop(number, None) is not None:
                past.add(number)
                order.append(number)
                if len(order) > REMEMBERED_IDS:
                    past.discard(order.popleft())
        self._leave(exchange)

    # --- receiving ---------------------------------------------------------------------------------------------------

    def _readable(self, port: Port) -> None:
        """Read what came. While much is under way, what comes is gathered: waking for each reply costs more than it."""
        whole = self._drain(port)
        if self._loop is not None and port.sock.fileno() >= 0 and (not whole or port.living.used >= BUSY):
            self._loop.remove_reader(port.sock)
            self._loop.call_later(GATHER_S, self._gathered, port)

    def _gathered(self, port: Port) -> None:
        whole = False
        try:
            whole = port.sock.fileno() >= 0 and self._drain(port)
        finally:  # a datagram that breaks something must not make the socket deaf
            self._listen(port, whole)

    def _listen(self, port: Port, whole: bool) -> None:
        if self._loop is None or port.sock.fileno() < 0:  # closed meanwhile
            return
        if not whole:
            self._loop.call_soon(self._gathered, port)
        elif port.living.used >= BUSY:
            self._loop.call_later(GATHER_S, self._gathered, port)
        else:
            self._loop.add_reader(port.sock, self._readable, port)

    def _drain(self, port: Port) -> bool:
        """Take what there is; False where there may be more."""
        receive = port.sock.recvfrom
        for _ in range(DATAGRAMS_PER_WAKE):
            try:
                data, source = receive(65535)
            except BlockingIOError:
                return True
            except OSError:
                self._stats["socket_errors"] += 1
                return True
            self._datagram(port, data, source)
        return False

    def _datagram(self, port: Port, data: bytes, source: Any) -> None:
        quick = quick_head(data)
        if quick is not None and self._repeated(port, data, source, *quick):
            return
        try:
            version, at, end = begin(data)
            if version == V3:
                self._secured(port, data, at, end, source)
                return
            head = decode_rest(data, at, end, version)
        except BerError:
            self._stats["malformed"] += 1
            return
        exchange = self._exchange(head.request_id, port, source)
        if exchange is None:
            return
        if wrong := exchange.mismatch(head):
            self._ignore(exchange, wrong, len(data))
            return
        self._accept(exchange, head, data, len(data), exchange.attempt == 0)

    def _repeated(
        self, port: Port, data: bytes, source: Any, request_id: int, community: bytes, start: int, end: int
    ) -> bool:
        """Whether it is what a repeated request waits for, in the layout that it had; else it is looked at closely."""
        exchange = self._pending.get(request_id)
        if (
            exchange is None
            or exchange.repeat is None
            or exchange.port is not port
            or exchange.version != V2C
            or exchange.community != community
            or not exchange.came_from(source)
        ):
            return False
        try:
            values = exchange.repeat.read(exchange.step, data, start, end)
        except BerError:
            return False
        if values is None:
            return False
        self._stats["layout_hits"] += 1
        self._finish(exchange, GOOD, [], values, len(data), exchange.attempt == 0)
        return True

    def _secured(self, port: Port, data: bytes, at: int, end: int, source: Any) -> None:
        """A v3 message: its session judges it."""
        wrapper = read_wrapper(data, at, end)
        exchange = self._exchange(wrapper.message_id, port, source)
        if exchange is None:
            return
        session = exchange.session
        if session is None:
            self._ignore(exchange, "wrong_version", len(data))
            return
        now = self._clock.mono()
        newest = wrapper.message_id == next(reversed(exchange.messages))
        sent = Sent(exchange.id, exchange.messages[wrapper.message_id], newest)
        verdict = session.judge(data, wrapper, sent, now)
        if verdict.head is not None:
            self._accept(exchange, verdict.head, verdict.data, len(data), newest)
            return
        if verdict.action == "ignored":
            self._ignore(exchange, verdict.what, len(data), verdict.reason)
            return
        self._stats[f"report_{verdict.what}"] += 1
        if self.trace is not None:
            self.trace("report", exchange, len(data), now, verdict.what)
        again = exchange.attempt, verdict.what
        if verdict.action == "again" and again not in exchange.repeated:
            exchange.repeated.add(again)
            if exchange.due:  # else it stands in line already
                self._put(exchange, now)
            return
        exchange.reason = verdict.reason
        self._forget(exchange)
        exchange.done(exchange, None, [])

    def _exchange(self, number: int, port: Port, source: Any) -> Exchange | None:
        """The one that waits for a reply of this number from there, if one does."""
        exchange = self._pending.get(number)
        if exchange is None or exchange.port is not port:
            self._stats["late" if number in self._past else "unknown_id"] += 1
            return None
        if not exchange.came_from(source):
            self._stats["wrong_source"] += 1
            return None
        return exchange

    def _ignore(self, exchange: Exchange, what: str, size: int, reason: str = "") -> None:
        self._stats[what] += 1
        if self.trace is not None:
            self.trace("ignored", exchange, size, self._clock.mono(), what)
        exchange.reason = reason or what

    def _accept(self, exchange: Exchange, head: Head, data: bytes, size: int, timed: bool) -> None:
        """``size`` of the datagram; ``timed``: the reply cannot be to an earlier transmission."""
        values = None
        if exchange.listed is not None:
            exchange.listed = data[head.start : head.end]
        try:
            if exchange.repeat is None or head.error_status:
                varbinds = decode_varbinds(data, head.start, head.end, self._oids)
            else:
                varbinds, values = self._values(exchange.repeat, exchange.step, data, head)
        except BerError:
            self._ignore(exchange, "malformed", size)
            return
        self._finish(exchange, head, varbinds, values, size, timed)

    def _values(
        self, repeat: Repeat, step: int, data: bytes, head: Head
    ) -> tuple[list[VarBind], tuple[Value, ...] | None]:
        """The values if it has the names of the course, and the varbinds unless its layout was known."""
        values = repeat.read(step, data, head.start, head.end)
        if values is not None:
            self._stats["layout_hits"] += 1
            return [], values
        values = repeat.read_again(step, data, head.start, head.end)
        if values is not None:
            self._stats["layout_learnt"] += 1
            return [], values
        varbinds = decode_varbinds(data, head.start, head.end, self._oids)
        values = repeat.learn(step, data[head.start : head.end], varbinds)
        self._stats["layout_changed" if values is None else "layout_learnt"] += 1
        return varbinds, values

    def _finish(
        self,
        exchange: Exchange,
        head: Head,
        varbinds: list[VarBind],
        values: tuple[Value, ...] | None,
        size: int,
        timed: bool,
    ) -> None:
        self._stats["replies"] += 1
        now = self._clock.mono()
        if self.trace is not None:
            count = len(varbinds if values is None else values)
            what = error_name(head.error_status) if head.error_status else f"{count} varbinds"
            self.trace("reply", exchange, size, now, what)
        self._forget(exchange)
        done, exchange.done = exchange.done, _nobody  # the wheel may hold it for a while, and all that it leads to
        exchange.peer.answered(now, now - exchange.sent_mono if timed else None)
        exchange.values = values
        done(exchange, head, varbinds)
        exchange.values = exchange.listed = None
