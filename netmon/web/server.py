"""uvicorn inside netmon's own loop: our signals, our shutdown order, and one clear line when the port is taken."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from netmon.errors import NetmonError

log = logging.getLogger(__name__)

GRACE_S = 3  # what is still being answered may end; streams are closed before


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the daemon's own


class WebServer:
    """Serves ``app`` on ``host:port``. `start` returns when it listens; `close` ends streams at once."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._app = app
        self.host = host
        self.port = port  # after `start` the real one, if 0 was asked for
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; raises NetmonError naming the address when that is not possible."""
        sock = await _listen(self.host, self.port)
        self.port = sock.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            date_header=False,
            ws="none",
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[sock]), name="web-server")
        log.info("web listening host=%s port=%d", self.host, self.port)

    async def wait(self) -> None:
        """Until the server ends."""
        if self._task:
            await asyncio.shield(self._task)

    async def close(self) -> None:
        """End all live streams at once, let answers in progress end, then stop."""
        self._app.state.web.live.close()
        if self._server and self._task:
            self._server.should_exit = True
            await self._task


async def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until cancelled."""
    server = WebServer(app, host, port)
    await server.start()
    try:
        await server.wait()
    finally:
        await server.close()


async def _listen(host: str, port: int) -> socket.socket:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = found[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(address)
            sock.listen(128)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise NetmonError(f"web: cannot listen on {host}:{port}: {error.strerror or error}") from error
    return sock
