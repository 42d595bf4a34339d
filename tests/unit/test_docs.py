"""The documentation is true: links lead somewhere, what can be run is run, what can be loaded is loaded."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from netmon.alerts.catalog import load_catalog
from netmon.cli import build_parser
from netmon.drill.scenario_read import read_scenario
from netmon.errors import ConfigError, NetmonError, Problem
from netmon.inventory import load
from netmon.inventory_read import KINDS
from netmon.metrics import METRICS
from netmon.sim.run import load_faults
from netmon.yamlfile import parse_entry
from tests.conftest import ROOT, SHARED
from tools.reference_settings import setting_keys

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ALERTS = [rule.alert for rule in load_catalog()]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
# Where things are on a server, and paths of the HTTP port: all that a page may name from the root on.
ROOTS = {
    "etc",
    "opt",
    "var",
    "usr",
    "run",
    "path",
    "metrics",
    "api",
    "sites",
    "incidents",
    "static",
    "live",
    "sd",
    "drills",
    "-",
}


class Block(NamedTuple):
    page: Path
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.text.splitlines()[0].strip()[:40]}"


@cache
def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code(page: Path) -> list[Block]:
    """Fenced blocks; one within a list is indented."""
    found = []
    for fence in FENCE.finditer(read(page)):
        text = "".join(line.removeprefix(fence[1]) for line in fence[3].splitlines(keepends=True))
        found.append(Block(page, fence[2], text))
    return found


def blocks(language: str) -> list[Block]:
    return [block for page in PAGES for block in code(page) if block.language == language]


def slug(heading: str) -> str:
    """The anchor GitHub gives a heading."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def anchors(page: Path) -> list[str]:
    return [slug(h) for h in re.findall(r"^#{1,6} (.+)$", FENCE.sub("", read(page)), re.MULTILINE)]


# --- links and names ---


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", read(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_relative_to(ROOT), f"{target} leaves the checkout"
        assert file.exists(), f"{target}: there is no {file}"
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            links = (t.partition("#")[0] for t in LINK.findall(read(page)) if not re.match(r"[a-z]+:", t))
            todo += [(page.parent / link).resolve() for link in links if link]
    # docs/index.md is the way in for those who begin at the folder.
    assert set(PAGES) - reached <= {ROOT / "docs" / "index.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_place_of_its_writers(page: Path) -> None:
    text = read(page)
    paths = re.findall(r"(?<![\w.:/*}>…-])/([A-Za-z-][\w-]*)/", text)
    assert set(paths) <= ROOTS, f"unexpected: {set(paths) - ROOTS}"
    assert f"../{SHARED.name}" not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_series_that_pages_name_exist(page: Path) -> None:
    for name in re.findall(r"\bnetmon_[a-z_]+[a-z]\b(?!\*)", read(page)):
        assert name in METRICS, f"{name} is no series of netmon"


# --- what can be run ---


def commands(block: Block) -> list[str]:
    lines = (line.split("#")[0].strip() for line in block.text.splitlines())
    return [line for line in lines if line]


def test_shell_languages_are_known() -> None:
    """`sh` is run, `console` is shown: nothing else, so that no command escapes."""
    assert {b.language for p in PAGES for b in code(p)} <= {"sh", "console", "yaml", "text", ""}
    for block in blocks(""):
        assert not re.search(r"^\s*(\$ |netmon |make )", block.text, re.MULTILINE), block.name


@pytest.mark.parametrize("block", blocks("sh"), ids=lambda block: block.name)
def test_commands_run(block: Block) -> None:
    """Targets of make are only looked for; commands of netmon are run as they stand."""
    bin_dir = str(Path(sys.executable).parent)
    env = {**os.environ, "PATH": bin_dir + os.pathsep + os.environ["PATH"]}
    for line in commands(block):
        words = shlex.split(line)
        if words[0] == "make":
            targets = re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), re.MULTILINE)
            assert words[1] in targets, f"no target {words[1]}"
            continue
        words[0] = words[0].removeprefix(".venv/bin/")
        assert words[0] == "netmon", f"{line}: this test runs only netmon; mark others as console"
        done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr + done.stdout


def shown_commands() -> list[str]:
    """Commands of netmon in blocks that are only shown, and in running text."""
    found = []
    for block in blocks("console"):
        text = block.text.replace("\\\n", " ")
        found += [line[2:].strip() for line in text.splitlines() if re.match(r"[$#] (\S*/)?netmon ", line)]
    return sorted(set(found))


