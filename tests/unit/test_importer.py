"""A spreadsheet's export becomes YAML that loads, and comes back as the same table."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest

from netmon.importer import COLUMNS, export_csv, import_bytes, import_csv, quote, run
from netmon.inventory import load
from netmon.legacy_text import decode_text
from netmon.model import Inventory
from tests.conftest import shared

HEADER = "site_id,unit_code,name,sms_name,block,level,area,commune,lat,lon,coord_quality,parent,building"
ROW = "s1,25294,UBND xã Lộc Thành,UBND xa Loc Thanhf,government,commune,a,Xã Lộc Thành,11.8176,106.5342,approx,n,b1"
TEXT = f"{HEADER}\n{ROW}\n"


def tree(texts: Mapping[str, str], folder: Path, areas: str = "", nodes: str = "") -> Inventory:
    """The imported texts loaded together with the areas and nodes they name."""
    areas = areas or 'areas: [{id: "a", name: "A", sms_name: "A"}]'
    nodes = nodes or 'nodes: [{id: "n", name: "N", kind: "core"}]'
    folder.mkdir(exist_ok=True)
    for name, text in {"areas": areas, "nodes": nodes, **texts}.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    (folder / "netmon.yml").write_text('inventory: ["*.yml"]\n')
    return load(folder / "netmon.yml", {}).inventory


def texts(problems: list[object]) -> list[str]:
    return [str(problem) for problem in problems]


def test_one_row(tmp_path: Path) -> None:
    found, problems = import_bytes(TEXT.encode(), "s.csv")
    assert problems == []
    assert found == {
        "a": """sites:
  - id: "s1"
    name: "UBND xã Lộc Thành"
    sms_name: "UBND xa Loc Thanhf"
    unit_code: "25294"
    block: "government"
    level: "commune"
    area: "a"
    commune: "Xã Lộc Thành"
    place: {lat: 11.8176, lon: 106.5342, quality: "approx"}
    building: "b1"
    lines:
      - {id: "s1-1", parent: "n", probe: {kind: "none"}}
