"""Messages through apprise. Blocking: called in a notifier's thread. The URL may hold tokens and is never logged."""

from __future__ import annotations

import logging

import apprise

from netmon.alerts.channels import Outgoing, mail
from netmon.config import Channel
from netmon.errors import CollectError

# apprise logs addresses and answers of services; netmon says what happened in its own words, without secrets.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


def send(channel: Channel, message: Outgoing) -> None:
    """Raises CollectError: ``config`` for an address apprise cannot use, ``refused`` for anything that may pass."""
    url = channel.url.reveal()
    if url.casefold().startswith(mail.SCHEMES):
        mail.send(channel, message)
        return
    sender = apprise.Apprise()
    if not sender.add(url):
        raise CollectError("config", f"channel {channel.name}: not an address that apprise knows", retryable=False)
    # A chat has no subject line of its own: its text begins with what matters.
    title = message.subject if channel.form == "long" else ""
    if not sender.notify(body=message.body, title=title, body_format=apprise.NotifyFormat.TEXT):
        raise CollectError("refused", f"channel {channel.name}: the service did not take the message")
