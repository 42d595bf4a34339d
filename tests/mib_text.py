"""Writes a compiled standard MIB module as the text it came from, so that both ways of reading one can be compared."""

from __future__ import annotations

from netmon.mibs.compiled import Compiled
from netmon.mibs.facts import BASE_TYPES, Node, Syntax

_WORDS = {"Integer32": "Integer32", "OctetString": "OCTET STRING", "ObjectIdentifier": "OBJECT IDENTIFIER"}
_CLAUSE = 'MAX-ACCESS {access} STATUS current DESCRIPTION "{text}"'


def _type(syntax: Syntax, known: dict[str, Syntax]) -> str:
    """The syntax as a clause says it; conventions are defined at the module's end."""
    if syntax.conventions:
        known.setdefault(syntax.conventions[0], syntax)
        return f"{syntax.conventions[0]} (SIZE ({syntax.size}))" if syntax.size else syntax.conventions[0]
    return _base(syntax)


def _base(syntax: Syntax) -> str:
    names = ", ".join(f"{name}({number})" for number, name in syntax.enums.items())
    if syntax.base == "Bits":
        return f"BITS {{ {names} }}"
    if names:
        return f"INTEGER {{ {names} }}"
    word = _WORDS.get(syntax.base, syntax.base)
    return f"{word} (SIZE ({syntax.size}))" if syntax.size else word


def _oid(node: Node) -> str:
    return "{ " + " ".join(map(str, node.oid)) + " }"


def module_text(module: Compiled) -> str:
    """The whole module, importing nothing but the types of the language."""
    known: dict[str, Syntax] = {}
    lines = [f"{module.name} DEFINITIONS ::= BEGIN"]
    nodes = {node.oid: node for node in module.nodes()}
    for oid, node in sorted(nodes.items()):
        parent = nodes.get(oid[:-1])
        oid_text = f"{{ {parent.name} {oid[-1]} }}" if parent else _oid(node)
        text = node.description.replace('"', "'")
        access = "read-only" if node.readable else "not-accessible"
        end = f"{_CLAUSE.format(access=access, text=text)}"
        if node.kind == "other":
            lines.append(f"{node.name} OBJECT IDENTIFIER ::= {oid_text}")
        elif node.kind == "table":
            lines.append(f"{node.name} OBJECT-TYPE SYNTAX SEQUENCE OF T{node.name} {end} ::= {oid_text}")
        elif node.kind == "row":
            parts = ", ".join(("IMPLIED " if part.implied else "") + part.name for part in node.index)
            lines.append(f"{node.name} OBJECT-TYPE SYNTAX T{node.name} {end} INDEX {{ {parts} }} ::= {oid_text}")
        elif node.syntax:
            units = f'UNITS "{node.units}" ' if node.units else ""
            lines.append(f"{node.name} OBJECT-TYPE SYNTAX {_type(node.syntax, known)} {units}{end} ::= {oid_text}")
    foreign = {part.name: part.syntax for node in nodes.values() for part in node.index}
    for name in foreign.keys() - {node.name for node in nodes.values()}:
        lines.append(
            f"{name} OBJECT-TYPE SYNTAX {_type(foreign[name], known)} {_CLAUSE.format(access='read-only', text='')}"
        )
        lines.append("  ::= { 0 0 99 }")
    for name, syntax in known.items():
        inner = Syntax(syntax.base, syntax.conventions[1:], syntax.hint, syntax.size, syntax.enums)
        hint = f'DISPLAY-HINT "{syntax.hint}" ' if syntax.hint else ""
        lines.append(f'{name} ::= TEXTUAL-CONVENTION {hint}STATUS current DESCRIPTION "" SYNTAX {_base(inner)}')
    assert set(BASE_TYPES.values()) >= {syntax.base for syntax in known.values()}
    return "\n".join([*lines, "END", ""])
