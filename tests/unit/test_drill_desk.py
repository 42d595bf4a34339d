"""The daemon's drills: ordered, stopped, interrupted; what is sent arrives at a real HTTP server, and nowhere else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from netmon.alerts.channels.ways import Ways
from netmon.alerts.handling import HandlingError
from netmon.alerts.replies import Asked
from netmon.clock import Clock
from netmon.config import Channel
from netmon.drill.desk import RUNNING, DrillDesk
from netmon.drill.places import DrillError
from netmon.drill.report import Report
from netmon.drill.scenario_read import text_of
from netmon.errors import ConfigError
from netmon.history.store import Store
from netmon.model import Secret
from tests.drill_stage import WORDS, DrillStage
from tests.http_sink import Sink, http_sink

CUT = text_of("cable-cut")
BLIP = b"""
title: {vi: "Thoang qua", en: "Blip"}
cause: line
limits: {detected: 1s}
steps:
  - {at: 0s, probe: lost}
  - {at: 100ms, probe: answers}
"""


class Life:
    """One life of the daemon's desk on a file, with the clock of this machine."""

    def __init__(self, path: Path, sink: Sink) -> None:
        self.stage = DrillStage()
        self.stage.clock = self.stage.pipeline._clock = Clock()
        url = Secret(f"http://127.0.0.1:{sink.port}/send")
        self.channel = Channel("email", "http", url)
        notify = replace(self.stage.config.notify, channels={"email": self.channel}, retry_s=(0.01,))
        self.stage.pipeline.config = replace(self.stage.config, notify=notify)
        self.store = Store(path / "netmon.db")
        self.desk = DrillDesk(
            self.stage.pipeline, self.store, self.stage.clock, WORDS, self._forked, Ways(self.stage.config)
        )

    def _forked(self, names: object, memo: dict[int, object]) -> dict[str, object]:
        return {name: self.stage.tracker(name).forked(memo) for name in names}  # type: ignore[attr-defined]

    async def order(self, to: tuple[str, ...] = ("truc-noc",)) -> Report:
        return await self.desk.order(*CUT, "", to, "Trưởng ca")

    def running(self) -> float:
        return self.stage.state.gauges.family(RUNNING)[()]


def live(path: Path, sink: Sink, use: Callable[[Life], Awaitable[None]], kill: bool = False) -> None:
    life = Life(path, sink)

    async def go() -> None:
        life.stage.t = life.stage.clock.mono()
        await life.store.open(life.stage.clock.now())
        try:
            await life.desk.start()
            await use(life)
            if not kill:
                await life.desk.close(5.0)
            elif life.desk._task:  # as by kill -9: nothing of an orderly end happens
                life.desk._task.cancel()
                await asyncio.wait([life.desk._task])
        finally:
            await life.store.close()

    asyncio.run(go())


def texts(sink: Sink) -> list[str]:
    return [json.loads(body)["text"] for body in sink.bodies]


async def seen(sink: Sink, count: int) -> None:
    for _ in range(500):
        if len(sink.seen) >= count:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{len(sink.seen)} messages of {count} within 5 s")


def test_one_drill_at_a_time_and_its_end_is_told(tmp_path: Path) -> None:
    async def use(life: Life) -> None:
        assert life.running() == 0.0
        report = await life.order()
        assert (report.label, report.result, life.running()) == ("D01", "running", 1.0)
        with pytest.raises(DrillError, match="D01 is running: one drill at a time"):
            await life.order()
        with pytest.raises(HandlingError, match="nothing of D01 has been told yet"):
            await life.desk.acknowledge(1, "An")
        assert await life.desk.acknowledge(9, "An") is None
        stopped = await life.desk.stop("Trưởng ca")
        assert stopped is not None
        assert (stopped.result, stopped.ended_by, life.running()) == ("stopped", "Trưởng ca", 0.0)
        assert life.stage.pipeline.shadow is None
        await seen(sink, 1)
        with pytest.raises(HandlingError, match="D01 is over"):
            await life.desk.acknowledge(1, "An")
        assert await life.desk.stop("Trưởng ca") is None
        assert (await life.order()).label == "D02"
        await life.desk.stop("x")
        await seen(sink, 2)
        assert [r.label for r in await life.desk.reports()] == ["D02", "D01"]

    with http_sink() as sink:
        live(tmp_path, sink, use)
    assert all(body.startswith("🔵 KẾT THÚC DIỄN TẬP – KHÔNG CÓ SỰ CỐ THẬT\nD0") for body in texts(sink))


def test_a_drill_that_is_over_by_itself(tmp_path: Path) -> None:
    async def use(life: Life) -> None:
        await life.desk.order("mine", BLIP, "", ("Trực NOC",), "Trưởng ca")
        task = life.desk._task
        assert task is not None
        life.desk._exercise._clock = Clock(lambda: life.stage.clock.mono() + 3600)  # type: ignore[union-attr]
        await task
        report = await life.desk.report(1)
        assert report is not None
        assert (report.ending, report.result, report.to) == ("over", "failed", ("Trực NOC",))
        await seen(sink, 1)

    with http_sink() as sink:
        live(tmp_path, sink, use)


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ((), "nobody is named: --to, or"),
        (("nobody",), "no contact 'nobody'; known: do-thi, "),
        (("mute",), "Câm cannot be told anything"),
    ],
)
def test_who_cannot_be_told(tmp_path: Path, to: tuple[str, ...], told: str) -> None:
    async def use(life: Life) -> None:
        facts = life.stage.state.inventory
        mute = replace(facts.contacts["truc-noc"], id="mute", name="Câm", channels=("pager",))
        life.stage.state.inventory = replace(facts, contacts={**facts.contacts, "mute": mute})
        with pytest.raises(DrillError, match=told):
            await life.order(to)
        with pytest.raises(ConfigError, match=r"my\.yml:1: "):
            await life.desk.order("my.yml", b"steps: []\n", "", ("truc-noc",), "x")
        assert life.running() == 0.0

    with http_sink() as sink:
        live(tmp_path, sink, use)
    assert not sink.seen


