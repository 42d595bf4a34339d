"""A module of snmp_exporter's format out of MIB objects: what to walk, and each object as a metric. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from netmon.collectors.snmp.modules import Index, Lookup, Metric, Module, Oid
from netmon.errors import Problem
from netmon.mibs.facts import Node, Tree
from netmon.mibs.types import COMBINED, indexes, is_text, label, value_type

# IF-MIB's ifName: the name of a port in netmon and on most dashboards.
_IF_NAME = Lookup(("ifIndex",), "ifName", (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1), "DisplayString")
_PORTS = ("InterfaceIndex", "InterfaceIndexOrZero")
_NAMING = ("name", "descr", "description", "label", "alias")  # how columns that name a row end, the best first
_HELP_MOST = 200  # characters


@dataclass(frozen=True, slots=True)
class Wish:
    """What a module shall hold. ``lookups``: index -> column that stands for it; ``keep``: the index stays a label."""

    name: str
    tables: Sequence[str]
    lookups: Mapping[str, str] = field(default_factory=dict)
    keep: bool = False


class Builder:
    """Builds one module; what cannot be done becomes a problem, and the rest goes on."""

    def __init__(self, tree: Tree, wish: Wish) -> None:
        self.tree = tree
        self.wish = wish
        self.problems: list[Problem] = []
        self._asked = {label(index): lookup for index, lookup in self._wished_lookups()}
        self._auto: dict[str, Lookup | None] = {}

    def build(self) -> Module:
        roots, chosen = [], {}
        for name in self.wish.tables:
            root = self._find(name, "table")
            if root is None:
                continue
            inside = [node for node in self.tree.under(root.oid) if self._wanted(node, root)]
            if not inside:
                self._problem(f'table "{name}"', "holds no object that can be read")
                continue
            roots.append(root)
            chosen.update({node.oid: node for node in inside})
        metrics = [self._metric(node) for _, node in sorted(chosen.items())]
        walk = [root.oid for root in roots if root.kind != "scalar"]
        for metric in metrics:
            walk += [lookup.oid for lookup in metric.lookups if lookup.oid]
            if metric.type in COMBINED:
                walk.append((*metric.oid[:-1], metric.oid[-1] - 1))
        walk = _outermost(walk)
        get = [(*root.oid, 0) for root in roots if root.kind == "scalar" and not _covered(root.oid, walk)]
        return Module(self.wish.name, tuple(walk), tuple(sorted(set(get))), tuple(metrics))

    def _problem(self, thing: str, message: str, allowed: str = "") -> None:
        self.problems.append(Problem("from-mib", 0, thing, message, allowed))

    def _find(self, name: str, what: str) -> Node | None:
        found = self.tree.find(name)
        if found is None:
            near = difflib.get_close_matches(name, self.tree.names(), 3, 0.6)
            tables = [n for n in self.tree.names() if (node := self.tree.find(n)) and node.kind == "table"]
            allowed = f"like it: {', '.join(near)}" if near else f"tables: {', '.join(tables[:20])}" if tables else ""
            self._problem(f'{what} "{name}"', "is in none of the MIBs given", allowed)
        return found

    def _wanted(self, node: Node, root: Node) -> bool:
        known = node.given or node.module == root.module
        return known and node.readable and node.kind in ("scalar", "column") and node.syntax is not None

    def _metric(self, node: Node) -> Metric:
        assert node.syntax is not None  # _wanted
        row = self.tree.row(node) if node.kind == "column" else None
        index = indexes(row.index) if row else ()
        before = self.tree.nodes.get((*node.oid[:-1], node.oid[-1] - 1))
        kind = value_type(node.syntax, before.syntax if before and before.readable else None)
        return Metric(
            name=label(node.name),
            oid=node.oid,
            type=kind,
            help=help_text(node),
            indexes=index,
            lookups=tuple(self._lookups(node, row, index)) if row else (),
            enum_values=node.syntax.enums if kind in ("gauge", "Bits") else {},
        )

    # --- names for indexes -------------------------------------------------------------------------------------------

    def _wished_lookups(self) -> Iterable[tuple[str, Lookup]]:
        for index, name in self.wish.lookups.items():
            column = self._find(name, "lookup")
            row = self.tree.row(column) if column else None
            if column is None:
                continue
            if row is None or column.syntax is None:
                self._problem(f'lookup "{index}={name}"', f"{name} is no column of a table")
                continue
            labels = tuple(part.labelname for part in indexes(row.index))
            enums = column.syntax.enums
            kind = "EnumAsInfo" if enums and column.syntax.base == "Integer32" else value_type(column.syntax)
            found = Lookup(labels, label(name.rpartition("::")[2]), column.oid, kind, enums if "Enum" in kind else {})
            if label(index) not in labels:
                self._problem(f'lookup "{index}={name}"', f"{index} is no index of {name}", f"its: {', '.join(labels)}")
                continue
            yield index, found

    def _lookups(self, node: Node, row: Node, index: Sequence[Index]) -> Iterable[Lookup]:
        """Names that were asked for and ports' names stand instead of the index; other names stand beside it."""
        names = [part.labelname for part in index]
        drop = []
        for part in row.index:
            name = label(part.name)
            asked = self._asked.get(name) or (_IF_NAME if name == "ifIndex" else None)
            found = asked or self._named(name, part.syntax.conventions)
            if found is None or found.labelname in names or not set(found.labels) <= set(names):
                continue
            if found.oid != node.oid:
                yield found
            if asked and not self.wish.keep:
                drop.append(name)
        yield from (Lookup((), name) for name in drop)

    def _named(self, name: str, conventions: Sequence[str]) -> Lookup | None:
        if name not in self._auto:
            if any(convention in _PORTS for convention in conventions):
                self._auto[name] = Lookup((name,), _IF_NAME.labelname, _IF_NAME.oid, _IF_NAME.type)
            else:
                self._auto[name] = self._naming_column(name)
        return self._auto[name]

    def _naming_column(self, index: str) -> Lookup | None:
        """The text that names a row of the table that ``index`` alone numbers, e.g. entPhysicalName."""
        found: list[tuple[int, bool, Oid, Node]] = []
        for number, row in enumerate(self.tree.rows_by_index(index)):
            for node in self.tree.under(row.oid):
                text = node.readable and node.syntax is not None and is_text(node.syntax) and node.name != index
                ends = [rank for rank, end in enumerate(_NAMING) if node.name.lower().endswith(end)]
                if text and ends and self.tree.row(node) == row:
                    found.append((ends[0], number > 0, node.oid, node))
        best = min(found, key=lambda entry: entry[:3], default=None)
        return Lookup((index,), label(best[3].name), best[3].oid, "DisplayString") if best else None


def help_text(node: Node) -> str:
    """The first sentence of an object's description, its unit, and where text that moves the point is to be heeded."""
    text = "".join(c if c.isprintable() else " " for c in node.description)
    text = " ".join(text.split())
    first = re.split(r"(?<=[^.\s])\.(?=\s|$)", text, maxsplit=1)[0]
    if len(first) > _HELP_MOST:
        first = first[: _HELP_MOST - 1].rsplit(" ", 1)[0] + "…"
    notes = [node.units] if node.units else []
    hint = node.syntax.hint if node.syntax else ""
    if re.fullmatch(r"d-\d+", hint):  # RFC 2579, section 3.1
        notes.append(f"to be divided by {10 ** int(hint[2:])}")
    return f"{first} ({', '.join(notes)})".strip() if notes else first


def _covered(oid: Oid, roots: Iterable[Oid]) -> bool:
    return any(oid[: len(root)] == root for root in roots)


def _outermost(oids: Iterable[Oid]) -> list[Oid]:
    found: list[Oid] = []
    for oid in sorted(set(oids)):
        if not _covered(oid, found):
            found.append(oid)
    return found
