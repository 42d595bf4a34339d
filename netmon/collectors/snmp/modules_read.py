"""Reads modules out of a parsed ``snmp.yml``: the old form (version and auth inside a module) and the new one
(``auths:`` beside ``modules:``). Pure: a tree of dicts, lists and text in, modules and problems out. Whatever in the
tree has a ``.line`` (see ``profiles.read_tree``) is reported with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from netmon.collectors.snmp.modules import (
    INDEX_TYPES,
    METRIC_TYPES,
    DynamicFilter,
    Extract,
    Index,
    Lookup,
    Metric,
    Module,
    Oid,
    Parsed,
    StaticFilter,
    parse_oid,
)
from netmon.errors import Problem

T = TypeVar("T")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)\Z")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0}


def go_template(text: str) -> str:
    """A Go expansion template (``$1``, ``${1}``, ``${name}``) as a Python one."""
    return re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", text.replace("\\", "\\\\"))


class Reader:
    """Reads one file's tree; every mistake becomes a Problem and reading goes on."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def problem(self, at: object, thing: str, message: str, allowed: str = "") -> None:
        self.problems.append(Problem(self.file, getattr(at, "line", 0), thing, message, allowed))

    def mapping(self, value: object, thing: str, keys: str = "") -> Mapping[str, object]:
        """``value`` if it is a mapping that has only ``keys`` (any, if none are given); else empty, and a problem."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.problem(value, thing, "not a mapping", "expected key: value pairs")
            return {}
        known = keys.split()
        for key in value:
            if known and key not in known:
                self.problem(key, thing, f'unknown key "{key}"', f"allowed: {', '.join(known)}")
        return value

    def items(self, value: object, thing: str) -> Sequence[object]:
        if value is None or isinstance(value, list):
            return value or []
        self.problem(value, thing, "not a list", "expected a list")
        return []

    def read(self, value: object, thing: str, convert: Callable[[str], T], allowed: str, default: T) -> T:
        """One scalar through ``convert``; ``default`` where there is none or it is wrong."""
        if value is None or value == "":
            return default
        if isinstance(value, (Mapping, list)):
            self.problem(value, thing, "not a single value", allowed)
            return default
        try:
            return convert(str(value))
        except (ValueError, KeyError, re.error):
            self.problem(value, thing, f'cannot be "{value}"', allowed)
            return default

    def oid(self, value: object, thing: str) -> Oid:
        return self.read(value, thing, parse_oid, "an OID is numbers and dots: 1.3.6.1.2.1.2.2.1.10", ())

    def oids(self, value: object, thing: str) -> tuple[Oid, ...]:
        return tuple(oid for item in self.items(value, thing) if (oid := self.oid(item, thing)))

    def whole(self, value: object, thing: str) -> int | None:
        return self.read(value, thing, _whole, "a whole number, 0 or more", None)

    def number(self, value: object, thing: str) -> float:
        return self.read(value, thing, float, "a number", 0.0)

    def flag(self, value: object, thing: str) -> bool:
        return self.read(value, thing, _flag, "true or false", False)

    def enums(self, value: object, thing: str) -> dict[int, str]:
        found = {}
        for key, text in self.mapping(value, thing).items():
            number = self.read(key, thing, int, "an enum is number: name", None)
            if number is not None:
                found[number] = str(text)
        return found

    def choice(self, value: object, thing: str, allowed: frozenset[str]) -> str:
        if str(value) in allowed:
            return str(value)
        self.problem(value, thing, f'unknown type "{value}"', f"allowed: {', '.join(sorted(allowed))}")
        return ""

    def metric(self, value: object, thing: str) -> Metric | None:
        tree = self.mapping(value, thing, _METRIC_KEYS)
        name = str(tree.get("name") or "")
        thing = f'{thing}, metric "{name}"'
        if not _NAME.match(name):
            self.problem(value, thing, f'not a metric name: "{name}"', "letters, digits and _ (not first a digit)")
            return None
        oid, kind = self.oid(tree.get("oid"), thing), self.choice(tree.get("type"), thing, METRIC_TYPES)
        if not oid or not kind:
            if not tree.get("oid"):
                self.problem(value, thing, '"oid" is missing')
            return None
        return Metric(
            name=name,
            oid=oid,
            type=kind,
            help=str(tree.get("help") or ""),
            indexes=tuple(self.index(item, thing) for item in self.items(tree.get("indexes"), thing)),
            lookups=tuple(self.lookup(item, thing) for item in self.items(tree.get("lookups"), thing)),
            enum_values=self.enums(tree.get("enum_values"), thing),
            extracts=self.extracts(tree.get("regex_extracts"), thing),
            scale=self.number(tree.get("scale"), thing),
            offset=self.number(tree.get("offset"), thing),
            datetime_pattern=str(tree.get("datetime_pattern") or ""),
        )

    def index(self, value: object, thing: str) -> Index:
        tree = self.mapping(value, thing, "labelname type fixed_size implied enum_values")
        return Index(
            labelname=str(tree.get("labelname") or ""),
            type=self.choice(tree.get("type"), thing, INDEX_TYPES),
            fixed_size=self.whole(tree.get("fixed_size"), thing) or 0,
            implied=self.flag(tree.get("implied"), thing),
            enum_values=self.enums(tree.get("enum_values"), thing),
        )

    def lookup(self, value: object, thing: str) -> Lookup:
        tree = self.mapping(value, thing, "labels labelname oid type enum_values display_hint")
        kind = str(tree.get("type") or "")
        return Lookup(
            labels=tuple(str(label) for label in self.items(tree.get("labels"), thing)),
            labelname=str(tree.get("labelname") or ""),
            oid=self.oid(tree.get("oid"), thing),
            type=self.choice(tree.get("type"), thing, INDEX_TYPES | METRIC_TYPES) if kind else "",
            enum_values=self.enums(tree.get("enum_values"), thing),
        )

    def extracts(self, value: object, thing: str) -> dict[str, tuple[Extract, ...]]:
        found = {}
        for suffix, tries in self.mapping(value, thing).items():
            extracts = []
            for item in self.items(tries, thing):
                tree = self.mapping(item, thing, "regex value")
                regex = self.read(tree.get("regex"), thing, re.compile, "a regular expression", None)
                if regex is not None:
                    extracts.append(Extract(regex, go_template(str(tree.get("value") or "$1"))))
            found[str(suffix)] = tuple(extracts)
        return found

    def module(self, name: str, value: object) -> Module:
        thing = f'module "{name}"'
        tree = self.mapping(value, thing, _MODULE_KEYS)
        found = [self.metric(item, thing) for item in self.items(tree.get("metrics"), thing)]
        given = tree.get("filters")  # the generator's mapping, or snmp.yml's list of dynamic ones
        filters = self.mapping({"dynamic": given} if isinstance(given, list) else given, thing, "static dynamic")
        static = [self.mapping(f, thing, "targets indices") for f in self.items(filters.get("static"), thing)]
        dynamic = [self.mapping(f, thing, "oid targets values") for f in self.items(filters.get("dynamic"), thing)]
        return Module(
            name=name,
            walk=self.oids(tree.get("walk"), thing),
            get=self.oids(tree.get("get"), thing),
            metrics=tuple(metric for metric in found if metric),
            static_filters=tuple(
                StaticFilter(self.oids(f.get("targets"), thing), self.oids(f.get("indices"), thing)) for f in static
            ),
            dynamic_filters=tuple(
                DynamicFilter(
                    self.oid(f.get("oid"), thing),
                    self.oids(f.get("targets"), thing),
                    self.patterns(f.get("values"), thing),
                )
                for f in dynamic
            ),
            max_repetitions=self.whole(tree.get("max_repetitions"), thing),
            retries=self.whole(tree.get("retries"), thing),
            timeout_s=self.read(tree.get("timeout"), thing, _duration, "a duration such as 5s", None),
            allow_nonincreasing_oids=self.flag(tree.get("allow_nonincreasing_oids"), thing),
            use_unconnected_udp_socket=self.flag(tree.get("use_unconnected_udp_socket"), thing),
            version=self.whole(tree.get("version"), thing) or 0,
            auth=self.texts(tree.get("auth"), thing),
        )

    def patterns(self, value: object, thing: str) -> tuple[re.Pattern[str], ...]:
        found = (self.read(v, thing, re.compile, "a regular expression", None) for v in self.items(value, thing))
        return tuple(pattern for pattern in found if pattern is not None)

    def texts(self, value: object, thing: str) -> dict[str, str]:
        return {str(key): str(text) for key, text in self.mapping(value, thing).items()}


_MODULE_KEYS = (
    "walk get metrics filters max_repetitions retries timeout allow_nonincreasing_oids use_unconnected_udp_socket "
    "version auth"
)
_METRIC_KEYS = (
    "name oid type help indexes lookups enum_values regex_extracts scale offset datetime_pattern display_hint"
)


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _duration(text: str) -> float:
    match = _DURATION.match(text)
    if not match:
        raise ValueError(text)
    return float(match[1]) * _UNIT_S[match[2]]


def parse_modules(tree: object, file: str = "") -> Parsed:
    """All modules of a tree. ``netmon`` at its top is left to others; without ``modules`` it is the old form."""
    reader = Reader(file)
    top = reader.mapping(tree, "")
    auths: dict[str, Mapping[str, str]] = {}
    if "modules" in top or "auths" in top:
        reader.mapping(top, "", "auths modules netmon")
        auths = {n: reader.texts(a, f'auth "{n}"') for n, a in reader.mapping(top.get("auths"), "auths").items()}
        named = reader.mapping(top.get("modules"), "modules")
    else:
        named = {name: module for name, module in top.items() if name != "netmon"}
    modules = {str(name): reader.module(str(name), module) for name, module in named.items()}
    return Parsed(modules, auths, tuple(reader.problems))
