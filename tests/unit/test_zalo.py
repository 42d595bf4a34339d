"""Zalo OA, ZNS and Bot against a small Zalo on loopback: tokens, errors, and kills in the middle of a refresh."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from netmon.alerts import zns
from netmon.alerts.channels import Outgoing, zalo
from netmon.alerts.channels.zalo_tokens import FILE, ZaloTokens
from netmon.alerts.messages import Message
from netmon.alerts.zalo_codes import OA, TOKEN_REFUSED, ZNS, meaning
from netmon.config import Channel, Parameter, ZaloConfig
from netmon.errors import CollectError
from netmon.model import Secret
from netmon.phones import international
from tests.conftest import free_port
from tests.zalo_server import BOT_TOKEN, Zalo, zalo_server

NOW = 1_795_404_660.0
NEWS = Outgoing(
    "7-0-opened|an|oa", "incident-7", "tin", "1043 MẤT KẾT NỐI", NOW, "An", "a@x.vn", "0901000001", "u1", "c1"
)


def account(server: Zalo, refresh: str = "r0", secret: str = "s3cret-key") -> ZaloConfig:
    return ZaloConfig("4711", Secret(secret), Secret(refresh), f"{server.url}/v4/oa/access_token")


def oa(server: Zalo) -> Channel:
    return Channel("oa", "zalo_oa", Secret(f"{server.url}/v3.0/oa/message/cs"))


def test_the_first_message_fetches_tokens_and_the_next_one_uses_them(tmp_path: Path) -> None:
    with zalo_server() as server:
        for _ in range(2):
            zalo.send_oa(oa(server), NEWS, account(server), ZaloTokens(tmp_path, lambda: NOW))
        assert server.refreshes == 1, "the second one, after a restart, has them from the file"
        message = {"recipient": {"user_id": "u1"}, "message": {"text": NEWS.body}}
        assert server.sent == [("/v3.0/oa/message/cs", message)] * 2
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {FILE, "zalo-tokens.lock"}


def test_a_token_that_ends_soon_or_is_refused_early_is_replaced_and_the_message_sent(tmp_path: Path) -> None:
    with zalo_server() as server:
        now = [NOW]
        tokens = ZaloTokens(tmp_path, lambda: now[0])
        zalo.send_oa(oa(server), NEWS, account(server), tokens)
        now[0] += 89_800.0
        zalo.send_oa(oa(server), NEWS, account(server), tokens)
        assert server.refreshes == 2
        server.access_token = "another"  # Zalo has withdrawn it
        zalo.send_oa(oa(server), NEWS, account(server), tokens)
        assert (server.refreshes, len(server.sent)) == (3, 3)


def test_many_at_once_refresh_once(tmp_path: Path) -> None:
    with zalo_server() as server, ThreadPoolExecutor(8) as pool:
        first, second = ZaloTokens(tmp_path), ZaloTokens(tmp_path)  # as two processes: they share the file alone
        found = list(pool.map(lambda n: (first, second)[n % 2].access(account(server)), range(16)))
        assert set(found) == {"a1"}
        assert (server.refreshes, server.refused) == (1, 0)


def test_a_spent_refresh_token_says_what_to_do_and_a_new_one_is_taken_up(tmp_path: Path) -> None:
    with zalo_server() as server:
        server.refresh_token = "somebody else has it"
        tokens = ZaloTokens(tmp_path)
        with pytest.raises(CollectError, match=r"error -14014: it may be over 3 months old.*API Explorer") as caught:
            tokens.access(account(server))
        assert (caught.value.reason, caught.value.retryable) == ("token_lost", False)
        server.refresh_token = "r-new"
        assert tokens.access(account(server, "r-new")) == "a1"
        assert tokens.access(account(server, "r-new")) == "a1"
        assert server.refreshes == 1


def test_a_wrong_key_is_not_taken_for_a_lost_token(tmp_path: Path) -> None:
    with zalo_server() as server:
        with pytest.raises(CollectError, match="app_id or secret_key, error -14004") as caught:
            ZaloTokens(tmp_path).access(account(server, secret="wr0ng"))
        assert "wr0ng" not in str(caught.value)
        assert ZaloTokens(tmp_path).access(account(server)) == "a1", "the refresh token was not spent"
        server.refresh_token = "somebody else has it"
        with pytest.raises(CollectError, match="another program"):  # and not: a refresh that was cut off
            ZaloTokens(tmp_path, lambda: 4e9).access(account(server))


def test_a_disk_that_refuses_is_found_before_the_token_is_spent(tmp_path: Path) -> None:
    with zalo_server() as server:
        (tmp_path / "zalo-tokens.new").mkdir()  # root may write anywhere, but not into a folder as if it were a file
        with pytest.raises(CollectError, match="cannot be kept") as caught:
            ZaloTokens(tmp_path).access(account(server))
        assert caught.value.retryable
        assert server.refreshes == 0
        (tmp_path / "zalo-tokens.new").rmdir()
        assert ZaloTokens(tmp_path).access(account(server)) == "a1"


def test_a_disk_that_refuses_the_new_pair_keeps_it_in_memory_until_it_can(tmp_path: Path) -> None:
    block = tmp_path / "zalo-tokens.new"
    with zalo_server() as server:
        server.after = block.mkdir
        tokens = ZaloTokens(tmp_path)
        assert tokens.access(account(server)) == "a1"
        assert "a1" not in (tmp_path / FILE).read_text()
        block.rmdir()
        assert tokens.access(account(server)) == "a1"
        assert json.loads((tmp_path / FILE).read_text())["refresh_token"] == "r1"
        assert server.refreshes == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 1}'])
def test_a_file_that_was_spoilt_is_not_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with zalo_server() as server, pytest.raises(CollectError, match="not what netmon wrote; restore it, or remove it"):
        ZaloTokens(tmp_path).access(account(server))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_refreshes_stays_readable_for_the_daemon(tmp_path: Path) -> None:
    os.chown(tmp_path, 4711, 4712)
    with zalo_server() as server:
        ZaloTokens(tmp_path).access(account(server))
    assert {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()} == {(4711, 4712)}


# --- kill -9 ---------------------------------------------------------------------------------------------------------

CHILD = """
import sys
from netmon.alerts.channels.zalo_tokens import ZaloTokens
from netmon.config import ZaloConfig
from netmon.model import Secret
from netmon.phones import international
print(ZaloTokens(sys.argv[1]).access(ZaloConfig("4711", Secret("s3cret-key"), Secret("r0"), sys.argv[2])), flush=True)
"""


def child(folder: Path, server: Zalo) -> subprocess.Popen[str]:
    args = [sys.executable, "-c", CHILD, str(folder), f"{server.url}/v4/oa/access_token"]
    return subprocess.Popen(args, stdout=subprocess.PIPE, text=True)


def kill(program: subprocess.Popen[str]) -> None:
    os.kill(program.pid, signal.SIGKILL)
    program.wait()


def test_killed_before_zalo_has_the_request_nothing_is_lost(tmp_path: Path) -> None:
    with zalo_server() as server:
        came, killed = threading.Event(), threading.Event()

        def hold() -> None:
            came.set()
            killed.wait(10)
            raise ConnectionAbortedError

        server.before = hold
        program = child(tmp_path, server)
        assert came.wait(20)
        kill(program)
        killed.set()
        server.before = lambda: None
        assert ZaloTokens(tmp_path).access(account(server)) == "a1"
        assert (server.refreshes, server.refused) == (1, 0)


def test_killed_between_answer_and_store_the_error_says_so(tmp_path: Path) -> None:
    with zalo_server() as server:
        spent, killed = threading.Event(), threading.Event()
        server.after = lambda: (spent.set(), killed.wait(10), None)[2]
        program = child(tmp_path, server)
        assert spent.wait(20)
        kill(program)
        killed.set()
        server.after = lambda: None
        with pytest.raises(CollectError, match=r"the refresh begun at 20.*Z was cut off, and its answer is lost; get"):
            ZaloTokens(tmp_path).access(account(server))


def test_killed_after_the_store_the_new_pair_is_used(tmp_path: Path) -> None:
    with zalo_server() as server:
        program = child(tmp_path, server)
        assert program.stdout is not None
        assert program.stdout.readline() == "a1\n"
        kill(program)
        (tmp_path / "zalo-tokens.new").write_text("half a fi")  # as a kill in the next write would leave it
        later = ZaloTokens(tmp_path, lambda: 4e9)
        assert later.access(account(server)) == "a2"
        assert (server.refreshes, server.refused) == (2, 0)
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


# --- what Zalo answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "retryable"),
    [
        (-32, "rate", True),
        (-230, "not_linked", False),
        (-211, "quota", False),
        (-240, "config", False),
        (-999, "refused", True),
    ],
)
def test_errors_of_the_official_account(tmp_path: Path, code: int, reason: str, retryable: bool) -> None:
    with zalo_server() as server:
        server.codes = [code]
        with pytest.raises(CollectError, match=f"channel oa: .*error {code}") as caught:
            zalo.send_oa(oa(server), NEWS, account(server), ZaloTokens(tmp_path))
    assert (caught.value.reason, caught.value.retryable) == (reason, retryable)


def test_a_new_token_that_is_refused_as_well_ends_it(tmp_path: Path) -> None:
    with zalo_server() as server:
        server.codes = [-220, -220]
        with pytest.raises(CollectError, match="lost its rights") as caught:
            zalo.send_oa(oa(server), NEWS, account(server), ZaloTokens(tmp_path))
        assert (caught.value.reason, caught.value.retryable, server.refreshes) == ("account", False, 2)


def test_every_class_of_error_is_one_of_three() -> None:
    for table in (OA, ZNS):
        assert {found.kind for found in table.values()} == {"retry", "fallback", "permanent"}
        assert not TOKEN_REFUSED & set(table)
        assert meaning(-123456, table).kind == "retry"


def test_no_token_and_no_key_in_any_error(tmp_path: Path) -> None:
    with zalo_server() as server:
        ZaloTokens(tmp_path).access(account(server))
        server.refresh_token = "x"
        nowhere = ZaloConfig("4711", Secret("s3cret-key"), Secret("r0"), f"http://127.0.0.1:{free_port()}/r0")
        bad = Channel("bot", "zalo_bot", Secret(server.url), token=Secret("wr0ng-t0ken"))
        for attempt in (
            lambda: ZaloTokens(tmp_path, lambda: 4e9).access(account(server)),
            lambda: ZaloTokens(tmp_path, lambda: 4e9).access(nowhere),
            lambda: zalo.send_bot(bad, NEWS),
        ):
            with pytest.raises(CollectError) as caught:
                attempt()
            text = repr(caught.value) + str(caught.value.__cause__)
            assert not any(secret in text for secret in ("r0", "r1", "a1", "s3cret", "wr0ng")), text


# --- ZNS -------------------------------------------------------------------------------------------------------------

TEMPLATE = (Parameter("so", "{id}", 10), Parameter("diem", "{where}", 20), Parameter("viec", "{state}: {text}", 40))


def test_a_template_gets_parameters_and_an_international_number(tmp_path: Path) -> None:
    said = {"id": "1043", "where": "UBND xã Lộc Thành (Lộc Ninh)", "state": "Mất kết nối"}
    message = zns.parameters(TEMPLATE, Message("tin", "🔴 1043 MẤT KẾT NỐI do MẤT ĐIỆN\nBằng chứng"), said, "An")
    with zalo_server() as server:
        channel = Channel("zns", "zns", Secret(f"{server.url}/message/template"), template="301", parameters=TEMPLATE)
        news = Outgoing("7-0-opened|an|zns", "incident-7", "tin", message.body, NOW, "An", phone="0901000001")
        zalo.send_zns(channel, news, account(server), ZaloTokens(tmp_path))
        zalo.send_zns(channel, news, account(server), ZaloTokens(tmp_path))
        (path, body), (_, again) = server.sent
        server.codes = [-132]
        with pytest.raises(CollectError, match="too long") as caught:
            zalo.send_zns(channel, news, account(server), ZaloTokens(tmp_path))
        assert not caught.value.retryable
    assert path == "/message/template"
    assert (body["phone"], body["template_id"]) == ("84901000001", "301")
    assert body["tracking_id"] == again["tracking_id"]
    assert len(body["tracking_id"]) <= 48
    assert body["template_data"] == {
        "so": "1043",
        "diem": "UBND xã Lộc Thành…",
        "viec": "Mất kết nối: 🔴 1043 MẤT KẾT NỐI do MẤT…",
    }


def test_what_is_not_known_is_a_dash_as_zalo_refuses_empty_parameters() -> None:
    message = zns.parameters(TEMPLATE, Message("tin", ""), {}, "An")
    assert json.loads(message.body) == {"so": "-", "diem": "-", "viec": "-"}


@pytest.mark.parametrize(
    ("given", "made"), [("+84 901", "84901"), ("0901", "84901"), ("84901", "84901"), ("0084901", "84901")]
)
def test_international_numbers(given: str, made: str) -> None:
    assert international(given) == made


# --- the Bot ---------------------------------------------------------------------------------------------------------


def test_the_bot_sends_and_says_what_fails() -> None:
    with zalo_server() as server:
        channel = Channel("bot", "zalo_bot", Secret(server.url), token=Secret(BOT_TOKEN))
        zalo.send_bot(channel, NEWS)
        assert server.sent == [("sendMessage", {"chat_id": "c1", "text": NEWS.body})]
        for code, reason, retryable in ((429, "refused", True), (403, "refused", False), (401, "auth", False)):
            server.codes = [code]
            with pytest.raises(CollectError, match=f"error {code}") as caught:
                zalo.send_bot(channel, NEWS)
            assert (caught.value.reason, caught.value.retryable) == (reason, retryable)
            assert BOT_TOKEN not in str(caught.value)
