"""What netmon says of itself and is no incident: that it runs, that it stops, that its standby tells now. Pure.

- alive: at the times of `alerts.heartbeat`, so that its absence is noticed.
- last_word: a stop while incidents are open. The digest after the next start joins up with it.
- took_over, handed_back: of a pair, who tells (docs/explanation/pair.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from netmon.alerts import parts
from netmon.alerts.hours import at_time
from netmon.alerts.messages import Message
from netmon.alerts.messages_digest import incident_list
from netmon.alerts.messages_facts import Scene, Texts
from netmon.config import Config
from netmon.counts import LOST, headline
from netmon.model import Contact, Incident, Subject
from netmon.state import State

OwnKind = Literal["alive", "last_word", "took_over", "handed_back"]
ALIVE_S = 1800.0  # netmon was not running at the time: later than this the next one must do
_NOTHING = Incident(0, Subject("netmon", "netmon"), "outage", "info", 0.0, 0.0)


def alive_due(config: Config, zone: tzinfo, now: float) -> float | None:
    """The time of the heartbeat message that is due now, if one is."""
    past = [at for at in _times(config.alerts.heartbeat, zone, now) if at <= now < at + ALIVE_S]
    return max(past, default=None)


def alive_next(config: Config, zone: tzinfo, now: float) -> float:
    """When the next one is due."""
    return min(at for at in _times(config.alerts.heartbeat, zone, now) if at > now)


def _times(given: Sequence[str], zone: tzinfo, now: float) -> list[float]:
    today = datetime.fromtimestamp(now, zone)
    return [at_time(today + timedelta(days=d), text).timestamp() for d in (-1, 0, 1) for text in given]


def unsettled(state: State, now: float) -> list[Incident]:
    """Open incidents that people know of or ought to: no mere quality, no planned works, nothing silenced."""
    return [
        incident
        for incident in state.incidents.values()
        if incident.open
        and incident.kind != "degraded"
        and not (incident.cause.kind == "planned" and now < incident.tell_at)
        and state.plans.silence_of(incident, now) is None
    ]


def render_own(
    kind: OwnKind,
    facts: Mapping[str, float | str],
    open_now: Sequence[Incident],
    state: State,
    words: Texts,
    config: Config,
    form: str,
    contact: Contact,
    *,
    zone: tzinfo,
    now: float,
) -> Message:
    """The message. ``facts``: times by their name in the texts (``t_next``), and flags ("" = not so)."""

    def scene(incident: Incident) -> Scene:
        return Scene(incident, state, words, config, contact, zone, now)

    blank, found = scene(_NOTHING), headline(state, now, zone)
    unknown = found.conditions.get("unknown", 0)
    args = {
        "t_now": blank.time(now),
        "up": str(found.up),
        "n": str(found.total),
        "k": str(sum(found.conditions.get(condition, 0) for condition in LOST)),
        "blind": str(unknown),
        "any_blind": "1" if unknown else "",
        "open": str(len(open_now)),
        "any_open": "1" if open_now else "",
        **{name: blank.time(fact) if isinstance(fact, float) else fact for name, fact in facts.items()},
    }
    if form == "sms":
        return Message("", parts.sms(words.parts(f"sms.{kind}"), args))
    subject = words.text(f"mail.subject_{kind}", **args)
    body = parts.lines(words.parts(f"chat.{kind}"), args)
    if form == "long":
        body += incident_list("lost_list", open_now, scene, words)
        body.append(f"{words.text('mail.why')}: {words.text('why.own')}")
    return Message(subject, "\n".join(body))


def readers_of_own(contacts: Iterable[Contact], resting: Iterable[str]) -> list[Contact]:
    """Who hears of netmon itself: the NOC and who operates it, but not who is off duty."""
    away = set(resting)
    return [c for c in contacts if {"noc", "ops"} & set(c.audiences) and c.id not in away]
