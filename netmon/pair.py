"""Two daemons on the same sites, of which one tells people (docs/explanation/pair.md).

The standby beats, the primary answers; each learns what the other has told. Who is not in charge plans no messages:
what it would have told is told when it comes into charge, unless the other one told it.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from netmon.alerts.own_news import OwnKind
from netmon.alerts.pair_charge import PrimaryCharge, StandbyCharge
from netmon.alerts.pair_news import KEEP_S, Incoming, Outgoing, Update
from netmon.alerts.plan_own import own_news
from netmon.alerts.plan_write import Writer
from netmon.config import Config
from netmon.errors import CollectError
from netmon.model import Change, Incident, Intent, Subject
from netmon.pair_link import Link
from netmon.state import Said

if TYPE_CHECKING:
    from netmon.app import App

log = logging.getLogger(__name__)

TICK_S = 0.5
JUDGED_S = 15.0  # a daemon that has not judged for so long sees nothing
SPARE_S = 2.0  # for an answer on its way
HAND_OVER_S = 10.0  # for messages on their way, before the charge is returned
MOST_SENT_BYTES = 12_000  # the primary takes no large bodies from anybody
MOST_ANSWERED_BYTES = 500_000
MAINS = {"mains_said": True, "no_mains_said": False}


def first_number(config: Config, following: int) -> tuple[int, int]:
    """The next incident number and the step: of a pair the primary has the odd ones, the standby the even ones."""
    role = config.notify.role
    if role == "alone":
        return following, 1
    return following + (following % 2 != (role == "primary")), 2


def _timeless(update: Update) -> Callable[[Incident, float], Incident]:
    return lambda incident, _: update(incident)


class Pair:
    """One side. Alone it is always in charge, and does nothing."""

    def __init__(self, app: App) -> None:
        self._app = app
        config = app.config
        self.role = config.notify.role
        self._config = config.pair
        limit_s, mono = config.pair.interval_s * config.pair.missed, app.clock.mono()
        self._primary = PrimaryCharge(limit_s, mono)
        self._standby = StandbyCharge(limit_s, mono)
        self._outgoing, self._incoming = Outgoing(uuid.uuid4().hex[:12]), Incoming()
        self._news = asyncio.Event()
        self._answering = True
        self._returning = False
        self._acknowledged = ("", 0)  # of our list: session, and how many entries the other one has
        self._lost_at = 0.0
        self._trouble = ""

    @property
    def in_charge(self) -> bool:
        """Whether this daemon tells people."""
        if self.role == "alone":
            return True
        return self._primary.in_charge if self.role == "primary" else self._standby.in_charge

    @property
    def peer_up(self) -> bool | None:
        """Whether the other one is heard; None where there is none, or it is not yet known."""
        if self.role == "alone":
            return None
        return self._primary.peer_up if self.role == "primary" else self._standby.peer_up

    @property
    def relieved(self) -> bool:
        """Whether the other one goes on telling when this one stops."""
        return bool(self.peer_up)

    def wake(self) -> None:
        """Something was told, or happened: the other one is to know it at once."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        if self.role == "standby":
            link = Link(self._config)
            try:
                await self._follow(link)
            finally:
                link.close()
        while True:
            if self.role == "primary":
                before = self.in_charge
                self._primary.tick(self._app.clock.mono())
                self._say(before)
            await asyncio.sleep(TICK_S)

    def close(self) -> None:
        """Before the web stops: who waits for news gets his answer."""
        self._answering = False
        self.wake()

    # --- steps -------------------------------------------------------------------------------------------------------

    def adopt(self) -> tuple[list[Change], list[Intent]]:
        """What the other one told and what people did there, as changes and decisions of our own."""
        if self.role == "alone":
            return [], []
        app, now = self._app, self._app.clock.now()
        incidents, record = app.state.incidents, app.notifier.record
        self._incoming.match(incidents)
        app.state.also_known = self._incoming.numbers()
        found = self._incoming.adopted(record)
        changes = []
        for number, update in self._incoming.updates(incidents, record).items():
            before = incidents[number]
            changes.append(app.pipeline.handle(before, _timeless(update)))
            self._hear(before, changes[-1].incident)
        self._incoming.forget(now - KEEP_S)
        if not self.in_charge:
            found += [self._left_to_the_other(i, now) for i in incidents.values() if f"{i.id}-other" not in record]
        return changes, found

    def _left_to_the_other(self, incident: Incident, now: float) -> Intent:
        return Intent(
            id=f"{incident.id}-other",
            incident=incident.id,
            change="other",
            contact="",
            channel="",
            subject="",
            body="",
            created_at=now,
            reason="pair:the other daemon is in charge of telling",
            state="suppressed",
        )

    def _hear(self, before: Incident, after: Incident) -> None:
        """A person's word about the mains is evidence here, too."""
        for entry in after.timeline[len(before.timeline) :]:
            said = entry.text.partition(" ")[0]
            if entry.kind == "evidence" and said in MAINS:
                sites = (after.subject.id, *after.children) if after.subject.kind == "site" else after.children
                self._app.state.said |= dict.fromkeys(sites, Said(MAINS[said], entry.at, entry.who))

    # --- the primary -------------------------------------------------------------------------------------------------

    async def answer(self, beat: Mapping[str, Any]) -> dict[str, Any]:
        """To a beat of the standby: at once where there is news, else when the beat says. Raises ValueError."""
        if self.role != "primary":
            raise ValueError("this daemon is not the primary of a pair")
        try:
            wait_s = min(float(beat["wait_s"]), self._config.interval_s)
            have = (str(beat["have"][0]), int(beat["have"][1]))
            begin, entries = int(beat["begin"]), list(beat["entries"])
            self._incoming.take(str(beat["session"]), begin, entries)
            behind = self._incoming.count < begin + len(entries)  # it told what is not known here: not yet our turn
            before = self.in_charge
            self._app.state.health.relieved |= bool(beat["claims"])
            self._primary.beat(bool(beat["claims"]) or behind, self._able(), self._app.clock.mono())
        except (LookupError, TypeError) as error:
            raise ValueError(f"not a beat: {type(error).__name__}") from error
        self._say(before)
        deadline = self._app.clock.mono() + wait_s
        while not self._sendable(have) and self._answering and (left := deadline - self._app.clock.mono()) > 0:
            await self._wait(left)
        return {"able": self._able(), "in_charge": self.in_charge, **self._list(have, MOST_ANSWERED_BYTES)}

    def _able(self) -> bool:
        """Whether this daemon sees and judges."""
        state = self._app.state
        uplink = state.verdicts.get(Subject("node", self._app.config.own_uplink))
        blind = uplink is not None and uplink.by == "monitor"
        judged = self._app.clock.now() - state.health.evaluated_at < JUDGED_S
        return self._answering and state.health.first_round_done and judged and not blind

    def _say(self, before: bool) -> None:
        if self.in_charge != before:
            log.warning("pair: in charge of telling=%s peer_up=%s", self.in_charge, self.peer_up)
            self._app.report.write()

    # --- both --------------------------------------------------------------------------------------------------------

    def _sendable(self, have: tuple[str, int]) -> bool:
        self._outgoing.gather(self._app.state.incidents.values(), self._app.notifier.record)
        return have != (self._outgoing.session, len(self._outgoing.entries))

    async def _wait(self, most_s: float) -> None:
        """Until there may be news, at most so long."""
        self._news.clear()
        try:
            async with asyncio.timeout(most_s):
                await self._news.wait()
        except TimeoutError:
            pass

    def _list(self, have: tuple[str, int], most_bytes: int) -> dict[str, Any]:
        session, count = have
        begin = count if session == self._outgoing.session else 0
        return {
            "session": self._outgoing.session,
            "begin": begin,
            "entries": self._outgoing.after(begin, most_bytes),
            "have": [self._incoming.session, self._incoming.count],
        }

    # --- the standby -------------------------------------------------------------------------------------------------

    async def _follow(self, link: Link) -> None:
        while True:
            asked = asyncio.ensure_future(self._beat(link))
            try:
                while not asked.done():
                    await asyncio.wait([asked], timeout=TICK_S)
                    self._tick()
            finally:
                asked.cancel()
            if not await asked:
                await asyncio.sleep(min(self._config.interval_s / 5, 2.0))
            self._tick()

    def _tick(self) -> None:
        before = self.in_charge
        self._standby.tick(self._app.clock.mono(), blind=self._blind())
        self._taken(before)

    async def _beat(self, link: Link) -> bool:
        """One question and its answer; False if there was none."""
        self._sendable(self._acknowledged)
        sent = self._list(self._acknowledged, MOST_SENT_BYTES)
        more = sent["begin"] + len(sent["entries"]) < len(self._outgoing.entries)
        claims = self._standby.claims or (self._returning and more)  # it is to know all before it tells
        # While it changes hands, and while there is more to say, nobody waits.
        hurry = more or claims != self._standby.in_charge
        wait_s = 0.0 if hurry or claims else self._config.interval_s
        clock = self._app.clock
        try:
            answer = await link.beat({**sent, "claims": claims, "wait_s": wait_s}, wait_s + SPARE_S)
            able, theirs = bool(answer["able"]), bool(answer["in_charge"])
            self._acknowledged = (str(answer["have"][0]), int(answer["have"][1]))
            self._incoming.take(str(answer["session"]), int(answer["begin"]), answer["entries"])
        except (CollectError, LookupError, TypeError, ValueError) as error:
            reason = error.reason if isinstance(error, CollectError) else "refused"
            if reason == "refused" and not self._standby.claims:
                self._standby.refused(clock.mono())
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("pair: no answer of the primary reason=%s error=%s", reason, error)
            return False
        if self._trouble:
            self._trouble = ""
            log.info("pair: the primary answers")
        before = self.in_charge
        self._returning = self._returning and claims
        if self._standby.answered(able, theirs, clock.mono(), blind=self._blind()):
            await self._return(link)
        self._taken(before)
        if claims and not more:
            await self._wait(min(1.0, self._config.interval_s / 5))
        return True

    def _blind(self) -> bool:
        uplink = self._app.state.verdicts.get(Subject("node", self._app.config.own_uplink))
        return uplink is not None and uplink.by == "monitor"

    def _taken(self, before: bool) -> None:
        """The standby has come into charge."""
        if self.in_charge and not before:
            app, record = self._app, self._app.notifier.record
            self._lost_at = app.clock.now() - (app.clock.mono() - self._standby.lost_at)
            app.state.health.relieved = True
            self._say(before)
            if record.last_of_pair != "took_over":  # else it was in charge before it started anew
                silent = "1" if self._standby.silent else ""
                self._tell("took_over", {"silent": silent, "unable": "" if silent else "1"})

    async def _return(self, link: Link) -> None:
        """The primary is to tell again: what is on its way goes out, the rest is left to it, and it learns of both."""
        app = self._app
        async with app.steps.lock:  # a step that was planning has ended
            pass
        self._say(True)
        await self._tell_now("handed_back", {})
        await app.notifier.idle(HAND_OVER_S)
        await app.notifier.withdraw()
        self._returning = True

    def _tell(self, kind: OwnKind, facts: Mapping[str, float | str]) -> None:
        task = asyncio.create_task(self._tell_now(kind, facts), name=f"pair {kind}")
        self._telling = task

    async def _tell_now(self, kind: OwnKind, facts: Mapping[str, float | str]) -> None:
        app, now = self._app, self._app.clock.now()
        writer = Writer(app.state, app.config, app.words, now)
        intents = own_news(kind, now, {"t_lost": self._lost_at, **facts}, app.state, writer)
        await app.store.commit_step([], intents, {}, now)
        app.notifier.submit(intents)
