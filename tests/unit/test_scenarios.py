"""Faults of all causes through netmon's own parts: one incident each, with its cause where the evidence exists."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from bench.scenarios.__main__ import good, run
from bench.scenarios.faults import CAUSES, FRESH_S, Case, cases
from bench.scenarios.land import build
from bench.scenarios.score import Score
from bench.scenarios.watch import Watch
from netmon.model import Event, Figure, PollResult, Port, labels
from netmon.sim.world import Fault
from tests.conftest import ROOT
from tests.unit.world import T0, change_line, province


@pytest.mark.slow
def test_a_hundred_faults_of_a_seed_nobody_tuned_for() -> None:
    score = run(seed=20261125, count=100)
    figures = score.figures()
    assert good(figures), (figures, score.notes)
    assert figures["confirmed_but_wrong"] == 0, score.notes
    assert figures["with_evidence"] >= 45, "or the figures say nothing"


def test_truth_and_evidence_know_nothing_of_netmons_rules() -> None:
    for path in (
        *(ROOT / "bench/scenarios" / f"{n}.py" for n in ("land", "faults", "watch")),
        ROOT / "netmon/sim/world.py",
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any("alerts" in name or "pipeline" in name for name in names), path


def test_a_seed_always_makes_the_same_and_another_something_else() -> None:
    made = [cases(build(seed), seed, 40) for seed in (5, 5, 6)]
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_there_is_something_of_everything_and_most_sites_have_no_ups_telemetry(seed: int) -> None:
    land = build(seed)
    script = cases(land, seed, 300)
    assert len(script) == 300
    assert {case.cause for case in script} == set(CAUSES)
    assert len({case.name for case in script}) >= 13
    names = Counter(case.name for case in script)
    for name in ("shared drop cable", "ONT without UPS", "UPS battery dead", "cabinet without power"):
        assert names[name] >= 5
    with_ups = {device.site for device in land.inventory.devices.values() if device.kind == "ups"}
    assert len(with_ups) <= 0.4 * len(land.inventory.sites)
    overlapping = sum(a.begins_at < b.begins_at < a.ends_at for a in script for b in script)
    assert overlapping > 300
    ends: dict[str, float] = {}
    for case in script:
        for site in case.sites:
            assert case.begins_at - ends.get(site, -1e9) > FRESH_S or case.hidden_from is not None
            ends[site] = case.ends_at


def poll(device: str, at: float, uptime_s: float = 1e6, **figures: float) -> PollResult:
    made = tuple(Figure(f"netmon_{name}", labels(device=device), value) for name, value in figures.items())
    return PollResult(device, T0 + at, 0.3, True, figures=made, sys_uptime_s=uptime_s)


def watched(cause: str, *faults: Fault, sites: tuple[str, ...]) -> tuple[Case, Watch]:
    case = Case(0, "", cause, faults, sites)
    return case, Watch(change_line(province(), "a6", handoff="sfp"), [case], T0)


def test_evidence_of_power_is_what_ups_sensors_and_people_say() -> None:
    case, watch = watched("power", Fault("power", "house-a6", 100, 60), sites=("a6",))
    watch.poll(poll("ups-a6", 90, ups_on_battery=0.0, ups_charge_ratio=1.0), "ups")
    watch.poll(poll("r-a6", 180, uptime_s=10.0), "router")
    watch.mains("a6", True, 99.0, "mains sensor")
    assert not case.evidence, "a restart of the router alone is none"
    watch.poll(poll("ups-a6", 120, ups_on_battery=1.0, ups_charge_ratio=0.8), "ups")
    watch.mains("a6", False, 130.0, "mains sensor")
    watch.poll(poll("ups-a6", 190, uptime_s=30.0, ups_on_battery=0.0, ups_charge_ratio=0.5), "ups")
    watch.event(Event("ups_on_battery", "ups-a6", T0 + 103))
    assert case.evidence == {"UPS on battery", "mains sensor", "UPS started anew", "UPS spent charge", "UPS trap"}


def test_evidence_of_a_cut_line_is_a_port_that_moved_while_the_router_ran_on() -> None:
    case, watch = watched("line", Fault("fibre", "a6", 100, 60), sites=("a6",))
    for at, uptime_s, changed_s, tells in (
        (170, 1e6, 1e6 - 500, False),
        (170, 20.0, 15.0, False),
        (170, 1e6, 1e6 - 10, True),
    ):
        port = Port("GE0/a6", 1, T0 + at, oper_up=True, last_change_s=changed_s)
        result = PollResult("r-a6", T0 + at, 0.3, True, ports={"GE0/a6": port}, sys_uptime_s=uptime_s)
        watch.poll(result, "router")
        assert bool(case.evidence) == tells


def test_figures_of_a_score() -> None:
    score = Score(scenarios=4, told=4, evidence=3)
    score.matrix.update({("power", "power"): 2, ("line", "power"): 1, ("line", "unknown"): 1})
    score.proven.update({("power", "power"): 2, ("line", "power"): 1})
    score.first.update({("power", "line"): 1})
    figures = score.figures()
    assert figures["cause_right_ratio"] == pytest.approx(2 / 3, abs=1e-4)
    assert figures["line_blamed_on_power_ratio"] == 0.5
    assert figures["power_blamed_on_line"] == 1
    assert not good(figures)
    score.add(score)
    assert (score.scenarios, score.matrix["power", "power"]) == (8, 4)
