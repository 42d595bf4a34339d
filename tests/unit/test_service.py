"""netmon.service: clean, hardened; and the notify protocol that it relies on."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

from netmon.systemd import Notify
from tests.conftest import ROOT, need

UNIT = ROOT / "netmon.service"


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
