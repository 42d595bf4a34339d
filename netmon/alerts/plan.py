"""What to tell whom, now: mute -> group -> dedup, each a small step, each decision with its reason. Pure.

Decided from what is (the incidents) and what was told (the record), never from what just happened: after a crash the
same decisions come out again, with the same ids, so nothing is lost and nothing told twice. Rules (MESSAGES.md):
 - opened, severity raised, works overrun and closed are told, nothing else; closed only to those who were told of the
   opening.
 - While a silence covers it, nothing new is told of an incident.
 - Before ``tell_at`` nobody is told; what ended before is a blip. Quality alone is for the page.
 - The third change within 30 min is told as flapping, then single changes no more until it has been quiet for as long.
 - In the quiet hours news of communes are held back; at their end one list tells what is still so. Not on storm duty.
 - What nobody has taken in time goes to the reader's backup, else to the NOC; not for single sites in a storm. Who
   answers that he cannot go hands it on at once.
 - Over 3 new incidents for one reader within 5 min become a digest, then again after 10 min, 30 min and hourly, if
   there is news; nodes and netmon itself are always told alone. After a start one digest takes the place of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from netmon.alerts.handling import unable
from netmon.alerts.hours import at_time, window
from netmon.alerts.joining import place_of
from netmon.alerts.messages_facts import Texts
from netmon.alerts.plan_own import alive
from netmon.alerts.plan_people import Reader, readers
from netmon.alerts.plan_record import DIGEST, Record
from netmon.alerts.plan_storm import Storm, storm_lasts, storm_of
from netmon.alerts.plan_untold import Untold
from netmon.alerts.plan_write import Writer, keep
from netmon.alerts.planned import due_at
from netmon.alerts.roster import latest_change, off_duty
from netmon.config import Config
from netmon.model import Change, Incident, Intent
from netmon.state import State

QUIET_LIST_S = 600.0  # after the end of the quiet hours: what they held back goes out as one list
MORNING_S = 1800.0  # netmon was not running at the time of the brief: it is still worth reading
DAY_S = 86400.0
RANKS = {"alert": 0, "degraded": 0, "report": 0, "redundancy": 1, "outage": 2}
SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell one reader. ``key`` begins the ids of its intents: the same news has the same key."""

    incident: Incident
    change: str
    reader: Reader
    key: str

    @property
    def alone(self) -> bool:
        """True for what is never put into a digest."""
        return _alone(self.incident)


def plan(
    changes: Iterable[Change], state: State, config: Config, record: Record, now: float, words: Mapping[str, Texts]
) -> list[Intent]:
    """Everything to be committed now: messages to send, and decisions not to. ``changes`` may be ahead of the state."""
    incidents = state.incidents | {change.incident.id: change.incident for change in changes}
    planner = _Planner(incidents, state, config, record, now, Writer(state, config, words, now))
    planner.run()
    return [intent for intent in planner.found.values() if intent.id not in record]


