"""Where each line really runs: its port at the site, the port at the other end, its circuit, its node. Pure.

Evidence for a port: the circuit in its ifAlias, LLDP with the port at the other end, and (weak, as a LAN address may be
the one that is probed) the line's address on it. What agrees is sure; what contradicts is left to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from netmon.model import Line
from netmon.survey.circuits import Circuits
from netmon.survey.difference import Difference, Put
from netmon.survey.facts import SeenPort
from netmon.survey.network import Heard, Network, Who, part_of

Place = tuple[str, str]  # device, port
Evidence = dict[Place, list[str]]


class LineCheck:
    """Compares one line with what was seen. ``today``: ISO date, for the contract in force."""

    def __init__(self, line: Line, network: Network, circuits: Circuits, today: str) -> None:
        self.line, self.network, self.circuits, self.today = line, network, circuits, today
        facts = network.facts
        self.devices = [d for d in network.topology.devices_of(line.site) if d in facts and facts[d].ports]
        self.stated: Place = line.device, network.base(line.device, line.if_name)
        self.far: Place = line.remote_device, network.base(line.remote_device, line.remote_if_name)
        self.place: Place | None = None  # where the line runs at the site, as far as can be told
        self.used: list[Heard] = []  # neighbours that were told about here

    def run(self) -> Iterator[Difference]:
        """Every difference of this line."""
        yield from self._near()
        yield from self._far()
        yield from self._parent()
        yield from self._speed()

    def _differ(self, key: str, found: str, says: str, drift: bool, *fixes: tuple[str, str], sure: bool) -> Difference:
        line = self.line
        puts = tuple(Put("line", line.id, k, v) for k, v in fixes if getattr(line, k) != v)
        return Difference("line", line.id, key, found, says, drift, puts, sure and bool(puts))

    def _port(self, place: Place) -> SeenPort | None:
        facts = self.network.facts.get(place[0])
        return facts.ports.get(place[1]) if facts else None

    def _has_circuit(self, port: SeenPort) -> bool:
        return bool(self.line.circuit) and self.line.circuit in self.circuits.within(port.alias)

    def _alone(self) -> bool:
        """Whether this is the only line of its site of which neither circuit nor port is known."""
        lines = (self.network.inventory.lines[name] for name in self.network.topology.lines_of(self.line.site))
        return [line.id for line in lines if not line.circuit and not line.if_name] == [self.line.id]

    def _has_a_free_circuit(self, port: SeenPort) -> bool:
        found = self.circuits.within(port.alias)
        return bool(found) and not any(circuit.casefold() in self.circuits.known for circuit in found)

    # --- the port at the site ----------------------------------------------------------------------------------------

    def _evidence(self) -> tuple[Evidence, Evidence]:
        """(strong, weak) evidence for ports of this site's devices."""
        line, facts = self.line, self.network.facts
        strong: Evidence = {}
        weak: Evidence = {}
        for device in self.devices:
            for port in _bases(facts[device].ports, self._has_circuit):
                strong.setdefault((device, port), []).append(f"circuit {line.circuit} is in its ifAlias")
            for port in _bases(facts[device].ports, self._has_a_free_circuit) if self._alone() else ():
                strong.setdefault((device, port), []).append("a circuit that no line has is in its ifAlias")
            for heard in self.network.towards.get(device, ()):
                if (heard.by, heard.on) == self.far and heard.port:
                    text = f"LLDP of {heard.by} sees it on port {heard.on}"
                    strong.setdefault((device, heard.port), []).append(text)
            held = {own.port for own in facts[device].addresses if own.address == line.probe.address}
            for port in _bases(facts[device].ports, lambda p, held=held: p.name in held):  # type: ignore[misc]
                weak.setdefault((device, port), []).append(f"address {line.probe.address} is on it")
            for heard in self.network.sees.get(device, ()) if line.remote_device else ():
                far = heard.who.device if heard.who else ""
                if (far, heard.port) == self.far and heard.on:
                    text = f"LLDP sees port {heard.port} of {far} there"
                    strong.setdefault((device, heard.on), []).append(text)
        return strong, weak

    def _near(self) -> Iterator[Difference]:
        device, name = self.stated
        strong, weak = self._evidence() if self.devices else ({}, {})
        facts = self.network.facts.get(device)
        known = facts is not None and bool(facts.ports)
        says = f"the inventory says port {name} of {device}" if name else "the inventory names no port"
        port = self._port(self.stated)
        # A dialer, VLAN or aggregate that the inventory names runs over some port: a circuit on that says nothing else.
        moved = port is not None and port.physical and strong and self.stated not in strong
        if not name or (known and (port is None or moved)):
            missing = bool(name) and port is None
            best = strong or weak
            lead = f"{device} has no port {name}; " if missing else ""
            if len(best) == 1:
                (at, reasons) = next(iter(best.items()))
                agreed = [*reasons, *(weak.get(at, []) if strong else [])]
                self.place = at if strong else None
                text = f"{lead}it runs over port {at[1]} of {at[0]}: {' and '.join(agreed)}"
                fixes = (("device", at[0]), ("if_name", at[1]))
                yield self._differ("if_name", text, says, bool(name), *fixes, sure=bool(strong))
            elif best:
                ports = "; ".join(f"port {at[1]} of {at[0]}: {' and '.join(why)}" for at, why in sorted(best.items()))
                text = f"{lead}it runs over one of {len(best)} ports: {ports}"
                yield self._differ("if_name", text, says, bool(name), sure=False)
            elif missing:
                yield self._differ("if_name", f"{device} has no port {name}", says, True, sure=False)
            return
        self.place = self.stated if known else None
        yield from self._alias(device, name)

    def _alias(self, device: str, name: str) -> Iterator[Difference]:
        """The circuit that the port's description names."""
        port = self._port((device, name))
        if port is None:
            return
        line = self.line
        names = self.circuits.within(port.alias)
        others = [circuit for circuit in names if circuit != line.circuit]
        if line.circuit in names or not others:
            return
        text = f'ifAlias of port {name} of {device} is "{port.alias}"'
        owner = next((o for o in self.network.inventory.lines.values() if o.circuit == others[0]), None)
        if owner:
            text += f", and circuit {others[0]} is that of line {owner.id}"
        fix = (("circuit", others[0]),) if owner is None and len(others) == 1 else ()
        says = f"the inventory says circuit {line.circuit}" if line.circuit else "the inventory names no circuit"
        # A line without a circuit takes the one that nobody else has; another one may as well be an old description.
        yield self._differ("circuit", text, says, bool(line.circuit), *fix, sure=not line.circuit)

    # --- the other end -----------------------------------------------------------------------------------------------

    def _far_evidence(self) -> Evidence:
        """Ports of nodes' devices that the line comes from; a port "" where only the device is known."""
        assert self.place is not None
        device, name = self.place
        found: Evidence = {}
        for heard in self.network.at.get(self.place, ()):
            if heard.who and heard.who.node and heard.who.device:
                text = f"LLDP of {device} sees it on port {name}"
                found.setdefault((heard.who.device, heard.port), []).append(text)
        for heard in self.network.towards.get(device, ()):
            if heard.port == name and heard.on and self.network.inventory.devices[heard.by].node:
                text = f"LLDP of {heard.by} sees port {name} of {device} there"
                found.setdefault((heard.by, heard.on), []).append(text)
        whole = {at[0] for at in found if at[1]}
        found = {at: why for at, why in found.items() if at[1] or at[0] not in whole}
        if not found and self.line.circuit:
            for own in self.network.inventory.devices.values():
                facts = self.network.facts.get(own.id) if own.node else None
                for port in _bases(facts.ports, self._has_circuit) if facts else ():
                    found[own.id, port] = [f"circuit {self.line.circuit} is in its ifAlias"]
        return found

    def _far(self) -> Iterator[Difference]:
        line, network = self.line, self.network
        remote, port = self.far
        says = f"the inventory says port {port} of {remote}" if remote else "the inventory names no other end"
        known = remote in network.facts and bool(network.facts[remote].ports)
        missing = known and self._port((remote, port)) is None
        lead = f"{remote} has no port {port}; " if missing else ""
        found = self._far_evidence() if self.place else {}
        agrees = any(at[0] == remote and at[1] in ("", port) for at in found)
        if found and (missing or not agrees):
            places = sorted(found.items())
            shown = "; ".join(f"port {at[1]} of {at[0]} ({' and '.join(why)})" for at, why in places)
            at = places[0][0]
            sure = len(places) == 1 and bool(at[1])
            fixes = (("remote_device", at[0]), ("remote_if_name", at[1])) if at[1] else ()
            text = f"{lead}its other end is {shown}"
            yield self._differ("remote_device", text, says, bool(remote), *fixes, sure=sure)
        elif missing:
            yield self._differ("remote_if_name", f"{remote} has no port {port}", says, True, sure=False)
        elif remote and self.place and not found:
            strangers = [h for h in network.at.get(self.place, ()) if h.who is None or h.who.device != remote]
            for heard in strangers[:1]:
                self.used.append(heard)
                text = f"LLDP of {self.place[0]} sees {describe(heard)} on port {self.place[1]}"
                yield self._differ("remote_device", text, says, True, sure=False)
        if known and not missing and line.circuit and not (found and not agrees):
            yield from self._far_alias(remote, port)

    def _far_alias(self, remote: str, port: str) -> Iterator[Difference]:
        seen = self._port((remote, port))
        others = self.circuits.within(seen.alias) if seen else []
        if seen and others and self.line.circuit not in others:
            text = f'ifAlias of port {port} of {remote} is "{seen.alias}"'
            yield self._differ("circuit", text, f"the inventory says circuit {self.line.circuit}", True, sure=False)

    # --- the node above ----------------------------------------------------------------------------------------------

    def _parent(self) -> Iterator[Difference]:
        line, network = self.line, self.network
        above = {line.parent, *network.topology.ancestors(line.parent)}
        says = f"the inventory says parent {line.parent}"
        near = network.at.get(self.place, ()) if self.place else ()
        nodes = {heard.who.node: heard for heard in near if heard.who and heard.who.node}
        if len(nodes) == 1 and line.parent not in nodes:
            node, heard = next(iter(nodes.items()))
            text = f"LLDP of {heard.by} sees {describe(heard)} of {node} on port {heard.on}"
            # A node above the parent: it is passed by, or equipment of it lets LLDP through, which a person knows.
            mended = not line.remote_device or bool(heard.who and heard.who.device)  # the other end is put right, too
            yield self._differ("parent", text, says, True, ("parent", node), sure=node not in above and mended)
        if nodes:
            return
        sessions = {who.node: address for address, who in self._sessions() if who.node}
        if sessions and not above & set(sessions):
            node, address = sorted(sessions.items())[0]
            text = f"BGP runs to {address} of {node}"
            fix = (("parent", node),) if len(sessions) == 1 else ()
            yield self._differ("parent", text, says, True, *fix, sure=False)

    def _sessions(self) -> Iterator[tuple[str, Who]]:
        """Established BGP sessions over this line: its port is connected to them, or the site has no other line."""
        network = self.network
        only = len(network.topology.lines_of(self.line.site)) == 1
        for device in self.devices:
            for peer in network.facts[device].peers:
                who = network.at_address(peer.address) if peer.established else None
                here = self.place and self.place[0] == device and network.connected(*self.place, peer.address)
                if who and (only or here):
                    yield peer.address, who

    # --- the contract ------------------------------------------------------------------------------------------------

    def _speed(self) -> Iterator[Difference]:
        port = self._port(self.place) if self.place else None
        contract = next((c for c in reversed(self.line.contracts) if c.since <= self.today), None)
        if port is None or not port.physical or contract is None or not port.speed_bps or port.oper_up is False:
            return
        promised = max(contract.down_bps, contract.up_bps)
        if port.speed_bps < promised:
            text = f"port {port.name} of {self.place[0] if self.place else ''} runs at {_mbit(port.speed_bps)}"
            yield self._differ("contract", text, f"the contract is for {_mbit(promised)}", True, sure=False)


def describe(heard: Heard) -> str:
    """A neighbour in words: who it is in the inventory, else what it calls itself."""
    if heard.who and heard.who.device:
        return f"{heard.who.device} (port {heard.port})" if heard.port else heard.who.device
    n = heard.neighbour
    marks = [mark for mark in (n.chassis if n.name else "", *n.addresses[:1]) if mark]
    return f'"{n.name or n.chassis or "a nameless neighbour"}"' + (f" ({', '.join(marks)})" if marks else "")


def _bases(ports: Mapping[str, SeenPort], wanted: Callable[[SeenPort], bool]) -> list[str]:
    """The ports that are wanted; a subinterface stands for its port. VLAN and tunnel interfaces are no places."""
    found = []
    for port in ports.values():
        if wanted(port):
            base = next((p.name for p in ports.values() if p.physical and part_of(port.name, p.name)), "")
            if base:
                found.append(base)
    return list(dict.fromkeys(found))


def _mbit(bps: float) -> str:
    return f"{bps / 1e6:g} Mbit/s"
