"""Readings on disk, on their way to the sinks: committed before they are acknowledged, gone when all sinks have them.

One SQLite file (WAL, synchronous=FULL) and one thread that owns it; every method may be called from any thread and
returns when its work is committed. A method raises SpoolError when the disk refuses; nothing is then half done.
"""

from __future__ import annotations

import logging
import sqlite3
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from netmon.errors import NetmonError
from netmon.history import parcels, spooldb
from netmon.model import Reading, SensorState, Word
from netmon.state import SensorView

log = logging.getLogger(__name__)
T = TypeVar("T")

QUARANTINE_ROWS = 1000
QUARANTINE_BYTES = 4096  # of one payload
SEEN_IDS = 32_768  # half of all packet ids (MQTT 5, section 2.2.1: two bytes): older deliveries were acknowledged ...
SEEN_CHECK = 100  # ... and their marks are dropped once in so many commits
FULL_TO = 0.95  # when the budget is spent, the oldest rows go until this much of it is in use
_MARK = struct.Struct("!H8s")
_POINT = struct.Struct("<dd")  # of a trail: moment, value


class SpoolError(NetmonError):
    """The spool could not be read or written; ``full`` when the disk has no room."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        self.full = full
        super().__init__(message)


class Bad(NamedTuple):
    """A message or a row that was put aside, and why."""

    received_at: float
    topic: str
    reason: str
    detail: str
    payload: bytes


class Row(NamedTuple):
    """One spooled reading; ``id`` grows."""

    id: int
    reading: Reading


@dataclass(slots=True)
class Batch:
    """What is committed together: readings for the sinks and the last values, words of gateways, bad messages, and
    marks of deliveries."""

    readings: list[Reading] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    seen: list[tuple[int, bytes]] = field(default_factory=list)  # packet id, digest
    at: float = 0.0
    forget_before: float | None = None  # marks older than this are needed no more; math.inf: none is

    def __bool__(self) -> bool:
        return bool(self.readings or self.words or self.bad or self.seen)


class Spool:
    """Durable queue between the ingest and the sinks, and memory of each sensor's last reading."""

    def __init__(self, path: str | Path, max_bytes: int, sinks: Sequence[str] = ("influx",)) -> None:
        self.path = Path(path)
        self.max_bytes = max_bytes
        self.sinks = tuple(sinks)
        self.stats: Counter[str] = Counter()  # appended, dropped, quarantined, corrupt, full
        self.bytes = 0  # in use, without free pages
        self.rows = 0  # readings waiting for a sink
        self.parcels = 0
        self._closed = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        try:
            self._db = self._thread.submit(self._open).result()
        except BaseException:
            self._thread.shutdown()
            raise

    @property
    def used_ratio(self) -> float:
        return self.bytes / self.max_bytes if self.max_bytes else 0.0

    def append(self, batch: Batch) -> None:
        """Commit the batch; on return it survives a loss of power."""
        self._call(lambda db: self._append(db, batch))
        self.stats["appended"] += len(batch.readings)
        self.stats["quarantined"] += len(batch.bad)

    def read(self, sink: str, limit: int) -> list[Row]:
        """The oldest rows that ``sink`` has not acknowledged."""
        return self._call(
            lambda db: [Row(found[0], _reading(*found[1:])) for found in db.execute(spooldb.READ, (sink, limit))]
        )

    def ack(self, sink: str, up_to: int, bad: Iterable[Bad] = ()) -> None:
        """``sink`` has all rows up to this id (those it refused for good are ``bad``)."""
        refused = list(bad)
        self._call(lambda db: self._ack(db, sink, up_to, refused))
        self.stats["quarantined"] += len(refused)

    def put_parcel(self, lines: Sequence[str], at: float) -> None:
        """Commit lines for the history database that are no readings; the oldest parcels go when there are too many."""

        def work(db: sqlite3.Connection) -> None:
            if dropped := parcels.put(db, lines, at, self.max_bytes):
                log.error("spool full, oldest parcels dropped file=%s count=%d", self.path, dropped)
            self.stats["parcels_dropped"] += dropped
            self._measure(db)

        self._call(work)

    def first_parcel(self) -> parcels.Parcel | None:
        """The oldest one that waits."""
        return self._call(parcels.first)

    def drop_parcel(self, number: int, bad: Iterable[Bad] = ()) -> None:
        """It is written (lines that were refused for good are ``bad``)."""
        refused = list(bad)

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM parcel WHERE id = ?", (number,))
            self._put_aside(db, refused)
            self._measure(db)

        self._call(work)
        self.stats["quarantined"] += len(refused)

    def last_readings(self) -> list[Reading]:
        """The newest reading of every sensor ever stored."""
        return self._call(lambda db: [_reading(*found) for found in db.execute(spooldb.LAST)])

    def words(self) -> list[Word]:
        """What each gateway said last of itself."""
        return self._call(lambda db: [Word(name, at, bool(gone)) for name, at, gone in db.execute(spooldb.WORDS)])

    def seen(self) -> list[tuple[int, bytes, float]]:
        """The marks of deliveries whose acknowledgement may not have arrived: (packet id, digest, when)."""
        return self._call(
            lambda db: [(*_MARK.unpack(m), at) for at, marks in db.execute(spooldb.SEEN) for m in _split(marks)]
        )

    def quarantine(self, limit: int = 100) -> list[Bad]:
        """The newest bad messages, newest first."""
        return self._call(lambda db: [Bad(*found) for found in db.execute(spooldb.QUARANTINE, (limit,))])

    def save_views(self, views: Iterable[SensorView]) -> None:
        """Keep states and their timers, so that a restart neither clears nor repeats an alarm."""
        rows = [
            (v.sensor, v.state, v.since, v.breach_since, v.alarm_since, v.gone_at, v.same_since, _pack(v.trail))
            for v in views
        ]
        self._call(lambda db: db.executemany(spooldb.SAVE_VIEW, rows) and None)

    def load_views(self) -> dict[str, SensorView]:
        """The kept states, with the last reading of each sensor; sensors with a reading alone are there too."""
        views = {
            r.sensor: SensorView(
                r.sensor, "unknown", r.received_at, r.value, r.at, r.received_at, skew_s=r.skew_s, bad=r.mark == "bad"
            )
            for r in self.last_readings()
        }
        rows = self._call(lambda db: db.execute(spooldb.VIEWS).fetchall())
        for sensor, state, since, breach, alarm, gone, same, trail in rows:
            views[sensor] = replace(
                views.get(sensor, SensorView(sensor)),
                state=cast(SensorState, state),
                since=since,
                breach_since=breach,
                alarm_since=alarm,
                gone_at=gone,
                same_since=same,
                trail=tuple(_POINT.iter_unpack(trail)),
            )
        return views

    def get_note(self, key: str) -> str:
        """A short text kept under a name; empty if there is none."""
        found = self._call(lambda db: db.execute("SELECT value FROM note WHERE key = ?", (key,)).fetchone())
        return str(found[0]) if found else ""

    def set_note(self, key: str, value: str) -> None:
        self._call(lambda db: db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (key, value)) and None)

    def close(self) -> None:
        """Idempotent; waits for the write that is under way."""
        if not self._closed.is_set():
            self._closed.set()
            self._thread.submit(lambda: self._db.close()).result()
            self._thread.shutdown()

    # Everything below runs in the spool's own thread.

    def _call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed.is_set():
            raise SpoolError("spool closed")
        return self._thread.submit(self._guarded, work).result()

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._db:  # one transaction
                return work(self._db)
        except sqlite3.DatabaseError as error:
            if spooldb.is_corrupt(error):
                self._replace(error)
                with self._db:
                    return work(self._db)
            full = spooldb.is_full(error)
            self.stats["full" if full else "failed"] += 1
            raise SpoolError(f"spool file={self.path} error={error}", full=full) from error

    def _replace(self, error: sqlite3.Error) -> None:
        self._db.close()
        spooldb.move_aside(self.path, str(error))
        self.stats["corrupt"] += 1
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        db, aside = spooldb.open_or_replace(self.path, self.sinks)
        self.stats["corrupt"] += aside
        self._measure(db)
        return db

    def _append(self, db: sqlite3.Connection, batch: Batch) -> None:
        # A replay is in the history already, at its true time; word that a sensor is away is no value.
        spooled = [r for r in batch.readings if not r.retained and not r.gone]
        rows = [(r.sensor, r.value, r.received_at, r.at, r.skew_s, r.mark == "bad") for r in spooled]
        if self.sinks:
            db.executemany(spooldb.APPEND, rows)
        kept = {n: (*rows[n], r.moment) for n, r in enumerate(spooled) if r.mark == "old"}
        live = [(*row, spooled[n].moment) for n, row in enumerate(rows) if n not in kept]
        db.executemany(spooldb.SAVE_LAST, live)
        db.executemany(spooldb.SAVE_OLD, kept.values())
        db.executemany(spooldb.SAVE_WORD, [(w.gateway, w.at, w.gone) for w in batch.words if not w.retained])
        self._put_aside(db, batch.bad)
        self._remember(db, batch)
        self._measure(db)
        if self.bytes > self.max_bytes:
            self._drop_oldest(db)

    def _remember(self, db: sqlite3.Connection, batch: Batch) -> None:
        if batch.forget_before is not None:
            db.execute("DELETE FROM seen WHERE at < ?", (batch.forget_before,))
        if not batch.seen:
            return
        marks = b"".join(_MARK.pack(mid, mark) for mid, mark in batch.seen)
        row = cast(int, db.execute("INSERT INTO seen (at, marks) VALUES (?, ?)", (batch.at, marks)).lastrowid)
        if row % SEEN_CHECK:
            return
        newer = 0
        for older, size in db.execute("SELECT id, length(marks) FROM seen ORDER BY id DESC").fetchall():
            newer += size // _MARK.size
            if newer >= SEEN_IDS:
                db.execute("DELETE FROM seen WHERE id < ?", (older,))
                break

    def _put_aside(self, db: sqlite3.Connection, bad: list[Bad]) -> None:
        if not bad:
            return
        rows = [(b.received_at, b.topic, b.reason, b.detail[:200], b.payload[:QUARANTINE_BYTES]) for b in bad]
        db.executemany(spooldb.PUT_ASIDE, rows[-QUARANTINE_ROWS:])
        db.execute(spooldb.TRIM_QUARANTINE, (QUARANTINE_ROWS,))

    def _ack(self, db: sqlite3.Connection, sink: str, up_to: int, bad: list[Bad]) -> None:
        db.execute("UPDATE sink SET done = max(done, ?) WHERE name = ?", (up_to, sink))
        db.execute("DELETE FROM reading WHERE id <= (SELECT min(done) FROM sink)")
        self._put_aside(db, bad)
        self._measure(db)

    def _drop_oldest(self, db: sqlite3.Connection) -> None:
        """Keep the disk budget. Counted, and said once until there is room again."""
        first = db.execute("SELECT min(id) FROM reading").fetchone()[0]
        if first is None:
            return  # what fills it is not readings: bounded by other limits
        share = 1 - self.max_bytes * FULL_TO / self.bytes
        dropped = db.execute("DELETE FROM reading WHERE id <= ?", (first + max(1, int(self.rows * share)),)).rowcount
        if not self.stats["dropped"]:
            log.error("spool full, oldest readings dropped file=%s max_bytes=%d", self.path, self.max_bytes)
        self.stats["dropped"] += dropped
        self._measure(db)

    def _measure(self, db: sqlite3.Connection) -> None:
        self.bytes = spooldb.used_bytes(db)
        low, high = db.execute(spooldb.ENDS).fetchone()
        self.rows = high - low + 1 if high is not None else 0
        self.parcels = parcels.count(db)


def _reading(sensor: str, value: float, received_at: float, at: float | None, skew_s: float, bad: int) -> Reading:
    return Reading(sensor, value, received_at, at, skew_s=skew_s, mark="bad" if bad else "")


def _pack(trail: Iterable[tuple[float, float]]) -> bytes:
    return b"".join(_POINT.pack(*point) for point in trail)


def _split(marks: bytes) -> Iterable[bytes]:
    return (marks[at : at + _MARK.size] for at in range(0, len(marks) - _MARK.size + 1, _MARK.size))
