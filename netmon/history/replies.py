"""Replies on disk: none is taken twice, and none is lost between the mailbox and the timeline.

What came and how far the mailbox has been read are committed together, before anything is done; what was not dealt with
when the daemon ended is dealt with at the next start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import astuple

from netmon.history.store import Store
from netmon.model import Reply

KEEP_S = 40 * 86400.0  # longer than any mailbox gives one out again


class ReplyBook:
    """All methods are for the event loop. Raises StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def cursor(self, inbox: str) -> str:
        """How far an inbox has been read; "" at the first time."""

        def work(db: sqlite3.Connection) -> str:
            row = db.execute("SELECT cursor FROM inbox WHERE name = ?", (inbox,)).fetchone()
            return str(row[0]) if row else ""

        return await self._store.call(work)

    async def keep(self, replies: Iterable[Reply], inbox: str, cursor: str, now: float) -> None:
        """Commit what came; what had come before changes nothing."""
        rows = [[_storable(value) for value in astuple(reply)] for reply in replies]

        def work(db: sqlite3.Connection) -> None:
            insert = "INSERT OR IGNORE INTO reply (id, channel, address, subject, text, at) VALUES (?, ?, ?, ?, ?, ?)"
            db.executemany(insert, rows)
            db.execute("INSERT OR REPLACE INTO inbox VALUES (?, ?)", (inbox, cursor))
            db.execute("DELETE FROM reply WHERE done_at IS NOT NULL AND at < ?", (now - KEEP_S,))

        await self._store.call(work)

    async def waiting(self) -> list[Reply]:
        """What came and has not been dealt with, oldest first."""
        query = "SELECT id, channel, address, subject, text, at FROM reply WHERE done_at IS NULL ORDER BY at, rowid"
        return await self._store.call(lambda db: [Reply(*row) for row in db.execute(query)])

    async def done(self, reply: Reply, now: float) -> None:
        """It has been dealt with; its text is in the incident's timeline, as far as it belongs there."""
        update = "UPDATE reply SET done_at = ?, text = '', subject = '' WHERE id = ?"
        await self._store.call(lambda db: db.execute(update, (now, reply.id)))


def _storable(value: str | float) -> str | float:
    """Half of a character (a lone surrogate, which JSON and UTF-7 can carry) is none that SQLite takes."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
