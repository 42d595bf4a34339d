"""Writes what devices told (traps) into the timelines of the incidents they are about. Pure.

An event is a witness, no more: it opens nothing and closes nothing. One that came just before its incident opened is
written down then. A flapping port fills no timeline: the same words count once a minute, and only so many in all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netmon.alerts.joining import place_of
from netmon.alerts.ledger import Ledger
from netmon.events import Events
from netmon.model import Change, Event, Incident, Subject, TimelineEntry
from netmon.state import State

BEFORE_S = 30.0  # devices tell before netmon is sure: a burst of probes takes 5 s, an upstream is waited for
AGAIN_S = 60.0
MOST = 40  # of one incident
SILENT = ("other", "auth_failure")  # nothing about the fault


def text_of(event: Event) -> str:
    """For timelines, independent of language: "link_down GE0/0/1"."""
    return " ".join(filter(None, (event.kind, event.if_name or event.text)))


def noted(incident: Incident, event: Event) -> Incident:
    """The incident with the event in its timeline, or as it was if that would say nothing new."""
    entry = TimelineEntry(event.at, "evidence", event.device, text_of(event))
    told = [e for e in incident.timeline if e.kind == "evidence" and e.who != "netmon"]
    again = any((e.who, e.text) == (entry.who, entry.text) and event.at - e.at < AGAIN_S for e in told)
    return incident if again or len(told) >= MOST else replace(incident, timeline=(*incident.timeline, entry))


class EventNotes:
    """``take`` events as they come; ``fill`` the changes of a step with them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._noted: set[int] = set()
        self._at: dict[Subject, list[int]] = {}  # place -> its incidents that were open after the latest step

    def take(self, event: Event, places: Iterable[Subject]) -> None:
        """Write the event into the open incidents at its places."""
        if event.kind not in SILENT:
            for place in places:
                for number in self._at.get(place, ()):
                    if (incident := self._ledger.open.get(number)) is not None:
                        self._write(incident, [event])

    def fill(self, changes: list[Change], state: State, events: Events, now: float) -> list[Change]:
        """The changes of a step, with earlier events in what opened, and one more for each incident written into."""
        if any(change.kind in ("opened", "reopened") for change in changes):
            self._look_back(changes, state, events)
        changes = [replace(c, incident=self._ledger.open.get(c.incident.id, c.incident)) for c in changes]
        changed = {change.incident.id for change in changes}
        fresh = [self._ledger.open[i] for i in sorted(self._noted - changed) if i in self._ledger.open]
        self._noted.clear()
        self._at.clear()
        for incident in self._ledger.open.values():
            self._at.setdefault(place_of(incident.subject, state.inventory), []).append(incident.id)
        return changes + [Change("updated", incident, now) for incident in fresh]

    def _look_back(self, changes: list[Change], state: State, events: Events) -> None:
        recent: dict[Subject, list[Event]] = {}
        for event in state.events:
            if event.kind not in SILENT:
                for place in events.places(event):
                    recent.setdefault(place, []).append(event)
        for change in changes:
            if change.kind in ("opened", "reopened") and change.incident.open:
                since = change.incident.began_at - BEFORE_S
                there = recent.get(place_of(change.incident.subject, state.inventory), ())
                self._write(change.incident, [event for event in there if event.at >= since])

    def _write(self, incident: Incident, events: Iterable[Event]) -> None:
        new = incident
        for event in events:
            new = noted(new, event)
        if new is not incident:
            self._ledger.keep(new)
            self._noted.add(new.id)
