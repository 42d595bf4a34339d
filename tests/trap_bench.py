"""A trap listener on loopback with a small inventory, and pysnmp as a sender that knows nothing of our codec."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    NotificationType,
    ObjectIdentity,
    SnmpEngine,
    UdpTransportTarget,
    send_notification,
)

from netmon.clock import Clock
from netmon.collectors.trap_socket import TrapSocket
from netmon.collectors.traps import Traps
from netmon.config import TrapConfig
from netmon.model import Credential, Device, Event, Inventory, Secret
from tests.conftest import free_port

COMMUNITY = "netmon-traps of a test"
V3 = Credential(
    "v3", "3", username="netmon-traps", security_level="authPriv", auth_protocol="SHA256",
    auth_password=Secret("auth-of-a-test"), priv_protocol="AES", priv_password=Secret("priv-of-a-test"),
)  # fmt: skip
CREDENTIALS = {
    "lab": Credential("lab", "2c", Secret(COMMUNITY)),
    "other": Credential("other", "2c", Secret("khác")),
    "v3": V3,
}
DEVICES = {
    d.id: d
    for d in (
        Device("r-1", "router", "127.0.0.1", 161, "lab", site="s-1"),
        Device("r-2", "router", "127.0.0.2", 161, "other", site="s-2"),
        Device("r-3", "router", "127.0.0.3", 161, "v3", site="s-3"),
        Device("r-6", "router", "::1", 161, "lab", site="s-6"),
        Device("ups-10", "ups", "10.9.8.7", 161, "lab", site="s-1"),
    )
}
INVENTORY = Inventory(devices=DEVICES, credentials=CREDENTIALS)
LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"


class Bench:
    """``events``: what the listener told; ``at``: where it listens."""

    def __init__(self, traps: Traps, events: list[Event], host: str, port: int) -> None:
        self.traps, self.events, self.host, self.port = traps, events, host, port

    def send(self, data: bytes, source: str = "127.0.0.1", host: str = "") -> None:
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((source, 0))
            sock.sendto(data, (host or self.host, self.port))

    async def until(self, check: Callable[[], object], what: str = "condition") -> None:
        for _ in range(2000):
            if check():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"not within 10 s: {what}; {dict(self.traps.stats)}")

    async def counted(self, **stats: int) -> None:
        await self.until(lambda: all(self.traps.stats[name] >= n for name, n in stats.items()), str(stats))
        assert {name: self.traps.stats[name] for name in stats} == stats


@contextlib.asynccontextmanager
async def listening(host: str = "127.0.0.1", *sockets: TrapSocket, **options: Any) -> AsyncIterator[Bench]:
    port = free_port(socket.SOCK_DGRAM)
    listen = options.pop("listen", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    events: list[Event] = []
    traps = Traps(TrapConfig(listen, **options), Clock(), events.append, b"\x80\x00\x7e\xd9\x05netmon-test")
    traps.set_inventory(INVENTORY, {"198.18.0.0/15": "10.0.0.0/15"})
    traps.start(sockets)
    try:
        yield Bench(traps, events, host, port)
    finally:
        traps.close()


async def notify(
    bench: Bench,
    name: str,
    *varbinds: tuple[str, Any],
    user: Any = None,
    how: str = "trap",
    version: int = 1,
    source: str = "127.0.0.1",
    host: str = "",
    timeout_s: float = 2.0,
) -> str:
    """pysnmp sends one notification; what it says went wrong, "" if nothing."""
    engine = SnmpEngine()
    target = await UdpTransportTarget.create((host or bench.host, bench.port), timeout=timeout_s, retries=1)
    target.set_local_address((source, 0))
    auth = user or CommunityData("x", COMMUNITY, mpModel=version)
    what = NotificationType(ObjectIdentity(name)).add_varbinds(*varbinds)
    error, *_ = await send_notification(engine, auth, target, ContextData(), how, what)
    await asyncio.sleep(0.02)  # its datagram leaves in a later turn of the loop
    engine.close_dispatcher()
    return str(error or "")
