"""Faults within planned works, silences, and what people do, driven through the small province."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netmon.alerts import handling
from netmon.alerts.handling import HandlingError
from netmon.alerts.messages import kind_of
from netmon.alerts.plan import plan
from netmon.alerts.plan_record import Record
from netmon.config import Channel, Config, NotifyConfig
from netmon.model import Change, Contact, Incident, Intent, Secret, Subject
from netmon.words import load_words
from netmon.works import OVERRUN_S, Plans, Silence, Work
from tests.unit.world import CONFIG, World, province

WORDS = load_words()
MAIL = Channel("mail", "apprise", Secret("json://127.0.0.1/"), form="long")
TELLING = replace(CONFIG, notify=NotifyConfig(channels={"mail": MAIL}))
NOC = Contact("noc", "NOC", email="noc@x.vn", audiences=("noc", "technician"), channels=("mail",))


class Told:
    """A world whose messages are recorded as the daemon does."""

    def __init__(self, *works: Work, silences: tuple[Silence, ...] = (), config: Config = TELLING) -> None:
        self.world = World(replace(province(), contacts={"noc": NOC}), config)
        self.record = Record()
        self.world.state.plans = Plans(self.world.topology, works, silences)
        self.messages: list[Intent] = []

    def run(self, seconds: float) -> list[str]:
        """What was told in that time, as "change number"."""
        before, end = len(self.messages), self.world.now + seconds
        while self.world.now < end - 1e-6:
            changes = self.world.run(1.0)
            intents = plan(changes, self.world.state, self.world.config, self.record, self.world.now, WORDS)
            self.record.add(replace(i, state="sent") if i.state == "pending" else i for i in intents)
            self.messages += [i for i in intents if i.state == "pending"]
        return [f"{i.change} {i.incident}" for i in self.messages[before:]]

    def only(self) -> Incident:
        (incident,) = self.world.book.open.values()
        return incident


def works(begin_s: float, end_s: float, world_now: float, kind: str = "power", where: str = "site:b3") -> Work:
    return Work(7, kind, "Lộ 471", (where,), world_now + begin_s, world_now + end_s)  # type: ignore[arg-type]


def test_what_begins_within_planned_works_is_told_only_when_they_are_overrun() -> None:
    told = Told()
    end_at = told.world.now + 600
    told.world.state.plans.works[7] = works(0, 600, told.world.now)
    told.run(5)
    told.world.lose("b3")
    assert told.run(600) == []
    incident = told.only()
    assert (incident.cause.kind, incident.cause.confirmed) == ("planned", True)
    assert incident.tell_at == pytest.approx(end_at + OVERRUN_S)
    assert told.run(end_at + OVERRUN_S - told.world.now - 2) == []
    assert told.run(5) == [f"opened {incident.id}"]
    assert kind_of(Change("opened", told.only(), told.world.now)) == "overrun_power"
    told.world.restore()
    assert told.run(90) == [f"closed {incident.id}"]


def test_what_ends_within_the_works_is_never_told() -> None:
    told = Told()
    told.world.state.plans.works[7] = works(0, 600, told.world.now)
    told.world.lose("b3")
    told.run(300)
    told.world.restore()
    assert told.run(2000) == []
    reasons = {i.reason for i in told.record._ids.values()}
    assert any(reason.startswith("planned:") for reason in reasons)


@pytest.mark.parametrize("where", ["area:area", "node:b", "line:b3", "power:feeder-b3", "building:house-b3"])
def test_works_cover_sites_by_area_node_line_and_group(where: str) -> None:
    told = Told()
    inventory = told.world.state.inventory
    site = replace(inventory.sites["b3"], power="feeder-b3")
    told.world = World(replace(inventory, sites={**inventory.sites, "b3": site}), TELLING)
    told.world.state.plans = Plans(told.world.topology, [works(0, 600, told.world.now, where=where)])
    told.world.lose("b3")
    assert told.run(120) == []
    assert told.only().cause.kind == "planned"


def test_confirmed_evidence_of_another_cause_is_believed() -> None:
    """The excavator hits the fibre during a planned power cut."""
    told = Told()
    told.world.state.plans.works[7] = works(0, 600, told.world.now, where="site:two")
    told.world.poll("r-two", ports={"GE0/two-1": (True, None), "GE0/two-2": (True, None)}, optical_rx_dbm=-12)
    told.world.lose("two-1")
    told.run(3)
    lost_at = told.world.now
    told.world.poll("r-two", ports={"GE0/two-1": (False, lost_at), "GE0/two-2": (True, None)})
    told.run(40)
    incident = told.only()
    told.world.poll("r-two", ports={"GE0/two-1": (False, lost_at), "GE0/two-2": (True, None)})
    assert incident.kind == "redundancy"
    assert (incident.cause.kind, incident.cause.confirmed) == ("line", True)


def test_works_that_are_called_off_tell_at_once_and_works_entered_late_stop_the_telling() -> None:
    told = Told()
    now = told.world.now
    told.world.state.plans.works[7] = works(0, 600, now)
    told.world.lose("b3")
    assert told.run(100) == []
    told.world.state.plans.works[7] = replace(works(0, 600, now), cancelled_at=told.world.now)
    assert told.run(5) == [f"opened {told.only().id}"]
    late = Told()
    late.world.lose("b3")
    late.run(20)
    assert late.only().cause.kind != "planned"
    late.world.state.plans.works[7] = works(0, 600, now)
    assert late.run(200) == []
    assert late.only().cause.kind == "planned"


def test_works_entered_after_the_fault_was_told_are_told_when_they_are_overrun() -> None:
    told = Told()
    now = told.world.now
    told.world.lose("b3")
    number = told.run(120)[0].split()[1]
    told.world.state.plans.works[7] = works(-60, 600, now)
    assert told.run(600 + OVERRUN_S - 125) == []
    assert told.run(10) == [f"overrun {number}"]
    assert kind_of(Change("opened", told.only(), told.world.now)) == "overrun_power"
    assert told.run(60) == []
    told.world.restore()
    assert told.run(90) == [f"closed {number}"]


def test_a_fault_before_the_works_is_not_theirs() -> None:
    told = Told()
    told.world.state.plans.works[7] = works(700, 1200, told.world.now)
    told.world.lose("b3")
    assert told.run(90) == [f"opened {told.only().id}"]
    assert told.only().cause.kind != "planned"


def test_a_silence_keeps_the_opening_back_until_it_ends() -> None:
    told = Told()
    told.world.state.plans.silences[1] = Silence(1, ("site:b3",), 0.0, told.world.now + 200, "sửa nhà", "NOC")
    told.world.lose("b3")
    assert told.run(190) == []
    assert told.run(15) == [f"opened {told.only().id}"]
    assert any(i.reason == "silenced:NOC: sửa nhà" for i in told.record._ids.values())


def test_who_was_told_before_the_silence_hears_how_it_ends() -> None:
    told = Told()
    told.world.lose("b3")
    (opened,) = told.run(80)
    told.world.state.plans.silences[1] = Silence(1, ("site:b3",), 0.0, told.world.now + 9999, "sửa nhà", "NOC")
    told.world.restore()
    assert told.run(90) == [opened.replace("opened", "closed")]


# --- by hand ---------------------------------------------------------------------------------------------------------


def opened_by_hand(told: Told) -> Incident:
    change = told.world.book.report(Subject("site", "b3"), "Trực NOC", "mạng chậm", told.world.now)
    told.world.state.incidents[change.incident.id] = change.incident
    return change.incident


def test_a_report_is_told_stays_and_is_closed_by_hand() -> None:
    told = Told()
    report = opened_by_hand(told)
    assert told.run(300) == [f"opened {report.id}"]
    change = told.world.book.handle(
        report.id, lambda i: handling.close(i, "NOC", "đã hướng dẫn", told.world.now), told.world.now
    )
    assert change is not None and change.kind == "closed"
    told.world.state.incidents[report.id] = change.incident
    assert told.run(5) == [f"closed {report.id}"]
    assert not told.world.book.open


def test_what_netmon_sees_later_grows_out_of_the_report() -> None:
    told = Told()
    report = opened_by_hand(told)
    told.run(20)
    told.world.lose("b3")
    assert told.run(90) == [f"raised {report.id}"]
    assert (told.only().id, told.only().kind) == (report.id, "outage")
    told.world.restore()
    assert told.run(90) == [f"closed {report.id}"]


def test_one_report_about_a_thing_is_enough() -> None:
    told = Told()
    opened_by_hand(told)
    with pytest.raises(HandlingError, match="is open already"):
        opened_by_hand(told)


def test_what_netmon_sees_cannot_be_closed_by_hand() -> None:
    told = Told()
    told.world.lose("b3")
    told.run(20)
    with pytest.raises(HandlingError, match="closes by itself"):
        handling.close(told.only(), "NOC", "", told.world.now)


def test_taking_expires_and_says_so() -> None:
    told = Told()
    told.world.lose("b3")
    told.run(20)
    number, now = told.only().id, told.world.now
    told.world.book.handle(number, lambda i: handling.acknowledge(i, "Chị Bình", "đi xem", now, 600.0), now)
    assert told.only().acked_by == "Chị Bình"
    told.run(590)
    assert told.only().acked_by == "Chị Bình"
    told.run(20)
    assert (told.only().acked_by, told.only().acked_until) == ("", None)
    assert [e.kind for e in told.only().timeline if "ack" in e.kind] == ["ack", "ack_over"]


def test_each_step_is_in_the_timeline_with_who_and_when() -> None:
    incident = Incident(1, Subject("site", "b3"), "outage", "critical", 0.0, 0.0)
    incident = handling.assign(incident, "Trưởng ca", "an", {"an"}, 10.0)
    incident = handling.comment(incident, "An", "  đang  đi ", 20.0)
    incident = handling.ticket(incident, "NOC", "reported", "", 25.0, 30.0)
    incident = handling.ticket(incident, "NOC", "accepted", "VN-17", 40.0, 40.0)
    incident = handling.acknowledge(incident, "An", "", 50.0)
    incident = handling.release(incident, "An", "hết ca", 60.0)
    assert [(e.at, e.kind, e.who, e.text) for e in incident.timeline] == [
        (10.0, "assigned", "Trưởng ca", "an"),
        (20.0, "comment", "An", "đang đi"),
        (30.0, "ticket_reported", "NOC", ""),
        (40.0, "ticket_accepted", "NOC", "VN-17"),
        (50.0, "ack", "An", ""),
        (60.0, "unack", "An", "hết ca"),
    ]
    assert incident.ticket is not None
    assert (incident.ticket.number, incident.ticket.reported_at, incident.ticket.accepted_at) == ("VN-17", 25.0, 40.0)
    assert (incident.assigned_to, incident.acked_by) == ("an", "")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda i: handling.assign(i, "a", "nobody", {"an"}, 0.0), "no contact 'nobody'; known: an"),
        (lambda i: handling.comment(i, "a", " ", 0.0), "needs a text"),
        (lambda i: handling.ticket(i, "a", "lost", "", 0.0, 0.0), "allowed: reported, accepted, closed"),
        (lambda i: handling.ticket(i, "a", "reported", "", 1000.0, 0.0), "in the future"),
        (lambda i: handling.acknowledge(i, "a", "", 0.0, 1e9), "1 minute to 7 days"),
        (lambda i: handling.acknowledge(replace(i, closed_at=1.0), "a", "", 2.0), "is closed"),
    ],
)
def test_what_cannot_be_done_says_why(wrong, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(HandlingError, match=said):
        wrong(Incident(1, Subject("site", "b3"), "outage", "critical", 0.0, 0.0))
