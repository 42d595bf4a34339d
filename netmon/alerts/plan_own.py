"""To whom news of netmon itself go, and whether the heartbeat message is due. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from netmon.alerts.messages_facts import Texts
from netmon.alerts.own_news import OwnKind, alive_due, alive_next, readers_of_own, unsettled
from netmon.alerts.plan_record import Record
from netmon.alerts.plan_write import Writer, keep
from netmon.alerts.roster import off_duty
from netmon.config import Config
from netmon.model import Intent
from netmon.state import State


def own_news(
    kind: OwnKind,
    at: float,
    facts: Mapping[str, float | str],
    state: State,
    writer: Writer,
    record: Record | None = None,
) -> list[Intent]:
    """One message for each reader who has not got it; ``at`` tells this one from others of its kind."""
    if not writer.config.notify.enabled:
        return []
    contacts = state.inventory.contacts.values()
    resting = off_duty(state.inventory.rosters, writer.now, writer.zone)
    key, found = f"{kind}-{at:.0f}", dict[str, Intent]()
    for contact in readers_of_own(contacts, resting):
        if record is None or not record.decided(key, contact.id):
            keep(found, writer.own(contact, kind, key, facts, unsettled(state, writer.now)))
    return list(found.values())


def alive(state: State, record: Record, writer: Writer) -> list[Intent]:
    """The heartbeat message, if its time has come; the record knows whether it went out already."""
    if not state.health.first_round_done or (at := alive_due(writer.config, writer.zone, writer.now)) is None:
        return []
    return own_news("alive", at, {"t_next": alive_next(writer.config, writer.zone, writer.now)}, state, writer, record)


def last_word(state: State, config: Config, words: Mapping[str, Texts], now: float, *, relieved: bool) -> list[Intent]:
    """For a stop: nothing where no incident is open. ``relieved``: a standby goes on telling."""
    if not unsettled(state, now):
        return []
    facts = {"alone": "" if relieved else "1", "relieved": "1" if relieved else ""}
    return own_news("last_word", now, facts, state, Writer(state, config, words, now))
