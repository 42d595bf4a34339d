"""Writes down what is not told, to whom and why, at the moment it is decided: nobody can tell later from a
configuration that has changed since. Pure.

One decision about an incident is one intent that is never sent; its id says what was decided, so that the same decision
made again in the next step is the same row. Those that concern some readers list them in the body.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, tzinfo

from netmon.alerts.plan_people import Reader, passed_over
from netmon.alerts.plan_record import OTHERS, Record, others_text
from netmon.model import Incident, Intent
from netmon.state import State


class Untold:
    """The decisions of one moment: those made at once are in ``found``, the others after ``finish``."""

    def __init__(self, record: Record, found: dict[str, Intent], now: float, zone: tzinfo) -> None:
        self.record, self.found, self.now, self.zone = record, found, now, zone
        self._held: dict[str, tuple[Incident, str, str, list[str]]] = {}

    def decide(self, incident: Incident, reason: str, what: str = "muted", body: str = "") -> None:
        """A decision about an incident as a whole, once."""
        if (key := f"{incident.id}-{what}") not in self.record:
            self.found.setdefault(
                key,
                Intent(key, incident.id, what, "", "", "", body, self.now, reason, "suppressed"),
            )

    def hold(self, incident: Incident, contact: str, what: str, reason: str) -> None:
        """News that one contact is not told now."""
        if (key := f"{incident.id}-{what}") not in self.record:
            self._held.setdefault(key, (incident, what, reason, []))[3].append(contact)

    def wait(self, incident: Incident) -> None:
        """Nobody is told yet."""
        if incident.cause.kind == "planned":
            self.decide(incident, "planned:told only if the works are overrun", "planned")
        elif incident.kind == "alert":
            self.decide(incident, f"hours:told when the office opens at {self.clock(incident.tell_at)}", "waits")
        else:
            wait_s = incident.tell_at - incident.began_at
            self.decide(incident, f"tell_after:told only if it lasts {wait_s:.0f} s", "waits")

    def clock(self, at: float) -> str:
        return datetime.fromtimestamp(at, self.zone).strftime("%H:%M")

    def finish(
        self,
        incidents: Mapping[int, Incident],
        readers: Mapping[int, Iterable[Reader]],
        state: State,
        resting: Collection[str],
    ) -> None:
        """With what is told now: why the others are not. And what was held back from whom."""
        for intent in [i for i in self.found.values() if i.change == "opened" and i.incident in readers]:
            incident, episode = incidents[intent.incident], intent.id.split("-")[1]
            chosen = {reader.contact.id for reader in readers[incident.id]}
            others = passed_over(incident, state, chosen, resting)
            self.decide(incident, OTHERS, "others" if episode == "0" else f"others{episode}", others_text(others))
        for incident, what, reason, contacts in self._held.values():
            self.decide(incident, reason, what, ", ".join(contacts))
