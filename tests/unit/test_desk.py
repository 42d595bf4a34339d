"""What people do is committed before it is answered, and survives a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from netmon.alerts import handling
from netmon.alerts.handling import HandlingError
from netmon.alerts.incidents import Book
from netmon.alerts.rules import Evaluator
from netmon.clock import Clock
from netmon.config import Config
from netmon.desk import Desk
from netmon.history.store import Store
from netmon.model import Subject
from netmon.pipeline import Pipeline
from netmon.state import State
from netmon.topology import Topology
from netmon.works import Silence, Work
from tests.unit.world import T0, province

BEGIN, END = T0 + 100.0, T0 + 200.0


def run(path: Path, use: Callable[[Desk, State, Store], Awaitable[object]], now: float = T0) -> object:
    """One life of the daemon's desk on the same file."""

    async def life() -> object:
        store = Store(path / "netmon.db")
        await store.open(now)
        try:
            state = State(province())
            incidents = await store.load_incidents(0.0)
            state.incidents = {i.id: i for i in incidents}
            clock = Clock(lambda: now, lambda: now)
            book = Book(Config(), incidents, await store.next_incident_id())
            pipeline = Pipeline(
                state, Topology(state.inventory), Config(), clock, Evaluator([], {}), book, lambda d: None, lambda: None
            )
            desk = Desk(state, pipeline, store, clock)
            await desk.load()
            return await use(desk, state, store)
        finally:
            await store.close()

    return asyncio.run(life())


def work(where: str = "site:b3") -> Work:
    return Work(0, "power", "Lộ 471", (where,), BEGIN, END)


def test_works_and_silences_survive_a_restart_and_numbers_are_never_given_twice(tmp_path: Path) -> None:
    async def first(desk: Desk, state: State, store: Store) -> None:
        made = await desk.add_works([work(), work("node:b")])
        assert [w.id for w in made] == [1, 2]
        await desk.cancel_work(2, "Trưởng ca")
        await desk.add_silence(Silence(0, ("site:b3",), T0, T0 + 50, "sửa nhà", "NOC"))

    async def second(desk: Desk, state: State, store: Store) -> None:
        assert {n: w.cancelled_by for n, w in state.plans.works.items()} == {1: "", 2: "Trưởng ca"}
        assert state.plans.works[1].where == ("site:b3",)
        assert state.plans.silences[1].reason == "sửa nhà"
        assert [w.id for w in await desk.add_works([work()])] == [3]
        ended = await desk.end_silence(1, "NOC")
        assert ended is not None and ended.end_at == T0 + 10

    run(tmp_path, first)
    run(tmp_path, second, T0 + 10)


def test_what_is_planned_stands_in_the_timeline_of_what_it_covers_with_who_and_when(tmp_path: Path) -> None:
    async def use(desk: Desk, state: State, store: Store) -> None:
        mine, other = [await desk.report(Subject("site", site), "NOC", "chậm") for site in ("b3", "a1")]
        await desk.add_silence(Silence(0, ("site:b3",), T0, T0 + 3600, "sửa nhà", "Bình"))
        await desk.add_silence(Silence(0, ("site:b3",), T0, T0 + 3600, "khác", "Bình", alert="UpsOnBattery"))
        await desk.end_silence(1, "Chi")
        (made,) = await desk.add_works([replace(work(), begin_at=T0 - 60, by="An")])
        await desk.add_works(
            [replace(work("node:b"), begin_at=T0 + 1000, end_at=T0 + 2000)]
        )  # begins after the incident
        await desk.cancel_work(made.id, "Dung")
        found = await store.incident(mine.id)
        assert found is not None
        assert [(e.at, e.kind, e.who, e.text) for e in found.timeline[1:]] == [
            (T0, "silenced", "Bình", "#1 sửa nhà"),
            (T0, "silence_over", "Chi", "#1 sửa nhà"),
            (T0, "work", "An", "#1 Lộ 471"),
            (T0, "work_over", "Dung", "#1 Lộ 471"),
        ]
        assert len(state.incidents[other.id].timeline) == 1

    run(tmp_path, use)


def test_works_are_entered_all_or_none(tmp_path: Path) -> None:
    async def use(desk: Desk, state: State, store: Store) -> None:
        with pytest.raises(HandlingError, match="no site 'nowhere'"):
            await desk.add_works([work(), work("site:nowhere")])
        assert not state.plans.works
        assert await store.load_plans(0.0) == ([], [])

    run(tmp_path, use)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Work(0, "power", "x", (), BEGIN, END), "where is missing"),
        (Work(0, "power", "x", ("site:b3",), END, BEGIN), "not after the beginning"),
    ],
)
def test_works_that_make_no_sense(tmp_path: Path, wrong: Work, said: str) -> None:
    async def use(desk: Desk, state: State, store: Store) -> None:
        with pytest.raises(HandlingError, match=said):
            await desk.add_works([wrong])

    run(tmp_path, use)


def test_what_is_not_there_cannot_be_ended(tmp_path: Path) -> None:
    async def use(desk: Desk, state: State, store: Store) -> None:
        assert await desk.cancel_work(9, "a") is None
        assert await desk.end_silence(9, "a") is None
        assert await desk.handle(9, lambda i, now: i) is None

    run(tmp_path, use)


def test_an_incident_by_hand_and_what_is_done_with_it_survive_kill(tmp_path: Path) -> None:
    async def first(desk: Desk, state: State, store: Store) -> None:
        made = await desk.report(Subject("site", "b3"), "NOC", "mạng chậm")
        await desk.handle(made.id, lambda i, now: handling.ticket(i, "NOC", "accepted", "VN-17", now, now))
        await desk.handle(made.id, lambda i, now: handling.acknowledge(i, "An", "", now, 600.0))

    async def second(desk: Desk, state: State, store: Store) -> None:
        (incident,) = state.incidents.values()
        assert (incident.kind, incident.acked_by, incident.acked_until) == ("report", "An", T0 + 600.0)
        assert incident.ticket is not None and incident.ticket.number == "VN-17"
        assert [e.kind for e in incident.timeline] == ["opened", "ticket_accepted", "ack"]
        closed = await desk.handle(incident.id, lambda i, now: handling.close(i, "NOC", "xong", now))
        assert closed is not None and not closed.open

    run(tmp_path, first)
    run(tmp_path, second, T0 + 10)


def test_only_sites_and_nodes_are_reported(tmp_path: Path) -> None:
    async def use(desk: Desk, state: State, store: Store) -> None:
        for subject in (Subject("site", "nowhere"), Subject("line", "b3")):
            with pytest.raises(HandlingError, match="a site or a node can be reported"):
                await desk.report(subject, "NOC", "x")

    run(tmp_path, use)
