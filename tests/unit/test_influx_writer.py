"""The writer against a scripted server that fails in every way a server can."""

from __future__ import annotations

import email.utils
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netmon.clock import Clock
from netmon.config import InfluxConfig
from netmon.history.spool import Batch, Spool
from netmon.influx import InfluxWriter
from netmon.model import Inventory, Reading, Secret
from tests.conftest import wait_until
from tests.unit.scripted_influx import GOOD, Answer, Server, script_of

TOKEN = "very-secret-token"


class Kit:
    def __init__(self, folder: Path) -> None:
        self.server = Server()
        self.spool = Spool(folder / "spool.db", 10**8)
        self.config = InfluxConfig(url=self.server.url, token=Secret(TOKEN), interval_s=0.02, batch=8)
        self.writer = self.another((0.01, 0.05))

    def another(self, backoff_s: tuple[float, float]) -> InfluxWriter:
        return InfluxWriter(self.config, self.spool, Inventory(), Clock(), backoff_s=backoff_s, timeout_s=0.5)

    def spooled(self, *values: float) -> None:
        self.spool.append(Batch([Reading("s", value, 1_700_000_000.0 + value) for value in values]))

    def drained(self) -> None:
        self.writer.start()
        wait_until(lambda: self.spool.rows == 0, what="the spool is empty")


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    one = Kit(tmp_path)
    yield one
    one.writer.stop()
    one.spool.close()
    one.server.close()


