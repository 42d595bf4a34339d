"""Every message in both languages and all forms, as a person reads it. NETMON_WRITE_GOLDEN=1 writes the files anew."""

from __future__ import annotations

import json
import os
import string
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from netmon import inventory
from netmon.alerts import zns
from netmon.alerts.brief import render_morning
from netmon.alerts.messages import Message, kind_of, provider_report, render
from netmon.alerts.messages_digest import render_digest
from netmon.alerts.messages_facts import Scene
from netmon.alerts.own_news import OwnKind, render_own
from netmon.alerts.plan_people import Reader, why_text
from netmon.alerts.plan_storm import Storm
from netmon.alerts.reply_texts import ReplyTexts
from netmon.config import Parameter
from netmon.model import AlertState, Area, Cause, Change, Contact, Incident, Site, Subject, Verdict, labels
from netmon.state import State
from netmon.vietnamese import SMS_LENGTH, SMS_SAFE, sms_text
from netmon.words import Words, load_words
from tests.conftest import ROOT
from tests.message_cases import CLOSED, CONFIG, LINKS, NOW, OPEN, TECHNICIAN, WHY, changes, state

HERE = Path(__file__).parent / "messages"
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
WORDS = load_words()
FORMS = ("sms", "short", "long")
CASES = changes()


def compare(name: str, text: str, folder: Path = HERE) -> None:
    path = folder / f"{name}.txt"
    if os.environ.get("NETMON_WRITE_GOLDEN") == "1":
        folder.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path.name} is missing: NETMON_WRITE_GOLDEN=1 writes it, then read it"
    assert text == path.read_text(encoding="utf-8")


def page(messages: list[tuple[str, str, Message]]) -> str:
    found = []
    for language, form, message in messages:
        head = f"=== {language} {form} ({len(message.body)})"
        found += [head, *([f"Subject: {message.subject}", ""] if form == "long" else []), message.body, ""]
    return "\n".join(found)


