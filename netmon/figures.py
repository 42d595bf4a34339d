"""Raw metrics of one device -> figures, the normalised quantities that rules, pages and verdicts use. Pure.

A figure is an expression over metrics, evaluated row by row (rows with the same index belong together, a scalar belongs
to every row), then ``where`` -> expression -> quirk -> scale -> valid range -> ``is`` -> labels -> aggregate.
The first figure of a name and label set wins, so that a vendor's goes before the generic one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from netmon.model import Figure, Labels
from netmon.quirks import NEEDS, QUIRKS
from netmon.rawvalues import SCALAR, Oid, Value, as_number, as_text
from netmon.sensor_ports import JOIN_METRICS, Ports

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|([(),]))")
AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "max": max,
    "min": min,
    "mean": fmean,
    "sum": sum,
    "last": lambda values: values[-1],  # the agent sends rows by index: of numbered records this is the newest
}


@dataclass(frozen=True, slots=True)
class Expr:
    """``op`` is value (a metric's), number, ratio or sum."""

    op: str
    name: str = ""
    number: float = 0.0
    args: tuple[Expr, ...] = ()

    def names(self) -> list[str]:
        """The metrics in it, in order of appearance."""
        return [self.name] if self.op == "value" else [name for arg in self.args for name in arg.names()]


@dataclass(frozen=True, slots=True)
class Condition:
    """One metric or index label of the row: equal to one of these, matching, within limits; ``unless`` also holds if it
    is absent."""

    metric: str
    equals: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, value: Value) -> bool:
        text = as_text(value)
        if self.unless:
            return text not in self.unless
        if value is None:
            return False
        number = as_number(value)
        return (
            (not self.equals or text in self.equals)
            and (self.pattern is None or self.pattern.search(text) is not None)
            and (self.above is None or (number is not None and number > self.above))
            and (self.below is None or (number is not None and number < self.below))
        )


@dataclass(frozen=True, slots=True)
class FigureSpec:
    """How one figure is made. Label texts may hold ``$metric``, ``$label`` of the index, ``$index`` and ``$port``;
    ``a|b`` takes the first that is not empty."""

    name: str
    expr: Expr
    where: tuple[Condition, ...] = ()
    quirk: str = ""
    scale: float = 1.0
    low: float | None = None
    high: float | None = None
    means_one: frozenset[float] = frozenset()  # if any: 1.0 for these values, 0.0 for all others
    aggregate: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    join: str = ""  # what $port is found by: ifindex | entity | name


@dataclass(frozen=True, slots=True)
class Raw:
    """What a poll read: metric name -> index -> value; ``index_labels(metric, index)``; ports by ifIndex."""

    values: Mapping[str, Mapping[Oid, Value]]
    ports: Mapping[int, str] = field(default_factory=dict)
    index_labels: Callable[[str, Oid], Mapping[str, str]] = lambda metric, index: {}

    def value(self, metric: str, index: Oid) -> Value:
        rows = self.values.get(metric)
        if not rows:
            return None
        found = rows.get(index)
        return rows.get(SCALAR) if found is None and len(rows) == 1 else found