def test_batches_in_order_with_token_and_gzip(kit: Kit) -> None:
    kit.spooled(*range(20))
    kit.drained()
    assert kit.server.values() == list(range(20))
    assert len(kit.server.requests) == 3, "batches of 8"
    request = kit.server.requests[0]
    assert request["Authorization"] == f"Token {TOKEN}"
    assert request["Content-Encoding"] == "gzip"
    assert request["path"].startswith("/api/v2/write?org=netmon&bucket=netmon&precision=ns")
    assert kit.writer.stats["written"] == 20


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([(503, {}, b"unavailable")] * 2, "server"),
        ([(500, {}, b"oops")], "server"),
        ([(429, {"Retry-After": "0.01"}, b"slow down")], "busy"),
        ([(401, {}, b'{"code":"unauthorized"}')] * 3, "auth"),
        ([(404, {}, b'{"code":"not found"}')], "bucket"),
        ([(307, {"Location": "http://127.0.0.1:1/elsewhere"}, b"")] * 2, "redirect"),
        (["hang up", "half", "reset"], "connect"),
    ],
)
def test_trouble_keeps_everything_and_tries_again(
    kit: Kit, answers: list[Answer], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    kit.server.script = script_of(*answers)
    kit.spooled(1, 2, 3)
    kit.drained()
    assert kit.server.values() == [1, 2, 3], "in order, each once"
    assert kit.writer.stats[f"failed_{reason}"] == len(answers)
    assert kit.spool.quarantine() == []
    assert f"reason={reason}" in caplog.text
    assert len([r for r in caplog.records if r.levelname == "ERROR"]) == 1, "said once"
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_bad_lines_are_isolated_and_the_rest_is_written(kit: Kit, status: int) -> None:
    def script(lines: list[str]) -> Answer:
        bad = any("value=3.0 " in line or "value=6.0 " in line for line in lines)
        return (status, {}, b'{"code":"invalid","message":"partial write: field type conflict"}') if bad else GOOD

    kit.server.script = script
    kit.spooled(*range(16))
    kit.drained()
    assert kit.server.values() == [n for n in range(16) if n not in (3, 6)]
    refused = kit.spool.quarantine()
    assert sorted(b"value=3.0" in one.payload for one in refused) == [False, True]
    assert all("field type conflict" in one.detail for one in refused)
    assert kit.writer.stats["refused"] == 2


def test_a_lone_bad_line_is_told_from_a_bad_server(kit: Kit) -> None:
    kit.server.script = lambda lines: (400, {}, b"bad") if "value=3.0 " in lines[0] else GOOD
    kit.spooled(3)
    kit.drained()
    assert [one.reason for one in kit.spool.quarantine()] == ["refused"]
    assert kit.server.written[0].startswith("netmon_write_check ")


def test_a_server_that_refuses_everything_loses_nothing(kit: Kit) -> None:
    mend, mended = threading.Event(), threading.Event()

    def script(lines: list[str]) -> Answer:
        # It gets well between two rounds: within one, the lines refused so far would rightly look like bad ones.
        if mend.is_set() and len(lines) == 3:
            mended.set()
        return GOOD if mended.is_set() else (400, {}, b"organization name not found")

    kit.server.script = script
    kit.spooled(1, 2, 3)
    kit.writer.start()
    wait_until(lambda: kit.writer.stats["failed_refused"] >= 2, what="two rounds")
    assert kit.spool.rows == 3
    assert kit.spool.quarantine() == []
    mend.set()
    wait_until(lambda: kit.spool.rows == 0, what="the spool is empty")
    assert kit.server.values() == [1, 2, 3]


@pytest.mark.parametrize("manner", ["hang up", "reset"])
def test_a_connection_that_breaks_in_the_middle_of_a_body(kit: Kit, manner: str) -> None:
    kit.server.early += [manner, manner]
    kit.spooled(1, 2, 3)
    kit.drained()
    assert kit.server.values() == [1, 2, 3]
    assert kit.writer.stats["failed_connect"] == 2


def test_a_connection_that_is_closed_on_their_side_is_made_anew(kit: Kit) -> None:
    kit.server.half_close = True
    kit.spooled(*range(20))
    kit.drained()
    assert kit.server.values() == list(range(20))
    assert not kit.writer.stats["failed_connect"], "nobody has to wait for it"


def test_a_wrong_token_is_tried_slowly_and_said_once(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    kit.writer = kit.another(backoff_s=(0.001, 0.2))
    kit.server.script = script_of(*((401, {}, b"request %d: unauthorized" % n) for n in range(3)))
    began = Clock().mono()
    kit.spooled(1)
    kit.drained()
    assert Clock().mono() - began >= 3 * 0.2
    (said,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert said.endswith("reason=auth error=HTTP 401 request 0: unauthorized")


@pytest.mark.parametrize("date", [False, True], ids=["seconds", "date"])
def test_a_busy_server_is_left_alone_as_long_as_it_asks(kit: Kit, date: bool) -> None:
    came: list[float] = []

    def script(lines: list[str]) -> Answer:
        came.append(Clock().now())
        if len(came) > 1:
            return GOOD
        wait = email.utils.formatdate(came[0] + 2, usegmt=True) if date else "1"
        return 429, {"Retry-After": wait}, b""

    kit.server.script = script
    kit.spooled(1)
    kit.drained()
    assert came[1] - came[0] >= (0.9 if date else 1.0), "a date has full seconds: 1 s to 2 s from now"


def test_a_batch_that_is_too_large_makes_the_next_ones_smaller(kit: Kit) -> None:
    kit.server.script = lambda lines: (413, {}, b"too large") if len(lines) > 3 else GOOD
    kit.spooled(*range(40))
    kit.drained()
    assert kit.server.values() == list(range(40)), "each once, in order"
    assert kit.server.sizes[:3] == [8, 4, 2]
    assert [size for size in kit.server.sizes[3:] if size > 4] == [], "the size that failed is not tried each time"
    assert kit.spool.quarantine() == []


def test_batches_grow_again(kit: Kit) -> None:
    large = [True]
    kit.server.script = lambda lines: (413, {}, b"") if len(lines) > 1 and large[0] else GOOD
    kit.spooled(*range(8))
    kit.drained()
    large[0] = False
    kit.spooled(*range(8, 700))
    wait_until(lambda: kit.spool.rows == 0, what="the spool is empty")
    assert kit.server.sizes[-2] == 8
    assert kit.server.values() == list(range(700))


def test_a_server_that_needs_longer_gets_longer(kit: Kit) -> None:
    """204 after a very long time: without more patience the same batch would be written for ever."""
    release = threading.Event()

    def script(lines: list[str]) -> Answer:
        release.wait(1.2)  # the first limit is 0.5 s
        return GOOD

    kit.server.script = script
    kit.spooled(*range(4))
    kit.writer.start()
    wait_until(lambda: kit.writer.stats["written"], what="something is written")
    release.set()
    wait_until(lambda: kit.spool.rows == 0, what="the spool is empty")
    assert 1 <= kit.writer.stats["failed_slow"] <= 3
    assert sorted(set(kit.server.values())) == [0, 1, 2, 3]
    assert len(set(kit.server.written)) == 4, "the same points again, not others"
    assert kit.server.sizes[1] == 2, "and less at once"


def test_a_slow_server_is_left_after_the_time_limit(kit: Kit) -> None:
    release = threading.Event()
    first = [True]

    def script(lines: list[str]) -> Answer:
        if first.pop() if first else False:
            release.wait(5)
        return GOOD

    kit.server.script = script
    kit.spooled(1)
    kit.writer.start()
    wait_until(lambda: kit.writer.stats["failed_slow"], what="the time limit")
    release.set()
    wait_until(lambda: kit.spool.rows == 0, what="the spool is empty")
    assert len(set(kit.server.written)) == 1, "the same point again, not a second one"


@pytest.mark.parametrize("manner", ["drip head", "drip body"])
def test_an_answer_that_drips_is_cut_after_the_time_limit(kit: Kit, manner: str) -> None:
    """Each byte comes soon enough; the whole of it never does."""
    kit.server.script = script_of(manner)
    kit.spooled(1, 2, 3)
    kit.drained()
    assert kit.server.values() == [1, 2, 3]
    assert kit.writer.stats["failed_slow"] == 1
    assert kit.spool.quarantine() == []


def test_stop_writes_what_is_left(kit: Kit) -> None:
    kit.writer.start()
    wait_until(lambda: True)
    kit.spooled(1, 2)
    kit.writer.stop()
    assert kit.server.values() == [1, 2]


# --- parcels ---------------------------------------------------------------------------------------------------------


def test_parcels_are_written_in_order_and_a_bad_line_is_put_aside(kit: Kit) -> None:
    kit.server.script = lambda lines: (400, {}, b"partial write") if any("line,line=l13 " in s for s in lines) else GOOD
    lines = [f"line,line=l{n} rtt_s=0.0{n} 1700000000000000000" for n in range(20)]
    kit.spool.put_parcel(lines[:15], 1.0)
    kit.spool.put_parcel(lines[15:], 2.0)
    kit.spooled(1)
    kit.writer.start()
    wait_until(lambda: kit.spool.parcels == 0 and kit.spool.rows == 0, what="the spool is empty")
    assert [one for one in kit.server.written if one.startswith("line")] == lines[:13] + lines[14:]
    (refused,) = kit.spool.quarantine()
    assert (refused.received_at, refused.payload.decode()) == (1.0, lines[13])
    assert kit.server.values() == [1]


def test_a_parcel_waits_for_the_server(kit: Kit) -> None:
    kit.server.script = script_of(GOOD, (503, {}, b""), "hang up")  # within the parcel, and then at its beginning
    lines = [f"line,line=l{n} rtt_s=0.01 1700000000000000000" for n in range(20)]
    kit.spool.put_parcel(lines, 1.0)
    kit.writer.start()
    wait_until(lambda: kit.spool.parcels == 0, what="the spool is empty")
    assert kit.server.written == lines[:8] + lines, "what was written before is written again: the same points"