def test_a_stop_of_the_daemon_ends_the_drill(tmp_path: Path) -> None:
    async def use(life: Life) -> None:
        await life.order()

    async def later(life: Life) -> None:
        report = await life.desk.report(1)
        assert report is not None
        assert report.result == "interrupted"
        await life.desk.close(1.0)

    with http_sink() as sink:
        live(tmp_path, sink, use)
        assert len(sink.bodies) == 1
        assert "bị gián đoạn" in texts(sink)[0]
        live(tmp_path, sink, later)
        assert len(sink.bodies) == 1, "told once"


def test_after_a_kill_the_next_start_says_once_that_the_drill_is_over(tmp_path: Path) -> None:
    async def use(life: Life) -> None:
        await life.order(("truc-noc", "lanh-dao"))

    async def look(life: Life) -> None:
        report = await life.desk.report(1)
        assert report is not None
        assert (report.result, report.ending, report.notes[-1].kind) == ("interrupted", "interrupted", "interrupted")
        await seen(sink, 2)

    with http_sink() as sink:
        live(tmp_path, sink, use, kill=True)
        assert not sink.seen
        live(tmp_path, sink, look)
        live(tmp_path, sink, look)
    assert len(sink.bodies) == 2, "one for each who was named, and not again at the next start"
    assert all("KẾT THÚC DIỄN TẬP" in body and "bị gián đoạn" in body for body in texts(sink))


def test_no_drill_goes_out_by_a_template_that_does_not_say_so(tmp_path: Path) -> None:
    async def use(life: Life) -> None:
        facts, config = life.stage.state.inventory, life.stage.pipeline.config
        zns = replace(life.channel, name="zns", kind="zns")
        notify = replace(config.notify, channels={"email": life.channel, "zns": zns})
        life.stage.pipeline.config = replace(config, notify=notify)
        people = {**facts.contacts, "zalo": replace(facts.contacts["truc-noc"], id="zalo", channels=("zns",))}
        life.stage.state.inventory = replace(facts, contacts=people)
        with pytest.raises(DrillError, match="cannot be told anything"):
            await life.order(("zalo",))
        people["truc-noc"] = replace(people["truc-noc"], channels=("zns", "email"))
        await life.order()
        await life.desk.stop("x")
        rows = await life.store.call(lambda db: db.execute("SELECT state, body FROM drill_intent").fetchall())
        assert sorted((state, json.loads(body)["channel"]) for state, body in rows)[-1] == ("suppressed", "zns")
        await seen(sink, 1)

    with http_sink() as sink:
        live(tmp_path, sink, use)
    assert len(sink.seen) == 1


def test_a_step_of_the_clock_stops_the_drill(tmp_path: Path) -> None:
    async def use(life: Life) -> None:
        await life.order()
        assert life.stage.state.health.drill == ("D01", life.desk._exercise.report.place)  # type: ignore[union-attr]
        life.stage.pipeline.clock_stepped(3600.0)
        assert life.desk._task
        await life.desk._task
        assert life.stage.state.health.drill is None
        report = await life.desk.report(1)
        assert report is not None
        assert (report.result, report.ended_by) == ("stopped", "netmon: the system clock was stepped by 3600 s")

    with http_sink() as sink:
        live(tmp_path, sink, use)


def test_answers_by_reply_count_for_the_drill_and_only_from_who_was_named(tmp_path: Path) -> None:
    async def use(life: Life) -> None:
        known = life.stage.state.inventory.contacts
        named, other = known["truc-noc"], known["do-thi"]
        assert life.desk.reply(named, Asked("take", "D01")) is None, "none runs"
        await life.order()
        assert life.desk.reply(other, Asked("take", "D01")) is None
        assert life.desk.reply(named, Asked("take", "D02")) is None
        exercise = life.desk._exercise
        assert exercise is not None
        assert life.desk.reply(named, Asked("take", "D01")) == "DIỄN TẬP D01: đã ghi câu trả lời. DIỄN TẬP"
        assert exercise.report.acknowledged_s is None, "nothing has been told yet"
        exercise.report = replace(exercise.report, sent_s=1.0)
        assert life.desk.reply(named, Asked("take", "D01")) == "DIỄN TẬP D01: đã ghi Trực NOC nhận. DIỄN TẬP"
        assert exercise.report.acknowledged_by == "Trực NOC"
        assert life.desk.reply(named, Asked("cannot", "D01")) is not None
        assert exercise.report.notes[-1].text == "Trực NOC: cannot"
        stopped = await life.desk.stop("x")
        assert stopped is not None
        assert stopped.acknowledged_by == "Trực NOC"

    with http_sink() as sink:
        live(tmp_path, sink, use)


def test_a_drill_that_fails_is_stopped_and_what_is_real_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(life: Life) -> None:
        await life.order()
        life.desk._exercise.pipeline.take_reach = None  # type: ignore[union-attr, method-assign, assignment]
        task = life.desk._task
        life.stage.beat()  # the real one, which shows the drill what it saw
        assert task is not None
        await task
        report = await life.desk.report(1)
        assert report is not None
        assert (report.result, report.ended_by) == ("stopped", "netmon: TypeError")
        await seen(sink, 1)

    with http_sink() as sink:
        live(tmp_path, sink, use)
    assert "drill fails, so it is stopped" in caplog.text
