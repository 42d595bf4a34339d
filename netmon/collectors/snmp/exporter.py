"""Asks a device what modules of snmp.yml say and answers as snmp_exporter would, for Prometheus jobs that ask for it.

Here every subtree is walked, at once, and nothing is kept between two scrapes; netmon's own polls go through `poller`.
A subtree that cannot be read does not lose the others: ``snmp_scrape_walks_failed`` counts it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from netmon.clock import Clock
from netmon.collectors.snmp.engine import Columns, Manner, PollStats, Target
from netmon.collectors.snmp.exporter_text import Page, filtered
from netmon.collectors.snmp.modules import DynamicFilter, Module, Oid
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.values import EXCEPTIONS
from netmon.errors import CollectError


class Agent(Protocol):
    """What is needed of the engine."""

    def get(
        self,
        target: Target,
        oids: Sequence[Oid],
        *,
        budget_s: float | None = None,
        manner: Manner = ...,
        cost: PollStats | None = None,
    ) -> Awaitable[list[VarBind]]: ...

    def columns(
        self,
        target: Target,
        columns: Sequence[Oid],
        *,
        budget_s: float | None = None,
        max_repetitions: int | None = None,
        manner: Manner = ...,
    ) -> Awaitable[Columns]: ...


@dataclass(slots=True)
class _Scrape:
    """One module of one device while it is asked for."""

    module: Module
    target: Target
    manner: Manner
    ends_mono: float
    objects: dict[Oid, VarBind] = field(default_factory=dict)
    cost: PollStats = field(default_factory=PollStats)
    returned: int = 0
    failed: int = 0


class Exporter:
    """Answers for one device and some modules. Raises CollectError when the device does not answer at all."""

    def __init__(self, agent: Agent, clock: Clock) -> None:
        self._agent = agent
        self._clock = clock

    async def text(self, target: Target, modules: Sequence[Module], budget_s: float) -> bytes:
        """Prometheus text 0.0.4; ``budget_s`` is for all modules together."""
        page = Page()
        ends_mono = self._clock.mono() + budget_s
        for module in modules:
            began = self._clock.mono()
            scrape = _Scrape(
                module=module,
                target=target,
                manner=Manner(
                    module.retries,
                    module.timeout_s,
                    module.allow_nonincreasing_oids,
                    module.use_unconnected_udp_socket,
                ),
                ends_mono=ends_mono,
            )
            await self._ask(scrape)
            asked_s = self._clock.mono() - began
            await asyncio.to_thread(page.add, module, scrape.objects)  # thousands of rows would hold the loop
            values = {
                "walk_duration_seconds": asked_s,
                "packets_sent": scrape.cost.requests + scrape.cost.timeouts,
                "packets_retried": scrape.cost.timeouts,
                "pdus_returned": scrape.returned,
                "duration_seconds": self._clock.mono() - began,
            }
            page.add_scrape(module, values | ({"walks_failed": scrape.failed} if scrape.failed else {}))
        return await asyncio.to_thread(page.text)

    async def _ask(self, scrape: _Scrape) -> None:
        module = scrape.module
        shown: dict[DynamicFilter, list[VarBind]] = {}
        for dynamic in module.dynamic_filters:
            try:
                found = await self._walk(scrape, [dynamic.oid])
            except CollectError:
                if not shown:  # the first request: there is nobody
                    raise
                continue
            if not found.failed:
                shown[dynamic] = list(found.rows[dynamic.oid].values())
        gets, walks = filtered(module, shown)
        self._take(scrape, await self._get(scrape, gets))
        if walks:
            walked = await self._walk(scrape, walks)
            scrape.failed += len(walked.failed)
            for rows in walked.rows.values():
                self._take(scrape, list(rows.values()))
            # A subtree without anything below it may be an object itself.
            single = [oid for oid, rows in walked.rows.items() if not rows and oid not in walked.failed]
            try:
                self._take(scrape, await self._get(scrape, single))
            except CollectError:
                scrape.failed += len(single)

    def _take(self, scrape: _Scrape, varbinds: Sequence[VarBind]) -> None:
        given = {varbind.oid: varbind for varbind in varbinds if varbind.tag not in EXCEPTIONS}
        scrape.returned += len(given)
        scrape.objects |= given

    async def _walk(self, scrape: _Scrape, roots: Sequence[Oid]) -> Columns:
        found = await self._agent.columns(
            scrape.target,
            list(dict.fromkeys(roots)),
            budget_s=self._left_s(scrape),
            max_repetitions=scrape.module.max_repetitions,
            manner=scrape.manner,
        )
        scrape.cost.requests += found.stats.requests
        scrape.cost.timeouts += found.stats.timeouts
        return found

    async def _get(self, scrape: _Scrape, oids: Sequence[Oid]) -> list[VarBind]:
        wanted = list(dict.fromkeys(oids))
        if not wanted:
            return []
        left_s = self._left_s(scrape)
        return await self._agent.get(scrape.target, wanted, budget_s=left_s, manner=scrape.manner, cost=scrape.cost)

    def _left_s(self, scrape: _Scrape) -> float:
        return max(0.0, scrape.ends_mono - self._clock.mono())
