"""The standby's way to the primary: one beat is one HTTP request, which the primary answers when it has news."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from netmon.config import PairConfig
from netmon.errors import CollectError

PATH = "/api/v1/pair"
MOST_BYTES = 4_000_000


class Link:
    """Keeps its connection. One beat at a time, in a thread of its own."""

    def __init__(self, config: PairConfig) -> None:
        self._config = config
        self._url = urlsplit(config.url)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pair")
        self._connection: http.client.HTTPConnection | None = None

    async def beat(self, body: object, timeout_s: float) -> Any:
        """The answer. Raises CollectError: ``refused`` where somebody answers who is no primary of ours."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._beat, body, timeout_s)

    def close(self) -> None:
        """What waits for an answer, waits no longer."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _beat(self, body: object, timeout_s: float) -> Any:
        token = self._config.token.reveal() if self._config.token else ""
        headers: dict[str, str | bytes] = {"Authorization": f"Bearer {token}".encode()}
        headers["Content-Type"] = "application/json"
        connection = self._connection = self._connection or self._connect()
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        kept = False
        try:
            connection.request("POST", self._url.path.rstrip("/") + PATH, json.dumps(body).encode(), headers)
            response = connection.getresponse()
            text = response.read(MOST_BYTES)
            kept = response.status == 200
        except (OSError, http.client.HTTPException) as error:
            # What http.client quotes may be anything; its kind is enough.
            reason = error.strerror if isinstance(error, OSError) else None
            raise CollectError("unreachable", f"pair: {reason or type(error).__name__}") from None
        finally:
            if not kept:
                connection.close()
                self._connection = None
        if response.status != 200:
            reason = "refused" if 300 <= response.status < 500 else "server"
            raise CollectError(reason, f"pair: the primary answers with HTTP status {response.status}")
        try:
            return json.loads(text)
        except ValueError:
            raise CollectError("refused", "pair: the answer is not JSON") from None

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            context = ssl.create_default_context(cafile=self._config.ca_file or None)
            return http.client.HTTPSConnection(host, port, context=context)
        return http.client.HTTPConnection(host, port)
