"""netmon.db: what was true when, every incident and its timeline, what was meant to be sent and what was.

One SQLite file (WAL, synchronous=FULL) and one thread that owns it; the loop awaits each call. What a step decides is
one transaction, committed before anything is sent (DESIGN.md, Storage). A disk that refuses raises StoreError.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from netmon.errors import NetmonError
from netmon.history import storedb
from netmon.model import Change, Incident, Intent, Subject, TimelineEntry, Verdict

log = logging.getLogger(__name__)
T = TypeVar("T")

INTENT_FIELDS = "id, incident, change, contact, channel, subject, body, created_at, reason, state, attempts"
KEEP_INTERVALS_S = 400 * 86400.0  # 13 months, DOMAIN.md section 2.2: yearly registration needs the year before


class StoreError(NetmonError):
    """netmon.db could not be read or written."""


class Store:
    """All methods are for the event loop; the work runs in the store's own thread, in order."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.replaced = 0  # 1 if a broken file had to be moved aside
        self.failures = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._db: sqlite3.Connection | None = None
        self._open_intervals: dict[Subject, tuple[str, float]] = {}

    async def open(self, now: float) -> None:
        """Open or make the file; whatever lies between the last heartbeat and ``now`` becomes unknown."""

        def work() -> None:
            self._db, self.replaced = storedb.open_or_replace(self.path)
            with self._db:
                self._open_intervals = storedb.close_gap(self._db, now)

        await self._submit(work)

    async def close(self) -> None:
        """Finish what was asked, then close the file. Idempotent."""

        def work() -> None:
            if self._db is not None:
                self._db.close()
                self._db = None

        await self._submit(work)
        self._thread.shutdown(wait=False)

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in one transaction in the store's thread. Raises StoreError."""

        def guarded() -> T:
            if self._db is None:
                raise StoreError("the store is closed")
            try:
                with self._db:
                    return work(self._db)
            except sqlite3.Error as error:
                self.failures += 1
                raise StoreError(f"netmon.db: {error}") from error

        return await self._submit(guarded)

    async def _submit(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- steps -------------------------------------------------------------------------------------------------------

    async def commit_step(
        self, changes: Iterable[Change], intents: Iterable[Intent], verdicts: Mapping[Subject, Verdict], now: float
    ) -> None:
        """Everything one step decided, in one transaction. Verdicts that did not change cost nothing."""
        changes, intents = list(changes), list(intents)
        moved = [
            verdict
            for subject, verdict in verdicts.items()
            if subject.kind != "node" and self._open_intervals.get(subject) != (verdict.condition, verdict.since)
        ]
        gone = [s for s in self._open_intervals if s not in verdicts] if verdicts else []
        if not (changes or intents or moved or gone):
            return

        def work(db: sqlite3.Connection) -> None:
            for change in changes:
                storedb.save_incident(db, change.incident)
            storedb.add_intents(db, intents)
            for verdict in moved:
                storedb.move_interval(db, verdict, self._open_intervals.get(verdict.subject), now)
            for subject in gone:
                storedb.end_interval(db, subject, now)

        await self.call(work)
        for verdict in moved:
            self._open_intervals[verdict.subject] = (verdict.condition, verdict.since)
        for subject in gone:
            del self._open_intervals[subject]

    async def heartbeat(self, now: float) -> None:
        """The state intervals can be believed until now."""
        await self.call(lambda db: db.execute("INSERT OR REPLACE INTO heartbeat VALUES (1, ?)", (now,)))

    async def tidy(self, now: float) -> None:
        """Drop what is older than anybody needs."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM interval WHERE until < ?", (now - KEEP_INTERVALS_S,))

        await self.call(work)

    # --- incidents ---------------------------------------------------------------------------------------------------

    async def load_incidents(self, closed_after: float) -> list[Incident]:
        """Open incidents, and those closed after a moment, oldest first."""

        def work(db: sqlite3.Connection) -> list[Incident]:
            query = "SELECT body FROM incident WHERE closed_at IS NULL OR closed_at > ? ORDER BY id"
            return [storedb.load_incident(db, body) for (body,) in db.execute(query, (closed_after,)).fetchall()]

        return await self.call(work)

    async def next_incident_id(self) -> int:
        """One more than any number ever given."""
        return await self.call(
            lambda db: (
                int(db.execute("SELECT coalesce(max(id), ?) FROM incident", (storedb.FIRST_ID - 1,)).fetchone()[0]) + 1
            )
        )

    async def incident(self, number: int) -> Incident | None:
        """One incident of any age."""

        def work(db: sqlite3.Connection) -> Incident | None:
            row = db.execute("SELECT body FROM incident WHERE id = ?", (number,)).fetchone()
            return storedb.load_incident(db, row[0]) if row else None

        return await self.call(work)

    async def intervals(self, subject: Subject, since: float) -> list[tuple[str, float, float | None]]:
        """(condition, since, until) of one subject, oldest first; the last one is open."""
        query = (
            "SELECT condition, since, until FROM interval WHERE kind = ? AND subject = ? AND coalesce(until, 1e12) > ?"
        )
        return await self.call(
            lambda db: db.execute(query + " ORDER BY since", (subject.kind, subject.id, since)).fetchall()
        )

    # --- messages ----------------------------------------------------------------------------------------------------

    async def pending_intents(self) -> list[Intent]:
        """What was meant to be sent and has no result yet, oldest first."""
        query = f"SELECT {INTENT_FIELDS} FROM intent WHERE state = 'pending' ORDER BY created_at, id"
        return await self.call(lambda db: [Intent(*row) for row in db.execute(query)])

    async def told(self, incidents: Iterable[int]) -> list[Intent]:
        """All intents of these incidents and all digests of late, for the record that decisions are made from."""
        numbers = sorted(set(incidents) | {0})
        marks = ",".join("?" * len(numbers))
        query = f"SELECT {INTENT_FIELDS} FROM intent WHERE incident IN ({marks}) ORDER BY created_at, id"
        return await self.call(lambda db: [Intent(*row) for row in db.execute(query, numbers)])

    async def mark_intent(self, intent: Intent, now: float, detail: str = "") -> None:
        """The result of one attempt, or of all."""

        def work(db: sqlite3.Connection) -> Any:
            return db.execute(
                "UPDATE intent SET state = ?, attempts = ?, channel = ?, done_at = ?, detail = ? WHERE id = ?",
                (intent.state, intent.attempts, intent.channel, now, detail, intent.id),
            )

        await self.call(work)


def with_timeline(incident: Incident, entries: Iterable[TimelineEntry]) -> Incident:
    """The incident with a timeline read from its own table."""
    return replace(incident, timeline=tuple(entries))
