"""Child processes of the bench: started, asked by lines of JSON, measured, and ended by their own id."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.report import ROOT

TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A part of the bench could not be measured, and why."""


class Child:
    """A process that answers every line on its standard input with a line of JSON."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._name = " ".join(argv[:4])
        self._popen = subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.pid = self._popen.pid

    def ask(self, line: str | dict[str, Any], timeout_s: float = 600.0) -> dict[str, Any]:
        """One line there, one back. Raises BenchError when it does not answer."""
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is told below
            self._popen.stdin.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
            self._popen.stdin.flush()
        return self.read(timeout_s)

    def read(self, timeout_s: float = 60.0) -> dict[str, Any]:
        """The next line it says."""
        assert self._popen.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._popen.stdout, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                raise BenchError(f"{self._name} did not answer within {timeout_s:g} s")
        line = self._popen.stdout.readline()
        if not line:
            raise BenchError(f"{self._name} ended by itself with status {self._popen.wait(10)}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End it: by the end of its input, else by force."""
        assert self._popen.stdin is not None and self._popen.stdout is not None
        with contextlib.suppress(OSError):
            self._popen.stdin.close()
        end(self._popen)
        self._popen.stdout.close()


def end(popen: subprocess.Popen[Any], patience_s: float = 15.0) -> None:
    """Wait for a child that was told to end; then ask it by signal, then force it."""
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            popen.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            popen.wait(patience_s)
            return


@contextmanager
def module(name: str, *args: str) -> Iterator[Child]:
    """A module of the bench as a child, until the block ends."""
    child = Child((sys.executable, "-m", f"bench.{name}", *args))
    try:
        yield child
    finally:
        child.close()


@contextmanager
def agents(devices: int, seed: int, layout: str) -> Iterator[tuple[Child, int]]:
    """The simulated agents and their port."""
    with agents_and_reflectors(devices, seed, layout) as (child, port, _):
        yield child, port


@contextmanager
def agents_and_reflectors(devices: int, seed: int, layout: str) -> Iterator[tuple[Child, int, int]]:
    """The same with the port of their STAMP reflectors."""
    with module("agent", "--devices", str(devices), "--seed", str(seed), "--layout", layout) as child:
        ports = child.read()
        yield child, int(ports["port"]), int(ports["stamp_port"])


@contextmanager
def netmon(devices: int, port: int, *, version: str = "2c", compact: bool = False) -> Iterator[Child]:
    """netmon's engine, poller and scheduler on these devices."""
    more = ("--compact",) if compact else ()
    with module("worker", "--devices", str(devices), "--port", str(port), "--version", version, *more) as child:
        child.read()
        yield child


def cpu_of(pid: int) -> float:
    """User and system seconds of a process and its threads, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wait_for(check: Any, timeout_s: float, what: str) -> None:
    """Until ``check`` is true. Raises BenchError."""
    limit = time.monotonic() + timeout_s
    while time.monotonic() < limit:
        with contextlib.suppress(OSError):
            if check():
                return
        time.sleep(0.05)
    raise BenchError(f"not within {timeout_s:g} s: {what}")
