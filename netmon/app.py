"""The daemon: starts everything in order, keeps it running, reloads it, stops it in order.

Outputs (store, spool, messages, pages) start first and stop last, so nothing that came in is lost on the way out. A
"forever" task that ends by itself ends the daemon with status 1: systemd starts it anew, and the log says what it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from netmon.alerts.amfeed import AlertmanagerFeed
from netmon.alerts.catalog import load_catalog
from netmon.alerts.faults import recall
from netmon.alerts.incidents import Book
from netmon.alerts.notify import Notifier
from netmon.alerts.rules import Evaluator, limits, threshold_figures
from netmon.answers import Answers
from netmon.api_client import socket_path
from netmon.clock import Clock
from netmon.collectors.mqtt.ingest import Ingest
from netmon.collectors.mqtt.plan import routes_of
from netmon.collectors.probes.prober import Prober
from netmon.collectors.probes.reach import Tracker
from netmon.collectors.snmp.engine import Engine
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import Profiles, load_profiles
from netmon.collectors.trap_socket import TrapSocket
from netmon.collectors.traps import Traps, own_engine_id
from netmon.desk import Desk
from netmon.drill.desk import DrillDesk
from netmon.errors import Problem
from netmon.history.linesamples import LineSamples
from netmon.history.replies import ReplyBook
from netmon.history.sensormeans import SensorMeans
from netmon.history.spool import Spool
from netmon.history.store import Store
from netmon.housekeeping import Housekeeping
from netmon.influx import InfluxWriter
from netmon.influx_lines import Network
from netmon.inventory import Loaded
from netmon.metrics import SelfMetrics
from netmon.outside_intake import OutsideIntake
from netmon.pair import Pair, first_number
from netmon.pipeline import KEEP_CLOSED_S, Pipeline
from netmon.polls import Polls
from netmon.reload import Reloader
from netmon.replies import Replies
from netmon.scheduler import Scheduler
from netmon.selfreport import SelfReport
from netmon.selfwatch import collect_rarely, spared_collector
from netmon.snmp_page import SnmpPage
from netmon.state import State
from netmon.steps import Steps
from netmon.systemd import Notify, handed_over
from netmon.topology import Topology
from netmon.trap_intake import TrapIntake
from netmon.web.app import create_app
from netmon.web.server import serve
from netmon.words import load_words

log = logging.getLogger(__name__)

LEAST_DRAIN_S = 1.0


class App:
    """One daemon. ``load`` reads and checks the configuration anew each time it is called."""

    def __init__(self, load: Callable[[], Loaded], clock: Clock | None = None) -> None:
        self._load = load
        self.clock = clock or Clock()
        self.systemd = Notify()
        self.stopping = asyncio.Event()
        self.self_metrics = SelfMetrics()
        self._tasks: set[asyncio.Task[None]] = set()
        self._reloads: set[asyncio.Task[list[Problem]]] = set()
        self.reloader = Reloader(self)
        self.housekeeping = Housekeeping(self)
        self.polls = Polls(self)
        self.steps = Steps(self)
        self._failed = False
        self._stop_by_mono = float("-inf")  # known when the stop begins; a start that fails drains nothing

    async def run(self) -> int:
        """Until SIGTERM or SIGINT; returns the exit status. Raises ConfigError or NetmonError if it cannot start."""
        self._install_signals()  # first: a SIGHUP that comes too early must not end the daemon
        loaded, profiles = await asyncio.to_thread(self.prepare)
        async with contextlib.AsyncExitStack() as stack:
            await self._open(loaded)
            await self._start_outputs(stack)
            await self._start_judging(stack)
            await self._start_web(stack)
            await self._start_inputs(profiles, stack)
            stack.enter_context(spared_collector())
            self.reloader.started.set()
            self.systemd.ready(f"watching {len(loaded.inventory.sites)} sites")
            log.info(
                "started sites=%d listen=%s:%d", len(loaded.inventory.sites), self.config.web.host, self.config.web.port
            )
            await self.stopping.wait()
            self._stop_by_mono = self.clock.mono() + self.config.drain_s
            self.systemd.stopping()
            log.info("stopping drain_s=%g", self.config.drain_s)
        log.info("stopped")
        return 1 if self._failed else 0

    def prepare(self) -> tuple[Loaded, Profiles]:
        """Load and check everything that a start or a reload needs. Raises ConfigError with all problems."""
        loaded = self._load()
        return loaded, load_profiles(loaded.config.profiles)

    # --- start -------------------------------------------------------------------------------------------------------

    async def _open(self, loaded: Loaded) -> None:
        self.config = loaded.config
        await asyncio.to_thread(Path(self.config.state_dir).mkdir, mode=0o700, parents=True, exist_ok=True)
        self.words = load_words()
        self.state = State(loaded.inventory)
        self.topology = Topology(loaded.inventory)
        health = self.state.health
        health.started_at = health.last_reload_at = self.clock.now()
        health.config_hash = loaded.hash

    async def _start_outputs(self, stack: contextlib.AsyncExitStack) -> None:
        config, folder = self.config, Path(self.config.state_dir)
        self.store = Store(folder / "netmon.db")
        stack.push_async_callback(self.store.close)
        health = self.state.health
        await self.store.open(health.started_at)
        health.gaps, health.off_since = tuple(self.store.gaps), self.store.last_heartbeat
        self.samples = LineSamples(self.store)
        self.means = SensorMeans(self.store, ZoneInfo(config.timezone))
        sinks = ("influx",) if config.influx.url else ()
        self.spool = await asyncio.to_thread(Spool, folder / "spool.db", config.influx.spool_max_bytes, sinks)
        stack.push_async_callback(asyncio.to_thread, self.spool.close)
        self.influx: InfluxWriter | None = None
        if config.influx.url:
            self.influx = InfluxWriter(config.influx, self.spool, self.state.inventory, self.clock)
            self.influx.start()
            stack.push_async_callback(self._stop_influx, self.influx)
        self.network = Network() if config.influx.url and config.influx.network else None
        contacts = lambda: self.state.inventory.contacts  # noqa: E731
        self.pair = Pair(self)
        number = lambda n: found.number if (found := self.state.incidents.get(n)) else n  # noqa: E731
        self.notifier = Notifier(config, self.store, self.clock, contacts, self._count_message, number_of=number)
        await self.notifier.start(anew=self.pair.role != "alone")
        stack.push_async_callback(self._close_notifier)

    async def _start_judging(self, stack: contextlib.AsyncExitStack) -> None:
        config, state = self.config, self.state
        rules = load_catalog()
        found = limits(rules, state.inventory, config.alerts.thresholds)
        state.gauges.replace("thresholds", threshold_figures(rules, found))
        remembered = await self.store.load_incidents(self.clock.now() - KEEP_CLOSED_S)
        state.incidents = {incident.id: incident for incident in remembered}
        # What was lost before stays lost since then: else all of it would look lost together, as if a node had failed.
        state.verdicts = recall(remembered, self.topology)
        self.pipeline = Pipeline(
            state,
            self.topology,
            config,
            self.clock,
            Evaluator(rules, found),
            Book(config, remembered, *first_number(config, await self.store.next_incident_id())),
            poll_now=lambda device: self.scheduler.poll_now(device),
            broker_connected=self.broker_connected,
        )
        self.pipeline.fold.remember(await self.samples.recall(self.clock.now()))
        for view in (await asyncio.to_thread(self.spool.load_views)).values():
            self.pipeline.fold.sensor(view)
        self.pipeline.take_readings(await asyncio.to_thread(self.spool.words))
        self.desk = Desk(state, self.pipeline, self.store, self.clock)
        await self.desk.load()
        self.drills = DrillDesk(self.pipeline, self.store, self.clock, self.words, self._forked, self.notifier.ways)
        await self.drills.start()
        stack.push_async_callback(self._close_drills)
        stack.push_async_callback(self._last_step)
        self.outside = OutsideIntake(self.pipeline, self.store, self.clock, [rule.alert for rule in rules])
        await self.outside.load()
        theirs = self.outside.is_from_outside
        known = self.state.incidents
        incidents = lambda: [i for i in known.values() if self.pair.in_charge and not theirs(i)]  # noqa: E731
        self.feed = AlertmanagerFeed(config, self.clock, incidents, self.steps.describe, self._count_message)

    async def _start_web(self, stack: contextlib.AsyncExitStack) -> None:
        app = create_app(self.state, Answers(self), self.config, self.words)
        web = self.config.web
        await stack.enter_async_context(serve(app, web.host, web.port))
        await stack.enter_async_context(serve(app, uds=socket_path(self.config)))

    async def _start_inputs(self, profiles: Profiles, stack: contextlib.AsyncExitStack) -> None:
        config, inventory = self.config, self.state.inventory
        self.engine = Engine(config.snmp, self.clock)
        await self.engine.start()
        stack.push_async_callback(self.engine.close)
        self.poller = Poller(self.engine, profiles, config.snmp, self.clock)
        self.snmp_page = SnmpPage(self.engine, self.clock, config.snmp)
        self.scheduler = Scheduler(self.polls.poll, self.polls.take, self.clock, config.snmp.interval_s)
        self.prober = Prober(config.probe, self.clock, self.pipeline.take_reach, self.polls.probe)
        look = lambda device: self.scheduler.poll_now(device, again=True)  # noqa: E731
        self.intake = TrapIntake(self.pipeline, config.traps.poll_gap_s, self.clock, look, self.prober.check_now)
        self.traps = Traps(config.traps, self.clock, self.intake.take, own_engine_id(config.state_dir))
        self.ingest: Ingest | None = None
        if config.mqtt.host:
            self.ingest = Ingest(
                config.mqtt,
                routes_of(inventory),
                inventory,
                self.spool,
                self.clock,
                self.pipeline.take_readings,
                asyncio.get_running_loop(),
            )
        self.report = SelfReport(self)
        self.polls.take_targets(inventory)
        stack.push_async_callback(self._cancel_tasks)
        self._spawn("scheduler", self.scheduler.run())
        await self.prober.start()
        stack.push_async_callback(self.prober.close)
        if self.ingest:
            self.ingest.start()
            stack.push_async_callback(asyncio.to_thread, self.ingest.stop)
        stack.callback(self.traps.close)
        self.traps.start([TrapSocket(sock) for sock in handed_over("netmon-traps")])
        self.replies = Replies(
            config,
            self.state,
            self.words,
            ReplyBook(self.store),
            self.desk,
            self.notifier.ways,
            self.clock,
            self.prober.check_now,
            look,
            lambda channel, what: self.self_metrics.replies.labels(channel, what).inc(),
            drill=self.drills.reply,
            in_charge=lambda: self.pair.in_charge,
        )
        stack.push_async_callback(self.replies.close)
        await self.replies.start()
        self._spawn("loop meter", self.report.meter.run())
        self._spawn("steps", self.steps.run())
        self._spawn("housekeeping", self.housekeeping.run())
        self._spawn("collector", collect_rarely())
        self._spawn("pair", self.pair.run())
        stack.callback(self.pair.close)
        self._spawn("alertmanager feed", self.feed.run())

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or self.stopping.is_set():
            return
        log.critical("task ended, so the daemon ends task=%s", task.get_name(), exc_info=task.exception())
        self._failed = True
        self.stopping.set()

    async def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _count_message(self, channel: str, result: str) -> None:
        self.self_metrics.notifications.labels(channel, result).inc()
        self.pair.wake()  # what was told, the other daemon of a pair is to know at once

    def _forked(self, names: Iterable[str], memo: dict[int, object]) -> dict[str, Tracker]:
        return self.prober.forked(names, memo)

    def broker_connected(self) -> bool | None:
        if not self.config.mqtt.host:
            return None
        return bool(self.ingest and self.ingest.connected)

    # --- stop ---------------------------------------------------------------------------------------------------------

    def _left_s(self) -> float:
        """What is left of the drain time: all that stops has it together, as systemd waits for all of it."""
        return max(LEAST_DRAIN_S, self._stop_by_mono - self.clock.mono())

    async def _close_notifier(self) -> None:
        await self.notifier.close(self._left_s())

    async def _close_drills(self) -> None:
        await self.drills.close(self._left_s() / 4)  # most of it is for what is real

    async def _stop_influx(self, influx: InfluxWriter) -> None:
        await asyncio.to_thread(influx.stop, self._left_s())

    async def _last_step(self) -> None:
        """What arrived before the stop is still judged, committed and told within the drain time."""
        if not self.reloader.started.is_set():
            return  # it could not start: nothing was seen that could be judged
        await self.steps.step()
        await self.steps.last_word()
        await self.housekeeping.save_rest()

    # --- signals -----------------------------------------------------------------------------------------------------

    def _install_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_signal)
        loop.add_signal_handler(signal.SIGHUP, self._reload_signal)

    def _stop_signal(self) -> None:
        if self.stopping.is_set():
            log.warning("second signal, ending at once")
            logging.shutdown()
            os._exit(1)  # everything acknowledged or decided is on disk already: that is the design
        self.stopping.set()

    def _reload_signal(self) -> None:
        task = asyncio.create_task(self.reloader.reload(), name="reload")
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)
