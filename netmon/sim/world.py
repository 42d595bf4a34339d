"""The simulated province: what is really true, as a function of time. Pure: the agents only show what this says.

The truth (which fault is on) stays in here and in the truth log; netmon sees only packets. Faults follow physics: power
feeds a building, a UPS carries its sites for a while, a router that lost power boots again, a fibre takes its line and
the port at both ends, a node takes everything below it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netmon.model import Inventory, Line
from netmon.topology import Topology

UNWRITTEN = ("moved", "renamed", "recircuited", "slow", "stranger", "replaced")  # the inventory is no longer true
FAULTS = (
    "power", "feeder", "fibre", "cable", "cabinet", "node", "frozen", "hang", "hot", "door", "gateway",
    "silent", "stuck", "drift", *UNWRITTEN,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks: ``kind`` at ``target`` from ``at_s`` for ``duration_s`` seconds of simulated time.

    power: a building, or the one of a site, loses mains · feeder: all buildings of a power group do · fibre: a line id
    is cut · cable: all lines of the sites of a cable group are · cabinet: the telco's, on the way of a cable group, has
    no power: lines with an ont are lost, fibres run through · node: a node id fails · frozen: a router (device id)
    neither forwards nor answers, its ports keep their link, and it is restarted at the end · hang: a device id stops
    answering SNMP while it forwards · hot: the air conditioning of a site or node fails · door: the one
    of a site's or node's machine room stands open · gateway: a gateway id dies · silent, stuck, drift: a sensor id says
    nothing, always the same, or more and more.

    What people change without writing it down: moved: a line is plugged into another port of its device · renamed: its
    port has another name · recircuited: its port's description names another circuit · slow: its port runs at 10 Mbit/s
    · stranger: a switch that nobody knows is on a LAN port of a device · replaced: another device answers for it.
    """

    kind: str
    target: str
    at_s: float
    duration_s: float

    def active(self, t: float) -> bool:
        return self.at_s <= t < self.at_s + self.duration_s


@dataclass(slots=True)
class Power:
    """Mains and battery of one building, advanced by `World.step`."""

    mains: bool = True
    since: float = 0.0
    on: bool = True  # whether the routers in it have power
    charge_ratio: float = 1.0
    boot_at: float = -1e9  # when they last got power


