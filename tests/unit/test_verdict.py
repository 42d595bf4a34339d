"""Verdicts: what each line, site and node is, given what its probes and those around it say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netmon.alerts.verdict import judge, window_s
from netmon.model import Subject, Verdict
from netmon.state import Reach
from netmon.topology import Topology
from tests.unit.world import CONFIG, T0, World, province

INVENTORY = province()
TOPOLOGY = Topology(INVENTORY)
A_LINES = TOPOLOGY.lines_under("a")


def conditions(
    lost: dict[str, float],
    *,
    missing: tuple[str, ...] = (),
    answered_at: float = T0 + 100,
    previous: dict[Subject, Verdict] | None = None,
    now: float = T0 + 100,
) -> dict[Subject, Verdict]:
    """Judge with the targets of ``lost`` lost since then, those ``missing`` unknown, all others answering."""
    targets = [*INVENTORY.lines, "uplink", "core", "b"]
    reach = {t: Reach(t, False, T0 - 1000, answered_at) for t in targets if t not in missing}
    reach |= {t: Reach(t, True, since, since - 3) for t, since in lost.items()}
    return judge(INVENTORY, TOPOLOGY, reach, previous or {}, CONFIG, now)


def short(found: dict[Subject, Verdict], *names: str) -> list[tuple[str, str]]:
    return [(v.condition, v.by) for name in names for s, v in found.items() if s.kind != "line" and s.id == name]


def everything(at: float) -> dict[str, float]:
    return dict.fromkeys([*INVENTORY.lines, "uplink", "core", "b"], at)


TABLE: list[tuple[str, dict[str, float], tuple[str, ...], dict[str, tuple[str, str]]]] = [
    ("all answer", {}, (), {"a1": ("up", ""), "a": ("up", ""), "b": ("up", ""), "core": ("up", "")}),
    ("never heard of", {}, ("a1",), {"a1": ("unknown", ""), "a2": ("up", "")}),
    ("one line cut", {"b1": T0}, (), {"b1": ("down", ""), "b": ("up", ""), "b2": ("up", "")}),
    ("one of two lines", {"two-1": T0}, (), {"two": ("degraded", "redundancy")}),
    ("both lines", {"two-1": T0, "two-2": T0 + 5}, (), {"two": ("down", "")}),
    ("a node with a probe", {"b": T0, "b1": T0, "b2": T0 + 1, "b3": T0 + 2, "b4": T0 + 2, "two-2": T0}, (),
     {"b": ("down", ""), "b1": ("unreachable", "b"), "b4": ("unreachable", "b"), "two": ("degraded", "redundancy")}),
    ("a node by its children", {line: T0 + i * 0.4 for i, line in enumerate(A_LINES)}, (),
     {"a": ("down", ""), "a1": ("unreachable", "a"), "two": ("degraded", "redundancy")}),
    ("60 % of the children", dict.fromkeys(A_LINES[:5], T0), (),
     {"a": ("down", ""), A_LINES[0]: ("unreachable", "a"), "a6": ("up", "")}),
    ("fewer are faults of their own", {"a1": T0, "a2": T0, "a6": T0, "a7": T0}, (),
     {"a": ("up", ""), "a1": ("down", ""), "a6": ("down", "")}),
    ("children lost one by one", {line: T0 - i * 100 for i, line in enumerate(A_LINES)}, (),
     {"a": ("unknown", ""), "a1": ("down", ""), "a6": ("down", "")}),
    ("lost long before its node", {"b": T0, "b1": T0 - 500, "b2": T0, "b3": T0, "b4": T0, "two-2": T0}, (),
     {"b": ("down", ""), "b1": ("down", ""), "b2": ("unreachable", "b")}),
    ("a node that is silent while it works", {"b": T0}, (), {"b": ("degraded", "silent"), "b1": ("up", "")}),
    ("a node that answers and serves nobody", {"b1": T0, "b2": T0, "b3": T0, "b4": T0 + 2, "two-2": T0}, (),
     {"b": ("degraded", "children"), "b1": ("unreachable", "b")}),
    ("own uplink lost", everything(T0), (),
     {"uplink": ("down", "monitor"), "core": ("unknown", "monitor"), "b": ("unknown", "monitor"),
      "a1": ("unknown", "monitor"), "two": ("unknown", "monitor")}),
    ("uplink silent, all else answers", {"uplink": T0}, (), {"uplink": ("down", ""), "a1": ("up", "")}),
    ("core lost: one owner for all", {k: v for k, v in everything(T0).items() if k != "uplink"}, (),
     {"core": ("down", ""), "a": ("unreachable", "core"), "b": ("unreachable", "core"),
      "a1": ("unreachable", "core"), "core1": ("unreachable", "core"), "two": ("unreachable", "core")}),
]  # fmt: skip


@pytest.mark.parametrize(("lost", "missing", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_conditions(lost: dict[str, float], missing: tuple[str, ...], expected: dict[str, tuple[str, str]]) -> None:
    found = conditions(lost, missing=missing)
    assert {name: short(found, name)[0] for name in expected} == expected


def test_every_line_site_and_node_has_a_verdict() -> None:
    found = conditions({})
    assert len(found) == len(INVENTORY.lines) + len(INVENTORY.sites) + len(INVENTORY.nodes)


def test_sites_of_one_house_or_feeder_are_no_lost_node() -> None:
    small = replace(INVENTORY, lines={k: v for k, v in INVENTORY.lines.items() if k in ("b1", "b2", "a3", "a4", "a5")})
    small = replace(small, lines={k: replace(v, parent="a") for k, v in small.lines.items()})
    for group in (("b1", "b2"), ("a3", "a4", "a5")):
        rest = {k: v for k, v in small.lines.items() if k in group} | (
            {} if group[0] == "b1" else {"b1": small.lines["b1"]}
        )
        inventory = replace(small, lines=rest)
        reach = {k: Reach(k, k in group, T0, T0 + (0 if k in group else 50)) for k in rest}
        found = judge(inventory, Topology(inventory), reach, {}, CONFIG, T0 + 60)
        assert found[Subject("node", "a")].condition in ("up", "unknown"), group
        assert found[Subject("line", group[0])].condition == "down"


def test_beginnings_are_true_and_stay() -> None:
    cut = {line: T0 + i * 0.4 for i, line in enumerate(A_LINES)}
    first = conditions(cut)
    assert first[Subject("node", "a")].since == T0
    assert first[Subject("site", "a3")].since == first[Subject("line", "a3")].since == cut["a3"]
    # The child that was lost first returns, others fall later: the node's loss began when it began.
    del cut[A_LINES[0]]
    again = conditions(cut | {A_LINES[1]: T0 + 300}, previous=first, now=T0 + 400)
    assert again[Subject("node", "a")] is first[Subject("node", "a")]


def test_node_is_back_when_enough_children_are() -> None:
    first = conditions(dict.fromkeys(A_LINES, T0))
    left = dict.fromkeys(A_LINES[:4], T0)
    second = conditions(left, previous=first, now=T0 + 200)
    assert second[Subject("node", "a")] == Verdict(Subject("node", "a"), "up", T0 + 200)
    assert second[Subject("line", A_LINES[0])] == Verdict(Subject("line", A_LINES[0]), "down", T0)


def test_outage_that_turns_out_to_be_the_nodes_keeps_its_beginning() -> None:
    first = conditions({"b1": T0})
    second = conditions({"b1": T0, "b": T0 + 1, "b2": T0 + 1, "b3": T0, "b4": T0, "two-2": T0}, previous=first)
    assert second[Subject("site", "b1")] == Verdict(Subject("site", "b1"), "unreachable", T0, "b")


def test_unchanged_verdicts_are_the_same_objects() -> None:
    first = conditions({"a1": T0})
    second = conditions({"a1": T0}, previous=first, now=T0 + 500)
    assert all(second[subject] is first[subject] for subject in first)


@pytest.mark.parametrize(
    ("values", "was", "expected"),
    [
        ((0.02, 0.1, 0.01), "", ("up", "")),
        ((0.04, 0.1, 0.01), "", ("degraded", "loss")),
        ((0.025, 0.1, 0.01), "loss", ("degraded", "loss")),  # still over the lower limit
        ((0.02, 0.1, 0.01), "loss", ("up", "")),
        ((0.0, 0.31, 0.01), "", ("degraded", "rtt")),
        ((0.0, 0.1, 0.04), "", ("degraded", "jitter")),
        ((0.0, 0.25, 0.0), "loss", ("up", "")),  # hysteresis of one figure is not that of another
    ],
)
def test_poor_quality_with_hysteresis(values: tuple[float, float, float], was: str, expected: tuple[str, str]) -> None:
    loss, rtt, jitter = values
    reach = {"b1": Reach("b1", False, T0, T0 + 90, rtt, loss, jitter)}
    line = Subject("line", "b1")
    previous = {line: Verdict(line, "degraded", T0 + 50, was)} if was else {}
    found = judge(INVENTORY, TOPOLOGY, reach, previous, CONFIG, T0 + 100)
    verdict = found[line]
    assert (verdict.condition, verdict.by) == expected
    if expected[0] == "degraded":
        assert verdict.since == (T0 + 50 if was else T0 + 100)
        assert found[Subject("site", "b1")] == replace(verdict, subject=Subject("site", "b1"))


def test_poor_spare_line_does_not_make_the_site_poor() -> None:
    reach = {"two-1": Reach("two-1", False, T0, T0), "two-2": Reach("two-2", False, T0, T0, loss_ratio=0.5)}
    found = judge(INVENTORY, TOPOLOGY, reach, {}, CONFIG, T0)
    assert found[Subject("site", "two")].condition == "up"
    assert found[Subject("line", "two-2")].condition == "degraded"


def test_one_cut_through_the_prober_is_seen_in_time_and_from_its_beginning() -> None:
    world = World()
    world.lose("a")
    cut_at = world.now
    world.run(12)
    verdict = world.verdict("node", "a")
    assert verdict.condition == "down"
    assert cut_at <= verdict.since <= cut_at + 3
    assert {world.verdict("line", line).condition for line in A_LINES} == {"unreachable"}
    assert window_s(CONFIG.probe) == pytest.approx(11.4)
