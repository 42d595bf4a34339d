"""What netmon says of itself on /metrics: gauges written by the housekeeping, totals read at each scrape."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

from netmon.model import Figure, labels
from netmon.selfwatch import LoopMeter, QueueWatch, SkewWatch

if TYPE_CHECKING:
    from netmon.app import App

VERSION = version("netmon")


class SelfReport:
    """Reads the parts of one running daemon."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.meter = LoopMeter(app.clock)
        self._queues = QueueWatch(self._depths)
        self._skews = SkewWatch()
        self._read_totals()

    def write(self) -> None:
        """The gauges that rules and people look at."""
        app = self._app
        health, spool = app.state.health, app.spool
        health.broker_connected = app.broker_connected()
        health.influx_ok = app.influx.ok if app.influx else None
        figures = [
            Figure("netmon_heartbeat_timestamp_seconds", (), health.evaluated_at),
            Figure("netmon_in_charge", (), float(app.config.notify.enabled and app.pair.in_charge)),
            Figure("netmon_pair_info", labels(role=app.pair.role), 1.0),
            Figure("netmon_loop_hold_seconds", (), self.meter.worst_s()),
            Figure("netmon_spool_bytes", (), spool.bytes),
            Figure("netmon_spool_used_ratio", (), spool.used_ratio),
            Figure("netmon_config_last_reload_success", (), float(health.last_reload_ok)),
            Figure("netmon_config_last_reload_timestamp_seconds", (), health.last_reload_at),
            Figure("netmon_config_info", labels(hash=health.config_hash), 1.0),
            Figure("netmon_build_info", labels(version=VERSION, python=platform.python_version()), 1.0),
        ]
        if app.pair.peer_up is not None:
            peer = "standby" if app.pair.role == "primary" else "primary"
            figures.append(Figure("netmon_pair_peer_up", labels(peer=peer), float(app.pair.peer_up)))
        if app.traps.listening:
            figures.append(Figure("netmon_trap_unknown_senders", (), app.traps.unknown_senders))
        if health.broker_connected is not None:
            figures.append(Figure("netmon_mqtt_connected", (), float(health.broker_connected)))
        if health.influx_ok is not None:
            figures.append(Figure("netmon_influx_up", (), float(health.influx_ok)))
        uplink = app.state.reach.get(app.config.own_uplink)
        if uplink is not None and uplink.lost is not None:
            figures.append(Figure("netmon_own_uplink_up", (), float(not uplink.lost)))
        figures += [
            Figure("netmon_notifications_failing", labels(channel=channel), float(failing))
            for channel, failing in (app.notifier.failing() | app.feed.failing).items()
        ]
        figures += [
            Figure("netmon_inbox_failing", labels(channel=inbox), float(failing))
            for inbox, failing in app.replies.failing().items()
        ]
        app.state.gauges.replace("self", figures)
        self._queues.write(app.state.gauges, app.clock.mono())
        if app.ingest:
            self._skews.write(app.state.gauges, app.ingest.skew_s, app.state.inventory.sensors)

    def _depths(self) -> Mapping[str, tuple[int, int]]:
        app = self._app
        depths = {
            "notify": (app.notifier.depth, app.notifier.dropped),
            "samples": (len(app.pipeline.samples), app.pipeline.samples_dropped),
            "parcels": (app.spool.parcels, app.spool.stats["parcels_dropped"]),
            "sensor_means": (len(app.pipeline.means), app.pipeline.means_dropped),
            "snmp": (app.engine.waiting, 0),
            "store": (app.store.waiting, app.store.dropped),
            "spool": (app.spool.rows, app.spool.stats["dropped"]),
            "traps": (app.traps.depth, app.traps.dropped),
        }
        if app.ingest:
            depths["mqtt"] = (app.ingest.queue_depth, app.ingest.events["handover_dropped"])
        return depths

    def _read_totals(self) -> None:
        app, metrics = self._app, self._app.self_metrics
        metrics.read_totals("netmon_snmp_events_total", _by_event(app.engine.stats))
        polls = Counter({f"poll_{event}": count for event, count in app.poller.stats.items()})
        metrics.read_totals("netmon_snmp_events_total", _by_event(polls))
        metrics.read_totals("netmon_probe_events_total", _by_event(app.prober.stats))
        metrics.read_totals("netmon_trap_events_total", _by_event(app.traps.stats))
        metrics.read_totals("netmon_trap_events_total", _by_event(app.intake.stats))
        metrics.read_totals("netmon_traps_total", _by_event(app.traps.kinds))
        metrics.read_totals("netmon_spool_events_total", _by_event(app.spool.stats))
        metrics.read_totals("netmon_poll_overruns_total", lambda: {(): float(app.scheduler.counters.overruns)})
        metrics.read_totals("netmon_dropped_total", lambda: {(q,): float(d) for q, (_, d) in self._depths().items()})
        if app.ingest:
            metrics.read_totals("netmon_mqtt_messages_total", _by_event(app.ingest.stats))
            metrics.read_totals("netmon_mqtt_events_total", _by_event(app.ingest.events))
        if influx := app.influx:
            metrics.read_totals("netmon_influx_written_total", lambda: {(): float(influx.stats["written"])})
            metrics.read_totals("netmon_influx_events_total", _by_event(influx.stats))


def _by_event(counter: Counter[str]) -> Callable[[], Mapping[tuple[str, ...], float]]:
    """A counter that some part keeps, in the form that /metrics reads."""
    return lambda: {(event,): float(count) for event, count in counter.copy().items()}
