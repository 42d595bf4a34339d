"""The northbound API agrees with the wall, and its description with its answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from netmon.history.sensormeans import Share
from netmon.history.spool import Bad
from netmon.model import Event, LineSample
from netmon.sensor_means import SLOT_S
from netmon.web.api_history import LineSamplesOut
from tests.unit.web_app import AUTHORIZED, Stage
from tests.wall_state import NOW

STAGE = Stage()


def test_summary():
    found = STAGE.get("/api/v1/summary").json()
    assert found == {
        "at": "2026-11-23T03:31:00Z",
        "sites": 310,
        "reachable": 286,
        "conditions": {"up": 284, "degraded": 2, "down": 4, "unreachable": 19, "unknown": 1},
        "causes": {"power": 2, "line": 1, "upstream": 19, "unknown": 1},
        "communes": {"total": 133, "lost": 11, "partly_lost": 2},
        "incidents_open": 7,
        "ready": True,
        "broker_connected": True,
        "last_reload_ok": True,
    }


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 310), ("?area=bu-na", 19), ("?condition=down", 4), ("?area=bu-na&condition=up", 0), ("?area=none", 0)],
)
def test_sites(query, count):
    assert len(STAGE.get(f"/api/v1/sites{query}").json()) == count


def test_a_site():
    found = {site["id"]: site for site in STAGE.get("/api/v1/sites").json()}
    assert found["song-ba-04"] == {
        "id": "song-ba-04",
        "name": "UBND xã Tân Phú",
        "block": "government",
        "level": "commune",
        "area": "song-ba",
        "unit_code": "25102",
        "condition": "down",
        "since": "2026-11-23T03:05:00Z",
        "incident": 1051,
    }
    assert found["bu-na-07"]["incident"] == 1050


def test_incidents():
    found = STAGE.get("/api/v1/incidents").json()
    assert [incident["id"] for incident in found] == [1050, 1054, 1056, 1053, 1051, 1052, 1055]
    assert len(found[0]["children"]) == 19
    assert found[4]["evidence"] == [
        {"at": "2026-11-23T02:39:00Z", "key": "ups_on_battery", "text": "UPS chạy ắc quy từ 10:05"}
    ]
    everything = STAGE.get("/api/v1/incidents?which=all&lang=en").json()
    assert everything[-1]["id"] == 1049
    assert everything[-1]["closed_at"] == "2026-11-23T01:34:20Z"
    assert everything[4]["evidence"][0]["text"] != found[4]["evidence"][0]["text"]


def test_sensors_and_outages():
    assert [s["id"] for s in STAGE.get("/api/v1/sensors?state=alarm").json()] == ["tinh-00-temp"]
    found = STAGE.get("/api/v1/sensors?site=tinh-00").json()[0]
    assert (found["value"], found["unit"], found["state"]) == (41.5, "Cel", "alarm")
    assert (found["quantity"], found["via"], found["quality"]) == ("temperature", "line", "good")
    assert (found["at"], found["received_at"]) == ("2026-11-23T03:30:40Z", "2026-11-23T03:30:41Z")
    outages = STAGE.get("/api/v1/outages").json()
    assert [o["incident"] for o in outages] == [1054, 1053, 1051, 1052, 1050, 1049]
    assert outages[-1]["ended_at"] == "2026-11-23T01:33:20Z"  # when it was back; it closed a minute later


def test_sensors_come_page_by_page():
    everything = [s["id"] for s in STAGE.get("/api/v1/sensors").json()]
    assert everything == sorted(STAGE.state.inventory.sensors)
    path, got = "/api/v1/sensors?limit=3&site=", []
    while path:
        answer = STAGE.get(path)
        got.append([s["id"] for s in answer.json()])
        path = answer.links.get("next", {}).get("url", "")
    assert [sensor for page in got for sensor in page] == everything
    assert {len(page) for page in got[:-1]} == {3}
    assert STAGE.get("/api/v1/sensors?limit=0").status_code == 422


def test_the_curve_of_a_sensor():
    stage = Stage()
    slot = int(NOW // SLOT_S) * SLOT_S
    stage.daemon.curves["tinh-00-temp"] = [(slot - SLOT_S, 24.5), (slot - 90_000, 20.0)]
    answer = stage.get("/api/v1/sensors/tinh-00-temp/means").json()
    assert answer == {
        "sensor": "tinh-00-temp", "unit": "Cel", "step_s": 300, "means": [{"at": "2026-11-23T03:25:00Z", "mean": 24.5}],
    }  # fmt: skip
    assert stage.get("/api/v1/sensors/nobody/means").status_code == 404
    assert stage.get("/api/v1/sensors/tinh-00-temp/means?from=2026-01-01T00:00:00Z").status_code == 422
    stage.daemon.disk_refuses = True
    assert stage.get("/api/v1/sensors/tinh-00-temp/means").status_code == 503
    assert stage.get("/api/v1/compliance").status_code == 503


def test_the_quarantine_is_for_those_who_hold_the_token():
    stage = Stage()
    stage.daemon.bad = [Bad(NOW - n, f"t/{n}", "not_json", "not JSON: x", b"\xff") for n in range(3)]
    assert stage.get("/api/v1/quarantine").status_code == 401
    first, *_ = found = stage.get("/api/v1/quarantine?limit=2", **AUTHORIZED).json()
    assert (len(found), first["topic"], first["reason"], first["payload"]) == (2, "t/0", "not_json", "/w==")
    stage.daemon.disk_refuses = True
    assert stage.get("/api/v1/quarantine", **AUTHORIZED).status_code == 503


def test_compliance_is_summed_by_place():
    stage = Stage()
    facts = stage.state.inventory
    room = replace(facts.sensor_types["room-temp"], comply_min=20.0, comply_max=25.0)
    again = replace(facts.sensors["tinh-00-temp"], id="tinh-00-temp-2")
    stage.state.inventory = replace(
        facts, sensor_types={**facts.sensor_types, "room-temp": room}, sensors={**facts.sensors, again.id: again}
    )
    stage.daemon.shares["2026-11"] = [Share("gone", 5, 5), Share("tinh-00-temp", 10, 9), Share(again.id, 10, 6)]
    [found] = stage.get("/api/v1/compliance").json()
    assert found == {
        "site": "tinh-00", "node": None, "quantity": "temperature", "low": 20.0, "high": 25.0,
        "sensors": 2, "known": 20, "within": 15, "ratio": 0.75,
    }  # fmt: skip
    assert stage.get("/api/v1/compliance?month=2026-10").json() == []
    assert stage.get("/api/v1/compliance?month=2026-13").status_code == 422


def test_events_come_newest_first():
    stage = Stage()
    kinds = ("link_down", "link_up", "cold_start")
    stage.state.events.extend(Event(k, "r-a", NOW + n, if_name="GE0/1") for n, k in enumerate(kinds[:2]))
    stage.state.events.append(Event(kinds[2], "r-b", NOW + 2))
    assert [e["kind"] for e in stage.get("/api/v1/events").json()] == ["cold_start", "link_up", "link_down"]
    found = stage.get("/api/v1/events?device=r-a").json()
    assert [(e["device"], e["kind"], e["port"]) for e in found] == [
        ("r-a", k, "GE0/1") for k in ("link_up", "link_down")
    ]


@pytest.mark.parametrize(
    "path", ["/api/v1/sites?condition=broken", "/api/v1/incidents?which=x", "/api/v1/sensors?state=x"]
)
def test_a_wrong_question_is_refused(path):
    assert STAGE.get(path).status_code == 422


def test_taking_an_incident():
    stage = Stage()
    answer = stage.post("/api/v1/incidents/1052/ack", headers=AUTHORIZED, json={"who": "Trần B", "note": "đi"})
    assert answer.json()["acked_by"] == "Trần B"
    assert stage.post("/api/v1/incidents/1049/ack", headers=AUTHORIZED, json={"who": "B"}).status_code == 409
    assert stage.post("/api/v1/incidents/99/ack", headers=AUTHORIZED, json={"who": "B"}).status_code == 404
    assert stage.post("/api/v1/incidents/1052/ack", headers=AUTHORIZED, json={"who": ""}).status_code == 422


def check(value: Any, schema: dict[str, Any], defs: dict[str, Any], at: str) -> None:
    """The part of JSON Schema that the description uses."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        kinds = [part.get("type") for part in schema["anyOf"]]
        assert value is not None or "null" in kinds, at
        if value is not None:
            check(value, next(p for p in schema["anyOf"] if p.get("type") != "null"), defs, at)
        return
    python = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}
    assert isinstance(value, python[schema["type"]]), at
    assert value in schema.get("enum", [value]), at
    if schema["type"] == "array":
        for k, item in enumerate(value):
            check(item, schema["items"], defs, f"{at}[{k}]")
    if "properties" in schema:
        assert value.keys() == schema["properties"].keys(), at
        for name, part in schema["properties"].items():
            check(value[name], part, defs, f"{at}.{name}")


