"""Who is on duty: rotation by turns of some days, and swaps. Pure; local wall-clock times as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Turn:
    """One handover: contacts, "" where there was, or is, nobody."""

    at: float
    before: str
    after: str


def turns(roster: Roster, since: float, until: float, zone: tzinfo) -> Iterator[Turn]:
    """The handovers at which somebody else begins, with ``since`` < at <= ``until``, in order."""
    day, last = (datetime.fromtimestamp(at, zone).date() for at in (since, until))
    stamps = {at for swap in roster.swaps for at in (swap.begin, swap.end)}
    while day <= last:
        stamps.add(f"{day} {roster.handover}")
        day += timedelta(days=1)
    for stamp in sorted(stamps):
        at = datetime.strptime(stamp, STAMP).replace(tzinfo=zone).timestamp()
        if since < at <= until:
            turn = Turn(at, on_duty(roster, at - 60.0, zone), on_duty(roster, at, zone))
            if turn.before != turn.after:
                yield turn


def next_change(roster: Roster, now: float, zone: tzinfo) -> Turn | None:
    """When somebody else begins; None where nobody does within two turns."""
    return next(turns(roster, now, now + (2 * roster.days + 1) * 86400.0, zone), None)


def latest_change(roster: Roster, now: float, since: float, zone: tzinfo) -> Turn | None:
    """The last handover after a moment and up to now."""
    return next(reversed(list(turns(roster, since, now, zone))), None)


def duties(rosters: Mapping[str, Roster], now: float, zone: tzinfo) -> dict[str, str]:
    """Everybody on duty now, with the first roster that says so."""
    found: dict[str, str] = {}
    for roster in rosters.values():
        found.setdefault(on_duty(roster, now, zone), roster.id)
    found.pop("", None)  # before the first turn
    return found


def off_duty(rosters: Mapping[str, Roster], now: float, zone: tzinfo) -> set[str]:
    """Everybody who takes turns somewhere and whose turn it is nowhere."""
    resting = {contact for roster in rosters.values() for contact in roster.rotation}
    return resting - duties(rosters, now, zone).keys()
