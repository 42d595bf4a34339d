"""`netmon profiles` and the names of `netmon walk`: what is printed, written, and what the status is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from netmon import cli
from netmon.collectors.snmp.profiles import load_profiles
from netmon.commands_profiles import Names
from netmon.errors import ConfigError
from netmon.profile_check import Walk, check_profile, read_walk
from tests.unit.test_cli import INVENTORY, device

NO_CONFIG = ("--config", "/nonexistent/netmon.yml")
BROKEN = "BAD-MIB DEFINITIONS ::= BEGIN\nbad OBJECT\nEND\n"


class Said(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def go(*argv: object) -> Said:
        capsys.readouterr()
        try:
            status = cli.main(["profiles", *map(str, argv), *NO_CONFIG])
        except SystemExit as end:
            status = int(end.code or 0)
        return Said(status, *capsys.readouterr())

    return go


# --- list ---


def test_list_names_every_profile_with_its_match_and_figures(run: Run) -> None:
    said = run("list")
    assert (said.status, said.err) == (0, "")
    lines = {line.split("\t")[0]: line.split("\t") for line in said.out.splitlines()}
    profiles = load_profiles().by_name
    assert list(lines) == list(profiles)
    assert lines["generic"][1] == "-"
    assert lines["ups_rfc1628"][1].startswith("1.3.6.1.2.1.33, ")
    assert lines["ups_rfc1628"][1].endswith(" (else kind ups)")
    assert lines["ups_rfc1628"][2] == f"{len(profiles['ups_rfc1628'].metrics)} metrics"
    assert "netmon_ups_on_battery" in lines["ups_rfc1628"][3].split(", ")


def test_list_has_the_operators_profiles_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    own, config = tmp_path / "own.yml", tmp_path / "netmon.yml"
    assert cli.main(["profiles", "from-mib", "UPS-MIB", "--table", "upsInput", "--output", str(own)]) == 0
    (tmp_path / "i.yml").write_text("areas: []\n")
    config.write_text('inventory: ["i.yml"]\nprofiles: ["own.yml"]\n')
    capsys.readouterr()
    assert cli.main(["profiles", "list", "--config", str(config)]) == 0
    assert "\nups_mib\t-\t" in capsys.readouterr().out


# --- check ---

PROFILE = """
modules:
  p:
    walk: [1.3.6.1.4.1.1, 1.3.6.1.4.1.7]
    get: [1.3.6.1.4.1.8.0]
    metrics:
      - {name: a, oid: 1.3.6.1.4.1.1.1, type: gauge}
      - name: b
        oid: 1.3.6.1.4.1.1.2
        type: gauge
        indexes: [{labelname: i, type: gauge}]
        lookups: [{labels: [i], labelname: n, oid: 1.3.6.1.4.1.2.1, type: DisplayString}]
      - {name: c, oid: 1.3.6.1.4.1.1.3, type: counter}
      - {name: d, oid: 1.3.6.1.4.1.1.30, type: counter}
netmon:
  fallback: {c: d}
  figures:
    - {name: netmon_device_cpu_ratio, value: a}
    - {name: netmon_device_memory_ratio, value: "ratio(a, b)"}
    - {name: netmon_device_fan_ok, value: a, where: {b: ["1"]}}
    - {name: netmon_device_supply_ok, value: a, where: {b: {unless: ["1"]}}}
    - {name: netmon_device_uptime_seconds, value: b}
    - {name: netmon_device_uptime_seconds, value: a}
    - {name: netmon_ups_charge_ratio, value: c}
