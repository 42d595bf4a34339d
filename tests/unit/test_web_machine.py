"""What programs ask for, and who may change something."""

from __future__ import annotations

import asyncio
import logging
import re

import httpx
import pytest

from netmon.config import Config, WebConfig
from netmon.errors import Problem
from netmon.model import Secret
from tests import wall_state
from tests.unit.test_metrics import parse, series
from tests.unit.web_app import AUTHORIZED, Stage

GETS = (
    "/", "/?lang=en", "/sites/song-ba-04", "/incidents/1050", "/incidents/1049", "/metrics", "/metrics/self",
    "/metrics/sites/tinh-00", "/snmp?target=r1", "/sd", "/-/healthy", "/-/ready",
    "/api/v1/summary", "/api/v1/sites", "/api/v1/incidents",
    "/api/v1/incidents?which=all", "/api/v1/sensors", "/api/v1/outages", "/api/openapi.json", "/api/docs",
)  # fmt: skip


@pytest.mark.parametrize("path", GETS)
def test_every_get_answers_with_strict_headers_and_changes_nothing(path):
    stage = Stage()
    before = (dict(stage.state.incidents), stage.state.revision, len(stage.state.gauges))
    answer = stage.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (dict(stage.state.incidents), stage.state.revision, len(stage.state.gauges)) == before


@pytest.mark.parametrize("path", GETS)
def test_no_page_needs_another_host_or_inline_code(path):
    answer = Stage().get(path)
    if answer.headers["content-type"].startswith("text/html"):
        assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', answer.text)
        assert "<script>" not in answer.text
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text


def test_metrics_are_text_0_0_4_whatever_is_asked_for():
    answer = Stage().get("/metrics", accept="application/openmetrics-text;version=1.0.0")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert len([key for key in series(parse(answer.content)) if key[0] == "netmon_site_up"]) == 310


@pytest.mark.parametrize(
    ("asked", "packed"),
    [("gzip", True), ("br;q=1.0, gzip;q=0.8", True), ("identity", False), ("gzip;q=0", False), ("", False)],
)
def test_gzip_when_asked(asked, packed):
    answer = Stage().get("/metrics", **{"accept-encoding": asked})
    assert (answer.headers.get("content-encoding") == "gzip") == packed
    assert b"netmon_site_up{" in answer.content  # httpx unpacks


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("target=r1&module=a,b&module=c&auth=ro", 200, "# r1 a b c ro\n"),
        ("target=r1", 200, "# r1  \n"),
        ("module=a", 400, "one target is needed, and at most one auth\n"),
        ("target=", 400, "one target is needed, and at most one auth\n"),
        ("target=r1&target=r2", 400, "one target is needed, and at most one auth\n"),
        ("target=r1&auth=a&auth=b", 400, "one target is needed, and at most one auth\n"),
        ("target=foreign", 403, 'target "foreign" is neither in the inventory nor in snmp.allow_targets\n'),
        ("target=silent", 500, "silent: no answer to SNMP\n"),
    ],
)
def test_snmp_answers_or_says_why_not(query, status, told):
    for encoding in ("", "gzip"):
        answer = Stage().get(f"/snmp?{query}", **{"accept-encoding": encoding})
        assert (answer.status_code, answer.text) == (status, told)
        assert answer.headers["content-type"].startswith("text/plain")


def test_scrapers_that_come_together_share_one_page():
    stage = Stage()

    async def together(client: httpx.AsyncClient) -> list[httpx.Response]:
        return await asyncio.gather(*(client.get("/metrics") for _ in range(5)))

    assert {answer.status_code for answer in stage.run(together)} == {200}
    assert stage.daemon.pages == 1
    assert stage.get("/metrics").status_code == 200
    assert stage.daemon.pages == 2


def test_metrics_of_one_site():
    found = series(parse(Stage().get("/metrics/sites/tinh-00").content))
    assert {dict(key)["site"] for _, key in found} == {"tinh-00"}
    assert Stage().get("/metrics/sites/nowhere").status_code == 404


def test_discovery_names_the_address_it_was_asked_at():
    assert Stage().get("/sd").json()[5]["targets"] == ["netmon.test:9808"]
    assert Stage().get("/sd", host="a b/<x>").json()[5]["targets"] == ["127.0.0.1:9808"]


def test_ready_only_after_the_first_round():
    stage = Stage()
    stage.state.health.first_round_done = False
    assert stage.get("/-/ready").status_code == 503
    assert stage.get("/-/healthy").status_code == 200
    stage.state.health.first_round_done = True
    assert stage.get("/-/ready").status_code == 200


def test_not_healthy_when_nothing_is_judged_any_more():
    stage = Stage()
    stage.state.health.evaluated_at = stage.now - 14
    assert stage.get("/-/healthy").status_code == 200
    stage.now += 10
    assert stage.get("/-/healthy").status_code == 503


@pytest.mark.parametrize(
    ("path", "body"), [("/-/reload", None), ("/api/v1/incidents/1051/ack", {"who": "A", "note": ""})]
)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic YTpi"}, 401),
        ({"Authorization": "Bearer wrong"}, 403),
        ({"Authorization": "Bearer "}, 401),
        (AUTHORIZED, 200),
    ],
)
def test_changes_need_the_token(path, body, headers, status):
    stage = Stage()
    answer = stage.post(path, headers=headers, json=body)
    assert answer.status_code == status
    assert wall_state.TOKEN not in answer.text
    assert (stage.daemon.reloads + (stage.state.incidents[1051].acked_by == "A") == 1) == (status == 200)


def test_without_a_configured_token_nothing_can_be_changed():
    stage = Stage(Config(web=WebConfig()))
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
        assert stage.post("/-/reload", headers=headers).status_code == 403
    assert "web.token" in stage.get("/incidents/1051").text
    assert stage.post("/incidents/1051/act", data={"who": "A", "token": ""}).status_code == 403
    assert stage.state.incidents[1051].acked_by == "Nguyễn Văn A"


def test_a_wrong_token_is_logged_without_itself(caplog):
    with caplog.at_level(logging.WARNING):
        Stage().post("/-/reload", headers={"Authorization": "Bearer hunter2"})
    assert "wrong token path=/-/reload" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("path", ["/-/reload", "/api/v1/incidents/1051/ack", "/incidents/1051/act"])
def test_get_never_acts(path):
    assert Stage().get(path, **AUTHORIZED).status_code in (404, 405)


def test_a_refused_reload_tells_every_problem():
    stage = Stage()
    stage.daemon.problems = [Problem("a.yml", 3, 'site "x"', "no parent"), Problem("a.yml", 9, "", "cycle")]
    answer = stage.post("/-/reload", headers=AUTHORIZED)
    assert answer.status_code == 422
    assert answer.json()["problems"] == ['a.yml:3: site "x": no parent', "a.yml:9: cycle"]


def test_a_new_token_holds_after_a_reload():
    stage = Stage()
    stage.app.state.web.config = Config(web=WebConfig(token=Secret("n")))
    assert stage.post("/-/reload", headers=AUTHORIZED).status_code == 403
    assert stage.post("/-/reload", headers={"Authorization": "Bearer n"}).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/incidents/1052/ack", "/incidents/1052/act"])
def test_nobody_makes_the_daemon_hold_a_large_body(path):
    """Nobody needs a token to send one: it is read before the token is looked at."""
    answer = Stage().post(path, content=b'{"who": "' + b"x" * 100_000 + b'"}')
    assert answer.status_code == 413
    assert len(answer.content) < 5000
