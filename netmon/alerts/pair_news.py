"""What two daemons of a pair must know of each other: their incidents, and who was told what. Pure.

Each has incidents of its own about the same faults, with numbers and beginnings of its own. They are the same where
subject and time are (`same`). What the other one told is adopted: the record then says that it was told, and people go
on hearing the number that they know (`Incident.told_as`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from netmon.alerts.plan_record import PEER, Record
from netmon.model import Incident, Intent, Subject, TimelineEntry

SAME_S = 120.0  # two daemons see the beginning and the end of one fault some probes apart
MOST_ENTRIES = 20_000
KEEP_S = 86400.0
HANDLED_MOST, TEXT_MOST = 10, 200
NETMON = "netmon"  # who, in a timeline


Update = Callable[[Incident], Incident]


@dataclass(frozen=True, slots=True)
class Fact:
    """An incident as the other one must know it. ``alerts`` are names; ``handled`` what people did with it."""

    number: int
    shown: int  # the number that people know
    kind: str
    subject: tuple[str, str]
    began_at: float
    closed_at: float | None
    children: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    acked_by: str = ""
    acked_until: float | None = None
    assigned_to: str = ""
    handled: tuple[tuple[float, str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One piece of news that one person was told."""

    id: str
    incident: int
    change: str
    contact: str
    at: float
    stage: str


def fact_of(incident: Incident) -> Fact:
    """What the other one is told of an incident."""
    return Fact(
        incident.id,
        incident.number,
        incident.kind,
        (incident.subject.kind, incident.subject.id),
        incident.began_at,
        incident.closed_at,
        incident.children,
        tuple(name for name, _ in incident.alerts),
        incident.acked_by,
        incident.acked_until,
        incident.assigned_to,
        tuple((e.at, e.kind, e.who, e.text[:TEXT_MOST]) for e in incident.timeline if e.who != NETMON)[-HANDLED_MOST:],
    )


