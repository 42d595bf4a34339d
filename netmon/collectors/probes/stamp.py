"""STAMP (RFC 8762) over UDP, unauthenticated: the session-sender for all targets of one family, and a reflector.

A reply is matched by source address and port, sequence number and the echoed timestamp, which an outsider cannot guess.
The round trip is the kernel's receive time less our send time, less what the reflector says it held the packet.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import Counter
from typing import Any, cast

from netmon.collectors.probes.dgram import Datagrams, IcmpError, SendTime
from netmon.collectors.probes.stamp_packet import decode_reply, encode_probe, ntp, reflect
from netmon.collectors.probes.transport import Answer, Destination
from netmon.errors import CollectError

_SEQUENCE = struct.Struct("!I")


class Stamp:
    """The transport for ``stamp`` probes of one family."""

    def __init__(self, family: socket.AddressFamily, size_bytes: int, on_answer: Answer) -> None:
        self.stats: Counter[str] = Counter()
        self._size = size_bytes
        self._on_answer = on_answer
        self._waiting: dict[int, tuple[int, Destination, SendTime, int]] = {}  # sequence -> probe, its timestamp
        try:
            self._socket = Datagrams(family, 0, self._packet, self._error, self.stats)
        except OSError as error:
            raise CollectError("stamp_socket", f"STAMP socket: {error}") from error

    def send(self, token: int, where: Destination) -> None:
        sequence = token & 0xFFFFFFFF
        sent = SendTime.now()
        timestamp = ntp(sent.utc_ns)
        self._waiting[sequence] = (token, where, sent, timestamp)
        try:
            self._socket.send(encode_probe(sequence, timestamp, self._size), where.sockaddr)
        except OSError:
            self._waiting.pop(sequence, None)
            raise

    def forget(self, token: int) -> None:
        waiting = self._waiting.get(token & 0xFFFFFFFF)
        if waiting and waiting[0] == token:
            del self._waiting[token & 0xFFFFFFFF]

    def drain(self) -> None:
        self._socket.drain()

    def close(self) -> None:
        self._socket.close()

    def _packet(self, data: memoryview, host: str, port: int, scope_id: int, received_ns: int) -> None:
        reply = decode_reply(data)
        if reply is None:
            self.stats["malformed"] += 1
            return
        waiting = self._waiting.get(reply.sender_sequence)
        if waiting is None or waiting[3] != reply.sender_timestamp:
            self.stats["unknown"] += 1  # a duplicate, or later than anybody waits
            return
        token, where, sent, _ = waiting
        if host != where.host or port != where.port or (where.scope_id and scope_id != where.scope_id):
            self.stats["wrong_source"] += 1
            return
        del self._waiting[reply.sender_sequence]
        rtt_s = sent.round_trip_s(received_ns, self.stats)
        held_s = (reply.sent_ns - reply.received_ns) / 1e9
        if 0 < held_s < rtt_s:  # else its clock was stepped, or it writes no times
            rtt_s -= held_s
        self._on_answer(token, rtt_s, "", "")

    def _error(self, error: IcmpError) -> None:
        """Routers may quote as little as the UDP header (RFC 792): then it is about the oldest probe to that place."""
        sequence: int | None = None
        if len(error.quoted) >= _SEQUENCE.size:
            sequence = _SEQUENCE.unpack_from(error.quoted)[0]
        else:
            for number, waiting in self._waiting.items():
                if (waiting[1].host, waiting[1].port) == (error.host, error.port):
                    sequence = number
                    break
        found = self._waiting.get(sequence) if sequence is not None else None
        if found is None or found[1].host != error.host:
            self.stats["unknown"] += 1
            return
        self._on_answer(found[0], None, error.text, error.sender)


class StampReflector(asyncio.DatagramProtocol):
    """A stateless Session-Reflector for one asyncio datagram endpoint; ``respond`` may be overridden."""

    def __init__(self) -> None:
        self.stats: Counter[str] = Counter()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.stats["received"] += 1
        reply = self.respond(data, addr)
        if reply is not None and self.transport is not None:
            self.stats["sent"] += 1
            self.transport.sendto(reply, addr)

    def error_received(self, exc: Exception) -> None:
        self.stats["errors"] += 1

    def respond(self, data: bytes, addr: tuple[Any, ...]) -> bytes | None:
        """The answer to one packet, None for silence."""
        now_ns = time.time_ns()
        return reflect(data, now_ns, now_ns)
