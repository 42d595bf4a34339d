"""The simulated agents: tables as agents must have them, read by our engine and by net-snmp, on loopback only."""

from __future__ import annotations

import asyncio
import shutil
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import pytest

from netmon.clock import Clock
from netmon.collectors.probes.stamp_packet import decode_reply, encode_probe
from netmon.collectors.snmp import pdu
from netmon.collectors.snmp.ber import END_OF_MIB_VIEW, NO_SUCH_INSTANCE, Oid
from netmon.collectors.snmp.engine import Engine, Target
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import load_profiles
from netmon.config import SnmpConfig
from netmon.errors import CollectError, NetmonError
from netmon.model import Credential, Device, Inventory, Line, Node, Probe, Secret, Site
from netmon.sim.links import own_table_of
from netmon.sim.mib import COUNTER64, Mib, SimDevice, table_of
from netmon.sim.province import MAX_REPLY_BYTES, ROUTERS, Province, answer, build_devices
from netmon.sim.weather import Climate
from netmon.sim.world import Fault, World
from tests.conftest import free_port, need

COMMUNITY = "sim-only"
CONFIG = SnmpConfig(timeout_s=0.15, retries=0)
T = TypeVar("T")


def named(kind: str) -> str:
    """A device id that the mix of routers makes this kind."""
    return next(i for i in (f"r-{n}" for n in range(99)) if ROUTERS[zlib.crc32(i.encode()) % len(ROUTERS)] == kind)


KINDS = {
    "huawei": named("huawei"),
    "cisco": named("cisco"),
    "mikrotik": named("mikrotik"),
    "ups": "ups-1",
    "node": "r-n",
}


def inventory(host: str = "127.0.0.1", version: str = "2c") -> Inventory:
    """One device of each kind at `site` (which has two lines from node `n`), each on a port of its own."""
    taken: set[int] = set()

    def port() -> int:
        found = next(p for p in iter(lambda: free_port(socket.SOCK_DGRAM), 0) if p not in taken)
        taken.add(found)
        return found

    credential = Credential("sim", version, Secret(COMMUNITY))
    devices = {}
    for kind, name in KINDS.items():
        of = {"node": "n"} if kind == "node" else {"site": "site"}
        devices[name] = Device(name, "ups" if kind == "ups" else "router", host, port(), "sim", **of)
    lines = {
        "l1": Line("l1", "site", "n", Probe("stamp", host, port()), device=KINDS["huawei"], if_name="GE0/0/9",
                   remote_device="r-n", remote_if_name="Gi0/0/1/1"),
        "l2": Line("l2", "site", "n", Probe("stamp", host, port()), device=KINDS["mikrotik"], if_name="sfp1"),
    }  # fmt: skip
    nodes = {
        "n": Node("n", "Nút", "aggregation", None, probe=Probe("stamp", host, port())),
        "mcu": Node("mcu", "MCU", "service", "n", probe=Probe("tcp", host, free_port())),
    }
    sites = {"site": Site("site", "UBND", "site", "government", "commune", "area")}
    return Inventory(nodes=nodes, sites=sites, lines=lines, devices=devices, credentials={"sim": credential})


def simulated(kind: str) -> SimDevice:
    return build_devices(World(inventory()))[KINDS[kind]]


def ask(
    sim: SimDevice, pdu_type: int, *oids: Oid, version: int = pdu.V2C, fields: tuple[int, int] = (0, 0)
) -> pdu.Message:
    """One request to an agent, without a network. ``fields``: non-repeaters and max-repetitions of GETBULK."""
    names = [pdu.VarBind(oid, 5, None) for oid in oids]
    request = pdu.encode_message(version, COMMUNITY.encode(), pdu_type, 77, *fields, names)
    reply = answer(sim, request, COMMUNITY.encode())
    assert reply is not None
    message = pdu.decode_message(reply)
    assert (message.request_id, message.version, message.community) == (77, version, COMMUNITY.encode())
    return message


def whole(sim: SimDevice) -> list[tuple[Oid, int]]:
    """All objects of an agent with their tags, in order: what its kind has, and what it alone has."""
    tables: tuple[Mib, ...] = table_of(sim), own_table_of(sim)
    return sorted(pair for mib in tables for pair in zip(mib.oids, mib.tags, strict=True))


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_objects_of_a_kind_are_in_order_and_each_there_once(kind: str) -> None:
    mib = table_of(simulated(kind))
    assert len(mib.oids) > 20
    assert all(a < b for a, b in zip(mib.oids, mib.oids[1:], strict=False))
    assert len(mib.oids) == len(mib.tags) == len(mib.getters)


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_fits_its_type(kind: str) -> None:
    """Over a day, with and without mains: what is not of its type is not encoded, or comes back as something else."""
    sim = simulated(kind)
    sim.world.add([Fault("power", "site", 100, 50), Fault("fibre", "l1", 300, 99_999)])
    mib = table_of(sim)
    for t in (0.0, 110.0, 160.0, 4000.0, 86_400.0):
        sim.world.step(t)
        for oid, tag in zip(mib.oids, mib.tags, strict=True):
            (varbind,) = ask(sim, pdu.GET, oid).varbinds
            assert (varbind.oid, varbind.tag) == (oid, tag)
            expected = mib.getters[mib.oids.index(oid)](sim)
            assert varbind.value == expected, oid


