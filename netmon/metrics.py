"""The catalogue of every ``netmon_*`` series, and the counters netmon keeps of itself, with prometheus-client.

Gauges live in ``state.Gauges``, so that rules and /metrics read the same numbers; counters and the histogram of poll
durations live in `SelfMetrics`, or stay where they are counted and are read at scrape time (`SelfMetrics.read_totals`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from netmon.state import Gauges, State

disable_created_metrics()  # type: ignore[no-untyped-call]  # a `_created` series beside each counter belongs to OpenMetrics, which is not served

POLL_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)  # up to the default budget of one poll


@dataclass(frozen=True, slots=True)
class Metric:
    """One series as the reference documents it. ``labels`` are all it may carry; an empty one is left out."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


_DEVICE = ("device", "site", "node")
_LINE_DIRECTION = ("site", "line", "direction")
_PROBED = ("site", "line", "node")

_CATALOGUE = (
    # --- reachability and verdicts
    Metric("netmon_site_up", "gauge", "1 if the site can be reached now over at least one line.", ("site",)),
    Metric("netmon_site_state", "gauge", "1 for the condition the site is in, 0 for the others.", ("site", "state")),
    Metric("netmon_line_state", "gauge", "1 for the condition the line is in, 0 for the others.",
           ("site", "line", "state")),
    Metric("netmon_node_state", "gauge", "1 for the condition the node is in, 0 for the others.", ("node", "state")),
    Metric("netmon_site_info", "gauge", "Always 1: what people call the site and where it belongs.",
           ("site", "name", "block", "area", "level")),
    Metric("netmon_line_info", "gauge", "Always 1: the provider of the line and the node above it.",
           ("line", "site", "provider", "parent")),
    Metric("netmon_probe_rtt_seconds", "gauge", "Round trip of the latest answered probe.", _PROBED),
    Metric("netmon_probe_loss_ratio", "gauge", "Lost probes over the window, outages left out.", _PROBED),
    Metric("netmon_probe_jitter_seconds", "gauge", "Mean difference between successive round trips.", _PROBED),
    Metric("netmon_site_redundancy_lost", "gauge", "1 if one of several lines of the site is lost.", ("site",)),
    Metric("netmon_site_on_backup", "gauge", "1 if the site runs on its backup line.", ("site",)),
    # --- lines, from the counters of their ports
    Metric("netmon_line_port_up", "gauge", "Operational state of the line's port at the site.", ("site", "line")),
    Metric("netmon_line_utilization_ratio", "gauge", "Traffic over contract bandwidth, between the last two polls.",
           _LINE_DIRECTION),
    Metric("netmon_line_p95_ratio", "gauge", "95th percentile of 5 min traffic over contract bandwidth, 7 days.",
           _LINE_DIRECTION),
    Metric("netmon_line_error_ratio", "gauge", "Packets in error over all packets, last two polls.", _LINE_DIRECTION),
    Metric("netmon_line_discard_ratio", "gauge", "Discarded over all packets, last two polls.", _LINE_DIRECTION),
    # --- devices: figures, the same whatever the vendor
    Metric("netmon_snmp_up", "gauge", "1 if the device answered its latest poll.", _DEVICE),
    Metric("netmon_device_snmp_silent", "gauge", "1 if SNMP fails though the site is reachable.", _DEVICE),
    Metric("netmon_device_cpu_ratio", "gauge", "Processor load.", _DEVICE),
    Metric("netmon_device_memory_ratio", "gauge", "Memory in use.", _DEVICE),
    Metric("netmon_device_temperature_celsius", "gauge", "Temperature inside the device.", (*_DEVICE, "sensor")),
    Metric("netmon_device_fan_ok", "gauge", "1 if the fan runs well.", (*_DEVICE, "sensor")),
    Metric("netmon_device_supply_ok", "gauge", "1 if the power supply is well.", (*_DEVICE, "sensor")),
    Metric("netmon_device_uptime_seconds", "gauge", "Time since the device's management restarted.", _DEVICE),
    Metric("netmon_device_rebooted", "gauge", "1 for ten minutes after a reboot was seen.", _DEVICE),
    Metric("netmon_optical_rx_dbm", "gauge", "Received optical power.", (*_DEVICE, "ifName")),
    Metric("netmon_neighbor_up", "gauge", "1 if the routing neighbour is established.", (*_DEVICE, "protocol", "peer")),
    Metric("netmon_path_rtt_seconds", "gauge", "Round trip that the device itself measures (IP SLA, NQA, RPM, SD-WAN).",
           (*_DEVICE, "test")),
    Metric("netmon_path_jitter_seconds", "gauge", "Jitter that the device itself measures.", (*_DEVICE, "test")),
    Metric("netmon_path_loss_ratio", "gauge", "Lost probes of the device's own test.", (*_DEVICE, "test")),
    Metric("netmon_ups_on_battery", "gauge", "1 while the UPS feeds from its battery.", _DEVICE),
    Metric("netmon_ups_on_bypass", "gauge", "1 while the UPS passes the mains through: a power cut would be felt.",
           _DEVICE),
    Metric("netmon_ups_load_ratio", "gauge", "Load of the UPS, the highest of its phases.", _DEVICE),
    Metric("netmon_ups_charge_ratio", "gauge", "Charge of the UPS battery.", _DEVICE),
    Metric("netmon_ups_runtime_seconds", "gauge", "Time the UPS says its battery will last.", _DEVICE),
    Metric("netmon_ups_input_volts", "gauge", "Voltage of the mains at the UPS.", (*_DEVICE, "phase")),
    Metric("netmon_interface_info", "gauge", "Always 1: the description of a port.", (*_DEVICE, "ifName", "ifAlias")),
    # --- sensors
    Metric("netmon_sensor_value", "gauge", "Latest value, in its label's unit; absent when stale, invalid or unknown.",
           ("sensor", "site", "node", "quantity", "unit")),
    Metric("netmon_sensor_last_seen_timestamp_seconds", "gauge", "When the sensor was last heard.",
           ("sensor", "site", "node")),
    Metric("netmon_sensor_clock_skew_seconds", "gauge",
           "The device's clock minus netmon's, by its latest message with a time; absent where devices give none.",
           ("sensor", "site", "node")),
    Metric("netmon_sensor_state", "gauge", "1 for the state the sensor is in, 0 for the others.",
           ("sensor", "site", "node", "state")),
    Metric("netmon_sensor_stuck", "gauge", "1 while the sensor says one value for longer than its type allows.",
           ("sensor", "site", "node")),
    Metric("netmon_sensor_fast", "gauge", "1 while the value changes faster than its type allows.",
           ("sensor", "site", "node")),
    Metric("netmon_sensor_info", "gauge", "Always 1: what people call the sensor, and what it measures.",
           ("sensor", "site", "node", "name", "type", "quantity")),
    Metric("netmon_gateway_state", "gauge", "1 for the state the gateway is in, 0 for the others.",
           ("gateway", "site", "node", "state")),
    Metric("netmon_gateway_info", "gauge", "Always 1: what people call the gateway.",
           ("gateway", "site", "node", "name")),
    # --- alerts and incidents
    Metric("netmon_threshold", "gauge", "The limit that the alert of this name compares with.",
           ("alertname", "site", "line", "device", "sensor", "node")),
    Metric("netmon_alert_active", "gauge", "Firing instances of the alert.", ("alertname", "severity")),
    Metric("netmon_drill_running", "gauge", "1 while a drill runs; nothing of it is in any other series."),
    Metric("netmon_incidents_open", "gauge", "Open incidents.", ("cause", "severity")),
    # --- netmon itself
    Metric("netmon_poll_duration_seconds", "gauge", "Duration of the device's latest poll.", _DEVICE),
    Metric("netmon_poll_time_seconds", "histogram", "Durations of all polls."),
    Metric("netmon_poll_failures_total", "counter", "Polls that got no answer, by reason.", ("reason",)),
    Metric("netmon_poll_tables_failed_total", "counter", "Tables missing from an otherwise good poll, by reason.",
           ("reason",)),
    Metric("netmon_poll_overruns_total", "counter", "Polls left out because the one before had not ended."),
    Metric("netmon_snmp_events_total", "counter", "SNMP requests, replies, polls repeated, and all that went wrong.",
           ("event",)),
    Metric("netmon_traps_total", "counter", "Traps and informs of known devices, by what they say.", ("kind",)),
    Metric("netmon_trap_events_total", "counter", "Datagrams that came for traps, and what became of them.",
           ("event",)),
    Metric("netmon_trap_unknown_senders", "gauge", "Addresses that sent traps and are no device's, 1,000 at most."),
    Metric("netmon_probe_events_total", "counter", "Probes sent, answered, lost, and what hampered them.", ("event",)),
    Metric("netmon_queue_depth", "gauge", "Entries waiting in the queue.", ("queue",)),
    Metric("netmon_dropped_total", "counter", "Entries dropped because the queue was full.", ("queue",)),
    Metric("netmon_dropped_recently", "gauge", "Entries the queue dropped over the last minute.", ("queue",)),
    Metric("netmon_mqtt_messages_total", "counter", "MQTT messages, by what became of them.", ("result",)),
    Metric("netmon_mqtt_connected", "gauge", "1 while the broker is connected; absent when none is configured."),
    Metric("netmon_mqtt_events_total", "counter", "What happened to the broker connection and the intake.", ("event",)),
    Metric("netmon_spool_events_total", "counter", "Readings spooled, dropped, put aside.", ("event",)),
    Metric("netmon_spool_bytes", "gauge", "Size of the readings waiting on disk for the history database."),
    Metric("netmon_spool_used_ratio", "gauge", "Part of the spool's limit that is used."),
    Metric("netmon_influx_written_total", "counter", "Readings the history database has taken."),
    Metric("netmon_influx_events_total", "counter", "Readings written or refused, and failures by kind.", ("event",)),
    Metric("netmon_influx_up", "gauge", "1 if the history database took the latest batch; absent when there is none."),
    Metric("netmon_own_uplink_up", "gauge", "1 while netmon's own uplink answers."),
    Metric("netmon_notifications_total", "counter", "Messages sent, by channel and result.", ("channel", "result")),
    Metric("netmon_replies_total", "counter", "Replies of people, by channel and what they asked for.",
           ("channel", "result")),
    Metric("netmon_inbox_failing", "gauge", "1 while the inbox that replies come by cannot be read.", ("channel",)),
    Metric("netmon_notifications_failing", "gauge", "1 while the channel's latest message could not be sent.",
           ("channel",)),
    Metric("netmon_heartbeat_timestamp_seconds", "gauge", "When netmon last judged what it knows."),
    Metric("netmon_pair_info", "gauge", "Always 1: alone, or which of a pair this daemon is.", ("role",)),
    Metric("netmon_pair_peer_up", "gauge", "1 while the other daemon of the pair is heard; absent when there is none.",
           ("peer",)),
    Metric("netmon_in_charge", "gauge", "1 while this daemon is the one that tells people."),
    Metric("netmon_loop_hold_seconds", "gauge", "Longest hold of the event loop over the last minute."),
    Metric("netmon_clock_steps_total", "counter", "Steps of the system clock by more than a second."),
    Metric("netmon_config_last_reload_success", "gauge", "1 if the latest reload was taken over."),
    Metric("netmon_config_last_reload_timestamp_seconds", "gauge", "When the configuration was last taken over."),
    Metric("netmon_config_info", "gauge", "Always 1: the hash of the configuration and inventory in force.", ("hash",)),
    Metric("netmon_http_streams", "gauge", "Pages that listen to the live stream."),
    Metric("netmon_build_info", "gauge", "Always 1: the version of netmon and of Python.", ("version", "python")),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _CATALOGUE}

