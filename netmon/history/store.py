"""netmon.db: what was true when, every incident and its timeline, what was meant to be sent and what was.

One SQLite file (WAL, synchronous=FULL) and one thread that owns it; the loop awaits each call. What a step decides is
one transaction, committed before anything is sent (DESIGN.md, Storage). A disk that refuses raises StoreError.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from netmon.alerts.explain import Attempt, Telling
from netmon.errors import NetmonError
from netmon.history import decisions, storedb
from netmon.history.decisions import INTENT_FIELDS
from netmon.model import Change, Incident, Intent, Subject, Verdict
from netmon.works import Silence, Work

log = logging.getLogger(__name__)
T = TypeVar("T")
Plan = TypeVar("Plan", Work, Silence)

BACKLOG_MOST = 20_000  # incidents and intents that wait in memory for a disk that refuses
GAPS_S = 2 * 86400.0
KEEP_INTERVALS_S = 400 * 86400.0  # 13 months, DOMAIN.md section 2.2: yearly registration needs the year before


class StoreError(NetmonError):
    """netmon.db could not be read or written."""


class Store:
    """All methods are for the event loop; the work runs in the store's own thread, in order."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.replaced = 0  # 1 if a broken file had to be moved aside
        self.failures = 0
        self.gaps: list[tuple[float, float]] = []  # when no daemon ran within the last two days before `open`
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._db: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._open_intervals: dict[Subject, tuple[str, float]] = {}
        self._unsaved_incidents: dict[int, Incident] = {}
        self._unsaved_intents: dict[str, Intent] = {}
        self.ok = True
        self.dropped = 0
        self.last_heartbeat = 0.0  # of the run before this one

    async def open(self, now: float) -> None:
        """Open or make the file; whatever lies between the last heartbeat and ``now`` becomes unknown."""

        def work() -> None:
            self._lock = storedb.lock(self.path)
            self._db, self.replaced = storedb.open_or_replace(self.path)
            with self._db:
                row = self._db.execute("SELECT at FROM heartbeat").fetchone()
                self.last_heartbeat = min(row[0], now) if row else 0.0
                self._open_intervals = storedb.close_gap(self._db, now)
                self.gaps = storedb.gaps(self._db, now, now - GAPS_S)

        await self._submit(work)

    async def close(self) -> None:
        """Finish what was asked, then close the file. Idempotent."""

        def work() -> None:
            if self._db is not None:
                self._db.close()
                self._db = None
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

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
    ) -> bool:
        """Everything one step decided, in one transaction. Verdicts that did not change cost nothing.

        False when the disk refused: what was decided waits in memory and is committed with the next step, and the
        daemon goes on (people must be told even then).
        """
        for change in changes:
            self._unsaved_incidents[change.incident.id] = change.incident
        for intent in intents:
            self._unsaved_intents.setdefault(intent.id, intent)
        incidents, told = dict(self._unsaved_incidents), dict(self._unsaved_intents)
        moved = [
            verdict
            for subject, verdict in verdicts.items()
            if subject.kind != "node" and self._open_intervals.get(subject) != (verdict.condition, verdict.since)
        ]
        gone = [s for s in self._open_intervals if s not in verdicts] if verdicts else []
        if not (incidents or told or moved or gone):
            return True

        def work(db: sqlite3.Connection) -> None:
            for incident in incidents.values():
                storedb.save_incident(db, incident)
            storedb.add_intents(db, told.values())
            for verdict in moved:
                storedb.move_interval(db, verdict, self._open_intervals.get(verdict.subject), now)
            for subject in gone:
                storedb.end_interval(db, subject, now)

        try:
            await self.call(work)
        except StoreError as error:
            self._refused(error)
            return False
        self._accepted()
        for number, saved in incidents.items():
            if self._unsaved_incidents.get(number) is saved:
                del self._unsaved_incidents[number]
        for intent_id in told:
            self._unsaved_intents.pop(intent_id, None)  # a commit that ran beside this one may have saved it as well
        for verdict in moved:
            self._open_intervals[verdict.subject] = (verdict.condition, verdict.since)
        for subject in gone:
            self._open_intervals.pop(subject, None)
        return True

    async def heartbeat(self, now: float) -> bool:
        """The state intervals can be believed until now; False when the disk refused."""
        try:
            await self.call(lambda db: db.execute("INSERT OR REPLACE INTO heartbeat VALUES (1, ?)", (now,)))
        except StoreError as error:
            self._refused(error)
            return False
        self._accepted()
        return True

    @property
    def waiting(self) -> int:
        """Incidents and intents that are not on disk yet."""
        return len(self._unsaved_incidents) + len(self._unsaved_intents)

    def _refused(self, error: StoreError) -> None:
        """Say it once, not with every step; drop the oldest when too much waits."""
        if self.ok:
            log.error("store refuses, decisions wait in memory file=%s error=%s", self.path, error)
        self.ok = False
        for unsaved in (self._unsaved_incidents, self._unsaved_intents):
            while len(unsaved) > BACKLOG_MOST // 2:
                del unsaved[next(iter(unsaved))]  # type: ignore[arg-type]
                self.dropped += 1

    def _accepted(self) -> None:
        if not self.ok:
            log.info("store accepts again file=%s waiting=%d", self.path, self.waiting)
        self.ok = True

    async def tidy(self, now: float) -> None:
        """Drop what is older than anybody needs."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM interval WHERE until < ?", (now - KEEP_INTERVALS_S,))
            decisions.prune(db, now)

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
            try:
                return decisions.load(db, number)
            except LookupError:
                return None

        return await self.call(work)

    async def intervals(self, subject: Subject, since: float) -> list[tuple[str, float, float | None]]:
        """(condition, since, until) of one subject, oldest first; the last one is open."""
        query = (
            "SELECT condition, since, until FROM interval WHERE kind = ? AND subject = ? AND coalesce(until, 1e12) > ?"
        )
        return await self.call(
            lambda db: db.execute(query + " ORDER BY since", (subject.kind, subject.id, since)).fetchall()
        )

    # --- planned works and silences ----------------------------------------------------------------------------------

    async def load_plans(self, after: float) -> tuple[list[Work], list[Silence]]:
        """Those that are not over at a moment."""
        return await self.call(lambda db: storedb.load_plans(db, after))

    async def add_plans(self, plans: Iterable[Plan]) -> list[Plan]:
        """Commit new works or silences, each with a number of its own; either all or none."""

        def work(db: sqlite3.Connection) -> list[Plan]:
            made = []
            for plan in plans:
                made.append(replace(plan, id=storedb.next_plan_id(db, type(plan))))
                storedb.save_plan(db, made[-1])
            return made

        return await self.call(work)

    async def save_plan(self, plan: Work | Silence) -> None:
        """Commit a change of one that has a number."""
        await self.call(lambda db: storedb.save_plan(db, plan))

    async def switch(self, name: str, until: float, who: str) -> None:
        """Commit that somebody switched something on until a moment (off: one that is past)."""
        row = name, until, who
        await self.call(lambda db: db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?, ?)", row))

    async def switched(self, name: str) -> float:
        """Until when it is on; 0 where it never was."""

        def work(db: sqlite3.Connection) -> float:
            row = db.execute("SELECT until FROM setting WHERE name = ?", (name,)).fetchone()
            return float(row[0]) if row else 0.0

        return await self.call(work)

    # --- messages ----------------------------------------------------------------------------------------------------

    async def pending_intents(self) -> list[Intent]:
        """What was meant to be sent and has no result yet, oldest first."""
        query = f"SELECT {INTENT_FIELDS} FROM intent WHERE state = 'pending' ORDER BY created_at, id"
        return await self.call(lambda db: [Intent(*row) for row in db.execute(query)])

    async def recent_intents(self, after: float) -> list[Intent]:
        """Decisions about incidents that are open or were closed after a moment, and digests since then."""
        query = (
            f"SELECT {INTENT_FIELDS} FROM intent WHERE (incident = 0 AND created_at > ?) OR incident IN"
            " (SELECT id FROM incident WHERE closed_at IS NULL OR closed_at > ?) ORDER BY created_at, rowid"
        )
        return await self.call(lambda db: [Intent(*row) for row in db.execute(query, (after, after))])

    async def telling(self, incident: int) -> Telling:
        """Everything that was decided about telling of one incident, and what came of it."""
        return await self.call(lambda db: decisions.read(db, incident))

    async def drop_intents(self, ids: Iterable[str]) -> None:
        """Decisions that are to be made anew."""
        await self.call(lambda db: db.executemany("DELETE FROM intent WHERE id = ?", [(i,) for i in ids]))

    async def mark_intents(self, results: Iterable[tuple[Intent, str]], now: float) -> None:
        """Several results in one transaction (given up here, and so its fallback begins)."""
        await self.call(lambda db: decisions.mark(db, results, now))

    async def note_paced(self, intents: Iterable[str], now: float) -> None:
        """These messages wait for their channel, which takes only so many in a minute."""

        def work(db: sqlite3.Connection) -> None:
            for intent in intents:
                decisions.note(db, intent, Attempt(now, 0, "paced"))

        await self.call(work)