@dataclass(slots=True)
class World:
    """Everything that is true at time ``t`` (seconds since the start). Call `step(t)` before asking."""

    inventory: Inventory
    faults: tuple[Fault, ...] = ()
    ups_runtime_s: float = 40.0
    boot_s: float = 12.0
    batteries: Mapping[str, float] | None = None  # supply -> seconds it lasts; None: ``ups_runtime_s`` where a UPS is
    recharge_s: float = 0.0  # from empty to full; 0 = at once
    bare_onts: frozenset[str] = frozenset()  # lines whose ONT does not hang on the UPS of the site
    t: float = 0.0
    truth: list[tuple[float, str, str, str]] = field(default_factory=list)  # (t, "begins"|"ends", kind, target)
    _power: dict[str, Power] = field(default_factory=dict)
    _active: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in FAULTS})
    _was: frozenset[Fault] = frozenset()
    _lost_nodes: set[str] = field(default_factory=set)
    _ports: dict[tuple[str, bool], tuple[bool, float | None]] = field(default_factory=dict)  # -> (up, when that began)
    _restarted: dict[str, float] = field(default_factory=dict)  # site -> when its frozen router was
    changes: int = 0  # grows whenever something begins or ends to be true: what was derived before is stale
    _topology: Topology = field(init=False)
    _runtimes: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self._topology = Topology(self.inventory)
        for site in self.inventory.sites.values():
            self._power.setdefault(self.supply_of(site.id), Power())
        devices = self.inventory.devices.values()
        ups = {self.supply_of(d.site): self.ups_runtime_s for d in devices if d.kind == "ups" and d.site}
        self._runtimes = ups if self.batteries is None else self.batteries

    def supply_of(self, site: str) -> str:
        """Where the mains of a site come from: its building, else itself."""
        return self.inventory.sites[site].building or site

    def add(self, faults: Iterable[Fault]) -> None:
        """Let more things break, at times relative to the start."""
        self.faults = (*self.faults, *faults)

    def step(self, t: float) -> None:
        """Advance to ``t``."""
        passed_s, self.t = t - self.t, t
        now_active = frozenset(f for f in self.faults if f.active(t))
        for fault in now_active - self._was:
            self.truth.append((t, "begins", fault.kind, fault.target))
        for fault in self._was - now_active:
            self.truth.append((t, "ends", fault.kind, fault.target))
            if fault.kind == "frozen":
                self._restarted[self.inventory.devices[fault.target].site] = t
        self.changes += now_active != self._was
        self._was = now_active
        for kind in FAULTS:
            self._active[kind] = {f.target for f in now_active if f.kind == kind}
        without = {self.supply_of(t) if t in self.inventory.sites else t for t in self._active["power"]}
        for site in self.inventory.sites.values() if self._active["feeder"] else ():
            if site.power in self._active["feeder"]:
                without.add(self.supply_of(site.id))
        for supply, power in self._power.items():
            self._step_power(power, supply not in without, self._runtimes.get(supply, 0.0), passed_s)
        self._lost_nodes = {
            node
            for node in self.inventory.nodes
            if node in self._active["node"] or any(a in self._active["node"] for a in self._topology.ancestors(node))
        }
        for line in self.inventory.lines.values():
            for far in (False, True):
                up = self.port_up(line, far)
                if up != self._ports.setdefault((line.id, far), (True, None))[0]:
                    self._ports[line.id, far] = up, t
                    self.changes += 1

    def _step_power(self, power: Power, mains: bool, runtime_s: float, passed_s: float) -> None:
        if mains != power.mains:
            power.mains, power.since = mains, self.t
        elif not mains:
            left = power.charge_ratio - passed_s / runtime_s if runtime_s else 0.0
            power.charge_ratio = left if left > 1e-9 else 0.0
        if mains:
            gained = passed_s / self.recharge_s if self.recharge_s else 1.0
            power.charge_ratio = min(1.0, power.charge_ratio + gained)
        on = mains or (runtime_s > 0 and power.charge_ratio > 0.0)
        if on and not power.on:
            power.boot_at = self.t
        power.on = on

    # --- what the agents ask -----------------------------------------------------------------------------------------

    def mains(self, site: str) -> bool:
        """Whether there is mains at a site; what stands at a node has always mains."""
        return site not in self.inventory.sites or self._power[self.supply_of(site)].mains

    def battery_ratio(self, site: str) -> float:
        """Charge of the UPS at a site: drains without mains, is full with them."""
        if site not in self.inventory.sites:
            return 1.0
        return self._power[self.supply_of(site)].charge_ratio

    def powered(self, site: str) -> bool:
        """Whether the equipment of a site has power and has finished booting."""
        power = self._power[self.supply_of(site)]
        return power.on and self.t - self._booted_at(site) >= self.boot_s

    def uptime_s(self, site: str, kind: str = "router") -> float:
        """Seconds since the equipment of a site got power or was restarted; long ago at the start, as in life."""
        boot_at = self._booted_at(site) if kind == "router" else self._power[self.supply_of(site)].boot_at
        before = 86400.0 * (20 + zlib.crc32(site.encode()) % 300)
        return self.t + before if boot_at < 0 else self.t - boot_at

    def _booted_at(self, site: str) -> float:
        return max(self._power[self.supply_of(site)].boot_at, self._restarted.get(site, -1e9))

    def node_up(self, node: str) -> bool:
        return node not in self._lost_nodes

    def fibre_ok(self, line: str) -> bool:
        if line in self._active["fibre"]:
            return False
        found = self.inventory.lines[line]
        cut = self._active["cable"] | (self._active["cabinet"] if found.handoff != "sfp" else set())
        return not cut or self.inventory.sites[found.site].cable not in cut

    def port_up(self, line: Line, far: bool = False) -> bool:
        """Whether the router's port on the line has a link, or the one at the node (``far``).

        sfp: light, both ends have power and the fibre is whole. ont: the router's port sees the ONT, which may lose its
        power alone; the node's port sees equipment of the telco that stands beside it.
        """
        power = self._power[self.supply_of(line.site)]
        if line.handoff == "sfp":
            return self.fibre_ok(line.id) and self.node_up(line.parent) and power.on
        return self.node_up(line.parent) if far else power.on and self.ont_on(line)

    def ont_on(self, line: Line) -> bool:
        power = self._power[self.supply_of(line.site)]
        return power.mains if line.id in self.bare_onts else power.on

    def port_changed_at(self, line: str, far: bool = False) -> float | None:
        """When the link last came or went; None if it has been there all the time."""
        return self._ports.get((line, far), (True, None))[1]

    def frozen(self, site: str) -> bool:
        devices = self._topology.devices_of(site) if self._active["frozen"] else ()
        return any(device in self._active["frozen"] for device in devices)

    def line_up(self, line: Line) -> bool:
        """Whether packets to the site's router over this line are answered."""
        if line.handoff != "sfp" and not (self.ont_on(line) and self.fibre_ok(line.id) and self.node_up(line.parent)):
            return False
        return self.port_up(line) and self.powered(line.site) and not self.frozen(line.site)

    def site_reachable(self, site: str) -> bool:
        """Whether any line of the site carries traffic (its UPS and its sensors are behind them)."""
        return any(self.line_up(self.inventory.lines[line]) for line in self._topology.lines_of(site))

    def hangs(self, device: str) -> bool:
        return device in self._active["hang"]

    @property
    def untrue(self) -> bool:
        """Whether any of UNWRITTEN is on: asked for every port of every reply."""
        return any(self._active[kind] for kind in UNWRITTEN)

    def unwritten(self, kind: str, target: str) -> bool:
        """Whether one of UNWRITTEN has happened to a line or device."""
        return target in self._active[kind]

    def hot(self, place: str) -> bool:
        return place in self._active["hot"]

    def door_open(self, place: str) -> bool:
        return place in self._active["door"]

    def gateway_dead(self, gateway: str) -> bool:
        return gateway in self._active["gateway"]

    def sensor_fault(self, sensor: str) -> str:
        """silent, stuck, drift, or "" while the sensor is well."""
        return next((kind for kind in ("silent", "stuck", "drift") if sensor in self._active[kind]), "")
