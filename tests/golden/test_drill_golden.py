"""Every message of a drill in both languages and all forms. NETMON_WRITE_GOLDEN=1 writes the files anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from netmon import inventory
from netmon.alerts.messages import Message, render
from netmon.drill.end_text import end_message
from netmon.drill.report import Noted, Report, sheet
from netmon.drill.scenario import Limits, label
from netmon.model import Change, Contact, Subject
from netmon.state import State
from netmon.vietnamese import SMS_LENGTH, SMS_SAFE, sms_text
from netmon.words import load_words
from tests.conftest import ROOT
from tests.golden.test_messages_golden import page
from tests.message_cases import CONFIG, NOW, TECHNICIAN, WHY, changes, state

HERE = Path(__file__).parent / "drill"
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
WORDS = load_words()
FORMS = ("sms", "short", "long")
CASES = changes()
KEPT = (  # what the scenarios of netmon lead to
    "power", "power_suspected", "line", "device_suspected", "unknown", "overrun_power", "node", "node_back", "blind",
    "blind_over", "redundancy", "redundancy_back", "gateway", "gateway_over", "battery", "back", "corrected",
)  # fmt: skip
MARKS = {"vi": ("DIEN TAP", "DIỄN TẬP"), "en": ("DRILL", "DRILL")}
REPORT = Report(
    7, "cable-cut", {"vi": "Đứt cáp quang đến một điểm", "en": "Fibre cut to one site"}, "UBND xã Lộc Thành",
    "Trưởng ca", ("Anh An", "Trực NOC"), NOW, "line", Limits(20.0, 120.0, 600.0),
    notes=(Noted(NOW, "began", "cable-cut"), Noted(NOW + 7, "detected", "line loc-thanh"), Noted(NOW + 300, "over")),
)  # fmt: skip
PASSED = replace(
    REPORT, ended_at=NOW + 300, ending="over", detected_s=7.4, sent_s=12.0, acknowledged_s=95.0,
    acknowledged_by="Anh An", first_cause="unknown", cause="line", confirmed=True, incidents=1, messages=4,
)  # fmt: skip
REPORTS = {
    "passed": PASSED,
    "failed": replace(PASSED, acknowledged_s=None, acknowledged_by="", cause="power"),
    "stopped": replace(REPORT, ended_at=NOW + 30, ending="stopped", ended_by="Trưởng ca", detected_s=7.4),
    "interrupted": replace(REPORT, ended_at=NOW + 900, ending="interrupted"),
}


def compare(name: str, text: str) -> None:
    path = HERE / f"{name}.txt"
    if os.environ.get("NETMON_WRITE_GOLDEN") == "1":
        HERE.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path.name} is missing: NETMON_WRITE_GOLDEN=1 writes it, then read it"
    assert text == path.read_text(encoding="utf-8")


def tell(change: Change, language: str, form: str, world: State, reader: Contact = TECHNICIAN) -> Message:
    world.drill = world.drill or "D07"
    return render(change, world, WORDS[language], CONFIG, form, reader, zone=ZONE, now=change.at, why=WHY)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_message_of_a_drill(name: str) -> None:
    found = [(lang, form, tell(CASES[name], lang, form, state())) for lang in ("vi", "en") for form in FORMS]
    if name in KEPT:
        compare(name, page(found))
    for language, form, message in found:
        plain, marked = MARKS[language]
        lines = message.body.splitlines()
        if form == "sms":
            assert message.body.startswith(plain)
            assert message.body.endswith(plain)
        else:
            assert marked in lines[0]
            assert lines[-1] == marked
            assert marked in message.subject
        assert "D07" in message.body + message.subject
        assert f"{CASES[name].incident.id}" not in message.body + message.subject, "no number of a real incident"


def test_a_message_of_a_drill_that_can_be_answered() -> None:
    found = []
    for language in ("vi", "en"):
        for form in FORMS:
            world, change = state(), CASES["unknown"]
            world.drill = "D07"
            why = WORDS[language].text("why.drill")
            message = render(
                change, world, WORDS[language], CONFIG, form, TECHNICIAN, zone=ZONE, now=NOW, why=why, answerable=True
            )
            found.append((language, form, message))
            assert "D07 1" in message.body
            assert str(change.incident.id) not in message.body
    compare("answerable", page(found))


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_the_end_of_a_drill(name: str) -> None:
    report = REPORTS[name]
    assert report.result == name
    found = [(lang, form, end_message(report, WORDS[lang], form)) for lang in ("vi", "en") for form in FORMS]
    compare(f"end_{name}", page(found))
    sms = found[0][2].body
    assert sms.startswith("KET THUC DIEN TAP, KHONG CO SU CO THAT. D07: ")
    assert all("KẾT THÚC DIỄN TẬP" in text for text in (found[1][2].body, found[2][2].subject, found[2][2].body))
    assert all(len(m.body) <= SMS_LENGTH and set(m.body) <= SMS_SAFE for _, form, m in found if form == "sms")


@pytest.mark.parametrize("name", ["passed", "failed"])
def test_the_sheet_that_is_kept(name: str) -> None:
    compare(f"sheet_{name}", "\n".join(sheet(REPORTS[name], WORDS[lang], ZONE) for lang in ("vi", "en")))


def test_no_golden_file_is_left_over() -> None:
    known = {*KEPT, "answerable", *(f"end_{name}" for name in REPORTS), "sheet_passed", "sheet_failed"}
    assert {path.stem for path in HERE.glob("*.txt")} == known


@pytest.mark.parametrize("language", ["vi", "en"])
def test_an_sms_of_a_drill_fits_for_every_office_of_the_province(language: str) -> None:
    """With the date, and marked at both ends; never without number, name, area and cause."""
    loaded = inventory.load(ROOT / "inventory" / "netmon.yml")
    world = State(loaded.inventory, drill=label(12_345))
    reader, at, longest = Contact("x", "X", "+84912345678", audiences=("technician",)), NOW + 20 * 3600, 0
    mark, _ = MARKS[language]
    assert len(loaded.inventory.sites) == 310
    for site in loaded.inventory.sites.values():
        area = loaded.inventory.areas[site.area]
        for name, change in CASES.items():
            incident = change.incident
            if incident.subject.kind != "site":
                continue
            moved = replace(incident, subject=Subject("site", site.id), began_at=NOW - 9 * 86400)
            if change.kind == "closed":
                moved = replace(moved, good_since=NOW, closed_at=NOW)
            text = tell(Change(change.kind, moved, at), language, "sms", world, reader).body
            assert len(text) <= SMS_LENGTH, (name, text)
            assert set(text) <= SMS_SAFE, (name, text)
            assert text.startswith(mark), (name, text)
            assert text.endswith(f". {mark}"), (name, text)
            assert "D12345" in text, (name, text)
            assert f"{site.sms_name} ({area.sms_name})" in text, (name, text)
            cause = incident.cause.kind
            said = WORDS[language].text("drill.cable_cut" if cause == "line" else f"cause.{cause}")
            assert sms_text(said).casefold() in text.casefold(), (name, text)
            longest = max(longest, len(text))
    assert longest > 130
