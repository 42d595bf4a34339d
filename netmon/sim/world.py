"""The simulated province: what is really true, as a function of time. Pure: the agents only show what this says.

The truth (which fault is on) stays in here and in the truth log; netmon sees only packets. Faults follow physics: power
feeds a building, a UPS carries its sites for a while, a router that lost power boots again, a fibre takes its line and
the port at both ends, a node takes everything below it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from netmon.model import Inventory, Line
from netmon.topology import Topology

UNWRITTEN = ("moved", "renamed", "recircuited", "slow", "stranger", "replaced")  # the inventory is no longer true
FAULTS = ("power", "fibre", "node", "hang", "hot", "door", "gateway", "silent", "stuck", "drift", *UNWRITTEN)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks: ``kind`` at ``target`` from ``at_s`` for ``duration_s`` seconds of simulated time.

    power: a building, or the one of a site, loses mains · fibre: a line id is cut · node: a node id fails · hang: a
    device id stops answering SNMP while it forwards · hot: the air conditioning of a site or node fails · door: the one
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
    boot_at: float = -1e9  # when they last got power


@dataclass(slots=True)
class World:
    """Everything that is true at time ``t`` (seconds since the start). Call `step(t)` before asking."""

    inventory: Inventory
    faults: tuple[Fault, ...] = ()
    ups_runtime_s: float = 40.0
    boot_s: float = 12.0
    t: float = 0.0
    truth: list[tuple[float, str, str, str]] = field(default_factory=list)  # (t, "begins"|"ends", kind, target)
    _power: dict[str, Power] = field(default_factory=dict)
    _active: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in FAULTS})
    _was: frozenset[Fault] = frozenset()
    _lost_nodes: set[str] = field(default_factory=set)
    _ports: dict[str, tuple[bool, float | None]] = field(default_factory=dict)  # line -> (up, when that began)
    changes: int = 0  # grows whenever something begins or ends to be true: what was derived before is stale
    _topology: Topology = field(init=False)
    _has_ups: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._topology = Topology(self.inventory)
        for site in self.inventory.sites.values():
            self._power.setdefault(self.supply_of(site.id), Power())
        self._has_ups = {self.supply_of(d.site) for d in self.inventory.devices.values() if d.kind == "ups" and d.site}

    def supply_of(self, site: str) -> str:
        """Where the mains of a site come from: its building, else itself."""
        return self.inventory.sites[site].building or site

    def add(self, faults: Iterable[Fault]) -> None:
        """Let more things break, at times relative to the start."""
        self.faults = (*self.faults, *faults)

    def step(self, t: float) -> None:
        """Advance to ``t``."""
        self.t = t
        now_active = frozenset(f for f in self.faults if f.active(t))
        for fault in now_active - self._was:
            self.truth.append((t, "begins", fault.kind, fault.target))
        for fault in self._was - now_active:
            self.truth.append((t, "ends", fault.kind, fault.target))
        self.changes += now_active != self._was
        self._was = now_active
        for kind in FAULTS:
            self._active[kind] = {f.target for f in now_active if f.kind == kind}
        without = {self.supply_of(t) if t in self.inventory.sites else t for t in self._active["power"]}
        for supply, power in self._power.items():
            self._step_power(power, supply not in without, supply in self._has_ups)
        self._lost_nodes = {
            node
            for node in self.inventory.nodes
            if node in self._active["node"] or any(a in self._active["node"] for a in self._topology.ancestors(node))
        }
        for line in self.inventory.lines.values():
            up = self.port_up(line)
            if up != self._ports.setdefault(line.id, (True, None))[0]:
                self._ports[line.id] = up, t
                self.changes += 1

    def _step_power(self, power: Power, mains: bool, ups: bool) -> None:
        if mains != power.mains:
            power.mains, power.since = mains, self.t
        on = mains or (ups and self.t - power.since < self.ups_runtime_s)
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
        power = self._power[self.supply_of(site)]
        return 1.0 if power.mains else max(0.0, 1.0 - (self.t - power.since) / self.ups_runtime_s)

    def powered(self, site: str) -> bool:
        """Whether the equipment of a site has power and has finished booting."""
        power = self._power[self.supply_of(site)]
        return power.on and self.t - power.boot_at >= self.boot_s

    def uptime_s(self, site: str) -> float:
        """Seconds since the equipment of a site got power; long ago at the start, as in life."""
        power = self._power[self.supply_of(site)]
        before = 86400.0 * (20 + zlib.crc32(site.encode()) % 300)
        return self.t + before if power.boot_at < 0 else self.t - power.boot_at

    def node_up(self, node: str) -> bool:
        return node not in self._lost_nodes

    def fibre_ok(self, line: str) -> bool:
        return line not in self._active["fibre"]

    def port_up(self, line: Line) -> bool:
        """Light on the line: both ends have power and the fibre is whole."""
        return self.fibre_ok(line.id) and self.node_up(line.parent) and self._power[self.supply_of(line.site)].on

    def port_changed_at(self, line: str) -> float | None:
        """When the light on a line last came or went; None if it has been there all the time."""
        return self._ports.get(line, (True, None))[1]

    def line_up(self, line: Line) -> bool:
        """Whether packets to the site's router over this line are answered."""
        return self.port_up(line) and self.powered(line.site)

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
