"""What a YAML scalar says as it was typed: units, numbers, the traps of YAML 1.1. Works on nodes, never on files."""

from __future__ import annotations

import contextlib
import difflib
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import yaml

TAG = "tag:yaml.org,2002:"
NUMBER = re.compile(r"[-+]?(0|[1-9][0-9_]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")
_DEPTH = 20  # of plain values; an alias may hold itself


class Measure(NamedTuple):
    """A number with a unit suffix."""

    units: Mapping[str, float]
    base: str  # unit of the parsed value
    allowed: str

    def parse(self, text: str) -> float:
        """``30s`` -> 30.0; ValueError where the unit is missing or unknown."""
        found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([A-Za-z]+)", text, re.ASCII)
        if not found or found[2] not in self.units:
            raise ValueError(text)
        return float(found[1]) * self.units[found[2]]


DURATION = Measure(
    {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0},
    "s",
    "a duration is a number with a unit: 300ms, 30s, 5m, 2h or 1d",
)
BANDWIDTH = Measure(  # decimal, as telcos sell
    {"k": 1e3, "M": 1e6, "G": 1e9}, "bit/s", "a bandwidth is bits per second with a unit: 512k, 20M or 1G"
)
SIZE = Measure({"kB": 1e3, "MB": 1e6, "GB": 1e9}, "bytes", "a size is bytes with a unit: 500kB, 200MB or 2GB")


def suggest(word: str, known: Collection[str], what: str = "allowed") -> str:
    """The ``what is allowed`` part of a problem: the nearest known word first, then all of them if they are few."""
    near = difflib.get_close_matches(word, known, 1, 0.6)
    parts = [f'did you mean "{near[0]}"?'] if near else []
    if len(known) <= 40 or not near:
        shown = sorted(known)[:40]
        more = f" and {len(known) - 40} more" if len(known) > 40 else ""
        parts.append(f"{what}: {', '.join(shown) or 'none'}{more}")
    return " ".join(parts)


def quoted(node: yaml.ScalarNode) -> bool:
    """Whether a scalar was written as text on purpose."""
    return node.style in ("'", '"', "|", ">")


def trap(node: yaml.ScalarNode) -> tuple[str, str] | None:
    """Why this scalar is not the text that it looks like, and what to write; None if it is text."""
    if node.tag == TAG + "str":
        return None
    raw, kind = str(node.value), str(node.tag).removeprefix(TAG)
    means = {
        "int": "is a number",
        "float": "is a number",
        "bool": "means true" if raw.lower() in ("yes", "on", "true") else "means false",
        "null": "means nothing",
        "timestamp": "is a date",
        "merge": "merges mappings",
    }.get(kind)
    if means is None:
        return f"tag {node.tag} is not allowed", "remove it"
    with contextlib.suppress(ValueError, yaml.YAMLError):
        if kind == "int" and ":" in raw:
            means = f"is the number {yaml.safe_load(raw)} (base 60)"
        elif kind == "int" and raw.lstrip("+-").startswith("0") and len(raw) > 1:
            means = f"is the number {yaml.safe_load(raw)} (not base 10)"
    return f"{raw} without quotes {means} in YAML", f'write "{raw}" in quotes'


def plain(node: yaml.Node, report: Callable[[int, str, str], None], depth: int = 0) -> object:
    """A node as Python values. ``report(line, message, allowed)`` is told of traps; what is wrong becomes None."""
    line = node.start_mark.line + 1
    if depth > _DEPTH:
        report(line, "nested too deeply", "")
    elif isinstance(node, yaml.SequenceNode):
        return [plain(item, report, depth + 1) for item in node.value]
    elif isinstance(node, yaml.MappingNode):
        values: dict[str, object] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in values:
                report(key.start_mark.line + 1, f'key "{name}" is there twice', "")
            values[name] = plain(value, report, depth + 1)
        return values
    elif isinstance(node, yaml.ScalarNode):
        if quoted(node):
            return unicodedata.normalize("NFC", node.value)
        if node.value in ("true", "false", "null"):
            return {"true": True, "false": False}.get(node.value)
        if match := NUMBER.match(node.value):
            digits = node.value.replace("_", "")
            return float(digits) if match[2] or match[3] else int(digits)
        if found := trap(node):
            report(line, *found)
            return None
        return unicodedata.normalize("NFC", node.value)
    return None
