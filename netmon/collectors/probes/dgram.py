"""A datagram socket in the event loop with the kernel's own receive times and its queue of ICMP errors.

Receive times: SO_TIMESTAMPNS. Read in user space they are late by milliseconds whenever a Python thread is busy, with
the kernel's stamp it does not matter when the packet is read. Send times are taken in user space right before the
system call: what may come between the two only lengthens a round trip, by microseconds, and a stamp by the kernel
(SO_TIMESTAMPING) would cost one more read from the error queue for each probe.
Errors: IP_RECVERR and IPV6_RECVERR (ip(7)), so that an ICMP error comes with its type, code and sender.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python 3.11 has no name for it, nor for the next two
IP_RECVERR = 11  # linux/in.h
IPV6_RECVERR = 25  # linux/in6.h
ORIGIN_ICMP, ORIGIN_ICMP6 = 2, 3  # linux/errqueue.h, SO_EE_ORIGIN_*
RECEIVE_BUFFER_BYTES = 4 << 20  # what net.core.rmem_max allows of it; 310 answers at once fill the default
READ_AT_ONCE = 512  # packets, then the loop gets its turn
PACKET_BYTES = 65_536
SEND_TRIES = 4  # a send may fail with an earlier ICMP error, which belongs to another target

_TIMESPEC = struct.Struct("@ll")
_EXTENDED_ERR = struct.Struct("=IBBBxII")  # errno, origin, type, code, info, data
_FAMILY = struct.Struct("=H")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(_EXTENDED_ERR.size + 28)
_NO_BUFFER = {errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM}

_ICMP_WORDS = {
    (3, 0): "net unreachable",
    (3, 1): "host unreachable",
    (3, 2): "protocol unreachable",
    (3, 3): "port unreachable",
    (3, 4): "fragmentation needed",
    (3, 9): "net prohibited",
    (3, 10): "host prohibited",
    (3, 13): "prohibited",
    (11, 0): "time to live exceeded",
}  # RFC 792, RFC 1812 section 5.2.7.1
_ICMP6_WORDS = {
    (1, 0): "no route",
    (1, 1): "prohibited",
    (1, 3): "address unreachable",
    (1, 4): "port unreachable",
    (1, 5): "source address refused",
    (1, 6): "route rejected",
    (2, 0): "packet too big",
    (3, 0): "hop limit exceeded",
}  # RFC 4443 section 3


class IcmpError(NamedTuple):
    """An ICMP error about a packet of ours: where that went, what of it was quoted, what is said, and by whom."""

    host: str
    port: int
    quoted: bytes
    text: str  # e.g. "icmp 3/1 host unreachable"
    sender: str


class LocalFailure(OSError):
    """The packet did not leave for want of buffers: no fault of the target."""


def icmp_text(family: int, kind: int, code: int) -> str:
    """Words for an ICMP error, with its numbers."""
    words = (_ICMP6_WORDS if family == socket.AF_INET6 else _ICMP_WORDS).get((kind, code), "error")
    return f"{'icmp6' if family == socket.AF_INET6 else 'icmp'} {kind}/{code} {words}"


class Datagrams:
    """One open socket. ``on_packet(data, host, port, scope_id, received_ns)``; ``received_ns`` is UTC."""

    def __init__(
        self,
        family: socket.AddressFamily,
        proto: int,
        on_packet: Callable[[memoryview, str, int, int, int], None],
        on_error: Callable[[IcmpError], None],
        stats: Counter[str],
    ) -> None:
        self.family = family
        self._on_packet, self._on_error, self.stats = on_packet, on_error, stats
        self._buffer = bytearray(PACKET_BYTES)
        self._view = memoryview(self._buffer)
        self._loop = asyncio.get_running_loop()
        self._sock = sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, proto)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            self._loop.add_reader(sock.fileno(), self.drain)
        except OSError:
            sock.close()
            raise

    def close(self) -> None:
        """Close the socket; nothing is reported any more."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def send(self, data: bytes, address: tuple[Any, ...]) -> None:
        """Send one packet. Raises LocalFailure for want of buffers, OSError for a target that cannot be sent to."""
        for left in reversed(range(SEND_TRIES)):
            try:
                self._sock.sendto(data, address)
                return
            except OSError as error:
                if error.errno in _NO_BUFFER:
                    raise LocalFailure(error.errno, error.strerror) from error
                if not self._drain_errors() and not left:
                    raise

    def drain(self) -> None:
        """Read what has come: errors, then packets."""
        self._drain_errors()
        for _ in range(READ_AT_ONCE):
            try:
                size, ancillary, _flags, address = self._sock.recvmsg_into([self._buffer], _ANCILLARY_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an ICMP error that came meanwhile
                if not self._drain_errors():
                    return
                continue
            received_ns = 0
            for level, kind, value in ancillary:
                if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                    seconds, nanoseconds = _TIMESPEC.unpack_from(value)
                    received_ns = seconds * 1_000_000_000 + nanoseconds
            scope = address[3] if len(address) > 2 else 0
            host = address[0].partition("%")[0] if scope else address[0]
            self._on_packet(self._view[:size], host, address[1], scope, received_ns or time.time_ns())

    def _drain_errors(self) -> int:
        """Report what is in the error queue; returns how many."""
        count = 0
        while count < READ_AT_ONCE:
            try:
                size, ancillary, _flags, address = self._sock.recvmsg_into(
                    [self._buffer], _ANCILLARY_BYTES, socket.MSG_ERRQUEUE
                )
            except OSError:
                break
            count += 1
            for level, kind, value in ancillary:
                if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                    self._report(bytes(self._view[:size]), value, address)
        return count

    def _report(self, quoted: bytes, value: bytes, address: tuple[Any, ...]) -> None:
        _number, origin, kind, code, _info, _data = _EXTENDED_ERR.unpack_from(value)
        if origin not in (ORIGIN_ICMP, ORIGIN_ICMP6) or not address:
            self.stats["error_local"] += 1
            return
        self.stats["error_icmp"] += 1
        text = icmp_text(self.family, kind, code)
        host = str(address[0]).partition("%")[0]
        self._on_error(IcmpError(host, address[1], quoted, text, _offender(value[_EXTENDED_ERR.size :])))


def _offender(sockaddr: bytes) -> str:
    """The sender of an ICMP error: a struct sockaddr_in or sockaddr_in6 behind the extended error; "" if unknown."""
    family = _FAMILY.unpack_from(sockaddr)[0] if len(sockaddr) >= _FAMILY.size else 0
    if family == socket.AF_INET and len(sockaddr) >= 8:
        return socket.inet_ntop(socket.AF_INET, sockaddr[4:8])
    if family == socket.AF_INET6 and len(sockaddr) >= 24:
        return socket.inet_ntop(socket.AF_INET6, sockaddr[8:24])
    return ""


class SendTime(NamedTuple):
    """When a probe left, on both clocks."""

    utc_ns: int
    mono_ns: int

    @classmethod
    def now(cls) -> SendTime:
        mono = time.monotonic_ns()
        return cls(time.time_ns(), mono)  # UTC last: it is the one compared with the kernel's stamp

    def round_trip_s(self, received_ns: int, stats: Counter[str]) -> float:
        """From the kernel's receive time; from the steady clock when UTC was stepped in between."""
        passed_ns = time.monotonic_ns() - self.mono_ns
        took_ns = received_ns - self.utc_ns
        if not 0 <= took_ns <= passed_ns + 1_000_000:
            stats["clock_stepped"] += 1
            took_ns = passed_ns
        return took_ns / 1e9
