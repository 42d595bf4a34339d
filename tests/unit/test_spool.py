"""The spool: durable, ordered, bounded, and never the reason why the daemon stops."""

from __future__ import annotations

import math
import os
import random
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netmon.errors import NetmonError
from netmon.history import spooldb
from netmon.history.spool import QUARANTINE_BYTES, QUARANTINE_ROWS, SEEN_IDS, Bad, Batch, Spool, SpoolError
from netmon.model import Reading, Word
from netmon.state import SensorView
from tests.conftest import ROOT

Opener = Callable[..., Spool]
NOW = 1_700_000_000.0


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Open the same file as often as a test likes."""
    spools: list[Spool] = []

    def make(max_bytes: int = 10**8, sinks: tuple[str, ...] = ("influx",)) -> Spool:
        for spool in spools:
            spool.close()
        spools.append(Spool(tmp_path / "state" / "spool.db", max_bytes, sinks))
        return spools[-1]

    yield make
    for spool in spools:
        spool.close()


def reading(value: float, sensor: str = "s", *, retained: bool = False, at: float | None = None) -> Reading:
    return Reading(sensor, value, 1000.0 + value, at, retained)


def values(spool: Spool, sink: str = "influx") -> list[float]:
    return [row.reading.value for row in spool.read(sink, 10_000)]


def test_rows_are_there_in_order_until_acknowledged(opened: Opener) -> None:
    spool = opened()
    kept = [Reading("a", 1.5, 10.0, 9.0, skew_s=-3.0), Reading("b", -2.0, 11.0)]
    spool.append(Batch(kept))
    rows = spool.read("influx", 10)
    assert [row.reading for row in rows] == kept
    assert values(opened()) == [1.5, -2.0], "they survive a restart"
    spool = opened()
    assert spool.rows == 2
    spool.ack("influx", rows[0].id)
    assert values(spool) == [-2.0]
    spool.ack("influx", rows[1].id)
    assert (values(spool), spool.rows) == ([], 0)
    spool.append(Batch([reading(3)]))
    assert spool.read("influx", 10)[0].id > rows[1].id, "ids never come back"


def test_rows_wait_for_the_slowest_sink_and_for_none_not_at_all(opened: Opener) -> None:
    spool = opened(sinks=("influx", "other"))
    spool.append(Batch([reading(1), reading(2)]))
    last = spool.read("influx", 10)[-1].id
    spool.ack("influx", last)
    assert (values(spool), values(spool, "other"), spool.rows) == ([], [1, 2], 2)
    spool.ack("other", last)
    assert spool.rows == 0
    spool.append(Batch([reading(3)]))
    spool = opened(sinks=("influx",))
    assert values(spool) == [3], "a sink that is no longer configured holds nothing back"
    spool = opened(sinks=())
    assert spool.rows == 0
    spool.append(Batch([reading(4)]))
    assert (spool.rows, [r.value for r in spool.last_readings()]) == (0, [4])


def test_last_reading_is_the_newest_measured_not_the_last_arrived(opened: Opener) -> None:
    spool = opened()
    spool.append(Batch([Reading("a", 1, 100.0), Reading("a", 2, 101.0, at=50.0), Reading("b", 3, 102.0)]))
    spool.append(Batch([Reading("a", 4, 103.0, at=60.0), Reading("a", 9, 104.0, retained=True)]))
    spool.append(Batch([Reading("b", float("nan"), 105.0, gone=True)]))
    expected = [Reading("a", 1, 100.0), Reading("b", 3, 102.0)]
    assert spool.last_readings() == expected
    assert values(spool) == [1, 2, 3, 4], "late ones go to the history, replays do not"
    assert opened().last_readings() == expected


def test_views_survive(opened: Opener) -> None:
    spool = opened()
    spool.append(Batch([Reading("a", 41.0, 100.0, 99.0), Reading("b", 1.0, 100.0)]))
    view = SensorView("a", "alarm", 50.0, 40.0, 90.0, 91.0, breach_since=40.0, alarm_since=50.0, hearing_since=1.0)
    spool.save_views([view])
    assert opened().load_views() == {
        "a": SensorView("a", "alarm", 50.0, 41.0, 99.0, 100.0, breach_since=40.0, alarm_since=50.0),
        "b": SensorView("b", "unknown", 100.0, 1.0, None, 100.0),
    }


def test_marks_of_deliveries(opened: Opener) -> None:
    spool = opened()
    spool.append(Batch(seen=[(1, b"a" * 8), (65535, b"b" * 8)], at=10.0))
    spool.append(Batch(seen=[(1, b"c" * 8)], at=20.0))
    assert opened().seen() == [(1, b"a" * 8, 10.0), (65535, b"b" * 8, 10.0), (1, b"c" * 8, 20.0)]
    spool = opened()
    spool.append(Batch(at=30.0, forget_before=20.0))
    assert spool.seen() == [(1, b"c" * 8, 20.0)]
    spool.append(Batch(seen=[(2, b"d" * 8)], at=40.0, forget_before=math.inf))
    assert spool.seen() == [(2, b"d" * 8, 40.0)]


def test_marks_are_bounded(opened: Opener) -> None:
    spool = opened()
    for number in range(200):
        spool.append(Batch(seen=[(n + 1, b"x" * 8) for n in range(1000)], at=float(number)))
    assert SEEN_IDS <= len(spool.seen()) <= SEEN_IDS + 100 * 1000


def test_quarantine_is_bounded(opened: Opener) -> None:
    spool = opened()
    spool.append(Batch(bad=[Bad(1.0, "t", "not_json", "x" * 999, b"p" * 10_000)]))
    bad = spool.quarantine()[0]
    assert (len(bad.payload), len(bad.detail)) == (QUARANTINE_BYTES, 200)
    for _ in range(3):
        spool.append(Batch(bad=[Bad(float(n), "t", "r", "", b"") for n in range(700)]))
    kept = spool.quarantine(10_000)
    assert len(kept) == QUARANTINE_ROWS
    assert kept[0].received_at == 699.0, "newest first"
    assert spool.stats["quarantined"] == 2101


def test_oldest_are_dropped_and_counted_when_the_budget_is_spent(
    opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened(max_bytes=400_000)
    for start in range(0, 20_000, 500):
        spool.append(Batch([reading(n, f"sensor-with-a-name-{n % 7}") for n in range(start, start + 500)]))
    left = [row.reading.value for row in spool.read("influx", 100_000)]
    assert spool.bytes <= 400_000
    assert 0.5 < spool.used_ratio <= 1
    assert left == list(range(20_000 - len(left), 20_000)), "what is left is the newest, without holes"
    assert spool.stats["dropped"] + len(left) == 20_000
    assert len(left) > 1000
    assert caplog.text.count("spool full") == 1
    size = sum(p.stat().st_size for p in spool.path.parent.iterdir())
    assert size < 400_000 * 2 + 8_000_000, "with its log, which SQLite bounds"


@pytest.mark.parametrize(
    "damage", [b"this is not a database, but it is long enough to look like one" * 99, b"\0" * 4096]
)
def test_a_file_that_is_no_database_is_moved_aside(
    opened: Opener, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    spool = opened()
    spool.append(Batch([reading(1)]))
    spool.close()
    spool.path.write_bytes(damage)
    spool = opened()
    spool.append(Batch([reading(2)]))
    assert values(spool) == [2]
    assert spool.stats["corrupt"] == 1
    assert "moved aside" in caplog.text
    assert [p.read_bytes() for p in spool.path.parent.glob("spool.db.broken-*")] == [damage]


def test_torn_pages_are_noticed_and_at_most_two_broken_files_kept(opened: Opener) -> None:
    for _ in range(4):
        spool = opened()
        spool.append(Batch([reading(n) for n in range(2000)]))
        spool.close()
        with spool.path.open("r+b") as file:
            file.seek(8192)
            file.write(os.urandom(3 * 4096))
        spool = opened()
        assert (spool.rows, spool.stats["corrupt"]) == (0, 1)
    assert len(list(spool.path.parent.glob("spool.db.broken-*"))) == 2


def test_damage_met_while_running(opened: Opener) -> None:
    spool = opened()
    spool.append(Batch([reading(n) for n in range(50)]))
    with sqlite3.connect(spool.path) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spool.path.write_bytes(b"torn" * 20_000)
    spool.append(Batch([reading(99)]))
    assert values(spool)[-1] == 99
    assert spool.stats["corrupt"] == 1


def test_a_name_that_is_no_text_does_not_stop_the_rows_after_it(opened: Opener) -> None:
    spool = opened()
    spool.append(Batch([reading(1), reading(2)]))
    spool.close()
    with sqlite3.connect(spool.path) as db:
        db.execute("UPDATE reading SET sensor = CAST(x'ff41' AS TEXT) WHERE id = 1")
    spool = opened()
    assert spool.read("influx", 1)[0].reading.sensor == "\ufffdA"
    assert values(spool) == [1, 2]


def test_torn_tail_of_the_log_costs_only_what_was_not_committed(tmp_path: Path) -> None:
    """As after a loss of power: the process is gone without closing, and half a transaction stands at the end."""
    path = tmp_path / "spool.db"
    code = (
        "import os, sys\nfrom netmon.history.spool import Spool, Batch\nfrom netmon.model import Reading\n"
        "spool = Spool(sys.argv[1], 10**8)\n"
        "for n in range(20): spool.append(Batch([Reading('s', n, 1.0)]))\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False).returncode == 9
    with Path(f"{path}-wal").open("ab") as wal:
        wal.write(os.urandom(2000))
    spool = Spool(path, 10**8)
    assert values(spool) == list(range(20))
    assert spool.stats["corrupt"] == 0
    spool.close()


def test_no_room_is_an_error_that_changes_nothing(opened: Opener) -> None:
    spool = opened()
    spool.append(Batch([reading(1)]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = Path(f"{spool.path}-wal").stat().st_size + 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(SpoolError, match=r"spool file=.*spool\.db error="):
            spool.append(Batch([reading(n) for n in range(2, 5000)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert values(spool) == [1]
    assert spool.stats["appended"] == 1
    spool.append(Batch([reading(2)]))
    assert values(spool) == [1, 2]


def test_no_step_grows_with_what_waits(opened: Opener) -> None:
    """Counted in instructions of SQLite's machine, so that a scan shows whatever the machine is busy with."""
    spool = opened()
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    def cost() -> int:
        nonlocal ticks
        ticks = 0
        spool.append(Batch([reading(n) for n in range(10)], bad=[Bad(1.0, "t", "r", "", b"")], seen=[(1, b"x" * 8)]))
        spool.ack("influx", spool.read("influx", 10)[-1].id)
        return ticks

    spool.append(Batch([reading(n) for n in range(100)]))
    spool._call(lambda db: db.set_progress_handler(tick, 10))
    few = cost()
    spool.append(Batch([reading(n) for n in range(20_000)]))
    assert cost() <= 1.5 * few


