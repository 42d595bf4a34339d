"""Whether a device or a gateway is there: last wills and availability topics, plain words or ``{"state": "offline"}``;
and ChirpStack's ``ConnState`` (gateway/ID/state/conn), in JSON or protobuf, both of which leave out OFFLINE, being 0.
"""

from __future__ import annotations

from netmon.collectors.mqtt.decode.fields import parse_object, text
from netmon.collectors.mqtt.decode.record import GONE, HERE, DecodeError, Record

MAX_BYTES = 1000
_GATEWAY_ID = ("gatewayId", "gatewayID", "gatewayIdLegacy")
WORDS = {"online": HERE, "true": HERE, "1": HERE, "offline": GONE, "false": GONE, "0": GONE}


def decode(payload: bytes, received_at: float) -> list[Record]:
    """GONE or HERE. Raises DecodeError."""
    if len(payload) > MAX_BYTES:
        raise DecodeError("bad_payload", "too long for online or offline")
    said = payload.decode(errors="replace").strip()
    if said.startswith("{"):
        document = parse_object(payload)
        said = text(document, "state") or ("offline" if any(key in document for key in _GATEWAY_ID) else "")
    word = WORDS.get(said.strip('"').casefold()) or _conn_state(payload)
    if word is None:
        raise DecodeError("bad_value", f"neither online nor offline: {said[:40]!r}")
    return [word]


def _conn_state(payload: bytes) -> Record | None:
    """gw.proto: gateway_id_legacy = 1 (bytes), state = 2 (ONLINE is 1), gateway_id = 3 (text). None if it is none."""
    at = state = 0
    named = False
    while at + 1 < len(payload):
        key, value = payload[at], payload[at + 1]  # all fields are short: one byte says number and kind, one the length
        if key == 0x10 and value <= 1:
            state, at = value, at + 2
        elif key in (0x0A, 0x1A) and 0 < value < 128:
            named, at = True, at + 2 + value
        else:
            return None
    return (HERE if state else GONE) if named and at == len(payload) else None


def bridge(form: str, topic: str) -> str:
    """Where the one program that all devices of this format are heard through says whether it is there; "": nowhere."""
    return f"{topic.partition('/')[0]}/bridge/state" if form == "zigbee2mqtt" else ""


def topics(form: str, topic: str) -> list[str]:
    """Where a device of this format that sends its values on ``topic`` says whether it is there."""
    if form == "tasmota":  # tele/%topic%/SENSOR and tele/%topic%/LWT, whatever the full topic is made of
        return [f"{topic.rpartition('/')[0]}/LWT"] if "/" in topic else []
    if form == "zigbee2mqtt":  # friendly names may hold slashes; without the bridge nothing comes from any device
        return [f"{topic}/availability", bridge(form, topic)]
    if form == "shelly":
        device = topic.removesuffix("/events/rpc")
        return [f"{device if device != topic else topic.rpartition('/status/')[0]}/online"]
    return []
