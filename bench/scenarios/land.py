"""A province from a seed: nodes, sites in shared houses, feeders and cables, and telemetry here and there. Pure.

Six sites in ten have no UPS that anybody can read, a fifth has no router that speaks SNMP, a quarter of the far ends is
named; every mixture of handoff, battery and telemetry comes up.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from netmon.model import Device, Inventory, Line, Node, Probe, Sensor, SensorType, Site

NODES, SITES_EACH = 11, 13
PING = Probe("icmp", "198.18.0.1")


@dataclass(frozen=True, slots=True)
class Land:
    """The inventory, and what is true of it though nobody wrote it down."""

    inventory: Inventory
    batteries: dict[str, float]  # supply -> seconds; 0: a dead battery; no entry: no UPS
    bare_onts: frozenset[str]  # lines whose ONT does not hang on the UPS
    losses: dict[str, float]  # line -> loss ratio, in bursts of 0.3 s


def build(seed: int) -> Land:
    """The same for the same seed."""
    return _Builder(random.Random(f"land {seed}")).build()


class _Builder:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.nodes = [
            Node("uplink", "Đường lên", "uplink", None, probe=PING),
            Node("core", "Lõi tỉnh", "core", "uplink", probe=PING),
        ]
        self.sites: dict[str, Site] = {}
        self.lines: dict[str, Line] = {}
        self.devices: dict[str, Device] = {}
        self.sensors: dict[str, Sensor] = {}
        self.batteries: dict[str, float] = {}
        self.losses: dict[str, float] = {}
        self.address = 0

    def build(self) -> Land:
        for number in range(NODES):
            node = f"n{number}"
            probe = PING if self.rng.random() < 0.5 else None
            self.nodes.append(Node(node, f"Nút gom {number}", "aggregation", "core", probe=probe))
            if self.rng.random() < 0.6:
                self._device(f"r-{node}", "router", node=node)
            self._sites(node, number)
        for site in self.rng.sample(sorted(self.sites), 8):  # a second line, over another node
            other = self.rng.choice([n.id for n in self.nodes[2:] if n.id != self.lines[f"{site}-1"].parent])
            self._line(site, other, 2)
        mains = SensorType("mains", "mains", "/", valid_min=0, valid_max=1, silence_s=900.0)
        inventory = Inventory(
            nodes={node.id: node for node in self.nodes},
            sites=self.sites,
            lines=self.lines,
            devices=self.devices,
            sensor_types={"mains": mains},
            sensors=self.sensors,
        )
        bare = frozenset(line for line in self.lines if self.rng.random() < 0.6)
        return Land(inventory, self.batteries, bare, self.losses)

    def _sites(self, node: str, number: int) -> None:
        rng = self.rng
        house = 0
        for n in range(SITES_EACH):
            site = f"s{number}-{n}"
            # Two share a house and its drop cable, three a feeder, two more the feeder and cable of their street.
            together = n == 1
            house += not together
            building = f"h{number}-{house}" if n < 2 or rng.random() < 0.8 else ""
            feeder = f"f{number}" if 2 <= n <= 4 else f"g{number}" if n in (5, 6) else ""
            cable = f"c{number}" if n < 2 else f"k{number}" if n in (5, 6) else ""
            self.sites[site] = Site(
                site,
                f"UBND {site}",
                site,
                "government",
                "commune",
                "area",
                building=building,
                power=feeder,
                cable=cable,
            )
            if rng.random() < 0.8:
                self._device(f"r-{site}", "router", site=site)
            self._line(site, node, 1)
            self._power(site, building or site)

    def _power(self, site: str, supply: str) -> None:
        rng = self.rng
        if supply not in self.batteries and rng.random() < 0.75:
            # dead, for some minutes, for longer than any cut here
            self.batteries[supply] = rng.choices([0.0, rng.uniform(70.0, 200.0), 3600.0], [0.2, 0.6, 0.2])[0]
            if rng.random() < 0.38:
                self._device(f"ups-{site}", "ups", site=site)
        if rng.random() < 0.2:
            self.sensors[f"mains-{site}"] = Sensor(
                f"mains-{site}", "mains", f"m/{site}", "senml", site=site, via="cellular"
            )

    def _line(self, site: str, node: str, number: int) -> None:
        rng = self.rng
        line = f"{site}-{number}"
        far = f"r-{node}" if f"r-{node}" in self.devices and rng.random() < 0.45 else ""
        self.address += 1
        self.lines[line] = Line(
            line,
            site,
            node,
            Probe("icmp", f"198.18.{self.address // 250}.{self.address % 250 + 1}"),
            role="primary" if number == 1 else "backup",
            handoff=rng.choice(["sfp", "ont"]),
            device=f"r-{site}" if f"r-{site}" in self.devices else "",
            if_name=f"GE0/0/{number}" if f"r-{site}" in self.devices else "",
            remote_device=far,
            remote_if_name=f"XGE1/{line}" if far else "",
        )
        if rng.random() < 0.1:
            self.losses[line] = rng.choice([0.01, 0.02, 0.1])

    def _device(self, name: str, kind: str, site: str = "", node: str = "") -> None:
        self.address += 1
        address = f"198.19.{self.address // 250}.{self.address % 250 + 1}"
        self.devices[name] = Device(name, kind, address, 161, "public", site=site, node=node)
