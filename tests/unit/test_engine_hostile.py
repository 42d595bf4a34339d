"""The engine against agents and networks that misbehave, over real UDP on 127.0.0.1: no value may go astray."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from netmon.clock import Clock
from netmon.collectors.snmp.ber import COUNTER32, NO_SUCH_INSTANCE, OCTET_STRING, Oid
from netmon.collectors.snmp.engine import Columns, Engine, Target
from netmon.collectors.snmp.pdu import (
    GEN_ERR,
    GET,
    GET_BULK,
    GET_NEXT,
    RESPONSE,
    TOO_BIG,
    V1,
    Message,
    VarBind,
    encode_message,
)
from netmon.config import SnmpConfig
from netmon.errors import CollectError
from netmon.model import Credential, Secret
from tests.unit.scripted_agent import IF_DESCR, IF_IN, IF_OUT, SYS_UPTIME, Agent, Script, mib

CONFIG = SnmpConfig(timeout_s=1.0, retries=2, budget_s=10.0, sockets=2)
COLUMNS = (IF_DESCR, IF_IN, IF_OUT)
TRUTH = {column: {oid[len(column) :]: v for oid, v in mib().items() if oid[:-1] == column} for column in COLUMNS}


def run(
    act: Callable[[Engine, Agent], Awaitable[Any]], script: Script | None = None, objects: Any = None, **options: Any
) -> Any:
    """Start an agent and an engine, do ``act``, stop both."""

    async def whole() -> Any:
        agent = await Agent(mib() if objects is None else objects, script).start()
        engine = Engine(replace(CONFIG, **options), Clock())
        await engine.start()
        try:
            return await asyncio.wait_for(act(engine, agent), 30)
        finally:
            await engine.close()
            agent.transport.close()

    return asyncio.run(whole())


async def poll(engine: Engine, agent: Agent) -> Columns:
    return await engine.columns(agent.target(), COLUMNS)


async def poll_stats(engine: Engine, agent: Agent) -> tuple[Columns, dict[str, int], Agent]:
    return await engine.columns(agent.target(), COLUMNS), dict(engine.stats), agent


def whole(got: Columns) -> bool:
    return got.rows == TRUTH and not got.failed


def test_a_good_agent_gives_whole_columns_in_order() -> None:
    got, stats, _ = run(poll_stats)
    assert whole(got)
    assert [list(rows) for rows in got.rows.values()] == [[(i,) for i in range(1, 11)]] * 3
    assert got.stats.requests == stats["requests"]
    assert set(stats) == {"requests", "replies"}


def first_time(script: Script) -> Script:
    """Misbehave once per request id, then answer truly."""
    met: set[int] = set()

    def act(agent: Agent, message: Message) -> Any:
        if message.request_id in met:
            return None
        met.add(message.request_id)
        return script(agent, message)

    return act


def other_source(agent: Agent, message: Message) -> bytes:
    """The right reply with wrong values, from another port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        forged = [v._replace(oid=(*v.oid, 1), tag=COUNTER32, value=666) for v in message.varbinds]
        sock.sendto(agent.reply(message, forged), agent.client)
    return agent.answer(message)


def with_id(agent: Agent, message: Message) -> list[bytes]:
    wrong = message._replace(request_id=message.request_id ^ 1)
    return [agent.reply(wrong, [VarBind((*IF_IN, 1), COUNTER32, 666)]), agent.answer(message)]


@pytest.mark.parametrize(
    ("script", "counted"),
    [
        (first_time(lambda a, m: []), "retries"),
        (lambda a, m: [a.answer(m)] * 2, "late"),
        (with_id, "unknown_id"),
        (other_source, "wrong_source"),
        (lambda a, m: [a.answer(m._replace(community=b"other")), a.answer(m)], "wrong_community"),
        (lambda a, m: [a.reply(m._replace(version=V1), []), a.answer(m)], "wrong_version"),
        (lambda a, m: [encode_message(1, b"public", GET, m.request_id, 0, 0, []), a.answer(m)], "wrong_pdu"),
        (lambda a, m: [b"", a.answer(m)], "malformed"),
        (lambda a, m: [b"\x30\x82\xff\xff rubbish", b"\xff" * 2000, a.answer(m)], "malformed"),
        (lambda a, m: [a.answer(m)[:-1], a.answer(m)], "malformed"),
        (lambda a, m: [a.answer(m).replace(b"\x06\x0a", b"\x06\x7a"), a.answer(m)], "malformed"),
    ],
    ids=[
        "loss", "duplication", "wrong id", "wrong source", "wrong community", "wrong version", "wrong pdu",
        "zero length", "rubbish", "cut short", "broken inside",
    ],
)  # fmt: skip
def test_what_is_not_the_reply_is_counted_and_ignored(script: Script, counted: str) -> None:
    got, stats, _ = run(poll_stats, script, timeout_s=0.1 if counted == "retries" else 1.0)
    assert whole(got)
    assert stats[counted] > 0


