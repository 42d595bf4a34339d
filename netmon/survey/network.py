"""Who is who: neighbours and addresses that devices tell of -> devices and nodes of the inventory. Pure.

Names alone are weak (half of all routers are called "MikroTik"), so one counts only where a single device has it and
neither its MAC nor its address says otherwise.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from netmon.model import Inventory, Line
from netmon.survey.decode import find_port
from netmon.survey.facts import DeviceFacts, Neighbour
from netmon.topology import Topology


class Who(NamedTuple):
    """What a neighbour is in the inventory: a device, or equipment of a node that is no device of its own."""

    device: str
    node: str  # where it stands; "" at a site


class Heard(NamedTuple):
    """One neighbour, seen from one device, and who it is. Subinterfaces are their port: JunOS tells of ge-0/0/0.0."""

    by: str
    on: str  # port of the device that sees it; "" if that is not to be told
    neighbour: Neighbour
    who: Who | None
    port: str  # of the neighbour, as netmon knows it; "" if that is not to be told


class Network:
    """Answers for one survey. ``facts``: device id -> what it said (those that did not answer may be in it)."""

    def __init__(self, inventory: Inventory, facts: Mapping[str, DeviceFacts]) -> None:
        self.inventory = inventory
        self.facts = {name: found for name, found in facts.items() if found.ok}
        self.topology = Topology(inventory)
        self._nodes: dict[str, str] = {}  # what equipment of a node is known as -> the node
        for node in inventory.nodes.values():
            self._nodes |= {text.casefold(): node.id for text in node.known_as}
        self._names = self._unique((name, own) for own, found in self.facts.items() for name in self._own_names(found))
        for device in inventory.devices.values():  # what was not asked, or does not answer, has its name from the file
            if device.id not in self.facts:
                self._names.setdefault((device.sys_name or device.id).casefold(), device.id)
        self._macs = self._unique((mac, own) for own, found in self.facts.items() for mac in _macs(found))
        self._owners: dict[str, set[str]] = {}
        for own, found in self.facts.items():
            for address in found.addresses:
                self._owners.setdefault(address.address, set()).add(own)
        self._devices = {device.address: device.id for device in inventory.devices.values()}
        self._lines = {line.probe.address: line for line in inventory.lines.values() if line.probe.address}
        self._probed = {node.probe.address: node.id for node in inventory.nodes.values() if node.probe}
        self.heard = [
            Heard(own, self.base(own, n.port), n, who, self._port_of(who, n))
            for own, found in self.facts.items()
            for n in found.neighbours
            for who in (self.identify(n),)
            if who is None or who.device != own or not who.device
        ]
        self.sees: dict[str, list[Heard]] = {}  # by who sees it
        self.at: dict[tuple[str, str], list[Heard]] = {}  # by who sees it, and on which port
        self.towards: dict[str, list[Heard]] = {}  # by who is seen
        for heard in self.heard:
            self.sees.setdefault(heard.by, []).append(heard)
            self.at.setdefault((heard.by, heard.on), []).append(heard)
            if heard.who and heard.who.device:
                self.towards.setdefault(heard.who.device, []).append(heard)

    def _own_names(self, found: DeviceFacts) -> Iterable[str]:
        name = found.sys_name.casefold()
        return {name, name.split(".")[0]} if name else ()

    @staticmethod
    def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
        found: dict[str, set[str]] = {}
        for key, value in pairs:
            found.setdefault(key, set()).add(value)
        return {key: next(iter(values)) for key, values in found.items() if len(values) == 1}

    # --- devices -----------------------------------------------------------------------------------------------------

    def _who(self, device: str) -> Who:
        return Who(device, self.inventory.devices[device].node)

    def by_name(self, name: str) -> str:
        """The one device that calls itself so; with and without a domain is the same."""
        name = name.casefold()
        return self._names.get(name) or self._names.get(name.split(".")[0], "") if name else ""

    def owners(self, address: str) -> set[str]:
        """Devices that have an address on one of their ports."""
        return self._owners.get(address, set())

    def identify(self, neighbour: Neighbour) -> Who | None:
        """Who an LLDP neighbour is; None if the inventory does not know it, or if what it says contradicts itself."""
        told = [mac for mac in (neighbour.chassis, *neighbour.port_ids) if mac in self._macs]
        found = {self._macs[mac] for mac in told}
        if not found:
            at = {who.device: a in self._devices for a in neighbour.addresses if (who := self.at_address(a))}
            found = {device for device, stated in at.items() if device and not self._another(device, neighbour, stated)}
        if not found and (named := self.by_name(neighbour.name)) and not self._another(named, neighbour, True):
            found = {named}
        if len(found) == 1:
            return self._who(next(iter(found)))
        if found:
            return None
        for text in (neighbour.name, neighbour.chassis, *neighbour.addresses):
            if node := self._nodes.get(text.casefold()) if text else None:
                return Who("", node)
        nodes = {who.node for a in neighbour.addresses if (who := self.at_address(a)) and not who.device}
        return Who("", nodes.pop()) if len(nodes) == 1 else None

    def _another(self, device: str, neighbour: Neighbour, stated: bool) -> bool:
        """Whether a neighbour's chassis is none of this device's MACs: the same name or private address twice.

        Where the device does not tell its chassis, its ports' MACs decide; but for what the inventory itself states.
        """
        facts = self.facts.get(device)
        if facts is None or not neighbour.chassis or (stated and not facts.chassis):
            return False
        macs = _macs(facts)
        return bool(macs) and neighbour.chassis not in macs

    def at_address(self, address: str) -> Who | None:
        """Who has an address: by the inventory, else by what the devices themselves say."""
        if device := self._devices.get(address):
            return self._who(device)
        owners = self.owners(address)
        if len(owners) == 1:
            return self._who(next(iter(owners)))
        line = self._lines.get(address)
        if line and line.device:
            return self._who(line.device)
        node = self._probed.get(address) or self._nodes.get(address.casefold())
        return Who("", node) if node else None

    def knows_address(self, address: str) -> bool:
        """Whether an address is anywhere in the inventory, or on a device of it."""
        return self.at_address(address) is not None or address in self._lines or bool(self.owners(address))

    def _port_of(self, who: Who | None, neighbour: Neighbour) -> str:
        facts = self.facts.get(who.device) if who else None
        return self.base(facts.device, find_port(facts.ports, neighbour.port_ids)) if facts else ""

    # --- ports and lines ---------------------------------------------------------------------------------------------

    def base(self, device: str, port: str) -> str:
        """The physical port that a subinterface belongs to, else the port itself."""
        facts = self.facts.get(device)
        ports = facts.ports.values() if facts and port else ()
        return next((p.name for p in ports if p.physical and part_of(port, p.name)), port)

    def line_at(self, device: str, port: str) -> Line | None:
        """The line that the inventory puts on a port of a site's device."""
        for line in self.inventory.lines.values():
            if line.device == device and line.if_name and self.base(device, line.if_name) == port:
                return line
        return None

    def connected(self, device: str, port: str, address: str) -> bool:
        """Whether an address lies in a network that the port itself (or a VLAN of it) is connected to."""
        facts = self.facts.get(device)
        ip = ipaddress.ip_address(address)
        return facts is not None and any(
            own.prefix and part_of(own.port, port) and ip in ipaddress.ip_network(own.prefix) for own in facts.addresses
        )


def part_of(port: str, base: str) -> bool:
    """Whether a port is the base or a subinterface of it: GigabitEthernet0/0/0.100, ether1:1."""
    return port == base or re.match(re.escape(base) + r"[.:]\d", port) is not None


def _macs(facts: DeviceFacts) -> set[str]:
    """What a device may be known by; one that several devices have is nobody's in ``Network``."""
    return {mac for mac in (facts.chassis, *(port.mac for port in facts.ports.values())) if mac}
