"""Answers by reply, from the inbox to the timeline and back: real store, desk and pipeline, servers on loopback."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from netmon.alerts.channels import inbox_bot, inbox_mail
from netmon.alerts.channels.ways import Ways
from netmon.alerts.incidents import Book
from netmon.alerts.replies import Asked
from netmon.alerts.rules import Evaluator
from netmon.clock import Clock
from netmon.config import Channel, Config, MailboxConfig, NotifyConfig, ProbeConfig
from netmon.desk import Desk
from netmon.errors import CollectError
from netmon.history.replies import ReplyBook
from netmon.history.store import Store, StoreError
from netmon.inboxes import LEAST_PAUSE_S, Fetch, Inbox, Listener, Take
from netmon.model import Contact, Incident, Reply, Secret, Subject, Verdict
from netmon.pipeline import Pipeline
from netmon.replies import Replies
from netmon.state import State
from netmon.topology import Topology
from netmon.words import load_words
from tests.http_sink import http_sink
from tests.imap_server import PASSWORD, imap_server
from tests.unit.world import T0, province
from tests.zalo_server import BOT_TOKEN, Zalo, zalo_server

WORDS = load_words()
AN = Contact("an", "Anh An", "0901000001", "an@x.vn", ("technician",), channels=("bot",), zalo_bot="c-an")
BINH = Contact("binh", "Chị Bình", "0901000002", "binh@x.vn", ("noc",), zalo_bot="c-binh")


class Bench:
    """Replies over the made-up province with one incident, 1001; ``life`` is one run of the daemon on the same file."""

    def __init__(self, path: Path, *channels: Channel, mailbox: MailboxConfig | None = None) -> None:
        notify = NotifyConfig(channels={c.name: c for c in channels}, mailbox=mailbox or MailboxConfig())
        probe = ProbeConfig(burst_count=1, burst_spacing_s=0.01, timeout_s=0.01)
        self.config = Config(notify=notify, probe=probe, state_dir=str(path))
        self.path = path
        self.counts: Counter[tuple[str, str]] = Counter()
        self.looked: list[str] = []
        self.now = T0

    def life(self, use: Callable[[], Awaitable[None]], start: bool = True) -> None:
        async def main() -> None:
            self.store = Store(self.path / "netmon.db")
            await self.store.open(self.now)
            try:
                self.state = State(replace(province(), contacts={"an": AN, "binh": BINH}))
                incidents = await self.store.load_incidents(0.0)
                self.state.incidents = {i.id: i for i in incidents}
                clock = Clock(lambda: self.now, lambda: self.now)
                book = Book(self.config, incidents, await self.store.next_incident_id())
                topology = Topology(self.state.inventory)
                self.pipeline = Pipeline(
                    self.state, topology, self.config, clock, Evaluator([], {}), book, lambda d: None, lambda: None
                )
                self.desk = Desk(self.state, self.pipeline, self.store, clock)
                if not incidents:
                    self.subject = Subject("site", next(iter(self.state.inventory.sites)))
                    await self.desk.report(self.subject, "Trực", "không vào được mạng")
                self.book = ReplyBook(self.store)
                self.replies = Replies(
                    self.config, self.state, WORDS, self.book, self.desk, Ways(self.config), clock,
                    lambda target: self.looked.append(f"probe {target}"),
                    lambda device: self.looked.append(f"poll {device}"),
                    lambda channel, what: self.counts.update([(channel, what)]),
                )  # fmt: skip
                if start:
                    await self.replies.start()
                try:
                    await use()
                finally:
                    await self.replies.close()
            finally:
                await self.store.close()

        asyncio.run(main())

    async def until(self, check: Callable[[], bool]) -> None:
        for _ in range(1000):
            if check():
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"not within 10 s: {self.counts}")

    @property
    def incident(self) -> Incident:
        return self.state.incidents[1001]

    def line(self) -> list[tuple[str, str, str]]:
        return [(e.kind, e.who, e.text) for e in self.incident.timeline[1:]]

    async def say(self, text: str, address: str = "c-an", key: str = "") -> None:
        """As if the Bot had given it out."""
        await self.replies.take(
            "bot", [Reply(key or f"bot|{address}|{text}|{self.now}", "bot", address, "", text, self.now)], ""
        )


def bot(server: Zalo, **more: object) -> Channel:
    return replace(
        Channel("bot", "zalo_bot", Secret(server.url), form="short", token=Secret(BOT_TOKEN), replies=True),
        **more,  # type: ignore[arg-type]
    )


def update(number: int, text: object, chat: str = "c-an", **more: object) -> dict[str, object]:
    return {"message": {"message_id": f"m{number}", "chat": {"id": chat}, "text": text}, **more}


def answers(server: Zalo) -> list[str]:
    return [str(body["text"]) for method, body in server.sent if method == "sendMessage"]


# --- what each order does --------------------------------------------------------------------------------------------


def test_taken_there_and_done(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            await bench.say("1001 1")
            assert bench.incident.acked_by == "Anh An"
            bench.now += 60
            await bench.say("1001 3")
            await bench.until(lambda: len(answers(server)) == 2)
            await bench.say("1001 4")
            await bench.until(lambda: len(answers(server)) == 3)
            assert not bench.incident.open, "what a person opened is closed when the work is done"
            await bench.say("1001 1")
            await bench.until(lambda: len(answers(server)) == 4)

        bench.life(work)
        assert bench.line()[:3] == [("ack", "Anh An", "bot"), ("there", "Anh An", "bot"), ("done", "Anh An", "bot")]
        said = answers(server)
        assert "đã ghi Anh An nhận lúc" in said[0]
        assert "đến nơi" in said[1]
        assert "sự cố đã đóng" in said[3]


def test_cannot_go_gives_it_back(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            await bench.say("1001 1")
            bench.now += 1
            await bench.say("1001 2")
            assert bench.incident.acked_by == ""

        bench.life(work)
        assert bench.line() == [("ack", "Anh An", "bot"), ("cannot", "Anh An", "bot")]


def test_what_one_has_taken_another_does_not_take_by_accident(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            await bench.say("1001 1", "c-binh")
            await bench.say("1001 1")
            await bench.until(lambda: len(answers(server)) == 2)
            assert bench.incident.acked_by == "Chị Bình"

        bench.life(work)
        assert any("Chị Bình đã nhận rồi" in text for text in answers(server))


@pytest.mark.parametrize(("word", "mains"), [("5", True), ("6", False)])
def test_mains_or_none_is_evidence(tmp_path: Path, word: str, mains: bool) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            await bench.say(f"1001 {word}")
            said = bench.state.said[bench.subject.id]
            assert (said.mains, said.who) == (mains, "Anh An")

        bench.life(work)
        assert bench.line() == [("evidence", "Anh An", f"{'mains_said' if mains else 'no_mains_said'} bot")]


def test_who_corrects_himself_at_once_is_believed(tmp_path: Path) -> None:
    """Both may be fetched in one turn of the mailbox."""
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            both = [Reply(f"bot|{word}", "bot", "c-an", "", f"1001 {word}", T0) for word in "56"]
            await bench.replies.take("bot", both, "")
            assert not bench.state.said[bench.subject.id].mains

        bench.life(work)


def test_look_now_asks_the_network_and_answers_with_what_it_found(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            bench.state.verdicts[bench.subject] = Verdict(bench.subject, "up", T0)
            await bench.say("1001 KT")
            site = bench.subject.id
            lines = [f"probe {line.id}" for line in bench.state.inventory.lines.values() if line.site == site]
            assert lines
            assert set(lines) <= set(bench.looked)
            await bench.until(lambda: len(answers(server)) == 1)
            await bench.say("kt", "c-binh")
            await bench.until(lambda: len(answers(server)) == 2)

        bench.life(work)
        assert all("Thông suốt, vừa kiểm tra lúc" in text for text in answers(server))


def test_list_rooms_unknown_numbers_and_drills(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            for count, text in enumerate(("ds", "hop", "4711 1", "d7 1"), 1):
                await bench.say(text)
                await bench.until(lambda n=count: len(answers(server)) == n)  # type: ignore[misc]
            asked: list[Asked] = []
            bench.replies.drill = lambda contact, order: (asked.append(order), f"{contact.name} {order.number}")[1]
            await bench.say("D07 1", "c-binh")
            await bench.until(lambda: len(answers(server)) == 5)
            assert asked == [Asked("take", "D07")]

        bench.life(work)
        listed, rooms, unknown, drill, running = answers(server)
        assert listed.startswith("1 sự cố đang mở:\n1001 ")
        assert (rooms, unknown) == ("netmon không có lịch họp.", "Không có sự cố 4711.")
        assert (drill, running) == ("Không có diễn tập D07.", "Chị Bình D07")


# --- who is heard, and how often -------------------------------------------------------------------------------------


def test_strangers_are_counted_and_never_answered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            for text in ("1001 1", "ds", "xin chào"):
                await bench.say(text, "c-nobody")
            await bench.say("ds")
            await bench.until(lambda: len(answers(server)) == 1)

        bench.life(work)
        assert bench.counts["bot", "stranger"] == 3
        assert [body["chat_id"] for _, body in server.sent] == ["c-an"]
        assert bench.line() == []
        assert caplog.text.count("c-nobody") == 1, "named once, so that the operator can enter him"


def test_nonsense_gets_one_short_answer_for_a_while(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            for n in range(5):
                await bench.say(f"xin chào {n}")
            await bench.until(lambda: len(answers(server)) == 1)
            bench.now += 601
            await bench.say("xin chào")
            await bench.until(lambda: len(answers(server)) == 2)

        bench.life(work)
        assert bench.counts["bot", "help"] == 6


def test_more_than_anybody_types_is_followed_but_not_answered(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            for n in range(14):
                await bench.say("ds", key=f"k{n}")
            await bench.until(lambda: len(answers(server)) == 10)
            assert bench.counts["bot", "unanswered"] == 4

        bench.life(work)


# --- crashes ---------------------------------------------------------------------------------------------------------


def test_a_reply_that_was_kept_and_not_followed_is_followed_at_the_next_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    reply = Reply("bot|1", "bot", "c-an", "", "1001 1", T0)

    async def killed() -> None:
        await bench.book.keep([reply], "bot", "5", T0)

    async def later() -> None:
        assert bench.line() == [("ack", "Anh An", "bot")]
        assert await bench.book.cursor("bot") == "5"
        assert await bench.book.waiting() == []

    with zalo_server() as server:
        bench.config = Bench(tmp_path, bot(server)).config
        bench.life(killed, start=False)
        bench.now += 30
        bench.life(later)


def test_killed_after_the_step_and_before_the_tick_it_is_not_done_twice(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))
        reply = Reply("bot|1", "bot", "c-an", "", "1001 1", T0)

        async def killed() -> None:
            await bench.book.keep([reply], "bot", "5", T0)
            bench.now += 1
            await bench.replies._do(AN, Asked("take", "1001"), reply)

        async def later() -> None:
            assert bench.line() == [("ack", "Anh An", "bot")]

        bench.life(killed, start=False)
        bench.now += 30
        bench.life(later)


def test_a_reply_that_breaks_something_holds_up_no_other(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            def broken(contact: Contact, asked: Asked) -> str:
                raise KeyError(asked.number)

            bench.replies.drill = broken
            await bench.say("D07 1")
            await bench.say("1001 1")
            assert bench.incident.acked_by == "Anh An"
            assert await bench.book.waiting() == []

        bench.life(work)
        assert bench.counts["bot", "failed"] == 1


def test_half_a_character_holds_up_nothing(tmp_path: Path) -> None:
    """JSON can carry one, and so can a letter in UTF-7."""
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            await bench.say("1001 1, \ud83d")
            assert bench.incident.acked_by == "Anh An"

        bench.life(work)


def test_a_channel_that_hangs_holds_up_no_other_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()
    monkeypatch.setattr(Ways, "send", lambda *args: hang.wait(20))

    async def work() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        try:
            for n in range(6):
                await bench.say("ds", key=f"bot|{n}")
            assert await asyncio.wait_for(asyncio.to_thread(int, "7"), 10) == 7
        finally:
            hang.set()

    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))
        bench.life(work)


def test_the_same_message_fetched_twice_counts_once(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            await bench.say("ds", key="same")
            await bench.say("ds", key="same")
            await bench.until(lambda: len(answers(server)) == 1)

        bench.life(work)
        assert bench.counts["bot", "list"] == 1


# --- the Bot's inbox -------------------------------------------------------------------------------------------------


def test_the_bot_is_polled_and_answers(tmp_path: Path) -> None:
    with zalo_server() as server:
        server.updates = [update(1, "1001 1"), update(2, "ds", "c-nobody"), {"event_name": "user.send.sticker"}]
        bench = Bench(tmp_path, bot(server))

        async def work() -> None:
            await bench.until(lambda: len(answers(server)) == 1 and not server.updates)
            assert bench.incident.acked_by == "Anh An"

        bench.life(work)
        assert bench.counts == {("bot", "take"): 1, ("bot", "stranger"): 1}


def test_a_channel_without_replies_is_not_listened_to(tmp_path: Path) -> None:
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server, replies=False))

        async def work() -> None:
            bench.replies.set_config(Bench(tmp_path, bot(server)).config)  # a reload switches it on
            await bench.until(lambda: server.polls > 0)

        async def nothing() -> None:
            await asyncio.sleep(0.05)
            assert server.polls == 0

        bench.life(nothing)
        bench.life(work)


def test_updates_with_numbers_of_their_own_move_the_cursor() -> None:
    with zalo_server() as server:
        server.updates = [update(1, "ds", update_id=41)]
        found, cursor = inbox_bot.fetch(bot(server), "", T0)
        assert ([r.text for r in found], cursor) == (["ds"], "42")
        assert inbox_bot.fetch(bot(server), cursor, T0) == ([], "42")


@pytest.mark.parametrize(
    "message", [None, [], {"text": "ds"}, {"chat": {"id": "c"}, "text": 5, "message_id": "1"}, {"chat": 1, "text": ""}]
)
def test_updates_that_are_no_text_are_passed_over(message: object) -> None:
    with zalo_server() as server:
        server.updates = [{"message": message}]
        assert inbox_bot.fetch(bot(server), "7", T0) == ([], "7")


def test_a_wrong_token_is_said_once_and_without_the_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with zalo_server() as server:
        bench = Bench(tmp_path, bot(server, token=Secret("wr0ng")))

        async def work() -> None:
            await bench.until(lambda: bench.replies.failing() == {"bot": True})

        bench.life(work)
    assert caplog.text.count("inbox cannot be read inbox=bot reason=auth") == 1
    assert "wr0ng" not in caplog.text


class Pauses(threading.Event):
    """Notes how long somebody would wait, and stops him at the third time."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        if len(self.seconds) == 3:
            self.set()
        return self.is_set()


