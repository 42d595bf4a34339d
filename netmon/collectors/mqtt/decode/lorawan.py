"""Uplinks as ChirpStack v4 and The Things Stack v3 pass them on: whose, when, port, bytes, and what a codec made of it.

Both leave out what is 0, "" or false. So a missing port is port 0 and missing bytes are none; a value that is missing
in the codec's own object is unknown all the same: what it means only its codec knows.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import Iterable
from datetime import UTC
from typing import NamedTuple

from netmon.collectors.mqtt.decode.fields import bounded, child, iso_time, numbers, parse_object, text
from netmon.collectors.mqtt.decode.options import NO_OPTIONS, Options
from netmon.collectors.mqtt.decode.record import HERE, DecodeError, Record

REMEMBERED = 16  # deduplication ids of one topic


class Uplink(NamedTuple):
    """``event`` is up, status or other; ``identity`` tells two messages of one event apart from two events."""

    event: str
    device: str
    at: float | None
    identity: str
    port: int
    data: bytes
    values: dict[str, object]  # of a codec
    radio: list[dict[str, object]]


class Repeats:
    """Knows the last messages of one topic by their identity. Bounded."""

    def __init__(self) -> None:
        self._seen: deque[str] = deque(maxlen=REMEMBERED)

    def first(self, identity: str) -> bool:
        if not identity:
            return True
        if identity in self._seen:
            return False
        self._seen.append(identity)
        return True


def read_uplink(payload: bytes) -> Uplink:
    """Either stack's, by its form. Raises DecodeError."""
    document = parse_object(payload)
    if "end_device_ids" in document:
        return _things_stack(document)
    if "deviceInfo" in document:
        return _chirpstack(document)
    raise DecodeError("bad_payload", "neither deviceInfo (ChirpStack) nor end_device_ids (The Things Stack) is in it")


def _chirpstack(document: dict[str, object]) -> Uplink:
    status = any(k in document for k in ("margin", "batteryLevel", "externalPowerSource", "batteryLevelUnavailable"))
    values = child(document, "object")
    if status:
        values = {"margin": document.get("margin", 0)}
        if not document.get("externalPowerSource") and not document.get("batteryLevelUnavailable"):
            values["battery"] = document.get("batteryLevel", 0)  # the event is sure to be about it: 0 was left out
    up = not status and any(key in document for key in ("fPort", "data", "object", "rxInfo", "fCnt"))
    return Uplink(
        "status" if status else "up" if up else "other",
        text(child(document, "deviceInfo"), "devEui"),
        _time(document.get("time")),
        text(document, "deduplicationId"),
        _port(document.get("fPort", 0)),
        _bytes(document.get("data", "")),
        values,
        _objects(document.get("rxInfo")),
    )


def _things_stack(document: dict[str, object]) -> Uplink:
    ids, message = child(document, "end_device_ids"), child(document, "uplink_message")
    correlated = document.get("correlation_ids")
    same = [c for c in correlated if isinstance(c, str)] if isinstance(correlated, list) else []
    return Uplink(
        "up" if "uplink_message" in document else "other",
        text(ids, "dev_eui") or text(ids, "device_id"),
        _time(message.get("received_at") or document.get("received_at")),
        "\n".join(same)[:500],
        _port(message.get("f_port", 0)),
        _bytes(message.get("frm_payload", "")),
        child(message, "decoded_payload"),
        _objects(message.get("rx_metadata")),
    )


def _time(said: object) -> float | None:
    if said is None or said == "":
        return None
    if not isinstance(said, str):
        raise DecodeError("bad_time", "the time is not a text")
    return iso_time(said, UTC)


def _port(said: object) -> int:
    if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= 255:
        return said
    raise DecodeError("bad_payload", f"not a port: {str(said)[:40]}")


def _bytes(said: object) -> bytes:
    try:
        return base64.b64decode(said, validate=True) if isinstance(said, str) else b""
    except (binascii.Error, ValueError):
        raise DecodeError("bad_payload", "the bytes are not base64") from None


def _objects(said: object) -> list[dict[str, object]]:
    return [entry for entry in said if isinstance(entry, dict)] if isinstance(said, list) else []


class Decoder:
    """Values of the codec, of status events, and ``rx.rssi``, ``rx.snr`` of the gateway that heard best."""

    def __init__(self, options: Options = NO_OPTIONS) -> None:
        self._options = options
        self._repeats = Repeats()

    def __call__(self, payload: bytes, received_at: float) -> list[Record]:
        """Raises DecodeError."""
        uplink = read_uplink(payload)
        if uplink.event == "other" or not self._repeats.first(uplink.identity):
            return [HERE]
        units = {"margin": "dB", "battery": "%"} if uplink.event == "status" else {}
        found = bounded(numbers(uplink.values, self._options.words))
        records = [
            Record(name, value, units.get(name, ""), uplink.at, name.rpartition(".")[2], device=uplink.device)
            for name, value in found
        ]
        return [*records, *_reception(uplink)] or [HERE]


def _reception(uplink: Uplink) -> Iterable[Record]:
    for name, unit in (("rssi", "dBm"), ("snr", "dB")):
        heard = [float(e[name]) for e in uplink.radio if _sane(e.get(name))]  # type: ignore[arg-type]
        if heard:
            yield Record(f"rx.{name}", max(heard), unit, uplink.at, device=uplink.device)


def _sane(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1000
