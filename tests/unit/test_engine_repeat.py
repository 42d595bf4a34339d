"""A recorded course gone again over real UDP on 127.0.0.1: by v1 to v3, and with agents that misbehave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from netmon.collectors.snmp.ber import COUNTER32, COUNTER64, OCTET_STRING, Oid
from netmon.collectors.snmp.course import Courses, Recorder, Repeat, decoded
from netmon.collectors.snmp.engine import Engine, Repeated, Target
from netmon.collectors.snmp.pdu import (
    GEN_ERR,
    GET,
    TOO_BIG,
    V1,
    VarBind,
    encode_message,
)
from netmon.errors import CollectError
from tests.unit.scripted_agent import (
    COLUMNS,
    IF_DESCR,
    IF_IN,
    SYS_UPTIME,
    Agent,
    Script,
    first_time,
    has,
    mib,
    run,
)
from tests.unit.scripted_v3 import Agent3, run3
from tests.unit.test_engine_hostile import other_source, with_id

NUMBERS = COLUMNS[1:]


async def record(engine: Engine, target: Target, columns: tuple[Oid, ...] = COLUMNS) -> tuple[Repeat, Recorder]:
    """A course that has been recorded, in the second poll, when sizes are known."""
    for _ in range(2):
        recorder = Recorder()
        await engine.get(target, [SYS_UPTIME], recorder=recorder)
        await engine.columns(target, columns, recorder=recorder)
        assert recorder.clean
    return Repeat(recorder.course(Courses()), True), recorder


def truth(repeat: Repeat, objects: dict[Oid, VarBind]) -> tuple[Any, ...]:
    """What the agent has under the names of the course."""
    return tuple(objects[oid].value for step in repeat.course.steps for oid in step.names.oids)


async def again(engine: Engine, target: Target, repeat: Repeat) -> Repeated:
    return await engine.repeat(target, repeat, lambda values: True)


def counts(engine: Engine) -> dict[str, int]:
    return {event: n for event, n in engine.stats.items() if event.startswith("layout")}


@pytest.mark.parametrize("version", ["1", "2c", "3"])
def test_a_course_is_learnt_then_read_by_layout_then_learnt_anew(version: str) -> None:
    async def act(engine: Engine, agent: Agent) -> None:
        target = agent.ask_with() if isinstance(agent, Agent3) else agent.target(version)
        repeat, recorder = await record(engine, target)
        steps = len(repeat.course.steps)
        assert tuple(v.value for v in recorder.varbinds) == truth(repeat, agent.objects)
        for round_ in range(4):
            for oid, varbind in list(agent.objects.items()):
                if isinstance(varbind.value, int):  # the same widths
                    agent.objects[oid] = varbind._replace(value=varbind.value ^ (round_ & 1))
            seen = engine.stats["requests"]
            found = await again(engine, target, repeat)
            assert found.values == truth(repeat, agent.objects)
            assert found.stats.requests == engine.stats["requests"] - seen == steps
            assert found.stats.varbinds == len(found.values)
        assert counts(engine) == {"layout_learnt": steps, "layout_hits": 3 * steps}
        agent.objects[*IF_IN, 3] = VarBind((*IF_IN, 3), COUNTER32, 2**31)  # wider
        assert (await again(engine, target, repeat)).values == truth(repeat, agent.objects)
        assert (await again(engine, target, repeat)).values == truth(repeat, agent.objects)
        assert counts(engine) == {"layout_learnt": steps + 1, "layout_hits": 5 * steps - 1}

    if version == "3":
        run3(act)
    else:  # v1 tells the end of a MIB by an error, which is not repeated: the columns stand before another object
        run(act, objects=mib(40))


@pytest.mark.parametrize("change", ["name", "tag", "more", "fewer"])
def test_other_names_end_the_repetition_and_what_came_is_kept(change: str) -> None:
    async def act(engine: Engine, agent: Agent) -> None:
        repeat, _ = await record(engine, agent.target())
        assert (await again(engine, agent.target(), repeat)).values is not None
        if change in ("name", "fewer"):
            del agent.objects[*IF_IN, 10]
        if change in ("name", "more"):
            agent.objects[*IF_IN, 11] = VarBind((*IF_IN, 11), COUNTER32, 5)
        if change == "tag":
            agent.objects[*IF_IN, 10] = VarBind((*IF_IN, 10), COUNTER64, 10010)
        agent.order = sorted(agent.objects)
        found = await again(engine, agent.target(), repeat)
        assert (found.values, found.others) == (None, True)
        assert engine.stats["layout_changed"] == 1
        seen = len(agent.seen)
        recorder = Recorder(found.answers)
        columns = await engine.columns(agent.target(), COLUMNS, recorder=recorder)
        assert columns.rows[IF_IN] == {o[-1:]: v for o, v in agent.objects.items() if o[:-1] == IF_IN}
        assert len(agent.seen) - seen <= 1 and not recorder.clean

    run(act)


@pytest.mark.parametrize(
    ("script", "counted"),
    [
        (first_time(lambda a, m: []), "retries"),
        (lambda a, m: [a.answer(m)] * 2, "late"),
        (with_id, "unknown_id"),
        (other_source, "wrong_source"),
        (lambda a, m: [a.answer(m._replace(community=b"publix")), a.answer(m)], "wrong_community"),
        (lambda a, m: [a.reply(m._replace(version=V1), []), a.answer(m)], "wrong_version"),
        (lambda a, m: [encode_message(1, b"public", GET, m.request_id, 0, 0, []), a.answer(m)], "wrong_pdu"),
        (lambda a, m: [a.answer(m)[:-1], a.answer(m)], "malformed"),
        (lambda a, m: [a.answer(m)[:-20] + bytes(20), a.answer(m)], "malformed"),
    ],
    ids=["loss", "duplication", "id", "source", "community", "version", "pdu", "cut", "zeros"],
)
def test_a_repeated_request_is_as_wary_as_any(script: Script, counted: str) -> None:
    async def act(engine: Engine, agent: Agent) -> None:
        repeat, _ = await record(engine, agent.target())
        await again(engine, agent.target(), repeat)
        agent.script = script
        found = await again(engine, agent.target(), repeat)
        assert found.values == truth(repeat, agent.objects)
        await asyncio.sleep(0.05)
        assert engine.stats[counted] > 0

    run(act, timeout_s=0.3)


def only(column: Oid, script: Script) -> Script:
    return lambda agent, message: script(agent, message) if has(message, column) else None


@pytest.mark.parametrize(
    "script",
    [
        lambda a, m: a.reply(m, m.varbinds, GEN_ERR, 1),
        lambda a, m: a.reply(m, m.varbinds, TOO_BIG),
        lambda a, m: a.reply(m, []),
        lambda a, m: [],
        lambda a, m: a.reply(m, [VarBind((1, 3, 9), OCTET_STRING, b"x")]),
    ],
    ids=["genErr", "tooBig", "empty", "silence", "elsewhere"],
)
def test_a_step_that_fails_leaves_the_replies_to_the_others(script: Script) -> None:
    async def act(engine: Engine, agent: Agent) -> None:
        repeat, _ = await record(engine, agent.target())
        agent.script = only(IF_DESCR, script)
        found = await again(engine, agent.target(), repeat)
        assert found.values is None
        good = [step for step in repeat.course.steps if not any(oid[:-1] == IF_DESCR for oid in step.asked.oids)]
        for step in good:
            if not any(oid[: len(IF_DESCR)] == IF_DESCR for oid in step.asked.oids):
                assert found.answers[step.asked] == [agent.objects[oid] for oid in step.names.oids]

    run(act, timeout_s=0.1)


def test_nothing_more_is_asked_when_the_first_values_do_not_please() -> None:
    async def act(engine: Engine, agent: Agent) -> None:
        repeat, _ = await record(engine, agent.target())
        seen = len(agent.seen)
        found = await engine.repeat(agent.target(), repeat, lambda values: values != (4711,))
        assert found.values is None and not found.others and len(agent.seen) == seen + 1
        assert [v.value for v in found.answers[repeat.course.steps[0].asked]] == [4711]

    run(act)


def test_silence_is_one_request_and_remembered() -> None:
    async def act(engine: Engine, agent: Agent) -> None:
        repeat, _ = await record(engine, agent.target())
        agent.script = lambda a, m: []
        seen = len(agent.seen)
        with pytest.raises(CollectError) as error:
            await again(engine, agent.target(), repeat)
        assert error.value.reason == "timeout"
        assert {m.pdu_type for m in agent.seen[seen:]} == {GET}
        assert (await engine.peer(agent.target())).silent
        assert await again(engine, agent.target(), repeat) == Repeated(None, {})  # it is met the general way

    run(act, timeout_s=0.05)


def test_the_budget_ends_a_repetition() -> None:
    async def act(engine: Engine, agent: Agent) -> None:
        repeat, _ = await record(engine, agent.target())
        agent.script = only(IF_DESCR, lambda a, m: [])
        found = await engine.repeat(agent.target(), repeat, lambda values: True, budget_s=0.1)
        assert found.values is None and not found.others
        assert engine.in_flight == 0
        agent.script = lambda a, m: []
        with pytest.raises(CollectError):
            await engine.repeat(agent.target(), repeat, lambda values: True, budget_s=0.1)
        assert engine.in_flight == 0

    run(act, timeout_s=5.0)


def test_the_engine_closes_in_the_middle() -> None:
    async def act(engine: Engine, agent: Agent) -> None:
        repeat, _ = await record(engine, agent.target())
        agent.script = lambda a, m: []
        task = asyncio.create_task(again(engine, agent.target(), repeat))
        await asyncio.sleep(0.05)
        await engine.close()
        with pytest.raises(CollectError) as error:
            await task
        assert error.value.reason == "closed"

    run(act)


def test_a_device_of_the_same_rows_goes_the_same_course() -> None:
    async def act(engine: Engine, agent: Agent) -> None:
        other = await Agent(mib()).start()
        courses = Courses()
        found = []
        for target in (agent.target(), other.target()):
            _, recorder = await record(engine, target, NUMBERS)
            found.append(recorder.course(courses))
        other.transport.close()
        assert found[0] is found[1] and len(courses) == 1

    run(act)


def test_varbinds_are_as_they_came() -> None:
    async def act(engine: Engine, agent: Agent) -> None:
        repeat, recorder = await record(engine, agent.target())
        values = (await again(engine, agent.target(), repeat)).values
        assert values is not None
        found = [
            varbind
            for step, at in zip(repeat.course.steps, repeat.course.starts, strict=True)
            for varbind in decoded(step, values[at : at + len(step.names.sizes)])
        ]
        assert found == recorder.varbinds

    run(act)
