"""The reference is current and whole: tables are those of the code, with every setting, key of the inventory, series,
alert, command and endpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route

from netmon.alerts.catalog import RUNBOOK, export
from netmon.config import Config
from netmon.errors import ConfigError
from netmon.importer import COLUMNS, OPTIONAL
from netmon.inventory import load
from netmon.metrics import METRICS
from tests.conftest import ROOT
from tests.unit.test_docs import ALERTS, anchors, place, read
from tests.unit.web_app import Stage
from tools import reference
from tools.reference_settings import sections, setting_keys

REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("page", sorted(REFERENCE.glob("*.md")), ids=lambda page: page.name)
def test_generated_parts_are_current(page: Path) -> None:
    assert reference.render(read(page)) == read(page), "run tools/reference.py"


def test_a_stale_part_is_found_and_the_rest_is_left_alone() -> None:
    text = "before\n<!-- generated: alert SiteDown -->\nold\n<!-- end -->\nafter\n"
    made = reference.render(text)
    assert "\nold\n" not in made
    assert made.startswith("before\n<!-- generated: alert SiteDown -->\n- **Fires**")
    assert made.endswith("<!-- end -->\nafter\n")
    assert reference.render(made) == made


def generated(page: str) -> list[tuple[str, str]]:
    return reference.blocks(read(REFERENCE / page))


def test_every_setting_is_documented() -> None:
    written = [section for name, section in generated("configuration.md") if name == "settings"]
    assert sorted(written) == sorted(section or "top" for section in sections())
    text = read(REFERENCE / "configuration.md")
    for key in setting_keys():
        assert f"| `{key.rpartition('.')[2]}` |" in text, key


def test_every_series_is_documented() -> None:
    assert ("metrics", "") in generated("metrics.md")
    assert all(f"| `{name}` |" in read(REFERENCE / "metrics.md") for name in METRICS)


def test_every_figure_of_a_profile_is_in_the_catalogue() -> None:
    for profile in reference.load_profiles().by_name.values():
        for figure in profile.figures:
            assert figure.name in METRICS, f"{profile.name}: {figure.name}"
            assert {label for label, _ in figure.labels} <= set(METRICS[figure.name].labels), figure.name


def test_every_alert_has_its_section() -> None:
    sections = re.split(r"^## ", read(REFERENCE / "alerts.md"), flags=re.MULTILINE)[1:]
    assert [section.split("\n")[0] for section in sections] == ALERTS
    for alert, section in zip(ALERTS, sections, strict=True):
        assert f"<!-- generated: alert {alert} -->" in section
        for part in ("Means:", "Does not mean", "Check first:", "Do:"):
            assert f"- **{part}**" in section, f"{alert}: {part}"
        assert len(re.findall(r"^- ", section, re.MULTILINE)) <= 7, f"{alert}: short, please"


def test_runbook_urls_lead_to_their_sections() -> None:
    found = re.findall(r"runbook_url: (\S+)#(\S+)", export(reference.load_catalog()))
    assert len(found) == len(ALERTS)
    assert {file for file, _ in found} == {RUNBOOK}
    assert {anchor for _, anchor in found} <= set(anchors(ROOT / RUNBOOK))


def test_every_command_is_documented() -> None:
    names = list(reference.command_parsers())
    assert [argument for name, argument in generated("commands.md") if name == "command"] == names
    assert all(name in anchors(REFERENCE / "commands.md") for name in names)


def routes(found: list[BaseRoute]) -> Iterator[str]:
    for route in found:
        if isinstance(route, Mount):
            yield f"GET {route.path}"
        elif isinstance(route, (APIRoute, Route)):
            yield from (f"{method} {route.path}" for method in sorted((route.methods or set()) - {"HEAD"}))


def test_every_endpoint_is_documented_and_none_that_is_not_there() -> None:
    app = Stage().app
    served = {
        *routes(app.routes),
        *(f"{m.upper()} {path}" for path, calls in app.openapi()["paths"].items() for m in calls),
    }
    listed = re.findall(r"^\| `((?:GET|POST) [^`]+)` \|", read(REFERENCE / "endpoints.md"), re.MULTILINE)
    assert sorted(listed) == sorted(served)


# --- every key of the inventory ---

WRONG = """
areas: [{id: "a", x: 1}]
nodes: [{id: "n", x: 1, place: {x: 1}}]
sites:
  - {id: "s", x: 1, lines: [{id: "l", x: 1, address: "192.0.2.1", probe: {x: 1}, contract: {x: 1}}],
     devices: [{id: "d", x: 1}]}
