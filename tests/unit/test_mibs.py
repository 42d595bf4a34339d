"""MIB modules read and resolved: odd constructs, and one clear line for what is broken or missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netmon.collectors.snmp.modules import Index, Lookup, Metric, Module
from netmon.errors import NetmonError, Problem
from netmon.mibs import compiled, text
from netmon.mibs.build import Builder, Wish, help_text
from netmon.mibs.collection import Library
from netmon.mibs.facts import Node, Part, Syntax, Tree
from netmon.mibs.find import Shelf
from netmon.mibs.types import indexes, value_type

ACME = """
-- a comment before it
ACME-MIB DEFINITIONS ::= BEGIN
IMPORTS MODULE-IDENTITY, OBJECT-TYPE, Integer32, Counter64, enterprises, IpAddress, Opaque FROM SNMPv2-SMI
  TEXTUAL-CONVENTION, MacAddress, PhysAddress, DateAndTime, DisplayString FROM SNMPv2-TC
  InetAddressType, InetAddress FROM INET-ADDRESS-MIB
  CounterBasedGauge64 FROM HCNUM-TC
  InterfaceIndex, ifEntry, ifIndex FROM IF-MIB;
acme MODULE-IDENTITY LAST-UPDATED "202601010000Z" ORGANIZATION "" CONTACT-INFO "" DESCRIPTION "" ::= { enterprises 99 }
Hundredths ::= TEXTUAL-CONVENTION DISPLAY-HINT "d-2" STATUS current DESCRIPTION "" SYNTAX Integer32 (0..100)
Volts ::= TEXTUAL-CONVENTION STATUS current DESCRIPTION "" SYNTAX Hundredths
Float ::= TEXTUAL-CONVENTION STATUS current DESCRIPTION "" SYNTAX Opaque (SIZE (7))
Label ::= TEXTUAL-CONVENTION DISPLAY-HINT "63t" STATUS current DESCRIPTION "" SYNTAX OCTET STRING (SIZE (0..63))
Serial ::= OCTET STRING (SIZE (6))

portTable OBJECT-TYPE SYNTAX SEQUENCE OF PortEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION ""
  ::= { acme 1 }
portEntry OBJECT-TYPE SYNTAX PortEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION ""
  AUGMENTS { ifEntry } ::= { portTable 1 }
PortEntry ::= SEQUENCE { portVolts Volts }
portVolts OBJECT-TYPE SYNTAX Volts (1..2) UNITS "volts" MAX-ACCESS read-only STATUS current
  DESCRIPTION "The voltage
     of a port.  It is not below 5.5 volts." ::= { portEntry 1 }
portFlags OBJECT-TYPE SYNTAX BITS { up(0), hot(9) } MAX-ACCESS read-only STATUS current DESCRIPTION ""
  ::= { portEntry 2 }
portSince OBJECT-TYPE SYNTAX DateAndTime MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { portEntry 3 }
portMac OBJECT-TYPE SYNTAX MacAddress MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { portEntry 4 }
portLoad OBJECT-TYPE SYNTAX Float MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { portEntry 5 }
portMode OBJECT-TYPE SYNTAX INTEGER { off(0), half-on(1) } MAX-ACCESS read-write STATUS current DESCRIPTION ""
  ::= { portEntry 6 }
portBytes OBJECT-TYPE SYNTAX Counter64 MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { portEntry 7 }
portUsed OBJECT-TYPE SYNTAX CounterBasedGauge64 MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { portEntry 8 }
portSerial OBJECT-TYPE SYNTAX Serial MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { portEntry 9 }
portSecret OBJECT-TYPE SYNTAX Integer32 MAX-ACCESS accessible-for-notify STATUS current DESCRIPTION ""
  ::= { portEntry 10 }
portKind OBJECT-TYPE SYNTAX OBJECT IDENTIFIER MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { portEntry 11 }

