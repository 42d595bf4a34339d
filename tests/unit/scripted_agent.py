"""An SNMP agent on 127.0.0.1 that does what RFC 3416 says, until a script makes it misbehave."""

from __future__ import annotations

import asyncio
import bisect
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from netmon.clock import Clock
from netmon.collectors.snmp.ber import COUNTER32, END_OF_MIB_VIEW, NO_SUCH_INSTANCE, OCTET_STRING, TIME_TICKS, Oid
from netmon.collectors.snmp.engine import Columns, Engine, Target
from netmon.collectors.snmp.pdu import (
    GET,
    GET_BULK,
    NO_SUCH_NAME,
    RESPONSE,
    TOO_BIG,
    V1,
    Message,
    VarBind,
    decode_message,
    encode_message,
    encode_varbind,
)
from netmon.config import SnmpConfig
from netmon.model import Credential, Secret

Script = Callable[["Agent", Message], "bytes | Iterable[bytes] | None"]
SYS_UPTIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
IF_ENTRY: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IF_DESCR, IF_IN, IF_OUT = (*IF_ENTRY, 2), (*IF_ENTRY, 10), (*IF_ENTRY, 16)


def mib(rows: int = 10, columns: Iterable[int] = (2, 10, 16)) -> dict[Oid, VarBind]:
    """sysUpTime, part of an ifTable, and one object after it."""
    out = [VarBind(SYS_UPTIME, TIME_TICKS, 4711)]
    for column in columns:
        for index in range(1, rows + 1):
            oid = (*IF_ENTRY, column, index)
            text = VarBind(oid, OCTET_STRING, b"eth%d" % index)
            out.append(text if column == 2 else VarBind(oid, COUNTER32, column * 1000 + index))
    out.append(VarBind((1, 3, 6, 1, 2, 1, 31, 1, 5, 0), COUNTER32, 1))
    return {v.oid: v for v in out}


class Agent(asyncio.DatagramProtocol):
    """``script`` sees each request first: it returns what to send (bytes or several), or None for the true answer."""

    def __init__(self, objects: dict[Oid, VarBind], script: Script | None = None, max_bytes: int = 1400) -> None:
        self.objects = objects
        self.order = sorted(objects)
        self.script = script
        self.max_bytes = max_bytes
        self.seen: list[Message] = []
        self.transport: Any = None
        self.client: Any = None
        self.port = 0

    async def start(self, host: str = "127.0.0.1") -> Agent:
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self.asked = asyncio.Event()
        self.transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=self.sock)
        return self

    def target(self, version: str = "2c", host: str = "127.0.0.1") -> Target:
        return Target(host, self.port, Credential("c", version, Secret("public")), f"agent-{self.port}")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = decode_message(data)
        self.seen.append(message)
        self.client = addr
        self.asked.set()
        answer = self.script(self, message) if self.script else None
        if answer is None:
            answer = self.answer(message)
        for datagram in [answer] if isinstance(answer, bytes) else answer:
            self.sock.sendto(datagram, addr)  # the transport would not send an empty one

    def reply(self, message: Message, varbinds: Iterable[VarBind], status: int = 0, index: int = 0) -> bytes:
        return encode_message(message.version, message.community, RESPONSE, message.request_id, status, index, varbinds)

    def after(self, oid: Oid) -> VarBind:
        at = bisect.bisect_right(self.order, oid)
        return self.objects[self.order[at]] if at < len(self.order) else VarBind(oid, END_OF_MIB_VIEW, None)

    def answer(self, message: Message) -> bytes:
        names = [v.oid for v in message.varbinds]
        if message.pdu_type == GET:
            got = [self.objects.get(oid, VarBind(oid, NO_SUCH_INSTANCE, None)) for oid in names]
        elif message.pdu_type == GET_BULK:
            got, size = [], 60
            for _ in range(message.error_index):
                row = [self.after(oid) for oid in names]
                for varbind in row:  # cut anywhere, as RFC 3416 section 4.2.3 allows
                    size += len(encode_varbind(varbind))
                    if size > self.max_bytes:
                        return self.reply(message, got)
                    got.append(varbind)
                names = [v.oid for v in row]
        else:
            got = [self.after(oid) for oid in names]
        if message.version == V1:
            for i, varbind in enumerate(got, 1):
                if varbind.tag >= 0x80:
                    return self.reply(message, message.varbinds, NO_SUCH_NAME, i)
        out = self.reply(message, got)
        return out if len(out) <= self.max_bytes else self.reply(message, message.varbinds, TOO_BIG)


# --- what every test of the engine does ---

CONFIG = SnmpConfig(timeout_s=1.0, retries=2, budget_s=10.0, sockets=2)
COLUMNS = (IF_DESCR, IF_IN, IF_OUT)
TRUTH = {column: {oid[len(column) :]: v for oid, v in mib().items() if oid[:-1] == column} for column in COLUMNS}


def run(
    act: Callable[[Engine, Agent], Awaitable[Any]], script: Script | None = None, objects: Any = None, **options: Any
) -> Any:
    """Start an agent and an engine, do ``act``, stop both."""

    async def whole() -> Any:
        agent = await Agent(mib() if objects is None else objects, script).start()
        engine = Engine(replace(CONFIG, **options), Clock())
        await engine.start()
        try:
            return await asyncio.wait_for(act(engine, agent), 30)
        finally:
            await engine.close()
            agent.transport.close()

    return asyncio.run(whole())


async def poll(engine: Engine, agent: Agent) -> Columns:
    return await engine.columns(agent.target(), COLUMNS)


async def poll_stats(engine: Engine, agent: Agent) -> tuple[Columns, dict[str, int], Agent]:
    return await engine.columns(agent.target(), COLUMNS), dict(engine.stats), agent


def whole(got: Columns) -> bool:
    return got.rows == TRUTH and not got.failed


def has(message: Message, column: Oid) -> int:
    """Place of ``column`` among the names of a request, from 1; 0 if it is not there."""
    return next((i for i, v in enumerate(message.varbinds, 1) if v.oid[: len(column)] == column), 0)


def first_time(script: Script) -> Script:
    """Misbehave once per request id, then answer truly."""
    met: set[int] = set()

    def act(agent: Agent, message: Message) -> Any:
        if message.request_id in met:
            return None
        met.add(message.request_id)
        return script(agent, message)

    return act
