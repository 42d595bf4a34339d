"""The spool's file: its schema, its statements, and what to do with a file that is broken."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from netmon.errors import NetmonError
from netmon.history import parcels

log = logging.getLogger(__name__)

CHECK_BELOW_BYTES = 64_000_000  # a larger file is not read through at start; its damage shows when it is met
KEEP_ASIDE = 2  # broken files kept for a look, newest last

MIGRATIONS = (
    """
    CREATE TABLE reading (id INTEGER PRIMARY KEY AUTOINCREMENT, sensor TEXT NOT NULL, value REAL NOT NULL,
        received_at REAL NOT NULL, at REAL, skew_s REAL NOT NULL);
    CREATE TABLE last (sensor TEXT PRIMARY KEY, value REAL NOT NULL, received_at REAL NOT NULL, at REAL,
        skew_s REAL NOT NULL, moment REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE view (sensor TEXT PRIMARY KEY, state TEXT NOT NULL, since REAL NOT NULL, breach_since REAL,
        alarm_since REAL) WITHOUT ROWID;
    CREATE TABLE quarantine (id INTEGER PRIMARY KEY AUTOINCREMENT, received_at REAL NOT NULL, topic TEXT NOT NULL,
        reason TEXT NOT NULL, detail TEXT NOT NULL, payload BLOB NOT NULL);
    CREATE TABLE seen (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, marks BLOB NOT NULL);
    CREATE TABLE sink (name TEXT PRIMARY KEY, done INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    """,
    """
    ALTER TABLE view ADD COLUMN gone_at REAL;
    ALTER TABLE view ADD COLUMN same_since REAL;
    ALTER TABLE view ADD COLUMN trail BLOB NOT NULL DEFAULT x'';
    """,
    parcels.SCHEMA,
    """
    ALTER TABLE reading ADD COLUMN bad INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE last ADD COLUMN bad INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE word (gateway TEXT PRIMARY KEY, at REAL NOT NULL, gone INTEGER NOT NULL) WITHOUT ROWID;
    """,
)

APPEND = "INSERT INTO reading (sensor, value, received_at, at, skew_s, bad) VALUES (?, ?, ?, ?, ?, ?)"
READ = """SELECT id, sensor, value, received_at, at, skew_s, bad FROM reading
    WHERE id > (SELECT done FROM sink WHERE name = ?) ORDER BY id LIMIT ?"""
# Two questions, each answered by one end of the tree: asked together they would be a scan of all rows.
ENDS = "SELECT (SELECT min(id) FROM reading), (SELECT max(id) FROM reading)"
_SAVE = """INSERT INTO last (sensor, value, received_at, at, skew_s, bad, moment) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (sensor) DO UPDATE SET value = excluded.value, received_at = excluded.received_at, at = excluded.at,
    skew_s = excluded.skew_s, bad = excluded.bad, moment = excluded.moment WHERE """
SAVE_LAST = f"{_SAVE} excluded.moment >= moment OR moment > excluded.received_at"  # the latter: the clock was set back
# Values that the device had kept: newer by its own clock, see sensors.step.
SAVE_OLD = f"{_SAVE} excluded.skew_s = 0 AND excluded.at > coalesce(at + skew_s, received_at)"
LAST = "SELECT sensor, value, received_at, at, skew_s, bad FROM last"
SAVE_WORD = """INSERT INTO word VALUES (?, ?, ?) ON CONFLICT (gateway) DO UPDATE SET at = excluded.at,
    gone = excluded.gone WHERE NOT (gone AND excluded.gone)"""
WORDS = "SELECT gateway, at, gone FROM word"
SEEN = "SELECT at, marks FROM seen ORDER BY id"
QUARANTINE = "SELECT received_at, topic, reason, detail, payload FROM quarantine ORDER BY id DESC LIMIT ?"
PUT_ASIDE = "INSERT INTO quarantine (received_at, topic, reason, detail, payload) VALUES (?, ?, ?, ?, ?)"
TRIM_QUARANTINE = "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?"
SAVE_VIEW = "INSERT OR REPLACE INTO view VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
VIEWS = "SELECT sensor, state, since, breach_since, alarm_since, gone_at, same_since, trail FROM view"


def is_corrupt(error: sqlite3.Error) -> bool:
    """The file itself is damaged, or is no database."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_full(error: sqlite3.Error) -> bool:
    """No room on the disk, or the file may not grow."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def open_or_replace(path: Path, sinks: Sequence[str]) -> tuple[sqlite3.Connection, int]:
    """The open database, and 1 if a broken file had to be moved aside for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path, sinks), 0
    except sqlite3.DatabaseError as error:
        if not is_corrupt(error):
            raise NetmonError(f"spool cannot be opened: file={path} error={error}") from error
        move_aside(path, str(error))
        return _open(path, sinks), 1


def move_aside(path: Path, why: str) -> None:
    """Rename a broken file and what belongs to it, so that a new one can begin."""
    aside = path.with_name(f"{path.name}.broken-{time.time_ns()}")
    log.error("spool file is broken, moved aside file=%s to=%s error=%s", path, aside.name, why)
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    kept = sorted(p for p in path.parent.glob(f"{path.name}.broken-*") if not p.name.endswith(("-wal", "-shm")))
    for old in kept[:-KEEP_ASIDE]:
        for suffix in ("", "-wal", "-shm"):
            old.with_name(old.name + suffix).unlink(missing_ok=True)


def _open(path: Path, sinks: Sequence[str]) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=5.0)
    try:
        db.text_factory = _text
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # NORMAL does not survive a loss of power (LAB.md)
        db.execute("PRAGMA journal_size_limit = 16777216")
        _migrate(db, path)
        if path.stat().st_size < CHECK_BELOW_BYTES:
            with closing(db.execute("PRAGMA quick_check(1)")) as found:
                if (text := found.fetchone()[0]) != "ok":
                    broken = sqlite3.DatabaseError(f"quick_check: {text}")
                    broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                    raise broken
        with db:
            _know_sinks(db, sinks)
    except BaseException:
        db.close()
        raise
    return db


def _text(stored: bytes) -> str:
    """A name on a damaged page must not make the rows after it unreadable."""
    return stored.decode(errors="replace")


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise NetmonError(f"spool file={path} has version {version}, newer than this program's {len(MIGRATIONS)}")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        if version:  # a copy before each change of a file that holds something
            with closing(sqlite3.connect(path.with_name(f"{path.name}.v{number - 1}"))) as copy:
                db.backup(copy)
        db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")


def _know_sinks(db: sqlite3.Connection, sinks: Sequence[str]) -> None:
    """New sinks begin with what is still there; those no longer configured hold nothing back."""
    db.executemany("INSERT OR IGNORE INTO sink VALUES (?, 0)", [(name,) for name in sinks])
    gone = [name for (name,) in db.execute("SELECT name FROM sink") if name not in sinks]
    db.executemany("DELETE FROM sink WHERE name = ?", [(name,) for name in gone])
    if sinks:
        db.execute("DELETE FROM reading WHERE id <= (SELECT min(done) FROM sink)")
    else:
        db.execute("DELETE FROM reading")
        db.execute("DELETE FROM parcel")


def used_bytes(db: sqlite3.Connection) -> int:
    """Bytes of pages that hold something."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return (pages - free) * size
