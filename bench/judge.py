"""What a contender told of one stage: seconds to messages, messages per fault, what was told for nothing. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from bench.ground import Cut, Outcome, Post
from bench.report import percentile

SLACK_S = 60.0  # after a repair: what a fault is still the reason of
EARLY_S = 15.0  # an incident begins with the first unanswered probe: with a gap that the line was in when it was cut
SERIOUS = ("outage", "redundancy")


class Note(NamedTuple):
    """One message: what it says is lost, with a key that stays while it is, and what it says is back."""

    at: float
    firing: Mapping[str, str]  # site or node -> key
    resolved: frozenset[str]


class Told(NamedTuple):
    """Figures of one contender in one stage; seconds of every fault, None where nothing came."""

    singles: list[float | None]
    cascades: list[float | None]
    resolved: list[float | None]
    per_single: list[int]
    per_cascade: list[int]
    false: int  # times that something was told as lost though it was not

    def as_json(self) -> dict[str, Any]:
        return {
            "single": times(self.singles),
            "cascade": times(self.cascades),
            "resolved": times(self.resolved),
            "messages_per_single": _mean(self.per_single),
            "messages_per_cascade": _mean(self.per_cascade),
            "messages_of_cascades": sorted(self.per_cascade),
            "false_messages": self.false,
        }


def times(seconds: Sequence[float | None]) -> dict[str, Any]:
    """Median, 95 %, maximum in seconds; ``missed``: of what nothing came."""
    came = [s for s in seconds if s is not None]
    found: dict[str, Any] = {"n": len(seconds), "missed": len(seconds) - len(came)}
    if came:
        found |= {
            "p50_s": round(statistics.median(came), 2),
            "p95_s": round(percentile(came, 0.95), 2),
            "max_s": round(max(came), 2),
        }
    return found


def _mean(counts: Sequence[int]) -> float | None:
    return round(statistics.mean(counts), 2) if counts else None


def judge(cuts: Sequence[Cut], notes: Sequence[Note]) -> Told:
    """``notes`` in order."""
    found = Told([], [], [], [], [], len(_false(cuts, notes)))
    for cut in cuts:
        subjects = {cut.subject, *cut.sites} if cut.node else {cut.subject}
        during = [n for n in notes if cut.began_at <= n.at < cut.ended_at and subjects & n.firing.keys()]
        first = during[0].at - cut.began_at if during else None
        (found.cascades if cut.node else found.singles).append(first)
        (found.per_cascade if cut.node else found.per_single).append(len(during))
        if not cut.node:
            back = (n.at - cut.ended_at for n in notes if n.at >= cut.ended_at and cut.subject in n.resolved)
            found.resolved.append(next(back, None))
    return found


def _false(cuts: Sequence[Cut], notes: Iterable[Note]) -> set[tuple[str, str]]:
    """(subject, key) of what was told and no fault explains."""
    return {
        (subject, key)
        for note in notes
        for subject, key in note.firing.items()
        if not explained(cuts, subject, _since(key, note.at))
    }


def explained(cuts: Sequence[Cut], subject: str, since: float, early_s: float = 1.0) -> bool:
    """Whether a fault at the subject, or of a node above it, was on when something was thought to be lost."""
    return any(
        (subject == cut.subject or subject in cut.sites) and cut.began_at - early_s <= since <= cut.ended_at + SLACK_S
        for cut in cuts
    )


def _since(key: str, at: float) -> float:
    """Alertmanager's alerts bear the time they began to fire."""
    try:
        return datetime.fromisoformat(key).timestamp()
    except ValueError:
        return at


def of_netmon(found: Outcome) -> list[Note]:
    """What netmon's messages say: each belongs to an incident."""
    subject = {i.id: _place(found, i.subject_kind, i.subject) for i in found.believed}
    notes = []
    for post in found.posts:
        if post.path != "/netmon":
            continue
        incident, change = found.intents[post.body["id"]]
        name = subject.get(incident, "")  # a digest is of no single incident
        if not name or change == "closed":
            notes.append(Note(post.at, {}, frozenset((name,) if name else ())))
        else:
            notes.append(Note(post.at, {name: str(incident)}, frozenset()))
    return notes


def _place(found: Outcome, kind: str, name: str) -> str:
    """The site or node that an incident is about."""
    inventory = found.inventory
    if kind == "line" and name in inventory.lines:
        return inventory.lines[name].site
    if kind == "device" and name in inventory.devices:
        return inventory.devices[name].site or inventory.devices[name].node
    return name


def of_alertmanager(posts: Iterable[Post], receiver: str) -> list[Note]:
    """What came from Alertmanager for one receiver."""
    notes = []
    for post in posts:
        if post.path == f"/{receiver}":
            firing, resolved = {}, set()
            for alert in post.body["alerts"]:
                name = alert["labels"].get("site") or alert["labels"]["parent"]
                if alert["status"] == "firing":
                    firing[name] = alert["startsAt"]
                else:
                    resolved.add(name)
            notes.append(Note(post.at, firing, frozenset(resolved)))
    return notes


def false_incidents(found: Outcome) -> list[str]:
    """Incidents of netmon's that say something is lost though it was not, told or not."""
    return [
        f"{i.kind} {i.subject} {i.began_at:.0f}"
        for i in found.believed
        if i.kind in SERIOUS
        and not explained(found.cuts, _place(found, i.subject_kind, i.subject), i.began_at, EARLY_S)
    ]
