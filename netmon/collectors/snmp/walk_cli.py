"""Varbinds as text, one per line, for `netmon walk`: numeric name, type, value."""

from __future__ import annotations

import struct

from netmon.collectors.snmp import ber
from netmon.collectors.snmp.pdu import VarBind

_NAMES = {
    ber.INTEGER: "INTEGER",
    ber.OCTET_STRING: "STRING",
    ber.NULL: "NULL",
    ber.OBJECT_ID: "OID",
    ber.IP_ADDRESS: "IpAddress",
    ber.COUNTER32: "Counter32",
    ber.GAUGE32: "Gauge32",
    ber.TIME_TICKS: "TimeTicks",
    ber.OPAQUE: "Opaque",
    ber.NSAP_ADDRESS: "NsapAddress",
    ber.COUNTER64: "Counter64",
    ber.UINTEGER32: "UInteger32",
    ber.NO_SUCH_OBJECT: "noSuchObject",
    ber.NO_SUCH_INSTANCE: "noSuchInstance",
    ber.END_OF_MIB_VIEW: "endOfMibView",
}


def format_oid(oid: ber.Oid) -> str:
    """Numbers with dots between, none before."""
    return ".".join(map(str, oid))


def parse_oid(text: str) -> ber.Oid:
    """The reverse; a leading dot is allowed. Raises BerError naming the text."""
    parts = text.strip().removeprefix(".").split(".")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ber.BerError(f"not an OID: {text!r}")
    oid = tuple(map(int, parts))
    ber.encode_oid(oid)
    return oid


def opaque_float(raw: bytes) -> float | None:
    """A float or double inside an Opaque (net-snmp: 9f 78 04 or 9f 79 08, then IEEE 754), else None."""
    if len(raw) == 7 and raw[:3] == b"\x9f\x78\x04":
        return float(struct.unpack(">f", raw[3:])[0])
    if len(raw) == 11 and raw[:3] == b"\x9f\x79\x08":
        return float(struct.unpack(">d", raw[3:])[0])
    return None


def format_varbind(varbind: VarBind) -> str:
    """``1.3.6.1.2.1.1.3.0 = TimeTicks: 12345``; bytes that are no printable text come as hexadecimal."""
    oid, tag, value = varbind
    name = _NAMES.get(tag, f"0x{tag:02x}")
    if value is None:
        return f"{format_oid(oid)} = {name}"
    if isinstance(value, tuple):
        shown = format_oid(value)
    elif isinstance(value, int):
        shown = str(value)
    elif tag == ber.IP_ADDRESS and len(value) == 4:
        shown = ".".join(map(str, value))
    elif tag == ber.OPAQUE and (number := opaque_float(value)) is not None:
        shown = f"{number:g}"
    else:
        text = _printable(value) if tag == ber.OCTET_STRING else None
        name, shown = (name, f'"{text}"') if text is not None else (f"Hex-{name}", value.hex(" "))
    return f"{format_oid(oid)} = {name}: {shown}"


def _printable(raw: bytes) -> str | None:
    """The text of an OCTET STRING, or None where it holds control characters or is no UTF-8."""
    try:
        text = raw.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\r\n\t" for c in text) else None
