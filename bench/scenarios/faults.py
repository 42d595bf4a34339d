"""Faults from a seed and what each truly is. Pure; knows nothing of netmon's rules, and netmon nothing of it.

The causes, by what broke first:
 power: the site has no mains, whatever died of it (router, ONT, the telco's cabinet in the same street) · line: the
 provider's way from the node to the site's equipment was cut · device: the site's own router · upstream: a node ·
 monitor: netmon's own way out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.scenarios.land import Land
from netmon.sim.world import Fault
from netmon.topology import Topology

CAUSES = ("power", "line", "device", "upstream", "monitor")
QUIET_S = 240.0  # between two faults of one subtree: detection, return, boot and `recovered`
FRESH_S = 900.0  # a site that fails again sooner is the same incident (`reopen`)
FIRST_S = 150.0  # the prober has learned its lines by then
BLOCK = 60  # faults between two losses of netmon's own uplink


@dataclass(slots=True)
class Case:
    """One fault: what happens in the world, who feels it, and what it truly is."""

    number: int
    name: str
    cause: str
    faults: tuple[Fault, ...]
    sites: tuple[str, ...] = ()  # that lose their way, or would without a battery
    node: str = ""  # that is lost itself
    hidden_from: float | None = None  # under a lost node since then: nobody can tell when it began
    answer_at: float | None = None  # when a person on site says whether there is mains
    evidence: set[str] = field(default_factory=set)  # what the world emitted that tells the cause: see `Watch`

    @property
    def begins_at(self) -> float:
        return min(fault.at_s for fault in self.faults)

    @property
    def ends_at(self) -> float:
        return max(fault.at_s + fault.duration_s for fault in self.faults)


def cases(land: Land, seed: int, count: int) -> list[Case]:
    """``count`` faults in order: one at a time in each subtree, at any time beside those of the other subtrees."""
    maker = _Maker(land, random.Random(f"faults {seed}"))
    at = FIRST_S
    while len(maker.made) < count:
        at = maker.block(at, min(BLOCK, count - len(maker.made)))
    return sorted(maker.made, key=lambda case: case.begins_at)


class _Maker:
    def __init__(self, land: Land, rng: random.Random) -> None:
        self.land, self.rng = land, rng
        self.inventory = land.inventory
        self.topology = Topology(self.inventory)
        self.nodes = [node.id for node in self.inventory.nodes.values() if node.kind == "aggregation"]
        self.made: list[Case] = []
        self.used: dict[str, float] = {}
        self.kinds: dict[str, tuple[Callable[[str, float], Case | None], int]] = {
            "mains cut": (self.mains, 14),
            "mains cut, battery holds": (self.mains_held, 3),
            "UPS battery dead": (self.battery_dead, 8),
            "ONT without UPS": (self.ont_dark, 8),
            "cabinet without power": (self.cabinet, 6),
            "feeder cut": (self.feeder, 5),
            "fibre cut": (self.fibre, 22),
            "one of two lines": (self.one_of_two, 5),
            "shared drop cable": (self.drop_cable, 8),
            "street cable": (self.street_cable, 4),
            "router frozen": (self.frozen, 10),
            "node lost": (self.node_lost, 7),
        }

    def block(self, at: float, count: int) -> float:
        """Make ``count`` cases, the last of them netmon's own uplink; returns when all is over."""
        lanes = {node: at + self.rng.uniform(0, 150) for node in self.nodes}
        end = len(self.made) + count - (count > 10)
        names, weights = list(self.kinds), [weight for _, weight in self.kinds.values()]
        while len(self.made) < end:
            node = min(lanes, key=lambda n: lanes[n])
            name = self.rng.choices(names, weights)[0]
            case = self.kinds[name][0](node, lanes[node])
            if case is None:
                lanes[node] += 5.0  # nobody here that this can happen to now
                continue
            case.name = name
            self._add(case)
            if case.node and self.rng.random() < 0.5 and len(self.made) < end:
                self._child_of(case)
            busy = {self.inventory.lines[line].parent for s in case.sites for line in self.topology.lines_of(s)}
            for lane in busy | {node}:
                lanes[lane] = max(lanes[lane], self.made[-1].ends_at, case.ends_at) + QUIET_S
        over = max(case.ends_at for case in self.made) + QUIET_S + 100.0
        if count > 10:
            self._add(
                Case(
                    0,
                    "own uplink",
                    "monitor",
                    (Fault("node", "uplink", over, self.rng.uniform(60, 150)),),
                    (),
                    "uplink",
                )
            )
            over = self.made[-1].ends_at + QUIET_S
        return over

    def _add(self, case: Case) -> None:
        case.number = len(self.made)
        for site in (*case.sites, case.node):
            self.used[site] = case.ends_at
        if self.rng.random() < 0.15 and case.cause in ("power", "line", "device"):
            case.answer_at = case.begins_at + self.rng.uniform(60, 100)
        self.made.append(case)

    def _child_of(self, lost: Case) -> None:
        """A site below a lost node breaks, too, and is still broken when the node returns."""
        if sites := self._sites(lost.node, lost.begins_at):
            at = lost.begins_at + self.rng.uniform(30, 80)
            cut = Fault("fibre", f"{sites[0]}-1", at, lost.ends_at - at + self.rng.uniform(120, 200))
            child = Case(0, "fibre cut under a lost node", "line", (cut,), (sites[0],))
            child.hidden_from = lost.begins_at
            self._add(child)

    # --- who it may happen to ---

    def _lasts(self) -> float:
        return self.rng.uniform(120, 320)

    def _fresh(self, sites: list[str], at: float) -> bool:
        return all(at - self.used.get(site, -1e9) > FRESH_S for site in sites)

    def _sites(self, node: str, at: float) -> list[str]:
        """Sites of one line below the node whose house has been well for a while, in any order."""
        found = [self.inventory.lines[line].site for line in self.topology.lines_under(node)]
        found = [s for s in found if self._single(s) and self._fresh(self._house(s), at)]
        self.rng.shuffle(found)
        return found

    def _single(self, site: str) -> bool:
        return all(len(self.topology.lines_of(mate)) == 1 for mate in self._house(site))

    def _supply(self, site: str) -> str:
        return self.inventory.sites[site].building or site

    def _house(self, site: str) -> list[str]:
        building = self.inventory.sites[site].building
        return list(self.topology.sites_in_building(building)) if building else [site]

    def _houses(self, sites: tuple[str, ...]) -> list[str]:
        return list(dict.fromkeys(mate for site in sites for mate in self._house(site)))

    def _battery_s(self, site: str) -> float:
        """-1: no UPS; 0: a dead one."""
        return self.land.batteries.get(self._supply(site), -1.0)

    def _onts(self, sites: list[str], bare: bool) -> bool:
        """True if all lines of the sites end in ONTs that do (or do not) go with the mains."""
        lines = [self.inventory.lines[line] for site in sites for line in self.topology.lines_of(site)]
        return all(line.handoff == "ont" and (line.id in self.land.bare_onts) == bare for line in lines)

    # --- power ---

    def _dark(self, site: str, at: float, lasts_s: float) -> Case:
        return Case(0, "", "power", (Fault("power", self._supply(site), at, lasts_s),), tuple(self._house(site)))

    def mains(self, node: str, at: float) -> Case | None:
        for site in self._sites(node, at):
            battery_s = self._battery_s(site)
            if battery_s < 0 or 0 < battery_s < 600:
                return self._dark(site, at, max(0.0, battery_s) + self._lasts())
        return None

    def mains_held(self, node: str, at: float) -> Case | None:
        """Longer than UpsOnBattery waits; the site stays up."""
        for site in self._sites(node, at):
            house = self._house(site)
            told = any(self.inventory.devices[d].kind == "ups" for s in house for d in self.topology.devices_of(s))
            bare = any(line in self.land.bare_onts for s in house for line in self.topology.lines_of(s))
            onts = any(self.inventory.lines[line].handoff == "ont" for s in house for line in self.topology.lines_of(s))
            if told and self._battery_s(site) > 600 and not (bare and onts):
                return self._dark(site, at, self.rng.uniform(420, 500))
        return None

    def battery_dead(self, node: str, at: float) -> Case | None:
        for site in self._sites(node, at):
            if self._battery_s(site) == 0.0:
                return self._dark(site, at, self._lasts())
        return None

    def ont_dark(self, node: str, at: float) -> Case | None:
        """The router runs on its battery, the ONT does not."""
        for site in self._sites(node, at):
            battery_s = self._battery_s(site)
            if battery_s > 60 and self._onts(self._house(site), bare=True):
                return self._dark(
                    site, at, self._lasts() if battery_s > 600 else self.rng.uniform(0.5, 0.9) * battery_s
                )
        return None

    def cabinet(self, node: str, at: float) -> Case | None:
        """A street without mains: its houses, and the cabinet that their ONTs are fed from."""
        sites = self.topology.sites_in_cable(f"k{node[1:]}")
        houses = self._houses(sites)
        if not self._fresh(houses, at) or not all(map(self._single, sites)):
            return None
        lasts_s = self._lasts()
        dark = [Fault("power", supply, at, lasts_s) for supply in dict.fromkeys(map(self._supply, sites))]
        return Case(0, "", "power", (Fault("cabinet", f"k{node[1:]}", at, lasts_s), *dark), tuple(houses))

    def feeder(self, node: str, at: float) -> Case | None:
        feeder = f"f{node[1:]}"
        sites = self.topology.sites_in_power(feeder)
        if not self._fresh(self._houses(sites), at) or not all(map(self._single, sites)):
            return None
        return Case(0, "", "power", (Fault("feeder", feeder, at, self._lasts() + 200.0),), tuple(self._houses(sites)))

    # --- lines, devices, nodes ---

    def fibre(self, node: str, at: float) -> Case | None:
        for site in self._sites(node, at):
            return Case(0, "", "line", (Fault("fibre", f"{site}-1", at, self._lasts()),), (site,))
        return None

    def one_of_two(self, node: str, at: float) -> Case | None:
        for line in self.topology.lines_under(node):
            site = self.inventory.lines[line].site
            if len(self.topology.lines_of(site)) == 2 and self._fresh([site], at) and not self._other_lost(site, at):
                return Case(0, "", "line", (Fault("fibre", line, at, self._lasts()),), (site,))
        return None

    def _other_lost(self, site: str, at: float) -> bool:
        """True while a node above the site is lost or has just been: both lines at once are another case."""
        nodes = [self.inventory.lines[line].parent for line in self.topology.lines_of(site)]
        return any(at - self.used.get(node, -1e9) < QUIET_S for node in nodes)

    def drop_cable(self, node: str, at: float) -> Case | None:
        return self._cable(f"c{node[1:]}", at)

    def street_cable(self, node: str, at: float) -> Case | None:
        return self._cable(f"k{node[1:]}", at)

    def _cable(self, cable: str, at: float) -> Case | None:
        sites = self.topology.sites_in_cable(cable)
        if not self._fresh(list(sites), at) or not all(map(self._single, sites)):
            return None
        return Case(0, "", "line", (Fault("cable", cable, at, self._lasts()),), tuple(sites))

    def frozen(self, node: str, at: float) -> Case | None:
        for site in self._sites(node, at):
            if f"r-{site}" in self.inventory.devices:
                return Case(0, "", "device", (Fault("frozen", f"r-{site}", at, self._lasts()),), (site,))
        return None

    def node_lost(self, node: str, at: float) -> Case | None:
        twice = [s for s in self.topology.sites_below(node) if len(self.topology.lines_of(s)) == 2]
        if not self._fresh([node], at) or any(at - self.used.get(site, -1e9) < QUIET_S for site in twice):
            return None
        return Case(0, "", "upstream", (Fault("node", node, at, self._lasts()),), (), node)