def test_a_reply_to_the_first_transmission_counts_though_it_was_sent_again() -> None:
    """Slower than the timeout at first: no request is answered in time, all are answered."""

    def late(agent: Agent, message: Message) -> list[bytes]:
        transport, client = agent.transport, agent.client
        asyncio.get_running_loop().call_later(0.15, transport.sendto, agent.answer(message), client)
        return []

    got, stats, _ = run(poll_stats, late, timeout_s=0.1)
    assert whole(got)
    assert stats["retries"] > 0
    assert got.stats.timeouts > 0


def test_a_late_reply_is_never_taken_for_a_later_request() -> None:
    held: list[bytes] = []

    def stale(agent: Agent, message: Message) -> Any:
        """The reply to the previous request comes first, every time."""
        answer = agent.answer(message)
        out = [*held, answer]
        held[:] = [answer]
        return out

    got, stats, _ = run(poll_stats, stale)
    assert whole(got)
    assert stats["late"] > 0


@pytest.mark.parametrize("most", [1, 2, 5, 13])
def test_too_big_is_answered_by_asking_for_less(most: int) -> None:
    def small(agent: Agent, message: Message) -> bytes | None:
        asked = len(message.varbinds) * (message.error_index if message.pdu_type == GET_BULK else 1)
        return agent.reply(message, message.varbinds, TOO_BIG) if asked > most else None

    async def twice(engine: Engine, agent: Agent) -> tuple[Columns, Columns]:
        return await poll(engine, agent), await poll(engine, agent)

    first, second = run(twice, small)
    assert whole(first)
    assert whole(second)
    assert second.stats.requests <= first.stats.requests + len(COLUMNS)


@pytest.mark.parametrize("bytes_", [100, 130, 300])
def test_replies_cut_short_are_continued_in_the_right_columns(bytes_: int) -> None:
    async def act(engine: Engine, agent: Agent) -> Columns:
        agent.max_bytes = bytes_
        return await poll(engine, agent)

    assert whole(run(act))


def has(message: Message, column: Oid) -> int:
    """Place of ``column`` among the names of a request, from 1; 0 if it is not there."""
    return next((i for i, v in enumerate(message.varbinds, 1) if v.oid[: len(column)] == column), 0)


@pytest.mark.parametrize("pointing", [True, False])
def test_gen_err_on_one_column_keeps_the_others(pointing: bool) -> None:
    def broken(agent: Agent, message: Message) -> bytes | None:
        at = has(message, IF_IN)
        return agent.reply(message, message.varbinds, GEN_ERR, at if pointing else 0) if at else None

    got = run(poll, broken)
    assert got.failed == {IF_IN: "genErr"}
    assert (got.rows[IF_DESCR], got.rows[IF_OUT]) == (TRUTH[IF_DESCR], TRUTH[IF_OUT])


def test_gen_err_beyond_a_column_does_not_fail_the_column() -> None:
    """GETBULK runs past the column into an object that the agent cannot read."""
    bad = (*IF_OUT, 10)

    def broken(agent: Agent, message: Message) -> bytes | None:
        if message.pdu_type != GET_BULK:
            return None
        for at, bind in enumerate(message.varbinds, 1):
            oid = bind.oid
            for _ in range(message.error_index):
                oid = agent.after(oid).oid
                if oid > bad:
                    return agent.reply(message, message.varbinds, GEN_ERR, at)
        return None

    assert whole(run(poll, broken))


