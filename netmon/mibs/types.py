"""Which of snmp_exporter's types an object is, as a value and as a part of an index. Pure.

The choice follows snmp_exporter's generator, so that its users find their series again, but for what it would decode
wrongly: hardware addresses in an index that are not six octets, and conventions that make a gauge of a counter's type.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from netmon.collectors.snmp.modules import Index
from netmon.mibs.facts import Part, Syntax

_TEXT_HINT = re.compile(r"\d+[at]\Z")  # RFC 2579, section 3.1: so many octets of ASCII or UTF-8
_DATE_HINT = "2d-1d-1d,1d:1d:1d.1d,1a1d:1d"  # DateAndTime's own
# The type of the value stands in the object before it (RFC 4001, section 4.1; IEEE 802.1AB).
COMBINED = {"InetAddress": "InetAddressType", "LldpPortId": "LldpPortIdSubtype"}
_COUNTING = {"CounterBasedGauge64": "gauge", "ZeroBasedCounter32": "counter"}  # HCNUM-TC, RMON2-MIB
_NUMBERS = {
    "Integer32": "gauge",
    "Gauge32": "gauge",
    "Unsigned32": "gauge",
    "TimeTicks": "gauge",
    "Counter32": "counter",
    "Counter64": "counter",
}


def label(name: str) -> str:
    """An object's name as a metric or label: hyphens are allowed in SMIv1 only, and in Prometheus nowhere."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def value_type(syntax: Syntax, before: Syntax | None = None) -> str:
    """The type of a metric; ``before`` is the column before it, which may hold its type."""
    named = next((_COUNTING[name] for name in syntax.conventions if name in _COUNTING), "")
    if syntax.base in _NUMBERS:
        return named or _NUMBERS[syntax.base]
    if syntax.base == "Bits":
        return "Bits" if syntax.enums else "OctetString"
    if syntax.base == "IpAddress":
        return "InetAddressIPv4"
    if syntax.base == "Opaque":
        return "Double" if "Double" in syntax.conventions else "Float"
    return _octets(syntax, before) if syntax.base == "OctetString" else "OctetString"


def _octets(syntax: Syntax, before: Syntax | None) -> str:
    for name in syntax.conventions:
        if name in COMBINED:
            return name if before is not None and COMBINED[name] in before.conventions else "OctetString"
        if name in ("InetAddressIPv4", "InetAddressIPv6", "DisplayString", "DateAndTime"):
            return name
        if name in ("PhysAddress", "MacAddress"):
            return "PhysAddress48"
    if _TEXT_HINT.match(syntax.hint):
        return "DisplayString"
    if syntax.hint == "1x:" and syntax.size in (0, 6):
        return "PhysAddress48"
    if syntax.hint == "1d.1d.1d.1d" and syntax.size == 4:
        return "InetAddressIPv4"
    return "DateAndTime" if syntax.hint == _DATE_HINT else "OctetString"


def is_text(syntax: Syntax) -> bool:
    """Whether a value is something to read."""
    return value_type(syntax) == "DisplayString"


def indexes(parts: Sequence[Part]) -> tuple[Index, ...]:
    """The index of a row. An address's type and the address are one label, as in snmp_exporter."""
    found: list[Index] = []
    before: Syntax | None = None
    for part in parts:
        index = _index(part, before)
        if index.type in ("InetAddress", "InetAddressMissingSize", "LldpPortId"):
            found.pop()
        found.append(index)
        before = part.syntax
    return tuple(found)


def _index(part: Part, before: Syntax | None) -> Index:
    syntax, kind = part.syntax, value_type(part.syntax, before)
    if kind == "counter":
        kind = "gauge"
    if kind == "InetAddress" and (part.implied or syntax.size):
        return Index(label(part.name), "InetAddressMissingSize")
    if kind in COMBINED:
        return Index(label(part.name), kind)
    if kind == "PhysAddress48" and syntax.size != 6:
        kind = "OctetString"  # of any length, which stands before it
    elif kind in ("Bits", "DateAndTime", "Float", "Double"):
        kind = "OctetString"
    text = kind in ("DisplayString", "OctetString")
    return Index(
        labelname=label(part.name),
        type=kind,
        fixed_size=syntax.size if text else 0,
        implied=text and part.implied and not syntax.size,
        enum_values=syntax.enums if kind == "gauge" else {},
    )
