"""The spool against a list, over any history of batches, acknowledgements, restarts and crashes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from netmon.history.spool import Batch, Spool
from netmon.model import Reading

READINGS = st.lists(
    st.builds(
        Reading,
        sensor=st.sampled_from(["a", "b"]),
        value=st.floats(allow_nan=False, allow_infinity=False),
        received_at=st.integers(0, 1000).map(float),
        at=st.none() | st.integers(0, 1000).map(float),
        retained=st.booleans(),
        skew_s=st.sampled_from([0.0, 400.5]),
    ),
    max_size=5,
)
SINKS = ("one", "two")


class SpoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.spool = Spool(self.folder / "spool.db", 10**9, SINKS)
        self.all: list[Reading] = []
        self.done = dict.fromkeys(SINKS, 0)
        self.last: dict[str, Reading] = {}

    @rule(readings=READINGS)
    def append(self, readings: list[Reading]) -> None:
        self.spool.append(Batch(list(readings)))
        for reading in readings:
            if not reading.retained:
                self.all.append(reading)
                known = self.last.get(reading.sensor)
                set_back = known is not None and known.moment > reading.received_at  # the clock was, meanwhile
                if known is None or reading.moment >= known.moment or set_back:
                    self.last[reading.sensor] = reading

    @rule(sink=st.sampled_from(SINKS), count=st.integers(1, 6))
    def deliver(self, sink: str, count: int) -> None:
        rows = self.spool.read(sink, count)
        assert [row.reading for row in rows] == self.all[self.done[sink] : self.done[sink] + count]
        if rows:
            self.spool.ack(sink, rows[-1].id)
            self.done[sink] += len(rows)

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.spool = Spool(self.folder / "spool.db", 10**9, SINKS)

    @rule()
    def crash(self) -> None:
        """What lies on disk now is all that is left."""
        copy = Path(tempfile.mkdtemp())
        for part in self.folder.glob("spool.db*"):
            if not part.name.endswith("-shm"):
                shutil.copy(part, copy)
        self.spool.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self.spool = Spool(self.folder / "spool.db", 10**9, SINKS)
        assert self.spool.stats["corrupt"] == 0

    @invariant()
    def nothing_lost(self) -> None:
        assert self.spool.rows == len(self.all) - min(self.done.values())
        found = {reading.sensor: reading for reading in self.spool.last_readings()}
        assert found == self.last

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.folder)


SpoolMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestSpool = SpoolMachine.TestCase
