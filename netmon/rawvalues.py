"""What agents send, as numbers and text. Pure."""

from __future__ import annotations

import re

Oid = tuple[int, ...]
Value = int | float | bytes | Oid | None
SCALAR: Oid = (0,)
_OID = re.compile(r"\.?(\d{1,10}(?:\.\d{1,10})+)\Z")
_NUMBER = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s*%?\s*\Z")


def as_number(value: Value) -> float | None:
    """A number out of what agents send: integers, and text such as ``4.102`` or ``0.000%`` (FortiGate)."""
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, bytes):
        match = _NUMBER.match(value.decode("ascii", "replace"))
        return float(match[1]) if match else None
    return None


def as_oid(value: Value) -> Oid:
    """An OID, also where an agent sends it as text, with or without a leading dot; empty where it is none."""
    if isinstance(value, bytes) and (match := _OID.match(as_text(value))):
        return tuple(map(int, match[1].split(".")))
    return value if isinstance(value, tuple) else ()


def as_text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip("\0 \r\n\t")
    return ".".join(map(str, value)) if isinstance(value, tuple) else str(value)
