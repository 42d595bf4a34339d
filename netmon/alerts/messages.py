"""What a person is told about one incident: e-mail, chat or SMS, in his language. Pure: state and `now` in, text out.

Texts and rules: MESSAGES.md; the words stand in words.yml under `chat`, `sms`, `mail`, `state` and `do`, one entry per
kind of news (`kind_of`). Every message works without a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from netmon.alerts import messages_drill, parts
from netmon.alerts.messages_facts import MOST_EVIDENCE, UNITS, Scene, Texts, lower_first
from netmon.alerts.messages_mail import mail, subject
from netmon.config import Config
from netmon.model import Change, Contact, Evidence, Incident, SensorType, Subject
from netmon.sensor_quality import moved, word_of
from netmon.state import SensorView, State

BY_CAUSE = ("power", "line", "device")  # causes whose suspicion reads otherwise than their confirmation
# Somebody at the site knows most.
ASK_SITE = ("power_suspected", "unknown", "line_suspected", "overrun_power", "report")
MAINS_ASKED = ("power_suspected", "overrun_power")
ALERT_KINDS = {"SensorSilent": "silent", "SensorFast": "fast", "GatewaySilent": "gateway"}  # with texts of their own
LOST = ("down", "unreachable")
MAINS_GOOD = {"ups_on_mains", "mains_present", "mains_fed_sensor", "neighbour_ups_on_mains"}


@dataclass(frozen=True, slots=True)
class Message:
    """``subject`` is used where the channel has one."""

    subject: str
    body: str


def render(
    change: Change,
    state: State,
    words: Texts,
    config: Config,
    form: str,
    contact: Contact,
    *,
    zone: tzinfo,
    now: float,
    detail: str = "plain",
    why: str = "",
    special: str = "",
    answerable: bool = False,
) -> Message:
    """The message of ``form`` long, short or sms. ``why`` tells the reader why he gets it (e-mail only).

    ``special``: flapping, escalated or to_site, which have texts of their own.
    """
    scene = Scene(change.incident, state, words, config, contact, zone, now, detail != "full", answerable)
    kind = special or kind_of(change)
    args = arguments(scene, kind)
    if state.drill:
        if form == "sms":
            return Message("", messages_drill.sms(scene, kind, args))
        title, body = messages_drill.mail(scene, *mail(scene, kind, args, why))
        return Message(title, "\n".join(messages_drill.chat(scene, kind, args) if form == "short" else body))
    if form == "sms":
        short = {"where": scene.where(short=True), "NODE": scene.node_phrase(short=True, capitals=True)}
        return Message("", parts.sms(words.parts(f"sms.{kind}"), {**args, **short}))
    title, body = mail(scene, kind, args, why)
    if form == "short":
        found = parts.lines(words.parts(f"chat.{kind}"), args)
        if kind == "to_site":  # who sits there is asked what he sees, and needs neither evidence nor a map
            return Message(title, "\n".join(found))
        if change.kind != "closed":
            found += parts.lines(words.parts("chat.rest"), args)
        return Message(title, "\n".join(found + _links(scene)))
    return Message(title, "\n".join([*body, *_links(scene)]))


def summaries(
    incident: Incident, state: State, words: Mapping[str, Texts], config: Config, zone: tzinfo, now: float
) -> dict[str, str]:
    """For Alertmanager: the ``name``, and one line in each language (``summary`` is Vietnamese, ``summary_en``)."""
    change = Change("opened" if incident.open else "closed", incident, now)
    found: dict[str, str] = {}
    for language, texts in words.items():
        scene = Scene(incident, state, texts, config, Contact("", ""), zone, now)
        kind = kind_of(change)
        line = subject(scene, kind, arguments(scene, kind)).removeprefix(f"[netmon {incident.number}] ")
        found["summary" if language == "vi" else f"summary_{language}"] = line
        found["name"] = scene.where(short=False)
    return found


def provider_report(
    incident: Incident, state: State, words: Texts, config: Config, zone: tzinfo, now: float
) -> tuple[str, str] | None:
    """(SMS, longer text) that reports the circuit to its provider, for a person to approve; None without a circuit."""
    scene = Scene(incident, state, words, config, Contact("", ""), zone, now)
    args = arguments(scene, kind_of(Change("opened", incident, now)))
    if not args["channel"] or incident.kind not in ("outage", "redundancy", "degraded"):
        return None
    short = parts.sms(words.parts("sms.to_provider"), {**args, "where": scene.where(short=True)})
    return short, "\n".join(parts.lines(words.parts("chat.to_provider"), args))


def kind_of(change: Change) -> str:
    """Which text tells this: the last part of the keys in words.yml."""
    incident, closed = change.incident, change.kind == "closed"
    if incident.subject.kind == "netmon" and incident.kind == "outage":
        return "blind_over" if closed else "blind"
    if incident.kind == "alert":
        names = [name for name, _ in incident.alerts]
        if "SensorAlarm" in names or "SensorWarning" in names:
            return "alarm_over" if closed else "alarm"
        alert = names[0] if names else ""
        return "alert_over" if closed else ALERT_KINDS.get(alert, "alert")
    if incident.kind == "report":
        return "report_over" if closed else "report"
    if incident.cause.kind == "planned" and not closed and incident.kind != "degraded":
        return _lost(incident)  # told only when it is overdue, whatever is lost
    if incident.kind == "redundancy":
        return "redundancy_back" if closed else "redundancy"
    if incident.subject.kind == "node":
        if incident.kind == "degraded":
            return "degraded_over" if closed else "node_degraded"
        return "node_back" if closed else "node"
    if incident.kind == "degraded":
        return "degraded_over" if closed else "degraded"
    return _back(incident) if closed else _lost(incident)


def _lost(incident: Incident) -> str:
    cause = incident.cause
    if cause.kind in BY_CAUSE:
        return cause.kind if cause.confirmed else f"{cause.kind}_suspected"
    if cause.kind == "planned":  # told only when it is overdue
        return "overrun_power" if any(e.key == "planned_power" for e in cause.evidence) else "overrun"
    return "upstream" if cause.kind == "upstream" else "unknown"


def _back(incident: Incident) -> str:
    told, found = incident.first_cause, incident.cause.kind
    return "corrected" if told not in ("unknown", found) else "back"  # also where nobody knows any more


def arguments(scene: Scene, kind: str) -> Mapping[str, str]:
    """Everything the texts may name; "" for what is not known or not so."""
    incident, words = scene.incident, scene.words
    cause = incident.cause
    keys = {e.key for e in cause.evidence}
    battery = next((e.at for e in cause.evidence if e.key == "ups_on_battery"), None)
    until = next((e.at for e in cause.evidence if e.key == "planned_until"), None)
    said = incident.timeline[0].text if incident.kind == "report" and incident.timeline else ""
    lines = scene.lines()
    ended = incident.good_since or incident.closed_at or scene.now
    back = incident.closed_at is not None
    args: dict[str, str] = {
        "id": scene.shown_id,
        "where": scene.where(short=False),
        "node": scene.node_phrase(short=False),
        "NODE": scene.node_phrase(short=False, capitals=True),
        "t": scene.time(incident.began_at),
        "t_full": scene.full_time(incident.began_at),
        "t_found": scene.time(incident.opened_at),
        "t_end": scene.time(ended) if back else "",
        "t_ups": scene.time(battery) if battery else "",
        "t_until": scene.time(until) if until else "",
        "said": said,
        "dur": scene.duration(ended - incident.began_at) if back else "",
        "cause": scene.cause(cause),
        "CAUSE": scene.cause(cause).upper(),
        "cause_full": scene.cause_full(cause),
        "before": lower_first(words.text(f"cause.{incident.first_cause}")),
        "confirmed": _flag(cause.confirmed and cause.kind != "unknown"),
        "rebooted": _flag("rebooted" in keys and cause.kind == "power"),
        "ups_missing": _flag("ups" in cause.missing and battery is None),
        "mains_good": _flag(bool(keys & MAINS_GOOD)),
        "parent_up": _flag("parent_port_up" in keys),
        "evidence": "; ".join(scene.evidence(e) for e in sorted(cause.evidence, key=_weak)[:MOST_EVIDENCE]),
        "quality": scene.evidence(cause.evidence[0]) if cause.evidence and incident.kind == "degraded" else "",
        "channel": lines[0].circuit if lines else "",
        "waited": scene.duration(scene.now - incident.opened_at),
        "flaps": str(incident.flaps or "") if kind != "flapping" else "",
        "count": str(incident.flaps + 1),
        "now_state": words.text("word.up" if back or incident.good_since else "word.down"),
        "trunk": _flag(cause.kind == "upstream" and scene.node is not None and scene.node.kind == "aggregation"),
        **_children(scene),
        **_sensor(scene),
        **_gateway(scene),
        **_alert(scene),
        **_calls(scene, kind),
    }
    if args["trunk"]:
        args["cause"] = words.text("word.trunk")
    args["do"] = _advice(scene, kind, args)
    return args


def _weak(evidence: Evidence) -> bool:
    """True for what goes without saying: a chat message has room for little."""
    return evidence.key == "router_silent"


def _flag(value: bool) -> str:
    return "1" if value else ""


def _children(scene: Scene) -> dict[str, str]:
    incident, verdicts = scene.incident, scene.state.verdicts
    still = [s for s in incident.children if (v := verdicts.get(Subject("site", s))) and v.condition in LOST]
    count = len(incident.children)
    return {
        "k": str(count),
        "k2": str(len(incident.already_down)),
        "k_up": str(count - len(still)),
        "k_down": str(len(still)),
        "some": _flag(bool(count)),
        "some_before": _flag(bool(count and incident.already_down)),
        "only_some": _flag(bool(count) and not incident.already_down),
        "still_down": _flag(bool(still)),
        "all_up": _flag(bool(count) and not still),
    }


def _sensor(scene: Scene) -> dict[str, str]:
    sensor = scene.sensor
    args = {"quantity": scene.incident.subject.id, "value": "", "limit": "", "t_value": "", "trend": ""}
    if sensor is not None:
        kind = scene.state.inventory.sensor_types.get(sensor.type)
        view = scene.state.sensors.get(sensor.id)
        args["quantity"] = (kind.words.get(scene.words.language) or kind.quantity) if kind else sensor.type
        if view is not None and view.value is not None and view.received_at is not None:
            word = word_of(kind, view.value, scene.words.language) if kind else ""
            args["value"] = word or _amount(scene, kind, view.value)
            args["t_value"] = scene.time(view.received_at)
            if kind and not word:
                args["limit"] = _limit(scene, kind, view.value)
                args["trend"] = _trend(scene, kind, view)
    # Parts name what they need; these are for which of several is said.
    limit, value = bool(args["limit"]), bool(args["value"])
    return args | {
        "no_value": _flag(not value),
        "value_only": _flag(value and not limit),
        "limit_only": _flag(limit and not args["trend"]),
        "no_trend": _flag(not args["trend"]),
    }


def _amount(scene: Scene, kind: SensorType | None, value: float) -> str:
    unit = UNITS.get(kind.unit, kind.unit) if kind else ""
    return f"{scene.number(value)} {unit}".strip()


def _trend(scene: Scene, kind: SensorType, view: SensorView) -> str:
    """How it moved lately: what is too small to be read is not said."""
    found = moved(view, kind)
    if found is None or scene.number(abs(found.change)) == "0":
        return ""
    key = "word.rose" if found.change > 0 else "word.fell"
    return scene.words.text(key, by=_amount(scene, kind, abs(found.change)), dur=scene.duration(found.over_s))


def _gateway(scene: Scene) -> dict[str, str]:
    """How many sensors are silent through it, and since when; which they are is evidence."""
    gateway = scene.gateway
    view = scene.state.gateways.get(gateway.id) if gateway is not None else None
    if gateway is None or view is None:
        return {"n_silent": "", "t_heard": "", "gateway": "", "alone": ""}
    placed = scene.site is not None or scene.node is not None
    return {
        "gateway": gateway.name if placed else "",
        "alone": _flag(not placed),
        "n_silent": str(len(view.silent) or ""),
        "t_heard": scene.time(view.heard_at or view.spoke_at or view.since),
    }


def _limit(scene: Scene, kind: SensorType, value: float) -> str:
    """The limit that a value is beyond, the alarm's first."""
    over = [x for x in (kind.alarm_above, kind.warn_above) if x is not None and value >= x]
    under = [x for x in (kind.alarm_below, kind.warn_below) if x is not None and value <= x]
    return scene.number((over or under)[0]) if over or under else ""


