"""Alerts of others on disk, so that a restart neither ends them nor tells them anew. Raises StoreError."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import orjson

from netmon.alerts.outside import SILENT_S, Known, Posted
from netmon.history.store import Store


async def load_outside(store: Store) -> list[Known]:
    """All that are kept."""

    def work(db: sqlite3.Connection) -> list[Known]:
        found = []
        query = "SELECT fingerprint, began_at, ended_at, heard_at, body FROM outside"
        for fingerprint, began_at, ended_at, heard_at, body in db.execute(query):
            raw = orjson.loads(body)
            labels = tuple((name, value) for name, value in raw["labels"])
            found.append(Known(Posted(fingerprint, labels, raw["text"], began_at, ended_at), heard_at))
        return found

    return await store.call(work)


async def save_outside(store: Store, changed: Iterable[Known], now: float) -> None:
    """Commit what changed; drop what ended long ago."""
    rows = [
        (k.posted.fingerprint, k.posted.began_at, k.posted.ended_at, k.heard_at,
         orjson.dumps({"labels": k.posted.labels, "text": k.posted.text}))
        for k in changed
    ]  # fmt: skip

    def work(db: sqlite3.Connection) -> None:
        db.executemany("INSERT OR REPLACE INTO outside VALUES (?, ?, ?, ?, ?)", rows)
        db.execute("DELETE FROM outside WHERE ended_at IS NOT NULL AND heard_at < ?", (now - SILENT_S,))

    await store.call(work)
