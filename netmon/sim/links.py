"""What each simulated device alone has in its MIB: its addresses, and what LLDP and BGP tell of its links.

Made anew when the world has changed: a cut fibre ends the neighbours at both ends. Each kind speaks as its model does:
RouterOS has no table of its own ports, writes MACs as text and knows only the old address table; IOS cuts port names
short; VRP counts its ports for LLDP otherwise than for IF-MIB.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from netmon.model import Line
from netmon.sim.mib import CISCO, HUAWEI, IDENTITY, INTEGER, OBJECT_ID, OCTETS, Getter, Mib, Oid, SimDevice

IP_ADDRESS = 0x40
LLDP: Oid = (1, 0, 8802, 1, 1, 2, 1)
IP: Oid = (1, 3, 6, 1, 2, 1, 4)
BGP: Oid = (1, 3, 6, 1, 2, 1, 15, 3, 1)
CBGP: Oid = (*CISCO, 9, 187, 1, 2, 5, 1)
HW_BGP: Oid = (*HUAWEI, 5, 25, 177, 1, 1, 2, 1)
MAC, INTERFACE_NAME = 4, 5  # LldpChassisIdSubtype, LldpPortIdSubtype
ROUTER, BRIDGE = b"\x08", b"\x20"  # LldpSystemCapabilitiesMap
ACTIVE, ESTABLISHED = 3, 6
AS_NUMBER = 64512
STRANGER = "sw-khong-ro"  # "a switch one knows nothing of"
Rows = Iterator[tuple[Oid, int, "int | bytes | Oid"]]


def own_table_of(device: SimDevice) -> Mib:
    """The rows as of now."""
    changes = device.world.changes
    if device.own is None or device.own[0] != changes:
        rows = sorted([*_addresses(device), *_lldp(device), *_bgp(device)])
        mib = Mib([r[0] for r in rows], [r[1] for r in rows], [_constant(r[2]) for r in rows])
        device.own = changes, mib
    return device.own[1]


def _constant(value: int | bytes | Oid) -> Getter:
    return lambda device: value


def _octets(address: str) -> Oid:
    """The parts of an address; none of a host name."""
    try:
        return tuple(ipaddress.ip_address(address).packed)
    except ValueError:
        return ()


def chassis(device: SimDevice) -> bytes:
    """RouterOS takes the MAC of a port for it."""
    return device.mac(1 if device.kind == "mikrotik" else 0)


# --- addresses -------------------------------------------------------------------------------------------------------


def _addresses(device: SimDevice) -> Rows:
    lan = next((n for n, port in enumerate(device.ports, 1) if not port.line), 1)
    held = {device.device.address: lan}
    for number, port in enumerate(device.ports, 1):
        line = device.world.inventory.lines.get(device.on(port).line)
        if line and line.device == device.device.id and line.probe.address:
            held[line.probe.address] = number
    if device.kind in ("huawei", "cisco"):
        held[f"2001:db8:{device.seed >> 16:x}:{device.seed & 0xFFFF:x}::1"] = lan
    for address, number in held.items():
        octets = _octets(address)
        if device.kind not in ("huawei", "cisco"):
            if len(octets) == 4:
                yield (*IP, 20, 1, 1, *octets), IP_ADDRESS, bytes(octets)
                yield (*IP, 20, 1, 2, *octets), INTEGER, number
                yield (*IP, 20, 1, 3, *octets), IP_ADDRESS, b"\xff" * 4
        elif octets:
            index = (1 if len(octets) == 4 else 2, len(octets), *octets)
            yield (*IP, 34, 1, 3, *index), INTEGER, number
            yield (*IP, 34, 1, 5, *index), OBJECT_ID, (*IP, 32, 1, 5, number, *index, len(octets) * 8)


# --- LLDP ------------------------------------------------------------------------------------------------------------


def _lldp(device: SimDevice) -> Rows:
    if device.kind == "ups":
        return
    if device.kind != "mikrotik":
        yield (*LLDP, 3, 1, 0), INTEGER, MAC
        yield (*LLDP, 3, 2, 0), OCTETS, chassis(device)
        yield (*LLDP, 3, 3, 0), OCTETS, device.sys_name.encode()
    for number, port in enumerate(device.ports, 1):
        real = device.on(port)
        local = number + (7 if device.kind == "huawei" else 0)
        if device.kind != "mikrotik":
            yield (*LLDP, 3, 7, 1, 2, local), INTEGER, INTERFACE_NAME
            yield (*LLDP, 3, 7, 1, 3, local), OCTETS, real.name.encode()
            yield (*LLDP, 3, 7, 1, 4, local), OCTETS, real.name.encode()
        if real.line and (far := device.links.get(real.line)) and _alive(device, real.line):
            yield from _router(device, local, far, real.line)
        elif number == _spare(device) and device.world.unwritten("stranger", device.device.id):
            yield from _stranger(device, local)


def _alive(device: SimDevice, line: str) -> bool:
    return device.world.line_up(device.world.inventory.lines[line])


def _spare(device: SimDevice) -> int:
    """The last LAN port."""
    return max((n for n, port in enumerate(device.ports, 1) if not device.on(port).line), default=0)


def _router(device: SimDevice, local: int, far: SimDevice, line: str) -> Rows:
    name = next((real.name for port in far.ports if (real := far.on(port)).line == line), "")
    short = re.sub(r"^([A-Z][a-z])[A-Za-z]*(?=\d)", r"\1", name) if far.kind == "cisco" else name
    text = IDENTITY[far.kind][1]
    yield from _heard(device, local, chassis(far), short, name, far.sys_name, text, ROUTER, far.device.address)


def _stranger(device: SimDevice, local: int) -> Rows:
    octets = _octets(device.device.address)
    address = ".".join(map(str, (*octets[:2], octets[2] ^ 128, octets[3]))) if len(octets) == 4 else ""
    mac = b"\x02\xee" + device.mac()[2:]
    name = f"{STRANGER}-{device.device.id}"
    yield from _heard(device, local, mac, "gi24", "uplink", name, "a switch (simulated)", BRIDGE, address)


def _heard(
    device: SimDevice, local: int, mac: bytes, port: str, descr: str, name: str, text: str, can: bytes, address: str
) -> Rows:
    """One row of lldpRemTable, and its address."""
    row: Oid = (*LLDP, 4, 1, 1)
    index = (0, local, 1)
    yield (*row, 4, *index), INTEGER, MAC
    yield (*row, 5, *index), OCTETS, mac.hex(":").upper().encode() if device.kind == "mikrotik" else mac
    yield (*row, 6, *index), INTEGER, INTERFACE_NAME
    yield (*row, 7, *index), OCTETS, port.encode()
    yield (*row, 8, *index), OCTETS, descr.encode()
    yield (*row, 9, *index), OCTETS, name.encode()
    yield (*row, 10, *index), OCTETS, text.encode()
    yield (*row, 11, *index), OCTETS, can
    yield (*row, 12, *index), OCTETS, can
    if octets := _octets(address):
        yield (*LLDP, 4, 2, 1, 3, *index, 1 if len(octets) == 4 else 2, len(octets), *octets), INTEGER, 2


# --- BGP -------------------------------------------------------------------------------------------------------------


def _bgp(device: SimDevice) -> Rows:
    """One session per link: with the router at the other end, at the address that the inventory has for it."""
    peers: dict[str, int] = {}
    for name, far in device.links.items():
        line: Line = device.world.inventory.lines[name]
        address = line.probe.address if device.device.node else far.device.address
        peers[address] = max(peers.get(address, 0), ESTABLISHED if _alive(device, name) else ACTIVE)
    for address, state in peers.items():
        octets = _octets(address)
        if not octets or (device.kind == "mikrotik" and len(octets) != 4):
            continue
        index = (1 if len(octets) == 4 else 2, len(octets), *octets)
        if device.kind == "mikrotik":
            yield (*BGP, 2, *octets), INTEGER, state
            yield (*BGP, 9, *octets), INTEGER, AS_NUMBER
        elif device.kind == "cisco":
            yield (*CBGP, 3, *index), INTEGER, state
            yield (*CBGP, 11, *index), INTEGER, AS_NUMBER
        else:
            yield (*HW_BGP, 2, 0, 1, 1, *index), INTEGER, AS_NUMBER
            yield (*HW_BGP, 5, 0, 1, 1, *index), INTEGER, state
