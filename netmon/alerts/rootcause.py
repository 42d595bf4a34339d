"""Why something is lost: cause, confirmed or suspected, with evidence a person can check and what is missing. Pure.

Rules (DESIGN.md, section 3, Incidents). Better unknown than wrong; and never is a power cut called a broken line:
 - `device`: the port above has a link though the router is silent: it has power, for its light is there. With an ont
   handoff that port only sees the telco's own equipment, so mains must be known good as well.
 - `power`: see `netmon.alerts.power`; sites of one feeder but several buildings lost together.
 - `line`: only with an sfp handoff and mains known good: the router answers over another line and its WAN port or
   light is gone, or the port above is. With ont handoff a dropped WAN port means the ONT: unknown.
 - Lost together in one building, or rebooted afterwards, is no proof: a cut drop cable and a reset look the same.
After recovery `review` confirms or corrects, mainly by whether the router had been running all the time.
Evidence keys and missing keys are texts `ev.*` and `missing.*` of words.yml; args hold names and numbers, never times.
"""

from __future__ import annotations

from dataclasses import replace

from netmon.alerts.evidence import BOOT_SLACK_S, Witness
from netmon.alerts.power import POWER_KEYS, Power, power_at
from netmon.alerts.verdict import LOST, probed, window_s
from netmon.config import Config
from netmon.model import AlertState, Cause, CauseKind, Evidence, Incident, Line, Site, Subject, Verdict
from netmon.state import State
from netmon.topology import Topology
from netmon.vietnamese import sort_key

MOST_SENSORS = 30  # named in a message
LINE_KEYS = frozenset({"light_lost", "port_down", "parent_port_down", "parent_light_lost"})
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
        return Cause("monitor", True, (Evidence("uplink_lost", own.since),) if own else ())
    if verdict is None or verdict.condition == "up":
        return Cause()
    if verdict.by == "monitor":
        return Cause("monitor", True, (Evidence("uplink_lost", verdict.since),))
    if verdict.condition == "unreachable":
        node = state.inventory.nodes.get(verdict.by)
        return Cause("upstream", True, (Evidence("node_above", verdict.since, {"name": node.name if node else ""}),))
    if subject.kind == "node":
        return _node(verdict, state, topology, config)
    if verdict.condition == "degraded" and verdict.by != "redundancy":
        return _poor(verdict, state, topology)
    lines = [subject.id] if subject.kind == "line" else topology.lines_of(subject.id)
    return _Scene(lines, state, topology, config, witness).cause()


def of_alert(alert: AlertState, state: State) -> Cause:
    """What an alert on its own says: mains cut for a UPS on battery, else unknown; with a gateway its sensors."""
    if alert.subject.kind == "gateway":
        return Cause(evidence=_silent_with(alert, state))
    kind, key = ALERT_CAUSES.get(alert.alertname, ("unknown", ""))
    if not key:
        return Cause()
    args = {"percent": f"{alert.value * 100:.0f}"} if key == "ups_charge" else {}
    return Cause(kind, True, (Evidence(key, alert.since, args),))


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
        return Cause("unknown", False, tuple(evidence))
    share = len(lost) / len(known) if known else 0.0
    silent = reach is not None and bool(reach.lost)
    confirmed = (silent and share >= config.alerts.upstream_ratio) or (share == 1.0 and len(known) > 2)
    return Cause("upstream", confirmed, tuple(evidence))


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

    def cause(self) -> Cause:
        if self.site is None:
            return Cause()
        power = power_at(self.site, self.began, self.state, self.topology, self.config, self.witness)
        alive = self._alive()
        if not alive:
            seen = [reach.unanswered for line in self.lines if (reach := self.state.reach.get(line.id))]
            self.evidence.append(Evidence("router_silent", self.began, {"count": str(max(seen, default=0))}))
        if not power.known:
            self.missing.append("ups")
        if self._router_powered(power, alive):
            return self._is("device", False)
        if not alive and power.lost:
            self.evidence += power.lost
            return self._is("power", power.proof)
        self.evidence += power.good
        if (line := self._line(power, alive)) is not None:
            return line
        return self._together()

    def _is(self, kind: CauseKind, confirmed: bool) -> Cause:
        return Cause(kind, confirmed, tuple(self.evidence), tuple(dict.fromkeys(self.missing)))

    def _alive(self) -> bool:
        """True if the router answered a poll that began after the loss: then it has power."""
        for line in self.lines:
            at = self.witness.answered_at(line.device) if line.device else None
            if at is not None and at > self.began + self.config.probe.timeout_s:
                self.evidence.append(Evidence("router_alive", at))
                return True
        return False

    def _router_powered(self, power: Power, alive: bool) -> bool:
        """True if the port above every lost line has a link, seen after the loss, though the router is silent."""
        if alive:
            return False
        found = []
        for line in self.lines:
            port = self.witness.port(line.remote_device, line.remote_if_name) if line.remote_device else None
            if port is None or not port.up or port.seen_at <= self.began + self.config.probe.timeout_s:
                return False
            if line.handoff != "sfp" and not power.good_after:
                return False
            found.append(Evidence("parent_port_up", port.seen_at, {"port": line.remote_if_name}))
        self.evidence += found + list(power.good)
        return True

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
        if len(self.lines) != 1 or self.lines[0].handoff != "sfp":
            return None  # several lines at once are not one line's fault; with an ont it may be the ont's power
        if alive and (near or far):
            return self._is("line", True)
        if far and power.good:
            return self._is("line", power.good_after)
        return None

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
        if site is None:
            return self._is("unknown", False)
        sites = self.state.inventory.sites
        house = self._lost_with(self.topology.sites_in_building(site.building) if site.building else ())
        feeder = self._lost_with(self.topology.sites_in_power(site.power) if site.power else ())
        houses = {sites[s].building or s for s in feeder} | {site.building or site.id}
        cables = [sites[s].cable for s in feeder] + [site.cable]
        if len(houses) > 1 and not (len(set(cables)) == 1 and site.cable):
            self.evidence.append(Evidence("same_feeder", self.began, {"count": str(len(feeder) + 1)}))
            nodes = {line.parent for s in (*feeder, site.id) for line in self._lines(s)}
            return self._is("power", len(nodes) > 1)  # under one node it may as well be a shared cable or splitter
        if house:
            self.evidence.append(Evidence("same_building", self.began, {"count": str(len(house) + 1)}))
            if site.cable and all(sites[s].cable not in ("", site.cable) for s in house):
                return self._is("power", False)
        return self._is("unknown", False)

    def _lines(self, site: str) -> list[Line]:
        return [self.state.inventory.lines[line] for line in self.topology.lines_of(site)]

    def _lost_with(self, group: tuple[str, ...]) -> list[str]:
        """Other sites of a group that were lost in the same moment."""
        assert self.site is not None
        verdicts = ((s, self.state.verdicts.get(Subject("site", s))) for s in group if s != self.site.id)
        return [s for s, v in verdicts if v and v.condition in LOST and abs(v.since - self.began) <= self.window]


