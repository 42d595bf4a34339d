"""One step after another: judge, decide whom to tell, commit, send. What was committed is sent even after a crash."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from netmon.alerts.messages import summaries
from netmon.alerts.plan import plan
from netmon.alerts.plan_own import last_word
from netmon.model import Incident

if TYPE_CHECKING:
    from netmon.app import App


class Steps:
    """Of one running daemon."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.lock = asyncio.Lock()  # held during a step: a charge that is returned waits for what was being planned

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._app.pipeline.wait()
            await self.step()

    async def step(self) -> None:
        """What came in since the last one is judged, committed and told."""
        async with self.lock:
            app = self._app
            changes = await app.pipeline.step()
            if app.network:
                app.network.look(app.state.verdicts, app.state.inventory, app.clock.now())
            learnt, intents = app.pair.adopt()
            app.notifier.submit(intents)  # none of them is to be sent: they are what the plan is to know
            if app.pair.in_charge:
                record, now = app.notifier.record, app.clock.now()
                told = plan([*changes, *learnt], app.state, app.config, record, now, app.words)
                intents += told
            intents += app.pipeline.silent_with.decide(app.state, app.clock.now())
            await app.store.commit_step([*changes, *learnt], intents, app.state.verdicts, app.clock.now())
            app.notifier.submit(intents)

    async def last_word(self) -> None:
        """Before a stop: who watches over netmon hears that nobody tells any more, if there is anything to tell."""
        app, now = self._app, self._app.clock.now()
        if not app.pair.in_charge:
            return
        intents = last_word(app.state, app.config, app.words, now, relieved=app.pair.relieved)
        await app.store.commit_step([], intents, {}, now)
        app.notifier.submit(intents)

    def describe(self, incident: Incident) -> dict[str, str]:
        """What Alertmanager's annotations say of it."""
        app = self._app
        zone = ZoneInfo(app.config.timezone)
        return summaries(incident, app.state, app.words, app.config, zone, app.clock.now())
