"""What one device's polls come to while nothing but values changes: two courses, a shape, and what is the device's own.

Pure. It is made from a poll that went the general way without a fault, and used until a reply has other names, or a
value changes that names depend on: then the general way is taken again, and a new one made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from netmon.collectors.snmp.course import Courses, Recorder, Repeat
from netmon.collectors.snmp.layout import Value
from netmon.collectors.snmp.modules import Oid
from netmon.collectors.snmp.ports import METRICS as PORT_METRICS
from netmon.collectors.snmp.ports import NAMES as PORT_NAMES
from netmon.collectors.snmp.shape import Measure, PackedText, Shape, Shapes, make_lines, picker
from netmon.figures import Raw, evaluate_one, first_of_each, needs
from netmon.model import Figure
from netmon.sensor_ports import Ports

if TYPE_CHECKING:
    from netmon.collectors.snmp.facts import Facts, Rows
    from netmon.collectors.snmp.pdu import VarBind

NO_PORTS = Ports({}, {})


class Way(NamedTuple):
    """One course of a device. What ``pick`` gives must be ``constant``: what names, ports and labels depend on."""

    repeat: Repeat
    shape: Shape
    pick: Callable[[Sequence[Value]], Any]
    constant: Any


class Routine:
    """One device. ``usual`` and ``full``: the ways of polls without and with slow facts, once they are known."""

    __slots__ = (
        "_base", "_figures", "_labels", "_last", "_shape", "_slow", "base_text", "full", "infos", "slow_ports",
        "slow_text", "usual",
    )  # fmt: skip

    def __init__(self, facts: Facts, usual: Way, infos: Sequence[Figure], compact: bool) -> None:
        self.usual = usual
        self.full: Way | None = None
        self.infos = tuple(infos)
        self.slow_text: Mapping[str, bytes] = PackedText(facts.slow_text) if compact else facts.slow_text
        self.base_text = facts.renderer.base
        self._base = facts.base
        slow = facts.slow_values
        self.slow_ports: dict[str, tuple[Value, ...]] = {
            metric: usual.shape.common(metric, tuple(rows.get((number,)) for number in facts.names))
            for metric, rows in slow.items()
            if metric in PORT_METRICS and metric not in PORT_NAMES
        }
        measures = usual.shape.measures
        wanted = set().union(*(needs(measure.spec) for measure in measures))
        self._slow = {metric: rows for metric, rows in slow.items() if metric in wanted}
        self._labels = _index_labels(facts, measures, slow)
        self._shape = usual.shape
        self._figures: tuple[Figure, ...] = ()
        self._last: list[tuple[Any, list[Figure]]] = [(None, [])] * len(measures)

    def figures(self, shape: Shape, values: Sequence[Value]) -> Sequence[Figure]:
        """Those of the profiles; only what is made of other values than last time is made anew."""
        last = self._last
        if shape is not self._shape:  # the other way: its values lie elsewhere
            self._shape = shape
            last[:] = [(None, [])] * len(shape.measures)
        changed = False
        for number, measure in enumerate(shape.measures):
            now = measure.pick(values)
            if now != last[number][0]:
                last[number] = now, self._measure(shape, measure, values)
                changed = True
        if changed:
            self._figures = tuple(first_of_each(figure for _, figures in last for figure in figures))
        return self._figures

    def _measure(self, shape: Shape, measure: Measure, values: Sequence[Value]) -> list[Figure]:
        read = {metric: {i: values[at] for i, at in rows.items()} for metric, rows in measure.placed.items()}
        raw = Raw({**self._slow, **read}, shape.names, lambda metric, index: self._labels.get((metric, index), {}))
        names = needs(measure.spec)
        ports = Ports(raw.values, shape.names) if measure.spec.join or "port" in names else NO_PORTS
        return evaluate_one(measure.spec, raw, ports, self._base)


def _index_labels(
    facts: Facts, measures: Sequence[Measure], slow: Mapping[str, Mapping[Oid, Any]]
) -> dict[tuple[str, Oid], dict[str, str]]:
    """(metric, index) -> labels, of the figures that ask for labels of an index."""
    plan, found = facts.plan, {}
    assert plan is not None
    for measure in measures:
        metric = measure.spec.expr.names()[0]
        if needs(measure.spec) - measure.placed.keys() - slow.keys() - {"index", "port"}:
            for index in (*measure.placed.get(metric, ()), *slow.get(metric, ())):
                found[metric, index] = facts.renderer.labels(plan.by_name[metric], index, facts.slow_rows)
    return found


def make_way(
    facts: Facts, columns: Mapping[Oid, Rows], recorder: Recorder, families: Mapping[str, bytes], courses: Courses,
    shapes: Shapes, layouts: bool,
) -> Way | None:  # fmt: skip
    """The way that a poll without fault went; None where it cannot be repeated by place."""
    plan, places = facts.plan, recorder.places()
    assert plan is not None
    full = any(oid in plan.slow for oid in columns)
    fast = {oid: rows for oid, rows in columns.items() if oid not in plan.slow}
    if any(id(varbind) not in places for rows in columns.values() for varbind in rows.values()):
        return None
    if any(dynamic.oid not in plan.slow for dynamic in plan.dynamic_filters):
        return None
    made = make_lines(plan, fast, {**facts.slow_rows, **columns}, places, facts.renderer)
    if made is None:
        return None
    lines, headers = made
    placed_rows = {oid: {i: v._replace(value=places[id(v)]) for i, v in rows.items()} for oid, rows in fast.items()}
    placed: dict[str, dict[Oid, int]] = facts.values_of(placed_rows)  # type: ignore[assignment]
    course = recorder.course(courses)
    shape = shapes(course, plan, lines, {**headers, **families}, placed, facts.names, facts.absent)
    same = facts.resets_read(fast)
    if not full:
        pick = picker([places[id(varbind)] for varbind in same])
    else:
        same += [v for oid, rows in columns.items() if oid in plan.slow for v in rows.values()]
        known = {id(varbind) for varbind in same}
        # What the first request of a full poll brings beside the uptime says what device it is.
        first = recorder.varbinds[: len(course.steps[0].names.sizes)]
        same += [v for v in first if isinstance(v.value, (bytes, tuple)) and id(v) not in known]
        pick = _digest(picker([places[id(varbind)] for varbind in same]))
    repeat = Repeat(course, layouts and not full)
    if layouts and not full:
        repeat.know(recorder)
    return Way(repeat, shape, pick, pick([v.value for v in recorder.varbinds]))


def _digest(pick: Callable[[Sequence[Value]], Any]) -> Callable[[Sequence[Value]], bytes]:
    """Names and descriptions of a device take more memory than all its values: they are known by their digest."""
    return lambda values: blake2b(repr(pick(values)).encode(), digest_size=16).digest()


def varbinds_of(rows: Mapping[Oid, Mapping[Oid, VarBind]]) -> list[VarBind]:
    """All varbinds, each under its whole name."""
    return [v._replace(oid=column + index) for column, indexes in rows.items() for index, v in indexes.items()]
