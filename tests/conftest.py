"""Shared by all tests: free ports, real servers that are there or are missed aloud, children that always end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail: what a property test checks is never how fast it is checked.
# The same examples at every run, so that a change is judged by what it changes; `make soak` looks for new ones.
QUIET = [HealthCheck.too_slow]
settings.register_profile("netmon", deadline=None, suppress_health_check=QUIET, derandomize=True)
settings.register_profile("soak", deadline=None, suppress_health_check=QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "netmon"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores it, and so would every program that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port on 127.0.0.1 that nobody listens on now."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def need(*programs: str) -> None:
    """Skip, saying what is missing; where NETMON_REQUIRE_LIVE=1 (CI) a missing server is a failure instead."""
    missing = [p for p in programs if not shutil.which(p, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")]
    if missing:
        text = f"not installed: {', '.join(missing)}"
        if os.environ.get("NETMON_REQUIRE_LIVE") == "1":
            pytest.fail(text)
        pytest.skip(text)


def need_root() -> None:
    """Skip without root (network namespaces); a failure where NETMON_REQUIRE_LIVE=1."""
    if os.geteuid() != 0:
        if os.environ.get("NETMON_REQUIRE_LIVE") == "1":
            pytest.fail("needs root")
        pytest.skip("needs root")


def shared(*parts: str) -> Path:
    """A path in the reference material that lies beside the checkout; skips, saying so, where that is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference material not beside the checkout: {'/'.join(parts)}")
    return path


def wait_until(check: Callable[[], object], timeout_s: float = 20.0, what: str = "condition") -> object:
    """Poll ``check`` until it returns something true; fail with ``what`` otherwise."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError, KeyError):
            if value := check():
                return value
        time.sleep(0.05)
    pytest.fail(f"not within {timeout_s:g} s: {what}")


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start child processes (output to tmp_path/NAME.log) that are ended by their own id when the test ends."""
    children: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, name: str = "", **kwargs: object) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"{name or Path(argv[0]).name}-{len(children)}.log").open("wb")
        child: subprocess.Popen[bytes]
        child = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, **kwargs)  # type: ignore[call-overload]
        children.append(child)
        return child

    yield start
    for child in reversed(children):
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    for child in reversed(children):
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(10)
