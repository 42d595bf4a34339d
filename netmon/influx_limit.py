"""A limit on the whole of an HTTP request: urllib3 bounds each read alone, and an answer that drips has no end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class Limit:
    """Cuts the connection of a pool manager that makes one request at a time. ``cut``: it did so to the latest one."""

    def __init__(self, manager: PoolManager) -> None:
        self.cut = False
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._owner: HTTPConnection | None = None
        watched, release = self._watched, self._release

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return watched(self, super()._new_conn())

            def close(self) -> None:
                super().close()
                release(self)

        class Tls(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return watched(self, super()._new_conn())

            def close(self) -> None:
                super().close()
                release(self)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = Tls

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """One request; after this time what it reads or writes ends as if the server had hung up."""
        self.cut = False
        timer = threading.Timer(seconds, self._cut)
        timer.name, timer.daemon = "influx-limit", True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def close(self) -> None:
        """Let go of the connection; idempotent."""
        self._release(self._owner)

    def _release(self, owner: HTTPConnection | None) -> None:
        """Let go of a connection that ends: while anybody holds a handle of it the other side is not told."""
        with self._lock:
            if self._handle is not None and self._owner is owner:
                self._handle.close()
                self._handle = self._owner = None

    def _watched(self, owner: HTTPConnection, sock: socket.socket) -> socket.socket:
        """Keep a handle of our own of a new connection: TLS takes the socket itself over."""
        self._release(self._owner)
        with self._lock:
            self._handle, self._owner = sock.dup(), owner
        if self.cut:  # while it was being made
            self._shut()
        return sock

    def _cut(self) -> None:
        self.cut = True
        self._shut()

    def _shut(self) -> None:
        with self._lock, contextlib.suppress(OSError):  # it may have ended by itself
            if self._handle is not None:
                self._handle.shutdown(socket.SHUT_RDWR)
