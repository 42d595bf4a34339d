"""One survey -> all differences between network and inventory, in the inventory's order. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from netmon.model import Device, Inventory, Line
from netmon.survey.circuits import Circuits
from netmon.survey.difference import FIELDS, Add, Difference, Fix, Include, Put
from netmon.survey.facts import DeviceFacts
from netmon.survey.lines import LineCheck, describe
from netmon.survey.network import Heard, Network

NETWORK_GEAR = {"bridge", "router", "repeater", "docsis"}  # telephones, stations and access points' clients are none
_SLUG = re.compile(r"[^a-z0-9._-]+")


def examine(inventory: Inventory, facts: Mapping[str, DeviceFacts], today: str) -> list[Difference]:
    """Differences of everything that was asked. ``today``: ISO date, for the contracts in force."""
    network = Network(inventory, facts)
    circuits = Circuits(line.circuit for line in inventory.lines.values())
    found: list[Difference] = []
    told: set[tuple[str, str]] = set()
    for line in inventory.lines.values():
        check = LineCheck(line, network, circuits, today)
        found += check.run()
        told |= {_identity(heard) for heard in check.used}
    for device in inventory.devices.values():
        if device.id in facts:
            found += _device(device, facts[device.id], network)
    found += _addresses(network)
    found += _strangers(network, told)
    found += _sessions(network)
    return _without_rivals(found, inventory)


def _without_rivals(found: list[Difference], inventory: Inventory) -> list[Difference]:
    """Two lines in one place, or with one circuit, contradict each other: what would bring that about is not sure."""
    puts = {
        (fix.id, fix.key): fix.value
        for difference in found
        for fix in difference.fixes
        if difference.sure and isinstance(fix, Put) and fix.kind == "line"
    }
    claims: Counter[tuple[str, ...]] = Counter()
    for line in inventory.lines.values():
        claims.update(_claims(line, puts))
    out = []
    for difference in found:
        keys = {fix.key for fix in difference.fixes if isinstance(fix, Put)}
        of = inventory.lines.get(difference.id) if difference.kind == "line" and difference.sure else None
        rivals = of and [claim for claim in _claims(of, puts) if claims[claim] > 1 and claim[0] in keys]
        out.append(replace(difference, sure=False) if rivals else difference)
    return out


def _claims(line: Line, puts: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, ...]]:
    """What a line alone has, once the changes are made; the first word is the key that says it."""
    values = {key: puts.get((line.id, key), getattr(line, key)) for key in FIELDS["line"] if hasattr(line, key)}
    for keys in (("if_name", "device"), ("remote_if_name", "remote_device"), ("circuit",)):
        if values[keys[0]]:
            yield keys[0], *(values[key] for key in keys)


# --- devices ---------------------------------------------------------------------------------------------------------


def _device(device: Device, facts: DeviceFacts, network: Network) -> Iterator[Difference]:
    at = f"{device.address} port {device.port}"
    if not facts.ok:
        says = f"the inventory says {at}, credential {device.credential}"
        yield Difference("device", device.id, "address", f"does not answer ({facts.reason})", says)
        return
    if facts.credential != device.credential:
        fix = Put("device", device.id, "credential", facts.credential)
        found = f"answers to credential {facts.credential} and not to its own"
        says = f"the inventory says {device.credential}"
        yield Difference("device", device.id, "credential", found, says, True, (fix,), True)
    name, stated = facts.sys_name, device.sys_name or device.id
    if not name or name.casefold() == stated.casefold():
        return
    devices = network.inventory.devices.values()
    other = next((d for d in devices if name.casefold() == (d.sys_name or d.id).casefold()), None)
    put: tuple[Fix, ...] = (Put("device", device.id, "sys_name", name),)
    found = f'what answers at {at} calls itself "{name}"'
    if other:
        says = f"the inventory has that name for device {other.id}"
        yield Difference("device", device.id, "address", found, says)
    elif device.sys_name:
        yield Difference("device", device.id, "sys_name", found, f'the inventory says "{stated}"', True, put)
    elif network.by_name(name) == device.id:
        yield Difference("device", device.id, "id", found, "the inventory says no sys_name", False, put, True)


def _addresses(network: Network) -> Iterator[Difference]:
    """Addresses of the inventory that are on other devices than it says."""
    inventory = network.inventory
    for device in inventory.devices.values():
        others = network.owners(device.address) - {device.id}
        # What has the address itself, or shares it (VRRP, anycast), answers rightly.
        if others and device.id not in network.owners(device.address):
            text = f"address {device.address} is on {_list(network, others, device.address)}"
            yield Difference("device", device.id, "address", text, "the inventory gives it to this device")
    for line in inventory.lines.values():
        owners = network.owners(line.probe.address)
        if owners and not any(inventory.devices[own].site == line.site for own in owners):
            text = f"address {line.probe.address} is on {_list(network, owners, line.probe.address)}"
            yield Difference("line", line.id, "address", text, f"the inventory gives it to site {line.site}")


def _list(network: Network, devices: set[str], address: str) -> str:
    places = []
    for device in sorted(devices):
        port = next((own.port for own in network.facts[device].addresses if own.address == address), "")
        places.append(f"port {port} of {device}" if port else device)
    return " and ".join(places)


# --- what the inventory does not know --------------------------------------------------------------------------------


def _identity(heard: Heard) -> tuple[str, str]:
    n = heard.neighbour
    return ("chassis", n.chassis) if n.chassis else ("name", n.name)


def _strangers(network: Network, told: set[tuple[str, str]]) -> Iterator[Difference]:
    """Network equipment that LLDP sees and the inventory does not know: each once, however many see it."""
    groups: dict[tuple[str, str], list[Heard]] = {}
    for heard in network.heard:
        capabilities = heard.neighbour.capabilities
        gear = not capabilities or (capabilities & NETWORK_GEAR and "telephone" not in capabilities)
        if heard.who is None and gear and (key := _identity(heard)) not in told and key[1]:
            groups.setdefault(key, []).append(heard)
    taken = set(network.inventory.devices)
    for sightings in groups.values():
        yield _stranger(network, sightings, taken)


def _stranger(network: Network, sightings: list[Heard], taken: set[str]) -> Difference:
    first = sightings[0]
    seen = ", ".join(f"{h.by} on port {h.on}" if h.on else h.by for h in sightings[:3])
    more = f" and {len(sightings) - 3} more" if len(sightings) > 3 else ""
    found = f"LLDP sees {describe(first)} at {seen}{more}"
    says = "the inventory knows no such device"
    lines = [line for h in sightings if (line := network.line_at(h.by, h.on))]
    owner = network.inventory.devices[first.by]
    name = first.neighbour.name
    if len(lines) == len(sightings):  # at the outer end of lines: the telco's
        parents = {line.parent for line in lines}
        known = (Include("node", lines[0].parent, "known_as", name),) if len(parents) == 1 and name else ()
        return Difference("device", first.by, "id", found, says, True, known, len(lines) > 1 and bool(known))
    below = [
        line
        for h in sightings
        for line in network.inventory.lines.values()
        if not line.device and line.remote_device == h.by and network.base(h.by, line.remote_if_name) == h.on
    ]
    site = below[0].site if len(below) == 1 else owner.site
    fixes: tuple[Fix, ...] = ()
    if added := _addition(network, first, site, "" if site else owner.node, taken):
        fixes = (added, Put("line", below[0].id, "device", added.device["id"])) if len(below) == 1 else (added,)
    places = {network.inventory.devices[h.by].site or network.inventory.devices[h.by].node for h in sightings}
    return Difference("device", first.by, "id", found, says, True, fixes, bool(fixes) and len(places) == 1)


def _addition(network: Network, heard: Heard, site: str, node: str, taken: set[str]) -> Add | None:
    """A device for a neighbour with one address and a name that makes an id. The credential is that of who sees it."""
    neighbour, seer = heard.neighbour, network.inventory.devices[heard.by]
    name = _SLUG.sub("-", neighbour.name.casefold()).strip("-._")[:64]
    if not name or name in taken or len(neighbour.addresses) != 1:
        return None
    taken.add(name)
    kind = "router" if "router" in neighbour.capabilities and "bridge" not in neighbour.capabilities else "switch"
    device = {"id": name, "kind": kind, "address": neighbour.addresses[0], "credential": seer.credential}
    if name != neighbour.name.casefold():
        device["sys_name"] = neighbour.name
    return Add("site" if site else "node", site or node, device)


def _sessions(network: Network) -> Iterator[Difference]:
    """Established BGP neighbours that nobody knows, but for the telco's end of a line."""
    for device, facts in network.facts.items():
        ports = [line.if_name for line in network.inventory.lines.values() if line.device == device and line.if_name]
        for peer in facts.peers:
            if not peer.established or network.knows_address(peer.address):
                continue
            if any(network.connected(device, port, peer.address) for port in ports):
                continue
            number = f" (AS {peer.remote_as})" if peer.remote_as else ""
            found = f"has a BGP session with {peer.address}{number}"
            yield Difference("device", device, "id", found, "the inventory knows no such address")