slotTable OBJECT-TYPE SYNTAX SEQUENCE OF SlotEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION ""
  ::= { acme 2 }
slotEntry OBJECT-TYPE SYNTAX SlotEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION ""
  INDEX { slotNumber } ::= { slotTable 1 }
SlotEntry ::= SEQUENCE { slotNumber Integer32, slotDescr Label, slotName Label }
slotNumber OBJECT-TYPE SYNTAX Integer32 MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { slotEntry 1 }
slotDescr OBJECT-TYPE SYNTAX Label MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { slotEntry 2 }
slotName OBJECT-TYPE SYNTAX Label MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { slotEntry 3 }
slotTemp OBJECT-TYPE SYNTAX Integer32 MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { slotEntry 4 }

peerTable OBJECT-TYPE SYNTAX SEQUENCE OF PeerEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION ""
  ::= { acme 3 }
peerEntry OBJECT-TYPE SYNTAX PeerEntry MAX-ACCESS not-accessible STATUS current DESCRIPTION ""
  INDEX { slotNumber, peerPort, peerType, peerAddr, peerSerial, peerMac, peerHard, IMPLIED peerTag } ::= { peerTable 1 }
PeerEntry ::= SEQUENCE { peerPort InterfaceIndex }
peerPort OBJECT-TYPE SYNTAX InterfaceIndex MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { peerEntry 1 }
peerType OBJECT-TYPE SYNTAX InetAddressType MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { peerEntry 2 }
peerAddr OBJECT-TYPE SYNTAX InetAddress MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { peerEntry 3 }
peerSerial OBJECT-TYPE SYNTAX Serial MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { peerEntry 4 }
peerMac OBJECT-TYPE SYNTAX MacAddress MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { peerEntry 5 }
peerHard OBJECT-TYPE SYNTAX PhysAddress MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { peerEntry 6 }
peerTag OBJECT-TYPE SYNTAX DisplayString MAX-ACCESS not-accessible STATUS current DESCRIPTION "" ::= { peerEntry 7 }
peerUp OBJECT-TYPE SYNTAX INTEGER { yes(1), no(2) } MAX-ACCESS read-only STATUS current DESCRIPTION ""
  ::= { peerEntry 8 }
peerViaType OBJECT-TYPE SYNTAX InetAddressType MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { peerEntry 9 }
peerVia OBJECT-TYPE SYNTAX InetAddress MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { peerEntry 10 }
peerAlone OBJECT-TYPE SYNTAX InetAddress MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { peerEntry 12 }

system1 OBJECT IDENTIFIER ::= { acme things(4) 1 }
sysVolts OBJECT-TYPE SYNTAX Volts MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { system1 1 }
sysAddr OBJECT-TYPE SYNTAX IpAddress MAX-ACCESS read-only STATUS current DESCRIPTION "" ::= { system1 2 }
END
"""
OLD = """
OLD-MIB DEFINITIONS ::= BEGIN
IMPORTS enterprises, Counter, Gauge FROM RFC1155-SMI
  OBJECT-TYPE FROM RFC-1212
  TRAP-TYPE FROM RFC-1215;
old OBJECT IDENTIFIER ::= { enterprises 98 }
fan-Table OBJECT-TYPE SYNTAX SEQUENCE OF FanEntry ACCESS not-accessible STATUS mandatory DESCRIPTION "" ::= { old 1 }
fanEntry OBJECT-TYPE SYNTAX FanEntry ACCESS not-accessible STATUS mandatory DESCRIPTION ""
  INDEX { INTEGER } ::= { fan-Table 1 }
