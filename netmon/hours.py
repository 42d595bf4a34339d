"""Whether an office is open: its hours, Monday to Friday. Pure."""

from __future__ import annotations

from datetime import datetime, tzinfo

WORKING_DAYS = 5  # Monday to Friday; in what is written for a site there are no days


def is_open(hours: str, now: float, zone: tzinfo) -> bool:
    """``hours`` as in the inventory, "07:00-17:00"; past midnight ("18:00-06:00") it is the day they begin on that
    counts. Without hours nobody is ever there."""
    begin, _, end = hours.partition("-")
    if not end:
        return False
    then = datetime.fromtimestamp(now, zone)
    clock, day = f"{then:%H:%M}", then.weekday()
    if begin <= end:
        return begin <= clock < end and day < WORKING_DAYS
    if clock >= begin:
        return day < WORKING_DAYS
    return clock < end and (day - 1) % 7 < WORKING_DAYS