def test_a_column_that_is_never_answered_fails_alone() -> None:
    got, stats, _ = run(poll_stats, lambda a, m: [] if has(m, IF_IN) else None, timeout_s=0.1, retries=0)
    assert got.failed == {IF_IN: "timeout"}
    assert (got.rows[IF_DESCR], got.rows[IF_OUT]) == (TRUTH[IF_DESCR], TRUTH[IF_OUT])
    assert stats["column_timeout"] == 1


def test_an_agent_without_getbulk_is_read_by_getnext() -> None:
    got, _, agent = run(poll_stats, lambda a, m: [] if m.pdu_type == GET_BULK else None, timeout_s=0.1, retries=0)
    assert whole(got)
    assert GET_NEXT in {m.pdu_type for m in agent.seen}


def test_the_end_of_the_mib_in_the_middle_of_a_reply() -> None:
    objects = {oid: v for oid, v in mib().items() if oid < (*IF_OUT, 11)}  # nothing follows ifOutOctets
    assert whole(run(poll, objects=objects))


def test_an_agent_that_loops_is_stopped() -> None:
    def loop(agent: Agent, message: Message) -> bytes | None:
        at = has(message, IF_IN)
        if not at or message.pdu_type == GET:
            return None
        back = VarBind((*IF_IN, 3), COUNTER32, 1)
        return agent.reply(message, [back if i % len(message.varbinds) == at - 1 else agent.after(v.oid)
                                     for i, v in enumerate(message.varbinds)])  # fmt: skip

    got, stats, _ = run(poll_stats, loop)
    assert got.failed == {IF_IN: "loop"}
    assert got.rows[IF_DESCR] == TRUTH[IF_DESCR]
    assert stats["column_loop"] == 1


def test_an_agent_that_invents_rows_for_ever_meets_a_limit() -> None:
    def endless(agent: Agent, message: Message) -> bytes | None:
        if message.pdu_type != GET_BULK:
            return None
        last = message.varbinds[0].oid[len(IF_IN) :] or (0,)
        rows = [VarBind((*IF_IN, last[0] + i), COUNTER32, i) for i in range(1, message.error_index + 1)]
        return agent.reply(message, rows)

    got = run(lambda e, a: e.columns(a.target(), [IF_IN], max_rows=500), endless)
    assert got.failed == {IF_IN: "limit"}
    got = run(lambda e, a: e.columns(a.target(), [IF_IN], budget_s=0.2), endless)
    assert got.failed == {IF_IN: "budget"}
    assert got.rows[IF_IN]


# --- v1 ---------------------------------------------------------------------------------------------------------------


def v1_only(agent: Agent, message: Message) -> list[bytes] | None:
    return None if message.version == V1 else []


def with_a_hole() -> dict[Oid, VarBind]:
    """An ifTable in which ifInOctets lacks two rows and ifOutOctets all."""
    return {oid: v for oid, v in mib().items() if oid[:-1] != IF_OUT and oid not in ((*IF_IN, 4), (*IF_IN, 10))}


@pytest.mark.parametrize("version", ["1", "2c"])
def test_a_v1_agent_with_a_hole_is_read_per_column(version: str) -> None:
    async def act(engine: Engine, agent: Agent) -> tuple[Columns, list[VarBind], Agent]:
        columns = await engine.columns(agent.target(version), COLUMNS)
        names = [SYS_UPTIME, (1, 3, 9, 9), (*IF_DESCR, 1), (1, 3, 9, 8)]
        return columns, await engine.get(agent.target(version), names), agent

    got, scalars, agent = run(act, v1_only, with_a_hole(), timeout_s=0.1)
    assert got.failed == {}
    assert got.rows[IF_DESCR] == TRUTH[IF_DESCR]
    assert [i for (i,) in got.rows[IF_IN]] == [1, 2, 3, 5, 6, 7, 8, 9]
    assert got.rows[IF_OUT] == {}
    assert [(v.oid, v.tag) for v in scalars] == [
        (SYS_UPTIME, 0x43),
        ((1, 3, 9, 9), NO_SUCH_INSTANCE),
        ((*IF_DESCR, 1), OCTET_STRING),
        ((1, 3, 9, 8), NO_SUCH_INSTANCE),
    ]
    assert all(m.pdu_type in (GET, GET_NEXT) for m in agent.seen if m.version == V1)


