"""Holds the layers: facts <- pure <- files <- edges <- wiring. Imports go leftwards; edges never import each other.

Every module has its layer here by name, or by the room of its package; the longest name counts.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "netmon"
FACTS = ("model", "errors", "clock", "config")
PURE = (
    "acl",
    "addresses",
    "alerts",  # but for what stands below by name
    "collectors.mqtt.decode",
    "collectors.mqtt.explain",
    "collectors.mqtt.intake",
    "collectors.mqtt.plan",
    "collectors.probes.habit",
    "collectors.probes.reach",
    "collectors.probes.stamp_packet",
    "collectors.snmp.ber",
    "collectors.snmp.columns",
    "collectors.snmp.course",
    "collectors.snmp.exporter_text",
    "collectors.snmp.index",
    "collectors.snmp.layout",
    "collectors.snmp.modules",
    "collectors.snmp.modules_read",
    "collectors.snmp.pdu",
    "collectors.snmp.poll_text",
    "collectors.snmp.ports",
    "collectors.snmp.request",
    "collectors.snmp.session",
    "collectors.snmp.tables",
    "collectors.snmp.usm",
    "collectors.snmp.v3",
    "collectors.snmp.trap_decode",
    "collectors.snmp.trap_usm",
    "collectors.snmp.values",
    "counts",
    "drill.base",
    "drill.end_text",
    "drill.overlay",
    "drill.places",
    "drill.probes",
    "drill.report",
    "drill.scenario",
    "events",
    "figures",
    "fold",
    "gateways",
    "hours",
    "influx_lines",
    "line_samples",
    "mibs.build",
    "mibs.facts",
    "mibs.types",
    "mibs.yamltext",
    "phones",
    "quirks",
    "rates",
    "rawvalues",
    "sensor_means",
    "sensor_ports",
    "sensor_quality",
    "sensor_series",
    "sensors",
    "sim.agent_v3",
    "sim.links",
    "sim.mib",
    "sim.world",
    "state",
    "survey",
    "topology",
    "vietnamese",
    "web.format",
    "works",
)
FILES = (
    "alerts.catalog",
    "collectors.snmp.figures_read",
    "collectors.snmp.profiles",
    "drill.scenario_read",
    "history",
    "importer",
    "inventory",
    "inventory_check",
    "inventory_decoders",
    "inventory_parts",
    "inventory_read",
    "inventory_topics",
    "legacy_text",
    "mibs",
    "profile_check",
    "proposals",
    "secrets_load",
    "settings_load",
    "words",
    "works_csv",
    "yamlcompose",
    "yamledit",
    "yamlfile",
    "yamlvalues",
)
EDGES = {  # module or package -> its room; what is in different rooms never meets
    "alerts.amfeed": "notify",
    "alerts.channels": "notify",
    "alerts.notify": "notify",
    "api_client": "api client",
    "collectors.mqtt": "mqtt",
    "collectors.probes": "probes",
    "collectors.snmp": "snmp",
    "collectors.trap_socket": "traps",
    "collectors.traps": "traps",
    "exposition": "web",
    "influx": "influx",
    "influx_http": "influx",
    "influx_limit": "influx",
    "pair_link": "pair",
    "metrics": "web",
    "scheduler": "scheduler",
    "selfwatch": "selfwatch",
    "systemd": "systemd",
    "web": "web",
}
WIRING = (
    "answers",
    "app",
    "housekeeping",
    "pair",
    "polls",
    "steps",
    "reload",
    "selfreport",
    "cli",
    "commands",
    "commands_desk",
    "commands_drill",
    "commands_explain",
    "commands_notify",
    "commands_profiles",
    "commands_survey",
    "desk",
    "inboxes",
    "drill.desk",
    "drill.exercise",
    "commands_sensors",
    "outside_intake",
    "pipeline",
    "replies",
    "sim",
    "snmp_page",
    "trap_intake",
    "trial",
)
LAYERS: dict[str, int] = {
    name: number for number, group in enumerate((FACTS, PURE, FILES, tuple(EDGES), WIRING)) for name in group
}
FORBIDDEN_IN_PURE = {
    "asyncio",
    "concurrent",
    "http",
    "importlib",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib",
} | {
    "amqtt",
    "apprise",
    "fastapi",
    "httpx",
    "influxdb_client",
    "jinja2",
    "netmiko",
    "paho",
    "prometheus_client",
    "pysmi",
    "pysnmp",
    "starlette",
    "urllib3",
    "uvicorn",
    "yaml",
}
CLOCK_READS = {"now", "today", "utcnow", "time_ns"}


def modules() -> dict[str, Path]:
    """Every module that holds something; empty package files have no layer."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__" and path.read_text(encoding="utf-8").strip():
            found[name] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def entry(name: str) -> str:
    """The name in the lists above that a module falls under: its own, else that of the nearest package."""
    while name and name not in LAYERS:
        name = name.rpartition(".")[0]
    return name


def layer(name: str) -> int:
    return LAYERS.get(entry(name), 3)


def room(name: str) -> str:
    return EDGES.get(entry(name), "")


def imports(name: str) -> set[str]:
    """Every module a module imports anywhere in its text."""
    found: set[str] = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} line {node.lineno}: a relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(name: str) -> set[str]:
    return {n for n in (i.removeprefix("netmon.") for i in imports(name) if i.startswith("netmon.")) if n in MODULES}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_has_a_layer(name: str) -> None:
    assert entry(name), f"{name}: name its layer in {Path(__file__).name}"


def test_every_entry_is_a_module_or_package_in_one_layer_only() -> None:
    named = [*FACTS, *PURE, *FILES, *EDGES, *WIRING]
    assert len(named) == len(set(named))
    gone = [n for n in named if n not in MODULES and not any(m.startswith(n + ".") for m in MODULES)]
    assert not gone


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_leftwards(name: str) -> None:
    for other in ours(name):
        assert layer(other) <= layer(name), f"{name} (layer {layer(name)}) imports {other} (layer {layer(other)})"


@pytest.mark.parametrize("name", sorted(n for n in MODULES if layer(n) <= 1 and n != "clock"))
def test_pure_code_touches_no_world(name: str) -> None:
    roots = {n.split(".")[0] for n in imports(name)}
    assert not roots & FORBIDDEN_IN_PURE
    reads = [
        f"line {node.lineno}"
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_READS
    ]
    assert not reads, "time is an argument of pure code"


@pytest.mark.parametrize("name", sorted(n for n in MODULES if layer(n) == 3))
def test_edges_never_import_each_other(name: str) -> None:
    for other in ours(name):
        assert layer(other) < 3 or room(other) == room(name), f"{name} ({room(name)}) imports {other} ({room(other)})"


def test_production_code_never_imports_tests() -> None:
    for name in MODULES:
        assert not any(n == "tests" or n.startswith("tests.") for n in imports(name)), name
