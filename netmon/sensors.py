"""The state of a sensor: a pure machine of readings, time, the way they come, and the connection to the broker.

In this order: a broker that is away makes it unknown; a silence (too long, or told by a last will) makes it stale,
explained (what it comes ``via`` is down) or unknown (netmon cannot see); a value out of its valid range, or that its
sender calls bad, is invalid; then limits with hold and hysteresis. A replay is no sign of life, and no older reading
replaces a newer one.
"""

from __future__ import annotations

import math
from dataclasses import replace

from netmon.model import Condition, Reading, Sensor, SensorState, SensorType
from netmon.sensor_quality import same_since, trailed
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
    *,
    via_heard_at: float | None = None,
    watched: bool = True,
) -> SensorView:
    """The view after ``now``. Call it with every reading and, with None, now and then.

    ``via_condition`` is that of the line, site or gateway it comes through, None where nothing explains a silence;
    ``via_heard_at`` is when its gateway was last heard; ``broker_connected`` is None where readings do not come through
    a broker; ``watched`` is False while its limits do not count.
    """
    new = _hearing(view, now, via_condition, broker_connected)
    if reading is None or reading.sensor != sensor.id or not watched:
        new = _timed(new, kind, now, watched)
    if reading is not None and reading.sensor == sensor.id:
        new = gone(new, reading.received_at) if reading.gone else _take(new, kind, reading, watched)
    state = _state(new, view, kind, now, via_condition, broker_connected, via_heard_at)
    if not watched and state in ("warning", "alarm"):
        state = "ok"
    return new if state == view.state else replace(new, state=state, since=_since(new, state, kind, now))


def gone(view: SensorView, at: float) -> SensorView:
    """The view after somebody told that the sensor is there no more; `step` says what follows. A word of it ends it."""
    return view if view.gone_at is not None else replace(view, gone_at=at)


def shifted(view: SensorView, step_s: float) -> SensorView:
    """The view after the clock was stepped: no silence and no hold grows or shrinks by that."""
    times = (
        "since", "at", "received_at", "breach_since", "alarm_since", "hearing_since", "gone_at", "same_since",
    )  # fmt: skip
    moved = {name: at + step_s for name in times if (at := getattr(view, name)) is not None}
    return replace(view, trail=tuple((at + step_s, value) for at, value in view.trail), **moved)


def overdue_at(view: SensorView, kind: SensorType) -> float:
    """When its silence is too long; infinity for who speaks only when something happens, or was never heard."""
    if view.received_at is None or kind.silence_s <= 0:
        return math.inf
    return moment(view, view.received_at) + kind.silence_s


def moment(view: SensorView, received_at: float) -> float:
    """When the value on show was measured, as well as we know."""
    return received_at if view.at is None else min(view.at, received_at)


def _hearing(view: SensorView, now: float, via: Condition | None, broker_connected: bool | None) -> SensorView:
    """Keep since when a report could have reached us: it is what a silence is counted from."""
    deaf = broker_connected is False or via in AWAY
    if deaf:
        return replace(view, hearing_since=None) if view.hearing_since is not None else view
    return replace(view, hearing_since=now) if view.hearing_since is None else view


def _take(view: SensorView, kind: SensorType, reading: Reading, watched: bool) -> SensorView:
    """The view with the reading's value, unless it is a replay or older than what is known."""
    if reading.retained:
        # A replay may be days old: shown where nothing else is known, but never a sign of life.
        known = view.value is not None
        return view if known else replace(view, value=reading.value, at=reading.at)
    # A moment after this arrival was told by a clock that has been set back since.
    late = view.received_at is not None and reading.moment < moment(view, view.received_at) <= reading.received_at
    if late or (reading.mark == "old" and _superseded(view, reading)):
        return view if view.gone_at is None else replace(view, gone_at=None)
    bad = reading.mark == "bad"
    valid = not bad and is_valid(reading.value, kind)
    out = _level(reading.value, kind, 0) if watched and valid else 0
    held = reading.moment
    return replace(
        view,
        value=reading.value,
        at=reading.at,
        received_at=reading.received_at,
        skew_s=reading.skew_s,
        bad=bad,
        gone_at=None,
        same_since=same_since(view, kind, reading),
        trail=trailed(view.trail, held, reading.value, kind.within_s) if valid else view.trail,
        breach_since=(view.breach_since if view.breach_since is not None else held) if out >= 1 else None,
        alarm_since=(view.alarm_since if view.alarm_since is not None else held) if out >= 2 else None,
    )


def _superseded(view: SensorView, reading: Reading) -> bool:
    """Whether what is known is newer than a value that the device had kept, by the device's clock if it gave times."""
    if view.received_at is None:
        return False
    if reading.skew_s or reading.at is None:
        return True
    return reading.at <= (view.received_at if view.at is None else view.at + view.skew_s)


def _timed(view: SensorView, kind: SensorType, now: float, watched: bool) -> SensorView:
    """Hold times begin when the limits begin to count, and end when they do not."""
    if not watched:
        return view if view.breach_since is None else replace(view, breach_since=None, alarm_since=None)
    if view.breach_since is not None or view.received_at is None or view.value is None:
        return view
    out = _level(view.value, kind, 0) if not view.bad and is_valid(view.value, kind) else 0
    return replace(view, breach_since=now, alarm_since=now if out >= 2 else None) if out else view


def is_valid(value: float, kind: SensorType) -> bool:
    """Whether a value can be true at all."""
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
    via_heard_at: float | None,
) -> SensorState:
    if view.received_at is None or view.value is None or broker_connected is False:
        return "unknown"
    if view.gone_at is not None or now > overdue_at(view, kind):
        return _silent(view, before, kind, now, via, via_heard_at)
    if kind.silence_s <= 0 and via in AWAY:
        return "explained"  # it speaks only when something happens, and could not be heard
    if view.bad or not is_valid(view.value, kind):
        return "invalid"
    return _judged(view, before, kind, now)


def _silent(
    view: SensorView,
    before: SensorView,
    kind: SensorType,
    now: float,
    via: Condition | None,
    via_heard_at: float | None,
) -> SensorState:
    if via in AWAY:
        died_before = before.state == "stale" and now - before.since > EXPLAINED_LATE_S
        return "stale" if died_before else "explained"
    if via == "unknown":
        return "unknown"
    if view.gone_at is not None:
        return "stale"
    # Nothing at all came through its gateway since it should have spoken: the gateway is in doubt, not the sensor.
    if via_heard_at is not None and via_heard_at <= overdue_at(view, kind) and before.state != "stale":
        return "explained"
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
    if state == "stale" and view.gone_at is not None:
        return view.gone_at
    if state == "stale" and view.received_at is not None and view.hearing_since is not None:
        return max(moment(view, view.received_at), view.hearing_since) + kind.silence_s
    if state == "alarm" and view.alarm_since is not None:
        return view.alarm_since
    if state == "warning" and view.breach_since is not None:
        return view.breach_since
    return now
