"""One agent, asked with one credential, for the length of one call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from netmon.collectors.snmp.ber import Oid
from netmon.collectors.snmp.columns import VARBIND_BYTES
from netmon.collectors.snmp.course import Repeat
from netmon.collectors.snmp.pdu import GET, V1, V2C, V3, Head, VarBind
from netmon.collectors.snmp.peer import Peer
from netmon.collectors.snmp.request import Request
from netmon.collectors.snmp.session import Session
from netmon.collectors.snmp.transport import Done, Exchange, Transport
from netmon.errors import CollectError
from netmon.model import Credential

SYS_UPTIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
PROBE_ATTEMPTS = 2  # on a lossy line one would too often declare a living agent lost
FRESH_S = 10.0  # an agent that answered within this is not probed again before a table is asked for
REQUESTS_KEPT = 20_000  # encoded requests; courses keep those that they need


_Once = tuple[Exchange, Head | None, list[VarBind], bytes]  # the list as it came, where it is wanted


class Target(NamedTuple):
    """One agent and how to ask it. ``key`` is the device id, for messages."""

    host: str
    port: int
    credential: Credential
    key: str


class Reply(NamedTuple):
    """What an agent answered to one request."""

    error_status: int
    error_index: int
    varbinds: list[VarBind]
    listed: bytes = b""


class RequestCache:
    """Requests encoded once: polls of devices of one shape ask the same. The oldest goes when it is full."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes, int, int, tuple[Oid, ...]], Request] = {}

    def __call__(
        self, version: int, community: bytes, pdu_type: int, repetitions: int, oids: tuple[Oid, ...]
    ) -> Request:
        key = version, community, pdu_type, repetitions, oids
        request = self._known.get(key)
        if request is None:
            if len(self._known) >= REQUESTS_KEPT:
                del self._known[next(iter(self._known))]
            request = self._known[key] = Request(version, community, pdu_type, 0, repetitions, oids)
        return request


