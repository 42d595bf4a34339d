"""What people do with an incident: take, assign, comment, keep the provider's ticket, close what they opened. Pure.

Each step adds a line to the timeline that says who and when. A step that cannot be taken raises HandlingError, whose
text is for the person who asked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from netmon.errors import NetmonError
from netmon.model import Incident, Ticket, TimelineEntry

ACK_S = 8 * 3600.0  # a shift: who took it and went home does not keep it for ever
ACK_MOST_S = 7 * 86400.0
TEXT_MOST = 500
TICKET_STEPS = ("reported", "accepted", "closed")


class HandlingError(NetmonError):
    """The step cannot be taken."""


def acknowledge(incident: Incident, who: str, note: str, now: float, for_s: float = ACK_S) -> Incident:
    """Somebody is on it, for so long."""
    _open(incident)
    if not 60.0 <= for_s <= ACK_MOST_S:
        raise HandlingError(f"an incident is taken for 1 minute to {ACK_MOST_S / 86400:.0f} days")
    taken = replace(incident, acked_by=who, acked_until=now + for_s)
    return _note(taken, now, "ack", who, note)


def release(incident: Incident, who: str, note: str, now: float) -> Incident:
    """Nobody is on it any more."""
    _open(incident)
    return _note(replace(incident, acked_by="", acked_until=None), now, "unack", who, note)


def expire(incident: Incident, now: float) -> Incident:
    """The incident without an acknowledgement that is over; the same object where there is none."""
    if not incident.open or incident.acked_until is None or now < incident.acked_until:
        return incident
    return _note(replace(incident, acked_by="", acked_until=None), now, "ack_over", "netmon", incident.acked_by)


def assign(incident: Incident, who: str, contact: str, contacts: Collection[str], now: float) -> Incident:
    """Somebody is to deal with it; "" takes it from everybody."""
    _open(incident)
    if contact and contact not in contacts:
        raise HandlingError(f"no contact {contact!r}; known: {', '.join(sorted(contacts)[:40])}")
    return _note(replace(incident, assigned_to=contact), now, "assigned", who, contact)


def comment(incident: Incident, who: str, text: str, now: float) -> Incident:
    """Something to remember; closed incidents take comments too."""
    if not text.strip():
        raise HandlingError("a comment needs a text")
    return _note(incident, now, "comment", who, text)


def close(incident: Incident, who: str, note: str, now: float) -> Incident:
    """End an incident that a person opened. What netmon sees, ends when netmon sees it end."""
    _open(incident)
    if incident.kind != "report":
        raise HandlingError("netmon sees this fault: it closes by itself when the fault is over")
    return _note(replace(incident, closed_at=now, good_since=now), now, "closed", who, note)


def ticket(incident: Incident, who: str, step: str, number: str, at: float, now: float) -> Incident:
    """One step of the provider's ticket: reported, accepted or closed, at its own time."""
    if at > now + 60.0:
        raise HandlingError("that is in the future")
    old = incident.ticket or Ticket()
    if step == "reported":
        new = replace(old, reported_at=at)
    elif step == "accepted":
        new = replace(old, accepted_at=at)
    elif step == "closed":
        new = replace(old, closed_at=at)
    else:
        raise HandlingError(f"no step {step!r} of a ticket; allowed: {', '.join(TICKET_STEPS)}")
    if number:
        new = replace(new, number=number)
    return _note(replace(incident, ticket=new), now, f"ticket_{step}", who, new.number)


def _open(incident: Incident) -> None:
    if not incident.open:
        raise HandlingError(f"incident {incident.id} is closed")


def _note(incident: Incident, now: float, kind: str, who: str, text: str) -> Incident:
    entry = TimelineEntry(now, kind, who, " ".join(text.split())[:TEXT_MOST])
    return replace(incident, timeline=(*incident.timeline, entry))