sensor_types: [{id: "t", x: 1}]
sensors: [{id: "z", x: 1}]
gateways: [{id: "g", x: 1}]
decoders:
  - {id: "j", x: 1}
  - {id: "k", fields: {v: {path: "v", x: 1}}}
  - {id: "p", format: "plain", x: 1}
  - {id: "b", format: "bytes", x: 1, frames: [{x: 1, fields: {v: {x: 1, if: {x: 1}}}, channels: [{x: 1}]}]}
topics: [{x: 1}]
contacts: [{id: "c", x: 1}]
rosters: [{id: "r", x: 1}]
credentials: [{id: "v2", x: 1}, {id: "v3", version: "3", x: 1}]
"""
SECTIONS = {  # what a problem says it is about -> heading of its table; those of a part come after those of the whole
    'area "a"': "areas", 'node "n"': "nodes", 'site "s"': "sites", 'site "s", line "l"': "lines",
    'site "s", device "d"': "devices", 'sensor type "t"': "sensor_types", 'sensor "z"': "sensors",
    'gateway "g"': "gateways", 'roster "r"': "rosters",
    'decoder "j"': "decoders", 'decoder "p"': "decoders", 'decoder "b"': "decoders", 'decoder "k"': "field",
    'decoder "b", frame number 1': "frame", 'decoder "b", frame number 1, channel number 1': "channel",
    'decoder "b", frame number 1 fields v': "byte field", 'decoder "b", frame number 1 fields v if': "condition",
    "topic number 1": "topics", 'contact "c"': "contacts",
    'credential "v2"': "credentials", 'credential "v3"': "credentials",
}  # fmt: skip


def loader_keys(tmp_path: Path) -> dict[str, set[str]]:
    """Heading -> the keys that the loader itself says are allowed, from its answer to an unknown one."""
    path = place(tmp_path, "", [WRONG])
    with pytest.raises(ConfigError) as told:
        load(path, {}, profile_names=("generic",), alert_names=ALERTS)
    found: dict[str, set[str]] = {}
    for problem in told.value.problems:
        if "unknown key" in problem.message:
            text = f"{problem.message} {problem.allowed}"
            allowed = set(re.split(r", ", text.partition("allowed: ")[2].partition(";")[0].strip()))
            heading = SECTIONS.get(problem.thing) or ("place" if "lat" in allowed else "?")
            for part, sign in (("place", "lat"), ("contract", "down"), ("probe", "kind")):
                if sign in allowed and len(allowed) <= 3:
                    heading = part
            found.setdefault(heading, set()).update(allowed)
    found["decoders"].add("id")  # taken off before the mapping is checked
    return found


def page_keys() -> dict[str, set[str]]:
    """Heading -> the keys in the table under it."""
    found: dict[str, set[str]] = {}
    for section in re.split(r"^##+ ", read(REFERENCE / "inventory.md"), flags=re.MULTILINE)[1:]:
        table = re.search(r"^\| Key .*?(?=^$)", section, re.MULTILINE | re.DOTALL)
        if table:
            found[section.split("\n")[0]] = set(re.findall(r"^\| `(\w+)`", table[0], re.MULTILINE))
    return found


def test_every_key_of_the_inventory_is_documented(tmp_path: Path) -> None:
    assert page_keys() == loader_keys(tmp_path)


def test_columns_of_the_spreadsheet_are_documented() -> None:
    text = read(REFERENCE / "inventory.md").partition("## From and to a spreadsheet")[2]
    assert set(re.findall(r"`(\w+)`", text)) == {*COLUMNS, *OPTIONAL}


def test_defaults_in_the_tables_are_those_of_the_code() -> None:
    """Spot checks against the dataclasses, so that a wrong generator is noticed too."""
    text = read(REFERENCE / "configuration.md")
    config = Config()
    assert config.probe.burst_spacing_s == 0.3
    assert "| `burst_spacing` | duration, 10ms to 1m | `300ms` |" in text
    assert config.influx.spool_max_bytes == 2_000_000_000
    assert "| `spool_max_bytes` | size, 1MB to 1000GB | `2GB` |" in text
    assert config.mqtt.port == 8883
    assert "| `port` | whole number, 1 to 65535 | `8883` |" in text
