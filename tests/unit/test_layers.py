"""Holds the layers: facts <- pure <- files <- edges <- wiring. Imports go leftwards only; edges never import each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "netmon"
FACTS = ("model", "errors", "clock", "config")
PURE = (
    "addresses",
    "alerts.evidence",
    "alerts.faults",
    "alerts.incidents",
    "alerts.joining",
    "alerts.messages",
    "alerts.parts",
    "alerts.plan",
    "alerts.power",
    "alerts.rootcause",
    "alerts.rules",
    "alerts.verdict",
    "collectors.mqtt.decode",
    "collectors.mqtt.intake",
    "collectors.probes.reach",
    "collectors.snmp.ber",
    "collectors.snmp.index",
    "collectors.snmp.modules",
    "collectors.snmp.pdu",
    "collectors.snmp.tables",
    "collectors.snmp.values",
    "figures",
    "fold",
    "quirks",
    "rates",
    "sensors",
    "sim.mib",
    "sim.world",
    "state",
    "topology",
    "vietnamese",
)
FILES = (
    "alerts.catalog",
    "history",
    "importer",
    "inventory",
    "secrets_load",
    "settings_load",
    "words",
    "yaml",
    "collectors.snmp.modules_read",
    "collectors.snmp.figures_read",
    "collectors.snmp.profiles",
)
WIRING = ("app", "cli", "commands", "pipeline", "reload", "sim", "__init__")
FORBIDDEN_IN_PURE = {"asyncio", "socket", "time", "os", "yaml", "threading", "sqlite3", "subprocess", "logging"} | {
    "paho",
    "fastapi",
    "apprise",
    "influxdb_client",
    "prometheus_client",
}
EDGES = {  # each edge is a room of its own
    "collectors.mqtt": "mqtt",
    "collectors.probes": "probes",
    "collectors.snmp": "snmp",
    "alerts.channels": "notify",
    "alerts.notify": "notify",
    "web": "web",
    "influx": "influx",
}


def modules() -> dict[str, Path]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix(".__init__") or "__init__"] = path
    return found


def within(name: str, groups: tuple[str, ...]) -> bool:
    return any(name == g or name.startswith((g + ".", g + "_")) for g in groups)


def layer(name: str) -> int:
    if within(name, FACTS):
        return 0
    if within(name, PURE):
        return 1
    if within(name, FILES):
        return 2
    if within(name, WIRING):
        return 4
    return 3


def imports(path: Path) -> set[str]:
    """Every module a file imports at run time, ours as names below netmon."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(names: set[str]) -> set[str]:
    known = modules()
    return {n.removeprefix("netmon.") for n in names if n.startswith("netmon.") and n.removeprefix("netmon.") in known}


MODULES = modules()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_leftwards(name: str) -> None:
    for other in ours(imports(MODULES[name])):
        if not MODULES[other].read_text(encoding="utf-8").strip():
            continue  # an empty package file
        assert layer(other) <= layer(name), f"{name} (layer {layer(name)}) imports {other} (layer {layer(other)})"


@pytest.mark.parametrize("name", sorted(n for n in MODULES if layer(n) <= 1 and n != "clock"))
def test_pure_code_touches_no_world(name: str) -> None:
    roots = {n.split(".")[0] for n in imports(MODULES[name])}
    assert not roots & FORBIDDEN_IN_PURE


def room(name: str) -> str:
    return next((room for prefix, room in EDGES.items() if within(name, (prefix,))), "")


@pytest.mark.parametrize("name", sorted(n for n in MODULES if room(n) and layer(n) == 3))
def test_edges_never_import_each_other(name: str) -> None:
    for other in ours(imports(MODULES[name])):
        if layer(other) == 3 and room(other):
            assert room(other) == room(name), f"{name} imports {other}"


@pytest.mark.parametrize("group", [*FACTS, *PURE, *FILES])
def test_no_layer_names_a_module_that_is_gone(group: str) -> None:
    assert any(within(name, (group,)) or name.startswith(group) for name in MODULES), group


def test_production_code_never_imports_tests() -> None:
    for name, path in MODULES.items():
        assert not any(n == "tests" or n.startswith("tests.") for n in imports(path)), name