class Link:
    """Sends to one agent and counts what that cost."""

    def __init__(
        self,
        transport: Transport,
        requests: RequestCache,
        peer: Peer,
        target: Target,
        retries: int,
        stats: Counter[str],
        timeout_s: float = 0.0,  # 0: the configured one
        session: Session | None = None,  # for v3
        context: str = "",  # where it is not the credential's own
        any_source: bool = False,
    ) -> None:
        self.transport = transport
        self.peer = peer
        self.target = target
        self.requests = 0
        self.timeouts = 0
        self.varbinds = 0
        self._cache = requests
        self._attempts = max(0, retries) + 1
        self._stats = stats
        self._timeout_s = timeout_s
        self._session = session
        self.context = context
        self._any_source = any_source
        self._community = target.credential.community.reveal().encode()

    @property
    def version(self) -> int:
        """The version to speak: the credential's, or v1 where the agent answered to nothing newer."""
        if self._session is not None:
            return V3
        if self.target.credential.version == "1":
            return V1
        return V2C if self.peer.version is None else self.peer.version

    @property
    def wrapper_varbinds(self) -> int:
        """How many varbinds less than in v2c fit a packet."""
        return 0 if self._session is None else self._session.wrapper_bytes // VARBIND_BYTES

    def send(
        self,
        pdu_type: int,
        repetitions: int,
        oids: Sequence[Oid],
        done: Done,
        *,
        tag: object = None,
        attempts: int = 0,
        version: int | None = None,
        listed: bool = False,
    ) -> Exchange:
        """Send one request; ``done`` is called with the reply or without. ``listed``: its list is wanted as it came."""
        version = self.version if version is None else version
        request = self._cache(version, self._community, pdu_type, repetitions, tuple(oids))

        def count(exchange: Exchange, head: Head | None, varbinds: list[VarBind]) -> None:
            self.requests += 1
            self.timeouts += exchange.attempt
            self.varbinds += len(varbinds)
            done(exchange, head, varbinds)

        exchange = Exchange(
            self.peer, request, version, self._community, attempts or self._attempts, count, tag, self._session
        )
        exchange.timeout_s = self._timeout_s
        exchange.any_source = self._any_source
        if listed:
            exchange.listed = b""
        self.transport.send(exchange)
        return exchange

    def repeating(self, repeat: Repeat) -> Sequence[Request]:
        """The requests of a course as this agent is asked."""
        spoken = self.version, self._community
        if repeat.spoken != spoken:
            asked = [step.asked for step in repeat.course.steps]
            repeat.requests = tuple([self._cache(*spoken, one.pdu_type, one.repetitions, one.oids) for one in asked])
            repeat.spoken = spoken
        return repeat.requests

    def send_step(self, repeat: Repeat, step: int, request: Request, done: Done) -> Exchange:
        """Send one request of a course; what it cost is for the caller to count."""
        exchange = Exchange(
            self.peer, request, self.version, self._community, self._attempts, done, None, self._session
        )
        exchange.any_source = self._any_source
        exchange.repeat = repeat
        exchange.step = step
        self.transport.send(exchange)
        return exchange

    async def ask(self, pdu_type: int, oids: Sequence[Oid], listed: bool = False) -> Reply:
        """One request and its reply. Raises CollectError when there is none, and remembers that the agent is silent."""
        reason = ""
        for version, attempts in self._plan():
            exchange, head, varbinds, data = await self._once(pdu_type, oids, version, attempts, listed)
            if head is not None and version == V1 and self.version != V1:
                # It may have been away when v2c was tried: v1 is for those who, while there, do not answer to v2c.
                newer = await self._once(pdu_type, oids, V2C, PROBE_ATTEMPTS, listed)
                if newer[1] is not None:
                    version, (exchange, head, varbinds, data) = V2C, newer
                else:
                    self._stats["v1_fallback"] += 1
            if head is not None:
                if self.target.credential.version == "2c":
                    self.peer.version = version
                return Reply(head.error_status, head.error_index, varbinds, data)
            if not reason or exchange.reason != "timeout":
                reason = exchange.reason
            if reason == "closed":
                break
        raise self.lost(reason, exchange)

    @property
    def known(self) -> bool:
        """Whether it answered when last asked, and in which version: then it is asked as it was then."""
        return not self.peer.silent and (self.target.credential.version != "2c" or self.peer.version is not None)

    def lost(self, reason: str, last: Exchange) -> CollectError:
        """The agent did not answer, and is remembered as silent; ``last`` is the request that was tried last."""
        if reason == "closed":
            return CollectError("closed", f"{self.target.key}: the SNMP engine is closed", device=self.target.key)
        self.peer.no_answer()
        if self._session is not None:
            reason = self._session.silence(reason, last.introduced)
        text = f"{self._name}: {_WHY.get(reason, reason)}"
        return CollectError(reason, text, device=self.target.key, retryable=reason not in _FINAL)

    def count(self, what: str) -> None:
        """Count an oddity of this agent in the engine's stats."""
        self._stats[what] += 1

    async def contact(self, now_mono: float) -> None:
        """Make sure that the agent answers before more is asked of it; free when it answered just now."""
        peer = self.peer
        if peer.answered_mono is None or peer.silent or now_mono - peer.answered_mono > FRESH_S:
            await self.ask(GET, [SYS_UPTIME])

    @property
    def _name(self) -> str:
        return f"{self.target.key} ({self.target.host} port {self.target.port})"

    def _plan(self) -> list[tuple[int, int]]:
        """(version, transmissions) to try in turn. A silent agent gets one packet; one that never answered, v1 too."""
        peer = self.peer
        if self.target.credential.version != "2c" or peer.version is not None:
            return [(self.version, 1 if peer.silent else self._attempts)]
        if not peer.silent:
            return [(V2C, self._attempts), (V1, 1)]
        return [(V1 if peer.failures % 2 == 0 else V2C, 1)]

    async def _once(self, pdu_type: int, oids: Sequence[Oid], version: int, attempts: int, listed: bool) -> _Once:
        future: asyncio.Future[_Once] = asyncio.get_running_loop().create_future()

        def done(exchange: Exchange, head: Head | None, varbinds: list[VarBind]) -> None:
            if not future.done():
                future.set_result((exchange, head, varbinds, exchange.listed or b""))

        exchange = self.send(pdu_type, 0, oids, done, attempts=attempts, version=version, listed=listed)
        try:
            return await future
        except asyncio.CancelledError:
            if exchange.attempt:  # the budget was over first; it has been silent for a whole timeout
                self.peer.no_answer()
            raise
        finally:
            self.transport.cancel(exchange)


_WHY = {
    "timeout": "no answer to SNMP",
    "unreachable": "no route for SNMP",
    "malformed": "answers to SNMP cannot be read",
    "wrong_community": "answers with another community",
    "wrong_version": "answers in another SNMP version",
    "wrong_pdu": "answers with something that is no response",
    "auth": "SNMPv3 authentication fails: other password or protocol",
    "user": "does not know this SNMPv3 user",
    "priv": "silent or refusing where SNMPv3 privacy is used: other privacy password, protocol or context",
    "time": "SNMPv3 time window missed, even after synchronising",
    "context": "does not know this SNMPv3 context",
    "engine": "does not say who it is (SNMPv3 engine id)",
    "report": "answers with an SNMPv3 report that is not known",
}
_FINAL = frozenset(("auth", "user", "priv", "context"))  # until somebody changes the configuration