def parse_expression(text: str) -> Expr:
    """``hwEntityCpuUsage``, ``ratio(a, sum(a, b))``; ValueError if it is not one."""
    tokens: list[tuple[str, str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if not match:
            raise ValueError(text)
        tokens.append((match[1] or "", match[2] or "", match[3] or ""))
        at = match.end()

    def take(mark: str = "") -> tuple[str, str, str]:
        if not tokens or (mark and tokens[0][2] != mark):
            raise ValueError(text)
        return tokens.pop(0)

    def expression() -> Expr:
        number, name, mark = take()
        if mark:
            raise ValueError(text)
        if number:
            return Expr("number", number=float(number))
        if not tokens or tokens[0][2] != "(":
            return Expr("value", name=name)
        take("(")
        args = [expression()]
        while tokens and tokens[0][2] == ",":
            take(",")
            args.append(expression())
        take(")")
        if name not in ("value", "ratio", "sum") or (name == "ratio" and len(args) != 2):
            raise ValueError(text)
        return args[0] if name == "value" and len(args) == 1 else Expr(name, args=tuple(args))

    found = expression()
    if tokens or not found.names():
        raise ValueError(text)
    return found


def _evaluate(expr: Expr, raw: Raw, index: Oid) -> float | None:
    if expr.op == "value":
        return as_number(raw.value(expr.name, index))
    if expr.op == "number":
        return expr.number
    args = [_evaluate(arg, raw, index) for arg in expr.args]
    known = [arg for arg in args if arg is not None]
    if len(known) != len(args):
        return None
    if expr.op == "sum":
        return sum(known)
    return known[0] / known[1] if known[1] else None


def _said(name: str, spec: FigureSpec, raw: Raw, index: Oid) -> Value:
    """What a row says of ``name``: a metric, else a label of the index of the figure's first metric."""
    if name in raw.values:
        return raw.value(name, index)
    text = raw.index_labels(spec.expr.names()[0], index).get(name)
    return None if text is None else text.encode()


def applies(spec: FigureSpec, raw: Raw, index: Oid) -> bool:
    """Whether a row is one that the figure is about."""
    return all(condition.holds(_said(condition.metric, spec, raw, index)) for condition in spec.where)


def row_value(spec: FigureSpec, raw: Raw, index: Oid) -> float | None:
    """The figure of one row that it is about; None where there is none."""
    value = _evaluate(spec.expr, raw, index)
    if value is not None and spec.quirk:
        value = QUIRKS[spec.quirk](value, lambda metric: as_number(raw.value(metric, index)))
    if value is None:
        return None
    value = value * spec.scale
    if (spec.low is not None and value < spec.low) or (spec.high is not None and value > spec.high):
        return None
    if spec.means_one:
        return 1.0 if value in spec.means_one else 0.0
    return value


def _fill(text: str, spec: FigureSpec, raw: Raw, index: Oid, ports: Ports) -> str:
    primary = spec.expr.names()[0]

    def put(match: re.Match[str]) -> str:
        name = match[1]
        if name == "index":
            return ".".join(map(str, index))
        if name == "port":
            return ports.find(spec.join, index)
        if name in raw.values:
            return as_text(raw.value(name, index))
        return raw.index_labels(primary, index).get(name, "")

    for choice in text.split("|"):
        if filled := re.sub(r"\$(\w+)", put, choice).strip():
            return filled
    return ""


def evaluate(specs: Iterable[FigureSpec], raw: Raw, base: Mapping[str, str]) -> list[Figure]:
    """All figures of a device; ``base`` are the labels that every one carries."""
    ports = Ports(raw.values, raw.ports)
    return first_of_each(figure for spec in specs for figure in evaluate_one(spec, raw, ports, base))


def first_of_each(figures: Iterable[Figure]) -> list[Figure]:
    """Without those whose name and labels an earlier one has."""
    found: dict[tuple[str, Labels], Figure] = {}
    for figure in figures:
        found.setdefault((figure.name, figure.labels), figure)
    return list(found.values())


def evaluate_one(spec: FigureSpec, raw: Raw, ports: Ports, base: Mapping[str, str]) -> list[Figure]:
    """What one spec gives, each label set once."""
    groups: dict[Labels, list[float]] = {}
    for index in raw.values.get(spec.expr.names()[0], ()):
        if not applies(spec, raw, index):
            continue
        value = row_value(spec, raw, index)
        if value is None and spec.aggregate != "last":
            continue
        own = {label: _fill(text, spec, raw, index, ports) for label, text in spec.labels}
        if not all(own.values()):
            continue  # a sensor whose port is not known: no series is better than a wrong one
        group = groups.setdefault(tuple(sorted({**base, **own}.items())), [])
        if value is None:
            group.clear()  # the newest record has none, so an older one's is past
        else:
            group.append(value)
    return [
        Figure(spec.name, labels, float(AGGREGATES[spec.aggregate](values) if spec.aggregate else values[0]))
        for labels, values in groups.items()
        if values
    ]


def needs(spec: FigureSpec) -> set[str]:
    """The metrics that a figure may be made of; names of index labels are among them."""
    names = {*spec.expr.names(), *(condition.metric for condition in spec.where)}
    names.update(name for _, text in spec.labels for name in re.findall(r"\$(\w+)", text))
    names |= NEEDS.get(spec.quirk, frozenset())
    return names | JOIN_METRICS if spec.join or "port" in names else names
