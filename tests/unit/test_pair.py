"""A pair of daemons: who is in charge when, which incidents are the same, and nothing is told twice or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.alerts.pair_charge import PrimaryCharge, StandbyCharge
from netmon.alerts.pair_news import Incoming, Outgoing, fact_of, same
from netmon.config import Config, NotifyConfig
from netmon.model import Incident, Subject, TimelineEntry, labels
from netmon.pair import first_number
from tests.unit.test_plan import NOW, World, who

LIMIT = 30.0


# --- the charge ------------------------------------------------------------------------------------------------------


def test_the_primary_tells_from_the_first_beat_on_or_without_a_standby_after_a_while() -> None:
    heard, alone = PrimaryCharge(LIMIT, 0.0), PrimaryCharge(LIMIT, 0.0)
    assert not heard.in_charge and heard.peer_up is None
    heard.beat(claims=False, able=False, mono=2.0)
    assert heard.in_charge and heard.peer_up
    alone.tick(29.9)
    assert not alone.in_charge
    alone.tick(30.0)
    assert alone.in_charge and alone.peer_up is False


def test_a_primary_that_starts_leaves_the_charge_to_a_standby_that_has_it() -> None:
    primary = PrimaryCharge(LIMIT, 0.0)
    primary.beat(claims=True, able=True, mono=2.0)
    assert not primary.in_charge
    primary.beat(claims=False, able=True, mono=33.0)
    assert primary.in_charge


@pytest.mark.parametrize(("able", "keeps"), [(True, True), (False, False)])
def test_a_primary_gives_way_only_where_it_cannot_see(able: bool, keeps: bool) -> None:
    primary = PrimaryCharge(LIMIT, 0.0)
    primary.beat(claims=False, able=True, mono=1.0)
    primary.beat(claims=True, able=able, mono=2.0)
    assert primary.in_charge is keeps


def test_a_primary_tells_again_when_the_standby_in_charge_is_silent() -> None:
    primary = PrimaryCharge(LIMIT, 0.0)
    primary.beat(claims=True, able=True, mono=1.0)
    primary.tick(30.9)
    assert not primary.in_charge
    primary.tick(31.0)
    assert primary.in_charge


def test_the_standby_takes_over_on_missed_beats() -> None:
    standby = StandbyCharge(LIMIT, 0.0)
    assert not standby.answered(True, True, 10.0, blind=False)
    standby.tick(39.9, blind=False)
    assert not standby.in_charge
    standby.tick(40.0, blind=False)
    assert standby.in_charge and standby.claims and standby.silent and standby.lost_at == 10.0


def test_a_standby_that_is_blind_itself_does_not() -> None:
    standby = StandbyCharge(LIMIT, 0.0)
    standby.tick(100.0, blind=True)
    assert not standby.in_charge and standby.peer_up is False
    standby.tick(101.0, blind=False)
    assert standby.in_charge


def test_a_primary_that_cannot_see_is_asked_for_the_charge() -> None:
    standby = StandbyCharge(LIMIT, 0.0)
    for mono in (10.0, 20.0, 29.0):
        standby.answered(False, True, mono, blind=False)
    assert not standby.claims
    standby.answered(False, True, 30.0, blind=False)
    assert standby.claims and not standby.in_charge, "both would tell"
    standby.answered(False, False, 31.0, blind=False)
    assert standby.in_charge and not standby.silent


def test_the_charge_is_returned_when_the_primary_has_been_able_for_long_enough() -> None:
    standby = StandbyCharge(LIMIT, 0.0)
    standby.tick(30.0, blind=False)
    assert not standby.answered(False, False, 40.0, blind=False)
    assert not standby.answered(True, False, 50.0, blind=False)
    assert not standby.answered(False, False, 60.0, blind=False), "not steady"
    assert not standby.answered(True, False, 70.0, blind=False)
    assert not standby.answered(True, False, 99.9, blind=False) and standby.in_charge
    assert standby.answered(True, False, 100.0, blind=False)
    assert not standby.in_charge and not standby.claims


def test_after_a_cut_link_the_charge_is_returned_at_once() -> None:
    standby = StandbyCharge(LIMIT, 0.0)
    standby.tick(30.0, blind=False)
    assert standby.answered(True, True, 31.0, blind=False) and not standby.in_charge


def test_somebody_else_at_the_address_is_no_dead_primary() -> None:
    standby = StandbyCharge(LIMIT, 0.0)
    for mono in range(0, 100, 5):
        standby.refused(mono)
        standby.tick(mono, blind=False)
    assert not standby.in_charge and standby.peer_up is False


@given(st.lists(st.tuples(st.sampled_from(("beat", "lost", "wait")), st.booleans(), st.floats(0.1, 20.0)), max_size=60))
def test_connected_they_never_both_tell(steps: list[tuple[str, bool, float]]) -> None:
    """While beats get through, at most one is in charge after each of them, whatever happened before."""
    mono, primary, standby = 0.0, PrimaryCharge(LIMIT, 0.0), StandbyCharge(LIMIT, 0.0)
    for what, able, wait_s in steps:
        mono += wait_s
        if what == "beat":
            primary.beat(standby.claims, able, mono)
            standby.answered(able, primary.in_charge, mono, blind=False)
            if primary.in_charge:
                assert not standby.in_charge or not able
        primary.tick(mono)
        if what != "wait":
            standby.tick(mono, blind=False)
    for _ in range(40):  # at the end the link holds and the primary is well
        mono += 2.0
        primary.beat(standby.claims, True, mono)
        standby.answered(True, primary.in_charge, mono, blind=False)
    assert primary.in_charge and not standby.in_charge


# --- the same fault --------------------------------------------------------------------------------------------------


def outage(number: int = 1001, site: str = "bac1", began: float = NOW, **more: object) -> Incident:
    new = Incident(number, Subject("site", site), "outage", "critical", began, began + 5, tell_at=began)
    return replace(new, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (outage(), outage(1002, began=NOW + 9), True),
        (outage(), outage(1002, "bac2"), False),
        (outage(), outage(1002, kind="degraded"), True),
        (outage(), outage(1002, kind="alert"), False),
        (outage(closed_at=NOW + 300), outage(1002, began=NOW + 900), False),
        (outage(closed_at=NOW + 300), outage(1002, began=NOW + 200), True),
        (outage(children=("bac2",)), outage(1002, "bac2", children=("bac1",)), True),
        (
            outage(kind="alert", alerts=(("UpsOnBattery", labels(device="u")),)),
            outage(1002, kind="alert", alerts=(("UpsOnBattery", labels(device="u")),)),
            True,
        ),
        (
            outage(kind="alert", alerts=(("UpsOnBattery", labels(device="u")),)),
            outage(1002, kind="alert", alerts=(("DeviceCpuHigh", labels(device="u")),)),
            False,
        ),
    ],
)
def test_what_is_the_same_fault(mine: Incident, theirs: Incident, expected: bool) -> None:
    assert same(mine, fact_of(theirs)) is expected


def test_numbers_of_a_pair_never_meet() -> None:
    def numbers(role: str, following: int) -> list[int]:
        first, step = first_number(Config(notify=NotifyConfig(role=role)), following)  # type: ignore[arg-type]
        return [first + n * step for n in range(3)]

    assert numbers("alone", 1002) == [1002, 1003, 1004]
    assert numbers("primary", 1002) == numbers("primary", 1003) == [1003, 1005, 1007]
    assert numbers("standby", 1001) == numbers("standby", 1002) == [1002, 1004, 1006]


# --- what was told ---------------------------------------------------------------------------------------------------


class Side:
    """One daemon: a world that plans only while it is in charge, and what goes over the link."""

    def __init__(self, name: str, number: int) -> None:
        self.world = World()
        self.number = number
        self.out, self.in_ = Outgoing(name), Incoming()

    def sees(self, site: str, began: float, **more: object) -> int:
        self.number += 2
        self.world.put(outage(self.number, site, began, **more))
        return self.number

    def learn(self, other: Side) -> None:
        """One exchange, as JSON."""
        other.out.gather(other.world.state.incidents.values(), other.world.record)
        have = self.in_.count if self.in_.session == other.out.session else 0
        entries = json.loads(json.dumps(other.out.after(have, 10**9)))
        self.in_.take(other.out.session, have, entries)
        incidents, record = self.world.state.incidents, self.world.record
        self.in_.match(incidents)
        record.add(self.in_.adopted(record))
        for number, update in self.in_.updates(incidents, record).items():
            incidents[number] = update(incidents[number])
        assert self.in_.adopted(record) == [] and self.in_.updates(incidents, record) == {}, "once"

    def tell(self, seconds: float = 0.0, *, sent: bool = True) -> list[tuple[str, str]]:
        found = self.world.step(seconds)
        if sent:
            self.world.record.add(replace(i, state="sent") for i in found)
        return who(found)


BOTH = [("an", "opened"), ("noc", "opened")]


@pytest.fixture
def pair() -> tuple[Side, Side]:
    return Side("p", 999), Side("s", 1000)


def test_a_takeover_repeats_nothing_and_goes_on_with_the_number_that_people_know(pair: tuple[Side, Side]) -> None:
    primary, standby = pair
    known, own = primary.sees("bac1", NOW), standby.sees("bac1", NOW + 4)
    assert primary.tell() == BOTH
    standby.learn(primary)
    standby.world.now += 20
    assert standby.tell() == []
    incident = standby.world.state.incidents[own]
    assert (incident.id, incident.number) == (own, known)
    standby.sees("bac2", NOW + 25)
    standby.world.now += 10
    assert standby.tell() == BOTH, "what the primary had not told"
    standby.world.close(incident)
    [closed, _] = standby.world.step(30)
    assert closed.change == "closed" and f"[netmon {known}]" in closed.subject


def test_what_the_primary_told_before_the_standby_saw_it_counts_when_it_does(pair: tuple[Side, Side]) -> None:
    primary, standby = pair
    primary.sees("bac1", NOW)
    assert primary.tell() == BOTH
    standby.learn(primary)
    standby.sees("bac1", NOW + 6)
    standby.learn(primary)
    standby.world.now += 10
    assert standby.tell() == []


def test_what_was_decided_and_not_sent_is_told_by_who_takes_over(pair: tuple[Side, Side]) -> None:
    primary, standby = pair
    primary.sees("bac1", NOW)
    standby.sees("bac1", NOW + 1)
    assert primary.tell(sent=False) == BOTH
    standby.learn(primary)
    standby.world.now += 5
    assert standby.tell() == BOTH


def test_the_primary_goes_on_where_the_standby_was(pair: tuple[Side, Side]) -> None:
    primary, standby = pair
    standby.sees("bac1", NOW)
    assert standby.tell() == BOTH
    own = primary.sees("bac1", NOW + 3)
    primary.learn(standby)
    primary.world.now += 40
    assert primary.tell() == []
    standby.learn(primary)
    assert standby.tell() == [], "what comes back is known"
    primary.world.close(primary.world.state.incidents[own])
    assert primary.tell(5) == [("an", "closed"), ("noc", "closed")]


def test_digests_go_on(pair: tuple[Side, Side]) -> None:
    primary, standby = pair
    for side in pair:
        for n in range(1, 6):
            side.sees(f"bac{n}", NOW)
    assert {change for _, change in primary.tell()} == {"digest"}
    standby.learn(primary)
    standby.world.now += 60
    assert standby.tell() == []
    standby.sees("bac6", standby.world.now)
    assert standby.tell(60) == [], "the storm goes on: its next digest is due after ten minutes"
    [digest, *_] = standby.world.step(485)
    assert "số 2" in digest.body


def test_what_people_do_is_known_to_both(pair: tuple[Side, Side]) -> None:
    primary, standby = pair
    here, there = primary.sees("bac1", NOW), standby.sees("bac1", NOW)
    entry = TimelineEntry(NOW + 30, "ack", "An", "đang đi")
    incidents = primary.world.state.incidents
    incidents[here] = replace(incidents[here], acked_by="An", acked_until=NOW + 900, timeline=(entry,))
    standby.learn(primary)
    taken = standby.world.state.incidents[there]
    assert (taken.acked_by, taken.acked_until, taken.timeline) == ("An", NOW + 900, (entry,))
    assert standby.in_.numbers()[here] == there, "either number leads to it"
    released = replace(taken, acked_by="", acked_until=None)
    released = replace(released, timeline=(*taken.timeline, TimelineEntry(NOW + 60, "unack", "An")))
    standby.world.put(released)
    primary.learn(standby)
    assert incidents[here].acked_by == "" and len(incidents[here].timeline) == 2


def test_each_is_blind_for_itself(pair: tuple[Side, Side]) -> None:
    primary, standby = pair
    for side in pair:
        side.world.put(replace(outage(side.number), subject=Subject("netmon", "netmon")))
    assert primary.tell() == [("noc", "opened"), ("ops", "opened")]
    standby.learn(primary)
    assert standby.tell() == [("noc", "opened"), ("ops", "opened")]


def test_a_gap_is_asked_for_again_and_another_session_begins_anew() -> None:
    incoming = Incoming()
    out = Outgoing("a")
    out.gather([outage(), outage(1003, "bac2")], World().record)
    entries = json.loads(json.dumps(out.entries))
    incoming.take("a.0", 1, entries[1:])
    assert incoming.count == 0
    incoming.take("a.0", 0, entries)
    assert incoming.count == 2
    incoming.take("b.0", 0, entries[:1])
    assert incoming.count == 1 and len(incoming.facts) == 2


def test_entries_go_in_pieces() -> None:
    out = Outgoing("a")
    out.gather([outage(1001 + n, f"bac{n}") for n in range(8)], World().record)
    size = len(str(out.entries[0]).encode())
    pieces, at = [], 0
    while piece := out.after(at, int(2.5 * size)):
        pieces.append(len(piece))
        at += len(piece)
    assert pieces == [2, 2, 2, 2]
    assert len(out.after(0, 1)) == 1, "one at least"


@pytest.mark.parametrize(
    "entries", [[{"fact": {"number": 1}}], [{"told": {"id": 1}}], [{"told": {}}], [{}], [7], [{"fact": 3}]]
)
def test_what_no_daemon_writes_is_refused(entries: Iterable[object]) -> None:
    with pytest.raises((TypeError, ValueError, LookupError)):
        Incoming().take("a", 0, entries)  # type: ignore[arg-type]
