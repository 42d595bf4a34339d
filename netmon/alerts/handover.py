"""The sheet for the change of shift: what is open and whose, what happened, what is muted, what to mind. Pure.

It covers the time since the last handover of the rosters; within an hour of one, still the shift that has just ended,
for that is when it is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from netmon import counts
from netmon.alerts.brief import NOTHING, blind_s, sentence
from netmon.alerts.hours import at_time
from netmon.alerts.messages_facts import Scene, Texts
from netmon.alerts.plan_record import Record
from netmon.alerts.reasons import person
from netmon.alerts.roster import next_change, on_duty
from netmon.alerts.sheet import Section, Sheet, bounded
from netmon.config import Config
from netmon.model import Area, Contact, Incident, Node, Roster, Site
from netmon.state import State
from netmon.vietnamese import sort_key
from netmon.works import occurrences

JUST_S = 3600.0
DAY = timedelta(days=1)
COMING_S = 86400.0
HANDOVER = "07:00"  # where no roster says another


def shift_since(rosters: Iterable[Roster], now: float, zone: tzinfo) -> float:
    """When the shift began that the sheet is about."""
    latest = now - JUST_S
    times = {roster.handover for roster in rosters} or {HANDOVER}
    day = datetime.fromtimestamp(latest, zone)
    moments = [at_time(day - DAY * back, time).timestamp() for time in times for back in (0, 1)]
    return max(moment for moment in moments if moment <= latest)


def handover(
    state: State, record: Record, words: Texts, config: Config, zone: tzinfo, now: float, since: float | None = None
) -> Sheet:
    """The sheet as of now; ``since`` where not the rosters' last handover counts."""
    if since is None:
        since = shift_since(state.inventory.rosters.values(), now, zone)
    scene = Scene(NOTHING, state, words, config, Contact("", ""), zone, now)
    writer = _Writer(scene, record, since)
    parts = (
        ("open", writer.open()),
        ("shift", writer.shift()),
        ("plans", writer.plans()),
        ("channels", writer.channels()),
        ("sensors", writer.sensors()),
        ("duty", writer.duty()),
    )
    sections = []
    for key, lines in parts:
        found = bounded(lines, words.text("explain.more")) or (words.text("handover.none"),)
        sections.append(Section(key, words.text(f"handover.{key}"), found))
    title = words.text("handover.title", t=scene.full_time(now), since=scene.time(since))
    return Sheet(f"{title}\n{sentence(state, words, config, zone, now)}", tuple(sections))


