"""Columns of IF-MIB, LLDP-MIB (IEEE 802.1AB), IP-MIB and the BGP MIBs -> `DeviceFacts`. Pure.

What agents really send is stranger than the MIBs: RouterOS writes MACs as text, has no table of its own ports and says
port 0 for "unknown"; JunOS calls a port by its ifIndex; names carry a NUL and what lay behind it in memory.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping

from netmon.addresses import normal
from netmon.collectors.snmp.ports import HIGHEST_GAUGE, port_names
from netmon.rawvalues import Oid, Value, as_text
from netmon.survey.facts import DeviceFacts, Neighbour, OwnAddress, Peer, SeenPort

Rows = Mapping[Oid, Value]
Tables = Mapping[str, Rows]  # object name -> index -> value

IF, IFX = (1, 3, 6, 1, 2, 1, 2, 2, 1), (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
LLDP = (1, 0, 8802, 1, 1, 2, 1)
BGP, CBGP = (1, 3, 6, 1, 2, 1, 15, 3, 1), (1, 3, 6, 1, 4, 1, 9, 9, 187, 1, 2, 5, 1)
HW_BGP, JNX_BGP = (1, 3, 6, 1, 4, 1, 2011, 5, 25, 177, 1, 1, 2, 1), (1, 3, 6, 1, 4, 1, 2636, 5, 1, 1, 2, 1, 1, 1)
OBJECTS: Mapping[str, Oid] = {
    "ifDescr": (*IF, 2),
    "ifType": (*IF, 3),
    "ifSpeed": (*IF, 5),
    "ifPhysAddress": (*IF, 6),
    "ifOperStatus": (*IF, 8),
    "ifName": (*IFX, 1),
    "ifHighSpeed": (*IFX, 15),
    "ifAlias": (*IFX, 18),
    "lldpLocPortIdSubtype": (*LLDP, 3, 7, 1, 2),
    "lldpLocPortId": (*LLDP, 3, 7, 1, 3),
    "lldpLocPortDesc": (*LLDP, 3, 7, 1, 4),
    "lldpRemChassisIdSubtype": (*LLDP, 4, 1, 1, 4),
    "lldpRemChassisId": (*LLDP, 4, 1, 1, 5),
    "lldpRemPortIdSubtype": (*LLDP, 4, 1, 1, 6),
    "lldpRemPortId": (*LLDP, 4, 1, 1, 7),
    "lldpRemPortDesc": (*LLDP, 4, 1, 1, 8),
    "lldpRemSysName": (*LLDP, 4, 1, 1, 9),
    "lldpRemSysCapEnabled": (*LLDP, 4, 1, 1, 12),
    "lldpRemManAddr": (*LLDP, 4, 2, 1, 2),  # not accessible, but RouterOS has it, and the address nowhere else
    "lldpRemManAddrIfSubtype": (*LLDP, 4, 2, 1, 3),
    "ipAddressIfIndex": (1, 3, 6, 1, 2, 1, 4, 34, 1, 3),
    "ipAddressPrefix": (1, 3, 6, 1, 2, 1, 4, 34, 1, 5),
    "ipAdEntIfIndex": (1, 3, 6, 1, 2, 1, 4, 20, 1, 2),
    "ipAdEntNetMask": (1, 3, 6, 1, 2, 1, 4, 20, 1, 3),
    "bgpPeerState": (*BGP, 2),
    "bgpPeerRemoteAs": (*BGP, 9),
    "cbgpPeer2State": (*CBGP, 3),
    "cbgpPeer2RemoteAs": (*CBGP, 11),
    "hwBgpPeerRemoteAs": (*HW_BGP, 2),
    "hwBgpPeerState": (*HW_BGP, 5),
    "jnxBgpM2PeerState": (*JNX_BGP, 2),
    "jnxBgpM2PeerRemoteAs": (*JNX_BGP, 13),
}
SCALARS: Mapping[str, Oid] = {
    "sysName": (1, 3, 6, 1, 2, 1, 1, 5, 0),
    "lldpLocChassisIdSubtype": (*LLDP, 3, 1, 0),
    "lldpLocChassisId": (*LLDP, 3, 2, 0),
}
# IANAifType-MIB: ethernetCsmacd, ethernet3Mbit, fastEther, fastEtherFX, gigabitEthernet.
PHYSICAL = {6, 26, 62, 69, 117}
# LldpSystemCapabilitiesMap, bit by bit.
CAPABILITIES = ("other", "repeater", "bridge", "wlan", "router", "telephone", "docsis", "station")
CHASSIS_MAC, CHASSIS_NET = 4, 5  # LldpChassisIdSubtype
PORT_MAC, PORT_NET = 3, 4  # LldpPortIdSubtype
ESTABLISHED = 6
_MAC_TEXT = re.compile(r"(?:[0-9A-Fa-f]{1,2}[:-]){5}[0-9A-Fa-f]{1,2}")
_PARTS = re.compile(r"([a-z-]*?)[ _-]*(\d.*)", re.IGNORECASE)
_NONE: Rows = {}


def decode(
    device: str, credential: str, scalars: Mapping[str, Value], tables: Tables, translate: Callable[[str], str] = str
) -> DeviceFacts:
    """What a device said. ``translate``: the address map of the configuration (NAT), for addresses it tells."""
    ports = _ports(tables)
    by_index = {port.if_index: port.name for port in ports.values()}
    return DeviceFacts(
        device=device,
        credential=credential,
        sys_name=text(scalars.get("sysName")),
        chassis=_chassis(scalars.get("lldpLocChassisIdSubtype"), scalars.get("lldpLocChassisId")),
        ports=ports,
        addresses=tuple(_addresses(tables, by_index, translate)),
        neighbours=tuple(_neighbours(tables, ports, by_index, translate)),
        peers=tuple(_peers(tables, translate)),
    )


def text(value: Value) -> str:
    """Up to the first NUL: what follows is what lay in the agent's memory."""
    return as_text(value.split(b"\0", 1)[0] if isinstance(value, bytes) else value)


