"""Writes the intents of one decision: a message for each channel of a reader, its fallback standing by. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from netmon.alerts import zns
from netmon.alerts.brief import render_morning
from netmon.alerts.handover import handover
from netmon.alerts.messages import ASK_SITE, Message, kind_of, render
from netmon.alerts.messages_digest import render_digest
from netmon.alerts.messages_facts import FIELD_AUDIENCES, Scene, Texts
from netmon.alerts.own_news import OwnKind, render_own
from netmon.alerts.plan_people import Reader, why_text
from netmon.alerts.plan_record import DUPLICATE, Record
from netmon.alerts.plan_storm import Storm
from netmon.alerts.roster import duties
from netmon.config import Channel, Config
from netmon.model import Change, Contact, Incident, Intent
from netmon.state import State


class Writer:
    """Renders for the moment ``now``, each reader in his language."""

    def __init__(self, state: State, config: Config, words: Mapping[str, Texts], now: float) -> None:
        self.state, self.config, self.now = state, config, now
        self.zone = ZoneInfo(config.timezone)
        self._words = words
        self.duties = duties(state.inventory.rosters, now, self.zone)
        self.cut_off = {i.id for i in state.incidents.values() if _cuts_off(i, state)}

    def words(self, contact: Contact) -> Texts:
        return self._words.get(contact.language) or self._words[self.config.language]

    def message(self, incident: Incident, change: str, reader: Reader, key: str, stage: str) -> list[Intent]:
        """The intents that tell one reader of one change; suppressed ones where a channel cannot be used."""
        contact, words = reader.contact, self.words(reader.contact)
        told = change == "closed" or reader.why == "told"
        why = words.text("why.told") if told else why_text(reader, self.state.inventory, words)

        special = change if change in ("flapping", "escalated") else ""
        if asks_site(incident, change, reader):
            special = "to_site"
        news = Change("closed" if change == "closed" else "opened", incident, self.now)

        def text(channel: Channel) -> Message:
            found = render(
                news,
                self.state,
                words,
                self.config,
                form_of(channel),
                contact,
                zone=self.zone,
                now=self.now,
                detail=channel.detail,
                why=why,
                special=special,
                answerable=channel.replies,
            )
            if channel.kind != "zns":
                return found
            scene = Scene(incident, self.state, words, self.config, contact, self.zone, self.now)
            return zns.parameters(channel.parameters, found, zns.facts(news, scene, special), contact.name)

        reason = f"{change} told to {reader.why}"
        if reader.areas:
            reason += f" of {','.join(reader.areas)}"
        if roster := self.duties.get(contact.id):
            reason += f" on duty by {roster}"
        return self._intents(contact, key, incident.id, change, stage, reason, text)

    def digest(
        self, contact: Contact, changes: Sequence[tuple[Incident, str]], mine: Sequence[Incident], storm: Storm
    ) -> list[Intent]:
        """The intents of one digest."""
        words = self.words(contact)

        def text(channel: Channel) -> Message:
            found = render_digest(
                changes,
                mine,
                storm,
                self.state,
                words,
                self.config,
                form_of(channel),
                contact,
                zone=self.zone,
                now=self.now,
                answerable=channel.replies,
            )
            return zns.parameters(channel.parameters, found, {}, contact.name) if channel.kind == "zns" else found

        key = f"digest-{storm.kind}-{storm.began_at:.0f}-{storm.number}"
        if storm.kind == "storm":
            reason = (
                f"storm: over {self.config.alerts.storm_incidents} within {self.config.alerts.storm_window_s:.0f} s"
            )
        else:
            reason = {"started": "start of netmon", "quiet": "end of the quiet hours"}[storm.kind]
        return self._intents(contact, key, 0, "digest", storm.stage, reason, text)

    def morning(self, contact: Contact, at: float, mine: Sequence[Incident]) -> list[Intent]:
        """The brief of a day, by mail and chat."""
        words = self.words(contact)

        def text(channel: Channel) -> Message:
            return render_morning(
                mine, self.state, words, self.config, form_of(channel), contact, zone=self.zone, now=self.now
            )

        stage = f"morning {at:.0f} 0"
        return self._no_sms(self._intents(contact, f"morning-{at:.0f}", 0, "digest", stage, "brief of the day", text))

    def handover(self, contact: Contact, roster: str, at: float, since: float, record: Record) -> list[Intent]:
        """The sheet for the change of shift, by mail and chat."""
        words = self.words(contact)
        when = datetime.fromtimestamp(at, self.zone).strftime("%H:%M %d/%m/%Y")
        subject = words.text("handover.subject", t=when)

        def text(channel: Channel) -> Message:
            sheet = handover(self.state, record, words, self.config, self.zone, self.now, since)
            return Message(subject, f"{sheet.text()}\n\n{words.text('mail.why')}: {words.text('why.handover')}")

        key, stage = f"handover-{roster}-{at:.0f}", f"handover {at:.0f} 0"
        return self._no_sms(self._intents(contact, key, 0, "digest", stage, "change of shift", text))

    def _no_sms(self, intents: Iterable[Intent]) -> list[Intent]:
        channels = self.config.notify.channels
        return [i for i in self._free(intents) if i.channel in channels and form_of(channels[i.channel]) != "sms"]

    def own(
        self,
        contact: Contact,
        kind: OwnKind,
        key: str,
        facts: Mapping[str, float | str],
        open_now: Sequence[Incident],
    ) -> list[Intent]:
        """What netmon says of itself."""
        words = self.words(contact)

        def text(channel: Channel) -> Message:
            return render_own(
                kind,
                facts,
                open_now,
                self.state,
                words,
                self.config,
                form_of(channel),
                contact,
                zone=self.zone,
                now=self.now,
            )

        intents = self._intents(contact, key, 0, kind, "", f"own news:{kind}", text)
        return self._free(intents)

    def _free(self, intents: Iterable[Intent]) -> list[Intent]:
        """Without those that a template carries, as each of them is paid for."""
        channels = self.config.notify.channels
        return [i for i in intents if i.channel not in channels or channels[i.channel].kind != "zns"]

    def of_drill(self, contact: Contact, drill: int, text: Callable[[str], Message]) -> list[Intent]:
        """The intents that tell one person that a drill is over; ``text`` gives the message of a form."""
        key, number = f"drill-{drill}-end", -drill * 1000
        return self._intents(contact, key, number, "drill_end", "", "end of the drill", lambda c: text(form_of(c)))

    def _intents(
        self,
        contact: Contact,
        key: str,
        incident: int,
        change: str,
        stage: str,
        reason: str,
        text: Callable[[Channel], Message],
    ) -> list[Intent]:
        def intent(name: str, message: Message, state: str, why: str, address: str = "", suffix: str = "") -> Intent:
            return Intent(
                id=f"{key}|{contact.id}|{name}{suffix}",
                incident=incident,
                change=change,
                contact=contact.id,
                channel=name,
                subject=message.subject,
                body=message.body,
                created_at=self.now,
                reason=why,
                state=state,
                address=address,
                stage=stage,
            )

        def written(channel: Channel) -> Message:
            try:
                return text(channel)
            except (LookupError, ValueError) as error:  # wrong words must not keep anybody from being told
                title = f"[netmon {incident}] {change}"
                if self.state.drill:
                    title = f"DIEN TAP, KHONG CO SU CO THAT. [netmon {self.state.drill}] {change}"
                return Message(title, f"{title}: {stage} ({error!r})")

        empty, found = Message("", ""), []
        channels = self.config.notify.channels
        # The way out may be what is broken: then the gateway of the SMS is not kept for later.
        at_once = incident in self.cut_off
        for name in contact.channels:
            channel = channels.get(name)
            if channel is None or (problem := unusable(channel, contact)):
                why = "channel missing:not in the configuration" if channel is None else f"channel missing:{problem}"
                found.append(intent(name, empty, "suppressed", why))
                continue
            found.append(intent(name, written(channel), "pending", reason, address(channel, contact)))
            other = channels.get(channel.fallback)
            if other is not None and other.name not in contact.channels and not unusable(other, contact):
                why = f"fallback of {name}"
                state = "pending" if at_once and other.form == "sms" else "standby"
                standby = intent(other.name, written(other), state, why, address(other, contact), f"|{name}")
                found.append(standby)
        if not contact.channels:
            found.append(intent("", empty, "suppressed", "channel missing:the contact has none"))
        return found


def _cuts_off(incident: Incident, state: State) -> bool:
    """Whether the fault may have taken netmon's own way to mail and chat with it."""
    node = state.inventory.nodes.get(incident.subject.id) if incident.subject.kind == "node" else None
    return incident.subject.kind == "netmon" or (node is not None and node.kind in ("core", "uplink"))


