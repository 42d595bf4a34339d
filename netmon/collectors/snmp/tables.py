"""Varbinds of one device -> lines of Prometheus text, format 0.0.4. Pure.

Series, labels and values follow snmp_exporter, so that existing dashboards go on working. What is done beyond it: the
base labels (device, site) come first, a series that would be there twice gets an ``index`` label and is counted, and a
line's beginning is made once per row and kept, so that a later poll only appends numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from netmon.collectors.snmp.index import Row, decode_index, lookup_labels, value_text
from netmon.collectors.snmp.modules import ENUM_TYPES, NUMBER_TYPES, Extract, Metric, Oid
from netmon.collectors.snmp.values import Value, date_number, number

if TYPE_CHECKING:
    from netmon.collectors.snmp.pdu import VarBind

Columns = Mapping[Oid, Mapping[Oid, "VarBind"]]
_UNSAFE = re.compile(r'[\\"\n]')
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n"}
EXTRACTED = " (regex extracted)"  # in the help of what was read out of text
_LABEL = re.compile(r"[^a-zA-Z0-9_]")


def escape(text: str) -> str:
    """A label value as it stands between quotes."""
    return _UNSAFE.sub(lambda match: _ESCAPES[match[0]], text)


def label_text(pairs: Mapping[str, str]) -> str:
    """``a="1",b="2"`` in the order given; names are made legal, empty values left out (as good as absent)."""
    return ",".join(f'{_LABEL.sub("_", name)}="{escape(value)}"' for name, value in pairs.items() if value)


def all_label_text(pairs: Mapping[str, str]) -> str:
    """As snmp_exporter writes them: in alphabetical order, empty ones too."""
    return ",".join(f'{_LABEL.sub("_", name)}="{escape(value)}"' for name, value in sorted(pairs.items()))


def format_value(value: float) -> str:
    """As Prometheus reads it; integers stay exact."""
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def number_text(tag: int, raw: Value, scale: float, offset: float) -> bytes | None:
    """The value of a plain number as it stands in its line; None if it is none."""
    value = raw if type(raw) is int else number(tag, raw)
    if value is None:
        return None
    if scale:
        value = value * scale
    if offset:
        value = value + offset
    return b"%d" % value if type(value) is int else format_value(value).encode()


def header(name: str, metric: Metric, note: str = "") -> bytes:
    """The HELP and TYPE lines of a family. Text becomes a gauge of 1, as snmp_exporter does it."""
    return _header(name, metric.help + note, "counter" if metric.type == "counter" and not note else "gauge")


@lru_cache(4096)  # the same for all devices
def _header(name: str, text: str, kind: str) -> bytes:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()


class Renderer:
    """The text of one device. Row beginnings are kept until ``forget``; ``duplicates`` counts clashes found since."""

    def __init__(
        self,
        base: Mapping[str, str],
        names: Mapping[Oid, Mapping[Oid, str]] | None = None,
        label_text: Callable[[Mapping[str, str]], str] = label_text,
    ) -> None:
        self._label_text = label_text
        self._base = label_text(base)
        self._names = names or {}  # lookup column -> index -> text that stands for its value (stable port names)
        self._begin: dict[tuple[Oid, Oid], bytes] = {}
        self._taken: dict[str, tuple[Oid, Oid, str]] = {}
        self.families: dict[str, bytes] = {}
        self.duplicates = 0
        self.bad_values = 0

    def forget(self, names: Mapping[Oid, Mapping[Oid, str]]) -> None:
        """Labels may have changed (names were read again): make all row beginnings anew."""
        self._names = names
        self._begin.clear()
        self._taken.clear()
        self.families.clear()
        self.duplicates = 0

    def labels(self, metric: Metric, index: Oid, columns: Columns) -> dict[str, str]:
        """The labels of a row, as its indexes and lookups say."""
        labels, parts = decode_index(metric.indexes, index)
        return lookup_labels(metric, labels, parts, columns, self._names)

    def render(self, metric: Metric, rows: Mapping[Oid, VarBind], columns: Columns, end: str) -> dict[str, bytes]:
        """Family -> its lines of this metric; ``end`` is what follows a value: a space, the milliseconds, a newline."""
        if metric.type in NUMBER_TYPES:
            return self._numbers(metric, rows, columns, end)
        found: dict[str, list[str]] = {}
        for index, varbind in rows.items():
            row = Row(metric, index, varbind, columns)
            for family, note, extra, value in _samples(row):
                labels = self.labels(metric, index, columns)
                for name, text in extra.items():
                    labels.setdefault(name, text)
                if family not in self.families:
                    self.families[family] = header(family, metric, note)
                begin = self._unique(family, labels, metric.oid, index)
                found.setdefault(family, []).append(f"{begin} {format_value(value)}{end}")
        return {family: "".join(lines).encode() for family, lines in found.items()}

    def _numbers(self, metric: Metric, rows: Mapping[Oid, VarBind], columns: Columns, end: str) -> dict[str, bytes]:
        # The hot path: most of a device's varbinds are plain integers whose line begins as last time.
        begins, oid, scale, offset = self._begin, metric.oid, metric.scale, metric.offset
        tail = end.encode()
        lines: list[bytes] = []
        for index, varbind in rows.items():
            text = number_text(varbind.tag, varbind.value, scale, offset)
            if text is None:
                self.bad_values += 1
                continue
            begin = begins.get((oid, index)) or self.begin(metric, index, columns)
            lines.append(begin + text + tail)
        if not lines:
            return {}
        if metric.name not in self.families:
            self.families[metric.name] = header(metric.name, metric)
        return {metric.name: b"".join(lines)}

    def begin(self, metric: Metric, index: Oid, columns: Columns) -> bytes:
        """How the line of a plain number begins, up to its value."""
        found = self._begin.get((metric.oid, index))
        if found is None:
            found = self._begin[metric.oid, index] = self.begin_extracted(metric, "", index, columns)
        return found

    def begin_extracted(self, metric: Metric, suffix: str, index: Oid, columns: Columns) -> bytes:
        """The same for a number that is read out of text."""
        labels = self.labels(metric, index, columns)
        return (self._unique(metric.name + suffix, labels, metric.oid, index) + " ").encode()

    @property
    def base(self) -> bytes:
        """The base labels as they stand at the beginning of all labels."""
        return self._base.encode()

    def _unique(self, family: str, labels: Mapping[str, str], oid: Oid, index: Oid) -> str:
        own = self._label_text(labels)
        inside = f"{self._base},{own}" if own and self._base else self._base or own
        begin = f"{family}{{{inside}}}"
        enum = labels.get(family, "")
        if self._taken.setdefault(begin, (oid, index, enum)) == (oid, index, enum):
            return begin
        self.duplicates += 1
        number = ".".join(map(str, index))
        begin = f'{family}{{{inside},index="{number}"}}' if inside else f'{family}{{index="{number}"}}'
        if self._taken.setdefault(begin, (oid, index, enum)) == (oid, index, enum):
            return begin
        column = ".".join(map(str, oid))  # two objects under one name in two modules
        return f'{begin[:-1]},column="{column}"}}'


def _samples(row: Row) -> Iterator[tuple[str, str, dict[str, str], float]]:
    """(family, note for the help, labels beside the index, value) of one varbind that is not a plain number."""
    metric = row.metric
    if metric.type in ENUM_TYPES:
        yield from _enum_samples(row)
        return
    if metric.type.endswith("DateAndTime") or metric.type == "NTPTimeStamp":
        value = date_number(metric.type, row.varbind.value, metric.datetime_pattern)
        if value is not None:
            yield metric.name, "", {}, _scaled(metric, value)
        return
    text = value_text(row)
    if text is None:
        return
    if not metric.extracts:
        yield metric.name, "", {metric.name: text}, 1
        return
    for suffix, tries in metric.extracts.items():
        value = extracted(tries, text)
        if value is not None:
            yield metric.name + suffix, EXTRACTED, {}, value  # never scaled, as in snmp_exporter


def extracted(tries: Iterable[Extract], text: str) -> float | None:
    """The number that the first fitting try reads out of a text."""
    for extract in tries:
        match = extract.regex.fullmatch(text)
        try:
            if match:
                return float(match.expand(extract.value))
        except (ValueError, re.error, IndexError):
            continue
    return None


def _scaled(metric: Metric, value: float) -> float:
    return value * (metric.scale or 1) + metric.offset


def _enum_samples(row: Row) -> Iterator[tuple[str, str, dict[str, str], float]]:
    metric, value = row.metric, row.varbind.value
    if metric.type == "Bits":
        if not isinstance(value, bytes):
            return
        for bit, name in metric.enum_values.items():
            is_set = bit // 8 < len(value) and value[bit // 8] & (128 >> bit % 8)
            yield metric.name, " (Bits)", {metric.name: name}, 1 if is_set else 0
        return
    state = number(row.varbind.tag, value)
    if state is None:
        return
    state = int(state)
    if metric.type == "EnumAsInfo":
        name = metric.enum_values.get(state, str(state))
        yield f"{metric.name}_info", " (EnumAsInfo)", {metric.name: name}, 1
        return
    for known, name in metric.enum_values.items():
        yield metric.name, " (EnumAsStateSet)", {metric.name: name}, 1 if known == state else 0
    if state not in metric.enum_values:
        yield metric.name, " (EnumAsStateSet)", {metric.name: str(state)}, 1