Totals = Callable[[], Mapping[tuple[str, ...], float]]  # label values, in the catalogue's order -> total so far


class SelfMetrics:
    """What netmon counts of itself, in a registry of its own (one per daemon, so tests may have many)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._own: set[str] = set()
        self._totals: dict[str, list[Totals]] = {}
        self.poll_time = Histogram(
            "netmon_poll_time_seconds",
            METRICS["netmon_poll_time_seconds"].help,
            buckets=POLL_BUCKETS_S,
            registry=self.registry,
        )
        self.poll_failures = self._counter("netmon_poll_failures_total")
        self.poll_tables_failed = self._counter("netmon_poll_tables_failed_total")
        self.notifications = self._counter("netmon_notifications_total")
        self.replies = self._counter("netmon_replies_total")
        self.clock_steps = self._counter("netmon_clock_steps_total")
        self.registry.register(_TotalsCollector(self._totals))

    def _counter(self, name: str) -> Counter:
        metric = METRICS[name]
        self._own.add(name)
        return Counter(name, metric.help, metric.labels, registry=self.registry)

    def read_totals(self, name: str, totals: Totals) -> None:
        """Have ``totals`` read at each scrape for a counter that some part keeps itself; sources of one name add up."""
        if METRICS[name].kind != "counter" or name in self._own:
            raise ValueError(f"{name} is not a counter that can be read from elsewhere")
        self._totals.setdefault(name, []).append(totals)


class _TotalsCollector(Collector):
    """Counters kept by engines and ingests as plain numbers."""

    def __init__(self, totals: Mapping[str, list[Totals]]) -> None:
        self._totals = totals

    def collect(self) -> Iterable[Family]:
        for name, sources in sorted(self._totals.items()):
            metric = METRICS[name]
            family = CounterMetricFamily(name, metric.help, labels=metric.labels)
            sums: dict[tuple[str, ...], float] = {}
            for source in sources:
                for values, total in source().items():
                    sums[values] = sums.get(values, 0.0) + total
            for values, total in sorted(sums.items()):
                family.add_metric(values, total)
            yield family


class GaugesCollector(Collector):
    """The live gauges as families of kind gauge; a ``site`` limits them to the series of that site ("" = of none)."""

    def __init__(self, gauges: Gauges, site: str | None = None) -> None:
        self._gauges = gauges
        self._site = site

    def collect(self) -> Iterable[Family]:
        for name, series in self._gauges.snapshot():
            metric = METRICS.get(name)
            family = Family(name, metric.help if metric else "Not in the catalogue.", "gauge")
            for labels, value in series.items():
                if self._site is None or self._site == _site_of(labels):
                    family.add_sample(name, dict(labels), value)
            if family.samples:
                yield family


def _site_of(labels: Iterable[tuple[str, str]]) -> str:
    for name, value in labels:
        if name == "site":
            return value
    return ""


def build_registry(state: State, self_metrics: SelfMetrics) -> CollectorRegistry:
    """The registry of /metrics: netmon's own counters, and the gauges as they are at each scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(self_metrics.registry)
    registry.register(GaugesCollector(state.gauges))
    return registry
