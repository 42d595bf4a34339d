"""`netmon demo` without a person: it ends 0 with one summary line."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import ROOT, free_port, need, wait_until
from tests.live.province import NETMON, SAMPLE, fetch

pytestmark = pytest.mark.live

SUMMARY = re.compile(
    r"^netmon demo: (\d+) sites: (\d+) up, (\d+) down; (\d+) sensors seen; (\d+) series exposed; "
    r"(\d+) incidents; (\d+) messages sent$",
    re.MULTILINE,
)


def demo(*args: str) -> tuple[list[int], str]:
    """The numbers of the one summary line, and all that was printed."""
    need("mosquitto")
    argv = [*NETMON, "demo", "--config", str(SAMPLE), "--port", str(free_port()), *args]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=150, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    [line] = SUMMARY.findall(done.stdout)
    return [int(number) for number in line], done.stdout


def test_whole_province() -> None:
    (total, up, down, sensors, series, _, messages), text = demo("--duration", "8")
    assert total == 310
    assert up + down == 310
    assert sensors > 150
    assert series > 30_000
    assert messages == text.count("✉")
    assert "http://127.0.0.1:" in text


def test_few_sites_without_faults() -> None:
    numbers, _ = demo("--duration", "2", "--sites", "20", "--no-faults")
    assert numbers[:3] == [20, 20, 0]
    assert numbers[5:] == [0, 0]


def test_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        argv = [*NETMON, "demo", "--config", str(SAMPLE), "--port", port]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"netmon: port {port} is in use; choose another with --port\n"


def test_interrupted(spawn: Callable[..., subprocess.Popen[bytes]]) -> None:
    """Ctrl-C ends everything that the demo started, in order."""
    need("mosquitto")
    port = free_port()
    child = spawn(*NETMON, "demo", "--config", str(SAMPLE), "--port", str(port), "--sites", "20", name="demo")
    wait_until(lambda: fetch(f"http://127.0.0.1:{port}/-/ready").status == 200, 60, "the demo's page")
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 0
    with pytest.raises(OSError, match="refused"):
        fetch(f"http://127.0.0.1:{port}/-/ready")
