"""SenML in CBOR (RFC 8428, section 6): integer labels instead of names, and then as in JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import cbor2

from netmon.collectors.mqtt.decode import senml
from netmon.collectors.mqtt.decode.fields import HUGE
from netmon.collectors.mqtt.decode.record import DecodeError, Record

LABELS = {  # section 6, table 4
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s",
    6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
MAX_DEPTH = 8  # of CBOR containers; a pack needs two
# Tags that the library would make objects of: patterns, dates, cycles, addresses. Numbers (2, 3, 4) are all SenML has.
_TAGS = (0, 1, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)


def decode(payload: bytes, received_at: float) -> list[Record]:
    """As ``senml.decode``. Raises DecodeError."""
    try:
        pack = cbor2.loads(
            payload, max_depth=MAX_DEPTH, semantic_decoders=dict.fromkeys(_TAGS, _refuse), strict_hashable_types=False
        )
    except Exception as error:  # noqa: BLE001  # whatever the library meets in bytes of strangers, they are no CBOR
        raise DecodeError("not_cbor", f"not CBOR: {str(error)[:80]}") from None
    return senml.decode_pack([_named(entry) for entry in pack] if isinstance(pack, list) else pack, received_at)


def _refuse(decoder: Any, immutable: bool) -> object:
    raise ValueError("a tag that SenML does not have")


def _named(entry: object) -> object:
    if not isinstance(entry, dict):
        return entry
    record: dict[str, object] = {}
    for label, value in entry.items():
        name = LABELS.get(label, "") if isinstance(label, int) and not isinstance(label, bool) else label
        if not isinstance(name, str) or name in record:
            raise DecodeError("bad_senml", f"bad or repeated label: {str(label)[:40]}")
        if isinstance(value, int) and not -HUGE < value < HUGE:
            raise DecodeError("bad_senml", f"{name or label} is too large")
        if name:  # section 4.4: what is not known is left out
            record[name] = float(value) if isinstance(value, Decimal) else value
    if isinstance(data := record.get("vd"), bytes):  # section 6: a byte string here, base64 text in JSON
        record["vd"] = data.hex()
    return record
