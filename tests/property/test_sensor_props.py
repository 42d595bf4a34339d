"""What holds for every sensor in every history."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from netmon.model import CONDITIONS, Reading, Sensor, SensorType
from netmon.sensors import step
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
