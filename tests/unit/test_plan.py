"""Who is told what, when, and why not. Time runs by argument; what was told is the record's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from netmon.alerts.plan import plan
from netmon.alerts.plan_record import Record
from netmon.alerts.reasons import is_known
from netmon.config import Channel, Config, NotifyConfig
from netmon.model import (
    AlertState,
    Area,
    Cause,
    Contact,
    Evidence,
    Incident,
    Intent,
    Inventory,
    Node,
    Secret,
    Site,
    Subject,
    TimelineEntry,
    Verdict,
    labels,
)
from netmon.state import State
from netmon.words import load_words

WORDS = load_words()
NOW = 1_795_404_660.0  # 2026-11-23 10:31 in Asia/Ho_Chi_Minh


def channel(name: str, form: str, fallback: str = "", kind: str = "apprise") -> Channel:
    return Channel(name, kind, Secret("json://127.0.0.1/"), form=form, fallback=fallback)


CHANNELS = {c.name: c for c in (channel("mail", "long"), channel("sms", "sms", "mail"), channel("chat", "short"))}
CONFIG = Config(notify=NotifyConfig(channels=CHANNELS, noc_phone="02713888999"))


def inventory(**contacts: Contact) -> Inventory:
    sites = {}
    for area in ("bac", "nam"):
        for n in range(1, 9):
            sites[f"{area}{n}"] = Site(
                f"{area}{n}", f"UBND xã {area} {n}", f"{area} {n}", "government", "commune", area
            )
    people = contacts or {
        "noc": Contact("noc", "NOC", email="noc@x.vn", audiences=("noc",), channels=("mail",)),
        "an": Contact("an", "An", "0901", "an@x.vn", ("technician",), ("bac",), ("sms",)),
        "binh": Contact("binh", "Bình", "0902", "binh@x.vn", ("technician",), ("nam",), ("sms",)),
        "ops": Contact("ops", "Ops", email="ops@x.vn", audiences=("ops",), channels=("mail",)),
        "chief": Contact("chief", "Chief", "0903", audiences=("leader",), channels=("sms",)),
    }
    return Inventory(
        areas={"bac": Area("bac", "Bắc", "Bac"), "nam": Area("nam", "Nam", "Nam")},
        nodes={"gom": Node("gom", "Nút gom Bắc", "aggregation", None, "Bac")},
        sites=sites,
        contacts=people,
    )


class World:
    """A state and a record that remembers what each step decided."""

    def __init__(self, config: Config = CONFIG, **contacts: Contact) -> None:
        self.state = State(inventory(**contacts))
        self.state.health.first_round_done = True
        self.config = config
        self.record = Record()
        self.now = NOW
        self.all: list[Intent] = []

    def incident(self, site: str, **changes: object) -> Incident:
        number = 1001 + len(self.state.incidents)
        new = Incident(number, Subject("site", site), "outage", "critical", self.now, self.now, tell_at=self.now)
        return self.put(replace(new, **changes))  # type: ignore[arg-type]

    def put(self, incident: Incident) -> Incident:
        self.state.incidents[incident.id] = incident
        return incident

    def close(self, incident: Incident) -> Incident:
        return self.put(replace(incident, good_since=self.now - 60, closed_at=self.now))

    def step(self, seconds: float = 0.0) -> list[Intent]:
        """What is sent ``seconds`` later; everything else it decided goes to the record only."""
        self.now += seconds
        found = plan([], self.state, self.config, self.record, self.now, WORDS)
        self.record.add(found)
        self.all += found
        assert plan([], self.state, self.config, self.record, self.now, WORDS) == [], "a decision is made once"
        assert not [i.reason for i in found if not is_known(i.reason)], "a reason that nobody can read"
        return [i for i in found if i.state == "pending"]

    def reasons(self, incident: int) -> str:
        return "\n".join(i.reason for i in self.all if i.incident == incident and i.state == "suppressed")


def who(intents: Iterable[Intent]) -> list[tuple[str, str]]:
    return sorted((i.contact, i.change) for i in intents)


def test_an_outage_goes_to_its_technician_and_the_noc_and_so_does_its_end() -> None:
    world = World()
    incident = world.incident("bac1")
    assert who(world.step()) == [("an", "opened"), ("noc", "opened")]
    assert world.step(5) == []
    world.now += 300
    world.close(incident)
    assert who(world.step()) == [("an", "closed"), ("noc", "closed")]
    assert "binh" in next(i.body for i in world.all if i.change == "others")


def test_a_blip_is_not_told() -> None:
    world = World()
    incident = world.incident("bac1", tell_at=NOW + 60)
    assert world.step() == []
    assert "tell_after:told only if it lasts 60 s" in world.reasons(incident.id)
    world.now += 50
    world.close(incident)
    assert world.step() == world.step(3600) == []
    assert "blip" in world.reasons(incident.id)


def test_told_when_tell_at_is_reached() -> None:
    world = World()
    world.incident("bac1", tell_at=NOW + 60)
    assert world.step(59) == []
    assert who(world.step(1)) == [("an", "opened"), ("noc", "opened")]


def test_what_is_coming_back_is_not_told_first() -> None:
    world = World()
    incident = world.incident("bac1", tell_at=NOW + 60)
    world.put(replace(incident, good_since=NOW + 40))
    assert world.step(61) == []


def test_severity_raised_is_told_once() -> None:
    world = World()
    alert = world.incident("bac1", kind="alert", severity="warning", alerts=(("UpsOnBattery", labels(device="u")),))
    key = ("UpsOnBattery", labels(device="u"))
    told = AlertState("UpsOnBattery", key[1], "warning", 1, 1, NOW, NOW, Subject("device", "u"), "technician", "now")
    world.state.alerts[key] = told
    assert who(world.step()) == [("an", "opened")]
    world.put(replace(alert, kind="outage", severity="critical", tell_at=NOW + 70))
    assert world.step(10) == []
    assert who(world.step(60)) == [("an", "raised"), ("noc", "opened")]
    assert world.step(60) == []


def test_reopened_within_minutes_is_told_again_and_the_third_change_as_flapping() -> None:
    world = World()
    incident = world.incident("bac1")
    assert ("an", "opened") in who(world.step())
    world.now += 120
    closed = world.close(incident)
    assert ("an", "closed") in who(world.step())
    again = world.put(replace(closed, closed_at=None, good_since=None, flaps=1, began_at=world.now))
    assert who(world.step(60)) == [("an", "flapping"), ("noc", "flapping")]
    for flaps in range(2, 6):  # and no more singles
        world.now += 60
        closed = world.close(again)
        assert world.step() == []
        again = world.put(replace(closed, closed_at=None, good_since=None, flaps=flaps, began_at=world.now))
        assert world.step(30) == []
    world.close(again)
    assert world.step(1700) == []
    assert who(world.step(200)) == [("an", "closed"), ("noc", "closed")]


def test_a_storm_is_one_digest_with_nodes_alone() -> None:
    world = World()
    for n in range(1, 4):
        world.incident(f"bac{n}")
        assert who(world.step(10)) == [("an", "opened"), ("noc", "opened")]
    late = [world.incident(f"bac{n}") for n in range(4, 9)]
    node = world.put(replace(late[0], id=2000, subject=Subject("node", "gom"), children=("bac1", "bac2")))
    sent = world.step(10)
    assert who(sent) == [("an", "digest"), ("an", "opened"), ("noc", "digest"), ("noc", "opened")]
    assert {i.incident for i in sent if i.change == "opened"} == {node.id}
    assert "TONG HOP" in next(i.body for i in sent if i.contact == "an" and i.change == "digest")
    assert world.step(60) == []
    for incident in late[:3]:
        world.close(incident)
    assert world.step(60) == [], "held for the next digest"
    assert who(world.step(500)) == [("an", "digest"), ("noc", "digest"), ("noc", "escalated")]  # the node: 10 min
    assert world.step(900) == []


def test_after_a_storm_a_single_incident_is_told_at_once() -> None:
    world = World()
    for n in range(1, 6):
        world.incident(f"bac{n}")
    assert who(world.step()) == [("an", "digest"), ("noc", "digest")]
    world.step(1500)
    world.incident("bac8", began_at=world.now, opened_at=world.now, tell_at=world.now)
    assert who(world.step()) == [("an", "opened"), ("noc", "opened")]


def test_recoveries_of_a_storm_are_one_digest() -> None:
    world = World()
    storm = [world.incident(f"bac{n}") for n in range(1, 6)]
    world.step()
    world.step(3000)
    for incident in storm:
        world.close(incident)
    assert who(world.step()) == [("an", "digest"), ("noc", "digest")]
    assert world.step(60) == []


def test_other_areas_hear_nothing_of_it() -> None:
    world = World()
    for n in range(1, 7):
        world.incident(f"nam{n}")
    assert who(world.step()) == [("binh", "digest"), ("noc", "digest")]


def test_after_a_start_one_digest_for_the_noc_and_for_those_concerned() -> None:
    world = World()
    world.state.health.started_at = NOW
    world.state.health.first_round_done = False
    assert world.step(10) == []
    world.state.health.first_round_done = True
    first = world.incident("bac1", began_at=NOW + 3, opened_at=NOW + 12, tell_at=NOW + 63)
    assert world.step(5) == []
    assert who(world.step(10)) == [("noc", "digest")]
    assert who(world.step(40)) == [("an", "digest")], "told after its time, as one of those that were found lost"
    assert world.step(200) == []
    world.now += 100
    world.close(first)
    assert who(world.step()) == [("an", "closed"), ("noc", "closed")]


def test_a_digest_after_a_start_does_not_stand_for_the_overrun_of_planned_works() -> None:
    world = World()
    world.state.health.started_at = NOW
    until = Evidence("planned_until", NOW + 100)
    planned = world.incident(
        "bac1", began_at=NOW - 900, tell_at=NOW + 1000, cause=Cause("planned", True, (until,), rule="planned_work")
    )
    assert who(world.step(21)) == [("noc", "digest")]
    assert not world.record.told(planned.id, "noc")
    world.now = NOW + 999
    assert world.step() == []
    assert who(world.step(2)) == [("an", "opened"), ("noc", "opened")]


def test_starting_twice_in_a_row_repeats_nothing() -> None:
    world = World()
    world.state.health.started_at = NOW
    world.incident("bac1", began_at=NOW - 900, opened_at=NOW - 890, tell_at=NOW - 890)
    assert who(world.step(21)) == [("an", "digest"), ("noc", "digest")]
    world.state.health.started_at = world.now + 5
    assert world.step(30) == []


def test_a_crash_before_the_commit_makes_the_same_decision() -> None:
    world = World()
    world.incident("bac1")
    first = plan([], world.state, CONFIG, world.record, NOW, WORDS)
    again = plan([], world.state, CONFIG, Record(), NOW + 7, WORDS)
    assert [i.id for i in first] == [i.id for i in again]


def test_a_crash_after_the_commit_tells_nothing_twice() -> None:
    world = World()
    incident = world.incident("bac1")
    world.step()
    world.record = Record(world.all)
    assert world.step(10) == []
    world.close(incident)
    assert who(world.step(10)) == [("an", "closed"), ("noc", "closed")]


def test_a_failed_message_told_nothing_so_its_end_is_not_told() -> None:
    world = World()
    incident = world.incident("bac1")
    sent = world.step()
    world.record.add(replace(i, state="failed") for i in sent if i.contact == "an")
    world.close(incident)
    assert who(world.step(300)) == [("noc", "closed")]


def test_a_fallback_stands_by_unless_the_person_has_that_channel_anyway() -> None:
    both = Contact("an", "An", "0901", "an@x.vn", ("technician",), (), ("sms", "mail"))
    only = replace(both, id="binh", phone="0902", email="binh@x.vn", channels=("sms",))
    world = World(an=both, binh=only)
    world.incident("bac1")
    world.step()
    standby = [i for i in world.all if i.state == "standby"]
    assert [(i.contact, i.channel) for i in standby] == [("binh", "mail")]
    assert standby[0].subject and len(standby[0].body) > 160


def test_one_chat_room_gets_a_message_once() -> None:
    room = Contact("an", "An", audiences=("technician",), channels=("chat",))
    world = World(an=room, noc=replace(room, id="noc", audiences=("noc",)))
    incident = world.incident("bac1")
    assert who(world.step()) == [("an", "opened")]
    assert f"duplicate:{incident.id}-0-opened|an|chat" in "\n".join(i.reason for i in world.all)
    world.close(incident)
    assert who(world.step(300)) == [("an", "closed")]


@pytest.mark.parametrize(
    ("contact", "reason"),
    [
        (Contact("an", "An", audiences=("noc",)), "channel missing:the contact has none"),
        (Contact("an", "An", audiences=("noc",), channels=("fax",)), "channel missing:not in the configuration"),
        (Contact("an", "An", audiences=("noc",), channels=("sms",)), "channel missing:the contact has no phone"),
    ],
)
def test_nobody_is_forgotten_silently(contact: Contact, reason: str) -> None:
    world = World(an=contact)
    incident = world.incident("bac1")
    assert world.step() == []
    assert reason in world.reasons(incident.id)


def test_who_sits_at_the_site_is_asked_and_not_told_like_a_technician() -> None:
    clerk = Contact("clerk", "Văn thư", "0904", channels=("sms",))
    an = Contact("an", "An", "0901", audiences=("technician",), channels=("sms",))
    world = World(clerk=clerk, an=an)
    sites = world.state.inventory.sites
    asked = {**sites, "bac1": replace(sites["bac1"], contacts=("clerk", "an"))}
    world.state.inventory = replace(world.state.inventory, sites=asked)
    incident = world.incident("bac1")
    texts = {i.contact: i.body for i in world.step()}
    assert texts["clerk"].startswith("Nho anh/chi tai bac 1 (Bac) xem giup: co dien khong")
    assert f"So {incident.id}" in texts["clerk"]
    assert texts["an"].startswith(f"{incident.id} MAT KET NOI, CHUA RO VI SAO")
    world.close(incident)
    assert all("DA CO LAI" in i.body for i in world.step(60))


def test_reasons_for_silence() -> None:
    world = World(ops=Contact("ops", "Ops", audiences=("ops",), channels=("mail",)))
    poor = world.incident("bac1", kind="degraded", severity="warning")
    absorbed = world.incident(
        "bac2", closed_at=NOW, timeline=(TimelineEntry(NOW, "child", "netmon", "#1050"),), tell_at=NOW - 1
    )
    nobody = world.incident("bac3")
    assert world.step() == []
    assert "muted:page" in world.reasons(poor.id)
    assert "muted:absorbed" in world.reasons(absorbed.id)
    assert "no contact has the audience" in world.reasons(nobody.id)
    off = World(replace(CONFIG, notify=replace(CONFIG.notify, enabled=False)))
    silent = off.incident("bac1")
    assert off.step() == []
    assert "switched off" in off.reasons(silent.id)


def test_a_lost_node_goes_to_the_technicians_of_its_sites() -> None:
    world = World()
    world.incident("x", subject=Subject("node", "gom"), children=("bac1", "bac2"), cause=Cause("upstream", True))
    sent = world.step()
    assert who(sent) == [("an", "opened"), ("noc", "opened")]
    assert "MAT NUT GOM Bac" in next(i.body for i in sent if i.contact == "an")


def test_blind_goes_to_noc_and_ops() -> None:
    world = World()
    world.state.verdicts[Subject("site", "bac1")] = Verdict(Subject("site", "bac1"), "unknown", NOW, "monitor")
    world.incident("x", subject=Subject("netmon", "netmon"), cause=Cause("monitor", True), children=("bac1",))
    assert who(world.step()) == [("noc", "opened"), ("ops", "opened")]


def test_record_forgets_what_cannot_come_back() -> None:
    world = World()
    gone, kept = world.incident("bac1"), world.incident("bac2")
    world.step()
    world.record.keep_only({kept.id}, NOW)
    assert world.record.told(gone.id, "noc") == []
    assert len(world.record.told(kept.id, "noc")) == 1
