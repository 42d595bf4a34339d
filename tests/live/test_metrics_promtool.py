"""promtool reads /metrics and finds nothing but the spelling of MIB objects, which is theirs and not ours."""

from __future__ import annotations

import contextlib
import re
import subprocess

import pytest
from prometheus_client import Counter

from netmon import exposition
from netmon.metrics import METRICS, SelfMetrics, build_registry
from netmon.model import labels
from netmon.state import State
from tests import wall_state
from tests.conftest import need

pytestmark = pytest.mark.live

# camelCase names and labels of MIB objects, and the names that come with them (LAB.md: exit status 3 is unavoidable)
UNAVOIDABLE = re.compile(
    r"^if\w+ |"
    r"^netmon_(optical_rx_dbm|interface_info) label names should be written in 'snake_case' not 'camelCase'$"
)


def findings(text: bytes) -> list[str]:
    need("promtool")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, 3), done.stderr
    assert b"error while linting" not in done.stderr
    return [line for line in done.stderr.decode().splitlines() if line and not UNAVOIDABLE.match(line)]


def everything() -> State:
    """The province, and every gauge and label of the catalogue."""
    state = wall_state.state()
    for metric in METRICS.values():
        if metric.kind == "gauge":
            state.gauges.set(metric.name, labels(**dict.fromkeys(metric.labels, "x")), 1.0)
    return state


def count_once(own: SelfMetrics, name: str, width: int) -> None:
    """One series of a counter, whoever keeps it."""
    with contextlib.suppress(ValueError):  # one of its own
        own.read_totals(name, lambda: {("x",) * width: 1.0})
    for counter in vars(own).values():
        if isinstance(counter, Counter) and f"{counter._name}_total" == name and width:
            counter.labels(*["x"] * width).inc()


def test_promtool_has_no_finding_of_ours():
    own = SelfMetrics()
    for name, metric in METRICS.items():
        if metric.kind == "counter":
            count_once(own, name, len(metric.labels))
    state = everything()
    text = exposition.page(state, build_registry(state, own))
    assert all(name.encode() in text for name in METRICS)
    assert findings(text) == []


def test_promtool_would_find_something():
    assert findings(b"# TYPE badName_count gauge\nbadName_count 1\n")
