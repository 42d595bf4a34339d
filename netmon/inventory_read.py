"""One inventory file after another -> a draft of it. Shapes are checked here, relations in ``inventory_check``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from netmon.addresses import ADDRESS, AddressMap, normal
from netmon.config import Config
from netmon.inventory_decoders import Named, read_decoder, read_named
from netmon.inventory_parts import (
    read_contact,
    read_credential,
    read_date,
    read_place,
    read_roster,
    read_sensor_type,
)
from netmon.model import (
    Area,
    Contact,
    Contract,
    Credential,
    Device,
    Gateway,
    Line,
    Node,
    Probe,
    ProbeKind,
    Roster,
    Sensor,
    SensorType,
    Site,
)
from netmon.secrets_load import Secrets
from netmon.yamlfile import Entry

KINDS = (
    "areas", "nodes", "sites", "sensors", "gateways", "sensor_types", "decoders", "topics", "contacts", "rosters",
    "credentials",
)  # fmt: skip
SLUG = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
ID = "an id is a-z, 0-9, dot, dash and underscore, at most 64 characters"
BLOCKS = ("party", "government", "other")
PROBES: tuple[ProbeKind, ...] = ("icmp", "stamp", "tcp", "snmp", "none")
_HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(slots=True)
class Draft:
    """What was read so far, and where: ``places`` maps (kind, id) to the entry it came from."""

    config: Config
    secrets: Secrets
    address_map: AddressMap
    areas: dict[str, Area] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    sensor_types: dict[str, SensorType] = field(default_factory=dict)
    sensors: dict[str, Sensor] = field(default_factory=dict)
    gateways: dict[str, Gateway] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    rosters: dict[str, Roster] = field(default_factory=dict)
    credentials: dict[str, Credential] = field(default_factory=dict)
    mappings: dict[str, Mapping[str, object]] = field(default_factory=dict)
    named: list[Named] = field(default_factory=list)  # decoders of topic filters
    places: dict[tuple[str, str], Entry] = field(default_factory=dict)

    def read(self, root: Entry) -> None:
        """Everything one file holds."""
        for entry, name in self._each(root, "areas", "area"):
            self.areas[name] = Area(name, entry.text("name", required=True), entry.text("sms_name", required=True))
            entry.finish()
        for entry, name in self._each(root, "nodes", "node"):
            self.nodes[name] = self._node(entry, name)
        for entry, name in self._each(root, "sites", "site"):
            self.sites[name] = self._site(entry, name)
        for entry, name in self._each(root, "sensor_types", "sensor type"):
            self.sensor_types[name] = read_sensor_type(entry, name)
        for entry, name in self._each(root, "contacts", "contact"):
            self.contacts[name] = read_contact(entry, name)
        for entry, name in self._each(root, "rosters", "roster"):
            self.rosters[name] = read_roster(entry, name)
        for entry, name in self._each(root, "credentials", "credential"):
            self.credentials[name] = read_credential(entry, name, self.secrets)
        for entry, name in self._each(root, "decoders", "decoder"):
            self.mappings[name] = read_decoder(entry)
        self.named += [read_named(entry) for entry in root.entries("topics", "topic")]
        self._sensors(root)
        self._gateways(root)
        root.finish()

    def _each(self, owner: Entry, key: str, kind: str, *, required: bool = False) -> Iterator[tuple[Entry, str]]:
        """The entries of a list with their ids; a made-up id where it is wrong, so that reading goes on."""
        for entry in owner.entries(key, kind, required=required):
            text = entry.text("id", required=True, pattern=SLUG, allowed=ID)
            name = text or f"?{entry.file}:{entry.line}"
            first = self.places.setdefault((kind, name), entry)
            if first is not entry:
                entry.problem("id", f'id "{name}" is used twice', f"first in {first.file}:{first.line}")
            yield entry, name

    def _node(self, entry: Entry, name: str) -> Node:
        node = Node(
            id=name,
            name=entry.text("name", required=True),
            kind=entry.text("kind", required=True, choices=("uplink", "core", "aggregation", "service")),
            parent=entry.text("parent") or None,
            short_name=entry.text("short_name"),
            place=read_place(entry),
            probe=self._probe(entry, required=False),
            known_as=entry.texts("known_as"),
        )
        self._owned(entry, node=name)
        entry.finish()
        return node

    def _site(self, entry: Entry, name: str) -> Site:
        limits = entry.entry("thresholds")
        site = Site(
            id=name,
            name=entry.text("name", required=True),
            sms_name=entry.text("sms_name", required=True),
            block=entry.text("block", required=True, choices=BLOCKS),
            level=entry.text("level", required=True),
            area=entry.text("area", required=True),
            unit_code=entry.text("unit_code"),
            commune=entry.text("commune"),
            place=read_place(entry),
            hours=entry.text("hours", pattern=_HOURS, allowed='write it as "07:00-17:00"'),
            contacts=entry.texts("contacts"),
            security_level=int(entry.number("security_level", 2, low=1, high=5, whole=True) or 2),
            since=read_date(entry, "since"),
            until=read_date(entry, "until"),
            building=entry.text("building"),
            power=entry.text("power"),
            cable=entry.text("cable"),
            thresholds={k: limits.number(k) or 0.0 for k in limits.names()} if limits else {},
        )
        if site.since and site.until and site.until < site.since:
            entry.problem("until", f'"until" {site.until} is before "since" {site.since}')
        for line, line_name in self._each(entry, "lines", "line", required=True):
            self.lines[line_name] = self._line(line, line_name, name)
        self._owned(entry, site=name)
        entry.finish()
        return site

    def _owned(self, entry: Entry, *, site: str = "", node: str = "") -> None:
        for device, name in self._each(entry, "devices", "device"):
            self.devices[name] = self._device(device, name, site, node)
        self._sensors(entry, site, node)
        self._gateways(entry, site, node)

    def _line(self, entry: Entry, name: str, site: str) -> Line:
        contracts = []
        for terms in entry.entries("contract", "contract", one=True):
            down, up = terms.bandwidth("down", required=True), terms.bandwidth("up", required=True)
            contracts.append(Contract(down, up, read_date(terms, "since")))
            terms.finish()
        if contracts != sorted(contracts, key=lambda c: c.since):
            entry.problem("contract", '"contract" is not in order of "since"')
        line = Line(
            id=name,
            site=site,
            parent=entry.text("parent", required=True),
            probe=self._probe(entry, required=True) or Probe("none", ""),
            provider=entry.text("provider"),
            circuit=entry.text("circuit"),
            contracts=tuple(contracts),
            sla_ratio=entry.number("sla_ratio", 0.0, low=0.0, high=1.0) or 0.0,
            role=entry.text("role", "primary", choices=("primary", "backup")),
            handoff=entry.text("handoff", "ont", choices=("sfp", "ont")),
            device=entry.text("device"),
            if_name=entry.text("if_name"),
            remote_device=entry.text("remote_device"),
            remote_if_name=entry.text("remote_if_name"),
        )
        entry.finish()
        return line

    def _probe(self, entry: Entry, *, required: bool) -> Probe | None:
        """``address`` with an optional ``probe: {kind, port}``; a port left out is the config's for that kind."""
        config = self.config.probe
        how = entry.entry("probe")
        kind: ProbeKind = config.kind
        port: float | None = None
        if how is not None:
            kind = next((k for k in PROBES if k == how.text("kind", kind, choices=PROBES)), kind)
            port = how.number("port", None, low=1, high=65535, whole=True)
            if port and kind in ("icmp", "none"):
                how.problem("port", f'"port" is not for probes of kind {kind}')
            how.finish()
        address = self._address(entry, required=required and kind != "none")
        if kind == "none":
            return Probe("none", address)
        if how is not None and kind == "tcp" and port is None and config.kind != "tcp":
            how.problem("port", '"port" is missing', "a tcp probe needs one")
        if not address:
            return None
        usual = {"icmp": 0, "snmp": self.config.snmp.port}.get(kind, config.port)
        return Probe(kind, address, int(port or usual))

    def _address(self, entry: Entry, *, required: bool) -> str:
        text = entry.text("address", required=required)
        if not text:
            return ""
        try:
            return self.address_map.translate(normal(text))
        except ValueError:
            entry.problem("address", f'"address" cannot be "{text}"', ADDRESS)
            return ""

    def _device(self, entry: Entry, name: str, site: str, node: str) -> Device:
        port = entry.number("port", self.config.snmp.port, low=1, high=65535, whole=True)
        device = Device(
            id=name,
            kind=entry.text("kind", required=True, choices=("router", "ups", "switch")),
            address=self._address(entry, required=True),
            port=int(port or self.config.snmp.port),
            credential=entry.text("credential", required=True),
            site=site,
            node=node,
            profiles=entry.texts("profiles") or ("auto",),
            interval_s=entry.duration("interval", 0.0, low=1.0, high=86400.0),
            sys_name=entry.text("sys_name"),
        )
        entry.finish()
        return device

    def _sensors(self, owner: Entry, site: str = "", node: str = "") -> None:
        free = not site and not node
        for entry, name in self._each(owner, "sensors", "sensor"):
            self.sensors[name] = Sensor(
                id=name,
                type=entry.text("type", required=True),
                topic=entry.text("topic", required=True),
                decoder=entry.text("decoder"),
                name=entry.text("name"),
                site=entry.text("site") if free else site,
                node=entry.text("node") if free else node,
                place=read_place(entry),
                via=entry.text("via", "line"),
                field=entry.text("field"),
                device=entry.text("device"),
                unit=entry.text("unit"),
                presence=entry.text("presence"),
                owner=entry.text("owner"),
                supply=entry.text("supply", choices=("mains", "battery")),
                armed=entry.flag("armed"),
            )
            entry.finish()

    def _gateways(self, owner: Entry, site: str = "", node: str = "") -> None:
        free = not site and not node
        for entry, name in self._each(owner, "gateways", "gateway"):
            self.gateways[name] = Gateway(
                id=name,
                name=entry.text("name", required=True),
                site=entry.text("site") if free else site,
                node=entry.text("node") if free else node,
                place=read_place(entry),
                via=entry.text("via", "line"),
                silence_s=entry.duration("silence"),
                owner=entry.text("owner"),
                presence=entry.text("presence"),
                heartbeat=entry.text("heartbeat"),
            )
            entry.finish()
