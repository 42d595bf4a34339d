"""The e-mail about one incident: its subject, and the one skeleton of its body (MESSAGES.md, E-mail). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netmon.alerts import parts
from netmon.alerts.messages_facts import Scene, upper_first

CLOSED = {
    "back",
    "corrected",
    "node_back",
    "redundancy_back",
    "degraded_over",
    "alarm_over",
    "alert_over",
    "blind_over",
    "report_over",
}
NO_CAUSE = {
    "redundancy", "degraded", "alarm", "silent", "fast", "gateway", "alert", "blind", "node_degraded", "flapping",
    "escalated", "report", "to_site",
}  # fmt: skip
STILL_WORKS = {"redundancy", "degraded", "alarm", "silent", "fast", "gateway", "alert", "node_degraded", "report"}


def mail(scene: Scene, kind: str, args: Mapping[str, str], why: str) -> tuple[str, list[str]]:
    """(subject, lines of the body)."""
    args = {**args, "state": _state(scene, kind, args)}
    return subject(scene, kind, args), list(_body(scene, kind, args, why))


def subject(scene: Scene, kind: str, args: Mapping[str, str]) -> str:
    """The subject alone: all of it in one line."""
    key = f"mail.{_subject(kind, bool(args['some']))}"
    return scene.words.text(key, **{**args, "state": _state(scene, kind, args)})


def _state(scene: Scene, kind: str, args: Mapping[str, str]) -> str:
    text = scene.words.text(f"state.{kind}", **args)
    return upper_first(text) if scene.node is not None else text


def _subject(kind: str, some: bool) -> str:
    if kind in ("node", "node_back"):
        return f"subject_{kind}" if some else f"subject_{kind.replace('node', 'node_alone')}"
    if kind in ("back", "corrected"):
        return "subject_back"
    if kind in CLOSED:
        return "subject_over"
    return "subject_plain" if kind in NO_CAUSE else "subject"


def _body(scene: Scene, kind: str, args: Mapping[str, str], why: str) -> Iterable[str]:
    words, incident = scene.words, scene.incident

    def field(key: str, text: str) -> str:
        return f"{words.text(f'mail.{key}')}: {text}".rstrip()

    yield field("site", _site(scene))
    yield field("status", words.text("mail.until" if kind in CLOSED else "mail.since", **args))
    if incident.kind != "alert" or incident.cause.kind != "unknown":
        yield field("cause", words.text("mail.corrected", **args) if kind == "corrected" else args["cause_full"])
    evidence = [scene.evidence(e) for e in incident.cause.evidence]
    if args["value"]:
        limit = f" ({words.text('page.limit')} {args['limit']})" if args["limit"] else ""
        trend = f", {args['trend']}" if args["trend"] else ""
        evidence.append(f"{args['quantity']} {args['value']}{limit}, {args['t_value']}{trend}")
    if args["n_silent"] and args["t_heard"]:
        evidence.append(words.text("mail.gateway_heard", **args))
    yield field("evidence", "" if evidence else words.text("mail.no_evidence"))
    yield from (f"- {line}" for line in evidence)
    if incident.cause.missing and kind not in CLOSED:
        yield field("missing", "; ".join(words.text(f"missing.{m}") for m in incident.cause.missing))
    if impact := _impact(scene, kind, args):
        yield field("impact", impact)
    if incident.acked_by:
        yield field("done", words.text("mail.taken", who=incident.acked_by))
    elif kind not in CLOSED:
        yield field("done", words.text("mail.not_taken"))
    if args["do"] and kind not in CLOSED:
        yield field("do", args["do"])
    if args["answers"]:
        yield field("answer", args["answers"])
    if contacts := list(_contacts(scene)):
        yield field("contact", "; ".join(contacts))
    if not scene.plain:
        yield from _devices(scene)
    yield from _draft(scene, kind, args)
    if why:
        yield field("why", why)


def _draft(scene: Scene, kind: str, args: Mapping[str, str]) -> Iterable[str]:
    """For the shift, what it may pass on to leaders: netmon sends them nothing by itself (MESSAGES.md, leaders)."""
    contacts = scene.state.inventory.contacts.values()
    leaders = [c.name for c in contacts if set(c.audiences) == {"leader"}]
    if leaders and "noc" in scene.contact.audiences and scene.incident.kind == "outage" and not scene.state.drill:
        yield f"{scene.words.text('mail.draft', names=', '.join(leaders))}:"
        yield from (f"| {line}" for line in parts.lines(scene.words.parts(f"chat.{kind}"), args))


def _site(scene: Scene) -> str:
    site, words = scene.site, scene.words
    if site is None:
        return scene.where(short=False)
    area = scene.state.inventory.areas.get(site.area)
    code = words.text("mail.unit_code", code=site.unit_code) if site.unit_code else ""
    block = words.text(f"page.block_{site.block}")
    return " · ".join(part for part in (site.name, code, area.name if area else "", block) if part)


def _impact(scene: Scene, kind: str, args: Mapping[str, str]) -> str:
    words, incident = scene.words, scene.incident
    found = []
    if kind in ("blind", "blind_over"):
        return words.text("mail.impact_blind", k=args["k"])
    if incident.children:
        found.append(words.text("mail.impact_children", k=args["k"], names=scene.names(incident.children)))
    if args["n_silent"]:
        found.append(words.text("mail.impact_gateway", **args))
    if incident.already_down:
        found.append(words.text("mail.impact_before", k2=args["k2"]))
    silent = _silent_sensors(scene)
    if silent:
        found.append(words.text("mail.impact_sensors", count=silent))
    if not found and scene.site is not None:
        found.append(words.text("mail.impact_alert" if kind in STILL_WORKS else "mail.impact_none"))
    return "; ".join(found)


def _silent_sensors(scene: Scene) -> int:
    incident, inventory = scene.incident, scene.state.inventory
    sites = {incident.subject.id, *incident.children} if incident.subject.kind == "site" else set(incident.children)
    return sum(
        1
        for view in scene.state.sensors.values()
        if view.state == "explained" and (s := inventory.sensors.get(view.sensor)) is not None and s.site in sites
    )


def _contacts(scene: Scene) -> Iterable[str]:
    words = scene.words
    if (contact := scene.site_contact()) is not None:
        yield words.text("mail.contact_site", name=contact.name, phone=contact.phone)
    for line in scene.lines() if scene.incident.kind != "alert" else ():
        if line.provider:
            yield words.text("mail.contact_telco", provider=line.provider, channel=line.circuit or line.id)
    if phone := scene.config.notify.noc_phone:
        yield words.text("mail.contact_noc", phone=phone)


def _devices(scene: Scene) -> Iterable[str]:
    """Addresses and ports, only where the channel says ``detail: full``."""
    inventory, place = scene.state.inventory, scene.site or scene.node
    devices = [d for d in inventory.devices.values() if place is not None and place.id in (d.site, d.node)]
    if devices:
        yield f"{scene.words.text('mail.devices')}:"
    for device in devices:
        ports = [line.if_name for line in scene.lines() if line.device == device.id and line.if_name]
        yield f"- {device.id} ({device.kind}) {device.address}" + "".join(f" {port}" for port in ports)
