"""Answers by reply: who wrote, what he asks for, what is done about it, and what he is told.

A reply is on disk before anything is done about it (netmon/history/replies.py). One that was under way when the daemon
was killed is dealt with at the next start; what it had already put into a timeline is not put there again. Only people
of the inventory are heard, by the address that a channel knows them by; all others are counted and never answered, so
that nobody learns whom netmon knows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from netmon.alerts import handling
from netmon.alerts.bucket import Bucket
from netmon.alerts.channels import Outgoing, inbox_mail
from netmon.alerts.channels.ways import Ways
from netmon.alerts.handling import HandlingError
from netmon.alerts.messages_facts import Texts
from netmon.alerts.replies import Asked, parse
from netmon.alerts.reply_texts import ReplyTexts, look_at
from netmon.clock import Clock
from netmon.config import Channel, Config
from netmon.desk import Desk
from netmon.errors import CollectError
from netmon.history.replies import ReplyBook
from netmon.history.store import StoreError
from netmon.inboxes import Listener, inboxes
from netmon.model import Contact, Incident, Reply
from netmon.phones import international
from netmon.state import State
from netmon.vietnamese import sms_text

log = logging.getLogger(__name__)

HELP_EVERY_S = 600.0  # who writes something else gets one answer in this time
ANSWERS_PER_MINUTE, ANSWERS_AT_ONCE = 6.0, 10  # to one person; orders are followed all the same
MOST_LOOKS = 10  # looks under way at once
SENDERS = 4  # threads of their own: a gateway that hangs must not hold up what else the daemon does in threads
STRANGERS_NAMED = 200  # addresses that are logged, each once
Step = Callable[[Incident, float], Incident]
STEPS: Mapping[str, Callable[[Incident, str, str, float], Incident]] = {
    "take": handling.take,
    "cannot": handling.cannot,
    "there": handling.there,
    "done": handling.finished,
}


class Replies:
    """All methods are for the event loop. ``probe`` and ``poll`` look at a target or a device at once.

    ``drill`` is asked about numbers of drills (D07): it returns what to answer, or None where no such drill runs.
    """

    def __init__(
        self,
        config: Config,
        state: State,
        words: Mapping[str, Texts],
        book: ReplyBook,
        desk: Desk,
        ways: Ways,
        clock: Clock,
        probe: Callable[[str], None],
        poll: Callable[[str], None],
        count: Callable[[str, str], None],
        drill: Callable[[Contact, Asked], str | None] = lambda contact, asked: None,
        in_charge: Callable[[], bool] = lambda: True,
    ) -> None:
        """``in_charge``: whether this daemon of a pair answers what both read."""
        self._config, self._state, self._words = config, state, words
        self._book, self._desk, self._ways, self._clock = book, desk, ways, clock
        self._probe, self._poll, self._count = probe, poll, count
        self.drill, self._in_charge = drill, in_charge
        self._listeners: list[Listener] = []
        self._helped: dict[str, float] = {}
        self._buckets: dict[str, Bucket] = {}
        self._strangers: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looks = 0
        self._threads = ThreadPoolExecutor(SENDERS, thread_name_prefix="answer")
        self._working = asyncio.Lock()  # two inboxes may have news at once

    # --- inboxes -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Deal with what an earlier run left, then listen."""
        await self._work_off()
        await self._listen()

    def set_config(self, config: Config) -> None:
        """After a reload."""
        before, self._config = self._config, config
        if config.notify != before.notify:
            self._hush()
            self._spawn(self._listen())

    async def close(self) -> None:
        self._hush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def failing(self) -> dict[str, bool]:
        """Inbox -> whether it cannot be read."""
        return {listener.name: listener.failing for listener in self._listeners}

    async def _listen(self) -> None:
        wanted = self._config
        for inbox in inboxes(wanted):
            cursor = await self._book.cursor(inbox.name)
            if self._config is not wanted:
                return  # a reload came meanwhile, and has begun anew
            self._listeners.append(Listener(inbox, cursor, self.take, self._clock.now))
            self._listeners[-1].start()

    def _hush(self) -> None:
        for listener in self._listeners:
            listener.stop()
        self._listeners = []

    async def take(self, inbox: str, found: list[Reply], cursor: str) -> None:
        """Keep what came, then deal with it. Raises StoreError where it could not be kept: fetch it again."""
        known = []
        for reply in found:
            if self._sender(reply) is None:
                self._stranger(reply)
            else:
                known.append(reply)
        await self._book.keep(known, inbox, cursor, self._clock.now())
        if known:
            await self._work_off()

    async def _work_off(self) -> None:
        """Deal with all that waits, each once: also what an earlier turn could not tick off, as the disk refused."""
        async with self._working:
            for reply in await self._book.waiting():
                await self._deal(reply)

    def _stranger(self, reply: Reply) -> None:
        self._count(reply.channel, "stranger")
        if reply.address not in self._strangers and len(self._strangers) < STRANGERS_NAMED:
            self._strangers.add(reply.address)
            log.warning("reply from somebody who is no contact channel=%s address=%r", reply.channel, reply.address)

    def _sender(self, reply: Reply) -> Contact | None:
        channel = self._config.notify.channels.get(reply.channel)
        for contact in self._state.inventory.contacts.values():
            if reply.channel == inbox_mail.NAME:
                known = contact.email.casefold()
            elif channel is not None and channel.kind == "zalo_bot":
                known = contact.zalo_bot
            else:
                known = international(contact.phone)
            if known and known == reply.address:
                return contact
        return None

    # --- one reply ---------------------------------------------------------------------------------------------------

    async def _deal(self, reply: Reply) -> None:
        contact = self._sender(reply)
        if contact is not None:  # else he has left since
            asked, answer = parse(reply.text, reply.subject), ""
            try:
                answer = await self._do(contact, asked, reply)
            except StoreError:
                raise
            except Exception:
                # It must hold up neither those that follow nor the next start.
                log.exception("reply failed channel=%s contact=%s", reply.channel, contact.id)
                self._count(reply.channel, "failed")
            self._count(reply.channel, asked.verb)
            log.info("reply channel=%s contact=%s asked=%s id=%s", reply.channel, contact.id, asked.verb, asked.number)
            if answer:
                self._answer(contact, reply, answer, asked)
        await self._book.done(reply, self._clock.now())

    async def _do(self, contact: Contact, asked: Asked, reply: Reply) -> str:
        """Do what is asked; what to answer, or nothing."""
        texts = self._texts(contact)
        if asked.drill:
            return self.drill(contact, asked) or texts.text("no_drill", id=asked.number)
        if asked.verb == "help":
            return self._help(contact, texts)
        if asked.verb == "list":
            return texts.open_list()
        if asked.verb == "rooms":
            return texts.text("no_rooms")
        if not asked.number:
            return self._look_at_all(contact, reply)
        incident = await self._desk.find(int(asked.number))
        if incident is None:
            return texts.text("no_incident", id=asked.number)
        if asked.verb == "look":
            return self._look(contact, reply, [incident])
        try:
            return await self._step(contact, asked, reply, incident, texts)
        except HandlingError:
            return texts.said("closed", incident)

    async def _step(self, contact: Contact, asked: Asked, reply: Reply, incident: Incident, texts: ReplyTexts) -> str:
        if asked.verb in ("mains", "no_mains"):
            if handling.did(incident, asked.verb, contact.name, reply.at):
                return texts.said(asked.verb, incident)
            if await self._desk.answer(incident.id, asked.verb == "mains", contact.name, reply.channel) is None:
                return texts.said("closed", incident)
            return texts.said(asked.verb, incident)
        if asked.verb == "take" and incident.open and incident.acked_by not in ("", contact.name):
            return texts.said("taken_before", incident, who=incident.acked_by)
        if not handling.did(incident, asked.verb, contact.name, reply.at):
            step = STEPS[asked.verb]
            await self._desk.handle(incident.id, lambda found, now: step(found, contact.name, reply.channel, now))
        return texts.said(asked.verb, incident, who=contact.name)

    def _help(self, contact: Contact, texts: ReplyTexts) -> str:
        now = self._clock.mono()
        if now - self._helped.get(contact.id, float("-inf")) < HELP_EVERY_S:
            return ""
        self._helped[contact.id] = now
        return texts.text("help")

    # --- looking now -------------------------------------------------------------------------------------------------

    def _look_at_all(self, contact: Contact, reply: Reply) -> str:
        found = self._texts(contact).mine()
        return self._look(contact, reply, found[:5]) if found else self._texts(contact).text("list_none")

    def _look(self, contact: Contact, reply: Reply, incidents: Iterable[Incident]) -> str:
        """Begin to look; the answer follows when there is a result."""
        if self._looks >= MOST_LOOKS:
            return self._texts(contact).text("busy")
        numbers = []
        for incident in incidents:
            numbers.append(incident.id)
            targets, devices = look_at(incident.subject, self._state)
            for target in targets:
                self._probe(target)
            for device in devices:
                self._poll(device)
        self._looks += 1
        self._spawn(self._tell_result(contact, reply, numbers))
        return ""

    async def _tell_result(self, contact: Contact, reply: Reply, numbers: list[int]) -> None:
        try:
            probe = self._config.probe
            await asyncio.sleep(probe.burst_count * probe.burst_spacing_s + probe.timeout_s + 1.0)
            texts = self._texts(contact)
            lines = [texts.looked(found) for n in numbers if (found := await self._desk.find(n)) is not None]
            self._answer(contact, reply, "\n".join(lines), Asked("look", str(numbers[0])))
        except StoreError as error:
            log.error("no answer to a reply error=%s", error)
        finally:
            self._looks -= 1

    # --- answering ---------------------------------------------------------------------------------------------------

    def _texts(self, contact: Contact) -> ReplyTexts:
        words = self._words.get(contact.language) or self._words[self._config.language]
        return ReplyTexts(self._state, words, self._config, contact, self._zone, self._clock.now())

    @property
    def _zone(self) -> tzinfo:
        return ZoneInfo(self._config.timezone)

    def _way_back(self, reply: Reply) -> Channel | None:
        channels = self._config.notify.channels
        if reply.channel != inbox_mail.NAME:
            return channels.get(reply.channel)
        return next((c for c in channels.values() if c.kind == "apprise" and c.form == "long" and c.replies), None)

    def _answer(self, contact: Contact, reply: Reply, text: str, asked: Asked) -> None:
        if reply.channel == inbox_mail.NAME and not self._in_charge():
            return  # both of a pair read the mailbox, and do what is asked; one answers
        channel, now = self._way_back(reply), self._clock.mono()
        bucket = self._buckets.setdefault(contact.id, Bucket(ANSWERS_PER_MINUTE, ANSWERS_AT_ONCE, now))
        if channel is None or bucket.take(now) > 0:
            self._count(reply.channel, "unanswered")
            return
        message = Outgoing(
            id=f"answer-{reply.id}",
            thread=f"incident-{asked.number}" if asked.number else "",
            subject=f"[netmon {asked.number}]" if asked.number else "[netmon]",
            body=sms_text(text) if channel.form == "sms" else text,
            at=self._clock.now(),
            name=contact.name,
            email=contact.email,
            phone=contact.phone,
            zalo=contact.zalo,
            zalo_bot=contact.zalo_bot,
        )
        self._spawn(self._send(channel, message))

    async def _send(self, channel: Channel, message: Outgoing) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._ways.send, channel, message)
        except CollectError as error:
            self._count(channel.name, "unanswered")
            log.warning("answer to a reply not sent channel=%s reason=%s error=%s", channel.name, error.reason, error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
