"""Simulated agents whose credential is of version 3: read by our engine and by net-snmp, as strict as real ones."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace

import pytest

from netmon.clock import Clock
from netmon.collectors.snmp.engine import Engine, Target
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import load_profiles
from netmon.config import SnmpConfig
from netmon.errors import CollectError
from netmon.model import Credential, Inventory, Secret
from netmon.sim.agent_v3 import engine_id_of
from netmon.sim.province import Province
from netmon.sim.world import Fault
from tests.conftest import need
from tests.unit.test_sim_agents import KINDS, inventory, running, whole, with_engine

CREDENTIAL = Credential(
    "sim", "3", username="ops", security_level="authPriv", auth_protocol="SHA256", auth_password=Secret("sim-password"),
    priv_protocol="AES", priv_password=Secret("sim-privacy"),
)  # fmt: skip
SYS_NAME = (1, 3, 6, 1, 2, 1, 1, 5, 0)


def facts_v3() -> Inventory:
    return replace(inventory(), credentials={"sim": CREDENTIAL})


def test_every_kind_is_polled_and_a_reboot_is_followed() -> None:
    facts = facts_v3()

    async def act(province: Province, engine: Engine) -> None:
        poller = Poller(engine, load_profiles(), SnmpConfig(), Clock())
        for name in KINDS.values():
            result = await poller.poll(facts.devices[name], CREDENTIAL, full=True)
            assert (result.ok, result.reason) == (True, ""), name
        assert engine.stats["report_discovery"] == len(KINDS)
        province.world.add([Fault("power", "site", 1, 1)])
        for t in range(4):
            province.world.step(float(t))
        device = facts.devices[KINDS["huawei"]]
        target = Target(device.address, device.port, CREDENTIAL, device.id)
        assert (await engine.get(target, [SYS_NAME]))[0].value == device.id.encode()
        assert engine.stats["report_time"] == 1  # boots counted up
        wrong = target._replace(credential=replace(CREDENTIAL, auth_password=Secret("other-password")))
        with pytest.raises(CollectError) as caught:
            await engine.get(wrong, [SYS_NAME])
        assert caught.value.reason == "auth"

    with_engine(facts, act)


def test_net_snmp_reads_the_same() -> None:
    need("snmpbulkwalk")
    facts = facts_v3()

    async def run() -> None:
        async with running(facts) as province:
            device = facts.devices[KINDS["cisco"]]
            child = await asyncio.create_subprocess_exec(
                shutil.which("snmpbulkwalk") or "", "-v3", "-l", "authPriv", "-u", "ops", "-a", "SHA-256", "-A",
                "sim-password", "-x", "AES", "-X", "sim-privacy", "-m", "", "-Onq", "-r1",
                f"{device.address}:{device.port}", ".1.3",
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            out, _ = await child.communicate()
            lines = [line for line in out.decode().splitlines() if line.startswith(".1.3") and "No more" not in line]
            read = [tuple(int(n) for n in line.split(" ", 1)[0].strip(".").split(".")) for line in lines]
            assert read == [o for o, _ in whole(province.devices[device.id]) if o[:2] == (1, 3)], out[-200:]

    asyncio.run(run())


def test_every_device_has_an_engine_id_of_its_own() -> None:
    ids = {engine_id_of(f"device-{i}") for i in range(1000)}
    assert len(ids) == 1000
    assert {len(i) for i in ids} == {9}
