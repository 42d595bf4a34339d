"""What netmon says to a reply, in the language of whoever wrote it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

from netmon.alerts.messages_facts import Scene, Texts
from netmon.config import Config
from netmon.model import Contact, Incident, Subject
from netmon.state import State

MOST_LISTED = 15


class ReplyTexts:
    """For one reader, now."""

    def __init__(self, state: State, words: Texts, config: Config, contact: Contact, zone: tzinfo, now: float) -> None:
        self._state, self._words, self._config = state, words, config
        self._contact, self._zone, self._now = contact, zone, now

    def said(self, key: str, incident: Incident, **more: str) -> str:
        """A sentence about one incident."""
        scene = self._scene(incident)
        return self._words.text(
            f"reply.{key}", id=incident.number, where=scene.where(short=False), t=scene.time(self._now), **more
        )

    def text(self, key: str, **args: str) -> str:
        """A sentence about none."""
        return self._words.text(f"reply.{key}", **args)

    def open_list(self) -> str:
        """What is open, in lines."""
        found = self.mine()
        if not found:
            return self.text("list_none")
        lines = [self.text("list_head", n=str(len(found)))]
        for incident in found[:MOST_LISTED]:
            scene = self._scene(incident)
            lines.append(
                self._words.text(
                    "reply.list_item",
                    id=incident.number,
                    where=scene.where(short=False),
                    cause=scene.cause(incident.cause),
                    t=scene.time(incident.began_at),
                )
            )
        if len(found) > MOST_LISTED:
            lines.append(self.text("list_more", n=str(len(found) - MOST_LISTED)))
        return "\n".join(lines)

    def looked(self, incident: Incident) -> str:
        """What was found just now."""
        verdict = self._state.verdicts.get(incident.subject)
        if incident.subject.kind in ("site", "line", "node") and verdict is not None:
            state = self._words.text(f"condition.{verdict.condition}")
        else:
            state = self.text("still_open" if incident.open and incident.good_since is None else "good_again")
        return self.said("looked", incident, state=state)

    def mine(self) -> list[Incident]:
        """What is open where the reader is in charge, and may be told, the gravest first."""
        return sorted(self._open(), key=lambda i: (i.severity != "critical", i.began_at))

    def _open(self) -> Iterable[Incident]:
        for incident in self._state.incidents.values():
            if not incident.open or incident.tell_at > self._now:
                continue
            site = self._scene(incident).site
            if not self._contact.areas or site is None or site.area in self._contact.areas:
                yield incident

    def _scene(self, incident: Incident) -> Scene:
        return Scene(incident, self._state, self._words, self._config, self._contact, self._zone, self._now)


def look_at(subject: Subject, state: State) -> tuple[list[str], list[str]]:
    """(probe targets, devices) that show how a subject is."""
    inventory, place = state.inventory, subject.id
    if subject.kind == "line" and place in inventory.lines:
        targets, place = [place], inventory.lines[place].site
    elif subject.kind == "node":
        targets = [place]
    else:
        targets = [line.id for line in inventory.lines.values() if line.site == place]
    devices = [d.id for d in inventory.devices.values() if place in (d.site, d.node, d.id)]
    return targets, devices
