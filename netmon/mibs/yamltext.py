"""A module as the text of a profile file, in the format of snmp_exporter's snmp.yml. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from netmon.collectors.snmp.modules import Index, Lookup, Metric, Module, Oid

_PLAIN = re.compile(r"[A-Za-z_][\w-]*\Z", re.ASCII)
# Words that one or another reader of YAML takes for something else than text.
_MEANING = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def module_text(module: Module, comment: str) -> str:
    """A whole file with this module."""
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += ["modules:", f"  {_word(module.name)}:"]
    for key, oids in (("walk", module.walk), ("get", module.get)):
        if oids:
            lines += [f"    {key}:", *(f"      - {_oid(oid)}" for oid in oids)]
    lines.append("    metrics:")
    for metric in module.metrics:
        lines += _metric(metric)
    return "\n".join(lines) + "\n"


def _metric(metric: Metric) -> Iterable[str]:
    yield f"      - name: {_word(metric.name)}"
    yield f"        oid: {_oid(metric.oid)}"
    yield f"        type: {metric.type}"
    if metric.help:
        yield f"        help: {json.dumps(metric.help, ensure_ascii=False)}"
    if metric.indexes:
        yield f"        indexes: [{', '.join(map(_index, metric.indexes))}]"
    if metric.lookups:
        yield "        lookups:"
        yield from (f"          - {_lookup(lookup)}" for lookup in metric.lookups)
    if metric.enum_values:
        yield f"        enum_values: {_enums(metric.enum_values)}"


def _index(index: Index) -> str:
    parts = [f"labelname: {_word(index.labelname)}", f"type: {index.type}"]
    if index.fixed_size:
        parts.append(f"fixed_size: {index.fixed_size}")
    if index.implied:
        parts.append("implied: true")
    if index.enum_values:
        parts.append(f"enum_values: {_enums(index.enum_values)}")
    return "{" + ", ".join(parts) + "}"


def _lookup(lookup: Lookup) -> str:
    parts = [f"labels: [{', '.join(map(_word, lookup.labels))}]", f"labelname: {_word(lookup.labelname)}"]
    if lookup.oid:
        parts += [f"oid: {_oid(lookup.oid)}", f"type: {lookup.type}"]
    if lookup.enum_values:
        parts.append(f"enum_values: {_enums(lookup.enum_values)}")
    return "{" + ", ".join(parts) + "}"


def _enums(enums: Mapping[int, str]) -> str:
    return "{" + ", ".join(f"{number}: {_word(name)}" for number, name in sorted(enums.items())) + "}"


def _word(text: str) -> str:
    return text if _PLAIN.match(text) and text.lower() not in _MEANING else json.dumps(text, ensure_ascii=False)


def _oid(oid: Oid) -> str:
    text = ".".join(map(str, oid))
    return text if len(oid) > 2 else f'"{text}"'  # 1.3 alone would be a number
