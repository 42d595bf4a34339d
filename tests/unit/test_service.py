"""netmon.service: clean, hardened; and the notify protocol that it relies on."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from netmon.systemd import Notify, handed_over
from tests.conftest import ROOT, need

UNIT = ROOT / "netmon.service"
TRAPS = ROOT / "deploy" / "netmon-traps.socket"


def test_the_unit_verifies_with_no_finding(tmp_path: Path) -> None:
    need("systemd-analyze")
    # verify wants an executable that exists: the interpreter of this test stands in for /opt/netmon/.venv/bin/netmon.
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.M)
    copy = tmp_path / "netmon.service"
    copy.write_text(text)
    argv = ["systemd-analyze", "verify", "--recursive-errors=yes"]
    done = subprocess.run([*argv, str(copy)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    copy.write_text(text.replace("WatchdogSec", "WatchdogSecs"))
    done = subprocess.run([*argv, str(copy)], capture_output=True, text=True, timeout=60, check=False)
    assert "WatchdogSecs" in done.stderr, "the check must see a wrong key"


def test_the_socket_of_the_traps_verifies_beside_the_unit(tmp_path: Path) -> None:
    need("systemd-analyze")
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.M)
    (tmp_path / "netmon.service").write_text(text)
    copy = tmp_path / TRAPS.name
    argv = ["systemd-analyze", "verify", "--recursive-errors=yes", str(copy)]
    for text, told in (
        (TRAPS.read_text(), ""),
        (TRAPS.read_text().replace("ReceiveBuffer", "RecvBuffer"), "RecvBuffer"),
    ):
        copy.write_text(text)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert (done.stderr == "") if not told else (told in done.stderr)
    assert "FileDescriptorName=netmon-traps\n" in TRAPS.read_text(), "the name that netmon looks for"


CHILD = """
import os, sys
from netmon.systemd import handed_over
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[2]))
print([sock.getsockname()[1] for sock in handed_over(sys.argv[1], os.environ)])
"""


@pytest.mark.parametrize(
    ("name", "other_pid", "which"), [("netmon-traps", 0, [0, 2]), ("web", 0, [1]), ("no", 0, []), ("web", 1, [])]
)
def test_sockets_of_systemd_are_taken_by_name(name: str, other_pid: int, which: list[int]) -> None:
    """A child as systemd starts it: descriptors from 3 on, and whose they are in the environment."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    given = os.environ | {"LISTEN_FDS": "3", "LISTEN_FDNAMES": "netmon-traps:web:netmon-traps"}
    # The shell puts them where systemd would: copies first out of the way, as they may lie there already.
    copies = [fcntl.fcntl(sock, fcntl.F_DUPFD, 20 + n) for n, sock in enumerate(sockets)]
    shuffle = " ".join(f"{3 + n}<&{fd}" for n, fd in enumerate(copies))
    command = ["bash", "-c", f'exec "$@" {shuffle}', "bash", sys.executable, "-c", CHILD, name, str(other_pid)]
    try:
        done = subprocess.run(
            command, env=given, cwd=ROOT, pass_fds=copies, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        for fd in copies:
            os.close(fd)
        for sock in sockets:
            sock.close()
    assert (done.stdout.strip(), done.stderr) == (str([ports[n] for n in which]), "")


def test_without_systemd_no_socket_is_handed_over() -> None:
    assert handed_over("netmon-traps", {}) == []


def test_the_unit_is_exposed_at_most_2(tmp_path: Path) -> None:
    need("systemd-analyze")
    argv = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNIT)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    match = re.search(r"exposure level for netmon.service: ([\d.]+)", done.stdout)
    assert match, done.stdout + done.stderr
    assert float(match[1]) <= 2.0


def test_notify_speaks_to_the_socket_systemd_names(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(5)
        notify = Notify({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "30000000"})
        assert notify.watchdog_s == 30.0
        notify.ready("watching 310 sites")
        assert sock.recv(200) == b"READY=1\nSTATUS=watching 310 sites"
        notify.reloading()
        assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", sock.recv(200))
        notify.stopping()
        assert sock.recv(200) == b"STOPPING=1"


def test_notify_without_systemd_is_silent() -> None:
    notify = Notify({})
    notify.ready("x")
    notify.alive()
    assert notify.watchdog_s == 0.0


def test_a_watchdog_meant_for_another_process_is_not_ours() -> None:
    assert Notify({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s == 0.0
