"""The evaluator's life cycle, as tables of (time, value) -> firing; thresholds as data; the catalogue itself."""

from __future__ import annotations

import pytest

from netmon.alerts.catalog import expression, load_catalog
from netmon.alerts.rules import Evaluator, Rule, limits, threshold_figures
from netmon.model import Device, Inventory, Line, Probe, Site, Subject, labels
from netmon.state import Gauges

RULE = Rule("Hot", "netmon_x", ">", 10.0, for_s=10.0, keep_firing_for_s=20.0, summary={"vi": "", "en": ""})
SERIES = labels(site="a")


def run(rule: Rule, values: list[tuple[float, float | None]]) -> list[str]:
    """'-' absent, 'p' pending, 'F' firing at each time."""
    gauges, evaluator = Gauges(), Evaluator([rule], {rule.alert: {"": rule.threshold}})
    seen = []
    for now, value in values:
        if value is None:
            gauges.drop(rule.gauge, SERIES)
        else:
            gauges.set(rule.gauge, SERIES, value)
        state = evaluator.step(gauges, now).get((rule.alert, SERIES))
        seen.append("-" if state is None else "p" if state.firing_at is None else "F")
    return seen


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([(0, 11), (5, 11), (10, 11), (15, 11)], "ppFF"),
        ([(0, 11), (5, 9), (10, 11), (15, 11), (20, 11)], "p-ppF"),  # interrupted: counts anew
        ([(0, 11), (10, 11), (15, 9), (30, 9), (35, 9)], "pFFF-"),  # kept for 20 s after its end
        ([(0, 11), (10, 11), (15, 9), (20, 11), (25, 9), (40, 9), (45, 9)], "pFFFFF-"),  # kept anew after a return
        ([(0, 11), (10, 11), (15, None), (35, None)], "pFF-"),  # absent is not firing, but kept
        ([(0, 10), (10, 10)], "--"),  # equal is not above
        ([(0, float("nan")), (10, float("nan"))], "--"),
    ],
)
def test_life_cycle(values: list[tuple[float, float | None]], expected: str) -> None:
    assert "".join(run(RULE, values)) == expected


def test_without_for_it_fires_at_once_and_without_keep_it_ends_at_once() -> None:
    rule = Rule("Now", "netmon_x", ">=", 1.0, summary={"vi": "", "en": ""})
    assert "".join(run(rule, [(0, 1), (5, 0), (10, 1)])) == "F-F"


def inventory() -> Inventory:
    probe = Probe("icmp", "198.18.0.9")
    return Inventory(
        sites={
            "a": Site("a", "A", "A", "party", "commune", "x", thresholds={"DeviceCpuHigh": 0.5}),
            "b": Site("b", "B", "B", "party", "commune", "x"),
        },
        lines={"a-1": Line("a-1", "a", "n", probe), "b-1": Line("b-1", "b", "n", probe)},
        devices={d: Device(d, "router", "198.18.0.9", 161, "c", site=s) for d, s in (("r-a", "a"), ("r-b", "b"))},
    )


def test_thresholds_are_data_site_over_config_over_catalogue() -> None:
    rules = [r for r in load_catalog() if r.alert in ("DeviceCpuHigh", "LineErrorsHigh", "SiteDown")]
    found = limits(rules, inventory(), {"DeviceCpuHigh": 0.8})
    assert found["DeviceCpuHigh"] == {"r-a": 0.5, "r-b": 0.8}
    assert found["LineErrorsHigh"] == {"a-1": 0.001, "b-1": 0.001}
    assert found["SiteDown"] == {"": 1.0}
    series = {(f.name, f.labels): f.value for f in threshold_figures(rules, found)}
    assert series["netmon_threshold", labels(alertname="DeviceCpuHigh", device="r-a")] == 0.5
    assert series["netmon_threshold", labels(alertname="SiteDown")] == 1.0
    gauges, evaluator = Gauges(), Evaluator(rules, found)
    for name in ("r-a", "r-b"):
        gauges.set("netmon_device_cpu_ratio", labels(device=name, site=name[-1]), 0.6)
    evaluator.step(gauges, 0.0)
    assert [dict(s)["device"] for _, s in evaluator.step(gauges, 600.0)] == ["r-a"]


def test_a_series_of_something_not_in_the_inventory_never_fires() -> None:
    rule = next(r for r in load_catalog() if r.alert == "DeviceCpuHigh")
    gauges = Gauges()
    gauges.set(rule.gauge, labels(device="stranger"), 1.0)
    assert Evaluator([rule], limits([rule], inventory(), {})).step(gauges, 0.0) == {}


@pytest.mark.parametrize(
    ("series", "subject"),
    [
        (labels(site="s", line="l", direction="in"), Subject("line", "l")),
        (labels(site="s", device="d", sensor="board"), Subject("device", "d")),
        (labels(site="s", sensor="t1", state="alarm"), Subject("sensor", "t1")),
        (labels(node="n", state="down"), Subject("node", "n")),
        (labels(site="s", state="down"), Subject("site", "s")),
        (labels(queue="spool"), Subject("netmon", "netmon")),
    ],
)
def test_what_an_alert_is_about(series: tuple[tuple[str, str], ...], subject: Subject) -> None:
    assert RULE.subject(series) == subject


def test_expression_joins_thresholds_by_their_label() -> None:
    rules = {r.alert: r for r in load_catalog()}
    assert expression(rules["DeviceCpuHigh"]) == (
        "max without (instance, job) (netmon_device_cpu_ratio) > on (device) group_left () "
        'max by (device) (netmon_threshold{alertname="DeviceCpuHigh"})'
    )
    assert "on () group_left ()" in expression(rules["SiteDown"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tresholds": 1}, "unknown key tresholds"),
        ({"op": "=="}, "op '=='; allowed: > >= < <="),
        ({"threshold_by": "port"}, "threshold_by 'port'"),
        ({"summary": {"vi": "x"}}, "summary needs vi and en"),
    ],
)
def test_a_mistake_in_the_catalogue_names_the_rule(change: dict[str, object], message: str) -> None:
    import yaml

    entry: dict[str, object] = {
        "alert": "X",
        "gauge": "netmon_x",
        "op": ">",
        "threshold": 1,
        "severity": "info",
        "tell": "page",
        "summary": {"vi": "a", "en": "b"},
    }
    with pytest.raises(ValueError, match=f"alert X: {message}".replace("(", r"\(")):
        load_catalog(yaml.safe_dump({"rules": [entry | change]}))
    with pytest.raises(ValueError, match="defined twice: X"):
        load_catalog(yaml.safe_dump({"rules": [entry, entry]}))
