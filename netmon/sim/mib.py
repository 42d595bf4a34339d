"""What the simulated devices have in their MIBs: four kinds (Huawei, Cisco, MikroTik, UPS), as tables of OID -> getter.

Devices of one kind and port count share one table; a getter reads the device's own figures when it is asked. OIDs:
IF-MIB, SNMPv2-MIB, HOST-RESOURCES-MIB, ENTITY-MIB, UPS-MIB (RFC 1628) and the vendors' own MIBs.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

from netmon.model import Device
from netmon.sim.world import World

Oid = tuple[int, ...]
INTEGER, OCTETS, OBJECT_ID, COUNTER32, GAUGE32, TICKS, COUNTER64 = 0x02, 0x04, 0x06, 0x41, 0x42, 0x43, 0x46
SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
IF: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IFX: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
HR_CPU: Oid = (1, 3, 6, 1, 2, 1, 25, 3, 3, 1, 2)
HR_STORAGE: Oid = (1, 3, 6, 1, 2, 1, 25, 2, 3, 1)
HR_RAM: Oid = (1, 3, 6, 1, 2, 1, 25, 2, 1, 2)
ENT_NAME: Oid = (1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 7)
ENGINE_TIME: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 3, 0)
UPS: Oid = (1, 3, 6, 1, 2, 1, 33, 1)
HUAWEI: Oid = (1, 3, 6, 1, 4, 1, 2011)
CISCO: Oid = (1, 3, 6, 1, 4, 1, 9)
MIKROTIK: Oid = (1, 3, 6, 1, 4, 1, 14988, 1)
MAX32, MAX64 = 2**32, 2**64
HUAWEI_BOARD, HUAWEI_PORT = 9, 16_850_000  # entPhysicalIndex of the main board, and the first of the ports

IDENTITY = {
    "huawei": ((*HUAWEI, 2, 224, 279), "Huawei AR169F, VRP V300R019 (simulated)"),
    "cisco": ((*CISCO, 1, 1707), "Cisco IOS Software, ISR 4321 (simulated)"),
    "mikrotik": (MIKROTIK, "RouterOS hEX S (simulated)"),
    "ups": ((1, 3, 6, 1, 4, 1, 2011, 6, 174), "UPS, RFC 1628 (simulated)"),
}


@dataclass(slots=True)
class SimPort:
    """A port of a simulated device; ``line`` is the leased line it carries, if any."""

    name: str
    alias: str = ""
    line: str = ""
    far: bool = False  # at the node's end of it
    rate_bps: float = 1e5
    speed_bps: float = 1e9


@dataclass(slots=True)
class SimDevice:
    """One device: what it is, its ports, and the world it lives in."""

    device: Device
    kind: str
    world: World
    ports: list[SimPort] = field(default_factory=list)
    seed: int = 0
    links: dict[str, SimDevice] = field(default_factory=dict)  # line -> what is at its other end
    own: tuple[int, Mib] | None = None  # its table of links.py, and to which change of the world it belongs

    def __post_init__(self) -> None:
        self.seed = zlib.crc32(self.device.id.encode())

    @property
    def sys_name(self) -> str:
        stated = self.device.sys_name or self.device.id
        return f"{stated}-new" if self.world.unwritten("replaced", self.device.id) else stated

    def mac(self, number: int = 0) -> bytes:
        """Of a port by its ifIndex; 0 is the chassis."""
        kind = b"\x02\x01" if self.world.unwritten("replaced", self.device.id) else b"\x02\x00"
        return kind + self.seed.to_bytes(4, "big")[:3] + bytes([number % 256])

    def on(self, port: SimPort) -> SimPort:
        """A port as it really is: what is plugged into it and written on it, whatever the inventory says."""
        world = self.world
        if not world.untrue or not self.device.site:
            return port
        moved = next((p for p in self.ports if p.line and world.unwritten("moved", p.line)), None)
        spare = next((p for p in reversed(self.ports) if not p.line), None)
        if moved and spare and (port is moved or port is spare):
            return replace(spare if port is moved else moved, name=port.name)
        if port.line and world.unwritten("renamed", port.line):
            port = replace(port, name=f"X{port.name}")
        if port.line and world.unwritten("recircuited", port.line):
            port = replace(port, alias=f"WAN {turned(world.inventory.lines[port.line].circuit)}")
        return replace(port, speed_bps=1e7) if port.line and world.unwritten("slow", port.line) else port

    def uptime_s(self) -> float:
        return (
            self.world.uptime_s(self.device.site, self.device.kind)
            if self.device.site
            else self.world.t + 86400.0 * 200
        )

    def wave(self, low: float, high: float, period_s: float = 600.0) -> float:
        """A smooth value between low and high, of its own phase."""
        return low + (high - low) * (0.5 + 0.5 * math.sin(self.world.t / period_s * math.tau + self.seed % 628 / 100))

    def port_up(self, port: SimPort) -> bool:
        line = self.world.inventory.lines.get(self.on(port).line)
        return self.world.port_up(line, port.far) if line else True

    def last_change_s(self, port: SimPort) -> float:
        """ifLastChange in seconds of sysUpTime; 0 if that was before the device started (RFC 2863)."""
        changed_at = self.world.port_changed_at(self.on(port).line, port.far)
        return 0.0 if changed_at is None else max(0.0, self.uptime_s() - (self.world.t - changed_at))

    def octets(self, port: SimPort, share: float) -> int:
        # Counted since the boot at a steady rate: the rates that netmon computes are then known exactly.
        return int(self.uptime_s() * port.rate_bps / 8 * share)


def turned(circuit: str) -> str:
    """Another circuit of the same looks: TSL-0001B -> TSL-9998B."""
    return "".join(str(9 - int(c)) if c.isdigit() else c for c in circuit)


Getter = Callable[[SimDevice], "int | bytes | Oid"]


@dataclass(frozen=True, slots=True)
class Mib:
    """Sorted OIDs with a type tag and a getter each."""

    oids: list[Oid]
    tags: list[int]
    getters: list[Getter]


def table_of(device: SimDevice) -> Mib:
    return _table(device.kind, len(device.ports))


@cache
def _table(kind: str, ports: int) -> Mib:
    rows: list[tuple[Oid, int, Getter]] = _system(kind)
    for number in range(1, ports + 1):
        rows += _port(number)
    rows += {"huawei": _huawei, "cisco": _cisco, "mikrotik": _mikrotik, "ups": _ups}[kind](ports)
    rows.sort(key=lambda row: row[0])
    return Mib([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])


def _system(kind: str) -> list[tuple[Oid, int, Getter]]:
    object_id, text = IDENTITY[kind]
    return [
        ((*SYSTEM, 1, 0), OCTETS, lambda d: text.encode()),
        ((*SYSTEM, 2, 0), OBJECT_ID, lambda d: object_id),
        ((*SYSTEM, 3, 0), TICKS, lambda d: int(d.uptime_s() * 100) % MAX32),
        ((*SYSTEM, 4, 0), OCTETS, lambda d: b""),
        ((*SYSTEM, 5, 0), OCTETS, lambda d: d.sys_name.encode()),
        ((*SYSTEM, 6, 0), OCTETS, lambda d: (d.device.site or d.device.node).encode()),
        (ENGINE_TIME, INTEGER, lambda d: int(d.uptime_s())),
    ]


def _port(n: int) -> list[tuple[Oid, int, Getter]]:
    i = n - 1
    octets_in: Getter = lambda d: d.octets(d.ports[i], 1.0)  # noqa: E731
    octets_out: Getter = lambda d: d.octets(d.ports[i], 0.4)  # noqa: E731
    pkts: Getter = lambda d: d.octets(d.ports[i], 1.0) // 700  # noqa: E731
    zero: Getter = lambda d: 0  # noqa: E731
    return [
        ((*IF, 1, n), INTEGER, lambda d: n),
        ((*IF, 2, n), OCTETS, lambda d: d.on(d.ports[i]).name.encode()),
        ((*IF, 3, n), INTEGER, lambda d: 6),
        ((*IF, 4, n), INTEGER, lambda d: 1500),
        ((*IF, 5, n), GAUGE32, lambda d: int(d.on(d.ports[i]).speed_bps)),
        ((*IF, 6, n), OCTETS, lambda d: d.mac(n)),
        ((*IF, 7, n), INTEGER, lambda d: 1),
        ((*IF, 8, n), INTEGER, lambda d: 1 if d.port_up(d.ports[i]) else 2),
        ((*IF, 9, n), TICKS, lambda d: int(d.last_change_s(d.ports[i]) * 100) % MAX32),
        ((*IF, 10, n), COUNTER32, lambda d: octets_in(d) % MAX32),  # type: ignore[operator]
        ((*IF, 11, n), COUNTER32, lambda d: pkts(d) % MAX32),  # type: ignore[operator]
        ((*IF, 13, n), COUNTER32, zero),
        ((*IF, 14, n), COUNTER32, zero),
        ((*IF, 16, n), COUNTER32, lambda d: octets_out(d) % MAX32),  # type: ignore[operator]
        ((*IF, 17, n), COUNTER32, lambda d: pkts(d) % MAX32),  # type: ignore[operator]
        ((*IF, 19, n), COUNTER32, zero),
        ((*IF, 20, n), COUNTER32, zero),
        ((*IFX, 1, n), OCTETS, lambda d: d.on(d.ports[i]).name.encode()),
        ((*IFX, 2, n), COUNTER32, zero),
        ((*IFX, 4, n), COUNTER32, zero),
        ((*IFX, 6, n), COUNTER64, lambda d: octets_in(d) % MAX64),  # type: ignore[operator]
        ((*IFX, 7, n), COUNTER64, pkts),
        ((*IFX, 10, n), COUNTER64, lambda d: octets_out(d) % MAX64),  # type: ignore[operator]
        ((*IFX, 11, n), COUNTER64, pkts),
        ((*IFX, 15, n), GAUGE32, lambda d: int(d.on(d.ports[i]).speed_bps / 1e6)),
        ((*IFX, 18, n), OCTETS, lambda d: d.on(d.ports[i]).alias.encode()),
        ((*IFX, 19, n), TICKS, zero),
    ]


def _huawei(ports: int) -> list[tuple[Oid, int, Getter]]:
    entity: Oid = (*HUAWEI, 5, 25, 31, 1, 1)
    rows: list[tuple[Oid, int, Getter]] = [
        ((*ENT_NAME, HUAWEI_BOARD), OCTETS, lambda d: b"MPU Board 0"),
        ((*entity, 1, 1, 5, HUAWEI_BOARD), INTEGER, lambda d: int(d.wave(8, 35))),
        ((*entity, 1, 1, 7, HUAWEI_BOARD), INTEGER, lambda d: int(d.wave(40, 55))),
        ((*entity, 1, 1, 11, HUAWEI_BOARD), INTEGER, lambda d: int(d.wave(38, 46))),
    ]
    for n in range(1, ports + 1):
        rows += _huawei_optics(n)
    return rows


def _huawei_optics(n: int) -> list[tuple[Oid, int, Getter]]:
    entity: Oid = (*HUAWEI, 5, 25, 31, 1, 1)
    i, index = n - 1, HUAWEI_PORT + n

    def rx(d: SimDevice) -> int:
        port = d.ports[i]
        if not d.on(port).line:
            return -1  # no module: what VRP says for an empty slot
        return int(-1200 + d.wave(-40, 40)) if d.port_up(port) else -4000

    return [
        ((*ENT_NAME, index), OCTETS, lambda d: d.ports[i].name.encode()),
        ((*entity, 3, 1, 8, index), INTEGER, rx),
        ((*entity, 3, 1, 9, index), INTEGER, lambda d: -550 if d.on(d.ports[i]).line else -1),
    ]


def _cisco(ports: int) -> list[tuple[Oid, int, Getter]]:
    return [
        ((*CISCO, 9, 109, 1, 1, 1, 1, 8, 1), GAUGE32, lambda d: int(d.wave(3, 25))),
        ((*CISCO, 9, 48, 1, 1, 1, 2, 1), OCTETS, lambda d: b"Processor"),
        ((*CISCO, 9, 48, 1, 1, 1, 5, 1), GAUGE32, lambda d: int(d.wave(4e8, 5e8))),
        ((*CISCO, 9, 48, 1, 1, 1, 6, 1), GAUGE32, lambda d: int(1e9 - d.wave(4e8, 5e8))),
        ((*CISCO, 9, 13, 1, 3, 1, 2, 1), OCTETS, lambda d: b"Inlet"),
        ((*CISCO, 9, 13, 1, 3, 1, 3, 1), GAUGE32, lambda d: int(d.wave(26, 34))),
        ((*CISCO, 9, 13, 1, 4, 1, 2, 1), OCTETS, lambda d: b"Fan 1"),
        ((*CISCO, 9, 13, 1, 4, 1, 3, 1), INTEGER, lambda d: 1),
        ((*CISCO, 9, 13, 1, 5, 1, 2, 1), OCTETS, lambda d: b"Power Supply 1"),
        ((*CISCO, 9, 13, 1, 5, 1, 3, 1), INTEGER, lambda d: 1),
    ]


def _mikrotik(ports: int) -> list[tuple[Oid, int, Getter]]:
    ram = 65536
    return [
        *[((*HR_CPU, n), INTEGER, lambda d: int(d.wave(1, 12))) for n in (1, 2, 3, 4)],
        ((*HR_STORAGE, 1, ram), INTEGER, lambda d: ram),
        ((*HR_STORAGE, 2, ram), OBJECT_ID, lambda d: HR_RAM),
        ((*HR_STORAGE, 3, ram), OCTETS, lambda d: b"main memory"),
        ((*HR_STORAGE, 4, ram), INTEGER, lambda d: 1024),
        ((*HR_STORAGE, 5, ram), INTEGER, lambda d: 262144),
        ((*HR_STORAGE, 6, ram), INTEGER, lambda d: int(d.wave(50_000, 70_000))),
        ((*MIKROTIK, 1, 3, 8, 0), INTEGER, lambda d: 242),
        ((*MIKROTIK, 1, 3, 10, 0), INTEGER, lambda d: int(d.wave(380, 460))),
    ]


def _ups(ports: int) -> list[tuple[Oid, int, Getter]]:
    def battery(d: SimDevice) -> bool:
        return not d.world.mains(d.device.site)

    def charge(d: SimDevice) -> int:
        return int(100 * d.world.battery_ratio(d.device.site))

    return [
        ((*UPS, 2, 1, 0), INTEGER, lambda d: 3 if charge(d) < 20 else 2),
        ((*UPS, 2, 2, 0), INTEGER, lambda d: 10 if battery(d) else 0),
        ((*UPS, 2, 3, 0), INTEGER, lambda d: int(charge(d) * d.world.ups_runtime_s / 6000)),
        ((*UPS, 2, 4, 0), INTEGER, charge),
        ((*UPS, 2, 7, 0), INTEGER, lambda d: 27),
        ((*UPS, 3, 3, 1, 3, 1), INTEGER, lambda d: 0 if battery(d) else 228),
        ((*UPS, 4, 1, 0), INTEGER, lambda d: 5 if battery(d) else 3),
        ((*UPS, 4, 4, 1, 5, 1), INTEGER, lambda d: 18),
        ((*UPS, 6, 1, 0), GAUGE32, lambda d: 1 if battery(d) else 0),
    ]
