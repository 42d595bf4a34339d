"""What is remembered of one agent between requests: its round trip, its version, what it can take. Pure.

Retransmission follows RFC 6298: early by the measured round trip; giving up stays late and does not depend on it.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from netmon.collectors.snmp.ber import Oid

FLOOR_S = 0.3  # an agent answers a table slower than a scalar; resending sooner would only load it
CAP_TIMES = 4  # longest retransmission timeout, in configured timeouts
LEAST_VARBINDS = 8
REPLY_VARBINDS = 56  # of 25 bytes, or more narrow ones, are asked for per request: one unfragmented packet
CLEAN_POLLS = 20  # polls without trouble before an agent that had trouble is asked for more again


@dataclass(slots=True)
class Peer:
    """One agent. ``address`` is what sendto takes; times are monotonic seconds."""

    timeout_s: float  # configured; the timeout until a round trip is known
    address: Any = None
    family: int = 0
    spread: int = 0  # which of the sockets it is asked through
    version: int | None = None  # the one it answered to last
    silent: bool = False  # did not answer when last tried
    failures: int = 0  # times in a row that it did not
    answered_mono: float | None = None
    srtt_s: float | None = None
    rttvar_s: float = 0.0
    rto_s: float = 0.0
    reply_varbinds: int = REPLY_VARBINDS
    clean: int = 0
    sizes: dict[Oid, int] = field(default_factory=dict)  # column -> rows it had
    widths: dict[Oid, int] = field(default_factory=dict)  # column -> bytes of one of its varbinds
    alone: set[Oid] = field(default_factory=set)  # columns that failed: asked for apart, so as not to disturb others

    def __post_init__(self) -> None:
        self.rto_s = self.timeout_s

    def take_address(self, family: int, address: Any) -> None:
        """Where it is now: a name may come to mean another address."""
        if address is not self.address:
            self.family, self.address = family, address
            self.spread = zlib.crc32(f"{address[0]} {address[1]}".encode())

    def answered(self, mono: float, rtt_s: float | None) -> None:
        """A valid reply. ``rtt_s`` is None when it may belong to an earlier transmission (Karn's rule)."""
        self.answered_mono = mono
        self.silent = False
        self.failures = 0
        if rtt_s is None:  # keep the doubled timeout until a round trip is measured, RFC 6298 (5.5-5.7)
            self.rto_s = min(self.rto_s * 2, self.timeout_s * CAP_TIMES)
            return
        if self.srtt_s is None:
            self.srtt_s, self.rttvar_s = rtt_s, rtt_s / 2
        else:
            self.rttvar_s += (abs(self.srtt_s - rtt_s) - self.rttvar_s) / 4
            self.srtt_s += (rtt_s - self.srtt_s) / 8
        self.rto_s = min(max(self.srtt_s + 4 * self.rttvar_s, FLOOR_S), self.timeout_s * CAP_TIMES)

    @property
    def troubled(self) -> bool:
        """Whether it is asked for less, or otherwise, than it was before it had trouble."""
        return bool(self.alone) or self.reply_varbinds < REPLY_VARBINDS

    def no_answer(self) -> None:
        """All attempts at one request stayed unanswered, or a probe did."""
        self.silent = True
        self.failures += 1
        if self.version == 0:  # perhaps it was replaced by one that speaks v2c
            self.version = None

    def wait_s(self, attempt: int, attempts: int, waited_s: float, timeout_s: float = 0.0) -> float:
        """How long transmission ``attempt`` (from 0) is waited for, ``waited_s`` after the first was sent.

        The last one is waited for until ``attempts`` timeouts are over in all; ``timeout_s`` instead of the configured.
        """
        rto_s = min(self.rto_s, timeout_s) if timeout_s else self.rto_s
        timeout_s = timeout_s or self.timeout_s
        wait = min(rto_s * 2.0**attempt, max(rto_s, timeout_s))
        return max(wait, timeout_s * attempts - waited_s) if attempt + 1 >= attempts else wait

    def learn(
        self, sizes: Mapping[Oid, int], widths: Mapping[Oid, int], culprits: Collection[Oid], trouble: int
    ) -> None:
        """What a poll of columns showed: rows per column, bytes per varbind, columns that failed, smallest request that
        was too big.

        After trouble at most half is asked for, and more again only after `CLEAN_POLLS` without.
        """
        self.sizes.update(sizes)
        self.widths.update(widths)
        self.alone.difference_update(sizes)
        self.alone.update(culprits)
        if trouble:
            self.reply_varbinds = max(LEAST_VARBINDS, min(self.reply_varbinds, trouble // 2))
            self.clean = 0
        elif self.reply_varbinds < REPLY_VARBINDS:
            self.clean += 1
            if self.clean >= CLEAN_POLLS:
                self.reply_varbinds = min(self.reply_varbinds * 2, REPLY_VARBINDS)
                self.clean = 0
