"""The writer against a real VictoriaMetrics through /api/v2/write."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netmon.clock import Clock
from netmon.config import InfluxConfig
from netmon.history.spool import Batch, Spool
from netmon.influx import InfluxWriter
from netmon.model import Inventory, Reading, Secret, Sensor, SensorType
from tests.conftest import free_port, need, wait_until

pytestmark = pytest.mark.live

INVENTORY = Inventory(
    sensor_types={"room-temperature": SensorType("room-temperature", "temperature", "Cel")},
    sensors={
        "phong-may": Sensor("phong-may", "room-temperature", "t", "senml", site="ubnd-loc-thanh"),
        "tủ điện, số=2": Sensor("tủ điện, số=2", "room-temperature", "t", "senml"),
    },
)


def export(port: int, match: str) -> list[dict[str, Any]]:
    """All that is stored; new series are made visible at once instead of after seconds."""
    base = f"http://127.0.0.1:{port}"
    urllib.request.urlopen(f"{base}/internal/force_flush", timeout=5).close()
    url = f"{base}/api/v1/export?{urllib.parse.urlencode({'match[]': match})}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def test_readings_arrive_with_tags_and_times_even_after_an_outage(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]
) -> None:
    need("victoria-metrics")
    port = free_port()
    now = float(int(Clock().now()))
    spool = Spool(tmp_path / "spool.db", 10**8)
    spool.append(Batch([Reading("phong-may", 20.0 + n, now - 60 + n) for n in range(3)]))
    config = InfluxConfig(url=f"http://127.0.0.1:{port}", token=Secret("any"), interval_s=0.05, batch=2)
    writer = InfluxWriter(config, spool, INVENTORY, Clock(), backoff_s=(0.05, 0.1))
    writer.start()
    try:
        wait_until(lambda: writer.stats["failed_connect"], what="a failure while the server is away")
        assert spool.rows == 3
        spawn("victoria-metrics", f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={tmp_path}/vm",
              "-retentionPeriod=1d", "-loggerLevel=ERROR", "-search.latencyOffset=0s")  # fmt: skip
        spool.append(Batch([Reading("tủ điện, số=2", -1.5, now, at=now - 5)]))
        wait_until(lambda: spool.rows == 0, what="the spool is empty")
        wait_until(lambda: len(export(port, "sensor_value")) == 2, what="both series")
    finally:
        writer.stop()
        spool.close()
    series = {one["metric"]["sensor"]: one for one in export(port, "sensor_value")}
    room = series["phong-may"]
    assert room["metric"]["site"] == "ubnd-loc-thanh"
    assert room["metric"]["quantity"] == "temperature"
    assert room["values"] == [20, 21, 22]
    assert room["timestamps"] == [int((now - 60 + n) * 1000) for n in range(3)]
    box = series["tủ điện, số=2"]
    assert box["values"] == [-1.5]
    assert box["timestamps"] == [int((now - 5) * 1000)], "a reading keeps the device's own time"
    assert writer.ok
    assert writer.stats["written"] == 4
