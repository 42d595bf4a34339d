"""Hours of the day as people write them, "22:00-05:30". Pure; local wall-clock times."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

DAY = timedelta(days=1)


def window(hours: str, now: float, zone: tzinfo) -> tuple[float, float] | None:
    """The window that holds ``now``, or the last one before it: (begin, end), UTC Unix seconds; None for no hours."""
    if not hours:
        return None
    first, _, last = hours.partition("-")
    local = datetime.fromtimestamp(now, zone)
    begin = at_time(local, first)
    while begin.timestamp() > now:
        begin = at_time(begin - DAY, first)
    end = at_time(begin, last)
    return begin.timestamp(), (end if last > first else at_time(end + DAY, last)).timestamp()


def within(hours: str, now: float, zone: tzinfo) -> bool:
    """Whether ``now`` lies within the hours."""
    found = window(hours, now, zone)
    return found is not None and found[0] <= now < found[1]


def next_begin(hours: str, now: float, zone: tzinfo) -> float:
    """``now`` within the hours, else when they begin next."""
    found = window(hours, now, zone)
    if found is None or now < found[1]:
        return now
    first = hours.partition("-")[0]
    return at_time(datetime.fromtimestamp(found[0], zone) + DAY, first).timestamp()


def at_time(day: datetime, time: str) -> datetime:
    """That time on the day, in the day's own zone."""
    hour, _, minute = time.partition(":")
    return day.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
