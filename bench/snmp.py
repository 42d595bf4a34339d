"""The SNMP engine's bench: its parts, its targets, and the page made of a results file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench import part_cpu, part_growth, part_scrape, part_varbinds
from bench.report import Options, Target, machine_line, number, table, target_table

V2C_RATIO, V3_RATIO = 1 / 10, 1 / 4  # of snmp_exporter's CPU
SHOWN = {
    "netmon_v2c": "netmon, v2c",
    "netmon_v3": "netmon, v3 authPriv (SHA, AES-128)",
    "snmp_exporter_v2c": "snmp_exporter 0.21, v2c",
    "snmp_exporter_v3": "snmp_exporter 0.21, v3 authPriv (SHA, AES-128)",
    "pysnmp_v2c": "pysnmp, v2c",
    "net_snmp_v2c": "net-snmp's snmpbulkwalk, once per column, v2c",
}

Part = Callable[[Options], Mapping[str, Any]]
PARTS: dict[str, Part] = {
    "cpu": part_cpu.measure,
    "growth": part_growth.measure,
    "scrape": part_scrape.measure,
    "varbinds": part_varbinds.measure,
}


def page(result: Mapping[str, Any]) -> str:
    """The section of the page, from the results file alone."""
    parts = [machine_line(result), "", target_table(targets(result))]
    if "cpu_s_per_mvb" in result:
        parts += ["CPU-seconds per million useful varbinds, text rendered:", "", cpu_table(result)]
    if result.get("missing"):
        missing = (f"- {name}: {why}\n" for name, why in sorted(result["missing"].items()))
        parts += ["Not measured:", "", "".join(missing)]
    return "\n".join(parts) + "\n"


def targets(result: Mapping[str, Any]) -> list[Target]:
    """What was promised, against what was measured."""
    cost = result.get("cpu_s_per_mvb", {})
    found = [
        _ratio("CPU of netmon against snmp_exporter, v2c", V2C_RATIO, cost, "netmon_v2c", "snmp_exporter_v2c"),
        _ratio("CPU of netmon against snmp_exporter, v3", V3_RATIO, cost, "netmon_v3", "snmp_exporter_v3"),
    ]
    return found


def _ratio(what: str, limit: float, cost: Mapping[str, float | None], ours: str, theirs: str) -> Target:
    mine, other = cost.get(ours), cost.get(theirs)
    measured = mine / other if mine and other else None
    shown = f"1/{1 / measured:.1f}" if measured else number(None)
    return Target(what, f"at most 1/{1 / limit:.0f}", limit, measured, shown)


def cpu_table(result: Mapping[str, Any]) -> str:
    """Everybody's cost, its spread and how often netmon's."""
    cost, spreads = result["cpu_s_per_mvb"], result["cpu"]["spread"]
    rows = []
    for name, shown in SHOWN.items():
        value, seen = cost.get(name), spreads.get(name)
        ours = cost.get("netmon_v3" if name.endswith("v3") else "netmon_v2c")
        between = f"{number(seen['min'])} to {number(seen['max'])}" if seen else number(None)
        rows.append((shown, number(value), between, number(value / ours if value and ours else None)))
    return table(("Who", "Median", "Lowest to highest", "Times netmon's"), rows)
