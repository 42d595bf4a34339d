"""A test message by each channel of a person: all are tried, in order, and what went wrong is said."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from netmon.alerts.channels.ways import Ways
from netmon.config import Channel, Config, NotifyConfig, Parameter
from netmon.errors import NetmonError
from netmon.model import Contact, Secret
from netmon.trial import Tried, find_contact, try_channels
from netmon.words import load_words
from tests import wall_state
from tests.http_sink import http_sink
from tests.unit.web_app import AUTHORIZED, Stage

AN = Contact("an", "Anh An", "0901000001", channels=("sms", "gone", "broken", "zns", "feed"))
NOW = 1_795_404_660.0


def test_every_channel_is_tried_and_one_that_fails_stops_none() -> None:
    with http_sink() as sink:
        url = Secret(f"http://127.0.0.1:{sink.port}/")
        channels = [
            Channel("sms", "http", url, form="sms"),
            Channel("broken", "http", Secret("http://127.0.0.1:9/s3cret"), form="sms"),
            Channel("zns", "zns", url, template="1", parameters=(Parameter("a", "{state}", 30),)),
            Channel("feed", "alertmanager", url),
        ]
        config = Config(notify=NotifyConfig(enabled=False, channels={c.name: c for c in channels}))
        found = asyncio.run(try_channels(Ways(config), AN, load_words(), NOW))
        (body,) = sink.bodies
    assert [tried.channel for tried in found] == list(AN.channels)
    assert found[:3] == [
        Tried("sms", ""),
        Tried("gone", "not in the configuration"),
        Tried("broken", "channel broken: Connection refused"),
    ]
    assert "refresh_token is missing" in found[3].problem
    assert found[4].problem.startswith("Alertmanager is fed")
    text = json.loads(body)["text"]
    assert text == "Tin thu cua netmon luc 10:31 23/11/2026: kenh sms, gui toi Anh An. Khong co su co."


def test_who_is_meant() -> None:
    contacts = {"an": AN, "an2": replace(AN, id="an2"), "b": Contact("b", "Bình")}
    assert find_contact(contacts, "an").id == "an"
    assert find_contact(contacts, "bình").id == "b"
    with pytest.raises(NetmonError, match="2 contacts are called 'Anh An': use an id"):
        find_contact(contacts, "Anh An")
    with pytest.raises(NetmonError, match="no contact 'x'; known: an, an2, b"):
        find_contact(contacts, "x")
    with pytest.raises(NetmonError, match="contact b has no channels"):
        asyncio.run(try_channels(Ways(Config()), contacts["b"], load_words(), NOW))


def test_over_the_api() -> None:
    here = Stage()
    assert here.post("/api/v1/notify/test", json={"to": "an"}).status_code == 401
    answer = here.post("/api/v1/notify/test", json={"to": "an"}, headers=AUTHORIZED)
    assert answer.json() == [{"channel": "sms", "problem": ""}, {"channel": "email", "problem": "refused"}]
    answer = here.post("/api/v1/notify/test", json={"to": "x"}, headers=AUTHORIZED)
    assert (answer.status_code, answer.json()["detail"]) == (409, "no contact 'x'")
    assert wall_state.TOKEN not in answer.text
