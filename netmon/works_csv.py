"""Planned cuts as the power company and the telco announce them, from a spreadsheet's CSV. All mistakes at once.

Columns by name, English or Vietnamese, in any order; comma, semicolon or tab. ``where`` holds what is cut off,
separated by spaces, commas or ``|``: kind:id, or a bare id or circuit that names one thing only.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from pathlib import Path

from netmon.errors import Problem
from netmon.legacy_text import decode_text
from netmon.topology import Topology
from netmon.works import REPEATS, Work, WorkKind, check_scope
from netmon.yamlvalues import suggest

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "where": ("where", "pham_vi", "phạm_vi"),
    "begin": ("begin", "tu", "từ"),
    "end": ("end", "den", "đến"),
    "title": ("title", "noi_dung", "nội_dung"),
    "reference": ("reference", "so", "số"),
    "repeat": ("repeat", "lap", "lặp"),
}
REQUIRED = ("where", "begin", "end")
TIMES = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%d/%m/%Y %H:%M", "%H:%M %d/%m/%Y")
ALLOWED_TIME = "2026-11-30 07:00, 30/11/2026 07:00 or 07:00 30/11/2026, local time"


def load_works(
    path: str, kind: WorkKind, by: str, topology: Topology, zone: tzinfo
) -> tuple[list[Work], list[Problem]]:
    """The works of a file, and everything that is wrong with it; rows with a problem are left out."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        return [], [Problem(path, 0, "", f"cannot be read: {error.strerror or error}")]
    problems: list[Problem] = []
    text = decode_text(data, path, problems)
    if text is None:
        return [], problems
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        header = _header(next(reader, []), path, problems)
        if problems:
            return [], problems
        found = []
        for cells in reader:
            if any(cell.strip() for cell in cells):
                row = {name: cells[n].strip() for name, n in header.items() if n < len(cells)}
                work = _work(row, kind, by, topology, zone, path, reader.line_num, problems)
                found += [work] if work else []
    except csv.Error as error:
        return [], [*problems, Problem(path, reader.line_num, "", f"not CSV: {error}")]
    if not found and not problems:
        problems.append(Problem(path, 0, "", "holds no works: there is nothing below the header"))
    return found, problems


def _header(cells: list[str], path: str, problems: list[Problem]) -> dict[str, int]:
    names = [cell.strip().lower().replace(" ", "_") for cell in cells]
    found = {
        column: next(names.index(name) for name in spellings if name in names)
        for column, spellings in COLUMNS.items()
        if any(name in names for name in spellings)
    }
    for column in REQUIRED:
        if column not in found:
            allowed = f"one of {', '.join(COLUMNS[column])}; {suggest(column, names, 'found')}"
            problems.append(Problem(path, 1, "", f'column "{column}" is missing', allowed))
    return found


def _work(
    row: Mapping[str, str],
    kind: WorkKind,
    by: str,
    topology: Topology,
    zone: tzinfo,
    path: str,
    line: int,
    problems: list[Problem],
) -> Work | None:
    before = len(problems)

    def fail(message: str, allowed: str = "") -> None:
        problems.append(Problem(path, line, "works", message, allowed))

    begin, end = (_time(row.get(name, ""), zone) for name in ("begin", "end"))
    for name, moment in (("begin", begin), ("end", end)):
        if moment is None:
            fail(f'{name} cannot be "{row.get(name, "")}"', ALLOWED_TIME)
    if begin is not None and end is not None and end <= begin:
        fail("the end is not after the beginning")
    repeat = next((r for r in REPEATS if r == (row.get("repeat") or "once")), None)
    if repeat is None:
        fail(f'repeat cannot be "{row.get("repeat")}"', ", ".join(REPEATS))
    where = []
    for word in re.split(r"[\s,|]+", row.get("where", "").strip()):
        found = resolve(word, topology) if word else []
        if len(found) == 1:
            where.append(found[0])
        elif found:
            fail(f'where: "{word}" is several things', f"say which: {', '.join(found)}")
        else:
            fail(f'where: "{word}" is nothing of the inventory', "an id or a circuit of it, or kind:id")
    if len(problems) > before or begin is None or end is None or repeat is None:
        return None
    title = row.get("title") or row.get("reference") or kind
    return Work(0, kind, title[:120], tuple(where), begin, end, repeat, 0.0, row.get("reference", "")[:60], by)


def _time(text: str, zone: tzinfo) -> float | None:
    text = re.sub(r"(\d\d:\d\d):\d\d\b", r"\1", " ".join(text.split()))  # spreadsheets write seconds
    for form in TIMES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=zone).timestamp()
        except ValueError:
            continue
    return None


def resolve(word: str, topology: Topology) -> list[str]:
    """The scopes a word may mean: kind:id as it is, an id, a circuit, or a group of sites."""
    if ":" in word:
        return [] if check_scope(word, topology) else [word]
    inventory = topology.inventory
    found = [scope for kind in ("site", "line", "node", "area") if not check_scope(scope := f"{kind}:{word}", topology)]
    found += [
        f"{kind}:{word}" for kind in ("power", "building", "cable") if not check_scope(f"{kind}:{word}", topology)
    ]
    found += [f"line:{line.id}" for line in inventory.lines.values() if line.circuit == word]
    return list(dict.fromkeys(found))
