"""Alerts of the catalogue as incidents: joined to the incident that explains them, else one of their own. Pure.

An alert with tell `now` or `hours` (then told within office hours only) joins the open incident of its site that
explains it, else opens its own; one with tell `verdict` only ever joins. A firing that was told as part of a fault is
not told again when that fault has ended.
"""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from netmon.alerts import rootcause
from netmon.alerts.faults import NETMON
from netmon.alerts.hours import next_begin
from netmon.alerts.joining import AlertKey, better, explains, note, place_of, still_visible, worst
from netmon.alerts.ledger import Ledger
from netmon.alerts.verdict import LOST
from netmon.model import AlertState, Incident, Subject
from netmon.state import State


class AlertIncidents:
    """Works on the ledger it shares with the book of faults."""

    def __init__(self, ledger: Ledger) -> None:
        self._book = ledger

    def step(self, state: State) -> None:
        """Let every firing alert join an incident or open one; end those that fire no more."""
        self._state = state
        firing = {k: a for k, a in state.alerts.items() if a.firing_at is not None}
        owned = {key for incident in self._book.open.values() for key in incident.alerts}
        at_place: dict[Subject, list[int]] = {}
        for incident in self._book.open.values():
            at_place.setdefault(place_of(incident.subject, state.inventory), []).append(incident.id)
        for key, alert in firing.items():
            if key in owned or alert.tell not in ("now", "hours", "verdict"):
                continue
            place = place_of(alert.subject, state.inventory)
            there = (self._book.open[i] for i in at_place.get(place, ()))
            home = next((incident for incident in there if explains(incident, alert)), None)
            if home is not None:
                self._attach(home, key, alert)
            elif alert.tell != "verdict" and self._opens(key, alert, place):
                at_place.setdefault(place, []).append(self._open_alert(key, alert))
        for incident in [i for i in self._book.open.values() if i.kind == "alert"]:
            self._follow_alert(incident, any(key in firing for key in incident.alerts))

    def _attach(self, incident: Incident, key: AlertKey, alert: AlertState) -> None:
        new = note(replace(incident, alerts=(*incident.alerts, key)), self._book.now, "evidence", alert.alertname)
        if incident.kind == "alert":
            new = replace(new, cause=better(new.cause, rootcause.of_alert(alert, self._state)))
            new = replace(new, severity=worst(new.severity, alert.severity))
        self._book.change("raised" if new.severity != incident.severity else "updated", new)

    def _opens(self, key: AlertKey, alert: AlertState, place: Subject) -> bool:
        """False where the alert belongs to a fault that is dealt with elsewhere, or was told as part of one."""
        if self._book.condition_of(NETMON) is not None:
            return False  # blind, or only just able to see again
        verdict = self._state.verdicts.get(place)
        if alert.subject.kind != "sensor" and verdict is not None and verdict.condition in LOST:
            return False
        past = (i for i in self._book.closed.values() if i.kind != "alert" and key in i.alerts)
        return not any(i.closed_at is not None and alert.since <= i.closed_at for i in past)

    def _open_alert(self, key: AlertKey, alert: AlertState) -> int:
        cause = rootcause.of_alert(alert, self._state)
        for closed in reversed(self._book.closed.values()):
            if closed.kind == "alert" and key in closed.alerts and closed.closed_at is not None:
                if alert.since > closed.closed_at + self._book.config.alerts.reopen_s:
                    break
                again = replace(closed, began_at=alert.since, closed_at=None, good_since=None, flaps=closed.flaps + 1)
                self._book.change("reopened", note(again, self._book.now, "reopened", alert.alertname))
                return again.id
        new = Incident(
            id=self._book.take_id(),
            subject=alert.subject,
            kind="alert",
            severity=alert.severity,
            began_at=alert.since,
            opened_at=self._book.now,
            cause=cause,
            first_cause=cause.kind,
            alerts=(key,),
            tell_at=self._tell_at(alert),
        )

        self._book.change("opened", note(new, self._book.now, "opened", alert.alertname))
        return new.id

    def _tell_at(self, alert: AlertState) -> float:
        """Now, or when the office opens."""
        config, now = self._book.config, self._book.now
        if alert.tell != "hours":
            return now
        return next_begin(config.alerts.office_hours, now, ZoneInfo(config.timezone))

    def _follow_alert(self, incident: Incident, firing: bool) -> None:
        if firing:
            if incident.good_since is not None:
                again = replace(incident, good_since=None, flaps=incident.flaps + 1)
                self._book.change("updated", note(again, self._book.now, "flap"))
        elif not still_visible(incident, self._state):
            if incident.good_since is not None:
                self._book.keep(replace(incident, good_since=None))
        elif incident.good_since is None:
            self._book.change("updated", replace(incident, good_since=self._book.now))
        elif self._book.now - incident.good_since >= self._book.config.alerts.recovered_s:
            self._book.close(incident)
