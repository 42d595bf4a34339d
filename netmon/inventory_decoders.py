"""Decoders of the inventory: mappings of JSON, byte layouts of meters, and which topic is read by which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from netmon.collectors.mqtt.decode import check_mapping
from netmon.collectors.mqtt.decode.layout import ENVELOPES, MAX_BYTES, TYPES, Channel, Field, Frame, Test, size
from netmon.yamlfile import Entry

FILTER = re.compile(r"(?:[^+#\x00/]*|\+)(?:/(?:[^+#\x00/]*|\+))*(?:/#)?|#")
FILTER_ALLOWED = 'an MQTT filter: "+" stands for one whole level, "#" for all that follow and only at the end'
_BYTE = re.compile(r"0[xX][0-9a-fA-F]{1,2}|0|[1-9][0-9]{0,2}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class Named(NamedTuple):
    """A decoder named for a topic filter."""

    filter: str
    decoder: str
    entry: Entry


def read_named(entry: Entry) -> Named:
    found = Named(
        entry.text("filter", required=True, pattern=FILTER, allowed=FILTER_ALLOWED),
        entry.text("decoder", required=True),
        entry,
    )
    entry.finish()
    return found


def decoder_for(topic: str, named: Sequence[Named]) -> str:
    """The decoder of the most specific filter that matches; "" if none does."""
    found = [n for n in named if n.filter and matches(n.filter, topic)]
    return min(found, key=lambda n: specificity(n.filter)).decoder if found else ""


def specificity(filter_: str) -> tuple[int, ...]:
    """Sorts filters of one topic, the most specific first: level by level a name, then +, then #."""
    return tuple({"+": 1, "#": 2}.get(level, 0) for level in filter_.split("/"))


def matches(filter_: str, topic: str) -> bool:
    """As the broker does it (MQTT 5, section 4.7): "a/#" matches "a", too, and no wildcard matches "$SYS"."""
    wanted, given = filter_.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("+", g) for w, g in zip(wanted, given, strict=True))


def read_decoder(entry: Entry) -> Mapping[str, object]:
    """The options of a decoder. Those of a format stand at its first line when they are wrong, layouts at their own."""
    if entry.text("format", "json") == "bytes":
        return _read_bytes(entry)
    before = len(entry.problems)
    mapping = {key: value for key, value in entry.plain().items() if key != "id"}
    if len(entry.problems) == before:
        for text in check_mapping(mapping):
            entry.problem(text.split(".")[0].split(":")[0], text)
    return mapping


def _read_bytes(entry: Entry) -> Mapping[str, object]:
    envelope = entry.text("envelope", "lorawan", choices=ENVELOPES)
    places = entry.entries("frames", "frame", required=True)
    frames = tuple(_read_frame(place, envelope) for place in places)
    if not frames and entry.kind("frames") == "list":
        entry.problem("frames", '"frames" is empty', "one frame for each port")
    seen: set[int | None] = set()
    for frame, place in zip(frames, places, strict=True):
        if None in seen or seen & set(frame.ports):
            place.problem("port", "an earlier frame takes this port", "one frame for each, one without a port last")
        seen |= set(frame.ports) or {None}
    entry.finish()
    return {"format": "bytes", "envelope": envelope, "frames": frames}


def _read_frame(entry: Entry, envelope: str) -> Frame:
    ports = entry.numbers("port", one=True)
    if any(port != int(port) or not 0 <= port <= 255 for port in ports):
        entry.problem("port", f'"port" cannot be {", ".join(f"{port:g}" for port in ports)}', "allowed: 0 to 255")
    if ports and envelope != "lorawan":
        entry.problem("port", f'"port" is not for envelope {envelope}', "only LoRaWAN has ports")
    length = entry.number("length", low=1, high=MAX_BYTES, whole=True)
    fields = _read_fields(entry)
    channels: dict[tuple[int | None, int], Channel] = {}
    for place in entry.entries("channels", "channel"):
        channel = _read_channel(place)
        if (channel.channel, channel.type) in channels:
            place.problem("channel", "this channel and type are there already")
        channels[channel.channel, channel.type] = channel
    if bool(fields) == bool(channels):
        entry.problem("fields", 'a frame has either "fields" or "channels"')
    entry.finish()
    return Frame(tuple(int(p) for p in ports), None if length is None else int(length), fields, channels)


