"""A loss of power tears what was being written: whatever the damage, the spool opens and goes on."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netmon.history.spool import Batch, Spool
from netmon.model import Reading

BATCHES, EACH = 30, 7
FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def crashed() -> Iterator[Path]:
    """The files as a killed daemon leaves them: half of the batches in the main file, half in its log."""
    folder = Path(tempfile.mkdtemp())
    spool = Spool(folder / "live.db", 10**8)
    for number in range(BATCHES):
        if number == BATCHES // 2:
            with closing(sqlite3.connect(folder / "live.db")) as other:
                other.execute("PRAGMA wal_checkpoint(RESTART)")
        readings = [Reading(f"sensor-{n % 3}", number * EACH + n, 1.0) for n in range(EACH)]
        spool.append(Batch(readings, seen=[(number + 1, b"x" * 8)], at=1.0))
    for suffix in ("", "-wal"):
        shutil.copy(folder / f"live.db{suffix}", folder / f"spool.db{suffix}")
    spool.close()
    yield folder
    shutil.rmtree(folder)


def opened(crashed: Path, suffix: str, damage: bytes, at: float, cut: bool) -> tuple[list[float], int]:
    """What is read after this damage, and how often the file was moved aside; the spool takes new readings, too."""
    folder = Path(tempfile.mkdtemp())
    for part in ("", "-wal"):
        shutil.copy(crashed / f"spool.db{part}", folder)
    victim = folder / f"spool.db{suffix}"
    offset = int(victim.stat().st_size * at)
    with victim.open("r+b") as file:
        if cut:
            file.truncate(offset)
        file.seek(offset)
        file.write(damage)
    spool = Spool(folder / "spool.db", 10**8)
    try:
        found = [row.reading.value for row in spool.read("influx", 10_000)]
        spool.append(Batch([Reading("sensor-0", -1.0, 2.0)]))
        corrupt = spool.stats["corrupt"]
    finally:
        spool.close()
    again = Spool(folder / "spool.db", 10**8)
    try:
        kept = [row.reading.value for row in again.read("influx", 10_000)]
    finally:
        again.close()
        aside = list(folder.glob("spool.db.broken-*"))
        shutil.rmtree(folder)
    assert kept[-1] == -1.0, "what is stored after the damage stays"
    assert bool(aside) == bool(corrupt)
    return found, corrupt


def test_without_damage_all_is_there(crashed: Path) -> None:
    assert opened(crashed, "-wal", b"", 1.0, cut=False) == (list(map(float, range(BATCHES * EACH))), 0)


@FEW
@given(at=st.floats(0, 1), damage=st.binary(max_size=6000), cut=st.booleans())
def test_a_torn_log_costs_only_whole_batches_of_its_end(crashed: Path, at: float, damage: bytes, cut: bool) -> None:
    found, corrupt = opened(crashed, "-wal", damage, at, cut)
    assert found == list(range(len(found))), "a beginning, without holes"
    assert len(found) % EACH == 0, "a batch is there or not"
    assert len(found) >= BATCHES // 2 * EACH, "what is in the main file is not touched"
    assert corrupt == 0


@FEW
@given(at=st.floats(0, 1), damage=st.binary(min_size=1, max_size=9000), cut=st.booleans())
def test_a_torn_main_file_is_used_or_moved_aside(crashed: Path, at: float, damage: bytes, cut: bool) -> None:
    found, corrupt = opened(crashed, "", damage, at, cut)
    assert corrupt in (0, 1)
    if corrupt:
        assert found == []
