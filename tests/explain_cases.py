"""Incidents with all that was decided about them, for the tests of what explains them."""

from __future__ import annotations

from dataclasses import replace

from netmon.alerts.explain import Attempt, Decision, Telling
from netmon.model import Cause, Contact, Evidence, Incident, Intent, Roster, Subject, Swap, Ticket, TimelineEntry
from netmon.state import State
from netmon.works import Silence, Work
from tests.message_cases import CLOSED, NOW, SITE, state

AN, NOC, BINH = "an", "noc", "binh"


def province() -> State:
    """The made-up province with people on duty and off."""
    found = state()
    people = dict(found.inventory.contacts) | {
        NOC: Contact(NOC, "Trực NOC", "0902000002", "noc@x.vn", ("noc",), channels=("mail",)),
        BINH: Contact(BINH, "Anh Bình", "0903000003", "b@x.vn", ("technician",), ("loc-ninh",), ("sms",)),
        "chi": Contact("chi", "Chị Chi", "0904000004", "c@x.vn", ("technician",), ("bu-gia-map",), ("sms",)),
        "sep": Contact("sep", "Trưởng phòng", "0905000005", "s@x.vn", ("leader",), channels=("mail",)),
    }
    rosters = {
        "ktv": Roster("ktv", (AN, BINH), "2026-11-16", swaps=(Swap("chi", "2026-11-23 12:00", "2026-11-23 18:00"),))
    }
    found.inventory = replace(found.inventory, contacts=people, rosters=rosters)
    return found


def told(number: int, what: str, who: str, channel: str, at: float, reason: str, result: str = "sent") -> Intent:
    key = f"{number}-0-{what}|{who}|{channel}"
    attempts = 1 if result in ("sent", "failed") else 0
    return Intent(key, number, what, who, channel, "s", "b", at, reason, result, attempts)


def untold(number: int, what: str, at: float, reason: str, body: str = "") -> Intent:
    return Intent(f"{number}-{what}", number, what, "", "", "", body, at, reason, "suppressed")


def corrected() -> tuple[Incident, Telling]:
    """A power cut that was told as a line fault: two channels failed, one message waited, one went with a digest."""
    facts = (
        Evidence("router_silent", NOW - 60, {"count": "6"}),
        Evidence("parent_port_down", NOW - 58, {"port": "1/1/3"}),
        Evidence("ups_on_mains", NOW - 50),
        Evidence("rebooted", NOW + 5400),
        Evidence("ups_spent", NOW + 5460),
    )
    rejected = ("power|ups", "device_port_up|parent_port_down", "line_far_port|rebooted")
    cause = Cause("power", True, facts, ("ont_power",), "power_ups_after", rejected)
    turns = (
        TimelineEntry(NOW - 53, "opened", "netmon", "outage unknown by unknown_evidence"),
        TimelineEntry(NOW - 40, "evidence", "netmon", "parent_port_down"),
        TimelineEntry(NOW - 40, "evidence", "r", "link_down GE0/0/7"),
        TimelineEntry(NOW - 38, "cause", "netmon", "line suspected by line_far_port"),
        TimelineEntry(NOW + 900, "ack", "Anh An", "đang đi"),
        TimelineEntry(NOW + 5470, "cause", "netmon", "power confirmed by power_ups_after"),
        TimelineEntry(NOW + 5520, "closed", "netmon", "power confirmed by power_ups_after"),
    )
    incident = replace(
        CLOSED["back"], cause=cause, first_cause="line", timeline=turns, children=("p1",), closed_at=NOW + 5520,
        good_since=NOW + 5460, alerts=(("LinePortDown", ()),),
    )  # fmt: skip
    n = incident.id
    opened = told(n, "opened", AN, "sms", NOW, "opened told to technician of loc-ninh on duty by ktv", "failed")
    instead = replace(told(n, "opened", AN, "mail", NOW, "fallback of sms"), id=f"{n}-0-opened|an|mail|sms")
    digest = Intent(f"digest-storm-{NOW:.0f}-1|noc|mail", 0, "digest", NOC, "mail", "s", "b", NOW + 60,
                    "storm: over 3 within 300 s", "sent", 1)  # fmt: skip
    carried = Intent(f"{n}-0-opened|noc", n, "opened", NOC, "", "", "", NOW + 60, f"digest:{digest.id}", "suppressed")
    decisions = (
        Decision(untold(n, "waits", NOW - 53, "tell_after:told only if it lasts 60 s")),
        Decision(
            opened,
            (
                Attempt(NOW, 0, "paced"),
                Attempt(NOW + 4, 1, "again", "channel sms: HTTP status 503"),
                Attempt(NOW + 9, 2, "failed", "channel sms: HTTP status 503"),
            ),
        ),
        Decision(instead, (Attempt(NOW + 9, 0, "begun"), Attempt(NOW + 10, 1, "sent"))),
        Decision(untold(n, "others", NOW, "others:not on duty, or not their audience or area",
                        "area=chi audience=sep,van-thu off_duty=binh")),
        Decision(untold(n, f"hold{NOW + 60:.0f}", NOW, "storm:held back for the digest of 10:32", "noc")),
        Decision(carried),
        Decision(told(n, "closed", AN, "chat", NOW + 5520, "closed told to told", "pending")),
        Decision(replace(told(n, "closed", "gone", "sms", NOW + 5520, "channel missing:the contact has no phone"),
                         state="suppressed")),
        Decision(untold(n, "sensors", NOW + 300, "explained:silent because what they come through is lost",
                        "heat door")),
    )  # fmt: skip
    absorbed = Incident(
        1044, Subject("site", "p1"), "outage", "critical", NOW - 30, NOW - 25, closed_at=NOW - 20,
        timeline=(TimelineEntry(NOW - 20, "child", "netmon", f"#{n}"),),
    )  # fmt: skip
    return incident, Telling(decisions, (Decision(digest, (Attempt(NOW + 61, 1, "sent"),)),), (absorbed,))


