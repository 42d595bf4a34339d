"""What people do with an incident: take, assign, comment, keep the provider's ticket, close what they opened. Pure.

Each step adds a line to the timeline that says who and when. A step that cannot be taken raises HandlingError, whose
text is for the person who asked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from netmon.errors import NetmonError
from netmon.model import Evidence, Incident, Ticket, TimelineEntry

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


def take(incident: Incident, who: str, how: str, now: float) -> Incident:
    """As ``acknowledge``, by a reply on the channel ``how``."""
    return acknowledge(incident, who, how, now)


def cannot(incident: Incident, who: str, how: str, now: float) -> Incident:
    """Somebody cannot go: it is not his any more, and the next one is told."""
    _open(incident)
    if incident.acked_by == who:
        incident = replace(incident, acked_by="", acked_until=None)
    return _note(incident, now, "cannot", who, how)


def there(incident: Incident, who: str, how: str, now: float) -> Incident:
    """Somebody has arrived: it is his unless another has it."""
    _open(incident)
    if not incident.acked_by:
        incident = replace(incident, acked_by=who, acked_until=now + ACK_S)
    return _note(incident, now, "there", who, how)


def finished(incident: Incident, who: str, how: str, now: float) -> Incident:
    """The work is done. What a person opened is closed by it; what netmon sees, ends when netmon sees it end."""
    _open(incident)
    noted = _note(incident, now, "done", who, how)
    return close(noted, who, how, now) if incident.kind == "report" else noted


# What a reply leaves in the timeline: kind, and how its text begins; other verbs a line of their own name.
BY_REPLY = {"take": ("ack", ""), "mains": ("evidence", "mains_said"), "no_mains": ("evidence", "no_mains_said")}


def did(incident: Incident, verb: str, who: str, since: float) -> bool:
    """Whether a reply that came at ``since`` has been followed already."""
    kind, text = BY_REPLY.get(verb, (verb, ""))
    return any(e.kind == kind and e.who == who and e.at >= since and e.text.startswith(text) for e in incident.timeline)


def unable(incident: Incident) -> set[str]:
    """Everybody who has said that he cannot go, and has not thought better of it."""
    found: set[str] = set()
    for entry in incident.timeline:
        if entry.kind == "cannot":
            found.add(entry.who)
        elif entry.kind in ("ack", "there"):
            found.discard(entry.who)
        elif entry.kind == "reopened":
            found.clear()
    return found


def said_of_mains(entry: TimelineEntry) -> Evidence | None:
    """What a person at the site said of the mains, as evidence; None for any other line."""
    said = entry.text.partition(" ")[0]
    spoken = entry.kind == "evidence" and said in ("mains_said", "no_mains_said")
    return Evidence(said, entry.at, {"name": entry.who}) if spoken else None


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


def noted(incident: Incident, kind: str, who: str, text: str, now: float) -> Incident:
    """What a person planned that covers the incident: silenced | silence_over | work | work_over."""
    return _note(incident, now, kind, who, text)


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
