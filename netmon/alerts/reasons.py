"""What the recorded reason of a decision says, in a person's words. Pure.

A reason is written by `plan` for the record and stays as it was written; here it is only read. One that is not known
here (of an older version) is shown as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from netmon.alerts.messages_facts import Scene
from netmon.alerts.plan_record import DIGEST, OTHERS
from netmon.model import Intent

PATTERNS = tuple(
    (re.compile(pattern), key)
    for pattern, key in (
        (r"muted:absorbed", "absorbed"),
        (r"muted:page", "page"),
        (r"muted:notify", "switched_off"),
        (r"silenced:(?P<who>.*?): (?P<text>.*)", "silenced"),
        (r"tell_after:.* (?P<seconds>\d+) s", "tell_after"),
        (r"hours:.* (?P<t>\d\d:\d\d)", "hours"),
        (r"planned:", "planned"),
        (r"own news:", "own"),
        (r"peer:", "peer"),
        (r"pair:", "pair"),
        (r"blip:", "blip"),
        (r"no contact has", "nobody"),
        (r"quiet:.* (?P<t>\d\d:\d\d)", "quiet"),
        (r"storm:.* (?P<t>\d\d:\d\d)", "storm"),
        (r"start:.* (?P<t>\d\d:\d\d)", "start"),
        (r"flapping:", "flapping"),
        (r"escalation:none", "storm_single"),
        (r"no_backup:", "no_backup"),
        (r"channel missing:the contact has none", "channel_none"),
        (r"channel missing:the contact has no phone", "no_phone"),
        (r"channel missing:the contact has no (?P<what>zalo\w*) id", "no_zalo"),
        (r"channel missing:not in", "channel_gone"),
        (r"channel missing:Alertmanager", "alertmanager"),
        (r"duplicate:[^|]*\|(?P<who>[^|]*)\|(?P<channel>[^|]*)", "duplicate"),
        (r"storm: over (?P<count>\d+) within (?P<seconds>\d+) s", "digest_storm"),
        (r"start of netmon", "digest_start"),
        (r"end of the quiet hours", "digest_quiet"),
        (r"brief of the day", "brief"),
        (r"change of shift", "shift"),
        (r"explained:", "explained"),
        (r"fallback of (?P<channel>\S+)", "fallback"),
        (
            r"\w+ told to (?P<why>\w+)(?: of (?P<areas>\S+))?(?: on duty by (?P<roster>\S+))?$",
            "told",
        ),
    )
)


def is_known(reason: str) -> bool:
    """Whether there are words for it; what points to other decisions is shown by them."""
    return reason.startswith((DIGEST, OTHERS)) or any(pattern.match(reason) for pattern, _ in PATTERNS)


def reason_text(intent: Intent, scene: Scene) -> str:
    """Why something is, or is not, sent."""
    for pattern, key in PATTERNS:
        if found := pattern.match(intent.reason):
            given = {name: value or "" for name, value in found.groupdict().items()}
            if key != "told":
                return _written(key, given, scene)
            areas = given["areas"].split(",") if given["areas"] else ()
            return reader_text(given["why"], areas, given["roster"], scene)
    return intent.reason


def _written(key: str, given: dict[str, str], scene: Scene) -> str:
    if "seconds" in given:
        given["dur"] = scene.duration(float(given["seconds"]))
    if "who" in given:
        given["who"] = person(given["who"], scene)
    return scene.words.text(f"untold.{key}", **given)


def reader_text(why: str, areas: Iterable[str], roster: str, scene: Scene) -> str:
    """Why somebody is a reader: ``why`` and ``areas`` of plan_people.Reader, and the roster by which he is on duty."""
    words, known = scene.words, scene.state.inventory.areas
    if why in ("site", "backup", "told"):
        text = words.text(f"told.{why}")
    else:
        where = ", ".join(known[a].name if a in known else a for a in areas) or words.text("why.everywhere")
        text = words.text("told.audience", audience=words.text(f"audience.{why}"), areas=where)
    return f"{text}, {words.text('told.on_duty', roster=roster)}" if roster else text


def person(contact: str, scene: Scene) -> str:
    """A contact's name; his id where the inventory knows him no more."""
    known = scene.state.inventory.contacts.get(contact)
    return known.name if known is not None else contact
