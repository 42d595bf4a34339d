"""Resolves what MIB modules say of each other.

What cannot be resolved is one problem that names file, line and module; all that does not need it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netmon.errors import Problem
from netmon.mibs import compiled
from netmon.mibs.facts import BASE_MODULES, BASE_OIDS, BASE_TYPES, Node, Oid, Part, Syntax, Tree
from netmon.mibs.find import Shelf
from netmon.mibs.text import Source

_READABLE = ("read-only", "read-write", "read-create")
_STANDARD = ("SNMPv2-TC", "RFC1213-MIB", "INET-ADDRESS-MIB")  # whose types makers forget to import


class Unresolved(Exception):
    """Something cannot be known; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Library:
    """The modules given by file or name, and those they import."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._nodes: dict[tuple[str, str], Node | Unresolved | None] = {}

    @property
    def problems(self) -> list[Problem]:
        return self._shelf.problems

    def tree(self) -> Tree:
        """All nodes of the modules given and of those they import; problems are those of the modules given."""
        found: list[Node] = []
        lost: dict[Problem, list[str]] = {}
        for name in self._shelf.given:
            source = self._shelf.module(name)
            names = source.objects if isinstance(source, Source) else ()
            for symbol in names:
                try:
                    node = self.node(name, symbol)
                except Unresolved as error:
                    lost.setdefault(error.problem, []).append(symbol)
                else:
                    found += [node] if node else []
            if isinstance(source, compiled.Compiled):
                found += [replace(node, given=True) for node in source.nodes()]
                for module in source.index_modules():
                    self._shelf.module(module)
        for problem, symbols in lost.items():
            more = f" and {len(symbols) - 3} more" if len(symbols) > 3 else ""
            without = f"{problem.message}; without it: {', '.join(symbols[:3])}{more}"
            self._shelf.tell(Problem(problem.file, problem.line, problem.thing, without, problem.allowed))
        for name, other in list(self._shelf.modules.items()):
            if name in self._shelf.given or isinstance(other, Problem) or other is None:
                continue
            wanted = list(other.objects) if isinstance(other, Source) else [node.name for node in other.nodes()]
            for symbol in wanted:
                try:
                    node = self.node(name, symbol)
                except Unresolved:
                    continue  # nobody asked for it
                found += [node] if node else []
        return Tree(found)

    def node(self, module: str, name: str) -> Node | None:
        """The object ``name`` of a module; raises Unresolved."""
        key = (module, name)
        if key not in self._nodes:
            source = self._shelf.module(module)
            if isinstance(source, compiled.Compiled):
                found = source.node(name)
                self._nodes[key] = replace(found, given=True) if found and module in self._shelf.given else found
            elif isinstance(source, Source) and name in source.objects:
                self._nodes[key] = Unresolved(source.problem(name, f"{name} is defined by itself"))
                try:
                    self._nodes[key] = self._resolve(source, source.objects[name])
                except Unresolved as error:
                    self._nodes[key] = error
            else:
                self._nodes[key] = None
        node = self._nodes[key]
        if isinstance(node, Unresolved):
            raise node
        return node

    def _resolve(self, source: Source, clause: tuple[Any, ...]) -> Node:
        name, oid = clause[1], self._oid(source, clause[1], clause[-1][1])
        given = source.name in self._shelf.given
        if clause[0] != "objectTypeClause":
            return Node(source.name, name, oid, given=given)
        _, _, said, units, access, _, description, _, augments, index, _, _ = clause
        parts = self._index_parts(source, name, augments, index)
        table, column = said[0] == "conceptualTable", self._in_row(source, clause)
        kind = "table" if table else "row" if parts else "column" if column else "scalar"
        return Node(
            module=source.name,
            name=name,
            oid=oid,
            kind=kind,
            syntax=self._syntax(source, name, said) if kind in ("scalar", "column") else None,
            readable=bool(access) and access[1] in _READABLE,
            units=units[1] if units else "",
            description=description[1] if description else "",
            index=parts,
            given=given,
        )

    def _in_row(self, source: Source, clause: tuple[Any, ...]) -> bool:
        parent = source.objects.get(clause[-1][1][0])
        return bool(parent and parent[0] == "objectTypeClause" and (parent[8] or parent[9]))

    def _oid(self, source: Source, name: str, said: Sequence[Any]) -> Oid:
        head, *rest = said
        arcs = tuple(arc[1] if isinstance(arc, tuple) else arc for arc in rest)
        if isinstance(head, (int, tuple)):
            return (head if isinstance(head, int) else head[1], *arcs)
        if any(isinstance(arc, str) for arc in arcs):
            raise Unresolved(source.problem(name, f"the OID of {name} holds a name that has no number"))
        return (*self._named_oid(source, name, head), *arcs)

    def _named_oid(self, source: Source, name: str, symbol: str) -> Oid:
        if symbol in source.objects:
            node = self.node(source.name, symbol)
        elif symbol in BASE_OIDS:
            return BASE_OIDS[symbol]
        else:
            node = self.node(self._origin(source, name, symbol), symbol)
        if node is None:
            raise Unresolved(self._lacking(source, name, symbol))
        return node.oid

    def _origin(self, source: Source, name: str, symbol: str) -> str:
        """The module that ``symbol`` is imported from; raises Unresolved where that cannot be read."""
        module = source.imports.get(symbol)
        if module is None or module in BASE_MODULES:
            if module is None:
                for standard in _STANDARD:
                    found = compiled.load(standard)
                    if found and (found.syntax(symbol) or found.node(symbol)):
                        return standard
            raise Unresolved(self._lacking(source, name, symbol))
        other = self._shelf.module(module)
        if other is None:
            hint = "name a folder that has it with --mib-dir"
            raise Unresolved(source.import_problem(module, f"imports {module}, which is not found", hint))
        if isinstance(other, Problem):
            text = f"imports {module}, which cannot be read ({other})"
            raise Unresolved(source.import_problem(module, text))
        return module

    def _lacking(self, source: Source, name: str, symbol: str) -> Problem:
        module = source.imports.get(symbol)
        if module:
            return source.import_problem(module, f"imports {symbol} from {module}, which does not have it")
        return source.problem(name, f"{name} uses {symbol}, which is neither defined nor imported")

    def _type(self, source: Source, name: str, symbol: str, above: tuple[str, ...]) -> Syntax:
        place = f"{source.name}::{symbol}"
        if place in above:
            raise Unresolved(source.problem(symbol, f"the type {symbol} is defined by itself"))
        said = source.types.get(symbol)
        if said is None and symbol in BASE_TYPES:
            return Syntax(BASE_TYPES[symbol])
        if said is None:
            other = self._shelf.module(self._origin(source, name, symbol))
            found = None
            if isinstance(other, compiled.Compiled):
                found = other.syntax(symbol)
            elif isinstance(other, Source) and (symbol in other.types or symbol in other.imports):
                found = self._type(other, symbol, symbol, (*above, place))
            if found is None:
                raise Unresolved(self._lacking(source, name, symbol))
            return found
        # (_, syntax), or a textual convention: (_, hint, status, description, reference, syntax)
        if said[-1] is None or said[-1][0] == "SEQUENCE":
            raise Unresolved(source.problem(symbol, f"the type {symbol} is no type of a value"))
        inner = self._syntax(source, symbol, said[-1], (*above, place))
        hint = said[1][1] if len(said) == 6 and said[1] else ""
        names = (symbol, *inner.conventions)
        return Syntax(inner.base, names, hint or inner.hint, inner.size, inner.enums)

    def _syntax(self, source: Source, name: str, said: tuple[Any, ...], above: tuple[str, ...] = ()) -> Syntax:
        """pysmi's syntax as ours: ("row", type), ("BITS", names) or (_, type, what narrows it)."""
        if said[0] == "BITS":
            return Syntax("Bits", enums={number: bit for bit, number in said[1]})
        found = self._type(source, name, said[1], above)
        narrow = said[2] if len(said) > 2 else None
        size, enums = found.size, found.enums
        if narrow and narrow[0] == "enumSpec":
            enums = {number: text for text, number in narrow[1]}
        elif narrow and narrow[0] == "octetStringSubType" and found.base == "OctetString":
            size = compiled.one_size(frozenset(tuple(part) for part in narrow[1]))
        return Syntax(found.base, found.conventions, found.hint, size, enums)

    def _index_parts(self, source: Source, name: str, augments: str | None, index: Any) -> tuple[Part, ...]:
        if augments:
            module = source.name if augments in source.objects else self._origin(source, name, augments)
            row = self.node(module, augments)
            if row is None:
                raise Unresolved(self._lacking(source, name, augments))
            return row.index
        return tuple(self._part(source, name, bool(implied), symbol) for implied, symbol in index[1]) if index else ()

    def _part(self, source: Source, row: str, implied: bool, symbol: str) -> Part:
        if symbol in BASE_TYPES and symbol not in source.objects:  # SMIv1: INDEX { INTEGER }
            return Part(f"{row}Index", Syntax(BASE_TYPES[symbol]), implied)
        return Part(symbol, self._column_syntax(source, row, symbol), implied)

    def _column_syntax(self, source: Source, row: str, symbol: str) -> Syntax:
        # Not through node(): the OID of a column needs its row, which would need this again.
        clause = source.objects.get(symbol)
        if clause:
            if clause[0] == "objectTypeClause" and clause[2][0] != "conceptualTable":
                return self._syntax(source, symbol, clause[2])
            raise Unresolved(source.problem(row, f"the index {symbol} of {row} is no column"))
        other = self._shelf.module(self._origin(source, row, symbol))
        if isinstance(other, Source) and symbol in other.objects:
            return self._column_syntax(other, row, symbol)
        column = other.node(symbol) if isinstance(other, compiled.Compiled) else None
        if column is None or column.syntax is None:
            raise Unresolved(self._lacking(source, row, symbol))
        return column.syntax
