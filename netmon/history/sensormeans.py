"""Five-minute means of the sensors in netmon.db, and by month the share of them within a regulation's limits."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from netmon.history.store import Store
from netmon.sensor_means import KEEP_S, SLOT_S, SensorMean

_KNOW = "INSERT OR IGNORE INTO sensor (name) VALUES (?)"
_IDS = "SELECT name, id FROM sensor"
_BEFORE = "SELECT count, total FROM sensor_mean WHERE slot = ? AND sensor = ?"
_SAVE = "INSERT OR REPLACE INTO sensor_mean VALUES (?, ?, ?, ?)"
_COUNT = """INSERT INTO sensor_month VALUES (?, ?, ?, ?) ON CONFLICT (month, sensor) DO UPDATE SET
    known = known + excluded.known, within = within + excluded.within"""
_FORGET = "DELETE FROM sensor_mean WHERE slot < ?"
# By slot, then by sensor: written in order of the key. A curve is one look-up per slot, whatever the number of sensors.
_READ = """WITH RECURSIVE found (slot) AS (
        SELECT :first WHERE :first < :end UNION ALL SELECT slot + 1 FROM found WHERE slot + 1 < :end)
    SELECT found.slot * :size, total / count FROM found JOIN sensor_mean m ON m.slot = found.slot
    AND m.sensor = (SELECT id FROM sensor WHERE name = :sensor) ORDER BY found.slot"""
_MONTH = "SELECT name, known, within FROM sensor_month JOIN sensor ON id = sensor WHERE month = ? ORDER BY name"

Limits = Mapping[str, tuple[float | None, float | None]]  # sensor -> what a regulation asks for
Curve = list[tuple[int, float]]  # (beginning, mean), oldest first


class Share(NamedTuple):
    """How many five-minute means of a sensor there are in a month, and how many of them lie within its limits."""

    sensor: str
    known: int
    within: int


class SensorMeans:
    """What the store keeps of them. All methods raise StoreError when the disk refuses. Months are the zone's."""

    def __init__(self, store: Store, zone: tzinfo) -> None:
        self._store = store
        self._zone = zone

    async def save(self, means: Sequence[SensorMean], limits: Limits, now: float) -> None:
        """Add them to what is there; forget what is too old. Limits count as they are now, never backwards."""

        def work(db: sqlite3.Connection) -> None:
            db.executemany(_KNOW, {(mean.sensor,) for mean in means})
            ids = dict(db.execute(_IDS).fetchall())
            for mean in means:
                self._add(db, ids[mean.sensor], mean, limits.get(mean.sensor, (None, None)))
            db.execute(_FORGET, ((now - KEEP_S) // SLOT_S,))

        await self._store.call(work)

    def _add(
        self, db: sqlite3.Connection, sensor: int, mean: SensorMean, limits: tuple[float | None, float | None]
    ) -> None:
        before = db.execute(_BEFORE, (mean.slot, sensor)).fetchone()
        count, total = mean.n, mean.total
        if before is not None:
            count, total = count + before[0], total + before[1]
        db.execute(_SAVE, (mean.slot, sensor, count, total))
        if limits == (None, None):
            return
        inside = _within(total / count, limits)
        was_inside = before is not None and _within(before[1] / before[0], limits)
        month = f"{datetime.fromtimestamp(mean.slot * SLOT_S, self._zone):%Y-%m}"
        db.execute(_COUNT, (month, sensor, int(before is None), int(inside) - int(was_inside)))

    async def read(self, sensors: Sequence[str], since: float, until: float) -> dict[str, Curve]:
        """Curves of some sensors over [since, until)."""
        first, end = int(-(-since // SLOT_S)), int(-(-until // SLOT_S))

        def work(db: sqlite3.Connection) -> dict[str, Curve]:
            asked = {"first": first, "end": end, "size": SLOT_S}
            return {name: db.execute(_READ, {**asked, "sensor": name}).fetchall() for name in sensors}

        return await self._store.call(work)

    async def month(self, month: str) -> list[Share]:
        """All sensors with limits that were heard in a month ("2026-11")."""
        return await self._store.call(lambda db: [Share(*row) for row in db.execute(_MONTH, (month,))])


def _within(value: float, limits: tuple[float | None, float | None]) -> bool:
    low, high = limits
    return (low is None or value >= low) and (high is None or value <= high)
