"""Every trap of YAML that people fall into is told with its line, and none hides another."""

from __future__ import annotations

from pathlib import Path

import pytest

from netmon.errors import Problem
from netmon.yamlfile import Entry, load_entry, parse_entry
from netmon.yamlvalues import BANDWIDTH, DURATION, SIZE


def read(text: str | bytes) -> tuple[Entry | None, list[str], list[Problem]]:
    problems: list[Problem] = []
    data = text.encode() if isinstance(text, str) else text
    return parse_entry(data, "f.yml", problems), [str(p) for p in problems], problems


def entry_of(text: str) -> tuple[Entry, list[Problem]]:
    entry, shown, problems = read(text)
    assert entry is not None, shown
    return entry, problems


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("22:30", 'f.yml:1: "k": 22:30 without quotes is the number 1350 (base 60) in YAML; write "22:30" in quotes'),
        (
            "12:34:56:12:34:56",
            'f.yml:1: "k": 12:34:56:12:34:56 without quotes is the number 9783981296 (base 60) in YAML; '
            'write "12:34:56:12:34:56" in quotes',
        ),
        ("010", 'f.yml:1: "k": 010 without quotes is the number 8 (not base 10) in YAML; write "010" in quotes'),
        ("25294", 'f.yml:1: "k": 25294 without quotes is a number in YAML; write "25294" in quotes'),
        ("1.5", 'f.yml:1: "k": 1.5 without quotes is a number in YAML; write "1.5" in quotes'),
        ("NO", 'f.yml:1: "k": NO without quotes means false in YAML; write "NO" in quotes'),
        ("on", 'f.yml:1: "k": on without quotes means true in YAML; write "on" in quotes'),
        ("~", 'f.yml:1: "k": ~ without quotes means nothing in YAML; write "~" in quotes'),
        ("2026-01-01", 'f.yml:1: "k": 2026-01-01 without quotes is a date in YAML; write "2026-01-01" in quotes'),
        ("!!binary aGk=", 'f.yml:1: "k": tag tag:yaml.org,2002:binary is not allowed; remove it'),
        ("!thing x", 'f.yml:1: "k": tag !thing is not allowed; remove it'),
        ("", 'f.yml:1: "k" has no value; give it one or remove the key'),
        ("[a]", 'f.yml:1: "k" is a list; expected text'),
        ("{a: b}", 'f.yml:1: "k" is a mapping; expected text'),
    ],
)
def test_what_is_not_text_is_told(typed: str, told: str) -> None:
    entry, problems = entry_of(f"k: {typed}\n")
    assert entry.text("k", "default") == "default"
    assert [str(p) for p in problems] == [told]


@pytest.mark.parametrize("typed", ['"22:30"', "'010'", "government", "00:1A:2B:3C:4D:5E", '"NO"', '!!str "7"'])
def test_what_is_text_is_read_as_typed(typed: str) -> None:
    entry, problems = entry_of(f"k: {typed}\n")
    assert entry.text("k") == typed.removeprefix("!!str ").strip("\"'")
    assert not problems


def test_text_is_normalised_to_nfc() -> None:
    entry, _ = entry_of('k: "Lo\u0323\u0302c"\n')
    assert entry.text("k") == "Lộc"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("010", '"k": 010 is not a number; expected a number in base 10, such as 15'),
        ('"5"', '"k" is text in quotes; expected a number, without quotes'),
        ("22:30", '"k": 22:30 without quotes is the number 1350 (base 60) in YAML'),
        ("0x10", '"k": 0x10 without quotes is the number 16 (not base 10) in YAML'),
        (".inf", '"k": .inf without quotes is a number in YAML'),
        ("1,5", '"k": 1,5 is not a number'),
        ("-1", '"k" cannot be -1; allowed: 0 to 90'),
        ("[1]", '"k" is a list; expected a number'),
    ],
)
def test_what_is_not_a_number_is_told(typed: str, told: str) -> None:
    entry, problems = entry_of(f"k: {typed}\n")
    assert entry.number("k", 7.0, low=0, high=90) == 7.0
    assert len(problems) == 1
    assert told in str(problems[0])


@pytest.mark.parametrize(("typed", "value"), [("15", 15.0), ("-0.5", -0.5), ("1e3", 1000.0), ("1_000", 1000.0)])
def test_numbers(typed: str, value: float) -> None:
    entry, problems = entry_of(f"k: {typed}\n")
    assert entry.number("k") == value
    assert not problems


def test_a_fraction_is_not_a_whole_number() -> None:
    entry, problems = entry_of("k: 1.5\n")
    assert entry.number("k", whole=True) is None
    assert "1.5 is not a whole number" in str(problems[0])


def test_only_true_and_false_are_flags() -> None:
    entry, problems = entry_of("a: true\nb: yes\nc: 'true'\n")
    assert (entry.flag("a"), entry.flag("b"), entry.flag("c", True)) == (True, False, True)
    assert [p.line for p in problems] == [2, 3]


