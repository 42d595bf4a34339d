"""Dead, slow and closing: what silence costs, and that it costs nobody else."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from netmon.collectors.snmp.engine import Columns, Engine
from netmon.collectors.snmp.pdu import (
    GET,
    V1,
    V2C,
    Message,
)
from netmon.errors import CollectError
from tests.unit.scripted_agent import (
    Agent,
    first_time,
    mib,
    poll,
    run,
    whole,
)


def test_a_dead_agent_costs_one_packet_per_poll() -> None:
    async def act(engine: Engine, agent: Agent) -> list[int]:
        counts = []
        for _ in range(3):
            before = len(agent.seen)
            with pytest.raises(CollectError) as caught:
                await poll(engine, agent)
            assert caught.value.reason == "timeout"
            assert caught.value.device == agent.target().key
            counts.append(len(agent.seen) - before)
        return counts

    assert run(act, lambda a, m: [], timeout_s=0.1) == [4, 1, 1]  # 3 as v2c and 1 as v1 before it is known to be silent


@pytest.mark.parametrize("polls_away", [1, 2, 3, 4])
def test_an_agent_that_was_away_at_first_is_not_taken_for_one_of_v1(polls_away: int) -> None:
    """It comes back while v1 is tried or while v2c is: in v1 it would have no 64-bit counters for ever."""

    async def act(engine: Engine, agent: Agent) -> int | None:
        agent.script = lambda a, m: []
        for _ in range(polls_away):
            with pytest.raises(CollectError):
                await poll(engine, agent)
        agent.script = None
        await poll(engine, agent)
        return (await engine.peer(agent.target())).version

    assert run(act, timeout_s=0.1) == V2C


@pytest.mark.parametrize("polls_away", [0, 1, 2])
def test_an_agent_that_speaks_only_v1_is_heard(polls_away: int) -> None:
    async def act(engine: Engine, agent: Agent) -> int | None:
        agent.script = lambda a, m: []
        for _ in range(polls_away):
            with pytest.raises(CollectError):
                await poll(engine, agent)
        agent.script = lambda a, m: None if m.version == V1 else []
        for _ in range(2):  # a silent one gets one packet, of the one version and then of the other
            with contextlib.suppress(CollectError):
                await poll(engine, agent)
        return (await engine.peer(agent.target())).version

    assert run(act, timeout_s=0.1) == V1


def test_nothing_but_the_first_request_is_in_flight_before_it_is_answered() -> None:
    async def act(engine: Engine, agent: Agent) -> list[Message]:
        await poll(engine, agent)
        return agent.seen

    seen = run(act, first_time(lambda a, m: []), timeout_s=0.1)
    assert [m.pdu_type for m in seen[:2]] == [GET, GET]
    assert seen[0] == seen[1]  # sent again under the same id


def test_an_agent_that_dies_within_a_poll_gives_what_was_read() -> None:
    def dies(agent: Agent, message: Message) -> list[bytes] | None:
        return [] if len(agent.seen) > 3 else None

    objects = mib(rows=60)
    got = run(poll, dies, objects, timeout_s=0.1)
    assert got.failed
    assert set(got.failed.values()) == {"timeout"}
    assert any(got.rows.values())
    for column, rows in got.rows.items():
        assert list(rows.values()) == [objects[*column, *index] for index in rows]


def test_dead_agents_do_not_hold_what_the_living_need() -> None:
    """One slot; 20 dead agents known to be silent must not keep a living one waiting for it."""

    async def act(engine: Engine, agent: Agent) -> tuple[bool, int]:
        dead = [await Agent({}, lambda a, m: []).start() for _ in range(20)]
        for other in dead:
            (await engine.peer(other.target())).no_answer()
        tasks = [asyncio.create_task(poll(engine, other)) for other in dead]
        await asyncio.sleep(0)
        await poll(engine, agent)
        pending = sum(not task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for other in dead:
            other.transport.close()
        return engine.in_flight == 0, pending

    assert run(act, timeout_s=5.0, sockets=1, in_flight=1) == (True, 20)


def test_slots_are_given_back() -> None:
    async def act(engine: Engine, agent: Agent) -> tuple[int, int]:
        await asyncio.gather(*(poll(engine, agent) for _ in range(30)))
        return engine.in_flight, engine.waiting

    assert run(act, sockets=1, in_flight=1) == (0, 0)


def test_at_most_so_many_packets_are_in_flight() -> None:
    most = 0

    async def act(engine: Engine, agent: Agent) -> Columns:
        def watch(_: Agent, message: Message) -> None:
            nonlocal most
            most = max(most, engine.in_flight)

        agent.script = watch
        return (await asyncio.gather(*(poll(engine, agent) for _ in range(20))))[-1]

    assert whole(run(act, sockets=1, in_flight=3))
    assert 1 < most <= 3


def test_a_cancelled_poll_leaves_nothing_behind() -> None:
    async def act(engine: Engine, agent: Agent) -> tuple[int, bool]:
        task = asyncio.create_task(poll(engine, agent))
        await agent.asked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        agent.script = None
        return engine.in_flight, whole(await poll(engine, agent))

    assert run(act, lambda a, m: []) == (0, True)


def test_closing_ends_what_is_under_way() -> None:
    async def act(engine: Engine, agent: Agent) -> str:
        task = asyncio.create_task(poll(engine, agent))
        await agent.asked.wait()
        await engine.close()
        with pytest.raises(CollectError) as caught:
            await task
        return caught.value.reason

    assert run(act, lambda a, m: []) == "closed"
