"""One simulated province in one kind of weather, the real daemon on it, and where messages arrive, all in real time.

Sites lose their line and aggregation points fail by a script made from a seed. What really happened is read from the
simulator's truth log, what netmon thought from its database, what was told from the sink.
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import random
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bench.children import BenchError, cpu_of
from bench.daemon import child, copy_sample, free_port, secret
from bench.report import ROOT, say
from bench.usual import router_of, usual
from netmon.commands import loader
from netmon.model import Inventory, Site
from netmon.sim.weather import Climate
from netmon.sim.world import Fault
from netmon.topology import Topology

NETMON = (sys.executable, "-m", "netmon.cli")
LASTS_S = 240.0  # long enough for the slowest contender to tell
AFTER_S = 330.0  # ... and to tell that it is over: Alertmanager's group_interval is five minutes
PAUSE_S = 90.0  # between two waves of faults: what was cut has been told as back (`recovered`)
LOOK_S = 5.0
CONTACT = {
    "id": "noc",
    "name": "NOC",
    "phone": "+84000000001",
    "audiences": ["technician", "noc", "ops", "owner", "leader"],
    "channels": ["sink"],
}


@dataclass(frozen=True, slots=True)
class Stage:
    """What a province goes through. ``minutes`` of ``climate``, counted from the readiness of the daemon on."""

    name: str
    climate: Climate
    minutes: float
    singles: int = 0
    cascades: int = 0
    waves: int = 2  # of faults, each over before the next
    usual: bool = False  # the usual stack runs beside netmon
    warm_s: float = 90.0  # before the first fault
    lasts_s: float = LASTS_S
    after_s: float = AFTER_S

    @property
    def window_s(self) -> float:
        """In which the faults of one wave begin."""
        rest_s = self.minutes * 60.0 - self.warm_s - self.after_s + PAUSE_S
        return rest_s / self.waves - self.lasts_s - PAUSE_S


class Cut(NamedTuple):
    """A fault as it was: a site whose line is cut, or a node (then ``sites`` are those below it)."""

    subject: str
    sites: tuple[str, ...]
    began_at: float  # UTC, as all below
    ended_at: float
    node: bool


class Post(NamedTuple):
    """What arrived at the sink."""

    at: float
    path: str
    body: dict[str, Any]


class Believed(NamedTuple):
    """An incident of netmon's."""

    id: int
    kind: str
    subject_kind: str
    subject: str
    began_at: float
    closed_at: float | None


@dataclass(slots=True)
class Outcome:
    """What there is to judge of one stage."""

    stage: Stage
    inventory: Inventory
    cuts: list[Cut] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    believed: list[Believed] = field(default_factory=list)
    intents: dict[str, tuple[int, str]] = field(default_factory=dict)  # id -> incident, change
    load: float = 0.0  # median of the one-minute load average
    cpu_s: dict[str, float] = field(default_factory=dict)


