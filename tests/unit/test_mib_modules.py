"""Modules made from standard MIBs are those that we ship, and those that snmp_exporter's generator makes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from netmon.collectors.snmp.modules import Metric, Module
from netmon.collectors.snmp.modules_read import parse_modules
from netmon.collectors.snmp.profiles import load_profiles, read_tree
from netmon.mibs import compiled
from netmon.mibs.build import Builder, Wish
from netmon.mibs.collection import Library
from netmon.mibs.find import Shelf
from netmon.mibs.yamltext import module_text
from tests import mib_text
from tests.conftest import shared

# Packages and files with the text of IF-MIB; its licence does not let it stand in this repository.
TEXTS = (*os.environ.get("NETMON_TEST_MIBS", "").split(":"), "/usr/share/snmp/mibs", "/usr/share/mibs/ietf")
IF_TABLES, UPS_GROUPS = ("ifTable", "ifXTable"), ("upsObjects",)


def made(source: str, *tables: str) -> Module:
    library = Library(Shelf([source]))
    builder = Builder(library.tree(), Wish("made", tables))
    module = builder.build()
    assert library.problems == []
    assert builder.problems == []
    return module


def by_oid(module: Module) -> dict[tuple[int, ...], Metric]:
    return {metric.oid: metric for metric in module.metrics}


def facts(metric: Metric) -> tuple[object, ...]:
    return metric.name, metric.oid, metric.type, metric.indexes, metric.lookups, dict(metric.enum_values)


@cache
def text_of(module: str) -> str:
    found = compiled.load(module)
    assert found is not None
    return mib_text.module_text(found)


@pytest.fixture(params=["standard", "text"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Module -> what to read it from: the standard one by name, or its text in a file."""
    found = {}
    for name in ("IF-MIB", "UPS-MIB"):
        path = tmp_path / f"{name}.txt"
        path.write_text(text_of(name), encoding="utf-8")
        found[name] = name if request.param == "standard" else str(path)
    yield found


# Said by the MIB, and left out by what we ship: nobody asks for a port's kind by name.
NO_ENUM_SHIPPED = {"ifType"}


@pytest.mark.parametrize(
    ("mib", "tables", "profile", "least"),
    [("IF-MIB", IF_TABLES, "generic", 20), ("UPS-MIB", UPS_GROUPS, "ups_rfc1628", 10)],
)
def test_it_is_the_module_we_ship(
    source: Mapping[str, str], mib: str, tables: tuple[str, ...], profile: str, least: int
) -> None:
    module = made(source[mib], *tables)
    found, compared = by_oid(module), 0
    for shipped in load_profiles().by_name[profile].metrics.values():
        if any(shipped.oid[: len(root)] == root for root in module.walk):
            *mine, enums = facts(found[shipped.oid])
            *ours, shipped_enums = facts(shipped)
            assert mine == ours
            assert enums == shipped_enums or (shipped.name in NO_ENUM_SHIPPED and not shipped_enums)
            compared += 1
    assert compared >= least


# Where our module differs from snmp_exporter's, and why.
OTHERS = {
    "ifType": "its generator.yml makes an info series of it, and has a later list of kinds",
    "hrPrinterStatus": "its generator.yml makes a state set of it",
}


@pytest.mark.parametrize(
    ("mib", "tables", "theirs", "least"),
    [("IF-MIB", IF_TABLES, "if_mib", 37), ("UPS-MIB", UPS_GROUPS, "ups_mib", 55)],
)
def test_it_is_what_snmp_exporters_generator_makes(
    source: Mapping[str, str], mib: str, tables: tuple[str, ...], theirs: str, least: int
) -> None:
    compare(made(source[mib], *tables), theirs, least)


@pytest.mark.parametrize(
    ("mib", "tables", "theirs", "least"),
    [
        ("HOST-RESOURCES-MIB", ("hrStorageTable",), "hrStorage", 4),
        ("HOST-RESOURCES-MIB", ("hrSystem",), "hrSystem", 7),
        ("HOST-RESOURCES-MIB", ("hrSWRun",), "hrSWRun", 6),
    ],
)
def test_others_are_what_snmp_exporters_generator_makes(
    mib: str, tables: tuple[str, ...], theirs: str, least: int
) -> None:
    compare(made(mib, *tables), theirs, least)


@cache
def their_modules(path: Path) -> Mapping[str, Module]:
    tree, _ = read_tree(path)
    return parse_modules(tree).modules


