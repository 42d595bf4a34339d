"""uvicorn inside netmon's own loop: our signals, our shutdown order, and one clear line when the port is taken."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from netmon.errors import NetmonError
from netmon.web.context import LOCAL

log = logging.getLogger(__name__)
logging.getLogger("uvicorn").setLevel(logging.WARNING)  # that it starts and stops is said here

GRACE_S = 3  # what is still being answered may end; streams are closed before
BACKLOG = 128


@contextlib.asynccontextmanager
async def serve(app: FastAPI, host: str = "", port: int = 0, *, uds: str = "") -> AsyncIterator[int]:
    """Serve within the block, on an address or on a unix socket; yields the port.

    Raises NetmonError, naming the address, where it cannot listen. At the end live streams are closed at once, so that
    nobody is waited for who would never leave.
    """
    sock = _listen_unix(uds) if uds else await _listen(host, port)
    server = _Server(_config(_Local(app) if uds else app))
    task = asyncio.create_task(server.serve(sockets=[sock]), name=f"web-server-{'uds' if uds else 'tcp'}")
    bound = 0 if uds else int(sock.getsockname()[1])
    log.info("web listening address=%s", uds or f"{host}:{bound}")
    try:
        yield bound
    finally:
        app.state.web.live.close()
        server.should_exit = True
        await task
        if uds:
            _forget(uds)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the daemon's own


class _Local:
    """Marks requests that came over the unix socket; no request over TCP can bear the mark."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, LOCAL: True}, receive, send)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_S,
    )


async def _listen(host: str, port: int) -> socket.socket:
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        with _closing_on_error(socket.socket(family, socket.SOCK_STREAM)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
            sock.setblocking(False)
            return sock
    except OSError as error:
        raise NetmonError(f"web: cannot listen on {host}:{port}: {error.strerror or error}") from error


def _listen_unix(path: str) -> socket.socket:
    """Only the owner may connect. A file left by a daemon that was killed is replaced, a living one's is not."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                Path(path).unlink()
            except FileNotFoundError:
                pass
            else:
                raise NetmonError(f"web: cannot listen on {path}: another daemon does")
        with _closing_on_error(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
            os.fchmod(sock.fileno(), 0o600)  # before bind, so that the file never has another mode
            sock.bind(path)
            sock.listen(BACKLOG)
            sock.setblocking(False)
            return sock
    except OSError as error:
        raise NetmonError(f"web: cannot listen on {path}: {error.strerror or error}") from error


def _forget(path: str) -> None:
    Path(path).unlink(missing_ok=True)


@contextlib.contextmanager
def _closing_on_error(sock: socket.socket) -> Iterator[socket.socket]:
    try:
        yield sock
    except BaseException:
        sock.close()
        raise
