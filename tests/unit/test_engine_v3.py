"""The engine over SNMPv3 against an agent that reboots, forgets, refuses, and a network that forges and replays."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from netmon.collectors.snmp import pdu, v3
from netmon.collectors.snmp.ber import Oid
from netmon.collectors.snmp.engine import Columns, Engine
from netmon.collectors.snmp.session import NOT_IN_TIME
from netmon.errors import CollectError
from netmon.model import Secret
from netmon.sim.agent_v3 import (
    DECRYPTION_ERROR,
    UNKNOWN_CONTEXT,
    UNKNOWN_USER,
    UNSUPPORTED_LEVEL,
    WRONG_DIGEST,
    AgentV3,
    Asked,
)
from tests.unit.scripted_agent import COLUMNS, SYS_UPTIME, TRUTH, whole
from tests.unit.scripted_v3 import CREDENTIAL, ENGINE, RING, Agent3, run3

LEVELS = ("noAuthNoPriv", "authNoPriv", "authPriv")
OTHER = replace(CREDENTIAL, auth_password=Secret("another-word-1"), priv_password=Secret("another-word-2"))


async def poll(engine: Engine, agent: Agent3, **changes: Any) -> Columns:
    return await engine.columns(agent.ask_with(**changes), COLUMNS)


async def poll_stats(engine: Engine, agent: Agent3) -> tuple[Columns, dict[str, int]]:
    return await poll(engine, agent), dict(engine.stats)


@pytest.mark.parametrize("level", LEVELS)
def test_get_columns_and_walk_at_every_level(level: str) -> None:
    async def act(engine: Engine, agent: Agent3) -> None:
        target = agent.ask_with(security_level=level)
        assert (await engine.get(target, [SYS_UPTIME]))[0].value == 4711
        assert whole(await engine.columns(target, COLUMNS))
        walk = await engine.walk(target, COLUMNS[1])
        assert [v.value for v in walk] == [v.value for v in TRUTH[COLUMNS[1]].values()]
        assert set(engine.stats) == {"requests", "replies", "report_discovery"}
        assert engine.stats["report_discovery"] == 1
        assert len(agent.datagrams) == engine.stats["requests"] + 1
        assert {asked.level for asked in agent.believed} == {LEVELS.index(level) if level != "authPriv" else 3}
        assert len({asked.message_id for asked in agent.believed}) == len(agent.believed)

    run3(act, credential=replace(CREDENTIAL, security_level=level))


def test_all_requests_of_a_device_are_in_flight_together() -> None:
    """The first is answered alone; the agent holds all others back until six have come."""
    held: list[bytes] = []

    def script(agent: Agent3, asked: Asked) -> list[bytes] | None:
        if asked.message.pdu_type == pdu.GET:
            return None
        held.append(agent.true(asked))
        return held if len(held) == 6 else []

    async def act(engine: Engine, agent: Agent3) -> Columns:
        return await engine.columns(agent.ask_with(), [(1, 3, 6, 1, 2, 1, 2, 2, 1, i, 0) for i in range(2, 8)])

    assert run3(act, script, retries=0).failed == {}


# --- what is not the reply -------------------------------------------------------------------------------------------


def forged_mac(agent: Agent3, asked: Asked) -> bytes:
    good = agent.true(asked)
    at = v3.decode_wrapper(good).mac_at
    return good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]


def from_elsewhere(agent: Agent3, asked: Asked) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(agent.true(asked), agent.client)
    return b"\0"


def other_cipher_key(agent: Agent3, asked: Asked) -> bytes:
    """Signed rightly, enciphered with another key."""
    mixed = replace(CREDENTIAL, priv_password=Secret("another-word-2"))
    return agent.crafted(asked, auth=mixed)


def other_message(agent: Agent3, asked: Asked) -> bytes:
    return agent.true(asked._replace(message_id=asked.message_id ^ 1))


def as_v2c(agent: Agent3, asked: Asked) -> bytes:
    return pdu.encode_message(1, b"", pdu.RESPONSE, asked.message_id, 0, 0, [])


def unsigned_report(what: Oid) -> Callable[[Agent3, Asked], bytes]:
    return lambda agent, asked: agent.usm.report(asked.message_id, what)


@pytest.mark.parametrize(
    ("bad", "counted"),
    [
        (forged_mac, "wrong_digest"),
        (lambda a, q: a.crafted(q, auth=OTHER), "wrong_digest"),
        (other_cipher_key, "undecipherable"),
        (lambda a, q: a.crafted(q, body=b"\x30\x84rubbish"), "undecipherable"),
        (lambda a, q: a.crafted(q, engine_id=ENGINE + b"x"), "wrong_engine"),
        (lambda a, q: a.crafted(q, user=b"opz"), "wrong_user"),
        (lambda a, q: a.crafted(q, level=0), "wrong_level"),
        (lambda a, q: a.crafted(q, level=v3.AUTH), "wrong_level"),
        (lambda a, q: a.crafted(q, back_s=152), "not_in_window"),
        (lambda a, q: a.crafted(q, boots=2), "not_in_window"),
        (lambda a, q: a.crafted(q, context=b"vrf-2"), "wrong_context"),
        (lambda a, q: a.crafted(q, scope_engine=b"other"), "wrong_context"),
        (lambda a, q: a.crafted(q, request_id=q.message.request_id ^ 1), "wrong_id"),
        (lambda a, q: a.crafted(q, pdu_type=pdu.GET), "wrong_pdu"),
        (lambda a, q: a.true(q)[:-1], "malformed"),
        (lambda a, q: a.true(q)[:40], "malformed"),
        (other_message, "unknown_id"),
        (from_elsewhere, "wrong_source"),
        (as_v2c, "wrong_version"),
        (unsigned_report(NOT_IN_TIME), "unauthenticated_time"),
    ],
    ids=[
        "forged MAC", "MAC of another password", "other cipher key", "rubbish inside", "wrong engine", "wrong user",
        "not signed", "not enciphered", "before the window", "earlier boots", "wrong context", "context of another",
        "wrong request id", "wrong pdu", "cut short", "cut in the wrapper", "wrong msgID", "wrong source", "v2c",
        "unsigned report of the time",
    ],
)  # fmt: skip
def test_what_is_not_the_reply_is_counted_and_ignored(bad: Callable[[Agent3, Asked], bytes], counted: str) -> None:
    """From the second request on, when the engine knows the agent's time: the bad one first, then the true reply."""

    def script(agent: Agent3, asked: Asked) -> list[bytes] | None:
        return None if len(agent.believed) == 1 else [bad(agent, asked), agent.true(asked)]

    got, stats = run3(poll_stats, script)
    assert whole(got)
    assert stats[counted] > 0
    assert stats["replies"] == stats["requests"]
    assert not stats.get("retries")