@pytest.mark.parametrize(
    ("text", "seconds"), [("300ms", 0.3), ("0.3s", 0.3), ("30s", 30.0), ("5m", 300.0), ("2h", 7200.0), ("1d", 86400.0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert DURATION.parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["30", "", "s", "-5s", "5 m", "1h30m", "5M", "٣s", "1e3s", "infs"])
def test_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError):
        DURATION.parse(text)


def test_bandwidths_and_sizes_are_decimal() -> None:
    assert (BANDWIDTH.parse("20M"), BANDWIDTH.parse("512k"), BANDWIDTH.parse("1G")) == (20e6, 512e3, 1e9)
    assert SIZE.parse("2GB") == 2e9


def test_a_duration_without_unit_is_told() -> None:
    entry, problems = entry_of("every: 30\nlong: 9d\n")
    assert entry.duration("every", 5.0) == 5.0
    assert entry.duration("long", 5.0, high=60) == 5.0
    assert [str(p) for p in problems] == [
        "f.yml:1: \"every\" cannot be '30'; a duration is a number with a unit: 300ms, 30s, 5m, 2h or 1d",
        'f.yml:2: "long" is 777600 s; allowed: 0 to 60 s',
    ]


def test_duplicate_keys_are_told_and_the_first_is_kept() -> None:
    entry, problems = entry_of("a: x\nb: y\na: z\n")
    assert entry.text("a") == "x"
    assert [str(p) for p in problems] == ['f.yml:3: key "a" is there twice; first in line 1']


def test_unknown_keys_are_told_with_what_is_near_and_allowed() -> None:
    entry, problems = entry_of("adress: x\nzzz: y\nname: n\n")
    entry.text("address")
    entry.text("name")
    entry.finish()
    assert [str(p) for p in problems] == [
        'f.yml:1: unknown key "adress"; did you mean "address"? allowed: address, name',
        'f.yml:2: unknown key "zzz"; allowed: address, name',
    ]


def test_nested_problems_name_the_thing() -> None:
    entry, problems = entry_of("sites:\n- id: a\n  lines:\n  - id: a-1\n    role: main\n- lines: x\n- 5\n")
    for site in entry.entries("sites", "site"):
        for line in site.entries("lines", "line"):
            line.text("role", choices=("primary", "backup"))
    assert sorted(str(p) for p in problems) == [
        'f.yml:5: site "a", line "a-1": "role" cannot be "main"; allowed: backup, primary',
        "f.yml:6: site number 2: \"lines\" is not a list; expected a list of mappings, one per line, such as ['x']",
        'f.yml:7: "sites" item 3 is not a mapping',
    ]


def test_lists_of_text() -> None:
    entry, problems = entry_of("good: [a, b]\nbad: [a, 1, a, [x], q]\nsingle: a\n")
    assert entry.texts("good") == ("a", "b")
    assert entry.texts("bad", choices=("a", "b")) == ("a",)
    assert entry.texts("single") == ()
    assert [p.message for p in problems] == [
        '"bad" item 2: 1 without quotes is a number in YAML',
        '"bad" holds "a" twice',
        '"bad" item 4 is not text',
        '"bad" cannot hold "q"',
        '"single" is not a list',
    ]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a: b: c", "f.yml:1: not valid YAML: mapping values are not allowed in this context"),
        (b"a:\n\t- b", "f.yml:2: not valid YAML: found character that cannot start any token; YAML indents with"),
        (b"a: 1\n---\nb: 2", "f.yml:2: not valid YAML: but found another document"),
        (b"a: *x", "f.yml:1: not valid YAML: found undefined alias"),
        (b"a: 1\nb: \x01", "f.yml:2: not valid YAML: control character 0x01"),
        (b"a: 1\nb: S\xf4ng", "f.yml:2: not UTF-8 (byte 0xf4); save the file as UTF-8"),
        (b"- a", "f.yml:1: the file must be a mapping; write top-level keys such as sites:"),
        (b"[" * 50_000, "f.yml:1: "),
    ],
)
def test_unreadable_files_are_one_line(data: bytes, told: str) -> None:
    entry, shown, _ = read(data)
    assert entry is None
    assert len(shown) == 1
    assert shown[0].startswith(told)
    assert "\n" not in shown[0]


def test_an_empty_file_and_a_bom_are_fine() -> None:
    assert read("")[0] is not None
    entry, shown, _ = read(b"\xef\xbb\xbfa: x\r\n")
    assert entry is not None
    assert entry.text("a") == "x"
    assert not shown


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert load_entry(tmp_path / "no.yml", problems, shown="no.yml") is None
    assert [str(p) for p in problems] == ["no.yml: cannot be read: No such file or directory"]


def test_plain_values_for_parts_that_others_check() -> None:
    entry, problems = entry_of('a: {n: 1, x: 1.5, t: "010", f: true, l: [b, ~]}\nb: {z: 22:30, y: 1, y: 2}\n')
    assert entry.plain() == {
        "a": {"n": 1, "x": 1.5, "t": "010", "f": True, "l": ["b", None]},
        "b": {"z": None, "y": 2},
    }
    assert len(problems) == 3  # ~, 22:30, and y twice
    assert {p.line for p in problems} == {1, 2}


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]\n",
        "a: &x [*x, *x]\n",
        "a: &x {b: *x, c: *x}\n",
        "a: &a0 [x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
    ],
)
def test_a_few_lines_that_stand_for_millions_are_one_problem(text: str) -> None:
    entry, _, problems = read(text)
    assert entry is None
    assert [p.message for p in problems] == ["too large once every alias (*name) is written out"]


def test_an_alias_is_what_it_stands_for() -> None:
    entry, problems = entry_of("a: &x [1, 2]\nb: [*x, *x]\n")
    assert entry.plain() == {"a": [1, 2], "b": [[1, 2], [1, 2]]}
    assert not problems
