"""The state of a gateway, judged by its sensors: all of them silent is its fault and one incident. Pure.

Sensors that were never heard and those that speak only when something happens say nothing about it. After an outage of
its way or of the broker its sensors have their usual time to report before it is blamed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netmon.model import Condition, Gateway, GatewayState, SensorType
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
    regular = [(v, kind) for v, kind in heard if kind.silence_s > 0]
    late = [v for v, kind in regular if v.gone_at is not None or now > overdue_at(v, kind)]
    told = bool(regular) and all(v.gone_at is not None for v, _ in regular)
    if gateway.silence_s and heard_at is not None:
        lost, patience_s = told or now - heard_at > gateway.silence_s, gateway.silence_s
    else:
        lost = bool(regular) and len(late) == len(regular)
        patience_s = max((kind.silence_s for _, kind in regular), default=0.0)
    state = _state(view, before, now, via, broker_connected, lost, patience_s, told)
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
    told: bool,
) -> GatewayState:
    if view.heard_at is None or broker_connected is False:
        return "unknown"
    if not lost:
        return "ok"
    if via in AWAY:
        return "stale" if before.state == "stale" and now - before.since > EXPLAINED_LATE_S else "explained"
    if via == "unknown":
        return "unknown"
    could_be_heard_s = now - view.hearing_since if view.hearing_since is not None else 0.0
    return "stale" if told or could_be_heard_s > patience_s or before.state == "stale" else "unknown"


def shifted(view: GatewayView, step_s: float) -> GatewayView:
    """The view after the clock was stepped."""
    heard = None if view.heard_at is None else view.heard_at + step_s
    hearing = None if view.hearing_since is None else view.hearing_since + step_s
    return replace(view, since=view.since + step_s, heard_at=heard, hearing_since=hearing)


def way(view: GatewayView | None, via: Condition | None) -> Condition | None:
    """What a gateway is as the way of its sensors: the condition of its own line where that is lost or not known, else
    down while it is silent."""
    if via in AWAY or via == "unknown" or view is None:
        return via
    if view.state == "unknown":
        return "unknown"
    return "down" if view.state == "stale" else "up"
