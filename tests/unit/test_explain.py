"""Why netmon says what it says: from the record alone, by page, API and command, with and without a daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from netmon.alerts.brief import blind_s
from netmon.alerts.explain import AGAINST, FOR, Attempt, Decision, Telling, explain
from netmon.alerts.plan_people import passed_over
from netmon.alerts.plan_record import others_of, others_text
from netmon.alerts.reasons import PATTERNS, is_known
from netmon.alerts.sheet import Sheet, bounded
from netmon.alerts.silent_with import SilentWith
from netmon.cli import main
from netmon.history.store import KEEP_INTERVALS_S, Store, StoreError
from netmon.model import CAUSES, AlertState, Cause, Change, Contact, Incident, Roster, Subject, TimelineEntry, Verdict
from netmon.state import SensorView
from netmon.words import load_words
from tests.explain_cases import corrected, province, untold
from tests.message_cases import CONFIG, NOW, OPEN
from tests.unit.test_plan import World
from tests.unit.web_app import Stage

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
VI = load_words()["vi"]


def lines(sheet: Sheet, key: str) -> str:
    return "\n".join(line for section in sheet.sections if section.key == key for line in section.lines)


def told_of(world: World, incident: Incident) -> Sheet:
    """What is said of an incident whose decisions a world has recorded."""
    mine = sorted((i for i in world.record if i.incident == incident.id), key=lambda i: i.created_at)
    digests = tuple(Decision(i) for i in world.record if not i.incident)
    telling = Telling(tuple(map(Decision, mine)), digests)
    return explain(incident, telling, world.state, VI, world.config, ZONE, world.now)


# --- what is decided is recorded, with whom it concerns ---


def test_who_is_not_told_is_recorded_with_the_reason_of_that_moment() -> None:
    people = {
        "an": Contact("an", "An", "0901", audiences=("technician",), areas=("bac",), channels=("sms",)),
        "binh": Contact("binh", "Bình", "0902", audiences=("technician",), areas=("bac",), channels=("sms",)),
        "chi": Contact("chi", "Chi", "0903", audiences=("technician",), areas=("nam",), channels=("sms",)),
        "sep": Contact("sep", "Sếp", "0904", audiences=("leader",), channels=("sms",)),
    }
    world = World(**people)
    roster = Roster("ktv", ("an", "binh"), "2026-11-16")
    world.state.inventory = replace(world.state.inventory, rosters={"ktv": roster})
    incident = world.incident("bac1")
    world.step()
    # Everything changes afterwards: the record does not.
    world.state.inventory = replace(
        world.state.inventory, rosters={}, contacts={k: replace(c, areas=()) for k, c in people.items()}
    )
    sheet = told_of(world, incident)
    assert "Bình: báo mở, kênh sms" in lines(sheet, "told")
    assert "Vì là kỹ thuật, phụ trách Bắc, đang trực theo lịch ktv" in lines(sheet, "told")
    untold_lines = lines(sheet, "untold")
    assert "không trong ca trực: An" in untold_lines
    assert "không phụ trách khu vực này: Chi" in untold_lines
    assert "không thuộc nhóm nhận tin này: Sếp" in untold_lines


def test_a_storm_says_who_waits_for_which_digest() -> None:
    world = World()
    for n in range(1, 6):
        world.incident(f"bac{n}")
    world.step()
    world.now += 60
    late = world.incident("bac6")
    assert world.step() == []
    sheet = told_of(world, late)
    assert "An, NOC: nhiều sự cố cùng lúc: giữ cho tin tổng hợp lúc 10:41" in lines(sheet, "untold").replace(
        "NOC, An", "An, NOC"
    )
    world.step(540)
    assert "trong tin tổng hợp, kênh sms" in lines(told_of(world, late), "told")


def test_flapping_says_that_single_changes_are_not_told() -> None:
    world = World()
    incident = world.incident("bac1")
    world.step()
    for _ in range(4):
        world.now += 120
        incident = world.close(incident)
        world.step()
        world.now += 120
        incident = world.put(replace(incident, closed_at=None, good_since=None, tell_at=world.now))
        world.step()
    sheet = told_of(world, incident)
    assert "báo chập chờn" in lines(sheet, "told")
    held = [line for line in lines(sheet, "untold").splitlines() if "không báo từng lần nữa cho đến khi yên" in line]
    assert len(held) == 1 and "An" in held[0] and "NOC" in held[0], "once, with all whom it concerns"


def test_nobody_to_escalate_to_is_said() -> None:
    world = World(an=Contact("an", "An", "0901", audiences=("technician",), channels=("sms",)))
    incident = world.incident("bac1")
    world.step()
    world.step(1801)
    assert "không có ai để báo tiếp" in lines(told_of(world, incident), "untold")


def test_an_alert_for_office_hours_says_when_the_office_opens() -> None:
    world = World()
    incident = world.incident("bac1", kind="alert", alerts=(("UpsOverload", ()),), tell_at=NOW + 3 * 3600)
    world.step()
    assert "báo khi vào giờ hành chính, 13:31" in lines(told_of(world, incident), "untold")


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_reason_and_side_has_its_words(language: str) -> None:
    words = load_words()[language]
    assert {f"untold.{key}" for _, key in PATTERNS if key != "told"} <= words.keys()
    assert {f"get.{key}" for key in ("ups", "ups_untried", "parent_port", "ont_power", "uptime")} <= words.keys()
    assert set(FOR) == set(AGAINST) == set(CAUSES)
    facts = {f"ev.{key}" for table in (FOR, AGAINST) for keys in table.values() for key in keys}
    assert facts <= words.keys()
    for kind in CAUSES:
        assert not FOR[kind] & AGAINST[kind], kind


def test_what_is_missing_says_how_to_get_it() -> None:
    keys = {key for key in VI.keys() if key.startswith("missing.")}  # noqa: SIM118
    assert {key.replace("missing.", "get.") for key in keys} <= VI.keys()


def test_a_reason_of_another_version_is_shown_as_it_stands() -> None:
    assert not is_known("moon:full")
    telling = Telling((Decision(untold(1043, "moon", NOW, "moon:full")),))
    sheet = explain(OPEN["power"], telling, province(), VI, CONFIG, ZONE, NOW)
    assert "moon:full" in lines(sheet, "untold")


def test_who_owns_another_sensor_is_told_so() -> None:
    state = province()
    people = {k: Contact(k, k, audiences=("owner",)) for k in ("lan", "mai")}
    sensors = dict(state.inventory.sensors)
    sensors["heat"] = replace(sensors["heat"], owner="lan")
    state.inventory = replace(state.inventory, contacts=people, sensors=sensors)
    incident = OPEN["alarm"]
    key = incident.alerts[0]
    state.alerts[key] = AlertState(*key, "critical", 1.0, 1.0, NOW, NOW, incident.subject, "owner", "now")
    assert passed_over(incident, state, ["lan"], ()) == {"owner": ["mai"]}


def test_what_another_version_missed_costs_nothing() -> None:
    incident = replace(OPEN["unknown"], cause=Cause(missing=("moonlight", "ups"), rule="unknown_evidence"))
    said = lines(explain(incident, Telling(), province(), VI, CONFIG, ZONE, NOW), "cause")
    assert "Còn thiếu: moonlight. Cách có: –" in said and "trả lời 1043 5" in said


def test_others_are_read_back_as_they_were_written() -> None:
    others = {"area": ["an", "binh"], "off_duty": ["chi"]}
    assert others_of(others_text(others)) == others
    assert others_of(others_text({})) == {}


def test_a_part_is_bounded() -> None:
    assert bounded(map(str, range(5)), "{n} more", most=3) == ("0", "1", "2", "2 more")


# --- sensors that are silent with a fault ---


def test_sensors_silent_with_a_fault_are_recorded_once_with_its_incident() -> None:
    state, silent = province(), SilentWith()
    state.sensors["heat"] = SensorView("heat", "explained", NOW)
    state.sensors["door"] = SensorView("door", "ok", NOW)
    silent.note("heat")
    silent.note("door")  # it has spoken again since
    silent.note("nowhere")
    assert silent.decide(state, NOW) == []
    state.incidents[1043] = OPEN["power"]
    (decision,) = silent.decide(state, NOW + 1)
    assert (decision.incident, decision.body, decision.state) == (1043, "heat", "suppressed")
    assert is_known(decision.reason)
    assert silent.decide(state, NOW + 2) == []
    sheet = explain(OPEN["power"], Telling((Decision(decision),)), state, VI, CONFIG, ZONE, NOW)
    assert "1 cảm biến im lặng theo: nhiệt độ phòng máy" in lines(sheet, "suppressed")


def test_a_sensor_behind_a_gateway_belongs_to_the_gateways_incident() -> None:
    state, silent = province(), SilentWith()
    sensors = dict(state.inventory.sensors)
    sensors["gt-1"] = replace(sensors["gt-1"], via="gateway:gw-town")
    state.inventory = replace(state.inventory, sensors=sensors)
    state.sensors["gt-1"] = SensorView("gt-1", "explained", NOW)
    state.incidents[1050] = OPEN["gateway"]
    silent.note("gt-1")
    assert [i.incident for i in silent.decide(state, NOW)] == [1050]


def test_what_people_said_is_not_taken_for_netmons_own_words() -> None:
    entries = (
        TimelineEntry(NOW, "opened", "Chị Hoa", "chắc là power"),
        TimelineEntry(NOW + 5, "evidence", "Chị Hoa", "no_mains_said sms"),
    )
    incident = replace(OPEN["power"], timeline=entries)
    said = lines(explain(incident, Telling(), province(), VI, CONFIG, ZONE, NOW + 60), "sure")
    assert "chắc là" not in said and "Chị Hoa tại điểm báo mất điện lúc 10:31 sms" in said


def test_minutes_without_sight_are_those_without_a_daemon_too_and_count_once() -> None:
    state = province()
    state.health.gaps = ((NOW - 90000, NOW - 86000), (NOW - 3600, NOW - 3000))
    blind = replace(OPEN["blind"], began_at=NOW - 3300, good_since=NOW - 2700, closed_at=NOW - 2640)
    state.incidents[blind.id] = blind
    assert blind_s(state, NOW, NOW - 86400) == 400 + 900
    assert blind_s(state, NOW, NOW - 3000) == 300


# --- the store ---


def with_store(path: Path, work: Callable[[Store], Any]) -> Any:
    async def go() -> Any:
        store = Store(path)
        await store.open(NOW)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(go())


async def keep(store: Store) -> None:
    """The corrected incident as a daemon would have written it."""
    incident, telling = corrected()
    intents = [d.intent for d in (*telling.decisions, *telling.digests)]
    before = [replace(i, state="standby" if "fallback" in i.reason else i.state, attempts=0) for i in intents]
    changes = [Change("closed", incident, NOW), *(Change("updated", other, NOW) for other in telling.absorbed)]
    assert await store.commit_step(changes, before, {}, NOW)
    sms = next(i for i in intents if i.channel == "sms")
    mail = next(i for i in intents if i.reason.startswith("fallback"))
    await store.note_paced([sms.id], NOW)
    await store.mark_intents([(replace(sms, state="pending", attempts=1), "HTTP status 503")], NOW + 4)
    results = [
        (replace(sms, state="failed", attempts=2), "HTTP status 503"),
        (replace(mail, state="pending", attempts=0), ""),
    ]
    await store.mark_intents(results, NOW + 9)
    await store.mark_intents([(replace(mail, state="sent", attempts=1), "")], NOW + 10)
    await store.heartbeat(NOW + 6000)


def test_the_store_keeps_each_attempt_and_what_became_part_of_what(tmp_path: Path) -> None:
    async def work(store: Store) -> Telling:
        await keep(store)
        return await store.telling(1043)

    found = with_store(tmp_path / "netmon.db", work)
    by_id = {d.intent.id: d for d in found.decisions}
    sms, mail = by_id["1043-0-opened|an|sms"], by_id["1043-0-opened|an|mail|sms"]
    assert [a.result for a in sms.attempts] == ["paced", "again", "failed"]
    assert mail.attempts == (Attempt(NOW + 9, 0, "begun"), Attempt(NOW + 10, 1, "sent"))
    assert [i.id for i in found.absorbed] == [1044]
    assert [d.intent.contact for d in found.digests] == ["noc"]


def test_old_decisions_are_dropped_with_their_attempts(tmp_path: Path) -> None:
    async def work(store: Store) -> list[int]:
        await keep(store)
        await store.commit_step([Change("opened", OPEN["node"], NOW)], [untold(1050, "waits", NOW, "blip:x")], {}, NOW)
        counts = []
        for now in (NOW + KEEP_INTERVALS_S, NOW + KEEP_INTERVALS_S + 7000):
            await store.tidy(now)
            for table in ("intent", "attempt"):
                query = f"SELECT count(*) FROM {table}"
                counts.append(await store.call(lambda db, query=query: db.execute(query).fetchone()[0]))
        assert (await store.telling(1050)).decisions, "the record of what is open stays"
        return counts

    intents, attempts, left, no_attempts = with_store(tmp_path / "netmon.db", work)
    assert intents > 5 and attempts == 5
    assert (left, no_attempts) == (1, 0)


# --- page, API, command ---


@pytest.fixture
def stage() -> Iterator[Stage]:
    found = Stage()
    incident, telling = corrected()
    found.state.incidents[1043] = incident
    found.daemon.desk.record[1043] = telling
    yield found


def test_the_page_and_the_api_say_the_same(stage: Stage) -> None:
    answer = stage.get("/api/v1/incidents/1043/explain").json()
    page = stage.get("/incidents/1043").text
    assert [s["key"] for s in answer["sections"]] == ["cause", "sure", "told", "untold", "suppressed"]
    for section in answer["sections"]:
        assert section["title"] in page
    assert "Quy tắc quyết định: UPS đã phải gánh tải hoặc đã tắt trong lúc mất" in page
    english = stage.get("/api/v1/incidents/1043/explain?lang=en").json()
    assert english["sections"][0]["title"] == "Why this cause"
    assert stage.get("/api/v1/incidents/7/explain").status_code == 404


def test_a_disk_that_refuses_costs_the_reasons_not_the_page(stage: Stage) -> None:
    async def refuse(number: int) -> Telling:
        raise StoreError("netmon.db: disk I/O error")

    stage.daemon.desk.telling = refuse  # type: ignore[method-assign]
    assert stage.get("/api/v1/incidents/1043/explain").status_code == 503
    page = stage.get("/incidents/1043")
    assert page.status_code == 200 and "router không trả lời" in page.text


def test_a_site_says_why_nothing_is_told(stage: Stage) -> None:
    site = next(iter(stage.state.inventory.sites))
    answer = stage.get(f"/api/v1/sites/{site}/explain").json()
    assert [s["key"] for s in answer["sections"]] == ["now", "readers"]
    assert answer["sections"][1]["lines"] == ["Không ai: không liên hệ nào thuộc nhóm nhận và khu vực này"]
    assert answer["sections"][1]["title"] in stage.get(f"/sites/{site}").text
    assert stage.get("/api/v1/sites/nowhere/explain").status_code == 404


def test_a_site_that_was_lost_lately_says_what_holds_now(stage: Stage) -> None:
    incident = replace(corrected()[0], subject=Subject("site", next(iter(stage.state.inventory.sites))))
    stage.state.incidents[1043] = incident
    stage.state.verdicts[incident.subject] = Verdict(incident.subject, "degraded", NOW - 30, "loss")
    said = stage.get(f"/api/v1/sites/{incident.subject.id}/explain").json()["sections"][0]["lines"]
    assert any(line.startswith("Sự cố 1043 đã đóng") for line in said)
    assert any(line.startswith("Chất lượng kém mới từ") for line in said)


def test_reports_by_page_and_api(stage: Stage) -> None:
    sheet = stage.get("/api/v1/reports/handover").json()
    page = stage.get("/handover").text
    assert all(section["title"] in page for section in sheet["sections"])
    assert stage.get("/api/v1/reports/morning?lang=en").json()["title"].startswith("At 10:31 on 23/11: ")
    assert stage.get("/api/v1/reports/evening").status_code == 422


def test_without_a_daemon_the_command_reads_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "netmon.yml"
    config.write_text('inventory: ["none-*.yml"]\nstate_dir: "state"\nnotify: {enabled: false}\n', encoding="utf-8")
    assert main(["explain", "1043", "--config", str(config)]) == 1
    assert "netmon has not run" in capsys.readouterr().err
    with_store(tmp_path / "state" / "netmon.db", keep)
    assert main(["explain", "1043", "--config", str(config)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("netmon không chạy: đọc từ netmon.db, netmon ghi lần cuối lúc 12:11:00 23/11/2026")
    assert "an: báo mở, kênh mail – đã gửi 23/11 10:31:10, lần 1" in said, "ids where the inventory has no names"
    assert main(["explain", "1", "--config", str(config)]) == 1
    assert "there is no incident 1" in capsys.readouterr().err
    assert main(["explain", "ubnd-bu-dop", "--config", str(config)]) == 1
    assert "only a running daemon knows" in capsys.readouterr().err
