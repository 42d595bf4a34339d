"""Devices that must be asked otherwise: in another SNMPv3 context, or answering from elsewhere; odd identities."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netmon.clock import Clock
from netmon.collectors.snmp.ber import COUNTER32, GAUGE32, OBJECT_ID, OCTET_STRING, TIME_TICKS, Oid
from netmon.collectors.snmp.engine import Engine
from netmon.collectors.snmp.exporter import Exporter
from netmon.collectors.snmp.modules import parse_oid
from netmon.collectors.snmp.pdu import Message, VarBind
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import Profiles, load_profiles
from netmon.config import SnmpConfig
from netmon.errors import CollectError, ConfigError
from netmon.model import Credential, Device, PollResult, Secret
from netmon.profile_check import read_walk
from netmon.rawvalues import as_oid
from netmon.sim.agent_v3 import AgentV3, Asked
from tests.unit.scripted_agent import Agent, run
from tests.unit.scripted_v3 import CREDENTIAL, ENGINE, RING, Agent3
from tests.unit.test_poller import Lab

POWER = "1.3.6.1.4.1.9999.1.1"  # a table entry
SCALAR = "1.3.6.1.4.1.9999.2.1"
PROFILE = f"""
modules:
  odd:
    walk: ["{POWER}"]
    get: ["{SCALAR}.0"]
    SETTING
    metrics:
      - {{name: rectifierVolts, oid: {POWER}.2, type: gauge, indexes: [{{labelname: rectifier, type: gauge}}]}}
      - {{name: batteryVolts, oid: {SCALAR}, type: gauge}}
netmon: {{name: odd, modules: [odd], match: [".1.3.6.1.4.1.9999"], OWN}}
"""


def profiles(folder: Path, setting: str = "", own: str = "") -> Profiles:
    path = folder / "odd.yml"
    path.write_text(PROFILE.replace("SETTING", setting).replace("OWN", own), encoding="utf-8")
    return load_profiles((str(path),))


def objects(of: dict[str, tuple[int, Any]]) -> dict[Oid, VarBind]:
    return {oid: VarBind(oid, *of[name]) for name, oid in sorted((name, parse_oid(name)) for name in of)}


SYSTEM = {
    "1.3.6.1.2.1.1.2.0": (OBJECT_ID, parse_oid("1.3.6.1.4.1.9999.7")),
    "1.3.6.1.2.1.1.3.0": (TIME_TICKS, 4711),
    "1.3.6.1.2.1.2.2.1.10.1": (COUNTER32, 5),
    "1.3.6.1.2.1.31.1.1.1.1.1": (OCTET_STRING, b"ge0"),
}
VALUES = {f"{POWER}.2.1": (GAUGE32, 53), f"{POWER}.2.2": (GAUGE32, 54), f"{SCALAR}.0": (GAUGE32, 48)}


async def polls(engine: Engine, agent: Agent, known: Profiles, credential: Credential, times: int) -> list[PollResult]:
    poller = Poller(engine, known, SnmpConfig(timeout_s=1.0, budget_s=5.0), Clock())
    device = Device("d1", "router", "127.0.0.1", agent.port, "c", site="s1", profiles=("odd",))
    found = [await poller.poll(device, credential) for _ in range(times)]
    assert poller.stats["repeated"] == max(0, times - 2)
    return found


def volts(result: PollResult) -> list[int]:
    lines = b"".join(result.chunks.get(name, b"") for name in ("rectifierVolts", "batteryVolts")).splitlines()
    return [int(line.split()[-2]) for line in lines]


# --- contexts --------------------------------------------------------------------------------------------------------


class TwoContexts(Agent3):
    """``power`` has other objects than the credential's context."""

    def __init__(self) -> None:
        super().__init__(objects(SYSTEM), None)
        power = AgentV3(replace(CREDENTIAL, context_name="power"), ENGINE, RING, boots=3)
        self.contexts = [(self.usm, objects(SYSTEM)), (power, objects(VALUES))]
        self.asked_in: dict[bytes, set[Oid]] = {}

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for usm, held in self.contexts:
            self.usm, self.objects, self.order = usm, held, sorted(held)
            asked = usm.receive(data, self.uptime_s)
            if isinstance(asked, Asked):
                self.asked_in.setdefault(asked.context, set()).update(v.oid for v in asked.message.varbinds)
                break
        super().datagram_received(data, addr)


