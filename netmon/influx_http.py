"""One write to an InfluxDB v2 API, and what its answer means: written, refused for good, or not now."""

from __future__ import annotations

import contextlib
import email.utils
from collections.abc import Sequence
from typing import NamedTuple

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError, ReadTimeoutError

from netmon.clock import Clock
from netmon.config import InfluxConfig
from netmon.errors import CollectError
from netmon.influx_limit import Limit

TIMEOUT_S = 10.0
SLOWEST_S = 120.0  # a server that needs longer for its smallest batch is as good as away
RETRY_AFTER_MAX_S = 600.0
TOO_LARGE = 413
# What says "this data is wrong" rather than "not now": InfluxDB v2 API, POST /api/v2/write.
REFUSED = (400, TOO_LARGE, 422)
REASONS = {401: "auth", 403: "auth", 404: "bucket", 429: "busy"}


class Answer(NamedTuple):
    """All empty: written. ``refused``: why the data is wrong; ``trouble``: what kept it from being judged."""

    refused: str = ""
    too_large: bool = False
    trouble: CollectError | None = None
    retry_after_s: float = 0.0


class Sender:
    """``ok`` is None until the first answer. Waits longer after a timeout, as long as the server needs; each timeout
    is for a whole request."""

    def __init__(self, config: InfluxConfig, clock: Clock, timeout_s: float) -> None:
        self._config = config
        self._clock = clock
        self._least_s = self._timeout_s = timeout_s
        self.ok: bool | None = None
        token = config.token.reveal() if config.token else ""
        self._client = InfluxDBClient(config.url, token, org=config.org, enable_gzip=True, retries=False)
        self._api = self._client.write_api(write_options=SYNCHRONOUS)
        self._limit = Limit(self._client.api_client.rest_client.pool_manager)

    def close(self) -> None:
        with contextlib.suppress(HTTPError, OSError):
            self._client.close()  # type: ignore[no-untyped-call]
        self._limit.close()

    def post(self, lines: Sequence[str]) -> Answer:
        began = self._clock.mono()
        self._client.conf.timeout = self._timeout_s * 1000
        try:
            with self._limit.within(self._timeout_s):
                self._api.write(
                    self._config.bucket, self._config.org, "\n".join(lines).encode(),
                    WritePrecision.NS,  # type: ignore[arg-type]
                )  # fmt: skip
        except ApiException as error:
            return self._slow() if self._limit.cut else self._answered(error)
        except ReadTimeoutError:
            return self._slow()
        except (HTTPError, OSError) as error:
            if self._limit.cut:
                return self._slow()
            self.ok = False
            return Answer(trouble=CollectError("connect", type(error).__name__))
        self.ok = True
        self._timeout_s = min(max(self._least_s, 2 * (self._clock.mono() - began)), max(SLOWEST_S, self._least_s))
        return Answer()

    def _slow(self) -> Answer:
        self.ok = False
        waited_s, self._timeout_s = self._timeout_s, min(self._timeout_s * 2, max(SLOWEST_S, self._least_s))
        return Answer(trouble=CollectError("slow", f"no answer within {waited_s:g} s"))

    def _answered(self, error: ApiException) -> Answer:
        status, text = error.status, _clean(error.body or error.reason)
        # InfluxDB before 2.1 tells of some bad lines with a 500.
        if status in REFUSED or (status == 500 and "partial write" in text):
            self.ok = True
            return Answer(refused=f"{status} {text}", too_large=status == TOO_LARGE)
        self.ok = False
        if 300 <= status < 400:  # not followed: the token is for the server that was configured
            where = _clean(error.headers.get("Location", "nowhere") if error.headers else "nowhere")
            return Answer(trouble=CollectError("redirect", f"HTTP {status}, it redirects to {where}: set influx.url"))
        trouble = CollectError(
            REASONS.get(status, "server"), f"HTTP {status} {text}", retryable=status not in (401, 403)
        )
        return Answer(trouble=trouble, retry_after_s=self._asked_to_wait_s(error))

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


def _clean(body: object) -> str:
    """What a server said, short and on one line."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    return " ".join(text.split())[:200]
