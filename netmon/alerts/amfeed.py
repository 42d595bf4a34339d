"""Keeps Alertmanagers in step with the open incidents: at once on a change, and every minute while one is open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from netmon.alerts.channels import alertmanager
from netmon.clock import Clock
from netmon.config import Channel, Config
from netmon.errors import CollectError
from netmon.model import Incident

log = logging.getLogger(__name__)

LOOK_S = 1.0
RETRY_S = 5.0
ENDED_S = 300.0  # a closed incident is posted as ended for this long, so that one lost post leaves none open


class AlertmanagerFeed:
    """Posts to every channel of kind ``alertmanager``. ``describe(incident)`` gives its name and one line about it."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        incidents: Callable[[], Iterable[Incident]],
        describe: Callable[[Incident], tuple[str, str]],
        on_result: Callable[[str, str], None],
    ) -> None:
        self._config, self._clock = config, clock
        self._incidents, self._describe, self._on_result = incidents, describe, on_result
        self._posted: dict[str, tuple[float, object]] = {}  # channel -> when, and what
        self.failing: dict[str, bool] = {}

    def set_config(self, config: Config) -> None:
        self._config = config

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for channel in self._config.notify.channels.values():
                if channel.kind == "alertmanager" and self._config.notify.enabled:
                    await self._keep(channel)
            await asyncio.sleep(LOOK_S)

    async def _keep(self, channel: Channel) -> None:
        now = self._clock.now()
        told = [i for i in self._incidents() if (i.open and i.tell_at <= now) or _ended_lately(i, now)]
        shape = tuple((i.id, i.cause.kind, i.cause.confirmed, i.severity, i.closed_at) for i in told)
        at, before = self._posted.get(channel.name, (float("-inf"), ()))
        wait_s = RETRY_S if self.failing.get(channel.name) else alertmanager.REPEAT_S
        if not told or (shape == before and self._clock.mono() - at < wait_s):
            return
        alerts = [alertmanager.alert(i, *self._describe(i), now) for i in told]
        self._posted[channel.name] = (self._clock.mono(), shape)
        try:
            await asyncio.to_thread(alertmanager.post, channel, alerts)
        except CollectError as error:
            if not self.failing.get(channel.name):
                log.error("alertmanager not fed reason=%s error=%s", error.reason, error)
            self.failing[channel.name] = True
            self._on_result(channel.name, "failed")
            return
        if self.failing.get(channel.name):
            log.info("alertmanager fed again channel=%s", channel.name)
        self.failing[channel.name] = False
        self._on_result(channel.name, "sent")


def _ended_lately(incident: Incident, now: float) -> bool:
    """Closed not long ago, and told: a blip that closed before its time was never an alert."""
    closed = incident.closed_at
    return closed is not None and now - closed < ENDED_S and closed >= incident.tell_at
