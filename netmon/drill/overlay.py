"""What netmon is made to see at the drilled places: probes that get no answer, polls and readings with other values.

Pure: steps and times in, PollResults and Readings out. All else is seen as it is. A poll is the last real one of the
device with its clock running on, so that whatever else the device says stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from netmon.alerts.power import MAINS
from netmon.alerts.verdict import probed
from netmon.drill.base import Base
from netmon.drill.places import Place
from netmon.drill.scenario import Step
from netmon.model import Event, Figure, PollResult, Port, Reading, labels

NO_LIGHT_DBM = -40.0  # what receivers report without any (netmon/alerts/evidence.py)
SENSOR_S = 60.0  # a sensor that is heard is heard this often
TIMEOUT_S = 4.5  # of a poll that gets no answer, with its retries


@dataclass(slots=True)
class _Device:
    """What a device is made to say. None: as it was."""

    silent: bool = False
    booted_at: float | None = None
    battery_from: float | None = None
    on_battery: bool | None = None
    charge_ratio: float | None = None


class Overlay:
    """Times are UTC seconds."""

    def __init__(self, place: Place, base: Base) -> None:
        topology, config = base.topology, base.config
        self.place = place
        self._base, self._topology = base, topology
        inventory, subject = base.inventory, place.subject
        self.node = subject.id if subject.kind == "node" else config.own_uplink if subject.kind == "netmon" else ""
        self.sites: tuple[str, ...] = (subject.id, *place.mates) if subject.kind == "site" else ()
        self.gateway = subject.id if subject.kind == "gateway" else ""
        below = (self.node, *topology.nodes_below(self.node)) if self.node else ()
        lines = topology.lines_below(self.node) if self.node else tuple(self._lines(self.sites))
        # Probe targets that answer when the drill says so, not when they do; those that cannot be probed are left out.
        self.targets = tuple(
            t for t in (*(n for n in below if probed(inventory.nodes.get(n))), *lines) if t in base.reach
        )
        self.places = {subject.id, *place.mates, *below, *(inventory.lines[line].site for line in lines)}
        places = (*below, *self.sites, *(inventory.lines[line].site for line in lines if self.node))
        found = (d for owner in dict.fromkeys(places) for d in topology.devices_of(owner))
        self.devices = tuple(d for d in found if self._answers(d))
        self._polls = {d: base.polls[d] for d in self.devices}
        self._far = {inventory.lines[line].remote_device for line in lines} - {""} if not self.node else set()
        self._said = {device: _Device() for device in self.devices}
        self._lost: set[str] = set()
        self._ports: dict[tuple[str, str], tuple[bool, float]] = {}
        self._silent: set[str] = set()
        behind = topology.sensors_behind(self.gateway) if self.gateway else ()
        self.sensors = tuple(
            s
            for s in dict.fromkeys(
                (*behind, *(m for site in self.sites for m in topology.sensors_of(site) if self._mains(m)))
            )
            if (view := base.sensors.get(s)) is not None and view.value is not None
        )
        self._values = {s: base.sensors[s].value or 0.0 for s in self.sensors}
        self._heard_at = dict.fromkeys(self.sensors, float("-inf"))

    def _lines(self, sites: Iterable[str]) -> Iterator[str]:
        return (line for site in sites for line in self._topology.lines_of(site))

    def _answers(self, device: str) -> bool:
        poll = self._base.polls.get(device)
        return poll is not None and poll.ok

    def _mains(self, sensor: str) -> bool:
        kind = self._base.inventory.sensor_types.get(self._base.inventory.sensors[sensor].type)
        return kind is not None and kind.quantity == MAINS

    # --- what happens ------------------------------------------------------------------------------------------------

    def apply(self, step: Step, now: float) -> list[Event]:
        """Take a step; the traps that come of it."""
        sites = self.place.mates if step.where == "mates" else self.sites[:1]
        lines = [self._base.inventory.lines[line] for line in self._lines(sites)]
        if step.where == "primary":
            lines = lines[:1]
        if step.action == "probe":
            names = self.targets if not self.sites else [line.id for line in lines]
            (self._lost.update if step.value == "lost" else self._lost.difference_update)(names)
        elif step.action in ("router", "ups"):
            for device in self._of(sites, step.action):
                self._set_device(self._said[device], step, now)
        elif step.action in ("port", "far_port"):
            for line in lines:
                far = step.action == "far_port"
                end = (line.remote_device, line.remote_if_name) if far else (line.device, line.if_name)
                self._ports[end] = step.value == "up", now
        elif step.action == "mains":
            for sensor in self.sensors:
                if self._base.inventory.sensors[sensor].site in sites and self._mains(sensor):
                    self._values[sensor], self._heard_at[sensor] = float(step.value == "present"), float("-inf")
        elif step.action == "sensors":
            (self._silent.update if step.value == "silent" else self._silent.difference_update)(self.sensors)
            self._heard_at = dict.fromkeys(self.sensors, float("-inf"))
        elif step.action == "trap":
            kind = "ups" if step.value == "ups_on_battery" else "router"
            return [Event(step.value, device, now) for device in self._of(sites, kind)]  # type: ignore[arg-type]
        return []

    def _of(self, sites: Iterable[str], kind: str) -> list[str]:
        owners = [*sites] or [self.node]
        devices = self._base.inventory.devices
        return [
            d
            for owner in owners
            for d in self._topology.devices_of(owner)
            if d in self._said and devices[d].kind == kind
        ]

    def _set_device(self, device: _Device, step: Step, now: float) -> None:
        device.silent = step.value == "silent"
        if step.value.startswith("restarts"):
            device.booted_at = now
        if step.value in ("mains", "battery"):
            device.on_battery = step.value == "battery"
            device.battery_from = now if device.on_battery else None
        if step.charge_ratio is not None:
            device.charge_ratio = step.charge_ratio

    # --- what is seen ------------------------------------------------------------------------------------------------

    def passes(self, target: str) -> bool:
        """Whether a probe of a drilled target is answered now."""
        return target not in self._lost

    def poll(self, device: str, now: float) -> PollResult | None:
        """What a poll of a drilled device, or of one at the far end of a drilled line, would bring now."""
        said, base = self._said.get(device), self._polls.get(device)
        if base is None:
            return None
        if said is None:
            return self.mend(replace(base, started_at=now), now)
        if said.silent or self._cut_off(device):
            return PollResult(device, now, TIMEOUT_S, False, "timeout")
        started_at = max(now - base.duration_s, base.started_at)
        uptime = base.sys_uptime_s
        if said.booted_at is not None:
            uptime = max(0.01, started_at - said.booted_at)
        elif uptime is not None:
            uptime += started_at - base.started_at
        found = replace(base, started_at=started_at, sys_uptime_s=uptime, figures=tuple(self._figures(base, said)))
        return self.mend(found, now)

    def _cut_off(self, device: str) -> bool:
        """True if no line of its site passes packets, or its node is lost."""
        facts = self._base.inventory.devices[device]
        lines = tuple(self._lines((facts.site,)))
        return all(line in self._lost for line in lines) if lines else bool(self.node and self._lost)

    def mend(self, poll: PollResult, now: float) -> PollResult:
        """A poll with the ports of drilled lines as the drill has them; the same one where it has none of them."""
        if poll.device in self._far and poll.ok:
            self._polls[poll.device] = poll
        elif poll.device not in self._said:
            return poll
        ports = {name: self._port(poll, name, port, now) for name, port in poll.ports.items()}
        figures = tuple(self._lit(poll.device, figure) for figure in poll.figures)
        return replace(poll, ports=ports, figures=figures)

    def _port(self, poll: PollResult, name: str, port: Port, now: float) -> Port:
        told = self._ports.get((poll.device, name))
        if told is None:
            return replace(port, at=now) if poll.device in self._said else port
        changed = None
        if port.last_change_s is not None and poll.sys_uptime_s:
            changed = max(0.01, poll.sys_uptime_s - (poll.started_at - told[1]))
        return replace(port, at=now, oper_up=told[0], last_change_s=changed)

    def _lit(self, device: str, figure: Figure) -> Figure:
        if figure.name != "netmon_optical_rx_dbm":
            return figure
        told = self._ports.get((device, dict(figure.labels).get("ifName", "")))
        return figure if told is None or told[0] else replace(figure, value=NO_LIGHT_DBM)

    def _figures(self, base: PollResult, said: _Device) -> Iterator[Figure]:
        changed = {"netmon_ups_charge_ratio": said.charge_ratio}
        changed["netmon_ups_on_battery"] = None if said.on_battery is None else float(said.on_battery)
        seen = set()
        for figure in base.figures:
            value = changed.get(figure.name)
            if value is None and said.charge_ratio is not None and figure.name == "netmon_ups_runtime_seconds":
                value = figure.value * said.charge_ratio
            seen.add(figure.name)
            yield figure if value is None else replace(figure, value=value)
        device = self._base.inventory.devices[base.device]
        for name, value in changed.items():
            if value is not None and name not in seen:
                yield Figure(name, labels(device=device.id, site=device.site, node=device.node), value)

    def readings(self, now: float) -> list[Reading]:
        """Of the drilled sensors, those that are due; one that is silent is told to be gone, as by its last will."""
        found = []
        for sensor, at in self._heard_at.items():
            if now - at < SENSOR_S:
                continue
            facts = self._base.inventory.sensors[sensor]
            if sensor in self._silent:
                if at == float("-inf"):
                    found.append(Reading(sensor, float("nan"), now, gone=True))
                    self._heard_at[sensor] = now
            elif facts.via != "line" or not any(line in self._lost for line in self._lines((facts.site,))):
                found.append(Reading(sensor, self._values[sensor], now))
                self._heard_at[sensor] = now
        return found