def _alert(scene: Scene) -> dict[str, str]:
    incident = scene.incident
    alert = incident.alerts[0][0] if incident.alerts else ""
    try:
        name = scene.words.text(f"alert.{alert}" if alert else f"page.severity_{incident.severity}")
    except KeyError:  # a rule of the operator's own
        name = alert
    return {"alert": name, "ALERT": name.upper()}


def _calls(scene: Scene, kind: str) -> dict[str, str]:
    """Whom to call: somebody at the site where that helps, else the NOC, unless the reader is the NOC."""
    words, site = scene.words, scene.site_contact()
    reader_is_noc = "noc" in scene.contact.audiences
    answer = _answer(scene, kind)
    noc = "" if reader_is_noc else scene.config.notify.noc_phone
    call = words.text("sms.call_noc", phone=noc) if noc else ""
    if site is not None and kind in ASK_SITE:
        call = words.text("sms.call", phone=site.phone)
    elif answer and kind != "node_back":  # one-way channels say whom to call instead (MESSAGES.md)
        call, answer = answer, ""
    return {
        "call": call,
        "noc": noc,
        "answer": answer,
        "hears": _flag(scene.answerable),
        "one_way": _flag(not scene.answerable),
        "answers": words.text("word.answers", id=scene.shown_id) if scene.answerable and scene.incident.open else "",
        "urgent": _flag(bool(noc) and not scene.answerable),
        "at_tel": words.text("word.at_tel", phone=site.phone) if site else "",
    }


