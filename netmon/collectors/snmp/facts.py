"""What is known of one device between its polls, and how one poll's varbinds become ports, figures and text. Pure."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from netmon.collectors.snmp.ber import OidCache
from netmon.collectors.snmp.modules import Oid
from netmon.collectors.snmp.pdu import VarBind, decode_varbinds, encode_varbind
from netmon.collectors.snmp.plan import IF_NAME, Plan
from netmon.collectors.snmp.ports import port_names
from netmon.collectors.snmp.routine import Routine, Way, varbinds_of
from netmon.collectors.snmp.shape import Shape
from netmon.collectors.snmp.tables import Renderer
from netmon.collectors.snmp.values import EXCEPTIONS, NULL
from netmon.figures import Raw, evaluate
from netmon.model import Device, Figure, Labels, Port
from netmon.rates import Uptime
from netmon.rawvalues import Value, as_text

Rows = dict[Oid, VarBind]
REBOOT_SHOWN_S = 600.0  # how long netmon_device_rebooted stays 1
RESET_TIMES: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 19)  # ifCounterDiscontinuityTime
PORT_TABLES = ((1, 3, 6, 1, 2, 1, 2, 2, 1), RESET_TIMES[:-1])  # ifTable, ifXTable


@dataclass(slots=True)
class Facts:
    """One device: its profiles, its slow columns, and the beginnings of its lines."""

    device: Device
    plan: Plan | None = None
    sys_object_id: str = ""
    sys_name: str = ""
    uptime: Uptime = field(default_factory=Uptime)
    rebooted_at: float | None = None
    slow_due: float = 0.0
    slow_rows: dict[Oid, Rows] = field(default_factory=dict)
    slow_values: dict[str, dict[Oid, Value]] = field(default_factory=dict)
    slow_text: dict[str, bytes] = field(default_factory=dict)
    absent: frozenset[Oid] = frozenset()  # columns and instances that gave nothing when last asked
    shapes: dict[Oid, frozenset[Oid]] = field(default_factory=dict)  # table entry -> indexes seen
    resets: dict[Oid, Value] = field(default_factory=dict)  # when the counters of each port were reset
    names: dict[int, str] = field(default_factory=dict)
    routine: Routine | None = None
    full_way: Way | None = None  # for the next routine
    polls: int = 0  # answered ones of the general way
    infos: tuple[Figure, ...] = ()  # the ports' descriptions as last told
    renderer: Renderer = field(init=False)
    base_labels: Labels = field(init=False)
    _away: tuple[tuple[tuple[Oid, int], ...], bytes] | None = None

    def __post_init__(self) -> None:
        self.renderer = Renderer(self.base)
        self.base_labels = tuple(sorted(self.base.items()))

    @property
    def base(self) -> dict[str, str]:
        """The labels that every series of the device carries."""
        device = self.device
        return {"device": device.id, **({"site": device.site} if device.site else {"node": device.node})}

    def next_slow(self, now: float, interval_s: float) -> float:
        """When slow facts are due again: spread by device, so that they never come all at once."""
        part = zlib.crc32(self.device.id.encode()) / 2**32
        return now + interval_s * (0.75 + part / 2)

    def wanted(self, slow: bool) -> tuple[list[Oid], list[Oid]]:
        """(columns, instances) to ask for; what was absent at the last full poll is asked for only in full ones."""
        if self.plan is None:
            return [], []
        plan = self.plan
        if slow:
            return [*plan.slow_columns, *plan.fast_columns], [*plan.slow_instances, *plan.fast_instances]
        return (
            [oid for oid in plan.fast_columns if oid not in self.absent],
            [oid for oid in plan.fast_instances if oid not in self.absent],
        )

    def _shapes(self, columns: Mapping[Oid, Rows], failed: Collection[Oid]) -> dict[Oid, frozenset[Oid]]:
        """Table entry -> its indexes, of tables that were read whole."""
        if self.plan is None:
            return {}
        broken = {oid[:-1] for oid in failed}
        found: dict[Oid, set[Oid]] = {}
        for oid in self.plan.fast_columns:
            if oid[:-1] not in broken and oid not in self.plan.fallback:
                found.setdefault(oid[:-1], set()).update(columns.get(oid, ()))
        return {entry: frozenset(indexes) for entry, indexes in found.items()}

    def changed_entries(self, columns: Mapping[Oid, Rows], failed: Collection[Oid]) -> set[Oid]:
        """Tables whose set of indexes is not what it was, among the columns just read. A port whose counters were reset
        may be another one under the same ifIndex (RFC 2863, section 3.1.5), so its names are not what they were either.
        """
        now = self._shapes(columns, failed)
        changed = {entry for entry, indexes in now.items() if indexes != self.shapes.get(entry, frozenset())}
        reset = any(self.resets.get(index, v.value) != v.value for index, v in columns.get(RESET_TIMES, {}).items())
        return changed.union(PORT_TABLES) if reset else changed

    def learn(self, columns: Mapping[Oid, Rows], failed: Collection[Oid], asked: Iterable[Oid]) -> None:
        """Keep the slow columns among ``asked``; what was kept for rows that may have changed is made anew."""
        if self.plan is None:
            return
        for oid in asked:
            if oid not in self.plan.slow:
                continue
            if columns.get(oid):
                self.slow_rows[oid] = columns[oid]
            elif oid not in failed:
                self.slow_rows.pop(oid, None)
        self.shapes = self.shapes | self._shapes(columns, failed)  # anew: other devices may share it
        resets: dict[Oid, Value] = {index: varbind.value for index, varbind in columns.get(RESET_TIMES, {}).items()}
        self.resets = self.resets | resets
        self.slow_values = self.values_of(self.slow_rows)
        self.slow_text = {}

    def resets_read(self, columns: Mapping[Oid, Rows]) -> list[VarBind]:
        """What tells whether a port's counters were reset."""
        return list(columns.get(RESET_TIMES, {}).values())

    def learn_absent(self, columns: Mapping[Oid, Rows], failed: Collection[Oid]) -> None:
        """After a full poll: what the device does not have is left out of the next ones."""
        if self.plan is None:
            return
        plan = self.plan
        absent = {oid for oid in plan.fast_columns if not columns.get(oid) and oid not in failed}
        for instance in plan.fast_instances:
            column, index = plan.instances[instance]
            if instance not in failed and index not in columns.get(column, {}):
                absent.add(instance)
        for narrow, wide in plan.fallback.items():
            if columns.get(wide) and columns.get(narrow, {}).keys() <= columns[wide].keys():
                absent.add(narrow)  # no row needs the 32-bit column
        self.absent = frozenset(absent)

    def rename(self, values: Mapping[str, Mapping[Oid, Value]], stats: Counter[str]) -> None:
        """Learn the ports' names and make all labels anew."""
        self.names, clashes = port_names(values)
        stats["duplicate_port_names"] += clashes
        self.renderer.forget({IF_NAME: {(number,): name for number, name in self.names.items()}})

    def values_of(self, columns: Mapping[Oid, Rows]) -> dict[str, dict[Oid, Value]]:
        """Metric -> index -> value, of these columns that ports and figures need."""
        if self.plan is None:
            return {}
        return {
            metric.name: {index: varbind.value for index, varbind in columns[metric.oid].items()}
            for metric in self.plan.metrics
            if metric.name in self.plan.needed and metric.oid in columns
        }

    def values(self, columns: Mapping[Oid, Rows]) -> dict[str, dict[Oid, Value]]:
        """Metric -> index -> value of what ports and figures need, slow ones as last read."""
        fast = {oid: rows for oid, rows in columns.items() if self.plan and oid not in self.plan.slow}
        return {**self.slow_values, **self.values_of(fast)}

    def figures(self, values: Mapping[str, Mapping[Oid, Value]], columns: Mapping[Oid, Rows]) -> list[Figure]:
        """The figures of the profiles."""
        plan = self.plan
        if plan is None:
            return []

        def index_labels(metric: str, index: Oid) -> dict[str, str]:
            return self.renderer.labels(plan.by_name[metric], index, {**self.slow_rows, **columns})

        return evaluate(plan.figures, Raw(values, self.names, index_labels), self.base)

    def own_figures(self, now: float) -> list[Figure]:
        """What the poll itself shows: uptime and restarts."""
        same = self.base_labels
        found = [Figure("netmon_snmp_up", same, 1.0)]
        if self.uptime.uptime_s is not None:
            rebooted = self.rebooted_at is not None and now - self.rebooted_at < REBOOT_SHOWN_S
            found.append(Figure("netmon_device_uptime_seconds", same, self.uptime.uptime_s))
            found.append(Figure("netmon_device_rebooted", same, float(rebooted)))
        return found

    def port_infos(self, ports: Mapping[str, Port]) -> list[Figure]:
        """The descriptions of ports. What is as last time is the same object: gauges keep the labels they saw first."""
        known = {figure.labels: figure for figure in self.infos}
        found = []
        for name, port in ports.items():
            if port.alias:
                own = tuple(sorted((*self.base_labels, _name_label(name), ("ifAlias", port.alias))))
                found.append(known.get(own) or Figure("netmon_interface_info", own, 1.0))
        self.infos = tuple(found)
        return found

    # --- between polls that are repeated -----------------------------------------------------------------------------

    def put_away(self) -> None:
        """Keep what only a poll of the general way needs in little memory."""
        slow = b"".join(map(encode_varbind, varbinds_of(self.slow_rows)))
        counts = tuple((column, len(rows)) for column, rows in self.slow_rows.items())
        self._away = counts, zlib.compress(slow, 1)
        self.slow_rows, self.slow_values, self.slow_text = {}, {}, {}
        self.renderer = Renderer(self.base)

    def share(self, shape: Shape) -> None:
        """Keep with other devices of the shape what is the same for all."""
        self.names, self.absent = shape.names, shape.absent
        self.shapes = shape.common("rows", self.shapes)
        self.resets = shape.common("resets", self.resets)

    def take_out(self, oids: OidCache) -> None:
        """Before a poll of the general way: what was put away."""
        if self._away is None:
            return
        counts, slow = self._away
        self._away = None
        raw = zlib.decompress(slow)
        varbinds = iter(decode_varbinds(raw, 0, len(raw), oids))
        for column, count in counts:
            self.slow_rows[column] = {v.oid[len(column) :]: v for v in islice(varbinds, count)}
        self.slow_values = self.values_of(self.slow_rows)
        self.renderer.forget({IF_NAME: {(number,): name for number, name in self.names.items()}})

    def text(self, columns: Mapping[Oid, Rows], at: float, stats: Counter[str]) -> dict[str, bytes]:
        """Family -> exposition lines, each with the time of the poll in milliseconds."""
        plan, renderer = self.plan, self.renderer
        if plan is None:
            return {}
        everything = {**self.slow_rows, **columns}
        stamp = str(int(at * 1000))
        bad = renderer.bad_values
        found: dict[str, bytes] = {}
        keep = not self.slow_text
        for metric in plan.exposed:
            is_slow = metric.oid in plan.slow
            rows = self.slow_rows.get(metric.oid) if is_slow else columns.get(metric.oid)
            if not rows or (is_slow and not keep):
                continue
            if wide := plan.fallback.get(metric.oid):
                rows = {index: varbind for index, varbind in rows.items() if index not in everything.get(wide, {})}
            end = "\n" if is_slow else f" {stamp}\n"
            target = self.slow_text if is_slow else found
            for family, lines in renderer.render(metric, rows, everything, end).items():
                target[family] = target.get(family, b"") + lines
        for family, lines in self.slow_text.items():
            found[family] = found.get(family, b"") + lines.replace(b"\n", f" {stamp}\n".encode())
        if keep:
            stats["duplicate_series"] += renderer.duplicates
            renderer.duplicates = 0
        stats["bad_values"] += renderer.bad_values - bad
        return found


