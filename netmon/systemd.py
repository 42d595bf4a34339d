"""Tells systemd how the daemon is (sd_notify(3)): ready, reloading, stopping, alive; without systemd, nothing.

Takes sockets over that systemd has bound, such as those of ports below 1024 (sd_listen_fds(3)).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

FIRST_HANDED_OVER = 3  # <systemd/sd-daemon.h>, SD_LISTEN_FDS_START


def handed_over(name: str, environ: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """The sockets of units with ``FileDescriptorName=name``. To be called once: the caller owns them."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    names = environ.get("LISTEN_FDNAMES", "").split(":")[: int(environ.get("LISTEN_FDS", "0"))]
    return [socket.socket(fileno=FIRST_HANDED_OVER + n) for n, given in enumerate(names) if given == name]


class Notify:
    """The socket named by $NOTIFY_SOCKET. ``watchdog_s``: how often systemd wants a sign of life; 0 = never."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._path = environ.get("NOTIFY_SOCKET", "")
        own = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 if own else 0.0

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        # MONOTONIC_USEC is required with RELOADING=1 by Type=notify-reload, and harmless with Type=notify.
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._path:
            return
        # A leading @ means the abstract namespace, sd_notify(3).
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(message.encode(), address)
        except OSError:
            # systemd gone or its queue full: the daemon's work matters more than telling of it.
            pass