def test_a_newer_file_and_a_folder_are_refused_with_one_line(opened: Opener, tmp_path: Path) -> None:
    spool = opened()
    spool.close()
    with sqlite3.connect(spool.path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(NetmonError, match="version 99, newer than"):
        opened()
    with pytest.raises(NetmonError, match="cannot be opened"):
        Spool(tmp_path, 10**8)


def test_closed(opened: Opener) -> None:
    spool = opened()
    spool.close()
    spool.close()
    with pytest.raises(SpoolError, match="closed"):
        spool.append(Batch([reading(1)]))


def test_notes(opened: Opener) -> None:
    spool = opened()
    assert spool.get_note("x") == ""
    spool.set_note("x", "ô")
    assert opened().get_note("x") == "ô"


def test_marks_and_words_survive(opened: Opener) -> None:
    spool = opened()
    live = Reading("s", 1.0, NOW, NOW + 60)  # its clock is a minute ahead
    spool.append(
        Batch([live, Reading("b", 9.0, NOW, mark="bad")], words=[Word("g", NOW, False), Word("r", NOW, True, True)])
    )
    spool.append(Batch([Reading("s", 2.0, NOW + 30, NOW + 50, mark="old")], words=[Word("g", NOW + 1, True)]))
    spool.append(
        Batch([Reading("s", 3.0, NOW + 31, NOW + 70, skew_s=9e3, mark="old")], words=[Word("g", NOW + 2, True)])
    )
    assert [(row.reading.value, row.reading.mark) for row in spool.read("influx", 9)] == [
        (1.0, ""), (9.0, "bad"), (2.0, ""), (3.0, "")
    ]  # fmt: skip
    spool.close()
    again = opened()
    assert {r.sensor: (r.value, r.mark) for r in again.last_readings()} == {"s": (1.0, ""), "b": (9.0, "bad")}
    assert again.load_views()["b"].bad
    assert again.words() == [Word("g", NOW + 1, True)], "the first that it is gone; a replay comes again"
    again.append(Batch([Reading("s", 4.0, NOW + 90, NOW + 80, mark="old")], words=[Word("g", NOW + 3, False)]))
    assert again.load_views()["s"].value == 4.0
    assert again.words() == [Word("g", NOW + 3, False)]


def test_the_last_reading_follows_a_clock_that_was_set_back(opened: Opener) -> None:
    spool = opened()
    spool.append(Batch([Reading("a", 1, 90_000.0)]))
    spool.append(Batch([Reading("a", 2, 3600.0)]))
    assert spool.last_readings() == [Reading("a", 2, 3600.0)]


# --- parcels ---------------------------------------------------------------------------------------------------------


def test_parcels_come_back_in_order_and_survive(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", 10**7)
    spool.put_parcel(["a 1", "b 2"], 5.0)
    spool.put_parcel(["đ 3"], 6.0)
    spool.close()
    spool = Spool(tmp_path / "s.db", 10**7)
    found = spool.first_parcel()
    assert found is not None
    assert (found.at, found.lines, spool.parcels) == (5.0, ["a 1", "b 2"], 2)
    spool.drop_parcel(found.id, [Bad(5.0, "influx", "refused", "400", b"b 2")])
    assert [one.payload for one in spool.quarantine()] == [b"b 2"]
    assert (spool.first_parcel() or found).lines == ["đ 3"]
    spool.close()


def test_parcels_keep_to_their_share_of_the_disk(tmp_path: Path) -> None:
    """A quarter of the budget; readings are not dropped for them."""
    spool = Spool(tmp_path / "s.db", 400_000)
    spool.append(Batch([Reading("s", 1.0, 1.0)]))
    rng = random.Random(3)
    for number in range(60):
        spool.put_parcel([rng.randbytes(2500).hex()], float(number))  # 2.5 kB of it cannot be packed any smaller
    left = spool.parcels
    assert 30 <= left <= 40
    assert spool.stats["parcels_dropped"] == 60 - left
    assert (spool.rows, spool.stats["dropped"]) == (1, 0)
    found = spool.first_parcel()
    assert found is not None
    assert found.at == 60 - left, "the oldest went"
    assert spool.bytes < 400_000
    spool.close()


def test_parcels_go_when_there_is_no_history_database_any_more(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.db", 10**7)
    spool.put_parcel(["a 1"], 5.0)
    spool.close()
    spool = Spool(tmp_path / "s.db", 10**7, sinks=())
    assert spool.first_parcel() is None
    spool.close()


def test_a_file_of_an_earlier_version_is_brought_up_to_date(opened: Opener, tmp_path: Path) -> None:
    path = tmp_path / "state" / "spool.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        for script in spooldb.MIGRATIONS[:3]:
            db.executescript(script)
        db.executescript(
            "INSERT INTO reading (sensor, value, received_at, at, skew_s) VALUES ('s', 1.5, 10.0, 9.0, 0);"
            "INSERT INTO last VALUES ('s', 1.5, 10.0, 9.0, 0, 9.0); PRAGMA user_version = 3;"
        )
    spool = opened()
    kept = Reading("s", 1.5, 10.0, 9.0)
    assert ([row.reading for row in spool.read("influx", 9)], spool.last_readings()) == ([kept], [kept])
    spool.append(Batch([Reading("s", 2.5, 11.0, mark="bad")], words=[Word("g", 11.0, True)]))
    assert [(row.reading.value, row.reading.mark) for row in spool.read("influx", 9)] == [(1.5, ""), (2.5, "bad")]
    with closing(sqlite3.connect(path.with_name("spool.db.v3"))) as copy:
        assert copy.execute("SELECT count(*) FROM reading").fetchone() == (1,), "a copy from before"
