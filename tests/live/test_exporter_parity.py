"""Netmon's /snmp and Debian's snmp_exporter: same agents, same modules, same series, labels, values, types and help.

0.21 knows no scale, offset, date patterns, enums in look-ups and filters: these are taken out of the modules here for
both, and tested in tests/unit/test_exporter.py.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import SHARED, shared
from tests.live import exporter_cases as cases
from tests.live.exporter_peer import (
    Answer,
    Modules,
    Pair,
    converted,
    differences,
    ours,
    ready,
    returned,
    theirs,
    told,
    without,
)
from tests.live.snmpsim import snmpsim

pytestmark = pytest.mark.live

CAPTURES = sorted((SHARED / "captures").glob("*.snmprec"))
Answers = Mapping[Pair, tuple[Answer, Answer]]  # ours, theirs

# Where snmp_exporter refuses the whole scrape: two rows of these objects have the same labels. Compared without them.
NEIGHBOR = (
    "mtxrNeighborInterfaceID", "mtxrNeighborIpAddress", "mtxrNeighborPlatform", "mtxrNeighborIdentity",
    "mtxrNeighborSoftwareID", "mtxrNeighborVersion",
)  # fmt: skip
TWICE: dict[Pair, set[str]] = {
    ("mikrotik", "routeros_rb750gr3"): {"mtxrCtTotalEntries"},
    ("mikrotik", "routeros_rb760igs"): set(NEIGHBOR),
}
# Where the agent answers null: no value for netmon, 0 for snmp_exporter.
NULLS: set[Pair] = {("ups_mib", "deltaups_rfc1628string")}
DATA = 50  # pairs that give series; fewer would mean that the comparison has lost something


def _both(modules: Modules, pairs: list[Pair], captures: list[Path], folder: Path) -> Answers:
    with snmpsim(captures) as agent:
        ready(agent, captures[0].stem)
        mine, other = ours(modules, pairs, agent), theirs(modules, pairs, agent, folder)
    return {pair: (mine[pair], other[pair]) for pair in pairs}


# --- every module of the field on every capture ----------------------------------------------------------------------


@functools.cache
def _field() -> dict[str, dict[str, Any]]:
    text = shared("peers", "snmp_exporter", "snmp.yml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = yaml.load(text, Loader=yaml.CSafeLoader)["modules"]
    return found


@functools.cache
def _names(capture: Path) -> list[tuple[str, int]]:
    """OID with a dot at its end, and tag, of every object of a capture."""
    lines = capture.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    parts = [line.split("|", 2) for line in lines if line.count("|") >= 2]
    return [(f"{oid}.", int(tag.rstrip("x"))) for oid, tag, _ in parts]


def _tags(module: Mapping[str, Any], capture: Path) -> list[int]:
    """The tags of what the module would find there."""
    roots = tuple(f"{oid}." for oid in (*module.get("walk", ()), *module.get("get", ())))
    return [tag for name, tag in _names(capture) if name.startswith(roots)]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    shared("captures")
    modules = {name: converted(module) for name, module in _field().items()}
    pairs = [(name, capture.stem) for name in modules for capture in CAPTURES if _tags(modules[name], capture)]
    for (name, capture), names in TWICE.items():
        modules[f"{name}-{capture}"] = without(modules[name], names)
        pairs.append((f"{name}-{capture}", capture))
    return _both(modules, pairs, CAPTURES, tmp_path_factory.mktemp("field"))


def test_every_module_is_equal_on_every_capture(answers: Answers) -> None:
    lines, equal = [], 0
    for pair, (mine, other) in answers.items():
        assert not mine.error, f"{pair}: {mine.error}"
        if pair in NULLS or pair in TWICE:
            continue
        found = [other.error] if other.error else differences(told(mine), told(other))
        if not other.error and returned(mine) != returned(other):
            found.append(f"netmon read {returned(mine)} objects, snmp_exporter {returned(other)}")
        lines += [f"{pair}: {line}" for line in found]
        equal += not found and bool(told(mine))
    assert not lines, "\n".join(lines[:20])
    assert equal >= DATA


@pytest.mark.parametrize("pair", sorted(TWICE), ids="-".join)
def test_rows_that_would_be_one_series_cost_only_an_index_label(answers: Answers, pair: Pair) -> None:
    mine, other = answers[pair]
    assert "was collected before with the same name and label values" in other.error
    kept = {key: value for key, value in told(mine).items() if key[0] not in TWICE[pair]}
    assert kept == told(answers[f"{pair[0]}-{pair[1]}", pair[1]][1])
    shown = {key for key in told(mine) if key[0] in TWICE[pair]}
    assert any("index" in dict(labels) for _, labels in shown)
    for name in {name for name, _ in shown}:
        assert f'collected metric "{name}"' in other.error


@pytest.mark.parametrize("pair", sorted(NULLS), ids="-".join)
def test_null_is_no_value(answers: Answers, pair: Pair) -> None:
    mine, other = (told(answer) for answer in answers[pair])
    assert {key: value for key, value in other.items() if key in mine} == mine
    extra = {key: value for key, value in other.items() if key not in mine}
    module = _field()[pair[0]]
    assert len(extra) == _tags(module, shared("captures", f"{pair[1]}.snmprec")).count(cases.NUL)
    assert {value for value, *_ in extra.values()} == {0.0}


# --- every type, index and look-up, made up --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Answer, Answer]]:
    folder = tmp_path_factory.mktemp("made-up")
    capture = folder / "cases.snmprec"
    capture.write_text(cases.snmprec(), encoding="utf-8")
    pairs = [(name, "cases") for name in cases.MODULES]
    return {pair[0]: both for pair, both in _both(cases.MODULES, pairs, [capture], folder).items()}


@pytest.mark.parametrize("module", cases.EQUAL)
def test_every_type_index_and_lookup_is_equal(made_up: Mapping[str, tuple[Answer, Answer]], module: str) -> None:
    mine, other = made_up[module]
    assert (mine.error, other.error) == ("", "")
    assert differences(told(mine), told(other)) == []
    assert returned(mine) == returned(other)
    assert len(told(mine)) >= 3


LIES = {  # module -> what it is about, what netmon tells, what snmp_exporter tells (by the label "i")
    "false_numbers": (
        "text, null or an OID as a number",
        {"1": 12, "6": 6},
        {"1": 0, "2": 0, "3": 0, "4": 0, "5": 0, "6": 6},
    ),
    "no_date": ("a date of zeros", {"2": 1644921005}, {"1": -62169984000, "2": 1644921005}),
}


@pytest.mark.parametrize("module", LIES)
def test_what_is_no_value_is_left_out(made_up: Mapping[str, tuple[Answer, Answer]], module: str) -> None:
    for answer, expected in zip(made_up[module], LIES[module][1:], strict=True):
        assert {dict(labels)["i"]: value for (_, labels), (value, *_) in told(answer).items()} == expected


REFUSED = {  # module -> why snmp_exporter refuses the whole scrape, and what netmon tells
    "twice": ("was collected before with the same name", [{"index": "2"}, {}]),
    "odd_bytes": ("is not valid UTF-8", [{"case14x1": "a\ufffdb\ufffd", "i": "1"}, {"case14x1": "good", "i": "2"}]),
    "no_bits": ("BITS type was not", [{"case15x1": "a", "i": "2"}, {"case15x1": "b", "i": "2"}]),
}


@pytest.mark.parametrize("module", REFUSED)
def test_an_odd_row_does_not_cost_the_scrape(made_up: Mapping[str, tuple[Answer, Answer]], module: str) -> None:
    reason, expected = REFUSED[module]
    mine, other = made_up[module]
    assert reason in other.error
    assert sorted((dict(labels) for _, labels in told(mine)), key=str) == expected


@pytest.mark.parametrize(
    ("module", "label", "right", "wrong"),
    [
        ("text_for_number", "x", "9 units", "57"),  # the code of "9"
        ("lldp_text", "i", "hi", "i" + "\0" * 103),  # "h" taken for a length of 104
    ],
)
def test_text_stays_what_it_is(
    made_up: Mapping[str, tuple[Answer, Answer]], module: str, label: str, right: str, wrong: str
) -> None:
    for answer, text in zip(made_up[module], (right, wrong), strict=True):
        assert [dict(labels)[label] for _, labels in told(answer)] == [text]
