"""Parcels in spool.db: lines for the history database that are no readings, packed by the hundred. See `Spool`."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from typing import NamedTuple

MOST_SHARE = 0.25  # of the spool's budget: readings go first
# ``total``: bytes of all bodies up to this one, so that what waits is known without looking at each.
SCHEMA = """
    CREATE TABLE parcel (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, total INTEGER NOT NULL,
        body BLOB NOT NULL);
    """
_FIRST = "SELECT id, at, total, body FROM parcel ORDER BY id LIMIT 1"
_TOTAL = "SELECT total FROM parcel ORDER BY id DESC LIMIT 1"


class Parcel(NamedTuple):
    """Lines that were put away together; ``id`` grows."""

    id: int
    at: float
    lines: list[str]


def put(db: sqlite3.Connection, lines: Sequence[str], at: float, max_bytes: int) -> int:
    """Add one; the oldest go where all take more than their share. Returns how many went."""
    body = zlib.compress("\n".join(lines).encode())
    last = db.execute(_TOTAL).fetchone()
    total = (last[0] if last else 0) + len(body)
    db.execute("INSERT INTO parcel (at, total, body) VALUES (?, ?, ?)", (at, total, body))
    dropped = 0
    while True:
        number, _, first, body = db.execute(_FIRST).fetchone()
        if total - first + len(body) <= max_bytes * MOST_SHARE or total == first:
            return dropped
        dropped += db.execute("DELETE FROM parcel WHERE id = ?", (number,)).rowcount


def first(db: sqlite3.Connection) -> Parcel | None:
    """The oldest."""
    row = db.execute(_FIRST).fetchone()
    return Parcel(row[0], row[1], zlib.decompress(row[3]).decode().split("\n")) if row else None


def count(db: sqlite3.Connection) -> int:
    """How many wait: they are added and removed in order."""
    low, high = db.execute("SELECT min(id), max(id) FROM parcel").fetchone()
    return int(high - low + 1) if high is not None else 0