# --- silence ----------------------------------------------------------------------------------------------------------


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


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_many_scalars_short_replies_and_absent_ones() -> None:
    """An agent that leaves the last varbind out of every reply; values stay with their names."""

    def short(agent: Agent, message: Message) -> bytes | None:
        got = [agent.objects.get(v.oid, VarBind(v.oid, NO_SUCH_INSTANCE, None)) for v in message.varbinds]
        return agent.reply(message, got[:-1]) if len(got) > 1 else None

    objects = mib(rows=50)
    names = [*(oid for oid in objects if oid[:-1] == IF_IN), (1, 3, 9, 9), SYS_UPTIME]
    for script in (None, short):
        got = run(lambda e, a: e.get(a.target(), names), script, objects)
        assert [v.oid for v in got] == names
        assert [v.value for v in got] == [objects[n].value if n in objects else None for n in names]


def test_scalars_that_fail_are_told_apart() -> None:
    def script(agent: Agent, message: Message) -> bytes | None:
        at = has(message, IF_IN)
        return agent.reply(message, message.varbinds, GEN_ERR, at) if at else None

    got = run(lambda e, a: e.get(a.target(), [SYS_UPTIME, (*IF_IN, 1), (*IF_DESCR, 1)]), script)
    assert [v.tag for v in got] == [0x43, NO_SUCH_INSTANCE, OCTET_STRING]


def test_walk_gives_a_subtree_or_a_single_object() -> None:
    async def act(engine: Engine, agent: Agent) -> tuple[list[VarBind], list[VarBind], list[VarBind], str, int]:
        cut = await engine.walk(agent.target(), (1, 3, 6, 1), limit=5)
        return (
            list(await engine.walk(agent.target(), (1,))),
            list(await engine.walk(agent.target(), SYS_UPTIME)),
            list(await engine.walk(agent.target(), (1, 3, 9))),
            cut.reason,
            len(cut),
        )

    assert run(act) == (list(mib().values()), [mib()[SYS_UPTIME]], [], "limit", 5)


def test_ipv6() -> None:
    async def act(engine: Engine, agent: Agent) -> Columns:
        six = await Agent(mib()).start("::1")
        try:
            return await engine.columns(six.target(host="::1"), COLUMNS)
        finally:
            six.transport.close()

    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).bind(("::1", 0))
    except OSError as e:
        pytest.skip(f"no IPv6 on this machine: {e}")
    assert whole(run(act))


def test_names_are_resolved_and_those_that_cannot_be_are_told() -> None:
    async def act(engine: Engine, agent: Agent) -> str:
        assert whole(await engine.columns(agent.target()._replace(host="localhost"), COLUMNS))
        with pytest.raises(CollectError) as caught:
            await engine.get(agent.target()._replace(host="no-such-host.invalid"), [SYS_UPTIME])
        return caught.value.reason

    assert run(act) == "resolve"


def test_a_version_that_is_not_there_yet_is_told() -> None:
    target = Target("127.0.0.1", 9, Credential("c", "3", Secret("hidden-word")), "r1")
    with pytest.raises(CollectError, match="version 3") as caught:
        run(lambda e, a: e.get(target, [SYS_UPTIME]))
    assert (caught.value.reason, caught.value.retryable) == ("version", False)


def test_the_community_is_in_no_text() -> None:
    with pytest.raises(CollectError) as caught:
        run(lambda e, a: e.get(a.target(), [SYS_UPTIME]), lambda a, m: [], timeout_s=0.05, retries=0)
    assert "public" not in str(caught.value) + repr(caught.value)


def test_no_route_is_told() -> None:
    async def act(engine: Engine, agent: Agent) -> str:
        with pytest.raises(CollectError) as caught:
            await engine.get(agent.target()._replace(host="255.255.255.255"), [SYS_UPTIME])  # sendto: EACCES
        return caught.value.reason

    assert run(act, timeout_s=0.05, retries=0) == "unreachable"


def test_ids_are_four_bytes_and_do_not_follow_each_other() -> None:
    _, _, agent = run(poll_stats)
    ids = [m.request_id for m in agent.seen]
    assert len(set(ids)) == len(ids)
    assert all(0x01000000 <= i < 2**31 for i in ids)
    assert len({b - a for a, b in itertools.pairwise(ids)}) == len(ids) - 1
    assert all(m.pdu_type != RESPONSE for m in agent.seen)
