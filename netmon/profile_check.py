"""Which OIDs of a profile a walk of a device does not have, and which figures would be empty for it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from netmon.collectors.snmp.modules import Oid, parse_oid
from netmon.collectors.snmp.profiles import Profile
from netmon.errors import ConfigError, Problem
from netmon.figures import FigureSpec

# OID|tag|value of .snmprec; .OID = TYPE: value of `netmon walk` and of `snmpwalk -On`
_LINE = re.compile(r"\s*\.?(\d+(?:\.\d+)+)\s*(?:\||=)")
_NAMED = re.compile(r"\s*(?:[\w-]+::)?[A-Za-z][\w-]*(?:\.[\w.\"]+)*\s*=\s")
_ABSENT = (
    "= No Such ",
    "= No more ",
    "= noSuchObject",
    "= noSuchInstance",
    "= endOfMibView",
    "|128|",
    "|129|",
    "|130|",
)
_MOST_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Missing:
    """An OID that a profile asks for and a walk does not have. ``what``: its name and what it is for."""

    oid: Oid
    what: str


@dataclass(frozen=True, slots=True)
class Checked:
    """``asked``: how many OIDs were looked for. ``empty``: figure -> the metrics it lacks."""

    asked: int
    missing: tuple[Missing, ...]
    empty: dict[str, tuple[str, ...]]
    figures: int


class Walk:
    """The OIDs a device answered with."""

    def __init__(self, oids: Iterable[Oid]) -> None:
        self._oids = sorted(set(oids))

    def __len__(self) -> int:
        return len(self._oids)

    def has(self, root: Oid) -> bool:
        """Whether there is a value at or below ``root``."""
        at = bisect_left(self._oids, root)
        return at < len(self._oids) and self._oids[at][: len(root)] == root


def read_walk(path: Path) -> Walk:
    """A walk as .snmprec or as `netmon walk` and `snmpwalk -On` print it; raises ConfigError with one clear line."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise OSError(f"larger than {_MOST_BYTES // 2**20} MB")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, "", f"cannot be read: {error.strerror or error}")]) from error
    walk = Walk(_oids(text))
    if not walk:
        number, named = next(((n, s) for n, s in enumerate(text.split("\n"), 1) if _NAMED.match(s)), (0, ""))
        what = "names instead of numbers" if named else "no OID at the beginning of any line"
        allowed = "walk with `netmon walk`, with `snmpwalk -On`, or give a .snmprec"
        raise ConfigError([Problem(str(path), number, "", what, allowed)])
    return walk


def _oids(text: str) -> Iterator[Oid]:
    """The OIDs of all lines that begin with one; the others continue a text of several lines."""
    for line in text.split("\n"):
        match = _LINE.match(line)
        if match and not any(word in line for word in _ABSENT):
            try:
                yield parse_oid(match[1])
            except ValueError:
                continue


def check_profile(profile: Profile, walk: Walk) -> Checked:
    """Every OID of the profile's modules against a walk, and the figures that would have no value."""
    asked: dict[Oid, str] = {}
    for module in profile.modules:
        for metric in module.metrics:
            asked.setdefault(metric.oid, metric.name)
        for metric in module.metrics:
            for lookup in metric.lookups:
                if lookup.oid:
                    asked.setdefault(lookup.oid, f"{lookup.labelname} (label of {metric.name})")
        for condition in module.dynamic_filters:
            asked.setdefault(condition.oid, f"filter of module {module.name}")
        for oid in module.get:
            if not any(oid[: len(known)] == known for known in asked):
                asked[oid] = f"get of module {module.name}"
        for oid in module.walk:
            if not any(known[: len(oid)] == oid or oid[: len(known)] == known for known in asked):
                asked[oid] = f"walk of module {module.name}"
    missing = tuple(Missing(oid, what) for oid, what in sorted(asked.items()) if not walk.has(oid))
    have = {name for name, metric in profile.metrics.items() if walk.has(metric.oid)}
    have |= {old for old, new in profile.fallback.items() if new in have}
    empty: dict[str, tuple[str, ...]] = {}
    filled: set[str] = set()
    for figure in profile.figures:
        lacks = _lacks(figure, have, frozenset(profile.metrics))
        if lacks:
            empty[figure.name] = tuple(dict.fromkeys((*empty.get(figure.name, ()), *lacks)))
        else:
            filled.add(figure.name)
    names = {figure.name for figure in profile.figures}
    return Checked(len(asked), missing, {n: lacks for n, lacks in empty.items() if n not in filled}, len(names))


def _lacks(figure: FigureSpec, have: set[str], metrics: frozenset[str]) -> list[str]:
    """The metrics without which a figure has no value: all of its value's, and of its conditions' that must hold."""
    conditions = [c.metric for c in figure.where if c.metric in metrics and not c.unless]
    return [name for name in (*figure.expr.names(), *conditions) if name not in have]
