"""The writer against a scripted server that fails in every way a server can."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from netmon.clock import Clock
from netmon.config import InfluxConfig
from netmon.history.spool import Batch, Row, Spool
from netmon.influx import InfluxWriter, encode_line
from netmon.model import Inventory, Reading, Secret, Sensor, SensorType
from tests.conftest import wait_until

TOKEN = "very-secret-token"

Answer = tuple[int, dict[str, str], bytes] | str  # a string names a bad manner: "hang up", "half"
Script = Callable[[list[str]], Answer]
GOOD: Answer = (204, {}, b"")


class Server:
    """Takes /api/v2/write; ``script`` decides over each body, ``written`` holds the lines it took."""

    def __init__(self) -> None:
        self.script: Script = lambda lines: GOOD
        self.written: list[str] = []
        self.requests: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                lines = gzip.decompress(body).decode().splitlines()
                outer.requests.append(dict(self.headers) | {"path": self.path})
                answer = outer.script(lines)
                if isinstance(answer, str):
                    if answer == "half":
                        self.wfile.write(b"HTTP/1.1 2")
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if answer[0] == 204:
                    outer.written += lines
                self.send_response(answer[0])
                for key, value in answer[1].items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(answer[2])))
                self.end_headers()
                self.wfile.write(answer[2])

            def log_message(self, *args: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                """The client hung up on a slow answer: part of the script."""

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def values(self) -> list[float]:
        return [float(line.split("value=")[1].split()[0]) for line in self.written if line.startswith("sensor")]

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class Kit:
    def __init__(self, folder: Path) -> None:
        self.server = Server()
        self.spool = Spool(folder / "spool.db", 10**8)
        config = InfluxConfig(url=self.server.url, token=Secret(TOKEN), interval_s=0.02, batch=8)
        self.writer = InfluxWriter(
            config, self.spool, Inventory(), Clock(), backoff_s=(0.01, 0.05), timeout_ms=500
        )  # fmt: skip

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


def script_of(*answers: Answer) -> Script:
    """These answers in turn, then good."""
    waiting = list(answers)
    return lambda lines: waiting.pop(0) if waiting else GOOD


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
        (["hang up", "half"], "connect"),
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


@pytest.mark.parametrize("status", [400, 413, 422])
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
    wait_until(lambda: kit.writer.stats["failed_connect"], what="the time limit")
    release.set()
    wait_until(lambda: kit.spool.rows == 0, what="the spool is empty")
    assert len(set(kit.server.written)) == 1, "the same point again, not a second one"


def test_stop_writes_what_is_left(kit: Kit) -> None:
    kit.writer.start()
    wait_until(lambda: True)
    kit.spooled(1, 2)
    kit.writer.stop()
    assert kit.server.values() == [1, 2]


@pytest.mark.parametrize(
    ("sensor", "reading", "row", "line"),
    [
        ("a", Reading("a", 1.0, 10.25), 1, "sensor,sensor=a value=1.0 10250000001"),
        ("a", Reading("a", 1.0, 10.25, at=9.5), 2, "sensor,sensor=a value=1.0 9500000002"),
        ("a", Reading("a", 1.5, 10.0, 10.0, skew_s=-900.0), 0, "sensor,sensor=a value=1.5,skew_s=-900.0 10000000000"),
        ("a b,c=d", Reading("a b,c=d", -2.0, 1.0), 1000, r"sensor,sensor=a\ b\,c\=d value=-2.0 1000000000"),
        ("a\\", Reading("a\\", 0.0, 1.0), 0, "sensor,sensor=a value=0.0 1000000000"),
    ],
)
def test_line_protocol(sensor: str, reading: Reading, row: int, line: str) -> None:
    assert encode_line(Row(row, reading), Inventory()) == line


def test_line_has_the_tags_of_the_inventory() -> None:
    inventory = Inventory(
        sensor_types={"t": SensorType("t", "temperature", "Cel")},
        sensors={"a": Sensor("a", "t", "topic", "senml", site="x")},
    )
    line = encode_line(Row(1, Reading("a", 1.0, 1.0)), inventory)
    assert line == "sensor,quantity=temperature,sensor=a,site=x,unit=Cel value=1.0 1000000001"
