"""What netmon says of itself: that it runs, its last word before a stop, and the digest that joins up with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from netmon.alerts.own_news import alive_due, alive_next, unsettled
from netmon.alerts.plan_own import last_word
from netmon.config import AlertConfig
from netmon.history.store import Store
from netmon.model import Cause, Contact, Intent, Subject
from netmon.works import Silence
from tests.unit.test_plan import CONFIG, NOW, WORDS, World

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
BEATS = replace(CONFIG, alerts=AlertConfig(heartbeat=("07:00", "19:00"), morning=""))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


def of(change: str, intents: Iterable[Intent]) -> list[str]:
    return sorted(i.contact for i in intents if i.change == change)


# --- the heartbeat message -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-24T06:59:59", ""),
        ("2026-11-24T07:00", "2026-11-24T07:00"),
        ("2026-11-24T07:29:59", "2026-11-24T07:00"),
        ("2026-11-24T07:30", ""),
        ("2026-11-24T19:00", "2026-11-24T19:00"),
    ],
)
def test_when_it_is_due(now: str, due: str) -> None:
    assert alive_due(BEATS, ZONE, at(now)) == (at(due) if due else None)


def test_it_is_due_over_midnight() -> None:
    late = replace(BEATS, alerts=AlertConfig(heartbeat=("23:50",)))
    assert alive_due(late, ZONE, at("2026-11-25T00:10")) == at("2026-11-24T23:50")
    assert alive_next(late, ZONE, at("2026-11-24T23:50")) == at("2026-11-25T23:50")


def test_it_is_told_once_also_over_a_restart() -> None:
    world = World(BEATS)
    world.now = at("2026-11-24T06:59:59")
    assert of("alive", world.step()) == []
    assert of("alive", world.step(1)) == ["noc", "ops"]
    assert of("alive", world.step(600)) == []
    again = World(BEATS)  # a daemon that knows only what is on disk
    again.record.add(world.all)
    again.now = at("2026-11-24T07:20")
    assert of("alive", again.step()) == []
    assert of("alive", again.step(12 * 3600)) == ["noc", "ops"], "the one of 19:00"


def test_a_restart_at_its_time_does_not_miss_it() -> None:
    world = World(BEATS)
    world.state.health.first_round_done = False
    world.now = at("2026-11-24T07:05")
    assert of("alive", world.step()) == [], "nothing is known yet"
    world.state.health.first_round_done = True
    [message, _] = [i for i in world.step(20) if i.change == "alive"]
    assert "07:05" in message.body and "19:00" in message.body


def test_it_is_off_by_default_and_with_all_telling() -> None:
    world = World()
    world.now = at("2026-11-24T07:00")
    assert of("alive", world.step()) == []
    silent = World(replace(BEATS, notify=replace(CONFIG.notify, enabled=False)))
    silent.now = at("2026-11-24T07:00")
    assert of("alive", silent.step()) == []


def test_two_readers_of_one_address_get_one() -> None:
    both = {
        name: Contact(name, name, email="phong@x.vn", audiences=(name,), channels=("mail",)) for name in ("noc", "ops")
    }
    world = World(BEATS, **both)
    world.now = at("2026-11-24T19:00")
    assert of("alive", world.step()) == ["noc"]


# --- the last word ---------------------------------------------------------------------------------------------------


def word(world: World, *, relieved: bool = False) -> list[Intent]:
    return last_word(world.state, world.config, WORDS, world.now, relieved=relieved)


def test_a_stop_with_open_incidents_is_told_to_who_watches_over_netmon() -> None:
    world = World()
    world.incident("bac1")
    found = word(world)
    assert of("last_word", found) == ["noc", "ops"]
    assert all(i.state == "pending" and "1" in i.body and "tổng hợp" in i.body for i in found)
    assert "dự phòng" in word(world, relieved=True)[0].body


def test_a_stop_is_silent_where_nothing_is_open() -> None:
    world = World()
    incident = world.incident("bac1")
    world.close(incident)
    world.put(replace(incident, id=1002, kind="degraded"))
    planned = replace(
        incident, id=1003, cause=Cause("planned"), tell_at=world.now + 900, subject=Subject("site", "bac2")
    )
    world.put(planned)
    silenced = world.put(replace(incident, id=1004, subject=Subject("site", "bac3")))
    world.state.plans.silences[1] = Silence(1, ("site:bac3",), world.now - 1, world.now + 60, "x", "an")
    assert word(world) == []
    world.state.plans.silences.clear()
    assert unsettled(world.state, world.now) == [silenced]


@pytest.mark.parametrize("told", [True, False])
def test_the_digest_after_the_start_joins_up(told: bool) -> None:
    """Who was told that netmon stops is told that it runs, even right after another start with nothing new to say."""
    world = World()
    health = world.state.health
    health.started_at = world.now
    world.step(30)  # the digest of a first start
    incident = world.incident("bac1")
    world.step(60)
    world.now += 60
    if told:
        world.record.add(word(world))
    health.started_at = world.now + 5
    digests = of("digest", world.step(40))
    assert digests == (["noc", "ops"] if told else [])
    assert incident.open


async def _off_since(path: Path) -> float:
    store = Store(path)
    await store.open(NOW)
    assert store.last_heartbeat == 0.0, "the first start of all"
    await store.heartbeat(NOW + 100)
    await store.close()
    store = Store(path)
    await store.open(NOW + 400)
    await store.close()
    return store.last_heartbeat


def test_since_when_netmon_did_not_run_is_known(tmp_path: Path) -> None:
    assert asyncio.run(_off_since(tmp_path / "netmon.db")) == NOW + 100
