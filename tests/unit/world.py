"""A small province for tests of the pure heart: truth in, what the prober would report out, stepped by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from netmon.alerts.faults import recall
from netmon.alerts.incidents import Book
from netmon.alerts.verdict import judge
from netmon.config import Config
from netmon.model import (
    AlertState,
    Change,
    Device,
    Figure,
    Incident,
    Inventory,
    Line,
    Node,
    PollResult,
    Port,
    Probe,
    Sensor,
    SensorType,
    Site,
    Subject,
    Verdict,
    labels,
)
from netmon.state import Reach, SensorView, State
from netmon.topology import Topology

T0 = 1_790_000_000.0
CONFIG = Config(own_uplink="uplink")
DETECT_S = 6.8  # a timeout of 1 s, a burst of 16 at 0.3 s and its last timeout
INTERVAL_S = 3.0


def province() -> Inventory:
    """uplink and core (probed) > a (judged by its 8 lines) and b (probed, 4 lines); a1+a2 and b1+b2 share a house.

    Site `two` has a line under a and one under b. Sites a3, a4, a5 are on one feeder. A line is named like its site.
    """
    ping = Probe("icmp", "198.18.0.1")
    nodes = [
        Node("uplink", "Đường lên", "uplink", None, probe=ping),
        Node("core", "Lõi", "core", None, probe=ping),
        Node("a", "Nút A", "aggregation", "core"),
        Node("b", "Nút B", "aggregation", "core", probe=ping),
    ]
    sites: dict[str, Site] = {}
    lines: dict[str, Line] = {}
    devices: dict[str, Device] = {}
    for parent, count in (("core", 3), ("a", 7), ("b", 4)):
        for n in range(1, count + 1):
            name = f"{parent}{n}"
            house = f"house-{parent}" if parent != "core" and n <= 2 else f"house-{name}"
            feeder = "feeder" if name in ("a3", "a4", "a5") else ""
            level = "province" if parent == "core" else "commune"
            sites[name] = Site(name, f"UBND {name}", name, "government", level, "area", building=house, power=feeder)
            lines[name] = _line(name, name, parent)
            devices[f"r-{name}"] = _device(f"r-{name}", "router", name)
    sites["two"] = Site("two", "Hai đường", "two", "government", "province", "area")
    lines["two-1"] = _line("two-1", "two", "a")
    lines["two-2"] = replace(_line("two-2", "two", "b"), role="backup")
    devices["r-two"] = _device("r-two", "router", "two")
    devices["ups-a6"] = _device("ups-a6", "ups", "a6")
    devices["ups-a2"] = _device("ups-a2", "ups", "a2")
    devices["r-node"] = Device("r-node", "router", "198.18.0.9", 161, "public", node="core")
    heat = SensorType("temperature", "temperature", "Cel")
    mains = SensorType("mains", "mains", "1")
    sensors = {
        "heat-a7": Sensor("heat-a7", "temperature", "t/a7", "senml", site="a7"),
        "mains-a7": Sensor("mains-a7", "mains", "m/a7", "senml", site="a7", via="cellular"),
    }
    return Inventory(
        nodes={n.id: n for n in nodes},
        sites=sites,
        lines=lines,
        devices=devices,
        sensor_types={"temperature": heat, "mains": mains},
        sensors=sensors,
    )


def _line(line: str, site: str, parent: str) -> Line:
    return Line(
        line, site, parent, Probe("icmp", "198.18.1.1"), handoff="sfp", device=f"r-{site}", if_name=f"GE0/{line}"
    )


def _device(device: str, kind: str, site: str) -> Device:
    return Device(device, kind, "198.18.2.1", 161, "public", site=site)


def change_line(inventory: Inventory, line: str, **changes: object) -> Inventory:
    """The inventory with one line changed, e.g. handoff="ont"."""
    return replace(inventory, lines={**inventory.lines, line: replace(inventory.lines[line], **changes)})  # type: ignore[arg-type]


class World:
    """Truth (what is cut) and netmon's view of it. Targets are probed in turn, as the prober does."""

    def __init__(self, inventory: Inventory | None = None, config: Config = CONFIG, now: float = T0) -> None:
        self.config = config
        self.now = now
        self.state = State(inventory or province())
        self.state.health.first_round_done = True
        self.topology = Topology(self.state.inventory)
        self.book = Book(config, [], 1)
        self.changes: list[Change] = []
        self.cut: dict[str, float] = {}  # line or node cut by a fault of its own -> since when
        targets = [*self.state.inventory.lines, *(n.id for n in self.state.inventory.nodes.values() if n.probe)]
        self.phase = {t: INTERVAL_S * i / len(targets) for i, t in enumerate(targets)}
        self.state.reach = {t: Reach(t, False, now - 1000, now - self.phase[t]) for t in targets}
        self._dark: dict[str, float] = {}  # target -> first unanswered probe
        self._light: dict[str, float] = {}  # target -> first answer after a loss
        self.step()

    # --- truth ---

    def lose(self, *targets: str) -> None:
        for target in targets:
            self.cut.setdefault(target, self.now)

    def restore(self, *targets: str) -> None:
        for target in targets or list(self.cut):
            self.cut.pop(target, None)

    def reachable(self, target: str) -> bool:
        above = (
            self.topology.line_ancestors(target)
            if target in self.state.inventory.lines
            else (*self.topology.ancestors(target),)
        )
        own = () if target == "uplink" else ("uplink",)
        return not any(t in self.cut for t in (target, *above, *own))

    # --- time ---

    def run(self, seconds: float, tick: float = 0.5) -> list[Change]:
        """Let time pass; returns the changes of that time."""
        before = len(self.changes)
        end = self.now + seconds
        while self.now < end - 1e-6:
            self.now = min(end, self.now + tick)
            self.probe()
            self.step()
        return self.changes[before:]

    def probe(self) -> None:
        for target, phase in self.phase.items():
            last = T0 + phase + math.floor((self.now - T0 - phase) / INTERVAL_S) * INTERVAL_S
            reach = self.state.reach[target]
            new = self._answering(target, reach, last) if self.reachable(target) else self._silent(target, reach)
            if new is not None:
                self.state.reach[target] = new
        self.state.health.first_round_done |= all(r.lost is not None for r in self.state.reach.values())

    def _answering(self, target: str, reach: Reach, last: float) -> Reach | None:
        started = self._dark.pop(target, 0.0)
        if reach.lost is None:  # after a start
            if last < started:
                self._dark[target] = started
                return None
            return replace(reach, lost=False, since=last, last_answer_at=last)
        if reach.lost:
            back = self._light.setdefault(target, max(last, self.now - 0.5))
            back_s = self.now - back
            return replace(reach, lost=False, since=back, last_answer_at=self.now) if back_s >= 0.6 else None
        return replace(reach, last_answer_at=last) if last > (reach.last_answer_at or 0.0) else None

    def _silent(self, target: str, reach: Reach) -> Reach | None:
        self._light.pop(target, None)
        if reach.lost:
            return None
        next_probe = (reach.last_answer_at or 0.0) + INTERVAL_S
        since = self._dark.setdefault(target, max(next_probe, self.now - 0.5))
        return replace(reach, lost=True, since=since) if self.now - since >= DETECT_S else None

    def step(self) -> list[Change]:
        self.state.verdicts = judge(
            self.state.inventory, self.topology, self.state.reach, self.state.verdicts, self.config, self.now
        )
        changes = self.book.step(self.state, self.topology, self.now)
        for change in changes:
            self.state.incidents[change.incident.id] = change.incident
        self.changes += changes
        return changes

    def restart(self) -> None:
        """The daemon starts anew with what the store has: incidents, but no reach, polls or evidence."""
        known = [i for i in self.state.incidents.values() if i.open or self.now - (i.closed_at or 0) < 600]
        self.book = Book(self.config, known, max(self.state.incidents, default=0) + 1)
        self.state.polls = {}
        self.state.reach = {t: Reach(t) for t in self.phase}
        self._dark, self._light = dict.fromkeys(self.phase, self.now), {}
        self.state.verdicts = recall(known, self.topology)
        self.state.health.first_round_done = False

    # --- what devices say ---

    def poll(
        self,
        device: str,
        *,
        at: float | None = None,
        uptime_s: float | None = 1e6,
        ports: Mapping[str, tuple[bool, float | None]] | None = None,
        **figures: float,
    ) -> None:
        """A good poll. ``ports``: ifName -> (up, changed at). Figures without their ``netmon_``."""
        at = self.now if at is None else at
        found = {}
        for name, (up, changed) in (ports or {}).items():
            last = (uptime_s or 0.0) - (at - changed) if changed is not None else None
            found[name] = Port(name, 1, at, oper_up=up, last_change_s=last)
        self.state.polls[device] = PollResult(
            device,
            at,
            0.1,
            True,
            figures=tuple(Figure(f"netmon_{n}", labels(device=device), v) for n, v in figures.items()),
            ports=found,
            sys_uptime_s=uptime_s,
        )

    def alert(self, name: str, subject: Subject, *, tell: str = "now", severity: str = "warning", **pairs: str) -> None:
        series = labels(**({subject.kind: subject.id} | pairs))
        self.state.alerts[name, series] = AlertState(
            name,
            series,
            severity,
            1.0,
            1.0,
            self.now,
            self.now,
            subject,
            "technician",
            tell,  # type: ignore[arg-type]
        )

    def hear(self, sensor: str, value: float, state: str = "ok") -> None:
        self.state.sensors[sensor] = SensorView(sensor, state, self.now, value=value, received_at=self.now)  # type: ignore[arg-type]

    # --- what came of it ---

    def verdict(self, kind: str, name: str) -> Verdict:
        return self.state.verdicts[Subject(kind, name)]  # type: ignore[arg-type]

    def open(self) -> dict[str, Incident]:
        """Open incidents by the id of their subject."""
        return {i.subject.id: i for i in self.book.open.values()}

    def told(self, changes: Iterable[Change] | None = None) -> list[tuple[str, str]]:
        """(kind, subject) of the changes that people would hear of."""
        kinds = ("opened", "raised", "closed", "reopened")
        return [
            (c.kind, c.incident.subject.id) for c in (self.changes if changes is None else changes) if c.kind in kinds
        ]
