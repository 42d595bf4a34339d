"""The state of a sensor: a pure machine of readings, time, the way they come, and the connection to the broker.

In this order: a broker that is away makes it unknown; too long a silence makes it stale, explained (what it comes
``via`` is down) or unknown (netmon cannot see); a value out of its valid range is invalid; then limits with hold and
hysteresis.
"""

from __future__ import annotations

import math
from dataclasses import replace

from netmon.model import Condition, Reading, Sensor, SensorState, SensorType
from netmon.state import SensorView

# A line is judged after probes and a check of its parent: a silence noticed up to this long before is still its doing.
EXPLAINED_LATE_S = 60.0
AWAY: tuple[Condition, ...] = ("down", "unreachable")


def step(
    view: SensorView,
    sensor: Sensor,
    kind: SensorType,
    now: float,
    reading: Reading | None,
    via_condition: Condition | None,
    broker_connected: bool | None,
) -> SensorView:
    """The view after ``now``. Call it with every reading and, with None, now and then.

    ``via_condition`` is that of the line or site it comes through, None where nothing explains a silence;
    ``broker_connected`` is None where readings do not come through a broker.
    """
    new = _hearing(view, now, via_condition, broker_connected)
    if reading is not None and reading.sensor == sensor.id and not reading.gone:
        new = _take(new, kind, reading)
    state = _state(new, view, kind, now, via_condition, broker_connected)
    return new if state == view.state else replace(new, state=state, since=_since(new, state, kind, now))


def shifted(view: SensorView, step_s: float) -> SensorView:
    """The view after the clock was stepped: no silence and no hold grows or shrinks by that."""
    times = ("since", "at", "received_at", "breach_since", "alarm_since", "hearing_since")
    return replace(view, **{name: at + step_s for name in times if (at := getattr(view, name)) is not None})


def _hearing(view: SensorView, now: float, via: Condition | None, broker_connected: bool | None) -> SensorView:
    """Keep since when a report could have reached us: it is what a silence is counted from."""
    deaf = broker_connected is False or via in AWAY
    if deaf:
        return replace(view, hearing_since=None) if view.hearing_since is not None else view
    return replace(view, hearing_since=now) if view.hearing_since is None else view


def _take(view: SensorView, kind: SensorType, reading: Reading) -> SensorView:
    """The view with the reading's value, unless it is a replay or older than what is known."""
    if reading.retained:
        # A replay may be days old: shown where nothing else is known, but never a sign of life.
        known = view.value is not None
        return view if known else replace(view, value=reading.value, at=reading.at)
    # A moment after this arrival was told by a clock that has been set back since.
    if view.received_at is not None and reading.moment < _moment(view, view.received_at) <= reading.received_at:
        return view
    out = _level(reading.value, kind, 0) if _valid(reading.value, kind) else 0
    held = reading.moment
    return replace(
        view,
        value=reading.value,
        at=reading.at,
        received_at=reading.received_at,
        breach_since=(view.breach_since if view.breach_since is not None else held) if out >= 1 else None,
        alarm_since=(view.alarm_since if view.alarm_since is not None else held) if out >= 2 else None,
    )


def _moment(view: SensorView, received_at: float) -> float:
    return received_at if view.at is None else min(view.at, received_at)


def _valid(value: float, kind: SensorType) -> bool:
    if not math.isfinite(value):
        return False
    low = kind.valid_min is None or value >= kind.valid_min
    return low and (kind.valid_max is None or value <= kind.valid_max)


def _level(value: float, kind: SensorType, at_least: int) -> int:
    """0 within limits, 1 beyond a warning, 2 beyond an alarm limit; hysteresis holds levels up to ``at_least``."""
    for level, above, below in (
        (2, kind.alarm_above, kind.alarm_below),
        (1, kind.warn_above, kind.warn_below),
    ):
        slack = kind.hysteresis if level <= at_least else 0.0
        if (above is not None and value > above - slack) or (below is not None and value < below + slack):
            return level
    return 0


def _state(
    view: SensorView,
    before: SensorView,
    kind: SensorType,
    now: float,
    via: Condition | None,
    broker_connected: bool | None,
) -> SensorState:
    if view.received_at is None or view.value is None or broker_connected is False:
        return "unknown"
    if kind.silence_s > 0 and now - _moment(view, view.received_at) > kind.silence_s:
        return _silent(view, before, kind, now, via)
    if kind.silence_s <= 0 and via in AWAY:
        return "explained"  # it speaks only when something happens, and could not be heard
    if not _valid(view.value, kind):
        return "invalid"
    return _judged(view, before, kind, now)


def _silent(view: SensorView, before: SensorView, kind: SensorType, now: float, via: Condition | None) -> SensorState:
    if via in AWAY:
        died_before = before.state == "stale" and now - before.since > EXPLAINED_LATE_S
        return "stale" if died_before else "explained"
    if via == "unknown":
        return "unknown"
    could_be_heard_s = now - view.hearing_since if view.hearing_since is not None else 0.0
    # After an outage of the way or the broker it has its usual time to report before it is blamed; a sensor already
    # known to be dead stays so.
    return "stale" if could_be_heard_s > kind.silence_s or before.state == "stale" else "unknown"


def _judged(view: SensorView, before: SensorView, kind: SensorType, now: float) -> SensorState:
    raised = {"warning": 1, "alarm": 2}.get(before.state, 0)
    value = view.value if view.value is not None else 0.0
    kept = min(_level(value, kind, raised), raised)  # what hysteresis keeps of a state already told
    level = kept
    if view.breach_since is not None and now - view.breach_since >= kind.hold_s:
        level = max(level, 1)
    if view.alarm_since is not None and now - view.alarm_since >= kind.hold_s:
        level = 2
    return ("ok", "warning", "alarm")[level]


def _since(view: SensorView, state: SensorState, kind: SensorType, now: float) -> float:
    """When it truly began: a silence when it had lasted too long, a breach with the first value beyond the limit."""
    if state == "stale" and view.received_at is not None and view.hearing_since is not None:
        return max(_moment(view, view.received_at), view.hearing_since) + kind.silence_s
    if state == "alarm" and view.alarm_since is not None:
        return view.alarm_since
    if state == "warning" and view.breach_since is not None:
        return view.breach_since
    return now