def listen(fetch: Fetch, take: Take) -> list[float]:
    """The pauses of an inbox between its turns."""

    async def main() -> list[float]:
        listener = Listener(Inbox("bot", fetch, 0.0), "", take, lambda: T0)
        listener._stopping = pauses = Pauses()
        await asyncio.to_thread(listener._run)
        return pauses.seconds

    return asyncio.run(main())


def test_what_the_disk_refuses_is_held_and_handed_over_again() -> None:
    """The Bot gives nothing out twice."""
    reply = Reply("bot|1", "bot", "c-an", "", "1001 1", T0)
    given, tried = [([reply], "")], list[list[Reply]]()

    async def take(inbox: str, found: list[Reply], cursor: str) -> None:
        tried.append(found)
        if len(tried) == 1:
            raise StoreError("netmon.db: disk is full")

    listen(lambda cursor, now: given.pop() if given else ([], ""), take)
    assert tried == [[reply], [reply]]


def test_who_answers_a_long_poll_at_once_is_not_asked_all_the_time() -> None:
    async def take(inbox: str, found: list[Reply], cursor: str) -> None:
        pytest.fail("nothing came")

    assert listen(lambda cursor, now: ([], ""), take) == [LEAST_PAUSE_S] * 3


# --- letters ---------------------------------------------------------------------------------------------------------


