"""The catalogue holds every series that is made, and each has its documented labels."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from netmon.alerts.catalog import load_catalog
from netmon.metrics import METRICS, SelfMetrics, build_registry
from netmon.model import labels
from tests import wall_state

LABEL = re.compile(r"[a-z][a-z_]*|ifName|ifAlias")


def parse(text: bytes) -> list[Family]:
    return list(text_string_to_metric_families(text.decode()))


def series(families: Iterable[Family]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_catalogue_follows_the_naming_rules(metric):
    assert metric.name.startswith("netmon_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    assert all(LABEL.fullmatch(label) for label in metric.labels)
    assert len(set(metric.labels)) == len(metric.labels)


def test_every_gauge_of_a_rule_is_in_the_catalogue():
    missing = {rule.gauge for rule in load_catalog()} - {m.name for m in METRICS.values() if m.kind == "gauge"}
    assert not missing


def test_every_exposed_series_is_documented_with_its_labels():
    state, own = wall_state.state(), SelfMetrics()
    own.poll_failures.labels("timeout").inc()
    own.notifications.labels("sms", "sent").inc(2)
    own.poll_time.observe(0.2)
    for family in parse(generate_latest(build_registry(state, own))):
        if family.name.startswith("netmon_"):
            metric = METRICS.get(family.name) or METRICS[f"{family.name}_total"]
            assert family.type == metric.kind
            assert family.documentation == metric.help
            for sample in family.samples:
                assert set(sample.labels) - {"le"} <= set(metric.labels)
                assert sample.timestamp is None


def test_self_metrics_of_two_daemons_are_apart():
    one, two = SelfMetrics(), SelfMetrics()
    one.clock_steps.inc()
    key = ("netmon_clock_steps_total", frozenset())
    assert series(parse(generate_latest(one.registry)))[key] == 1
    assert series(parse(generate_latest(two.registry)))[key] == 0


def test_process_and_runtime_are_exposed():
    names = {family.name for family in SelfMetrics().registry.collect()}
    assert {"process_cpu_seconds", "process_resident_memory_bytes", "python_gc_collections", "python_info"} <= names


def test_totals_of_several_sources_add_up():
    own = SelfMetrics()
    own.read_totals("netmon_probe_events_total", lambda: {("lost",): 2, ("answered",): 7})
    own.read_totals("netmon_probe_events_total", lambda: {("lost",): 3})
    found = series(parse(generate_latest(own.registry)))
    assert found["netmon_probe_events_total", frozenset({("event", "lost")})] == 5
    assert found["netmon_probe_events_total", frozenset({("event", "answered")})] == 7


@pytest.mark.parametrize("name", ["netmon_site_up", "netmon_clock_steps_total"])
def test_totals_are_refused_for_what_is_no_free_counter(name):
    with pytest.raises(ValueError, match=name):
        SelfMetrics().read_totals(name, dict)


def test_gauges_show_what_is_set_now_and_nothing_that_was_dropped():
    state = wall_state.state()
    registry = build_registry(state, SelfMetrics())
    state.gauges.set("netmon_site_up", labels(site='quo"te\\n'), 1)
    state.gauges.drop("netmon_site_up", labels(site="tinh-00"))
    found = series(parse(generate_latest(registry)))
    assert found["netmon_site_up", frozenset({("site", 'quo"te\\n')})] == 1
    assert ("netmon_site_up", frozenset({("site", "tinh-00")})) not in found
    assert found["netmon_site_up", frozenset({("site", "song-ba-04")})] == 0
