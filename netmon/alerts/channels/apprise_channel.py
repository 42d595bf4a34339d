"""Messages through apprise. Blocking: called in the notifier's thread. The URL may hold tokens and is never logged."""

from __future__ import annotations

import logging
from urllib.parse import quote

import apprise

from netmon.alerts.channels import Outgoing
from netmon.config import Channel
from netmon.errors import CollectError

MAIL = ("mailto://", "mailtos://")

# apprise logs addresses and answers of services; netmon says what happened in its own words, without secrets.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


def send(channel: Channel, message: Outgoing) -> None:
    """Raises CollectError: ``config`` for an address apprise cannot use, ``refused`` for anything that may pass."""
    url = address(channel, message)
    sender = apprise.Apprise()
    if not sender.add(url):
        raise CollectError("config", f"channel {channel.name}: not an address that apprise knows", retryable=False)
    mail = url.startswith(MAIL)
    # A chat has no subject line of its own: its text begins with what matters.
    title = message.subject if mail or channel.form == "long" else ""
    if not sender.notify(body=message.body, title=title, body_format=apprise.NotifyFormat.TEXT):
        raise CollectError("refused", f"channel {channel.name}: the service did not take the message")


def address(channel: Channel, message: Outgoing) -> str:
    """The channel's URL, for e-mail with the recipient and the headers that keep a thread together (RFC 5322, 3.6.4).

    apprise makes the Message-ID itself; the stable key of a message is in X-Netmon-Message, so that a duplicate after a
    crash can be recognised.
    """
    url = channel.url.reveal()
    if not url.startswith(MAIL):
        return url
    if not message.email:
        raise CollectError(
            "no_address", f"channel {channel.name}: {message.name} has no e-mail address", retryable=False
        )
    thread = quote(f"<{message.thread}@netmon>")
    extra = (
        f"to={quote(message.email)}&format=text&+X-Netmon-Message={quote(message.id)}"
        f"&+References={thread}&+In-Reply-To={thread}"
    )
    return url + ("&" if "?" in url else "?") + extra
