"""What has been decided and told so far: the memory that `plan` decides from. Pure; the store keeps it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from netmon.model import Intent

TOLD = ("opened", "raised", "closed", "flapping", "escalated", "overrun")
DIGEST = "digest:"  # reason of a piece of news that a digest carried; the digest's id follows
PEER = "peer:"  # the other daemon of the pair told it; the id of its message follows
DUPLICATE = "duplicate:"  # the same place got it already; the id of that message follows

OTHERS = "others:not on duty, or not their audience or area"  # reason of a decision whose body says who, and why not


def others_text(others: Mapping[str, Collection[str]]) -> str:
    """Body of such a decision: "area=an,binh off_duty=lan"."""
    return " ".join(f"{why}={','.join(contacts)}" for why, contacts in sorted(others.items()))


def others_of(body: str) -> dict[str, list[str]]:
    """The reverse of ``others_text``."""
    pairs = (part.partition("=") for part in body.split())
    return {why: contacts.split(",") for why, _, contacts in pairs}


class Record:
    """All decisions about incidents that are still of interest, and the digests of late."""

    def __init__(self, intents: Iterable[Intent] = ()) -> None:
        self._ids: dict[str, Intent] = {}
        self._told: dict[tuple[int, str], dict[str, Intent]] = {}
        self._digests: dict[str, dict[str, Intent]] = {}
        self._decided: set[str] = set()
        self._standby: dict[str, dict[str, Intent]] = {}
        self._last_words: dict[str, float] = {}
        self.last_of_pair = ""  # took_over or handed_back: which of the two was told last
        self.add(intents)

    def add(self, intents: Iterable[Intent]) -> None:
        """Take in decisions; one that is known (by its id) is replaced: its result has come."""
        for intent in intents:
            self._ids[intent.id] = intent
            self._decided.add(_news(intent.id))
            if intent.state == "standby":
                self._standby.setdefault(_news(intent.id), {})[intent.id] = intent
            elif intent.id in self._standby.get(_news(intent.id), ()):
                del self._standby[_news(intent.id)][intent.id]
            if intent.change in ("took_over", "handed_back"):
                self.last_of_pair = intent.change
            if intent.change == "last_word":
                self._last_words[intent.contact] = intent.created_at
            if intent.change == "digest":
                self._digests.setdefault(intent.contact, {})[intent.id] = intent
            elif intent.change in TOLD:
                self._told.setdefault((intent.incident, intent.contact), {})[intent.id] = intent

    def __contains__(self, intent_id: str) -> bool:
        return intent_id in self._ids

    def __iter__(self) -> Iterator[Intent]:
        return iter(self._ids.values())

    def __len__(self) -> int:
        return len(self._ids)

    def decided(self, key: str, contact: str) -> bool:
        """True if this piece of news has been dealt with for this contact, whatever came of it."""
        return f"{key}|{contact}" in self._decided

    def told(self, incident: int, contact: str) -> list[Intent]:
        """What this contact was, or is being, told of this incident, oldest first; a failed attempt tells nothing."""
        found = self._told.get((incident, contact))
        return sorted(filter(_counts, found.values()), key=lambda i: i.created_at) if found else []

    def told_since(self, contact: str, change: str, since: float) -> set[int]:
        """Incidents of which this contact was told ``change`` after a moment."""
        return {
            number
            for (number, who), intents in self._told.items()
            if who == contact
            and any(i.change == change and i.created_at > since and _counts(i) for i in intents.values())
        }

    def last_word(self, contact: str) -> float:
        """When this contact was last told that netmon stops; 0 = never."""
        return self._last_words.get(contact, 0.0)

    def digests(self, contact: str) -> list[Intent]:
        """Digests for this contact, oldest first."""
        return sorted(self._digests.get(contact, {}).values(), key=lambda i: i.created_at)

    def fallback_of(self, intent: Intent) -> Intent | None:
        """The message that stands by for one that could not be sent."""
        news = _news(intent.id)
        ends = f"|{intent.channel}"
        candidates = self._standby.get(news, {}).values()
        return next((i for i in candidates if i.state == "standby" and i.id.endswith(ends)), None)

    def known(self) -> list[Intent]:
        """What people have been told, as far as another daemon must know it; what is on its way is not told."""
        return [intent for intent in self._ids.values() if self._reached(intent) and _of_interest(intent)]

    def _reached(self, intent: Intent) -> bool:
        if intent.state == "sent" or intent.reason.startswith(PEER):
            return True
        kind, _, other = intent.reason.partition(":")
        carrier = self._ids.get(other) if f"{kind}:" in (DIGEST, DUPLICATE) else None
        return carrier is not None and carrier.state == "sent"

    def told_here(self, incident: int) -> bool:
        """Whether this daemon itself told anybody of it."""
        found = (i for (number, _), by in self._told.items() if number == incident for i in by.values())
        return any(_counts(i) and not i.reason.startswith(PEER) for i in found)

    def unsent(self) -> list[Intent]:
        """What is on its way, with what depends on it: its fallbacks, and the news that a digest carries."""
        ids = {i.id for i in self._ids.values() if i.state == "pending"}
        news = {_news(intent_id) for intent_id in ids}
        return [
            i
            for i in self._ids.values()
            if i.id in ids or (i.state == "standby" and _news(i.id) in news) or i.reason.partition(":")[2] in ids
        ]

    def forget(self, intents: Iterable[Intent]) -> None:
        """As if these had never been decided."""
        for intent in intents:
            self._ids.pop(intent.id, None)
            self._decided.discard(_news(intent.id))
            self._standby.pop(_news(intent.id), None)
            self._told.get((intent.incident, intent.contact), {}).pop(intent.id, None)
            self._digests.get(intent.contact, {}).pop(intent.id, None)

    def keep_only(self, incidents: Collection[int], digests_after: float) -> None:
        """Forget incidents that cannot come back, and old digests."""
        gone = {i.id for i in self._ids.values() if i.incident and i.incident not in incidents}
        gone |= {i.id for i in self._ids.values() if not i.incident and i.created_at < digests_after}
        for intent_id in gone:
            intent = self._ids.pop(intent_id)
            self._decided.discard(_news(intent_id))
            self._standby.pop(_news(intent_id), None)
            self._told.pop((intent.incident, intent.contact), None)
            self._digests.get(intent.contact, {}).pop(intent_id, None)


def _counts(intent: Intent) -> bool:
    return intent.state in ("pending", "sent") or intent.reason.startswith((DIGEST, DUPLICATE, PEER))


def _of_interest(intent: Intent) -> bool:
    """News of incidents, digests but that of a start, the heartbeat message."""
    if intent.change == "digest":
        return not intent.stage.startswith("started")
    return intent.change in (*TOLD, "alive")


def _news(intent_id: str) -> str:
    return "|".join(intent_id.split("|")[:2])
