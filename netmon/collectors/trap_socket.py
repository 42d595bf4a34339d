"""One UDP socket that traps come in on: bound here or handed over by systemd; IPv4, IPv6, or both."""

from __future__ import annotations

import errno
import logging
import socket
import struct
from typing import Any, NamedTuple

from netmon.addresses import parse_listen
from netmon.errors import NetmonError

log = logging.getLogger(__name__)

# A burst of 5,000 small datagrams while the loop is busy: the kernel counts up to 2.3 kB for each, and doubles this.
RECEIVE_BUFFER_BYTES = 8 << 20
MOST_BYTES = 65535
# Linux, <asm-generic/socket.h>, <linux/in.h>, <linux/in6.h>: Python has no names for them.
SO_RCVBUFFORCE, SO_MEMINFO, IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 33, 55, 8, 49, 50
MEMINFO_DROPS = 8  # <linux/sock_diag.h>, SK_MEMINFO_DROPS
MAPPED = "::ffff:"  # an IPv4 sender on an IPv6 socket, RFC 4291, section 2.5.5.2


class Datagram(NamedTuple):
    """``host``: its sender; ``at``: when it was read. The rest is for the reply."""

    data: bytes
    host: str
    at: float
    socket: TrapSocket
    address: Any
    to: bytes  # the address of ours that it was sent to, as the kernel wants it back


class TrapSocket:
    """Takes a bound UDP socket over. Raises NetmonError for any other."""

    def __init__(self, sock: socket.socket) -> None:
        if sock.type != socket.SOCK_DGRAM or sock.family not in (socket.AF_INET, socket.AF_INET6):
            raise NetmonError("traps: the socket that was handed over is not UDP")
        self.sock = sock
        sock.setblocking(False)
        sock.set_inheritable(False)
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)  # with CAP_NET_ADMIN
        except OSError:
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < 2 * RECEIVE_BUFFER_BYTES:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        # The reply to an inform must come from the very address that it was sent to.
        if sock.family == socket.AF_INET6:
            self._info = socket.IPPROTO_IPV6, IPV6_PKTINFO
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        else:
            self._info = socket.IPPROTO_IP, IP_PKTINFO
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)

    @property
    def name(self) -> str:
        host, port = self.sock.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def buffer_bytes(self) -> int:
        """What the kernel granted, in its own measure."""
        return self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def receive(self, most: int, now: float) -> list[Datagram]:
        """What waits in the kernel, at most ``most`` of it."""
        found = []
        for _ in range(most):
            try:
                data, ancillary, _, address = self.sock.recvmsg(MOST_BYTES, 64)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno not in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
                    raise
                continue  # an ICMP error for an earlier reply
            to = next((body for level, kind, body in ancillary if (level, kind) == self._info), b"")
            found.append(Datagram(data, address[0].removeprefix(MAPPED), now, self, address, to))
        return found

    def reply(self, datagram: Datagram, data: bytes) -> bool:
        """Answer from the address that was asked; False if it could not be sent."""
        ancillary = [(*self._info, _source(datagram.to))] if datagram.to else []
        try:
            self.sock.sendmsg([data], ancillary, 0, datagram.address)
        except OSError:
            return False  # the sender repeats its inform
        return True

    def dropped(self) -> int:
        """Datagrams the kernel dropped since the socket was made, as its buffer was full."""
        try:
            raw = self.sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 64)
        except OSError:  # closed, or a kernel before 4.12
            return 0
        return int(struct.unpack_from("=I", raw, 4 * MEMINFO_DROPS)[0])

    def close(self) -> None:
        self.sock.close()


def bind(listen: str) -> TrapSocket:
    """A socket at ``address:port``; "[::]" takes IPv4 too. Raises NetmonError with one line."""
    host, port = parse_listen(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise NetmonError(f"traps: no socket for {listen}: {error.strerror}") from error
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
        return TrapSocket(sock)
    except OSError as error:
        sock.close()
        raise NetmonError(f"traps: cannot listen on {listen}: {error.strerror}") from error


def _source(info: bytes) -> bytes:
    """The packet info to send with, from the one received: our address, any interface."""
    if len(info) == 12:  # struct in_pktinfo: interface, our address, address in the header
        return struct.pack("=I4s4s", 0, info[4:8], bytes(4))
    return info  # struct in6_pktinfo; link-local addresses need the interface
