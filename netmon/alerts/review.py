"""After a site came back: its cause confirmed or corrected by what its devices say of the time in between. Pure.

What counts, the strongest first (the sites lost with it are asked as well; any of them may know):
 - A mains sensor or a person said so during the outage; a UPS started anew or has less charge than before: power.
 - A router that says it was restarted by command (warmStart, RFC 3418) had power: device.
 - A router that ran on and whose own port moved (sfp): line. With ont: unknown, the ONT had no power or is broken; if
   its port stayed up, what broke lies beyond, and with mains known good that is the line, suspected.
 - A router that started anew: power, suspected only, for a reset looks the same; unless another cause was there.
"""

from __future__ import annotations

from dataclasses import replace

from netmon.alerts.evidence import BOOT_SLACK_S, SPENT_RATIO, Supply, Witness
from netmon.alerts.joining import merge
from netmon.alerts.power import GOOD_KEYS, POWER_KEYS
from netmon.model import Cause, CauseKind, Evidence, Incident
from netmon.state import State
from netmon.topology import Topology

LINE_KEYS = frozenset({"light_lost", "port_down", "parent_port_down", "parent_light_lost"})
PROOF_KEYS = frozenset({"mains_lost", "no_mains_said"})


def review(incident: Incident, state: State, topology: Topology, witness: Witness) -> Cause:
    """The cause of a site's incident after its return; as it was where nothing is known. Asked until it closes."""
    cause, good_at = incident.cause, incident.good_since
    if incident.subject.kind != "site" or good_at is None:
        return cause
    seen = _Seen(incident, good_at, state, topology, witness)
    for site in (incident.subject.id, *incident.children):
        seen.look(site)
    if not seen.evidence:
        return replace(cause, missing=tuple(dict.fromkeys((*cause.missing, *seen.missing))))
    evidence = merge(cause.evidence, seen.evidence)
    kind, confirmed, rule = _decide(cause, seen)
    same = rule == cause.rule or not cause.rule
    rejected = cause.rejected if same else (*cause.rejected, f"{cause.rule}|{seen.evidence[0].key}")
    return Cause(kind, confirmed, evidence, tuple(m for m in cause.missing if m != "uptime"), rule, rejected)


