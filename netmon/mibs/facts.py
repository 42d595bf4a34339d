"""What MIB modules say, with every reference resolved: objects by OID, their syntax, and the indexes of rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

Oid = tuple[int, ...]

# RFC 2578, sections 3.6 and 7.1; SMIv1's names (RFC 1155) beside them.
BASE_TYPES: Mapping[str, str] = {
    "INTEGER": "Integer32",
    "Integer32": "Integer32",
    "OCTET STRING": "OctetString",
    "OBJECT IDENTIFIER": "ObjectIdentifier",
    "BIT STRING": "OctetString",
    "BITS": "Bits",
    "Counter": "Counter32",
    "Counter32": "Counter32",
    "Counter64": "Counter64",
    "Gauge": "Gauge32",
    "Gauge32": "Gauge32",
    "Unsigned32": "Unsigned32",
    "UInteger32": "Unsigned32",
    "TimeTicks": "TimeTicks",
    "IpAddress": "IpAddress",
    "NetworkAddress": "IpAddress",
    "Opaque": "Opaque",
}
_INTERNET = (1, 3, 6, 1)
BASE_OIDS: Mapping[str, Oid] = {
    "ccitt": (0,),
    "zeroDotZero": (0, 0),
    "iso": (1,),
    "joint-iso-ccitt": (2,),
    "org": (1, 3),
    "dod": (1, 3, 6),
    "internet": _INTERNET,
    "directory": (*_INTERNET, 1),
    "mgmt": (*_INTERNET, 2),
    "mib-2": (*_INTERNET, 2, 1),
    "mib": (*_INTERNET, 2, 1),
    "transmission": (*_INTERNET, 2, 1, 10),
    "experimental": (*_INTERNET, 3),
    "private": (*_INTERNET, 4),
    "enterprises": (*_INTERNET, 4, 1),
    "security": (*_INTERNET, 5),
    "snmpV2": (*_INTERNET, 6),
    "snmpDomains": (*_INTERNET, 6, 1),
    "snmpProxys": (*_INTERNET, 6, 2),
    "snmpModules": (*_INTERNET, 6, 3),
}
# Modules that only define the language; what is in them is in the two tables above.
BASE_MODULES = frozenset(
    {"SNMPv2-SMI", "SNMPv2-CONF", "RFC1155-SMI", "RFC1065-SMI", "RFC-1212", "RFC-1215", "RFC1212", "RFC1215"}
)


@dataclass(frozen=True, slots=True)
class Syntax:
    """A base type and what was said about it on the way there."""

    base: str  # a value of BASE_TYPES
    conventions: tuple[str, ...] = ()  # names of types, the outermost first
    hint: str = ""  # DISPLAY-HINT (RFC 2579, section 3.1), the outermost one
    size: int = 0  # octets; 0 = they vary
    enums: Mapping[int, str] = field(default_factory=dict)  # of BITS: the bits' names


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a row's index."""

    name: str
    syntax: Syntax
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A named OID. ``kind``: scalar, column, row, table, or other."""

    module: str
    name: str
    oid: Oid
    kind: str = "other"
    syntax: Syntax | None = None
    readable: bool = False
    units: str = ""
    description: str = ""
    index: tuple[Part, ...] = ()  # of a row
    given: bool = False  # from a module that was asked for, not only imported


class Tree:
    """All nodes of some modules, by OID and by name. Of two nodes with one OID the one asked for stands."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes: dict[Oid, Node] = {}
        for node in nodes:
            known = self.nodes.get(node.oid)
            if known is None or (node.given, node.kind != "other") > (known.given, known.kind != "other"):
                self.nodes[node.oid] = node

    @cached_property
    def _by_name(self) -> Mapping[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for node in sorted(self.nodes.values(), key=lambda node: (not node.given, node.oid)):
            found.setdefault(node.name, []).append(node)
            found.setdefault(f"{node.module}::{node.name}", []).append(node)
        return found

    def find(self, name: str) -> Node | None:
        """The node ``name`` or ``MODULE::name``; modules that were asked for go first."""
        return next(iter(self._by_name.get(name, ())), None)

    def under(self, root: Oid) -> Iterator[Node]:
        """The nodes at and below ``root``, by OID."""
        return (node for oid, node in sorted(self.nodes.items()) if oid[: len(root)] == root)

    def row(self, node: Node) -> Node | None:
        """The row a column is in."""
        found = self.nodes.get(node.oid[:-1])
        return found if found and found.kind == "row" else None

    def rows_by_index(self, name: str) -> list[Node]:
        """The rows whose only index is ``name``; the one that defines it first."""
        rows = [node for node in self.nodes.values() if node.kind == "row" and [p.name for p in node.index] == [name]]
        column = self.find(name)
        return sorted(rows, key=lambda row: (column is None or column.oid[:-1] != row.oid, row.oid))

    def names(self) -> list[str]:
        """The tables and other objects of the modules that were asked for."""
        return [node.name for _, node in sorted(self.nodes.items()) if node.given]
