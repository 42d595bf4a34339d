"""Drills on a copy, in virtual time: every scenario finds its cause in the real pipeline, and nothing real moves."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from netmon.alerts.handling import HandlingError
from netmon.alerts.plan import plan
from netmon.alerts.plan_record import Record
from netmon.collectors.probes.reach import Tracker
from netmon.config import ProbeConfig
from netmon.drill.places import DrillError, Place, choose
from netmon.drill.report import cells, happened, raw_of, report_of
from netmon.drill.report import rows as measured
from netmon.drill.scenario import Step, first_id, number_of
from netmon.drill.scenario_read import read_scenario, shipped, text_of
from netmon.errors import ConfigError, NetmonError
from netmon.history.drills import Drills
from netmon.history.store import Store
from netmon.model import CAUSES, Intent, Subject
from tests.drill_stage import WORDS, DrillStage

CUT = "cable-cut"


def stage_for(scenario: str) -> DrillStage:
    stage = DrillStage()
    if scenario == "provider-core":  # in the sample netmon's own way out is the core
        return DrillStage(replace(stage.config, own_uplink=""))
    return stage


# --- scenarios -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_a_scenario_passes_with_its_cause(name: str) -> None:
    stage = stage_for(name)
    exercise = stage.run(stage.exercise(name))
    exercise.end("over")
    report = exercise.report
    assert report.result == "passed", report
    assert report.cause == report.expected
    assert report.incidents == 1, "one fault, one incident"
    told = [intent.change for intent in stage.sent]
    assert told == ["opened", "closed"], "one message, and that it is over"
    assert {intent.contact for intent in stage.sent} == {"truc-noc"}
    assert all("DIỄN TẬP – KHÔNG CÓ SỰ CỐ THẬT" in intent.body for intent in stage.sent)
    assert all("[netmon D07]" in intent.subject for intent in stage.sent)


def test_there_is_a_scenario_for_every_cause() -> None:
    assert {read_scenario(*text_of(name)).cause for name in shipped()} == set(CAUSES)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps: []\n", 'my.yml:1: "title" is missing'),
        ("title: {vi: a, en: b}\ncause: fire\n", 'my.yml:2: "cause" cannot be "fire"; allowed: device, line, monitor'),
        ("title: {vi: a}\n", 'my.yml:1: title: "en" is missing'),
        ("needs: [moat]\n", 'my.yml:1: "needs" cannot hold "moat"; did you mean "mates"?'),
        ("needs: [mates]\n", 'my.yml:1: "mates" in "needs" and "together" go together'),
        ("steps:\n  - {at: 5, probe: lost}\n", "my.yml:2: step number 1: \"at\" cannot be '5'; a duration is a number"),
        ("steps:\n  - {at: 5s, probe: gone}\n", 'my.yml:2: step number 1: "probe" cannot be "gone"; '),
        ("steps:\n  - {at: 5s}\n", "my.yml:2: step number 1: says nothing; exactly one of: probe, router, ups"),
        ("steps:\n  - {at: 5s, probe: lost, port: down}\n", "my.yml:2: step number 1: says two things; exactly one of"),
        ("steps:\n  - {at: 5s, where: mates, probe: lost}\n", 'my.yml:2: step number 1: "mates" without "together"'),
        ("steps:\n  - {at: 5s, where: primary, ups: mains}\n", '"ups" cannot be said of "primary"; allowed: probe'),
        ("steps:\n  - {at: 5s, probe: lost, charge: 0.5}\n", '"charge" goes with "ups" alone'),
        ("steps:\n  - {at: 5s, probe: lost}\n  - {at: 1h, probe: answers}\n", "the last step is at 3600 s, after"),
        ("lasts: 9h\n", 'my.yml:1: "lasts" is 32400 s; allowed: 30 to 14400 s'),
        ("limits: {seen: 3s}\n", 'my.yml:1: limits: unknown key "seen"; did you mean "sent"? allowed:'),
        ("stages: 3\n", 'my.yml:1: unknown key "stages"; '),
    ],
)  # fmt: skip
def test_a_mistake_in_a_scenario_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_scenario("my.yml", text.encode())
    assert told in str(caught.value)


def test_a_scenario_of_ones_own_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_bytes(text_of(CUT)[1])
    assert read_scenario(*text_of(str(path))).name == "mine"
    with pytest.raises(NetmonError, match="no scenario 'flood'; known: cabinet-without-power"):
        text_of("flood")
    with pytest.raises(NetmonError, match="cannot be read: No such file"):
        text_of(str(tmp_path / "other.yml"))


@pytest.mark.parametrize(
    ("text", "number"),
    [("D7", 7), ("d07", 7), (" D12345 ", 12345), ("7", None), ("D0", None), ("D", None), ("DS", None)],
)
def test_the_number_of_a_drill(text: str, number: int | None) -> None:
    assert number_of(text) == number


# --- where -----------------------------------------------------------------------------------------------------------


def test_a_place_is_well_and_has_what_the_scenario_needs() -> None:
    stage = DrillStage()
    scenario = read_scenario(*text_of(CUT))

    def place(wanted: str = "") -> str:
        return choose(scenario, stage.state, stage.topology, stage.config, wanted).subject.id

    first = place()
    assert place(first) == first
    with pytest.raises(DrillError, match="the inventory has no site 'nowhere'"):
        place("nowhere")
    with pytest.raises(
        DrillError, match=f"'ubnd-bu-dop-thanh-binh' does not fit: it lacks sfp.*could take place.*{first}"
    ):
        place("ubnd-bu-dop-thanh-binh")
    stage.lose(f"{first}-1")
    stage.t += 10
    stage.beat()
    asyncio.run(stage.pipeline.step())
    with pytest.raises(DrillError, match=f"'{first}' does not fit: it (has an open incident|is down now)"):
        place(first)
    assert place() != first
    stage.state.health.first_round_done = False
    with pytest.raises(DrillError, match="only just started"):
        place()


def test_the_nodes_that_netmon_itself_hangs_from_are_no_place_for_a_lost_node() -> None:
    stage = DrillStage()
    with pytest.raises(DrillError, match="'node-core'"):
        stage.exercise("node-lost", "node-core")


# --- nothing real moves ----------------------------------------------------------------------------------------------


def story(stage: DrillStage, drill: bool, path: Path) -> tuple[object, ...]:
    """Three minutes in which a site is truly lost after one; with or without a drill beside it, kept in a store."""

    async def life() -> tuple[object, ...]:
        store, record = Store(path / "netmon.db"), Record()
        await store.open(stage.clock.now())
        drills = Drills(store, lambda intent: None)
        exercise = stage.exercise(CUT, "ubnd-bu-dop") if drill else None
        told: list[Intent] = []
        for second in range(180):
            stage.t += 1.0
            if second == 60:
                stage.lose("ubnd-bu-dop-1")  # the very site of the drill
            if second % 3 == 0:
                stage.beat(exercise)
            if second % 30 == 0:
                stage.poll_all(exercise)
            changes = await stage.pipeline.step()
            now = stage.clock.now()
            intents = plan(changes, stage.state, stage.config, record, now, WORDS)
            await store.commit_step(changes, intents, stage.state.verdicts, now)
            record.add(intents)
            told += intents
            if exercise:
                while exercise.due_mono <= stage.t:
                    await drills.save(exercise.report, ["truc-noc"], await exercise.step())
        if exercise:
            assert exercise.report.detected_s is not None, "the drill went on beside it"
            assert exercise.report.incidents == 1
        await store.close()
        state = stage.state
        facts = [state.verdicts, state.incidents, state.reach, list(state.events), state.sensors, state.alerts, told]
        return tuple(map(repr, [*facts, state.gauges.snapshot(), stage.pipeline.book.ledger.take_id()]))

    return asyncio.run(life())


def rows(path: Path) -> dict[str, list[object]]:
    with sqlite3.connect(path / "netmon.db") as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


def test_what_is_real_is_the_same_with_and_without_a_drill(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    plain = story(DrillStage(), False, tmp_path / "without")
    drilled = story(DrillStage(), True, tmp_path / "with")
    assert plain == drilled
    told = plain[6]
    assert "ubnd-bu-dop" in str(plain[1]), "the real fault was found"
    assert "opened" in str(told)
    assert "DIỄN TẬP" not in str(told)
    real, beside = rows(tmp_path / "without"), rows(tmp_path / "with")
    assert beside.pop("drill") and not real.pop("drill")
    assert beside.pop("drill_intent") and not real.pop("drill_intent")
    assert real == beside
    assert real["incident"] and real["intent"]


def test_a_real_fault_elsewhere_is_nothing_of_the_drill() -> None:
    stage = DrillStage()
    exercise = stage.exercise(CUT)
    other = next(t for t in stage.targets if t.startswith("ubnd-loc-ninh") and t not in exercise.overlay.targets)
    stage.lose(other)
    stage.run(exercise, real=True)
    exercise.end("over")
    assert exercise.report.result == "passed"
    assert exercise.report.incidents == 1
    assert stage.inventory.lines[other].site not in "".join(i.body for i in stage.sent)
    found = [i for i in stage.state.incidents.values() if i.open]
    assert [i.subject for i in found] == [Subject("site", stage.inventory.lines[other].site)]
    assert found[0].id == 1001, "drills take no numbers of incidents"


def test_a_fork_of_a_tracker_goes_its_own_way() -> None:
    stage = DrillStage()
    real = stage.tracker("node-core")
    before = repr(real.reach()), real.due_at, real.phase
    fork = real.forked({})
    assert fork.reach() == real.reach()
    at = fork.due_at
    for n in range(60):
        at = max(at, fork.due_at)
        fork.sent(1000 + n, at)
        fork.lost(1000 + n, at + 1.0)
    assert fork.reach().lost
    assert (repr(real.reach()), real.due_at, real.phase) == before
    assert real.burst_size(stage.t) == stage.tracker("node-core").burst_size(stage.t)


def test_a_fork_in_the_middle_of_a_burst_begins_calm() -> None:
    real = Tracker("a", ProbeConfig(), 0.0)
    for n in range(5):
        real.sent(n, n * 0.3)
        real.lost(n, n * 0.3 + 1.0)
    fork = real.forked({})
    fork.sent(100, fork.due_at)
    fork.answered(100, fork.due_at, 0.01, fork.due_at + 0.01)
    assert fork.reach().lost is False


# --- people ----------------------------------------------------------------------------------------------------------


def test_an_acknowledgement_counts_from_the_first_message_and_only_once() -> None:
    stage = DrillStage()
    exercise = stage.exercise(CUT)
    with pytest.raises(HandlingError, match="nothing of D07 has been told yet"):
        exercise.acknowledge("An")
    stage.run(exercise, ack_after_s=None, until=lambda: exercise.report.sent_s is not None)
    stage.t += 42.0
    exercise.acknowledge("An", "đang đi")
    stage.t += 5.0
    exercise.acknowledge("Bình")
    assert (exercise.report.acknowledged_by, exercise.report.acknowledged_s) == ("An", pytest.approx(42.0))
    (incident,) = exercise.state.incidents.values()
    assert incident.acked_by in ("An", "Bình")
    stage.run(exercise, ack_after_s=None)
    exercise.end("over")
    assert exercise.report.result == "passed"
    assert "An: đang đi" in [note.text for note in exercise.report.notes]


def test_nobody_takes_it_and_the_drill_fails_when_the_limit_is_over() -> None:
    stage = DrillStage()
    exercise = stage.run(stage.exercise(CUT), ack_after_s=None)
    exercise.end("over")
    assert exercise.report.result == "failed"
    assert exercise.report.acknowledged_s is None
    sent_s = exercise.report.sent_s or 0.0
    assert sent_s + 600 < stage.t - 1000.0 < sent_s + 602


def test_what_is_still_open_has_neither_passed_nor_failed() -> None:
    stage = DrillStage()
    exercise = stage.exercise(CUT)
    stage.run(exercise, ack_after_s=None, until=lambda: exercise.report.sent_s is not None)

    def verdicts() -> list[str]:
        return [cells(row, exercise.report, WORDS["en"])[3] for row in measured(exercise.report)]

    assert verdicts() == ["passed", "passed", "–", "–"]
    exercise.end("stopped")
    assert verdicts()[2:] == ["failed", "failed"]


def test_the_report_names_causes_in_words() -> None:
    stage = DrillStage()
    exercise = stage.run(stage.exercise(CUT))
    said = [text for _, text in happened(exercise.report, WORDS["vi"], ZoneInfo("Asia/Ho_Chi_Minh"))]
    assert "nguyên nhân: hỏng đường truyền" in said
    assert any(text.startswith("phát hiện: chưa rõ nguyên nhân? ") for text in said)


def test_what_a_person_says_is_evidence_in_the_drill_alone() -> None:
    stage = DrillStage()
    exercise = stage.exercise("far-port-down")
    assert not exercise.answer(True, "Chị Hoa")
    stage.run(exercise, until=lambda: exercise.report.sent_s is not None)
    assert exercise.answer(True, "Chị Hoa")
    stage.run(exercise, until=lambda: exercise.report.cause == "line" and exercise.report.confirmed)
    assert exercise.report.cause == "line", "while it is lost, by the port above and the mains"
    assert stage.state.said == {}


def test_only_who_is_named_is_told_and_each_in_the_form_of_his_channels() -> None:
    stage = DrillStage()
    exercise = stage.run(stage.exercise(CUT, to=("truc-noc", "lanh-dao")))
    assert {intent.contact for intent in stage.sent} == {"truc-noc", "lanh-dao"}
    assert "được gọi tên cho cuộc diễn tập này" in stage.sent[0].body
    ends = exercise.end("stopped", "Trưởng ca")
    assert {(i.contact, i.change) for i in ends} == {("truc-noc", "drill_end"), ("lanh-dao", "drill_end")}
    assert all("KẾT THÚC DIỄN TẬP" in intent.subject for intent in ends)
    assert exercise.report.result == "stopped"


def test_a_message_that_cannot_be_sent_fails_the_drill() -> None:
    stage = DrillStage()
    exercise = stage.exercise(CUT)

    async def until_told() -> Sequence[Intent]:
        while not (found := [i for i in await exercise.step() if i.state == "pending"]):
            stage.t = max(stage.t + 0.05, min(exercise.due_mono, stage.t + 1.0))
            if stage.t % 3 < 1:
                stage.beat(exercise)
        return found

    for intent in asyncio.run(until_told()):
        exercise.take_result(replace(intent, state="failed"))
        exercise.take_result(replace(intent, state="failed"))
    stage.run(exercise, ack_after_s=None)
    exercise.end("over")
    assert exercise.report.failed == 1
    assert exercise.report.sent_s is None
    assert exercise.report.result == "failed"


def test_a_drill_that_finds_nothing_ends() -> None:
    stage = DrillStage()
    blip = replace(
        read_scenario(*text_of(CUT)), steps=(Step(0.0, "here", "probe", "lost"), Step(3.0, "here", "probe", "answers"))
    )
    exercise = stage.run(stage.exercise(blip))
    exercise.end("over")
    assert exercise.report.result == "failed"
    assert exercise.report.incidents == 0
    assert stage.t - 1000.0 < 60


# --- what is overlaid ------------------------------------------------------------------------------------------------


def test_polls_of_a_drilled_site_run_on_and_say_what_the_drill_says() -> None:
    stage = DrillStage()
    site = stage.inventory.sites["huyen-uy-bu-dop"]
    overlay = stage.overlay(Place(Subject("site", site.id), site.name))
    now = stage.clock.now()
    router, ups = f"r-{site.id}", f"ups-{site.id}"
    before = stage.state.polls[router].sys_uptime_s or 0.0
    later = overlay.poll(router, now + 100)
    assert later is not None and later.ok
    assert later.sys_uptime_s == pytest.approx(before + 100, abs=1.0)

    overlay.apply(Step(0, "here", "ups", "battery", 0.4), now)
    figures = {f.name: f.value for f in overlay.poll(ups, now + 1).figures}  # type: ignore[union-attr]
    assert figures["netmon_ups_on_battery"] == 1.0
    assert figures["netmon_ups_charge_ratio"] == 0.4
    overlay.apply(Step(0, "here", "probe", "lost"), now)
    assert [overlay.poll(d, now + 2).ok for d in (router, ups)] == [False, False]  # type: ignore[union-attr]
    assert not overlay.passes(f"{site.id}-1")
    overlay.apply(Step(0, "here", "probe", "answers"), now)
    overlay.apply(Step(0, "here", "router", "restarts"), now + 10)
    assert overlay.poll(router, now + 40).sys_uptime_s == pytest.approx(30, abs=1.0)  # type: ignore[union-attr]
    assert overlay.poll("r-ubnd-bu-dop", now) is None, "another site's is not the drill's"
    assert overlay.apply(Step(0, "here", "trap", "cold_start"), now)[0].device == router


# --- kept ------------------------------------------------------------------------------------------------------------


def test_a_report_survives_being_kept() -> None:
    stage = DrillStage()
    exercise = stage.exercise(CUT)
    exercise.end("over")
    assert report_of(raw_of(exercise.report)) == exercise.report


def test_numbers_of_incidents_of_drills_never_meet() -> None:
    assert all(first_id(n + 1) + 998 < first_id(n) for n in range(1, 50))
    assert first_id(1) + 998 < -1000
