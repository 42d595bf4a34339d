"""What people do, from page and API: with the token, by name, with clear refusals."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from netmon.works import Silence, Work
from tests import wall_state
from tests.unit.web_app import AUTHORIZED, Stage

SITE = next(iter(wall_state.state().inventory.sites))
POSTS: list[tuple[str, dict[str, Any]]] = [
    ("/api/v1/incidents", {"subject": SITE, "who": "B", "text": "chậm"}),
    ("/api/v1/incidents/1052/ack", {"who": "B", "hours": 2}),
    ("/api/v1/incidents/1052/release", {"who": "B"}),
    ("/api/v1/incidents/1052/assign", {"who": "B", "to": ""}),
    ("/api/v1/incidents/1052/comment", {"who": "B", "text": "đã gọi"}),
    ("/api/v1/incidents/1052/ticket", {"who": "B", "step": "accepted", "number": "VN-17"}),
    (
        "/api/v1/works",
        {
            "who": "B",
            "works": [
                {
                    "kind": "power",
                    "title": "Lộ 471",
                    "where": [f"site:{SITE}"],
                    "begin": "2026-11-30T07:00:00+07:00",
                    "end": "2026-11-30T11:00:00+07:00",
                }
            ],
        },
    ),
    ("/api/v1/silences", {"who": "B", "where": [f"site:{SITE}"], "reason": "sửa nhà", "hours": 2}),
]


@pytest.mark.parametrize(("path", "body"), POSTS, ids=[path for path, _ in POSTS])
def test_each_step_needs_the_token_and_a_name(path: str, body: dict[str, Any]) -> None:
    stage = Stage()
    assert stage.post(path, json=body).status_code == 401
    assert stage.post(path, json=body, headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert stage.post(path, json=body | {"who": ""}, headers=AUTHORIZED).status_code == 422
    assert stage.post(path, json=body, headers=AUTHORIZED).status_code in (200, 201)


def test_what_was_done_is_told_by_the_api() -> None:
    stage = Stage()
    for path, body in POSTS:
        stage.post(path, json=body, headers=AUTHORIZED)
    found = next(i for i in stage.get("/api/v1/incidents").json() if i["id"] == 1052)
    assert found["ticket"]["number"] == "VN-17"
    (work,) = stage.get("/api/v1/works").json()
    assert (work["begin"], work["by"], work["repeat"]) == ("2026-11-30T00:00:00Z", "B", "once")
    (silence,) = stage.get("/api/v1/silences").json()
    assert (silence["reason"], silence["by"]) == ("sửa nhà", "B")
    cancelled = stage.post("/api/v1/works/1/cancel", json={"who": "C"}, headers=AUTHORIZED).json()
    assert cancelled["cancelled_by"] == "C"
    assert stage.post("/api/v1/silences/1/end", json={"who": "C"}, headers=AUTHORIZED).json()["ended_by"] == "C"
    assert stage.post("/api/v1/works/99/cancel", json={"who": "C"}, headers=AUTHORIZED).status_code == 404


def test_a_time_without_zone_is_refused_not_guessed() -> None:
    body = {"who": "B", "works": [{**POSTS[6][1]["works"][0], "begin": "2026-11-30T07:00:00"}]}
    assert Stage().post("/api/v1/works", json=body, headers=AUTHORIZED).status_code == 422


def test_what_cannot_be_done_is_a_conflict_with_its_reason() -> None:
    stage = Stage()
    answer = stage.post("/api/v1/incidents/1052/close", json={"who": "B"}, headers=AUTHORIZED)
    assert answer.status_code == 409
    assert "closes by itself" in answer.json()["detail"]
    assert (
        stage.post("/api/v1/incidents/1052/assign", json={"who": "B", "to": "x"}, headers=AUTHORIZED).status_code == 409
    )


def test_the_report_to_the_provider_names_circuit_place_and_time() -> None:
    stage = Stage()
    texts = [stage.get(f"/api/v1/incidents/{n}/provider-report") for n in stage.state.incidents]
    found = [answer.json() for answer in texts if answer.status_code == 200]
    assert found
    for report in found:
        assert len(report["sms"]) <= 160
        assert report["sms"].startswith("BAO HONG kenh ")
        assert "BÁO HỎNG kênh" in report["text"]


# --- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "more", "kind"),
    [
        ("ack", {}, "ack"),
        ("comment", {"note": "đã gọi"}, "comment"),
        ("assign", {"to": ""}, "assigned"),
        ("ticket_reported", {"ticket": "VN-17"}, "ticket_reported"),
        ("ticket_closed", {"ticket": "VN-17"}, "ticket_closed"),
    ],
)
def test_each_button_of_an_incident(step: str, more: dict[str, str], kind: str) -> None:
    stage = Stage()
    form = {"who": "B", "token": wall_state.TOKEN, "step": step, **more}
    assert stage.post("/incidents/1052/act", data=form).status_code == 303
    entry = stage.state.incidents[1052].timeline[-1]
    assert (entry.kind, entry.who, entry.at) == (kind, "B", wall_state.NOW)
    assert stage.get("/incidents/1052").status_code == 200


def test_the_page_takes_an_incident_for_some_hours_and_a_step_of_the_ticket_at_its_own_time() -> None:
    stage = Stage()
    form = {"who": "B", "token": wall_state.TOKEN, "hours": "2", "step": "ack"}
    assert stage.post("/incidents/1052/act", data=form).status_code == 303
    assert stage.state.incidents[1052].acked_until == wall_state.NOW + 7200
    form |= {"step": "ticket_reported", "ticket": "VN-17", "at": "2026-11-23T09:15"}
    assert stage.post("/incidents/1052/act", data=form).status_code == 303
    ticket = stage.state.incidents[1052].ticket
    assert ticket is not None and ticket.reported_at == wall_state.NOW - 76 * 60
    for wrong in ({"hours": "ba"}, {"hours": "999"}, {"at": "2026-11-23T10:40", "step": "ticket_closed"}):
        assert stage.post("/incidents/1052/act", data=form | {"step": "ack"} | wrong).status_code == 409


@pytest.mark.parametrize("step", ["close", "nothing"])
def test_a_button_that_does_not_fit_is_answered_on_the_page(step: str) -> None:
    form = {"who": "B", "token": wall_state.TOKEN, "step": step, "note": "giữ"}
    answer = Stage().post("/incidents/1052/act", data=form)
    assert answer.status_code == 409
    assert 'value="giữ"' in answer.text


def test_the_page_of_plans_lists_and_takes_them() -> None:
    stage = Stage()
    who = {"who": "B", "token": wall_state.TOKEN}
    times = {"begin": "2026-11-30T07:00", "end": "2026-11-30T11:00"}
    form = {
        **who,
        **times,
        "step": "work",
        "kind": "power",
        "title": "Lộ 471",
        "where": f"site:{SITE}",
        "repeat": "weekly",
    }
    assert stage.post("/works", data=form).status_code == 303
    work = stage.state.plans.works[1]
    begin = datetime(2026, 11, 30, 7, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh")).timestamp()  # as typed: local time
    assert (work.begin_at, work.by, work.repeat) == (begin, "B", "weekly")
    silence = {**who, "step": "silence", "where": f"site:{SITE}", "reason": "sửa nhà", "hours": "2"}
    assert stage.post("/works", data=silence).status_code == 303
    page = stage.get("/works").text
    assert "Lộ 471" in page and "sửa nhà" in page and stage.state.inventory.sites[SITE].name in page
    assert stage.post("/works", data={**who, "step": "cancel", "number": "1"}).status_code == 303


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"token": "wrong"}, 403, ""),
        ({"begin": "soon"}, 409, "begin: a date and time"),
        ({"kind": "magic"}, 409, "kind is one of power"),
        ({"step": "x"}, 409, "no step"),
    ],
)
def test_a_plan_that_is_refused_keeps_what_was_written(change: dict[str, str], status: int, said: str) -> None:
    form = {
        "who": "B", "token": wall_state.TOKEN, "step": "work", "kind": "power", "title": "giữ lại",
        "where": f"site:{SITE}", "begin": "2026-11-30T07:00", "end": "2026-11-30T11:00", **change,
    }  # fmt: skip
    answer = Stage().post("/works", data=form)
    assert answer.status_code == status
    assert said in answer.text and "giữ lại" in answer.text
    assert wall_state.TOKEN not in answer.text


def test_a_fault_is_reported_from_the_page_of_its_site() -> None:
    stage = Stage()
    form = {"who": "B", "token": wall_state.TOKEN, "note": "chậm"}
    answer = stage.post(f"/sites/{SITE}/report", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/incidents/2001")
    assert "chậm" in stage.get("/incidents/2001").text
    assert stage.post(f"/sites/{SITE}/report", data=form | {"token": "x"}).status_code == 403


def test_markup_in_plans_is_shown_and_not_run() -> None:
    stage = Stage()
    evil = "<script>alert(1)</script>"
    now = wall_state.NOW
    stage.state.plans.works[1] = Work(1, "own", evil, (f"site:{SITE}",), now, now + 60, reference=evil, by=evil)
    stage.state.plans.silences[1] = Silence(1, (f"site:{SITE}",), now, now + 60, evil, evil)
    page = stage.get("/works").text
    assert evil not in page and "&lt;script&gt;" in page
