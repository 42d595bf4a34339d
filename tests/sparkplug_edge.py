"""A Sparkplug B edge node for tests, with an encoder of the wire format of its own (protobuf by hand)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def part(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


@dataclass(frozen=True)
class M:
    """One metric; ``kind`` is its datatype (4 Int64, 8 UInt64, 9 Float, 10 Double, 11 Boolean, 12 String ...)."""

    name: str = ""
    value: float | str | None = None  # None: null
    kind: int = 10
    alias: int | None = None
    at_ms: int | None = None
    unit: str = ""
    historical: bool = False
    typed: bool = True  # says its datatype, as births must
    quality: int | None = None

    def encode(self) -> bytes:
        out = part(1, self.name.encode()) if self.name else b""
        out += whole(2, self.alias) if self.alias is not None else b""
        out += whole(3, self.at_ms) if self.at_ms is not None else b""
        out += whole(4, self.kind) if self.typed else b""
        out += whole(5, 1) if self.historical else b""
        properties = [(b"engUnit", whole(1, 12) + part(8, self.unit.encode()))] if self.unit else []
        if self.quality is not None:
            properties.append((b"Quality", whole(1, 3) + whole(3, self.quality % 2**32)))
        if properties:
            out += part(
                9, b"".join(part(1, key) for key, _ in properties) + b"".join(part(2, v) for _, v in properties)
            )
        return out + self._value()

    def _value(self) -> bytes:
        if self.value is None:
            return whole(7, 1)
        if isinstance(self.value, str):
            return part(15, self.value.encode())
        if self.kind == 9:
            return varint(12 << 3 | 5) + struct.pack("<f", self.value)
        if self.kind == 10:
            return varint(13 << 3 | 1) + struct.pack("<d", self.value)
        if self.kind == 11:
            return whole(14, int(self.value))
        wide = self.kind in (4, 8)
        return whole(11 if wide else 10, int(self.value) % (1 << (64 if wide else 32)))


def payload(metrics: Sequence[M], seq: int | None, at_ms: int = 0) -> bytes:
    out = whole(1, at_ms) if at_ms else b""
    out += b"".join(part(2, metric.encode()) for metric in metrics)
    return out + (whole(3, seq) if seq is not None else b"")


@dataclass
class EdgeNode:
    """Counts ``seq`` and ``bdSeq`` as the specification says."""

    group: str = "nuoc"
    name: str = "tram-1"
    seq: int = -1
    bd_seq: int = 0

    def message(self, kind: str, metrics: Sequence[M] = (), device: str = "", at_ms: int = 0) -> tuple[str, bytes]:
        topic = f"spBv1.0/{self.group}/{kind}/{self.name}" + (f"/{device}" if device else "")
        if kind == "NDEATH":
            return topic, payload([M("bdSeq", self.bd_seq, 8)], None)
        self.seq = 0 if kind == "NBIRTH" else (self.seq + 1) % 256
        if kind == "NBIRTH":
            metrics = [M("bdSeq", self.bd_seq, 8), *metrics]
        return topic, payload(metrics, self.seq, at_ms)
