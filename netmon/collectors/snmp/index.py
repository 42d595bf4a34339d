"""Labels of a row: its index arcs decoded by type, and look-ups in other columns of the same row. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from netmon.collectors.snmp.modules import COMBINED_TYPES, Index, Metric, Oid
from netmon.collectors.snmp.values import OPAQUE, number

if TYPE_CHECKING:
    from netmon.collectors.snmp.pdu import VarBind

Columns = Mapping[Oid, Mapping[Oid, "VarBind"]]
TEXT_KINDS = frozenset({"DisplayString", "gauge", "counter", "Integer", "Integer32"})  # text where a number belongs
IP_ADDRESS = 0x40  # its tag (RFC 2578, section 7.1)
MOST_ARCS = 128  # of an OID (RFC 2578, section 3.5): no index is longer, whatever length it claims
_UNDECODABLE = re.compile("[\udc80-\udcff]+")  # what surrogateescape makes of bytes that are not UTF-8
_INET = {1: "InetAddressIPv4", 2: "InetAddressIPv6"}  # InetAddressType, RFC 4001
# LldpPortIdSubtype, IEEE 802.1AB: text but for 3, a MAC address
_PORT_ID = {1: "DisplayString", 2: "DisplayString", 3: "PhysAddress48", 5: "DisplayString", 7: "DisplayString"}
_COMBINED: Mapping[str, Mapping[int, str]] = {
    "InetAddress": _INET,
    "InetAddressMissingSize": _INET,
    "LldpPortId": _PORT_ID,
}


class Row(NamedTuple):
    """One varbind in its place."""

    metric: Metric
    at: Oid  # the row's index
    varbind: VarBind
    columns: Columns


def readable(raw: bytes) -> str:
    """Text as UTF-8; bytes that are not become one U+FFFD per run, as in snmp_exporter."""
    return _UNDECODABLE.sub("\ufffd", raw.decode("utf-8", "surrogateescape"))


def _octets(arcs: Oid, kind: str) -> str:
    if kind == "DisplayString":
        return readable(bytes(arc & 0xFF for arc in arcs))
    return "0x" + "".join(f"{arc & 0xFF:02X}" for arc in arcs) if arcs else ""


def decode_arcs(arcs: Oid, index: Index) -> tuple[str, Oid, Oid]:
    """(text, arcs used, arcs left) of one part of an index. Missing arcs count as zeros."""
    kind = index.type
    if kind in COMBINED_TYPES:
        head = 1 if kind == "InetAddressMissingSize" else 2  # the type, and mostly a length
        subtype = _COMBINED[kind].get(arcs[0] if arcs else 0)
        if subtype:
            size = arcs[1] if head == 2 and len(arcs) > 1 else 0
            text, used, left = decode_arcs(arcs[head:], Index("", subtype, fixed_size=size))
            return text, arcs[:head] + used, left
        if head == 1:
            return _octets(arcs, "OctetString"), arcs, ()
        size = 2 + (arcs[1] if len(arcs) > 1 else 0)
        return _octets(arcs[:size], "OctetString"), arcs[:size], arcs[size:]
    if kind in ("OctetString", "DisplayString"):
        if index.fixed_size:
            used, left = _padded(arcs, index.fixed_size), arcs[index.fixed_size :]
            return _octets(used, kind), used, left
        if index.implied:
            return _octets(arcs, kind), arcs, ()
        size = arcs[0] if arcs else 0
        used = _padded(arcs, 1 + size)
        return _octets(used[1:], kind), used, arcs[1 + size :]
    if kind == "PhysAddress48":
        used = _padded(arcs, 6)
        return ":".join(f"{arc:02X}" for arc in used), used, arcs[6:]
    if kind == "InetAddressIPv4":
        used = _padded(arcs, 4)
        return ".".join(map(str, used)), used, arcs[4:]
    if kind == "InetAddressIPv6":
        used = _padded(arcs, 16)
        return ":".join(f"{used[i]:02X}{used[i + 1]:02X}" for i in range(0, 16, 2)), used, arcs[16:]
    used = _padded(arcs, 1)
    text = index.enum_values.get(used[0], str(used[0])) if kind == "EnumAsInfo" else str(used[0])
    return text, used, arcs[1:]


def _padded(arcs: Oid, size: int) -> Oid:
    """Some agents leave zeros at an index's end out."""
    return (*arcs[:size], *(0,) * (min(size, MOST_ARCS) - len(arcs)))


def decode_index(indexes: Sequence[Index], arcs: Oid) -> tuple[dict[str, str], dict[str, Oid]]:
    """(label -> text, label -> arcs) of a row."""
    labels: dict[str, str] = {}
    parts: dict[str, Oid] = {}
    for index in indexes:
        labels[index.labelname], parts[index.labelname], arcs = decode_arcs(arcs, index)
    return labels, parts


def lookup_labels(
    metric: Metric,
    labels: dict[str, str],
    parts: dict[str, Oid],
    columns: Columns,
    names: Mapping[Oid, Mapping[Oid, str]],
) -> dict[str, str]:
    """The labels with all look-ups done, in their order; a look-up may use what an earlier one found."""
    for lookup in metric.lookups:
        if not lookup.labels:
            labels.pop(lookup.labelname, None)
            continue
        index = tuple(arc for label in lookup.labels for arc in parts.get(label, ()))
        stable = names.get(lookup.oid)
        if stable is not None:
            labels[lookup.labelname] = stable.get(index, "")
            continue
        varbind = columns.get(lookup.oid, {}).get(index)
        if varbind is None:
            labels[lookup.labelname] = ""
            continue
        parts[lookup.labelname] = (varbind.value if isinstance(varbind.value, int) else 0,)
        if lookup.type == "EnumAsInfo" and isinstance(varbind.value, int):
            labels[lookup.labelname] = lookup.enum_values.get(varbind.value, str(varbind.value))
        else:
            kind = combined_type(lookup.type, lookup.oid, index, columns)
            labels[lookup.labelname] = text_of(varbind, kind) or ""
    return labels


def combined_type(kind: str, oid: Oid, index: Oid, columns: Columns) -> str:
    """The type of a value whose type stands in the column before it."""
    if kind not in COMBINED_TYPES:
        return kind
    before = columns.get((*oid[:-1], oid[-1] - 1), {}).get(index)
    subtype = before.value if before is not None and isinstance(before.value, int) else 0
    return _COMBINED[kind].get(subtype, "OctetString")


def text_of(varbind: VarBind, kind: str) -> str | None:
    """A value as label text; None for null."""
    value = varbind.value
    if isinstance(value, tuple):
        return ".".join(map(str, value))
    if not isinstance(value, bytes):
        return None if value is None else str(value)
    if varbind.tag == IP_ADDRESS:
        kind = "InetAddressIPv4"
    if kind in TEXT_KINDS:
        return readable(value)
    if kind in ("PhysAddress48", "InetAddressIPv4", "InetAddressIPv6"):
        return decode_arcs(tuple(value), Index("", kind))[0]  # an empty one is all zeros, as in snmp_exporter
    opaque = number(varbind.tag, value) if varbind.tag == OPAQUE else None
    return _octets(tuple(value), "OctetString") if opaque is None else f"{opaque:.7g}"


def value_text(row: Row) -> str | None:
    """The text of a row's own value."""
    return text_of(row.varbind, combined_type(row.metric.type, row.metric.oid, row.at, row.columns))