class _Writer:
    def __init__(self, scene: Scene, record: Record, since: float) -> None:
        self.scene, self.record, self.since = scene, record, since
        self.state = scene.state

    def say(self, key: str, /, **args: object) -> str:
        return self.scene.words.text(f"handover.{key}", **args)

    def about(self, incident: Incident) -> Scene:
        return replace(self.scene, incident=incident)

    def open(self) -> Iterator[str]:
        for incident in counts.open_incidents(self.state):
            scene = self.about(incident)
            parts = [
                self.say(
                    "incident",
                    id=incident.id,
                    where=scene.where(short=False),
                    what=self._what(incident, scene.cause(incident.cause)),
                    t=scene.time(incident.began_at),
                ),
                self._owner(incident),
                *self._ticket(incident),
            ]
            yield "; ".join(parts)

    def _what(self, incident: Incident, cause: str) -> str:
        """Down, power cut; where the cause says it all, only that."""
        if incident.kind == "outage" and incident.subject.kind != "site":
            return cause
        kind = self.scene.words.text(f"page.kind_{incident.kind}").lower()
        names = (self._alert(name) for name, _ in incident.alerts if incident.kind == "alert")
        return ", ".join(dict.fromkeys((*names, *([] if incident.kind == "alert" else [kind, cause]))))

    def _alert(self, name: str) -> str:
        try:
            return self.scene.words.text(f"alert.{name}")
        except KeyError:  # a rule of the operator's own
            return name

    def _owner(self, incident: Incident) -> str:
        if incident.acked_by:
            until = self.scene.time(incident.acked_until) if incident.acked_until else "–"
            return self.say("taken", who=incident.acked_by, t=until)
        if incident.assigned_to:
            return self.say("assigned", who=person(incident.assigned_to, self.scene))
        return self.say("nobody")

    def _ticket(self, incident: Incident) -> Iterator[str]:
        if (ticket := incident.ticket) is None:
            return
        steps = (("reported", ticket.reported_at), ("accepted", ticket.accepted_at), ("closed", ticket.closed_at))
        said = ", ".join(self.say(f"ticket_{step}", t=self.scene.time(at)) for step, at in steps if at)
        yield self.say("ticket", number=ticket.number or "–", steps=said)

    def shift(self) -> Iterator[str]:
        found = [i for i in self.state.incidents.values() if i.opened_at >= self.since or self._ended(i)]
        own = [i for i in found if not (i.timeline and i.timeline[-1].kind == "child" and not i.open)]
        opened, closed = (sum(1 for i in own if test(i)) for test in (self._began, self._ended))
        yield self.say("count", opened=opened, closed=closed)
        yield self.say("blind", minutes=f"{blind_s(self.state, self.scene.now, self.since) / 60:.0f}")
        for incident in sorted(filter(self._ended, own), key=lambda i: i.closed_at or 0.0):
            scene, ended = self.about(incident), incident.ended_at or 0.0
            yield self.say(
                "ended",
                id=incident.id,
                where=scene.where(short=False),
                what=self._what(incident, scene.cause_full(incident.cause)),
                t=scene.time(incident.began_at),
                t_end=scene.time(ended),
                dur=scene.duration(ended - incident.began_at),
            )

    def _began(self, incident: Incident) -> bool:
        return incident.opened_at >= self.since

    def _ended(self, incident: Incident) -> bool:
        return incident.closed_at is not None and incident.closed_at >= self.since

    def plans(self) -> Iterator[str]:
        scene, plans, now = self.scene, self.state.plans, self.scene.now
        for silence in sorted(plans.silences.values(), key=lambda s: s.end_at):
            if now < silence.end_at:
                yield self.say(
                    "silence",
                    id=silence.id,
                    where=self._scopes(silence.where),
                    t=scene.time(silence.end_at),
                    by=silence.by,
                    reason=silence.reason,
                )
        coming = []
        for work in plans.works.values():
            window = next(occurrences(work, scene.zone, now), None) if work.cancelled_at is None else None
            if window is not None and window.begin < now + COMING_S:
                coming.append((window, work))
        for window, work in sorted(coming, key=lambda pair: (pair[0], pair[1].id)):
            yield self.say(
                "work_now" if window.begin <= now else "work_coming",
                id=work.id,
                name=work.title,
                where=self._scopes(work.where),
                t=scene.time(window.begin),
                t_end=scene.time(window.end),
            )
        if plans.storm_duty_until > now:
            yield self.say("storm_duty", t=scene.time(plans.storm_duty_until))

    def _scopes(self, where: tuple[str, ...]) -> str:
        inventory = self.state.inventory
        names = []
        for scope in where[:10]:
            kind, _, key = scope.partition(":")
            tables: dict[str, Mapping[str, Site | Node | Area]] = {
                "site": inventory.sites,
                "node": inventory.nodes,
                "area": inventory.areas,
            }
            thing = tables.get(kind, {}).get(key)
            names.append(thing.name if thing is not None else scope)
        return ", ".join(names) + (f" +{len(where) - 10}" if len(where) > 10 else "")

    def channels(self) -> Iterator[str]:
        """Channels by which something could not be sent, and whether the last message went out."""
        failed: Counter[str] = Counter()
        latest: dict[str, tuple[float, str]] = {}
        for intent in self.record:
            if intent.state not in ("sent", "failed"):
                continue
            latest[intent.channel] = max(latest.get(intent.channel, (0.0, "")), (intent.created_at, intent.state))
            if intent.state == "failed" and intent.created_at >= self.since:
                failed[intent.channel] += 1
        for channel, n in sorted(failed.items()):
            key = "channel_failing" if latest[channel][1] == "failed" else "channel_failed"
            yield self.say(key, channel=channel, n=n)

    def sensors(self) -> Iterator[str]:
        known, by_place = self.state.inventory.sensors, dict[str, list[str]]()
        for view in self.state.sensors.values():
            sensor = known.get(view.sensor)
            if view.state == "stale" and sensor is not None:
                by_place.setdefault(self._place(sensor.site, sensor.node), []).append(sensor.name or sensor.id)
        for place, names in sorted(by_place.items(), key=lambda pair: sort_key(pair[0])):
            yield self.say("stale", where=place, n=len(names), names=self.scene.listed(names))

    def _place(self, site: str, node: str) -> str:
        inventory = self.state.inventory
        thing = inventory.sites.get(site) or inventory.nodes.get(node)
        return thing.name if thing is not None else self.say("elsewhere")

    def duty(self) -> Iterator[str]:
        scene = self.scene
        for roster in self.state.inventory.rosters.values():
            now = person(on_duty(roster, scene.now, scene.zone), scene) or "–"
            if (change := next_change(roster, scene.now, scene.zone)) is None:
                yield self.say("on_duty", roster=roster.id, who=now)
            else:
                then = person(change.after, scene)
                yield self.say("on_duty_then", roster=roster.id, who=now, then=then, t=scene.time(change.at))
