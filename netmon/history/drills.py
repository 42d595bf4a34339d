"""Drills in netmon.db: their reports, and what was told of them. In tables of their own; no incident, no evidence."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import asdict

import orjson

from netmon.drill.report import Report, raw_of, report_of
from netmon.history.store import Store
from netmon.model import Intent


class Drills:
    """Keeps drills in the store. ``on_result`` hears of every message that was sent or could not be."""

    def __init__(self, store: Store, on_result: Callable[[Intent], None]) -> None:
        self._store, self._on_result = store, on_result

    async def next_number(self) -> int:
        """One more than any number ever given."""
        return await self._store.call(
            lambda db: int(db.execute("SELECT coalesce(max(id), 0) FROM drill").fetchone()[0]) + 1
        )

    async def save(self, report: Report, contacts: Iterable[str], intents: Iterable[Intent]) -> None:
        """The report as it stands and what is to be told, in one transaction. Raises StoreError."""
        row = report.id, report.began_at, report.ended_at, ",".join(contacts), orjson.dumps(raw_of(report))
        told = [(i.id, report.id, i.created_at, i.state, orjson.dumps(asdict(i))) for i in intents]

        def work(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO drill VALUES (?, ?, ?, ?, ?)", row)
            db.executemany(
                "INSERT OR IGNORE INTO drill_intent (id, drill, created_at, state, body) VALUES (?, ?, ?, ?, ?)", told
            )

        await self._store.call(work)

    async def withdraw(self, number: int) -> None:
        """What was to be told of a drill that is over is not told any more, but that it is over."""
        update = "UPDATE drill_intent SET state = 'suppressed', detail = 'over' WHERE drill = ? AND state = 'pending'"
        await self._store.call(lambda db: db.execute(f"{update} AND id NOT LIKE 'drill-%'", (number,)))

    async def reports(self, most: int = 200) -> list[Report]:
        """The newest first."""
        query = "SELECT body FROM drill ORDER BY id DESC LIMIT ?"
        return await self._store.call(
            lambda db: [report_of(orjson.loads(body)) for (body,) in db.execute(query, (most,))]
        )

    async def report(self, number: int) -> Report | None:
        """One drill of any age."""

        def work(db: sqlite3.Connection) -> Report | None:
            row = db.execute("SELECT body FROM drill WHERE id = ?", (number,)).fetchone()
            return report_of(orjson.loads(row[0])) if row else None

        return await self._store.call(work)

    async def unfinished(self) -> list[tuple[Report, list[str]]]:
        """Drills that an earlier run of netmon did not end, and whom each was for."""
        query = "SELECT body, contacts FROM drill WHERE ended_at IS NULL ORDER BY id"
        return await self._store.call(
            lambda db: [(report_of(orjson.loads(body)), told.split(",")) for body, told in db.execute(query)]
        )

    # --- what the notifier asks for ----------------------------------------------------------------------------------

    async def recent_intents(self, after: float) -> list[Intent]:
        """What stands by for the last messages of drills; else each drill decides from what it told itself."""
        query = "SELECT body FROM drill_intent WHERE state = 'standby' AND id LIKE 'drill-%' AND created_at > ?"
        return await self._store.call(
            lambda db: [Intent(**orjson.loads(body)) for (body,) in db.execute(query, (after,))]
        )

    async def pending_intents(self) -> list[Intent]:
        """What was meant to be sent and has no result yet, oldest first."""
        query = "SELECT body FROM drill_intent WHERE state = 'pending' ORDER BY created_at, rowid"

        def work(db: sqlite3.Connection) -> list[Intent]:
            return [Intent(**orjson.loads(body)) for (body,) in db.execute(query)]

        return await self._store.call(work)

    async def note_paced(self, intents: Iterable[str], now: float) -> None:
        """Of no interest: a drill measures when messages are sent."""

    async def drop_intents(self, ids: Iterable[str]) -> None:
        """Decisions that are to be made anew."""
        rows = [(i,) for i in ids]
        await self._store.call(lambda db: db.executemany("DELETE FROM drill_intent WHERE id = ?", rows))

    async def mark_intents(self, results: Iterable[tuple[Intent, str]], now: float) -> None:
        """Keep results. Raises StoreError."""
        results = list(results)
        rows = [(i.state, orjson.dumps(asdict(i)), now, detail, i.id) for i, detail in results]
        update = "UPDATE drill_intent SET state = ?, body = ?, done_at = ?, detail = ? WHERE id = ?"
        try:
            await self._store.call(lambda db: db.executemany(update, rows))
        finally:
            for intent, _ in results:
                self._on_result(intent)
