"""Drills over the API and as pages: who may order, what is refused, and the report to print."""

from __future__ import annotations

import re

import pytest

from netmon.drill.scenario_read import text_of
from tests import wall_state
from tests.unit.web_app import AUTHORIZED, Stage

ORDER = {"who": "Trưởng ca", "scenario": "cable-cut", "to": ["truc-noc"]}


def test_a_drill_from_order_to_report() -> None:
    stage = Stage()
    made = stage.post("/api/v1/drills", json={**ORDER, "at": "ubnd-x"}, headers=AUTHORIZED)
    assert made.status_code == 201
    assert (made.json()["id"], made.json()["result"]) == ("D01", "running")
    name, data, wanted, to, by = stage.daemon.drills.ordered[0]
    assert (name, data, wanted, to, by) == (*text_of("cable-cut"), "ubnd-x", ("truc-noc",), "Trưởng ca")
    again = stage.post("/api/v1/drills", json=ORDER, headers=AUTHORIZED)
    assert (again.status_code, again.json()["detail"]) == (409, "D01 is running: one drill at a time")
    taken = stage.post("/api/v1/drills/d1/ack", json={"who": "An"}, headers=AUTHORIZED)
    assert taken.json()["acknowledged_by"] == "An"
    stopped = stage.post("/api/v1/drills/stop", json={"who": "Trưởng ca"}, headers=AUTHORIZED)
    assert stopped.json()["result"] == "stopped"
    assert stage.post("/api/v1/drills/stop", json={"who": "x"}, headers=AUTHORIZED).status_code == 404
    over = stage.post("/api/v1/drills/D01/ack", json={"who": "An"}, headers=AUTHORIZED)
    assert (over.status_code, over.json()["detail"]) == (409, "D01 is over")
    assert [drill["id"] for drill in stage.get("/api/v1/drills").json()] == ["D01"]
    assert stage.get("/api/v1/drills/D1?lang=en").json()["sheet"].startswith("REPORT OF INCIDENT DRILL D01\n")


@pytest.mark.parametrize("path", ["/api/v1/drills", "/api/v1/drills/stop", "/api/v1/drills/D1/ack"])
def test_whoever_changes_something_needs_the_token(path: str) -> None:
    assert Stage().post(path, json=ORDER).status_code == 401


@pytest.mark.parametrize("scenario", ["../../etc/passwd.yml", "/etc/netmon/netmon.yml", "mine.yml"])
def test_no_file_of_the_host_is_read(scenario: str) -> None:
    stage = Stage()
    answer = stage.post("/api/v1/drills", json={**ORDER, "scenario": scenario}, headers=AUTHORIZED)
    assert answer.status_code == 409
    assert "send the text of a file of your own" in answer.json()["detail"]
    assert not stage.daemon.drills.ordered


def test_a_scenario_of_ones_own_is_sent_as_text_and_its_mistakes_come_back() -> None:
    stage = Stage()
    answer = stage.post(
        "/api/v1/drills", json={**ORDER, "scenario": "my.yml", "text": "steps: 1\n"}, headers=AUTHORIZED
    )
    assert answer.status_code == 409
    assert 'my.yml:1: "steps" is not a list' in answer.json()["detail"]


@pytest.mark.parametrize("drill", ["D9", "7", "DS", "x"])
def test_no_such_drill(drill: str) -> None:
    assert Stage().get(f"/api/v1/drills/{drill}").status_code == 404
    assert Stage().get(f"/drills/{drill}").status_code == 404


def test_the_page_of_a_drill_is_taken_and_printed() -> None:
    stage = Stage()
    stage.post("/api/v1/drills", json=ORDER, headers=AUTHORIZED)
    page = stage.get("/drills/D01").text
    assert "BIÊN BẢN DIỄN TẬP SỰ CỐ D01" in page
    assert "DIỄN TẬP – KHÔNG CÓ SỰ CỐ THẬT" in page
    assert 'data-refresh="5"' in page
    form = {"who": "An", "token": "wrong"}
    assert stage.post("/drills/D01/ack", data=form).status_code == 403
    assert stage.post("/drills/D01/ack", data={**form, "token": wall_state.TOKEN}).status_code == 303
    stage.post("/api/v1/drills/stop", json={"who": "Trưởng ca"}, headers=AUTHORIZED)
    page = stage.get("/drills/D01?lang=en").text
    assert "stopped before its end" in page
    assert "<form" not in page
    assert "data-refresh" not in page
    rows = re.findall(r"<tr><td>(Detected after|Taken after it was sent)</td><td>([^<]*)</td>", page)
    assert rows == [("Detected after", "–"), ("Taken after it was sent", "12.0 s")]
    assert stage.post("/drills/D01/ack", data={**form, "token": wall_state.TOKEN}).status_code == 409
    assert '<a href="/drills/D01">D01</a>' in stage.get("/drills").text
    assert "Chưa có lần diễn tập nào" in Stage().get("/drills").text
