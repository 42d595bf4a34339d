"""The daemon: starts everything in order, keeps it running, reloads it, stops it in order.

Outputs (store, spool, messages, pages) start first and stop last, so nothing that came in is lost on the way out. A
"forever" task that ends by itself ends the daemon with status 1: systemd starts it anew, and the log says what it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from netmon import exposition
from netmon.alerts.amfeed import AlertmanagerFeed
from netmon.alerts.catalog import load_catalog
from netmon.alerts.faults import recall
from netmon.alerts.incidents import Book
from netmon.alerts.messages import summaries
from netmon.alerts.notify import Notifier
from netmon.alerts.plan import plan
from netmon.alerts.rules import Evaluator, limits, threshold_figures
from netmon.api_client import socket_path
from netmon.clock import Clock
from netmon.collectors.mqtt.ingest import Ingest
from netmon.collectors.mqtt.plan import routes_of
from netmon.collectors.probes.prober import Prober
from netmon.collectors.snmp.engine import Engine, Target
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import Profiles, load_profiles
from netmon.collectors.trap_socket import TrapSocket
from netmon.collectors.traps import Traps, own_engine_id
from netmon.desk import Desk
from netmon.errors import CollectError, NetmonError, Problem, Refused
from netmon.history.linesamples import LineSamples
from netmon.history.sensormeans import Curve, SensorMeans, Share
from netmon.history.spool import Spool, SpoolError
from netmon.history.store import Store, StoreError
from netmon.influx import InfluxWriter
from netmon.influx_lines import Network, sample_line, snapshot_lines
from netmon.inventory import Loaded
from netmon.metrics import SelfMetrics, build_registry
from netmon.model import Device, Incident, Inventory, LineSample, PollResult, Probe
from netmon.pipeline import KEEP_CLOSED_S, Pipeline
from netmon.reload import Reloader
from netmon.scheduler import Scheduler
from netmon.selfreport import SelfReport
from netmon.selfwatch import collect_rarely, spared_collector
from netmon.sensor_means import SensorMean
from netmon.snmp_page import SnmpPage
from netmon.state import State
from netmon.systemd import Notify, handed_over
from netmon.topology import Topology
from netmon.trap_intake import TrapIntake
from netmon.web.app import create_app
from netmon.web.server import serve
from netmon.words import load_words

log = logging.getLogger(__name__)
T = TypeVar("T")

HEARTBEAT_S = 10.0  # DESIGN.md, Storage: what happened after the last one is unknown, not up
LEAST_DRAIN_S = 1.0
SAVE_VIEWS_S = 60.0
SAMPLES_AT_ONCE = 5000
TIDY_S = 86400.0
SYS_UPTIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)  # SNMPv2-MIB sysUpTime.0: every agent has it


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
        self._reloader = Reloader(self)
        self._failed = False
        self._stop_by_mono = float("-inf")  # known when the stop begins; a start that fails drains nothing

    async def run(self) -> int:
        """Until SIGTERM or SIGINT; returns the exit status. Raises ConfigError or NetmonError if it cannot start."""
        self._install_signals()  # first: a SIGHUP that comes too early must not end the daemon
        loaded, profiles = await asyncio.to_thread(self.prepare)
        async with contextlib.AsyncExitStack() as stack:
            await self._start_outputs(loaded, stack)
            await self._start_inputs(loaded, profiles, stack)
            stack.enter_context(spared_collector())
            self._reloader.started.set()
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

    async def _start_outputs(self, loaded: Loaded, stack: contextlib.AsyncExitStack) -> None:
        config, inventory = loaded.config, loaded.inventory
        self.config = config
        folder = Path(config.state_dir)
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        self.words = load_words()
        self.state = State(inventory)
        self.topology = Topology(inventory)
        health = self.state.health
        health.started_at = health.last_reload_at = self.clock.now()
        health.config_hash = loaded.hash

        self.store = Store(folder / "netmon.db")
        stack.push_async_callback(self.store.close)
        await self.store.open(self.clock.now())
        self.samples = LineSamples(self.store)
        self.means = SensorMeans(self.store, ZoneInfo(config.timezone))
        sinks = ("influx",) if config.influx.url else ()
        self.spool = await asyncio.to_thread(Spool, folder / "spool.db", config.influx.spool_max_bytes, sinks)
        stack.push_async_callback(asyncio.to_thread, self.spool.close)
        self.influx: InfluxWriter | None = None
        if config.influx.url:
            self.influx = InfluxWriter(config.influx, self.spool, inventory, self.clock)
            self.influx.start()
            stack.push_async_callback(self._stop_influx, self.influx)
        self.network = Network() if config.influx.url and config.influx.network else None

        contacts = lambda: self.state.inventory.contacts  # noqa: E731
        self.notifier = Notifier(config, self.store, self.clock, contacts, self._count_message)
        await self.notifier.start()
        stack.push_async_callback(self._close_notifier)

        rules = load_catalog()
        found = limits(rules, inventory, config.alerts.thresholds)
        self.state.gauges.replace("thresholds", threshold_figures(rules, found))
        remembered = await self.store.load_incidents(self.clock.now() - KEEP_CLOSED_S)
        self.state.incidents = {incident.id: incident for incident in remembered}
        # What was lost before stays lost since then: else all of it would look lost together, as if a node had failed.
        self.state.verdicts = recall(remembered, self.topology)
        book = Book(config, remembered, await self.store.next_incident_id())
        self.pipeline = Pipeline(
            self.state,
            self.topology,
            config,
            self.clock,
            Evaluator(rules, found),
            book,
            poll_now=lambda device: self.scheduler.poll_now(device),
            broker_connected=self.broker_connected,
        )
        self.pipeline.fold.remember(await self.samples.recall(self.clock.now()))
        for view in (await asyncio.to_thread(self.spool.load_views)).values():
            self.pipeline.fold.sensor(view)
        self.desk = Desk(self.state, self.pipeline, self.store, self.clock)
        await self.desk.load()
        stack.push_async_callback(self._last_step)
        self.feed = AlertmanagerFeed(
            config,
            self.clock,
            lambda: list(self.state.incidents.values()),
            self._describe,
            self._count_message,
        )
        await self._start_web(stack)

    async def _start_web(self, stack: contextlib.AsyncExitStack) -> None:
        registry = build_registry(self.state, self.self_metrics)
        self._registry = registry
        app = create_app(self.state, self, self.config, self.words)
        web = self.config.web
        await stack.enter_async_context(serve(app, web.host, web.port))
        await stack.enter_async_context(serve(app, uds=socket_path(self.config)))

    async def _start_inputs(self, loaded: Loaded, profiles: Profiles, stack: contextlib.AsyncExitStack) -> None:
        config, inventory = loaded.config, loaded.inventory
        loop = asyncio.get_running_loop()
        self.engine = Engine(config.snmp, self.clock)
        await self.engine.start()
        stack.push_async_callback(self.engine.close)
        self.poller = Poller(self.engine, profiles, config.snmp, self.clock)
        self.snmp_page = SnmpPage(self.engine, self.clock, config.snmp)
        self.scheduler = Scheduler(self._poll, self._take_poll, self.clock, config.snmp.interval_s)
        self.prober = Prober(config.probe, self.clock, self.pipeline.take_reach, self._snmp_probe)
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
                loop,
            )
        self.report = SelfReport(self)
        self.take_targets(inventory)
        stack.push_async_callback(self._cancel_tasks)
        self._spawn("scheduler", self.scheduler.run())
        await self.prober.start()
        stack.push_async_callback(self.prober.close)
        if self.ingest:
            self.ingest.start()
            stack.push_async_callback(asyncio.to_thread, self.ingest.stop)
        stack.callback(self.traps.close)
        self.traps.start([TrapSocket(sock) for sock in handed_over("netmon-traps")])
        self._spawn("loop meter", self.report.meter.run())
        self._spawn("steps", self._steps())
        self._spawn("housekeeping", self._housekeeping())
        self._spawn("collector", collect_rarely())
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

    # --- the running daemon ------------------------------------------------------------------------------------------

    async def _steps(self) -> None:
        while True:
            await self.pipeline.wait()
            await self._step()

    async def _step(self) -> None:
        changes = await self.pipeline.step()
        if self.network:
            self.network.look(self.state.verdicts, self.state.inventory, self.clock.now())
        intents = plan(changes, self.state, self.config, self.notifier.record, self.clock.now(), self.words)
        await self.store.commit_step(changes, intents, self.state.verdicts, self.clock.now())
        self.notifier.submit(intents)

    def _left_s(self) -> float:
        """What is left of the drain time: all that stops has it together, as systemd waits for all of it."""
        return max(LEAST_DRAIN_S, self._stop_by_mono - self.clock.mono())

    async def _close_notifier(self) -> None:
        await self.notifier.close(self._left_s())

    async def _stop_influx(self, influx: InfluxWriter) -> None:
        await asyncio.to_thread(influx.stop, self._left_s())

    async def _last_step(self) -> None:
        """What arrived before the stop is still judged, committed and told within the drain time."""
        if not self._reloader.started.is_set():
            return  # it could not start: nothing was seen that could be judged
        await self._step()
        self.pipeline.close_means()
        await self._save_samples()
        await self._save_views()

    async def _housekeeping(self) -> None:
        saved = tidy_mono = self.clock.mono()
        while True:
            if step := self.clock.check_step():
                self.self_metrics.clock_steps.inc()
                log.warning("system clock stepped step_s=%.3f", step)
                self.pipeline.clock_stepped(step)
            now = self.clock.now()
            await self.store.heartbeat(now)
            await self._save_samples()
            if self.clock.mono() >= tidy_mono:
                tidy_mono = self.clock.mono() + (TIDY_S if await self._tidy(now) else 0.0)
            if self.clock.mono() - saved >= SAVE_VIEWS_S:
                saved = self.clock.mono()
                await self._save_views()
            self.report.write()
            self.systemd.alive()
            await asyncio.sleep(min(HEARTBEAT_S, (self.systemd.watchdog_s or 60.0) / 3))

    async def _tidy(self, now: float) -> bool:
        """Drop what is too old; False if there is more of it for the next time."""
        self.notifier.record.keep_only(self.state.incidents, now - KEEP_CLOSED_S)
        try:
            await self.store.tidy(now)
            return await self.samples.forget(now - self.config.history.line_samples_s)
        except NetmonError as error:
            log.error("old rows not removed error=%s", error)
            return True

    async def _save_samples(self) -> None:
        """What the disk refuses waits in memory for the next time; the store's heartbeat says that it does."""
        with contextlib.suppress(SpoolError):
            await self._spool_network(())
        await self._save_all(self.pipeline.samples, self._save_lines)
        await self._save_all(self.pipeline.means, self._save_means)

    async def _save_lines(self, batch: Sequence[LineSample]) -> None:
        await self._spool_network(batch)  # first: what is written there twice is one point
        await self.samples.save(batch)

    async def _save_means(self, batch: Sequence[SensorMean]) -> None:
        inventory, limits = self.state.inventory, {}
        for mean in batch:
            sensor = inventory.sensors.get(mean.sensor)
            if sensor is not None:
                kind = inventory.sensor_types[sensor.type]
                limits[mean.sensor] = kind.comply_min, kind.comply_max
        await self.means.save(batch, limits, self.clock.now())

    async def _save_all(self, waiting: deque[T], save: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        while batch := list(itertools.islice(waiting, SAMPLES_AT_ONCE)):
            try:
                await save(batch)
            except (SpoolError, StoreError):
                return
            for sample in batch:
                if waiting and waiting[0] is sample:  # else it was dropped meanwhile
                    waiting.popleft()

    async def _spool_network(self, samples: Sequence[LineSample]) -> None:
        """What the history database is to know of the network. Raises SpoolError."""
        if (network := self.network) is None:
            return
        state, now = self.state, self.clock.now()
        if network.due(now):
            verdicts, polls = list(state.verdicts.values()), list(state.polls.values())
            network.lines += await asyncio.to_thread(snapshot_lines, verdicts, polls, state.inventory, now)
        noted, network.lines = network.lines, []
        lines = noted + [sample_line(sample, state.inventory) for sample in samples]
        try:
            if lines:
                await asyncio.to_thread(self.spool.put_parcel, lines, now)
        except SpoolError:
            network.lines[:0] = noted
            raise

    async def _save_views(self) -> None:
        try:
            await asyncio.to_thread(self.spool.save_views, list(self.state.sensors.values()))
        except NetmonError as error:
            log.error("sensor views not saved error=%s", error)

    def broker_connected(self) -> bool | None:
        if not self.config.mqtt.host:
            return None
        return bool(self.ingest and self.ingest.connected)

    # --- polls -------------------------------------------------------------------------------------------------------

    async def _poll(self, device: Device) -> PollResult:
        credential = self.state.inventory.credentials[device.credential]
        return await self.poller.poll(device, credential)

    def _take_poll(self, result: PollResult) -> None:
        self.self_metrics.poll_time.observe(result.duration_s)
        if not result.ok:
            self.self_metrics.poll_failures.labels(result.reason).inc()
        for reason in result.failed.values():
            self.self_metrics.poll_tables_failed.labels(reason).inc()
        self.pipeline.take_poll(result)

    def _describe(self, incident: Incident) -> dict[str, str]:
        zone = ZoneInfo(self.config.timezone)
        return summaries(incident, self.state, self.words, self.config, zone, self.clock.now())

    def _count_message(self, channel: str, result: str) -> None:
        self.self_metrics.notifications.labels(channel, result).inc()

    async def _snmp_probe(self, probe: Probe) -> float:
        """Round trip of one cheap SNMP request, for targets where nothing else is open."""
        for device in self.state.inventory.devices.values():
            if device.address == probe.address:
                credential = self.state.inventory.credentials[device.credential]
                before = self.clock.mono()
                await self.engine.get(Target(device.address, device.port, credential, device.id), [SYS_UPTIME])
                return self.clock.mono() - before
        raise CollectError("no_device", f"no device at {probe.address} to probe with SNMP")

    def take_targets(self, inventory: Inventory) -> None:
        """Probe and poll exactly what the inventory holds."""
        probes: dict[str, Probe] = {line.id: line.probe for line in inventory.lines.values()}
        probes |= {node.id: node.probe for node in inventory.nodes.values() if node.probe}
        parents = {target: self.topology.parents_of_target(target) for target in probes}
        self.prober.set_targets(probes, parents)
        self.scheduler.set_devices(inventory.devices, self.config.snmp.interval_s)
        self.poller.keep_only(inventory.devices)
        self.traps.set_inventory(inventory, self.config.address_map)

    # --- what the pages ask for (web.Actions) ------------------------------------------------------------------------

    async def reload(self) -> list[Problem]:
        """Take a new configuration over, or say what is wrong with it."""
        return await self._reloader.reload()

    def page(self) -> bytes:
        return exposition.page(self.state, self._registry)

    def site_page(self, site: str) -> bytes | None:
        return exposition.site_page(self.state, site)

    def rest_page(self) -> bytes:
        return exposition.rest_page(self.state, self.self_metrics)

    async def snmp(self, target: str, modules: Sequence[str], auth: str) -> bytes:
        """What snmp_exporter would tell of a device."""
        if not self._reloader.started.is_set():
            raise Refused(503, "netmon is starting")
        known = self.poller.profiles.modules
        return await self.snmp_page.text(self.state.inventory, known, target, modules, auth)

    async def line_samples(self, line: str, since: float, until: float, step: int) -> list[LineSample]:
        return await self.samples.read(line, since, until, step)

    async def sensor_means(self, sensors: Sequence[str], since: float, until: float) -> dict[str, Curve]:
        return await self.means.read(sensors, since, until)

    async def sensor_month(self, month: str) -> list[Share]:
        return await self.means.month(month)

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
        task = asyncio.create_task(self.reload(), name="reload")
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)
