"""Reads the catalogue that ships with netmon, and writes it as Prometheus rules: one source, two evaluators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import yaml

from netmon.alerts.rules import COMPARE, THRESHOLD_BY, Rule
from netmon.alerts.watcher import watcher_rules
from netmon.model import labels

KEYS = {
    "alert",
    "gauge",
    "match",
    "op",
    "threshold",
    "threshold_by",
    "for",
    "keep_firing_for",
    "severity",
    "audience",
    "tell",
    "unit",
    "summary",
}
RUNBOOK = "docs/reference/alerts.md"
UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def load_catalog(text: str | None = None) -> list[Rule]:
    """The rules of ``catalog.yml`` (or of ``text``). Raises ValueError, naming the rule, on any mistake."""
    if text is None:
        text = resources.files("netmon.alerts").joinpath("catalog.yml").read_text(encoding="utf-8")
    rules = [_rule(entry) for entry in yaml.safe_load(text)["rules"]]
    names = [rule.alert for rule in rules]
    if twice := {n for n in names if names.count(n) > 1}:
        raise ValueError(f"alert defined twice: {', '.join(sorted(twice))}")
    return rules


def _rule(entry: Mapping[str, Any]) -> Rule:
    name = entry.get("alert", "?")
    if unknown := set(entry) - KEYS:
        raise ValueError(f"alert {name}: unknown key {', '.join(sorted(unknown))}; allowed: {', '.join(sorted(KEYS))}")
    rule = Rule(
        alert=name,
        gauge=entry["gauge"],
        op=entry["op"],
        threshold=float(entry["threshold"]),
        match=labels(**entry.get("match", {})),
        threshold_by=entry.get("threshold_by", ""),
        for_s=_seconds(entry.get("for", "0s")),
        keep_firing_for_s=_seconds(entry.get("keep_firing_for", "0s")),
        severity=entry["severity"],
        audience=entry.get("audience", "noc"),
        tell=entry["tell"],
        unit=entry.get("unit", ""),
        summary=entry["summary"],
    )
    if rule.op not in COMPARE:
        raise ValueError(f"alert {name}: op {rule.op!r}; allowed: {' '.join(COMPARE)}")
    if rule.threshold_by not in THRESHOLD_BY:
        raise ValueError(f"alert {name}: threshold_by {rule.threshold_by!r}; allowed: {', '.join(THRESHOLD_BY[1:])}")
    if set(rule.summary) != {"vi", "en"}:
        raise ValueError(f"alert {name}: summary needs vi and en")
    return rule


def _seconds(text: str) -> float:
    return float(text[:-1]) * UNITS_S[text[-1]]


def expression(rule: Rule) -> str:
    """The rule as PromQL. ``instance`` and ``job`` go, so that alerts do not depend on who scraped."""
    match = ",".join(f'{k}="{v}"' for k, v in rule.match)
    left = (
        f"max without (instance, job) ({rule.gauge}{{{match}}})"
        if match
        else f"max without (instance, job) ({rule.gauge})"
    )
    limit = f'max by ({rule.threshold_by}) (netmon_threshold{{alertname="{rule.alert}"}})'
    return f"{left} {rule.op} on ({rule.threshold_by}) group_left () {limit}"


def prometheus_rules(rules: Sequence[Rule], *, annotations: bool = True) -> dict[str, Any]:
    """The catalogue as the content of a Prometheus rule file."""
    return {
        "groups": [
            {"name": "netmon", "interval": "5s", "rules": [_prometheus_rule(r, annotations) for r in rules]},
        ]
    }


def _prometheus_rule(rule: Rule, annotations: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"alert": rule.alert, "expr": expression(rule)}
    if rule.for_s:
        entry["for"] = f"{rule.for_s:g}s"
    if rule.keep_firing_for_s:
        entry["keep_firing_for"] = f"{rule.keep_firing_for_s:g}s"
    entry["labels"] = {"severity": rule.severity, "audience": rule.audience, "tell": rule.tell}
    if annotations:
        entry["annotations"] = {
            "summary": rule.summary["vi"],
            "summary_en": rule.summary["en"],
            "runbook_url": f"{RUNBOOK}#{rule.alert.lower()}",
        }
    return entry


def export(rules: Iterable[Rule]) -> str:
    """Text of the Prometheus rule file that `netmon rules export` writes."""
    head = "# Written by `netmon rules export` from netmon/alerts/catalog.yml: edit that, not this.\n"
    return head + _yaml(prometheus_rules(list(rules)))


def export_watcher() -> str:
    """Text of the rule file for a Prometheus on another host, which watches netmon."""
    return "# Written by `netmon rules export --watcher`: for a Prometheus on another host.\n" + _yaml(watcher_rules())


def _yaml(tree: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False, width=120)
    return text
