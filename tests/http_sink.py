"""A real HTTP server on loopback that keeps what it is sent and answers as told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Sink:
    """``answers``: (status, body) in turn, the last one for ever. ``seen``: (method, path, headers, body)."""

    port: int = 0
    answers: list[tuple[int, str]] = field(default_factory=lambda: [(200, "OK")])
    delay_s: float = 0.0
    seen: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)

    @property
    def bodies(self) -> list[str]:
        return [body for _, _, _, body in self.seen]


@contextmanager
def http_sink(*answers: tuple[int, str], delay_s: float = 0.0) -> Iterator[Sink]:
    sink = Sink(delay_s=delay_s)
    if answers:
        sink.answers = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            sink.seen.append((self.command, self.path, dict(self.headers), body))
            time.sleep(sink.delay_s)
            status, text = sink.answers.pop(0) if len(sink.answers) > 1 else sink.answers[0]
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", text)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = _take

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
