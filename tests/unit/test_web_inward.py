"""What other programs hand in over HTTP: with the token, and with the same answer for everybody."""

from __future__ import annotations

from dataclasses import replace

from netmon.config import Channel, NotifyConfig
from netmon.model import Reply, Secret
from tests import wall_state
from tests.unit.web_app import AUTHORIZED, Stage

GIVEN = {"channel": "sms", "phone": "+84 901 000 001", "text": "1043 1", "id": "gw-1"}


def stage(replies: bool = True) -> Stage:
    channel = Channel("sms", "http", Secret("http://127.0.0.1:9/"), form="sms", replies=replies)
    return Stage(replace(wall_state.config(), notify=NotifyConfig(channels={"sms": channel})))


def test_a_gateway_hands_over_an_answer() -> None:
    here = stage()
    answer = here.post("/api/v1/replies", json=GIVEN, headers=AUTHORIZED)
    assert (answer.status_code, answer.json()) == (202, {"taken": True})
    assert here.daemon.replies == [Reply("sms|gw-1", "sms", "84901000001", "", "1043 1", wall_state.NOW)]


def test_nobody_hands_over_anything_without_the_token_or_where_nobody_listens() -> None:
    here = stage()
    assert here.post("/api/v1/replies", json=GIVEN).status_code == 401
    assert here.post("/api/v1/replies", json=GIVEN, headers={"Authorization": "Bearer no"}).status_code == 403
    assert here.post("/api/v1/replies", json=GIVEN | {"channel": "x"}, headers=AUTHORIZED).status_code == 409
    assert here.post("/api/v1/replies", json=GIVEN | {"text": "x" * 2001}, headers=AUTHORIZED).status_code == 422
    assert stage(replies=False).post("/api/v1/replies", json=GIVEN, headers=AUTHORIZED).status_code == 409
    assert here.daemon.replies == []