def compare(module: Module, theirs: str, least: int) -> None:
    found, compared = by_oid(module), 0
    for metric in their_modules(shared("peers", "snmp_exporter", "snmp.yml"))[theirs].metrics:
        if metric.oid in found and metric.name not in OTHERS:
            mine = found[metric.oid]
            assert (mine.name, mine.type, mine.indexes) == (metric.name, metric.type, metric.indexes)
            assert dict(mine.enum_values) == dict(metric.enum_values)
            compared += 1
    assert compared >= least


# --- the two ways of reading a module ---


@pytest.mark.parametrize(
    "name", ["IF-MIB", "UPS-MIB", "HOST-RESOURCES-MIB", "ENTITY-MIB", "BGP4-MIB", "OSPF-MIB", "IP-MIB", "BRIDGE-MIB"]
)
def test_text_and_compiled_module_say_the_same(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.txt"
    path.write_text(text_of(name), encoding="utf-8")
    library = Library(Shelf([str(path)]))
    tree = library.tree()
    assert library.problems == []
    module = compiled.load(name)
    assert module is not None
    objects = 0
    for node in module.nodes():
        read = tree.nodes[node.oid]
        assert (read.name, read.kind, read.readable, read.units) == (node.name, node.kind, node.readable, node.units)
        assert (read.syntax is None) == (node.syntax is None)
        if node.syntax and read.syntax:
            mine, other = read.syntax, node.syntax
            assert (mine.base, mine.conventions[:1], mine.hint) == (other.base, other.conventions[:1], other.hint)
            assert (mine.size, dict(mine.enums)) == (other.size, dict(other.enums))
            objects += 1
        assert [(part.name, part.implied) for part in read.index] == [(part.name, part.implied) for part in node.index]
    assert objects > 10


def test_real_text_of_if_mib() -> None:
    """IF-MIB as RFC 2863 has it, where a package brought its text."""
    folders = [Path(folder) for folder in TEXTS if folder and Path(folder).is_dir()]
    path = next((p for folder in folders for p in sorted(folder.glob("IF-MIB*")) if p.is_file()), None)
    if path is None:
        pytest.skip("no text of IF-MIB here: name a folder that has it with NETMON_TEST_MIBS")
    module = made(str(path), *IF_TABLES)
    standard = by_oid(made("IF-MIB", *IF_TABLES))
    for metric in module.metrics:
        mine, other = facts(metric), facts(standard[metric.oid])
        assert mine[:-1] == other[:-1]
        assert mine[-1] == other[-1] or metric.name == "ifType", "IANA adds kinds of ports"
    assert len(module.metrics) == len(standard) == 41


def test_real_text_of_net_snmps_own_mibs() -> None:
    """Debian's libsnmp-base has the MIBs that are net-snmp's own; snmp_exporter ships modules of them."""
    path = Path("/usr/share/snmp/mibs/UCD-SNMP-MIB.txt")
    if not path.exists():
        pytest.skip("not installed: libsnmp-base")
    module = made(str(path), "memory", "laTable", "systemStats")
    assert by_oid(module)[(1, 3, 6, 1, 4, 1, 2021, 10, 1, 6)].type == "Float"
    compare(module, "ucd_la_table", 3)
    compare(module, "ucd_system_stats", 20)
    gauges = {m.name for m in module.metrics if m.name.startswith("mem") and m.name.endswith("X")}
    assert len(gauges) == 9
    # Its generator makes counters of CounterBasedGauge64, which is a gauge (HCNUM-TC, RFC 2856).
    compare(Module("", metrics=tuple(m for m in module.metrics if m.name not in gauges)), "ucd_memory", 15)


# --- what is written ---


@pytest.mark.parametrize(
    ("mib", "tables"),
    [
        ("IF-MIB", ("ifMIB", "ifTable")),
        ("UPS-MIB", ("upsMIB",)),
        ("ENTITY-MIB", ("entityMIB",)),
        ("IP-MIB", ("ip",)),
        ("HOST-RESOURCES-MIB", ("host",)),
        ("BRIDGE-MIB", ("dot1dBridge",)),
        ("RMON2-MIB", ("rmon",)),
        ("DISMAN-PING-MIB", ("pingMIB",)),
        ("SNMP-TARGET-MIB", ("snmpTargetMIB",)),
    ],
)
def test_what_is_written_is_read_as_it_was_meant(tmp_path: Path, mib: str, tables: tuple[str, ...]) -> None:
    module = made(mib, *tables)
    path = tmp_path / "made.yml"
    path.write_text(module_text(module, "a\nb"), encoding="utf-8")
    tree, problems = read_tree(path)
    parsed = parse_modules(tree, str(path))
    assert [*problems, *parsed.problems] == []
    read = parsed.modules["made"]
    assert (read.walk, read.get) == (module.walk, module.get)
    assert read.metrics == module.metrics
    assert len(module.metrics) > 5
