"""Bytes of a YAML file -> its node tree, or one problem that says where it stops being YAML."""

from __future__ import annotations

import yaml

from netmon.errors import Problem
from netmon.yamlvalues import TAG

_DEPTH = 50  # an inventory needs eight; libyaml's composer recurses in C and would crash the process at some thousands
_MOST_NODES = 500_000  # ten times a province; looked at only where there may be aliases


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # C composes ten times faster
    """Composes nodes and nothing else; the resolver's hooks around every node are used to bound the depth."""

    depth = 0

    def descend_resolver(self, parent: yaml.Node | None, index: object) -> None:
        self.depth += 1
        if self.depth > _DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=parent.start_mark if parent else None)

    def ascend_resolver(self) -> None:
        self.depth -= 1


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """Nodes there are when every alias is written out; a node within itself counts as too many."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = _MOST_NODES
    size = 1
    if isinstance(node, yaml.MappingNode):
        size += sum(_expanded(key, known) + _expanded(value, known) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_expanded(item, known) for item in node.value)
    known[id(node)] = size
    return size


def compose(data: bytes, name: str, problems: list[Problem]) -> yaml.MappingNode | None:
    """The top-level mapping; None and one problem where there is none. An empty file is an empty mapping."""

    def fail(line: int, message: str, allowed: str = "") -> None:
        problems.append(Problem(name, line, "", message, allowed))

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fail(line, f"not UTF-8 (byte 0x{data[error.start]:02x})", "save the file as UTF-8")
        return None
    try:
        node = Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        hint = "YAML indents with spaces, not tabs" if "cannot start any token" in (error.problem or "") else ""
        fail(mark.line + 1 if mark else 0, f"not valid YAML: {error.problem or error.context}", hint)
        return None
    except yaml.reader.ReaderError as error:
        code = ord(error.character) if isinstance(error.character, str) else error.character
        fail(text.count("\n", 0, error.position) + 1, f"not valid YAML: control character 0x{code:02x}")
        return None
    if node is not None and "*" in text and _expanded(node, {}) >= _MOST_NODES:
        fail(0, "too large once every alias (*name) is written out")
        return None
    if node is None:
        node = yaml.MappingNode(TAG + "map", [], yaml.Mark(name, 0, 0, 0, "", 0))
    if not isinstance(node, yaml.MappingNode):
        fail(node.start_mark.line + 1, "the file must be a mapping", "write top-level keys such as sites:")
        return None
    return node
