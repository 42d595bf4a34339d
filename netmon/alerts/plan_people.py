"""Who is to be told of an incident, and why he: by audience and area, the site's own contacts first. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from netmon.alerts.messages_facts import Texts
from netmon.model import Contact, Gateway, Incident, Inventory, Sensor
from netmon.state import State

OUTAGE = ("technician", "noc")
BLIND = ("noc", "ops")


@dataclass(frozen=True, slots=True)
class Reader:
    """One recipient. ``why``: ``site``, ``drill`` or his audience; ``areas`` those of his that it concerns."""

    contact: Contact
    why: str
    areas: tuple[str, ...] = ()  # empty: he is in charge of everything, or it is his own site


def audiences(incident: Incident, state: State) -> tuple[str, ...]:
    """Who ought to know: by the rule for alerts, technicians and NOC for what is lost."""
    if incident.subject.kind == "netmon" and incident.kind == "outage":
        return BLIND
    if incident.kind != "alert":
        return OUTAGE
    rules = [state.alerts[key].audience for key in incident.alerts if key in state.alerts]
    # After a restart an alert may not fire again yet; the NOC can pass it on.
    return tuple(dict.fromkeys(rules)) or ("noc",)


def areas(incident: Incident, inventory: Inventory) -> set[str]:
    """Areas of the sites concerned; empty where there are none (then only people in charge of everything are told)."""
    subject = incident.subject
    sites = {*incident.children, *incident.already_down}
    if subject.kind == "site":
        sites.add(subject.id)
    elif subject.kind == "line" and subject.id in inventory.lines:
        sites.add(inventory.lines[subject.id].site)
    elif subject.kind == "device" and subject.id in inventory.devices:
        sites.add(inventory.devices[subject.id].site)
    elif (thing := owned(incident, inventory)) is not None:
        sites.add(thing.site)
    return {inventory.sites[s].area for s in sites if s in inventory.sites}


def owned(incident: Incident, inventory: Inventory) -> Sensor | Gateway | None:
    """The sensor or gateway that an incident is about."""
    things: Mapping[str, Mapping[str, Sensor | Gateway]] = {"sensor": inventory.sensors, "gateway": inventory.gateways}
    return things.get(incident.subject.kind, {}).get(incident.subject.id)


def readers(incident: Incident, state: State, resting: Collection[str] = ()) -> list[Reader]:
    """Everybody to be told, the site's own contacts first, each once; not who is off duty (``resting``).

    Of a drill: exactly those it was given, who are all the contacts that its copy of the state has.
    """
    inventory = state.inventory
    if state.drill:
        return [Reader(contact, "drill") for contact in inventory.contacts.values()]
    wanted, where = audiences(incident, state), areas(incident, inventory)
    found: dict[str, Reader] = {}
    site = inventory.sites.get(incident.subject.id) if incident.subject.kind == "site" else None
    if site is not None and "technician" in wanted:
        for key in site.contacts:
            if (contact := inventory.contacts.get(key)) is not None:
                found.setdefault(key, Reader(contact, "site"))
    thing = owned(incident, inventory)
    if thing is not None and (owner := inventory.contacts.get(thing.owner)) is not None:
        found[owner.id] = Reader(owner, "owner")
    for contact in inventory.contacts.values():
        audience = next((a for a in wanted if a in contact.audiences), None)
        if audience is None or (contact.areas and not where & set(contact.areas)):
            continue
        if audience == "owner" and thing is not None and thing.owner and thing.owner != contact.id:
            continue
        found.setdefault(contact.id, Reader(contact, audience, tuple(sorted(where & set(contact.areas)))))
    return [reader for reader in found.values() if reader.contact.id not in resting]


def passed_over(
    incident: Incident, state: State, chosen: Iterable[str], resting: Collection[str]
) -> dict[str, list[str]]:
    """Why each other contact is not told: ``off_duty`` | ``audience`` | ``area`` | ``owner`` -> contacts."""
    wanted, found = set(audiences(incident, state)), dict[str, list[str]]()
    would = {reader.contact.id for reader in readers(incident, state)}
    for contact in state.inventory.contacts.values():
        if contact.id in chosen:
            continue
        if contact.id in would and contact.id in resting:
            why = "off_duty"
        else:
            mine = wanted & set(contact.audiences)
            why = "owner" if mine == {"owner"} else "area" if mine else "audience"
        found.setdefault(why, []).append(contact.id)
    return found


def why_text(reader: Reader, inventory: Inventory, words: Texts) -> str:
    """The sentence at the end of an e-mail."""
    if reader.why in ("site", "backup", "drill"):
        return words.text(f"why.{reader.why}")
    names = [inventory.areas[a].name for a in reader.contact.areas if a in inventory.areas]
    where = ", ".join(names) or words.text("why.everywhere")
    return words.text("why.audience", audience=words.text(f"audience.{reader.why}"), areas=where)
