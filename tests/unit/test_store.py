"""netmon.db: what was committed is there, whatever happens to the process, the file or the disk."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from netmon.errors import NetmonError
from netmon.history import storedb
from netmon.history.store import Store, StoreError
from netmon.model import Cause, Change, Evidence, Incident, Intent, Subject, TimelineEntry, Verdict
from tests.conftest import ROOT

SITE, OTHER = Subject("site", "a"), Subject("line", "a-1")
T0 = 1_795_404_660.0
CAUSE = Cause("power", False, (Evidence("ups_charge", T0, {"percent": "4"}),), ("uptime",))
INCIDENT = Incident(
    1001,
    SITE,
    "outage",
    "critical",
    T0,
    T0 + 7,
    CAUSE,
    "power",
    alerts=(("UpsOnBattery", (("device", "ups-a"), ("site", "a"))),),
    children=("b", "c"),
    already_down=("d",),
    tell_at=T0 + 60,
    timeline=(TimelineEntry(T0 + 7, "opened", "netmon", "outage"), TimelineEntry(T0 + 8, "ack", "an", "đang đi")),
)
INTENT = Intent("1001-0-opened|an|mail", 1001, "opened", "an", "mail", "tiêu đề", "nội dung", T0, "because", stage="x")


def run(path: Path, work: Callable[[Store], Awaitable[None]], now: float = T0) -> Store:
    """Open, work, close."""

    async def main() -> Store:
        store = Store(path)
        await store.open(now)
        try:
            await work(store)
        finally:
            await store.close()
        return store

    return asyncio.run(main())


def verdict(subject: Subject, condition: str, since: float) -> dict[Subject, Verdict]:
    return {subject: Verdict(subject, condition, since)}  # type: ignore[arg-type]


def test_an_incident_comes_back_as_it_was(tmp_path: Path) -> None:
    async def write(store: Store) -> None:
        assert await store.commit_step([Change("opened", INCIDENT, T0)], [INTENT], {}, T0)

    async def read(store: Store) -> None:
        assert await store.load_incidents(T0) == [INCIDENT]
        assert await store.incident(1001) == INCIDENT
        assert await store.incident(7) is None
        assert await store.incident(10**30) is None
        assert await store.next_incident_id() == 1002
        assert await store.pending_intents() == [INTENT]
        assert await store.recent_intents(T0) == [d.intent for d in (await store.telling(1001)).decisions] == [INTENT]

    run(tmp_path / "n.db", write)
    run(tmp_path / "n.db", read)


def test_the_first_number_is_short_and_none_comes_twice(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        assert await store.next_incident_id() == 1001
        await store.commit_step([Change("opened", replace(INCIDENT, id=1043), T0)], [], {}, T0)
        await store.commit_step([Change("closed", replace(INCIDENT, id=1043, closed_at=T0), T0)], [], {}, T0)
        assert await store.next_incident_id() == 1044
        assert await store.load_incidents(T0) == []
        assert [i.id for i in await store.load_incidents(T0 - 1)] == [1043]

    run(tmp_path / "n.db", work)


def test_the_same_decision_made_twice_is_one_and_its_result_stays(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        change = [Change("opened", INCIDENT, T0)]
        await store.commit_step(change, [INTENT], {}, T0)
        await store.mark_intents([(replace(INTENT, state="sent", attempts=1), "")], T0 + 1)
        await store.commit_step(change, [replace(INTENT, body="later words")], {}, T0 + 2)
        assert await store.pending_intents() == []
        (decision,) = (await store.telling(1001)).decisions
        assert decision.intent == replace(INTENT, state="sent", attempts=1)
        assert [(a.number, a.result) for a in decision.attempts] == [(1, "sent")]

    run(tmp_path / "n.db", work)


def test_the_time_without_a_daemon_is_known(tmp_path: Path) -> None:
    async def first(store: Store) -> None:
        assert store.gaps == []
        await store.commit_step([], [], verdict(SITE, "up", T0), T0)
        await store.heartbeat(T0 + 60)

    async def second(store: Store) -> None:
        assert store.gaps == [(T0 + 60, T0 + 600)]
        await store.commit_step([], [], verdict(SITE, "up", T0 + 610), T0 + 620)
        await store.heartbeat(T0 + 700)

    async def third(store: Store) -> None:
        assert store.gaps == [(T0 + 60, T0 + 610), (T0 + 700, T0 + 1000)]

    for now, work in ((T0, first), (T0 + 600, second), (T0 + 1000, third)):
        run(tmp_path / "n.db", work, now)


def test_a_timeline_only_grows(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await store.commit_step([Change("opened", INCIDENT, T0)], [], {}, T0)
        shorter = replace(INCIDENT, timeline=(*INCIDENT.timeline[1:], TimelineEntry(T0 + 9, "closed", "netmon", "")))
        await store.commit_step([Change("updated", shorter, T0)], [], {}, T0)
        (read,) = await store.load_incidents(T0)
        assert [e.kind for e in read.timeline] == ["opened", "ack", "closed"]

    run(tmp_path / "n.db", work)


def test_intervals_follow_conditions(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        for at, condition, since in ((0, "up", -50), (5, "up", -50), (10, "down", 8), (30, "up", 27)):
            await store.commit_step([], [], verdict(SITE, condition, T0 + since), T0 + at)
        # Before netmon looked nothing is known: the first one begins when it did.
        assert await store.intervals(SITE, T0 - 100) == [
            ("up", T0, T0 + 8),
            ("down", T0 + 8, T0 + 27),
            ("up", T0 + 27, None),
        ]
        await store.commit_step([], [], verdict(OTHER, "up", T0 + 40), T0 + 40)
        assert (await store.intervals(SITE, T0))[-1] == ("up", T0 + 27, T0 + 40)

    run(tmp_path / "n.db", work)


def test_after_a_crash_the_time_since_the_last_heartbeat_is_unknown(tmp_path: Path) -> None:
    async def first(store: Store) -> None:
        await store.commit_step([], [], verdict(SITE, "up", T0), T0)
        await store.heartbeat(T0 + 10)

    async def second(store: Store) -> None:
        await store.commit_step([], [], verdict(SITE, "up", T0 + 102), T0 + 103)
        assert await store.intervals(SITE, T0) == [
            ("up", T0, T0 + 10),
            ("unknown", T0 + 10, T0 + 102),
            ("up", T0 + 102, None),
        ]

    run(tmp_path / "n.db", first)
    run(tmp_path / "n.db", second, now=T0 + 100)


def test_a_second_crash_right_after_the_start_leaves_no_hole(tmp_path: Path) -> None:
    async def first(store: Store) -> None:
        await store.commit_step([], [], verdict(SITE, "up", T0), T0)
        await store.heartbeat(T0 + 10)

    async def nothing(store: Store) -> None:
        pass

    async def look(store: Store) -> None:
        await store.commit_step([], [], verdict(SITE, "down", T0 + 203), T0 + 210)
        assert await store.intervals(SITE, T0) == [
            ("up", T0, T0 + 10),
            ("unknown", T0 + 10, T0 + 203),
            ("down", T0 + 203, None),
        ]

    run(tmp_path / "n.db", first)
    run(tmp_path / "n.db", nothing, now=T0 + 100)
    run(tmp_path / "n.db", look, now=T0 + 200)


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to be looked at" * 50, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_broken_file_is_moved_aside_and_said(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "n.db"
    path.write_bytes(content)

    async def work(store: Store) -> None:
        assert await store.commit_step([Change("opened", INCIDENT, T0)], [], {}, T0)

    assert run(path, work).replaced == 1
    aside = [p for p in tmp_path.iterdir() if p.name.startswith("n.db") and p.read_bytes() == content]
    assert len(aside) == 1
    assert "n.db" in caplog.text


def test_an_older_file_is_copied_and_brought_forward(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(storedb.MIGRATIONS[0])
        db.execute("PRAGMA user_version = 1")
        db.execute(
            "INSERT INTO intent (id, incident, change, contact, channel, subject, body, created_at, reason, state,"
            " attempts) VALUES ('old', 0, 'digest', 'an', 'mail', '', '', 1, '', 'pending', 0)"
        )
        db.commit()

    async def work(store: Store) -> None:
        assert [i.id for i in await store.pending_intents()] == ["old"]
        assert await store.call(lambda db: db.execute("PRAGMA user_version").fetchone()) == (len(storedb.MIGRATIONS),)

    run(path, work)
    with closing(sqlite3.connect(tmp_path / "n.db.v1")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
        assert copy.execute("SELECT id FROM intent").fetchall() == [("old",)]


def test_a_file_of_a_newer_netmon_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "n.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")

    async def work(store: Store) -> None:
        raise AssertionError

    with pytest.raises(NetmonError, match="version 99, newer"):
        run(path, work)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (99,)


def test_a_disk_that_refuses_stops_nobody_and_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(store: Store) -> None:
        pages = await store.call(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await store.call(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchall())  # a full disk
        large = replace(INTENT, body="x" * 50_000)
        assert not await store.commit_step([Change("opened", INCIDENT, T0)], [large], verdict(SITE, "down", T0), T0)
        assert not await store.commit_step([], [], {}, T0 + 1)
        assert (store.ok, store.waiting) == (False, 2)
        assert store.failures == 2
        await store.call(lambda db: db.execute("PRAGMA max_page_count = 100000").fetchall())
        assert await store.commit_step([], [], verdict(SITE, "down", T0), T0 + 2)
        assert (store.ok, store.waiting) == (True, 0)
        assert await store.load_incidents(T0) == [INCIDENT]
        assert await store.pending_intents() == [large]
        assert await store.intervals(SITE, T0) == [("down", T0 + 2, None)]

    run(tmp_path / "n.db", work)
    assert caplog.text.count("store refuses") == 1
    assert "full" in caplog.text


def test_a_locked_file_is_an_error_not_a_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(store: Store) -> None:
        await store.call(lambda db: db.execute("PRAGMA busy_timeout = 50").fetchall())
        with closing(sqlite3.connect(tmp_path / "n.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            assert not await store.heartbeat(T0)
            with pytest.raises(StoreError, match="locked"):
                await store.mark_intents([(INTENT, "")], T0)
        assert await store.heartbeat(T0)

    run(tmp_path / "n.db", work)


def test_foreign_keys_and_full_synchronous_are_on(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert await store.call(lambda db, p=pragma: db.execute(f"PRAGMA {p}").fetchone()[0]) == value

    run(tmp_path / "n.db", work)


def test_after_close_every_call_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store(tmp_path / "n.db")
        await store.open(T0)
        await store.close()
        with pytest.raises((StoreError, RuntimeError)):
            await store.load_incidents(T0)

    asyncio.run(main())


def test_killed_at_any_moment_every_acknowledged_commit_is_there(tmp_path: Path) -> None:
    """kill -9 in mid-stream, again and again on the same file: nothing said to be on disk is missing."""
    path, rng, said = tmp_path / "n.db", random.Random(20261123), 1000
    for round_ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.store_writer", str(path), str(1_795_404_660 + round_ * 1000)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert child.stdout is not None
        with child.stdout:
            for _ in range(rng.randrange(1, 30)):
                line = child.stdout.readline()
                assert line, "the writer ended by itself"
                assert int(line) == said + 1
                said = int(line)
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read().decode().splitlines()
        child.wait()
        said = max([said, *(int(r) for r in rest if r)])
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            count = db.execute("SELECT count(*) FROM incident").fetchone()[0]
            # One more may be committed than was said: killed between the commit and the word.
            assert count in (said - 1000, said - 999)
            assert db.execute("SELECT count(*) FROM intent").fetchone()[0] == 2 * count  # also who was not told
            # A result is there with its attempt; each kill may have come between a decision and its result.
            sent = db.execute("SELECT count(*) FROM intent WHERE state = 'sent'").fetchone()[0]
            assert count - sent <= round_ + 1
            assert db.execute("SELECT count(*) FROM attempt").fetchone()[0] == sent
            assert db.execute("SELECT count(*) FROM timeline").fetchone()[0] == count
            # Never two open intervals of one subject, never one that ends before it begins.
            assert not db.execute(
                "SELECT subject FROM interval WHERE until IS NULL GROUP BY kind, subject HAVING count(*) > 1"
            ).fetchall()
            assert not db.execute("SELECT * FROM interval WHERE until < since").fetchall()
            said = 1000 + count


def test_two_commits_beside_each_other_save_both(tmp_path: Path) -> None:
    """Somebody takes an incident while a step is being committed: both are kept, neither fails."""

    async def work(store: Store) -> None:
        opened = store.commit_step([Change("opened", INCIDENT, T0)], [INTENT], {}, T0)
        taken = store.commit_step([Change("updated", replace(INCIDENT, acked_by="an"), T0 + 1)], [], {}, T0 + 1)
        assert all(await asyncio.gather(opened, taken))
        assert store.waiting == 0
        assert [i.acked_by for i in await store.load_incidents(0.0)] == ["an"]
        assert len(await store.pending_intents()) == 1

    run(tmp_path / "netmon.db", work)


def test_only_one_daemon_writes_a_file(tmp_path: Path) -> None:
    """A second one would take the open intervals for those of a crash and send the pending messages once more."""
    path = tmp_path / "netmon.db"

    async def work(store: Store) -> None:
        assert await store.commit_step([], [INTENT], verdict(SITE, "up", T0), T0)
        with pytest.raises(NetmonError, match="another daemon"):
            await Store(path).open(T0 + 5)
        assert await store.intervals(SITE, 0.0) == [("up", T0, None)]

    run(path, work)
    run(path, lambda store: store.heartbeat(T0))


def test_blind_minutes_stay_blind_when_sight_returns(tmp_path: Path) -> None:
    """A line that is probed a moment after netmon's own uplink came back looks lost since the beginning."""
    line = Subject("line", "l1")

    async def main(store: Store) -> None:
        await store.commit_step([], [], verdict(line, "up", T0), T0)
        await store.commit_step([], [], {line: Verdict(line, "unknown", T0 + 100, "monitor")}, T0 + 105)
        await store.commit_step([], [], verdict(line, "down", T0 + 101), T0 + 700)
        await store.commit_step([], [], verdict(line, "up", T0 + 702), T0 + 702)
        assert await store.intervals(line, T0) == [
            ("up", T0, T0 + 100),
            ("unknown", T0 + 100, T0 + 700),
            ("down", T0 + 700, T0 + 702),
            ("up", T0 + 702, None),
        ]

    run(tmp_path / "netmon.db", main)
