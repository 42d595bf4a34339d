"""What the daemon answers its pages (web.context.Actions)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netmon import exposition
from netmon.alerts.outside import Posted
from netmon.alerts.plan_record import Record
from netmon.desk import Desk
from netmon.drill.desk import DrillDesk
from netmon.errors import Problem, Refused
from netmon.history.sensormeans import Curve, Share
from netmon.history.spool import Bad
from netmon.metrics import build_registry
from netmon.model import LineSample, Reply
from netmon.trial import find_contact, try_channels

if TYPE_CHECKING:
    from netmon.app import App


class Answers:
    """Of one running daemon; the three pages of metrics are rendered in a thread."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._registry = build_registry(app.state, app.self_metrics)

    @property
    def desk(self) -> Desk:
        """What people do."""
        return self._app.desk

    @property
    def record(self) -> Record:
        """What was told lately."""
        return self._app.notifier.record

    @property
    def drills(self) -> DrillDesk:
        """Drills."""
        return self._app.drills

    async def reload(self) -> list[Problem]:
        """Take a new configuration over, or say what is wrong with it."""
        return await self._app.reloader.reload()

    async def pair(self, beat: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to the standby's beat. Raises ValueError."""
        if not self._app.reloader.started.is_set():
            raise Refused(503, "netmon is starting")
        return await self._app.pair.answer(beat)

    def page(self) -> bytes:
        """The text of /metrics."""
        return exposition.page(self._app.state, self._registry)

    def site_page(self, site: str) -> bytes | None:
        """The text of /metrics/sites/{site}."""
        return exposition.site_page(self._app.state, site)

    def rest_page(self) -> bytes:
        """The text of /metrics/self."""
        return exposition.rest_page(self._app.state, self._app.self_metrics)

    async def snmp(self, target: str, modules: Sequence[str], auth: str) -> bytes:
        """What snmp_exporter would tell of a device."""
        app = self._app
        if not app.reloader.started.is_set():
            raise Refused(503, "netmon is starting")
        known = app.poller.profiles.modules
        return await app.snmp_page.text(app.state.inventory, known, target, modules, auth)

    async def take_alerts(self, posted: Sequence[Posted]) -> tuple[int, int]:
        """An Alertmanager hands alerts in."""
        return await self._app.outside.take(posted)

    async def try_channels(self, to: str) -> list[tuple[str, str]]:
        """Send a person test messages."""
        app = self._app
        contact = find_contact(app.state.inventory.contacts, to)
        found = await try_channels(app.notifier.ways, contact, app.words, app.clock.now())
        return [(tried.channel, tried.problem) for tried in found]

    async def take_reply(self, reply: Reply) -> None:
        """Somebody has answered through a gateway."""
        if not self._app.reloader.started.is_set():
            raise Refused(503, "netmon is starting")
        await self._app.replies.take(reply.channel, [reply], "")

    async def line_samples(self, line: str, since: float, until: float, step: int) -> list[LineSample]:
        """What is kept of one line."""
        return await self._app.samples.read(line, since, until, step)

    async def sensor_means(self, sensors: Sequence[str], since: float, until: float) -> dict[str, Curve]:
        """Five-minute means of some sensors."""
        return await self._app.means.read(sensors, since, until)

    async def sensor_month(self, month: str) -> list[Share]:
        """A month's means within the limits of a regulation."""
        return await self._app.means.month(month)

    async def quarantine(self, limit: int) -> list[Bad]:
        """Messages that could not be read."""
        return await asyncio.to_thread(self._app.spool.quarantine, limit)