def mac_text(value: Value) -> str:
    """A MAC in one spelling, from six octets or from text; "" if it is none, or all zero."""
    if not isinstance(value, bytes):
        return ""
    if len(value) != 6:
        written = as_text(value)
        if not _MAC_TEXT.fullmatch(written):
            return ""
        value = bytes(int(part, 16) for part in re.split("[:-]", written))
    return value.hex(":") if any(value) else ""


def find_port(ports: Mapping[str, SeenPort], words: tuple[str, ...]) -> str:
    """The one port that any of the words means, the first word first: a name, a description, a MAC, an alias, or a
    name cut short ("Gi0/0/1"). "" if there is none, or more than one."""
    for word in words:
        for same in (
            lambda p, w: w in (p.name, p.descr),
            lambda p, w: w.casefold() in (p.name.casefold(), p.descr.casefold()),
            lambda p, w: bool(p.mac) and mac_text(w.encode()) == p.mac,
            lambda p, w: w == p.alias,
            lambda p, w: _short_for(w, p.name) or _short_for(w, p.descr),
        ):
            found = [port.name for port in ports.values() if word and same(port, word)]
            if len(found) == 1:
                return found[0]
            if found:
                break
    return ""


def _short_for(one: str, other: str) -> bool:
    """Whether of two names with the same number one begins the other: Gi0/0/1 and GigabitEthernet0/0/1."""
    a, b = _PARTS.fullmatch(one), _PARTS.fullmatch(other)
    if not a or not b or a[2] != b[2]:
        return False
    first, second = sorted((a[1].casefold(), b[1].casefold()), key=len)
    return len(first) >= 2 and second.startswith(first)


def _whole(value: Value) -> int | None:
    return value if isinstance(value, int) else None


