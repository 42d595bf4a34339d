"""The engine against agents and networks that misbehave, over real UDP on 127.0.0.1: no value may go astray."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterable
from typing import Any

import pytest

from netmon.collectors.snmp import transport
from netmon.collectors.snmp.ber import COUNTER32
from netmon.collectors.snmp.engine import Columns, Engine
from netmon.collectors.snmp.exchange import Port
from netmon.collectors.snmp.pdu import (
    GEN_ERR,
    GET,
    GET_BULK,
    GET_NEXT,
    TOO_BIG,
    V1,
    Message,
    VarBind,
    encode_message,
)
from tests.unit.scripted_agent import (
    COLUMNS,
    IF_DESCR,
    IF_IN,
    IF_OUT,
    TRUTH,
    Agent,
    Script,
    first_time,
    has,
    mib,
    poll,
    poll_stats,
    run,
    whole,
)


def test_a_good_agent_gives_whole_columns_in_order() -> None:
    got, stats, _ = run(poll_stats)
    assert whole(got)
    assert [list(rows) for rows in got.rows.values()] == [[(i,) for i in range(1, 11)]] * 3
    assert got.stats.requests == stats["requests"]
    assert set(stats) == {"requests", "replies"}


def test_a_datagram_that_breaks_something_does_not_make_the_socket_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "BUSY", 0)  # replies are gathered from the first one on
    met: list[bytes] = []

    async def act(engine: Engine, agent: Agent) -> Columns:
        take = engine._transport._datagram

        def breaks_once(port: Port, data: bytes, source: Any) -> None:
            met.append(data)
            if len(met) == 2:
                raise KeyError("broken")
            take(port, data, source)

        monkeypatch.setattr(engine._transport, "_datagram", breaks_once)
        return await poll(engine, agent)

    assert whole(run(act, timeout_s=0.2))
    assert len(met) > 2


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


@pytest.mark.parametrize("over", ["tooBig", "silence", "cut"])
def test_replies_up_to_64_kb_are_read_and_beyond_them_less_is_asked(over: str) -> None:
    """UDP carries 65,507 octets. What does not fit is answered tooBig, is never sent, or is cut by the agent."""
    limit = 65_507
    long = {oid: v._replace(value=v.value * 1000) if oid[:-1] == IF_DESCR else v for oid, v in mib(40).items()}
    longest: list[int] = []

    def vast(agent: Agent, message: Message) -> bytes | Iterable[bytes] | None:
        agent.max_bytes = limit if over == "cut" else 10 * limit
        answer = agent.answer(message)
        longest.append(len(answer))
        if len(answer) <= limit:
            return answer
        return agent.reply(message, message.varbinds, TOO_BIG) if over == "tooBig" else []

    async def act(engine: Engine, agent: Agent) -> list[Columns]:
        await poll(engine, agent)  # learns how long the table is, so that the next poll asks for all of it
        return [await poll(engine, agent) for _ in range(2)]

    for got in run(act, vast, long, timeout_s=0.1, retries=0, max_repetitions=40):
        assert {oid: v.value for oid, v in got.rows[IF_DESCR].items()} == {
            (i,): b"eth%d" % i * 1000 for i in range(1, 41)
        }
        assert [len(got.rows[column]) for column in (IF_IN, IF_OUT)] == [40, 40]
        assert not got.failed
    assert max(longest) > (60_000 if over == "cut" else limit), "the limit was never met"


@pytest.mark.parametrize("bytes_", [100, 130, 300])
def test_replies_cut_short_are_continued_in_the_right_columns(bytes_: int) -> None:
    async def act(engine: Engine, agent: Agent) -> Columns:
        agent.max_bytes = bytes_
        return await poll(engine, agent)

    assert whole(run(act))


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


def test_loss_duplication_and_reordering_together() -> None:
    """15 % lost each way, 20 % twice, every reply after a random delay; ten polls at once are whole."""
    chance = random.Random(4)

    def network(agent: Agent, message: Message) -> list[bytes]:
        if chance.random() < 0.15:
            return []
        for _ in range(1 + (chance.random() < 0.2)):
            if chance.random() >= 0.15:
                later = asyncio.get_running_loop().call_later
                later(chance.random() * 0.05, agent.sock.sendto, agent.answer(message), agent.client)
        return []

    async def act(engine: Engine, agent: Agent) -> list[Columns]:
        return await asyncio.gather(*(poll(engine, agent) for _ in range(10)))

    assert all(whole(got) for got in run(act, network, timeout_s=0.2, retries=9))
