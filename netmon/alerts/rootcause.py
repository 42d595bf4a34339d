"""Why something is lost: cause, confirmed or suspected, with evidence a person can check and what is missing. Pure.

Rules, in their order (better unknown than wrong, and never is a power cut called a broken line):
 - `device`: the router is silent though the port above has its light (sfp: the light is the router's own), or the
   routing session with it stands. With an ont handoff the port above only sees the telco's own equipment.
 - `power`: see `netmon.alerts.power`.
 - `line`, only with an sfp handoff and mains known good: the router answers over another line and its port or light is
   gone, or the port above is. With ont a dropped WAN port means the ONT, and behind one that stayed up the telco's
   cabinet may be without power: unknown.
   Only where the router answers over another line, sees its ONT, and mains are known good, is it suspected.
 - Sites of one feeder but several buildings lost together: power. In one building alone it is no proof: a cut drop
   cable looks the same.
`netmon.alerts.review` confirms or corrects after recovery.
Evidence keys and missing keys are texts `ev.*` and `missing.*` of words.yml, rules are `rule.*`; args hold names and
numbers, never times.
"""

from __future__ import annotations

from netmon.alerts.evidence import Witness
from netmon.alerts.power import Power, power_at
from netmon.alerts.verdict import LOST, probed, window_s
from netmon.config import Config
from netmon.model import AlertState, Cause, CauseKind, Evidence, Line, Site, Subject, Verdict
from netmon.state import State
from netmon.topology import Topology
from netmon.vietnamese import sort_key

MOST_SENSORS = 30  # named in a message
HOLD_S = 180.0  # BGP's hold time (RFC 4271, section 10): a session outlives its router this long
# What an alert of the catalogue says about a cause. Others are symptoms.
ALERT_CAUSES: dict[str, tuple[CauseKind, str]] = {
    "UpsOnBattery": ("power", "ups_on_battery"),
    "UpsBatteryLow": ("power", "ups_charge"),
}


def find(
    subject: Subject, state: State, topology: Topology, config: Config, now: float, witness: Witness | None = None
) -> Cause:
    """The cause of what is wrong with ``subject`` now. ``witness`` remembers what ``state.polls`` no longer holds."""
    if witness is None:
        witness = Witness()
        witness.observe(state)
    verdict = state.verdicts.get(subject)
    if subject.kind == "netmon":
        own = state.verdicts.get(Subject("node", config.own_uplink))
        return Cause("monitor", True, (Evidence("uplink_lost", own.since),) if own else (), rule="monitor_uplink")
    if verdict is None or verdict.condition == "up":
        return Cause()
    if verdict.by == "monitor":
        return Cause("monitor", True, (Evidence("uplink_lost", verdict.since),), rule="monitor_uplink")
    if verdict.condition == "unreachable":
        node = state.inventory.nodes.get(verdict.by)
        above = Evidence("node_above", verdict.since, {"name": node.name if node else ""})
        return Cause("upstream", True, (above,), rule="upstream_node")
    if subject.kind == "node":
        return _node(verdict, state, topology, config)
    if verdict.condition == "degraded" and verdict.by != "redundancy":
        return _poor(verdict, state, topology)
    lines = [subject.id] if subject.kind == "line" else topology.lines_of(subject.id)
    return _Scene(lines, state, topology, config, witness).cause()


def of_alert(alert: AlertState, state: State) -> Cause:
    """What an alert on its own says: mains cut for a UPS on battery, else unknown; with a gateway its own word and its
    sensors."""
    if alert.subject.kind == "gateway":
        return Cause(evidence=(*_gateway_says(alert, state), *_silent_with(alert, state)))
    kind, key = ALERT_CAUSES.get(alert.alertname, ("unknown", ""))
    if not key:
        said = state.outside.get((alert.alertname, alert.labels))
        return Cause(evidence=(Evidence("outside", alert.since, {"text": said}),)) if said else Cause()
    args = {"percent": f"{alert.value * 100:.0f}"} if key == "ups_charge" else {}
    return Cause(kind, True, (Evidence(key, alert.since, args),), rule="power_ups")


