"""Every query of every panel of the dashboards we ship, asked of a real Prometheus: none fails, none is empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from netmon.model import Inventory
from tests.conftest import ROOT, wait_until
from tests.live.prometheus import Prometheus
from tests.live.province import Province

pytestmark = pytest.mark.live

DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
WINDOW_S = 40.0  # rates need two samples of a device


def panels(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in tree.get("panels", ()):
        yield panel
        yield from panels(panel)


def queries() -> list[tuple[str, str, str]]:
    """(dashboard, panel, query) of everything that Grafana would ask."""
    found = []
    for path in DASHBOARDS:
        for panel in panels(json.loads(path.read_text())):
            found += [(path.stem, panel["title"], target["expr"]) for target in panel.get("targets", ())]
    return found


def variables() -> list[tuple[str, str]]:
    """(name, query) of what a person may choose."""
    found = []
    for path in DASHBOARDS:
        for variable in json.loads(path.read_text()).get("templating", {}).get("list", ()):
            found.append((variable["name"], str(variable.get("query"))))
    return found


def full_site(inventory: Inventory) -> str:
    """A site that has everything a panel may show: router, UPS and sensors."""
    kinds: dict[str, set[str]] = {}
    for device in inventory.devices.values():
        kinds.setdefault(device.site, set()).add(device.kind)
    measured = {sensor.site for sensor in inventory.sensors.values()}
    return next(site for site in inventory.sites if kinds.get(site, set()) >= {"router", "ups"} and site in measured)


def test_there_are_queries() -> None:
    assert {path.stem for path in DASHBOARDS} == {"province", "site", "environment", "power", "town", "sensors"}
    assert len(queries()) >= 70


@pytest.mark.parametrize(("board", "panel", "expr"), queries())
def test_query(province: Province, prometheus: Prometheus, board: str, panel: str, expr: str) -> None:
    asked = expr.replace("$site", full_site(province.inventory))
    assert "$" not in asked
    # An error fails at once, with Prometheus' own words; an empty answer may fill while rates gather samples.
    assert wait_until(lambda: prometheus.query(asked), WINDOW_S, f"{board}: {panel}: an answer to {asked}")


def test_variables_have_values(prometheus: Prometheus) -> None:
    assert [name for name, _ in variables()] == ["site"]
    for _, text in variables():
        assert "label_values(netmon_site_info, site)" in text
    sites = prometheus.ask("/api/v1/label/site/values", **{"match[]": "netmon_site_info"})
    assert len(sites) == 310