class _Planner:
    def __init__(
        self,
        incidents: Mapping[int, Incident],
        state: State,
        config: Config,
        record: Record,
        now: float,
        writer: Writer,
    ) -> None:
        self.incidents, self.state, self.config = incidents, state, config
        self.record, self.now, self.writer = record, now, writer
        self.found: dict[str, Intent] = {}
        self.zone = writer.zone
        self.untold = Untold(record, self.found, now, self.zone)
        self.resting = off_duty(state.inventory.rosters, now, self.zone)
        self.readers = {i.id: readers(i, state, self.resting) for i in incidents.values() if not self._mute(i)}
        on_storm_duty = now < state.plans.storm_duty_until
        self.quiet = None if on_storm_duty else window(config.alerts.quiet_hours, now, self.zone)

    def run(self) -> None:
        news: dict[str, list[News]] = {}
        for number in self.readers:
            for item in self._news(self.incidents[number]):
                news.setdefault(item.reader.contact.id, []).append(item)
        for contact in self.state.inventory.contacts:
            self._group(contact, news.get(contact, []))
        self._escalate()
        self._morning()
        self._keep(alive(self.state, self.record, self.writer))
        self._handover()
        self.untold.finish(self.incidents, self.readers, self.state, self.resting)

    # --- mute: incidents nobody is told of ---

    def _mute(self, incident: Incident) -> bool:
        if incident.timeline and incident.timeline[-1].kind == "child" and not incident.open:
            reason, what = "muted:absorbed, told with the incident that owns it", "muted"
        elif incident.kind == "degraded":
            reason, what = "muted:page, quality alone is not told", "muted"
        elif not self.config.notify.enabled:
            reason, what = "muted:notify is switched off", "muted"
        elif incident.open and (silence := self.state.plans.silence_of(incident, self.now)) is not None:
            reason, what = f"silenced:{silence.by}: {silence.reason}", f"silence{silence.id}"
        else:
            return False
        self.untold.decide(incident, reason, what)
        return True

    # --- news: what each reader does not know yet ---

    def _news(self, incident: Incident) -> Iterable[News]:
        told_any = False
        for reader in self.readers[incident.id]:
            told = self.record.told(incident.id, reader.contact.id)
            told_any = told_any or bool(told)
            if (item := self._dedup(incident, reader, told)) is not None:
                yield item
        # Whoever was told of it hears how it ends, even if he would not be chosen today.
        known = {reader.contact.id for reader in self.readers[incident.id]}
        for key, contact in self.state.inventory.contacts.items():
            if key not in known and (told := self.record.told(incident.id, key)):
                told_any = True
                if not incident.open and (item := self._dedup(incident, Reader(contact, "told"), told)) is not None:
                    yield item
        if not told_any:
            self._explain_silence(incident)

    def _dedup(self, incident: Incident, reader: Reader, told: list[Intent]) -> News | None:
        """What this reader does not know yet; None if he knows all there is."""
        ends = [n for n, intent in enumerate(told) if intent.change == "closed"]
        live = told[ends[-1] + 1 :] if ends else told
        change, rank = self._change(incident, live), ""
        if change is None:
            return None
        if live and live[-1].change == "flapping":
            if change != "closed" or self.now - (incident.closed_at or self.now) < self.config.alerts.flap_window_s:
                what = f"flapping{live[-1].created_at:.0f}"
                self.untold.hold(
                    incident, reader.contact.id, what, "flapping:single changes are not told until it is quiet"
                )
                return None
        elif self._flaps(told):
            change = "flapping"
        if change == "raised":
            rank = f"{_rank(stage(incident))}"
        episode = len({told[n].created_at for n in ends})
        key = f"{incident.id}-{episode}-{change}{rank}"
        return None if self.record.decided(key, reader.contact.id) else News(incident, change, reader, key)

    def _change(self, incident: Incident, live: list[Intent]) -> str | None:
        if not incident.open:
            return "closed" if live else None
        if self.now < incident.tell_at or (incident.good_since is not None and not live):
            return None
        if not live:
            return "opened"
        due = due_at(incident.cause)
        if due is not None and due <= self.now and all(i.created_at < due for i in live):
            return "overrun"  # told before the works were entered, or of other works
        return "raised" if _rank(stage(incident)) > max(_rank(i.stage) for i in live) else None

    def _flaps(self, told: list[Intent]) -> bool:
        """True where the next change is the one that is told as flapping."""
        since = self.now - self.config.alerts.flap_window_s
        # Getting worse, or nobody taking it, is no coming and going.
        told = [i for i in told if i.created_at > since and i.change not in ("raised", "escalated", "overrun")]
        return len({(i.change, i.created_at) for i in told}) >= self.config.alerts.flap_changes - 1

    def _explain_silence(self, incident: Incident) -> None:
        """Why nobody has been told so far."""
        if not self.readers[incident.id]:
            self.untold.decide(incident, "no contact has the audience and area of this incident", "nobody")
        elif not incident.open:
            self.untold.decide(incident, "blip:it ended before it was to be told", "blip")
        elif self.now < incident.tell_at:
            self.untold.wait(incident)

    # --- group: singles, or a digest ---

    def _group(self, contact: str, news: list[News]) -> None:
        if not self.config.notify.enabled:
            return
        for item in news:
            if item.alone:
                self._tell(item)
        rest = [item for item in news if not item.alone]
        person = self.state.inventory.contacts[contact]
        rest = self._hold_quiet(contact, rest)
        changes = [(item.incident, item.change) for item in rest]
        storm = storm_of(person, changes, self._events(contact), self.state, self.config, self.record, self.now)
        if storm.kind in ("storm", "started"):
            self._digest(contact, rest, storm)
        elif storm.kind == "hold":
            kind, at = ("storm" if storm.number else "start"), self.untold.clock(storm.next_at)
            for item in rest:
                reason = f"{kind}:held back for the digest of {at}"
                self.untold.hold(item.incident, contact, f"hold{storm.next_at:.0f}", reason)
        else:
            for item in rest:
                self._tell(item)

    # --- quiet hours: held back, then one list ---

    def _hold_quiet(self, contact: str, news: list[News]) -> list[News]:
        """What is to be told now all the same."""
        if self.quiet is None:
            return news
        begin, end = self.quiet
        if self.now >= end + QUIET_LIST_S:
            return news
        mine = [item for item in news if self._sleeps(item.incident) and begin <= self._since(item)]
        if self.now < end:
            for item in mine:
                self.untold.hold(
                    item.incident, contact, f"quiet{end:.0f}", f"quiet:held back until {self.untold.clock(end)}"
                )
        elif mine := [item for item in mine if self._since(item) < end]:
            self._digest(contact, mine, Storm("quiet", 0, end))
        held = {item.key for item in mine}
        return [item for item in news if item.key not in held]

    def _sleeps(self, incident: Incident) -> bool:
        """Whether it waits for the end of the quiet hours."""
        site = self.state.inventory.sites.get(place_of(incident.subject, self.state.inventory).id)
        return site is not None and site.level in self.config.alerts.quiet_levels

    def _since(self, item: News) -> float:
        """Since when it could have been told."""
        incident = item.incident
        return (incident.closed_at or self.now) if item.change == "closed" else incident.tell_at

    # --- escalation: nobody has taken it ---

    def _escalate(self) -> None:
        for number, chosen in self.readers.items():
            incident = self.incidents[number]
            wait_s = self.config.alerts.escalate_node_s if _alone(incident) else self.config.alerts.escalate_s
            if not incident.open or incident.acked_by or incident.good_since is not None or self._planned(incident):
                continue
            refused = unable(incident)
            for reader in (*chosen, *self._passed_on(chosen, refused)):
                no = reader.contact.name in refused
                told = self.record.told(number, reader.contact.id)
                began = next((i.created_at for i in told if i.change == "opened" or no), None)
                due = no or (wait_s and began is not None and self.now >= began + wait_s)
                if began is None or not due or any(i.change == "closed" for i in told):
                    continue
                events = self._events(reader.contact.id)
                if not no and not _alone(incident) and storm_lasts(reader.contact.id, events, self.record, self.now):
                    self.untold.decide(incident, "escalation:none for single sites in a storm", "storm")
                elif (item := self._escalation(incident, reader, refused)) is not None:
                    self._tell(item)

    def _passed_on(self, chosen: Iterable[Reader], refused: set[str]) -> list[Reader]:
        """Those who cannot go and were told only because another could not, or did not."""
        if not refused:
            return []
        known = {reader.contact.id for reader in chosen}
        contacts = self.state.inventory.contacts.values()
        return [Reader(c, "backup") for c in contacts if c.name in refused and c.id not in known]

    def _planned(self, incident: Incident) -> bool:
        """True for what is told only when it is overdue."""
        return (due_at(incident.cause) or 0.0) > self.now

    def _escalation(self, incident: Incident, reader: Reader, refused: set[str]) -> News | None:
        """Who hears of it next: the reader's backup; the NOC, where he has none or cannot go either."""
        contacts = self.state.inventory.contacts
        backup = contacts.get(reader.contact.backup)
        if backup is None or backup.name in refused:
            backup = next((c for c in contacts.values() if "noc" in c.audiences and c.name not in refused), None)
        key = f"{incident.id}-0-escalated"
        if backup is None:
            self.untold.decide(incident, "no_backup:nobody is there to escalate to", "no_backup")
            return None
        if self.record.decided(key, backup.id):
            return None
        return News(incident, "escalated", Reader(backup, "backup"), key)

    # --- the brief of the morning ---

    def _morning(self) -> None:
        if not self.config.alerts.morning or not self.config.notify.enabled:
            return
        today = datetime.fromtimestamp(self.now, self.zone)
        at = at_time(today, self.config.alerts.morning).timestamp()
        if not at <= self.now < at + MORNING_S or not self.state.health.first_round_done:
            return
        for contact in self.state.inventory.contacts.values():
            if "noc" in contact.audiences and not self.record.decided(f"morning-{at:.0f}", contact.id):
                self._keep(self.writer.morning(contact, at, self._mine(contact.id)))

    def _handover(self) -> None:
        """The sheet at the change of shift, to who leaves and who begins."""
        alerts, inventory = self.config.alerts, self.state.inventory
        if not alerts.handover or not self.config.notify.enabled or not self.state.health.first_round_done:
            return
        for roster in inventory.rosters.values():
            turn = latest_change(roster, self.now, self.now - MORNING_S, self.zone)
            for key in (turn.before, turn.after) if turn is not None else ():
                if turn is None or self.record.decided(f"handover-{roster.id}-{turn.at:.0f}", key):
                    continue  # as in every other step of this half hour
                if (contact := inventory.contacts.get(key)) is not None:
                    self._keep(self.writer.handover(contact, roster.id, turn.at, turn.at - DAY_S, self.record))

    def _mine(self, contact: str) -> list[Incident]:
        """Incidents this reader is told of, as far as digests carry them."""
        return [
            incident
            for number, incident in self.incidents.items()
            if not _alone(incident) and any(r.contact.id == contact for r in self.readers.get(number, ()))
        ]

    def _events(self, contact: str) -> list[float]:
        """When something happened that concerns this reader."""
        return [t for i in self._mine(contact) for t in (i.opened_at, i.closed_at) if t is not None]

    def _tell(self, item: News) -> None:
        self._keep(self.writer.message(item.incident, item.change, item.reader, item.key, stage(item.incident)))

    def _digest(self, contact: str, news: list[News], storm: Storm) -> None:
        mine = self._mine(contact)
        if storm.kind == "started":  # it lists all that is open, and so nothing of that is told again
            known = {n.incident.id for n in news}
            for incident in mine:
                fresh = incident.open and incident.good_since is None and incident.id not in known
                if fresh and not self._planned(incident) and not self.record.told(incident.id, contact):
                    reader = next(r for r in self.readers[incident.id] if r.contact.id == contact)
                    news = [*news, News(incident, "opened", reader, f"{incident.id}-0-opened")]
        changes = [(item.incident, item.change) for item in news]
        intents = self.writer.digest(self.state.inventory.contacts[contact], changes, mine, storm)
        self._keep(intents)
        for item in news if intents else ():
            carried = Intent(
                id=f"{item.key}|{contact}",
                incident=item.incident.id,
                change=item.change,
                contact=contact,
                channel="",
                subject="",
                body="",
                created_at=self.now,
                reason=f"{DIGEST}{intents[0].id}",
                state="suppressed",
                stage=stage(item.incident),
            )
            self.found[carried.id] = carried

    def _keep(self, intents: Iterable[Intent]) -> None:
        """Add messages; one that goes to an address that gets the same news already is a duplicate."""
        keep(self.found, intents)


def stage(incident: Incident) -> str:
    """What raises are measured by."""
    return f"{incident.kind} {incident.severity}"


def _rank(text: str) -> int:
    kind, _, severity = text.partition(" ")
    return RANKS.get(kind, 0) * 10 + (SEVERITIES.index(severity) if severity in SEVERITIES else 0)


def _alone(incident: Incident) -> bool:
    return incident.subject.kind in ("node", "netmon")
