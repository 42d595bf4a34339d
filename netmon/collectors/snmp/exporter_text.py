"""What one module makes of a device's objects, as snmp_exporter would tell it. Pure.

It follows snmp_exporter 0.30: names, labels (in alphabetical order, empty ones too), values, types, Counter64 modulo
2^53. Done otherwise, because there it costs the whole scrape or is wrong:
 - Text in a numeric column is read as a number or left out; there it is 0.
 - A series that would be there twice gets an ``index`` label; there the scrape fails.
 - A value that is no BITS where BITS belong is left out; there the scrape fails.
 - A date that is none (month 0) is left out; there it lies about 1 BC.
 - Text that is looked up as a number stays text; there it is the code of its first letter.
 - The text in an LldpPortId index is read after its length; there its first letter is taken for another length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from netmon.collectors.snmp.index import readable
from netmon.collectors.snmp.modules import NUMBER_TYPES, DynamicFilter, Metric, Module, Oid
from netmon.collectors.snmp.tables import Renderer, all_label_text, format_value
from netmon.collectors.snmp.values import EXCEPTIONS, NULL

if TYPE_CHECKING:
    from netmon.collectors.snmp.pdu import VarBind

Objects = Mapping[Oid, "VarBind"]
COUNTER64 = 0x46  # its tag (RFC 2578, section 7.1)
WRAP = 2**53  # above it a float64 has no room for every whole number
_SCRAPE_HELP = {
    "snmp_scrape_duration_seconds": "Time that asking and telling took.",
    "snmp_scrape_packets_retried": "Requests sent again.",
    "snmp_scrape_packets_sent": "Requests sent, again or not.",
    "snmp_scrape_pdus_returned": "Objects that the device returned.",
    "snmp_scrape_walk_duration_seconds": "Time that asking took.",
    "snmp_scrape_walks_failed": "Subtrees that could not be read to their end; only there when it is not 0.",
}


class Page:
    """One answer: the families of one or more modules."""

    def __init__(self) -> None:
        self._renderer = Renderer({}, label_text=all_label_text)
        self._lines: dict[str, list[bytes]] = {}
        self._done: set[tuple[str, Oid]] = set()  # an object that two modules name is told once

    def add(self, module: Module, objects: Objects) -> None:
        """The series that a module makes of what it asked for."""
        columns = split(module, {oid: v for oid, v in objects.items() if v.tag != NULL and v.tag not in EXCEPTIONS})
        for metric in metrics_of(module):
            rows = columns.get(metric.oid)
            if not rows or (metric.name, metric.oid) in self._done:
                continue
            self._done.add((metric.name, metric.oid))
            if metric.type in NUMBER_TYPES:
                rows = {index: wrapped(varbind) for index, varbind in rows.items()}
            for family, lines in self._renderer.render(metric, rows, columns, "\n").items():
                self._lines.setdefault(family, []).append(lines)

    def add_scrape(self, module: Module, values: Mapping[str, float]) -> None:
        """The scrape's own gauges: ``snmp_scrape_<key>`` with the module's name, as since snmp_exporter 0.23."""
        for name, value in values.items():
            family = f"snmp_scrape_{name}"
            self._renderer.families[family] = (
                f"# HELP {family} {_SCRAPE_HELP[family]}\n# TYPE {family} gauge\n".encode()
            )
            line = f"{family}{{{all_label_text({'module': module.name})}}} {format_value(value)}\n"
            self._lines.setdefault(family, []).append(line.encode())

    def text(self) -> bytes:
        """Format 0.0.4, families in alphabetical order."""
        heads = self._renderer.families
        return b"".join(heads[family] + b"".join(lines) for family, lines in sorted(self._lines.items()))


def metrics_of(module: Module) -> list[Metric]:
    """Of two metrics of one object the later counts; one below another's object has nothing to tell."""
    by_oid = {metric.oid: metric for metric in module.metrics}
    return [
        metric
        for oid, metric in by_oid.items()
        if by_oid[oid] is metric and not any(oid[:size] in by_oid for size in range(1, len(oid)))
    ]


def split(module: Module, objects: Objects) -> dict[Oid, dict[Oid, VarBind]]:
    """Column -> index -> varbind, of the columns that metrics, their labels and their types come from."""
    wanted = {metric.oid for metric in module.metrics}
    wanted |= {lookup.oid for metric in module.metrics for lookup in metric.lookups if lookup.oid}
    wanted |= {(*oid[:-1], oid[-1] - 1) for oid in wanted}  # the type of an InetAddress stands there
    sizes = sorted({len(oid) for oid in wanted})
    columns: dict[Oid, dict[Oid, VarBind]] = {}
    for oid, varbind in objects.items():
        for size in sizes:
            if oid[:size] in wanted:
                columns.setdefault(oid[:size], {})[oid[size:]] = varbind
    return columns


def wrapped(varbind: VarBind) -> VarBind:
    """A Counter64 as snmp_exporter tells it: rate() takes the wrap for a reset and goes on exactly."""
    if varbind.tag == COUNTER64 and isinstance(varbind.value, int) and varbind.value >= WRAP:
        return varbind._replace(value=varbind.value % WRAP)
    return varbind


def filtered(module: Module, shown: Mapping[DynamicFilter, Iterable[VarBind]]) -> tuple[list[Oid], list[Oid]]:
    """(objects to get, subtrees to walk) when ``shown`` is what the dynamic filters' own columns hold.

    A filtered subtree is not walked: of the rows that match, its objects are got one by one. Of static filters only
    the rows named are got. A filter that is not in ``shown`` could not be read and filters nothing.
    """
    gets, walks = list(module.get), list(module.walk)
    for static in module.static_filters:
        gets, walks = _only(gets, walks, static.targets, static.indices)
    for dynamic, varbinds in shown.items():
        rows = [
            varbind.oid[-1:]
            for varbind in varbinds
            if any(pattern.search(_text(varbind)) for pattern in dynamic.values)
        ]
        gets, walks = _only(gets, walks, dynamic.targets, rows)
    return gets, walks


def _only(
    gets: list[Oid], walks: list[Oid], targets: Sequence[Oid], indices: Iterable[Oid]
) -> tuple[list[Oid], list[Oid]]:
    kept = [oid for oid in gets if not any(oid[: len(target)] == target for target in targets)]
    rows = [target + index for target in targets for index in indices]
    return [*kept, *rows], [oid for oid in walks if oid not in targets]


def _text(varbind: VarBind) -> str:
    value = varbind.value
    if isinstance(value, bytes):
        return readable(value)
    return ".".join(map(str, value)) if isinstance(value, tuple) else str(value)
