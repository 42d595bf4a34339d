"""Ways to people: apprise's services, a generic HTTP template, Alertmanager. One function each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one person over one channel, as a channel needs it."""

    id: str  # stable: the same message sent again bears the same
    thread: str  # what belongs together: an incident
    subject: str
    body: str
    name: str = ""
    email: str = ""
    phone: str = ""
