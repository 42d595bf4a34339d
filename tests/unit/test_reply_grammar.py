"""What a reply asks for: a table."""

from __future__ import annotations

import pytest

from netmon.alerts.replies import Asked, own_words, parse


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("1043 1", Asked("take", "1043")),
        ("1043 1=nhan", Asked("take", "1043")),
        ("#1043 - 2", Asked("cannot", "1043")),
        ("1043 3 đã tới", Asked("there", "1043")),
        ("1043.4", Asked("done", "1043")),
        ("1043 5", Asked("mains", "1043")),
        ("１０４３　６", Asked("no_mains", "1043")),
        ("1043 kt", Asked("look", "1043")),
        ("KT 1043", Asked("look", "1043")),
        ("KT", Asked("look")),
        ("ds", Asked("list")),
        ("1050 DS", Asked("list", "1050")),
        ("Họp", Asked("rooms")),
        ("d7 1", Asked("take", "D07")),
        ("D07 1", Asked("take", "D07")),
        ("D112 1", Asked("take", "D112")),
        # not an order, and so not guessed
        ("1", Asked("help")),
        ("1043", Asked("help")),
        ("1 1043", Asked("help")),
        ("1043 5 phút nữa tới", Asked("help")),
        ("1043 3 người đang đến", Asked("help")),
        ("1043 1, 5 phút nữa tới", Asked("take", "1043")),
        ("1043 6 mất điện cả xóm", Asked("no_mains", "1043")),
        ("1043 7", Asked("help")),
        ("1043 12", Asked("help")),
        ("10431", Asked("help")),
        ("1043 nhận", Asked("help")),
        ("đã nhận 1043 1", Asked("help")),
        ("dsach", Asked("help")),
        ("1043 1st", Asked("help")),
        ("0912345678 1", Asked("help")),
        ("", Asked("help")),
        ("\n \n", Asked("help")),
    ],
)
def test_orders(text: str, asked: Asked) -> None:
    assert parse(text) == asked


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1\n\nOn Mon, netmon wrote:\n> 1043", "1"),
        ("> 1043 MẤT KẾT NỐI\n\n1", "1"),
        ("Vào Th 2, 23 thg 11, 2026 netmon đã viết:\n> x", ""),
        ("-----Original Message-----\nFrom: netmon\n1043 1", ""),
        ("From: netmon@x.vn\n1043 1", ""),
        ("", ""),
    ],
)
def test_only_what_the_person_wrote_himself_counts(text: str, line: str) -> None:
    assert own_words(text) == line
