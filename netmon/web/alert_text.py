"""One sentence for one alert, from the catalogue's summary. Pure.

The summaries are written for Prometheus; of its template language they use labels, the value and one filter.
"""

from __future__ import annotations

import re

from netmon.model import Labels
from netmon.state import State
from netmon.web.format import number_text

_PLACEHOLDER = re.compile(r"\{\{\s*\$(?:labels\.(?P<label>\w+)|value(?:\s*\|\s*(?P<filter>\w+))?)\s*\}\}")


def alert_text(summary: str, labels: Labels, value: float | None, state: State, language: str) -> str:
    """``summary`` with its placeholders filled; a site or sensor goes by its name, a value no longer known by dots."""
    given = dict(labels)

    def fill(match: re.Match[str]) -> str:
        if label := match["label"]:
            return name_of(state, label, given.get(label, ""))
        if value is None:
            return "…"
        if match["filter"] == "humanizePercentage":
            return f"{number_text(value * 100, language)} %"
        return number_text(value, language)

    return _PLACEHOLDER.sub(fill, summary)


def name_of(state: State, label: str, value: str) -> str:
    """What people call the thing that a label names; the value itself where there is no other name."""
    inventory = state.inventory
    if label == "site" and value in inventory.sites:
        return inventory.sites[value].name
    if label == "node" and value in inventory.nodes:
        return inventory.nodes[value].name
    if label == "sensor" and value in inventory.sensors:
        return inventory.sensors[value].name or value
    if label == "gateway" and value in inventory.gateways:
        return inventory.gateways[value].name
    if label == "line" and value in inventory.lines:
        return inventory.lines[value].circuit or value
    return value