class Outgoing:
    """A growing list of what the other one must know, in order; ``session`` names the list."""

    def __init__(self, session: str) -> None:
        self._name, self._turn = session, 0
        self._clear()

    @property
    def session(self) -> str:
        return f"{self._name}.{self._turn}"

    def _clear(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self._facts: dict[int, Fact] = {}
        self._told: set[str] = set()

    def gather(self, incidents: Iterable[Incident], record: Record) -> bool:
        """Add what is new; False if nothing is."""
        if len(self.entries) > MOST_ENTRIES:  # another list, of what is still so
            self._turn += 1
            self._clear()
        before = len(self.entries)
        seen = {0}
        for incident in incidents:
            if incident.subject.kind == "netmon":
                continue  # each is blind for itself
            seen.add(incident.id)
            fact = fact_of(incident)
            if self._facts.get(fact.number) != fact:
                self._facts[fact.number] = fact
                self.entries.append({"fact": asdict(fact)})
        for intent in record.known():
            if intent.id not in self._told and intent.incident in seen:
                self._told.add(intent.id)
                told = Told(intent.id, intent.incident, intent.change, intent.contact, intent.created_at, intent.stage)
                self.entries.append({"told": asdict(told)})
        return len(self.entries) > before

    def after(self, number: int, most_bytes: int) -> list[dict[str, Any]]:
        """Entries that follow the first ``number``, as many as so many bytes hold, and one at least."""
        found: list[dict[str, Any]] = []
        for entry in self.entries[number:]:
            most_bytes -= len(str(entry).encode())
            if found and most_bytes < 0:
                break
            found.append(entry)
        return found


class Incoming:
    """What the other one said."""

    def __init__(self) -> None:
        self.session, self.count = "", 0
        self.facts: dict[int, Fact] = {}
        self._told: dict[str, Told] = {}
        self._mine: dict[int, int] = {}  # their number -> ours

    def take(self, session: str, begin: int, entries: Iterable[Mapping[str, Any]]) -> None:
        """Entries that follow the first ``begin`` of a list; those that leave a gap are asked for again.

        Raises TypeError or ValueError where they are not what the other daemon writes.
        """
        if session != self.session:
            self.session, self.count = session, 0
        if begin != self.count:
            return
        for entry in entries:
            if "fact" in entry:
                fact = _fact(entry["fact"])
                self.facts[fact.number] = fact
            else:
                told = Told(**entry["told"])
                self._told[told.id] = told
            self.count += 1

    def own_number(self, theirs: int) -> int | None:
        """Our number of an incident of theirs."""
        return self._mine.get(theirs)

    def match(self, incidents: Mapping[int, Incident]) -> None:
        """Find out which incidents are about the same fault; once found, it stays so."""
        for number, fact in self.facts.items():
            if self._mine.get(number) not in incidents:
                found = [incident for incident in incidents.values() if same(incident, fact)]
                if found:
                    self._mine[number] = min(found, key=lambda i: _distance(i, fact)).id

    def adopted(self, record: Record) -> list[Intent]:
        """What our record does not know to have been told."""
        found = []
        for told in self._told.values():
            own = self._mine.get(told.incident, 0) if told.incident else 0
            if told.incident and not own:
                continue  # not seen here, or not yet
            name = f"{own}-{told.id.partition('-')[2]}" if own else told.id
            if name not in record:
                found.append(_adopt(name, own, told))
        return found

    def numbers(self) -> dict[int, int]:
        """The numbers that people may know incidents by -> ours."""
        return self._mine | {self.facts[n].shown: own for n, own in self._mine.items() if n in self.facts}

    def updates(self, incidents: Mapping[int, Incident], record: Record) -> dict[int, Update]:
        """What is to be done with incidents of ours: what people did with theirs, and the number that people know."""
        found: dict[int, Update] = {}
        told = {t.incident for t in self._told.values()}
        for theirs, own in self._mine.items():
            incident, fact = incidents.get(own), self.facts.get(theirs)
            if incident is not None and fact is not None:
                step = partial(_updated, fact=fact, named=theirs in told and not record.told_here(own))
                if step(incident) is not incident:
                    found[own] = step
        return found

    def forget(self, before: float) -> None:
        """Drop what ended long ago."""
        old = {n for n, fact in self.facts.items() if fact.closed_at is not None and fact.closed_at < before}
        for number in old:
            del self.facts[number]
            self._mine.pop(number, None)
        gone = [t for t in self._told.values() if t.incident in old or (not t.incident and t.at < before)]
        for told in gone:
            del self._told[told.id]


def same(incident: Incident, fact: Fact) -> bool:
    """Whether both are about one fault: its place, and a time in common."""
    if (incident.kind == "alert") != (fact.kind == "alert"):
        return False
    here = Subject(*fact.subject) == incident.subject  # type: ignore[arg-type]
    if incident.kind == "alert":
        here = here and bool({name for name, _ in incident.alerts} & set(fact.alerts))
    elif not here:
        # Two sites of one building, lost together: either may own the other.
        here = incident.subject.kind == fact.subject[0] == "site" and (
            incident.subject.id in fact.children or fact.subject[1] in incident.children
        )
    mine, theirs = incident.closed_at, fact.closed_at
    ends_after = mine is None or mine > fact.began_at - SAME_S
    begins_before = theirs is None or theirs > incident.began_at - SAME_S
    return here and ends_after and begins_before


def _distance(incident: Incident, fact: Fact) -> tuple[bool, float]:
    return incident.subject.id != fact.subject[1], abs(incident.began_at - fact.began_at)


def _adopt(name: str, own: int, told: Told) -> Intent:
    return Intent(
        id=name,
        incident=own,
        change=told.change,
        contact=told.contact,
        channel="",
        subject="",
        body="",
        created_at=told.at,
        reason=f"{PEER}{told.id}",
        state="suppressed",
        stage=told.stage,
    )


def _updated(incident: Incident, *, fact: Fact, named: bool) -> Incident:
    after = _handled(incident, fact) if incident.open else incident
    if named and not after.told_as and fact.shown != after.id:
        after = replace(after, told_as=fact.shown)
    return after


def _handled(incident: Incident, fact: Fact) -> Incident:
    """What people did with it there, added to what they did here; the latest word counts."""
    known = {(e.at, e.kind, e.who) for e in incident.timeline}
    new = [TimelineEntry(*entry) for entry in fact.handled if entry[:3] not in known]
    if not new:
        return incident
    latest = max((e.at for e in incident.timeline if e.who != NETMON), default=0.0)
    after = replace(incident, timeline=(*incident.timeline, *new))
    if max(e.at for e in new) < latest:
        return after
    return replace(after, acked_by=fact.acked_by, acked_until=fact.acked_until, assigned_to=fact.assigned_to)


def _fact(raw: Mapping[str, Any]) -> Fact:
    lists = {name: tuple(raw[name]) for name in ("subject", "children", "alerts")}
    handled = tuple((float(at), str(kind), str(who), str(text)) for at, kind, who, text in raw["handled"])
    fact = Fact(**{**raw, **lists, "handled": handled})
    if not isinstance(fact.number, int) or len(fact.subject) != 2:
        raise ValueError("no number, or no subject")
    return fact