def test_a_reply_that_came_already_is_ignored() -> None:
    old: list[bytes] = []

    def script(agent: Agent3, asked: Asked) -> list[bytes]:
        good = agent.true(asked)
        out = [*old, good, good]
        old.append(good)
        return out

    got, stats = run3(poll_stats, script)
    assert whole(got)
    assert stats["late"] >= stats["requests"]


def test_a_v3_message_for_a_v2c_request_is_ignored() -> None:
    async def act(engine: Engine, agent: Agent3) -> tuple[str, dict[str, int]]:
        def answer(data: bytes, addr: Any) -> None:
            number = pdu.decode_message(data).request_id
            agent.sock.sendto(agent.usm.report(number, UNKNOWN_USER), addr)

        agent.datagram_received = answer  # type: ignore[method-assign]
        with pytest.raises(CollectError) as caught:
            await engine.get(agent.target(), [SYS_UPTIME])
        return caught.value.reason, dict(engine.stats)

    reason, stats = run3(act, timeout_s=0.1, retries=0)
    assert reason == "wrong_version"
    assert stats["wrong_version"] == 2


# --- time, reboots, other engines ------------------------------------------------------------------------------------


async def twice(engine: Engine, agent: Agent3, between: Callable[[Agent3], None]) -> dict[str, int]:
    assert whole(await poll(engine, agent))
    between(agent)
    assert whole(await poll(engine, agent))
    return dict(engine.stats)


def reboot(agent: Agent3) -> None:
    agent.uptime_s = 3.0


def lose_boots(agent: Agent3) -> None:
    agent.usm = AgentV3(CREDENTIAL, ENGINE, RING, boots=1)
    agent.uptime_s = 3.0


def lose_time(agent: Agent3) -> None:
    agent.usm = AgentV3(CREDENTIAL, ENGINE, RING, boots=3)
    agent.uptime_s = 3.0


def run_ahead(agent: Agent3) -> None:
    agent.uptime_s += 4000


