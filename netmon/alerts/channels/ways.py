"""One door to every kind of channel, for the notifier and for whoever sends without a daemon. Blocking."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netmon.alerts.channels import Outgoing, apprise_channel, http, zalo
from netmon.alerts.channels.zalo_tokens import ZaloTokens
from netmon.config import Channel, Config
from netmon.errors import CollectError
from netmon.model import Contact, Intent


class Ways:
    """``config`` is replaced by a reload."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._tokens = ZaloTokens(config.state_dir)
        self._senders: Mapping[str, Callable[[Channel, Outgoing], None]] = {
            "apprise": apprise_channel.send,
            "http": http.send,
            "zalo_oa": lambda channel, message: zalo.send_oa(channel, message, self.config.notify.zalo, self._tokens),
            "zns": lambda channel, message: zalo.send_zns(channel, message, self.config.notify.zalo, self._tokens),
            "zalo_bot": zalo.send_bot,
        }

    def leads_to_people(self, channel: Channel) -> bool:
        """False for what is fed with incidents instead."""
        return channel.kind in self._senders

    def send(self, channel: Channel, message: Outgoing) -> None:
        """Raises CollectError, whatever went wrong; its text holds no secret."""
        try:
            self._senders[channel.kind](channel, message)
        except CollectError:
            raise
        except Exception as error:  # noqa: BLE001  a plugin failed in a way of its own; its text may hold secrets
            raise CollectError("crashed", f"channel {channel.name}: {type(error).__name__}") from None


def outgoing(intent: Intent, contact: Contact, number: int = 0) -> Outgoing:
    """The message of an intent, as a channel needs it. ``number``: what people call its incident."""
    return Outgoing(
        id=intent.id,
        thread=f"incident-{number or intent.incident}" if intent.incident else "",
        subject=intent.subject,
        body=intent.body,
        at=intent.created_at,
        name=contact.name,
        email=contact.email,
        phone=contact.phone,
        zalo=contact.zalo,
        zalo_bot=contact.zalo_bot,
    )
