"""States of sensors: tables of (time, what happens, state then)."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from netmon.hours import is_open
from netmon.model import Condition, Reading, Sensor, SensorState, SensorType
from netmon.sensor_quality import TRAIL_POINTS, Moved, is_fast, is_stuck, moved, quality
from netmon.sensors import EXPLAINED_LATE_S, gone, shifted, step
from netmon.state import SensorView

SENSOR = Sensor("s", "room", "t", "senml")
ROOM = SensorType(
    "room",
    "temperature",
    "Cel",
    valid_min=-40,
    valid_max=85,
    warn_above=35,
    alarm_above=40,
    hysteresis=1,
    hold_s=900,
    silence_s=3600,
)
DOOR = SensorType("door", "open", "", report="on-change", silence_s=0)
POWER = SensorType("power", "voltage", "V", warn_below=200, alarm_below=180, hysteresis=5)

T0 = 1_000_000.0


class Bench:
    """One sensor; each call is one step."""

    def __init__(self, kind: SensorType = ROOM) -> None:
        self.kind = kind
        self.view = SensorView("s")
        self.via: Condition | None = "up"
        self.broker: bool | None = True

    def at(
        self, offset_s: float, value: float | None = None, *, measured: float | None = None, retained: bool = False
    ) -> SensorState:
        """Step at T0 + offset with a reading (device time T0 + measured) or none."""
        now = T0 + offset_s
        reading = None
        if value is not None:
            reading = Reading("s", value, now, None if measured is None else T0 + measured, retained)
        self.view = step(self.view, SENSOR, self.kind, now, reading, self.via, self.broker)
        return self.view.state

    def since(self) -> float:
        return self.view.since - T0


@pytest.mark.parametrize(
    ("kind", "events"),
    [
        pytest.param(ROOM, [(0, None, "unknown"), (10, 25, "ok"), (20, None, "ok")], id="first value"),
        pytest.param(ROOM, [(0, 36, "ok"), (899, None, "ok"), (900, None, "warning"), (901, 36, "warning")], id="held"),
        pytest.param(
            ROOM,
            [
                (0, 41, "ok"),
                (900, None, "alarm"),
                (1000, 39.5, "alarm"),
                (1100, 38.9, "warning"),
                (1200, 34.5, "warning"),
                (1300, 33.9, "ok"),
            ],
            id="down again with hysteresis",
        ),
        pytest.param(
            ROOM,
            [(0, 41, "ok"), (600, 34.9, "ok"), (700, 41, "ok"), (1599, None, "ok"), (1600, None, "alarm")],
            id="the hold begins anew",
        ),
        pytest.param(
            ROOM,
            [(0, 36, "ok"), (800, 41, "ok"), (900, None, "warning"), (1699, None, "warning"), (1700, None, "alarm")],
            id="each level has its own hold",
        ),
        pytest.param(
            ROOM,
            [(0, 36, "ok"), (900, None, "warning"), (1000, 34.5, "warning"), (1100, 36, "warning")],
            id="within the hysteresis it stays",
        ),
        pytest.param(
            ROOM,
            [(0, 25, "ok"), (1, 85.1, "invalid"), (2, 25, "ok"), (3, -41, "invalid"), (4, -40, "ok")],
            id="valid range",
        ),
        pytest.param(ROOM, [(0, 35, "ok"), (900, None, "ok")], id="at the limit is not beyond it"),
        pytest.param(
            POWER,
            [
                (0, 230, "ok"),
                (1, 199, "warning"),
                (2, 204, "warning"),
                (3, 205, "ok"),
                (4, 100, "alarm"),
                (5, 184, "alarm"),
                (6, 185, "warning"),
                (7, 230, "ok"),
            ],
            id="below, without hold",
        ),
        pytest.param(DOOR, [(0, 0, "ok"), (10**7, None, "ok"), (10**7 + 1, 1, "ok")], id="on change is never stale"),
        pytest.param(
            replace(DOOR, silence_s=86_400),
            [(0, 0, "ok"), (86_400, None, "ok"), (86_401, None, "stale")],
            id="on change with a heartbeat",
        ),
        pytest.param(ROOM, [(0, 25, "ok"), (3600, None, "ok"), (3601, None, "stale"), (3700, 26, "ok")], id="silence"),
        pytest.param(
            ROOM,
            [(0, 41, "ok"), (900, None, "alarm"), (3601, None, "stale"), (3700, 41, "alarm")],
            id="still hot after a silence",
        ),
        pytest.param(
            ROOM,
            [(0, 41, "ok"), (900, None, "alarm"), (3601, None, "stale"), (3700, 25, "ok")],
            id="cool after a silence",
        ),
    ],
)
def test_readings_and_time(kind: SensorType, events: list[tuple[float, float | None, SensorState]]) -> None:
    bench = Bench(kind)
    assert [(at, value, bench.at(at, value)) for at, value, _ in events] == events


def test_since_is_the_true_beginning() -> None:
    bench = Bench()
    bench.at(0, 25)
    bench.at(100, 36)
    bench.at(500, 41)
    bench.at(1050)
    assert (bench.view.state, bench.since()) == ("warning", 100)
    bench.at(1450)
    assert (bench.view.state, bench.since()) == ("alarm", 500)
    bench.at(9000)
    assert (bench.view.state, bench.since()) == ("stale", 500 + 3600)


def test_retained_replays_are_never_fresh() -> None:
    bench = Bench()
    assert bench.at(0, 41, retained=True) == "unknown"
    assert bench.view.value == 41, "shown, where nothing else is known"
    assert bench.view.received_at is None
    assert bench.at(5000) == "unknown", "and no sign of life"
    bench.at(6000, 25)
    assert bench.at(9000, 99, retained=True) == "ok"
    assert bench.view.value == 25
    assert bench.at(9601) == "stale"


def test_late_readings_change_nothing() -> None:
    bench = Bench()
    bench.at(1000, 25, measured=990)
    before = bench.view
    bench.at(1001, 41, measured=900)
    assert bench.view == before
    bench.at(1002, 26, measured=990)
    assert bench.view.value == 26, "the same moment again: the later arrival holds"


def test_values_that_the_device_had_kept_never_replace_newer_ones() -> None:
    def kept(bench: Bench, at: float, value: float, measured: float, skew_s: float = 0.0) -> float | None:
        reading = Reading("s", value, T0 + at, T0 + measured, skew_s=skew_s, mark="old")
        bench.view = step(bench.view, SENSOR, bench.kind, T0 + at, reading, bench.via, bench.broker)
        return bench.view.value

    bench = Bench()
    assert kept(bench, 100, 20, measured=50) == 20, "nothing newer is known"
    assert kept(bench, 101, 21, measured=60) == 21
    bench.at(200, 25, measured=260)  # its clock is a minute ahead
    assert kept(bench, 230, 22, measured=250) == 25, "by its clock the value was older, though not by ours"
    assert kept(bench, 240, 22, measured=240, skew_s=7200) == 25, "a clock that is not believed orders nothing"
    bench.at(300, 26)
    assert kept(bench, 310, 22, measured=299) == 26
    assert kept(bench, 400, 27, measured=350) == 27


def test_a_value_that_its_sender_calls_bad_is_invalid_and_raises_nothing() -> None:
    bench = Bench()
    bench.at(0, 25)

    def bad(at: float) -> SensorState:
        bench.view = step(bench.view, SENSOR, ROOM, T0 + at, Reading("s", 50.0, T0 + at, mark="bad"), "up", True)
        return bench.view.state

    assert (bad(100), bad(1100), quality(bench.view, ROOM)) == ("invalid", "invalid", "bad")
    assert (bench.view.breach_since, [value for _, value in bench.view.trail]) == (None, [25])
    assert bench.at(1110) == "invalid"
    assert (bench.at(1200, 26), quality(bench.view, ROOM)) == ("ok", "good")


def test_silence_is_counted_from_when_it_was_measured() -> None:
    bench = Bench()
    bench.at(0)
    bench.at(3000, 25, measured=0)
    assert bench.at(3600) == "ok"
    assert bench.at(3601) == "stale"
    bench.at(4000, 25, measured=9999)
    assert bench.at(4000 + 3601) == "stale", "a device clock ahead does not prolong its life"


@pytest.mark.parametrize("condition", ["down", "unreachable"])
def test_explained_by_what_it_comes_through(condition: Condition) -> None:
    bench = Bench()
    bench.at(0, 25)
    bench.via = condition
    assert bench.at(3600) == "ok"
    assert bench.at(3601) == "explained"
    bench.via = "up"
    assert bench.at(5000) == "unknown", "the line is back, it has its time to report"
    assert bench.at(8600) == "unknown"
    assert bench.at(8601) == "stale"
    assert bench.since() == 8600


def test_dead_before_the_line_was_stays_stale() -> None:
    bench = Bench()
    bench.at(0, 25)
    bench.at(3700)
    bench.via = "down"
    assert bench.at(3700 + EXPLAINED_LATE_S) == "stale"
    assert bench.at(9000) == "stale"


def test_silence_noticed_just_before_the_line_is_judged_is_explained() -> None:
    bench = Bench()
    bench.at(0, 25)
    assert bench.at(3601) == "stale"
    bench.via = "down"
    assert bench.at(3630) == "explained"


def test_on_change_cannot_be_heard_when_the_line_is_down() -> None:
    bench = Bench(DOOR)
    bench.at(0, 1)
    bench.via = "down"
    assert bench.at(10) == "explained"
    bench.via = "up"
    assert bench.at(20) == "ok"


def test_netmon_blind_is_unknown_not_stale() -> None:
    bench = Bench()
    bench.at(0, 25)
    bench.via = "unknown"
    assert bench.at(3600) == "ok"
    assert bench.at(3601) == "unknown"


def test_no_broker_makes_it_unknown_and_gives_time_after() -> None:
    bench = Bench()
    bench.at(0, 25)
    bench.broker = False
    assert bench.at(10) == "unknown"
    assert bench.at(7000) == "unknown"
    bench.broker = True
    assert bench.at(7100) == "unknown"
    assert bench.at(7200, 25, measured=500) == "unknown", "what had waited at the broker is no sign of life now"
    assert bench.at(7300, 26) == "ok"
    bench.broker = None
    assert bench.at(7400) == "ok", "readings that need no broker"


def test_a_short_loss_of_the_broker_brings_the_state_back() -> None:
    bench = Bench()
    bench.at(0, 41)
    assert bench.at(900) == "alarm"
    bench.broker = False
    assert bench.at(910) == "unknown"
    bench.broker = True
    assert bench.at(920) == "alarm"
    assert bench.since() == 0


def test_cellular_is_never_explained() -> None:
    bench = Bench()
    bench.via = None
    bench.at(0, 25)
    assert bench.at(3601) == "stale"


def test_restored_alarm_goes_on_without_a_new_hold() -> None:
    bench = Bench()
    bench.view = SensorView("s", "alarm", T0 - 50, 41, None, T0 - 100, breach_since=T0 - 1000, alarm_since=T0 - 1000)
    assert bench.at(0) == "alarm"
    assert bench.since() == -50


def test_a_reading_of_another_sensor_is_none() -> None:
    view = SensorView("s")
    after = step(view, SENSOR, ROOM, T0, Reading("other", 1.0, T0), None, True)
    assert after == replace(view, hearing_since=T0)


def test_readings_count_again_after_the_clock_was_set_back() -> None:
    """What was heard while it was ahead must not hide, for as long as it was ahead, what is heard now."""
    bench = Bench()
    assert bench.at(86_400, 25) == "ok"
    assert bench.at(10, 45) == "ok"  # a day earlier: the hold begins
    assert bench.view.value == 45
    assert bench.at(910, 45) == "alarm"


@pytest.mark.parametrize("step_s", [7200.0, -7200.0])
def test_a_step_of_the_clock_is_no_silence_and_no_hold(step_s: float) -> None:
    bench = Bench()
    bench.at(0, 25)
    bench.at(5000, 41)
    bench.at(5100)
    bench.view = shifted(bench.view, step_s)
    assert bench.at(5110 + step_s) == "ok", "neither silent for two hours nor too hot for so long"
    assert bench.at(5899 + step_s) == "ok"
    assert bench.at(5900 + step_s) == "alarm"


# --- told to be gone, watched hours, stuck and fast values ------------------------------------------------------------


def test_gone_is_stale_at_once_and_the_next_word_ends_it() -> None:
    bench = Bench()
    bench.at(0, 25)
    bench.view = gone(bench.view, T0 + 10)
    assert bench.at(10) == "stale"
    assert bench.since() == 10
    bench.view = gone(bench.view, T0 + 20)
    assert bench.view.gone_at == T0 + 10, "told twice is told once"
    assert bench.at(30, 24, retained=True) == "stale", "a replay is no word"
    assert bench.at(40, 24, measured=-100) == "ok", "an old value, but it came now"
    told = Reading("s", math.nan, T0 + 50, gone=True)
    bench.view = step(bench.view, SENSOR, ROOM, T0 + 50, told, "up", True)
    assert (bench.view.state, bench.view.value, bench.view.since) == ("stale", 25, T0 + 50)
    bench.via = "down"
    assert bench.at(51) == "explained"
    bench.via, bench.broker = "up", False
    assert bench.at(52) == "unknown"


def test_limits_count_only_while_watched() -> None:
    kind = SensorType("door", "door", "/", report="on-change", silence_s=0, alarm_above=0.5, watch="closed-hours")

    def at(view: SensorView, offset_s: float, value: float | None, watched: bool) -> SensorView:
        reading = None if value is None else Reading("s", value, T0 + offset_s)
        return step(view, SENSOR, kind, T0 + offset_s, reading, "up", True, watched=watched)

    view = at(SensorView("s"), 0, 1, False)
    assert view.state == "ok"
    view = at(view, 100, None, True)
    assert (view.state, view.since) == ("alarm", T0 + 100), "still open when the office closed: since then"
    view = at(view, 200, None, False)
    assert view.state == "ok"
    view = at(at(view, 300, 0, False), 400, None, True)
    assert view.state == "ok"
    assert at(view, 500, 1, True).state == "alarm"


def test_new_limits_count_from_the_moment_they_are_there() -> None:
    bench = Bench()
    bench.at(0, 34)
    bench.kind = replace(ROOM, warn_above=30)
    assert bench.at(10) == "ok"
    assert bench.at(910) == "warning"
    assert bench.since() == 10


def test_a_stuck_value_is_told_by_its_own_readings() -> None:
    kind = replace(ROOM, stuck_s=600, rest=(0.0,))
    bench = Bench(kind)
    for t in range(0, 600, 60):
        bench.at(t, 25)
    assert not is_stuck(bench.view, kind)
    bench.at(2000)
    assert not is_stuck(bench.view, kind), "silence is another matter"
    bench.at(2001, 25)
    assert is_stuck(bench.view, kind)
    assert quality(bench.view, kind) == "stuck"
    bench.at(2060, 25.1)
    assert not is_stuck(bench.view, kind)
    for t in range(2100, 4000, 60):
        bench.at(t, 0)
    assert not is_stuck(bench.view, kind), "it may rest at zero"


def test_how_it_moved_within_the_window() -> None:
    kind = replace(ROOM, rise=5.0, fall=8.0)
    bench = Bench(kind)
    for t in range(0, 3600, 10):
        bench.at(t, 25)
    assert len(bench.view.trail) <= TRAIL_POINTS + 1
    assert moved(bench.view, kind) == Moved(0.0, pytest.approx(900, abs=180), 0.0, 0.0)
    for n, t in enumerate(range(3600, 3900, 10)):
        bench.at(t, 25 + n * 0.2)
    found = moved(bench.view, kind)
    assert found is not None
    assert found.rise == pytest.approx(5.8)
    assert is_fast(bench.view, kind)
    for t in range(3900, 5400, 10):
        bench.at(t, 30.8)
    assert not is_fast(bench.view, kind), "it stays where it is"
    bench.at(5400, 22)
    assert is_fast(bench.view, kind), "a fall of 8.8"
    bench.at(5400 + 3601)
    assert not is_fast(bench.view, kind)
    assert moved(bench.view, kind) is None, "what is stale does not move"


@pytest.mark.parametrize(
    ("changes", "stamp"),
    [
        ({}, "good"),
        ({"skew_s": 7200.0}, "clock"),
        ({"state": "invalid"}, "invalid"),
        ({"state": "stale"}, "old"),
        ({"state": "explained"}, "old"),
        ({"state": "unknown"}, "old"),
        ({"received_at": None, "state": "unknown"}, "retained"),
        ({"value": None, "received_at": None, "state": "unknown"}, "none"),
    ],
)
def test_quality(changes: dict[str, Any], stamp: str) -> None:
    bench = Bench()
    bench.at(0, 25)
    assert quality(replace(bench.view, **changes), ROOM) == stamp


@pytest.mark.parametrize(
    ("hours", "when", "is_it"),
    [
        ("07:00-17:00", "2026-11-25T07:00", True),  # a Wednesday
        ("07:00-17:00", "2026-11-25T06:59", False),
        ("07:00-17:00", "2026-11-25T17:00", False),
        ("07:00-17:00", "2026-11-28T10:00", False),
        ("18:00-06:00", "2026-11-27T23:00", True),
        ("18:00-06:00", "2026-11-28T05:59", True),  # Saturday morning belongs to Friday's night
        ("18:00-06:00", "2026-11-28T23:00", False),
        ("18:00-06:00", "2026-11-30T05:00", False),  # and Monday morning to Sunday's
        ("", "2026-11-25T10:00", False),
    ],
)
def test_office_hours(hours: str, when: str, is_it: bool) -> None:
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    assert is_open(hours, datetime.fromisoformat(when).replace(tzinfo=zone).timestamp(), zone) is is_it
