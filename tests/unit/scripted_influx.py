"""A server for /api/v2/write that fails in every way a server can, by script."""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, str], bytes] | str  # a string names a bad manner of MANNERS
Script = Callable[[list[str]], Answer]
GOOD: Answer = (204, {}, b"")


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def half(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 2")
    connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    """A close with SO_LINGER 0 is an RST (socket(7))."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.socket(fileno=connection.detach()).close()


def drip(connection: socket.socket, answer: bytes) -> None:
    """A byte now and then, for half a minute: no single read takes long."""
    connection.sendall(answer)
    with contextlib.suppress(OSError):  # the client has had enough
        for _ in range(600):
            connection.sendall(b"x")
            time.sleep(0.05)


def drip_head(connection: socket.socket) -> None:
    drip(connection, b"HTTP/1.1 503 unavailable\r\nX-Slow: ")


def drip_body(connection: socket.socket) -> None:
    drip(connection, b"HTTP/1.1 400 bad\r\nContent-Length: 1000\r\n\r\n")


MANNERS = {"hang up": hang_up, "half": half, "reset": reset, "drip head": drip_head, "drip body": drip_body}


class Server:
    """``script`` decides over each body, ``written`` holds the lines it took, ``sizes`` how many each request had.

    ``early``: manners shown in the middle of the next bodies. ``half_close``: after a 204 nothing more comes from it,
    though the connection was to be kept.
    """

    def __init__(self) -> None:
        self.script: Script = lambda lines: GOOD
        self.written: list[str] = []
        self.requests: list[dict[str, str]] = []
        self.sizes: list[int] = []
        self.early: deque[str] = deque()
        self.half_close = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                if outer.early:
                    self.rfile.read(size // 2)
                    self.misbehave(outer.early.popleft())
                    return
                lines = gzip.decompress(self.rfile.read(size)).decode().splitlines()
                outer.requests.append(dict(self.headers) | {"path": self.path})
                outer.sizes.append(len(lines))
                answer = outer.script(lines)
                if isinstance(answer, str):
                    self.misbehave(answer)
                    return
                if answer[0] == 204:
                    outer.written += lines
                self.send_response(answer[0])
                for key, value in answer[1].items():
                    self.send_header(key, value)
                if answer[0] != 204:
                    self.send_header("Content-Length", str(len(answer[2])))
                self.end_headers()
                self.wfile.write(answer[2])
                if outer.half_close:
                    self.connection.shutdown(socket.SHUT_WR)

            def misbehave(self, manner: str) -> None:
                self.close_connection = True
                MANNERS[manner](self.connection)

            def log_message(self, *args: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

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


def script_of(*answers: Answer) -> Script:
    """These answers in turn, then good."""
    waiting = list(answers)
    return lambda lines: waiting.pop(0) if waiting else GOOD