"""
ALL = ("1.1.0", "1.2.5", "1.3.5", "1.30.5", "2.1.5", "7.1", "8.0")


def walk_of(*ends: str) -> Walk:
    return Walk(tuple(map(int, f"1.3.6.1.4.1.{end}".split("."))) for end in ends)


@pytest.mark.parametrize(
    ("without", "missing", "empty"),
    [
        ((), [], {}),
        (("1.3.5",), ["c"], {}),  # d takes its place
        (("1.30.5",), ["d"], {}),
        (("1.3.5", "1.30.5"), ["c", "d"], {"netmon_ups_charge_ratio": ("c",)}),
        (
            ("1.2.5",),
            ["b"],
            {"netmon_device_memory_ratio": ("b",), "netmon_device_fan_ok": ("b",)},
        ),
        (("2.1.5", "7.1", "8.0"), ["n (label of b)", "walk of module p", "get of module p"], {}),
    ],
)
def test_what_a_walk_lacks(
    tmp_path: Path, without: tuple[str, ...], missing: list[str], empty: dict[str, tuple[str, ...]]
) -> None:
    path = tmp_path / "p.yml"
    path.write_text(PROFILE)
    profile = load_profiles((str(path),)).by_name["p"]
    found = check_profile(profile, walk_of(*(end for end in ALL if end not in without)))
    assert [entry.what for entry in found.missing] == missing
    assert found.empty == empty
    assert (found.asked, found.figures) == (7, 6)


def test_check_prints_it_all_and_says_1(run: Run, tmp_path: Path) -> None:
    profile, walk = tmp_path / "p.yml", tmp_path / "w.txt"
    profile.write_text(PROFILE)
    lines = [f".1.3.6.1.4.1.{end} = INTEGER: 1\n" for end in ALL]
    walk.write_text("".join(lines))
    assert run("check", profile, "--walk", walk) == Said(
        0, "p: 0 of 7 OIDs are not in the walk, 0 of 6 figures would be empty\n", ""
    )
    walk.write_text("".join(line for line in lines if ".1.2.5" not in line))
    assert run("check", profile, "--walk", walk) == Said(
        1,
        "p: 1.3.6.1.4.1.1.2 b: not in the walk\n"
        "p: figure netmon_device_memory_ratio would be empty: no b\n"
        "p: figure netmon_device_fan_ok would be empty: no b\n"
        "p: 1 of 7 OIDs are not in the walk, 2 of 6 figures would be empty\n",
        "",
    )


def test_a_built_in_profile_by_name(run: Run, tmp_path: Path) -> None:
    walk = tmp_path / "w.snmprec"
    walk.write_text("1.3.6.1.2.1.33.1.2.4.0|2|77\n")
    said = run("check", "ups_rfc1628", "--walk", walk)
    assert said.status == 1
    assert "1.3.6.1.2.1.33.1.2.4 " not in said.out
    assert "ups_rfc1628: 1.3.6.1.2.1.33.1.2.1 upsBatteryStatus: not in the walk\n" in said.out
    assert "netmon_ups_charge_ratio would" not in said.out


@pytest.mark.parametrize(
    "line",
    [
        "1.3.6.1.2.1.1.1.0|4x|00ff",
        "1.3.6.1.2.1.1.1.0 = STRING: x",
        ".1.3.6.1.2.1.1.1.0 = STRING: x",
        ".1.3.6.1.2.1.1.1.0 = ",
        "  1.3.6.1.2.1.1.1.0 = 1\r",
    ],
)
def test_walks_in_every_spelling(tmp_path: Path, line: str) -> None:
    path = tmp_path / "w"
    path.write_text(
        f"a text of\nseveral lines\n{line}\n.1.3.6.1.2.1.1.2.0 = No Such Object available\n1.3.6.1.2.1.1.3.0|129|\n"
    )
    walk = read_walk(path)
    assert len(walk) == 1
    assert walk.has((1, 3, 6, 1, 2, 1, 1, 1))
    assert not walk.has((1, 3, 6, 1, 2, 1, 1, 10))
    assert not walk.has((1, 3, 6, 1, 2, 1, 1, 2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no OID at the beginning of any line"),
        ("IF-MIB::ifDescr.1 = STRING: eth0\n", ":1: names instead of numbers"),
        ("x\nifDescr.1 = STRING: eth0\n", ":2: names instead of numbers"),
        ("1.99999999999 = 1\n", "no OID at the beginning"),
    ],
)
def test_files_that_are_no_walks(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "w"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_walk(path)


# --- from-mib ---


def test_from_mib_prints_or_writes_a_profile_that_loads(run: Run, tmp_path: Path) -> None:
    printed = run("from-mib", "UPS-MIB", "--table", "upsInput", "upsBattery")
    assert (printed.status, printed.err) == (0, "")
    path = tmp_path / "acme.yml"
    written = run("from-mib", "UPS-MIB", "--table", "upsInput", "upsBattery", "--output", path, "--module", "acme")
    assert written == Said(0, f"wrote {path}: module acme, 13 metrics\n", "")
    assert path.read_text() == printed.out.replace("  ups_mib:", "  acme:")
    assert len(load_profiles((str(path),)).by_name["acme"].metrics) == 13


def test_what_is_broken_is_a_line_and_the_rest_is_written(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mib"
    bad.write_text(BROKEN)
    said = run("from-mib", bad, "UPS-MIB", "--table", "upsInput", "nothing", "--lookup", "upsInputLineIndex=upsNone")
    assert said.status == 1
    assert said.out.startswith("# Made by ")
    assert [line.partition(": ")[0] for line in said.err.splitlines()] == [f"{bad}:3", "from-mib", "from-mib", "netmon"]


def test_options_reach_the_builder(run: Run) -> None:
    argv = (
        "from-mib",
        "ENTITY-MIB",
        "--table",
        "entPhysicalSerialNum",
        "--lookup",
        "entPhysicalIndex=entPhysicalDescr",
    )
    dropped, kept = run(*argv), run(*argv, "--keep-index")
    assert "{labels: [], labelname: entPhysicalIndex}" in dropped.out
    assert "labelname: entPhysicalDescr" in kept.out
    assert "labels: []" not in kept.out


@pytest.mark.parametrize(
    "argv",
    [
        ("list", "generic"),
        ("check", "generic"),
        ("check", "--walk", "w"),
        ("from-mib", "UPS-MIB"),
        ("from-mib", "--table", "x"),
        ("list", "--walk", "w"),
        ("check", "generic", "--walk", "w", "--table", "x"),
        ("from-mib", "UPS-MIB", "--table", "x", "--walk", "w"),
        ("from-mib", "UPS-MIB", "--table", "x", "--lookup", "a"),
        ("from-mib", "UPS-MIB", "--table", "x", "--lookup", "a=b", "--lookup", "a=c"),
        ("what",),
    ],
)
def test_wrong_use_is_status_2(run: Run, argv: tuple[str, ...]) -> None:
    said = run(*argv)
    assert (said.status, said.out) == (2, "")
    assert said.err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("check", "nothing", "--walk", __file__), "names instead of numbers"),
        (("check", "generic", "--walk", "/nonexistent"), "/nonexistent: cannot be read: No such file"),
        (("from-mib", "/nonexistent", "--table", "x"), "/nonexistent: cannot be read: No such file"),
        (("from-mib", "UPS-MIB", "--table", "upsInput", "--output", "/nonexistent/x"), "No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_told(run: Run, argv: tuple[str, ...], told: str) -> None:
    said = run(*argv)
    assert said.status == 1
    assert told in said.err
    assert "Traceback" not in said.err


def test_an_unknown_profile_is_told_with_the_known_ones(run: Run, tmp_path: Path) -> None:
    walk = tmp_path / "w"
    walk.write_text("1.3.6 = 1\n")
    said = run("check", "nothing", "--walk", walk)
    assert said.status == 1
    assert said.err.startswith('netmon: no profile "nothing": neither a file nor one of ')


# --- names in a walk ---

LINES = [
    (
        "1.3.6.1.2.1.2.2.1.8.3 = INTEGER: 2",
        "ifOperStatus.3 = INTEGER: down(2)",
        "IF-MIB::ifOperStatus.3 = INTEGER: down(2)",
    ),
    ("1.3.6.1.2.1.2.2.1.8.3 = INTEGER: 99", "ifOperStatus.3 = INTEGER: 99", "IF-MIB::ifOperStatus.3 = INTEGER: 99"),
    ('1.3.6.1.2.1.2.2.1.2.1 = STRING: "a = 1"', 'ifDescr.1 = STRING: "a = 1"', 'IF-MIB::ifDescr.1 = STRING: "a = 1"'),
    ("1.3.6.1.2.1.31.1.5.0 = TimeTicks: 0", None, "IF-MIB::ifTableLastChange.0 = TimeTicks: 0"),
    ("1.3.6.1.4.1.424242.1 = NULL", None, None),
]


@pytest.mark.parametrize(("line", "by_profiles", "by_mib"), LINES)
def test_names_of_a_walk(line: str, by_profiles: str | None, by_mib: str | None) -> None:
    assert Names((), ()).line(line) == (by_profiles or line)
    assert Names(("IF-MIB",), ()).line(line) == (by_mib or line)


def test_a_mib_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mib"
    bad.write_text(BROKEN)
    names = Names((str(bad), "IF-MIB"), ())
    assert [problem.file for problem in names.problems] == [str(bad)]
    assert names.line(LINES[0][0]) == LINES[0][2]


def test_walk_of_a_device_with_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "netmon.yml"
    config.write_text('inventory: ["i.yml"]\n')
    with device() as port:
        (tmp_path / "i.yml").write_text(INVENTORY.replace("port: 1,", f"port: {port},"))
        argv = ["walk", "r", "1.3.6.1.2.1.2", "--config", str(config)]
        assert cli.main([*argv, "--names"]) == 0
        by_profiles = capsys.readouterr()
        assert cli.main([*argv, "--mib", "IF-MIB", "--mib", "NO-SUCH-MIB"]) == 0
        by_mib = capsys.readouterr()
    assert by_profiles.out.startswith("ifDescr.1 = STRING: ")
    assert by_profiles.err == ""
    assert by_mib.out.startswith("IF-MIB::ifDescr.1 = STRING: ")
    assert by_mib.err == "NO-SUCH-MIB: is no file, and no module of this name is found; try --mib-dir\n"
