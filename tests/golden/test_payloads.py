"""Real payloads of every format, and what becomes of each. A changed line is a changed reading: look at it.

Forms follow the makers' documentation; the bytes of meters are vectors published for them. NETMON_WRITE_GOLDEN=1 writes
the file anew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from netmon.collectors.mqtt.decode import BUILT_IN, DecodeError, Record, bind
from netmon.errors import Problem
from netmon.inventory_decoders import read_decoder
from netmon.yamlfile import load_entry

FOLDER = Path(__file__).parent / "payloads"
EXPECTED = FOLDER / "expected.txt"
NOW = 1_757_060_000.0


def mappings() -> dict[str, Mapping[str, object]]:
    problems: list[Problem] = []
    root = load_entry(FOLDER / "decoders.yml", problems)
    assert root is not None
    found = {entry.text("id"): read_decoder(entry) for entry in root.entries("decoders", "decoder")}
    assert problems == []
    return found


def shown(record: Record) -> str:
    if record.kind in ("gone", "here"):
        return f"  ({record.kind})"
    at = "" if record.at is None else f" at {record.at!r}"
    whose = f" of {record.device}" if record.device else ""
    local = f" ({record.local})" if record.local not in ("", record.name) else ""
    return f"  {record.name}{local} = {record.value!r} {record.unit}{at}{whose}".rstrip()


def text() -> str:
    known = mappings()
    lines = []
    for path in sorted(FOLDER.iterdir()):
        if path.name in ("decoders.yml", "expected.txt"):
            continue
        name = max((n for n in {*known, *BUILT_IN} if path.name.startswith(f"{n}-")), key=len)
        lines.append(f"{path.name} by {name}")
        try:
            lines += [shown(record) for record in bind(name, known)(path.read_bytes(), NOW)]
        except DecodeError as error:
            lines.append(f"  {error.reason}: {error}")
            lines += [f"  before that:{shown(record)}" for record in error.records]
    return "\n".join(lines) + "\n"


def test_payloads() -> None:
    if os.environ.get("NETMON_WRITE_GOLDEN") == "1":
        EXPECTED.write_text(text(), encoding="utf-8")
    assert text() == EXPECTED.read_text(encoding="utf-8")
