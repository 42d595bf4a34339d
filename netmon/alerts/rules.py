"""Evaluates the catalogue over the live gauges. Pure: gauges and `now` in, alert states out.

The life cycle is Prometheus' own (rules/alerting.go of 2.42, so that both evaluators agree): inactive -> pending (held
for less than `for`) -> firing -> kept firing for `keep_firing_for` after the condition ended -> gone. A series that is
absent does not hold. A pending alert whose condition ends is forgotten at once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from netmon.model import AlertState, Figure, Inventory, Labels, Severity, Subject, SubjectKind, labels
from netmon.state import Gauges

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
THRESHOLD_BY = ("", "site", "line", "device", "sensor")
# The most exact one wins.
SUBJECT_LABELS: tuple[SubjectKind, ...] = ("sensor", "gateway", "device", "line", "site", "node")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the catalogue. ``threshold_by`` names the label thresholds differ by ("" = one for all)."""

    alert: str
    gauge: str
    op: str
    threshold: float
    match: Labels = ()
    threshold_by: str = ""
    for_s: float = 0.0
    keep_firing_for_s: float = 0.0
    severity: Severity = "warning"
    audience: str = "noc"
    tell: str = "page"  # now | hours | daily | page | verdict, see catalog.yml
    unit: str = ""
    summary: Mapping[str, str] = field(default_factory=dict)

    def subject(self, series: Labels) -> Subject:
        """What an alert of this rule is about."""
        pairs = dict(series)
        for kind in SUBJECT_LABELS:
            if kind in pairs and not (
                kind == "sensor" and "device" in pairs
            ):  # a device's own probe, not an IoT sensor
                return Subject(kind, pairs[kind])
        return Subject("netmon", "netmon")


Limits = Mapping[str, Mapping[str, float]]  # alertname -> value of the rule's threshold_by label ("" if none) -> limit


def limits(rules: Iterable[Rule], inventory: Inventory, overrides: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Thresholds as data: the catalogue's, over it the config's, over it those of a site."""
    sites_of: dict[str, dict[str, str]] = {
        "site": {s: s for s in inventory.sites},
        "line": {line.id: line.site for line in inventory.lines.values()},
        "device": {d.id: d.site for d in inventory.devices.values()},
        "sensor": {s.id: s.site for s in inventory.sensors.values()},
    }
    found: dict[str, dict[str, float]] = {}
    for rule in rules:
        general = overrides.get(rule.alert, rule.threshold)
        if not rule.threshold_by:
            found[rule.alert] = {"": general}
            continue
        per: dict[str, float] = {}
        for key, site in sites_of[rule.threshold_by].items():
            own = inventory.sites[site].thresholds if site in inventory.sites else {}
            per[key] = own.get(rule.alert, general)
        found[rule.alert] = per
    return found


def threshold_figures(rules: Iterable[Rule], found: Limits) -> list[Figure]:
    """The same limits as ``netmon_threshold`` series, for Prometheus and for people."""
    figures = []
    for rule in rules:
        for key, value in found[rule.alert].items():
            by = {rule.threshold_by: key} if rule.threshold_by else {}
            figures.append(Figure("netmon_threshold", labels(alertname=rule.alert, **by), value))
    return figures


@dataclass(slots=True)
class _Active:
    state: AlertState
    keep_since: float | None = None


class Evaluator:
    """Holds pending and firing alerts between evaluations. One instance, stepped by the event loop only."""

    def __init__(self, rules: Sequence[Rule], found: Limits) -> None:
        self.rules = tuple(rules)
        self._limits = found
        self._active: dict[str, dict[Labels, _Active]] = {rule.alert: {} for rule in rules}

    def set_limits(self, found: Limits) -> None:
        """Take new thresholds (after a reload); what is pending or firing is judged by them at the next step."""
        self._limits = found

    def step(self, gauges: Gauges, now: float) -> dict[tuple[str, Labels], AlertState]:
        """Evaluate every rule at ``now``; returns all pending and firing alerts."""
        for rule in self.rules:
            self.step_rule(rule, gauges, now)
        return self.alerts()

    def step_rule(self, rule: Rule, gauges: Gauges, now: float) -> None:
        """Evaluate one rule: lets the caller give way to others between two rules."""
        compare = COMPARE[rule.op]
        found = self._limits[rule.alert]
        active = self._active[rule.alert]
        holding: set[Labels] = set()
        general = found.get("") if not rule.threshold_by else None
        for series, value in gauges.family(rule.gauge).items():
            if rule.match and not all(pair in series for pair in rule.match):
                continue
            limit = general if general is not None else found.get(_value(series, rule.threshold_by))
            if limit is None or not compare(value, limit):
                continue
            holding.add(series)
            entry = active.get(series)
            if entry is None:
                active[series] = entry = _Active(_new(rule, series, value, limit, now))
            else:
                entry.keep_since = None
                if entry.state.value != value or entry.state.threshold != limit:
                    entry.state = replace(entry.state, value=value, threshold=limit)
            _fire_if_due(entry, rule, now)
        for series in [s for s in active if s not in holding]:
            if not _kept(active[series], rule, now):
                del active[series]

    def shift(self, step_s: float) -> None:
        """The clock was stepped: what waits for its `for` or is kept firing goes on as if it had not been."""
        for entry in (entry for by in self._active.values() for entry in by.values()):
            if entry.state.firing_at is None:
                entry.state = replace(entry.state, since=entry.state.since + step_s)
            if entry.keep_since is not None:
                entry.keep_since += step_s

    def alerts(self) -> dict[tuple[str, Labels], AlertState]:
        """All pending and firing alerts by name and labels."""
        return {(name, series): entry.state for name, by in self._active.items() for series, entry in by.items()}


def _value(series: Labels, label: str) -> str:
    for name, value in series:
        if name == label:
            return value
    return ""


def _new(rule: Rule, series: Labels, value: float, limit: float, now: float) -> AlertState:
    return AlertState(
        alertname=rule.alert,
        labels=series,
        severity=rule.severity,
        value=value,
        threshold=limit,
        since=now,
        firing_at=None,
        subject=rule.subject(series),
        audience=rule.audience,
        tell=rule.tell,
    )


def _fire_if_due(entry: _Active, rule: Rule, now: float) -> None:
    if entry.state.firing_at is None and now - entry.state.since >= rule.for_s:
        entry.state = replace(entry.state, firing_at=now)


def _kept(entry: _Active, rule: Rule, now: float) -> bool:
    if entry.state.firing_at is None or rule.keep_firing_for_s <= 0:
        return False
    if entry.keep_since is None:
        entry.keep_since = now
    return now - entry.keep_since < rule.keep_firing_for_s
