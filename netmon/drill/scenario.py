"""What a drill is made of: its scenario, one entry of which says what netmon is to see, where, from when on. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from netmon.model import CauseKind

About = Literal["site", "node", "netmon", "gateway"]
NUMBER = re.compile(r"[dD]0*([1-9][0-9]{0,5})")
ID_SPAN = 1000  # incidents of drill n have the numbers -1000 n - 999 to -1000 n - 1: below all real ones
LASTS_MOST_S = 4 * 3600.0

# What an entry of the steps may say of a place.
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "probe": ("lost", "answers"),
    "router": ("silent", "answers", "restarts", "restarts_warm"),
    "ups": ("silent", "answers", "mains", "battery", "restarts"),
    "port": ("down", "up"),
    "far_port": ("down", "up"),
    "mains": ("lost", "present"),
    "sensors": ("silent", "answer"),
    "trap": ("link_down", "link_up", "cold_start", "warm_start", "ups_on_battery"),
    "planned": ("power", "provider", "own"),
}
# Where it may be said: of the chosen place, of the sites that share something with it, of its second line.
PLACES: Mapping[str, tuple[str, ...]] = {
    "here": tuple(ACTIONS),
    "mates": ("probe", "router", "ups", "port", "far_port", "mains", "trap"),
    "primary": ("probe", "port", "far_port"),
}
TOGETHER = ("building", "power", "cable", "drop_cable")
# What the chosen place must have.
NEEDS: Mapping[About, tuple[str, ...]] = {
    "site": (
        "one_line", "two_lines", "sfp", "ont", "router", "ups", "no_ups", "far_port", "mains_sensor", "no_mains_sensor",
        "mates",
    ),
    "node": ("aggregation", "core", "probe", "router", "sites"),
    "netmon": (),
    "gateway": ("sensors",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens ``at_s`` seconds after the start. ``charge_ratio``: of the battery, with ``ups``."""

    at_s: float
    where: str  # of PLACES
    action: str  # of ACTIONS
    value: str
    charge_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each may take to pass: from the fault to its incident, to the first message, and from there to a
    person who takes it."""

    detected_s: float = 30.0
    sent_s: float = 120.0
    acknowledged_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One drill as it is written down."""

    name: str
    title: Mapping[str, str]  # by language
    about: About
    cause: CauseKind  # that is right in the end
    steps: tuple[Step, ...]
    needs: tuple[str, ...] = ()
    together: str = ""  # what the mates share with the site
    limits: Limits = field(default_factory=Limits)
    lasts_s: float = 1800.0  # the drill ends by then, whatever has happened
    to: tuple[str, ...] = ()  # contacts

    @property
    def fault_at_s(self) -> float:
        """When the fault begins that is measured: the first loss, else the first step."""
        lost = [step.at_s for step in self.steps if step.value in ("lost", "silent") and step.action != "mains"]
        return min(lost or [step.at_s for step in self.steps])


def label(number: int) -> str:
    """What people call a drill: D07."""
    return f"D{number:02d}"


def number_of(text: str) -> int | None:
    """7 for D7, d07 or D07; None for what is no drill's number."""
    found = NUMBER.fullmatch(text.strip())
    return int(found[1]) if found else None


def first_id(number: int) -> int:
    """The first number for incidents of a drill: they count upwards from here, all below 0."""
    return -(number * ID_SPAN) - ID_SPAN + 1