def replace_device(agent: Agent3) -> None:
    agent.usm = AgentV3(CREDENTIAL, ENGINE + b"2", RING, boots=1)


@pytest.mark.parametrize(
    ("between", "counted"),
    [
        (reboot, "report_time"),
        (run_ahead, "report_time"),
        (lose_boots, "report_time_went_back"),
        (lose_time, "report_time_went_back"),
        (replace_device, "report_other_engine"),
    ],
)
def test_an_agent_that_changed_is_followed_within_the_request(between: Callable[[Agent3], None], counted: str) -> None:
    stats = run3(lambda e, a: twice(e, a, between))
    assert stats[counted] > 0
    assert not stats.get("timeouts")
    assert not stats.get("not_in_window")


def test_a_reboot_while_many_requests_are_in_flight() -> None:
    def script(agent: Agent3, asked: Asked) -> None:
        if len(agent.believed) == 3:
            agent.uptime_s = 1.0

    got, _ = run3(poll_stats, script)
    assert whole(got)


def test_the_time_moves_forward_with_the_agent_s() -> None:
    """An agent whose clock runs faster than ours stays within the window as long as it is asked."""

    async def act(engine: Engine, agent: Agent3) -> dict[str, int]:
        for _ in range(5):
            await engine.get(agent.ask_with(), [SYS_UPTIME])
            agent.uptime_s += 100
        return dict(engine.stats)

    assert set(run3(act)) == {"requests", "replies", "report_discovery"}


def test_an_agent_without_boots_and_time_in_its_introduction_is_synchronised() -> None:
    async def act(engine: Engine, agent: Agent3) -> dict[str, int]:
        def refuse(data: bytes, report: bytes) -> list[bytes]:
            wrapper = v3.decode_wrapper(report)
            if wrapper.flags & v3.AUTH:
                return [report]
            return [v3.encode_message(wrapper.message_id, 0, ENGINE, 0, 0, b"", RING.keys(replace(CREDENTIAL,
                security_level="noAuthNoPriv"), ENGINE), report[wrapper.start : wrapper.end], 0)]  # fmt: skip

        agent.refuse = refuse
        assert whole(await poll(engine, agent))
        return dict(engine.stats)

    stats = run3(act)
    assert (stats["report_discovery"], stats["report_time"]) == (1, 1)


# --- refusals --------------------------------------------------------------------------------------------------------


async def fail(engine: Engine, agent: Agent3, **changes: Any) -> CollectError:
    with pytest.raises(CollectError) as caught:
        await poll(engine, agent, **changes)
    text = f"{caught.value!s} {caught.value!r} {engine.stats!r}"
    for secret in ("hidden-word", "another-word"):
        assert secret not in text
    return caught.value


@pytest.mark.parametrize(
    ("changes", "reason", "report"),
    [
        ({"auth_password": Secret("another-word-1")}, "auth", "wrong_digest"),
        ({"auth_protocol": "SHA512"}, "auth", "wrong_digest"),
        ({"username": "nobody"}, "user", "unknown_user"),
        ({"security_level": "authNoPriv"}, "auth", "unsupported_level"),
        ({"context_name": "vrf-2"}, "context", "unknown_context"),
    ],
)
def test_a_refusal_ends_the_request_with_its_reason(changes: dict[str, Any], reason: str, report: str) -> None:
    async def act(engine: Engine, agent: Agent3) -> None:
        error = await fail(engine, agent, **changes)
        assert (error.reason, error.retryable) == (reason, False)
        assert engine.stats[f"report_{report}"] == 1
        assert len(agent.datagrams) == 2  # who are you; then the request

    run3(act)


def test_privacy_that_is_not_there_is_told() -> None:
    async def act(engine: Engine, agent: Agent3) -> None:
        assert (await fail(engine, agent)).reason == "priv"
        assert len(agent.datagrams) == 2

    run3(act, credential=replace(CREDENTIAL, security_level="authNoPriv"))


