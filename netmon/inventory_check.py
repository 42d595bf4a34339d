"""Relations within a draft of the inventory: what names what, what must be unique, what must fit together."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from netmon.collectors.mqtt.decode import BUILT_IN, SPARKPLUG
from netmon.inventory_read import Draft
from netmon.inventory_topics import check_topics, name_decoders
from netmon.model import Device, Gateway, Sensor
from netmon.settings_load import Settings
from netmon.yamlvalues import suggest

# MESSAGES.md, rules for every message: the characters every gateway passes unharmed, and the room for names.
_SMS = re.compile(r"[A-Za-z0-9 .,:;/()+=?-]*")
_SMS_SET = "allowed: A-Z a-z 0-9 space . , : ; - / ( ) + = ?"
SITE_SMS_CHARS = 22
AREA_SMS_CHARS = 10
_VIA = re.compile(r"line|cellular|line:(?P<line>.+)|gateway:(?P<gateway>.+)")
_TELL_NODES = ("node", "core")  # keys of tell_after that are no levels


class Check:
    """All checks over one draft. ``complete``: every file could be read, so what is not there is missing."""

    def __init__(
        self, draft: Draft, settings: Settings, profiles: Collection[str] | None, alerts: Collection[str] | None
    ) -> None:
        self.draft = draft
        self.settings = settings
        self.profiles = profiles
        self.alerts = alerts
        self.complete = True

    def run(self) -> None:
        """Report every problem to the entries they belong to."""
        self._nodes()
        self._sites()
        self._lines()
        self._devices()
        self._gateways()
        self._sensors()
        self._contacts()
        self._settings()
        self._ids()
        self._addresses()
        self._sms()

    def _report(self, kind: str, name: str, key: str, message: str, allowed: str = "") -> None:
        self.draft.places[kind, name].problem(key, message, allowed)

    def _known(
        self, kind: str, name: str, key: str, value: str, known: Collection[str], what: str, source: str = "known"
    ) -> bool:
        """Whether ``value`` names one of ``known``; says so if not. What was wrong already is not told again."""
        if value in known:
            return True
        if value and self.complete:
            self._report(kind, name, key, f'unknown {what} "{value}"', suggest(value, known, source))
        return False

    def _nodes(self) -> None:
        nodes = self.draft.nodes
        in_loops: set[str] = set()
        for node in nodes.values():
            if node.parent is not None:
                self._known("node", node.id, "parent", node.parent, nodes, "node")
            chain = [node.id]
            while (above := nodes[chain[-1]].parent) and above in nodes and above not in chain:
                chain.append(above)
            if above == node.id and node.id not in in_loops:
                in_loops.update(chain)
                self._report("node", node.id, "parent", f"hangs from itself: {' -> '.join([*chain, node.id])}")

    def _sites(self) -> None:
        levels = [key for key in self.draft.config.alerts.tell_after_s if key not in _TELL_NODES]
        roles: dict[str, list[str]] = {}
        for line in self.draft.lines.values():
            roles.setdefault(line.site, []).append(line.role)
        for site in self.draft.sites.values():
            self._known("site", site.id, "area", site.area, self.draft.areas, "area")
            self._known("site", site.id, "level", site.level, levels, "level", "the keys of alerts.tell_after")
            for contact in site.contacts:
                self._known("site", site.id, "contacts", contact, self.draft.contacts, "contact")
            for alert in site.thresholds:
                if self.alerts is not None:
                    self._known("site", site.id, "thresholds", alert, self.alerts, "alert")
            place = self.draft.places["site", site.id]
            if place.has("lines") and "primary" not in roles.get(site.id, ["primary"]):
                place.problem("lines", "no line has the role primary")
            if place.kind("lines") == "list" and site.id not in roles:
                place.problem("lines", "a site has at least one line")

    def _lines(self) -> None:
        devices = self.draft.devices
        for line in self.draft.lines.values():
            self._known("line", line.id, "parent", line.parent, self.draft.nodes, "node")
            if line.device and self._known("line", line.id, "device", line.device, devices, "device"):
                owner = devices[line.device].site
                if owner != line.site:
                    self._report("line", line.id, "device", f'device "{line.device}" is not one of this site')
            if line.if_name and not line.device:
                self._report("line", line.id, "if_name", '"if_name" without "device"')
            remote = line.remote_device
            if self._known("line", line.id, "remote_device", remote, devices, "device") and not devices[remote].node:
                self._report("line", line.id, "remote_device", f'device "{remote}" is not at a node')
            if bool(line.remote_device) != bool(line.remote_if_name):
                text = '"remote_device" and "remote_if_name" go together'
                self._report("line", line.id, "remote_device" if line.remote_device else "remote_if_name", text)

    def _devices(self) -> None:
        for device in self.draft.devices.values():
            self._known("device", device.id, "credential", device.credential, self.draft.credentials, "credential")
            for profile in device.profiles:
                if self.profiles is not None:
                    self._known("device", device.id, "profiles", profile, {*self.profiles, "auto"}, "profile")

    def _sensors(self) -> None:
        draft = self.draft
        decoders = {*draft.mappings, *BUILT_IN, SPARKPLUG}
        for name in sorted(draft.mappings.keys() & {*BUILT_IN, SPARKPLUG}):
            self._report("decoder", name, "id", f'decoder "{name}" is built in')
        name_decoders(draft, decoders, self._report, complete=self.complete)
        check_topics(draft, self._report)
        for sensor in draft.sensors.values():
            self._known("sensor", sensor.id, "type", sensor.type, draft.sensor_types, "sensor type")
            if self._known("sensor", sensor.id, "decoder", sensor.decoder, decoders, "decoder"):
                self._field(sensor.id, sensor.decoder, sensor.field)
            self._placed("sensor", sensor)
            kind = draft.sensor_types.get(sensor.type)
            if kind is not None and sensor.armed and kind.watch == "always":
                text = f'"armed" is for types with "watch: closed-hours", "{kind.id}" is always watched'
                self._report("sensor", sensor.id, "armed", text)

    def _gateways(self) -> None:
        used = {sensor.via for sensor in self.draft.sensors.values()}
        for gateway in self.draft.gateways.values():
            self._placed("gateway", gateway)
            if gateway.heartbeat and not gateway.silence_s:
                text = '"heartbeat" without "silence": nothing says after what time it is missed'
                self._report("gateway", gateway.id, "heartbeat", text, 'give it "silence"')
            own = gateway.presence or gateway.heartbeat
            if f"gateway:{gateway.id}" not in used and not own and self.complete:
                text = "no sensor comes through it, so nothing tells whether it lives"
                self._report("gateway", gateway.id, "id", text, f'give its sensors via: "gateway:{gateway.id}"')

    def _placed(self, kind: str, thing: Sensor | Gateway) -> None:
        """Where it stands and how it is heard."""
        draft = self.draft
        self._known(kind, thing.id, "site", thing.site, draft.sites, "site")
        self._known(kind, thing.id, "node", thing.node, draft.nodes, "node")
        if thing.site and thing.node:
            self._report(kind, thing.id, "node", '"site" and "node" exclude each other')
        via = _VIA.fullmatch(thing.via)
        if not via or (via["gateway"] and kind == "gateway"):
            allowed = "allowed: line, line:ID, cellular" + (", gateway:ID" if kind == "sensor" else "")
            self._report(kind, thing.id, "via", f'"via" cannot be "{thing.via}"', allowed)
        elif via["line"]:
            self._known(kind, thing.id, "via", via["line"], draft.lines, "line")
        elif via["gateway"]:
            self._known(kind, thing.id, "via", via["gateway"], draft.gateways, "gateway")
        if not thing.site and not thing.node:
            if thing.place is None:
                self._report(kind, thing.id, "id", 'needs a "site", a "node" or a "place"')
            if thing.via == "line":
                self._report(kind, thing.id, "via", 'via "line" needs a site', "name the way: line:ID, ...")

    def _field(self, sensor: str, decoder: str, field: str) -> None:
        fields = self.draft.mappings.get(decoder, {}).get("fields")
        if isinstance(fields, dict) and (field or len(fields) != 1):
            text = f'decoder "{decoder}" has no field "{field}"'
            if field not in fields:
                self._report("sensor", sensor, "field", text, suggest(field, fields))

    def _contacts(self) -> None:
        channels = self.draft.config.notify.channels
        for contact in self.draft.contacts.values():
            for area in contact.areas:
                self._known("contact", contact.id, "areas", area, self.draft.areas, "area")
            for channel in contact.channels:
                self._known(
                    "contact", contact.id, "channels", channel, channels, "channel", "the keys of notify.channels"
                )

            if contact.backup:
                self._known("contact", contact.id, "backup", contact.backup, self.draft.contacts, "contact")
        for roster in self.draft.rosters.values():
            for who in (*roster.rotation, *(swap.who for swap in roster.swaps)):
                if who:
                    self._known("roster", roster.id, "rotation", who, self.draft.contacts, "contact")

    def _settings(self) -> None:
        config, places = self.draft.config, self.settings.places
        if config.own_uplink and config.own_uplink not in self.draft.nodes and self.complete:
            known = suggest(config.own_uplink, self.draft.nodes, "known")
            places[""].problem("own_uplink", f'"own_uplink": unknown node "{config.own_uplink}"', known)
        if self.alerts is not None and "thresholds" in places:
            for name in config.alerts.thresholds:
                if name not in self.alerts:
                    places["thresholds"].problem(name, f'unknown alert "{name}"', suggest(name, self.alerts, "known"))
        for name, channel in config.notify.channels.items():
            chain = [name]
            while (after := config.notify.channels.get(chain[-1])) and after.fallback and after.fallback not in chain:
                chain.append(after.fallback)
            if chain[-1] not in config.notify.channels:
                if len(chain) == 2:
                    text = f'"fallback": unknown channel "{channel.fallback}"'
                    allowed = suggest(channel.fallback, config.notify.channels, "known")
                    places[f"channel {name}"].problem("fallback", text, allowed)
            elif after and after.fallback == name:
                places[f"channel {name}"].problem("fallback", f"falls back to itself: {' -> '.join([*chain, name])}")

    def _ids(self) -> None:
        """Nodes, sites and lines share one space: they are probe targets and owners of devices and sensors."""
        seen: dict[str, str] = {}
        for kind, name in self.draft.places:
            if kind in ("node", "site", "line"):
                other = seen.setdefault(name, kind)
                if other != kind:
                    self._report(kind, name, "id", f'id "{name}" is that of a {other}', "nodes, sites and lines differ")

    def _addresses(self) -> None:
        """One device per address and port, one probe target per address; a line may share its own device's address."""
        draft = self.draft
        devices: dict[tuple[str, int], str] = {}
        holders: dict[str, Device] = {}
        for device in draft.devices.values():
            holders.setdefault(device.address, device)
            first = devices.setdefault((device.address, device.port), device.id)
            if device.address and first != device.id:
                text = f'address {device.address} port {device.port} is that of device "{first}" too'
                self._report("device", device.id, "address", text)
        targets: dict[str, tuple[str, str]] = {}
        probes = [("node", node.id, node.id, node.probe) for node in draft.nodes.values()]
        probes += [("line", line.id, line.site, line.probe) for line in draft.lines.values()]
        for kind, name, owner, probe in probes:
            if probe is None or not probe.address:
                continue
            other = targets.setdefault(probe.address, (kind, name))
            held = holders.get(probe.address)
            if other != (kind, name):
                text = f'address {probe.address} is probed for {other[0]} "{other[1]}" too'
                self._report(kind, name, "address", text)
            elif held and (held.site or held.node) != owner:
                text = f'address {probe.address} is that of device "{held.id}" of another place'
                self._report(kind, name, "address", text)

    def _sms(self) -> None:
        draft = self.draft
        short = {area.id: area.sms_name for area in draft.areas.values()}
        self._texts("area", "sms_name", AREA_SMS_CHARS, ((a.id, a.sms_name, a.sms_name) for a in draft.areas.values()))
        nodes = ((n.id, n.short_name, n.short_name) for n in draft.nodes.values())
        self._texts("node", "short_name", AREA_SMS_CHARS, nodes)
        sites = ((s.id, s.sms_name, f"{s.sms_name} ({short.get(s.area, s.area)})") for s in draft.sites.values())
        self._texts("site", "sms_name", SITE_SMS_CHARS, sites)

    def _texts(self, kind: str, key: str, limit: int, names: Iterable[tuple[str, str, str]]) -> None:
        """Names that go into SMS: characters, length, and no two that read the same."""
        seen: dict[str, str] = {}
        for name, text, shown in names:
            if not text:
                continue
            if not _SMS.fullmatch(text):
                bad = "".join(dict.fromkeys(c for c in text if not _SMS.fullmatch(c)))
                self._report(kind, name, key, f'"{key}" holds {bad!r}', _SMS_SET)
            if len(text) > limit:
                self._report(kind, name, key, f'"{key}" has {len(text)} characters', f"allowed: at most {limit}")
            first = seen.setdefault(" ".join(shown.casefold().split()), name)
            if first != name:
                self._report(kind, name, key, f'reads "{shown}" in an SMS, as {kind} "{first}" does')