def review(incident: Incident, state: State, topology: Topology, witness: Witness) -> Cause:
    """After a site came back: its cause confirmed or corrected by whether the router was running all the time."""
    cause, good_at = incident.cause, incident.good_since
    keys = {e.key for e in cause.evidence}
    lines = [state.inventory.lines[line] for line in topology.lines_of(incident.subject.id)]
    if incident.subject.kind != "site" or good_at is None or not lines or keys & {"rebooted", "not_rebooted"}:
        return cause
    line = lines[0]
    answered, boot = witness.answered_at(line.device), witness.booted_at(line.device)
    if answered is None or boot is None or answered < good_at:
        return replace(cause, missing=tuple(dict.fromkeys((*cause.missing, "uptime"))))
    missing = tuple(m for m in cause.missing if m != "uptime")
    if boot > incident.began_at - BOOT_SLACK_S:
        return _rebooted(replace(cause, missing=missing), boot, bool(keys & POWER_KEYS), keys)
    port = witness.port(line.device, line.if_name)
    changed = port.changed_at if port else None
    moved = changed is not None and incident.began_at - BOOT_SLACK_S <= changed <= good_at + BOOT_SLACK_S
    evidence = [*cause.evidence, Evidence("not_rebooted", boot)]
    if moved and changed is not None:
        evidence.append(Evidence("port_moved", changed, {"port": line.if_name}))
    elif changed is not None:
        evidence.append(Evidence("port_still", answered, {"port": line.if_name}))
    kind, confirmed = _ran_on(cause, line, moved, changed is not None, bool(keys & POWER_KEYS), keys)
    return Cause(kind, confirmed, tuple(evidence), missing)


def _rebooted(cause: Cause, boot: float, power_signs: bool, keys: set[str]) -> Cause:
    """The router started during the outage: mains came back, or somebody reset it."""
    evidence = (*cause.evidence, Evidence("rebooted", boot))
    if cause.kind == "device":
        return replace(cause, confirmed=True, evidence=evidence)
    if cause.kind == "line" and (
        cause.confirmed or keys & {"mains_present", "mains_fed_sensor", "neighbour_ups_on_mains"}
    ):
        return replace(cause, evidence=evidence)  # mains were there: somebody restarted it while looking for the fault
    return Cause("power", power_signs, evidence, cause.missing)


def _ran_on(
    cause: Cause, line: Line, moved: bool, port_known: bool, power_signs: bool, keys: set[str]
) -> tuple[CauseKind, bool]:
    """The router ran through the outage: it never lost power, though an ONT or the telco's cabinet may have."""
    if cause.kind == "device":
        return "device", cause.confirmed
    if power_signs:
        return ("power", False) if line.handoff != "sfp" else ("unknown", False)
    if line.handoff == "sfp":
        return "line", moved or bool(keys & LINE_KEYS)
    if port_known and not moved:
        return "line", False  # the ONT kept its Ethernet up: what broke lies beyond it
    return "unknown", False
