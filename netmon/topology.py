"""Who hangs from whom: look-ups over a checked inventory. Pure; every answer is a tuple in a stable order.

The tree has any depth: nodes hang from nodes (``Node.parent``), lines hang from nodes (``Line.parent``), and a site
hangs from the parents of all its lines. An id nobody knows has no relatives: the answer is ``()``, never an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from netmon.model import Inventory

Ids = tuple[str, ...]


class Topology:
    """Built once per inventory; all relations are computed here, so that a look-up is one dict access."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        nodes, lines = inventory.nodes, inventory.lines
        self._children = _group((node.parent, node.id) for node in nodes.values() if node.parent)
        self._under = _group((line.parent, line.id) for line in lines.values())
        # The primary line of a site first: messages name its circuit.
        by_role = sorted(lines.values(), key=lambda line: (line.role != "primary", line.id))
        self._lines = _group((line.site, line.id) for line in by_role)
        self._devices = _group((device.site or device.node, device.id) for device in inventory.devices.values())
        self._sensors = _group((sensor.site or sensor.node, sensor.id) for sensor in inventory.sensors.values())
        ways = ((sensor.via.partition(":"), sensor.id) for sensor in inventory.sensors.values())
        self._behind = _group((name, sensor) for (way, _, name), sensor in ways if way == "gateway")
        self._buildings = _group((site.building, site.id) for site in inventory.sites.values())
        self._power = _group((site.power, site.id) for site in inventory.sites.values())
        self._cable = _group((site.cable, site.id) for site in inventory.sites.values())
        self._ancestors = {node: self._climb(node) for node in nodes}
        below: defaultdict[str, list[str]] = defaultdict(list)
        nodes_below: defaultdict[str, list[str]] = defaultdict(list)
        for line in lines.values():
            for node in self.line_ancestors(line.id):
                below[node].append(line.id)
        for node in nodes:
            for ancestor in self._ancestors[node]:
                nodes_below[ancestor].append(node)
        self._lines_below = {node: tuple(ids) for node, ids in below.items()}
        self._nodes_below = {node: tuple(ids) for node, ids in nodes_below.items()}
        self._sites_below = {
            node: tuple(dict.fromkeys(lines[line].site for line in ids)) for node, ids in self._lines_below.items()
        }

    def _climb(self, node: str) -> Ids:
        """The chain above a node; a loop (which the check of the inventory refuses) ends where it closes."""
        chain: dict[str, None] = {}
        nodes = self.inventory.nodes
        above = nodes[node].parent
        while above is not None and above in nodes and above != node and above not in chain:
            chain[above] = None
            above = nodes[above].parent
        return tuple(chain)

    def children_nodes(self, node: str) -> Ids:
        """Nodes that hang directly from ``node``."""
        return self._children.get(node, ())

    def nodes_below(self, node: str) -> Ids:
        """All nodes below ``node``, at any depth."""
        return self._nodes_below.get(node, ())

    def lines_under(self, node: str) -> Ids:
        """Lines that hang directly from ``node``."""
        return self._under.get(node, ())

    def lines_below(self, node: str) -> Ids:
        """Lines that hang from ``node`` or from any node below it."""
        return self._lines_below.get(node, ())

    def sites_below(self, node: str) -> Ids:
        """Sites with at least one line below ``node``; a second line may run elsewhere."""
        return self._sites_below.get(node, ())

    def lines_of(self, site: str) -> Ids:
        """The lines of a site, primary ones first."""
        return self._lines.get(site, ())

    def ancestors(self, node: str) -> Ids:
        """The nodes above ``node``, nearest first, without itself."""
        return self._ancestors.get(node, ())

    def line_ancestors(self, line: str) -> Ids:
        """The nodes above a line, nearest first."""
        known = self.inventory.lines.get(line)
        if known is None or known.parent not in self._ancestors:
            return ()
        return (known.parent, *self._ancestors[known.parent])

    def devices_of(self, owner: str) -> Ids:
        """Devices of a site or of a node."""
        return self._devices.get(owner, ())

    def sensors_of(self, owner: str) -> Ids:
        """Sensors of a site or of a node."""
        return self._sensors.get(owner, ())

    def sensors_behind(self, gateway: str) -> Ids:
        """Sensors that are heard through a gateway."""
        return self._behind.get(gateway, ())

    def sites_in_building(self, group: str) -> Ids:
        """Sites that share a house, and with it power and drop cable."""
        return self._buildings.get(group, ())

    def sites_in_power(self, group: str) -> Ids:
        """Sites on one power feeder."""
        return self._power.get(group, ())

    def sites_in_cable(self, group: str) -> Ids:
        """Sites whose lines share a cable."""
        return self._cable.get(group, ())

    def mates_in_power(self, site: str) -> Ids:
        """Other sites that lose their mains with this one: of its house, then of its feeder."""
        facts = self.inventory.sites.get(site)
        if facts is None:
            return ()
        house = self.sites_in_building(facts.building) if facts.building else ()
        feeder = self.sites_in_power(facts.power) if facts.power else ()
        return tuple(mate for mate in dict.fromkeys((*house, *feeder)) if mate != site)

    def parents_of_target(self, target: str) -> Ids:
        """The nodes above a probe target (line or node id) that are probed themselves, nearest first."""
        above = self.line_ancestors(target) if target in self.inventory.lines else self.ancestors(target)
        return tuple(node for node in above if self._probed(node))

    def _probed(self, node: str) -> bool:
        probe = self.inventory.nodes[node].probe
        return probe is not None and probe.kind != "none"


def _group(pairs: Iterable[tuple[str | None, str]]) -> Mapping[str, Ids]:
    """Owner -> its members, in the order they came; members without an owner are left out."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for owner, member in pairs:
        if owner:
            groups[owner].append(member)
    return {owner: tuple(members) for owner, members in groups.items()}
