"""A small Zalo on loopback: tokens that are refreshed once, OA messages, ZNS templates, the Bot with its updates."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

BOT_TOKEN = "b0t-t0ken"


@dataclass
class Zalo:
    """``codes``: error numbers for the next messages. ``before`` and ``after`` run around the spending of a token;
    ``before`` may raise ConnectionAbortedError, and the request has never arrived."""

    port: int = 0
    refresh_token: str = "r0"
    access_token: str = ""
    app: tuple[str, str] = ("4711", "s3cret-key")
    expires_in: str = "90000"
    codes: list[int] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    refreshes: int = 0
    refused: int = 0
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    polls: int = 0
    poll_s: float = 0.05
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def refresh(self, form: dict[str, str], secret: str) -> dict[str, Any]:
        self.before()
        with self.lock:
            if (form.get("app_id"), secret) != self.app:
                return {"error": -14004, "error_name": "Invalid secret key", "error_description": secret}
            if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.refresh_token:
                self.refused += 1
                said = f"Invalid refresh token {form.get('refresh_token')}"  # an answer that quotes what it was sent
                return {"error": -14014, "error_name": "Invalid refresh token", "error_description": said}
            self.refreshes += 1
            self.access_token, self.refresh_token = f"a{self.refreshes}", f"r{self.refreshes}"
            pair = {"access_token": self.access_token, "refresh_token": self.refresh_token}
        self.after()
        return {**pair, "expires_in": self.expires_in}

    def message(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if token != self.access_token:
                return {"error": -216 if "oa" in path else -124, "message": f"Access token {token} is invalid"}
            code = self.codes.pop(0) if self.codes else 0
            if code == 0:
                self.sent.append((path, body))
        return {"error": code, "message": "Success" if code == 0 else "no"}

    def bot(self, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if method == "sendMessage":
            code = self.codes.pop(0) if self.codes else 0
            if code:
                return code, {"ok": False, "error_code": code, "description": BOT_TOKEN}
            self.sent.append((method, body))
            return 200, {"ok": True, "result": {"message_id": "m"}}
        self.polls += 1
        for _ in range(2):
            with self.lock:
                if self.updates:
                    return 200, {"ok": True, "result": self.updates.pop(0)}
            threading.Event().wait(self.poll_s)
        return 408, {"ok": False, "error_code": 408, "description": "Request timeout"}


@contextmanager
def zalo_server() -> Iterator[Zalo]:
    zalo = Zalo()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status = 200
            if self.path.startswith("/bot"):
                token, _, method = self.path.removeprefix("/bot").partition("/")
                if token != BOT_TOKEN:
                    status, answer = 401, {"ok": False, "error_code": 401, "description": f"no {token}"}
                else:
                    status, answer = zalo.bot(method, json.loads(raw))
            elif self.path == "/v4/oa/access_token":
                form = {key: values[0] for key, values in parse_qs(raw).items()}
                try:
                    answer = zalo.refresh(form, self.headers.get("secret_key", ""))
                except ConnectionAbortedError:
                    return  # as if the request had never arrived
            else:
                answer = zalo.message(self.path, self.headers.get("access_token", ""), json.loads(raw))
            try:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())
            except OSError:
                pass  # the client was killed

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    zalo.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield zalo
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
