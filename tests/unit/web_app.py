"""The web application over the made-up province, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import httpx
from fastapi import FastAPI

from netmon import exposition
from netmon.alerts.explain import Telling
from netmon.alerts.handling import HandlingError
from netmon.alerts.outside import Posted
from netmon.alerts.plan_record import Record
from netmon.clock import Clock
from netmon.config import Config
from netmon.drill.places import DrillError
from netmon.drill.report import Report
from netmon.drill.scenario_read import read_scenario
from netmon.errors import CollectError, NetmonError, Problem, Refused
from netmon.history.sensormeans import Curve, Share
from netmon.history.spool import Bad, SpoolError
from netmon.history.store import StoreError
from netmon.metrics import SelfMetrics, build_registry
from netmon.model import Incident, LineSample, Reply, Subject, TimelineEntry
from netmon.state import State
from netmon.web.app import create_app
from netmon.words import load_words
from netmon.works import Silence, Work
from tests import wall_state

WORDS = load_words()
AUTHORIZED = {"Authorization": f"Bearer {wall_state.TOKEN}"}


class Desk:
    """What people do, without a store."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.record: dict[int, Telling] = {}

    async def find(self, number: int) -> Incident | None:
        return self.state.incidents.get(number)

    async def telling(self, number: int) -> Telling:
        return self.record.get(number, Telling())

    async def handle(self, number: int, step: Callable[[Incident, float], Incident]) -> Incident | None:
        found = self.state.incidents.get(number)
        if found is None:
            return None
        self.state.incidents[number] = step(found, wall_state.NOW)
        self.state.revision += 1
        return self.state.incidents[number]

    async def report(self, subject: Subject, who: str, text: str) -> Incident:
        if subject.id not in self.state.inventory.sites:
            raise HandlingError(f"no site {subject.id}")
        entry = TimelineEntry(wall_state.NOW, "opened", who, text)
        made = Incident(2001, subject, "report", "warning", wall_state.NOW, wall_state.NOW, timeline=(entry,))
        self.state.incidents[made.id] = made
        return made

    async def add_works(self, works: Iterable[Work]) -> list[Work]:
        made = [replace(work, id=n) for n, work in enumerate(works, 1)]
        self.state.plans.works.update({work.id: work for work in made})
        return made

    async def cancel_work(self, number: int, who: str) -> Work | None:
        work = self.state.plans.works.get(number)
        return work and replace(work, cancelled_at=wall_state.NOW, cancelled_by=who)

    async def add_silence(self, silence: Silence) -> Silence:
        made = self.state.plans.silences[1] = replace(silence, id=1)
        return made

    async def storm_duty(self, hours: float, who: str) -> float:
        self.state.plans.storm_duty_until = wall_state.NOW + hours * 3600
        return self.state.plans.storm_duty_until

    async def end_silence(self, number: int, who: str) -> Silence | None:
        silence = self.state.plans.silences.get(number)
        return silence and replace(silence, end_at=wall_state.NOW, ended_by=who)


class DrillDesk:
    """Drills, without anything that runs."""

    def __init__(self) -> None:
        self.kept: dict[int, Report] = {}
        self.ordered: list[tuple[str, bytes, str, tuple[str, ...], str]] = []

    async def order(self, name: str, data: bytes, wanted: str, to: Iterable[str], by: str) -> Report:
        self.ordered.append((name, data, wanted, tuple(to), by))
        if any(report.ended_at is None for report in self.kept.values()):
            raise DrillError("D01 is running: one drill at a time")
        scenario = read_scenario(name, data)
        number = len(self.kept) + 1
        made = Report(
            number, name, scenario.title, "UBND", by, tuple(to), wall_state.NOW, scenario.cause, scenario.limits
        )
        self.kept[number] = made
        return made

    async def stop(self, by: str) -> Report | None:
        for number, report in self.kept.items():
            if report.ended_at is None:
                self.kept[number] = replace(report, ended_at=wall_state.NOW, ending="stopped", ended_by=by)
                return self.kept[number]
        return None

    async def acknowledge(self, number: int, who: str, note: str = "") -> Report | None:
        if (found := self.kept.get(number)) is None:
            return None
        if found.ended_at is not None:
            raise HandlingError(f"{found.label} is over")
        self.kept[number] = replace(found, acknowledged_by=who, acknowledged_s=12.0)
        return self.kept[number]

    async def report(self, number: int) -> Report | None:
        return self.kept.get(number)

    async def reports(self) -> list[Report]:
        return list(self.kept.values())[::-1]


