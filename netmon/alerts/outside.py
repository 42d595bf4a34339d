"""Alerts of others, as Alertmanager's webhook brings them (version 4): told by netmon to the same phones. Pure.

An alert is known by its fingerprint and its beginning, so that a repetition changes nothing and what comes late, right
after the end was heard, does not begin it anew. What still comes minutes later does: an Alertmanager that does not hear
of its Prometheus for a while says ``resolved``, and then goes on with the beginning that the alert always had. What
netmon itself raised is dropped: it carries ``source="netmon"``, or is a rule of our catalogue that Prometheus evaluates
as well. The end is Alertmanager's ``resolved``; should that get lost, silence for two days is the end (Alertmanager
repeats what goes on, every four hours unless told otherwise).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from netmon.model import AlertState, Inventory, Labels, Severity, Subject

SILENT_S = 2 * 86400.0
LATE_S = 600.0  # no notification is under way for longer: Alertmanager gives one up after its group_interval, 5 min
MOST_OPEN = 2000
MOST_KEPT = 5 * MOST_OPEN  # with those that are over
AUDIENCES = ("technician", "noc", "ops", "owner", "leader")
TELLS = ("now", "hours", "daily", "page")
SEVERITIES: Mapping[str, Severity] = {"critical": "critical", "page": "critical", "error": "critical", "info": "info"}
TEXTS = ("summary_vi", "summary", "description", "message")  # annotations, the best first
MOST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Posted:
    """One alert of one request. ``ended_at`` None while it is firing. Times: UTC Unix seconds."""

    fingerprint: str
    labels: Labels
    text: str
    began_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Known:
    """One alert as it is kept."""

    posted: Posted
    heard_at: float

    @property
    def key(self) -> tuple[str, Labels]:
        return dict(self.posted.labels).get("alertname", ""), self.posted.labels


class Taken(NamedTuple):
    """``changed`` is to be committed, mere repetitions among it; ``news`` of it are none; ``own`` were our own."""

    changed: list[Known]
    news: int
    own: int


def text_of(annotations: Mapping[str, str]) -> str:
    """What its rule says of it, in one line."""
    found = next((annotations[name] for name in TEXTS if annotations.get(name, "").strip()), "")
    return " ".join(found.split())[:MOST_TEXT]


class OutsideAlerts:
    """``take`` what came, commit what that returns, then ``accept`` it; ``alerts`` is what fires now."""

    def __init__(self, ours: Collection[str], known: Iterable[Known] = ()) -> None:
        self._ours = frozenset(ours)
        self._known = {k.posted.fingerprint: k for k in known}
        self.dropped = 0

    def take(self, posted: Iterable[Posted], now: float) -> Taken:
        """What came, sifted. Changes nothing yet."""
        changed: dict[str, Known] = {}
        own, room = 0, MOST_OPEN - sum(k.posted.ended_at is None for k in self._known.values())
        for alert in posted:
            labels = dict(alert.labels)
            if labels.get("source") == "netmon" or labels.get("alertname") in self._ours:
                own += 1
                continue
            before = changed.get(alert.fingerprint) or self._known.get(alert.fingerprint)
            if before is not None and not _newer(alert, before, now):
                continue
            if before is None and alert.ended_at is None:
                room -= 1
                if room < 0:
                    self.dropped += 1
                    continue
            changed[alert.fingerprint] = Known(alert, now)
        news = sum(self._says_more(known) for known in changed.values())
        return Taken(list(changed.values()), news, own)

    def _says_more(self, known: Known) -> bool:
        before = self._known.get(known.posted.fingerprint)
        times = known.posted.began_at, known.posted.ended_at
        return before is None or times != (before.posted.began_at, before.posted.ended_at)

    def accept(self, changed: Iterable[Known]) -> None:
        """They are on disk. Of too many the oldest that are over are forgotten."""
        self._known.update({k.posted.fingerprint: k for k in changed})
        if (excess := len(self._known) - MOST_KEPT) > 0:
            over = sorted((k.heard_at, f) for f, k in self._known.items() if k.posted.ended_at is not None)
            for _, fingerprint in over[: excess + MOST_OPEN]:
                del self._known[fingerprint]

    def overdue(self, now: float) -> list[Known]:
        """Those nobody has spoken of for so long that they are over."""
        silent = [k for k in self._known.values() if k.posted.ended_at is None and now - k.heard_at > SILENT_S]
        return [Known(replace(k.posted, ended_at=now), now) for k in silent]

    def forget(self, now: float) -> None:
        """Drop what ended so long ago that nothing late can come of it."""
        over = [f for f, k in self._known.items() if k.posted.ended_at is not None and now - k.heard_at > SILENT_S]
        for fingerprint in over:
            del self._known[fingerprint]

    def alerts(self, inventory: Inventory) -> dict[tuple[str, Labels], AlertState]:
        """What fires, by name and labels."""
        return {k.key: state_of(k.posted, inventory) for k in self._known.values() if k.posted.ended_at is None}

    def texts(self) -> dict[tuple[str, Labels], str]:
        """What each says of itself, also of those that are over."""
        return {k.key: k.posted.text for k in self._known.values()}


def _newer(alert: Posted, before: Known, now: float) -> bool:
    """Whether it says something that is not known yet; a mere repetition counts as that it goes on."""
    if alert.began_at != before.posted.began_at:
        return alert.began_at > before.posted.began_at
    if before.posted.ended_at is None:
        return True
    return alert.ended_at is None and now - before.heard_at > LATE_S


def state_of(alert: Posted, inventory: Inventory) -> AlertState:
    """As if one of our rules had raised it."""
    labels = dict(alert.labels)
    severity = SEVERITIES.get(labels.get("severity", ""), "warning")
    tell, audience = labels.get("tell", "now"), labels.get("audience", "noc")
    return AlertState(
        alertname=labels.get("alertname", ""),
        labels=alert.labels,
        severity=severity,
        value=1.0,
        threshold=0.0,
        since=alert.began_at,
        firing_at=alert.began_at,
        subject=subject_of(labels, inventory),
        audience=audience if audience in AUDIENCES else "noc",
        tell=tell if tell in TELLS else "now",
    )


def subject_of(labels: Mapping[str, str], inventory: Inventory) -> Subject:
    """The thing of the inventory that the labels name; else a device by the name that Prometheus has for it."""
    things: tuple[tuple[str, Collection[str]], ...] = (
        ("line", inventory.lines),
        ("sensor", inventory.sensors),
        ("device", inventory.devices),
        ("site", inventory.sites),
        ("node", inventory.nodes),
    )
    for kind, known in things:
        if labels.get(kind) in known:
            return Subject(kind, labels[kind])  # type: ignore[arg-type]
    instance = labels.get("instance", "")
    host = instance.rpartition(":")[0].strip("[]") or instance
    for device in inventory.devices.values():
        if host and device.address == host:
            return Subject("device", device.id)
    return Subject("device", instance or labels.get("job", "") or labels.get("alertname", ""))