def _gateway_says(alert: AlertState, state: State) -> tuple[Evidence, ...]:
    """Its own word: that it is gone, or that it is there though nothing comes through it."""
    view = state.gateways.get(alert.subject.id)
    if view is None or (view.gone_at is None and view.spoke_at is None):
        return ()
    if view.gone_at is not None:
        return (Evidence("gateway_gone", view.gone_at),)
    alive = view.spoke_at is not None and view.spoke_at > (view.heard_at or 0.0)
    return (Evidence("gateway_alive", view.spoke_at or 0.0),) if alive else ()


def _silent_with(alert: AlertState, state: State) -> tuple[Evidence, ...]:
    """Its sensors, which nobody is told of one by one; those of other sites with their site."""
    gateway, view = state.inventory.gateways.get(alert.subject.id), state.gateways.get(alert.subject.id)
    if gateway is None or view is None or not view.silent:
        return ()
    sensors = [s for name in view.silent if (s := state.inventory.sensors.get(name)) is not None]
    sites = state.inventory.sites
    names = [
        f"{s.name or s.id} ({sites[s.site].name})" if s.site in sites and s.site != gateway.site else s.name or s.id
        for s in sensors
    ]
    more = ["…"] if len(names) > MOST_SENSORS else []
    shown = ", ".join(sorted(names, key=sort_key)[:MOST_SENSORS] + more)
    return (Evidence("gateway_silent", view.heard_at or alert.since, {"count": str(len(names)), "names": shown}),)


def _node(verdict: Verdict, state: State, topology: Topology, config: Config) -> Cause:
    node = state.inventory.nodes[verdict.subject.id]
    below = [state.verdicts.get(Subject("line", line)) for line in topology.lines_below(node.id)]
    known = [v for v in below if v is not None and v.condition != "unknown"]
    lost = [v for v in known if v.condition == "unreachable"]
    reach = state.reach.get(node.id) if probed(node) else None
    evidence = []
    if reach is not None and reach.lost:
        key = "node_silent_serving" if verdict.by == "silent" else "node_silent"
        evidence.append(Evidence(key, reach.since))
    if lost:
        args = {"lost": str(len(lost)), "known": str(len(known))}
        evidence.append(Evidence("children_lost", min(v.since for v in lost), args))
    if verdict.by == "silent" or (node.kind == "service" and not lost):
        return Cause("unknown", False, tuple(evidence), rule="unknown_silent")
    share = len(lost) / len(known) if known else 0.0
    silent = reach is not None and bool(reach.lost)
    confirmed = (silent and share >= config.alerts.upstream_ratio) or (share == 1.0 and len(known) > 2)
    return Cause("upstream", confirmed, tuple(evidence), rule="upstream_silent" if silent else "upstream_children")


def _poor(verdict: Verdict, state: State, topology: Topology) -> Cause:
    target = topology.lines_of(verdict.subject.id)[0] if verdict.subject.kind == "site" else verdict.subject.id
    reach = state.reach.get(target)
    if reach is None:
        return Cause()
    text = {
        "loss": ("poor_loss", {"percent": f"{reach.loss_ratio * 100:.1f}"}),
        "rtt": ("poor_rtt", {"ms": f"{(reach.rtt_s or 0.0) * 1000:.0f}"}),
        "jitter": ("poor_jitter", {"ms": f"{reach.jitter_s * 1000:.0f}"}),
    }.get(verdict.by)
    return Cause("unknown", False, (Evidence(text[0], verdict.since, text[1]),) if text else ())


