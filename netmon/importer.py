"""A spreadsheet's export (CSV) -> inventory YAML, one text per area, and back. Old Vietnamese encodings are refused.

Columns are those of COLUMNS, in any order; the separator is comma, semicolon or tab; numbers may have a decimal comma.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from netmon.errors import Problem
from netmon.inventory_read import BLOCKS, ID, SLUG
from netmon.legacy_text import decode_text
from netmon.model import Inventory
from netmon.yamlvalues import BANDWIDTH, suggest

log = logging.getLogger(__name__)
_TEXTS = ("name", "sms_name", "unit_code", "block", "level", "area", "commune")
COLUMNS = ("site_id", *_TEXTS, "lat", "lon", "coord_quality", "parent", "building")
OPTIONAL = ("address", "circuit", "bandwidth")
_IGNORED = ("source", "note")
_REQUIRED = ("site_id", "name", "sms_name", "block", "level", "area", "parent")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods, .xls
_NUMBER = re.compile(r"-?[0-9]{1,3}([.,][0-9]+)?")
_BANDWIDTH = re.compile(r"([0-9]+)\s*(?:([kMG])(?:b(?:it)?(?:ps|/s)?)?)?", re.IGNORECASE)
Row = dict[str, str]


def import_csv(path: str | Path) -> tuple[dict[str, str], list[Problem]]:
    """Area -> YAML text with its sites, and all problems; rows with a problem are left out."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        return {}, [Problem(str(path), 0, "", f"cannot be read: {error.strerror or error}")]
    return import_bytes(data, str(path))


def import_bytes(data: bytes, name: str) -> tuple[dict[str, str], list[Problem]]:
    """As ``import_csv``, from bytes."""
    problems: list[Problem] = []
    if data.startswith(_WORKBOOKS):
        return {}, [Problem(name, 0, "", "is a workbook, not CSV", 'save it as "CSV UTF-8" first')]
    text = decode_text(data, name, problems)
    if text is None:
        return {}, problems
    if not text.strip():
        return {}, [Problem(name, 0, "", "is empty")]
    areas: dict[str, list[str]] = {}
    for row in _rows(unicodedata.normalize("NFC", text), name, problems):
        areas.setdefault(row["area"], []).append(site_yaml(row))
    if not areas and not problems:
        problems.append(Problem(name, 0, "", "holds no site: there is nothing below the header"))
    return {area: "sites:\n" + "\n".join(sites) for area, sites in areas.items()}, problems


def _rows(text: str, name: str, problems: list[Problem]) -> Iterable[Row]:
    first = text.split("\n", 1)[0]
    known = {*COLUMNS, *OPTIONAL}
    separator = max(",;\t", key=lambda s: len(known & {_header(cell) for cell in first.split(s)}))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        header = [_header(cell) for cell in next(reader, [])]
        if not _check_header(header, name, problems):
            return
        seen: dict[str, int] = {}
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield from _row(header, cells, name, reader.line_num, seen, problems)
    except csv.Error as error:
        problems.append(Problem(name, reader.line_num, "", f"not CSV: {error}"))


def _header(cell: str) -> str:
    return cell.strip().strip('"').lower().replace(" ", "_")


def _check_header(header: list[str], name: str, problems: list[Problem]) -> bool:
    known = (*COLUMNS, *OPTIONAL)
    before = len(problems)
    for column in _REQUIRED:
        if column not in header:
            problems.append(Problem(name, 1, "", f'column "{column}" is missing', suggest(column, header, "found")))
    for column in dict.fromkeys(header):
        if column and header.count(column) > 1:
            problems.append(Problem(name, 1, "", f'column "{column}" is there twice'))
        elif column not in known and column not in _IGNORED and (hint := suggest(column, known)).startswith("did"):
            problems.append(Problem(name, 1, "", f'unknown column "{column}"', hint))
    if left_out := [c for c in dict.fromkeys(header) if c and c not in known and c not in _IGNORED]:
        log.warning("columns left out: %s", ", ".join(left_out))
    return len(problems) == before


