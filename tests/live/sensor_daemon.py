"""The real daemon with nothing but sensors to watch: a process on a real broker, to be killed and measured."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import free_port, wait_until
from tests.live.broker import PASSWORD, Broker
from tests.live.province import NETMON, Process, fetch, quoted_yaml

TICKS = os.sysconf("SC_CLK_TCK")


def topic(sensor: str) -> str:
    return f"province/room/{sensor}"


def sensor_ids(count: int) -> list[str]:
    return [f"s{number:05d}" for number in range(count)]


class SensorDaemon:
    """``netmon run`` in ``folder``, which keeps its state, configuration and log over its lives."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        sensors: Sequence[str],
        *,
        influx_url: str = "",
        prefix: str = "",  # of every topic
        **settings: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.prefix = prefix
        self.port = free_port()
        self.state_dir = Path(settings.pop("state_dir", folder / "state"))
        self.process: Process | None = None
        inventory = {
            "nodes": [{"id": "core", "kind": "core", "name": "Core"}],
            "sensor_types": [{"id": "room", "quantity": "temperature", "unit": "Cel", "silence": "1h"}],
            "sensors": [
                {"id": one, "type": "room", "topic": prefix + topic(one), "decoder": "senml", "node": "core"}
                for one in sensors
            ],
        }
        (folder / "inventory.yml").write_text(quoted_yaml(inventory), encoding="utf-8")
        (folder / "password").write_text(PASSWORD + "\n", encoding="utf-8")
        mqtt: dict[str, Any] = {"host": "127.0.0.1", "port": broker.port, "tls": broker.tls, "client_id": "netmon-test"}
        if broker.tls:
            mqtt |= {
                "ca_file": str(broker.folder / "ca.crt"),
                "username": "netmon",
                "password": {"file": str(folder / "password")},
            }
        tree: dict[str, Any] = {
            "inventory": ["inventory.yml"],
            "state_dir": str(self.state_dir),
            "web": {"port": self.port},
            "mqtt": mqtt | settings.pop("mqtt", {}),
        }
        if influx_url:
            (folder / "token").write_text("any\n", encoding="utf-8")
            tree["influx"] = {"url": influx_url, "token": {"file": str(folder / "token")}, "interval": "200ms"}
            tree["influx"] |= settings.pop("influx", {})
        (folder / "netmon.yml").write_text(yaml.safe_dump(tree | settings, sort_keys=False), encoding="utf-8")

    @property
    def spool(self) -> Path:
        return self.state_dir / "spool.db"

    def start(self) -> None:
        """Until it is connected and subscribed."""
        log = self.folder / "run.log"
        said = log.read_text(errors="replace").count("mqtt subscribed") if log.exists() else 0
        # As if systemd wanted a sign of life every 3 s: its own gauges are written every second then.
        env = {"WATCHDOG_USEC": "3000000"}
        self.process = Process(log, *NETMON, "run", "--config", str(self.folder / "netmon.yml"), env=env)
        self.process.wait_for(
            lambda: log.read_text(errors="replace").count("mqtt subscribed") > said, "the subscriptions"
        )

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send(number)

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        assert self.process is not None
        self.process.send(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        if self.process is not None:
            self.process.end()

    def log(self) -> str:
        return (self.folder / "run.log").read_text(errors="replace")

    def get(self, path: str) -> Any:
        return fetch(f"http://127.0.0.1:{self.port}{path}")

    def metric(self, series: str) -> float | None:
        """One series of the page without sites; None if it is not there."""
        for line in self.get("/metrics/self").text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == series:
                return float(value)
        return None

    def stored(self) -> int:
        """Rows ever spooled, read beside the daemon."""
        with contextlib.closing(sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True, timeout=5)) as db:
            found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'reading'").fetchone()
        return int(found[0]) if found else 0

    def spool_ratio(self) -> float:
        return self.metric("netmon_spool_used_ratio") or 0.0

    def wait_stored(self, rows: int, timeout_s: float = 60.0) -> None:
        wait_until(lambda: self.stored() >= rows, timeout_s, f"{rows} rows in the spool, now {self.stored()}")

    # --- what it costs -----------------------------------------------------------------------------------------------

    def cpu_s(self) -> float:
        """User and system time of the process so far (proc(5), /proc/PID/stat fields 14 and 15)."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_bytes(self) -> int:
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise OSError("no VmRSS")
