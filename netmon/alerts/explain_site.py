"""Why there is an incident, a message or neither about one site now. Pure.

What was decided about an incident is read from its record (`netmon.alerts.explain`); this is about what made none, so
it is made from the present state: condition, owner, works, silences, hours, alerts that are not told at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from netmon import counts
from netmon.alerts.hours import window
from netmon.alerts.joining import place_of
from netmon.alerts.messages_facts import Scene, Texts
from netmon.alerts.plan_people import Reader, readers
from netmon.alerts.reasons import reader_text
from netmon.alerts.roster import duties, off_duty
from netmon.alerts.sheet import Section, Sheet, bounded
from netmon.config import Config
from netmon.model import AlertState, Contact, Incident, Site, Subject
from netmon.state import State
from netmon.works import scopes_of


def explain_site(site: Site, state: State, words: Texts, config: Config, zone: tzinfo, now: float) -> Sheet:
    """What holds now, and who would be told of a loss."""
    probe = Incident(0, Subject("site", site.id), "outage", "critical", now, now, tell_at=now)
    writer = _Writer(site, Scene(probe, state, words, config, Contact("", ""), zone, now, plain=False))
    more = words.text("explain.more")
    sections = (("now", writer.present()), ("readers", writer.readers()))
    return Sheet(
        words.text("explain.site_title", where=writer.scene.where(short=False)),
        tuple(Section(key, words.text(f"explain.{key}"), bounded(lines, more)) for key, lines in sections),
    )


class _Writer:
    def __init__(self, site: Site, scene: Scene) -> None:
        self.site, self.scene, self.state = site, scene, scene.state
        self.subject = scene.incident.subject

    def say(self, key: str, /, **args: object) -> str:
        return self.scene.words.text(f"explain.{key}", **args)

    def present(self) -> Iterator[str]:
        state, scene = self.state, self.scene
        if self.site not in counts.sites_in_service(state, scene.now, scene.zone):
            yield self.say("out_of_service")
        if not state.health.first_round_done:
            yield self.say("first_round")
        here = self._incidents()
        yield from (self._incident(incident) for incident in here)
        yield from self._condition([incident.kind for incident in here if incident.open])
        yield from self._plans()
        yield from self._alerts()

    def _incidents(self) -> list[Incident]:
        """Open incidents about the site or that list it, then those that ended lately."""
        mine = [
            i
            for i in self.state.incidents.values()
            if counts.site_of(self.state, i.subject) == self.site.id or self.site.id in i.children
        ]
        return sorted(mine, key=lambda i: (not i.open, -i.began_at))

    def _incident(self, incident: Incident) -> str:
        scene = self.scene
        if incident.closed_at is not None:
            return self.say("closed_lately", id=incident.id, t=scene.time(incident.closed_at))
        if self.site.id in incident.children:
            about = Scene(incident, self.state, scene.words, scene.config, scene.contact, scene.zone, scene.now)
            return self.say("belongs", id=incident.id, where=about.where(short=False))
        kind = scene.words.text(f"page.kind_{incident.kind}")
        return self.say("has_incident", id=incident.id, kind=kind)

    def _condition(self, open_kinds: list[str]) -> Iterator[str]:
        state, scene = self.state, self.scene
        verdict = state.verdicts.get(self.subject)
        condition, since = counts.condition_of(state, self.subject)
        named = {"state": scene.words.text(f"condition.{condition}"), "t": scene.time(since) if since else "–"}
        yield self.say("nothing" if condition == "up" and not open_kinds else "state_since", **named)
        has_incident = any(kind != "alert" for kind in open_kinds)
        if verdict is not None and verdict.by == "monitor":
            yield self.say("blind")
        elif not has_incident and condition == "degraded":
            held = scene.config.alerts.degraded_s
            yield self.say("too_new", t=scene.time(since), dur=scene.duration(held))
        elif not has_incident and condition in counts.LOST:
            yield self.say("being_checked", t=scene.time(since))
        for line in (line for line in state.inventory.lines.values() if line.site == self.site.id):
            reach = state.reach.get(line.id)
            if reach is not None and reach.blips:
                yield self.say("blips", n=reach.blips, line=line.circuit or line.id)

    def _plans(self) -> Iterator[str]:
        plans, scene = self.state.plans, self.scene
        if (planned := plans.work_at(self.subject, scene.zone, scene.now)) is not None:
            work, span = planned
            yield self.say("work", id=work.id, name=work.title, by=work.by, t=scene.time(span.end))
        scopes = scopes_of(self.subject, plans.topology) if plans.silences else set()
        for silence in plans.silences.values():
            if silence.begin_at <= scene.now < silence.end_at and not scopes.isdisjoint(silence.where):
                reason = f"{silence.reason} ({silence.alert})" if silence.alert else silence.reason
                yield self.say("silence", id=silence.id, t=scene.time(silence.end_at), by=silence.by, reason=reason)
        alerts = scene.config.alerts
        quiet = window(alerts.quiet_hours, scene.now, scene.zone)
        sleeps = self.site.level in alerts.quiet_levels and scene.now >= plans.storm_duty_until
        if quiet is not None and sleeps and quiet[0] <= scene.now < quiet[1]:
            yield self.say("quiet_now", t=scene.time(quiet[1]))
        if not scene.config.notify.enabled:
            yield scene.words.text("untold.switched_off")

    def _alerts(self) -> Iterator[str]:
        here = [
            alert
            for alert in self.state.alerts.values()
            if counts.site_of(self.state, place_of(alert.subject, self.state.inventory)) == self.site.id
        ]
        for alert in sorted(here, key=lambda a: (a.since, a.alertname)):
            key = "alert_pending" if alert.firing_at is None else f"alert_{alert.tell}"
            yield self.say(key, alert=self._alert(alert), t=self.scene.time(alert.since))
        for sensor in (s for s in self.state.inventory.sensors.values() if s.site == self.site.id):
            view = self.state.sensors.get(sensor.id)
            if view is not None and view.state not in ("ok", "unknown"):
                told = self.scene.words.text(f"sensor.{view.state}")
                yield self.say("sensor", name=sensor.name or sensor.id, state=told)

    def _alert(self, alert: AlertState) -> str:
        try:
            return self.scene.words.text(f"alert.{alert.alertname}")
        except KeyError:  # a rule of the operator's own
            return alert.alertname

    def readers(self) -> Iterator[str]:
        scene, state = self.scene, self.state
        rosters = state.inventory.rosters
        resting, working = off_duty(rosters, scene.now, scene.zone), duties(rosters, scene.now, scene.zone)
        found: list[Reader] = readers(scene.incident, state)
        if not found:
            yield self.say("reader_none")
        for reader in found:
            contact = reader.contact
            if contact.id in resting:
                yield self.say("reader_off", who=contact.name)
                continue
            why = reader_text(reader.why, reader.areas, working.get(contact.id, ""), scene)
            key = "reader" if contact.channels else "reader_unreachable"
            yield self.say(key, who=contact.name, why=why, channels=", ".join(contact.channels))
