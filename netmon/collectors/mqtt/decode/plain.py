"""A bare value: ``21.5``, ``21.5 °C``, or a word that the inventory gives a number (ON, OFF, true, false)."""

from __future__ import annotations

import re

from netmon.collectors.mqtt.decode.options import NO_OPTIONS, Options
from netmon.collectors.mqtt.decode.record import DecodeError, Record, finite

MAX_BYTES = 64
NAME = "value"
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
_VALUE = re.compile(rf"({_NUMBER})\s*([^\s0-9.,+-]\S{{0,15}})?", re.ASCII)


def decode(payload: bytes, received_at: float, options: Options = NO_OPTIONS) -> list[Record]:
    """One record called ``value``. Raises DecodeError."""
    if len(payload) > MAX_BYTES:
        raise DecodeError("bad_payload", f"more than {MAX_BYTES} bytes for one value")
    try:
        said = payload.decode().strip().strip('"')
    except UnicodeDecodeError:
        raise DecodeError("bad_payload", "not UTF-8") from None
    if (known := options.words.get(said.casefold())) is not None:
        return [Record(NAME, known, options.unit, None)]
    found = _VALUE.fullmatch(said)
    if not found:
        words = ", ".join(options.words) or "none"
        raise DecodeError("bad_value", f"neither a number (21.5) nor a word of the decoder ({words}): {said[:40]!r}")
    value = float(found[1])
    if not finite(value):
        raise DecodeError("bad_value", "not a finite number")
    return [Record(NAME, value, found[2] or options.unit, None)]
