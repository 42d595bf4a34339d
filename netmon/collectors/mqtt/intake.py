"""From a message to readings, and the rules about times and repeated deliveries. Pure."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from netmon.collectors.mqtt.decode import DecodeError, Record
from netmon.collectors.mqtt.decode.record import VALUES
from netmon.collectors.mqtt.decode.units import convert
from netmon.collectors.mqtt.plan import Use
from netmon.model import Mark, Reading, Word


class Taken(NamedTuple):
    """What became of one message: its readings, and why some of it was not understood (empty: all was)."""

    readings: list[Reading]
    reason: str
    detail: str
    skew_s: float | None  # device clock minus ours, where the device gave a time
    words: tuple[Word, ...] = ()  # of gateways


def take(uses: Iterable[Use], payload: bytes, received_at: float, *, retained: bool, skew_limit_s: float,
         late_s: float = 0.0) -> Taken:  # fmt: skip
    """Decode one message of a known topic. ``late_s``: how long it may have waited at the broker for us."""
    readings: list[Reading] = []
    reason = detail = ""
    skew_s: float | None = None
    words: tuple[Word, ...] = ()
    told = False  # something that is no value
    for use in uses:
        records: Sequence[Record]
        try:
            records = use.decode(payload, received_at)
        except DecodeError as error:
            reason, detail = error.reason, str(error)
            records = error.records
        values = [record for record in records if record.kind in VALUES]
        told = told or len(values) < len(records)
        gone = told and any(record.kind == "gone" for record in records)
        if use.gateways and any(record.kind != "none" for record in records):
            words += tuple(Word(gateway, received_at, gone, retained) for gateway in use.gateways)
        skew_s = skew(records, received_at)
        moved_s = 0.0 if retained else correction(skew_s, skew_limit_s, late_s)
        for sensor, unit in use.sensors:
            if gone:
                readings.append(Reading(sensor.id, math.nan, received_at, retained=retained, gone=True))
            for record in chosen(values, sensor.field, sensor.device):
                sent = sensor.unit or record.unit
                value = convert(record.value, sent, unit)
                if value is None:
                    reason, detail = "unit", f"{sensor.id}: {sent} is not {unit}"
                    continue
                off_s = 0.0 if record.at is None else moved_s
                if record.kind == "value":
                    mark: Mark = ""
                elif record.kind == "lapsed":
                    readings.append(Reading(sensor.id, math.nan, received_at, retained=retained, gone=True))
                    continue
                else:
                    mark = "old" if record.kind == "old" else "bad"
                if mark == "old" and record.at is not None:  # its clock is known to be wrong only where it is ahead
                    off_s = correction(max(record.at - received_at, 0.0), skew_limit_s)
                at = None if record.at is None else record.at - off_s
                readings.append(Reading(sensor.id, value, received_at, at, retained, off_s, mark=mark))
    if not readings and not reason and not told:
        reason, detail = "no_value", "no field of the inventory's sensors is in it"
    return Taken(readings, reason, detail, skew_s, words)


def chosen(values: Sequence[Record], field: str, device: str = "") -> Sequence[Record]:
    """The records a sensor means: by full name, else by short name. Names that could mean several mean none."""
    if device:
        values = [record for record in values if record.device.casefold() == device.casefold()]
    if field:
        exact = [record for record in values if record.name == field]
        values = exact or [record for record in values if record.local == field]
    return values if len(values) == 1 or len({record.name for record in values}) == 1 else []


def skew(records: Sequence[Record], received_at: float) -> float | None:
    """How far the device's newest time is from ours (a pack may hold older values too, rightly).

    Values that the device had kept for us say nothing of its clock.
    """
    times = [record.at for record in records if record.at is not None and record.kind != "old"]
    return max(times) - received_at if times else None


def correction(skew_s: float | None, limit_s: float, late_s: float = 0.0) -> float:
    """What to take from the device's times so that the arrival holds: 0 while the clock is believable."""
    if skew_s is None or -(limit_s + late_s) <= skew_s <= limit_s:
        return 0.0
    return skew_s


def digest(topic: str, payload: bytes) -> bytes:
    """Eight bytes that tell messages apart."""
    found = hashlib.blake2b(topic.encode(), digest_size=8)
    found.update(b"\0" + payload)
    return found.digest()


class Seen:
    """What has been stored under which packet id, to know a redelivery: DUP flag, same id, same topic and payload.

    A message without the DUP flag is always new and takes its id over, so that two equal readings stay two. At most
    ``limit`` are kept: more than can wait for an acknowledgement, fewer than all ids there are. Else a repeated
    message whose first delivery was never read could be taken for an equal one that had its id a whole round before.
    """

    def __init__(self, stored: Iterable[tuple[int, bytes, float]] = (), limit: int = 32_768) -> None:
        self._limit = limit
        self._by_id: OrderedDict[int, tuple[bytes, float]] = OrderedDict()
        for mid, mark, at in stored:
            self.add(mid, mark, at)

    def is_redelivery(self, mid: int, dup: bool, mark: bytes) -> bool:
        return dup and mid in self._by_id and self._by_id[mid][0] == mark

    def add(self, mid: int, mark: bytes, at: float) -> None:
        self._by_id[mid] = mark, at
        self._by_id.move_to_end(mid)
        if len(self._by_id) > self._limit:
            self._by_id.popitem(last=False)

    def forget(self, before: float = math.inf) -> None:
        """Drop what was stored before: its acknowledgement has arrived, or the broker lost the session."""
        while self._by_id:
            mid = next(iter(self._by_id))
            if self._by_id[mid][1] >= before:
                break
            del self._by_id[mid]

    def __len__(self) -> int:
        return len(self._by_id)
