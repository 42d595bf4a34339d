"""snmpsim in a virtual environment of its own: an agent that is not ours, to replay captures of real devices."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import free_port

PACKAGES = ["snmpsim==1.2.2", "pysmi==2.0.0", "pysnmp==7.1.30"]
COMMAND = "snmpsim-command-responder"


def _home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "netmon-snmpsim"


def _missing(text: str) -> str:
    if os.environ.get("NETMON_REQUIRE_LIVE") == "1":
        pytest.fail(text)
    pytest.skip(text)


def _python() -> str:
    """A Python that has gdbm or ndbm, which snmpsim keeps its index in; Debian's own has, with python3-gdbm."""
    for python in ("/usr/bin/python3", sys.executable):
        if (
            Path(python).exists()
            and not subprocess.run([python, "-c", "import dbm.gnu"], capture_output=True).returncode
        ):
            return python
    return _missing("no Python with gdbm (Debian: python3-gdbm)")


def snmpsim_command() -> str:
    """Path of snmpsim's responder, installed on first use into the user's cache folder."""
    command = _home() / "venv" / "bin" / COMMAND
    if command.exists():
        return str(command)
    shutil.rmtree(_home() / "venv", ignore_errors=True)
    _home().mkdir(parents=True, exist_ok=True)
    for argv in (
        [_python(), "-m", "venv", str(_home() / "venv")],
        [str(_home() / "venv" / "bin" / "pip"), "install", "--quiet", *PACKAGES],
    ):
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(_home() / "venv", ignore_errors=True)
            _missing(f"snmpsim cannot be installed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return str(command)


@contextmanager
def snmpsim(captures: list[Path]) -> Iterator[int]:
    """Serve captures on 127.0.0.1; yields the port. The community of each is its file's name without the ending."""
    command = snmpsim_command()
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="netmon-snmpsim-"))
    folder.chmod(0o755)
    shown, cache = folder / "shown", folder / "cache"
    shown.mkdir(mode=0o755)
    cache.mkdir()
    cache.chmod(0o777)  # snmpsim gives up root before it writes there
    for capture in captures:
        (shown / capture.name).write_bytes(capture.read_bytes())
        (shown / capture.name).chmod(0o644)
    argv = [command, f"--data-dir={shown}", f"--cache-dir={cache}", f"--agent-udpv4-endpoint=127.0.0.1:{port}"]
    if os.geteuid() == 0:
        argv += ["--process-user=nobody", "--process-group=nogroup"]
    log = (folder / "log").open("wb")
    child = subprocess.Popen([*argv, "--log-level=error"], stdout=log, stderr=subprocess.STDOUT, cwd=shown)
    try:
        yield port
    except BaseException:
        print((folder / "log").read_text(errors="replace")[-3000:])
        raise
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(10)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
