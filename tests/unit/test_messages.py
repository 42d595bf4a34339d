"""Rules that hold for every message: nothing secret outside, nothing invented, times as people write them."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.alerts import parts
from netmon.alerts.messages import kind_of, render, summaries
from netmon.alerts.messages_facts import Scene
from netmon.config import Config
from netmon.model import Cause, Change, Contact, Evidence, Incident, Node, Place, Subject
from netmon.state import SensorView, State
from netmon.vietnamese import SMS_LENGTH, SMS_SAFE
from netmon.words import load_words
from tests.message_cases import CONFIG, LINKS, NOW, OPEN, SITE, TECHNICIAN, changes, state

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
WORDS = load_words()
CASES = changes()


def text(
    incident: Incident,
    form: str = "long",
    *,
    language: str = "vi",
    world: State | None = None,
    config: Config = CONFIG,
    contact: Contact = TECHNICIAN,
    now: float = NOW,
    detail: str = "plain",
) -> str:
    change = Change("opened" if incident.open else "closed", incident, now)
    message = render(
        change, world or state(), WORDS[language], config, form, contact, zone=ZONE, now=now, detail=detail
    )
    return f"{message.subject}\n{message.body}"


def scene(now: float = NOW, language: str = "vi") -> Scene:
    return Scene(OPEN["power"], state(), WORDS[language], CONFIG, TECHNICIAN, ZONE, now)


@pytest.mark.parametrize("name", sorted(CASES))
def test_outside_channels_carry_no_address_and_no_port(name: str) -> None:
    for form in ("short", "long", "sms"):
        told = text(CASES[name].incident, form)
        assert "198.1" not in told
        assert "GE0/0/7" not in told
        assert "1/1/3" not in told


def test_full_detail_carries_them() -> None:
    told = text(OPEN["line"], detail="full")
    assert "198.18.0.10 GE0/0/7" in told
    assert "198.18" not in text(OPEN["line"], "sms", detail="full")


@pytest.mark.parametrize(
    ("quality", "linked"), [("surveyed", True), ("approx", False), ("synthetic-in-district", False)]
)
def test_only_surveyed_points_are_places_to_go(quality: str, linked: bool) -> None:
    world = state()
    site = replace(SITE, place=Place(11.84, 106.59, quality))
    world.inventory = replace(world.inventory, sites={**world.inventory.sites, SITE.id: site})
    for form in ("short", "long"):
        assert ("openstreetmap" in text(OPEN["power"], form, world=world)) is linked
    assert "11.84" not in text(OPEN["power"], "sms", world=world)


def test_a_link_only_where_there_is_a_public_address() -> None:
    assert "/incidents/1043" not in text(OPEN["power"])
    assert "https://netmon.example.vn/incidents/1043" in text(OPEN["power"], config=LINKS)
    assert "http" not in text(OPEN["power"], "sms", config=LINKS)


@pytest.mark.parametrize(
    ("at", "reads"),
    [
        (NOW, "10:31"),
        (NOW - 10 * 3600, "00:31"),
        (NOW - 11 * 3600, "22/11 23:31"),  # yesterday here, the same day in UTC
        (NOW + 14 * 3600, "24/11 00:31"),
    ],
)
def test_times_are_local_and_bear_a_date_when_not_today(at: float, reads: str) -> None:
    assert scene().time(at) == reads


@pytest.mark.parametrize(
    ("seconds", "vi", "en"),
    [
        (0, "0 giây", "0 s"),
        (59, "59 giây", "59 s"),
        (60, "1 phút", "1 min"),
        (3599, "59 phút", "59 min"),
        (3600, "1 giờ", "1 h"),
        (5640, "1 giờ 34 phút", "1 h 34 min"),
        (86400 + 7200, "1 ngày 2 giờ", "1 d 2 h"),
        (-5, "0 giây", "0 s"),
    ],
)
def test_durations(seconds: float, vi: str, en: str) -> None:
    assert scene().duration(seconds) == vi
    assert scene(language="en").duration(seconds) == en


def test_decimal_comma_in_vietnamese_only() -> None:
    assert "4,2 %" in text(OPEN["degraded"])
    assert "4.2 %" in text(OPEN["degraded"], language="en")
    assert "41,5 do C" in text(OPEN["alarm"], "sms")
    assert "41.5" in text(OPEN["alarm"], "short", language="en")


def test_the_reader_is_never_told_to_call_himself() -> None:
    noc = Contact("noc", "NOC", "02713888999", audiences=("noc",))
    assert "Goi NOC" in text(OPEN["line"], "sms")
    assert "Goi NOC" not in text(OPEN["line"], "sms", contact=noc)
    clerk = state().inventory.contacts["van-thu"]
    assert "Goi 0907000007" in text(OPEN["unknown"], "sms")
    assert "Goi NOC 02713888999" in text(OPEN["unknown"], "sms", contact=clerk)


def test_a_message_never_promises_an_answer_nobody_reads() -> None:
    for change in CASES.values():
        assert "Tra loi" not in text(change.incident, "sms")


def test_a_place_that_is_gone_from_the_inventory_can_still_be_told() -> None:
    for subject in (
        Subject("site", "ghost"),
        Subject("node", "ghost"),
        Subject("sensor", "ghost"),
        Subject("line", "g"),
    ):
        for kind in ("outage", "degraded", "redundancy", "alert"):
            incident = replace(OPEN["power"], subject=subject, kind=kind)
            for form in ("sms", "short", "long"):
                assert subject.id in text(incident, form)


def test_evidence_without_words_does_not_cost_the_message() -> None:
    cause = Cause("line", True, (Evidence("seen_by_a_bird", NOW),))
    assert "seen_by_a_bird 10:31" in text(replace(OPEN["line"], cause=cause))


def test_a_sensor_that_was_never_heard() -> None:
    world = state()
    world.sensors["heat"] = SensorView("heat")
    assert "chưa từng có số" in text(OPEN["silent"], "short", world=world)
    assert text(OPEN["alarm"], "sms", world=world).strip().startswith("1050 BAO DONG: nhiet do phong may UBND")


def test_every_kind_has_its_words() -> None:
    for change in CASES.values():
        kind = kind_of(change)
        for words in WORDS.values():
            assert words.parts(f"sms.{kind}")
            assert words.parts(f"chat.{kind}")
            assert f"state.{kind}" in words.keys()  # noqa: SIM118


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("Nút gom Lộc Ninh (thiết bị)", "aggregation", "nút gom Lộc Ninh"),
        ("Lộc Ninh", "aggregation", "nút gom Lộc Ninh"),
        ("NÚT GOM Lộc Ninh", "aggregation", "nút gom Lộc Ninh"),
        ("Lõi tỉnh", "core", "lõi tỉnh"),
        ("Lợi Hải", "aggregation", "nút gom Lợi Hải"),
    ],
)
def test_the_kind_of_a_node_is_said_once(name: str, kind: str, told: str) -> None:
    world = state()
    world.inventory = replace(world.inventory, nodes={"n": Node("n", name, kind, None)})
    incident = replace(OPEN["node"], subject=Subject("node", "n"))
    assert Scene(incident, world, WORDS["vi"], CONFIG, TECHNICIAN, ZONE, NOW).node_phrase(short=False) == told


def test_one_line_for_alertmanager_in_both_languages() -> None:
    told = summaries(OPEN["power"], state(), WORDS, CONFIG, ZONE, NOW)
    assert told == {
        "name": "UBND xã Lộc Thành (Lộc Ninh)",
        "summary": "Mất kết nối – mất điện – UBND xã Lộc Thành (Lộc Ninh) – 10:30 23/11/2026",
        "summary_en": "Down – power cut – UBND xã Lộc Thành (Lộc Ninh) – 10:30 23/11/2026",
    }


# --- parts of an SMS -------------------------------------------------------------------------------------------------


def test_whole_parts_are_dropped_the_least_important_first() -> None:
    long = "x" * 60
    entries = [(0, f"A{long}", ""), (2, f" B{long}", ""), (1, f" C{long}", ""), (2, " D", "")]
    assert parts.sms(entries, {}) == f"A{long} C{long}"


def test_parts_without_their_value_or_flag_are_left_out() -> None:
    entries = [(0, "{a}", ""), (0, " {b}", ""), (0, " yes", "on"), (0, " no", "off")]
    assert parts.lines(entries, {"a": "1", "b": "", "on": "1", "off": ""}) == ["1", " yes"]


@given(st.lists(st.tuples(st.integers(0, 4), st.text(max_size=80).map(lambda t: t.replace("{", "").replace("}", "")))))
def test_an_sms_always_fits(entries: list[tuple[int, str]]) -> None:
    told = parts.sms([(rank, body, "") for rank, body in entries], {})
    assert len(told) <= SMS_LENGTH
    assert set(told) <= SMS_SAFE
