"""The committed dashboards are what grafana/build.py writes, and every panel says what it shows."""

from __future__ import annotations

import importlib.util
import json
import re
from types import ModuleType
from typing import Any

import pytest

from netmon.metrics import METRICS
from tests.conftest import ROOT


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("grafana_build", ROOT / "grafana/build.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILT: dict[str, str] = builder().build()


def panels(text: str) -> list[dict[str, Any]]:
    return [p for p in json.loads(text)["panels"] if p["type"] != "row"]


@pytest.mark.parametrize("name", sorted(BUILT))
def test_committed_json_is_current(name: str) -> None:
    assert (ROOT / "grafana/dashboards" / name).read_text() == BUILT[name], "run: make dashboards"


@pytest.mark.parametrize("name", sorted(BUILT))
def test_every_panel_is_described_and_asks_only_known_metrics(name: str) -> None:
    for panel in panels(BUILT[name]):
        assert panel["title"] and panel["description"]
        for target in panel["targets"]:
            for metric in re.findall(r"\bnetmon_\w+", target["expr"]):
                assert metric in METRICS, f"{panel['title']}: {metric} is not a metric of netmon"


def test_no_committed_dashboard_without_a_builder() -> None:
    assert {p.name for p in (ROOT / "grafana/dashboards").glob("*.json")} == set(BUILT)
