"""The state of a gateway: silent when all of its sensors are, or when it says so itself. One incident either way. Pure.

Sensors that were never heard and those that speak only when something happens say nothing about it. After an outage of
its way or of the broker its sensors have their usual time to report before it is blamed. That it is gone (its last
will, its bridge's state, a Sparkplug death) counts at once, until any word of it or through it; that it is there does
not speak for its sensors: they may all be cut off from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netmon.model import Condition, Gateway, GatewayState, SensorType, Word
from netmon.sensors import AWAY, EXPLAINED_LATE_S, overdue_at
from netmon.state import GatewayView, SensorView


def judge(
    before: GatewayView,
    gateway: Gateway,
    sensors: Iterable[tuple[SensorView, SensorType]],
    now: float,
    via: Condition | None,
    broker_connected: bool | None,
) -> GatewayView:
    """The view at ``now``. ``via`` is the condition of the line it comes through, None where there is none."""
    heard = [(view, kind) for view, kind in sensors if view.received_at is not None]
    heard_at = max((view.received_at or 0.0 for view, _ in heard), default=None)
    deaf = broker_connected is False or via in AWAY
    hearing = None if deaf else before.hearing_since if before.hearing_since is not None else now
    view = replace(before, gateway=gateway.id, heard_at=heard_at, hearing_since=hearing)
    if view.gone_at is not None and heard_at is not None and heard_at > view.gone_at:
        view = replace(view, gone_at=None)
    regular = [(v, kind) for v, kind in heard if kind.silence_s > 0]
    late = [v for v, kind in regular if v.gone_at is not None or now > overdue_at(v, kind)]
    gone = view.gone_at is not None or (bool(regular) and all(v.gone_at is not None for v, _ in regular))
    lost = gone or (bool(regular) and len(late) == len(regular))
    patience_s = max((kind.silence_s for _, kind in regular), default=0.0)
    if gateway.silence_s and not gone:
        # All of its sensors late is not enough before its own time; and before they are, a word of its own will do.
        patience_s = gateway.silence_s
        last_at = _later(heard_at, view.spoke_at)
        quiet = last_at is not None and now - last_at > patience_s
        lost = quiet or (lost and heard_at is not None and now - heard_at > patience_s)
    state = _state(view, before, now, via, broker_connected, lost, patience_s, gone)
    silent = tuple(v.sensor for v, _ in heard) if state in ("stale", "explained") else ()
    return replace(view, state=state, silent=silent, since=view.since if state == before.state else now)


def _state(
    view: GatewayView,
    before: GatewayView,
    now: float,
    via: Condition | None,
    broker_connected: bool | None,
    lost: bool,
    patience_s: float,
    gone: bool,
) -> GatewayState:
    if broker_connected is False or (view.heard_at is None and view.spoke_at is None and not gone):
        return "unknown"
    if not lost:
        return "ok"
    if via in AWAY:
        return "stale" if before.state == "stale" and now - before.since > EXPLAINED_LATE_S else "explained"
    if via == "unknown":
        return "unknown"
    could_be_heard_s = now - view.hearing_since if view.hearing_since is not None else 0.0
    return "stale" if gone or could_be_heard_s > patience_s or before.state == "stale" else "unknown"


def told(view: GatewayView, word: Word) -> GatewayView:
    """The view after a word of its own; `judge` says what follows.

    A replay is no sign of life, and what has been heard since we listen is newer than a replay that it is gone.
    """
    if not word.gone:
        view = view if word.retained else replace(view, spoke_at=word.at)
        if view.gone_at is None:
            return view
        # Its sensors could not be heard until now: they have their usual time.
        return replace(view, gone_at=None, state="unknown", since=word.at, hearing_since=word.at)
    heard_at = _later(view.heard_at, view.spoke_at)
    listened = heard_at is not None and view.hearing_since is not None and heard_at >= view.hearing_since
    if view.gone_at is not None or (word.retained and listened):
        return view
    return replace(view, gone_at=word.at)


def _later(one: float | None, other: float | None) -> float | None:
    return max((at for at in (one, other) if at is not None), default=None)


def shifted(view: GatewayView, step_s: float) -> GatewayView:
    """The view after the clock was stepped."""
    times = ("since", "heard_at", "hearing_since", "spoke_at", "gone_at")
    return replace(view, **{name: at + step_s for name in times if (at := getattr(view, name)) is not None})


def way(view: GatewayView | None, via: Condition | None) -> Condition | None:
    """What a gateway is as the way of its sensors: the condition of its own line where that is lost or not known, else
    down while it is silent."""
    if via in AWAY or via == "unknown" or view is None:
        return via
    if view.state == "unknown":
        return "unknown"
    return "down" if view.state == "stale" else "up"
