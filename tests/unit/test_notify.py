"""The notifier against real HTTP servers on loopback: results, back-off, fallback, crashes, and no secrets anywhere."""

from __future__ import annotations

import asyncio
import json
import logging
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from netmon.alerts.channels import Outgoing, http, mail
from netmon.alerts.channels.mail import compose
from netmon.alerts.notify import Notifier
from netmon.clock import Clock
from netmon.config import Channel, Config, NotifyConfig
from netmon.errors import CollectError
from netmon.history.store import Store
from netmon.model import Contact, Intent, Secret
from tests.conftest import free_port
from tests.http_sink import http_sink

AN = Contact("an", "An", "+84901", "an@x.vn")
TOKEN = "s3cret-t0ken"


def sms(port: int, name: str = "sms", **more: object) -> Channel:
    return replace(Channel(name, "http", Secret(f"http://127.0.0.1:{port}/{TOKEN}/send"), form="sms"), **more)  # type: ignore[arg-type]


def intent(n: int = 1, channel: str = "sms", **more: object) -> Intent:
    made = Intent(f"{n}-0-opened|an|{channel}", n, "opened", "an", channel, "tin", f"nội dung {n}", 1_795_404_660.0)
    return replace(made, **more)  # type: ignore[arg-type]


class Bench:
    """A notifier with its store, and what it counted."""

    def __init__(
        self, path: Path, *channels: Channel, retry_s: tuple[float, ...] = (0.01, 0.02), max_waiting: int = 5000
    ) -> None:
        config = Config(notify=NotifyConfig(channels={c.name: c for c in channels}, retry_s=retry_s))
        self.results: Counter[tuple[str, str]] = Counter()
        self.store = Store(path / "netmon.db")
        self.notifier = Notifier(
            config,
            self.store,
            Clock(),
            lambda: {"an": AN},
            lambda channel, what: self.results.update([(channel, what)]),
            max_waiting,
        )

    async def send(self, *intents: Intent) -> None:
        assert await self.store.commit_step([], intents, {}, 0.0)
        self.notifier.submit(intents)

    async def until(self, check: Callable[[], bool], what: str = "") -> None:
        for _ in range(1000):
            if check():
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"not within 10 s: {what or self.results}")

    async def states(self) -> dict[str, str]:
        rows = await self.store.call(lambda db: db.execute("SELECT id, state FROM intent").fetchall())
        return dict(rows)


def run(bench: Bench, work: Callable[[], Awaitable[None]], drain_s: float = 5.0) -> None:
    async def main() -> None:
        await bench.store.open(0.0)
        try:
            await bench.notifier.start()
            await work()
            await bench.notifier.close(drain_s)
        finally:
            await bench.store.close()

    asyncio.run(main())


def test_sent_and_recorded(tmp_path: Path) -> None:
    with http_sink() as sink:
        bench = Bench(tmp_path, sms(sink.port))

        async def work() -> None:
            await bench.send(intent(1), intent(2), intent(3, state="suppressed"))
            await bench.until(lambda: bench.results["sms", "sent"] == 2)
            assert await bench.states() == {intent(1).id: "sent", intent(2).id: "sent", intent(3).id: "suppressed"}

        run(bench, work)
        assert [json.loads(b)["text"] for b in sink.bodies] == ["nội dung 1", "nội dung 2"]
        assert json.loads(sink.bodies[0])["phone"] == "+84901"
    assert bench.notifier.failing() == {"sms": False}
    assert len(bench.notifier.record) == 3


def test_tried_again_until_it_works(tmp_path: Path) -> None:
    with http_sink((503, "busy"), (503, "busy"), (200, "OK")) as sink:
        bench = Bench(tmp_path, sms(sink.port))

        async def work() -> None:
            await bench.send(intent())
            await bench.until(lambda: bench.results["sms", "sent"] == 1)
            assert bench.results["sms", "failed"] == 2
            (decision,) = (await bench.store.telling(1)).decisions
            done = decision.intent
            assert [a.result for a in decision.attempts] == ["again", "again", "sent"]
            assert (done.state, done.attempts) == ("sent", 3)

        run(bench, work)
        assert len({json.loads(b)["id"] for b in sink.bodies}) == 1, "the same message keeps its id"