@lru_cache(maxsize=4096)
def _name_label(name: str) -> tuple[str, str]:
    """One object for all devices: those of a model call their ports the same."""
    return "ifName", name


def usable(rows: Rows) -> Rows:
    """Without null and exception values."""
    return {i: v for i, v in rows.items() if v.tag != NULL and v.tag not in EXCEPTIONS and v.value is not None}


def apply_filters(plan: Plan, columns: dict[Oid, Rows], slow: Mapping[Oid, Rows]) -> None:
    """Take the rows out of ``columns`` that the modules' filters do not want; ``slow``: what was read earlier."""
    for static in plan.static_filters:
        for oid in _targets(static.targets, columns):
            columns[oid] = {index: v for index, v in columns[oid].items() if index in static.indices}
    for dynamic in plan.dynamic_filters:
        shown = columns.get(dynamic.oid) or slow.get(dynamic.oid, {})
        good = {
            index
            for index, varbind in shown.items()
            if any(pattern.search(as_text(varbind.value)) for pattern in dynamic.values)
        }
        for oid in _targets(dynamic.targets, columns):
            columns[oid] = {index: v for index, v in columns[oid].items() if index in good}


def _targets(roots: Iterable[Oid], columns: Mapping[Oid, Rows]) -> list[Oid]:
    return [oid for oid in columns if any(oid[: len(root)] == root for root in roots)]
