"""Traps and informs of v1 and v2c in one form, and what they say of a device. Pure.

A v1 trap gets the snmpTrapOID that RFC 3584, section 3.1, gives it. Agents and relays disagree on the 0 before the last
number of that name (UPS-MIB and BGP4-MIB were written for v1), so it is left out where names are compared.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from netmon.collectors.snmp.ber import INTEGER, IP_ADDRESS, OBJECT_ID, BerError, Oid, OidCache
from netmon.collectors.snmp.pdu import (
    INFORM,
    RESPONSE,
    TRAP_V1,
    TRAP_V2,
    TrapV1,
    VarBind,
    decode_message,
    encode_message,
)
from netmon.model import Event, EventKind

SNMP_TRAP_OID = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)  # SNMPv2-MIB
SNMP_TRAPS = (1, 3, 6, 1, 6, 3, 1, 1, 5)  # SNMPv2-MIB: coldStart is .1
SNMP_TRAP_ADDRESS = (1, 3, 6, 1, 6, 3, 18, 1, 3, 0)  # SNMP-COMMUNITY-MIB: whose it is, where a relay sends it
IF_ENTRY = (1, 3, 6, 1, 2, 1, 2, 2, 1)  # IF-MIB: ifIndex is .1
IF_DESCR = (*IF_ENTRY, 2)
IF_NAME = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
BGP_PEER_ENTRY = (1, 3, 6, 1, 2, 1, 15, 3, 1)  # BGP4-MIB, indexed by the peer's address
ENTERPRISE_SPECIFIC = 6  # RFC 1157, section 4.1.6
TEXT_MOST = 64  # of what a device says, characters

KINDS: dict[Oid, EventKind] = {
    (*SNMP_TRAPS, 1): "cold_start",
    (*SNMP_TRAPS, 2): "warm_start",
    (*SNMP_TRAPS, 3): "link_down",
    (*SNMP_TRAPS, 4): "link_up",
    (*SNMP_TRAPS, 5): "auth_failure",
    (1, 3, 6, 1, 2, 1, 33, 2, 1): "ups_on_battery",  # UPS-MIB upsTrapOnBattery
    (1, 3, 6, 1, 4, 1, 318, 5): "ups_on_battery",  # PowerNet-MIB upsOnBattery
    (1, 3, 6, 1, 4, 1, 9, 9, 43, 2, 1): "config_changed",  # CISCO-CONFIG-MAN-MIB ciscoConfigManEvent
    (1, 3, 6, 1, 4, 1, 9, 9, 43, 2, 2): "config_changed",  # ccmCLIRunningConfigChanged
    (1, 3, 6, 1, 4, 1, 2011, 6, 10, 2, 1): "config_changed",  # HUAWEI-CONFIG-MAN-MIB hwCfgManEventlog
    (1, 3, 6, 1, 2, 1, 15, 7, 2): "bgp_backward",  # BGP4-MIB bgpBackwardTransition, RFC 1657
    (1, 3, 6, 1, 2, 1, 15, 2): "bgp_backward",  # bgpBackwardTransNotification, RFC 4273
    (1, 3, 6, 1, 4, 1, 9, 9, 187, 2): "bgp_backward",  # CISCO-BGP4-MIB cbgpBackwardTransition
}


class Notification(NamedTuple):
    """A trap or an inform. ``agent``: the address it says it comes from, as a relay has it; "" if it says none."""

    version: int
    community: bytes
    request_id: int
    inform: bool
    trap: Oid  # the value of snmpTrapOID.0
    agent: str
    varbinds: list[VarBind]


def decode_notification(data: bytes, oids: OidCache | None = None) -> Notification:
    """A v1 or v2c datagram. Raises BerError for anything that is no trap or inform."""
    message = decode_message(data, oids)
    if message.pdu_type == TRAP_V1 and message.trap is not None:
        trap, agent = trap_oid(message.trap), message.trap.agent_address
        return Notification(message.version, message.community, 0, False, trap, _address(agent), message.varbinds)
    if message.pdu_type not in (TRAP_V2, INFORM):
        raise BerError(f"PDU type 0x{message.pdu_type:02x} is no notification")
    return of_varbinds(
        message.version, message.community, message.request_id, message.pdu_type == INFORM, message.varbinds
    )


def of_varbinds(version: int, community: bytes, request_id: int, inform: bool, varbinds: list[VarBind]) -> Notification:
    """A v2 notification of what its PDU holds (v3 carries the same). Raises BerError where it has no name."""
    trap: Oid = ()
    agent = ""
    for oid, tag, value in varbinds:
        if oid == SNMP_TRAP_OID and tag == OBJECT_ID and isinstance(value, tuple):
            trap = trap or value
        elif oid == SNMP_TRAP_ADDRESS and tag == IP_ADDRESS and isinstance(value, bytes):
            agent = _address(value)
    if not trap:
        raise BerError("notification without snmpTrapOID")
    return Notification(version, community, request_id, inform, trap, agent, varbinds)


def trap_oid(trap: TrapV1) -> Oid:
    """The v2 name of a v1 trap (RFC 3584, section 3.1). Raises BerError for a generic-trap that is none."""
    if trap.generic == ENTERPRISE_SPECIFIC:
        return (*trap.enterprise, 0, trap.specific)
    if not 0 <= trap.generic < ENTERPRISE_SPECIFIC:
        raise BerError(f"generic-trap {trap.generic}")
    return (*SNMP_TRAPS, trap.generic + 1)


def acknowledgement(inform: Notification) -> bytes:
    """The Response that ends an inform (RFC 3416, section 4.2.7): same request id, same varbinds."""
    return encode_message(inform.version, inform.community, RESPONSE, inform.request_id, 0, 0, inform.varbinds)


def event_of(notification: Notification, device: str, at: float) -> Event:
    """What the notification says of ``device``. Whether it is so, the next poll decides."""
    kind = KINDS.get(fold(notification.trap), "other")
    if kind in ("link_down", "link_up"):
        index, name, description = port_of(notification.varbinds)
        return Event(kind, device, at, index, name, description)
    if kind == "bgp_backward":
        return Event(kind, device, at, text=_peer(notification.varbinds))
    return Event(kind, device, at, text=".".join(map(str, notification.trap)) if kind == "other" else "")


def fold(trap: Oid) -> Oid:
    """A notification's name without the 0 before its last number."""
    return (*trap[:-2], trap[-1]) if len(trap) > 2 and trap[-2] == 0 else trap


