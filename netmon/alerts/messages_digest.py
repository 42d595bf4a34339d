"""One message instead of many: the digest of a storm, and the one after a start. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo

from netmon.alerts import parts
from netmon.alerts.messages import LOST, Message
from netmon.alerts.messages_facts import Scene, Texts
from netmon.alerts.plan_storm import Storm
from netmon.config import Config
from netmon.model import Contact, Incident, Subject
from netmon.state import State
from netmon.vietnamese import sort_key

MOST_ITEMS = 60
MOST_NAMES = 8
SHORT_S = 30.0  # without netmon: a restart
BY_LETTER = {"power": "a", "line": "b", "upstream": "b", "unknown": "c"}


def render_digest(
    changes: Sequence[tuple[Incident, str]],
    mine: Sequence[Incident],
    storm: Storm,
    state: State,
    words: Texts,
    config: Config,
    form: str,
    contact: Contact,
    *,
    zone: tzinfo,
    now: float,
    answerable: bool = False,
) -> Message:
    """``changes`` are the news it carries, ``mine`` all incidents that concern the reader."""

    def scene(incident: Incident) -> Scene:
        return Scene(incident, state, words, config, contact, zone, now)

    blank = scene(Incident(0, Subject("netmon", "netmon"), "outage", "info", now, now))
    lost = [s for s in state.inventory.sites if _lost(state, s)]
    here = [s for s in lost if not contact.areas or state.inventory.sites[s].area in contact.areas]
    causes = _by_cause(state, lost)
    off_since = state.health.off_since
    off_s = state.health.started_at - off_since if off_since else 0.0
    noc = "" if "noc" in contact.audiences else config.notify.noc_phone
    args = {
        "t_now": blank.time(now),
        "n_digest": str(storm.number),
        "storm": "1" if storm.kind == "storm" else "",
        "started": "1" if storm.kind == "started" else "",
        "quiet": "1" if storm.kind == "quiet" else "",
        "t_off": blank.time(off_since) if off_s >= SHORT_S else "",
        "off": blank.duration(off_s) if off_s >= SHORT_S else "",
        "k": str(len(lost)),
        "n": str(len(state.inventory.sites)),
        "up": str(sum(1 for _, change in changes if change == "closed")),
        **{letter: str(causes[letter]) for letter in "abc"},
        "areas": _areas(state, lost, words),
        "mine_n": str(len(here)),
        "new_n": str(sum(1 for _, change in changes if change in ("opened", "flapping"))),
        "mine": _names(state, here, words) if contact.areas and here else "",
        "t_next": blank.time(storm.next_at) if storm.next_at else "",
        "call": words.text("sms.answer_digest") if answerable else words.text("sms.call_noc", phone=noc) if noc else "",
        "answers": words.text("word.answer_digest") if answerable else "",
    }
    if form == "sms":
        return Message("", parts.sms(words.parts("sms.digest"), args))
    subject = words.text(f"mail.subject_{storm.kind}", **args)
    body = parts.lines(words.parts("chat.digest"), args)
    if form == "short":
        return Message(subject, "\n".join(body))
    back = [incident for incident, change in changes if change == "closed"]
    body += incident_list("lost_list", [i for i in mine if i.open], scene, words)
    body += incident_list("back_list", back, scene, words)
    key = f"why.{storm.kind}"
    minutes = f"{config.alerts.storm_window_s / 60:.0f}"
    why = words.text(key, count=config.alerts.storm_incidents, minutes=minutes)
    return Message(subject, "\n".join([*body, f"{words.text('mail.why')}: {why}"]))


def _lost(state: State, site: str) -> bool:
    verdict = state.verdicts.get(Subject("site", site))
    return verdict is not None and verdict.condition in LOST


def _by_cause(state: State, lost: Iterable[str]) -> Counter[str]:
    """Lost sites by the letter of their cause: of their own incident, or of the one that owns them."""
    letters: dict[str, str] = {}
    for incident in state.incidents.values():
        if incident.open and incident.kind == "outage":
            letter = BY_LETTER.get(incident.cause.kind, "")
            for site in incident.children:
                letters.setdefault(site, letter)
            if incident.subject.kind == "site":
                letters[incident.subject.id] = letter
    return Counter(letters.get(site, "c") for site in lost)


def _areas(state: State, lost: Iterable[str], words: Texts) -> str:
    """Areas by how many sites they lost: Bù Gia Mập 19/19, Bù Đăng 21/35."""
    sites = state.inventory.sites
    gone, total = Counter(sites[s].area for s in lost), Counter(site.area for site in sites.values())
    known = state.inventory.areas
    order = sorted(gone, key=lambda a: (-gone[a], sort_key(known[a].name if a in known else a)))
    return ", ".join(
        words.text("word.area_count", area=known[a].name if a in known else a, lost=gone[a], total=total[a])
        for a in order
    )


def _names(state: State, sites: Iterable[str], words: Texts) -> str:
    names = sorted((state.inventory.sites[s].name for s in sites), key=sort_key)
    more = [words.text("word.more", count=len(names) - MOST_NAMES)] if len(names) > MOST_NAMES else []
    return ", ".join(names[:MOST_NAMES] + more)


def incident_list(
    title: str, incidents: Sequence[Incident], scene: Callable[[Incident], Scene], words: Texts
) -> list[str]:
    """Incidents one to a line, the oldest first, with a heading; nothing where there are none."""
    if not incidents:
        return []
    lines = [f"{words.text(f'mail.{title}')}:"]
    for incident in sorted(incidents, key=lambda i: i.began_at)[:MOST_ITEMS]:
        view = scene(incident)
        when = view.time(incident.began_at)
        cause = view.cause(incident.cause)
        item = words.text("mail.list_item", id=incident.number, where=view.where(short=False), cause=cause, t=when)
        lines.append(f"- {item}")
    if len(incidents) > MOST_ITEMS:
        lines.append(f"- {words.text('mail.list_more', count=len(incidents) - MOST_ITEMS)}")
    return lines
