"""The exported rules under the real promtool: valid, each one fires and does not, and equal to our evaluator."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from netmon.alerts.catalog import export, load_catalog, prometheus_rules
from netmon.alerts.rules import Evaluator, Rule
from netmon.model import Labels, labels
from netmon.state import Gauges
from tests.conftest import ROOT, need

pytestmark = pytest.mark.live

STEP_S = 30.0
EXTRA = {"site": "s1", "line": "l1", "device": "d1", "sensor": "t1"}


def promtool(*argv: str) -> None:
    done = subprocess.run(["promtool", *argv], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def series_name(name: str, series: Labels) -> str:
    return name + "{" + ",".join(f'{k}="{v}"' for k, v in (*series, ("instance", "i"), ("job", "netmon"))) + "}"


def samples(values: list[float | None]) -> str:
    return " ".join("_" if v is None else f"{v:g}" for v in values)


def rule_file(path: Path, rules: list[Rule]) -> Path:
    path.write_text(yaml.safe_dump(prometheus_rules(rules, annotations=False)))
    return path


def firing(rule: Rule, series: Labels, values: list[float | None]) -> list[bool]:
    """Our evaluator's answer at each step, on the samples Prometheus will see (stale markers included)."""
    gauges, evaluator = Gauges(), Evaluator([rule], {rule.alert: limit(rule)})
    out = []
    for i, value in enumerate(values):
        if value is None:
            gauges.drop(rule.gauge, series)
        else:
            gauges.set(rule.gauge, series, value)
        state = evaluator.step(gauges, i * STEP_S).get((rule.alert, series))
        out.append(state is not None and state.firing_at is not None)
    return out


def limit(rule: Rule) -> dict[str, float]:
    return {EXTRA.get(rule.threshold_by, ""): rule.threshold}


def series_of(rule: Rule) -> Labels:
    pairs = dict(rule.match)
    if rule.threshold_by:
        pairs[rule.threshold_by] = EXTRA[rule.threshold_by]
    return labels(site="s1", **{k: v for k, v in pairs.items() if k != "site"})


def threshold_series(rule: Rule, count: int) -> dict[str, str]:
    by = {rule.threshold_by: EXTRA[rule.threshold_by]} if rule.threshold_by else {}
    name = series_name("netmon_threshold", labels(alertname=rule.alert, **by))
    return {"series": name, "values": f"{rule.threshold:g}x{count}"}


def expectations(rule: Rule, series: Labels, fires: list[bool]) -> list[dict[str, Any]]:
    carried = dict(series) | {"severity": rule.severity, "audience": rule.audience, "tell": rule.tell}
    return [
        {
            "eval_time": f"{i * STEP_S:g}s",
            "alertname": rule.alert,
            "exp_alerts": [{"exp_labels": carried}] if on else [],
        }
        for i, on in enumerate(fires)
    ]


def run_promtool(tmp_path: Path, rules: list[Rule], tests: list[dict[str, Any]]) -> None:
    rule_file(tmp_path / "rules.yml", rules)
    body = {"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP_S:g}s", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(body, allow_unicode=True))
    # Groups carry their own interval in production; the unit test sets one for all, so strip it here.
    content = yaml.safe_load((tmp_path / "rules.yml").read_text())
    del content["groups"][0]["interval"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(content))
    promtool("test", "rules", str(tmp_path / "tests.yml"))


def side(rule: Rule, fires: bool) -> float:
    """A value on the firing or the quiet side of the threshold."""
    up = rule.op.startswith(">")
    return (
        rule.threshold + (0.5 if up == fires else -0.5)
        if "=" not in rule.op
        else rule.threshold - (0 if fires else 0.5)
    )


def test_the_committed_rule_file_is_current_and_valid() -> None:
    need("promtool")
    path = ROOT / "netmon/alerts/netmon.rules.yml"
    assert path.read_text() == export(load_catalog()), "run: netmon rules export"
    promtool("check", "rules", str(path))


def test_every_rule_fires_and_does_not(tmp_path: Path) -> None:
    need("promtool")
    rules, tests = load_catalog(), []
    for rule in rules:
        steps = int(rule.for_s / STEP_S) + 4
        series = series_of(rule)
        for fires in (True, False):
            values: list[float | None] = [side(rule, fires)] * steps
            ours = firing(rule, series, values)
            assert ours[-1] is fires, rule.alert
            tests.append(
                {
                    "name": f"{rule.alert} {'fires' if fires else 'does not fire'}",
                    "interval": f"{STEP_S:g}s",
                    "input_series": [
                        {"series": series_name(rule.gauge, series), "values": samples(values)},
                        threshold_series(rule, steps),
                    ],
                    "alert_rule_test": expectations(rule, series, ours),
                }
            )
    run_promtool(tmp_path, rules, tests)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_evaluators_agree_on_random_series(tmp_path: Path, seed: int) -> None:
    need("promtool")
    rng = random.Random(seed)
    rules, tests, fired = load_catalog(), [], 0
    for rule in rules:
        series = series_of(rule)
        count = int((rule.for_s + rule.keep_firing_for_s) / STEP_S) * 3 + 10
        values: list[float | None] = []
        hot = False
        for _ in range(count):
            if rng.random() < 0.15:
                hot = not hot
            # Prometheus looks back 5 min over a gap, netmon's own gauges do not: an absent series is written as stale.
            values.append(None if rng.random() < 0.05 else side(rule, hot))
        ours = firing(rule, series, values)
        fired += sum(ours)
        tests.append(
            {
                "name": f"{rule.alert} seed {seed}",
                "interval": f"{STEP_S:g}s",
                "input_series": [
                    {
                        "series": series_name(rule.gauge, series),
                        "values": " ".join("stale" if v is None else f"{v:g}" for v in values),
                    },
                    threshold_series(rule, count),
                ],
                "alert_rule_test": expectations(rule, series, ours),
            }
        )
    assert fired > 50, "the series must make rules fire, or the test shows nothing"
    run_promtool(tmp_path, rules, tests)
