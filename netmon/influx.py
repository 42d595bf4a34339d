"""Readings from the spool to an InfluxDB v2 API (InfluxDB 2, VictoriaMetrics), in order, removed only when written.

A server that is away, slow or refuses costs nothing but disk. A line the server will never take is found by halving the
batch and put into quarantine; everything else is kept and tried again.
"""

from __future__ import annotations

import contextlib
import email.utils
import logging
import random
import threading
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from netmon.clock import Clock
from netmon.config import InfluxConfig
from netmon.errors import CollectError, NetmonError
from netmon.history.spool import Bad, Row, Spool
from netmon.model import Inventory, Reading

log = logging.getLogger(__name__)

SINK = "influx"
TIMEOUT_MS = 10_000
BACKOFF_S = (1.0, 60.0)
RETRY_AFTER_MAX_S = 600.0
# What says "this data is wrong" rather than "not now": InfluxDB v2 API, POST /api/v2/write.
REFUSED = (400, 413, 422)
MEASUREMENT = "sensor"
_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": " ", "\r": " "})


class _Outcome(NamedTuple):
    """Of one batch: how far it was dealt with (row id; None: not at all), and the rows that were refused for good."""

    up_to: int | None
    bad: list[Bad]
    trouble: CollectError | None = None


class InfluxWriter:
    """``ok`` is None until the first attempt; ``stats`` counts written, refused and each kind of failure."""

    def __init__(
        self, config: InfluxConfig, spool: Spool, inventory: Inventory, clock: Clock,
        *, backoff_s: tuple[float, float] = BACKOFF_S, timeout_ms: int = TIMEOUT_MS,
    ) -> None:  # fmt: skip
        self._config = config
        self._spool = spool
        self._inventory = inventory
        self._clock = clock
        self._backoff_s = backoff_s
        self.ok: bool | None = None
        self.stats: Counter[str] = Counter()
        self._retry_after_s = 0.0
        self._trouble = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="influx", daemon=True)
        self._client = InfluxDBClient(
            config.url, config.token.reveal() if config.token else "", org=config.org, enable_gzip=True,
            timeout=timeout_ms, retries=False,
        )  # fmt: skip
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Write once more what there is, if the server takes it; the rest stays in the spool. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        with contextlib.suppress(HTTPError, OSError):
            self._client.close()  # type: ignore[no-untyped-call]

    def set_inventory(self, inventory: Inventory) -> None:
        self._inventory = inventory

    # Everything below runs in the writer's thread.

    def _run(self) -> None:
        delay = self._backoff_s[0]
        while True:
            last_round = self._stop.is_set()
            trouble, more = self._round()
            self._report(trouble)
            if last_round or (self._stop.is_set() and trouble):
                return
            if trouble:
                # Jitter, so that several writers of one server do not come back together.
                self._stop.wait(self._retry_after_s or delay * random.uniform(0.8, 1.2))
                delay = min(delay * 2, self._backoff_s[1])
            else:
                delay = self._backoff_s[0]
                if not more:
                    self._stop.wait(self._config.interval_s)

    def _round(self) -> tuple[CollectError | None, bool]:
        """One batch; returns what went wrong, and whether there is more to write at once."""
        try:
            rows = self._spool.read(SINK, self._config.batch)
            if not rows:
                return None, False
            outcome = self._write_all(rows)
            if outcome.up_to is not None:
                self._spool.ack(SINK, outcome.up_to, outcome.bad)
            return outcome.trouble, len(rows) == self._config.batch
        except NetmonError as error:
            return CollectError("spool", str(error)), False
        except Exception as error:  # a fault of ours or of the client must not end the thread
            log.exception("influx writer failed, goes on error=%s", error)
            return CollectError("internal", repr(error)), False

    def _report(self, trouble: CollectError | None) -> None:
        if trouble is None:
            if self._trouble:
                log.info("influx is written again url=%s", self._config.url)
            self._trouble = ""
            return
        self.stats[f"failed_{trouble.reason}"] += 1
        if (text := f"reason={trouble.reason} error={trouble}") != self._trouble:
            self._trouble = text
            log.error("influx cannot be written, readings are kept url=%s %s", self._config.url, text)

    def _write_all(self, rows: Sequence[Row]) -> _Outcome:
        """Write a batch in order, halving where it is refused. Rows before the first trouble are dealt with."""
        accepted = False
        bad: list[Bad] = []
        done: int | None = None
        parts = [list(rows)]
        while parts:
            part = parts.pop()
            refusal, trouble = self._post([self.line(row) for row in part])
            if trouble is not None:
                return self._judged(_Outcome(done, bad, trouble), accepted)
            if refusal is None:
                accepted = True
                done = part[-1].id
                self.stats["written"] += len(part)
            elif len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            else:
                row = part[0]
                bad.append(Bad(row.reading.received_at, "influx", "refused", refusal, self.line(row).encode()))
                done = row.id
        return self._judged(_Outcome(done, bad), accepted)

    def _judged(self, outcome: _Outcome, accepted: bool) -> _Outcome:
        """Refusals count as the lines' fault only if the server takes a good line: else nothing is put aside."""
        if outcome.bad and not accepted:
            probe = f"netmon_write_check value=1 {int(self._clock.now() * 1e9)}"
            refusal, trouble = self._post([probe])
            if refusal is not None or trouble is not None:
                text = f"it refuses everything: {outcome.bad[0].detail}"
                return _Outcome(None, [], trouble or CollectError("refused", text))
        if outcome.bad:
            self.stats["refused"] += len(outcome.bad)
            log.error("influx refused lines, put aside count=%d first=%s", len(outcome.bad), outcome.bad[0].detail)
        return outcome

    def _post(self, lines: Sequence[str]) -> tuple[str | None, CollectError | None]:
        """(why the data was refused, what kept it from being judged); (None, None) when it is written."""
        self._retry_after_s = 0.0
        try:
            data = "\n".join(lines).encode()
            self._api.write(self._config.bucket, self._config.org, data, WritePrecision.NS)  # type: ignore[arg-type]
        except ApiException as error:
            text = _clean(error.body or error.reason)
            if error.status in REFUSED:
                self.ok = True
                return f"{error.status} {text}", None
            self.ok = False
            self._retry_after_s = self._asked_to_wait_s(error)
            reason = {401: "auth", 403: "auth", 404: "bucket", 429: "busy"}.get(error.status, "server")
            return None, CollectError(reason, f"HTTP {error.status} {text}")
        except (HTTPError, OSError) as error:
            self.ok = False
            return None, CollectError("connect", type(error).__name__)
        self.ok = True
        return None, None

    def _asked_to_wait_s(self, error: ApiException) -> float:
        """Retry-After as seconds or as a date (RFC 9110, section 10.2.3), bounded."""
        value = str(error.headers.get("Retry-After", "")) if error.headers else ""
        try:
            wait_s = float(value)
        except ValueError:
            try:
                wait_s = email.utils.parsedate_to_datetime(value).timestamp() - self._clock.now()
            except ValueError:
                return 0.0
        return min(max(wait_s, 0.0), RETRY_AFTER_MAX_S)

    def line(self, row: Row) -> str:
        """Line protocol of one reading; its site and quantity are the inventory's of now."""
        return encode_line(row, self._inventory)


def encode_line(row: Row, inventory: Inventory) -> str:
    """``sensor,<tags> value=<v> <ns>``. Written twice it is one point; two rows of one microsecond are two points."""
    reading: Reading = row.reading
    sensor = inventory.sensors.get(reading.sensor)
    kind = inventory.sensor_types.get(sensor.type) if sensor else None
    tags = {
        "node": sensor.node if sensor else "",
        "quantity": kind.quantity if kind else "",
        "sensor": reading.sensor,
        "site": sensor.site if sensor else "",
        "unit": kind.unit if kind else "",
    }
    text = "".join(f",{key}={_tag(value)}" for key, value in tags.items() if value)
    fields = f"value={reading.value!r}" + (f",skew_s={reading.skew_s!r}" if reading.skew_s else "")
    moment = reading.received_at if reading.at is None else reading.at
    ns = int(moment * 1e6) * 1000 + row.id % 1000
    return f"{MEASUREMENT}{text} {fields} {ns}"


def _tag(value: str) -> str:
    """A tag value; a trailing backslash would escape the separator that follows."""
    return value.translate(_TAG).rstrip("\\") or "_"


def _clean(body: object) -> str:
    """What a server said, short and on one line."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    return " ".join(text.split())[:200]