def test_a_message_that_waits_for_its_channel_says_so_while_it_waits(tmp_path: Path) -> None:
    with http_sink() as sink:
        bench = Bench(tmp_path, sms(sink.port, per_minute=0.1, burst=1))

        async def work() -> None:
            await bench.send(intent(1), intent(2))
            await bench.until(lambda: bench.results["sms", "paced"] > 0)
            for _ in range(1000):
                (decision,) = (await bench.store.telling(2)).decisions
                if decision.attempts:
                    break
                await asyncio.sleep(0.01)
            assert [(a.number, a.result) for a in decision.attempts] == [(0, "paced")]
            assert decision.intent.state == "pending"

        run(bench, work, drain_s=0.0)


@pytest.mark.parametrize(("age_s", "sent"), [(0.0, 1), (7 * 3600.0, 0)])
def test_without_a_fallback_fresh_news_is_tried_on(tmp_path: Path, age_s: float, sent: int) -> None:
    with http_sink(*[(503, "busy")] * 5, (200, "OK")) as sink:
        bench = Bench(tmp_path, sms(sink.port))

        async def work() -> None:
            await bench.send(intent(created_at=time.time() - age_s))
            await bench.until(lambda: not bench.notifier.depth)
            assert bench.results["sms", "failed"] == (5 if sent else 3)

        run(bench, work)
    assert bench.results["sms", "sent"] == sent


def test_after_all_attempts_the_fallback_takes_over(tmp_path: Path) -> None:
    with http_sink((500, "broken")) as broken, http_sink() as good:
        bench = Bench(tmp_path, sms(broken.port, fallback="chat"), sms(good.port, "chat"))
        standby = intent(1, "chat", id="1-0-opened|an|chat|sms", state="standby", body="lời khác")

        async def work() -> None:
            await bench.send(intent(), standby)
            await bench.until(lambda: bench.results["chat", "sent"] == 1)
            assert await bench.states() == {intent().id: "failed", standby.id: "sent"}

        run(bench, work)
        assert len(broken.seen) == 3
        assert [json.loads(b)["text"] for b in good.bodies] == ["lời khác"]
    assert bench.notifier.failing() == {"sms": True, "chat": False}


@pytest.mark.parametrize("answer", [(404, "gone"), (401, "who?"), (302, "http://127.0.0.1:9/elsewhere")])
def test_what_cannot_succeed_is_tried_once(tmp_path: Path, answer: tuple[int, str]) -> None:
    with http_sink(answer) as sink:
        bench = Bench(tmp_path, sms(sink.port))

        async def work() -> None:
            await bench.send(intent())
            await bench.until(lambda: bench.results["sms", "failed"] == 1)
            assert await bench.states() == {intent().id: "failed"}

        run(bench, work)
        assert len(sink.seen) == 1


def test_what_a_crash_left_unsent_goes_out_at_the_next_start_with_the_same_id(tmp_path: Path) -> None:
    with http_sink() as sink:
        before = Bench(tmp_path, sms(sink.port))

        async def crash() -> None:
            await before.store.open(0.0)
            await before.store.commit_step([], [intent()], {}, 0.0)
            await before.store.close()

        asyncio.run(crash())
        after = Bench(tmp_path, sms(sink.port))

        async def work() -> None:
            await after.until(lambda: after.results["sms", "sent"] == 1)

        run(after, work)
        assert [json.loads(b)["id"] for b in sink.bodies] == [intent().id]


