"""What the transport moves: one request on its way, and the sockets with their lanes."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from netmon.collectors.snmp.course import Repeat
from netmon.collectors.snmp.layout import Value
from netmon.collectors.snmp.pdu import RESPONSE, Head, VarBind
from netmon.collectors.snmp.peer import Peer
from netmon.collectors.snmp.request import Request
from netmon.collectors.snmp.session import Session

RECEIVE_BUFFER_BYTES = 4 << 20

NONE: dict[int, bool] = {}  # stays empty, as does the next
NOTHING: set[tuple[int, str]] = set()

Done = Callable[["Exchange", Head | None, list[VarBind]], None]
# (what happened, to which, bytes of the datagram, monotonic seconds, what there is to say of it)
# what: sent | reply | timeout | report | ignored
Trace = Callable[[str, "Exchange", int, float, str], None]


class Exchange:
    """One request until its reply or the end of its attempts. ``reason`` says why none counted."""

    __slots__ = (
        "any_source", "attempt", "attempts", "community", "done", "due", "first_mono", "id", "lane", "listed",
        "messages", "over", "peer", "port", "reason", "repeat", "repeated", "request", "sent_mono", "session", "step",
        "tag", "timeout_s", "values", "version",
    )  # fmt: skip

    def __init__(
        self,
        peer: Peer,
        request: Request,
        version: int,
        community: bytes,
        attempts: int,
        done: Done,
        tag: object,
        session: Session | None = None,
    ) -> None:
        self.peer = peer
        self.request = request
        self.version = version
        self.community = community
        self.attempts = attempts
        self.done = done
        self.tag = tag  # the caller's own
        self.timeout_s = 0.0  # 0: the configured one
        self.session = session  # v3 only
        self.any_source = False  # a reply may come from another address or port than was asked
        self.attempt = 0
        self.id = 0  # of the request; v3 has another one for each message that carries it
        # v3: msgID -> whether that message only asked who the agent is
        self.messages: dict[int, bool] = NONE if session is None else {}
        self.repeated: set[tuple[int, str]] = (
            NOTHING if session is None else set()
        )  # v3: (attempt, why it was sent anew)
        self.first_mono = 0.0
        self.sent_mono = 0.0
        self.reason = "timeout"
        self.over = False
        self.due = 0.0  # when it is given up or sent again, in the loop's seconds; 0: not on its way
        self.lane: Lane | None = None  # whose slot it holds
        self.port: Port | None = None
        self.repeat: Repeat | None = None  # it repeats this ``step`` of a course: ``values`` are what it is after
        self.step = 0
        self.values: tuple[Value, ...] | None = None
        self.listed: bytes | None = None  # where it is not None: the varbind list of the reply, as it came

    def came_from(self, source: Any) -> bool:
        """Whether a reply may come from there."""
        return self.any_source or bool(source[:2] == self.peer.address[:2])

    @property
    def introduced(self) -> bool:
        """The agent said who it is on the way."""
        return any(what == "discovery" for _, what in self.repeated)

    def mismatch(self, head: Head) -> str:
        """Why a v1 or v2c message with this request's id is not its reply; empty when it is."""
        return (
            "wrong_pdu" if head.pdu_type != RESPONSE
            else "wrong_version" if head.version != self.version
            else "wrong_community" if head.community != self.community
            else ""
        )  # fmt: skip


class Lane:
    """At most ``size`` packets outstanding; the rest waits in line."""

    __slots__ = ("size", "used", "waiting")

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self.waiting: deque[Exchange] = deque()


class Port:
    """One socket with its two lanes."""

    def __init__(self, family: int, in_flight: int) -> None:
        self.sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        if family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, 33, RECEIVE_BUFFER_BYTES)  # SO_RCVBUFFORCE, with CAP_NET_ADMIN
        except OSError:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.living = Lane(in_flight)
        self.silent = Lane(in_flight)
