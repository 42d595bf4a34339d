"""What was decided about telling of an incident and what came of it, as netmon.db keeps it: rows of intents and of each
attempt. Reading only, but for ``note`` and ``prune``; all work on a connection, in the daemon or beside a stopped one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import fields
from pathlib import Path

from netmon.alerts.explain import Attempt, Decision, Telling
from netmon.errors import NetmonError
from netmon.history import storedb
from netmon.model import Incident, Intent

INTENT_FIELDS = ", ".join(field.name for field in fields(Intent))
MOST_ATTEMPTS = 100  # of one message: the last wait repeats for hours where there is no fallback
MOST_ABSORBED = 400
KEEP_S = 400 * 86400.0  # as the state intervals: the year before is asked about


def note(db: sqlite3.Connection, intent: str, attempt: Attempt) -> None:
    """One attempt, or that the message had to wait for its channel."""
    row = intent, attempt.at, attempt.number, attempt.result, attempt.detail
    db.execute("INSERT OR IGNORE INTO attempt VALUES (?, ?, ?, ?, ?)", row)


def mark(db: sqlite3.Connection, results: Iterable[tuple[Intent, str]], now: float) -> None:
    """The results of some messages: each message's state, and the attempt it comes from."""
    for intent, detail in results:
        db.execute(
            "UPDATE intent SET state = ?, attempts = ?, reason = ?, done_at = ?, detail = ? WHERE id = ?",
            (intent.state, intent.attempts, intent.reason, now, detail, intent.id),
        )
        result = "again" if intent.state == "pending" and intent.attempts else intent.state
        note(db, intent.id, Attempt(now, intent.attempts, "begun" if result == "pending" else result, detail))


def read(db: sqlite3.Connection, incident: int) -> Telling:
    """All decisions about an incident and about the digests that carried it, and the incidents that are part of it."""
    query = f"SELECT {INTENT_FIELDS} FROM intent WHERE incident = ? ORDER BY created_at, rowid"
    found = [Intent(*row) for row in db.execute(query, (incident,))]
    news = {"|".join(i.reason.removeprefix("digest:").split("|")[:2]) for i in found if i.reason.startswith("digest:")}
    query = f"SELECT {INTENT_FIELDS} FROM intent WHERE id >= ? AND id < ? ORDER BY rowid"
    digests = [Intent(*row) for key in sorted(news) for row in db.execute(query, (f"{key}|", f"{key}}}"))]
    absorbed = db.execute(
        "SELECT incident FROM timeline WHERE kind = 'child' AND text = ? ORDER BY incident LIMIT ?",
        (f"#{incident}", MOST_ABSORBED),
    ).fetchall()
    return Telling(
        tuple(Decision(intent, _attempts(db, intent)) for intent in found),
        tuple(Decision(intent, _attempts(db, intent)) for intent in digests),
        tuple(load(db, number) for (number,) in absorbed),
    )


def _attempts(db: sqlite3.Connection, intent: Intent) -> tuple[Attempt, ...]:
    if intent.state == "suppressed":
        return ()
    query = "SELECT at, number, result, detail FROM attempt WHERE intent = ? ORDER BY at, number LIMIT ?"
    return tuple(Attempt(*row) for row in db.execute(query, (intent.id, MOST_ATTEMPTS)))


def load(db: sqlite3.Connection, number: int) -> Incident:
    """One incident. Raises LookupError."""
    known = number.bit_length() < 64  # else SQLite has no such number
    row = db.execute("SELECT body FROM incident WHERE id = ?", (number,)).fetchone() if known else None
    if row is None:
        raise LookupError(number)
    return storedb.load_incident(db, row[0])


def prune(db: sqlite3.Connection, now: float) -> None:
    """Drop what was decided about incidents that ended long ago, and old digests."""
    before = now - KEEP_S
    db.execute(
        "DELETE FROM intent WHERE (incident = 0 AND created_at < ?) OR incident IN"
        " (SELECT id FROM incident WHERE closed_at < ?)",
        (before, before),
    )
    db.execute("DELETE FROM attempt WHERE intent NOT IN (SELECT id FROM intent)")


def open_read_only(path: Path) -> closing[sqlite3.Connection]:
    """The file of a daemon that does not run, to read. Raises NetmonError."""
    if not path.exists():
        raise NetmonError(f"there is no {path}: netmon has not run with this configuration")
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise NetmonError(f"{path} cannot be read: {error}") from error
    if version != len(storedb.MIGRATIONS):
        db.close()
        raise NetmonError(f"{path} was written by another version of netmon: start this one once, it takes it over")
    return closing(db)