class _Seen:
    """What the devices of the lost sites tell of the outage."""

    def __init__(self, incident: Incident, good_at: float, state: State, topology: Topology, witness: Witness) -> None:
        self.began_at, self.good_at, self.since = incident.began_at, good_at, incident.began_at - BOOT_SLACK_S
        # What was known before a restart of netmon stands in the incident only: traps, and the charge of its UPS.
        self.own = incident.subject.id
        on_mains = (e.args.get("percent", "") for e in incident.cause.evidence if e.key == "ups_on_mains")
        self.charge_before = next(on_mains, "")
        self.noted = [(e.who, e.text, e.at) for e in incident.timeline if e.kind == "evidence"]
        self.state, self.topology, self.witness = state, topology, witness
        self.evidence: list[Evidence] = []
        self.missing: list[str] = []
        self.power = False  # a UPS had to step in, or went out
        self.rebooted = self.warm = False  # a router started anew, by command
        self.sfp = self.fibre = False  # a router ran on at an sfp line, whose port moved
        self.ont_still = self.ont_moved = False  # ... at an ont line

    def look(self, site: str) -> None:
        for device in self.topology.devices_of(site):
            kind = self.state.inventory.devices[device].kind
            answered, boot = self.witness.answered_at(device), self.witness.booted_at(device)
            if answered is None or answered < self.good_at:
                self.missing += ["uptime"] if kind == "router" else []
            elif kind == "ups":
                self._ups(device, site, boot)
            elif kind == "router" and boot is not None:
                self._router(device, site, boot, answered)

    def _ups(self, device: str, site: str, boot: float | None) -> None:
        supply = self.witness.supply(device)
        if boot is not None and boot > self.since:
            self._note("ups_rebooted", boot)
        elif supply is not None and supply.spent_at is not None and supply.spent_at >= self.began_at:
            self._note("ups_spent", supply.spent_at)
        elif supply is not None and site == self.own and self._spent(supply):
            self._note("ups_spent", supply.seen_at)
        else:
            return
        self.power = True

    def _spent(self, supply: Supply) -> bool:
        """True if a UPS that was on mains before the loss has less charge now than it had then."""
        if not self.charge_before or supply.on_battery or supply.charge_ratio is None:
            return False
        return float(self.charge_before) / 100 - supply.charge_ratio > SPENT_RATIO

    def _router(self, device: str, site: str, boot: float, answered: float) -> None:
        if boot > self.since:
            self.rebooted = True
            self._note("rebooted", boot)
            told = [event.at for event in self.state.events if (event.device, event.kind) == (device, "warm_start")]
            told += [at for who, text, at in self.noted if who == device and text.startswith("warm_start")]
            if (at := max(told, default=0.0)) > self.since:
                self.warm = True
                self._note("warm_start", at)
            return
        self._note("not_rebooted", boot)
        for name in self.topology.lines_of(site):
            line = self.state.inventory.lines[name]
            port = self.witness.port(device, line.if_name) if line.device == device else None
            if port is None:
                continue
            sfp, changed = line.handoff == "sfp", port.changed_at
            self.sfp = self.sfp or sfp
            if changed is not None and self.since <= changed <= self.good_at + BOOT_SLACK_S:
                self._note("port_moved", changed, line.if_name)
                self.fibre, self.ont_moved = self.fibre or sfp, self.ont_moved or not sfp
            elif port.tells or changed is not None:
                self._note("port_still", answered, line.if_name)
                self.ont_still = self.ont_still or not sfp

    def _note(self, key: str, at: float, port: str = "") -> None:
        self.evidence.append(Evidence(key, at, {"port": port} if port else {}))


def _decide(cause: Cause, seen: _Seen) -> tuple[CauseKind, bool, str]:
    """Kind, confirmed, rule."""
    keys = {e.key for e in cause.evidence}
    if keys & PROOF_KEYS:
        return "power", True, cause.rule
    if seen.power:
        # A fibre that went while the router ran on its battery is another fault at the same time: who knows which.
        return ("unknown", False, "unknown_both") if seen.fibre else ("power", True, "power_ups_after")
    if seen.warm and not keys & POWER_KEYS:
        return "device", True, "device_warm_start"
    if seen.fibre:
        if keys & POWER_KEYS:
            return "unknown", False, "unknown_both"
        return "line", True, "line_ran_on"
    if seen.rebooted:
        return _rebooted(cause, keys)
    return _ran_on(cause, seen, keys)


def _rebooted(cause: Cause, keys: set[str]) -> tuple[CauseKind, bool, str]:
    """The router started during the outage: mains came back, or somebody reset it."""
    if cause.kind == "device":
        return "device", True, "device_reset"
    if cause.kind == "line" and (cause.confirmed or keys & GOOD_KEYS):
        return "line", cause.confirmed, cause.rule  # mains were there: somebody restarted it looking for the fault
    if keys & GOOD_KEYS:
        return "unknown", False, "unknown_reset"
    return "power", bool(keys & POWER_KEYS), "power_rebooted"


def _ran_on(cause: Cause, seen: _Seen, keys: set[str]) -> tuple[CauseKind, bool, str]:
    """The router ran through the outage: it never lost power, though an ONT or the telco's cabinet may have."""
    if cause.kind == "device":
        return "device", cause.confirmed, cause.rule
    if keys & POWER_KEYS:
        return ("unknown", False, "unknown_both") if seen.sfp else ("power", False, "power_ont")
    if seen.sfp:
        return "line", bool(keys & LINE_KEYS), "line_ran_on"
    if seen.ont_still and not seen.ont_moved and keys & GOOD_KEYS:
        return "line", False, "line_beyond_ont"  # the ONT kept its Ethernet up, and the site its mains
    return "unknown", False, "unknown_ont"