def _read_channel(entry: Entry) -> Channel:
    number, kind = _byte(entry, "channel", required=False), _byte(entry, "type", required=True)
    fields = _read_fields(entry)
    needed = max((field.end for field in fields), default=0)
    length = entry.number("length", None, low=0, high=MAX_BYTES, whole=True)
    if length is None and not fields:
        entry.problem("length", '"length" is missing', 'what has no "fields" is passed over and needs its length')
    elif length is not None and length < needed:
        entry.problem("length", f'"length" {length:g} is less than its fields take', f"at least {needed}")
    entry.finish()
    return Channel(number, kind or 0, int(needed if length is None else length), fields)


def _byte(entry: Entry, key: str, *, required: bool) -> int | None:
    """0 to 255, in decimal or as 0x75."""
    text = entry.raw(key)
    if not entry.has(key):
        if required:
            entry.problem(key, f'"{key}" is missing', "a byte, such as 0x75")
        return None
    value = int(text, 0) if _BYTE.fullmatch(text) else 256
    if value > 255:
        entry.problem(key, f'"{key}" cannot be {text or "empty"}', "a byte: 0 to 255, or 0x00 to 0xFF")
        return None
    return value


def _read_fields(owner: Entry) -> tuple[Field, ...]:
    places = owner.entry("fields")
    found = []
    for name in places.names() if places else ():
        entry = places.entry(name) if places else None
        if entry is None:
            continue
        if not _NAME.fullmatch(name):
            entry.problem("", f'"{name}" is no name of a field', "a letter, then letters, digits, _ . -")
        found.append(_read_field(entry, name))
    return tuple(found)


def _read_field(entry: Entry, name: str) -> Field:
    kind = _read_type(entry)
    test = entry.entry("if")
    absent = entry.numbers("absent", one=True)
    scale = entry.number("scale", 1.0)
    if scale == 0:
        entry.problem("scale", '"scale" cannot be 0')
    field = Field(
        name=name,
        offset=_read_offset(entry),
        type=kind,
        bits=_read_bits(entry, kind),
        scale=scale or 1.0,
        add=entry.number("add", 0.0) or 0.0,
        unit=entry.text("unit"),
        absent=tuple(int(value) for value in absent),
        test=_read_test(test) if test else None,
    )
    entry.finish()
    return field


def _read_test(entry: Entry) -> Test:
    kind = _read_type(entry, "u8")
    values = tuple(int(value) for value in entry.numbers("is", one=True))
    test = Test(_read_offset(entry), kind, _read_bits(entry, kind), values)
    entry.finish()
    return test


def _read_type(entry: Entry, default: str = "") -> str:
    return entry.text("type", default, required=not default, choices=TYPES) or "u8"


def _read_offset(entry: Entry) -> int:
    return int(entry.number("offset", 0.0, low=0, high=MAX_BYTES - 1, whole=True) or 0)


def _read_bits(entry: Entry, kind: str) -> tuple[int, int] | None:
    bits = entry.numbers("bits", one=True)
    if not entry.has("bits"):
        return None
    top = 8 * size(kind) - 1
    if kind[0] not in "ui":
        entry.problem("bits", f'"bits" is not for type {kind}', "types that begin with u or i")
    elif not bits or len(bits) > 2 or any(b != int(b) for b in bits) or not 0 <= bits[0] <= bits[-1] <= top:
        entry.problem("bits", '"bits" must be one bit or [lowest, highest]', f"0 (the least) to {top} in {kind}")
    else:
        return int(bits[0]), int(bits[-1])
    return None