"""
    }
    assert tree(found, tmp_path).sites["s1"].commune == "Xã Lộc Thành"


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.replace(",", ";").replace("11.8176", "11,8176").replace("106.5342", "106,5342").encode(),
        TEXT.replace(",", "\t").encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode(),
        unicodedata.normalize("NFD", TEXT).encode(),
        TEXT.replace("site_id", " Site ID ").replace("sms_name", "SMS name").encode(),
        ("\ufeff" + TEXT + ",,,,,,,,,,,,\n\n").encode(),
        TEXT.replace("UBND xã Lộc Thành", '"UBND  xã\n Lộc Thành"').encode(),
        TEXT.replace("building\n", "building,source\n").replace(",b1", ",b1,from memory").encode(),
    ],
    ids=["bom", "semicolon", "utf-16 tab", "crlf", "nfd", "header", "empty rows", "line break", "source"],
)
def test_every_way_a_spreadsheet_writes_it_gives_the_same(data: bytes) -> None:
    assert import_bytes(data, "s.csv") == import_bytes(TEXT.encode(), "s.csv")


def test_optional_columns(tmp_path: Path) -> None:
    data = TEXT.replace("building\n", "building,address,circuit,bandwidth\n").replace(",b1", ",b1,198.18.5.7,TSL-1,20")
    found, problems = import_bytes(data.encode(), "s.csv")
    assert problems == []
    line = tree(found, tmp_path).lines["s1-1"]
    assert (line.probe.address, line.circuit, line.contracts[0].up_bps) == ("198.18.5.7", "TSL-1", 20e6)


@pytest.mark.parametrize(
    ("typed", "told"),
    [("20", "20M"), ("20M", "20M"), ("20 Mbps", "20M"), ("512kbit/s", "512k"), ("1 Gb/s", "1G"), ("1G", "1G")],
)
def test_bandwidths(typed: str, told: str) -> None:
    data = TEXT.replace("building\n", "building,bandwidth\n").replace(",b1", f",b1,{typed}")
    assert f'contract: {{down: "{told}", up: "{told}"}}' in import_bytes(data.encode(), "s.csv")[0]["a"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (",sms_name,", ",sms_nam,", 's.csv:1: column "sms_name" is missing; did you mean "sms_nam"? found: '),
        ("building\n", "building,adress\n", 's.csv:1: unknown column "adress"; did you mean "address"?'),
        ("building\n", "name\n", 's.csv:1: column "name" is there twice'),
        ("government", "goverment", 's.csv:2: site "s1": "block" cannot be "goverment"; did you mean "government"?'),
        ("11.8176", "11.81.76", 's.csv:2: site "s1": "lat" cannot be "11.81.76"; expected degrees such as'),
        ("106.5342", "", 's.csv:2: site "s1": "lat" and "lon" go together'),
        ("s1,", "S 1,", 's.csv:2: site "S 1": "site_id" cannot be "S 1"; an id is a-z, 0-9'),
        ("s1,", ",", 's.csv:2: site "": "site_id" is empty'),
        (",a,", ",../a,", 's.csv:2: site "s1": "area" cannot be "../a"; an id is'),
        (",b1", "", 's.csv:2: site "s1": has 12 cells, the header has 13; put text with the separator'),
        (ROW, f"{ROW}\n{ROW}", 's.csv:3: site "s1": id "s1" is used twice; first in line 2'),
        ("building\n", "bandwidth\n", 's.csv:2: site "s1": "bandwidth" cannot be "b1"; a bandwidth is'),
    ],
)
def test_mistakes_are_told_with_their_row(old: str, new: str, told: str) -> None:
    _, problems = import_bytes(TEXT.replace(old, new, 1).encode(), "s.csv")
    assert any(str(problem).startswith(told) for problem in problems), texts(problems)


def test_a_wrong_row_does_not_hide_the_others() -> None:
    rows = [ROW, ROW.replace("s1", "s2").replace("party", "x").replace("government", "x"), ROW.replace("s1", "s3")]
    found, problems = import_bytes("\n".join([HEADER, *rows]).encode(), "s.csv")
    assert [problem.line for problem in problems] == [3]
    assert found["a"].count("- id:") == 2


# "Uỷ ban nhân dân xã Lộc Thành" as the two old encodings store it; bytes by their published tables.
TCVN3 = b"U\xfb ban nh\xa9n d\xa9n x\xb7 L\xe9c Th\xb5nh"
VNI = b"U\xfb ban nha\xe2n da\xe2n xa\xf5 Lo\xe4c Tha\xf8nh"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (TCVN3, "looks like TCVN3 (.VnTime fonts), not Unicode; convert it to Unicode first"),
        (TCVN3.decode("latin-1").encode(), "looks like TCVN3 (.VnTime fonts), not Unicode"),
        (VNI, "looks like VNI (VNI-Times fonts), not Unicode"),
        (VNI.decode("latin-1").encode(), "looks like VNI (VNI-Times fonts), not Unicode"),
        (b"L\xf4\xf2c Th\xe0nh", 'not UTF-8; save as "CSV UTF-8"'),  # Windows-1258
        ("Lộc Thành".encode().decode("latin-1").encode(), "looks like UTF-8 that was opened as another encoding"),
        ("Lộc".encode().decode("cp1252").encode(), "looks like UTF-8 that was opened as another encoding"),
    ],
)
def test_text_from_before_unicode_is_refused_in_one_line(name: bytes, told: str) -> None:
    data = TEXT.encode().replace("UBND xã Lộc Thành".encode(), name).replace("Xã Lộc Thành".encode(), b"")
    found, problems = import_bytes(data, "s.csv")
    assert found == {}
    assert len(problems) == 1
    assert problems[0].line == 2
    assert told in str(problems[0])


@pytest.mark.parametrize(
    "text",
    [
        "hoá học, toán, loè, thuý, khoẻ, quản lý, đường Nguyễn Huệ, Đắk Nhau",
        "5 µm, ±1 °C, © 2026, nhà số 5½",
        "Café Zürich",
    ],
)
def test_good_unicode_is_never_taken_for_an_old_encoding(text: str) -> None:
    problems: list[object] = []
    assert decode_text(text.encode(), "s.csv", problems) == text  # type: ignore[arg-type]
    assert problems == []


def test_the_names_of_the_province_are_never_taken_for_an_old_encoding() -> None:
    problems: list[object] = []
    data = shared("domain", "sites.csv").read_bytes()
    assert decode_text(data, "s.csv", problems)  # type: ignore[arg-type]
    assert problems == []


def test_the_whole_province_round_trips(tmp_path: Path) -> None:
    source = shared("domain", "sites.csv")
    found, problems = import_csv(source)
    assert problems == []
    with source.open(encoding="utf-8-sig", newline="") as file:
        rows = [{key: row[key] for key in COLUMNS} for row in csv.DictReader(file)]
    areas = "areas:\n" + "".join(f'  - {{id: "{a}", name: "{a}", sms_name: "{a[:10]}"}}\n' for a in found)
    parents = {row["parent"] for row in rows}
    nodes = "nodes:\n" + "".join(f'  - {{id: "{n}", name: "{n}", kind: "core"}}\n' for n in sorted(parents))
    inventory = tree(found, tmp_path / "one", areas, nodes)
    table = export_csv(inventory)
    back = {row["site_id"]: {key: row[key] for key in COLUMNS} for row in csv.DictReader(io.StringIO(table))}
    assert back == {row["site_id"]: row for row in rows}
    again, problems = import_bytes(table.encode("utf-8-sig"), "again.csv")
    assert problems == []
    assert export_csv(tree(again, tmp_path / "two", areas, nodes)) == table


def test_run_writes_one_file_per_area_and_never_over_one(tmp_path: Path) -> None:
    source, out = tmp_path / "s.csv", tmp_path / "out"
    source.write_text(TEXT, encoding="utf-8")
    assert run(source, out) == ([out / "a.yml"], [])
    (out / "a.yml").write_text("mine")
    files, problems = run(source, out)
    assert files == []
    assert texts(problems) == [f"{out}/a.yml: is there already; write to an empty folder and compare"]
    assert (out / "a.yml").read_text() == "mine"


def test_run_writes_nothing_if_a_row_is_wrong(tmp_path: Path) -> None:
    source, out = tmp_path / "s.csv", tmp_path / "out"
    source.write_text(TEXT + ROW.replace("s1", "S?") + "\n", encoding="utf-8")
    files, problems = run(source, out)
    assert (files, len(problems)) == ([], 1)
    assert not out.exists()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (b"PK\x03\x04\x14\x00\x06\x00", "is a workbook, not CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is a workbook, not CSV"),
        (b"site_id;name;sms_name;block;level;area;parent\r\n;;;;;;\r\n", "holds no site"),
    ],
)
def test_what_holds_no_table_is_one_line(data: bytes, told: str) -> None:
    texts, problems = import_bytes(data, "f")
    assert (texts, len(problems)) == ({}, 1)
    assert told in str(problems[0])


def test_columns_that_are_not_taken_are_named(caplog: pytest.LogCaptureFixture) -> None:
    head, row = b"site_id,name,sms_name,block,level,area,parent", b"s,S,S,party,commune,a,n"
    assert import_bytes(head + b",hours,note,Fax\n" + row + b",1,2,3\n", "f")[1] == []
    assert [record.getMessage() for record in caplog.records] == ["columns left out: hours, fax"]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    assert texts(import_csv(tmp_path / "no.csv")[1]) == [
        f"{tmp_path}/no.csv: cannot be read: No such file or directory"
    ]


def test_quote_keeps_quotes_and_backslashes() -> None:
    assert quote('a "b" \\ \x7f') == '"a \\"b\\" \\\\ \\u007f"'
