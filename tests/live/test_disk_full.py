"""A real daemon whose disk fills up: it stops acknowledging, lives on, and goes on by itself when there is room."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import need, need_root, wait_until
from tests.live.broker import Broker, publish_all
from tests.live.sensor_daemon import SensorDaemon, sensor_ids, topic

pytestmark = pytest.mark.live

DISK_BYTES = 24_000_000
NOWHERE = "http://127.0.0.1:9"  # no database answers there, so everything stays in the spool


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    need_root()
    path = tmp_path / "disk"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)], check=False)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


class Filler:
    """A file that takes all room there is."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "filler"

    def fill(self) -> None:
        with self._path.open("ab", buffering=0) as out:
            for size in (1_000_000, 4096):
                try:
                    while True:
                        out.write(b"x" * size)
                except OSError:
                    pass

    def remove(self) -> None:
        self._path.unlink()


def values(daemon: SensorDaemon) -> list[float]:
    with closing(sqlite3.connect(f"file:{daemon.spool}?mode=ro", uri=True, timeout=5)) as db:
        return [value for (value,) in db.execute("SELECT value FROM reading ORDER BY id")]


def test_a_full_disk_stops_acknowledgements_never_the_daemon(
    tmp_path: Path, disk: Path, spawn: Callable[..., subprocess.Popen[bytes]]
) -> None:
    need("mosquitto")
    broker = Broker(tmp_path, spawn, tls=False)
    sensors = sensor_ids(3)
    daemon = SensorDaemon(tmp_path / "netmon", broker, sensors, influx_url=NOWHERE, state_dir=disk / "state")
    publisher = broker.publisher()
    filler = Filler(disk)
    sent = 0

    def publish(count: int) -> None:
        nonlocal sent
        messages = range(sent, sent + count)
        publish_all(
            publisher,
            ((topic(sensors[n % 3]), json.dumps([{"n": "t", "u": "Cel", "v": n}]).encode()) for n in messages),
        )
        sent += count

    try:
        daemon.start()
        publish(500)
        daemon.wait_stored(sent)
        filler.fill()
        publish(40_000)
        wait_until(lambda: "are not acknowledged" in daemon.log(), what="the log says what is wrong")
        wait_until(lambda: (daemon.metric('netmon_mqtt_events_total{event="commit_failed"}') or 0) >= 3, what="retries")
        assert daemon.stored() < sent
        assert daemon.metric("netmon_mqtt_connected") == 1
        assert daemon.get("/-/healthy").status == 200

        # Even what is started anew on a full disk watches on.
        daemon.kill()
        filler.fill()
        daemon.start()
        assert daemon.get("/-/healthy").status == 200

        filler.remove()
        wait_until(lambda: daemon.stored() >= sent, 60, "everything stored when there is room again")
        publish(100)
        daemon.wait_stored(sent)
        assert values(daemon) == list(range(sent)), "each once, in order"
        assert daemon.process is not None
        daemon.send(signal.SIGTERM)
        assert daemon.process.wait() == 0
    finally:
        daemon.end()
        publisher.disconnect()


def test_the_budget_is_alerted_before_anything_is_dropped(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]
) -> None:
    need("mosquitto")
    broker = Broker(tmp_path, spawn, tls=False)
    [sensor] = sensor_ids(1)
    daemon = SensorDaemon(
        tmp_path / "netmon", broker, [sensor], influx_url=NOWHERE, influx={"spool_max_bytes": "1MB"},
        alerts={"evaluate": "500ms"},
    )  # fmt: skip
    publisher = broker.publisher()
    sent = 0
    dropped = 'netmon_dropped_total{queue="spool"}'
    filling = 'netmon_alert_active{alertname="NetmonSpoolFilling",severity="warning"}'
    dropping = 'netmon_alert_active{alertname="NetmonDropping",severity="critical"}'

    def publish(count: int) -> None:
        nonlocal sent
        payload = json.dumps([{"n": "t", "u": "Cel", "v": 1}]).encode()
        publish_all(publisher, ((topic(sensor), payload) for _ in range(count)))
        sent += count
        daemon.wait_stored(sent)

    try:
        daemon.start()
        publish(100)
        while daemon.spool_ratio() < 0.82:  # a gauge of every second
            publish(100)
        wait_until(lambda: daemon.metric(filling), what="the alert that it fills up")
        assert daemon.metric(dropped) == 0, "told before anything was lost"
        while not daemon.metric(dropped):
            publish(1000)
        wait_until(lambda: daemon.metric(dropping), what="the alert that it drops")
        assert daemon.spool_ratio() <= 1
        rows = len(values(daemon))
        assert rows + (daemon.metric(dropped) or 0) == sent, "every reading is there or counted"
        assert rows > 1000
    finally:
        daemon.end()
        publisher.disconnect()