@pytest.mark.parametrize("changes", [{"priv_password": Secret("another-word-2")}, {"priv_protocol": "DES"}])
def test_silence_after_the_introduction_points_at_privacy(changes: dict[str, Any]) -> None:
    """Agents say nothing about what they cannot decipher."""

    async def act(engine: Engine, agent: Agent3) -> None:
        assert (await fail(engine, agent, **changes)).reason == "priv"
        assert (await fail(engine, agent, **changes)).reason == "priv"
        assert len(agent.datagrams) == 1 + 2 + 1 + 1  # retries at first, one try when it is known to be silent

    run3(act, timeout_s=0.1, retries=1)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (UNSUPPORTED_LEVEL, "priv"),
        (UNKNOWN_USER, "user"),
        (WRONG_DIGEST, "auth"),
        (DECRYPTION_ERROR, "priv"),
        (UNKNOWN_CONTEXT, "context"),
        ((1, 3, 6, 1, 6, 3, 11, 2, 1, 3, 0), "report"),
    ],
)
@pytest.mark.parametrize("level", [0, v3.AUTH])
def test_every_report_has_a_reason(what: Oid, reason: str, level: int) -> None:
    async def act(engine: Engine, agent: Agent3) -> None:
        assert (await fail(engine, agent)).reason == reason

    run3(act, lambda a, q: [a.usm.report(q.message_id, what, level)])


@pytest.mark.parametrize("level", [0, v3.AUTH])
def test_an_agent_that_always_complains_of_the_time_is_given_up(level: int) -> None:
    """Signed, the complaint is tried to be met once; unsigned it is not believed, and the wait is the usual one."""

    async def act(engine: Engine, agent: Agent3) -> None:
        error = await fail(engine, agent)
        assert error.reason == "time"
        assert len(agent.datagrams) == 3

    run3(act, lambda a, q: [a.usm.report(q.message_id, NOT_IN_TIME, level)], timeout_s=0.1, retries=1)


def test_an_agent_that_is_always_another_is_given_up() -> None:
    async def act(engine: Engine, agent: Agent3) -> None:
        def another(agent: Agent3) -> None:
            agent.usm = AgentV3(CREDENTIAL, ENGINE + bytes((len(agent.datagrams),)), RING)

        def refuse(data: bytes, report: bytes) -> Iterable[bytes]:
            another(agent)
            return [report]

        agent.refuse = refuse
        assert (await fail(engine, agent)).reason == "engine"
        assert len(agent.datagrams) == 3

    run3(act)


def test_a_credential_that_cannot_be_used_is_told() -> None:
    async def act(engine: Engine, agent: Agent3) -> None:
        error = await fail(engine, agent, auth_protocol="SHA3")
        assert (error.reason, error.retryable, agent.datagrams) == ("credential", False, [])

    run3(act)


# --- loss ------------------------------------------------------------------------------------------------------------


def test_a_dead_agent_costs_one_packet_per_poll() -> None:
    async def act(engine: Engine, agent: Agent3) -> list[int]:
        assert whole(await poll(engine, agent))
        agent.mute = True
        counts = []
        for _ in range(3):
            before = len(agent.datagrams)
            peer = await engine.peer(agent.ask_with())
            peer.answered_mono = None  # as after some time
            assert (await fail(engine, agent)).reason == "timeout"
            counts.append(len(agent.datagrams) - before)
        agent.mute = False
        assert whole(await poll(engine, agent))
        return counts

    assert run3(act, timeout_s=0.1) == [3, 1, 1]


def test_each_transmission_has_a_msgid_of_its_own_and_a_late_reply_counts() -> None:
    def late(agent: Agent3, asked: Asked) -> list[bytes]:
        loop, reply, client = asyncio.get_running_loop(), agent.true(asked), agent.client
        loop.call_later(0.15, lambda: agent.sock.sendto(reply, client))
        return []

    async def act(engine: Engine, agent: Agent3) -> dict[str, int]:
        assert whole(await poll(engine, agent))
        ids = [asked.message_id for asked in agent.believed]
        requests = [asked.message.request_id for asked in agent.believed]
        assert len(set(ids)) == len(ids)
        assert len(set(requests)) < len(requests)
        return dict(engine.stats)

    assert run3(act, late, timeout_s=0.1)["retries"] > 0


def test_two_users_of_one_agent_do_not_disturb_each_other() -> None:
    """The second knows another password: only it is refused."""

    async def act(engine: Engine, agent: Agent3) -> None:
        async def good() -> bool:
            return whole(await poll(engine, agent))

        async def bad() -> str:
            return (await fail(engine, agent, auth_password=Secret("another-word-1"))).reason

        assert await asyncio.gather(good(), bad(), good(), bad()) == [True, "auth", True, "auth"]

    run3(act)