def _row(
    header: list[str], cells: list[str], name: str, line: int, seen: dict[str, int], problems: list[Problem]
) -> Iterable[Row]:
    """The row, with numbers and bandwidth in one spelling; nothing, and problems, if it is wrong."""
    row = {column: " ".join(cell.split()) for column, cell in zip(header, cells, strict=False)}
    site = row.get("site_id", "")
    found: list[Problem] = []

    def fail(message: str, allowed: str = "") -> None:
        found.append(Problem(name, line, f'site "{site}"', message, allowed))

    if len(cells) != len(header):
        fail(f"has {len(cells)} cells, the header has {len(header)}", "put text with the separator in double quotes")
    for column in _REQUIRED:
        if not row.get(column):
            fail(f'"{column}" is empty')
    for column in ("site_id", "area"):
        if row.get(column) and not SLUG.fullmatch(row[column]):
            fail(f'"{column}" cannot be "{row[column]}"', ID)
    if row.get("block") and row["block"] not in BLOCKS:
        fail(f'"block" cannot be "{row["block"]}"', suggest(row["block"], BLOCKS))
    for column in ("lat", "lon"):
        if row.get(column) and not _NUMBER.fullmatch(row[column]):
            fail(f'"{column}" cannot be "{row[column]}"', "expected degrees such as 11.5350 or 11,5350")
        row[column] = row.get(column, "").replace(",", ".")
    if bool(row["lat"]) != bool(row["lon"]):
        fail('"lat" and "lon" go together')
    if bandwidth := row.get("bandwidth"):
        rate = _BANDWIDTH.fullmatch(bandwidth)
        row["bandwidth"] = f"{rate[1]}{_unit(rate[2])}" if rate else ""
        if not rate:
            fail(f'"bandwidth" cannot be "{bandwidth}"', f"{BANDWIDTH.allowed}; a bare number is Mbit/s")
    if site and (first := seen.setdefault(site, line)) != line:
        fail(f'id "{site}" is used twice', f"first in line {first}")
    problems.extend(found)
    if not found:
        yield row


def _unit(letter: str | None) -> str:
    return {"k": "k", "g": "G"}.get((letter or "").lower(), "M")


def quote(text: str) -> str:
    """A YAML double-quoted scalar; JSON's escapes are YAML's, and what YAML does not print is escaped too."""
    return re.sub(r"[\x7f-\x9f\ufeff]", lambda m: f"\\u{ord(m[0]):04x}", json.dumps(text, ensure_ascii=False))


def site_yaml(row: Mapping[str, str]) -> str:
    """One site as people would write it; keys without a value are left out."""
    lines = [f"  - id: {quote(row['site_id'])}"]
    for key in _TEXTS:
        if row.get(key):
            lines.append(f"    {key}: {quote(row[key])}")
    if row.get("lat"):
        quality = quote(row.get("coord_quality") or "approx")
        lines.append(f"    place: {{lat: {row['lat']}, lon: {row['lon']}, quality: {quality}}}")
    if row.get("building"):
        lines.append(f"    building: {quote(row['building'])}")
    line = {"id": f"{row['site_id']}-1", "parent": row["parent"], "circuit": row.get("circuit", "")}
    parts = [f"{key}: {quote(value)}" for key, value in line.items() if value]
    if row.get("bandwidth"):
        parts.append(f"contract: {{down: {quote(row['bandwidth'])}, up: {quote(row['bandwidth'])}}}")
    # Without an address nothing can be probed; said in the file, so that it is found and filled in.
    parts.append(f"address: {quote(row['address'])}" if row.get("address") else 'probe: {kind: "none"}')
    return "\n".join([*lines, "    lines:", f"      - {{{', '.join(parts)}}}", ""])


def export_csv(inventory: Inventory) -> str:
    """The sites as ``import_csv`` reads them, one row per site with its first primary line."""
    first = {line.site: line for line in reversed(list(inventory.lines.values())) if line.role == "primary"}
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [*COLUMNS, *OPTIONAL], lineterminator="\r\n")  # RFC 4180
    writer.writeheader()
    for site in inventory.sites.values():
        line, place = first.get(site.id), site.place
        contract = line.contracts[-1] if line and line.contracts else None
        writer.writerow(
            {
                "site_id": site.id,
                **{key: getattr(site, key) for key in _TEXTS},
                "building": site.building,
                "lat": _degrees(place.lat) if place else "",
                "lon": _degrees(place.lon) if place else "",
                "coord_quality": place.quality if place else "",
                "parent": line.parent if line else "",
                "address": line.probe.address if line else "",
                "circuit": line.circuit if line else "",
                "bandwidth": _bandwidth(contract.down_bps) if contract else "",
            }
        )
    return out.getvalue()


def _degrees(value: float) -> str:
    """At least four decimals (11 m), as spreadsheets hold them, and no digit lost."""
    text = f"{value:.7f}".rstrip("0")
    return text if len(text) > len(f"{value:.4f}") else f"{value:.4f}"


def _bandwidth(bps: float) -> str:
    size, unit = next((s, u) for s, u in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")) if bps % s == 0 or s == 1.0)
    return f"{bps / size:.0f}{unit}"


def run(path: str | Path, out_dir: str | Path) -> tuple[list[Path], list[Problem]]:
    """Write ``AREA.yml`` into ``out_dir``; nothing is written or overwritten if there is a problem."""
    texts, problems = import_csv(path)
    files = {Path(out_dir) / f"{area}.yml": text for area, text in texts.items()}
    for file in files:
        if file.exists():
            problems.append(Problem(str(file), 0, "", "is there already", "write to an empty folder and compare"))
    if problems:
        return [], sorted(problems)
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return list(files), []
