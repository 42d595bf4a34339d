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
from netmon.topology import Topology

SETTLE_S = 120.0  # after a start, or the return of a site: all polled and every `for` of some seconds over


class AlertIncidents:
    """Works on the ledger it shares with the book of faults."""

    def __init__(self, ledger: Ledger) -> None:
        self._book = ledger

    def step(self, state: State, topology: Topology) -> None:
        """Let every firing alert join an incident or open one; end those that fire no more."""
        self._state, self._topology = state, topology
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
            home = next((incident for incident in there if explains(incident, alert)), None) or self._mate(alert, place)
            if home is not None:
                self._attach(home, key, alert)
            elif alert.tell != "verdict" and self._opens(key, alert, place):
                at_place.setdefault(place, []).append(self._open_alert(key, alert))
        for incident in [i for i in self._book.open.values() if i.kind == "alert"]:
            self._follow_alert(incident, any(key in firing for key in incident.alerts))

    def _mate(self, alert: AlertState, place: Subject) -> Incident | None:
        """The open incident of a mate in building or feeder that the same mains cut explains."""
        kind, _ = rootcause.ALERT_CAUSES.get(alert.alertname, ("unknown", ""))
        if kind != "power" or place.kind != "site":
            return None
        mates = {Subject("site", mate) for mate in self._topology.mates_in_power(place.id)}
        for incident in self._book.open.values():
            about = place_of(incident.subject, self._state.inventory)
            lost = incident.kind == "outage" and incident.cause.kind in ("power", "unknown")
            if about in mates and (lost or (incident.kind == "alert" and incident.cause.kind == "power")):
                return incident
        return None

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
        for incident in list(self._book.closed.values()):
            if incident.closed_at is None or incident.kind == "alert":
                continue
            # What fires since the start of the daemon may have begun at any time before.
            before = alert.since <= max(incident.closed_at, self._state.health.started_at + SETTLE_S)
            # ... and what was part of that fault and fires again since its place is seen again, never ended.
            again = verdict is not None and alert.since <= verdict.since + SETTLE_S
            if (before or again) and key in incident.alerts:
                return False
            if before and self._aftermath(incident, alert, place):
                self._book.closed[incident.id] = replace(incident, alerts=(*incident.alerts, key))
                return False
        return True

    def _aftermath(self, incident: Incident, alert: AlertState, place: Subject) -> bool:
        """True for a battery that is low after the power cut that emptied it."""
        kind, _ = rootcause.ALERT_CAUSES.get(alert.alertname, ("unknown", ""))
        sites = {incident.subject.id, *incident.children}
        near = place.kind == "site" and sites & {place.id, *self._topology.mates_in_power(place.id)}
        return kind != "unknown" and bool(near) and incident.cause.kind in (kind, "unknown")

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
