"""The writer against a real VictoriaMetrics through /api/v2/write."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from netmon.clock import Clock
from netmon.config import InfluxConfig
from netmon.history.spool import Batch, Spool
from netmon.influx import InfluxWriter
from netmon.influx_lines import Network, sample_line, snapshot_lines
from netmon.model import (
    Figure,
    Inventory,
    Line,
    LineSample,
    PollResult,
    Probe,
    Reading,
    Secret,
    Sensor,
    SensorType,
    Subject,
    Verdict,
    labels,
)
from tests.conftest import ROOT, free_port, need, wait_until

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


def server(spawn: Callable[..., subprocess.Popen[bytes]], folder: Path, port: int, retention: str = "1d") -> None:
    spawn("victoria-metrics", f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder}",
          f"-retentionPeriod={retention}", "-loggerLevel=ERROR", "-search.latencyOffset=0s")  # fmt: skip


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
        server(spawn, tmp_path / "vm", port)
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


def test_what_the_network_does_arrives_under_the_names_of_the_documentation(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]
) -> None:
    need("victoria-metrics")
    port = free_port()
    server(spawn, tmp_path / "vm", port)
    begin = int(Clock().now()) // 300 * 300 - 600
    inventory = Inventory(lines={"x-1": Line("x-1", "x", "core", Probe("none", ""))})
    down = Verdict(Subject("line", "x-1"), "down", begin + 7.0)
    cpu = Figure("netmon_device_cpu_ratio", labels(device="r", site="x"), 0.5)
    network = Network()
    network.look({down.subject: down}, inventory, begin + 9.0)
    lines = [
        *network.lines,
        sample_line(LineSample("x-1", begin, 0.25, 0.125, 0.012, 0.0, 0.001), inventory),
        *snapshot_lines([down], [PollResult("r", begin + 290.0, 1.0, ok=True, figures=(cpu,))], inventory, begin + 301),
    ]
    spool = Spool(tmp_path / "spool.db", 10**8)
    spool.put_parcel(lines, begin + 301.0)
    writer = InfluxWriter(InfluxConfig(url=f"http://127.0.0.1:{port}", interval_s=0.05), spool, inventory, Clock(),
                          backoff_s=(0.05, 0.1))  # fmt: skip
    writer.start()
    try:
        wait_until(lambda: spool.parcels == 0, what="the parcel is written")
        wait_until(lambda: len(export(port, '{__name__!=""}')) == 7, what="all series")
    finally:
        writer.stop()
        spool.close()
    found = {one["metric"]["__name__"]: one for one in export(port, '{__name__!=""}')}
    assert {name: one["values"] for name, one in found.items()} == {
        "line_in_ratio": [0.25], "line_out_ratio": [0.125], "line_rtt_s": [0.012], "line_loss_ratio": [0],
        "line_jitter_s": [0.001], "condition_code": [2, 2], "device_cpu_ratio": [0.5],
    }  # fmt: skip
    assert found["condition_code"]["timestamps"] == [(begin + 7) * 1000, (begin + 300) * 1000]
    assert found["line_rtt_s"]["metric"] == {"__name__": "line_rtt_s", "line": "x-1", "site": "x"}
    assert found["device_cpu_ratio"]["metric"]["device"] == "r"


def test_roll_ups_as_shipped(tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]) -> None:
    """deploy/rollups.yml over an hour of readings: vmalert reads from one server and writes to the other."""
    need("victoria-metrics", "vmalert")
    raw, long = free_port(), free_port()
    server(spawn, tmp_path / "raw", raw)
    server(spawn, tmp_path / "long", long, "400d")
    end = int(Clock().now()) // 300 * 300 - 600
    lines = [f"sensor,sensor=a,site=x value={n} {(end - 3600 + 60 * n) * 10**9}" for n in range(60)]
    request = urllib.request.Request(f"http://127.0.0.1:{raw}/api/v2/write", "\n".join(lines).encode(), method="POST")
    wait_until(lambda: urllib.request.urlopen(request, timeout=5).close() is None, what="written")
    wait_until(lambda: len(export(raw, "sensor_value")) == 1, what="readings")
    wait_until(lambda: export(long, "nothing") == [], what="the other server")
    moment = lambda at: datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: E731
    subprocess.run(
        [
            "vmalert", f"-rule={ROOT / 'deploy' / 'rollups.yml'}", f"-datasource.url=http://127.0.0.1:{raw}",
            f"-remoteWrite.url=http://127.0.0.1:{long}", f"-replay.timeFrom={moment(end - 1800)}",
            f"-replay.timeTo={moment(end)}", "-replay.rulesDelay=0s", f"-httpListenAddr=127.0.0.1:{free_port()}",
        ],
        check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    wait_until(lambda: len(export(long, '{__name__=~"sensor_value:.*"}')) == 3, what="three roll-ups")
    found = {one["metric"]["__name__"]: one for one in export(long, '{__name__=~"sensor_value:.*"}')}
    mean = dict(zip(found["sensor_value:avg5m"]["timestamps"], found["sensor_value:avg5m"]["values"], strict=True))
    # At `end` - 300 the window is the five readings up to a minute before: n = 50 to 54, of minutes -10 to -6.
    assert mean[(end - 300) * 1000] == 52
    low = dict(zip(found["sensor_value:min5m"]["timestamps"], found["sensor_value:min5m"]["values"], strict=True))
    assert low[(end - 300) * 1000] == 50
    assert found["sensor_value:max5m"]["metric"]["site"] == "x"