def asks_site(incident: Incident, change: str, reader: Reader) -> bool:
    """Whether the reader is no technician but sits where it happened, and can see what netmon cannot."""
    clerk = reader.why == "site" and not FIELD_AUDIENCES & set(reader.contact.audiences)
    unsure = incident.kind == "outage" and kind_of(Change("opened", incident, 0.0)) in ASK_SITE
    return clerk and unsure and change == "opened"


def form_of(channel: Channel) -> str:
    """Which text a channel carries: Zalo is a chat, whatever its ``form`` says."""
    return "short" if channel.kind in ("zalo_oa", "zalo_bot", "zns") else channel.form


def keep(found: dict[str, Intent], intents: Iterable[Intent]) -> None:
    """Add messages to ``found``; one that goes to an address that gets the same news already is a duplicate."""
    for intent in intents:
        same = next((i for i in found.values() if _same_place(i, intent)), None)
        if same is not None and intent.state in ("pending", "standby"):
            intent = replace(intent, state="suppressed", reason=f"{DUPLICATE}{same.id}")
        found.setdefault(intent.id, intent)


def _same_place(a: Intent, b: Intent) -> bool:
    where = (a.incident, a.change, a.channel, a.address) == (b.incident, b.change, b.channel, b.address)
    same = where and (a.incident or a.stage == b.stage)  # a brief and a digest are two things
    return bool(same) and a.id != b.id and a.state == "pending" and bool(b.channel)


def address(channel: Channel, contact: Contact) -> str:
    """Where a message goes on this channel; "" where the channel's own URL says it (a chat room)."""
    own = {"zalo_oa": contact.zalo, "zalo_bot": contact.zalo_bot, "zns": contact.phone}
    return own.get(channel.kind, {"long": contact.email, "sms": contact.phone}.get(channel.form, ""))


def unusable(channel: Channel, contact: Contact) -> str:
    """Why this contact cannot be reached on this channel; "" if he can."""
    if channel.kind == "alertmanager":
        return "Alertmanager is fed with every incident, not with messages to people"
    needs = {"zalo_oa": "zalo id", "zalo_bot": "zalo_bot id", "zns": "phone"}.get(channel.kind, "")
    if not needs and channel.form == "sms":
        needs = "phone"
    return f"the contact has no {needs}" if needs and not address(channel, contact) else ""
