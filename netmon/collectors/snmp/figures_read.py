"""Reads the ``figures`` of a profile: a list of mappings, checked against the metrics that its modules have. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from netmon.collectors.snmp.modules_read import Reader
from netmon.figures import AGGREGATES, Condition, FigureSpec, parse_expression
from netmon.quirks import QUIRKS

_KEYS = "name value where quirk scale low high is aggregate labels join"
_JOINS = ("ifindex", "entity", "name")
_WORD = re.compile(r"netmon_[a-z0-9_]+\Z")


def read_figures(
    reader: Reader, value: object, metrics: frozenset[str], labels: frozenset[str] = frozenset()
) -> tuple[FigureSpec, ...]:
    """All figures that are right; the others are problems of ``reader``. Conditions may name ``labels`` of indexes."""
    found = (_figure(reader, item, metrics, labels) for item in reader.items(value, "netmon figures"))
    return tuple(spec for spec in found if spec)


def _one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return check


def _figure(reader: Reader, item: object, metrics: frozenset[str], labels: frozenset[str]) -> FigureSpec | None:
    tree = reader.mapping(item, "netmon figures", _KEYS)
    name = str(tree.get("name") or "")
    thing = f'figure "{name}"'
    if not _WORD.match(name):
        reader.problem(item, thing, "not the name of a figure", "netmon_ and small letters")
        return None
    expr = reader.read(
        tree.get("value"), thing, parse_expression, "a metric, ratio(a, b) or sum(a, b, ...) of metrics", None
    )
    if expr is None:
        if not tree.get("value"):
            reader.problem(item, thing, '"value" is missing')
        return None
    where = tuple(
        _condition(reader, str(metric), test, thing)
        for metric, test in reader.mapping(tree.get("where"), thing).items()
    )
    asked = [name for name in (condition.metric for condition in where) if name not in labels]
    for metric in [*expr.names(), *asked]:
        if metric not in metrics:
            reader.problem(item, thing, f'no metric "{metric}" in its modules')
            return None

    def limit(key: str) -> float | None:
        return reader.read(tree.get(key), thing, float, "a number", None)

    def choice(key: str, names: tuple[str, ...]) -> str:
        return reader.read(tree.get(key), thing, _one_of(names), f"allowed: {', '.join(names)}", "")

    scale = limit("scale")
    return FigureSpec(
        name=name,
        expr=expr,
        where=where,
        quirk=choice("quirk", tuple(QUIRKS)),
        scale=1.0 if scale is None else scale,
        low=limit("low"),
        high=limit("high"),
        means_one=frozenset(reader.number(item, thing) for item in reader.items(tree.get("is"), thing)),
        aggregate=choice("aggregate", tuple(AGGREGATES)),
        labels=tuple(sorted(reader.texts(tree.get("labels"), thing).items())),
        join=choice("join", _JOINS),
    )


def _condition(reader: Reader, metric: str, test: object, thing: str) -> Condition:
    if isinstance(test, list):
        return Condition(metric, equals=frozenset(map(str, test)))
    tree: Mapping[str, object] = reader.mapping(test, thing, "unless matches above below")
    return Condition(
        metric,
        unless=frozenset(str(item) for item in reader.items(tree.get("unless"), thing)),
        pattern=reader.read(tree.get("matches"), thing, re.compile, "a regular expression", None),
        above=reader.read(tree.get("above"), thing, float, "a number", None),
        below=reader.read(tree.get("below"), thing, float, "a number", None),
    )