@pytest.mark.parametrize("name", ["summary", "sites", "incidents", "sensors", "outages", "events"])
def test_answers_are_as_described(name):
    described = STAGE.get("/api/openapi.json").json()
    schema = described["paths"][f"/api/v1/{name}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    check(STAGE.get(f"/api/v1/{name}").json(), schema, described["components"]["schemas"], name)


def test_description_holds_the_api_and_nothing_else_and_has_a_page():
    described = STAGE.get("/api/openapi.json").json()
    assert all(path.startswith("/api/v1/") for path in described["paths"])
    page = STAGE.get("/api/docs").text
    for path in described["paths"]:
        assert path in page
    for name in described["components"]["schemas"]:
        assert f'id="schema-{name}"' in page


def test_samples_of_a_line() -> None:
    stage = Stage()
    line = next(iter(stage.state.inventory.lines))
    stage.daemon.samples = [LineSample(line, 1_790_000_100, 0.25, None, 0.012, 0.0), LineSample(line, 1_790_000_400)]
    found = stage.get(f"/api/v1/lines/{line}/samples").json()
    assert found["line"] == line
    assert found["step_s"] == 300
    empty = {"in_ratio": None, "out_ratio": None, "rtt_s": None, "loss_ratio": None, "jitter_s": None}
    assert found["samples"] == [
        empty | {"at": "2026-09-21T14:15:00Z", "in_ratio": 0.25, "rtt_s": 0.012, "loss_ratio": 0.0},
        empty | {"at": "2026-09-21T14:20:00Z"},
    ]
    assert stage.daemon.asked == [(line, NOW - 86400, NOW, 1)]
    LineSamplesOut.model_validate(found)


@pytest.mark.parametrize(
    ("days", "step"), [(7, 1), (8, 2), (31, 5), (400, 58)], ids=["a week in full", "more", "a month", "13 months"]
)
def test_an_answer_has_never_more_samples_than_a_week(days: int, step: int) -> None:
    stage = Stage()
    line = next(iter(stage.state.inventory.lines))
    begin = datetime.fromtimestamp(NOW - days * 86400, UTC).isoformat().replace("+00:00", "Z")
    assert stage.get(f"/api/v1/lines/{line}/samples?from={begin}").status_code == 200
    assert [asked[3] for asked in stage.daemon.asked] == [step]
    assert days * 288 / step <= 2016


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/lines/nobody/samples", 404),
        ("/api/v1/lines/LINE/samples?from=yesterday", 422),
        ("/api/v1/lines/LINE/samples?from=2026-11-23T03:31:00", 422),  # of which zone?
        ("/api/v1/lines/LINE/samples?from=2026-11-23T03:31:00Z&to=2026-11-23T03:31:00Z", 422),
    ],
)
def test_wrong_questions_about_samples(path: str, status: int) -> None:
    stage = Stage()
    line = next(iter(stage.state.inventory.lines))
    assert stage.get(path.replace("LINE", line)).status_code == status
    assert stage.daemon.asked == []


def test_samples_while_the_disk_refuses() -> None:
    stage = Stage()
    stage.daemon.disk_refuses = True
    line = next(iter(stage.state.inventory.lines))
    assert stage.get(f"/api/v1/lines/{line}/samples").status_code == 503


@pytest.mark.parametrize("sent", ['{"who": "\\ud800"}', '{"who": "An", "hours": NaN}', '{"\\ud800": 1}', "{"])
def test_what_json_cannot_quote_is_refused_as_well(sent: str) -> None:
    json_type = {"Content-Type": "application/json"}
    answer = STAGE.post("/api/v1/incidents/1052/ack", content=sent.encode(), headers=AUTHORIZED | json_type)
    assert answer.status_code == 422
    assert {"type", "loc", "msg"} == set(answer.json()["detail"][0])
