"""The SNMP engine: scalars, subtrees and table columns of many agents at once, over a few shared sockets.

The first cheap request must be answered before the others of a device are put in flight, together; so a dead device
costs one request and delays nobody. What a budget cuts off is reported per column, and what was read is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from netmon.clock import Clock
from netmon.collectors.snmp import scalars
from netmon.collectors.snmp.ber import EXCEPTIONS, Oid
from netmon.collectors.snmp.columns import MAX_ROWS, ColumnWalk
from netmon.collectors.snmp.course import Asked, Recorder, Repeat
from netmon.collectors.snmp.exchange import Trace
from netmon.collectors.snmp.layout import Value
from netmon.collectors.snmp.link import Link, RequestCache, Target
from netmon.collectors.snmp.pdu import V1, VarBind
from netmon.collectors.snmp.peer import Peer
from netmon.collectors.snmp.repeat_run import RepeatRun
from netmon.collectors.snmp.resolve import Resolver
from netmon.collectors.snmp.run import ColumnRun
from netmon.collectors.snmp.session import Remote, Session
from netmon.collectors.snmp.transport import Transport
from netmon.collectors.snmp.usm import KeyRing, UsmError
from netmon.config import SnmpConfig
from netmon.errors import CollectError
from netmon.model import Credential

__all__ = ["AS_CONFIGURED", "Columns", "Engine", "Manner", "PollStats", "Repeated", "Target", "Walk"]


class Manner(NamedTuple):
    """How one call differs from the configuration and the credential.

    ``unsorted``: rows may come in any order, each once. ``any_source``: replies may come from another address or port
    than was asked. ``context`` (v3 only): instead of the credential's.
    """

    retries: int | None = None
    timeout_s: float | None = None
    unsorted: bool = False
    any_source: bool = False
    context: str = ""


AS_CONFIGURED = Manner()
VERSIONS = ("1", "2c", "3")
SESSIONS_KEPT = 100_000  # v3 only; emptied when full


@dataclass(slots=True)
class PollStats:
    """What one call cost. ``timeouts`` counts transmissions without a reply; ``varbinds`` those received."""

    requests: int = 0
    timeouts: int = 0
    varbinds: int = 0
    duration_s: float = 0.0
    rtt_s: float | None = None  # smoothed


@dataclass(slots=True)
class Columns:
    """Table columns: column -> index -> varbind, in the agent's order. ``failed``: column -> why it may lack rows."""

    rows: dict[Oid, dict[Oid, VarBind]]
    failed: dict[Oid, str]
    stats: PollStats = field(default_factory=PollStats)


@dataclass(slots=True)
class Repeated:
    """A course gone again: all ``values`` in order, or None; then ``answers`` are the good replies that came."""

    values: tuple[Value, ...] | None
    answers: dict[Asked, list[VarBind]]
    others: bool = False  # some had other names than last time
    stats: PollStats = field(default_factory=PollStats)


class Walk(list[VarBind]):
    """The varbinds of one subtree; ``reason`` is set when it was not read to its end (loop, budget, limit, ...)."""

    reason: str = ""