def at_the_end_of_a_shift() -> State:
    """Open and closed incidents, plans, a roster: what the sheet for the change of shift lists."""
    found = province()
    node = Incident(
        1050, Subject("node", "gom"), "outage", "critical", NOW - 3600, NOW - 3590,
        Cause("upstream", True, rule="upstream_silent"), children=("p1", "p2"), acked_by="Anh An",
        acked_until=NOW + 7200, ticket=Ticket("VN-17", NOW - 3000, NOW - 2400),
    )  # fmt: skip
    alone = Incident(
        1052, Subject("site", SITE.id), "outage", "critical", NOW - 1800, NOW - 1790, Cause("power"), assigned_to=BINH
    )
    blind = Incident(
        1048, Subject("netmon", "netmon"), "outage", "critical", NOW - 9000, NOW - 8990, Cause("monitor", True),
        good_since=NOW - 8400, closed_at=NOW - 8340,
    )  # fmt: skip
    over = replace(
        CLOSED["back"], id=1040, began_at=NOW - 12000, opened_at=NOW - 11990, good_since=NOW - 8000,
        closed_at=NOW - 7940,
    )  # fmt: skip
    before = replace(over, id=1030, began_at=NOW - 60000, opened_at=NOW - 60000, closed_at=NOW - 50000)
    for incident in (node, alone, blind, over, before):
        found.incidents[incident.id] = incident
    heat = replace(found.sensors["heat"], state="stale")
    found.sensors["heat"] = heat
    work = Work(3, "power", "Bảo trì lộ 471", ("area:loc-ninh",), NOW + 3600, NOW + 7200, by="Trực NOC")
    later = replace(work, id=4, begin_at=NOW + 90000, end_at=NOW + 93600)
    found.plans.works = {3: work, 4: later, 5: replace(work, id=5, begin_at=NOW - 600, cancelled_at=NOW)}
    found.plans.silences = {2: Silence(2, (f"site:{SITE.id}",), NOW - 600, NOW + 600, "sửa nhà", "Trực NOC")}
    return found