def faults_of(inventory: Inventory, stage: Stage, rng: random.Random) -> list[Fault]:
    """Which lines are cut and which nodes fail, times from the first wave on. Pure. Raises BenchError.

    The largest aggregation points fail; the cut sites are those of one line and a router, none below a node that fails,
    no two of one building, feeder or cable in a wave: such would be one incident.
    """
    topology = Topology(inventory)
    nodes = [n.id for n in inventory.nodes.values() if n.kind == "aggregation"]
    nodes = sorted(nodes, key=lambda n: (-len(topology.sites_below(n)), n))[: stage.cascades]
    below = {site for node in nodes for site in topology.sites_below(node)}
    sites = [site for site in inventory.sites.values() if site.id not in below and router_of(inventory, site.id)]
    pool = [site for site in sites if len(topology.lines_of(site.id)) == 1]
    rng.shuffle(pool)
    found = []
    for wave in range(stage.waves):
        begins_s = wave * (stage.window_s + stage.lasts_s + PAUSE_S)
        alone = _apart(pool, stage.singles // stage.waves)
        pool = [site for site in pool if site not in alone]
        lines = [topology.lines_of(site.id)[0] for site in alone]
        for kind, names in (("fibre", lines), ("node", nodes[wave :: stage.waves])):
            gap_s = stage.window_s / max(1, len(names))
            for number, name in enumerate(names):
                found.append(Fault(kind, name, begins_s + (number + rng.random()) * gap_s, stage.lasts_s))
    return found


def _apart(sites: Sequence[Site], count: int) -> list[Site]:
    """The first ``count`` that share nothing with each other."""
    found: list[Site] = []
    taken: set[tuple[str, str]] = set()
    for site in sites:
        groups = {(k, v) for k, v in (("b", site.building), ("p", site.power), ("c", site.cable)) if v}
        if len(found) < count and not groups & taken:
            found.append(site)
            taken |= groups
    if len(found) < count:
        raise BenchError(f"only {len(found)} of {count} sites of the sample can be cut at once")
    return found


def play(stage: Stage, seed: int, folder: Path, stop: threading.Event) -> Outcome:
    """The whole stage, in real time. Raises BenchError, also when it is to ``stop``."""
    place = folder / stage.name
    place.mkdir()
    snmp_port = free_port(socket.SOCK_DGRAM)
    truth, faults = place / "truth.jsonl", place / "faults.yml"
    faults.write_text("[]\n", encoding="utf-8")
    with sink() as (address, posts), ExitStack() as stack:
        port = free_port()
        config = _config(place, address, snmp_port, port)
        inventory = loader(str(config))().inventory
        script = faults_of(inventory, stage, random.Random(f"{stage.name} {seed}"))
        climate = ("--loss", str(stage.climate.loss_ratio), "--bursts", str(stage.climate.bad_s), "--seed", str(seed))
        log = place / "sim.log"
        argv: tuple[str, ...] = (
            *NETMON,
            "sim",
            "--config",
            str(config),
            "--faults",
            str(faults),
            "--truth",
            str(truth),
        )
        sim = stack.enter_context(
            child("the simulator", (*argv, *climate), log, lambda: "simulated:" in log.read_text())
        )
        argv = (*NETMON, "run", "--config", str(config))
        daemon = stack.enter_context(child("netmon", argv, place / "run.log", lambda: _ready(port)))
        ready = time.monotonic()
        pids = {"netmon": daemon.pid, "simulator": sim.pid}
        if stage.usual:
            pids |= stack.enter_context(usual(place, inventory, snmp_port, address))
        say(f"incidents: {stage.name}: all is ready")
        children = {"the simulator": sim, "netmon": daemon}
        loads = _wait(ready + stage.warm_s, children, stop)
        listed = [{"kind": f.kind, "target": f.target, "at": f.at_s, "duration": f.duration_s} for f in script]
        faults.write_text(json.dumps(listed), encoding="utf-8")
        sim.send_signal(signal.SIGHUP)
        loads += _wait(ready + stage.minutes * 60.0, children, stop)
        found = Outcome(stage, inventory, _cuts(truth, inventory), list(posts), load=statistics.median(loads))
        found.cpu_s = {name: round(cpu_of(pid), 2) for name, pid in pids.items()}
        if len(found.cuts) != len(script):
            raise BenchError(f"{stage.name}: {len(script)} faults were to happen, {len(found.cuts)} did")
        _read(place / "state" / "netmon.db", found)
    say(f"incidents: {stage.name}: over, load {found.load:g}")
    return found


@contextmanager
def sink() -> Iterator[tuple[str, list[Post]]]:
    """Where messages arrive: its URL without a path, and what came."""
    posts: list[Post] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at = time.time()
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            posts.append(Post(at, self.path, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", posts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _config(place: Path, sink_url: str, snmp_port: int, port: int) -> Path:
    """netmon's own defaults but for `tell_after`, and for what would keep so many faults in so few minutes back."""
    files = copy_sample(place)
    sample = ROOT / "inventory"
    everybody = "|".join(re.findall(r'- id: "([^"]+)"', (sample / "contacts.yml").read_text(encoding="utf-8")))
    for name in files:  # all messages go to one reader, as to one receiver of Alertmanager's
        text = (place / name).read_text(encoding="utf-8")
        (place / name).write_text(re.sub(f'"({everybody})"', f'"{CONTACT["id"]}"', text), encoding="utf-8")
    (place / "contacts.yml").write_text(json.dumps({"contacts": [CONTACT]}), encoding="utf-8")
    (place / "credentials.yml").write_text((sample / "credentials.yml").read_text(encoding="utf-8"), encoding="utf-8")
    levels = ("node", "core", "province", "district", "commune")
    tree = {
        "inventory": [*files, "credentials.yml"],
        "state_dir": str(place / "state"),
        "own_uplink": "node-core",
        "address_map": {"198.18.0.0/15": "127.18.0.0/15"},
        "probe": {"kind": "stamp", "port": free_port(socket.SOCK_DGRAM)},
        "snmp": {"port": snmp_port},
        "alerts": {
            "tell_after": dict.fromkeys(levels, "0s"),
            "storm_incidents": 1_000_000,
            "quiet_hours": "",
            "morning": "",
        },
        "notify": {
            "enabled": True,
            "noc_phone": "+84000000001",
            "channels": {
                "sink": {"kind": "http", "url": f"{sink_url}/netmon", "form": "sms", "per_minute": 6000, "burst": 1000}
            },
        },
        "web": {"port": port, "token": {"file": str(secret(place, "token", "bench-token"))}},
    }
    path = place / "netmon.yml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return path


def _ready(port: int) -> bool:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        line.request("GET", "/-/ready")
        return line.getresponse().status == 200
    finally:
        line.close()


def _wait(until: float, children: dict[str, subprocess.Popen[bytes]], stop: threading.Event) -> list[float]:
    """Load averages until then. Raises BenchError when a child ends meanwhile."""
    loads = [os.getloadavg()[0]]
    while (left := until - time.monotonic()) > 0:
        if stop.wait(min(left, LOOK_S)):
            raise BenchError("stopped")
        for name, popen in children.items():
            if popen.poll() is not None:
                raise BenchError(f"{name} ended by itself with status {popen.returncode}")
        loads.append(os.getloadavg()[0])
    return loads


def _cuts(truth: Path, inventory: Inventory) -> list[Cut]:
    """The faults that began and ended, in order."""
    topology, began, found = Topology(inventory), {}, []
    for line in truth.read_text(encoding="utf-8").splitlines() if truth.exists() else ():
        _, what, kind, target, utc = json.loads(line)
        if what == "begins":
            began[target] = utc
        else:
            node = kind == "node"
            subject = target if node else inventory.lines[target].site
            sites = tuple(topology.sites_below(target)) if node else (subject,)
            found.append(Cut(subject, sites, began.pop(target), utc, node))
    return sorted(found, key=lambda cut: cut.began_at)


def _read(database: Path, found: Outcome) -> None:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as db:
        columns = ", ".join(("id", "kind", "subject_kind", "subject", "began_at", "closed_at"))
        found.believed = [Believed(*row) for row in db.execute(f"SELECT {columns} FROM incident ORDER BY id")]
        found.intents = {i: (n, change) for i, n, change in db.execute("SELECT id, incident, change FROM intent")}
