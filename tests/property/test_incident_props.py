"""Whatever is lost and comes back, in any order and over restarts: one incident per fault, and none is left behind."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netmon.alerts.verdict import window_s
from netmon.model import Change, Incident, Subject
from tests.unit.world import CONFIG, World, province

INVENTORY = province()
TARGETS = [*INVENTORY.lines, *INVENTORY.nodes]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("lose"), st.lists(st.sampled_from(TARGETS), min_size=1, max_size=6)),
        st.tuples(st.just("restore"), st.lists(st.sampled_from(TARGETS), min_size=1, max_size=6)),
        st.tuples(st.just("restore"), st.just([])),
        st.tuples(st.just("restart"), st.just([])),
    ),
    min_size=1,
    max_size=7,
)
WAITS = st.lists(st.sampled_from([1.0, 4.0, 9.0, 25.0, 70.0, 200.0]), min_size=7, max_size=7)
WINDOW_S = window_s(CONFIG.probe)
QUIET_S = 160.0  # detection, the return, recovered_s of the node and of what stood behind it


def below(world: World, node: str) -> set[Subject]:
    return {Subject("site", s) for s in world.topology.sites_below(node)} | {
        Subject("node", n) for n in world.topology.nodes_below(node)
    }


def check(world: World, changes: list[Change]) -> None:
    """What must hold at every moment."""
    incidents = list(world.book.open.values())
    subjects = [i.subject for i in incidents if i.kind != "alert"]
    assert len(subjects) == len(set(subjects)), "two incidents about one thing"
    for change in changes:
        assert change.incident.began_at <= change.incident.opened_at or change.incident.flaps or change.kind != "opened"
        assert change.incident.closed_at is None or change.kind in ("closed", "updated")
    assert len({c.incident.id for c in changes}) == len(changes), "two changes of one incident in one step"
    for owner in (i for i in incidents if i.subject.kind == "node" and i.kind == "outage"):
        hidden = below(world, owner.subject.id)
        for child in incidents:
            if child.kind == "outage" and child.subject in hidden and child.began_at >= owner.began_at - WINDOW_S:
                assert not _all_below(world, child, owner), f"{child.subject} beside {owner.subject}"


def _all_below(world: World, child: Incident, owner: Incident) -> bool:
    """True if the whole loss of ``child`` lies below the node, and it was lost after it."""
    if child.subject.kind == "node":
        return world.state.verdicts[child.subject].condition == "unreachable" and child.good_since is None
    lines = world.topology.lines_of(child.subject.id)
    under = set(world.topology.lines_below(owner.subject.id))
    verdicts = [world.verdict("line", line) for line in lines if line in under]
    return set(lines) <= under and all(v.condition == "unreachable" for v in verdicts) and child.good_since is None


def check_stable(world: World) -> None:
    """What must hold when nothing changed for a while."""
    incidents = [i for i in world.book.open.values() if i.kind != "alert"]
    netmon = Subject("netmon", "netmon") in {i.subject for i in incidents}
    assert netmon == ("uplink" in world.cut)
    if netmon:
        return  # what was open stays so: nobody can see whether it is over
    assert len(incidents) <= len(world.cut), "more incidents than faults"
    for site in world.state.inventory.sites:
        if world.verdict("site", site).condition in ("down", "unreachable"):
            own = [i for i in incidents if i.subject == Subject("site", site) and i.kind == "outage"]
            owners = [i for i in incidents if site in i.children and i.good_since is None]
            assert len(own) == 1 or owners, f"nobody tells of {site}"
            assert len(own) <= 1
    for incident in incidents:
        if incident.subject.kind == "site":
            assert world.verdict("site", incident.subject.id).condition != "up", "left open"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, waits=WAITS)
def test_one_incident_per_fault_and_none_left(steps: list[tuple[str, list[str]]], waits: list[float]) -> None:
    world = World()
    seen: set[int] = set()
    for (what, targets), wait in zip(steps, waits, strict=False):
        if what == "lose":
            world.lose(*targets)
        elif what == "restore":
            world.restore(*targets)
        else:
            world.restart()
        for _ in range(int(wait)):
            changes = world.run(1.0, tick=1.0)
            check(world, changes)
            opened = [c.incident.id for c in changes if c.kind == "opened"]
            assert not seen & set(opened), "a number used twice"
            seen.update(opened)
        if wait > QUIET_S:
            check_stable(world)
    world.restore()
    world.run(QUIET_S, tick=1.0)
    assert not world.book.open, "left open after all is good"
    assert all(not i.open for i in world.state.incidents.values())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cuts=st.lists(st.lists(st.sampled_from(TARGETS), min_size=1, max_size=5), min_size=1, max_size=4),
    waits=st.lists(st.sampled_from([1.0, 5.0, 40.0]), min_size=4, max_size=4),
)
@example(cuts=[["core1", "core2", "b"]], waits=[1.0] * 4)  # the examples failed once
@example(cuts=[["b1", "b2", "two-2"]], waits=[1.0] * 4)
@example(cuts=[["two-2", "a"]], waits=[1.0] * 4)
@example(cuts=[["two-2"], ["b1", "b2", "a"]], waits=[40.0, 1.0, 1.0, 1.0])
@example(cuts=[["core1"], ["two-2"], ["two-1", "b"]], waits=[1.0] * 4)
def test_restart_never_opens_a_second_time(cuts: list[list[str]], waits: list[float]) -> None:
    world = World()
    for targets, wait in zip(cuts, waits, strict=False):
        world.lose(*targets)
        world.run(wait, tick=1.0)
    world.run(QUIET_S, tick=1.0)
    before = {i.id: (i.subject, i.began_at) for i in world.book.open.values()}
    world.restart()
    changes = world.run(QUIET_S, tick=1.0)
    assert [c for c in changes if c.kind != "updated"] == []
    assert {i.id: (i.subject, i.began_at) for i in world.book.open.values()} == before
