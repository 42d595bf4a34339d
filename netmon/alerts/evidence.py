"""What netmon saw of devices before, during and after a fault: polls are replaced, evidence must not be. Pure.

A `Witness` looks at each new poll once and remembers what root cause asks for: the supply as the UPS told it, the
ports of lines with the time they last changed, when a device booted, and when light was last seen. Times are UTC
seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from netmon.model import Figure, Inventory, PollResult, Port
from netmon.state import State

NO_LIGHT_DBM = -35.0  # receivers report -40 dBm or less without light; the weakest usable one sees -28 (ITU-T G.984.2)
TICKS_WRAP_S = 2**32 / 100  # sysUpTime is TimeTicks in 32 bits: it starts anew after 497 days (RFC 3418)
SPENT_RATIO = 0.05  # of charge: less is the UPS's own arithmetic
CARRIED_S = 30.0
BOOT_SLACK_S = 30.0  # two polls of one run may place the boot this far apart: delays and drifting device clocks


@dataclass(frozen=True, slots=True)
class Supply:
    """A UPS as last seen on battery and on mains. None: never seen so."""

    battery_from: float | None = None  # first poll of the last time on battery
    battery_at: float | None = None  # last poll that saw it on battery
    mains_at: float | None = None
    charge_ratio: float | None = None
    runtime_s: float | None = None
    seen_at: float = 0.0
    spent_at: float | None = (
        None  # a poll on mains that found less charge than the one before: it had to step in unseen
    )
    carried_at: float | None = None  # last time it was on battery for CARRIED_S and still answered: it can carry a cut

    @property
    def on_battery(self) -> bool:
        return self.battery_at is not None and (self.mains_at is None or self.battery_at > self.mains_at)


@dataclass(frozen=True, slots=True)
class PortSeen:
    """A port as last seen. ``changed_at``: ifLastChange (if it ``tells``), else the first poll of the present state."""

    up: bool | None
    seen_at: float
    changed_at: float | None = None
    tells: bool = False


@dataclass(frozen=True, slots=True)
class Light:
    """Received light of a port: whether there is any, and since which poll."""

    lit: bool
    since: float
    seen_at: float


@dataclass(frozen=True, slots=True)
class Route:
    """A routing neighbour as last seen by a device: whether the session stands, and since which poll."""

    up: bool
    since: float
    seen_at: float


class Witness:
    """Remembers per device. ``observe`` is called before every judgement; a poll it has seen costs one comparison."""

    def __init__(self) -> None:
        self._last: dict[str, PollResult] = {}
        self._supply: dict[str, Supply] = {}
        self._ports: dict[tuple[str, str], PortSeen] = {}  # only those that carry lines
        self._inventory: Inventory | None = None
        self._carrying: dict[str, set[str]] = {}  # device -> ifNames of lines
        self._light: dict[tuple[str, str], Light] = {}
        self._routes: dict[str, dict[str, Route]] = {}  # peer -> the device that knows it -> what it says
        self._boot: dict[str, float] = {}
        self._answered: dict[str, float] = {}

    def observe(self, state: State) -> None:
        """Take in the polls that are new since the last call; forget devices that are no longer in the inventory."""
        if state.inventory is not self._inventory:
            self._inventory, self._carrying = state.inventory, _carrying(state.inventory)
        for device, poll in state.polls.items():
            if self._last.get(device) is not poll:
                self._last[device] = poll
                if poll.ok:
                    self._take(poll)
        if len(self._last) > len(state.polls):
            for device in [d for d in self._last if d not in state.polls]:
                self._forget(device)

    def forked(self) -> Witness:
        """Another one that remembers the same and goes on by itself."""
        other = Witness()
        for name, memory in vars(self).items():
            setattr(other, name, dict(memory) if isinstance(memory, dict) else memory)
        other._routes = {peer: dict(known) for peer, known in self._routes.items()}
        return other

    def supply(self, device: str) -> Supply | None:
        return self._supply.get(device)

    def port(self, device: str, if_name: str) -> PortSeen | None:
        return self._ports.get((device, if_name))

    def light(self, device: str, if_name: str) -> Light | None:
        return self._light.get((device, if_name))

    def route(self, peers: Iterable[str]) -> Route | None:
        """The latest word of anybody about a neighbour of one of these addresses."""
        found = [route for peer in peers for route in self._routes.get(peer, {}).values()]
        return max(found, key=lambda route: route.seen_at, default=None)

    def booted_at(self, device: str) -> float | None:
        """When the device last started, as its sysUpTime tells; None if unknown (it reads 0, or there is none)."""
        return self._boot.get(device)

    def answered_at(self, device: str) -> float | None:
        """Start of the last poll that the device answered."""
        return self._answered.get(device)

    def _take(self, poll: PollResult) -> None:
        device, at = poll.device, poll.started_at
        self._answered[device] = at
        self._take_boot(poll)
        for name in self._carrying.get(device, ()):
            if (port := poll.ports.get(name)) is not None:
                self._take_port(poll, name, port)
        for figure in poll.figures:
            if figure.name == "netmon_neighbor_up":
                self._take_route(device, dict(figure.labels).get("peer", ""), figure.value > 0, at)
        found = _by_name(poll.figures)
        for key, dbm in found.get("netmon_optical_rx_dbm", {}).items():
            lit, before = dbm > NO_LIGHT_DBM, self._light.get((device, key))
            since = before.since if before is not None and before.lit == lit else at
            self._light[device, key] = Light(lit, since, at)
        if battery := found.get("netmon_ups_on_battery"):
            self._take_supply(device, at, max(battery.values()) > 0, found)

    def _take_boot(self, poll: PollResult) -> None:
        if not poll.sys_uptime_s:
            return
        boot, before = poll.started_at - poll.sys_uptime_s, self._boot.get(poll.device)
        if before is not None:
            moved = boot - before
            wraps = round(moved / TICKS_WRAP_S)
            if abs(moved - wraps * TICKS_WRAP_S) <= BOOT_SLACK_S:
                return  # the same run, perhaps with the counter wrapped
        self._boot[poll.device] = boot

    def _take_port(self, poll: PollResult, name: str, port: Port) -> None:
        before = self._ports.get((poll.device, name))
        same = before is not None and before.up == port.oper_up
        changed = before.changed_at if before is not None and same else poll.started_at if before else None
        if port.last_change_s is not None and poll.sys_uptime_s and 0 < port.last_change_s <= poll.sys_uptime_s:
            told = poll.started_at - (poll.sys_uptime_s - port.last_change_s)
            if changed is None or abs(told - changed) > 1.0:  # the same moment jitters from poll to poll
                changed = told
        self._ports[poll.device, name] = PortSeen(port.oper_up, port.at, changed, port.last_change_s is not None)

    def _take_route(self, device: str, peer: str, up: bool, at: float) -> None:
        known = self._routes.setdefault(peer, {})
        before = known.get(device)
        known[device] = Route(up, before.since if before is not None and before.up == up else at, at)

    def _take_supply(self, device: str, at: float, on_battery: bool, found: Mapping[str, Mapping[str, float]]) -> None:
        old = self._supply.get(device) or Supply()
        charge = min(found.get("netmon_ups_charge_ratio", {}).values(), default=None)
        runtime = min(found.get("netmon_ups_runtime_seconds", {}).values(), default=None)
        new = replace(old, charge_ratio=charge, runtime_s=runtime, seen_at=at)
        if not on_battery:
            new = replace(new, mains_at=at)
            fell = (old.charge_ratio or 0.0) - (1.0 if charge is None else charge) > SPENT_RATIO
            if fell and not old.on_battery:
                new = replace(new, spent_at=at)
        else:
            new = replace(new, battery_at=at, battery_from=old.battery_from if old.on_battery else at)
            if at - (new.battery_from or at) >= CARRIED_S:
                new = replace(new, carried_at=at)
        self._supply[device] = new

    def _forget(self, device: str) -> None:
        for memory in (self._last, self._supply, self._boot, self._answered):
            memory.pop(device, None)
        for key in [k for k in self._ports if k[0] == device]:
            del self._ports[key]
        for key in [k for k in self._light if k[0] == device]:
            del self._light[key]
        for known in self._routes.values():
            known.pop(device, None)


def _by_name(figures: Iterable[Figure]) -> dict[str, dict[str, float]]:
    """Family -> ifName (or "") -> value; of several series with one ifName the last stays."""
    found: dict[str, dict[str, float]] = {}
    for figure in figures:
        if figure.name.startswith(("netmon_ups_", "netmon_optical_")):
            found.setdefault(figure.name, {})[dict(figure.labels).get("ifName", "")] = figure.value
    return found


def _carrying(inventory: Inventory) -> dict[str, set[str]]:
    """The ports at both ends of all lines, by device."""
    found: dict[str, set[str]] = {}
    for line in inventory.lines.values():
        found.setdefault(line.device, set()).add(line.if_name)
        found.setdefault(line.remote_device, set()).add(line.remote_if_name)
    return found
