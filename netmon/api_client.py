"""A small client of the daemon's own API for the command line, over its unix socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any

from netmon.config import Config
from netmon.errors import NetmonError

TIMEOUT_S = 10.0


def socket_path(config: Config) -> str:
    """Where the daemon's API listens for people on the same host; who may open the file may act (mode 0600)."""
    return str(Path(config.state_dir, "api.sock"))


class NoAnswer(NetmonError):
    """The daemon does not answer; what it was asked for it may be doing, or have done."""


class NoDaemon(NoAnswer):
    """Nobody is there at the socket."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class ApiClient:
    """Asks the daemon that runs with this configuration. Raises NoDaemon where there is none, else NoAnswer."""

    def __init__(self, config: Config, timeout_s: float = TIMEOUT_S) -> None:
        self._path, self._timeout_s = socket_path(config), timeout_s

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None)

    def post(self, path: str, body: object) -> Any:
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        connection = _UnixConnection(self._path, self._timeout_s)
        failure: type[NoAnswer] = NoDaemon
        try:
            connection.connect()
            failure = NoAnswer
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            raise failure(f"no daemon answers at {self._path}: {' '.join(reason.split())}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise NetmonError(f"{_detail(text)} ({method} {path}: {response.status})")
        try:
            return json.loads(text)
        except ValueError as error:
            raise NetmonError(f"{method} {path}: the answer is not JSON: {error}") from error


def _detail(answer: bytes) -> str:
    """What the daemon says of its refusal: ``{"detail": "..."}``, or the text as it came."""
    try:
        said = json.loads(answer)["detail"]
    except (ValueError, KeyError, TypeError):
        said = None
    return " ".join((said if isinstance(said, str) else answer[:200].decode(errors="replace")).split())