def _ports(tables: Tables) -> dict[str, SeenPort]:
    names, _ = port_names(tables)
    found = {}
    for number, name in names.items():

        def of(column: str, index: Oid = (number,)) -> Value:
            return tables.get(column, _NONE).get(index)

        speed = (_whole(of("ifHighSpeed")) or 0) * 1e6
        low = _whole(of("ifSpeed")) or 0
        oper = _whole(of("ifOperStatus"))
        found[name] = SeenPort(
            name=name,
            if_index=number,
            descr=text(of("ifDescr")),
            alias=text(of("ifAlias")),
            mac=mac_text(of("ifPhysAddress")),
            physical=_whole(of("ifType")) in PHYSICAL,
            speed_bps=speed or (float(low) if low not in (0, HIGHEST_GAUGE) else None),
            oper_up=None if oper is None else oper == 1,
        )
    return found


# --- addresses -------------------------------------------------------------------------------------------------------


def inet_address(index: Oid) -> tuple[str, Oid]:
    """(address, rest) of InetAddressType and InetAddress at the beginning of an index (RFC 4001); "" if it is neither
    IPv4 nor IPv6. A zone (types 3 and 4) is left out: fe80::1 is none the less link-local."""
    if len(index) < 2:
        return "", ()
    kind, size = index[0], index[1]
    octets, rest = index[2 : 2 + size], index[2 + size :]
    if len(octets) == size and (kind, size) in ((1, 4), (2, 16), (3, 8), (4, 20)):
        return _address(bytes(o & 255 for o in octets[: 4 if kind in (1, 3) else 16])), rest
    return "", rest


def _address(octets: bytes) -> str:
    return ipaddress.ip_address(octets).compressed if len(octets) in (4, 16) else ""


def _any_address(value: Value) -> str:
    """An address as octets or as text."""
    try:
        return _address(value) or normal(as_text(value)) if isinstance(value, bytes) else ""
    except ValueError:
        return ""


