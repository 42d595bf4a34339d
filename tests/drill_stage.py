"""A province that is well, the daemon's pipeline on it, and drills run on a copy of that in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from netmon.alerts.catalog import load_catalog
from netmon.alerts.incidents import Book
from netmon.alerts.plan_record import Record
from netmon.alerts.rules import Evaluator, limits
from netmon.clock import Clock
from netmon.collectors.probes.habit import Fleet
from netmon.collectors.probes.reach import Tracker
from netmon.config import Config
from netmon.drill.base import Base, base_of
from netmon.drill.exercise import Exercise
from netmon.drill.overlay import Overlay
from netmon.drill.places import Place, choose
from netmon.drill.scenario import Scenario
from netmon.drill.scenario_read import read_scenario, text_of
from netmon.inventory import load
from netmon.model import Figure, Intent, Inventory, PollResult, Port, labels
from netmon.pipeline import Pipeline
from netmon.state import GatewayView, Reach, SensorView, State
from netmon.topology import Topology
from netmon.words import load_words
from tests.conftest import ROOT

T0 = 1_795_404_660.0  # 2026-11-23 10:31 in Asia/Ho_Chi_Minh
AREAS = ("bu-dop", "loc-ninh")
WORDS = load_words()
RULES = load_catalog()


@cache
def sample() -> tuple[Config, Inventory]:
    """The sample's configuration, and so much of its inventory that every scenario finds its place."""
    loaded = load(ROOT / "inventory" / "netmon.yml")
    whole = loaded.inventory
    chosen = [s for area in AREAS for s in [s for s in whole.sites.values() if s.area == area][:14]]
    far = {line.site for line in whole.lines.values() if line.remote_device}
    two = {line.site for line in whole.lines.values() if line.role == "backup"}
    chosen += [s for s in whole.sites.values() if s.id in far][:4] + [s for s in whole.sites.values() if s.id in two][
        :2
    ]
    chosen += [s for s in whole.sites.values() if s.building == "bld-binh-long"]  # both end in fibre
    sites = {s.id: s for s in chosen}
    lines = {line.id: line for line in whole.lines.values() if line.site in sites}
    devices = {d.id: d for d in whole.devices.values() if d.node or d.site in sites}
    sensors = {s.id: s for s in whole.sensors.values() if not s.site or s.site in sites}
    part = replace(whole, sites=sites, lines=lines, devices=devices, sensors=sensors)
    channels = loaded.config.notify.channels
    return replace(loaded.config, notify=replace(loaded.config.notify, enabled=True, channels=channels)), part


