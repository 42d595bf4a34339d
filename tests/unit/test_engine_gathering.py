"""Replies read together while much is under way: none is lost, and with little under way each is read as it comes."""

from __future__ import annotations

import asyncio

import pytest

from netmon.collectors.snmp.engine import Engine
from netmon.collectors.snmp.exchange import Port
from netmon.collectors.snmp.transport import BUSY, Transport
from tests.unit.scripted_agent import Agent, poll, run, whole


def test_replies_are_gathered_while_many_are_under_way_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    readable, gathered = Transport._readable, Transport._gathered
    read: list[str] = []

    def on_readable(self: Transport, port: Port) -> None:
        read.append("as it came")
        readable(self, port)

    def on_gathered(self: Transport, port: Port) -> None:
        read.append("gathered")
        gathered(self, port)

    monkeypatch.setattr(Transport, "_readable", on_readable)
    monkeypatch.setattr(Transport, "_gathered", on_gathered)

    async def act(engine: Engine, agent: Agent) -> None:
        found = await asyncio.gather(*(poll(engine, agent) for _ in range(5 * BUSY)))
        assert all(whole(got) for got in found)
        assert engine.stats["replies"] == engine.stats["requests"] == len(agent.seen)
        assert "gathered" in read
        assert len(read) < engine.stats["replies"]
        assert whole(await poll(engine, agent))  # perhaps still by the last gathering, which finds little under way
        read.clear()
        assert whole(await poll(engine, agent))
        assert set(read) == {"as it came"}

    run(act, sockets=1, timeout_s=10.0)