FanEntry ::= SEQUENCE { fan-Speed Gauge, fanTurns Counter }
fan-Speed OBJECT-TYPE SYNTAX Gauge ACCESS read-only STATUS mandatory DESCRIPTION "" ::= { fanEntry 1 }
fanTurns OBJECT-TYPE SYNTAX Counter ACCESS read-only STATUS mandatory DESCRIPTION "" ::= { fanEntry 2 }
fanFailed TRAP-TYPE ENTERPRISE old VARIABLES { fan-Speed } DESCRIPTION "" ::= 3
END
"""
ROOT_OID = (1, 3, 6, 1, 4, 1, 99)
IF_NAME = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)


def put(tmp_path: Path, said: str, name: str = "a.mib") -> str:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(said, encoding="utf-8")
    return str(path)


def read(*files: str, folders: tuple[str, ...] = ()) -> tuple[Tree, list[str]]:
    library = Library(Shelf(files, folders))
    tree = library.tree()
    return tree, [str(problem) for problem in library.problems]


def build(tree: Tree, *tables: str, **wish: Any) -> tuple[Module, list[str]]:
    builder = Builder(tree, Wish("m", tables, **wish))
    return builder.build(), [str(problem) for problem in builder.problems]


@pytest.fixture
def acme(tmp_path: Path) -> Tree:
    tree, problems = read(put(tmp_path, ACME))
    assert problems == []
    return tree


def metrics(tree: Tree, *tables: str, **wish: Any) -> dict[str, Metric]:
    module, problems = build(tree, *tables, **wish)
    assert problems == []
    return {metric.name: metric for metric in module.metrics}


# --- what is built ---


def test_types_of_values(acme: Tree) -> None:
    found = metrics(acme, "portTable", "system1", "peerTable")
    assert {name: metric.type for name, metric in found.items()} == {
        "portVolts": "gauge",
        "portFlags": "Bits",
        "portSince": "DateAndTime",
        "portMac": "PhysAddress48",
        "portLoad": "Float",
        "portMode": "gauge",
        "portBytes": "counter",
        "portUsed": "gauge",
        "portSerial": "OctetString",
        "portKind": "OctetString",
        "sysVolts": "gauge",
        "sysAddr": "InetAddressIPv4",
        "peerUp": "gauge",
        "peerViaType": "gauge",
        "peerVia": "InetAddress",
        "peerAlone": "OctetString",
    }
    assert found["portFlags"].enum_values == {0: "up", 9: "hot"}
    assert found["portMode"].enum_values == {0: "off", 1: "half-on"}
    assert found["peerViaType"].enum_values[2] == "ipv6"
    assert found["portMac"].enum_values == {}


def test_help_is_a_sentence_with_unit_and_point(acme: Tree) -> None:
    assert metrics(acme, "portVolts")["portVolts"].help == "The voltage of a port (volts, to be divided by 100)"


@pytest.mark.parametrize(
    ("description", "help_"),
    [
        ("", ""),
        ("One", "One"),
        ("Since 1.5 volts. More", "Since 1.5 volts"),
        ("Tab\tand\0null.", "Tab and null"),
        ("word " * 60, "word " * 38 + "word…"),
    ],
)
def test_help_of(description: str, help_: str) -> None:
    assert help_text(Node("M", "n", (1,), description=description)) == help_


def test_an_augmenting_row_has_the_index_of_the_other_and_its_ports_names(acme: Tree) -> None:
    metric = metrics(acme, "portTable")["portVolts"]
    assert metric.oid == (*ROOT_OID, 1, 1, 1)
    assert metric.indexes == (Index("ifIndex", "gauge"),)
    assert metric.lookups == (Lookup(("ifIndex",), "ifName", IF_NAME, "DisplayString"), Lookup((), "ifIndex"))


def test_indexes_of_every_kind(acme: Tree) -> None:
    assert metrics(acme, "peerTable")["peerUp"].indexes == (
        Index("slotNumber", "gauge"),
        Index("peerPort", "gauge"),
        Index("peerAddr", "InetAddress"),  # with its type before it
        Index("peerSerial", "OctetString", fixed_size=6),
        Index("peerMac", "PhysAddress48"),
        Index("peerHard", "OctetString"),  # of any length: the length comes first
        Index("peerTag", "DisplayString", implied=True),
    )


TYPE = Part("t", Syntax("Integer32", ("InetAddressType",), enums={1: "ipv4"}))


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (
            [TYPE, Part("a", Syntax("OctetString", ("InetAddress",)), implied=True)],
            [Index("a", "InetAddressMissingSize")],
        ),
        ([TYPE, Part("a", Syntax("OctetString", ("InetAddress",), size=4))], [Index("a", "InetAddressMissingSize")]),
        ([Part("a", Syntax("OctetString", ("InetAddress",)))], [Index("a", "OctetString")]),
        ([TYPE], [Index("t", "gauge", enum_values={1: "ipv4"})]),
        ([Part("a", Syntax("OctetString", ("InetAddressIPv6",), size=16))], [Index("a", "InetAddressIPv6")]),
        ([Part("a-b", Syntax("Counter32"))], [Index("a_b", "gauge")]),
        ([Part("a", Syntax("ObjectIdentifier"), implied=True)], [Index("a", "OctetString", implied=True)]),
        ([Part("a", Syntax("OctetString", ("DateAndTime",)))], [Index("a", "OctetString")]),
        (
            [
                Part("s", Syntax("Integer32", ("LldpPortIdSubtype",))),
                Part("p", Syntax("OctetString", ("LldpPortId",))),
            ],
            [Index("p", "LldpPortId")],
        ),
    ],
)
def test_parts_of_an_index(parts: list[Part], found: list[Index]) -> None:
    assert list(indexes(parts)) == found


@pytest.mark.parametrize(
    ("syntax", "kind"),
    [
        (Syntax("OctetString", (), "255a"), "DisplayString"),
        (Syntax("OctetString", (), "1x:", 8), "OctetString"),
        (Syntax("OctetString", (), "1d.1d.1d.1d", 4), "InetAddressIPv4"),
        (Syntax("OctetString", (), "2d-1d-1d,1d:1d:1d.1d,1a1d:1d"), "DateAndTime"),
        (Syntax("Opaque", ("Double",)), "Double"),
        (Syntax("Bits"), "OctetString"),
        (Syntax("Gauge32", ("ZeroBasedCounter32",)), "counter"),
        (Syntax("TimeTicks"), "gauge"),
    ],
)
def test_type_of_a_value(syntax: Syntax, kind: str) -> None:
    assert value_type(syntax) == kind


def test_a_column_with_names_stands_beside_the_index_it_names(acme: Tree) -> None:
    found = metrics(acme, "slotTable")
    named = Lookup(("slotNumber",), "slotName", (*ROOT_OID, 2, 1, 3), "DisplayString")
    assert found["slotTemp"].lookups == found["slotDescr"].lookups == (named,)
    assert found["slotName"].lookups == ()


def test_parts_of_an_index_are_named_each(acme: Tree) -> None:
    module, _ = build(acme, "peerUp")
    assert [(lookup.labels, lookup.labelname) for lookup in module.metrics[0].lookups] == [
        (("slotNumber",), "slotName"),
        (("peerPort",), "ifName"),
    ]
    assert module.walk == (IF_NAME, (*ROOT_OID, 2, 1, 3), (*ROOT_OID, 3, 1, 8)), "what is looked up is walked"


def test_a_wished_lookup_takes_the_place_of_the_index(acme: Tree) -> None:
    lookup = Lookup(("slotNumber",), "slotDescr", (*ROOT_OID, 2, 1, 2), "DisplayString")
    wished = {"slotNumber": "slotDescr"}
    found = metrics(acme, "slotTable", lookups=wished)
    assert found["slotTemp"].lookups == (lookup, Lookup((), "slotNumber"))
    assert found["slotDescr"].lookups == (Lookup((), "slotNumber"),)
    assert metrics(acme, "slotTable", lookups=wished, keep=True)["slotTemp"].lookups == (lookup,)


@pytest.mark.parametrize(
    ("lookup", "said"),
    [
        ({"slotNumber": "slotNam"}, 'lookup "slotNam": is in none of the MIBs given; like it: slotName'),
        ({"ifIndex": "slotName"}, 'lookup "ifIndex=slotName": ifIndex is no index of slotName; its: slotNumber'),
        ({"slotNumber": "sysVolts"}, "sysVolts is no column of a table"),
    ],
)
def test_a_lookup_that_cannot_be(acme: Tree, lookup: dict[str, str], said: str) -> None:
    module, problems = build(acme, "slotTable", lookups=lookup)
    assert len(problems) == 1
    assert said in problems[0]
    assert len(module.metrics) == 3


def test_an_enumerated_column_gives_its_words(acme: Tree) -> None:
    found = metrics(acme, "portVolts", lookups={"ifIndex": "portMode"})["portVolts"].lookups[0]
    assert (found.type, found.enum_values) == ("EnumAsInfo", {0: "off", 1: "half-on"})


def test_what_is_asked_for(acme: Tree) -> None:
    table, entry = build(acme, "portTable")[0], build(acme, "portEntry")[0]
    assert (table.walk, entry.walk) == ((IF_NAME, (*ROOT_OID, 1)), (IF_NAME, (*ROOT_OID, 1, 1)))
    assert table.metrics == entry.metrics
    scalar = build(acme, "sysVolts")[0]
    assert (scalar.walk, scalar.get) == ((), ((*ROOT_OID, 4, 1, 1, 0),))
    both = build(acme, "sysVolts", "system1", "ACME-MIB::sysAddr")[0]
    assert (both.walk, both.get) == (((*ROOT_OID, 4, 1),), ())
    assert [metric.name for metric in both.metrics] == ["sysVolts", "sysAddr"]
    assert build(acme, "peerVia")[0].walk[-2:] == ((*ROOT_OID, 3, 1, 9), (*ROOT_OID, 3, 1, 10)), "with its type"


def test_tables_that_are_not_there_or_empty(acme: Tree) -> None:
    module, problems = build(acme, "portTabel", "nothingLikeIt", "slotTable", "portSecret")
    assert problems == [
        'from-mib: table "portTabel": is in none of the MIBs given; like it: portTable, slotTable, peerTable',
        'from-mib: table "nothingLikeIt": is in none of the MIBs given; tables: portTable, slotTable, peerTable',
        'from-mib: table "portSecret": holds no object that can be read',
    ]
    assert len(module.metrics) == 3


def test_smi_version_1(tmp_path: Path) -> None:
    tree, problems = read(put(tmp_path, OLD))
    assert problems == []
    found = metrics(tree, "fan-Table")
    assert {name: metric.type for name, metric in found.items()} == {"fan_Speed": "gauge", "fanTurns": "counter"}
    assert found["fan_Speed"].indexes == (Index("fanEntryIndex", "gauge"),)


def test_two_modules_in_a_file_and_windows_lines(tmp_path: Path) -> None:
    tree, problems = read(put(tmp_path, (ACME + OLD).replace("\n", "\r\n")))
    assert problems == []
    assert len(metrics(tree, "fan-Table", "slotTable")) == 5


# --- what is broken ---


def line_of(said: str, part: str) -> int:
    return said[: said.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("portEntry 7 }", "portEntry 7", "is not valid near "),
        ("::= { portEntry 7 }\n", "= { portEntry 7 }\n", "is not valid near "),
        ("END\n", "", "is cut off: there is no END"),
    ],
)
def test_a_broken_module_is_one_line_and_others_go_on(tmp_path: Path, before: str, after: str, message: str) -> None:
    broken, good = put(tmp_path, ACME.replace(before, after)), put(tmp_path, OLD, "b.mib")
    tree, problems = read(broken, good)
    assert len(problems) == 1
    assert problems[0].startswith(f"{broken}:")
    assert f": MIB ACME-MIB: {message}" in problems[0]
    assert len(metrics(tree, "fan-Table")) == 2


def test_the_line_of_a_syntax_error(tmp_path: Path) -> None:
    said = OLD + ACME.replace("slotTemp OBJECT-TYPE SYNTAX Integer32", "slotTemp OBJECT-TYPE SYNTAX ::=")
    path = put(tmp_path, said)
    tree, (problem,) = read(path)
    assert problem.startswith(f"{path}:{line_of(said, 'slotTemp OBJECT-TYPE')}: MIB ACME-MIB: is not valid")
    assert len(metrics(tree, "fan-Table")) == 2, "the other module of the file"


def test_a_missing_import_is_named_with_its_line_and_what_it_costs(tmp_path: Path) -> None:
    said = ACME.replace("FROM IF-MIB", "FROM ACME-PORTS-MIB")
    path = put(tmp_path, said)
    tree, problems = read(path)
    assert problems == [
        f"{path}:{line_of(said, 'ACME-PORTS-MIB')}: MIB ACME-MIB: imports ACME-PORTS-MIB, which is not found; "
        "without it: portEntry, portVolts, portFlags and 21 more; name a folder that has it with --mib-dir"
    ]
    assert len(metrics(tree, "slotTable", "system1")) == 5


def test_an_import_that_is_broken_or_lacks_the_name(tmp_path: Path) -> None:
    put(tmp_path, "ACME-PORTS-MIB DEFINITIONS ::= BEGIN\nx y z\nEND\n", "ACME-PORTS-MIB.my")
    path = put(tmp_path, ACME.replace("FROM IF-MIB", "FROM ACME-PORTS-MIB"))
    (problem,) = read(path)[1]
    assert (
        f"imports ACME-PORTS-MIB, which cannot be read ({tmp_path}/ACME-PORTS-MIB.my:2: MIB ACME-PORTS-MIB" in problem
    )
    put(tmp_path, "ACME-PORTS-MIB DEFINITIONS ::= BEGIN\nEND\n", "ACME-PORTS-MIB.my")
    problems = read(path)[1]
    assert [problem.partition(": MIB ")[2].partition(";")[0] for problem in problems] == [
        "ACME-MIB: imports ifEntry from ACME-PORTS-MIB, which does not have it",
        "ACME-MIB: imports InterfaceIndex from ACME-PORTS-MIB, which does not have it",
    ]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("SYNTAX Integer32 (0..100)", "SYNTAX Lost", "Hundredths uses Lost, which is neither defined nor imported"),
        ("SYNTAX Integer32 (0..100)", "SYNTAX Volts", "is defined by itself"),
        ("things(4) 1 }", "things 1 }", "the OID of system1 holds a name that has no number"),
        ("{ acme things(4) 1 }", "{ sysVolts 1 }", "is defined by itself"),
        ("INDEX { slotNumber }", "INDEX { slotTable }", "the index slotTable of slotEntry is no column"),
        (
            "INDEX { slotNumber }",
            "INDEX { slotLost }",
            "slotEntry uses slotLost, which is neither defined nor imported",
        ),
        ("AUGMENTS { ifEntry }", "AUGMENTS { portEntry }", "portEntry is defined by itself"),
        (
            'DESCRIPTION "" SYNTAX Hundredths',
            'DESCRIPTION "" SYNTAX SlotEntry',
            "the type SlotEntry is no type of a value",
        ),
    ],
)
def test_what_leads_nowhere_is_told_and_the_rest_goes_on(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in ACME
    tree, problems = read(put(tmp_path, ACME.replace(before, after)))
    assert problems
    assert all(": MIB ACME-MIB: " in problem for problem in problems)
    assert any(message in problem for problem in problems), problems
    assert metrics(tree, "peerUp" if "AUGMENTS" in before else "portMac")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("", "holds no MIB module; expected NAME DEFINITIONS ::= BEGIN … END"),
        ("no MIB at all", "holds no MIB module"),
        ("\0\1\2", "holds no MIB module"),
    ],
)
def test_files_that_are_no_mibs(tmp_path: Path, said: str, message: str) -> None:
    path = put(tmp_path, said)
    (problem,) = read(path)[1]
    assert problem.startswith(f"{path}: {message}")


def test_files_and_names_that_are_not_there(tmp_path: Path) -> None:
    assert read(f"{tmp_path}/none.mib")[1] == [f"{tmp_path}/none.mib: cannot be read: No such file or directory"]
    assert read("NO-SUCH-MIB")[1] == ["NO-SUCH-MIB: is no file, and no module of this name is found; try --mib-dir"]
    assert read(put(tmp_path, OLD), folders=(f"{tmp_path}/none",))[1] == []  # nothing had to be looked for
    missing = ACME.replace("FROM IF-MIB", "FROM ACME-PORTS-MIB")
    problems = read(put(tmp_path, missing), folders=(f"{tmp_path}/none",))[1]
    assert f"{tmp_path}/none: is no folder; --mib-dir names folders with MIBs" in problems


# --- where modules are found ---


def test_folders_are_searched_by_what_files_hold(tmp_path: Path) -> None:
    said = ACME.replace("CounterBasedGauge64 FROM HCNUM-TC", "CounterBasedGauge64 FROM ACME-TC")
    put(tmp_path / "vendor", "ACME-TC DEFINITIONS ::= BEGIN CounterBasedGauge64 ::= Counter64 END", "whatever.dat")
    tree, problems = read(put(tmp_path, said), folders=(f"{tmp_path}/vendor",))
    assert problems == []
    assert metrics(tree, "portUsed")["portUsed"].type == "gauge"


def test_a_file_beats_the_standard_module_of_its_name(tmp_path: Path) -> None:
    put(tmp_path, "HCNUM-TC DEFINITIONS ::= BEGIN CounterBasedGauge64 ::= Integer32 END", "hcnum-tc.mib")
    tree, problems = read(put(tmp_path, ACME))
    assert problems == []
    node = tree.find("portUsed")
    assert node is not None
    assert node.syntax == Syntax("Integer32", ("CounterBasedGauge64",))


def test_a_module_given_twice_is_told(tmp_path: Path) -> None:
    first, second = put(tmp_path, OLD), put(tmp_path, OLD, "b.mib")
    (problem,) = read(first, second)[1]
    assert problem == f"{second}:2: MIB OLD-MIB: is in {first} too; the last one counts"


def test_a_type_that_was_never_imported_is_found_where_it_always_is(tmp_path: Path) -> None:
    tree, problems = read(put(tmp_path, ACME.replace(", DisplayString FROM SNMPv2-TC", " FROM SNMPv2-TC")))
    assert problems == []
    assert metrics(tree, "peerUp")["peerUp"].indexes[-1].type == "DisplayString"


def test_only_installed_modules_are_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pysnmp_mibs").mkdir()
    for folder in (tmp_path, tmp_path / "pysnmp_mibs"):
        put(folder, "raise SystemExit('run')", "EVIL-MIB.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYSNMP_MIB_DIR", str(tmp_path))
    compiled._builder.cache_clear()
    compiled.load.cache_clear()
    assert compiled.load("EVIL-MIB") is None
    assert compiled.load("IF-MIB") is not None


@pytest.mark.parametrize("package", ["pysmi", "pysnmp"])
def test_a_missing_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    import sys

    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    text._parser.cache_clear()
    compiled._builder.cache_clear()
    compiled.load.cache_clear()
    try:
        with pytest.raises(NetmonError, match=rf"{package} is not installed.*pip install 'netmon\[mibs\]'"):
            read(put(tmp_path, ACME))
    finally:
        text._parser.cache_clear()
        compiled._builder.cache_clear()
        compiled.load.cache_clear()


def test_too_large_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MOST_BYTES", 100)
    path = put(tmp_path, OLD)
    assert text.parse_file(Path(path)) == ([], [Problem(path, 0, "", "cannot be read: larger than 0 MB")])