class _Scene:
    """One site (or one line of it) that lost lines of its own, and everything that was seen there."""

    def __init__(
        self, lines: list[str] | tuple[str, ...], state: State, topology: Topology, config: Config, witness: Witness
    ) -> None:
        self.state, self.topology, self.config, self.witness = state, topology, config, witness
        self.window = window_s(config.probe)
        down = [v for line in lines if (v := state.verdicts.get(Subject("line", line))) and v.condition == "down"]
        self.began = max((v.since for v in down), default=0.0)
        # Lines that had been lost earlier are not what happened now.
        self.lines: list[Line] = [
            state.inventory.lines[v.subject.id] for v in down if v.since >= self.began - self.window
        ]
        self.site: Site | None = state.inventory.sites.get(self.lines[0].site) if self.lines else None
        self.evidence: list[Evidence] = []
        self.missing: list[str] = []
        self.rejected: list[str] = []

    def cause(self) -> Cause:
        if self.site is None:
            return Cause()
        power = power_at(self.site, self.began, self.state, self.topology, self.config, self.witness)
        alive = self._alive()
        if not alive:
            self._silence()
        if not power.known:
            self.missing.append("ups")
        if (rule := self._router_powered(power, alive)) is not None:
            return self._is("device", False, rule)
        if not alive and power.lost:
            self.evidence += power.lost
            return self._is("power", power.proof, power.rule)
        self._reject("power", "router_alive" if alive else "ups" if not power.known else "no_battery")
        self.evidence += power.good
        if (line := self._line(power, alive)) is not None:
            return line
        return self._together()

    def _is(self, kind: CauseKind, confirmed: bool, rule: str) -> Cause:
        evidence, missing = tuple(self.evidence), tuple(dict.fromkeys(self.missing))
        return Cause(kind, confirmed, evidence, missing, rule, tuple(dict.fromkeys(self.rejected)))

    def _reject(self, rule: str, why: str) -> None:
        """Remember what was thought of and what spoke against it."""
        self.rejected.append(f"{rule}|{why}")

    def _alive(self) -> bool:
        """True if the router answered a poll that began after the loss: then it has power."""
        for line in self.lines:
            at = self.witness.answered_at(line.device) if line.device else None
            if at is not None and at > self.began + self.config.probe.timeout_s:
                self.evidence.append(Evidence("router_alive", at))
                return True
        return False

    def _silence(self) -> None:
        """That nothing answers, and what routers on the way say to that."""
        seen = [reach for line in self.lines if (reach := self.state.reach.get(line.id)) is not None]
        count = max((reach.unanswered for reach in seen), default=0)
        self.evidence.append(Evidence("router_silent", self.began, {"count": str(count)}))
        for reach in seen:
            if reach.error and reach.error_from and (name := self._name_of(reach.error_from)):
                self.evidence.append(Evidence("icmp_error", reach.since, {"error": reach.error, "name": name}))

    def _name_of(self, address: str) -> str:
        """What an address belongs to; an unknown one is not shown: messages carry no addresses."""
        inventory = self.state.inventory
        for device in inventory.devices.values():
            if device.address == address:
                node, site = inventory.nodes.get(device.node), inventory.sites.get(device.site)
                return node.name if node else site.name if site else ""
        probes = ((node.name, node.probe) for node in inventory.nodes.values())
        return next((name for name, probe in probes if probe is not None and probe.address == address), "")

    def _router_powered(self, power: Power, alive: bool) -> str | None:
        """The rule by which the silent router has power: its light or its routing session is there after the loss."""
        if alive:
            return None
        if self._routed():
            return "device_route"
        found = []
        for line in self.lines:
            port = self.witness.port(line.remote_device, line.remote_if_name) if line.remote_device else None
            if port is None or port.seen_at <= self.began + self.config.probe.timeout_s:
                self._reject("device_port_up", "parent_port")
                return None
            if not port.up:
                self._reject("device_port_up", "parent_port_down")
                return None
            if port.changed_at is not None and port.changed_at > self.began - self.window:
                # A router that boots lights up before it talks.
                self._reject("device_port_up", "parent_port_moved")
                return None
            if line.handoff != "sfp":
                self._reject("device_port_up", "ont")
                return None
            found.append(Evidence("parent_port_up", port.seen_at, {"port": line.remote_if_name}))
        self.evidence += found + list(power.good)
        return "device_port_up"

    def _routed(self) -> bool:
        """True if a routing session with the router stands longer than it would without it."""
        for line in self.lines:
            device = self.state.inventory.devices.get(line.device)
            peers = [line.probe.address, *([device.address] if device is not None else [])]
            route = self.witness.route(peers)
            if route is None or route.seen_at <= self.began:
                continue
            if not route.up:
                self.evidence.append(Evidence("neighbour_down", route.since))
            elif route.seen_at > self.began + HOLD_S:
                self.evidence.append(Evidence("neighbour_up", route.seen_at))
                return True
        return False

    def _line(self, power: Power, alive: bool) -> Cause | None:
        """The line, if ports and light speak for it; what they say is evidence in any case."""
        near: list[Evidence] = []
        far: list[Evidence] = []
        for line in self.lines:
            near += self._gone(line.device, line.if_name, "port_down", "light_lost")
            far += self._gone(line.remote_device, line.remote_if_name, "parent_port_down", "parent_light_lost")
            if not line.remote_device or not line.remote_if_name:
                self.missing.append("parent_port")
            if line.handoff != "sfp" and (near or far):
                self.missing.append("ont_power")
        self.evidence += near + far
        if len(self.lines) != 1:
            self._reject("line_port", "several_lines")  # several at once are not one line's fault
            return None
        if self.lines[0].handoff != "sfp":
            if alive and not near and power.good_after and self._link_stands(self.lines[0]):
                return self._is("line", False, "line_beyond_ont")
            self._reject("line_port", "ont")  # it may be the ont's power, or the cabinet's
            return None
        if alive and (near or far):
            return self._is("line", True, "line_port")
        if far and (power.good_after or power.carries):
            return self._is("line", power.good_after, "line_far_port")
        if far and power.good:
            self.missing.append("ups_untried")
        self._reject("line_far_port", "mains_unknown" if far else "parent_port")
        return None

    def _link_stands(self, line: Line) -> bool:
        """True if the router's own port was seen up after the loss: its ONT has power."""
        port = self.witness.port(line.device, line.if_name)
        return port is not None and port.up is True and port.seen_at > self.began + self.config.probe.timeout_s

    def _gone(self, device: str, if_name: str, down_key: str, dark_key: str) -> list[Evidence]:
        """Port down or dark, changed with or after the loss (a minute early: polls, and the port goes first)."""
        since = self.began - self.window
        port = self.witness.port(device, if_name) if device else None
        light = self.witness.light(device, if_name) if device else None
        found = []
        if light is not None and not light.lit and light.seen_at > self.began:
            found.append(Evidence(dark_key, light.since, {"port": if_name}))
        if port is not None and port.up is False and port.seen_at > self.began:
            at = port.changed_at if port.changed_at is not None and port.changed_at >= since else port.seen_at
            found.append(Evidence(down_key, at, {"port": if_name}))
        return found

    def _together(self) -> Cause:
        """No direct evidence: what else was lost in the same moment."""
        site = self.site
        assert site is not None
        sites = self.state.inventory.sites
        house = self._lost_with(self.topology.sites_in_building(site.building) if site.building else ())
        feeder = self._lost_with(self.topology.sites_in_power(site.power) if site.power else ())
        houses = {sites[s].building or s for s in feeder} | {site.building or site.id}
        cables = [sites[s].cable for s in feeder] + [site.cable]
        if len(houses) > 1 and not (len(set(cables)) == 1 and site.cable):
            self.evidence.append(Evidence("same_feeder", self.began, {"count": str(len(feeder) + 1)}))
            nodes = {line.parent for s in (*feeder, site.id) for line in self._lines(s)}
            # Under one node it may as well be a shared cable or splitter.
            return self._is("power", len(nodes) > 1, "power_feeder")
        if house:
            self.evidence.append(Evidence("same_building", self.began, {"count": str(len(house) + 1)}))
            if site.cable and all(sites[s].cable not in ("", site.cable) for s in house):
                return self._is("power", False, "power_house")
            self._reject("power_house", "shared_cable")
        return self._is("unknown", False, "unknown_evidence")

    def _lines(self, site: str) -> list[Line]:
        return [self.state.inventory.lines[line] for line in self.topology.lines_of(site)]

    def _lost_with(self, group: tuple[str, ...]) -> list[str]:
        """Other sites of a group that were lost in the same moment."""
        assert self.site is not None
        verdicts = ((s, self.state.verdicts.get(Subject("site", s))) for s in group if s != self.site.id)
        return [s for s, v in verdicts if v and v.condition in LOST and abs(v.since - self.began) <= self.window]
