"""Keeps Alertmanagers in step with the open incidents: at once on a change, and every minute while one is open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

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
    """Posts to every channel of kind ``alertmanager``. ``describe(incident)`` gives its annotations."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        incidents: Callable[[], Iterable[Incident]],
        describe: Callable[[Incident], Mapping[str, str]],
        on_result: Callable[[str, str], None],
        look_s: float = LOOK_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._look_s, self._retry_s = look_s, retry_s
        self._config, self._clock = config, clock
        self._incidents, self._describe, self._on_result = incidents, describe, on_result
        self._posted: dict[str, tuple[float, object]] = {}  # channel -> when, and what
        self._alerts: dict[str, dict[int, dict[str, Any]]] = {}  # channel -> incident -> as it was last posted
        self._texts: dict[int, tuple[Incident, Mapping[str, str]]] = {}
        self._failing: dict[str, bool] = {}

    @property
    def failing(self) -> dict[str, bool]:
        """Channel -> whether its latest post failed."""
        now = self._config.notify.channels
        return {n: bad for n, bad in self._failing.items() if n in now and now[n].kind == "alertmanager"}

    def set_config(self, config: Config) -> None:
        self._config = config

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for channel in self._config.notify.channels.values():
                if channel.kind == "alertmanager" and self._config.notify.enabled:
                    await self._keep(channel)
            await asyncio.sleep(self._look_s)

    async def _keep(self, channel: Channel) -> None:
        now = self._clock.now()
        told = [i for i in self._incidents() if (i.open and i.tell_at <= now) or _ended_lately(i, now)]
        shape = tuple((i.id, i.subject, i.kind, i.cause.kind, i.cause.confirmed, i.severity, i.closed_at) for i in told)
        at, before = self._posted.get(channel.name, (float("-inf"), ()))
        wait_s = self._retry_s if self._failing.get(channel.name) else alertmanager.REPEAT_S
        if not told or (shape == before and self._clock.mono() - at < wait_s):
            return
        self._texts = {i.id: self._texts_of(i) for i in told}
        alerts = {i.id: alertmanager.alert(i, self._texts[i.id][1], now) for i in told}
        known = self._alerts.setdefault(channel.name, {})
        others = [old for n, old in known.items() if n in alerts and old["labels"] != alerts[n]["labels"]]
        self._posted[channel.name] = (self._clock.mono(), shape)
        try:
            both = [*(alertmanager.ended(old, now) for old in others), *alerts.values()]
            await asyncio.to_thread(alertmanager.post, channel, both)
        except CollectError as error:
            if not self._failing.get(channel.name):
                log.error("alertmanager not fed reason=%s error=%s", error.reason, error)
            self._failing[channel.name] = True
            self._on_result(channel.name, "failed")
            return
        if self._failing.get(channel.name):
            log.info("alertmanager fed again channel=%s", channel.name)
        self._failing[channel.name] = False
        self._alerts[channel.name] = alerts
        self._on_result(channel.name, "sent")

    def _texts_of(self, incident: Incident) -> tuple[Incident, Mapping[str, str]]:
        """Annotations are made once per change of the incident: in a storm there are hundreds."""
        known = self._texts.get(incident.id)
        if known is not None and known[0] is incident:
            return known
        try:
            return incident, self._describe(incident)
        except (LookupError, ValueError):  # wrong words must not keep anybody from being told
            log.exception("alertmanager annotations failed incident=%d", incident.id)
            return incident, {}


def _ended_lately(incident: Incident, now: float) -> bool:
    """Closed not long ago, and told: a blip that closed before its time was never an alert."""
    closed = incident.closed_at
    return closed is not None and now - closed < ENDED_S and closed >= incident.tell_at
