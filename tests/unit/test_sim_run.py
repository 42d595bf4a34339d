"""The script of faults: what the demo breaks in the sample, what a file may say, and a run from start to signal."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from netmon import inventory as inventory_files
from netmon.collectors.probes.reach import longest_burst
from netmon.config import ProbeConfig
from netmon.errors import NetmonError
from netmon.model import Inventory, Node, Probe
from netmon.sim.run import DEMO_EVERY_S, demo_faults, load_faults, simulate
from netmon.sim.world import Fault, World
from netmon.topology import Topology
from tests.conftest import ROOT, free_port
from tests.unit.world import province

SAMPLE = inventory_files.load(ROOT / "inventory" / "netmon.yml").inventory
TOPOLOGY = Topology(SAMPLE)


def test_the_demo_breaks_one_thing_of_each_kind_in_the_sample() -> None:
    by_kind = {fault.kind: fault for fault in demo_faults(SAMPLE)}
    assert set(by_kind) >= {"fibre", "power", "node"}
    assert len(by_kind) == len(demo_faults(SAMPLE))

    fibre = SAMPLE.lines[by_kind["fibre"].target]
    assert TOPOLOGY.lines_of(fibre.site) == (fibre.id,), "the site is lost with it"
    assert fibre.handoff == "sfp"
    assert fibre.remote_device in SAMPLE.devices
    assert fibre.remote_if_name

    dark = TOPOLOGY.sites_in_building(by_kind["power"].target)
    ups = [SAMPLE.devices[d].kind for site in dark for d in TOPOLOGY.devices_of(site)]
    assert "ups" in ups
    assert all(SAMPLE.sites[site].level == "commune" for site in dark)

    node = by_kind["node"].target
    assert SAMPLE.nodes[node].kind == "aggregation"
    below = set(TOPOLOGY.sites_below(node))
    assert len(below) >= 3
    assert fibre.site not in below, "no fault hides another"
    assert not below & set(dark)
    assert fibre.site not in dark


def test_the_demo_is_over_before_it_begins_anew() -> None:
    for fault in demo_faults(SAMPLE):
        assert 0 < fault.at_s < fault.at_s + fault.duration_s < DEMO_EVERY_S - 60, "people see everything well again"


def test_the_demo_s_faults_do_what_they_are_for() -> None:
    faults = {fault.kind: fault for fault in demo_faults(SAMPLE)}
    world = World(SAMPLE, tuple(faults.values()), ups_runtime_s=18.0)
    lost: set[str] = set()
    for t in range(int(DEMO_EVERY_S)):
        world.step(float(t))
        lost |= {site for site in SAMPLE.sites if not world.site_reachable(site)}
    expected = {SAMPLE.lines[faults["fibre"].target].site, *TOPOLOGY.sites_in_building(faults["power"].target)}
    assert lost == expected | set(TOPOLOGY.sites_below(faults["node"].target)) - _with_another_way(
        faults["node"].target
    )
    assert all(world.site_reachable(site) for site in SAMPLE.sites), "and all is well in the end"


def test_a_loss_outlasts_the_longest_burst() -> None:
    """On a busy machine probes come late, and netmon then confirms a loss for longer."""
    probe = ProbeConfig()
    longest_s = longest_burst(probe) * probe.burst_spacing_s + 2.0 + probe.timeout_s  # the demo probes every 2 s
    assert all(fault.duration_s > longest_s for fault in demo_faults(SAMPLE))


def _with_another_way(node: str) -> set[str]:
    below = set(TOPOLOGY.lines_below(node))
    return {site for site in TOPOLOGY.sites_below(node) if not set(TOPOLOGY.lines_of(site)) <= below}


def test_of_what_an_inventory_lacks_nothing_is_broken() -> None:
    assert demo_faults(Inventory()) == []
    assert {f.kind for f in demo_faults(province())} == {"node", "power"}, "no far end of a fibre is known"


# --- files -----------------------------------------------------------------------------------------------------------


def faults_of(tmp_path: Path, text: str | bytes) -> list[Fault]:
    path = tmp_path / "faults.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_faults(str(path), province())


def test_faults_of_a_file(tmp_path: Path) -> None:
    text = """
    - {kind: "power", target: "house-a", at: 10, duration: 2.5}
    - {kind: "power", target: "a1", at: 0, duration: 1}
    - {kind: "fibre", target: "two-1", at: 1, duration: 1}
    - {kind: "node", target: "core", at: 1, duration: 1}
    - {kind: "hang", target: "r-a1", at: 1, duration: 1}
    - {kind: "hot", target: "a7", at: 1, duration: 1}
    - {kind: "hot", target: "core", at: 1, duration: 1}
    - {kind: "door", target: "a7", at: 1, duration: 1}
    - {kind: "drift", target: "heat-a7", at: 1, duration: 1}
    """
    found = faults_of(tmp_path, text)
    assert found[0] == Fault("power", "house-a", 10.0, 2.5)
    assert len(found) == 9
    assert faults_of(tmp_path, "") == faults_of(tmp_path, "[]") == []


GOOD = '{kind: "fibre", target: "a1", at: 1, duration: 1}'


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("7", "fault 1: is not a fault; needs exactly kind, target, at, duration"),
        ('{kind: "fibre", target: "a1", at: 1}', "fault 1: is not a fault; needs exactly"),
        ('{kind: "fibre", target: "a1", at: 1, duration: 1, x: 1}', "fault 1: is not a fault; needs exactly"),
        (
            '{kind: "flood", target: "a1", at: 1, duration: 1}',
            "fault 1: kind 'flood' is unknown; allowed: power, feeder, fibre",
        ),
        ('{kind: [1], target: "a1", at: 1, duration: 1}', r"fault 1: kind \[1\] is unknown"),
        (
            '{kind: "fibre", target: "zz", at: 1, duration: 1}',
            "fault 1: target 'zz' is nothing .* that fibre happens to",
        ),
        ('{kind: "fibre", target: "core", at: 1, duration: 1}', "fault 1: target 'core' is nothing"),
        ('{kind: "node", target: "a1", at: 1, duration: 1}', "fault 1: target 'a1' is nothing"),
        ('{kind: "hang", target: "a1", at: 1, duration: 1}', "fault 1: target 'a1' is nothing"),
        ('{kind: "power", target: "", at: 1, duration: 1}', "fault 1: target '' is nothing"),
        ('{kind: "fibre", target: ["a1"], at: 1, duration: 1}', r"fault 1: target \['a1'\] is nothing"),
        ('{kind: "fibre", target: "a1", at: "soon", duration: 1}', "fault 1: at 'soon' is wrong; seconds, at least 0"),
        ('{kind: "fibre", target: "a1", at: null, duration: 1}', "fault 1: at None is wrong"),
        ('{kind: "fibre", target: "a1", at: -1, duration: 1}', "fault 1: at -1 is wrong"),
        ('{kind: "fibre", target: "a1", at: true, duration: 1}', "fault 1: at True is wrong"),
        ('{kind: "fibre", target: "a1", at: 1, duration: 0}', "fault 1: duration 0 is wrong; seconds, at least 0.1"),
        ('{kind: "fibre", target: "a1", at: 1, duration: .inf}', "fault 1: duration inf is wrong"),
        ('{kind: "fibre", target: "a1", at: 1, duration: .nan}', "fault 1: duration nan is wrong"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_fault(tmp_path: Path, entry: str, said: str) -> None:
    with pytest.raises(NetmonError, match=rf"^{tmp_path}/faults.yml: {said}") as caught:
        faults_of(tmp_path, f"- {entry}\n- {GOOD}\n")
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(NetmonError) as caught:
        faults_of(tmp_path, f"- 1\n- {GOOD}\n- {GOOD.replace('a1', 'zz')}\n")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ["fault 1", "fault 3"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("faults: []", "must be a list of faults"),
        ("just text", "must be a list of faults"),
        ("- [", "not valid YAML"),
        ("[" * 50_000, "not valid YAML: (nested too deeply|.*maximum nesting)"),
        (b"- \xff", "not valid YAML"),
    ],
)
def test_files_that_hold_no_faults(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(NetmonError, match=said):
        faults_of(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NetmonError, match=r"none\.yml: cannot be read: No such file"):
        load_faults(str(tmp_path / "none.yml"), province())


# --- a run -----------------------------------------------------------------------------------------------------------


def reachable_province() -> Inventory:
    """A node alone, on loopback: everything else of the simulator has its own tests."""
    node = Node("n", "Nút", "core", None, probe=Probe("stamp", "127.0.0.1", free_port(socket.SOCK_DGRAM)))
    return Inventory(nodes={"n": node})


def test_a_run_tells_the_truth_and_ends_on_a_signal(tmp_path: Path) -> None:
    script, truth = tmp_path / "faults.yml", tmp_path / "truth.jsonl"
    script.write_text('- {kind: "node", target: "n", at: 0, duration: 0.15}\n')
    said: list[str] = []

    async def run() -> None:
        running = asyncio.create_task(simulate(reachable_province(), str(script), truth=str(truth), ready=said.append))
        async with asyncio.timeout(20):
            while not (truth.exists() and '"ends"' in truth.read_text()):
                assert not running.done() or running.result()
                await asyncio.sleep(0.02)
            signal.raise_signal(signal.SIGTERM)
            await running

    asyncio.run(run())
    assert said == ["simulated: 0 sites, 0 lines, 0 SNMP devices, 0 sensors, broker none"]
    told = [json.loads(line)[:4] for line in truth.read_text().splitlines()]
    assert [entry[1:] for entry in told] == [["begins", "node", "n"], ["ends", "node", "n"]]
    assert told[1][0] - told[0][0] > 0.1


def test_a_run_that_cannot_start_says_why() -> None:
    facts = reachable_province()
    away = replace(facts.nodes["n"], probe=Probe("stamp", "198.18.0.1", 862))
    with pytest.raises(NetmonError, match=r"198\.18\.0\.1 is not a loopback address"):
        asyncio.run(simulate(replace(facts, nodes={"n": away}), "none"))
    with pytest.raises(NetmonError, match="cannot be read"):
        asyncio.run(simulate(facts, "/nowhere/faults.yml"))