def _answer(scene: Scene, kind: str) -> str:
    """How to answer by SMS: taken, or what the site is asked, or what else is lost."""
    if not scene.answerable or (not scene.incident.open and kind != "node_back"):
        return ""
    key = {"node_back": "answer_list"}.get(kind, "answer_mains" if kind in MAINS_ASKED else "answer")
    return scene.words.text(f"sms.{key}", id=scene.shown_id)


def _advice(scene: Scene, kind: str, args: Mapping[str, str]) -> str:
    alert = scene.incident.alerts[0][0] if scene.incident.kind == "alert" and scene.incident.alerts else ""
    key = "battery" if alert.startswith("Ups") else kind
    channel = scene.words.text("word.with_channel", channel=args["channel"]) if args["channel"] else ""
    try:
        return scene.words.text(f"do.{key}", at_tel=args["at_tel"], with_channel=channel)
    except KeyError:  # nothing to do about good news
        return ""


def _links(scene: Scene) -> list[str]:
    """A map for surveyed places, the incident's page where a public address is configured."""
    found = []
    if (place := scene.place()) is not None and scene.incident.open:
        link = f"https://www.openstreetmap.org/?mlat={place.lat:.5f}&mlon={place.lon:.5f}#map=17"
        found.append(f"{scene.words.text('mail.map')}: {link}")
    if url := scene.config.web.public_url.rstrip("/"):
        found.append(f"{scene.words.text('mail.link')}: {url}/incidents/{scene.incident.id}")
    return found
