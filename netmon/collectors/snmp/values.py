"""What an SNMP value is worth as a number. Pure."""

from __future__ import annotations

import math
import struct
from calendar import timegm
from datetime import UTC, datetime

Value = int | bytes | tuple[int, ...] | None
OPAQUE = 0x44
NULL = 0x05
INTEGERS = frozenset({0x02, 0x41, 0x42, 0x43, 0x46, 0x47})  # the tags of what is decoded to an int
EXCEPTIONS = frozenset({0x80, 0x81, 0x82})  # noSuchObject, noSuchInstance, endOfMibView (RFC 3416)
_NTP_TO_UNIX = 2208988800  # seconds from 1900 to 1970 (RFC 5905)


def number(tag: int, value: Value) -> float | None:
    """Integers as they are, Opaque floats (net-snmp's 0x9f78, 0x9f79), numbers written as text; None for the rest."""
    if isinstance(value, int):
        return None if tag in EXCEPTIONS else value
    if not isinstance(value, bytes):
        return None
    if tag == OPAQUE or value[:2] in (b"\x9f\x78", b"\x9f\x79"):
        if value[:3] == b"\x9f\x78\x04" and len(value) == 7:
            return float(struct.unpack(">f", value[3:])[0])
        if value[:3] == b"\x9f\x79\x08" and len(value) == 11:
            return float(struct.unpack(">d", value[3:])[0])
        return None
    text = value.decode("ascii", "replace").strip()
    try:
        found = float(text)
    except ValueError:
        return None
    if not math.isfinite(found) or "_" in text:
        return None
    return int(text) if text.lstrip("+-").isdigit() else found


def date_number(kind: str, value: Value, pattern: str = "") -> float | None:
    """Unix seconds of a DateAndTime (RFC 2579), of text by ``pattern`` or of an NTP time stamp; None if it is none."""
    if not isinstance(value, bytes):
        return None
    if kind == "NTPTimeStamp":
        return struct.unpack(">II", value)[0] - _NTP_TO_UNIX if len(value) == 8 else None
    try:
        if kind == "ParseDateAndTime":
            return float(timegm(datetime.strptime(value.decode("ascii").strip(), pattern).timetuple()))
        if len(value) not in (8, 11):
            return None
        year, month, day, hour, minute, second = struct.unpack(">HBBBBB", value[:7])
        stamp = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except (ValueError, UnicodeDecodeError):
        return None
    if len(value) == 11:
        away = value[9] * 3600 + value[10] * 60
        stamp += -away if value[8:9] == b"+" else away
    return stamp
