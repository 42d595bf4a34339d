"""Why netmon says what it says of an incident: the cause, who was told and who was not, what it keeps from being told.

Pure, and made only of what was recorded when it was decided: the incident with its timeline, the decisions about
telling and their results. Nothing is derived from a configuration that may have changed since; only names are today's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from netmon.alerts.handling import said_of_mains
from netmon.alerts.messages_facts import Scene, Texts, lower_first
from netmon.alerts.plan_record import DIGEST, OTHERS, TOLD, others_of
from netmon.alerts.power import GOOD_KEYS, POWER_KEYS
from netmon.alerts.reasons import person, reason_text
from netmon.alerts.sheet import Section, Sheet, bounded
from netmon.config import Config
from netmon.model import Cause, CauseKind, Contact, Evidence, Incident, Intent, TimelineEntry
from netmon.state import State

MOST_NAMES = 60
STEP = "  ↳ "  # begins what belongs to the line before it
CUT_KEYS = frozenset({"light_lost", "port_down", "parent_port_down", "parent_light_lost", "port_moved"})
ALIVE_KEYS = frozenset({"router_alive", "not_rebooted", "warm_start", "parent_port_up", "neighbour_up"})
AFTER_KEYS = frozenset({"rebooted", "ups_rebooted", "ups_spent"})
MAINS_KEYS = GOOD_KEYS | {"ups_on_mains"}  # a UPS on mains proves little, and speaks for it all the same
TOGETHER_KEYS = frozenset({"same_feeder", "same_building"})
# What a fact speaks for and against; the others only say that something is lost.
FOR: dict[CauseKind, frozenset[str]] = {
    "power": POWER_KEYS | AFTER_KEYS | TOGETHER_KEYS | {"ups_charge"},
    "line": CUT_KEYS | MAINS_KEYS | {"router_alive", "not_rebooted", "port_still"},
    "device": MAINS_KEYS | {"parent_port_up", "neighbour_up", "warm_start"},
    "upstream": frozenset({"node_silent", "children_lost", "node_above"}),
    "monitor": frozenset({"uplink_lost"}),
    "planned": frozenset({"planned_power", "planned_provider", "planned_own", "planned_until"}),
    "unknown": frozenset(),
}
AGAINST: dict[CauseKind, frozenset[str]] = {
    "power": MAINS_KEYS | ALIVE_KEYS | CUT_KEYS,
    "line": POWER_KEYS | AFTER_KEYS | TOGETHER_KEYS | {"parent_port_up", "neighbour_up"},
    "device": POWER_KEYS | CUT_KEYS | {"neighbour_down", "router_alive"},
    "upstream": frozenset({"node_silent_serving"}),
    "monitor": frozenset(),
    "planned": frozenset(),
    "unknown": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to send a message. ``result``: sent | again | failed | begun (as fallback) | paced (had to wait)."""

    at: float
    number: int
    result: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """An intent as it is now, and what was tried."""

    intent: Intent
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Telling:
    """The record of one incident: decisions about it, the digests that carried it, incidents that became part of it."""

    decisions: tuple[Decision, ...] = ()
    digests: tuple[Decision, ...] = ()
    absorbed: tuple[Incident, ...] = ()


def explain(
    incident: Incident, telling: Telling, state: State, words: Texts, config: Config, zone: tzinfo, now: float
) -> Sheet:
    """All there is to say; parts with nothing to say are left out."""
    scene = Scene(incident, state, words, config, Contact("", ""), zone, now, plain=False)
    writer = _Writer(scene, telling)
    found = (
        ("cause", writer.cause()),
        ("sure", writer.sure()),
        ("told", writer.told()),
        ("untold", writer.untold()),
        ("suppressed", writer.suppressed()),
    )
    more = words.text("explain.more")
    sections = ((key, bounded(lines, more)) for key, lines in found)
    return Sheet(
        words.text("explain.title", id=incident.id, where=scene.where(short=False)),
        tuple(Section(key, words.text(f"explain.{key}"), lines) for key, lines in sections if lines),
    )