def port_of(varbinds: list[VarBind]) -> tuple[int, str, str]:
    """(ifIndex, ifName, ifDescr) as far as the varbinds of a link notification have them; 0 and "" otherwise."""
    index = 0
    texts: dict[Oid, str] = {IF_NAME: "", IF_DESCR: ""}
    for oid, tag, value in varbinds:
        column = oid[:-1]
        if column[:-1] == IF_ENTRY and tag == INTEGER and column[-1] == 1 and isinstance(value, int):
            index = value
        elif column in texts and isinstance(value, bytes):
            texts[column] = printable(value)
        if not index and (column in texts or column[:-1] == IF_ENTRY):
            index = oid[-1]  # ifOperStatus.7 names the port as well
    return index, texts[IF_NAME], texts[IF_DESCR]


def _peer(varbinds: list[VarBind]) -> str:
    size = len(BGP_PEER_ENTRY)
    for oid, _, _ in varbinds:
        if oid[:size] == BGP_PEER_ENTRY and len(oid) == size + 5 and max(oid[-4:]) < 256:
            return ".".join(map(str, oid[-4:]))
    return ""


def printable(raw: bytes) -> str:
    """What a device wrote, fit for a page and a log line."""
    text = raw.decode("utf-8", "replace")[:TEXT_MOST]
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _address(raw: bytes) -> str:
    """An IpAddress; "" for 0.0.0.0, which says nothing (RFC 3584, section 3.1), and for other lengths."""
    return str(ipaddress.IPv4Address(raw)) if len(raw) == 4 and any(raw) else ""
