"""YAML that people edit, read so that every mistake becomes one line with its place, and none hides another.

Works on the composed node tree, not on constructed values: nodes keep their line and the text as it was typed, so the
traps of YAML 1.1 (``22:30`` is 1350, ``010`` is 8, ``NO`` is false, the last duplicate key wins) can be told.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import yaml

from netmon.errors import Problem
from netmon.yamlcompose import compose
from netmon.yamlvalues import BANDWIDTH, DURATION, NUMBER, SIZE, TAG, Measure, plain, quoted, suggest, trap


def load_entry(
    path: Path, problems: list[Problem], *, shown: str = "", seen: Callable[[bytes], object] | None = None
) -> Entry | None:
    """The top-level mapping of a file; None (and a problem) if there is none. ``seen`` is given its bytes."""
    name = shown or str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.append(Problem(name, 0, "", f"cannot be read: {error.strerror or error}"))
        return None
    if seen:
        seen(data)
    return parse_entry(data, name, problems)


def parse_entry(data: bytes, name: str, problems: list[Problem]) -> Entry | None:
    """As ``load_entry``, from bytes."""
    node = compose(data, name, problems)
    return None if node is None else Entry(node, name, "", problems)


class Entry:
    """One YAML mapping while it is read: each getter checks one key, and ``finish`` reports the keys nobody asked for.

    A getter returns its default after reporting a problem, so that reading goes on and finds the next one.
    """

    def __init__(self, node: yaml.MappingNode, file: str, thing: str, problems: list[Problem]) -> None:
        self.node = node
        self.file = file
        self.thing = thing
        self.problems = problems
        self.line = node.start_mark.line + 1
        self._asked: dict[str, None] = {}
        self._nodes: dict[str, yaml.Node] = {}
        self._lines: dict[str, int] = {}
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(line, "a key must be text")
            elif found := trap(key_node):
                self._report(line, f"key {found[0]}", found[1])
            elif key in self._nodes:
                self._report(line, f'key "{key}" is there twice', f"first in line {self._lines[key]}")
            else:
                self._nodes[key], self._lines[key] = value, line

    def _report(self, line: int, message: str, allowed: str = "") -> None:
        self.problems.append(Problem(self.file, line, self.thing, message, allowed))

    def problem(self, key: str, message: str, allowed: str = "") -> None:
        """Report a mistake at ``key`` (at the mapping itself if it has no such key)."""
        self._report(self.line_of(key), message, allowed)

    def names(self) -> list[str]:
        """The keys that are there, as names that the file chose; they count as asked for."""
        self._asked.update(dict.fromkeys(self._nodes))
        return list(self._nodes)

    def has(self, key: str) -> bool:
        return key in self._nodes

    def kind(self, key: str) -> str:
        """text | list | mapping, or "" where there is no value."""
        node = self._nodes.get(key)
        if isinstance(node, yaml.ScalarNode):
            return "text" if node.value or quoted(node) else ""
        if node is None:
            return ""
        return "list" if isinstance(node, yaml.SequenceNode) else "mapping"

    def raw(self, key: str) -> str:
        """A scalar as it was typed, unchecked and in no message; "" if it is none."""
        self._asked[key] = None
        node = self._nodes.get(key)
        return str(node.value) if isinstance(node, yaml.ScalarNode) else ""

    def line_of(self, key: str) -> int:
        return self._lines.get(key, self.line)

    def finish(self) -> None:
        """Report every key that no getter asked for."""
        for key in self._nodes:
            if key not in self._asked:
                self.problem(key, f'unknown key "{key}"', suggest(key, self._asked))

    def _get(self, key: str, required: bool = False) -> yaml.Node | None:
        self._asked[key] = None
        node = self._nodes.get(key)
        if node is None and required:
            self._report(self.line, f'"{key}" is missing')
        if isinstance(node, yaml.ScalarNode) and node.tag == TAG + "null" and node.value == "":
            self.problem(key, f'"{key}" has no value', "give it one or remove the key")
            return None
        return node

    def _scalar(self, key: str, required: bool, wanted: str) -> yaml.ScalarNode | None:
        node = self._get(key, required)
        if node is None or isinstance(node, yaml.ScalarNode):
            return node
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
        self.problem(key, f'"{key}" is {kind}', f"expected {wanted}")
        return None

    def text(
        self,
        key: str,
        default: str = "",
        *,
        required: bool = False,
        choices: Collection[str] = (),
        pattern: re.Pattern[str] | None = None,
        allowed: str = "",
    ) -> str:
        """A string in NFC. ``pattern`` must match the whole of it, ``allowed`` says what it demands."""
        node = self._scalar(key, required, "text")
        if node is None:
            return default
        if found := trap(node):
            self.problem(key, f'"{key}": {found[0]}', found[1])
            return default
        value = unicodedata.normalize("NFC", node.value)
        if choices and value not in choices:
            self.problem(key, f'"{key}" cannot be "{value}"', suggest(value, choices))
            return default
        if pattern and not pattern.fullmatch(value):
            self.problem(key, f'"{key}" cannot be "{value}"', allowed)
            return default
        if required and not value.strip():
            self.problem(key, f'"{key}" is empty')
            return default
        return value

    def number(
        self,
        key: str,
        default: float | None = None,
        *,
        required: bool = False,
        low: float | None = None,
        high: float | None = None,
        whole: bool = False,
    ) -> float | None:
        """A decimal number between ``low`` and ``high`` (both included); ``whole``: an integer."""
        wanted = "a whole number" if whole else "a number"
        node = self._scalar(key, required, wanted)
        if node is None:
            return default
        if quoted(node):
            self.problem(key, f'"{key}" is text in quotes', f"expected {wanted}, without quotes")
            return default
        match = NUMBER.match(node.value)
        if not match or (whole and (match[2] or match[3])):
            known = trap(node)
            shown = (
                known[0] if known and not re.fullmatch(r"[-+0-9.]+", node.value) else f"{node.value} is not {wanted}"
            )
            self.problem(key, f'"{key}": {shown}', f"expected {wanted} in base 10, such as 15")
            return default
        value = float(node.value.replace("_", ""))
        if (low is not None and value < low) or (high is not None and value > high):
            limits = (
                f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"{low:g} to {high:g}"
            )
            self.problem(key, f'"{key}" cannot be {node.value}', f"allowed: {limits}")
            return default
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """``true`` or ``false``, nothing else."""
        node = self._scalar(key, False, "true or false")
        if node is None:
            return default
        if quoted(node) or node.value not in ("true", "false"):
            self.problem(key, f'"{key}" cannot be {node.value}', "allowed: true or false, without quotes")
            return default
        return bool(node.value == "true")

    def duration(
        self, key: str, default: float = 0.0, *, required: bool = False, low: float = 0.0, high: float = 366 * 86400.0
    ) -> float:
        """Seconds, written ``30s``, ``5m``, ``2h`` or ``1d``."""
        return self._measure(key, default, DURATION, low, high, required)

    def bandwidth(self, key: str, *, required: bool = False) -> float:
        """Bits per second, written ``20M``; 0.0 where it is missing or wrong."""
        return self._measure(key, 0.0, BANDWIDTH, 1.0, 1e13, required)

    def size(self, key: str, default: float, *, low: float = 0.0, high: float = 1e15) -> float:
        """Bytes, written ``2GB``."""
        return self._measure(key, default, SIZE, low, high, False)

    def _measure(self, key: str, default: float, measure: Measure, low: float, high: float, required: bool) -> float:
        node = self._scalar(key, required, "a number with a unit")
        if node is None:
            return default
        try:
            value = measure.parse(node.value)
        except ValueError:
            self.problem(key, f'"{key}" cannot be {node.value!r}', measure.allowed)
            return default
        if not low <= value <= high:
            unit = measure.base
            self.problem(key, f'"{key}" is {value:g} {unit}', f"allowed: {low:g} to {high:g} {unit}")
            return default
        return value

    def _items(self, key: str, required: bool, wanted: str) -> Iterator[tuple[int, yaml.Node]]:
        node = self._get(key, required)
        if node is not None and not isinstance(node, yaml.SequenceNode):
            example = f"[{node.value!r}]" if isinstance(node, yaml.ScalarNode) else "- first"
            self.problem(key, f'"{key}" is not a list', f"expected a list of {wanted}, such as {example}")
        elif node is not None:
            yield from enumerate(node.value, 1)

    def texts(
        self, key: str, *, required: bool = False, choices: Collection[str] = (), unique: bool = True
    ) -> tuple[str, ...]:
        """A list of strings; wrong items are reported and left out, as are repeated ones if ``unique``."""
        values: list[str] = []
        for number, item in self._items(key, required, "texts"):
            line = item.start_mark.line + 1
            if not isinstance(item, yaml.ScalarNode):
                self._report(line, f'"{key}" item {number} is not text')
            elif found := trap(item):
                self._report(line, f'"{key}" item {number}: {found[0]}', found[1])
            else:
                value = unicodedata.normalize("NFC", item.value)
                if choices and value not in choices:
                    self._report(line, f'"{key}" cannot hold "{value}"', suggest(value, choices))
                elif unique and value in values:
                    self._report(line, f'"{key}" holds "{value}" twice')
                else:
                    values.append(value)
        return tuple(values)

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of decimal numbers; wrong items are reported and left out."""
        values = []
        for number, item in self._items(key, False, "numbers"):
            if isinstance(item, yaml.ScalarNode) and not quoted(item) and NUMBER.match(item.value):
                values.append(float(item.value.replace("_", "")))
            else:
                self._report(item.start_mark.line + 1, f'"{key}" item {number} is not a number')
        return tuple(values)

    def entry(self, key: str, *, required: bool = False) -> Entry | None:
        """A nested mapping."""
        node = self._get(key, required)
        if node is None:
            return None
        if not isinstance(node, yaml.MappingNode):
            self.problem(key, f'"{key}" is not a mapping', "expected key: value pairs")
            return None
        return Entry(node, self.file, f"{self.thing} {key}".strip(), self.problems)

    def entries(self, key: str, kind: str, *, required: bool = False, one: bool = False) -> list[Entry]:
        """A list of mappings, each named ``kind "its id"`` in problems; with ``one`` a single mapping will do, too."""
        node = self._get(key, required)
        if one and isinstance(node, yaml.MappingNode):
            return [self._named(node, kind, 1)]
        found = []
        for number, item in self._items(key, False, f"mappings, one per {kind}"):
            if isinstance(item, yaml.MappingNode):
                found.append(self._named(item, kind, number))
            else:
                self._report(item.start_mark.line + 1, f'"{key}" item {number} is not a mapping')
        return found

    def _named(self, node: yaml.MappingNode, kind: str, number: int) -> Entry:
        name = next((v.value for k, v in node.value if k.value == "id" and isinstance(v, yaml.ScalarNode)), None)
        thing = f'{kind} "{name}"' if name else f"{kind} number {number}"
        return Entry(node, self.file, f"{self.thing}, {thing}" if self.thing else thing, self.problems)

    def plain(self) -> dict[str, object]:
        """The whole mapping as Python values for parts that others check; traps are reported and become None."""
        self._asked.update(dict.fromkeys(self._nodes))
        return {key: plain(node, self._report) for key, node in self._nodes.items()}
