"""The scripted agent over SNMPv3."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from netmon.clock import Clock
from netmon.collectors.snmp import pdu, v3
from netmon.collectors.snmp.ber import Oid
from netmon.collectors.snmp.engine import Engine, Target
from netmon.collectors.snmp.pdu import Message, VarBind
from netmon.collectors.snmp.usm import KeyRing
from netmon.model import Credential, Secret
from netmon.sim.agent_v3 import AgentV3, Asked
from tests.unit.scripted_agent import CONFIG, Agent, mib

ENGINE = bytes.fromhex("80007ed90501020304")
CREDENTIAL = Credential(
    "v3", "3", username="ops", security_level="authPriv", auth_protocol="SHA256", auth_password=Secret("hidden-word-1"),
    priv_protocol="AES", priv_password=Secret("hidden-word-2"), context_name="vrf-1",
)  # fmt: skip
RING = KeyRing(1)
Script = Callable[["Agent3", Asked], "Iterable[bytes] | None"]


class Agent3(Agent):
    """``script`` sees what the agent believed; refusals go out as they are, unless ``refuse`` replaces them."""

    def __init__(self, objects: dict[Oid, VarBind], script: Script | None, credential: Credential = CREDENTIAL) -> None:
        super().__init__(objects)
        self.act = script
        self.usm = AgentV3(credential, ENGINE, RING, boots=3)
        self.uptime_s = 5000.0
        self.datagrams: list[bytes] = []
        self.believed: list[Asked] = []
        self.refuse: Callable[[bytes, bytes], Iterable[bytes]] = lambda data, report: [report]
        self.mute = False
        self._now: Any = None

    def ask_with(self, **changes: Any) -> Target:
        return Target("127.0.0.1", self.port, replace(CREDENTIAL, **changes), f"agent-{self.port}")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.datagrams.append(data)
        self.client = addr
        asked = self.usm.receive(data, self.uptime_s)
        if self.mute or asked is None:
            return
        if isinstance(asked, bytes):
            answers: Iterable[bytes] = self.refuse(data, asked)
        else:
            self.believed.append(asked)
            self._now = asked
            scripted = self.act(self, asked) if self.act else None
            answers = [self.true(asked)] if scripted is None else scripted
        for datagram in answers:
            self.sock.sendto(datagram, addr)

    def true(self, asked: Asked) -> bytes:
        self._now = asked
        return self.answer(asked.message)

    def reply(self, message: Message, varbinds: Iterable[VarBind], status: int = 0, index: int = 0) -> bytes:
        return self.usm.reply(self._now, status, index, list(varbinds))

    def crafted(
        self,
        asked: Asked,
        *,
        level: int | None = None,
        engine_id: bytes = ENGINE,
        back_s: int = 0,
        boots: int | None = None,
        user: bytes = b"ops",
        auth: Credential = CREDENTIAL,
        context: bytes = b"vrf-1",
        scope_engine: bytes | None = None,
        request_id: int | None = None,
        pdu_type: int = pdu.RESPONSE,
        body: bytes | None = None,
    ) -> bytes:
        """A reply with wrong values, right in all but what is given."""
        level = asked.level if level is None else level
        binds = [v._replace(oid=(*v.oid, 1), tag=0x41, value=666) for v in asked.message.varbinds]
        number = asked.message.request_id if request_id is None else request_id
        scope = v3.encode_scope(
            engine_id if scope_engine is None else scope_engine, context,
            pdu.encode_pdu(pdu_type, number, 0, 0, binds) if body is None else body,
        )  # fmt: skip
        keys = RING.keys(auth, engine_id)
        return v3.encode_message(
            asked.message_id, level, engine_id, self.usm.boots if boots is None else boots,
            int(self.uptime_s) - back_s, user, keys, scope, RING.salt(),
        )  # fmt: skip


def run3(
    act: Callable[[Engine, Agent3], Awaitable[Any]], script: Script | None = None,
    credential: Credential = CREDENTIAL, **options: Any,
) -> Any:  # fmt: skip
    """As `run`, with an agent that speaks v3."""

    async def whole() -> Any:
        agent = Agent3(mib(), script, credential)
        await agent.start()
        engine = Engine(replace(CONFIG, **options), Clock())
        await engine.start()
        try:
            return await asyncio.wait_for(act(engine, agent), 30)
        finally:
            await engine.close()
            agent.transport.close()

    return asyncio.run(whole())