@pytest.mark.parametrize("version", [pdu.V1, pdu.V2C])
@pytest.mark.parametrize("kind", KINDS)
def test_getnext_walks_from_end_to_end(kind: str, version: int) -> None:
    sim = simulated(kind)
    oid: Oid = (0, 0)
    found: list[Oid] = []
    for _ in range(len(whole(sim)) + 1):
        message = ask(sim, pdu.GET_NEXT, oid, version=version)
        (varbind,) = message.varbinds
        if varbind.tag == END_OF_MIB_VIEW or message.error_status:
            break
        oid = varbind.oid
        found.append(oid)
    everything = [o for o, tag in whole(sim) if version == pdu.V2C or tag != COUNTER64]
    assert found == everything
    if version == pdu.V1:
        assert (message.error_status, message.error_index) == (pdu.NO_SUCH_NAME, 1)
        assert varbind.oid == oid, "the request comes back as it was"
    else:
        assert (message.error_status, varbind.oid) == (0, oid)


def test_getbulk_gives_columns_side_by_side_after_the_non_repeaters() -> None:
    sim = simulated("cisco")
    uptime, names, kinds = (1, 3, 6, 1, 2, 1, 1, 3), (1, 3, 6, 1, 2, 1, 2, 2, 1, 2), (1, 3, 6, 1, 2, 1, 2, 2, 1, 3)
    got = [v.oid for v in ask(sim, pdu.GET_BULK, uptime, names, kinds, fields=(1, 2)).varbinds]
    assert got == [(*uptime, 0), (*names, 1), (*kinds, 1), (*names, 2), (*kinds, 2)]


def test_a_reply_is_never_longer_than_a_frame() -> None:
    sim = simulated("node")
    request = pdu.encode_message(
        pdu.V2C, COMMUNITY.encode(), pdu.GET_BULK, 1, 0, 10_000, [pdu.VarBind((1, 3), 5, None)]
    )
    reply = answer(sim, request, COMMUNITY.encode())
    assert reply is not None
    assert MAX_REPLY_BYTES / 2 < len(reply) <= MAX_REPLY_BYTES + 72


def test_what_is_not_there() -> None:
    sim = simulated("ups")
    here, gone = (1, 3, 6, 1, 2, 1, 1, 5, 0), (1, 3, 6, 1, 2, 1, 1, 99, 0)
    message = ask(sim, pdu.GET, here, gone)
    assert [(v.oid, v.tag) for v in message.varbinds] == [(here, 4), (gone, NO_SUCH_INSTANCE)]
    old = ask(sim, pdu.GET, here, gone, version=pdu.V1)
    assert (old.error_status, old.error_index) == (pdu.NO_SUCH_NAME, 2)
    wide = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6, 1)
    assert ask(sim, pdu.GET, wide).varbinds[0].tag == COUNTER64
    assert ask(sim, pdu.GET, wide, version=pdu.V1).error_status == pdu.NO_SUCH_NAME, "v1 knows no 64 bits"


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"rubbish",
        pdu.encode_message(pdu.V2C, b"public", pdu.GET, 1, 0, 0, [pdu.VarBind((1, 3, 6, 1, 2, 1, 1, 3, 0), 5, None)]),
        pdu.encode_message(pdu.V2C, COMMUNITY.encode(), pdu.RESPONSE, 1, 0, 0, []),
        pdu.encode_message(pdu.V2C, COMMUNITY.encode(), 0xA3, 1, 0, 0, [pdu.VarBind((1, 3, 6), 2, 1)]),  # SetRequest
        pdu.encode_message(pdu.V1, COMMUNITY.encode(), pdu.GET_BULK, 1, 0, 9, [pdu.VarBind((1, 3), 5, None)]),
        pdu.encode_message(pdu.V2C, COMMUNITY.encode(), pdu.GET, 1, 0, 0, [])[:-3],
    ],
)
def test_what_a_real_agent_does_not_answer(request_: bytes) -> None:
    assert answer(simulated("cisco"), request_, COMMUNITY.encode()) is None