class _Writer:
    def __init__(self, scene: Scene, telling: Telling) -> None:
        self.scene, self.telling = scene, telling
        self.incident, self.words = scene.incident, scene.words

    def at(self, moment: float) -> str:
        """To the second; with the day when not today."""
        zone, now = self.scene.zone, self.scene.now
        then, today = datetime.fromtimestamp(moment, zone), datetime.fromtimestamp(now, zone)
        return f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%d/%m %H:%M:%S}"

    def say(self, key: str, /, **args: object) -> str:
        return self.words.text(f"explain.{key}", **args)

    # --- why this cause ---

    def cause(self) -> Iterator[str]:
        cause = self.incident.cause
        if self.incident.kind == "report":
            yield self.say("reported", who=self.incident.timeline[0].who if self.incident.timeline else "")
        for name in dict.fromkeys(name for name, _ in self.incident.alerts if self.incident.kind == "alert"):
            yield self.say("by_alert", alert=self._alert(name))
        if cause.kind == "unknown" and not cause.evidence and not cause.rule:
            if self.incident.kind != "alert":
                yield self.say("nothing_known")
            return
        yield self.say("is", cause=self._cause(cause))
        if cause.rule:
            yield self.say("rule", rule=self._rule(cause.rule))
        yield from self._evidence(cause)
        yield from self._rejected(cause)
        for key in cause.missing:
            how = self._known(f"get.{key}", "–").replace("{id}", str(self.incident.id))
            yield self.say("missing", what=self._known(f"missing.{key}", key), how=how)

    def _evidence(self, cause: Cause) -> Iterator[str]:
        kind = cause.kind
        for evidence in sorted(cause.evidence, key=lambda e: e.at):
            side = "for" if evidence.key in FOR[kind] else "against" if evidence.key in AGAINST[kind] else "fact"
            yield self.say(side, evidence=self.scene.evidence(evidence))

    def _rejected(self, cause: Cause) -> Iterator[str]:
        """Rules thought of before, and what spoke against each."""
        for text in dict.fromkeys(cause.rejected):
            rule, _, why = text.partition("|")
            yield self.say("rejected", rule=self._rule(rule), why=self._against(why))

    def _rule(self, key: str) -> str:
        return self._known(f"rule.{key}", key)

    def _against(self, key: str) -> str:
        return self._known(f"rule_not.{key}", key)

    def _alert(self, name: str) -> str:
        return self._known(f"alert.{name}", name)

    def _known(self, key: str, otherwise: str) -> str:
        """The words, or the code itself: an incident may come from a version with other rules, or an operator's own."""
        try:
            return self.words.text(key)
        except KeyError:
            return otherwise

    def _cause(self, cause: Cause) -> str:
        name = lower_first(self.words.text(f"cause.{cause.kind}"))
        if cause.kind == "unknown":
            return name
        return self.words.text("word.is_confirmed" if cause.confirmed else "word.is_suspected", cause=name)

    # --- how sure, and since when ---

    def sure(self) -> Iterator[str]:
        """Each turn the cause took, and the correction that a recovery brought."""
        known = {e.key: e for e in self.incident.cause.evidence}
        turns = [entry for entry in self.incident.timeline if entry.kind in ("opened", "raised", "reopened", "cause")]
        for entry in self.incident.timeline:
            if entry in turns and entry.who == "netmon" and (turn := self._of_entry(entry)):
                yield self.say("turn", t=self.at(entry.at), cause=turn)
            elif entry.kind == "evidence" and (facts := self._facts(entry, known)):
                yield self.say("came", t=self.at(entry.at), evidence=facts)
        cause, incident = self.incident.cause, self.incident
        if incident.kind == "outage" and incident.good_since is not None and cause.kind != "planned":
            first = lower_first(self.words.text(f"cause.{incident.first_cause}"))
            told = "same" if cause.confirmed else "still_open"
            if incident.first_cause != cause.kind:
                told = "found" if incident.first_cause == "unknown" else "corrected"
            yield self.say(f"after_{told}", first=first, cause=self._cause(cause))
        elif cause.kind not in ("unknown", "planned", "monitor") and not cause.confirmed and incident.open:
            yield self.say("only_suspected")

    def _of_entry(self, entry: TimelineEntry) -> str:
        """ "outage power suspected by power_feeder" in words; "" where it says nothing of a cause."""
        said, _, rule = entry.text.partition(" by ")
        codes = said.split()
        confirmed = codes[-1:] == ["confirmed"]
        kind = codes[-2] if codes[-1:] in (["confirmed"], ["suspected"]) and len(codes) > 1 else "".join(codes[-1:])
        try:
            text = self._cause(Cause(kind, confirmed))  # type: ignore[arg-type]
        except KeyError:
            return ""
        return self.say("by_rule", cause=text, rule=self._rule(rule)) if rule else text

    def _facts(self, entry: TimelineEntry, known: dict[str, Evidence]) -> str:
        codes = entry.text.split()
        if (said := said_of_mains(entry)) is not None:
            return " ".join([self.scene.evidence(said), *codes[1:]])
        if entry.who != "netmon":
            return f"{entry.who}: {entry.text}"
        return "; ".join(self.scene.evidence(known[c]) if c in known else self._alert(c) for c in codes)

    # --- who was told ---

    def told(self) -> Iterator[str]:
        for decision in self.telling.decisions:
            intent = decision.intent
            if intent.change not in TOLD:
                continue
            if intent.reason.startswith(DIGEST):
                yield from self._by_digest(intent)
            elif intent.state in ("sent", "pending", "failed"):
                yield from self._message(decision, intent.contact, self.say(f"what_{intent.change}"), intent.created_at)

    def _by_digest(self, carried: Intent) -> Iterator[str]:
        key = "|".join(carried.reason.removeprefix(DIGEST).split("|")[:2]) + "|"
        for digest in self.telling.digests:
            if digest.intent.id.startswith(key) and digest.intent.state in ("sent", "pending", "failed"):
                yield from self._message(digest, carried.contact, self.say("what_digest"), carried.created_at)

    def _message(self, decision: Decision, contact: str, what: str, at: float) -> Iterator[str]:
        intent = decision.intent
        sent_at = next((a.at for a in decision.attempts if a.result == "sent"), None)
        result = self.say(f"state_{intent.state}", t=self.at(sent_at or intent.created_at), n=intent.attempts)
        yield self.say(
            "message",
            t=self.at(at),
            who=person(contact, self.scene),
            what=what,
            channel=intent.channel,
            result=result,
            why=reason_text(intent, self.scene),
        )
        for attempt in decision.attempts:
            if attempt.result != "sent" or attempt.number > 1:
                told = self.say(f"try_{attempt.result}", t=self.at(attempt.at), n=attempt.number)
                yield f"{STEP}{told}{': ' if attempt.detail else ''}{attempt.detail}"

    # --- who was not, and why ---

    def untold(self) -> Iterator[str]:
        incident = self.incident
        if not incident.open and incident.timeline and incident.timeline[-1].kind == "child":
            yield self.say("part_of", owner=incident.timeline[-1].text)
        for decision in self.telling.decisions:
            intent = decision.intent
            if intent.state != "suppressed" or intent.reason.startswith(DIGEST) or intent.change == "sensors":
                continue
            if intent.reason == OTHERS:
                for why, contacts in others_of(intent.body).items():
                    yield self.say(f"not_{why}", t=self.at(intent.created_at), who=self._people(contacts))
                continue
            who = person(intent.contact, self.scene) if intent.contact else self._people(intent.body.split(", "))
            channel = f" ({intent.channel})" if intent.channel else ""
            why = reason_text(intent, self.scene)
            yield self.say("not_told", t=self.at(intent.created_at), who=f"{who}{channel}: " if who else "", why=why)

    def _people(self, contacts: Iterable[str]) -> str:
        names = [person(contact, self.scene) for contact in contacts if contact]
        more = [self.say("people_more", n=len(names) - MOST_NAMES)] if len(names) > MOST_NAMES else []
        return ", ".join(names[:MOST_NAMES] + more)

    # --- what it keeps from being told ---

    def suppressed(self) -> Iterator[str]:
        incident, scene = self.incident, self.scene
        before = set(incident.already_down)
        if fresh := [child for child in incident.children if child not in before]:
            yield self.say("children", n=len(fresh), names=scene.names(fresh))
        if incident.already_down:
            yield self.say("already_down", n=len(incident.already_down), names=scene.names(incident.already_down))
        for other in self.telling.absorbed:
            about = Scene(other, scene.state, self.words, scene.config, scene.contact, scene.zone, scene.now)
            yield self.say("absorbed", id=other.id, where=about.where(short=False), t=self.at(other.opened_at))
        joined = incident.alerts[1:] if incident.kind == "alert" else incident.alerts
        if names := dict.fromkeys(self._alert(name) for name, _ in joined):
            yield self.say("alerts", names=", ".join(names))
        sensors = [
            name for d in self.telling.decisions if d.intent.change == "sensors" for name in d.intent.body.split()
        ]
        if sensors:
            known = scene.state.inventory.sensors
            shown = scene.listed(known[s].name or s if s in known else s for s in dict.fromkeys(sensors))
            yield self.say("sensors", n=len(dict.fromkeys(sensors)), names=shown)
