"""What becomes of one message, in lines for people: values and whose they are, or why there are none. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from netmon.collectors.mqtt.decode import DecodeError, Record
from netmon.collectors.mqtt.decode.layout import LayoutError
from netmon.collectors.mqtt.decode.record import VALUES
from netmon.collectors.mqtt.decode.units import convert
from netmon.collectors.mqtt.intake import chosen, correction, skew
from netmon.collectors.mqtt.plan import Routed, Use
from netmon.model import Inventory

MAX_SHOWN = 256  # bytes of a payload
ROW = 16  # bytes in a row of a dump


class Explained:
    """``lines`` to print; ``good``: all was understood, and some sensor or nobody's decoder got it."""

    def __init__(self, inventory: Inventory, zone: tzinfo, skew_limit_s: float) -> None:
        self._inventory = inventory
        self._zone = zone
        self._limit_s = skew_limit_s
        self.lines: list[str] = []
        self.good = True

    def message(self, uses: Iterable[Use], payload: bytes, now: float, *, retained: bool) -> None:
        """Run the message through its decoders."""
        for use in uses:
            records: list[Record] = []
            try:
                records = use.decode(payload, now)
                trouble = None
            except DecodeError as error:
                trouble, records = error, list(error.records)
            if records or trouble is None:
                self._records(records, use, now, retained)
            if trouble is not None:
                self.problem(f"not understood: {trouble.reason}: {trouble}")
                found = trouble if isinstance(trouble, LayoutError) else None
                self.lines += dump(found.data, found.position) if found else dump(payload)

    def problem(self, text: str) -> None:
        self.good = False
        self.lines.append(f"  {text}")

    def _records(self, records: list[Record], use: Use, now: float, retained: bool) -> None:
        sensors = use.sensors
        off_s = skew(records, now)
        moved_s = 0.0 if retained else correction(off_s, self._limit_s)
        owners: dict[int, list[Routed]] = {}
        values = [record for record in records if record.kind in VALUES]
        for routed in sensors:
            for record in chosen(values, routed[0].field, routed[0].device):
                owners.setdefault(id(record), []).append(routed)
        words = [record.kind for record in records if record.kind in ("gone", "here")]
        for gateway in use.gateways if words or values else ():
            says = "gone: silent from now on, with its sensors" if "gone" in words else "there"
            self.lines.append(f'  gateway "{gateway}": {says}')
        if "gone" in words and (sensors or not use.gateways):
            self.lines.append(f"  gone: {', '.join(s.id for s, _ in sensors) or 'no sensor'}: stale from now on")
        elif words and len(words) == len(records) and not use.gateways:
            self.lines.append("  no values: the device is there, or what it sent is not believed (yet)")
        for record in values:
            self.lines.append(f"  {self._sent(record)}")
            for routed in owners.get(id(record), []):
                self._taken(record, routed, moved_s, retained)
            if id(record) not in owners and sensors:
                self.lines[-1] += "  -> no sensor"
        if sensors and not owners and (values or not records):
            asked = ", ".join(f'{s.id} ("{s.field}"{f" of {s.device}" if s.device else ""})' for s, _ in sensors)
            self.problem(f"no value for the sensors of this topic: {asked}")

    def _sent(self, record: Record) -> str:
        whose = f" of {record.device}" if record.device else ""
        at = f"  at {self.time(record.at)}" if record.at is not None else ""
        return f"{record.name}{whose} = {record.value:g} {record.unit}".rstrip() + at

    def _taken(self, record: Record, routed: Routed, moved_s: float, retained: bool) -> None:
        sensor, unit = routed
        sent = sensor.unit or record.unit
        value = convert(record.value, sent, unit)
        if value is None:
            self.problem(f'  -> sensor "{sensor.id}": {sent} is not {unit}; give the sensor or the decoder a "unit"')
            return
        kind = self._inventory.sensor_types.get(sensor.type)
        notes = []
        if kind and kind.valid_min is not None and value < kind.valid_min:
            notes.append(f"invalid: below {kind.valid_min:g}")
        if kind and kind.valid_max is not None and value > kind.valid_max:
            notes.append(f"invalid: above {kind.valid_max:g}")
        if retained:
            notes.append("retained: never fresh")
        if record.kind == "bad":
            notes.append("invalid: bad, says its sender")
        if record.kind == "lapsed":
            notes.append("the sender has no newer: stale from now on")
        if record.kind == "old":
            notes.append("kept by the device while it was cut off")
        elif moved_s and record.at is not None:
            notes.append(f"its clock is {moved_s:+.0f} s off: the time of arrival counts")
        what = f"{kind.quantity} " if kind else ""
        place = sensor.site or sensor.node or "no site"
        quality = "; ".join(notes) or "good"
        self.lines.append(f'    -> sensor "{sensor.id}" ({place}): {what}{value:g} {unit}  {quality}')

    def time(self, at: float) -> str:
        """In the configured zone, to the second."""
        try:
            return datetime.fromtimestamp(at, self._zone).isoformat(" ", "seconds")
        except (ValueError, OverflowError, OSError):
            return f"{at:g} s"


def dump(data: bytes, position: int | None = None) -> list[str]:
    """A payload as text where it is one, else bytes in hex with a mark at the place of the trouble."""
    if position is None and data[:MAX_SHOWN].isascii() and data[:MAX_SHOWN].decode().isprintable():
        more = f" ... ({len(data)} bytes)" if len(data) > MAX_SHOWN else ""
        return [f"    {data[:MAX_SHOWN].decode()}{more}"] if data else ["    (empty)"]
    lines = []
    for start in range(0, min(len(data), MAX_SHOWN) or 1, ROW):
        row = data[start : start + ROW]
        lines.append(f"    {start:04x}  {row.hex(' ')}".rstrip())
        if position is not None and start <= position < start + ROW:
            lines.append(" " * (10 + 3 * (position - start)) + f"^^ byte {position}")
    return [*lines, f"    ... ({len(data)} bytes)"] if len(data) > MAX_SHOWN else lines
