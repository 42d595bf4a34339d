"""Names of probe targets to addresses, in a thread of its own, again every few minutes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from netmon.collectors.probes.transport import Destination, destination
from netmon.model import Probe

AGAIN_S = 300.0  # an address that was found; names of routers change rarely
RETRY_S = 10.0  # a name that was not found
logger = logging.getLogger(__name__)


class Resolver:
    """Calls ``on_result(target, destination or None, trouble)`` in the loop for each name."""

    def __init__(self, on_result: Callable[[str, Destination | None, str], None]) -> None:
        self._on_result = on_result
        self._names: dict[str, Probe] = {}
        self._due: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._running = False

    def set_names(self, names: Mapping[str, Probe]) -> None:
        """All targets that have a name for an address, also those that were found already."""
        self._due = {target: self._due[target] for target in names if self._names.get(target) == names[target]}
        self._names = dict(names)
        self._news.set()
        self._run()

    def start(self) -> None:
        self._running = True
        self._run()

    async def close(self) -> None:
        self._running = False
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _run(self) -> None:
        if self._running and self._names and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._loop(), name="resolver")

    async def _loop(self) -> None:
        loop = asyncio.get_running_loop()
        pool = ThreadPoolExecutor(1, "resolver")
        try:
            while self._names:
                now = loop.time()
                for target, probe in list(self._names.items()):
                    if self._due.get(target, now) > now:
                        continue
                    try:
                        found = await loop.run_in_executor(pool, _look_up, probe.address)
                    except (OSError, UnicodeError) as error:
                        self._due[target] = loop.time() + RETRY_S
                        self._on_result(target, None, f'name "{probe.address}" not resolved: {error}')
                    else:
                        self._due[target] = loop.time() + AGAIN_S
                        self._on_result(target, destination(probe, found), "")
                self._news.clear()
                wait = min((self._due.get(target, 0.0) for target in self._names), default=0.0) - loop.time()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(wait, 0.0)):
                        await self._news.wait()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # a name server that is silent must not hold the loop


def _look_up(name: str) -> tuple[int, tuple[object, ...]]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    return (found[0][0], found[0][4])
