"""What is known now: the latest of everything, kept in memory, read by pages, metrics and rules.

Pure: the event loop writes and reads it; every stored object is immutable, so a reader may keep what it took.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from netmon.model import (
    AlertState,
    Event,
    Figure,
    GatewayState,
    Incident,
    Inventory,
    Labels,
    PollResult,
    SensorState,
    Subject,
    Verdict,
)
from netmon.topology import Topology
from netmon.works import Plans

EVENTS_KEPT = 1000


class Gauges:
    """The live ``netmon_*`` gauges: family -> labels -> value. Rules and /metrics read the same numbers from here."""

    def __init__(self) -> None:
        self._families: dict[str, dict[Labels, float]] = {}
        self._owned: dict[str, tuple[Figure, ...]] = {}
        self._owners: dict[str, dict[Labels, str]] = {}  # as the families: a key of both would be kept for every series

    def set(self, name: str, labels: Labels, value: float) -> None:
        """Set one series that nobody owns (it stays until dropped)."""
        self._families.setdefault(name, {})[labels] = value
        self._owners.get(name, {}).pop(labels, None)

    def drop(self, name: str, labels: Labels) -> None:
        """Remove one series; no error if it is not there."""
        self._families.get(name, {}).pop(labels, None)
        self._owners.get(name, {}).pop(labels, None)

    def replace(self, owner: str, figures: Iterable[Figure]) -> None:
        """Make ``figures`` the only series of ``owner``: series it had before and does not bring now vanish.

        A series that another owner has taken over meanwhile (a line that moved to another device) stays with that one.
        Figures that are the very objects it brought last time are there already.
        """
        new = tuple(figures)
        old = self._owned.get(owner, ())
        other = [(before, now) for before, now in zip(old, new, strict=False) if before is not now]
        if len(old) == len(new) and all(a.name == b.name and a.labels == b.labels for a, b in other):
            fresh = [now for _, now in other]  # the usual case: the same series in the same order
        else:
            there = {id(figure) for figure in old}
            fresh = [figure for figure in new if id(figure) not in there]
            kept = {(figure.name, figure.labels) for figure in new}
            for name, labels in {(figure.name, figure.labels) for figure in old} - kept:
                if self._owners.get(name, {}).get(labels) == owner:
                    self.drop(name, labels)
        for figure in fresh:
            self._families.setdefault(figure.name, {})[figure.labels] = figure.value
            self._owners.setdefault(figure.name, {})[figure.labels] = owner
        if new:
            self._owned[owner] = new
        else:
            self._owned.pop(owner, None)

    def family(self, name: str) -> Mapping[Labels, float]:
        """All series of one family; empty if there is none."""
        return self._families.get(name, {})

    def names(self) -> list[str]:
        return sorted(name for name, series in self._families.items() if series)

    def snapshot(self) -> list[tuple[str, dict[Labels, float]]]:
        """A copy, family by family; safe from another thread, as each step is one operation of the interpreter."""
        return [(name, copy) for name, series in sorted(self._families.copy().items()) if (copy := series.copy())]

    def __iter__(self) -> Iterator[tuple[str, Labels, float]]:
        for name in self.names():
            for labels, value in self._families[name].items():
                yield name, labels, value

    def __len__(self) -> int:
        return sum(len(series) for series in self._families.values())


@dataclass(frozen=True, slots=True)
class Reach:
    """Reachability of one probe target (a line or a node) as measured. ``lost`` is confirmed by a burst."""

    target: str
    lost: bool | None = None  # None: not yet known
    since: float = 0.0  # of the present value of ``lost``; for a loss the first unanswered probe
    last_answer_at: float | None = None
    rtt_s: float | None = None
    loss_ratio: float = 0.0  # over the window, confirmed outages left out
    jitter_s: float = 0.0
    blips: int = 0  # losses shorter than a confirmation
    error: str = ""  # the last ICMP error and its sender
    error_from: str = ""
    unanswered: int = 0  # probes in a row without an answer when the loss was confirmed


@dataclass(frozen=True, slots=True)
class SensorView:
    """The present state of one sensor."""

    sensor: str
    state: SensorState = "unknown"
    since: float = 0.0
    value: float | None = None
    at: float | None = None  # the device's own time
    received_at: float | None = None
    breach_since: float | None = None  # began to be out of its limits, for hold times
    alarm_since: float | None = None  # the same for the alarm limits alone
    hearing_since: float | None = None  # since when netmon could hear it: silence is counted from here at the earliest
    gone_at: float | None = None  # when it was told to be gone (a last will, a death certificate); a reading clears it
    same_since: float | None = None  # when it first said its present value
    trail: tuple[tuple[float, float], ...] = ()  # (moment, value) of its type's window, thinned, the oldest first
    skew_s: float = 0.0  # of the latest reading: not 0 where its clock was not believed
    bad: bool = False  # its sender said of the latest reading that it is not to be believed


@dataclass(frozen=True, slots=True)
class GatewayView:
    """The present state of one gateway, judged by its sensors and by what it says of itself."""

    gateway: str
    state: GatewayState = "unknown"
    since: float = 0.0
    heard_at: float | None = None  # the latest word of any of its sensors
    hearing_since: float | None = None
    silent: tuple[str, ...] = ()  # its sensors, while nothing comes through it
    spoke_at: float | None = None  # the latest word of its own
    gone_at: float | None = None  # when it said, or its will said, that it is gone; any later word ends that


@dataclass(frozen=True, slots=True)
class Said:
    """What a person on site answered: whether there is mains. It counts for the outage during which it was said."""

    mains: bool
    at: float
    who: str


@dataclass(slots=True)
class Health:
    """What netmon says of itself."""

    started_at: float = 0.0
    config_hash: str = ""
    last_reload_at: float = 0.0
    last_reload_ok: bool = True
    reload_refused_at: float = 0.0
    reload_problems: tuple[str, ...] = ()
    first_round_done: bool = False
    broker_connected: bool | None = None  # None: no broker configured
    influx_ok: bool | None = None
    gaps: tuple[tuple[float, float], ...] = ()  # when no daemon ran, of late
    drill: tuple[str, str] | None = None  # the drill that runs, D07, and its place: for the wall to say so
    evaluated_at: float = 0.0  # when verdicts were last judged; pages and /-/healthy tell when this stops
    relieved: bool = False  # the other daemon of a pair told people meanwhile: this start needs no digest
    off_since: float = 0.0  # the last sign of life before this start; 0 = the first start of all


@dataclass(slots=True)
class State:
    """Everything the pages, the metrics and the rules read."""

    inventory: Inventory
    gauges: Gauges = field(default_factory=Gauges)
    reach: dict[str, Reach] = field(default_factory=dict)
    polls: dict[str, PollResult] = field(default_factory=dict)
    sensors: dict[str, SensorView] = field(default_factory=dict)
    gateways: dict[str, GatewayView] = field(default_factory=dict)
    verdicts: dict[Subject, Verdict] = field(default_factory=dict)
    alerts: dict[tuple[str, Labels], AlertState] = field(default_factory=dict)
    incidents: dict[int, Incident] = field(default_factory=dict)  # open ones and those closed lately
    plans: Plans = field(init=False)  # planned works and silences
    outside: dict[tuple[str, Labels], str] = field(default_factory=dict)  # alerts of others -> what each says of itself
    also_known: Mapping[int, int] = field(default_factory=dict)  # numbers of the pair's other daemon -> ours
    said: dict[str, Said] = field(default_factory=dict)  # site -> the latest answer
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))  # traps, the oldest first
    health: Health = field(default_factory=Health)
    revision: int = 0  # grows with every change that a page would show
    drill: str = ""  # of the copy that a drill works on: its number as people read it, D07

    def incident(self, number: int) -> Incident | None:
        """An incident by its number, or by the one that people know it by."""
        return self.incidents.get(number) or self.incidents.get(self.also_known.get(number, 0)) or self._told_as(number)

    def _told_as(self, number: int) -> Incident | None:
        return next((i for i in self.incidents.values() if i.told_as == number), None)

    def __post_init__(self) -> None:
        self.plans = Plans(Topology(self.inventory))
