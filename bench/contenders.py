"""The contenders of the CPU comparison. Each polls devices once per round and says what that cost and brought."""

from __future__ import annotations

import http.client
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.children import BenchError, cpu_of, end, module, netmon, wait_for
from bench.columns import COLUMNS, COMMUNITY, as_yaml, dotted, exporter_modules
from bench.devices import address

EXPORTER, BULKWALK = "prometheus-snmp-exporter", "snmpbulkwalk"
AT_ONCE = 4  # scrapes or programs at once: enough to keep two cores busy
_SERIES = re.compile("^(?:" + "|".join(column.name for column in COLUMNS) + r")\{", re.MULTILINE)


class Round(NamedTuple):
    """What one round of a contender cost and brought. ``series``: of the useful columns."""

    cpu_s: float
    wall_s: float
    polls: int
    ok: int
    series: int


class Contender(NamedTuple):
    """``poll(first, count)`` polls so many devices once; ``devices``: how many a round takes."""

    name: str
    devices: int
    poll: Callable[[int, int], Round]
    text: Callable[[int], str] | None = None  # the exposition of one device, where it makes one


def _round(told: dict[str, Any]) -> Round:
    return Round(*(told[key] for key in Round._fields))


@contextmanager
def netmon_poller(version: str, devices: int, port: int) -> Iterator[Contender]:
    """netmon itself, ``version`` 2c or 3."""
    with netmon(devices, port, version=version) as child:

        def poll(first: int, count: int) -> Round:
            return _round(child.ask({"do": "round", "first": first, "count": count, "fold": False}))

        def text(number: int) -> str:
            return "".join(child.ask({"do": "text", "number": number})["text"].values())

        yield Contender(f"netmon_v{version}", devices, poll, text)


@contextmanager
def exporter() -> Iterator[tuple[str, int]]:
    """Debian's snmp_exporter with the bench's modules: its address and its process id."""
    need(EXPORTER)
    with tempfile.TemporaryDirectory(prefix="netmon-bench-") as folder, socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{sock.getsockname()[1]}"
        sock.close()
        config, log = Path(folder) / "snmp.yml", Path(folder) / "log"
        config.write_text(as_yaml(exporter_modules()), encoding="utf-8")
        argv = (EXPORTER, f"--config.file={config}", f"--web.listen-address={at}")
        with log.open("wb") as out:
            child = subprocess.Popen(argv, stdout=out, stderr=out)
        try:

            def answers() -> bool:
                if child.poll() is not None:
                    raise BenchError(f"{EXPORTER} ended by itself: {log.read_text(errors='replace')[-500:]}")
                return fetch(at, "/")[0] == 200

            wait_for(answers, 30, f"{EXPORTER} answers")
            yield at, child.pid
        finally:
            child.send_signal(signal.SIGTERM)
            end(child)


def fetch(at: str, path: str) -> tuple[int, str]:
    """Status and body of one GET."""
    line = http.client.HTTPConnection(at, timeout=60)
    try:
        line.request("GET", path)
        answer = line.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        line.close()


def scraped(at: str, pid: int, version: str, devices: int, port: int) -> Contender:
    """snmp_exporter, asked over HTTP as Prometheus does."""

    def text(number: int) -> str:
        status, body = fetch(at, f"/snmp?module=v{version}&target={address(number)}:{port}")
        return body if status == 200 else ""

    def poll(first: int, count: int) -> Round:
        before = cpu_of(pid), time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = [len(_SERIES.findall(body)) for body in pool.map(text, range(first, first + count))]
        cpu, wall = cpu_of(pid) - before[0], time.monotonic() - before[1]
        return Round(cpu, wall, count, sum(1 for n in found if n), sum(found))

    return Contender(f"snmp_exporter_v{version}", devices, poll, text)


@contextmanager
def pysnmp(devices: int, port: int) -> Iterator[Contender]:
    """pysnmp, v2c."""
    with module("pysnmp_worker", "--port", str(port)) as child:

        def poll(first: int, count: int) -> Round:
            return _round(child.ask({"first": first, "count": count}))

        yield Contender("pysnmp_v2c", devices, poll)


def net_snmp(devices: int, port: int) -> Contender:
    """net-snmp's snmpbulkwalk once per column, v2c, without MIB files; the CPU is that of the programs."""
    need(BULKWALK)
    argv = [BULKWALK, "-v2c", f"-c{COMMUNITY}", "-m", "", "-On", "-Cr25", "-t5", "-r2"]

    def walk(number: int) -> int:
        found = 0
        for column in COLUMNS:
            at = dotted(column.oid)
            done = subprocess.run([*argv, f"{address(number)}:{port}", at], capture_output=True, text=True, check=False)
            lines = done.stdout.splitlines()
            found += sum(1 for line in lines if line.startswith(f".{at}.") and "No more variables" not in line)
        return found

    def poll(first: int, count: int) -> Round:
        before = _children_s(), time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(walk, range(first, first + count)))
        cpu, wall = _children_s() - before[0], time.monotonic() - before[1]
        return Round(cpu, wall, count, sum(1 for n in found if n), sum(found))

    return Contender("net_snmp_v2c", devices, poll)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def need(program: str) -> None:
    """Raises BenchError where it is not installed."""
    if shutil.which(program) is None:
        raise BenchError(f"{program} is not installed")
