"""What holds for every sensor in every history."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from netmon.model import CONDITIONS, Reading, Sensor, SensorType
from netmon.sensor_quality import is_fast, is_stuck, moved
from netmon.sensors import shifted, step
from netmon.state import SensorView

SENSOR = Sensor("s", "k", "t", "senml")
LIMITS = st.none() | st.integers(-20, 20).map(float)
KINDS = st.builds(
    SensorType,
    id=st.just("k"),
    quantity=st.just("q"),
    unit=st.just(""),
    valid_min=st.none() | st.just(-18.0),
    valid_max=st.none() | st.just(18.0),
    warn_above=LIMITS,
    alarm_above=LIMITS,
    warn_below=LIMITS,
    alarm_below=LIMITS,
    hysteresis=st.integers(0, 3).map(float),
    hold_s=st.sampled_from([0.0, 30.0]),
    silence_s=st.sampled_from([0.0, 60.0, 300.0]),
    within_s=st.sampled_from([0.0, 100.0]),
    rise=st.none() | st.just(5.0),
    stuck_s=st.sampled_from([0.0, 90.0]),
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 100),  # seconds since the step before
        st.none() | st.tuples(st.integers(-20, 20), st.none() | st.integers(-200, 50), st.booleans()),
        st.none() | st.sampled_from(CONDITIONS),
        st.sampled_from([True, True, True, False, None]),
    ),
    max_size=25,
)
GONE = "gone"
WORDS = st.lists(
    st.tuples(
        st.integers(0, 100),  # seconds since the one before
        st.integers(-20, 20) | st.just(GONE),
        st.none() | st.sampled_from(CONDITIONS),
        st.sampled_from([True, True, True, False]),
        st.booleans(),  # whether its limits count
    ),
    max_size=25,
)


def walk(kind: SensorType, words: list, view: SensorView, ahead_s: float = 0.0) -> list[SensorView]:  # type: ignore[type-arg]
    """The views after each word, with the system clock ``ahead_s`` of what it was when the view was made."""
    now, found = view.since + ahead_s, []
    for wait_s, said, via, broker, watched in words:
        now += wait_s
        away = said == GONE
        reading = Reading("s", math.nan if away else float(said), now, gone=away)
        view = step(view, SENSOR, kind, now, reading, via, broker, watched=watched)
        found.append(view)
    return found


def beyond(value: float, kind: SensorType, slack: float) -> bool:
    above = [limit for limit in (kind.warn_above, kind.alarm_above) if limit is not None]
    below = [limit for limit in (kind.warn_below, kind.alarm_below) if limit is not None]
    return any(value > limit - slack for limit in above) or any(value < limit + slack for limit in below)


@given(KINDS, STEPS)
def test_every_history(kind: SensorType, steps: list) -> None:  # type: ignore[type-arg]
    view, now = SensorView("s"), 10_000.0
    for wait_s, event, via, broker in steps:
        now += wait_s
        reading = None
        if event is not None:
            value, offset_s, retained = event
            at = None if offset_s is None else now + offset_s
            reading = Reading("s", float(value), now, at, retained)
        before, view = view, step(view, SENSOR, kind, now, reading, via, broker)

        assert step(view, SENSOR, kind, now, None, via, broker) == view, "looking twice changes nothing"
        assert view.since <= now
        if view.state == before.state:
            assert view.since == before.since
        if broker is False or view.received_at is None:
            assert view.state == "unknown"
        if (found := moved(view, kind)) is not None:
            assert -found.fall <= found.change <= found.rise, "the oldest value of the window is one of them"
            assert 0 < found.over_s <= kind.within_s
        assert not is_stuck(view, kind) or view.state in ("ok", "warning", "alarm")
        if view.state in ("ok", "warning", "alarm", "invalid"):
            assert view.value is not None
            assert view.received_at is not None
            moment = view.received_at if view.at is None else min(view.at, view.received_at)
            assert kind.silence_s == 0 or now - moment <= kind.silence_s, "nothing stale is believed"
        if view.state in ("warning", "alarm"):
            assert view.value is not None
            assert beyond(view.value, kind, kind.hysteresis)
        if view.state == "stale":
            assert kind.silence_s > 0
        if view.state == "explained":
            assert via in ("down", "unreachable")
        if reading is not None and reading.retained:
            assert (view.received_at, view.breach_since, view.alarm_since) == (
                before.received_at,
                before.breach_since,
                before.alarm_since,
            )
        assert (view.alarm_since is None) or (view.breach_since is not None), "an alarm is a breach too"


@given(KINDS, st.lists(st.integers(-20, 20), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_decide_what_is_shown(kind: SensorType, values: list[int], random) -> None:  # type: ignore[no-untyped-def]
    """Readings measured at different moments that arrive shuffled leave the newest measured on show."""
    readings = [Reading("s", float(value), 1000.0, 100.0 + n) for n, value in enumerate(values)]
    random.shuffle(readings)
    view = SensorView("s")
    for reading in readings:
        view = step(view, SENSOR, kind, 1000.0, reading, None, True)
    assert (view.value, view.at) == (float(values[-1]), 100.0 + len(values) - 1)


@given(st.integers(-20, 20), st.integers(0, 3))
def test_hysteresis_never_raises(value: int, slack: int) -> None:
    kind = SensorType("k", "q", "", warn_above=5.0, alarm_above=10.0, hysteresis=float(slack))
    view = step(SensorView("s"), SENSOR, kind, 1.0, Reading("s", float(value), 1.0), None, True)
    plain = step(
        SensorView("s"), SENSOR, replace(kind, hysteresis=0.0), 1.0, Reading("s", float(value), 1.0), None, True
    )
    assert view.state == plain.state


@given(KINDS, WORDS, WORDS, st.integers(-100_000, 100_000))
def test_a_step_of_the_clock_changes_no_state(kind: SensorType, before: list, after: list, step_s: int) -> None:  # type: ignore[type-arg]
    """Whatever happened before the step and happens after it, each state and each flag is what it would have been."""
    start = SensorView("s", since=1_000_000.0)
    view = (walk(kind, before, start) or [start])[-1]
    now = 1_000_000.0 + sum(word[0] for word in before)
    here = walk(kind, after, replace(view, since=now))
    there = walk(kind, after, replace(shifted(view, float(step_s)), since=now + step_s))
    assert [v.state for v in here] == [v.state for v in there]
    assert [is_fast(v, kind) for v in here] == [is_fast(v, kind) for v in there]
    assert [is_stuck(v, kind) for v in here] == [is_stuck(v, kind) for v in there]


@given(KINDS, WORDS, st.data())
def test_replays_and_what_came_before_freshen_nothing(kind: SensorType, words: list, data: st.DataObject) -> None:  # type: ignore[type-arg]
    """A retained copy of any value, and any older value again, leave what is known of time as it was."""
    start = SensorView("s", since=1_000_000.0)
    views = walk(kind, words, start)
    view = views[-1] if views else start
    now = 1_000_000.0 + sum(word[0] for word in words)
    via, broker, watched = words[-1][2:] if words else (None, True, True)
    replay = Reading("s", float(data.draw(st.integers(-20, 20))), now, retained=True)
    after = step(view, SENSOR, kind, now, replay, via, broker, watched=watched)
    if view.value is not None:
        assert after == view
    assert (after.received_at, after.gone_at, after.same_since, after.trail) == (
        view.received_at, view.gone_at, view.same_since, view.trail,
    )  # fmt: skip
    if view.received_at is not None:
        older = Reading("s", 3.0, now, view.received_at - data.draw(st.integers(1, 500)))
        after = step(view, SENSOR, kind, now, older, via, broker, watched=watched)
        assert (after.value, after.received_at, after.at, after.trail) == (
            view.value, view.received_at, view.at, view.trail,
        )  # fmt: skip


@given(KINDS, st.lists(st.tuples(st.integers(1, 50), st.integers(-20, 20)), min_size=1, max_size=8), st.data())
def test_a_duplicate_changes_nothing_wherever_it_comes(kind: SensorType, values: list, data: st.DataObject) -> None:  # type: ignore[type-arg]
    """Each reading once, or some of them again later: the same is shown, and alarms begin at the same moment."""
    at, readings = 1000.0, []
    for wait_s, value in values:
        at += wait_s
        readings.append(Reading("s", float(value), at + 1, at))
    again = data.draw(st.lists(st.sampled_from(readings), max_size=5))
    once = twice = SensorView("s")
    for reading in readings:
        once = step(once, SENSOR, kind, at + 2, reading, None, True)
        twice = step(twice, SENSOR, kind, at + 2, reading, None, True)
        for old in again:
            if old.moment <= reading.moment:
                late = replace(old, received_at=at + 2)
                twice = step(twice, SENSOR, kind, at + 2, late, None, True)
    assert replace(once, received_at=0.0) == replace(twice, received_at=0.0)
