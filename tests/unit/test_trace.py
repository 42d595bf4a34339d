"""`netmon poll --trace`: every datagram of a request has its line, with bytes, names, round trip and retries."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from netmon import commands
from netmon.clock import Clock
from netmon.collectors.snmp.engine import Columns, Engine
from netmon.collectors.snmp.pdu import GET_BULK, V1, Message, encode_message
from netmon.collectors.snmp.trace_text import Tracer
from netmon.errors import CollectError
from tests.unit.scripted_agent import COLUMNS, CONFIG, Agent, Script, first_time, mib


def traced(script: Script | None = None) -> tuple[list[str], Columns | None, Agent]:
    """One poll of columns; None instead of them when the agent does not answer."""
    lines: list[str] = []

    async def whole() -> tuple[Columns | None, Agent]:
        agent = await Agent(mib(), script).start()
        engine = Engine(CONFIG, Clock(), Tracer(lines.append))
        await engine.start()
        try:
            return await engine.columns(agent.target(), COLUMNS), agent
        except CollectError:
            return None, agent
        finally:
            await engine.close()
            agent.transport.close()

    got, agent = asyncio.run(whole())
    return lines, got, agent


def count(lines: list[str], text: str) -> int:
    return sum(text in line for line in lines)


def test_each_request_and_reply_has_a_line() -> None:
    lines, got, agent = traced()
    assert got is not None and not got.failed
    assert count(lines, " -> ") == count(lines, " <- ") == len(agent.seen) == got.stats.requests
    assert "GET of 1: 1.3.6.1.2.1.1.3.0" in lines[0]
    assert "1 varbinds, round trip" in lines[1]
    bulk = next(line for line in lines if "GETBULK" in line)
    assert f"x {next(m for m in agent.seen if m.pdu_type == GET_BULK).error_index}: 1.3.6.1.2.1.2.2.1.2 " in bulk
    assert all("bytes" in line for line in lines)


def test_the_bytes_are_those_of_the_datagrams() -> None:
    lines, _, agent = traced()
    asked = agent.seen[0]
    sizes = [int(line.split()[4]) for line in lines[:2]]
    fields = asked.version, asked.community, asked.pdu_type, asked.request_id, 0, 0, asked.varbinds
    assert sizes == [len(encode_message(*fields)), len(agent.answer(asked))]


def test_a_lost_packet_shows_as_a_retry_of_the_same_number() -> None:
    lines, got, _ = traced(first_time(lambda agent, m: () if m.pdu_type == GET_BULK else None))
    assert got is not None and not got.failed
    lost = next(i for i, line in enumerate(lines) if "no answer within" in line)
    assert "2 more to try" in lines[lost]
    again = next(line for line in lines if "try 2 of 3" in line)
    number = lines[lost].split()[2]
    assert number == again.split()[2]
    assert any(line.split()[2] == number and "round trip" in line for line in lines)


def test_a_dead_agent_is_given_up() -> None:
    lines, got, _ = traced(lambda agent, m: ())
    assert got is None
    assert "given up" in lines[-1]
    assert count(lines, " <- ") == 0


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("wrong_community", {"community": b"else"}),
        ("wrong_version", {"version": V1}),
        ("wrong_pdu", {"pdu_type": GET_BULK}),
    ],
)
def test_what_is_not_believed_says_why(what: str, change: dict[str, Any]) -> None:
    def forge(agent: Agent, m: Message) -> list[bytes]:
        fields: dict[str, Any] = {"version": m.version, "community": m.community, "pdu_type": 0xA2, **change}
        false = encode_message(
            fields["version"], fields["community"], fields["pdu_type"], m.request_id, 0, 0, m.varbinds
        )
        return [false, agent.answer(m)]

    lines, got, _ = traced(first_time(forge))
    assert got is not None and not got.failed
    assert count(lines, f"ignored: {what}, after") >= 1


def test_an_error_is_named() -> None:
    lines, _, _ = traced(first_time(lambda agent, m: agent.reply(m, [], 1) if m.pdu_type == GET_BULK else None))
    assert count(lines, "tooBig, round trip") >= 1


def test_a_reader_who_has_gone_is_no_error_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """`netmon poll --trace | head`: the command ends by itself at its next line."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", buffering=1, closefd=False) as out:
        monkeypatch.setattr("sys.stdout", out)
        commands._line("a line of the trace")
        with pytest.raises(BrokenPipeError):
            print("the next one")
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)
    os.close(writer)
