"""Folds what collectors bring into the state and its gauges. Pure: one call per result, no clock of its own.

Each fold owns the series it writes (`Gauges.replace`), so what a device or a sensor no longer has leaves the page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from netmon import rates
from netmon.line_samples import P95, Sampler
from netmon.model import (
    CONDITIONS,
    Figure,
    Inventory,
    Line,
    LineSample,
    PollResult,
    Port,
    Subject,
    Verdict,
    labels,
)
from netmon.sensor_series import SensorSeries, gateway_figures, info
from netmon.state import GatewayView, Reach, SensorView, State
from netmon.topology import Topology

PROBES_S = 15.0  # how often round trip, loss and jitter are looked at for the five-minute samples
REACHABLE = ("up", "degraded")
LOST = ("down", "unreachable")


class Fold:
    """Writes into one State. Keeps only what the next result must be compared with."""

    def __init__(self, state: State, topology: Topology) -> None:
        self._state = state
        self._before: dict[str, PollResult] = {}  # the last good poll of each device
        self._sampler = Sampler()
        self._p95: dict[str, tuple[P95, P95]] = {}  # line -> in, out
        self._probes_at = float("-inf")
        self._sensor_series: dict[str, SensorSeries] = {}
        self._shown = Inventory()
        self.set_inventory(state.inventory, topology)

    def set_inventory(self, inventory: Inventory, topology: Topology) -> None:
        """After a (re)load: facts as ``_info`` series; what is gone is forgotten, what moved is shown where it is."""
        self._topology = topology
        self._lines_at: dict[str, list[Line]] = {}
        for line in inventory.lines.values():
            if line.device:
                self._lines_at.setdefault(line.device, []).append(line)
        state, gauges = self._state, self._state.gauges
        state.inventory = inventory
        for gone in [d for d in state.polls if d not in inventory.devices]:
            del state.polls[gone]
            self._before.pop(gone, None)
            gauges.replace(f"device:{gone}", ())
        for gone in [t for t in state.reach if not _probed(inventory, t)]:
            del state.reach[gone]
            gauges.replace(f"reach:{gone}", ())
        for gone in [g for g in state.gateways if g not in inventory.gateways]:
            del state.gateways[gone]
            gauges.replace(f"gateway:{gone}", ())
        for gone in [s for s in state.sensors if s not in inventory.sensors]:
            del state.sensors[gone]
        for name, series in list(self._sensor_series.items()):
            sensor = inventory.sensors.get(name)
            if sensor != series.sensor or inventory.sensor_types.get(sensor.type) != series.kind:
                series.drop(gauges)
                del self._sensor_series[name]
        known = {"site": inventory.sites, "line": inventory.lines, "node": inventory.nodes}
        for subject in [s for s in state.verdicts if s.id not in known[s.kind]]:
            del state.verdicts[subject]
            gauges.replace(f"verdict:{subject.kind}:{subject.id}", ())
        self._sampler.keep_only(inventory.lines)
        for gone in [line for line in self._p95 if line not in inventory.lines]:
            del self._p95[gone]
            gauges.replace(f"p95:{gone}", ())
        # Only what stands elsewhere now: to write all series anew would hold the loop for some 15 ms.
        before, self._shown = self._shown, inventory
        moved = _changed(before.lines, inventory.lines)
        new = {
            "site": inventory.sites.keys() - before.sites.keys(),
            "line": moved,
            "node": inventory.nodes.keys() - before.nodes.keys(),
        }
        for name in self._p95.keys() & moved:
            self._show_p95(name)
        for target, reach in state.reach.items():
            if target in moved or target in new["node"]:
                self._show_reach(reach)
        for subject, verdict in state.verdicts.items():
            if subject.id in new[subject.kind]:
                self._show_verdict(verdict)
        for name, view in state.sensors.items():
            if name not in self._sensor_series:
                self._show_sensor(view)
        for gateway in state.gateways.values():
            self._show_gateway(gateway)
        for site in {lines[line].site for lines in (before.lines, inventory.lines) for line in moved & lines.keys()}:
            self._redundancy(site)
        gauges.replace("info", _info(inventory))
        state.revision += 1

    # --- polls -------------------------------------------------------------------------------------------------------

    def poll(self, result: PollResult) -> None:
        """One finished poll, good or failed."""
        device = self._state.inventory.devices.get(result.device)
        if device is None:
            return
        self._state.polls[device.id] = result
        series = labels(device=device.id, site=device.site, node=device.node)
        figures = [
            Figure("netmon_snmp_up", series, 1.0 if result.ok else 0.0),
            Figure("netmon_poll_duration_seconds", series, result.duration_s),
        ]
        if result.ok:
            before = self._before.get(device.id)
            figures += result.figures
            for line in self._lines_at.get(device.id, ()):
                figures += self._line(line, before, result)
            self._before[device.id] = result
        self._state.gauges.replace(f"device:{device.id}", figures)

    def _line(self, line: Line, before: PollResult | None, after: PollResult) -> Iterable[Figure]:
        port = after.ports.get(line.if_name)
        if port is None:
            return
        place = {"site": line.site, "line": line.id}
        if port.oper_up is not None:
            yield Figure("netmon_line_port_up", labels(**place), 1.0 if port.oper_up else 0.0)
        old = before.ports.get(line.if_name) if before else None
        if before is None or old is None:
            return
        moved = rates.port_rates(old, port, before_uptime_s=before.sys_uptime_s, after_uptime_s=after.sys_uptime_s)
        if moved is None:
            return
        # `in` at the site's port is what the site downloads.
        down_bps, up_bps = _capacity(line, port)
        for direction, bps, capacity, error, discard in (
            ("in", moved.in_bps, down_bps, moved.in_error_ratio, moved.in_discard_ratio),
            ("out", moved.out_bps, up_bps, moved.out_error_ratio, moved.out_discard_ratio),
        ):
            series = labels(**place, direction=direction)
            if bps is not None and capacity:
                yield Figure("netmon_line_utilization_ratio", series, bps / capacity)
                self._sampler.add(line.id, port.at, **{f"{direction}_ratio": bps / capacity})
            if error is not None:
                yield Figure("netmon_line_error_ratio", series, error)
            if discard is not None:
                yield Figure("netmon_line_discard_ratio", series, discard)

    # --- five-minute samples -----------------------------------------------------------------------------------------

    def remember(self, known: Mapping[str, tuple[P95, P95]]) -> None:
        """The percentiles of the week before a restart, by line: in, out."""
        self._p95 |= {line: pair for line, pair in known.items() if line in self._state.inventory.lines}
        for line in self._p95:
            self._show_p95(line)

    def samples(self, now: float) -> list[LineSample]:
        """Five-minute samples that are complete; to be called every second or so."""
        if not 0.0 <= now - self._probes_at < PROBES_S:
            self._probes_at = now
            self._sample_probes(now)
        found = self._sampler.close(now)
        for sample in found:
            if sample.line not in self._p95:
                self._p95[sample.line] = P95(), P95()
            for p95, mean in zip(self._p95[sample.line], (sample.in_ratio, sample.out_ratio), strict=True):
                p95.add(sample.at, mean)
            self._show_p95(sample.line)
        return found

    def _sample_probes(self, now: float) -> None:
        for line in self._state.inventory.lines:
            reach = self._state.reach.get(line)
            if reach is None or reach.lost is None or self._condition("line", line) == "unknown":
                continue  # what netmon cannot see is not lost
            if reach.lost:
                self._sampler.add(line, now, loss_ratio=1.0)
            else:
                self._sampler.add(line, now, rtt_s=reach.rtt_s, loss_ratio=reach.loss_ratio, jitter_s=reach.jitter_s)

    def _show_p95(self, line: str) -> None:
        site = self._state.inventory.lines[line].site
        figures = [
            Figure("netmon_line_p95_ratio", labels(site=site, line=line, direction=direction), value)
            for direction, p95 in zip(("in", "out"), self._p95[line], strict=True)
            if (value := p95.value()) is not None
        ]
        self._state.gauges.replace(f"p95:{line}", figures)

    # --- reachability and verdicts -----------------------------------------------------------------------------------

    def reach(self, reach: Reach) -> None:
        """News of one probe target."""
        state = self._state
        if not _probed(state.inventory, reach.target):
            return
        before = state.reach.get(reach.target)
        state.reach[reach.target] = reach
        if before is None or before.lost != reach.lost:
            state.revision += 1
        self._show_reach(reach)

    def _show_reach(self, reach: Reach) -> None:
        line = self._state.inventory.lines.get(reach.target)
        place = {"site": line.site, "line": line.id} if line else {"node": reach.target}
        series = labels(**place)
        figures = [Figure("netmon_probe_loss_ratio", series, reach.loss_ratio)]
        if reach.rtt_s is not None and not reach.lost:
            figures.append(Figure("netmon_probe_rtt_seconds", series, reach.rtt_s))
            figures.append(Figure("netmon_probe_jitter_seconds", series, reach.jitter_s))
        self._state.gauges.replace(f"reach:{reach.target}", figures)

    def verdicts(self, verdicts: dict[Subject, Verdict]) -> None:
        """The conditions after one judgement; only what changed is written."""
        state, gauges = self._state, self._state.gauges
        changed_sites: set[str] = set()
        for subject, verdict in verdicts.items():
            before = state.verdicts.get(subject)
            if before is not None and before.condition == verdict.condition:
                continue
            state.revision += 1
            self._show_verdict(verdict)
            if subject.kind == "line":
                changed_sites.add(state.inventory.lines[subject.id].site)
        for subject in state.verdicts.keys() - verdicts.keys():
            gauges.replace(f"verdict:{subject.kind}:{subject.id}", ())
        state.verdicts = verdicts
        for site in changed_sites:
            self._redundancy(site)

    def _show_verdict(self, verdict: Verdict) -> None:
        subject = verdict.subject
        place: dict[str, str] = {subject.kind: subject.id}
        if subject.kind == "line":
            place["site"] = self._state.inventory.lines[subject.id].site
        figures = [
            Figure(f"netmon_{subject.kind}_state", labels(**place, state=c), float(c == verdict.condition))
            for c in CONDITIONS
        ]
        if subject.kind == "site":
            figures.append(Figure("netmon_site_up", labels(**place), float(verdict.condition in REACHABLE)))
        self._state.gauges.replace(f"verdict:{subject.kind}:{subject.id}", figures)

    def _redundancy(self, site: str) -> None:
        """A line that nobody can see (not probed, not yet heard of) is neither lost nor a way out."""
        lines = [self._state.inventory.lines[line] for line in self._topology.lines_of(site)]
        figures: list[Figure] = []
        if len(lines) > 1 and any(Subject("line", line.id) in self._state.verdicts for line in lines):
            conditions = {line.id: self._condition("line", line.id) for line in lines}
            some = any(condition in REACHABLE for condition in conditions.values())
            primary = [conditions[line.id] in LOST for line in lines if line.role == "primary"]
            series = labels(site=site)
            figures = [
                Figure(
                    "netmon_site_redundancy_lost", series, float(some and any(c in LOST for c in conditions.values()))
                ),
                Figure("netmon_site_on_backup", series, float(some and bool(primary) and all(primary))),
            ]
        self._state.gauges.replace(f"redundancy:{site}", figures)

    def snmp_silence(self) -> None:
        """``netmon_device_snmp_silent``: SNMP fails although the site can be reached (PAINS 13: two states)."""
        figures = []
        for device in self._state.inventory.devices.values():
            if (poll := self._state.polls.get(device.id)) is None:
                continue
            place = ("site", device.site) if device.site else ("node", device.node)
            reachable = self._condition(*place) in REACHABLE
            series = labels(device=device.id, site=device.site, node=device.node)
            figures.append(Figure("netmon_device_snmp_silent", series, float(reachable and not poll.ok)))
        self._state.gauges.replace("snmp_silence", figures)

    def _condition(self, kind: str, key: str) -> str:
        verdict = self._state.verdicts.get(Subject(kind, key))  # type: ignore[arg-type]
        return verdict.condition if verdict else "unknown"

    # --- sensors -----------------------------------------------------------------------------------------------------

    def sensor(self, view: SensorView) -> None:
        """The present view of one sensor."""
        state = self._state
        if view.sensor not in state.inventory.sensors:
            return
        before = state.sensors.get(view.sensor)
        state.sensors[view.sensor] = view
        if before is None or before.state != view.state or before.value != view.value:
            state.revision += 1
        self._show_sensor(view)

    def _show_sensor(self, view: SensorView) -> None:
        series = self._sensor_series.get(view.sensor)
        if series is None:
            sensor = self._state.inventory.sensors[view.sensor]
            series = SensorSeries(sensor, self._state.inventory.sensor_types[sensor.type])
            self._sensor_series[view.sensor] = series
        series.show(self._state.gauges, view)

    def gateway(self, view: GatewayView) -> None:
        """The present view of one gateway."""
        before = self._state.gateways.get(view.gateway)
        if view == before:
            return
        self._state.gateways[view.gateway] = view
        if before is None or before.state != view.state:
            self._state.revision += 1
            self._show_gateway(view)

    def _show_gateway(self, view: GatewayView) -> None:
        gateway = self._state.inventory.gateways[view.gateway]
        self._state.gauges.replace(f"gateway:{gateway.id}", gateway_figures(view, gateway))


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    """The ids of what is there only before or only after, or is not the same."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _probed(inventory: Inventory, target: str) -> bool:
    """True if the line or node of this id is there and has a probe: what nobody measures any more is not known."""
    owner = inventory.lines.get(target) or inventory.nodes.get(target)
    return owner is not None and owner.probe is not None and owner.probe.kind != "none"


def _capacity(line: Line, port: Port) -> tuple[float | None, float | None]:
    """Contract bandwidth where one is in force, else the port's speed (DOMAIN: contract overrides ifHighSpeed)."""
    # The day of UTC: a new contract counts from 7 in the morning of its first day.
    today = dt.datetime.fromtimestamp(port.at, dt.UTC).date().isoformat() if line.contracts else ""
    for contract in reversed(line.contracts):  # in order of their beginning
        if contract.since <= today:
            return contract.down_bps, contract.up_bps
    return port.speed_bps, port.speed_bps


def _info(inventory: Inventory) -> Iterable[Figure]:
    for site in inventory.sites.values():
        series = labels(site=site.id, name=site.name, block=site.block, area=site.area, level=site.level)
        yield Figure("netmon_site_info", series, 1.0)
    for line in inventory.lines.values():
        series = labels(line=line.id, site=line.site, provider=line.provider, parent=line.parent)
        yield Figure("netmon_line_info", series, 1.0)
    yield from info(inventory)
