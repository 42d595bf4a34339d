"""Standard MIB modules as pysnmp and pysnmp-mibs bring them: compiled, so that nothing must be fetched."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from netmon.mibs.facts import BASE_TYPES, Node, Oid, Part, Syntax
from netmon.mibs.text import missing

_BASES = frozenset(BASE_TYPES.values()) | {"Integer"}
_SKIP = frozenset({"TextualConvention", "ObjectSyntax", "SimpleSyntax", "ApplicationSyntax"})
_KINDS = {"MibScalar": "scalar", "MibTableColumn": "column", "MibTableRow": "row", "MibTable": "table"}


@cache
def _builder() -> Any:
    try:
        from pysnmp.smi.builder import DirMibSource, MibBuilder
    except ImportError as error:
        raise missing("pysnmp") from error
    builder: Any = MibBuilder
    source: Any = DirMibSource
    found = builder()
    # Only what is installed: pysnmp itself would also run modules from the working directory.
    places = [find_spec("pysnmp.smi.mibs"), find_spec("pysnmp_mibs")]
    folders = [Path(place.origin).parent for place in places if place and place.origin]
    found.set_mib_sources(*(source(str(folder)) for folder in folders))
    found.loadTexts = True
    return found


class Compiled:
    """One module; symbols come out as our facts."""

    def __init__(self, name: str, symbols: dict[str, Any]) -> None:
        self.name = name
        self._symbols = symbols

    def _get(self, name: str) -> Any:
        return self._symbols.get(name, self._symbols.get(name.replace("-", "_")))

    def syntax(self, name: str) -> Syntax | None:
        """The type ``name``."""
        found = self._get(name)
        if not isinstance(found, type) or _base(found) == "":
            return None
        return _syntax(found, found)

    def node(self, name: str) -> Node | None:
        found = self._get(name)
        oid = getattr(found, "name", None)
        if isinstance(found, type) or not isinstance(oid, tuple):
            return None
        kind = next((_KINDS[c.__name__] for c in type(found).__mro__ if c.__name__ in _KINDS), "other")
        syntax = getattr(found, "syntax", None)
        # Only what the module says: where an object is not accessible it says nothing, and pysnmp takes it as readable.
        access = str(vars(found).get("maxAccess", "")).replace("-", "")
        return Node(
            module=self.name,
            name=name,
            oid=oid,
            kind=kind,
            syntax=_syntax(type(syntax), syntax) if kind in ("scalar", "column") and syntax is not None else None,
            readable=access in ("readonly", "readwrite", "readcreate"),
            units=str(getattr(found, "units", "") or ""),
            description=str(getattr(found, "description", "") or ""),
            index=tuple(_parts(found)) if kind == "row" else (),
        )

    def index_modules(self) -> set[str]:
        """The modules that the indexes of its rows are from."""
        rows = (found for found in self._symbols.values() if not isinstance(found, type))
        return {module for row in rows for _, module, _ in getattr(row, "indexNames", ())} - {self.name}

    def nodes(self) -> Iterator[Node]:
        return (node for name in self._symbols if (node := self.node(name)) and not name.startswith("PYSNMP_"))


@cache
def load(name: str) -> Compiled | None:
    """The module ``name`` if one of the packages has it."""
    builder = _builder()
    from pysnmp.smi.error import SmiError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old modules speak to pysnmp in its old words
        try:
            builder.load_modules(name)
        except SmiError:
            return None
    return Compiled(name, builder.mibSymbols[name])


def _parts(row: Any) -> Iterator[Part]:
    for implied, module, name in row.indexNames:
        column = _builder().mibSymbols[module][name]
        yield Part(name, _syntax(type(column.syntax), column.syntax), bool(implied))


def _base(found: type) -> str:
    return next((c.__name__ for c in found.__mro__ if c.__name__ in _BASES), "")


def _syntax(found: type, value: Any) -> Syntax:
    """``value`` is the class itself or a value of it that was narrowed."""
    names = [c.__name__ for c in found.__mro__]
    base = _base(found)
    before = names[: names.index(base)] if base else []
    enums = getattr(value, "namedValues", None) or {}
    # Not by getattr: pysnmp warns of its old spelling, which the standard modules have.
    fixed = next(
        (known for c in found.__mro__ if (known := vars(c).get("fixed_length", vars(c).get("fixedLength")))), 0
    )
    size = fixed or one_size(_sizes(getattr(value, "subtypeSpec", None)))
    return Syntax(
        base={"Integer": "Integer32"}.get(base, base),
        conventions=tuple(name for name in before if name not in _SKIP and not name.startswith("_")),
        hint=str(getattr(value, "displayHint", "") or ""),
        size=int(size) if base == "OctetString" else 0,
        # notExists is pysnmp's own addition to RowStatus (RFC 2579 begins with 1).
        enums={int(number): str(name) for name, number in dict(enums).items() if name != "notExists"},
    )


def one_size(sizes: frozenset[Oid]) -> int:
    """The only number of octets that the ranges allow, 0 if there are several."""
    only = next(iter(sizes)) if len(sizes) == 1 else (0, 1)
    return only[0] if only[0] == only[-1] else 0


def _sizes(constraint: Any) -> frozenset[Oid]:
    """The ranges of octets: of an intersection the innermost, of a union all."""
    kind = type(constraint).__name__
    if kind == "ValueSizeConstraint":
        return frozenset({(constraint.start, constraint.stop)})
    if kind not in ("ConstraintsIntersection", "ConstraintsUnion"):
        return frozenset()
    inner = [found for part in constraint if (found := _sizes(part))]
    if kind == "ConstraintsUnion":
        return frozenset().union(*inner)
    return inner[-1] if inner else frozenset()
