"""Duty rosters, quiet hours, escalation, the brief of the morning, and the pace of a channel."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.alerts.bucket import Bucket
from netmon.alerts.handover import shift_since
from netmon.alerts.hours import next_begin, window, within
from netmon.alerts.plan_write import Writer
from netmon.alerts.roster import latest_change, next_change, off_duty, on_duty
from netmon.model import Contact, Incident, Roster, Subject, Swap, TimelineEntry
from tests.unit.test_plan import World, who

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


def local(moment: float) -> str:
    return datetime.fromtimestamp(moment, ZONE).strftime("%d/%m %H:%M")


# --- hours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "now", "expected"),
    [
        ("22:00-05:30", "2026-11-23T23:00", ("23/11 22:00", "24/11 05:30")),
        ("22:00-05:30", "2026-11-24T05:29", ("23/11 22:00", "24/11 05:30")),
        ("22:00-05:30", "2026-11-24T12:00", ("23/11 22:00", "24/11 05:30")),
        ("07:00-17:00", "2026-11-24T06:59", ("23/11 07:00", "23/11 17:00")),
        ("07:00-17:00", "2026-11-24T07:00", ("24/11 07:00", "24/11 17:00")),
    ],
)
def test_the_window_of_the_hours(hours: str, now: str, expected: tuple[str, str]) -> None:
    found = window(hours, at(now), ZONE)
    assert found is not None and (local(found[0]), local(found[1])) == expected


def test_no_hours_are_no_window() -> None:
    assert window("", at("2026-11-24T12:00"), ZONE) is None
    assert not within("", at("2026-11-24T12:00"), ZONE)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-24T06:00", "24/11 07:00"),
        ("2026-11-24T09:00", "24/11 09:00"),
        ("2026-11-24T18:00", "25/11 07:00"),
    ],
)
def test_when_the_office_opens(now: str, opens: str) -> None:
    assert local(next_begin("07:00-17:00", at(now), ZONE)) == opens


# --- roster ----------------------------------------------------------------------------------------------------------

ROSTER = Roster("r", ("an", "binh"), "2026-11-02", swaps=(Swap("chi", "2026-11-11 07:00", "2026-11-12 07:00"),))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-02T06:59", ""),
        ("2026-11-02T07:00", "an"),
        ("2026-11-09T06:59", "an"),
        ("2026-11-09T07:00", "binh"),
        ("2026-11-11T06:59", "binh"),
        ("2026-11-11T07:00", "chi"),
        ("2026-11-12T06:59", "chi"),
        ("2026-11-12T07:00", "binh"),
        ("2026-11-16T07:00", "an"),
        ("2027-11-01T07:00", "an"),
    ],
)
def test_whose_turn_it_is(now: str, expected: str) -> None:
    assert on_duty(ROSTER, at(now), ZONE) == expected


@given(st.floats(min_value=1.78e9, max_value=1.9e9), st.integers(1, 5), st.integers(1, 30))
def test_somebody_is_always_on_duty_and_turns_last_as_long_as_they_should(now: float, people: int, days: int) -> None:
    names = tuple(f"p{n}" for n in range(people))
    roster = Roster("r", names, "2026-01-05", days=days)
    who_now = on_duty(roster, now, ZONE)
    assert who_now in names
    assert on_duty(roster, now + days * people * 86400, ZONE) == who_now  # there is no summer time in this zone
    assert off_duty({"r": roster}, now, ZONE) == set(names) - {who_now}


def test_who_is_off_duty_is_not_told_and_who_knows_of_it_hears_the_end() -> None:
    world = World()
    contacts = dict(world.state.inventory.contacts)
    contacts["chi"] = replace(contacts["an"], id="chi", phone="0909")
    monday = datetime.fromtimestamp(world.now, ZONE).date().isoformat()
    rosters = {"r": Roster("r", ("an", "chi"), monday, handover="00:00", days=1)}
    world.state.inventory = replace(world.state.inventory, contacts=contacts, rosters=rosters)
    incident = world.incident("bac1")
    assert who(world.step(10)) == [("an", "opened"), ("noc", "opened")]
    world.now += 86400  # the next day: the other one's turn
    told = who(world.step(10))
    assert ("chi", "opened") in told and ("an", "opened") not in told
    world.close(incident)
    assert [w for w, what in who(world.step(5)) if what == "closed"] == ["an", "chi", "noc"]


# --- quiet hours -----------------------------------------------------------------------------------------------------


def night(text: str = "2026-11-23T23:00") -> World:
    world = World()
    world.now = at(text)
    world.state.health.started_at = world.now - 86400
    return world


def test_news_of_communes_wait_for_the_morning_and_come_as_one_list() -> None:
    world = night()
    first, second = world.incident("bac1"), world.incident("bac2")
    gone = world.incident("nam1")
    assert world.step(3600) == []
    world.close(gone)
    assert world.step(60) == []
    world.now = at("2026-11-24T05:29")
    assert world.step() == []
    world.now = at("2026-11-24T05:30")
    sent = world.step(5)
    assert who(sent) == [("an", "digest"), ("noc", "digest")]  # Bình's only site came back in the night
    assert all(str(i.id) in next(s.body for s in sent if s.contact == "noc") for i in (first, second))
    assert "DANH SÁCH TRONG ĐÊM" in next(s.body for s in sent if s.contact == "noc")
    assert [i for i in world.step(1200) if i.change in ("opened", "digest")] == []
    world.close(first)
    assert ("an", "closed") in who(world.step(5))


def test_nodes_and_higher_levels_are_told_at_night() -> None:
    world = night()
    incident = world.incident("bac1")
    world.put(replace(incident, id=2000, subject=Subject("node", "gom"), children=("bac1",)))
    site = replace(world.state.inventory.sites["bac2"], level="province")
    world.state.inventory = replace(world.state.inventory, sites={**world.state.inventory.sites, "bac2": site})
    high = world.incident("bac2")
    told = {(i.incident, i.change) for i in world.step(60)}
    assert told == {(2000, "opened"), (high.id, "opened")}


def test_storm_duty_ends_the_quiet() -> None:
    world = night()
    world.state.plans.storm_duty_until = world.now + 3600
    world.incident("bac1")
    assert ("an", "opened") in who(world.step(60))


def test_the_reason_is_recorded() -> None:
    world = night()
    world.incident("bac1")
    world.step(60)
    assert any(i.reason == "quiet:held back until 05:30" for i in world.record._ids.values())


def test_a_netmon_that_slept_through_the_morning_tells_singly() -> None:
    world = night("2026-11-24T05:00")
    world.incident("bac1")
    world.step(60)
    world.now = at("2026-11-24T09:00")
    assert ("an", "opened") in who(world.step())


# --- escalation ------------------------------------------------------------------------------------------------------


def backed() -> World:
    world = World()
    contacts = dict(world.state.inventory.contacts)
    contacts["an"] = replace(contacts["an"], backup="chief")
    world.state.inventory = replace(world.state.inventory, contacts=contacts)
    return world


def test_what_nobody_takes_goes_to_the_backup_once_and_it_hears_the_end() -> None:
    world = backed()
    incident = world.incident("bac1")
    world.step(10)
    assert [i for i in world.step(1780) if i.change == "escalated"] == []
    sent = [i for i in world.step(20) if i.change == "escalated"]
    assert {i.contact for i in sent} == {"chief", "noc"}  # An's backup; the NOC for itself, having none
    assert "CHUA AI NHAN SAU 30 phut" in next(i.body for i in sent if i.contact == "chief")
    assert [i for i in world.step(7200) if i.change == "escalated"] == []
    world.close(incident)
    assert ("chief", "closed") in who(world.step(5))


@pytest.mark.parametrize("change", [{"acked_by": "An"}, {"good_since": 1.0}])
def test_what_is_taken_or_good_again_is_not_escalated(change: dict[str, object]) -> None:
    world = backed()
    incident = world.incident("bac1")
    world.step(10)
    world.put(replace(incident, **change))  # type: ignore[arg-type]
    assert [i for i in world.step(3600) if i.change == "escalated"] == []


def note(world: World, incident: Incident, kind: str, name: str) -> Incident:
    return world.put(replace(incident, timeline=(*incident.timeline, TimelineEntry(world.now, kind, name))))


def test_who_cannot_go_hands_it_on_at_once_and_so_does_the_next() -> None:
    world = World(
        an=Contact("an", "An", "0901", audiences=("technician",), channels=("sms",), backup="binh"),
        binh=Contact("binh", "Bình", "0902", audiences=("leader",), channels=("sms",)),
        noc=Contact("noc", "NOC", email="noc@x.vn", audiences=("noc",), channels=("mail",)),
        head=Contact("head", "Head", "0903", audiences=("noc",), channels=("sms",)),
    )
    incident = world.incident("bac1")
    assert who(world.step()) == [("an", "opened"), ("head", "opened"), ("noc", "opened")]
    incident = note(world, incident, "cannot", "An")
    assert who(world.step(5)) == [("binh", "escalated")]
    assert world.step(5) == []
    incident = note(world, incident, "cannot", "Bình")
    assert who(world.step(5)) == [("noc", "escalated")]
    incident = note(world, incident, "cannot", "NOC")
    assert who(world.step(5)) == [("head", "escalated")]
    note(world, incident, "cannot", "Head")
    assert world.step(5) == [], "nobody is left"


@pytest.mark.parametrize("after", ["ack", "there", "reopened"])
def test_who_has_thought_better_of_it_is_not_passed_over(after: str) -> None:
    world = World(
        an=Contact("an", "An", "0901", audiences=("technician",), channels=("sms",), backup="binh"),
        binh=Contact("binh", "Bình", "0902", audiences=("leader",), channels=("sms",)),
    )
    incident = world.incident("bac1")
    world.step()
    note(world, note(world, incident, "cannot", "An"), after, "An")
    assert world.step(5) == []


def test_single_sites_are_not_escalated_in_a_storm() -> None:
    world = backed()
    for n in range(1, 9):
        world.incident(f"bac{n}")
        world.step(5)
    for _ in range(40):
        world.incident("bac8")  # something goes on happening, so that the storm lasts
        assert [i for i in world.step(60) if i.change == "escalated" and i.contact == "chief"] == []


# --- the morning -----------------------------------------------------------------------------------------------------


def test_the_brief_goes_out_once_a_day_to_the_noc() -> None:
    world = night("2026-11-24T07:14")
    assert world.step() == []
    world.now = at("2026-11-24T07:15")
    (brief,) = world.step(5)
    assert (brief.contact, brief.channel) == ("noc", "mail")
    assert brief.body.startswith("Đến 07:15 ngày 24/11: ")
    assert world.step(300) == []
    world.now = at("2026-11-25T07:20")
    assert len(world.step(5)) == 1


def test_a_brief_that_is_late_by_hours_is_not_sent() -> None:
    world = night("2026-11-24T09:00")
    assert world.step() == []


def test_after_the_brief_yesterdays_storm_does_not_go_on() -> None:
    world = night("2026-11-23T18:00")
    storm = [world.incident(f"bac{n}") for n in range(1, 6)]
    world.step()
    world.now = at("2026-11-23T19:30")
    for incident in storm:
        world.close(incident)
    world.step()
    world.now = at("2026-11-24T07:15")
    world.step(5)
    world.now += 120
    world.incident("bac8")
    assert ("an", "opened") in who(world.step())


# --- the change of shift ---------------------------------------------------------------------------------------------


def test_turns_are_where_somebody_else_begins() -> None:
    turn = next_change(ROSTER, at("2026-11-03T12:00"), ZONE)
    assert turn is not None and (local(turn.at), turn.before, turn.after) == ("09/11 07:00", "an", "binh")
    turn = next_change(ROSTER, turn.at, ZONE)
    assert turn is not None and (local(turn.at), turn.before, turn.after) == ("11/11 07:00", "binh", "chi")
    assert next_change(Roster("r", ("an",), "2026-11-02"), at("2026-11-03T12:00"), ZONE) is None
    assert latest_change(ROSTER, at("2026-11-10T12:00"), at("2026-11-09T07:00"), ZONE) is None


@pytest.mark.parametrize(
    ("now", "since"),
    [
        ("2026-11-24T06:59", "23/11 07:00"),
        ("2026-11-24T07:30", "23/11 07:00"),  # read at the change: the shift that has just ended
        ("2026-11-24T08:01", "24/11 07:00"),
    ],
)
def test_the_sheet_is_about_the_shift_that_ends(now: str, since: str) -> None:
    assert local(shift_since([ROSTER], at(now), ZONE)) == since
    assert local(shift_since([], at(now), ZONE)) == since


def test_the_sheet_goes_to_who_leaves_and_who_begins_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = night("2026-11-09T06:50")
    world.config = replace(world.config, alerts=replace(world.config.alerts, morning="", handover=True))
    people = {
        k: replace(c, email=f"{k}@x.vn", channels=("mail", "sms")) for k, c in world.state.inventory.contacts.items()
    }
    world.state.inventory = replace(world.state.inventory, rosters={"r": ROSTER}, contacts=people)
    assert world.step() == []
    world.now = at("2026-11-09T07:00")
    sent = world.step(5)
    assert sorted((i.contact, i.channel) for i in sent if i.stage.startswith("handover")) == [
        ("an", "mail"),
        ("binh", "mail"),
    ]
    assert sent[0].body.startswith("Bàn giao ca trực – 07:00 09/11/2026, từ 08/11 07:00")
    monkeypatch.setattr(Writer, "handover", lambda *args: pytest.fail("written anew in every step"))
    assert world.step(300) == []
    world.now = at("2026-11-10T07:00")
    assert world.step(5) == [], "the same man goes on"


# --- pace ------------------------------------------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(6.0, 2, 0.0)
    assert [bucket.take(0.0), bucket.take(0.0)] == [0.0, 0.0]
    assert bucket.take(0.0) == pytest.approx(10.0)
    assert bucket.take(5.0) == pytest.approx(5.0)
    assert bucket.take(10.0) == 0.0


@given(st.lists(st.floats(0, 30), min_size=1, max_size=100), st.floats(1, 600), st.integers(1, 20))
def test_no_more_leave_than_burst_and_rate_allow(gaps: list[float], per_minute: float, burst: int) -> None:
    bucket, now, sent = Bucket(per_minute, burst, 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        sent += bucket.take(now) == 0.0
    assert sent <= burst + now * per_minute / 60.0 + 1e-6


def test_contacts_in_no_roster_are_always_on_duty() -> None:
    assert off_duty({}, at("2026-11-24T09:00"), ZONE) == set()
