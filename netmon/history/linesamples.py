"""Five-minute samples of the lines in netmon.db: written, read for a page, recalled at a start, forgotten in time."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Sequence

from netmon.history.store import Store
from netmon.line_samples import P95, SAMPLE_S, WEEK
from netmon.model import LineSample

DAY = 86400 // SAMPLE_S
_MILLION = 1_000_000
_KNOW = "INSERT OR IGNORE INTO line (name) VALUES (?)"
_SAVE = "INSERT OR REPLACE INTO line_sample SELECT id, ?, ?, ?, ?, ?, ? FROM line WHERE name = ?"
_MEANS = "avg(in_ppm), avg(out_ppm), avg(rtt_us), avg(loss_ppm), avg(jitter_us)"
_READ = f"""SELECT slot / :step * :step AS begin, {_MEANS} FROM line_sample
    WHERE line = (SELECT id FROM line WHERE name = :line) AND slot >= :first AND slot < :end
    GROUP BY begin ORDER BY begin"""
_OLDEST = "SELECT id, (SELECT min(slot) FROM line_sample s WHERE s.line = line.id) FROM line"
_WEEK = "SELECT slot, {} FROM line_sample WHERE line = ? AND slot > ? AND slot <= ? AND {} IS NOT NULL ORDER BY slot"


class LineSamples:
    """What the store keeps of them. All methods raise StoreError when the disk refuses."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save(self, samples: Sequence[LineSample]) -> None:
        """Commit them; one that is there already is replaced."""
        rows = [(*_packed(sample), sample.line) for sample in samples]

        def work(db: sqlite3.Connection) -> None:
            db.executemany(_KNOW, {(sample.line,) for sample in samples})
            db.executemany(_SAVE, rows)

        await self._store.call(work)

    async def read(self, line: str, since: float, until: float, step: int = 1) -> list[LineSample]:
        """Samples of one line that begin within [since, until), oldest first; ``step`` of them averaged into one."""
        asked = {"line": line, "step": step, "first": -(-since // SAMPLE_S), "end": -(-until // SAMPLE_S)}

        def work(db: sqlite3.Connection) -> list[LineSample]:
            return [_unpacked(line, *row) for row in db.execute(_READ, asked)]

        return await self._store.call(work)

    async def recall(self, now: float) -> dict[str, tuple[P95, P95]]:
        """The week of every line up to now: percentiles of its two directions. What lies in the future (the clock was
        wrong) is left out."""
        last = int(now // SAMPLE_S)

        def week(db: sqlite3.Connection, line: int, column: str) -> P95:
            times, means = array("q"), array("d")
            for slot, ppm in db.execute(_WEEK.format(column, column), (line, last - WEEK, last)):
                times.append(slot * SAMPLE_S)
                means.append(ppm / _MILLION)
            return P95(times, means)

        def work(db: sqlite3.Connection) -> dict[str, tuple[P95, P95]]:
            lines = db.execute("SELECT name, id FROM line").fetchall()
            return {name: (week(db, number, "in_ppm"), week(db, number, "out_ppm")) for name, number in lines}

        return await self._store.call(work)

    async def forget(self, before: float) -> bool:
        """Drop what is older: at most a day of each line at once, so that a much shorter retention holds nobody up.

        True when nothing older is left; then the names of lines without samples are gone too.
        """
        limit = int(before // SAMPLE_S)

        def work(db: sqlite3.Connection) -> bool:
            rest = False
            for line, oldest in db.execute(_OLDEST).fetchall():
                if oldest is not None and oldest < limit:
                    end = min(limit, oldest + DAY)
                    db.execute("DELETE FROM line_sample WHERE line = ? AND slot < ?", (line, end))
                    rest = rest or end < limit
            if not rest:
                db.execute("DELETE FROM line WHERE NOT EXISTS (SELECT 1 FROM line_sample s WHERE s.line = line.id)")
            return not rest

        return await self._store.call(work)


def _packed(sample: LineSample) -> Iterable[int | None]:
    values = (sample.in_ratio, sample.out_ratio, sample.rtt_s, sample.loss_ratio, sample.jitter_s)
    return (sample.at // SAMPLE_S, *(None if value is None else round(value * _MILLION) for value in values))


def _unpacked(line: str, slot: int, *values: float | None) -> LineSample:
    return LineSample(line, slot * SAMPLE_S, *(None if value is None else value / _MILLION for value in values))
