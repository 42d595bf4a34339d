"""What a message may say about an incident, as texts by name: "" where it is not known, so that its part is left out.

Pure. Rules of MESSAGES.md: 10:31, or 23/11 22:41 when not today; decimal comma in Vietnamese; no address, device model
or port leaves the house unless the channel says ``detail: full``; only surveyed points become places to go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Protocol

from netmon.alerts.parts import Part
from netmon.config import Config
from netmon.model import (
    Cause,
    Contact,
    Device,
    Evidence,
    Gateway,
    Incident,
    Line,
    Node,
    Place,
    Sensor,
    Site,
    Subject,
)
from netmon.state import State
from netmon.vietnamese import fold, sort_key

FIELD_AUDIENCES = frozenset({"technician", "noc", "ops"})  # contacts of a site who do not sit there
UNITS = {"Cel": "°C", "%RH": "%", "m3/h": "m³/h", "m3": "m³"}  # SenML and UCUM codes that people write otherwise
SAID_IN_NAMES = ("Nút gom", "Điểm gom", "Lõi")  # how names of nodes begin in inventories
MOST_NAMES = 30
MOST_EVIDENCE = 2  # in a chat message; an e-mail has all


class Texts(Protocol):
    """The words of one language (netmon/words.py)."""

    language: str

    def text(self, key: str, /, **args: Any) -> str: ...

    def parts(self, key: str, /) -> tuple[Part, ...]: ...


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a text is made from. ``plain`` is false where the channel may carry addresses and ports."""

    incident: Incident
    state: State
    words: Texts
    config: Config
    contact: Contact
    zone: tzinfo
    now: float
    plain: bool = True
    answerable: bool = False  # by a reply on this channel

    # --- how things read ---

    def time(self, at: float) -> str:
        """10:31, or 23/11 22:41 when not today."""
        then, today = datetime.fromtimestamp(at, self.zone), datetime.fromtimestamp(self.now, self.zone)
        return f"{then:%H:%M}" if then.date() == today.date() else f"{then:%d/%m %H:%M}"

    def full_time(self, at: float) -> str:
        return f"{datetime.fromtimestamp(at, self.zone):%H:%M %d/%m/%Y}"

    def number(self, value: float) -> str:
        return self.decimal(f"{value:.1f}".removesuffix(".0"))

    def decimal(self, text: str) -> str:
        return text.replace(".", ",") if self.words.language == "vi" else text

    def duration(self, seconds: float) -> str:
        """The two largest units: 1 giờ 34 phút."""
        whole = max(0, int(seconds))
        sizes = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
        first = next((n for n, (_, size) in enumerate(sizes) if whole >= size), len(sizes) - 1)
        shown = sizes[first : first + 2] if first < 2 else sizes[first : first + 1]
        counts: list[str] = []
        for unit, size in shown:
            count, whole = divmod(whole, size)
            if count or not counts:
                counts.append(f"{count} {self.words.text(f'unit.{unit}')}")
        return " ".join(counts)

    def evidence(self, evidence: Evidence) -> str:
        """One fact a person can check; without the names of ports on plain channels."""
        args = {k: self.decimal(v) if k in ("percent", "ms") else v for k, v in evidence.args.items()}
        if self.plain and "port" in args:
            args["port"] = ""
        try:
            text = self.words.text(f"ev.{evidence.key}", **{"t": self.time(evidence.at), **args})
        except KeyError:  # a fact without words must not cost the message
            text = f"{evidence.key} {self.time(evidence.at)}"
        return " ".join(text.split())

    def cause(self, cause: Cause) -> str:
        """mất điện / nghi mất điện / chưa rõ nguyên nhân."""
        name = lower_first(self.words.text(f"cause.{cause.kind}"))
        if cause.kind == "unknown" or cause.confirmed:
            return name
        return self.words.text("word.suspected", cause=name)

    def cause_full(self, cause: Cause) -> str:
        """The cause with how sure it is, and after a recovery by what."""
        name = lower_first(self.words.text(f"cause.{cause.kind}"))
        if cause.kind == "unknown":
            return name
        if not cause.confirmed:
            return self.words.text("word.is_suspected", cause=name)
        proof = next((e for e in reversed(cause.evidence) if e.key in ("rebooted", "not_rebooted", "port_moved")), None)
        if proof is not None:
            return self.words.text("word.is_confirmed_by", cause=name, evidence=self.evidence(proof))
        return self.words.text("word.is_confirmed", cause=name)

    # --- what it is about ---

    @property
    def shown_id(self) -> str:
        """1043; of a drill its own number, D07, whatever its incidents are called within."""
        return self.state.drill or str(self.incident.number)

    @property
    def site(self) -> Site | None:
        thing = self._thing()
        if isinstance(thing, Site):
            return thing
        site = thing.site if isinstance(thing, Line | Device | Sensor | Gateway) else ""
        return self.state.inventory.sites.get(site)

    @property
    def node(self) -> Node | None:
        thing = self._thing()
        if isinstance(thing, Node):
            return thing
        node = thing.node if isinstance(thing, Device | Sensor | Gateway) else ""
        return self.state.inventory.nodes.get(node)

    @property
    def sensor(self) -> Sensor | None:
        thing = self._thing()
        return thing if isinstance(thing, Sensor) else None

    @property
    def gateway(self) -> Gateway | None:
        thing = self._thing()
        return thing if isinstance(thing, Gateway) else None

    def _thing(self) -> Site | Line | Node | Device | Sensor | Gateway | None:
        inventory, key = self.state.inventory, self.incident.subject.id
        things: Mapping[str, Mapping[str, Site | Line | Node | Device | Sensor | Gateway]] = {
            "site": inventory.sites,
            "line": inventory.lines,
            "node": inventory.nodes,
            "device": inventory.devices,
            "sensor": inventory.sensors,
            "gateway": inventory.gateways,
        }
        return things.get(self.incident.subject.kind, {}).get(key)

    def where(self, short: bool) -> str:
        """UBND xã Lộc Thành (Lộc Ninh), or the node, or the sensor's own name; ``short`` for SMS."""
        if (site := self.site) is not None:
            area = self.state.inventory.areas.get(site.area)
            name = site.sms_name if short else site.name
            label = (area.sms_name if short else area.name) if area else ""
            return f"{name} ({label})" if label else name
        if (node := self.node) is not None:
            return node.short_name or node.name if short else bare(node.name)
        if self.incident.subject.kind == "netmon":
            return self.words.text("word.netmon")
        thing = self.sensor or self.gateway
        return thing.name or thing.id if thing is not None else self.incident.subject.id

    def node_phrase(self, short: bool, capitals: bool = False) -> str:
        """nút gom Bù Gia Mập: the kind of node said once, whatever the node is called."""
        node = self.node
        if node is None:
            return self.incident.subject.id
        kind = self.words.text(f"node_kind.{node.kind}")
        name = (node.short_name or node.name) if short else bare(node.name)
        # Names for SMS have no diacritics, so only there "Loi" may be the word for a core.
        plain: Callable[[str], str] = fold if short else str.casefold
        for said in (kind,) if short else (kind, *SAID_IN_NAMES):
            if plain(name).startswith(plain(said) + " "):
                name = name[len(said) + 1 :]
        return f"{kind.upper() if capitals else kind} {name}"

    def lines(self) -> list[Line]:
        """The lines of the site, those that are lost first."""
        site = self.site
        if site is None:
            return []
        found = [line for line in self.state.inventory.lines.values() if line.site == site.id]
        return sorted(found, key=lambda line: not self._lost(line))

    def _lost(self, line: Line) -> bool:
        verdict = self.state.verdicts.get(Subject("line", line.id))
        return verdict is not None and verdict.condition in ("down", "unreachable")

    def site_contact(self) -> Contact | None:
        """Somebody at the site who can be called; never the reader himself."""
        contacts = (self.state.inventory.contacts.get(c) for c in (self.site.contacts if self.site else ()))
        return next(
            (c for c in contacts if c and c.phone and c != self.contact and not FIELD_AUDIENCES & set(c.audiences)),
            None,
        )

    def place(self) -> Place | None:
        """Where to go, if somebody has surveyed it (PAINS 36)."""
        own = self.sensor or self.gateway
        thing = own if own and own.place else self.site or self.node
        place = thing.place if thing is not None else None
        return place if place is not None and place.quality == "surveyed" else None

    def names(self, sites: Iterable[str]) -> str:
        """Names of sites in dictionary order, the first thirty."""
        known = self.state.inventory.sites
        return self.listed(known[s].name for s in sites if s in known)

    def listed(self, names: Iterable[str]) -> str:
        """In dictionary order, the first thirty."""
        names = sorted(names, key=sort_key)
        more = [self.words.text("word.more", count=len(names) - MOST_NAMES)] if len(names) > MOST_NAMES else []
        return ", ".join(names[:MOST_NAMES] + more)


def bare(name: str) -> str:
    """A node's name without what is explained in parentheses."""
    return name.split(" (")[0]


def lower_first(text: str) -> str:
    """For the middle of a sentence; abbreviations stay as they are."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]
