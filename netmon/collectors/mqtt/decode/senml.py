"""SenML (RFC 8428), here in JSON: base fields, relative times, sums. Sections in the comments are of that RFC."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netmon.collectors.mqtt.decode.record import DecodeError, Record, finite, parse_json

VERSION = 10  # section 4.4: the version of this RFC; a higher one must not be processed
RELATIVE_BELOW = 2.0**28  # section 4.5.3: times below are seconds relative to now
MAX_RECORDS = 1000  # far above what fits a sensor's packet; a bound for us
SUM = "#sum"  # a sum is a record of its own under this suffix, which no SenML name can contain

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*\Z")  # section 4.5.1
_NUMBERS = ("bt", "bv", "bs", "bver", "v", "s", "t", "ut")
_TEXTS = ("bn", "bu", "n", "u", "vs", "vd")
_VALUES = ("v", "vs", "vb", "vd")


def decode(payload: bytes, received_at: float) -> list[Record]:
    """All numbers of a pack; booleans become 0 and 1, texts and bytes are left out. Raises DecodeError."""
    return decode_pack(parse_json(payload), received_at)


def decode_pack(pack: object, received_at: float) -> list[Record]:
    """As ``decode``, from what JSON or CBOR held. Raises DecodeError."""
    if not isinstance(pack, list):
        raise DecodeError("bad_senml", "a SenML pack is an array")
    if len(pack) > MAX_RECORDS:
        raise DecodeError("bad_senml", f"more than {MAX_RECORDS} records")
    return resolve([_checked(entry) for entry in pack], received_at)


def _checked(entry: object) -> dict[str, object]:
    if not isinstance(entry, dict):
        raise DecodeError("bad_senml", "a record is an object")
    for key, value in entry.items():
        if key.endswith("_"):  # section 4.4: must be understood, and we know none
            raise DecodeError("bad_senml", f"unknown field that must be understood: {key[:40]}")
        if key in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float) or not finite(value)):
            raise DecodeError("bad_senml", f"{key} is not a number")
        if key in _TEXTS and not isinstance(value, str):
            raise DecodeError("bad_senml", f"{key} is not a text")
        if key == "vb" and not isinstance(value, bool):
            raise DecodeError("bad_senml", "vb is not true or false")
    if sum(key in entry for key in _VALUES) > 1:  # section 4.2
        raise DecodeError("bad_senml", "more than one value in a record")
    return entry


def _number(entry: Mapping[str, object], key: str) -> float | None:
    value = entry.get(key)
    return float(value) if isinstance(value, int | float) else None


def resolve(pack: list[dict[str, object]], received_at: float) -> list[Record]:
    """Apply base fields to the entries that follow them (section 4.6)."""
    base: dict[str, object] = {}
    records: list[Record] = []
    for entry in pack:
        if "bver" in entry and base.get("bver", entry["bver"]) != entry["bver"]:
            raise DecodeError("bad_senml", "bver changes within a pack")
        base.update({key: value for key, value in entry.items() if key in ("bn", "bt", "bu", "bv", "bs", "bver")})
        if (_number(base, "bver") or 0) > VERSION:
            raise DecodeError("bad_senml", f"bver above {VERSION}")
        if not any(key in entry for key in ("n", "u", "t", "s", *_VALUES)):
            continue  # nothing but base fields
        records += _records(entry, base, received_at)
    return records


def _records(entry: Mapping[str, object], base: Mapping[str, object], received_at: float) -> list[Record]:
    local = str(entry.get("n", ""))
    name = str(base.get("bn", "")) + local
    if not _NAME.match(name):
        raise DecodeError("bad_senml", f"bad name: {name[:60]!r}")
    unit = str(entry.get("u", base.get("bu", "")))
    at = _time((_number(base, "bt") or 0.0) + (_number(entry, "t") or 0.0), received_at)
    records = []
    value = _number(entry, "v")
    offset = _number(base, "bv")
    if "vb" in entry:
        records.append(Record(name, 1.0 if entry["vb"] else 0.0, unit, at, local))
    elif value is not None or (offset is not None and not any(key in entry for key in ("vs", "vd", "s"))):
        records.append(Record(name, _finite_sum(value, offset), unit, at, local))
    elif not any(key in entry for key in ("vs", "vd", "s")):
        raise DecodeError("bad_senml", f"record without a value: {name[:60]}")  # section 4.2
    if "s" in entry or ("bs" in base and value is not None):
        total = _finite_sum(_number(entry, "s"), _number(base, "bs"))
        # Section 4.2: a sum is the integral of the value over time, hence its unit.
        records.append(Record(name + SUM, total, f"{unit}.s" if unit else "", at, local + SUM))
    return records


def _finite_sum(value: float | None, offset: float | None) -> float:
    total = (value or 0.0) + (offset or 0.0)
    if not finite(total):
        raise DecodeError("bad_senml", "a value overflows")
    return total


def _time(time_s: float, received_at: float) -> float | None:
    """Section 4.5.3. No time, or "now", is no clock of the device's own."""
    if not time_s:
        return None
    return received_at + time_s if time_s < RELATIVE_BELOW else time_s
