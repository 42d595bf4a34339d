"""ZNS takes no text but the parameters of an approved template: a message as such parameters. Pure.

The operator says which text fills which parameter, and how long the template lets it be. What is too long is cut at a
word; what is not known is a dash, as Zalo refuses parameters that are empty.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Mapping

from netmon.alerts.messages import Message, arguments, kind_of
from netmon.alerts.messages_facts import Scene, upper_first
from netmon.config import Parameter
from netmon.model import Change

BLANKS = ("id", "title", "where", "state", "cause", "time", "text", "name")
UNKNOWN = "-"


def facts(change: Change, scene: Scene, special: str) -> dict[str, str]:
    """What the parameters may say of one incident."""
    incident, kind = change.incident, special or kind_of(change)
    args = arguments(scene, kind)
    known = incident.cause.kind != "unknown" or incident.kind == "outage"  # of an alarm nobody asks for the cause
    return {
        "id": args["id"],
        "where": args["where"],
        "state": upper_first(scene.words.text(f"state.{kind}", **args)),
        "cause": upper_first(args["cause"]) if known else "",
        "time": args["t_end"] or args["t"],
    }


def parameters(wanted: Iterable[Parameter], message: Message, said: Mapping[str, str], name: str) -> Message:
    """``message`` is the chat's; ``said`` are its facts, none for a digest. The body is JSON: parameter -> text."""
    first = message.body.partition("\n")[0]
    values = dict.fromkeys(BLANKS, "") | dict(said) | {"title": message.subject, "text": first, "name": name}
    filled = {p.name: shortened(_fill(p.text, values), p.most) or UNKNOWN for p in wanted}
    return Message(message.subject, json.dumps(filled, ensure_ascii=False))


def shortened(text: str, most: int) -> str:
    """At most so many characters, on one line, cut after a whole word where there is one."""
    text = " ".join(text.split()).strip(" ,;:–-")
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    whole = cut if text[most - 1] == " " else cut.rpartition(" ")[0]
    return (whole or cut).rstrip(" ,.;:–-") + "…"


def blanks(text: str) -> list[str]:
    """The names a template of a parameter asks for. Raises ValueError for a brace that stands alone, or a format."""
    parts = [part for part in string.Formatter().parse(text) if part[1] is not None]
    if any(form or conversion for _, _, form, conversion in parts):
        raise ValueError("a blank has no format")
    return [name or "" for _, name, _, _ in parts]


def _fill(text: str, values: Mapping[str, str]) -> str:
    return text.format(**values)