class Engine:
    """Asks agents. ``stats`` counts requests, replies and everything that went wrong, by reason."""

    def __init__(self, config: SnmpConfig, clock: Clock, trace: Trace | None = None) -> None:
        self.stats: Counter[str] = Counter()
        self._config = config
        self._clock = clock
        self._transport = Transport(config, clock, self.stats)
        self._transport.trace = trace
        self._resolver = Resolver(clock)
        self._requests = RequestCache()
        self._peers: dict[tuple[str, int, str], Peer] = {}
        self._sessions: dict[tuple[str, int, Credential], Session] = {}
        self._keys = KeyRing(secrets.randbits(64))

    async def start(self) -> None:
        """Open the sockets."""
        self._transport.open()

    async def close(self) -> None:
        """Close the sockets; calls under way raise CollectError("closed") or return what they have."""
        self._transport.close()
        self._resolver.close()

    @property
    def waiting(self) -> int:
        """Requests in line for a slot: a queue depth."""
        return self._transport.waiting

    @property
    def in_flight(self) -> int:
        """Requests that wait for a reply."""
        return self._transport.in_flight

    async def get(
        self,
        target: Target,
        oids: Sequence[Oid],
        *,
        budget_s: float | None = None,
        manner: Manner = AS_CONFIGURED,
        cost: PollStats | None = None,
        recorder: Recorder | None = None,
    ) -> list[VarBind]:
        """One varbind per name, in order; one that the agent does not give is noSuchObject or noSuchInstance.

        Raises CollectError when the agent does not answer. What it cost is added to ``cost``, what it did to
        ``recorder``.
        """
        if not oids:
            return []
        async with self._within(target, budget_s):
            link = await self._link(target, manner)
            try:
                return await scalars.get(link, oids, recorder)
            finally:
                if cost is not None:
                    cost.requests += link.requests
                    cost.timeouts += link.timeouts

    async def columns(
        self,
        target: Target,
        columns: Sequence[Oid],
        *,
        budget_s: float | None = None,
        max_repetitions: int | None = None,
        max_rows: int = MAX_ROWS,
        manner: Manner = AS_CONFIGURED,
        recorder: Recorder | None = None,
    ) -> Columns:
        """Read whole table columns. Raises CollectError only when the agent does not answer at all."""
        began = self._clock.mono()
        async with self._within(target, budget_s):
            link = await self._link(target, manner)
            await link.contact(began)
        peer = link.peer
        walk = ColumnWalk(
            columns,
            bulk=link.version != V1,
            reply_varbinds=peer.reply_varbinds - link.wrapper_varbinds,
            max_repetitions=max_repetitions or self._config.max_repetitions,
            sizes=peer.sizes,
            alone=peer.alone,
            max_rows=max_rows,
            unsorted=manner.unsorted,
            widths=peer.widths,
        )
        if recorder is not None and peer.troubled:  # it is asked otherwise when it has recovered
            recorder.spoil()
        await ColumnRun(link, walk, recorder).run(self._budget_s(budget_s) - (self._clock.mono() - began))
        peer.learn(walk.sizes(), walk.widths(), walk.culprits, walk.trouble)
        for reason in walk.failed.values():
            self.stats[f"column_{reason}"] += 1
        stats = PollStats(link.requests, link.timeouts, link.varbinds, self._clock.mono() - began, peer.srtt_s)
        return Columns(walk.rows, walk.failed, stats)

    async def repeat(
        self,
        target: Target,
        repeat: Repeat,
        go: Callable[[tuple[Value, ...]], bool],
        *,
        budget_s: float | None = None,
        manner: Manner = AS_CONFIGURED,
    ) -> Repeated:
        """Go a recorded course again: its first request, and if ``go`` says so of the values, all others at once.

        Raises CollectError when the agent does not answer at all.
        """
        began = self._clock.mono()
        links = {c: await self._link(target, manner._replace(context=c)) for c in repeat.course.contexts}
        if not all(link.known for link in links.values()):
            return Repeated(None, {})
        run = RepeatRun(links, repeat, go)
        await run.run(self._budget_s(budget_s))
        link = run.first
        stats = PollStats(run.requests, run.timeouts, run.varbinds, self._clock.mono() - began, link.peer.srtt_s)
        values = run.values
        if values is not None:
            return Repeated(values, {}, False, stats)
        return Repeated(None, run.answers, run.others, stats)

    async def walk(self, target: Target, root: Oid, *, limit: int = MAX_ROWS, budget_s: float | None = None) -> Walk:
        """All objects below ``root``, or the object ``root`` itself where nothing lies below it."""
        columns = await self.columns(target, [root], max_rows=limit, budget_s=budget_s)
        out = Walk(list(columns.rows[root].values())[:limit])
        out.reason = columns.failed.get(root, "")
        if not out and not out.reason:
            out.extend(v for v in await self.get(target, [root], budget_s=budget_s) if v.tag not in EXCEPTIONS)
        return out

    async def peer(self, target: Target) -> Peer:
        """What is remembered of an agent: its round trip, its version, whether it is silent."""
        if target.credential.version not in VERSIONS:
            text = f"{target.key}: SNMP version {target.credential.version} is not supported"
            raise CollectError("version", text, device=target.key, retryable=False)
        key = target.host, target.port, target.credential.context_name  # another context has other tables
        peer = self._peers.get(key)
        if peer is None:
            peer = self._peers[key] = Peer(self._config.timeout_s)
        peer.take_address(*await self._resolver.resolve(target.host, target.port, self._config.timeout_s))
        return peer

    async def _link(self, target: Target, manner: Manner) -> Link:
        if manner.context and target.credential.version == "3":
            target = target._replace(credential=replace(target.credential, context_name=manner.context))
        peer = await self.peer(target)
        retries = self._config.retries if manner.retries is None else manner.retries
        session = self._session(target) if target.credential.version == "3" else None
        return Link(
            self._transport, self._requests, peer, target, retries, self.stats, manner.timeout_s or 0.0, session,
            manner.context, manner.any_source,
        )  # fmt: skip

    def _session(self, target: Target) -> Session:
        key = target.host, target.port, target.credential
        session = self._sessions.get(key)
        if session is None:
            if len(self._sessions) >= SESSIONS_KEPT:
                self._sessions.clear()
            try:
                session = self._sessions[key] = Session(Remote(), target.credential, self._keys)
            except UsmError as e:
                raise CollectError("credential", f"{target.key}: {e}", device=target.key, retryable=False) from e
        return session

    def _budget_s(self, budget_s: float | None) -> float:
        return self._config.budget_s if budget_s is None else budget_s

    @contextlib.asynccontextmanager
    async def _within(self, target: Target, budget_s: float | None) -> AsyncIterator[None]:
        """The budget over the requests that must be answered before there is anything to keep."""
        seconds = self._budget_s(budget_s)
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as e:
            text = f"{target.key} ({target.host} port {target.port}): no answer to SNMP within {seconds:g} s"
            raise CollectError("timeout", text, device=target.key) from e