def test_counters_move_by_exactly_the_rate_of_the_port() -> None:
    sim = simulated("huawei")
    port = next(p for p in sim.ports if p.line == "l1")
    column = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6, sim.ports.index(port) + 1)
    before = ask(sim, pdu.GET, column).varbinds[0].value
    sim.world.step(30.0)
    after = ask(sim, pdu.GET, column).varbinds[0].value
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after - before == pytest.approx(port.rate_bps * 30 / 8, abs=1)


# --- over sockets ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(facts: Inventory) -> AsyncIterator[Province]:
    province = Province(World(facts, boot_s=0.0, ups_runtime_s=0.0))
    try:
        await province.start()
        yield province
    finally:
        province.close()


def with_engine(facts: Inventory, work: Callable[[Province, Engine], Awaitable[T]]) -> T:
    async def run() -> T:
        engine = Engine(CONFIG, Clock())
        await engine.start()
        try:
            async with running(facts) as province:
                return await work(province, engine)
        finally:
            await engine.close()

    return asyncio.run(run())


def target(facts: Inventory, kind: str, community: str = COMMUNITY) -> Target:
    device = facts.devices[KINDS[kind]]
    credential = replace(facts.credentials["sim"], community=Secret(community))
    return Target(device.address, device.port, credential, device.id)


@pytest.mark.parametrize("version", ["1", "2c"])
def test_our_engine_walks_the_whole_of_every_kind(version: str) -> None:
    facts = inventory(version=version)

    async def walk(province: Province, engine: Engine) -> None:
        for kind, name in KINDS.items():
            found = await engine.walk(target(facts, kind), (1, 3))
            everything = whole(province.devices[name])
            expected = [o for o, tag in everything if o[:2] == (1, 3) and (version == "2c" or tag != COUNTER64)]
            assert [v.oid for v in found] == expected, kind
            assert found.reason == "", kind

    with_engine(facts, walk)


def test_our_profiles_read_every_kind() -> None:
    facts = inventory()

    async def poll(province: Province, engine: Engine) -> dict[str, set[str]]:
        poller = Poller(engine, load_profiles(), CONFIG, Clock())
        names = {}
        for kind in KINDS:
            device = facts.devices[KINDS[kind]]
            result = await poller.poll(device, facts.credentials["sim"])
            assert (result.ok, result.failed, result.sys_name) == (True, {}, device.id)
            assert set(result.ports) >= {p.name for p in province.devices[device.id].ports}
            assert all(p.oper_up and p.in_octets is not None for p in result.ports.values())
            names[kind] = {figure.name.removeprefix("netmon_") for figure in result.figures}
        return names

    names = with_engine(facts, poll)
    assert names["huawei"] >= {"device_cpu_ratio", "device_memory_ratio", "optical_rx_dbm"}
    assert names["cisco"] >= {"device_cpu_ratio", "device_memory_ratio", "device_fan_ok", "device_supply_ok"}
    assert names["mikrotik"] >= {"device_cpu_ratio", "device_memory_ratio"}
    assert names["ups"] >= {"ups_on_battery", "ups_charge_ratio", "ups_runtime_seconds"}
    assert all("device_uptime_seconds" in found for found in names.values())


def test_an_agent_is_silent_to_a_wrong_community_and_when_its_world_is_away() -> None:
    facts = inventory()

    async def reasons(province: Province, engine: Engine) -> list[str]:
        async def get(kind: str, community: str = COMMUNITY) -> str:
            try:
                await engine.get(target(facts, kind, community), [(1, 3, 6, 1, 2, 1, 1, 3, 0)])
            except CollectError as error:
                return error.reason
            return "answered"

        world = province.world
        told = [await get("huawei", "public"), await get("huawei")]
        for fault in (
            Fault("hang", KINDS["huawei"], 1, 1),
            Fault("power", "site", 2, 1),
            Fault("node", "n", 3, 1),
            Fault("fibre", "l1", 4, 1),  # the site has another line
        ):
            world.add([fault])
            world.step(fault.at_s)
            told += [f"{fault.kind}:", await get("huawei"), await get("node")]
        return told

    assert with_engine(facts, reasons) == [
        "timeout", "answered",
        "hang:", "timeout", "answered",
        "power:", "timeout", "answered",
        "node:", "timeout", "timeout",
        "fibre:", "answered", "answered",
    ]  # fmt: skip


