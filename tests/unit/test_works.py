"""Planned works and silences: when they hold, and what they cover."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from netmon.model import Incident, Subject
from netmon.topology import Topology
from netmon.works import EARLY_S, Plans, Silence, Work, check_scope, occurrences, over_at, scopes_of, window_at
from tests.unit.world import province

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
BERLIN = ZoneInfo("Europe/Berlin")
TOPOLOGY = Topology(province())


def at(text: str, zone: ZoneInfo = ZONE) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def work(begin: str, end: str, repeat: str = "once", until: str = "", where: str = "site:b3", **more: object) -> Work:
    return Work(
        1, "power", "Cắt lộ 471", (where,), at(begin), at(end), repeat, at(until) if until else 0.0, **more  # type: ignore[arg-type]
    )  # fmt: skip


def days(given: Work, after: str, count: int = 4) -> list[str]:
    windows = islice(occurrences(given, ZONE, at(after)), count)
    return [datetime.fromtimestamp(w.begin, ZONE).strftime("%d/%m %H:%M") for w in windows]


@pytest.mark.parametrize(
    ("repeat", "until", "after", "expected"),
    [
        ("once", "", "2026-11-01T00:00", ["30/11 07:00"]),
        ("once", "", "2026-11-30T10:59", ["30/11 07:00"]),
        ("once", "", "2026-11-30T11:00", []),  # a window ends with its last second
        ("daily", "", "2026-12-24T11:00", ["25/12 07:00", "26/12 07:00", "27/12 07:00", "28/12 07:00"]),
        ("daily", "2026-12-01T23:59", "2026-11-30T00:00", ["30/11 07:00", "01/12 07:00"]),
        ("weekly", "", "2027-01-01T00:00", ["04/01 07:00", "11/01 07:00", "18/01 07:00", "25/01 07:00"]),
        ("monthly", "", "2027-01-30T12:00", ["28/02 07:00", "30/03 07:00", "30/04 07:00", "30/05 07:00"]),
    ],
)
def test_when_works_happen(repeat: str, until: str, after: str, expected: list[str]) -> None:
    assert days(work("2026-11-30T07:00", "2026-11-30T11:00", repeat, until), after) == expected


def test_the_local_time_is_kept_where_clocks_are_changed() -> None:
    begin, end = at("2026-10-24T08:00", BERLIN), at("2026-10-24T09:00", BERLIN)
    found = islice(occurrences(Work(1, "own", "x", ("site:b3",), begin, end, "daily"), BERLIN, begin), 3)
    assert [datetime.fromtimestamp(w.begin, BERLIN).hour for w in found] == [8, 8, 8]


def test_years_later_the_next_window_is_found_at_once() -> None:
    given = work("2026-11-30T07:00", "2026-11-30T11:00", "daily")
    assert days(given, "2066-11-30T06:00", 1) == ["30/11 07:00"]


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-11-30T06:49", False),
        ("2026-11-30T06:50", True),
        ("2026-11-30T10:59", True),
        ("2026-11-30T11:00", False),
    ],
)
def test_a_window_takes_a_crew_that_begins_early(moment: str, holds: bool) -> None:
    given = work("2026-11-30T07:00", "2026-11-30T11:00")
    assert EARLY_S == 600.0
    assert (window_at(given, ZONE, at(moment)) is not None) == holds
    assert window_at(replace(given, cancelled_at=at("2026-11-29T00:00")), ZONE, at(moment)) is None


@pytest.mark.parametrize(
    ("subject", "inside", "outside"),
    [
        (Subject("site", "b1"), {"site:b1", "area:area", "building:house-b", "node:b", "line:b1"}, {"site:b2"}),
        (Subject("site", "a3"), {"power:feeder", "node:a"}, {"node:b"}),
        # One of two lines being worked on does not explain that the site is lost.
        (Subject("site", "two"), {"node:core", "site:two"}, {"node:a", "node:b", "line:two-1"}),
        (Subject("line", "two-1"), {"line:two-1", "node:a", "site:two"}, {"node:b", "line:two-2"}),
        (Subject("node", "a"), {"node:a", "node:core"}, {"area:area"}),
        (Subject("device", "ups-a6"), {"device:ups-a6", "site:a6", "area:area"}, set()),
        (Subject("device", "r-node"), {"node:core"}, {"area:area"}),
        (Subject("sensor", "heat-a7"), {"sensor:heat-a7", "site:a7"}, set()),
    ],
)  # fmt: skip
def test_what_is_covered(subject: Subject, inside: set[str], outside: set[str]) -> None:
    found = scopes_of(subject, TOPOLOGY)
    assert inside <= found
    assert not outside & found


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("site:b1", ""),
        ("power:feeder", ""),
        ("building:house-b", ""),
        ("site:nowhere", "the inventory has no site 'nowhere'"),
        ("power:nowhere", "the inventory has no power 'nowhere'"),
        ("b1", "'b1' is no scope; kind:id with a kind of site, line"),
        ("town:b1", "is no scope"),
    ],
)
def test_scopes_are_checked(scope: str, said: str) -> None:
    found = check_scope(scope, TOPOLOGY)
    assert (said in found) if said else not found


def test_of_several_works_the_one_that_ends_last_counts() -> None:
    short = work("2026-11-30T07:00", "2026-11-30T08:00")
    long = replace(work("2026-11-30T07:00", "2026-11-30T12:00", where="area:area"), id=2)
    found = Plans(TOPOLOGY, [short, long]).work_at(Subject("site", "b3"), ZONE, at("2026-11-30T07:30"))
    assert found is not None and found[0].id == 2


def test_a_silence_holds_for_its_time_its_place_and_its_alert() -> None:
    silence = Silence(1, ("area:area",), 100.0, 200.0, "sửa nhà", "NOC", alert="UpsOnBattery")
    plans = Plans(TOPOLOGY, silences=[silence])
    incident = Incident(1, Subject("site", "b3"), "alert", "warning", 0.0, 0.0, alerts=(("UpsOnBattery", ()),))
    assert plans.silence_of(incident, 150.0) == silence
    assert plans.silence_of(incident, 99.0) is None
    assert plans.silence_of(incident, 200.0) is None
    assert plans.silence_of(replace(incident, alerts=(("SensorAlarm", ()),)), 150.0) is None
    assert plans.silence_of(replace(incident, subject=Subject("node", "a")), 150.0) is None


def test_what_is_over_is_forgotten_and_what_recurs_is_not() -> None:
    once = work("2026-11-30T07:00", "2026-11-30T11:00")
    forever = replace(work("2026-11-30T07:00", "2026-11-30T11:00", "weekly"), id=2)
    ends = replace(work("2026-11-30T07:00", "2026-11-30T11:00", "weekly", "2026-12-31T00:00"), id=3)
    plans = Plans(TOPOLOGY, [once, forever, ends], [Silence(1, ("site:b3",), 0.0, 10.0, "x", "y")])
    plans.forget(at("2026-12-02T00:00"))
    assert list(plans.works) == [2, 3]
    assert not plans.silences
    plans.forget(over_at(ends) + 1.0)
    assert list(plans.works) == [2]
