"""Order, search and SMS letters of Vietnamese text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.vietnamese import SMS_SAFE, fold, sms_text, sort_key


@pytest.mark.parametrize(
    "ordered",
    [
        ["Da", "Dương", "Đa", "Đồng Phú", "E"],
        ["an", "ăn", "ân"],
        ["o", "ô", "ơ", "p"],
        ["u", "ư", "v"],
        ["ma", "mà", "mả", "mã", "má", "mạ"],
        ["Lộc Ninh", "Lộc Thành", "Lộc Thạnh", "Lộc Thiện"],
        ["má a", "ma b"],  # letters before tones
        ["Phường 2", "Phường 10"],
        ["Bù Đăng", "Bù Đốp", "Bù Gia Mập"],
        ["a", "A b"],
    ],
)
def test_dictionary_order(ordered: list[str]) -> None:
    mixed = ordered[::-1]
    assert sorted(mixed, key=sort_key) == ordered


def test_order_does_not_depend_on_composition() -> None:
    names = ["Đồng Xoài", "Dốc", "Đắk Ơ", "Ấp 3"]
    decomposed = [unicodedata.normalize("NFD", n) for n in names]
    assert [unicodedata.normalize("NFC", n) for n in sorted(decomposed, key=sort_key)] == sorted(names, key=sort_key)


@pytest.mark.parametrize(
    ("text", "folded"),
    [("Lộc Thạnh", "loc thanh"), ("ĐẮK  Ơ", "dak o"), ("Ủy ban", "uy ban"), ("Bù Đăng 2", "bu dang 2")],
)
def test_search_ignores_diacritics(text: str, folded: str) -> None:
    assert fold(text) == folded == fold(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("UBND xã Lộc Thành", "UBND xa Loc Thanh"),
        ("41,5 °C", "41,5 do C"),
        ("mất gói 4,2 %.", "mat goi 4,2 phan tram."),
        ("a – b…", "a - b..."),
        ("ĐẮK Ơ @ {x}", "DAK O x"),
        ("dòng\nhai", "dong hai"),
    ],
)
def test_sms_letters(text: str, plain: str) -> None:
    assert sms_text(text) == plain


@given(st.text())
def test_an_sms_never_leaves_the_safe_set(text: str) -> None:
    once = sms_text(text)
    assert set(once) <= SMS_SAFE
    assert sms_text(once) == once


@given(st.lists(st.text()))
def test_any_text_can_be_sorted(texts: list[str]) -> None:
    other_way = texts[::-1]
    assert sorted(other_way, key=sort_key) == sorted(texts, key=sort_key)
