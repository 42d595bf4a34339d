"""Changes to YAML that people wrote: the text is edited where the change is, all else stays as it was, byte by byte.

Works on the marks of the composed nodes. What cannot be changed like that (an alias, a text over several lines) is
refused, never guessed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import yaml

from netmon.importer import quote
from netmon.yamlfile import Entry

_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what YAML 1.1 takes for an end of line


class CannotEdit(Exception):
    """The text has a form that is not edited; says why."""


class Edit(NamedTuple):
    """Characters ``start`` to ``end`` become ``text``."""

    start: int
    end: int
    text: str


class Text:
    """One file. ``edits`` are made from marks of its unchanged text, and applied together."""

    def __init__(self, data: bytes) -> None:
        self.mark = "\ufeff" if data.startswith(b"\xef\xbb\xbf") else ""
        self.text = data.decode("utf-8-sig")
        self.newline = "\r\n" if "\r\n" in self.text else "\n"
        self._starts = [0, *(match.end() for match in _BREAKS.finditer(self.text))]

    def apply(self, edits: Sequence[Edit]) -> bytes:
        """The new text. Raises CannotEdit where two changes meet in one place."""
        out, done = [self.mark], 0
        for edit in sorted(edits, key=lambda e: (e.start, e.end)):  # stable: insertions at one place keep their order
            if edit.start < done:
                raise CannotEdit("two changes at one place")
            out += [self.text[done : edit.start], edit.text]
            done = edit.end
        return "".join([*out, self.text[done:]]).encode()

    def put(self, entry: Entry, key: str, value: str, order: Sequence[str]) -> Edit:
        """Give a key of a mapping a text; a key that is not there comes after those that precede it in ``order``."""
        pair = _pair(entry.node, key)
        if pair:
            return self._replace(*pair, quote(value))
        return self._insert(entry.node, f"{key}: {quote(value)}", key, order)

    def include(self, entry: Entry, key: str, value: str, order: Sequence[str]) -> Edit:
        """Add a text to a list of texts."""
        pair = _pair(entry.node, key)
        if pair is None:
            return self._insert(entry.node, f"{key}: [{quote(value)}]", key, order)
        return self._append(*pair, quote(value))

    def add(self, entry: Entry, key: str, values: Mapping[str, str], order: Sequence[str]) -> Edit:
        """Add a mapping, on one line, to a list of mappings."""
        item = "{" + ", ".join(f"{name}: {quote(value)}" for name, value in values.items()) + "}"
        pair = _pair(entry.node, key)
        if pair:
            return self._append(*pair, item)
        if entry.node.flow_style:
            return self._insert(entry.node, f"{key}: [{item}]", key, order)
        column = entry.node.value[0][0].start_mark.column
        return self._insert(entry.node, f"{key}:{self.newline}{' ' * column}  - {item}", key, order)

    # --- where things are --------------------------------------------------------------------------------------------

    def _at(self, mark: yaml.Mark) -> int:
        return self._starts[mark.line] + mark.column

    def _end(self, node: yaml.Node) -> int:
        """Just behind the last character of a node; a block's own mark is that of what comes next."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return self._end(last[1] if isinstance(last, tuple) else last)
        end = self._at(node.end_mark)
        while end > 0 and self.text[end - 1] in " \t\r\n":  # what is empty ends where the next thing begins
            end -= 1
        return end

    def _after_key(self, key: yaml.Node, value: yaml.Node) -> None:
        """The value stands where its key is: of an alias only the place of its anchor is known."""
        start, end = self._at(key.end_mark), self._at(value.start_mark)
        if end < start or not re.fullmatch(r"\s*:(\s|#.*)*", self.text[start:end]):
            raise CannotEdit("is written with an alias")

    def _replace(self, key: yaml.Node, value: yaml.Node, text: str) -> Edit:
        self._after_key(key, value)
        start, end = self._at(value.start_mark), self._at(value.end_mark)
        if not isinstance(value, yaml.ScalarNode) or value.start_mark.line != value.end_mark.line or start == end:
            raise CannotEdit("is not a text on one line")
        return Edit(start, end, text)

    def _line_end(self, at: int) -> int:
        found = _BREAKS.search(self.text, at)
        return found.start() if found else len(self.text)

    def _insert(self, mapping: yaml.MappingNode, text: str, key: str, order: Sequence[str]) -> Edit:
        before = order[: order.index(key)]
        pairs = [pair for pair in mapping.value if pair[0].value in before] or mapping.value[:1]
        if not pairs:
            raise CannotEdit("is an empty mapping")
        # The last in the text of those that come before it in the usual order.
        name, value = pairs[-1]
        self._after_key(name, value)
        end = self._end(value)
        if mapping.flow_style:
            return Edit(end, end, f", {text}")
        if isinstance(value, yaml.ScalarNode) and value.style in ("|", ">"):
            raise CannotEdit("follows a text over several lines")
        end = self._line_end(end)
        return Edit(end, end, f"{self.newline}{' ' * name.start_mark.column}{text}")

    def _append(self, key: yaml.Node, sequence: yaml.Node, item: str) -> Edit:
        self._after_key(key, sequence)
        if not isinstance(sequence, yaml.SequenceNode):
            raise CannotEdit("is not a list")
        if sequence.flow_style:
            if sequence.value:
                end = self._end(sequence.value[-1])
                return Edit(end, end, f", {item}")
            start = self._at(sequence.start_mark)
            return Edit(start, self._at(sequence.end_mark), f"[{item}]")
        end = self._line_end(self._end(sequence))
        return Edit(end, end, f"{self.newline}{' ' * sequence.start_mark.column}- {item}")


def _pair(mapping: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((k, v) for k, v in mapping.value if k.value == key), None)


def unified(path: str, before: bytes, after: bytes) -> str:
    """A unified diff that patch -p1 and git apply take."""
    old, new = _lines(before), _lines(after)
    out = []
    for line in difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm="\n"):
        out.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(out)


def _lines(data: bytes) -> list[str]:
    """Lines as patch sees them: they end with a line feed and nothing else."""
    return re.findall(r"[^\n]*\n|[^\n]+\Z", data.decode())
