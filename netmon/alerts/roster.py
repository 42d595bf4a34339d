"""Who is on duty: rotation by turns of some days, and swaps. Pure; local wall-clock times as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo

from netmon.model import Roster

STAMP = "%Y-%m-%d %H:%M"


def on_duty(roster: Roster, now: float, zone: tzinfo) -> str:
    """The contact whose turn it is, or who stands in for him; "" before the first turn."""
    local = datetime.fromtimestamp(now, zone)
    stamp = local.strftime(STAMP)
    for swap in roster.swaps:
        if swap.begin <= stamp < swap.end:
            return swap.who
    day = local.date() if local.strftime("%H:%M") >= roster.handover else local.date() - timedelta(days=1)
    turn = (day - date.fromisoformat(roster.since)).days // roster.days
    return roster.rotation[turn % len(roster.rotation)] if turn >= 0 else ""


def off_duty(rosters: Mapping[str, Roster], now: float, zone: tzinfo) -> set[str]:
    """Everybody who takes turns somewhere and whose turn it is nowhere."""
    resting: set[str] = set()
    working: set[str] = set()
    for roster in rosters.values():
        resting.update(roster.rotation)
        working.add(on_duty(roster, now, zone))
    return resting - working
