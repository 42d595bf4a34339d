"""What every way of probing offers the prober, and where a probe goes.

A transport sends one probe per ``send`` and reports through ``on_answer(token, rtt_s, error, error_from)``: a round
trip, or None and what came instead. It never times out by itself: the prober calls ``forget`` when it waits no longer.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol

from netmon.model import Probe

Answer = Callable[[int, float | None, str, str], None]


class Destination(NamedTuple):
    """A resolved address. ``host`` is the text that the kernel gives back for it, without a scope."""

    family: socket.AddressFamily
    host: str
    port: int
    scope_id: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int]
    probe: Probe


class Transport(Protocol):
    """One way of probing, for all targets of one family. ``send`` raises OSError when the probe could not leave."""

    stats: Counter[str]

    def send(self, token: int, where: Destination) -> None: ...
    def forget(self, token: int) -> None: ...
    def drain(self) -> None: ...
    def close(self) -> None: ...


def destination(probe: Probe, info: tuple[int, tuple[object, ...]]) -> Destination:
    """From one (family, sockaddr) of getaddrinfo."""
    family, address = info
    host = str(address[0]).partition("%")[0]
    port = 0 if probe.kind == "icmp" else probe.port
    if family != socket.AF_INET6:
        return Destination(socket.AF_INET, host, port, 0, (host, port), probe)
    scope = address[3] if isinstance(address[3], int) else 0
    return Destination(socket.AF_INET6, host, port, scope, (host, port, 0, scope), probe)


def numeric(probe: Probe) -> Destination | None:
    """The destination of a probe with a numeric address, IPv6 perhaps with ``%interface``; None for a name."""
    try:
        found = socket.getaddrinfo(probe.address, None, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return destination(probe, (found[0][0], found[0][4]))