@pytest.mark.parametrize("line", shown_commands())
def test_shown_commands_would_be_understood(line: str) -> None:
    build_parser().parse_args(shlex.split(line)[1:])


# --- what can be loaded ---

ENVIRON = {
    name: "secret-of-a-test"
    for page in PAGES
    for name in re.findall(r'env: "(\w+)"', "".join(block.text for block in code(page)))
}
SMALL = """
areas: [{id: "loc-ninh", name: "Lộc Ninh", sms_name: "Loc Ninh"}]
nodes: [{id: "node-core", name: "Lõi", kind: "core", address: "192.0.2.1"}]
sites:
  - id: "s-1"
    name: "Một"
    sms_name: "Mot"
    block: "party"
    level: "commune"
    area: "loc-ninh"
    lines: [{id: "s-1-1", parent: "node-core", address: "192.0.2.2"}]
"""


def keys(block: Block) -> set[str]:
    tree = yaml.safe_load(block.text)
    return set(tree) if isinstance(tree, dict) else set()


def kind(block: Block) -> str:
    """What a YAML block is for."""
    settings = {key.partition(".")[0] for key in setting_keys()}
    if keys(block) and keys(block) <= settings:
        return "settings"
    if keys(block) and keys(block) <= set(KINDS):
        return "inventory"
    if "steps" in keys(block):
        return "scenario"
    if keys(block) == {"netmon"}:
        return "profile"  # the part of one that is netmon's own
    return "faults" if isinstance(yaml.safe_load(block.text), list) else "?"


def place(tmp_path: Path, settings: str, inventory: list[str]) -> Path:
    """A configuration of these texts; secrets in files are put there, patterns of files match."""
    folder = tmp_path / "etc"
    for number, text in enumerate(inventory or [SMALL]):
        (folder / "sites").mkdir(parents=True, exist_ok=True)
        (folder / "sites" / f"{number}.yml").write_text(text, encoding="utf-8")
    for name in ("areas.yml", "nodes.yml"):
        (folder / name).write_text("areas: []\n", encoding="utf-8")
    settings = settings.replace("/etc/netmon", str(folder))
    for file in re.findall(r'file: "([^"]+)"', settings):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text("json://127.0.0.1:9/\n", encoding="utf-8")
        Path(file).chmod(0o600)
    if not re.search(r"^inventory:", settings, re.MULTILINE):
        settings += '\ninventory: ["sites/*.yml"]\n'
    path = folder / "netmon.yml"
    path.write_text(settings, encoding="utf-8")
    return path


def accept(path: Path) -> None:
    try:
        found = load(path, ENVIRON, profile_names=("generic",), alert_names=ALERTS)
    except ConfigError as error:
        pytest.fail(str(error))
    assert found.inventory.sites


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.name)
def test_yaml_is_read_as_it_was_meant(block: Block) -> None:
    assert kind(block) in ("settings", "inventory", "faults", "scenario", "profile"), f"what is this for? {block.text}"
    if kind(block) != "faults":
        problems: list[Problem] = []
        assert parse_entry(block.text.encode(), block.name, problems) is not None
        assert problems == []


@pytest.mark.parametrize("block", [b for b in blocks("yaml") if kind(b) == "settings"], ids=lambda block: block.name)
def test_settings_are_accepted(tmp_path: Path, block: Block) -> None:
    accept(place(tmp_path, block.text, []))


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.page == p and kind(b) == "inventory" for b in blocks("yaml"))]
)
def test_the_inventory_of_a_page_is_whole(tmp_path: Path, page: Path) -> None:
    found = [block.text for block in code(page) if block.language == "yaml" and kind(block) == "inventory"]
    settings = [block.text for block in code(page) if block.language == "yaml" and kind(block) == "settings"]
    whole = found if any("sites:" in text for text in found) else [*found, SMALL]
    accept(place(tmp_path, settings[-1] if settings else "", whole))


@pytest.mark.parametrize("block", [b for b in blocks("yaml") if kind(b) == "scenario"], ids=lambda block: block.name)
def test_scenarios_are_accepted(block: Block) -> None:
    assert read_scenario("page.yml", block.text.encode()).steps


@pytest.mark.parametrize("block", [b for b in blocks("yaml") if kind(b) == "faults"], ids=lambda block: block.name)
def test_faults_are_accepted(tmp_path: Path, block: Block) -> None:
    file = tmp_path / "faults.yml"
    file.write_text(block.text, encoding="utf-8")
    try:
        assert load_faults(str(file), load(ROOT / "inventory" / "netmon.yml").inventory)
    except NetmonError as error:
        pytest.fail(str(error))