class Daemon:
    """What the daemon does for the web, recorded."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.desk = Desk(state)
        self.record = Record()
        self.own = SelfMetrics()
        self.registry = build_registry(state, self.own)
        self.problems: list[Problem] = []
        self.drills = DrillDesk()
        self.reloads = 0
        self.replies: list[Reply] = []
        self.posted: list[Posted] = []
        self.pages = 0
        self.asked: list[tuple[str, float, float, int]] = []
        self.samples: list[LineSample] = []
        self.disk_refuses = False
        self.curves: dict[str, Curve] = {}
        self.shares: dict[str, list[Share]] = {}
        self.bad: list[Bad] = []

    async def reload(self) -> list[Problem]:
        self.reloads += 1
        return self.problems

    async def line_samples(self, line: str, since: float, until: float, step: int) -> list[LineSample]:
        self.asked.append((line, since, until, step))
        if self.disk_refuses:
            raise StoreError("netmon.db: disk I/O error")
        return self.samples

    async def sensor_means(self, sensors: Sequence[str], since: float, until: float) -> dict[str, Curve]:
        if self.disk_refuses:
            raise StoreError("netmon.db: disk I/O error")
        return {s: [p for p in self.curves.get(s, []) if since <= p[0] < until] for s in sensors}

    async def sensor_month(self, month: str) -> list[Share]:
        if self.disk_refuses:
            raise StoreError("netmon.db: disk I/O error")
        return self.shares.get(month, [])

    async def quarantine(self, limit: int) -> list[Bad]:
        if self.disk_refuses:
            raise SpoolError("spool: disk I/O error")
        return self.bad[:limit]

    def page(self) -> bytes:
        self.pages += 1
        return exposition.page(self.state, self.registry)

    def site_page(self, site: str) -> bytes | None:
        return exposition.site_page(self.state, site)

    def rest_page(self) -> bytes:
        return exposition.rest_page(self.state, self.own)

    async def take_alerts(self, posted: Sequence[Posted]) -> tuple[int, int]:
        self.posted += posted
        return len(posted), 0

    async def try_channels(self, to: str) -> list[tuple[str, str]]:
        if to != "an":
            raise NetmonError(f"no contact {to!r}")
        return [("sms", ""), ("email", "refused")]

    async def take_reply(self, reply: Reply) -> None:
        self.replies.append(reply)

    async def snmp(self, target: str, modules: Sequence[str], auth: str) -> bytes:
        if target == "silent":
            raise CollectError("timeout", "silent: no answer to SNMP")
        if target == "foreign":
            raise Refused(403, 'target "foreign" is neither in the inventory nor in snmp.allow_targets')
        return f"# {target} {' '.join(modules)} {auth}\n".encode()


class Stage:
    """State, clock that stands still, daemon and application."""

    def __init__(self, config: Config | None = None) -> None:
        self.now = wall_state.NOW
        self.state = wall_state.state()
        self.daemon = Daemon(self.state)
        clock = Clock(lambda: self.now, lambda: self.now)
        self.app: FastAPI = create_app(self.state, self.daemon, config or wall_state.config(), WORDS, clock)

    def run(self, use: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
        async def go() -> Any:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://netmon.test:9808") as client:
                return await use(client)

        return asyncio.run(go())

    def get(self, path: str, **headers: str) -> httpx.Response:
        answer: httpx.Response = self.run(lambda client: client.get(path, headers=headers))
        return answer

    def post(self, path: str, **kwargs: Any) -> httpx.Response:
        answer: httpx.Response = self.run(lambda client: client.post(path, **kwargs))
        return answer