def test_a_slow_channel_delays_no_other_and_a_stop_leaves_the_rest_for_later(tmp_path: Path) -> None:
    with http_sink(delay_s=1.0) as slow, http_sink() as quick:
        bench = Bench(tmp_path, sms(slow.port), sms(quick.port, "chat"))

        async def work() -> None:
            await bench.send(*(intent(n) for n in range(4)), *(intent(n, "chat") for n in range(4)))
            await bench.until(lambda: bench.results["chat", "sent"] == 4)
            assert bench.results["sms", "sent"] == 0
            assert bench.notifier.depth == 4

        run(bench, work, drain_s=0.0)

        async def look() -> None:
            await bench.store.open(0.0)
            assert [i.channel for i in await bench.store.pending_intents()] == ["sms"] * 4
            await bench.store.close()

        bench.store = Store(tmp_path / "netmon.db")
        asyncio.run(look())


def test_a_channel_that_is_gone_fails_clearly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path)

    async def work() -> None:
        await bench.send(intent(channel="fax"))
        await bench.until(lambda: bench.results["fax", "failed"] == 1)

    run(bench, work)
    assert "channel fax is no longer configured" in caplog.text


@pytest.mark.parametrize(
    "channel",
    [
        sms(9, url=Secret(f"http://127.0.0.1:9/{TOKEN}")),
        sms(9, url=Secret(f"http://127.0.0.1:9/{TOKEN} with a space")),
        sms(9, url=Secret(f"nonsense:{TOKEN}")),
        sms(9, headers={"Authorization": Secret(f"Bearer {TOKEN}\nX: y")}),
        Channel("sms", "apprise", Secret(f"json://127.0.0.1:9/{TOKEN}")),
        Channel("sms", "apprise", Secret(f"nonsense://{TOKEN}")),
        Channel("sms", "apprise", Secret(f"mailto://u:{TOKEN}@127.0.0.1:9/?from=a@b.vn")),
    ],
    ids=lambda c: c.url.reveal().split(":")[0],
)
def test_no_secret_is_ever_logged_or_stored(tmp_path: Path, channel: Channel, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench = Bench(tmp_path, channel, retry_s=())

    async def work() -> None:
        await bench.send(intent())
        await bench.until(lambda: bench.results["sms", "failed"] == 1)
        details = await bench.store.call(lambda db: db.execute("SELECT detail FROM intent").fetchall())
        assert "channel sms" in str(details)
        assert TOKEN not in str(details)

    run(bench, work)
    assert "message not sent" in caplog.text
    assert TOKEN not in caplog.text


def test_more_than_anybody_reads_is_dropped_and_counted(tmp_path: Path) -> None:
    with http_sink(delay_s=0.2) as sink:
        bench = Bench(tmp_path, sms(sink.port), max_waiting=3)

        async def work() -> None:
            await bench.send(*(intent(n) for n in range(10)))
            assert bench.notifier.dropped == 7

        run(bench, work, drain_s=0.0)


# --- the HTTP template -----------------------------------------------------------------------------------------------

MESSAGE = Outgoing("7|an|sms", "incident-7", "tin", 'a "b" & c\nđ', at=1_795_404_660.0, name="An", phone="+84901")


@pytest.mark.parametrize(
    ("channel", "url", "body"),
    [
        (
            Channel("s", "http", Secret("http://g/?to={phone}&m={text}"), method="GET"),
            "http://g/?to=%2B84901&m=a%20%22b%22%20%26%20c%0A%C4%91",
            None,
        ),
        (
            Channel("s", "http", Secret("http://g/"), body='{"to": "{phone}", "m": "{text}"}'),
            "http://g/",
            '{"to": "+84901", "m": "a \\"b\\" & c\\nđ"}',
        ),
        (
            Channel("s", "http", Secret("http://g/"), body="to={phone}&m={text}"),
            "http://g/",
            "to=%2B84901&m=a+%22b%22+%26+c%0A%C4%91",
        ),
    ],
    ids=["get", "json", "form"],
)
def test_the_template_escapes_for_where_it_stands(channel: Channel, url: str, body: str | None) -> None:
    request = http.build(channel, MESSAGE)
    assert request.full_url == url
    assert (request.data.decode() if isinstance(request.data, bytes) else None) == body


def test_success_is_what_the_pattern_says() -> None:
    with http_sink((200, '{"code": 100}'), (200, '{"code": 99}')) as sink:
        channel = replace(sms(sink.port), success=r'"code": 100\b')
        http.send(channel, MESSAGE)
        with pytest.raises(CollectError, match="does not match the success pattern"):
            http.send(channel, MESSAGE)


def test_nobody_without_a_phone_is_texted() -> None:
    channel = Channel("s", "http", Secret(f"http://127.0.0.1:{free_port()}/{{phone}}"))
    with pytest.raises(CollectError, match="An has no phone number"):
        http.send(channel, replace(MESSAGE, phone=""))


# --- the letter ------------------------------------------------------------------------------------------------------


def test_a_letter_keeps_its_id_and_its_thread() -> None:
    first, again = (compose(MESSAGE, "netmon <n@x.vn>", ["a@x.vn"], "x.vn") for _ in range(2))
    close = compose(replace(MESSAGE, id="7-closed|an|mail"), "netmon <n@x.vn>", ["a@x.vn"], "x.vn")
    assert first["Message-ID"] == again["Message-ID"] == "<7|an|sms.1795404660@x.vn>"
    assert close["Message-ID"] != first["Message-ID"]
    assert close["References"] == first["References"] == first["In-Reply-To"] == "<incident-7.netmon@x.vn>"
    assert first["Auto-Submitted"] == "auto-generated"


def test_a_subject_cannot_add_headers() -> None:
    letter = compose(replace(MESSAGE, subject="a\nBcc: evil@x.vn"), "n@x.vn", ["a@x.vn"], "x.vn")
    assert letter["Subject"] == "a Bcc: evil@x.vn"
    assert letter["Bcc"] is None


def test_a_channel_that_became_an_alertmanager_fails_clearly(tmp_path: Path) -> None:
    """A reload may change what a name stands for while a message waits for it."""
    bench = Bench(tmp_path, Channel("sms", "alertmanager", Secret("http://127.0.0.1:1")))

    async def work() -> None:
        await bench.send(intent())
        await bench.until(lambda: bench.results["sms", "failed"] == 1)
        assert await bench.states() == {"1-0-opened|an|sms": "failed"}

    run(bench, work)


def test_a_mail_server_that_says_good_bye_rudely_has_the_letter_all_the_same() -> None:
    """What comes after the letter was taken must not make it be sent again."""
    taken: list[str] = []

    class Rude(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 hello\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper().strip()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    while self.rfile.readline() != b".\r\n":
                        pass
                    taken.append("letter")
                self.wfile.write(b"421 too busy to say good bye\r\n" if word == b"QUIT" else b"250 fine\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Rude) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = Secret(f"mailto://127.0.0.1:{server.server_address[1]}/?from=netmon@x.vn&mode=insecure")
        mail.send(Channel("mail", "apprise", url), Outgoing("1", "", "tiêu đề", "nội dung", email="an@x.vn"))
        server.shutdown()
        thread.join()
    assert taken == ["letter"]


def test_what_is_taken_back_is_not_sent_nor_tried_again(tmp_path: Path) -> None:
    with http_sink((500, "no"), (200, "OK"), delay_s=0.3) as sink:
        bench = Bench(tmp_path, sms(sink.port), retry_s=(0.01, 0.01))

        async def work() -> None:
            await bench.send(intent(1), intent(2), intent(3))
            await bench.until(lambda: bool(sink.seen), "the first is on its way")
            bench.notifier.take_back(lambda i: i.incident in (1, 2))
            await bench.until(lambda: bench.results["sms", "sent"] == 1)
            await bench.until(lambda: bench.notifier.depth == 0)

        run(bench, work)
        assert [json.loads(body)["text"] for body in sink.bodies] == ["nội dung 1", "nội dung 3"]
