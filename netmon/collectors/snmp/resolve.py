"""Host names to socket addresses, off the loop: a slow name server delays only the devices that are given by name."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from netmon.clock import Clock
from netmon.errors import CollectError

KEEP_S = 300.0  # how long an answer is used
THREADS = 4


class Resolver:
    """Addresses by host and port; literal ones are never looked up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[tuple[str, int], tuple[float, int, Any]] = {}
        self._threads: ThreadPoolExecutor | None = None

    async def resolve(self, host: str, port: int, timeout_s: float) -> tuple[int, Any]:
        """(family, socket address). Raises CollectError("resolve")."""
        known = self._known.get((host, port))
        if known and known[0] > self._clock.mono():
            return known[1], known[2]
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            literal = None
        try:
            if literal is not None:  # getaddrinfo gives the scope id of fe80::1%eth0 and the canonical text
                info = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
            else:
                async with asyncio.timeout(timeout_s):
                    info = await self._look_up(host, port)
        except (OSError, UnicodeError, TimeoutError) as e:
            raise CollectError("resolve", f"{host}: name cannot be resolved: {e or 'no answer'}") from e
        family, address = int(info[0][0]), info[0][4]
        until = float("inf") if literal is not None else self._clock.mono() + KEEP_S
        self._known[host, port] = until, family, address
        return family, address

    def _look_up(self, host: str, port: int) -> asyncio.Future[list[Any]]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolver")
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_ADDRCONFIG)
        )

    def close(self) -> None:
        """Let the threads go; one that hangs in a look-up is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
