"""From the spool to an InfluxDB v2 API (InfluxDB 2, VictoriaMetrics), oldest first, removed only when written.

A server that is away, slow or refuses costs nothing but disk. A line the server will never take is found by halving the
batch and put into quarantine; everything else is kept and tried again. Writing a line twice makes one point.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from netmon.clock import Clock
from netmon.config import InfluxConfig
from netmon.errors import CollectError, NetmonError
from netmon.history.spool import Bad, Spool
from netmon.influx_http import TIMEOUT_S, Sender
from netmon.influx_lines import reading_line
from netmon.model import Inventory

log = logging.getLogger(__name__)

SINK = "influx"
BACKOFF_S = (1.0, 60.0)
GROW_AFTER = 10  # full batches that were taken, before the next are a tenth larger again


class _Outcome(NamedTuple):
    """Of some lines: how many from the front are dealt with, and which of these were refused for good, and why."""

    done: int
    bad: list[tuple[int, str]]
    trouble: CollectError | None = None


class InfluxWriter:
    """``stats`` counts written, refused and each kind of failure."""

    def __init__(
        self, config: InfluxConfig, spool: Spool, inventory: Inventory, clock: Clock,
        *, backoff_s: tuple[float, float] = BACKOFF_S, timeout_s: float = TIMEOUT_S,
    ) -> None:  # fmt: skip
        self._config = config
        self._spool = spool
        self._inventory = inventory
        self._clock = clock
        self._backoff_s = backoff_s
        self.stats: Counter[str] = Counter()
        self._sender = Sender(config, clock, timeout_s)
        self._batch = config.batch  # smaller after a server found one too large, or was too slow for it
        self._good = 0
        self._retry_after_s = 0.0
        self._said = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="influx", daemon=True)

    @property
    def ok(self) -> bool | None:
        """Whether the server judged the latest batch; None until the first attempt."""
        return self._sender.ok

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Write once more what there is, if the server takes it; the rest stays in the spool. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._sender.close()

    def set_inventory(self, inventory: Inventory) -> None:
        self._inventory = inventory

    # Everything below runs in the writer's thread.

    def _run(self) -> None:
        shortest, longest = self._backoff_s
        delay = shortest
        while True:
            last_round = self._stop.is_set()
            trouble, more = self._round()
            self._report(trouble)
            if last_round or (self._stop.is_set() and trouble):
                return
            if trouble:
                # A wrong token is not right a second later. Jitter, so that several writers do not come back together.
                wait_s = self._retry_after_s or (delay if trouble.retryable else longest)
                self._stop.wait(wait_s * random.uniform(1.0, 1.3))
                delay = min(delay * 2, longest)
            else:
                delay = shortest
                if not more:
                    self._stop.wait(self._config.interval_s)

    def _round(self) -> tuple[CollectError | None, bool]:
        """One batch of each kind; returns what went wrong, and whether there is more to write at once."""
        try:
            trouble, more = self._readings()
            if trouble is None:
                trouble, more_parcels = self._parcel()
                more = more or more_parcels
        except NetmonError as error:
            return CollectError("spool", str(error)), False
        except Exception as error:  # a fault of ours or of the client must not end the thread
            log.exception("influx writer failed, goes on error=%s", error)
            return CollectError("internal", repr(error)), False
        return trouble, more

    def _readings(self) -> tuple[CollectError | None, bool]:
        asked = self._batch
        rows = self._spool.read(SINK, asked)
        lines = [reading_line(row.reading, row.id, self._inventory) for row in rows]
        outcome = self._write(lines)
        if outcome.done:
            bad = [_bad(rows[at].reading.received_at, why, lines[at]) for at, why in outcome.bad]
            self._spool.ack(SINK, rows[outcome.done - 1].id, bad)
        return outcome.trouble, len(rows) == asked

    def _parcel(self) -> tuple[CollectError | None, bool]:
        """The oldest parcel, in batches; removed when all of it is dealt with."""
        parcel = self._spool.first_parcel()
        if parcel is None:
            return None, False
        bad: list[Bad] = []
        begin = 0
        while begin < len(parcel.lines):
            lines = parcel.lines[begin : begin + self._batch]
            outcome = self._write(lines)
            if outcome.trouble:
                return outcome.trouble, False
            bad += [_bad(parcel.at, why, lines[at]) for at, why in outcome.bad]
            begin += len(lines)
        self._spool.drop_parcel(parcel.id, bad)
        return None, True

    def _report(self, trouble: CollectError | None) -> None:
        """Say the first failure and every new kind, not the repetitions; count all."""
        if trouble is None:
            if self._said:
                log.info("influx is written again url=%s", self._config.url)
            self._said = ""
            return
        self.stats[f"failed_{trouble.reason}"] += 1
        if trouble.reason != self._said:
            self._said = trouble.reason
            where = f"url={self._config.url} reason={trouble.reason}"
            log.error("influx cannot be written, everything is kept %s error=%s", where, trouble)

    def _write(self, lines: Sequence[str]) -> _Outcome:
        """Write in order, halving where it is refused. Lines before the first trouble are dealt with."""
        accepted = 0
        bad: list[tuple[int, str]] = []
        done = 0
        parts = [(0, len(lines))] if lines else []
        while parts:
            begin, end = parts.pop()
            answer = self._sender.post(lines[begin:end])
            self._retry_after_s = answer.retry_after_s
            if answer.trouble is not None:
                if answer.trouble.reason == "slow":
                    self._shrink(end - begin)
                return self._judged(_Outcome(done, bad, answer.trouble), accepted)
            if not answer.refused:
                accepted += end - begin
                done = end
            elif end - begin > 1:
                if answer.too_large:
                    self._shrink(end - begin)
                middle = (begin + end) // 2
                parts += [(middle, end), (begin, middle)]
            else:
                bad.append((begin, answer.refused))
                done = end
        self._grow(len(lines))
        return self._judged(_Outcome(done, bad), accepted)

    def _judged(self, outcome: _Outcome, accepted: int) -> _Outcome:
        """Refusals count as the lines' fault only if the server takes a good line: else nothing is put aside."""
        if outcome.bad and not accepted:
            answer = self._sender.post([f"netmon_write_check value=1 {int(self._clock.now() * 1e9)}"])
            if answer.refused or answer.trouble:
                text = f"it refuses everything: {outcome.bad[0][1]}"
                return _Outcome(0, [], answer.trouble or CollectError("refused", text))
        self.stats["written"] += outcome.done - len(outcome.bad)
        if outcome.bad:
            self.stats["refused"] += len(outcome.bad)
            log.error("influx refused lines, put aside count=%d first=%s", len(outcome.bad), outcome.bad[0][1])
        return outcome

    def _shrink(self, size: int) -> None:
        self._batch, self._good = max(1, min(self._batch, size // 2)), 0

    def _grow(self, size: int) -> None:
        """After a while of good, since what was too slow once may have been a bad hour."""
        if self._batch < self._config.batch and size == self._batch:
            self._good += 1
            if self._good >= GROW_AFTER:
                self._batch, self._good = min(self._config.batch, self._batch + max(1, self._batch // 10)), 0


def _bad(at: float, why: str, line: str) -> Bad:
    return Bad(at, SINK, "refused", why, line.encode())
