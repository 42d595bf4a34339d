"""ICMP echo to all targets of one family over one unprivileged datagram socket (icmp(7): ping sockets).

The kernel sets the identifier and gives us only answers to it. An answer is matched by source address, sequence number,
and a payload that holds a random word of this process and the probe's number. RFC 792 and RFC 4443.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import Counter
from pathlib import Path

from netmon.collectors.probes.dgram import Datagrams, IcmpError, SendTime
from netmon.collectors.probes.transport import Answer, Destination
from netmon.errors import CollectError

ECHO_REQUEST, ECHO_REPLY = 8, 0  # RFC 792
ECHO_REQUEST_6, ECHO_REPLY_6 = 128, 129  # RFC 4443 section 4
HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence: the kernel fills in the middle two
WORD = struct.Struct("!8sQ")  # random word of this process, probe number
LEAST_BYTES = HEADER.size + WORD.size
PING_GROUP_RANGE = Path("/proc/sys/net/ipv4/ping_group_range")  # rules both families


def forbidden(setting: Path = PING_GROUP_RANGE) -> str:
    """Why the kernel would refuse ICMP sockets to this process, in one line with the way out; "" if it would not."""
    try:
        low, high = (int(word) for word in setting.read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        return ""
    groups = {os.getegid(), *os.getgroups()}
    if any(low <= group <= high for group in groups):
        return ""
    return (
        f'the kernel forbids ICMP to this process: net.ipv4.ping_group_range is "{low} {high}" and must include '
        f"group {os.getegid()}; install deploy/sysctl.d/60-netmon.conf in /etc/sysctl.d and run: sysctl --system"
    )


def encode(family: int, token: int, word: bytes, size: int) -> bytes:
    """An echo request of ``size`` bytes from the ICMP header on, LEAST_BYTES at least."""
    kind = ECHO_REQUEST_6 if family == socket.AF_INET6 else ECHO_REQUEST
    head = HEADER.pack(kind, 0, 0, 0, token & 0xFFFF) + WORD.pack(word, token)
    return head.ljust(size, b"\0")


class Icmp:
    """The transport for ``icmp`` probes of one family. Raises CollectError when the kernel forbids it."""

    def __init__(self, family: socket.AddressFamily, size_bytes: int, on_answer: Answer) -> None:
        self.stats: Counter[str] = Counter()
        self._family = family
        self._size = size_bytes
        self._on_answer = on_answer
        self._word = os.urandom(8)
        self._reply = ECHO_REPLY_6 if family == socket.AF_INET6 else ECHO_REPLY
        self._waiting: dict[int, tuple[int, Destination, SendTime]] = {}  # sequence -> probe
        proto = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
        try:
            self._socket = Datagrams(family, proto, self._packet, self._error, self.stats)
        except PermissionError as error:
            raise CollectError("icmp_forbidden", forbidden() or f"ICMP socket: {error}", retryable=False) from error
        except OSError as error:
            raise CollectError("icmp_socket", f"ICMP socket: {error}") from error

    def send(self, token: int, where: Destination) -> None:
        packet = encode(self._family, token, self._word, self._size)
        sequence = token & 0xFFFF
        self._waiting[sequence] = (token, where, SendTime.now())
        try:
            self._socket.send(packet, where.sockaddr)
        except OSError:
            self._waiting.pop(sequence, None)
            raise

    def forget(self, token: int) -> None:
        waiting = self._waiting.get(token & 0xFFFF)
        if waiting and waiting[0] == token:
            del self._waiting[token & 0xFFFF]

    def drain(self) -> None:
        self._socket.drain()

    def close(self) -> None:
        self._socket.close()

    def _packet(self, data: memoryview, host: str, _port: int, scope_id: int, received_ns: int) -> None:
        if len(data) < LEAST_BYTES or data[0] != self._reply:
            self.stats["malformed"] += 1
            return
        waiting = self._waiting.get(HEADER.unpack_from(data)[4])
        if waiting is None:
            self.stats["unknown"] += 1  # a duplicate, or later than anybody waits
            return
        token, where, sent = waiting
        if data[HEADER.size : LEAST_BYTES] != WORD.pack(self._word, token):
            self.stats["unknown"] += 1
            return
        if host != where.host or (where.scope_id and scope_id != where.scope_id):
            self.stats["wrong_source"] += 1
            return
        del self._waiting[token & 0xFFFF]
        self._on_answer(token, sent.round_trip_s(received_ns, self.stats), "", "")

    def _error(self, error: IcmpError) -> None:
        if len(error.quoted) < HEADER.size:
            self.stats["malformed"] += 1
            return
        waiting = self._waiting.get(HEADER.unpack_from(error.quoted)[4])
        if waiting is None or waiting[1].host != error.host:
            self.stats["unknown"] += 1
            return
        self._on_answer(waiting[0], None, error.text, error.sender)
