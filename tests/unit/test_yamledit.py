"""Edits of people's YAML: the value is there afterwards, and nothing else has changed."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from netmon.errors import Problem
from netmon.yamledit import CannotEdit, Text, unified
from netmon.yamlfile import Entry, parse_entry

ORDER = ("id", "name", "port", "list", "things", "end")


def entry_of(data: bytes) -> Entry:
    """The first thing of the file."""
    problems: list[Problem] = []
    root = parse_entry(data, "f.yml", problems)
    assert root is not None and problems == []
    return root.entries("all", "thing")[0]


def put(source: str, key: str = "port", value: str = "new") -> str:
    data = source.encode()
    text = Text(data)
    return text.apply([text.put(entry_of(data), key, value, ORDER)]).decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('all:\n  - id: "a"  # one\n    port: "x"   # two\n', 'all:\n  - id: "a"  # one\n    port: "new"   # two\n'),
        ("all:\n  - id: a\n    port: x\n    end: z\n", 'all:\n  - id: a\n    port: "new"\n    end: z\n'),
        ("all: [{id: a, port: 'x y', end: z}]\n", 'all: [{id: a, port: "new", end: z}]\n'),
        ("all: [{id: a, end: z}]  # c\n", 'all: [{id: a, port: "new", end: z}]  # c\n'),
        ("all: [{id: a}]", 'all: [{id: a, port: "new"}]'),
        ("all:\n  - id: a  # c\n\n    end: z\n", 'all:\n  - id: a  # c\n    port: "new"\n\n    end: z\n'),
        ("all:\n  - id: a", 'all:\n  - id: a\n    port: "new"'),
        ("all:\n  - end: z\n    id: a\n", 'all:\n  - end: z\n    id: a\n    port: "new"\n'),
        ("all:\r\n  - id: a\r\n    end: z\r\n", 'all:\r\n  - id: a\r\n    port: "new"\r\n    end: z\r\n'),
        ("\ufeffall:\n  - id: đây\n", '\ufeffall:\n  - id: đây\n    port: "new"\n'),
        ("all:\n- id: a\n  list:\n  - 1\n  - 2  # c\n", 'all:\n- id: a\n  port: "new"\n  list:\n  - 1\n  - 2  # c\n'),
        (
            "all:\n  - id: a\n    name: {x: 1,\n      y: 2}  # c\n    # d\n",
            'all:\n  - id: a\n    name: {x: 1,\n      y: 2}  # c\n    port: "new"\n    # d\n',
        ),
        ("all:\n  - {id: a,\n     port: x}\n", 'all:\n  - {id: a,\n     port: "new"}\n'),
        ("all:\n  - id: a\n    port:\n      x\n", 'all:\n  - id: a\n    port:\n      "new"\n'),
        ("all:\n  - id: \U0001f4a1\n    port: x\n", 'all:\n  - id: \U0001f4a1\n    port: "new"\n'),
    ],
)
def test_a_text_is_put_where_it_belongs(before: str, after: str) -> None:
    assert put(before) == after


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("all:\n  - id: &x a\n    port: *x\n", "alias"),
        ("all:\n  - id: a\n    port: |\n      x\n", "one line"),
        ("all:\n  - id: a\n    port: x\n      y\n", "one line"),
        ("all:\n  - id: a\n    port:\n", "one line"),
        ("all:\n  - id: a\n    port: [x]\n", "one line"),
        ("all:\n  - id: |\n      a\n    end: z\n", "several lines"),
    ],
)
def test_what_would_be_a_guess_is_refused(source: str, why: str) -> None:
    with pytest.raises(CannotEdit, match=why):
        put(source)


THING = {"id": "t", "name": "T"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "all:\n  - id: a\n    things:\n      - {id: b}  # c\n    end: z\n",
            'all:\n  - id: a\n    things:\n      - {id: b}  # c\n      - {id: "t", name: "T"}\n    end: z\n',
        ),
        (
            "all:\n  - id: a\n    things:\n    - id: b\n      port: x\n\n  - id: q\n",
            'all:\n  - id: a\n    things:\n    - id: b\n      port: x\n    - {id: "t", name: "T"}\n\n  - id: q\n',
        ),
        ("all: [{id: a, things: [{id: b}]}]\n", 'all: [{id: a, things: [{id: b}, {id: "t", name: "T"}]}]\n'),
        ("all: [{id: a, things: []}]\n", 'all: [{id: a, things: [{id: "t", name: "T"}]}]\n'),
        ("all: [{id: a}]\n", 'all: [{id: a, things: [{id: "t", name: "T"}]}]\n'),
        (
            "all:\n  - id: a\n    list:\n      - x\n  - id: q\n",
            'all:\n  - id: a\n    list:\n      - x\n    things:\n      - {id: "t", name: "T"}\n  - id: q\n',
        ),
    ],
)
def test_a_thing_is_added_to_a_list(before: str, after: str) -> None:
    data = before.encode()
    text = Text(data)
    assert text.apply([text.add(entry_of(data), "things", THING, ORDER)]).decode() == after


def test_a_text_is_included_in_a_list() -> None:
    for before, after in (
        ("all: [{id: a}]\n", 'all: [{id: a, list: ["n"]}]\n'),
        ("all: [{id: a, list: [x]}]\n", 'all: [{id: a, list: [x, "n"]}]\n'),
        ("all:\n  - id: a\n    list:\n      - x\n", 'all:\n  - id: a\n    list:\n      - x\n      - "n"\n'),
    ):
        data = before.encode()
        text = Text(data)
        assert text.apply([text.include(entry_of(data), "list", "n", ORDER)]).decode() == after


def test_several_edits_keep_their_order_and_two_at_one_place_are_refused() -> None:
    data = b"all:\n  - id: a\n    end: z\n"
    text, entry = Text(data), entry_of(data)
    name, port = (text.put(entry, key, "v", ORDER) for key in ("name", "port"))
    assert text.apply([name, port]).decode() == 'all:\n  - id: a\n    name: "v"\n    port: "v"\n    end: z\n'
    end = text.put(entry, "end", "v", ORDER)
    with pytest.raises(CannotEdit):
        text.apply([end, end])


WORDS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
STYLES = ("block", "flow", "mixed")


@given(st.dictionaries(st.sampled_from(["name", "port", "end"]), WORDS), st.sampled_from(STYLES), WORDS, st.booleans())
def test_whatever_is_put_is_read_back_and_all_else_stays(
    others: dict[str, str], style: str, value: str, windows: bool
) -> None:
    tree = {"all": [{"id": "a", **others}, {"id": "b", "port": "stays"}], "more": ["x"]}
    flow = {"block": False, "flow": True, "mixed": None}[style]
    source = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True, sort_keys=False, width=10_000)
    source = source.replace("\n", "\r\n") if windows else source
    tree = yaml.safe_load(source)
    try:
        after = put(source, "port", value)
    except CannotEdit as error:
        assert "one line" in str(error) or "several lines" in str(error)
        return
    tree["all"][0]["port"] = value
    assert yaml.safe_load(after) == tree


def test_a_diff_names_the_missing_end_of_line() -> None:
    assert unified("d/f.yml", b"a\nb", b"a\nc\n") == (
        "--- a/d/f.yml\n+++ b/d/f.yml\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n"
    )
