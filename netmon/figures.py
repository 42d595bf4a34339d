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
from netmon.quirks import QUIRKS

Oid = tuple[int, ...]
Value = int | float | bytes | Oid | None
SCALAR: Oid = (0,)
_NUMBER = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s*%?\s*\Z")
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|([(),]))")
_PARENTS = 3  # levels of entPhysicalContainedIn that a join climbs
SENSOR_CLASS, PORT_CLASS = 8, 10  # entPhysicalClass
AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {"max": max, "min": min, "mean": fmean, "sum": sum}


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
    """One metric of the row: equal to one of these, matching, within limits; ``unless`` also holds if it is absent."""

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


def as_number(value: Value) -> float | None:
    """A number out of what agents send: integers, and text such as ``4.102`` or ``0.000%`` (FortiGate)."""
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, bytes):
        match = _NUMBER.match(value.decode("ascii", "replace"))
        return float(match[1]) if match else None
    return None


def as_text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip("\0 \r\n\t")
    return ".".join(map(str, value)) if isinstance(value, tuple) else str(value)


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


def row_value(spec: FigureSpec, raw: Raw, index: Oid) -> float | None:
    """The figure of one row; None where there is none."""
    if not all(condition.holds(raw.value(condition.metric, index)) for condition in spec.where):
        return None
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


class Ports:
    """Finds the port that a sensor belongs to, by what ENTITY-MIB (RFC 6933) says."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._names = set(raw.ports.values())
        self._parents = self._column("entPhysicalContainedIn")
        self._classes = self._column("entPhysicalClass")
        self._aliases: dict[int, str] = {}
        # entAliasMappingIdentifier.<entity>.<logical entity> = ifIndex.<n>
        for index, target in raw.values.get("entAliasMappingIdentifier", {}).items():
            if isinstance(target, tuple) and len(target) > 1 and (name := raw.ports.get(target[-1])):
                self._aliases.setdefault(index[0], name)
        self._below: dict[int, list[str]] = {}
        for entity, name in self._aliases.items():
            self._below.setdefault(self._parents.get(entity, 0), []).append(name)

    def _column(self, metric: str) -> dict[int, int]:
        return {index[0]: v for index, v in self._raw.values.get(metric, {}).items() if isinstance(v, int)}

    def find(self, join: str, index: Oid) -> str:
        """Name of the port, or "" if there is none to be sure of."""
        if join == "ifindex":
            return self._raw.ports.get(index[0], "")
        name = as_text(self._raw.value("entPhysicalName", index[:1]))
        if join == "name" or name in self._names:
            return name if name in self._names else ""
        entity = index[0]
        if entity in self._aliases:
            return self._aliases[entity]
        # Only a sensor is looked for further up: what is a port itself and has no interface has none.
        for _ in range(_PARENTS if self._classes.get(entity) == SENSOR_CLASS else 0):
            entity = self._parents.get(entity, 0)
            if entity in self._aliases:
                return self._aliases[entity]
            # Cisco hangs the sensors of a transceiver beside the port, not below it.
            if len(below := self._below.get(entity, [])) == 1:
                return below[0]
            if not entity or below or self._classes.get(entity) == PORT_CLASS:
                break
        return ""


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
    ports = Ports(raw)
    found: dict[tuple[str, Labels], float] = {}
    for spec in specs:
        rows = raw.values.get(spec.expr.names()[0])
        if not rows:
            continue
        groups: dict[Labels, list[float]] = {}
        for index in rows:
            value = row_value(spec, raw, index)
            if value is None:
                continue
            own = {label: _fill(text, spec, raw, index, ports) for label, text in spec.labels}
            if not all(own.values()):
                continue  # a sensor whose port is not known: no series is better than a wrong one
            groups.setdefault(tuple(sorted({**base, **own}.items())), []).append(value)
        for labels, values in groups.items():
            value = AGGREGATES[spec.aggregate](values) if spec.aggregate else values[0]
            found.setdefault((spec.name, labels), float(value))
    return [Figure(name, labels, value) for (name, labels), value in found.items()]
