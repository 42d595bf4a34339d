"""Whether a device is there: last wills and availability topics, plain words or ``{"state": "offline"}``."""

from __future__ import annotations

from netmon.collectors.mqtt.decode.fields import parse_object, text
from netmon.collectors.mqtt.decode.record import GONE, HERE, DecodeError, Record

MAX_BYTES = 1000
WORDS = {"online": HERE, "true": HERE, "1": HERE, "offline": GONE, "false": GONE, "0": GONE}


def decode(payload: bytes, received_at: float) -> list[Record]:
    """GONE or HERE. Raises DecodeError."""
    if len(payload) > MAX_BYTES:
        raise DecodeError("bad_payload", "too long for online or offline")
    said = payload.decode(errors="replace").strip()
    if said.startswith("{"):
        said = text(parse_object(payload), "state")
    word = WORDS.get(said.strip('"').casefold())
    if word is None:
        raise DecodeError("bad_value", f"neither online nor offline: {said[:40]!r}")
    return [word]


def topics(form: str, topic: str) -> list[str]:
    """Where a device of this format that sends its values on ``topic`` says whether it is there."""
    if form == "tasmota":  # tele/%topic%/SENSOR and tele/%topic%/LWT, whatever the full topic is made of
        return [f"{topic.rpartition('/')[0]}/LWT"] if "/" in topic else []
    if form == "zigbee2mqtt":  # friendly names may hold slashes; without the bridge nothing comes from any device
        return [f"{topic}/availability", f"{topic.partition('/')[0]}/bridge/state"]
    if form == "shelly":
        device = topic.removesuffix("/events/rpc")
        return [f"{device if device != topic else topic.rpartition('/status/')[0]}/online"]
    return []
