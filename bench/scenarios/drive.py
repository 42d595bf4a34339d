"""Runs netmon's own parts against a simulated province in virtual time: trackers, polls, traps, sensors, restarts.

Everything netmon hears goes through `Watch` as well, which decides what the world gave away. Nothing here looks at what
netmon concludes but to answer it (polls it asks for) and to keep its incidents.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from bench.scenarios.faults import Case
from bench.scenarios.land import Land
from bench.scenarios.watch import Watch
from netmon.alerts.catalog import load_catalog
from netmon.alerts.faults import recall
from netmon.alerts.incidents import Book
from netmon.alerts.rules import Evaluator, limits
from netmon.clock import Clock
from netmon.collectors.probes.habit import Fleet
from netmon.collectors.probes.reach import NEVER, QUICK_PROBES, Tracker
from netmon.config import Config, ProbeConfig
from netmon.model import Event, Figure, Incident, PollResult, Port, Reading, labels
from netmon.pipeline import Pipeline
from netmon.sim.mib import SimDevice
from netmon.sim.province import build_devices
from netmon.sim.weather import Bursty, Climate, Weather
from netmon.sim.world import World
from netmon.state import State
from netmon.topology import Topology

T0 = 1_790_000_000.0
RTT_S = 0.006
POLL_S, POLL_TAKES_S, POLL_FAILS_S = 30.0, 0.3, 4.5
SENSOR_S = 60.0
RESTART_S = 1500.0  # about as often the daemon is restarted
# Poor quality is no fault here: the lines lose packets all the time.
CONFIG = Config(own_uplink="uplink", probe=ProbeConfig(degraded_loss_ratio=1.0))


@dataclass(slots=True)
class Target:
    """A probed line or node."""

    name: str
    tracker: Tracker
    passes: Callable[[float], bool]
    error: Callable[[], tuple[str, str]]
    out: deque[tuple[float, int]] = field(default_factory=deque)
    gone: bool = False


class Run:
    """One province, its faults, and netmon beside it. ``incidents`` are all there were, as they ended."""

    def __init__(self, land: Land, cases: Sequence[Case], seed: int) -> None:
        self.t = 0.0
        self.land, self.cases = land, cases
        self.rng = random.Random(f"run {seed}")
        self.inventory = land.inventory
        self.topology = Topology(self.inventory)
        faults = tuple(fault for case in cases for fault in case.faults)
        self.world = World(
            self.inventory, faults, boot_s=25.0, batteries=land.batteries, recharge_s=1800.0, bare_onts=land.bare_onts
        )
        self.devices = build_devices(self.world)
        self.watch = Watch(self.inventory, cases, T0)
        self.weather: dict[str, Weather] = {
            line: Bursty(land.losses[line], 0.3, random.Random(self.rng.getrandbits(64)))
            if line in land.losses
            else Climate(0.001).line(random.Random(self.rng.getrandbits(64)))
            for line in self.inventory.lines
        }
        self.incidents: dict[int, Incident] = {}
        self.opened: list[int] = []
        self.clock = Clock(lambda: self.t, lambda: T0 + self.t)
        self.restarts = 0
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._token = 0
        self._news = False  # something was lost or came back: judged at the next second, else at every other
        self._polling: set[str] = set()
        self._was_powered = dict.fromkeys(self.inventory.sites, True)
        self._was_mains = dict.fromkeys(self.inventory.sites, True)
        self._far = {line.id: True for line in self.inventory.lines.values() if line.remote_device}
        self.targets: dict[str, Target] = {}

    # --- netmon ---

    def start(self) -> None:
        """A daemon starts, with the incidents that were stored."""
        known = [i for i in self.incidents.values() if i.open or T0 + self.t - (i.closed_at or 0.0) < 600.0]
        state = State(self.inventory)
        state.incidents = {incident.id: incident for incident in known}
        state.verdicts = recall(known, self.topology)
        state.health.started_at = T0 + self.t
        rules = load_catalog()
        self.pipeline = Pipeline(
            state,
            self.topology,
            CONFIG,
            self.clock,
            Evaluator(rules, limits(rules, self.inventory, {})),
            Book(CONFIG, known, max(self.incidents, default=0) + 1),
            self.poll_soon,
            lambda: True,
        )
        self.state = state
        for target in self.targets.values():
            target.gone = True
        self.targets = {}
        fleet = Fleet()
        for line in self.inventory.lines.values():
            self._probe(line.id, fleet, partial(self.world.line_up, line), self._error_of(line.remote_device))
        for node in self.inventory.nodes.values():
            if node.probe is not None:
                self._probe(node.id, fleet, partial(self.world.node_up, node.id), lambda: ("", ""))

    def _error_of(self, far: str) -> Callable[[], tuple[str, str]]:
        """A router above that answers for the silent one, now and then (RFC 1812 4.3.2.8 limits the rate)."""
        device = self.inventory.devices.get(far)

        def error() -> tuple[str, str]:
            if device is None or not self.world.node_up(device.node) or self.rng.random() > 0.2:
                return "", ""
            return "icmp 3/1 host unreachable", device.address

        return error

    def _probe(self, name: str, fleet: Fleet, up: Callable[[], bool], error: Callable[[], tuple[str, str]]) -> None:
        start_at = self.t + self.rng.uniform(0, CONFIG.probe.interval_s)
        weather = self.weather.get(name)

        def passes(at: float) -> bool:
            return up() and (weather is None or weather.passes(at))

        tracker = Tracker(name, CONFIG.probe, start_at, fleet, QUICK_PROBES)
        self.targets[name] = Target(name, tracker, passes, error)
        self._arm(self.targets[name])

    def _arm(self, target: Target) -> None:
        at = min(target.tracker.due_at, target.out[0][0]) if target.out else target.tracker.due_at
        self.at(at, lambda: self._advance(target, at))

    def _advance(self, target: Target, at: float) -> None:
        tracker = target.tracker
        due = min(tracker.due_at, target.out[0][0]) if target.out else tracker.due_at
        if target.gone or due != at:
            return  # another event was set for it meanwhile
        sure = tracker.first_lost == NEVER
        if target.out and target.out[0][0] <= self.t:
            self._tell(target, tracker.lost(target.out.popleft()[1], self.t, *target.error()))
        else:
            self._token += 1
            tracker.sent(self._token, self.t)
            if target.passes(self.t):
                self._tell(target, tracker.answered(self._token, self.t, RTT_S, self.t + RTT_S))
            else:
                target.out.append((self.t + CONFIG.probe.timeout_s, self._token))
        if sure and tracker.first_lost < NEVER:
            for above in self.topology.parents_of_target(target.name):
                self.look(above)
        self._arm(target)

    def look(self, name: str) -> None:
        if (target := self.targets.get(name)) is not None:
            target.tracker.check(self.t)
            self._arm(target)

    def _tell(self, target: Target, reach: object) -> None:
        if reach is not None:
            told = target.tracker.reach()
            before = self.state.reach.get(target.name)
            self._news = self._news or before is None or before.lost != told.lost
            since = T0 + told.since if told.lost is not None else 0.0
            answered = None if told.last_answer_at is None else T0 + told.last_answer_at
            self.pipeline.take_reach(replace(told, since=since, last_answer_at=answered))

    # --- what devices say ---

    def poll_soon(self, device: str) -> None:
        """netmon asks for a poll out of turn."""
        self.at(self.t + 0.1, lambda: self.poll(device))

    def poll(self, device: str) -> None:
        if device in self._polling or device not in self.devices:
            return
        self._polling.add(device)
        began, takes = self.t, POLL_TAKES_S if self.answers(device) else POLL_FAILS_S
        self.at(self.t + takes, lambda: self._polled(device, began, takes))

    def _polled(self, device: str, began: float, takes_s: float) -> None:
        self._polling.discard(device)
        ok = takes_s == POLL_TAKES_S and self.answers(device)
        sim = self.devices[device]
        result = self._result(sim, began) if ok else PollResult(device, T0 + began, takes_s, False, "timeout")
        if ok:
            self.watch.poll(result, sim.device.kind)
        self.pipeline.take_poll(result)

    def answers(self, device: str) -> bool:
        """Whether a packet to the device and its answer arrive."""
        found, world = self.inventory.devices[device], self.world
        if found.node:
            return world.node_up(found.node)
        if not world.site_reachable(found.site):
            return False
        return world.powered(found.site) and not world.frozen(found.site)

    def _result(self, sim: SimDevice, began: float) -> PollResult:
        """What the poller would make of the agent's tables."""
        name, place, at = sim.device.id, {"device": sim.device.id, "site": sim.device.site}, T0 + self.t
        figures, ports = [], {}
        if sim.device.kind == "ups":
            on_battery, charge = not self.world.mains(sim.device.site), self.world.battery_ratio(sim.device.site)
            figures.append(Figure("netmon_ups_on_battery", labels(**place), float(on_battery)))
            figures.append(Figure("netmon_ups_charge_ratio", labels(**place), int(100 * charge) / 100))
            runtime_s = self.land.batteries.get(self.world.supply_of(sim.device.site), 0.0) * charge
            figures.append(Figure("netmon_ups_runtime_seconds", labels(**place), runtime_s // 60 * 60))
        for index, port in enumerate(sim.ports, 1):
            if port.line:
                up = sim.port_up(port)
                ports[port.name] = Port(
                    port.name, index, at, admin_up=True, oper_up=up, last_change_s=sim.last_change_s(port)
                )
                if self.inventory.lines[port.line].handoff == "sfp" and sim.device.kind == "router":
                    dbm = -12.0 if up else -40.0
                    figures.append(Figure("netmon_optical_rx_dbm", labels(**place, ifName=port.name), dbm))
        uptime_s = int(sim.uptime_s() * 100) / 100
        return PollResult(
            name,
            T0 + began,
            self.t - began,
            True,
            figures=tuple(figures),
            ports=ports,
            sys_uptime_s=uptime_s - (self.t - began),
        )

    def trap(self, kind: str, device: str, if_name: str = "") -> None:
        """One datagram, if the device can send it now."""
        if device in self.devices and self.answers(device):
            event = Event(kind, device, T0 + self.t, if_name=if_name)  # type: ignore[arg-type]
            self.watch.event(event)
            _, targets = self.pipeline.take_event(event)
            for target in targets:
                self.look(target)
            self.poll_soon(device)

    def _traps(self) -> None:
        """What changed in the world in this second and is told unasked."""
        world = self.world
        for site in self.inventory.sites:
            powered, mains = world.powered(site), world.mains(site)
            if powered and not self._was_powered[site]:
                warm = any(
                    f.kind == "frozen" and f.target == f"r-{site}" and 0 <= self.t - f.at_s - f.duration_s < 40
                    for f in world.faults
                )
                kind = "warm_start" if warm and self.rng.random() < 0.5 else "cold_start"
                self.at(self.t + 2.0, partial(self.trap, kind, f"r-{site}"))
            if not mains and self._was_mains[site]:
                self.at(self.t + 3.0, partial(self.trap, "ups_on_battery", f"ups-{site}"))
            self._was_powered[site], self._was_mains[site] = powered, mains
        for line, was in self._far.items():
            facts = self.inventory.lines[line]
            up = world.port_up(facts, far=True)
            if up != was:
                self._far[line] = up
                self.trap("link_up" if up else "link_down", facts.remote_device, facts.remote_if_name)

    def _hear(self, sensor: str) -> None:
        """A mains sensor sends its value over the mobile network."""
        site = self.inventory.sensors[sensor].site
        present = self.world.mains(site)
        self.watch.mains(site, present, self.t, "mains sensor")
        self.pipeline.take_readings([Reading(sensor, float(present), T0 + self.t)])

    def _answer(self, case: Case) -> None:
        """A person on site says whether there is mains, if netmon has an incident to say it about."""
        found = [i for i in self.incidents.values() if i.open and i.subject.id in case.sites and i.kind == "outage"]
        if found and self.t < case.ends_at:
            present = self.world.mains(found[0].subject.id)
            self.watch.mains(found[0].subject.id, present, self.t, "person")
            self.pipeline.take_answer(found[0].id, present, "người trực")

    # --- time ---

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._order), what))

    async def run(self) -> None:
        """Until all faults are over and everything has had the time to close."""
        end = max(case.ends_at for case in self.cases) + 300.0
        for number, device in enumerate(self.devices):
            self._every(POLL_S, number * POLL_S / len(self.devices), partial(self.poll, device), end)
        for number, sensor in enumerate(self.inventory.sensors):
            self._every(SENSOR_S, number * 0.7, partial(self._hear, sensor), end)
        for case in self.cases:
            if case.answer_at is not None:
                self.at(case.answer_at, partial(self._answer, case))
        self.start()
        next_step, next_restart = 1.0, RESTART_S * 0.6
        while self.t < end:
            while self._heap and self._heap[0][0] <= next_step:
                when, _, what = heapq.heappop(self._heap)
                self.t = max(self.t, when)
                what()
            self.t = next_step
            self.world.step(self.t)
            self._traps()
            if self.t >= next_restart:
                next_restart = self.t + self.rng.uniform(0.6, 1.4) * RESTART_S
                self.restarts += 1
                self.start()
            if not self._news and self.t % 2:
                next_step += 1.0
                continue
            self._news = False
            for change in await self.pipeline.step():
                self.incidents[change.incident.id] = change.incident
                if change.kind == "opened":
                    self.opened.append(change.incident.id)
            next_step += 1.0

    def _every(self, period_s: float, first: float, what: Callable[[], None], end: float) -> None:
        def again() -> None:
            what()
            if self.t + period_s < end:
                self.at(self.t + period_s, again)

        self.at(first, again)


def play(land: Land, cases: Sequence[Case], seed: int) -> Run:
    """The whole run."""
    run = Run(land, cases, seed)
    asyncio.run(run.run())
    return run
