"""Which incidents are open, which closed lately, and what changed in this step. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netmon.alerts.joining import cause_text, note
from netmon.config import Config
from netmon.model import Change, ChangeKind, Incident, Subject
from netmon.state import State


class Ledger:
    """``begin`` a step, ``change`` incidents, ``end`` it: one change per incident, the weightiest."""

    def __init__(self, config: Config, incidents: Iterable[Incident], next_id: int, id_step: int = 1) -> None:
        self.config, self._id_step = config, id_step
        self.open: dict[int, Incident] = {}
        self.closed: dict[int, Incident] = {}  # those that may come back
        self.now = 0.0
        self._condition: dict[Subject, Incident] = {}  # open incidents that are no alerts
        self._next_id = next_id
        self._changes: dict[int, Change] = {}
        for incident in incidents:
            if incident.open:
                self.keep(incident)
            elif not incident.timeline or incident.timeline[-1].kind != "child":
                self.closed[incident.id] = incident

    def begin(self, now: float) -> None:
        self.now = now
        self._changes = {}

    def end(self, state: State) -> list[Change]:
        """The changes of this step. Forgets closed incidents that cannot return."""
        for incident in list(self.closed.values()):
            old = self.now - (incident.closed_at or 0.0) > self.config.alerts.reopen_s
            # One whose alert still fires is kept, so as not to tell that firing anew.
            if old and not any(key in state.alerts for key in incident.alerts):
                del self.closed[incident.id]
        return list(self._changes.values())

    def take_id(self) -> int:
        taken = self._next_id
        self._next_id += self._id_step
        return taken

    def condition_of(self, subject: Subject) -> Incident | None:
        """The open incident about the condition of a subject (not one of its alerts)."""
        return self._condition.get(subject)

    def keep(self, incident: Incident) -> None:
        """Store an open incident without a change: a detail nobody is told or shown."""
        self.open[incident.id] = incident
        if incident.kind != "alert":
            self._condition[incident.subject] = incident

    def put(self, incident: Incident) -> None:
        """Store an incident that a person changed, between two steps: open, closed, or closed by this."""
        if incident.open:
            self.keep(incident)
            return
        self._end(incident)
        self.closed[incident.id] = incident

    def _end(self, incident: Incident) -> None:
        self.open.pop(incident.id, None)
        if (now := self._condition.get(incident.subject)) is not None and now.id == incident.id:
            del self._condition[incident.subject]

    def shift(self, step_s: float) -> None:
        """The clock was stepped: a recovery under way, and what may not be told yet, go on as if it had not been."""
        for incident in list(self.open.values()):
            good = None if incident.good_since is None else incident.good_since + step_s
            tell_at = incident.tell_at + step_s if incident.tell_at > self.now else incident.tell_at
            self.keep(replace(incident, good_since=good, tell_at=tell_at))

    def change(self, kind: ChangeKind, incident: Incident) -> None:
        """Record the incident as it is now."""
        before = self._changes.get(incident.id)
        if before is not None and before.kind != "updated" and kind != "closed":
            kind = before.kind
        self._changes[incident.id] = Change(kind, incident, self.now)
        if incident.open:
            self.keep(incident)
            self.closed.pop(incident.id, None)
        else:
            self._end(incident)

    def close(self, incident: Incident) -> None:
        """The fault is over."""
        closed = note(replace(incident, closed_at=self.now), self.now, "closed", cause_text(incident.cause))
        self.change("closed", closed)
        self.closed[closed.id] = closed

    def absorb(self, incident: Incident, owner: int) -> None:
        """The fault turned out to be part of another incident: it ends untold and cannot return."""
        self.change("updated", note(replace(incident, closed_at=self.now), self.now, "child", f"#{owner}"))
