"""Alerts that an Alertmanager hands in: each told once, over repetitions, restarts and what comes late."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netmon.alerts.incidents import Book
from netmon.alerts.outside import (
    LATE_S,
    MOST_KEPT,
    MOST_OPEN,
    SILENT_S,
    Known,
    OutsideAlerts,
    Posted,
    state_of,
    subject_of,
    text_of,
)
from netmon.alerts.rules import Evaluator
from netmon.clock import Clock
from netmon.config import Config
from netmon.history.outside import load_outside
from netmon.history.store import Store
from netmon.model import Change, Subject, labels
from netmon.outside_intake import OutsideIntake
from netmon.pipeline import Pipeline
from netmon.state import State
from netmon.topology import Topology
from tests import wall_state
from tests.unit.web_app import AUTHORIZED, Stage
from tests.unit.world import T0, province

DISK = Posted("f1", labels(alertname="DiskFull", instance="db:9100", severity="critical"), "disk is full", T0, None)


def over(alert: Posted, after_s: float = 60.0) -> Posted:
    return replace(alert, ended_at=alert.began_at + after_s)


def taken(outside: OutsideAlerts, *posted: Posted, now: float = T0) -> int:
    found = outside.take(posted, now)
    outside.accept(found.changed)
    return found.news


def firing(outside: OutsideAlerts) -> int:
    return len(outside.alerts(province()))


def test_a_repetition_changes_nothing_and_the_end_ends_it() -> None:
    outside = OutsideAlerts(())
    assert (taken(outside, DISK), firing(outside)) == (1, 1)
    assert (taken(outside, DISK, DISK, now=T0 + 100), firing(outside)) == (0, 1)
    assert outside.overdue(T0 + SILENT_S + 50) == [], "but it says that it goes on"
    taken(outside, over(DISK))
    assert firing(outside) == 0


def test_what_comes_late_does_not_begin_it_anew() -> None:
    outside = OutsideAlerts(())
    taken(outside, over(DISK), now=T0 + 60)
    assert (taken(outside, DISK, over(DISK, 90)), firing(outside)) == (0, 0)
    again = replace(DISK, began_at=T0 + 500)
    assert (taken(outside, again), firing(outside)) == (1, 1)
    assert (taken(outside, over(DISK)), firing(outside)) == (0, 1), "the end of the first does not end the second"


def test_what_fires_on_with_its_old_beginning_after_it_was_called_over_is_heard() -> None:
    outside = OutsideAlerts(())
    taken(outside, DISK)
    taken(outside, over(DISK, 300), now=T0 + 300)  # Alertmanager had not heard of its Prometheus for so long
    assert (taken(outside, over(DISK, 300), now=T0 + 301 + LATE_S), firing(outside)) == (0, 0)
    assert (taken(outside, DISK, now=T0 + 301 + LATE_S), firing(outside)) == (1, 1)
    assert taken(outside, DISK, now=T0 + 400 + LATE_S) == 0


def test_in_one_request_the_newest_counts() -> None:
    outside = OutsideAlerts(())
    taken(outside, DISK, over(DISK), replace(DISK, began_at=T0 + 500), DISK)
    assert firing(outside) == 1


def test_our_own_are_dropped() -> None:
    outside = OutsideAlerts(["SiteDown"])
    fed = replace(DISK, labels=labels(alertname="NetmonOutage", source="netmon"))
    rule = replace(DISK, fingerprint="f2", labels=labels(alertname="SiteDown", site="x"))
    assert outside.take([fed, rule], T0) == ([], 0, 2)


def test_silence_for_days_is_the_end_and_is_forgotten_later() -> None:
    outside = OutsideAlerts((), [Known(DISK, T0)])
    assert outside.overdue(T0 + SILENT_S) == []
    (ended,) = outside.overdue(T0 + SILENT_S + 1)
    outside.accept([ended])
    assert firing(outside) == 0
    assert len(outside.texts()) == 1
    outside.forget(T0 + 3 * SILENT_S)
    assert outside.texts() == {}


def test_more_than_anybody_reads_is_dropped_and_counted() -> None:
    outside = OutsideAlerts(())
    many = [replace(DISK, fingerprint=f"f{n}", labels=labels(alertname="A", n=str(n))) for n in range(MOST_OPEN + 7)]
    assert taken(outside, *many) == MOST_OPEN
    assert outside.dropped == 7
    assert taken(outside, over(many[0])) == 1, "what ends is always heard"


def test_of_those_that_are_over_only_so_many_are_kept() -> None:
    outside = OutsideAlerts(())
    taken(outside, DISK)
    for n in range(2 * MOST_KEPT // MOST_OPEN):
        lately = [replace(over(DISK), fingerprint=f"f{n}-{m}") for m in range(MOST_OPEN)]
        taken(outside, *lately, now=T0 + n)
    assert len(outside._known) <= MOST_KEPT
    assert firing(outside) == 1, "what goes on is never forgotten"
    assert taken(outside, *lately, now=T0 + n) == 0, "nor is what ended last"


def test_the_thing_that_labels_name() -> None:
    inventory = province()
    site, device = next(iter(inventory.sites)), next(iter(inventory.devices.values()))
    assert subject_of({"site": site}, inventory) == Subject("site", site)
    assert subject_of({"device": device.id, "site": site}, inventory) == Subject("device", device.id)
    assert subject_of({"instance": f"{device.address}:9100"}, inventory) == Subject("device", device.id)
    assert subject_of({"instance": "db:9100"}, inventory) == Subject("device", "db:9100")
    assert subject_of({"alertname": "Watchdog"}, inventory) == Subject("device", "Watchdog")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"severity": "page", "tell": "hours", "audience": "ops"}, ("critical", "hours", "ops")),
        ({"severity": "odd", "tell": "verdict", "audience": "everybody"}, ("warning", "now", "noc")),
    ],
)
def test_labels_say_how_it_is_told(given: dict[str, str], found: tuple[str, str, str]) -> None:
    state = state_of(replace(DISK, labels=labels(alertname="A", **given)), province())
    assert (state.severity, state.tell, state.audience) == found


def test_the_best_text() -> None:
    assert text_of({"summary": "a\n b", "description": "c"}) == "a b"
    assert text_of({"summary_vi": "đầy", "summary": "full"}) == "đầy"
    assert len(text_of({"message": "x" * 5000})) == 300
    assert text_of({}) == ""


# --- with the pipeline -----------------------------------------------------------------------------------------------


def life(path: Path, now: float, *requests: list[Posted]) -> tuple[list[Change], State]:
    """One run of the daemon: what the steps after these requests changed."""

    async def main() -> tuple[list[Change], State]:
        store = Store(path / "netmon.db")
        await store.open(now)
        try:
            moment = [now]
            clock = Clock(lambda: moment[0], lambda: moment[0])
            incidents = await store.load_incidents(0.0)
            state, config = State(province()), Config()
            state.incidents = {i.id: i for i in incidents}
            state.health.first_round_done = True
            pipeline = Pipeline(
                state, Topology(state.inventory), config, clock, Evaluator([], {}),
                Book(config, incidents, await store.next_incident_id()), lambda d: None, lambda: None,
            )  # fmt: skip
            intake = OutsideIntake(pipeline, store, clock, ())
            await intake.load()
            changes: list[Change] = []
            for posted in (*requests, []):
                await intake.take(posted)
                for _ in range(3):
                    moment[0] += 40.0
                    found = await pipeline.step()
                    await store.commit_step(found, [], {}, moment[0])
                    changes += found
            assert all(intake.is_from_outside(i) for i in state.incidents.values())
            return changes, state
        finally:
            await store.close()

    return asyncio.run(main())


def test_one_incident_over_restarts_until_it_is_resolved(tmp_path: Path) -> None:
    changes, state = life(tmp_path, T0, [DISK], [DISK])
    assert [(c.kind, c.incident.id) for c in changes] == [("opened", 1001)]
    incident = changes[0].incident
    assert (incident.kind, incident.severity, incident.subject) == ("alert", "critical", Subject("device", "db:9100"))
    assert incident.cause.evidence[0].args == {"text": "disk is full"}
    changes, state = life(tmp_path, T0 + 1000)
    assert changes == [], "nothing new after a restart, before Alertmanager has said anything"
    assert state.incidents[1001].open
    changes, state = life(tmp_path, T0 + 2000, [DISK], [over(DISK, 2000)])
    assert [c.kind for c in changes] == ["updated", "closed"]
    changes, _ = life(tmp_path, T0 + 2400, [DISK])
    assert changes == []


def test_of_two_requests_at_once_the_second_knows_of_the_first(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store(tmp_path / "netmon.db")
        await store.open(T0)
        try:
            clock = Clock(lambda: T0, lambda: T0)
            state, config = State(province()), Config()
            book, topology = Book(config, [], 1001), Topology(state.inventory)
            pipeline = Pipeline(state, topology, config, clock, Evaluator([], {}), book, lambda d: None, lambda: None)
            intake = OutsideIntake(pipeline, store, clock, ())
            await asyncio.gather(intake.take([over(DISK)]), intake.take([DISK]))
            assert firing(pipeline.outside) == 0, "the end was heard first"
            (kept,) = await load_outside(store)
            assert kept.posted == over(DISK)
        finally:
            await store.close()

    asyncio.run(main())


# --- over HTTP -------------------------------------------------------------------------------------------------------

URL = "/api/v1/alertmanager"


def request(**changes: Any) -> dict[str, Any]:
    alert = {
        "status": "firing",
        "labels": {"alertname": "DiskFull", "instance": "db:9100"},
        "annotations": {"summary": "disk is full"},
        "startsAt": "2026-11-23T03:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://x/",
        "fingerprint": "abc",
    } | changes
    return {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "netmon", "alerts": [alert]}


def test_alertmanagers_own_form_is_read() -> None:
    here = Stage()
    answer = here.post(URL, json=request(), headers=AUTHORIZED)
    assert (answer.status_code, answer.json()) == (200, {"news": 1, "own": 0})
    (posted,) = here.daemon.posted
    assert (posted.fingerprint, posted.text, posted.ended_at) == ("abc", "disk is full", None)
    here.post(URL, json=request(status="resolved", endsAt="2026-11-23T03:05:00Z"), headers=AUTHORIZED)
    ended = here.daemon.posted[1]
    assert ended.ended_at is not None
    assert ended.ended_at - ended.began_at == pytest.approx(299.877, abs=0.01)
    here.post(URL, json=request(startsAt="2999-01-01T00:00:00Z"), headers=AUTHORIZED)
    assert here.daemon.posted[2].began_at == wall_state.NOW, "a clock that is ahead of ours"
    here.post(URL, json=request(startsAt="0001-01-01T00:00:00Z"), headers=AUTHORIZED)
    assert here.daemon.posted[3].began_at == 0.0, "no moment that a zone west of us could not write"


def test_it_needs_the_token_and_only_with_it_a_large_request_is_read() -> None:
    here = Stage()
    large = request(annotations={"summary": "x" * 50_000})
    assert here.post(URL, json=request()).status_code == 401
    assert here.post(URL, json=large).status_code == 413
    assert here.post(URL, json=large, headers={"Authorization": "Bearer wrong"}).status_code == 413
    assert here.post(URL, json=large, headers=AUTHORIZED).status_code == 200
    assert here.post(URL, json=request(annotations={"s": "x" * 1_100_000}), headers=AUTHORIZED).status_code == 413
    assert here.post(URL, json=request() | {"version": "3"}, headers=AUTHORIZED).status_code == 422
