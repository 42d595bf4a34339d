"""Puts the simulated province on loopback: an SNMP agent and a reflector per address, all in one process.

Every address of the inventory must be a loopback one (`address_map` in netmon.yml does that): the simulator refuses
anything else, so that it can never answer for a real device.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import resource
import time
import zlib
from bisect import bisect_right
from collections.abc import Callable

from netmon.collectors.probes.stamp import StampReflector
from netmon.collectors.snmp import pdu
from netmon.collectors.snmp.ber import END_OF_MIB_VIEW, EXCEPTIONS, NO_SUCH_INSTANCE, BerError, Oid
from netmon.collectors.snmp.usm import KeyRing
from netmon.errors import NetmonError
from netmon.model import Credential, Device, Inventory, Line
from netmon.sim.agent_v3 import AgentV3, Asked, engine_id_of
from netmon.sim.links import own_table_of
from netmon.sim.mib import COUNTER64, Mib, SimDevice, SimPort, table_of
from netmon.sim.weather import CALM, Climate, Weather
from netmon.sim.world import World

log = logging.getLogger(__name__)

MAX_REPLY_BYTES = 1400  # as real agents: what fits one Ethernet frame
ROUTERS = ("huawei", "huawei", "cisco", "mikrotik")  # the mix of the sites


def build_devices(world: World) -> dict[str, SimDevice]:
    """A simulated device for every device of the inventory, with the ports that its lines name."""
    inventory = world.inventory
    found: dict[str, SimDevice] = {}
    for device in inventory.devices.values():
        kind = "ups" if device.kind == "ups" else ROUTERS[zlib.crc32(device.id.encode()) % len(ROUTERS)]
        found[device.id] = SimDevice(device, "cisco" if device.node else kind, world)
    for line in inventory.lines.values():
        contract = line.contracts[-1].down_bps if line.contracts else 20e6
        if line.device in found and line.if_name:
            rate = contract * (0.05 + zlib.crc32(line.id.encode()) % 60 / 100)
            port = SimPort(line.if_name, f"WAN {line.circuit}", line.id, rate_bps=rate)
            found[line.device].ports.append(port)
        if line.remote_device in found and line.remote_if_name:
            far = SimPort(line.remote_if_name, f"{line.site} {line.circuit}".strip(), line.id, far=True)
            found[line.remote_device].ports.append(far)
            if line.device in found and line.if_name:
                found[line.device].links[line.id] = found[line.remote_device]
                found[line.remote_device].links[line.id] = found[line.device]
    for sim in found.values():
        lan = {
            "huawei": "GigabitEthernet0/0/{}",
            "cisco": "GigabitEthernet0/1/{}",
            "mikrotik": "ether{}",
            "ups": "eth{}",
        }
        taken = {port.name for port in sim.ports}
        for number in range(0 if sim.kind != "mikrotik" else 1, 1 if sim.kind == "ups" else 5):
            name = lan[sim.kind].format(number)
            if name not in taken:
                sim.ports.append(SimPort(name, rate_bps=2e5 * (1 + number)))
    return found


def answer(sim: SimDevice, request: bytes, community: bytes) -> bytes | None:
    """The agent's reply to one datagram; None where a real agent stays silent (rubbish, wrong community)."""
    try:
        message = pdu.decode_message(request)
    except BerError:
        return None
    if message.community != community or message.version not in (pdu.V1, pdu.V2C):
        return None
    found = respond(sim, message)
    return (
        None
        if found is None
        else pdu.encode_message(message.version, community, pdu.RESPONSE, message.request_id, *found)
    )


def answer_v3(sim: SimDevice, request: bytes, agent: AgentV3) -> bytes | None:
    """As `answer`, over SNMPv3."""
    asked = agent.receive(request, sim.uptime_s())
    if not isinstance(asked, Asked):
        return asked
    found = respond(sim, asked.message)
    return None if found is None else agent.reply(asked, *found)


