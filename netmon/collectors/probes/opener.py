"""Opens transports when first needed, one per kind and family; one that cannot be opened is tried again later."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

from netmon.clock import Clock
from netmon.collectors.probes.icmp import Icmp
from netmon.collectors.probes.stamp import Stamp
from netmon.collectors.probes.tcp import Tasks, connect_time
from netmon.collectors.probes.transport import Answer, Transport
from netmon.config import ProbeConfig
from netmon.errors import CollectError
from netmon.model import Probe, ProbeKind

REOPEN_S = 60.0
SnmpProbe = Callable[[Probe], Awaitable[float]]  # a round trip in seconds; raises CollectError
Key = tuple[ProbeKind, socket.AddressFamily]
logger = logging.getLogger(__name__)


class Opener:
    """``open`` gives a transport, or in words why there is none."""

    def __init__(
        self, config: ProbeConfig, clock: Clock, on_answer: Answer, stats: Counter[str], snmp_probe: SnmpProbe | None
    ) -> None:
        self._config, self._clock, self._on_answer, self._stats = config, clock, on_answer, stats
        self._snmp_probe = snmp_probe
        self._open: dict[Key, Transport] = {}
        self._failed: dict[Key, tuple[float, str]] = {}  # when to try again, why

    def transports(self) -> Iterable[Transport]:
        """Those that are open."""
        return self._open.values()

    def open(self, kind: ProbeKind, family: socket.AddressFamily) -> Transport | str:
        key = (kind, family)
        if transport := self._open.get(key):
            return transport
        now = self._clock.mono()
        retry_at, trouble = self._failed.get(key, (now, ""))
        if now < retry_at:
            return trouble
        try:
            self._open[key] = transport = self._make(kind, family)
        except CollectError as error:
            if str(error) != trouble:
                logger.error("probes not possible kind=%s reason=%s", kind, error)
            self._stats[error.reason] += 1
            self._failed[key] = (now + REOPEN_S, str(error))
            return str(error)
        return transport

    def close(self) -> None:
        """Close all of them."""
        for transport in self._open.values():
            transport.close()
        self._open.clear()

    def _make(self, kind: ProbeKind, family: socket.AddressFamily) -> Transport:
        match kind:
            case "icmp":
                return Icmp(family, self._config.size_bytes, self._on_answer)
            case "stamp":
                return Stamp(family, self._config.size_bytes, self._on_answer)
            case "tcp":
                return Tasks(connect_time, self._on_answer)
            case "snmp" if self._snmp_probe is not None:
                snmp_probe = self._snmp_probe
                return Tasks(lambda where: snmp_probe(where.probe), self._on_answer)
        raise CollectError("no_transport", f"no way to probe by {kind}", retryable=False)
