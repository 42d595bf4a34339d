"""How far the value of a sensor can be believed, and how it moves: changes, stuck values, a stamp of quality. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from netmon.model import Quality, Reading, SensorType
from netmon.state import SensorView

TRAIL_POINTS = 5  # kept of a window beside its end: enough for "in 15 minutes", little for 10,000 sensors
CURRENT = ("ok", "warning", "alarm")


@dataclass(frozen=True, slots=True)
class Moved:
    """How a value moved: by ``change`` over ``over_s``, and the most it gained and lost within the window."""

    change: float
    over_s: float
    rise: float
    fall: float


def trailed(
    trail: tuple[tuple[float, float], ...], at: float, value: float, within_s: float
) -> tuple[tuple[float, float], ...]:
    """The trail with one more value, if the last one in it is old enough; nothing older than the window."""
    if within_s <= 0:
        return ()
    if trail and at < trail[-1][0]:  # its clock went back: what was before is at no known distance
        return ((at, value),)
    kept = trail if trail and trail[0][0] >= at - within_s else tuple(p for p in trail if p[0] >= at - within_s)
    return kept if kept and at - kept[-1][0] < within_s / TRAIL_POINTS else (*kept, (at, value))


def same_since(view: SensorView, kind: SensorType, reading: Reading) -> float | None:
    """When the present value began to be said; kept only where staying the same is a fault."""
    if kind.stuck_s <= 0:
        return None
    return view.same_since if view.same_since is not None and view.value == reading.value else reading.moment


def moved(view: SensorView, kind: SensorType) -> Moved | None:
    """How the value moved up to the latest reading; None where there is too little to tell, or it is not current."""
    if view.state not in CURRENT or view.value is None or view.received_at is None or not view.trail:
        return None
    last = view.received_at if view.at is None else min(view.at, view.received_at)
    first_at, first = view.trail[0]
    if last - first_at < kind.within_s / TRAIL_POINTS:
        return None
    values = [value for _, value in view.trail]
    return Moved(view.value - first, last - first_at, view.value - min(values), max(values) - view.value)


def is_fast(view: SensorView, kind: SensorType) -> bool:
    """True while it has gained or lost more within the window than its type allows."""
    found = moved(view, kind)
    if found is None:
        return False
    rise = kind.rise is not None and found.rise > kind.rise
    return rise or (kind.fall is not None and found.fall > kind.fall)


def is_stuck(view: SensorView, kind: SensorType) -> bool:
    """True while it has said one value for too long, by its own readings: silence is another matter."""
    if kind.stuck_s <= 0 or view.same_since is None or view.received_at is None or view.state not in CURRENT:
        return False
    last = view.received_at if view.at is None else min(view.at, view.received_at)
    return last - view.same_since >= kind.stuck_s and view.value not in kind.rest


def word_of(kind: SensorType, value: float, language: str) -> str:
    """What a value is called where it stands for something (open, closed); "" where it is a number."""
    return kind.values.get(language, {}).get(value, "")


def quality(view: SensorView, kind: SensorType) -> Quality:
    """One stamp, the worst that holds: there is no value; it is a replay; its sender calls it bad; it cannot be true;
    it is not current; it does not move; the sensor's clock was not believed; good."""
    if view.value is None:
        return "none"
    if view.received_at is None:
        return "retained"
    if view.state == "invalid":
        return "bad" if view.bad else "invalid"
    if view.state not in CURRENT:
        return "old"
    if is_stuck(view, kind):
        return "stuck"
    return "clock" if view.skew_s else "good"
