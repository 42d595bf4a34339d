"""The incident book: one incident per fault, opened, raised, closed, reopened. Pure: state and `now` in, changes out.

Rules (DESIGN.md, section 3, Incidents; MESSAGES.md, defaults of telling):
 - A fault waits until what is above it has been checked (`faults.settled`); then it opens at once. `tell_at` says when
   it may be told; one that closes before is a blip.
 - The incident of a lost node owns the sites below it; while it is open none of them opens its own. When it closes,
   sites still lost become incidents of their own with their true beginning. The same holds for the sites of one
   building, feeder or cable lost in one moment: the first owns the others; and for those of one building or feeder that
   follow while it is lost, as their batteries run out (`joining.follows`). netmon's own uplink owns everything.
 - One that opened just before its owner is absorbed: an ``updated`` change with ``closed_at`` set and `child` as last
   line of its timeline. Nothing is told of it, and it is not reopened.
 - A site has at most one incident of its condition: degraded grows to redundancy lost and to outage (``raised``,
   ``began_at`` becomes that of the outage). So does an alert that led to it, such as a UPS on battery.
 - It closes after `recovered_s` of good; ``good_since`` is the true end. What cannot be seen is neither good nor bad.
   A return within `reopen_s` reopens it, with the beginning of the new loss; each return counts a flap.
 - After a start nothing happens until one full round has been seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from zoneinfo import ZoneInfo

from netmon.alerts import handling, planned, rootcause
from netmon.alerts.alert_incidents import AlertIncidents
from netmon.alerts.evidence import Witness
from netmon.alerts.faults import NETMON, RANK, Fault, faults, settled
from netmon.alerts.joining import better, cause_text, follows, leads_to, note, place_of, worst
from netmon.alerts.ledger import Ledger
from netmon.alerts.review import review
from netmon.alerts.verdict import window_s
from netmon.config import Config
from netmon.model import Cause, Change, Incident, Subject, TimelineEntry
from netmon.state import State
from netmon.topology import Topology

EXPLAIN_EVERY_S = 2.0  # evidence comes with polls, seconds apart; in a storm hundreds of incidents look for it
EXPLAIN_POOR_EVERY_S = 60.0  # figures of poor quality move with every probe, and nobody is told of them


class Book:
    """All open incidents, and closed ones that may still come back. ``open_incidents`` may hold closed ones too."""

    def __init__(self, config: Config, open_incidents: Iterable[Incident], next_id: int, id_step: int = 1) -> None:
        self.config = config
        self.ledger = Ledger(config, open_incidents, next_id, id_step)
        self.witness = Witness()
        self._alerts = AlertIncidents(self.ledger)
        self._explained: dict[int, float] = {}

    @property
    def open(self) -> Mapping[int, Incident]:
        """The open incidents by id."""
        return self.ledger.open

    def step(self, state: State, topology: Topology, now: float) -> list[Change]:
        """Take in the present state; returns what changed, each incident as it is after the step."""
        self.witness.observe(state)
        if not state.health.first_round_done:
            return []
        self._state, self._topology, self._now = state, topology, now
        self._window = window_s(self.config.probe)
        self.ledger.begin(now)
        present = faults(state, topology, self.config)
        self._lost_at = {fault.subject: fault.began_at for fault in present if fault.kind == "outage"}
        for fault in present:
            self._take(fault)
        wrong = {fault.subject: fault for fault in present}
        self._explained = {i: at for i, at in self._explained.items() if i in self.open}
        for incident in [i for i in self.open.values() if i.kind not in ("alert", "report")]:
            same = wrong.get(incident.subject)
            if same is None or RANK[same.kind] < RANK[incident.kind]:
                self._without_fault(incident)
        self._alerts.step(state, topology)
        for incident in list(self.open.values()):
            if (after := handling.expire(incident, now)) is not incident:
                self.ledger.change("updated", after)
        return self.ledger.end(state)

    def report(self, subject: Subject, who: str, text: str, now: float) -> Change:
        """Open an incident by hand: somebody calls while netmon sees nothing. What it sees then, grows out of it."""
        if (there := self.ledger.condition_of(subject)) is not None:
            raise handling.HandlingError(f"incident {there.id} about it is open already")
        new = Incident(
            id=self.ledger.take_id(),
            subject=subject,
            kind="report",
            severity="warning",
            began_at=now,
            opened_at=now,
            tell_at=now,
            timeline=(TimelineEntry(now, "opened", who, text),),
        )
        self.ledger.keep(new)
        return Change("opened", new, now)

    def handle(self, number: int, step: Callable[[Incident], Incident], now: float) -> Change | None:
        """What a person does with an incident that is open or may still come back; None if it is neither."""
        incident = self.open.get(number) or self.ledger.closed.get(number)
        if incident is None:
            return None
        after = step(incident)
        self.ledger.put(after)
        return Change("updated" if after.open or not incident.open else "closed", after, now)

    # --- faults ---

    def _take(self, fault: Fault) -> None:
        incident = self.ledger.condition_of(fault.subject)
        if incident is not None:
            if RANK[fault.kind] >= RANK[incident.kind]:
                self._follow(incident, fault)
            return
        if fault.kind == "degraded" and self._now - fault.began_at < self.config.alerts.degraded_s:
            return
        if self._held(fault) or self._join_group(fault):
            return
        if not settled(fault, self._state, self._topology, self.config, self._now):
            return
        if (again := self._returning(fault)) is not None:
            self._reopen(again, fault)
        elif (alert := self._led_by(fault)) is not None:
            self._raise(alert, fault)
        else:
            self._open(fault)

    def _held(self, fault: Fault) -> bool:
        """True while an open incident above owns the fault, or has only just ended."""
        for owner in self.open.values():
            if owner.kind != "outage" or owner.subject == fault.subject:
                continue
            if owner.subject == NETMON and fault.began_at < (owner.good_since or self._now):
                return True
            if owner.subject.kind != "node" or fault.began_at < owner.began_at - self._window:
                continue
            below = self._topology.lines_below(owner.subject.id)
            if fault.subject.kind == "node" and owner.subject.id in self._topology.ancestors(fault.subject.id):
                return True
            if fault.lines and all(line in below for line in fault.lines):
                return True
        return False

    def _join_group(self, fault: Fault) -> bool:
        """Make the site a child of a neighbour in building, feeder or cable that was lost in the same moment."""
        site = self._state.inventory.sites.get(fault.subject.id)
        if fault.kind != "outage" or fault.subject.kind != "site" or site is None:
            return False
        topology, inventory = self._topology, self._state.inventory
        mates = (
            *(topology.sites_in_building(site.building) if site.building else ()),
            *(topology.sites_in_power(site.power) if site.power else ()),
            *(topology.sites_in_cable(site.cable) if site.cable else ()),
        )
        for mate in dict.fromkeys(mates):
            owner = self.ledger.condition_of(Subject("site", mate)) if mate != site.id else None
            if owner is None or owner.kind != "outage":
                continue
            again = self._lost_at.get(owner.subject, owner.began_at)
            together = min(abs(fault.began_at - owner.began_at), abs(fault.began_at - again)) <= self._window
            meanwhile = owner.good_since is None or fault.began_at <= owner.good_since
            if meanwhile and not together:
                look = partial(self._find, fault.subject, fault.began_at)
                together = follows(owner, fault.began_at, site, inventory, look)
            if together or site.id in owner.children:
                if site.id not in owner.children:
                    owner = note(replace(owner, children=(*owner.children, site.id)), self._now, "child", site.id)
                    self.ledger.change("updated", owner)
                return True
        return False

    def _returning(self, fault: Fault) -> Incident | None:
        for incident in reversed(self.ledger.closed.values()):
            if incident.subject == fault.subject and incident.kind == fault.kind and incident.closed_at is not None:
                return incident if fault.began_at <= incident.closed_at + self.config.alerts.reopen_s else None
        return None

    def _led_by(self, fault: Fault) -> Incident | None:
        """The first open alert incident that this loss grows out of, of the site or of a UPS on its mains; further ones
        are absorbed."""
        inventory, site = self._state.inventory, fault.subject.id
        places = {Subject("site", mate) for mate in (site, *self._topology.mates_in_power(site))}
        first: Incident | None = None
        for incident in list(self.open.values()):
            place = place_of(incident.subject, inventory)
            if leads_to(incident, fault.kind) and place in places:
                if place != fault.subject and incident.cause.kind != self._find(fault.subject, fault.began_at).kind:
                    continue
                if first is None:
                    first = incident
                else:
                    first = replace(first, alerts=(*first.alerts, *incident.alerts))
                    self.ledger.absorb(incident, first.id)
        return first

    def _open(self, fault: Fault) -> None:
        cause = self._find(fault.subject, fault.began_at)
        new = Incident(
            id=self.ledger.take_id(),
            subject=fault.subject,
            kind=fault.kind,
            severity=fault.severity,
            began_at=fault.began_at,
            opened_at=self._now,
            cause=cause,
            first_cause=cause.kind,
            children=fault.children,
            already_down=fault.already_down,
            tell_at=self._tell_at(fault.subject, fault.began_at, cause),
        )
        self.ledger.change("opened", note(new, self._now, "opened", f"{fault.kind} {cause_text(cause)}"))

    def _reopen(self, closed: Incident, fault: Fault) -> None:
        cause = self._find(fault.subject, fault.began_at)
        again = replace(
            closed,
            began_at=fault.began_at,
            closed_at=None,
            good_since=None,
            flaps=closed.flaps + 1,
            cause=cause,
            first_cause=cause.kind,
            children=fault.children,
            already_down=fault.already_down,
            tell_at=self._tell_at(fault.subject, fault.began_at, cause),
        )
        self.ledger.change("reopened", note(again, self._now, "reopened", cause_text(cause)))

    def _raise(self, incident: Incident, fault: Fault) -> None:
        """The incident becomes one of this worse kind; what was known stays evidence."""
        cause = better(incident.cause, self._find(fault.subject, fault.began_at))
        raised = replace(
            incident,
            subject=fault.subject,
            kind=fault.kind,
            severity=worst(incident.severity, fault.severity),
            began_at=fault.began_at,
            cause=cause,
            first_cause=cause.kind,
            good_since=None,
            tell_at=self._tell_at(fault.subject, fault.began_at, cause),
        )
        self.ledger.change("raised", note(raised, self._now, "raised", f"{fault.kind} {cause_text(cause)}"))

    def _follow(self, incident: Incident, fault: Fault) -> None:
        """The fault of an open incident lasts: returned, grown, spread, or explained by now."""
        if RANK[fault.kind] > RANK[incident.kind]:
            # What is above owns it also where the site had an incident already: a line of poor quality, say.
            if (
                not self._held(fault)
                and not self._join_group(fault)
                and settled(fault, self._state, self._topology, self.config, self._now)
            ):
                self._raise(incident, fault)
            return
        new = incident
        if new.good_since is not None:
            # The same fault after a good moment counts as a flap; after a blind one it does not.
            flap = fault.began_at > new.good_since - 1.0
            new = replace(new, good_since=None, flaps=new.flaps + flap)
            new = note(new, self._now, "flap") if flap else new
        if more := tuple(c for c in fault.children if c not in new.children):
            new = note(replace(new, children=new.children + more), self._now, "child", f"+{len(more)}")
        new = self._explain(new, lambda: better(new.cause, self._find(fault.subject, new.began_at)))
        if new is not incident:
            self.ledger.change("updated", new)

    def _find(self, subject: Subject, began_at: float) -> Cause:
        found = rootcause.find(subject, self._state, self._topology, self.config, self._now, self.witness)
        return planned.explain(found, subject, began_at, self._state.plans, ZoneInfo(self.config.timezone))

    def _explain(self, incident: Incident, look: Callable[[], Cause], at_once: bool = False) -> Incident:
        """The incident with its cause looked at again, every EXPLAIN_EVERY_S."""
        every = EXPLAIN_POOR_EVERY_S if incident.kind == "degraded" else EXPLAIN_EVERY_S
        if not at_once and self._now - self._explained.get(incident.id, 0.0) < every:
            return incident
        self._explained[incident.id] = self._now
        cause, old = look(), incident.cause
        if cause == old:
            return incident
        new = replace(incident, cause=cause)
        if self._now <= new.tell_at:
            new = replace(new, first_cause=cause.kind)
        if planned.due_at(cause) != planned.due_at(old):  # a work was entered, moved or called off meanwhile
            new = replace(new, tell_at=self._tell_at(new.subject, new.began_at, cause))
        if (cause.kind, cause.confirmed) != (old.kind, old.confirmed):
            return note(new, self._now, "cause", cause_text(cause))
        known = {e.key for e in old.evidence}  # a line of the timeline names facts; their figures move on
        added = [e.key for e in cause.evidence if e.key not in known]
        return note(new, self._now, "evidence", " ".join(added)) if added else new

    def _tell_at(self, subject: Subject, began_at: float, cause: Cause) -> float:
        """When it may be told: what is planned when it is overdue, netmon and nodes at once, sites after the delay of
        their level."""
        if (due := planned.due_at(cause)) is not None:
            return max(self._now, due)
        after = self.config.alerts.tell_after_s
        delay = 0.0
        if subject.kind == "node":
            node = self._state.inventory.nodes[subject.id]
            delay = after.get("core" if node.kind == "core" else "node", 0.0)
        elif subject.kind == "site":
            delay = after.get(self._state.inventory.sites[subject.id].level, 0.0)
        return max(self._now, began_at + delay)

    # --- ends ---

    def _without_fault(self, incident: Incident) -> None:
        """An open incident whose fault is not there now: good, hidden, or taken over by an owner."""
        verdict = self._state.verdicts.get(incident.subject)
        condition = verdict.condition if verdict is not None else "up"
        owner = self._owner(incident)
        if owner is not None and incident.good_since is None:
            self.ledger.absorb(incident, owner.id)
            return
        blind = incident.subject != NETMON and (
            condition == "unknown" or (verdict is not None and verdict.by == "monitor")
        )
        # A line that is now hidden behind a lost node has not come back.
        spare = incident.kind == "redundancy" and verdict is not None and verdict.by == "redundancy"
        hidden = (spare or condition == "unreachable") and incident.good_since is None
        if blind or hidden:
            if incident.good_since is not None:
                self.ledger.keep(replace(incident, good_since=None))
            return
        new = incident
        if new.good_since is None:
            new = replace(new, good_since=self._end(new))
        if new.kind == "outage" and new.subject.kind == "site" and new.cause.kind != "planned":
            look = new
            due = self._now - (new.good_since or self._now) >= self.config.alerts.recovered_s
            new = self._explain(new, lambda: review(look, self._state, self._topology, self.witness), at_once=due)
        if self._now - (new.good_since or self._now) >= self.config.alerts.recovered_s:
            self.ledger.close(new)
        elif new is not incident:
            self.ledger.change("updated", new)

    def _owner(self, incident: Incident) -> Incident | None:
        """The open incident of the node (or of netmon) that by now explains this one's lost lines."""
        subjects = [incident.subject]
        if incident.subject.kind == "site":
            subjects += [Subject("line", line) for line in self._topology.lines_of(incident.subject.id)]
        for subject in subjects if incident.kind != "degraded" else ():
            verdict = self._state.verdicts.get(subject)
            if verdict is None or not (verdict.condition == "unreachable" or verdict.by == "monitor"):
                continue
            above = NETMON if verdict.by == "monitor" else Subject("node", verdict.by)
            owner = self.ledger.condition_of(above)
            if owner is not None and owner.id != incident.id and incident.began_at >= owner.began_at - self._window:
                return owner
        return None

    def _end(self, incident: Incident) -> float:
        """The true end: when the first line (or the node itself) answered again."""
        subjects = [incident.subject]
        if incident.kind == "outage" and incident.subject.kind == "site":
            subjects = [Subject("line", line) for line in self._topology.lines_of(incident.subject.id)]
        elif incident.subject == NETMON:
            subjects = [Subject("node", self.config.own_uplink)]
        found = [v for s in subjects if (v := self._state.verdicts.get(s)) is not None]
        ends = [v.since for v in found if v.condition == "up" and v.since > incident.began_at]
        return min([*ends, self._now])
