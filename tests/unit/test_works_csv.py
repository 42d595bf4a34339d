"""Announcements of planned cuts from CSV: every mistake with its line, and what is allowed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from netmon.topology import Topology
from netmon.works_csv import load_works
from tests.unit.world import change_line, province

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
TOPOLOGY = Topology(change_line(change_line(province(), "b3", circuit="TSL-0161"), "b4", circuit="b3"))


def load(tmp_path: Path, text: str | bytes) -> tuple[list[tuple[object, ...]], list[str]]:
    path = tmp_path / "w.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    works, problems = load_works(str(path), "power", "NOC", TOPOLOGY, ZONE)
    show = [
        (w.title, w.where, datetime.fromtimestamp(w.begin_at, ZONE).strftime("%d/%m %H:%M"), w.repeat) for w in works
    ]
    return show, [str(p).replace(str(path), "w.csv") for p in problems]


@pytest.mark.parametrize(
    "text",
    [
        "where,begin,end,title\nnode:b,2026-11-30 07:00,2026-11-30 11:00,Lộ 471\n",
        "﻿Phạm vi;Từ;Đến;Nội dung\nnode:b;30/11/2026 07:00;30/11/2026 11:00;Lộ 471\n",
        "where,begin,end,title\nnode:b,07:00:00 30/11/2026,30/11/2026 11:00:00,Lộ 471\n",
        'title\twhere\tend\tbegin\nLộ 471\t"node:b"\t11:00 30/11/2026\t07:00 30/11/2026\n',
    ],
)
def test_a_file_as_they_send_it(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == ([("Lộ 471", ("node:b",), "30/11 07:00", "once")], [])


def test_things_are_named_by_id_circuit_or_group(tmp_path: Path) -> None:
    text = "where;begin;end\nTSL-0161, site:a6|feeder core;2026-11-30 07:00;2026-11-30 11:00\n"
    (found,), problems = load(tmp_path, text)
    assert not problems
    assert found[1] == ("line:b3", "site:a6", "power:feeder", "node:core")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("feeder,2026-11-30 07:00,2026-11-30 11:00,,", ""),
        ("TSL-0161,2026-11-30 07:00,2026-11-30 11:00,,", ""),
        ("nowhere,2026-11-30 07:00,2026-11-30 11:00,,", 'w.csv:2: works: where: "nowhere" is nothing of the inventory'),
        ("a6,2026-11-30 07:00,2026-11-30 11:00,,", 'w.csv:2: works: where: "a6" is several things; say which: site:a6'),
        ("site:b3,30.11.2026,2026-11-30 11:00,,", 'w.csv:2: works: begin cannot be "30.11.2026"; 2026-11-30 07:00'),
        ("site:b3,2026-11-30 11:00,2026-11-30 07:00,,", "w.csv:2: works: the end is not after the beginning"),
        ("site:b3,2026-11-30 07:00,2026-11-30 11:00,,yearly", 'w.csv:2: works: repeat cannot be "yearly"; once, daily'),
        ("site:b3", 'w.csv:2: works: begin cannot be ""'),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, row: str, said: str) -> None:
    found, problems = load(tmp_path, f"where,begin,end,title,repeat\n{row}\n")
    assert (len(found), bool(problems)) == ((0, True) if said else (1, False))
    assert not said or problems[0].startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'column "where" is missing'),
        ("where,begin\n", 'column "end" is missing; one of end, den, đến'),
        ("where,begin,end\n", "holds no works"),
        (b"where,begin,end\n\xe9,2026-11-30 07:00,2026-11-30 11:00\n", "not UTF-8"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str | bytes, said: str) -> None:
    found, problems = load(tmp_path, text)
    assert not found
    assert said in problems[0]


def test_one_wrong_row_does_not_hide_the_next(tmp_path: Path) -> None:
    text = (
        "where,begin,end\nx,y,z\nsite:b3,2026-11-30 07:00,2026-11-30 11:00\nsite:q,2026-11-30 07:00,2026-11-30 11:00\n"
    )
    found, problems = load(tmp_path, text)
    assert len(found) == 1
    assert sorted({p.split(":")[1] for p in problems}) == ["2", "4"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    _, problems = load_works(str(tmp_path / "none.csv"), "power", "NOC", TOPOLOGY, ZONE)
    assert "cannot be read" in str(problems[0])