@pytest.mark.parametrize(("program", "version"), [("snmpbulkwalk", "2c"), ("snmpwalk", "2c"), ("snmpwalk", "1")])
def test_net_snmp_reads_the_same(program: str, version: str) -> None:
    need(program)
    facts = inventory(version=version)

    async def walk(kind: str) -> list[str]:
        where = f"{facts.devices[KINDS[kind]].address}:{facts.devices[KINDS[kind]].port}"
        child = await asyncio.create_subprocess_exec(
            shutil.which(program) or program, f"-v{version}", "-c", COMMUNITY, "-m", "", "-Onq", "-r1", where, ".1.3",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await child.communicate()
        return out.decode().splitlines()

    async def run() -> None:
        async with running(facts) as province:
            for kind, name in KINDS.items():
                lines = [line for line in await walk(kind) if "No more variables" not in line]
                lines = [line for line in lines if line.startswith(".1.3")]
                everything = whole(province.devices[name])
                wanted = [o for o, tag in everything if o[:2] == (1, 3) and (version == "2c" or tag != COUNTER64)]
                read = [tuple(int(n) for n in line.split(" ", 1)[0].strip(".").split(".")) for line in lines]
                assert read == wanted, (kind, lines[-1:])

    asyncio.run(run())


# --- reflectors and ports --------------------------------------------------------------------------------------------


async def reflected(probe: Probe) -> bool:
    """Whether a STAMP packet comes back."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect((probe.address, probe.port))
        await loop.sock_sendall(sock, encode_probe(7, 12345))
        try:
            reply = decode_reply(await asyncio.wait_for(loop.sock_recv(sock, 2048), 0.15))
        except (TimeoutError, ConnectionRefusedError):
            return False
    assert reply is not None
    return (reply.sender_sequence, reply.sender_timestamp) == (7, 12345)


async def connects(probe: Probe) -> bool:
    try:
        _, writer = await asyncio.open_connection(probe.address, probe.port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


def test_lines_and_nodes_answer_probes_as_long_as_they_can_be_reached() -> None:
    facts = inventory()
    probes = [facts.lines["l1"].probe, facts.lines["l2"].probe, *(n.probe for n in facts.nodes.values() if n.probe)]

    async def run() -> list[list[bool]]:
        seen = []
        async with running(facts) as province:
            province.world.add([Fault("fibre", "l1", 1, 1), Fault("node", "mcu", 2, 1), Fault("node", "n", 3, 1)])
            for t in range(5):
                province.world.step(float(t))
                await province.follow()
                udp = [await reflected(probe) for probe in probes[:3]]
                seen.append([*udp, await connects(probes[3])])
        return seen

    assert asyncio.run(run()) == [
        [True, True, True, True],
        [False, True, True, True],
        [True, True, True, False],
        [False, False, False, False],
        [True, True, True, True],
    ]


@pytest.mark.parametrize(("loss", "expected"), [(1.0, [False, False, True]), (0.0, [True, True, True])])
def test_lines_lose_probes_and_what_is_asked_of_devices_at_their_sites(loss: float, expected: list[bool]) -> None:
    facts = inventory()

    async def answered(kind: str) -> bool:
        device = facts.devices[KINDS[kind]]
        names = [pdu.VarBind((1, 3, 6, 1, 2, 1, 1, 3, 0), 5, None)]
        request = pdu.encode_message(pdu.V2C, COMMUNITY.encode(), pdu.GET, 77, 0, 0, names)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect((device.address, device.port))
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(sock, request)
            try:
                return bool(await asyncio.wait_for(loop.sock_recv(sock, 2048), 0.15))
            except TimeoutError:
                return False

    async def run() -> list[bool]:
        province = Province(World(facts), climate=Climate(loss))
        await province.start()
        try:
            return [await reflected(facts.lines["l1"].probe), await answered("huawei"), await answered("node")]
        finally:
            province.close()

    assert asyncio.run(run()) == expected


@pytest.mark.parametrize("host", ["198.18.0.1", "10.0.0.1", "0.0.0.0", "::", "router.example.invalid", ""])
def test_it_answers_for_nobody_but_loopback(host: str) -> None:
    facts = inventory(host)
    for only in (
        replace(facts, lines={}, nodes={}),
        replace(facts, devices={}, nodes={}),
        replace(facts, devices={}, lines={}, nodes={"n": facts.nodes["n"]}),
        replace(facts, devices={}, lines={}, nodes={"mcu": replace(facts.nodes["mcu"], parent=None)}),
    ):
        with pytest.raises(NetmonError, match="is not a loopback address; map it with address_map"):
            asyncio.run(enter(only))


async def enter(facts: Inventory) -> None:
    async with running(facts):
        pass


def test_an_address_in_use_is_told() -> None:
    facts = inventory()
    device = facts.devices["ups-1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((device.address, device.port))
        with pytest.raises(NetmonError, match=rf"cannot listen on 127\.0\.0\.1 port {device.port}: Address already"):
            asyncio.run(enter(facts))
