"""Scalars, walks, addresses and v1 agents through the whole engine, over real UDP on 127.0.0.1."""

from __future__ import annotations

import itertools
import socket

import pytest

from netmon.collectors.snmp.ber import NO_SUCH_INSTANCE, OCTET_STRING, Oid
from netmon.collectors.snmp.engine import Columns, Engine, Target
from netmon.collectors.snmp.pdu import (
    GEN_ERR,
    GET,
    GET_NEXT,
    RESPONSE,
    V1,
    Message,
    VarBind,
)
from netmon.errors import CollectError
from netmon.model import Credential, Secret
from tests.unit.scripted_agent import (
    COLUMNS,
    IF_DESCR,
    IF_IN,
    IF_OUT,
    SYS_UPTIME,
    TRUTH,
    Agent,
    has,
    mib,
    poll_stats,
    run,
    whole,
)


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


def test_a_version_that_is_not_known_is_told() -> None:
    target = Target("127.0.0.1", 9, Credential("c", "4", Secret("hidden-word")), "r1")
    with pytest.raises(CollectError, match="version 4") as caught:
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
