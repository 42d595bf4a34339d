"""The brief of the morning: one sentence to read out, what is wrong, and what is told once a day. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from netmon.alerts.joining import place_of
from netmon.alerts.messages import Message
from netmon.alerts.messages_digest import incident_list
from netmon.alerts.messages_facts import Scene, Texts
from netmon.config import Config
from netmon.counts import LOST, headline
from netmon.model import AlertState, Contact, Incident, Subject
from netmon.state import State

DAY_S = 86400.0
MOST_ALERTS = 40
DAILY = ("daily", "hours")


def sentence(state: State, words: Texts, config: Config, zone: tzinfo, now: float) -> str:
    """MESSAGES.md, the morning sentence: sites and communes by condition and cause, and how long netmon was blind."""
    found = headline(state, now, zone)
    lost = sum(found.conditions.get(condition, 0) for condition in LOST)
    unknown = found.conditions.get("unknown", 0)
    scene = Scene(NOTHING, state, words, config, Contact("", ""), zone, now)
    causes = ", ".join(
        words.text("brief.cause", n=n, cause=words.text(f"brief.{cause}")) for cause, n in found.causes.items()
    )
    return words.text(
        "brief.sentence" if lost else "brief.all_up",
        t=scene.time(now),
        date=f"{datetime.fromtimestamp(now, zone):%d/%m}",
        up=found.up,
        n=found.total,
        lost=lost,
        unknown=words.text("brief.unknown_sites", n=unknown) if unknown else "",
        causes=causes,
        communes=found.communes,
        communes_lost=found.communes_lost,
        communes_partly=found.communes_partly,
        blind=f"{blind_s(state, now, now - DAY_S) / 60:.0f}",
    )


def blind_s(state: State, now: float, since: float) -> float:
    """How long nobody watched since a moment, at most a day ago: no daemon ran, or its own uplink was lost."""
    spans = list(state.health.gaps)
    for incident in state.incidents.values():
        if incident.subject.kind == "netmon" and incident.kind == "outage":
            spans.append((incident.began_at, incident.ended_at if incident.ended_at is not None else now))
    found, seen = 0.0, since
    for begin, end in sorted(spans):
        found += max(0.0, min(end, now) - max(begin, seen))
        seen = max(seen, end)
    return found


def render_morning(
    mine: Sequence[Incident],
    state: State,
    words: Texts,
    config: Config,
    form: str,
    contact: Contact,
    *,
    zone: tzinfo,
    now: float,
) -> Message:
    """The brief for one reader; for SMS there is none."""
    said = sentence(state, words, config, zone, now)
    subject = words.text("mail.subject_morning", date=said_date(state, words, config, zone, now))
    if form != "long":
        return Message(subject, said)

    def scene(incident: Incident) -> Scene:
        return Scene(incident, state, words, config, contact, zone, now)

    body = [said, ""]
    body += incident_list("lost_list", [i for i in mine if i.open], scene, words)
    alerts = sorted((a for a in state.alerts.values() if a.firing_at is not None and a.tell in DAILY), key=_order)
    if alerts:
        body.append(f"{words.text('mail.daily_list')}:")
        body += [f"- {_alert(alert, state, words)}" for alert in alerts[:MOST_ALERTS]]
        if len(alerts) > MOST_ALERTS:
            body.append(f"- {words.text('mail.list_more', count=len(alerts) - MOST_ALERTS)}")
    return Message(subject, "\n".join([*body, f"{words.text('mail.why')}: {words.text('why.morning')}"]))


def said_date(state: State, words: Texts, config: Config, zone: tzinfo, now: float) -> str:
    """The day of the brief as people write it."""
    return Scene(NOTHING, state, words, config, Contact("", ""), zone, now).full_time(now).split()[-1]


def _order(alert: AlertState) -> tuple[str, str]:
    return alert.alertname, alert.subject.id


def _alert(alert: AlertState, state: State, words: Texts) -> str:
    try:
        name = words.text(f"alert.{alert.alertname}")
    except KeyError:  # a rule of the operator's own
        name = alert.alertname
    inventory = state.inventory
    place = place_of(alert.subject, inventory)
    site, node = inventory.sites.get(place.id), inventory.nodes.get(place.id)
    return f"{name}: {site.name if site else node.name if node else alert.subject.id}"


NOTHING = Incident(0, Subject("netmon", "netmon"), "outage", "info", 0.0, 0.0)
