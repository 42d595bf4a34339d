"""The real daemon on the sample inventory, all of whose addresses are those of the simulated agents."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.children import BenchError, end, wait_for
from bench.columns import COMMUNITY, as_yaml, profile
from bench.report import ROOT

TOKEN = "bench-token"
START_S = 90.0
HOURS = ('hours: "07:00-17:00"', 'hours: "06:59-17:00"')
_PROBE = re.compile(r"^ +probe: .*\n", re.MULTILINE)  # of a node: what is not said is probed as all others


class Daemon:
    """A running daemon."""

    def __init__(self, port: int, place: Path) -> None:
        self._port, self._place = port, place
        self._early = False

    def get(self, path: str, *, gzip: bool = False) -> tuple[int, bytes]:
        """Status and body as they came."""
        return self._ask("GET", path, {"Accept-Encoding": "gzip"} if gzip else {})

    def reload(self) -> None:
        """Change a site's office hours and have everything loaded anew. Raises BenchError where it is refused."""
        path = self._place / "sites" / "tinh.yml"
        was, will = HOURS if not self._early else HOURS[::-1]
        text = path.read_text(encoding="utf-8")
        if was not in text:
            raise BenchError(f"the sample has no site with {was}")
        path.write_text(text.replace(was, will, 1), encoding="utf-8")
        self._early = not self._early
        status, body = self._ask("POST", "/-/reload", {"Authorization": f"Bearer {TOKEN}"})
        if status != 200:
            raise BenchError(f"reload: {status} {body[:300]!r}")

    def metric(self, name: str) -> float:
        """A series without labels, from the page of netmon's own ones."""
        _, body = self.get("/metrics/self")
        found = re.search(rf"^{name} (\S+)$", body.decode(), re.MULTILINE)
        if found is None:
            raise BenchError(f"the daemon does not tell {name}")
        return float(found[1])

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        line = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            line.request(method, path, headers=headers)
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()


@contextmanager
def daemon(snmp_port: int, stamp_port: int, interval: str) -> Iterator[Daemon]:
    """A daemon that is ready, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="netmon-bench-") as folder:
        place = Path(folder)
        port = free_port()
        config = _write(place, snmp_port, stamp_port, port, interval)
        running = Daemon(port, place)
        argv = (sys.executable, "-m", "netmon.cli", "run", "--config", str(config))
        with child("the daemon", argv, place / "log", lambda: running.get("/-/ready")[0] == 200):
            yield running


@contextmanager
def child(name: str, argv: Sequence[str], log: Path, ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is ready, until the block ends. Raises BenchError where it ends before, or is not in time."""
    with log.open("wb") as out:
        popen = subprocess.Popen(argv, cwd=ROOT, stdout=out, stderr=out)
    try:

        def there() -> bool:
            if popen.poll() is not None:
                raise BenchError(f"{name} ended by itself: {log.read_text(errors='replace')[-800:]}")
            return ready()

        wait_for(there, START_S, f"{name} is ready")
        yield popen
    finally:
        popen.terminate()
        end(popen)


def _write(place: Path, snmp_port: int, stamp_port: int, port: int, interval: str) -> Path:
    files = copy_sample(place)
    credential = {"version": "2c", "community": {"file": str(secret(place, "community", COMMUNITY))}}
    text = (ROOT / "inventory" / "credentials.yml").read_text(encoding="utf-8")
    known = re.findall(r'^ +- id: "([^"]+)"', text, re.MULTILINE)
    (place / "credentials.yml").write_text(json.dumps({"credentials": [{"id": n, **credential} for n in known]}))
    (place / "generic.yml").write_text(as_yaml(profile()), encoding="utf-8")
    channels = {name: {"kind": "http", "url": "http://127.0.0.1:9/"} for name in ("email", "sms")}
    config = {
        "inventory": [*files, "credentials.yml"],
        "profiles": ["generic.yml"],
        "state_dir": str(place / "state"),
        "own_uplink": "node-core",
        "address_map": {"198.18.0.0/15": "127.40.0.0/15"},
        "probe": {"kind": "stamp", "port": stamp_port},
        "snmp": {"port": snmp_port, "interval": interval},
        "notify": {"enabled": False, "noc_phone": "+84000000001", "channels": channels},
        "web": {"port": port, "token": {"file": str(secret(place, "token", TOKEN))}},
    }
    path = place / "netmon.yml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def copy_sample(place: Path) -> list[str]:
    """The sample inventory without its credentials, every node probed as all others are; the names of its files."""
    sample = ROOT / "inventory"
    files = ["areas.yml", "nodes.yml", "sensor_types.yml", "decoders.yml", "sensors-town.yml", "contacts.yml"]
    files += [f"sites/{path.name}" for path in sorted((sample / "sites").glob("*.yml"))]
    (place / "sites").mkdir()
    for name in files:
        text = (sample / name).read_text(encoding="utf-8")
        (place / name).write_text(_PROBE.sub("", text) if name == "nodes.yml" else text, encoding="utf-8")
    return files


def secret(place: Path, name: str, text: str) -> Path:
    path = place / name
    path.touch(mode=0o600)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """One that nobody listens on, of TCP or UDP (SOCK_DGRAM)."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
