"""Ways to people: apprise's services, Zalo, a generic HTTP template, Alertmanager. One function each."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A server that redirects would get our token sent elsewhere, or a GET that tells nobody: a wrong URL."""

    def redirect_request(self, *args: object) -> None:
        return None


OPENER = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one person over one channel, as a channel needs it."""

    id: str  # stable: the same message sent again bears the same
    thread: str  # what belongs together: an incident
    subject: str
    body: str
    at: float = 0.0  # when it was decided
    name: str = ""
    email: str = ""
    phone: str = ""
    zalo: str = ""
    zalo_bot: str = ""


def plain_reason(error: Exception) -> str:
    """Why a connection failed, in words that cannot hold a URL: some of http.client's errors quote it."""
    reason = getattr(error, "reason", error)
    return (reason.strerror if isinstance(reason, OSError) else None) or type(reason).__name__
