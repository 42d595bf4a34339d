"""Byte layouts of LoRaWAN meters, as data: fixed places in a frame, or channels (Cayenne LPP, Milesight) in a row.

A layout is written in the inventory (``format: "bytes"``, docs/reference/inventory.md); nothing of it is executed.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from typing import NamedTuple

from netmon.collectors.mqtt.decode.lorawan import Repeats, read_uplink
from netmon.collectors.mqtt.decode.record import HERE, DecodeError, Record, finite

ENVELOPES = ("lorawan", "raw", "hex", "base64")
MAX_BYTES = 1024  # LoRaWAN carries 242 at most
SIZES = {"8": 1, "16": 2, "24": 3, "32": 4, "64": 8}
TYPES = (
    "u8", "i8", "u16be", "u16le", "i16be", "i16le", "u24be", "u24le", "i24be", "i24le", "u32be", "u32le", "i32be",
    "i32le", "u64be", "u64le", "i64be", "i64le", "f32be", "f32le", "f64be", "f64le", "bcd",
)  # fmt: skip


class Test(NamedTuple):
    """What must be so for a field to be there: a number in the frame is one of ``values`` (empty: is not 0)."""

    offset: int
    type: str
    bits: tuple[int, int] | None
    values: tuple[int, ...]


class Field(NamedTuple):
    """One number: where, how it is written, and what it means (``raw * scale + add``, in ``unit``)."""

    name: str
    offset: int
    type: str
    bits: tuple[int, int] | None  # lowest and highest, 0 the least significant
    scale: float
    add: float
    unit: str
    absent: tuple[int, ...]  # raw values that mean "no value"
    test: Test | None

    @property
    def end(self) -> int:
        return self.offset + size(self.type)


class Channel(NamedTuple):
    """A value led by a channel byte and a type byte. ``channel`` None: any, and its number is put to the names."""

    channel: int | None
    type: int
    length: int
    fields: tuple[Field, ...]


class Frame(NamedTuple):
    """The layout of one port (or of all, if it names none): either fields at fixed places or channels."""

    ports: tuple[int, ...]
    length: int | None  # the only length it may have
    fields: tuple[Field, ...]
    channels: Mapping[tuple[int | None, int], Channel]


class LayoutError(DecodeError):
    """A frame that does not fit its layout. ``position`` is the byte in ``data`` where that shows."""

    def __init__(self, reason: str, message: str, data: bytes, position: int, records: list[Record]) -> None:
        self.data = data
        self.position = position
        super().__init__(reason, message, records)


def size(kind: str) -> int:
    """Bytes that a number of this type takes."""
    return 1 if kind == "bcd" else SIZES[kind[1:].removesuffix("be").removesuffix("le")]


class Decoder:
    """One envelope with frames in it, of one topic."""

    def __init__(self, envelope: str, frames: tuple[Frame, ...]) -> None:
        self._envelope = envelope
        self._frames = frames
        self._repeats = Repeats()

    def __call__(self, payload: bytes, received_at: float) -> list[Record]:
        """Raises DecodeError; what was read before the trouble is in it."""
        if self._envelope != "lorawan":
            return self._frame(None, _opened(self._envelope, payload), "", None)
        uplink = read_uplink(payload)
        if uplink.event != "up" or not uplink.data or not self._repeats.first(uplink.identity):
            return [HERE]  # without bytes it only acknowledges
        return self._frame(uplink.port, uplink.data, uplink.device, uplink.at)

    def _frame(self, port: int | None, data: bytes, device: str, at: float | None) -> list[Record]:
        if len(data) > MAX_BYTES:
            raise DecodeError("bad_payload", f"more than {MAX_BYTES} bytes")
        frame = next((f for f in self._frames if not f.ports or port in f.ports), None)
        if frame is None:
            known = ", ".join(str(p) for f in self._frames for p in f.ports)
            raise LayoutError("unknown_port", f"unknown port {port}; the layout has {known}", data, 0, [])
        if frame.length is not None and len(data) != frame.length:
            text = f"{len(data)} bytes instead of {frame.length}"
            raise LayoutError("bad_length", text, data, min(len(data), frame.length), [])
        try:
            found = _channels(frame, data) if frame.channels else _fields(frame.fields, data, 0, "")
        except LayoutError as error:
            error.records = [r._replace(device=device, at=at) for r in error.records]
            raise
        return [r._replace(device=device, at=at) for r in found] or [HERE]


def _opened(envelope: str, payload: bytes) -> bytes:
    try:
        if envelope == "hex":
            return bytes.fromhex(payload.decode("ascii"))
        return base64.b64decode(payload.strip(), validate=True) if envelope == "base64" else payload
    except (binascii.Error, ValueError):
        raise DecodeError("bad_payload", f"not {envelope}") from None


def _channels(frame: Frame, data: bytes) -> list[Record]:
    records: list[Record] = []
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise LayoutError("bad_length", "ends within a channel", data, at, records)
        number, kind = data[at], data[at + 1]
        channel = frame.channels.get((number, kind)) or frame.channels.get((None, kind))
        if channel is None:
            text = f"unknown channel 0x{number:02X} type 0x{kind:02X} at byte {at}; the layout needs its length"
            raise LayoutError("unknown_channel", text, data, at, records)
        value = data[at + 2 : at + 2 + channel.length]
        if len(value) < channel.length:
            text = f"channel 0x{number:02X} type 0x{kind:02X} needs {channel.length} bytes, {len(value)} are there"
            raise LayoutError("bad_length", text, data, at, records)
        records += _fields(channel.fields, value, at + 2, f"_{number}" if channel.channel is None else "")
        at += 2 + channel.length
    return records


def _fields(fields: tuple[Field, ...], data: bytes, base: int, suffix: str) -> list[Record]:
    records: list[Record] = []
    for field in fields:
        if field.test and not _holds(field.test, data):
            continue
        if field.end > len(data):
            text = f"{field.name} ends at byte {base + field.end}, the frame at {base + len(data)}"
            raise LayoutError("bad_length", text, data, len(data), records)
        raw = _number(data, field.offset, field.type, field.bits)
        if raw is None or raw in field.absent or not finite(raw):
            continue
        value = _scaled(raw, field.scale) + field.add
        if finite(value):
            records.append(Record(field.name + suffix, value, field.unit, None, field.name if suffix else ""))
    return records


def _holds(test: Test, data: bytes) -> bool:
    if test.offset + size(test.type) > len(data):
        return False
    found = _number(data, test.offset, test.type, test.bits)
    return found in test.values if test.values else bool(found)


def _number(data: bytes, offset: int, kind: str, bits: tuple[int, int] | None) -> int | float | None:
    part = data[offset : offset + size(kind)]
    if kind == "bcd":  # two decimal digits
        high, low = part[0] >> 4, part[0] & 15
        return high * 10 + low if high < 10 and low < 10 else None
    if kind[0] == "f":
        found: float = struct.unpack((">" if kind.endswith("be") else "<") + ("f" if len(part) == 4 else "d"), part)[0]
        return found
    order = "little" if kind.endswith("le") else "big"
    if bits is None:
        return int.from_bytes(part, order, signed=kind[0] == "i")  # type: ignore[arg-type]
    low, high = bits
    width = high - low + 1
    raw = (int.from_bytes(part, order) >> low) & ((1 << width) - 1)  # type: ignore[arg-type]
    return raw - (1 << width) if kind[0] == "i" and raw >> (width - 1) else raw


def _scaled(raw: float, scale: float) -> float:
    """``raw * scale``; a scale such as 0.01 divides by 100, so that 2551 becomes 25.51 and not 25.510000000000002."""
    divisor = round(1 / scale) if 0 < abs(scale) < 1 else 0
    return raw / divisor if divisor and 1 / divisor == scale else raw * scale
