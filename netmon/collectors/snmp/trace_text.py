"""What went to an agent and came back, one line each (``netmon poll --trace``): why is this device slow?

A reply says the round trip since its last transmission; after a retry that may belong to an earlier one. The lines of
a request carry its number, as several are under way together.
"""

from __future__ import annotations

from collections.abc import Callable

from netmon.collectors.snmp.ber import Oid
from netmon.collectors.snmp.exchange import Exchange
from netmon.collectors.snmp.pdu import GET, GET_BULK, GET_NEXT

_KINDS = {GET: "GET", GET_NEXT: "GETNEXT", GET_BULK: "GETBULK"}
_SHOWN = 6  # names of one request; the rest is counted
_SIGNS = {"sent": "->", "reply": "<-", "report": "<-", "ignored": "<-", "timeout": "--"}


class Tracer:
    """Give an object of this to the engine: it writes each line with ``write`` as it happens."""

    def __init__(self, write: Callable[[str], object], name: Callable[[Oid], str] | None = None) -> None:
        self._write = write
        self._name = name or (lambda oid: ".".join(map(str, oid)))
        self._numbers: dict[int, int] = {}  # request id -> its number, from 1
        self._began: float | None = None

    def __call__(self, what: str, exchange: Exchange, size: int, mono: float, note: str) -> None:
        if self._began is None:
            self._began = mono
        number = self._numbers.setdefault(exchange.id, len(self._numbers) + 1)
        self._write(
            f"{mono - self._began:8.3f} s  #{number:<3} {_SIGNS[what]} {self._text(what, exchange, size, mono, note)}"
        )

    def _text(self, what: str, exchange: Exchange, size: int, mono: float, note: str) -> str:
        if what == "sent":
            return f"{size:5} bytes  {self._request(exchange)}"
        waited = f"{1000 * (mono - exchange.sent_mono):.1f} ms"
        if what == "timeout":
            left = exchange.attempts - exchange.attempt - 1
            return f"no answer within {waited}, {f'{left} more to try' if left else 'given up'}"
        if what == "reply":
            return f"{size:5} bytes  {note}, round trip {waited}"
        return f"{size:5} bytes  {what}: {note}, after {waited}"

    def _request(self, exchange: Exchange) -> str:
        retry = f", try {exchange.attempt + 1} of {exchange.attempts}" if exchange.attempt else ""
        if exchange.messages and exchange.messages[next(reversed(exchange.messages))]:
            return f"v3: who are you?{retry}"
        request = exchange.request
        kind = _KINDS.get(request.pdu_type, hex(request.pdu_type))
        times = f" x {request.repetitions}" if request.pdu_type == GET_BULK else ""
        names = " ".join(map(self._name, request.oids[:_SHOWN]))
        more = f" and {len(request.oids) - _SHOWN} more" if len(request.oids) > _SHOWN else ""
        return f"{kind} of {len(request.oids)}{times}{retry}: {names}{more}"
