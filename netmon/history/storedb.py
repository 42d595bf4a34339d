"""The schema of netmon.db and its rows: migrations, incidents as JSON, state intervals."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import orjson

from netmon.errors import NetmonError
from netmon.history.spooldb import is_corrupt, move_aside
from netmon.model import Cause, Evidence, Incident, Intent, Subject, Ticket, TimelineEntry, Verdict
from netmon.works import Silence, Work
from netmon.works import over_at as over

log = logging.getLogger(__name__)

FIRST_ID = 1001  # incident numbers are short, and never so short that they read like something else

MIGRATIONS = (
    """
    CREATE TABLE heartbeat (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL);
    CREATE TABLE interval (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, condition TEXT NOT NULL, by TEXT NOT NULL,
        since REAL NOT NULL, until REAL);
    CREATE INDEX interval_subject ON interval (kind, subject, since);
    CREATE INDEX interval_open ON interval (kind, subject) WHERE until IS NULL;
    CREATE TABLE incident (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject_kind TEXT NOT NULL, subject TEXT NOT NULL,
        severity TEXT NOT NULL, cause TEXT NOT NULL, began_at REAL NOT NULL, opened_at REAL NOT NULL, closed_at REAL,
        body BLOB NOT NULL);
    CREATE INDEX incident_open ON incident (id) WHERE closed_at IS NULL;
    CREATE TABLE timeline (
        incident INTEGER NOT NULL REFERENCES incident (id), at REAL NOT NULL, kind TEXT NOT NULL, who TEXT NOT NULL,
        text TEXT NOT NULL, UNIQUE (incident, at, kind, who, text));
    CREATE TABLE intent (
        id TEXT PRIMARY KEY, incident INTEGER NOT NULL, change TEXT NOT NULL, contact TEXT NOT NULL,
        channel TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, created_at REAL NOT NULL,
        reason TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, done_at REAL, detail TEXT);
    CREATE INDEX intent_pending ON intent (created_at) WHERE state = 'pending';
    CREATE INDEX intent_incident ON intent (incident);
    """,
    """
    ALTER TABLE intent ADD COLUMN address TEXT NOT NULL DEFAULT '';
    ALTER TABLE intent ADD COLUMN stage TEXT NOT NULL DEFAULT '';
    """,
    # Five-minute samples in millionths and microseconds; slot = beginning / 300 s (docs/adr/0006-line-samples.md).
    """
    CREATE TABLE line (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE line_sample (line INTEGER NOT NULL, slot INTEGER NOT NULL, in_ppm INTEGER, out_ppm INTEGER,
        rtt_us INTEGER, loss_ppm INTEGER, jitter_us INTEGER, PRIMARY KEY (line, slot)) WITHOUT ROWID;
    """,
    # Five-minute means of sensors, and how many of a month lie within a regulation's limits (netmon/sensor_means.py).
    """
    CREATE TABLE sensor (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE sensor_mean (slot INTEGER NOT NULL, sensor INTEGER NOT NULL, count INTEGER NOT NULL,
        total REAL NOT NULL, PRIMARY KEY (slot, sensor)) WITHOUT ROWID;
    CREATE TABLE sensor_month (month TEXT NOT NULL, sensor INTEGER NOT NULL, known INTEGER NOT NULL,
        within INTEGER NOT NULL, PRIMARY KEY (month, sensor)) WITHOUT ROWID;
    """,
    """
    CREATE TABLE work (id INTEGER PRIMARY KEY, over_at REAL NOT NULL, body BLOB NOT NULL);
    CREATE TABLE silence (id INTEGER PRIMARY KEY, over_at REAL NOT NULL, body BLOB NOT NULL);
    """,
    # What people switched on for a while.
    """
    CREATE TABLE setting (name TEXT PRIMARY KEY, until REAL NOT NULL, who TEXT NOT NULL);
    """,
    # Replies of people, and how far each inbox has been read (netmon/history/replies.py).
    """
    CREATE TABLE reply (id TEXT PRIMARY KEY, channel TEXT NOT NULL, address TEXT NOT NULL, subject TEXT NOT NULL,
        text TEXT NOT NULL, at REAL NOT NULL, done_at REAL);
    CREATE INDEX reply_waiting ON reply (at) WHERE done_at IS NULL;
    CREATE TABLE inbox (name TEXT PRIMARY KEY, cursor TEXT NOT NULL);
    """,
    # What came of each attempt to send, and which incident became part of which (netmon/history/decisions.py).
    """
    CREATE TABLE attempt (intent TEXT NOT NULL, at REAL NOT NULL, number INTEGER NOT NULL, result TEXT NOT NULL,
        detail TEXT NOT NULL, PRIMARY KEY (intent, at, number, result)) WITHOUT ROWID;
    CREATE INDEX timeline_child ON timeline (text) WHERE kind = 'child';
    """,
    # Alerts that an Alertmanager has handed in (netmon/alerts/outside.py).
    """
    CREATE TABLE outside (fingerprint TEXT PRIMARY KEY, began_at REAL NOT NULL, ended_at REAL, heard_at REAL NOT NULL,
        body BLOB NOT NULL);
    """,
    # Drills, and what was told of them: apart from what is real.
    """
    CREATE TABLE drill (id INTEGER PRIMARY KEY, began_at REAL NOT NULL, ended_at REAL, contacts TEXT NOT NULL,
        body BLOB NOT NULL);
    CREATE TABLE drill_intent (
        id TEXT PRIMARY KEY, drill INTEGER NOT NULL, created_at REAL NOT NULL, state TEXT NOT NULL, body BLOB NOT NULL,
        done_at REAL, detail TEXT);
    CREATE INDEX drill_intent_pending ON drill_intent (created_at) WHERE state = 'pending';
    """,
)


def lock(path: Path) -> int:
    """A descriptor that keeps other daemons off the file until it is closed, or its process has ended in any way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(held)
        raise NetmonError(f"another daemon uses file={path}") from error
    return held


def open_or_replace(path: Path) -> tuple[sqlite3.Connection, int]:
    """The open database, and 1 if a broken file had to be moved aside for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path), 0
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error):
            raise NetmonError(f"store cannot be opened: file={path} error={error}") from error
        move_aside(path, str(error))
        return _open(path), 1


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=5.0, check_same_thread=True)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # NORMAL does not survive a loss of power (LAB.md)
        db.execute("PRAGMA foreign_keys = ON")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise NetmonError(f"store file={path} has version {version}, newer than this program's {len(MIGRATIONS)}")
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            if version:  # a copy before each change of a file that holds something
                with closing(sqlite3.connect(path.with_name(f"{path.name}.v{number - 1}"))) as copy:
                    db.backup(copy)
            db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")
    except BaseException:
        db.close()
        raise
    return db


# --- state intervals -------------------------------------------------------------------------------------------------


def close_gap(db: sqlite3.Connection, now: float) -> dict[Subject, tuple[str, float]]:
    """After a start: open intervals end at the last heartbeat; from there nothing is known until somebody looks.

    Returns what is open then: (condition, since) by subject.
    """
    row = db.execute("SELECT at FROM heartbeat").fetchone()
    last = min(row[0], now) if row else now
    # An interval that began after the last heartbeat keeps its beginning: it was committed, so it was seen.
    ended = db.execute(
        "SELECT kind, subject, max(since, ?) FROM interval WHERE until IS NULL AND condition != 'unknown'", (last,)
    ).fetchall()
    db.execute("UPDATE interval SET until = max(since, ?) WHERE until IS NULL AND condition != 'unknown'", (last,))
    db.executemany(
        "INSERT INTO interval (kind, subject, condition, by, since) VALUES (?, ?, 'unknown', 'stopped', ?)", ended
    )
    rows = db.execute("SELECT kind, subject, condition, since FROM interval WHERE until IS NULL").fetchall()
    return {Subject(kind, subject): (condition, since) for kind, subject, condition, since in rows}


def gaps(db: sqlite3.Connection, now: float, since: float) -> list[tuple[float, float]]:
    """When no daemon ran, of late: from a last heartbeat to the first verdict after it."""
    query = (
        "SELECT since, min(coalesce(until, ?)) FROM interval WHERE condition = 'unknown' AND by = 'stopped'"
        " AND coalesce(until, ?) > ? GROUP BY since ORDER BY since"
    )
    return db.execute(query, (now, now, since)).fetchall()


def _was_blind(db: sqlite3.Connection, kind: str, key: str) -> bool:
    query = "SELECT 1 FROM interval WHERE kind = ? AND subject = ? AND until IS NULL AND by = 'monitor'"
    return db.execute(query, (kind, key)).fetchone() is not None


def move_interval(db: sqlite3.Connection, verdict: Verdict, before: tuple[str, float] | None, now: float) -> None:
    """End the open interval of a subject and begin the next one where the condition truly began."""
    kind, key = verdict.subject.kind, verdict.subject.id
    since = verdict.since if before is not None else now  # before netmon looked, nothing is known
    if before is not None:
        since = max(since, before[1])
        if before[0] == "unknown" and verdict.condition != "unknown" and _was_blind(db, kind, key):
            since = max(since, now)  # what was lost when sight returned is lost since then: blind minutes stay blind
    db.execute(
        "UPDATE interval SET until = max(since, ?) WHERE kind = ? AND subject = ? AND until IS NULL", (since, kind, key)
    )
    db.execute(
        "INSERT INTO interval (kind, subject, condition, by, since) VALUES (?, ?, ?, ?, ?)",
        (kind, key, verdict.condition, verdict.by, since),
    )


def end_interval(db: sqlite3.Connection, subject: Subject, now: float) -> None:
    """A subject that has left the inventory."""
    db.execute(
        "UPDATE interval SET until = max(since, ?) WHERE kind = ? AND subject = ? AND until IS NULL",
        (now, subject.kind, subject.id),
    )


# --- incidents -------------------------------------------------------------------------------------------------------


def save_incident(db: sqlite3.Connection, incident: Incident) -> None:
    """Insert or replace the incident's row; its timeline only grows."""
    body = orjson.dumps(asdict(replace(incident, timeline=())))
    db.execute(
        "INSERT INTO incident VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " kind = excluded.kind, severity = excluded.severity, cause = excluded.cause, began_at = excluded.began_at,"
        " closed_at = excluded.closed_at, body = excluded.body",
        (
            incident.id,
            incident.kind,
            incident.subject.kind,
            incident.subject.id,
            incident.severity,
            incident.cause.kind,
            incident.began_at,
            incident.opened_at,
            incident.closed_at,
            body,
        ),
    )
    db.executemany(
        "INSERT OR IGNORE INTO timeline VALUES (?, ?, ?, ?, ?)",
        [(incident.id, e.at, e.kind, e.who, e.text) for e in incident.timeline],
    )


def load_incident(db: sqlite3.Connection, body: bytes) -> Incident:
    """An incident from its JSON and its timeline."""
    raw: dict[str, Any] = orjson.loads(body)
    rows = db.execute("SELECT at, kind, who, text FROM timeline WHERE incident = ? ORDER BY at, rowid", (raw["id"],))
    cause = raw["cause"]
    evidence = tuple(Evidence(e["key"], e["at"], e["args"]) for e in cause["evidence"])
    why = cause.get("rule", ""), tuple(cause.get("rejected", ()))  # incidents of before there were reasons
    raw["cause"] = Cause(cause["kind"], cause["confirmed"], evidence, tuple(cause["missing"]), *why)
    raw["subject"] = Subject(**raw["subject"])
    raw["alerts"] = tuple((name, tuple((k, v) for k, v in series)) for name, series in raw["alerts"])
    raw["children"], raw["already_down"] = tuple(raw["children"]), tuple(raw["already_down"])
    raw["ticket"] = Ticket(**raw["ticket"]) if raw.get("ticket") else None
    raw["timeline"] = tuple(TimelineEntry(*row) for row in rows)
    return Incident(**raw)


def save_plan(db: sqlite3.Connection, plan: Work | Silence) -> None:
    """Insert or replace a planned work or a silence."""
    table, over_at = ("work", over(plan)) if isinstance(plan, Work) else ("silence", plan.end_at)
    db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", (plan.id, over_at, orjson.dumps(asdict(plan))))


def load_plans(db: sqlite3.Connection, after: float) -> tuple[list[Work], list[Silence]]:
    """Those that are not over at a moment."""

    def bodies(table: str) -> list[dict[str, Any]]:
        rows = db.execute(f"SELECT body FROM {table} WHERE over_at > ? ORDER BY id", (after,))
        found = [orjson.loads(body) for (body,) in rows]
        return [raw | {"where": tuple(raw["where"])} for raw in found]

    return [Work(**raw) for raw in bodies("work")], [Silence(**raw) for raw in bodies("silence")]


def next_plan_id(db: sqlite3.Connection, kind: type[Work | Silence]) -> int:
    """One more than any number ever given."""
    table = "work" if kind is Work else "silence"
    return int(db.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]) + 1


def add_intents(db: sqlite3.Connection, intents: Iterable[Intent]) -> None:
    """An intent that is there already stays as it is: the same decision made twice is one message."""
    names = [field.name for field in fields(Intent)]
    values = [[getattr(intent, name) for name in names] for intent in intents]
    marks = ", ".join("?" * len(names))
    db.executemany(f"INSERT OR IGNORE INTO intent ({', '.join(names)}) VALUES ({marks})", values)