def respond(sim: SimDevice, message: pdu.Message) -> tuple[int, int, list[pdu.VarBind]] | None:
    """(error-status, error-index, varbinds) for a request; None for what an agent does not answer."""
    old = message.version == pdu.V1
    if old and message.pdu_type == pdu.GET_BULK:
        return None  # v1 has none
    tables = (table_of(sim), own_table_of(sim))  # what all of its kind have, and what it alone has

    def value(mib: Mib, index: int) -> pdu.VarBind:
        return pdu.VarBind(mib.oids[index], mib.tags[index], mib.getters[index](sim))

    def instance(oid: Oid) -> pdu.VarBind:
        for mib in tables:
            index = bisect_right(mib.oids, oid) - 1
            if index >= 0 and mib.oids[index] == oid and not (old and mib.tags[index] == COUNTER64):
                return value(mib, index)
        return pdu.VarBind(oid, NO_SUCH_INSTANCE, None)

    asked = [vb.oid for vb in message.varbinds]
    out: list[pdu.VarBind] = []
    if message.pdu_type == pdu.GET:
        out = [instance(oid) for oid in asked]
    elif message.pdu_type in (pdu.GET_NEXT, pdu.GET_BULK):
        repeat = message.error_index if message.pdu_type == pdu.GET_BULK else 1
        first = message.error_status if message.pdu_type == pdu.GET_BULK else 0  # non-repeaters, RFC 3416 4.2.3
        size = 60

        def push(vb: pdu.VarBind) -> bool:
            nonlocal size
            payload = vb.value
            size += len(vb.oid) + 8 + (len(payload) if isinstance(payload, bytes | tuple) else 4)
            out.append(vb)
            return size < MAX_REPLY_BYTES

        def following(oid: Oid) -> tuple[Oid, pdu.VarBind]:
            nearest: tuple[Oid, Mib, int] | None = None
            for mib in tables:
                index = bisect_right(mib.oids, oid)
                while old and index < len(mib.oids) and mib.tags[index] == COUNTER64:
                    index += 1  # v1 has no Counter64: such objects are passed over (RFC 3584, 4.2.2.1)
                if index < len(mib.oids) and (nearest is None or mib.oids[index] < nearest[0]):
                    nearest = mib.oids[index], mib, index
            if nearest is None:
                return oid, pdu.VarBind(oid, END_OF_MIB_VIEW, None)
            return nearest[0], value(*nearest[1:])

        for oid in asked[:first]:
            push(following(oid)[1])
        rest = list(asked[first:])
        room = bool(rest)
        for _ in range(max(0, min(repeat, 200))):
            if not room:
                break
            for column, oid in enumerate(rest):
                rest[column], vb = following(oid)
                room = push(vb)
                if not room:
                    break
    else:
        return None
    if old:  # v1 has no exceptions: the whole request fails, naming its varbind (RFC 1157, 4.1.2)
        for number, vb in enumerate(out, 1):
            if vb.tag in EXCEPTIONS:
                return pdu.NO_SUCH_NAME, number, message.varbinds
    return 0, 0, out


class _Agent(asyncio.DatagramProtocol):
    def __init__(self, reply: Callable[[bytes], bytes | None], reachable: Callable[[], bool]) -> None:
        self._reply, self._reachable = reply, reachable
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport and self._reachable() and (reply := self._reply(data)) is not None:
            self._transport.sendto(reply, addr)


class _Reflector(StampReflector):
    """A reflector that is as reachable as the line or node it stands for."""

    def __init__(self, reachable: Callable[[], bool], weather: Weather) -> None:
        super().__init__()
        self._reachable, self._weather = reachable, weather

    def respond(self, data: bytes, addr: tuple[str, int]) -> bytes | None:
        if not self._weather.passes(time.monotonic()) or not self._reachable():
            return None
        return super().respond(data, addr)


