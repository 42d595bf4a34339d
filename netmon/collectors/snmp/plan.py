"""What a set of profiles asks of a device: which objects at every poll, which rarely, which are exposed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netmon.collectors.snmp.modules import (
    COMBINED_TYPES,
    NUMBER_TYPES,
    DynamicFilter,
    Metric,
    Module,
    Oid,
    StaticFilter,
)
from netmon.collectors.snmp.ports import METRICS as PORT_METRICS
from netmon.collectors.snmp.profiles import Profile
from netmon.figures import FigureSpec, needs
from netmon.rawvalues import SCALAR
from netmon.sensor_ports import JOIN_METRICS

IF_NAME: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """Shared by all devices of the same profiles. Columns are OIDs without index, instances OIDs with."""

    names: tuple[str, ...]
    metrics: tuple[Metric, ...]
    exposed: tuple[Metric, ...]
    by_name: Mapping[str, Metric]
    fast_columns: tuple[Oid, ...]
    slow_columns: tuple[Oid, ...]
    fast_instances: tuple[Oid, ...]
    slow_instances: tuple[Oid, ...]
    instances: Mapping[Oid, tuple[Oid, Oid]]  # instance -> (column, index)
    fallback: Mapping[Oid, Oid]  # 32-bit column -> 64-bit column
    lookups: Mapping[Oid, frozenset[Oid]]  # table entry -> columns that labels of its rows come from
    needed: frozenset[str]  # metrics that ports and figures are made of
    slow: frozenset[Oid]
    figures: tuple[FigureSpec, ...]
    static_filters: tuple[StaticFilter, ...]
    dynamic_filters: tuple[DynamicFilter, ...]
    max_repetitions: int | None
    contexts: Mapping[Oid, str]  # columns and instances that are read in an SNMPv3 context of their own
    any_source: bool  # replies may come from another address than was asked

    def by_context(self, oids: Iterable[Oid]) -> dict[str, list[Oid]]:
        """What is asked in each context; the credential's own is the empty one."""
        found: dict[str, list[Oid]] = {}
        for oid in oids:
            found.setdefault(self.contexts.get(oid, ""), []).append(oid)
        return found


def _instances(metric: Metric, module: Module) -> list[Oid]:
    """The single objects to get for a metric; empty if it is a column to be walked."""
    gets = [oid for oid in module.get if oid[: len(metric.oid)] == metric.oid and len(oid) > len(metric.oid)]
    if gets or metric.indexes:
        return gets
    return [metric.oid + SCALAR]


def is_slow(metric: Metric, named: frozenset[str]) -> bool:
    """Text hardly changes, but for text that holds numbers; numbers do, unless the profile names them."""
    return metric.name in named or (metric.type not in NUMBER_TYPES and not metric.extracts)


def make_plan(profiles: Sequence[Profile]) -> Plan:
    """The union of the profiles; of two metrics with the same name and OID the first counts."""
    metrics: dict[tuple[str, Oid], Metric] = {}
    slow: dict[Oid, bool] = {}
    single: dict[Oid, tuple[Oid, Oid]] = {}
    lookups: dict[Oid, set[Oid]] = {}
    helpers: dict[Oid, None] = {}  # columns that only labels or types come from
    contexts: dict[Oid, str] = {}
    for profile in profiles:
        for module in profile.modules:
            for metric in module.metrics:
                if (metric.name, metric.oid) in metrics:
                    continue
                metrics[metric.name, metric.oid] = metric
                slow[metric.oid] = is_slow(metric, profile.slow) and slow.get(metric.oid, True)
                contexts.setdefault(metric.oid, profile.context_name)
                for instance in _instances(metric, module):
                    single[instance] = (metric.oid, instance[len(metric.oid) :])
                    contexts.setdefault(instance, profile.context_name)
                wanted = [lookup.oid for lookup in metric.lookups if lookup.oid]
                typed = [lookup.oid for lookup in metric.lookups if lookup.type in COMBINED_TYPES]
                if metric.type in COMBINED_TYPES:
                    typed.append(metric.oid)
                wanted += [(*oid[:-1], oid[-1] - 1) for oid in typed]
                helpers.update(dict.fromkeys(wanted))
                for oid in wanted:
                    contexts.setdefault(oid, profile.context_name)
                lookups.setdefault(metric.oid[:-1], set()).update(wanted)
            for condition in module.dynamic_filters:
                contexts.setdefault(condition.oid, profile.context_name)
    dynamic = tuple(f for profile in profiles for module in profile.modules for f in module.dynamic_filters)
    helpers.update(dict.fromkeys(f.oid for f in dynamic))
    columns_single = {column for column, _ in single.values()}
    for oid in helpers:
        slow.setdefault(oid, True)
    columns = [oid for oid in slow if oid not in columns_single]
    by_name: dict[str, Metric] = {}
    for metric in metrics.values():
        by_name.setdefault(metric.name, metric)
    figures = tuple(spec for profile in profiles for spec in profile.figures)
    needed = set(PORT_METRICS | JOIN_METRICS)
    for spec in figures:
        needed |= needs(spec)
    hidden = frozenset().union(*(profile.hide for profile in profiles)) if profiles else frozenset()
    modules = [module for profile in profiles for module in profile.modules]
    limits = [module.max_repetitions for module in modules if module.max_repetitions]
    fallback = {
        by_name[narrow].oid: by_name[wide].oid
        for profile in profiles
        for narrow, wide in profile.fallback.items()
        if narrow in by_name and wide in by_name
    }
    return Plan(
        names=tuple(profile.name for profile in profiles),
        metrics=tuple(metrics.values()),
        exposed=tuple(metric for metric in metrics.values() if metric.name not in hidden),
        by_name=by_name,
        fast_columns=tuple(sorted(oid for oid in columns if not slow[oid])),
        slow_columns=tuple(sorted(oid for oid in columns if slow[oid])),
        fast_instances=tuple(sorted(oid for oid, (column, _) in single.items() if not slow[column])),
        slow_instances=tuple(sorted(oid for oid, (column, _) in single.items() if slow[column])),
        instances=single,
        fallback=fallback,
        lookups={entry: frozenset(found) for entry, found in lookups.items()},
        needed=frozenset(needed & set(by_name)),
        slow=frozenset(oid for oid, rarely in slow.items() if rarely),
        figures=figures,
        static_filters=tuple(f for module in modules for f in module.static_filters),
        dynamic_filters=dynamic,
        max_repetitions=min(limits) if limits else None,
        contexts={oid: context for oid, context in contexts.items() if context},
        any_source=any(module.use_unconnected_udp_socket for module in modules),
    )
