"""What people write to the Zalo Bot: one long poll. Blocking.

Zalo's getUpdates gives out one message at a time and, as far as its pages say, forgets it then; where an update has an
``update_id``, the next poll asks for what follows it. Either way the message's own id keeps it from being taken twice.
"""

from __future__ import annotations

from typing import Any

from netmon.alerts.channels import zalo
from netmon.config import Channel
from netmon.errors import CollectError
from netmon.model import Reply

POLL_S = 20
MARGIN_S = 10.0
MOST_TEXT = 2000


def fetch(channel: Channel, cursor: str, now: float, poll_s: int = POLL_S) -> tuple[list[Reply], str]:
    """(what came, how far it has been read). Raises CollectError."""
    ask: dict[str, object] = {"timeout": poll_s}
    if cursor:
        ask["offset"] = int(cursor)
    try:
        result = zalo.bot(channel, "getUpdates", ask, poll_s + MARGIN_S)
    except CollectError as error:
        if error.reason == "quiet":
            return [], cursor
        raise
    found = []
    for update in result if isinstance(result, list) else [result]:
        if not isinstance(update, dict):
            continue
        if isinstance(update.get("update_id"), int):
            cursor = str(max(int(cursor or 0), update["update_id"] + 1))
        if (reply := _reply(channel.name, update.get("message"), now)) is not None:
            found.append(reply)
    return found, cursor


def _reply(channel: str, message: Any, now: float) -> Reply | None:
    """None for pictures, stickers and what has no text or sender."""
    if not isinstance(message, dict):
        return None
    chat, text = message.get("chat"), message.get("text")
    address = chat.get("id") if isinstance(chat, dict) else None
    number = message.get("message_id")
    if not isinstance(text, str) or not isinstance(address, str | int) or not isinstance(number, str | int):
        return None
    return Reply(f"{channel}|{address}|{number}"[:200], channel, str(address)[:64], "", text[:MOST_TEXT], now)