class DrillStage:
    """``t`` is monotonic time; the real pipeline hears of every target each 3 s and of every device each 30 s."""

    def __init__(self, config: Config | None = None) -> None:
        self.t = 1000.0
        given, self.inventory = sample()
        self.config = config or given
        self.clock = Clock(lambda: self.t, lambda: T0 - 1000.0 + self.t)
        self.topology = Topology(self.inventory)
        self.state = State(self.inventory)
        self.pipeline = Pipeline(
            self.state,
            self.topology,
            self.config,
            self.clock,
            Evaluator(RULES, limits(RULES, self.inventory, {})),
            Book(self.config, [], 1001),
            lambda device: None,
            lambda: True,
        )
        self.fleet = Fleet()
        self.down_at: dict[str, float] = {}  # what is truly lost, since when
        nodes = (n for n in self.inventory.nodes.values() if n.probe and n.probe.kind != "none")
        self.targets = [*self.inventory.lines, *(n.id for n in nodes)]
        self.ports: dict[str, list[str]] = {}
        for line in self.inventory.lines.values():
            self.ports.setdefault(line.device, []).append(line.if_name)
            self.ports.setdefault(line.remote_device, []).append(line.remote_if_name)
        self._beat_at = self._poll_at = self.t
        self.sent: list[Intent] = []
        now = self.clock.now()
        for sensor in self.inventory.sensors.values():
            kind = self.inventory.sensor_types[sensor.type]
            value = 1.0 if kind.quantity == "mains" else 0.0
            self.state.sensors[sensor.id] = SensorView(sensor.id, "ok", now - 3600, value, now - 9, now - 9)
        for gateway in self.inventory.gateways:
            self.state.gateways[gateway] = GatewayView(gateway, "ok", now - 3600, now - 9, now - 3600)
        self.beat()
        self.poll_all()
        asyncio.run(self.pipeline.step())
        self.state.health.first_round_done = True

    # --- what is real ------------------------------------------------------------------------------------------------

    def lose(self, target: str) -> None:
        """A line or node that truly goes."""
        self.down_at[target] = self.clock.now()

    def beat(self, exercise: Exercise | None = None) -> None:
        now = self.clock.now()
        for target in self.targets:
            since = self.down_at.get(target)
            reach = Reach(target, False, now - 9000, now - 0.01, 0.006)
            if since is not None and now - since > 7.0:
                reach = Reach(target, True, since, since - 1.0, unanswered=18)
            elif since is not None:
                continue
            self.pipeline.take_reach(reach)
            if exercise:
                exercise.take_reach(reach)

    def poll_all(self, exercise: Exercise | None = None) -> None:
        now = self.clock.now()
        for device in self.inventory.devices.values():
            place = {"device": device.id, "site": device.site, "node": device.node}
            figures = []
            if device.kind == "ups":
                figures = [Figure("netmon_ups_on_battery", labels(**place), 0.0)]
                figures += [Figure("netmon_ups_charge_ratio", labels(**place), 1.0)]
                figures += [Figure("netmon_ups_runtime_seconds", labels(**place), 7200.0)]
            uptime = 8_000_000.0 + self.t
            ports = {
                name: Port(name, n, now, admin_up=True, oper_up=True, last_change_s=50.0)
                for n, name in enumerate(self.ports.get(device.id, ()), 1)
                if name
            }
            poll = PollResult(device.id, now - 0.2, 0.2, True, figures=tuple(figures), ports=ports, sys_uptime_s=uptime)
            self.pipeline.take_poll(poll)
            if exercise:
                exercise.take_poll(poll)

    # --- drills ------------------------------------------------------------------------------------------------------

    def exercise(self, scenario: str | Scenario, wanted: str = "", to: tuple[str, ...] = ("truc-noc",)) -> Exercise:
        found = read_scenario(*text_of(scenario)) if isinstance(scenario, str) else scenario
        place = choose(found, self.state, self.topology, self.config, wanted)
        overlay = self.overlay(place)
        memo: dict[int, object] = {}
        trackers = {target: self.tracker(target).forked(memo) for target in overlay.targets}
        people = [self.inventory.contacts[name] for name in to]
        made = Exercise(
            7, found, overlay, self.base(), RULES, people, "Trưởng ca", trackers, self.clock, WORDS, Record()
        )
        made.begin(self.state)
        return made

    def base(self) -> Base:
        return base_of(self.state, self.topology, self.config, self.pipeline.book.witness)

    def overlay(self, place: Place) -> Overlay:
        return Overlay(place, self.base())

    def tracker(self, target: str) -> Tracker:
        """One that has seen its line for five minutes, with a probe on its way."""
        interval_s = self.config.probe.interval_s
        made = Tracker(target, self.config.probe, self.t - 100 * interval_s, self.fleet)
        for token in range(101):
            at = self.t - (100 - token) * interval_s
            made.sent(token, at)
            if token < 100:
                made.answered(token, at, 0.006, at + 0.006)
        return made

    def run(
        self,
        exercise: Exercise,
        ack_after_s: float | None = 20.0,
        until: Callable[[], bool] = lambda: False,
        real: bool = False,
    ) -> Exercise:
        """Until it is over: messages are sent after a second, and somebody takes it."""
        asyncio.run(self._run(exercise, ack_after_s, until, real))
        return exercise

    async def _run(self, exercise: Exercise, ack_after_s: float | None, until: Callable[[], bool], real: bool) -> None:
        waiting: list[tuple[float, Intent]] = []
        told: float | None = None
        while not exercise.over and not until():
            self.t = max(self.t + 0.05, min(exercise.due_mono, self.t + 1.0))
            if self.t >= self._beat_at:
                self._beat_at = self.t + 3.0
                self.beat(exercise)
            if self.t >= self._poll_at:
                self._poll_at = self.t + 30.0
                self.poll_all(exercise)
            if real:
                await self.pipeline.step()
            intents = await exercise.step()
            waiting += [(self.t + 1.0, i) for i in intents if i.state == "pending"]
            for due, intent in [w for w in waiting if w[0] <= self.t]:
                waiting.remove((due, intent))
                self.sent.append(intent)
                exercise.take_result(replace(intent, state="sent", attempts=1))
                told = told or self.t
            if (
                told
                and ack_after_s is not None
                and self.t >= told + ack_after_s
                and not exercise.report.acknowledged_by
            ):
                exercise.acknowledge("Anh An")