class Province:
    """All agents and reflectors of one inventory. `start()` binds, `close()` frees."""

    def __init__(self, world: World, *, climate: Climate = CALM, seed: int = 1) -> None:
        self.world = world
        self.devices = build_devices(world)
        self._climate, self._rng = climate, random.Random(seed)
        self._keys = KeyRing(self._rng.getrandbits(64))
        self._weather: dict[str, Weather] = {}  # line or node with a reflector -> what its packets live through
        self._transports: list[asyncio.BaseTransport] = []
        self._servers: dict[str, asyncio.Server] = {}  # node with a TCP probe -> its listener while the node is up

    async def start(self) -> None:
        """Bind every address. Raises NetmonError for an address that is not loopback, or is taken."""
        _raise_descriptor_limit()
        inventory = self.world.inventory
        for sim in self.devices.values():
            device = sim.device
            reply = self._replies(sim, inventory.credentials[device.credential])
            await self._bind(device.address, device.port, _Agent(reply, self._device_check(device)))
        for line in inventory.lines.values():
            if line.probe.kind == "stamp":
                reflector = _Reflector(self._line_check(line), self._weather_of(line.id))
                await self._bind(line.probe.address, line.probe.port, reflector)
        for node in inventory.nodes.values():
            if node.probe and node.probe.kind == "stamp":
                reflector = _Reflector(self._node_check(node.id), self._weather_of(node.id))
                await self._bind(node.probe.address, node.probe.port, reflector)
        await self.follow()

    async def follow(self) -> None:
        """Open and close TCP ports as their nodes come and go; call it after each step of the world."""
        for node in self.world.inventory.nodes.values():
            if node.probe is None or node.probe.kind != "tcp":
                continue
            up, server = self.world.node_up(node.id), self._servers.get(node.id)
            if up and server is None:
                self._servers[node.id] = await self._listen(node.probe.address, node.probe.port)
            elif not up and server is not None:
                self._servers.pop(node.id).close()

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        for server in self._servers.values():
            server.close()

    def _replies(self, sim: SimDevice, credential: Credential) -> Callable[[bytes], bytes | None]:
        if credential.version == "3":
            agent = AgentV3(credential, engine_id_of(sim.device.id), self._keys)
            return lambda data: answer_v3(sim, data, agent)
        community = credential.community.reveal().encode()
        return lambda data: answer(sim, data, community)

    def _weather_of(self, name: str) -> Weather:
        if name not in self._weather:
            rng = random.Random(self._rng.getrandbits(64))
            self._weather[name] = self._climate.line(rng, time.monotonic())
        return self._weather[name]

    def _device_check(self, device: Device) -> Callable[[], bool]:
        """Whether a request and its answer arrive: those of a site go over its first line that works."""
        world = self.world
        if device.node:
            return lambda: world.node_up(device.node) and not world.hangs(device.id)
        lines = [
            (line, self._weather_of(line.id)) for line in world.inventory.lines.values() if line.site == device.site
        ]

        def arrives() -> bool:
            if world.hangs(device.id) or not world.powered(device.site):
                return False
            weather = next((weather for line, weather in lines if world.line_up(line)), None)
            return weather is not None and weather.passes(time.monotonic())

        return arrives

    def _line_check(self, line: Line) -> Callable[[], bool]:
        return lambda: self.world.line_up(line)

    def _node_check(self, node: str) -> Callable[[], bool]:
        return lambda: self.world.node_up(node)

    async def _bind(self, address: str, port: int, protocol: asyncio.DatagramProtocol) -> None:
        _demand_loopback(address)
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: protocol, local_addr=(address, port))
        except OSError as error:
            raise NetmonError(f"simulator: cannot listen on {address} port {port}: {error.strerror}") from error
        self._transports.append(transport)

    async def _listen(self, address: str, port: int) -> asyncio.Server:
        _demand_loopback(address)
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(asyncio.Protocol, address, port)
        except OSError as error:
            raise NetmonError(f"simulator: cannot listen on {address} port {port}: {error.strerror}") from error


def _demand_loopback(address: str) -> None:
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:  # a host name: who knows where that leads
        loopback = False
    if not loopback:
        raise NetmonError(f"simulator: {address} is not a loopback address; map it with address_map in netmon.yml")


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def count(inventory: Inventory) -> str:
    """One line of what the province holds."""
    return f"{len(inventory.sites)} sites, {len(inventory.lines)} lines, {len(inventory.devices)} SNMP devices"