def tell(change: Change, words: Words, form: str, special: str = "", **more: object) -> Message:
    return render(
        change, state(), words, CONFIG, form, TECHNICIAN, zone=ZONE, now=change.at, why=WHY, special=special, **more  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_message(name: str) -> None:
    compare(name, page([(lang, form, tell(CASES[name], WORDS[lang], form)) for lang in ("vi", "en") for form in FORMS]))


def test_a_draft_for_leaders_stands_in_the_mail_of_the_shift_alone() -> None:
    found: list[tuple[str, str, Message]] = []
    chief = Contact("sep", "Ông Hùng", email="sep@x.vn", audiences=("leader",))
    told_anyway = Contact("pho", "Bà Mai", email="pho@x.vn", audiences=("leader", "noc"))
    for language in ("vi", "en"):
        for name in ("power", "back"):
            bodies = dict[str, Message]()
            for audience in ("noc", "technician"):
                world, reader = state(), replace(TECHNICIAN, audiences=(audience,))
                contacts = {**world.inventory.contacts, chief.id: chief, told_anyway.id: told_anyway}
                world.inventory = replace(world.inventory, contacts=contacts)
                bodies[audience] = render(
                    CASES[name], world, WORDS[language], CONFIG, "long", reader, zone=ZONE, now=NOW, why=WHY
                )
            assert "Ông Hùng" not in bodies["technician"].body
            found.append((language, "long", bodies["noc"]))
    compare("leaders", page(found))


OWN: dict[str, tuple[OwnKind, dict[str, float | str]]] = {
    "alive": ("alive", {"t_next": NOW + 43_200.0}),
    "last_word": ("last_word", {"alone": "1", "relieved": ""}),
    "last_word_relieved": ("last_word", {"alone": "", "relieved": "1"}),
    "took_over": ("took_over", {"t_lost": NOW - 30.0, "silent": "1", "unable": ""}),
    "took_over_unable": ("took_over", {"t_lost": NOW - 30.0, "silent": "", "unable": "1"}),
    "handed_back": ("handed_back", {"t_lost": NOW - 3600.0}),
}


@pytest.mark.parametrize("name", sorted(OWN))
def test_what_netmon_says_of_itself(name: str) -> None:
    kind, facts = OWN[name]
    lost = [OPEN["power"], replace(OPEN["line"], id=1044, subject=Subject("site", "p4"))]
    compare(
        name,
        page(
            [
                (
                    lang,
                    form,
                    render_own(kind, facts, lost, state(), WORDS[lang], CONFIG, form, TECHNICIAN, zone=ZONE, now=NOW),
                )
                for lang in ("vi", "en")
                for form in FORMS
            ]
        ),
    )


@pytest.mark.parametrize("special", ["flapping", "escalated"])
def test_message_of_its_own(special: str) -> None:
    change = Change("opened", replace(OPEN["unknown"], flaps=11), NOW + (1800 if special == "escalated" else 0))
    compare(
        special,
        page([(lang, form, tell(change, WORDS[lang], form, special)) for lang in ("vi", "en") for form in FORMS]),
    )


def test_the_brief_of_the_morning() -> None:
    world = state()
    lost = (("p1", "device"), ("p2", "planned"), ("p3", "unknown"), ("p4", "power"), ("p5", "line"))
    for number, (site, cause) in enumerate(lost, 1044):
        world.verdicts[Subject("site", site)] = Verdict(Subject("site", site), "down", NOW)
        found = replace(OPEN["power"], id=number, subject=Subject("site", site), cause=Cause(cause, True))  # type: ignore[arg-type]
        world.incidents[number] = found
    blind = replace(OPEN["blind"], id=1040, began_at=NOW - 7200, good_since=NOW - 6900, closed_at=NOW - 6840)
    world.incidents[blind.id] = blind
    key = "SensorStuck", labels(sensor="heat")
    world.alerts[key] = AlertState(*key, "info", 1.0, 1.0, NOW, NOW, Subject("sensor", "heat"), "owner", "daily")
    reader, mine = replace(TECHNICIAN, audiences=("noc",)), list(world.incidents.values())
    briefs = [
        (lang, form, render_morning(mine, world, WORDS[lang], CONFIG, form, reader, zone=ZONE, now=NOW))
        for lang in ("vi", "en")
        for form in ("short", "long")
    ]
    compare("morning", page(briefs))


def test_messages_that_can_be_answered() -> None:
    """Each kind of news where people can reply: the SMS, and what the chat and the letter say of it."""
    found = []
    for language in ("vi", "en"):
        words = WORDS[language]
        for name, change in sorted(CASES.items()):
            found.append(f"{language} {name}: {tell(change, words, 'sms', answerable=True).body}")
        for special in ("flapping", "escalated"):
            message = tell(CASES["unknown"], words, "sms", special, answerable=True)
            found.append(f"{language} {special}: {message.body}")
        for form in ("short", "long"):
            found += ["", f"=== {language} {form}", tell(CASES["power"], words, form, answerable=True).body, ""]
        for form in ("sms", "short"):
            digest = render_digest(
                [], [], Storm("storm", 3, NOW - 1800, NOW + 3600), state(), words, CONFIG, form, TECHNICIAN,
                zone=ZONE, now=NOW, answerable=True,
            )  # fmt: skip
            found.append(f"{language} digest: {digest.body}")
    compare("answerable", "\n".join(found) + "\n")


def test_answers_are_asked_for_only_where_somebody_hears_them() -> None:
    for change in CASES.values():
        for form in FORMS:
            assert "Tra loi" not in tell(change, WORDS["vi"], form).body
            assert "Trả lời" not in tell(change, WORDS["vi"], form).body
        asked = tell(change, WORDS["vi"], "sms", answerable=True).body
        assert "Goi NOC" not in asked, "one-way channels say whom to call instead"
        assert ("Tra loi" in asked) <= (change.kind == "opened" or change.incident.subject.kind == "node")


def test_parameters_of_a_template() -> None:
    """What the template of docs/how-to/zalo.md gets of each kind of news."""
    texts = {"so": ("{id}", 10), "diem": ("{where}", 60), "viec": ("{state}, {cause}", 60), "tin": ("{text}", 100)}
    wanted = [Parameter(name, text, most) for name, (text, most) in texts.items()]
    found = []
    for language in ("vi", "en"):
        for name, change in sorted(CASES.items()):
            scene = Scene(change.incident, state(), WORDS[language], CONFIG, TECHNICIAN, ZONE, change.at)
            chat = tell(change, WORDS[language], "short")
            body = zns.parameters(wanted, chat, zns.facts(change, scene, ""), TECHNICIAN.name).body
            assert all(len(text) <= texts[key][1] for key, text in json.loads(body).items())
            found.append(f"{language} {name}: {body}")
    compare("zns", "\n".join(found) + "\n")


CLERK = Contact("van-thu", "Chị Hoa", "0907000007", "hoa@example.vn")


def test_somebody_at_the_site_is_asked() -> None:
    found = []
    for language in ("vi", "en"):
        for form in FORMS:
            for answerable in (False, True):
                message = render(
                    CASES["unknown"], state(), WORDS[language], CONFIG, form, CLERK,
                    zone=ZONE, now=NOW, why=WHY, special="to_site", answerable=answerable,
                )  # fmt: skip
                found.append((language, f"{form}{' answerable' if answerable else ''}", message))
    compare("to_site", page(found))


def test_what_is_reported_to_the_provider() -> None:
    found = []
    for language in ("vi", "en"):
        for name in ("line", "unknown"):
            texts = provider_report(CASES[name].incident, state(), WORDS[language], CONFIG, ZONE, NOW)
            assert texts is not None
            assert len(texts[0]) <= SMS_LENGTH
            found += [f"=== {language} {name}", texts[0], texts[1], ""]
    compare("to_provider", "\n".join(found))


def test_messages_that_are_a_test() -> None:
    found = []
    for language in ("vi", "en"):
        words = WORDS[language]
        args = {"channel": "sms", "name": TECHNICIAN.name, "t": "10:31 23/11/2026"}
        body = words.text("test.body", **args)
        found += [words.text("test.subject", **args), body, sms_text(body), words.text("test.mark"), ""]
    compare("test", "\n".join(found))


def test_what_is_said_to_replies() -> None:
    found = []
    world = state()
    world.incidents = {n: replace(OPEN["power"], id=n) for n in range(1043, 1061)}
    blanks = {"id": "D07", "n": "18", "state": "x", "who": "Chị Bình", "where": "y", "t": "10:31", "cause": "z"}
    for language in ("vi", "en"):
        words = WORDS[language]
        texts = ReplyTexts(world, words, CONFIG, TECHNICIAN, ZONE, NOW)
        for key in sorted(key for key in words.keys() if key.startswith("reply.")):  # noqa: SIM118  no mapping
            about = "{where}" in words.text(key)
            said = texts.said if about and "list" not in key else None
            name = key.removeprefix("reply.")
            more = {k: v for k, v in blanks.items() if k in ("who", "state", "cause")}
            text = said(name, OPEN["power"], **more) if said else words.text(key, **blanks)
            found.append(f"{language} {name}: {text}")
        found += ["", texts.open_list(), texts.looked(OPEN["power"]), texts.looked(CLOSED["alarm_over"]), ""]
    compare("replies", "\n".join(found))


def test_why_somebody_is_told() -> None:
    world, found = state(), []
    for language in ("vi", "en"):
        words = WORDS[language]
        for why in ("site", "backup", "technician", "noc", "ops", "owner", "leader"):
            found.append(f"{language} {why}: {why_text(Reader(TECHNICIAN, why), world.inventory, words)}")
        everywhere = Reader(replace(TECHNICIAN, areas=()), "noc")
        found += [f"{language} everywhere: {why_text(everywhere, world.inventory, words)}", words.text("why.told"), ""]
    compare("why", "\n".join(found))


RARE = {
    "mail.list_more",
    "word.more",
    "brief.all_up",
    "brief.upstream",
    "why.handover",
}  # for many, or none


def test_every_word_of_every_message_stands_in_a_golden_file() -> None:
    """The longest run of letters of each text, in both languages: a new text needs a file that somebody has read."""
    golden = "\n".join(path.read_text(encoding="utf-8") for path in sorted(HERE.parent.glob("*/*.txt")))
    groups = ("sms", "chat", "mail", "state", "do", "why", "test", "reply", "word", "brief")
    missing = []
    for language, words in WORDS.items():
        for key in sorted(words.keys() - RARE):
            if key.partition(".")[0] not in groups:
                continue
            try:
                texts = [words.text(key)]
            except KeyError:
                texts = [text for _, text, _ in words.parts(key)]
            for text in texts:
                run = max((literal.strip() for literal, *_ in string.Formatter().parse(text)), key=len)
                if run.casefold() not in golden.casefold():
                    missing.append(f"{language} {key}: {run}")
    assert not missing, "\n".join(missing)


def test_message_with_details_and_links() -> None:
    change = CASES["line"]
    found = []
    for language in ("vi", "en"):
        message = render(
            change, state(), WORDS[language], LINKS, "long", TECHNICIAN, zone=ZONE, now=NOW, detail="full", why=WHY
        )
        found.append((language, "long", message))
    compare("full_detail", page(found))


@pytest.mark.parametrize(
    "storm",
    [Storm("storm", 3, NOW - 1800, NOW + 3600), Storm("started", 0, NOW - 30), Storm("quiet", 0, NOW - 30)],
    ids=lambda s: s.kind,
)
def test_digest(storm: Storm) -> None:
    world = state()
    world.health.off_since, world.health.started_at = NOW - 630, NOW - 30
    lost = [OPEN["power"], replace(OPEN["line"], id=1044, subject=Subject("site", "p4"))]
    back = replace(CLOSED["back"], id=1040)
    world.incidents = {i.id: i for i in lost}
    news = [(i, "opened") for i in lost] + [(back, "closed")]
    reader = replace(TECHNICIAN, areas=("bu-gia-map",))
    messages = [
        (lang, form, render_digest(news, lost, storm, world, WORDS[lang], CONFIG, form, reader, zone=ZONE, now=NOW))
        for lang in ("vi", "en")
        for form in FORMS
    ]
    compare(f"digest_{storm.kind}", page(messages))


def test_no_golden_file_is_left_over() -> None:
    known = {
        *CASES,
        "answerable",
        "leaders",
        "replies",
        "test",
        "to_provider",
        "to_site",
        "why",
        *OWN,
        "flapping",
        "escalated",
        "full_detail",
        "digest_storm",
        "digest_started",
        "digest_quiet",
        "morning",
        "zns",
    }
    assert {path.stem for path in HERE.glob("*.txt")} == known


# --- the SMS of every kind for every office of the province ----------------------------------------------------------

AT = NOW + 20 * 3600  # the next day: the date is in the text


def texts(world: State, site: Site, words: Words, answerable: bool) -> list[tuple[str, str]]:
    found = []
    for name, change in CASES.items():
        incident = change.incident
        if incident.subject.kind != "site":
            continue
        moved = replace(incident, id=99_999, subject=Subject("site", site.id), began_at=NOW - 9 * 86400)
        if change.kind == "closed":
            moved = replace(moved, good_since=NOW, closed_at=NOW)
        told = Change(change.kind, moved, AT)
        for special in ("", *(("flapping", "escalated", "to_site") if name in ("unknown", "corrected") else ())):
            reader = Contact("x", "X", "+84912345678", audiences=("technician",))
            message = render(
                told, world, words, CONFIG, "sms", reader, zone=ZONE, now=AT, special=special, answerable=answerable
            )
            found.append((f"{name} {kind_of(told)} {special}", message.body))
    return found


@pytest.mark.parametrize("answerable", [False, True])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_an_sms_always_fits_and_always_says_what_matters(language: str, answerable: bool) -> None:
    loaded = inventory.load(ROOT / "inventory" / "netmon.yml")
    world = State(loaded.inventory)
    words, sites = WORDS[language], loaded.inventory.sites
    assert len(sites) == 310
    longest = 0
    for site in sites.values():
        area = loaded.inventory.areas[site.area]
        for name, text in texts(world, site, words, answerable):
            assert len(text) <= SMS_LENGTH, (name, text)
            assert set(text) <= SMS_SAFE, (name, text)
            assert text.startswith("99999 ") or (name.endswith("to_site") and " 99999" in text), (name, text)
            assert f"{site.sms_name} ({area.sms_name})" in text, (name, text)
            longest = max(longest, len(text))
    assert longest > 120, "the cases are not worth the name"


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_longest_names_keep_their_cause(language: str) -> None:
    """22 and 10 characters, the inventory's limits, with every cause before and after a correction."""
    words, world = WORDS[language], state()
    site = Site("x", "Trung tâm", "TT phuc vu hanh chinhX", "other", "commune", "x")
    world.inventory = replace(world.inventory, sites={"x": site}, areas={"x": Area("x", "Khu vực", "Phuoc Long")})
    for before in ("power", "line", "device", "upstream", "planned"):
        for after in ("power", "line", "device", "upstream", "planned"):
            incident: Incident = replace(
                CLOSED["corrected"], id=99_999, subject=Subject("site", "x"), first_cause=before,  # type: ignore[arg-type]
                cause=replace(CLOSED["corrected"].cause, kind=after),  # type: ignore[arg-type]
            )  # fmt: skip
            text = render(
                Change("closed", incident, AT), world, words, CONFIG, "sms", TECHNICIAN, zone=ZONE, now=AT
            ).body
            assert len(text) <= SMS_LENGTH
            assert "99999" in text
            assert "TT phuc vu hanh chinhX (Phuoc Long)" in text
            assert sms_text(words.text(f"cause.{after}")).upper() in text
            if before != after:
                assert sms_text(words.text(f"cause.{before}")).casefold() in text.casefold()
