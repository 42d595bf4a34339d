"""Singles or a digest for one reader: storms, and the first minutes after a start. Pure.

Storm (MESSAGES.md): over 3 new incidents for one reader in 5 min: digest now, after 10 and 30 min, then hourly, only if
there is news. It is over when nothing has happened for ten minutes. Many recoveries at once are a storm as well.
Quiet hours end with one list of all that was held back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netmon.alerts.plan_record import Record
from netmon.config import Config
from netmon.model import Contact, Incident
from netmon.state import State

QUIET_S = 600.0
START_S = 20.0  # probes need a round and a confirming burst to see what was lost already
START_UNTIL_S = 120.0


@dataclass(frozen=True, slots=True)
class Storm:
    """``kind``: "" tell singly | hold | storm | started | quiet | morning. The rest is for the digest's text."""

    kind: str = ""
    number: int = 0
    began_at: float = 0.0
    next_at: float = 0.0

    @property
    def stage(self) -> str:
        """Kept with the digest, so that the next one knows where the storm stands."""
        return f"{self.kind} {self.began_at:.0f} {self.number}"


def storm_of(
    contact: Contact,
    news: Sequence[tuple[Incident, str]],
    events: Iterable[float],
    state: State,
    config: Config,
    record: Record,
    now: float,
) -> Storm:
    """How ``news`` (incident, change) for this reader go out now."""
    if (start := _start(contact, news, state, record, now)) is not None:
        return start
    if not news:
        return Storm()
    last = _last(record, contact.id)
    if last is not None and _lasts(last[1], events, now):
        storm, _ = last
        due = storm.began_at + _offset(storm.number, config)
        if now < due:
            return Storm("hold", storm.number, storm.began_at, due)
        return _numbered(storm.number + 1, storm.began_at, config)
    for change in ("opened", "closed"):
        since = now - config.alerts.storm_window_s
        lately = record.told_since(contact.id, change, since) | {i.id for i, what in news if what == change}
        if len(lately) > config.alerts.storm_incidents and any(what == change for _, what in news):
            return _numbered(1, now, config)
    return Storm()


def storm_lasts(contact: str, events: Iterable[float], record: Record, now: float) -> bool:
    """Whether this reader is being told by digests."""
    last = _last(record, contact)
    return last is not None and _lasts(last[1], events, now)


def _numbered(number: int, began_at: float, config: Config) -> Storm:
    return Storm("storm", number, began_at, began_at + _offset(number, config))


def _offset(number: int, config: Config) -> float:
    """When the digest after number ``number`` is due, from the first one."""
    given = config.alerts.storm_digests_s
    if number <= len(given):
        return given[number - 1]
    return (given[-1] if given else 0.0) + (number - len(given)) * config.alerts.storm_then_s


def _last(record: Record, contact: str) -> tuple[Storm, float] | None:
    """The latest digest of a storm and when it was sent; briefs and lists of the night are none."""
    for digest in reversed(record.digests(contact)):
        kind, _, rest = digest.stage.partition(" ")
        if kind == "storm":
            began_at, number = rest.split()
            return Storm("storm", int(number), float(began_at)), digest.created_at
    return None


def _lasts(since: float, events: Iterable[float], now: float) -> bool:
    """True while no gap of ten minutes without an event has passed since the last digest."""
    until = since + QUIET_S
    for at in sorted(at for at in events if at > since):
        if at > until:
            break
        until = at + QUIET_S
    return now <= until


def _start(
    contact: Contact, news: Sequence[tuple[Incident, str]], state: State, record: Record, now: float
) -> Storm | None:
    """What the start of netmon means for this reader; None when it is past."""
    started_at = state.health.started_at
    if now - started_at >= START_UNTIL_S or state.health.relieved:
        return None
    past = [d for d in record.digests(contact.id) if d.stage.startswith("started ")]
    if any(float(d.stage.split()[1]) >= int(started_at) for d in past):
        return None
    if now - started_at < START_S or not state.health.first_round_done:
        return Storm("hold", 0, started_at, started_at + START_S)
    before = any(incident.began_at < started_at + START_S for incident, _ in news)
    again = any(d.created_at > now - QUIET_S for d in past)  # started twice within minutes, and nothing new to say
    joins = record.last_word(contact.id) > max((d.created_at for d in past), default=0.0)  # "when it runs again"
    if before or joins or ("noc" in contact.audiences and not again):
        return Storm("started", 0, started_at)
    return None