def test_letters_are_read_from_now_on_and_each_once(tmp_path: Path) -> None:
    with imap_server(tmp_path) as imap:
        mailbox = MailboxConfig("127.0.0.1", imap.port, "netmon", Secret(PASSWORD), ca_file=imap.ca_file)
        imap.add("old@x.vn", "1001 1")
        found, cursor = inbox_mail.fetch(mailbox, "", T0)
        assert (found, cursor) == ([], "7:1")
        imap.add("Anh An <An@X.vn>", "1\n\nOn Mon netmon wrote:\n> 1001 2")
        imap.add("An <an@x.vn>", "out of office", head="Auto-Submitted: auto-replied\n")
        found, cursor = inbox_mail.fetch(mailbox, cursor, T0)
        assert [(r.address, r.subject) for r in found] == [("an@x.vn", "Re: [netmon 1001] tin")]
        assert cursor == "7:3"
        assert inbox_mail.fetch(mailbox, cursor, T0) == ([], "7:3")
        assert imap.fetched == [2, 3]
        imap.validity = 8  # the folder was made anew: what is in it now may be old
        assert inbox_mail.fetch(mailbox, cursor, T0) == ([], "8:3")
        assert "SELECT" not in imap.commands, "only ever read"


def test_a_letter_takes_an_incident_and_is_answered_in_the_same_thread(tmp_path: Path) -> None:
    with imap_server(tmp_path) as imap, http_sink() as sink:
        mailbox = MailboxConfig(
            "127.0.0.1", imap.port, "netmon", Secret(PASSWORD), ca_file=imap.ca_file, interval_s=0.05
        )
        way = Channel("email", "apprise", Secret(f"json://127.0.0.1:{sink.port}/"), form="long", replies=True)
        bench = Bench(tmp_path, way, mailbox=mailbox)

        async def work() -> None:
            await bench.until(lambda: imap.commands.count("EXAMINE") > 1)  # the first turn only marks where it begins
            imap.add("Anh An <an@x.vn>", "1")
            await bench.until(lambda: len(sink.seen) == 1)
            assert bench.line() == [("ack", "Anh An", "mailbox")]

        bench.life(work)
        assert "[netmon 1001]" in sink.bodies[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"password": Secret("wr0ng")}, "auth"),
        ({"folder": "Nowhere"}, "config"),
        ({"ca_file": ""}, "tls"),
        ({"port": 9}, "unreachable"),
    ],
)
def test_what_is_wrong_with_a_mailbox_is_said_without_its_password(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    with imap_server(tmp_path) as imap:
        mailbox = MailboxConfig("127.0.0.1", imap.port, "netmon", Secret(PASSWORD), ca_file=imap.ca_file)
        with pytest.raises(CollectError) as caught:
            inbox_mail.fetch(replace(mailbox, **change), "7:0", T0)  # type: ignore[arg-type]
    assert caught.value.reason == reason
    assert not any(secret in str(caught.value) for secret in ("wr0ng", PASSWORD))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"From: \n\n1",
        b"From: an@x.vn\nContent-Type: text/plain; charset=no\n\n\xff",
        b"From: " + b"(" * 5000 + b" an@x.vn\n\n1",
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1200)),
    ],
    ids=["empty", "bytes", "nobody", "charset", "nested comments", "nested parts"],
)
def test_letters_that_are_none_are_passed_over(raw: bytes) -> None:
    assert inbox_mail.letter(raw, "k", T0) is None or raw.startswith(b"From: an@x.vn")
