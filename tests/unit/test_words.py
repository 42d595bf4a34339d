"""Both languages say the same things, in the same places, with the same blanks to fill."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from netmon.alerts.catalog import load_catalog
from netmon.model import CAUSES, CONDITIONS, SENSOR_STATES
from netmon.vietnamese import SMS_SAFE
from netmon.words import Words, load_words
from tests.conftest import ROOT

WORDS = load_words()
VI, EN = WORDS["vi"], WORDS["en"]


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def pieces(words: Words, key: str) -> list[tuple[int, str, str]]:
    try:
        return list(words.parts(key))
    except KeyError:
        return [(0, words.text(key), "")]


def test_both_languages_have_the_same_keys() -> None:
    assert VI.keys() == EN.keys()


def test_both_languages_fill_in_the_same() -> None:
    for key in sorted(VI.keys()):
        vi, en = pieces(VI, key), pieces(EN, key)
        shapes = [[(rank, flag, blanks(text)) for rank, text, flag in side] for side in (vi, en)]
        assert shapes[0] == shapes[1], key
        assert all(text and "\n" not in text and "" not in blanks(text) for _, text, _ in vi + en), key


def test_fixed_sets_of_words_are_whole() -> None:
    keys = VI.keys()
    assert keys >= {f"condition.{c}" for c in CONDITIONS}
    assert keys >= {f"cause.{c}" for c in CAUSES}
    assert keys >= {f"sensor.{s}" for s in SENSOR_STATES}
    assert keys >= {f"alert.{rule.alert}" for rule in load_catalog()}


@pytest.mark.parametrize(("function", "prefix"), [("Evidence", "ev"), ("missing.append", "missing")])
def test_every_fact_that_code_names_has_words(function: str, prefix: str) -> None:
    found: set[str] = set()
    for path in Path(ROOT, "netmon", "alerts").glob("*.py"):
        found |= set(re.findall(re.escape(function) + r'\("([a-z_]+)"', path.read_text(encoding="utf-8")))
    assert len(found) > 2
    assert {f"{prefix}.{key}" for key in found} <= VI.keys()


@pytest.mark.parametrize("words", [VI, EN], ids=["vi", "en"])
def test_sms_words_need_no_folding(words: Words) -> None:
    keys = {key for key in words.keys() if key.startswith("sms.")}  # noqa: SIM118
    assert keys
    for key in keys:
        for _, text, _ in pieces(words, key):
            bare = re.sub(r"\{\w+\}", "", text)
            assert set(bare) <= SMS_SAFE, key


def test_a_missing_key_is_said() -> None:
    with pytest.raises(KeyError, match=r"cause\.ghosts"):
        VI.text("cause.ghosts")
