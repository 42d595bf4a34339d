"""The live gauges: who owns a series, and what leaves when its owner has it no more."""

from __future__ import annotations

from netmon.model import Figure, labels
from netmon.state import Gauges

A, B = labels(site="a"), labels(site="b")


def series(gauges: Gauges) -> dict[tuple[str, str], float]:
    return {(name, dict(pairs).get("site", "")): value for name, pairs, value in gauges}


def test_set_and_drop_one_series() -> None:
    gauges = Gauges()
    gauges.set("netmon_x", A, 1.0)
    gauges.set("netmon_x", A, 2.0)
    gauges.set("netmon_x", B, 3.0)
    assert series(gauges) == {("netmon_x", "a"): 2.0, ("netmon_x", "b"): 3.0}
    gauges.drop("netmon_x", A)
    gauges.drop("netmon_x", A)
    gauges.drop("netmon_nobody_knows", A)
    assert series(gauges) == {("netmon_x", "b"): 3.0}
    assert len(gauges) == 1


def test_what_an_owner_brings_no_more_vanishes() -> None:
    gauges = Gauges()
    gauges.replace("poll", [Figure("netmon_x", A, 1.0), Figure("netmon_x", B, 2.0), Figure("netmon_y", A, 3.0)])
    gauges.replace("poll", [Figure("netmon_x", B, 5.0)])
    assert series(gauges) == {("netmon_x", "b"): 5.0}
    assert gauges.names() == ["netmon_x"], "a family without series is in no list"
    gauges.replace("poll", [])
    assert len(gauges) == 0
    gauges.replace("poll", [Figure("netmon_x", A, 7.0)])
    assert series(gauges) == {("netmon_x", "a"): 7.0}


def test_series_of_others_are_left_alone() -> None:
    gauges = Gauges()
    gauges.set("netmon_x", A, 1.0)
    gauges.replace("one", [Figure("netmon_x", B, 2.0)])
    gauges.replace("two", [Figure("netmon_y", B, 3.0)])
    gauges.replace("one", [])
    assert series(gauges) == {("netmon_x", "a"): 1.0, ("netmon_y", "b"): 3.0}


def test_of_two_owners_of_one_series_the_last_writer_counts_and_the_first_takes_nothing_away() -> None:
    """A device that was renamed: its old fold ends after the new one has begun."""
    gauges = Gauges()
    gauges.replace("old", [Figure("netmon_x", A, 1.0)])
    gauges.replace("new", [Figure("netmon_x", A, 2.0)])
    gauges.replace("old", [])
    assert series(gauges) == {("netmon_x", "a"): 2.0}
    gauges.replace("new", [])
    assert len(gauges) == 0


def test_a_series_brought_twice_has_the_last_value() -> None:
    gauges = Gauges()
    gauges.replace("poll", [Figure("netmon_x", A, 1.0), Figure("netmon_x", A, 2.0)])
    assert series(gauges) == {("netmon_x", "a"): 2.0}
    gauges.replace("poll", [])
    assert len(gauges) == 0


def test_a_snapshot_does_not_move_with_the_gauges() -> None:
    gauges = Gauges()
    gauges.replace("poll", [Figure("netmon_y", B, 2.0), Figure("netmon_x", A, 1.0)])
    taken = gauges.snapshot()
    gauges.replace("poll", [])
    assert taken == [("netmon_x", {A: 1.0}), ("netmon_y", {B: 2.0})], "family by family, in order"
    assert gauges.snapshot() == []
    assert gauges.family("netmon_x") == {}


def test_labels_are_sorted_and_empty_ones_left_out() -> None:
    assert labels(site="s", line="", device="d") == (("device", "d"), ("site", "s"))
