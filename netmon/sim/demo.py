"""`netmon demo`: the simulated province in one process, the real daemon in another, messages on this terminal."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

from netmon.commands import loader
from netmon.errors import NetmonError
from netmon.inventory import Loaded

SNMP_PORT, STAMP_PORT = 16161, 18620
SAMPLE = "198.18.0.0/15"
START_TIMEOUT_S = 60.0


class _Sink(http.server.BaseHTTPRequestHandler):
    """Where the demo's channels deliver: the message is printed as a technician would see it."""

    got = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with contextlib.suppress(ValueError):
            text = json.loads(body)
            message = str(text.get("message") or text).strip().replace("\n", "\n   ")
            print(f"\n✉  [{self.path.strip('/')}] {message}\n", end="", flush=True)  # one write: they come at once
        type(self).got += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Demo:
    """One run. ``run()`` returns the exit status."""

    def __init__(self, *, config: str, port: int, duration_s: float, sites: int, faults: str, keep: str) -> None:
        self._base, self._port, self._duration_s = config, port, duration_s
        self._sites, self._faults, self._keep = sites, faults, keep

    def run(self) -> int:
        with contextlib.ExitStack() as stack:
            if self._keep:
                folder = Path(self._keep).absolute()
                folder.mkdir(parents=True, exist_ok=True)
            else:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netmon-demo-")))
            signal.signal(signal.SIGTERM, _as_interrupt)
            try:
                return self._run(folder, stack)
            except KeyboardInterrupt:
                print("\nnetmon demo: stopping")
                return 0

    def _run(self, folder: Path, stack: contextlib.ExitStack) -> int:
        if _taken(self._port):
            raise NetmonError(f"port {self._port} is in use; choose another with --port")
        if _in_use(folder):
            raise NetmonError(f"another demo runs in {folder}; choose another folder with --keep")
        say("reading the sample inventory")
        base = loader(self._base)()
        sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
        threading.Thread(target=sink.serve_forever, daemon=True, name="demo sink").start()
        stack.callback(sink.shutdown)
        broker_port = _free_port()
        config = self._write_config(folder, base, broker_port, sink.server_address[1])

        say("starting the simulated province")
        sim = self._start(stack, folder, "sim", "--faults", self._faults, "--broker-port", str(broker_port),
                          "--truth", str(folder / "truth.jsonl"), config=config)  # fmt: skip
        _wait(lambda: "simulated:" in (folder / "sim.log").read_text(), sim, folder / "sim.log")
        say((folder / "sim.log").read_text().split("simulated: ")[1].splitlines()[0])

        say("starting the daemon")
        daemon = self._start(stack, folder, "run", config=config)
        _wait(lambda: self._get("/-/ready") is not None, daemon, folder / "run.log")
        self._tell_what_to_see(folder)

        end = time.monotonic() + self._duration_s if self._duration_s else float("inf")
        while time.monotonic() < end:
            for child, log in ((sim, "sim.log"), (daemon, "run.log")):
                if child.poll() is not None:
                    raise NetmonError(f"{log.removesuffix('.log')} ended by itself:\n{_tail(folder / log)}")
            time.sleep(0.2)
        print("\n" + self._summary(), flush=True)
        return 0

    def _start(
        self, stack: contextlib.ExitStack, folder: Path, command: str, *args: str, config: Path
    ) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "netmon.cli", command, "--config", str(config), "--log-level", "INFO", *args]
        with (folder / f"{command}.log").open("wb") as log:
            # A session of its own: Ctrl-C reaches only this process, which ends the children in order.
            child = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        stack.callback(_end, child)
        return child

    def _write_config(self, folder: Path, base: Loaded, broker_port: int, sink_port: int) -> Path:
        channels = {}
        for name in base.config.notify.channels:
            url = f"json://127.0.0.1:{sink_port}/{name}"
            channels[name] = {"kind": "apprise", "form": "short", "url": url}
        config = {
            "inventory": self._inventory(folder, base),
            "state_dir": str(folder / "state"),
            "timezone": base.config.timezone,
            "language": base.config.language,
            "own_uplink": base.config.own_uplink,
            "address_map": {SAMPLE: _free_prefix(base)},
            "probe": {"kind": "stamp", "port": STAMP_PORT, "interval": "2s"},
            "snmp": {"port": SNMP_PORT, "interval": "5s"},
            "mqtt": {"host": "127.0.0.1", "port": broker_port, "tls": False},
            "alerts": {
                "recovered": "8s",
                "quiet_hours": "",  # whatever the time is where it runs
                "tell_after": dict.fromkeys(("node", "core", "province", "district", "commune"), "0s"),
            },
            "notify": {"channels": channels, "noc_phone": base.config.notify.noc_phone},
            "web": {"port": self._port, "token": {"file": str(self._token(folder))}},
        }
        path = folder / "netmon.yml"
        path.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    def _token(self, folder: Path) -> Path:
        """For what changes state from the page: made anew for each demo, and told on the terminal."""
        path = folder / "web-token"
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(4))
        return path

    def _inventory(self, folder: Path, base: Loaded) -> list[str]:
        """The sample's own files, or with --sites copies that hold only the first sites."""
        if not self._sites:
            return [str(Path(path).absolute()) for path in base.config.inventory]
        kept = set(list(base.inventory.sites)[: self._sites])
        (folder / "inventory").mkdir(exist_ok=True)
        files = []
        for number, path in enumerate(base.config.inventory):
            tree = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
            keep_sites(tree, kept)
            copy = folder / "inventory" / f"{number:02d}-{Path(path).name}"
            copy.write_text(_quoted_yaml(tree), encoding="utf-8")
            files.append(str(copy))
        return files

    def _tell_what_to_see(self, folder: Path) -> None:
        print(f"\n  The wall:     http://127.0.0.1:{self._port}/")
        print(f"  Metrics:      http://127.0.0.1:{self._port}/metrics")
        print(f"  API:          http://127.0.0.1:{self._port}/api/docs")
        print(f"  Token:        {(folder / 'web-token').read_text()} (to take an incident from its page)")
        print(f"  Command line: {sys.argv[0]} status --config {folder}/netmon.yml")
        if self._faults != "none":
            print(
                "\n  In the next minute a building loses its mains, a fibre is cut, and an aggregation point goes away."
            )
            print(
                "  Messages appear here as their readers get them: one per fault, with its cause; then that it is over."
            )
        print("\n  Ctrl-C stops everything.\n" if not self._duration_s else "", flush=True)

    def _get(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as response:
                body: bytes = response.read()
                return body
        except OSError:
            return None

    def _summary(self) -> str:
        summary: Any = json.loads(self._get("/api/v1/summary") or b"{}")
        incidents: Any = json.loads(self._get("/api/v1/incidents?which=all") or b"[]")
        metrics = (self._get("/metrics") or b"").decode()
        series = sum(1 for line in metrics.splitlines() if line and not line.startswith("#"))
        total, up = summary["sites"], summary["reachable"]
        seen = metrics.count("\nnetmon_sensor_last_seen_timestamp_seconds{")
        return (
            f"netmon demo: {total} sites: {up} up, {total - up} down; {seen} sensors seen; {series} series exposed; "
            f"{len(incidents)} incidents; {_Sink.got} messages sent"
        )


def keep_sites(tree: dict[str, Any], kept: Collection[str]) -> None:
    """Leave these sites alone in the tree of an inventory file, with what stands at none; a gateway takes its sensors
    along (they stand in one file)."""
    gone = {f"gateway:{g['id']}" for g in tree.get("gateways", ()) if g.get("site") and g["site"] not in kept}
    if "sites" in tree:
        tree["sites"] = [site for site in tree["sites"] if site["id"] in kept]
    for key in ("gateways", "sensors"):
        if key in tree:
            tree[key] = [t for t in tree[key] if not t.get("site") or t["site"] in kept]
    if gone:
        tree["sensors"] = [s for s in tree.get("sensors", ()) if s.get("via") not in gone]


def say(text: str) -> None:
    print(f"netmon demo: {text}", flush=True)


def _as_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _quoted_yaml(tree: object) -> str:
    """YAML with all text quoted, as the inventory demands."""

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')

    Dumper.add_representer(str, text)
    written: str = yaml.dump(tree, Dumper=Dumper, allow_unicode=True, sort_keys=False)
    return written


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _free_prefix(base: Loaded) -> str:
    """A loopback prefix for the province that no other simulation on this machine uses."""
    nodes = [n.probe for n in base.inventory.nodes.values() if n.probe and n.probe.kind == "tcp"]
    for octet in range(18, 250, 2):
        tcp = [(probe.port, probe.address.replace("198.18.", f"127.{octet}.", 1)) for probe in nodes]
        udp = [(SNMP_PORT, f"127.{octet}.0.1"), (STAMP_PORT, f"127.{octet}.0.1")]
        if not any(_taken(*at) for at in tcp) and not any(_taken(*at, socket.SOCK_DGRAM) for at in udp):
            return f"127.{octet}.0.0/15"
    raise NetmonError("the simulated province finds no free addresses on loopback")


def _taken(port: int, host: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    with socket.socket(socket.AF_INET, kind) as sock:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return True
        return False


def _in_use(folder: Path) -> bool:
    """Whether a daemon answers there: its configuration, logs and databases must not be written over."""
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(str(folder / "state" / "api.sock"))
        except OSError:
            return False
        return True


def _wait(check: Any, child: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    for mark in _dots():
        if check():
            print("\r", end="")
            return
        if child.poll() is not None or time.monotonic() > end:
            raise NetmonError(f"did not start; the end of its log:\n{_tail(log)}")
        if sys.stdout.isatty():
            print(f"\r  {mark}", end="", flush=True)
        time.sleep(0.2)


def _dots() -> Iterator[str]:
    while True:
        yield from "-\\|/"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        os.kill(child.pid, signal.SIGTERM)
    try:
        child.wait(30)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
