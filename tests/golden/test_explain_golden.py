"""What explains an incident, a site and a shift, in both languages, as a person reads it."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from netmon.alerts.explain import Telling, explain
from netmon.alerts.explain_site import explain_site
from netmon.alerts.handover import handover
from netmon.alerts.plan_record import Record
from netmon.alerts.sheet import Sheet
from netmon.model import AlertState, Subject, Verdict, labels
from netmon.words import load_words
from tests.explain_cases import at_the_end_of_a_shift, corrected, province, told
from tests.golden.test_messages_golden import compare
from tests.message_cases import CONFIG, NOW, OPEN, SITE

SHEETS = Path(__file__).parent / "sheets"
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
WORDS = load_words()


def both(sheets: dict[str, Sheet]) -> str:
    return "\n\n".join(f"=== {language}\n{sheet.text()}" for language, sheet in sheets.items()) + "\n"


def test_an_incident_that_was_corrected() -> None:
    incident, telling = corrected()
    sheets = {
        lang: explain(incident, telling, province(), WORDS[lang], CONFIG, ZONE, NOW + 6000) for lang in ("vi", "en")
    }
    compare("explain_corrected", both(sheets), SHEETS)


def test_incidents_of_which_little_is_known() -> None:
    found = []
    for name in ("unknown", "power_suspected", "line", "device", "node", "overrun_power", "report", "alarm", "blind"):
        for lang in ("vi", "en"):
            sheet = explain(OPEN[name], Telling(), province(), WORDS[lang], CONFIG, ZONE, NOW)
            found.append(f"=== {lang} {name}\n{sheet.text()}\n")
    compare("explain_causes", "\n".join(found), SHEETS)


def test_a_site_without_an_incident() -> None:
    state = province()
    state.health.first_round_done = True
    subject = Subject("site", SITE.id)
    state.verdicts[subject] = Verdict(subject, "degraded", NOW - 30, "loss")
    for tell in ("daily", "page", "hours", "now", "verdict"):
        key = f"Rule{tell}", labels(device="r")
        state.alerts[key] = AlertState(
            *key, "warning", 1.0, 0.9, NOW - 600, NOW - 500, Subject("device", "r"), "noc", tell
        )  # type: ignore[arg-type]
    sheets = {lang: explain_site(SITE, state, WORDS[lang], CONFIG, ZONE, NOW) for lang in ("vi", "en")}
    compare("explain_site", both(sheets), SHEETS)


def test_the_change_of_shift() -> None:
    record = Record(
        [
            told(1052, "opened", "an", "sms", NOW - 1700, "opened told to technician", "failed"),
            told(1050, "opened", "noc", "mail", NOW - 3500, "opened told to noc", "failed"),
            told(1052, "opened", "noc", "mail", NOW - 1700, "opened told to noc"),
        ]
    )
    sheets = {lang: handover(at_the_end_of_a_shift(), record, WORDS[lang], CONFIG, ZONE, NOW) for lang in ("vi", "en")}
    compare("handover", both(sheets), SHEETS)
