"""Probes that are a coroutine each: the time to connect over TCP, and SNMP by a function handed in.

For the few targets where neither ICMP nor STAMP passes; the many go over shared sockets.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from netmon.collectors.probes.transport import Answer, Destination
from netmon.errors import CollectError

TCPI_RTT = 68  # offset of tcpi_rtt (microseconds) in struct tcp_info, linux/tcp.h: 8 bytes, then the 16th u32
_U32 = struct.Struct("=I")

logger = logging.getLogger(__name__)


async def connect_time(where: Destination) -> float:
    """Seconds for SYN and its answer, by the kernel's own measurement where it has one. Raises OSError."""
    with socket.socket(where.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        start = time.monotonic()
        await asyncio.get_running_loop().sock_connect(sock, where.sockaddr)
        passed_s = time.monotonic() - start
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCPI_RTT + _U32.size)
        if len(info) < TCPI_RTT + _U32.size:
            return passed_s
        kernel_s: float = _U32.unpack_from(info, TCPI_RTT)[0] / 1e6
        return kernel_s if 0 < kernel_s < passed_s else passed_s


class Tasks:
    """The transport for probes that are coroutines: ``measure`` returns a round trip in seconds or raises."""

    def __init__(self, measure: Callable[[Destination], Awaitable[float]], on_answer: Answer) -> None:
        self.stats: Counter[str] = Counter()
        self._measure = measure
        self._on_answer = on_answer
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def send(self, token: int, where: Destination) -> None:
        self._tasks[token] = asyncio.create_task(self._run(token, where), name=f"probe {where.probe.address}")

    def forget(self, token: int) -> None:
        if task := self._tasks.pop(token, None):
            task.cancel()

    def drain(self) -> None:
        """Nothing waits in a buffer: what has come is known when the tasks had their turn."""

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    async def _run(self, token: int, where: Destination) -> None:
        rtt_s: float | None = None
        error = ""
        try:
            rtt_s = await self._measure(where)
        except CollectError as failure:
            error = failure.reason
        except OSError as failure:
            error = os.strerror(failure.errno) if failure.errno else str(failure)
        except Exception:  # the border of foreign code: one broken probe must not end the others
            self.stats["crashed"] += 1
            logger.exception("probe crashed address=%s kind=%s", where.probe.address, where.probe.kind)
            error = "internal error"
        if self._tasks.pop(token, None) is not None:
            self._on_answer(token, rtt_s, error, "")