def useful(address: str) -> bool:
    """Whether an address can tell one device from another: no loopback (but in a laboratory), link-local or multicast.

    A province is simulated within 127.0.0.0/8; what every host has is 127.0.0.1 and its like.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.is_loopback:
        return ip.version == 4 and int(ip) >> 8 != 0x7F0000
    return not (ip.is_unspecified or ip.is_link_local or ip.is_multicast)


def _addresses(tables: Tables, names: Mapping[int, str], translate: Callable[[str], str]) -> Iterator[OwnAddress]:
    seen: set[str] = set()
    prefixes, masks = tables.get("ipAddressPrefix", _NONE), tables.get("ipAdEntNetMask", _NONE)
    for index, number in tables.get("ipAddressIfIndex", _NONE).items():
        address, _ = inet_address(index)
        pointer = prefixes.get(index)  # a row of ipAddressPrefixTable; its last part is the length
        bits = pointer[-1] if isinstance(pointer, tuple) and len(pointer) > 10 else None
        if useful(address) and address not in seen:
            seen.add(address)
            yield _own(address, names.get(_whole(number) or 0, ""), bits, translate)
    for index, number in tables.get("ipAdEntIfIndex", _NONE).items():
        address = _address(bytes(o & 255 for o in index)) if len(index) == 4 else ""
        mask = masks.get(index)
        bits = int.from_bytes(mask, "big").bit_count() if isinstance(mask, bytes) and len(mask) == 4 else None
        if useful(address) and address not in seen:
            seen.add(address)
            yield _own(address, names.get(_whole(number) or 0, ""), bits, translate)


def _own(address: str, port: str, bits: int | None, translate: Callable[[str], str]) -> OwnAddress:
    known = translate(address)
    size = ipaddress.ip_address(known).max_prefixlen
    prefix = str(ipaddress.ip_network(f"{known}/{bits}", strict=False)) if bits and bits <= size else ""
    return OwnAddress(known, port, prefix)


# --- neighbours ------------------------------------------------------------------------------------------------------


def _chassis(subtype: Value, value: Value) -> str:
    if subtype == CHASSIS_NET and isinstance(value, bytes):
        return _address(value[1:])  # the first octet is the family (IANA)
    return mac_text(value) or text(value) if subtype != CHASSIS_MAC else mac_text(value)


def _port_id(subtype: Value, value: Value) -> str:
    if subtype == PORT_MAC:
        return mac_text(value)
    return _address(value[1:]) if subtype == PORT_NET and isinstance(value, bytes) else text(value)


def _local_port(number: int, tables: Tables, ports: Mapping[str, SeenPort], names: Mapping[int, str]) -> str:
    """ifName of lldpLocPortNum: by what its row says; without one by its ifIndex, which 802.1AB recommends."""
    index = (number,)
    told = _port_id(tables.get("lldpLocPortIdSubtype", _NONE).get(index), tables.get("lldpLocPortId", _NONE).get(index))
    described = text(tables.get("lldpLocPortDesc", _NONE).get(index))
    if found := find_port(ports, (told, described)):
        return found
    if told.isdecimal():
        return names.get(int(told), "")
    return "" if told or described else names.get(number, "")


def _neighbours(
    tables: Tables, ports: Mapping[str, SeenPort], names: Mapping[int, str], translate: Callable[[str], str]
) -> Iterator[Neighbour]:
    addresses: dict[Oid, list[str]] = {}
    for index in tables.get("lldpRemManAddrIfSubtype", _NONE):
        octets = bytes(o & 255 for o in index[5:])
        # Index: time, port, neighbour, family (IANA: 1 IPv4, 2 IPv6), length, octets.
        whole = len(index) > 5 and (index[3], index[4], len(octets)) in ((1, 4, 4), (2, 16, 16))
        if whole and useful(address := _address(octets)):
            addresses.setdefault(index[:3], []).append(translate(address))
    for index, value in tables.get("lldpRemManAddr", _NONE).items():
        if useful(address := _any_address(value)):
            addresses.setdefault(index[:3], []).append(translate(address))
    for index, chassis in tables.get("lldpRemChassisId", _NONE).items():
        if len(index) != 3:
            continue

        def of(column: str, index: Oid = index) -> Value:
            return tables.get(column, _NONE).get(index)

        words = (_port_id(of("lldpRemPortIdSubtype"), of("lldpRemPortId")), text(of("lldpRemPortDesc")))
        yield Neighbour(
            port=_local_port(index[1], tables, ports, names),
            name=text(of("lldpRemSysName")),
            chassis=_chassis(of("lldpRemChassisIdSubtype"), chassis),
            port_ids=tuple(dict.fromkeys(word for word in words if word)),
            addresses=tuple(dict.fromkeys(addresses.get(index, ()))),
            capabilities=_capabilities(of("lldpRemSysCapEnabled")),
        )


def _capabilities(value: Value) -> frozenset[str]:
    if not isinstance(value, bytes) or len(value) not in (1, 2):
        return frozenset()
    return frozenset(name for bit, name in enumerate(CAPABILITIES) if value[0] & (128 >> bit))


def _peers(tables: Tables, translate: Callable[[str], str]) -> Iterator[Peer]:
    seen: set[str] = set()

    def rows(state: str, remote_as: str, address_of: Callable[[Oid], str]) -> Iterator[Peer]:
        numbers = tables.get(remote_as, _NONE)
        for index, value in tables.get(state, _NONE).items():
            address = address_of(index)
            if useful(address) and address not in seen:
                seen.add(address)
                yield Peer(translate(address), value == ESTABLISHED, _whole(numbers.get(index)) or 0)

    yield from rows("cbgpPeer2State", "cbgpPeer2RemoteAs", lambda index: inet_address(index)[0])
    # Instance, address family, sub-family, then the neighbour's address.
    yield from rows("hwBgpPeerState", "hwBgpPeerRemoteAs", lambda index: inet_address(index[3:])[0])
    yield from rows("jnxBgpM2PeerState", "jnxBgpM2PeerRemoteAs", _jnx_peer)
    yield from rows(
        "bgpPeerState", "bgpPeerRemoteAs", lambda i: _address(bytes(o & 255 for o in i)) if len(i) == 4 else ""
    )


def _jnx_peer(index: Oid) -> str:
    """Instance, local type and address, remote type and address; the addresses without their lengths."""
    sizes = {1: 4, 2: 16}
    local = sizes.get(index[1] if len(index) > 1 else 0, 0)
    rest = index[2 + local :]
    if not local or not rest or len(rest) != 1 + sizes.get(rest[0], 0):
        return ""
    return _address(bytes(o & 255 for o in rest[1:]))
