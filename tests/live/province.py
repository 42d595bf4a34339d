"""The real daemon on a simulated province, both as processes of their own, and what a test asks them."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from netmon.commands import loader
from netmon.model import Inventory
from netmon.sim.demo import keep_sites
from netmon.sim.world import Fault
from tests.conftest import ROOT, free_port, wait_until

TOKEN = "chìa khoá-1"
NETMON = (sys.executable, "-m", "netmon.cli")
SAMPLE = ROOT / "inventory" / "netmon.yml"
START_S = 60.0
# Enough of each kind: lines to the core with a UPS, two sites below one node with sensors, a site with two lines.
FEW = ("ldld-tinh", "hoi-nong-dan-tinh", "ubnd-loc-ninh", "huyen-uy-loc-ninh", "tt-cntt-tt", "ubnd-phuoc-long")
# So few are confirmed lost within two seconds; the whole province is asked as in the demo.
QUICK = {
    "probe": {"interval": "1s", "burst_count": 5, "burst_spacing": "200ms"},
    "snmp": {"timeout": "300ms", "retries": 1},
}


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP, whatever its status."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def fetch(url: str, *, method: str = "GET", token: str = "") -> Answer:
    request = urllib.request.Request(url, method=method)
    if token:
        request.add_header("Authorization", b"Bearer " + token.encode())  # type: ignore[arg-type]
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Answer(response.status, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read())


class Sink:
    """Where messages are delivered: every one is kept as the gateway would see it."""

    def __init__(self) -> None:
        self.got: list[dict[str, str]] = []
        self.got_at: list[float] = []  # UTC, beside each
        got, got_at = self.got, self.got_at

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got_at.append(time.time())
                got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Process:
    """A child whose output goes to a file; ended by its own id."""

    def __init__(self, log: Path, *argv: str, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as out:
            self._popen = subprocess.Popen(argv, stdout=out, stderr=out, env={**os.environ, **(env or {})})
        self.pid = self._popen.pid

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def status(self) -> int | None:
        return self._popen.poll()

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def wait(self, timeout_s: float = 30.0) -> int:
        return self._popen.wait(timeout_s)

    def wait_for(self, check: Callable[[], object], what: str) -> None:
        """Until ``check`` is true; fails with the end of the log where the process ends before."""

        def there() -> bool:
            if self.status is not None:
                pytest.fail(f"ended by itself with status {self.status}:\n{self.text[-2000:]}")
            return bool(check())

        wait_until(there, START_S, f"{what}, log {self.log}")

    def end(self) -> None:
        if self.status is None:
            self.send(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.send(signal.SIGKILL)
                self.wait()


def free_udp_port() -> int:
    return free_port(socket.SOCK_DGRAM)


class Province:
    """One configuration with its ports, simulator, daemon and sink. Everything it wrote is in ``folder``."""

    def __init__(self, folder: Path, sites: Collection[str] = (), **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.path = folder / "netmon.yml"
        self.sink = Sink()
        self.web_port, self.broker_port = free_port(), free_port()
        self.truth_file, self.faults_file = folder / "truth.jsonl", folder / "faults.yml"
        self.faults_file.write_text("[]\n")
        self.sim: Process | None = None
        self.daemon: Process | None = None
        self._started: list[Process] = []
        (folder / "token").write_text(TOKEN + "\n")
        base = loader(str(SAMPLE))()
        self.files = _copies(folder / "inventory", base.config.inventory, sites)
        self.settings = _merged(self._settings(), settings)
        self.write()
        self.inventory: Inventory = loader(str(self.path))().inventory

    def _settings(self) -> dict[str, Any]:
        channel = {"kind": "http", "form": "sms", "url": self.sink.url}
        return {
            "inventory": self.files,
            "state_dir": str(self.folder / "state"),
            "own_uplink": "node-core",
            "address_map": {"198.18.0.0/15": "127.18.0.0/15"},
            "probe": {"kind": "stamp", "port": free_udp_port(), "interval": "2s"},
            "snmp": {"port": free_udp_port(), "interval": "5s"},
            "mqtt": {"host": "127.0.0.1", "port": self.broker_port, "tls": False},
            "alerts": {
                "recovered": "4s",
                "evaluate": "1s",
                "tell_after": dict.fromkeys(("node", "core", "province", "district", "commune"), "0s"),
            },
            "notify": {"channels": {"email": channel, "sms": channel}, "noc_phone": "+84000000001"},
            "web": {"port": self.web_port, "token": {"file": str(self.folder / "token")}},
        }

    def write(self, **settings: Any) -> None:
        """netmon.yml anew, with these settings over the usual ones."""
        tree = _merged(self.settings, settings)
        self.path.write_text(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False), encoding="utf-8")

    def edit_site(self, site: str, change: Callable[[dict[str, Any]], None] | None) -> None:
        """Change what the inventory says of a site; None takes the site out."""
        for path in map(Path, self.files):
            tree = yaml.safe_load(path.read_text(encoding="utf-8"))
            found = next((entry for entry in tree.get("sites", ()) if entry["id"] == site), None)
            if found is None:
                continue
            if change is None:
                tree["sites"].remove(found)
            else:
                change(found)
            path.write_text(quoted_yaml(tree), encoding="utf-8")
            return
        raise KeyError(site)

    # --- processes ---------------------------------------------------------------------------------------------------

    def start_sim(self, *more: str) -> None:
        log = self.folder / "sim.log"
        self.sim = Process(
            log, *NETMON, "sim", "--config", str(self.path), "--faults", str(self.faults_file), "--truth",
            str(self.truth_file), "--broker-port", str(self.broker_port), "--log-level", "INFO", *more,
        )  # fmt: skip
        self._started.append(self.sim)
        self.sim.wait_for(lambda: "simulated:" in log.read_text(), "the simulated province")

    def start_daemon(self, *, ready: bool = True, env: Mapping[str, str] | None = None) -> Process:
        self.daemon = Process(self.folder / "run.log", *NETMON, "run", "--config", str(self.path), env=env)
        self._started.append(self.daemon)
        if ready:
            self.daemon.wait_for(lambda: self.get("/-/ready").status == 200, "readiness")
        return self.daemon

    def close(self) -> None:
        for process in reversed(self._started):
            process.end()
        self.sink.close()

    # --- what is asked -----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def log(self) -> str:
        return (self.folder / "run.log").read_text(errors="replace")

    def get(self, path: str) -> Answer:
        return fetch(self.url + path)

    def incidents(self, which: str = "all") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/api/v1/incidents?which={which}&lang=en").json
        return found

    def incidents_of(self, *subjects: str) -> list[dict[str, Any]]:
        """Every incident whose subject is one of these, open or closed."""
        return [i for i in self.incidents() if i["subject"] in subjects]

    def metrics(self) -> dict[str, float]:
        """Series of /metrics that bear no time, each written as it stands there."""
        pairs = (line.rpartition(" ") for line in self.get("/metrics").text.splitlines() if not line.startswith("#"))
        return {series: float(value) for series, _, value in pairs}

    def metric(self, series: str) -> float | None:
        """One series of them; None if it is not there."""
        return self.metrics().get(series)

    def rows(self, query: str, *args: object) -> list[tuple[Any, ...]]:
        """Reads netmon.db beside the daemon."""
        with closing(sqlite3.connect(f"file:{self.folder}/state/netmon.db?mode=ro", uri=True, timeout=5)) as db:
            return db.execute(query, args).fetchall()

    # --- what happens ------------------------------------------------------------------------------------------------

    def happen(self, *faults: Fault) -> None:
        """Let these faults happen; their times count from now."""
        assert self.sim is not None
        told = len(self.truth())
        listed = [{"kind": f.kind, "target": f.target, "at": f.at_s, "duration": f.duration_s} for f in faults]
        self.faults_file.write_text(yaml.safe_dump(listed))
        self.sim.send(signal.SIGHUP)
        wait_until(lambda: len(self.truth()) > told, what="the first fault to begin")

    def truth(self) -> list[tuple[float, str, str, str, float]]:
        """(seconds since the start, begins or ends, kind, target, UTC) of every fault so far."""
        if not self.truth_file.exists():
            return []
        return [tuple(json.loads(line)) for line in self.truth_file.read_text().splitlines()]

    def truth_at(self, what: str, target: str) -> float | None:
        """When the latest fault of ``target`` began or ended, UTC; None if it did not yet."""
        return next((utc for _, did, _, who, utc in reversed(self.truth()) if did == what and who == target), None)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    tree = dict(base)
    for key, value in over.items():
        old = tree.get(key)
        tree[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return tree


def few_sites(folder: Path, **settings: Any) -> Province:
    """A province of a few sites that is quick to start and to judge."""
    return Province(folder, FEW, **_merged(QUICK, settings))


class _Quoted(yaml.SafeDumper):
    """All text in quotes, as the inventory demands."""


_Quoted.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def quoted_yaml(tree: object) -> str:
    text: str = yaml.dump(tree, Dumper=_Quoted, allow_unicode=True, sort_keys=False)
    return text


def _copies(folder: Path, files: Collection[str], sites: Collection[str]) -> list[str]:
    """The sample's files, with only these sites and their sensors if any are named, on ports that nobody uses."""
    folder.mkdir()
    copies = []
    for number, path in enumerate(files):
        tree = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        for node in tree.get("nodes", ()):
            if node.get("probe", {}).get("kind") == "tcp":
                node["probe"]["port"] = free_port()
        if sites:
            keep_sites(tree, sites)
            if "sites" in tree and not tree["sites"]:
                continue
        copy = folder / f"{number:02d}-{Path(path).name}"
        copy.write_text(quoted_yaml(tree), encoding="utf-8")
        copies.append(str(copy))
    return copies
