"""One step after another: judge, decide whom to tell, commit, send. What was committed is sent even after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from netmon.alerts.messages import summaries
from netmon.alerts.plan import plan
from netmon.model import Incident

if TYPE_CHECKING:
    from netmon.app import App


class Steps:
    """Of one running daemon."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._app.pipeline.wait()
            await self.step()

    async def step(self) -> None:
        """What came in since the last one is judged, committed and told."""
        app = self._app
        changes = await app.pipeline.step()
        if app.network:
            app.network.look(app.state.verdicts, app.state.inventory, app.clock.now())
        intents = plan(changes, app.state, app.config, app.notifier.record, app.clock.now(), app.words)
        intents += app.pipeline.silent_with.decide(app.state, app.clock.now())
        await app.store.commit_step(changes, intents, app.state.verdicts, app.clock.now())
        app.notifier.submit(intents)

    def describe(self, incident: Incident) -> dict[str, str]:
        """What Alertmanager's annotations say of it."""
        app = self._app
        zone = ZoneInfo(app.config.timezone)
        return summaries(incident, app.state, app.words, app.config, zone, app.clock.now())
