"""Times of readings end to end, and over a kill: both are kept, wrong clocks, late readings, replays."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need, wait_until
from tests.live.broker import Broker, publish_all
from tests.live.no_loss import Database
from tests.live.sensor_daemon import SensorDaemon, topic

pytestmark = pytest.mark.live

DAY_S = 86_400.0
FRESH, WRONG, REPLAY = "fresh", "wrong-clock", "replay"


def test_times_over_a_kill(tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]) -> None:
    need("mosquitto", "victoria-metrics")
    broker, database = Broker(tmp_path, spawn, tls=False), Database(tmp_path, spawn)
    url = f"http://127.0.0.1:{database.port}"
    daemon = SensorDaemon(tmp_path / "netmon", broker, [FRESH, WRONG, REPLAY], influx_url=url)
    publisher = broker.publisher()
    start = float(int(time.time()))

    def publish(sensor: str, value: float, at: float | None) -> None:
        record = {"n": "t", "u": "Cel", "v": value} | ({} if at is None else {"bt": at})
        publish_all(publisher, [(topic(sensor), json.dumps([record]).encode())])

    def view(sensor: str) -> dict[str, Any]:
        found: dict[str, Any] = next(s for s in daemon.get("/api/v1/sensors").json if s["id"] == sensor)
        return found

    def times(sensor: str) -> tuple[float, float]:
        """Device time and arrival of what is shown, as they survive a restart."""
        with contextlib.closing(sqlite3.connect(f"file:{daemon.spool}?mode=ro", uri=True, timeout=5)) as db:
            found: tuple[float, float]
            found = db.execute("SELECT at, received_at FROM last WHERE sensor = ?", (sensor,)).fetchone()
        return found

    def seen_at(sensor: str) -> float | None:
        return daemon.metric(f'netmon_sensor_last_seen_timestamp_seconds{{node="core",sensor="{sensor}"}}')

    def points(sensor: str) -> list[tuple[float, float]]:
        """(value, seconds) in the database, a point written twice counted once."""
        return sorted({(value, at / 1000) for name, value, at in database.points() if name == sensor})

    def replayed() -> bool:
        return bool(daemon.metric('netmon_mqtt_messages_total{result="retained"}'))

    try:
        old = json.dumps([{"n": "t", "u": "Cel", "v": 7, "bt": start - DAY_S}]).encode()
        publisher.publish(topic(REPLAY), old, qos=1, retain=True).wait_for_publish(5)
        daemon.start()

        # Both times are kept.
        publish(FRESH, 20.0, start - 10)
        wait_until(lambda: view(FRESH)["value"] == 20.0, what="a fresh reading")
        at, received_at = times(FRESH)
        assert at == start - 10
        assert received_at >= start

        # A wrong clock: the arrival counts, the reading is marked, the skew is told.
        publish(WRONG, 30.0, start - DAY_S)
        skew = f'netmon_sensor_clock_skew_seconds{{node="core",sensor="{WRONG}"}}'
        wait_until(lambda: daemon.metric(skew), what="the skew of the wrong clock")
        assert daemon.metric(skew) == pytest.approx(-DAY_S, abs=60)
        assert times(WRONG)[0] == times(WRONG)[1]
        wait_until(lambda: len(points(WRONG)) == 1, what="the marked reading in the database")
        assert points(WRONG)[0][1] == pytest.approx(time.time(), abs=60)
        marks = database.field("sensor_skew_s")
        assert [sensor for sensor, _, _ in marks] == [WRONG]

        # A late one goes to the history with its own time and changes nothing that is shown. So it is after a kill.
        wait_until(replayed, what="the replay")
        for life, late in enumerate((start - 120, start - 180)):
            before, seen = times(FRESH), seen_at(FRESH)
            publish(FRESH, 10.0 + life, late)
            wait_until(lambda at=late: at in [t for _, t in points(FRESH)], what="the late reading in the database")  # type: ignore[misc]
            assert (view(FRESH)["value"], times(FRESH), seen_at(FRESH)) == (20.0, before, seen)
            # A replay is shown where nothing else is known, but is no sign of life and no point of the history.
            assert view(REPLAY)["received_at"] is None
            assert seen_at(REPLAY) is None
            assert points(REPLAY) == []
            if life == 0:
                daemon.kill()
                daemon.start()
                wait_until(replayed, what="the replay after the kill")
        assert points(FRESH) == [(10.0, start - 120), (11.0, start - 180), (20.0, start - 10)]
    finally:
        daemon.end()
        publisher.disconnect()