def test_a_profiles_objects_are_read_in_its_context(tmp_path: Path) -> None:
    known = profiles(tmp_path, own="context_name: power")

    async def act(engine: Engine, _: Agent) -> TwoContexts:
        agent = TwoContexts()
        await agent.start()
        try:
            for result in await polls(engine, agent, known, CREDENTIAL, 5):
                assert (result.ok, result.failed) == (True, {})
                assert volts(result) == [53, 54, 48]
                assert list(result.ports) == ["ge0"]
        finally:
            agent.transport.close()
        return agent

    asked = run(act).asked_in
    vendor = parse_oid(POWER)[:7]
    assert asked.keys() == {b"vrf-1", b"power"}
    assert all(oid[:7] == vendor for oid in asked[b"power"] - {(1, 3, 6, 1, 2, 1, 1, 3, 0)})  # sysUpTime is a probe
    assert not any(oid[:7] == vendor for oid in asked[b"vrf-1"])


def test_a_context_is_for_v3_alone(tmp_path: Path) -> None:
    known = profiles(tmp_path, own="context_name: power")

    async def act(engine: Engine, agent: Agent) -> None:
        credential = Credential("c", "2c", Secret("public"))
        assert [volts(result) for result in await polls(engine, agent, known, credential, 4)] == [[53, 54, 48]] * 4

    run(act, objects=objects(SYSTEM | VALUES))


def test_a_context_name_that_cannot_be_is_refused(tmp_path: Path) -> None:
    for wrong in ("[a]", "x" * 33):
        with pytest.raises(ConfigError, match="context"):
            profiles(tmp_path, own=f"context_name: {wrong}")


# --- from another address --------------------------------------------------------------------------------------------


def from_elsewhere(agent: Agent, message: Message) -> Iterable[bytes]:
    """First a reply to a request that was never made, then the true one, both from another address and port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.2", 0))
    lie = [varbind._replace(tag=GAUGE32, value=666) for varbind in message.varbinds]
    sock.sendto(agent.reply(message._replace(request_id=message.request_id ^ 1), lie), agent.client)
    sock.sendto(agent.answer(message), agent.client)
    sock.close()
    return []


@pytest.mark.parametrize("allowed", [True, False])
def test_replies_from_another_address_count_where_the_module_says_so(tmp_path: Path, allowed: bool) -> None:
    known = profiles(tmp_path, f"use_unconnected_udp_socket: {str(allowed).lower()}")

    async def polled(engine: Engine, agent: Agent) -> dict[str, int]:
        results = await polls(engine, agent, known, agent.target().credential, 4 if allowed else 1)
        assert [volts(result) for result in results] == ([[53, 54, 48]] * 4 if allowed else [[]])
        assert results[0].ok is allowed
        return dict(engine.stats)

    async def scraped(engine: Engine, agent: Agent) -> dict[str, int]:
        asked = Exporter(engine, Clock()).text(agent.target(), [known.modules["odd"]], 5.0)
        if allowed:
            assert b'rectifierVolts{rectifier="2"} 54' in await asked
        else:
            with pytest.raises(CollectError):
                await asked
        return dict(engine.stats)

    for act in (polled, scraped):
        stats = run(act, from_elsewhere, objects(SYSTEM | VALUES), timeout_s=0.3, retries=0)
        assert stats["unknown_id"] > 0
        assert (stats.get("wrong_source", 0) == 0) is allowed


# --- identities ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [".1.3.6.1.4.1.2011.2.224", "1.3.6.1.4.1.2011.2.224", "\0.1.3.6.1.4.1.2011.2.224\r\n"])
def test_a_sys_object_id_that_is_text_is_read_with_and_without_its_leading_dot(text: str) -> None:
    lab = Lab()
    lab.port(1, "ge0")
    lab.agent.set("1.3.6.1.2.1.1.2.0", OCTET_STRING, text)
    assert lab.poll().sys_object_id == "1.3.6.1.4.1.2011.2.224"
    assert lab.asked("1.3.6.1.4.1.2011.5.25.31.1.1.1.1.5")  # hwEntityCpuUsage: the profile was found


@pytest.mark.parametrize("value", [b"", b".", b"1..3", b"1.3.", b"1.3.6.1.4.1.99999999999", b"router", 7, None])
def test_what_is_no_oid_is_none(value: bytes | int | None) -> None:
    assert as_oid(value) == ()


def test_profiles_and_walks_are_read_with_a_leading_dot(tmp_path: Path) -> None:
    known = profiles(tmp_path)
    assert known.choose(parse_oid("1.3.6.1.4.1.9999.7"))[0].name == "odd"
    walk = tmp_path / "device.walk"
    walk.write_text(".1.3.6.1.2.1.1.2.0 = OID: .1.3.6.1.4.1.9999.7\n", encoding="utf-8")
    assert read_walk(walk).has(parse_oid(".1.3.6.1.2.1.1.2.0"))
