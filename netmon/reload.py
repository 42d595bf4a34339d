"""Takes a new configuration over while everything runs: check all of it first, then swap; else the old one stays."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING, NamedTuple

from netmon.alerts.rules import Limits, limits, threshold_figures
from netmon.collectors.mqtt.plan import routes_of
from netmon.collectors.snmp.profiles import Profiles
from netmon.errors import ConfigError, NetmonError, Problem
from netmon.inventory import Loaded
from netmon.model import Figure
from netmon.topology import Topology

if TYPE_CHECKING:
    from netmon.app import App

log = logging.getLogger(__name__)

# Parts of the configuration that are read once, at the start.
FIXED = ("state_dir", "probe", "snmp", "traps", "mqtt", "influx", "pair", "web", "timezone", "language")


class _Next(NamedTuple):
    """What is to be in force, made beside the loop so that the swap only hands it over. ``profiles`` None: the same."""

    loaded: Loaded
    profiles: Profiles | None
    topology: Topology
    limits: Limits
    thresholds: list[Figure]


class Reloader:
    """One reload at a time. ``started`` is set when there is something to reload."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = asyncio.Lock()
        self.started = asyncio.Event()

    async def reload(self) -> list[Problem]:
        """The problems, if it was not taken over; with any of them the old configuration stays in force."""
        await self.started.wait()
        app = self._app
        async with self._lock:
            app.systemd.reloading()
            try:
                following = await asyncio.to_thread(self._prepare)
            except (NetmonError, OSError) as error:
                found = (
                    error.problems if isinstance(error, ConfigError) else [Problem(app.config.path, 0, "", str(error))]
                )
                self._refuse(found)
                return found
            else:
                self._swap(following)
                return []
            finally:
                app.systemd.ready(f"watching {len(app.state.inventory.sites)} sites")

    def _refuse(self, problems: list[Problem]) -> None:
        app = self._app
        health = app.state.health
        health.last_reload_ok, health.reload_refused_at = False, app.clock.now()
        health.reload_problems = tuple(map(str, problems))
        app.state.revision += 1
        app.report.write()
        log.error("reload refused, old configuration stays problems=%d first=%s", len(problems), problems[0])

    def _prepare(self) -> _Next:
        """In a thread: all that needs time. Raises ConfigError with all problems."""
        app = self._app
        loaded, profiles = app.prepare()
        rules = app.pipeline.evaluator.rules
        found = limits(rules, loaded.inventory, loaded.config.alerts.thresholds)
        return _Next(
            loaded,
            None if profiles == app.poller.profiles else profiles,
            Topology(loaded.inventory),
            found,
            threshold_figures(rules, found),
        )

    def _swap(self, following: _Next) -> None:
        """Between two steps of the loop, so that nobody ever sees half of it."""
        app, loaded = self._app, following.loaded
        inventory = loaded.inventory
        fixed = {name: getattr(app.config, name) for name in FIXED}
        later = [name for name in FIXED if getattr(loaded.config, name) != fixed[name]]
        later += ["notify.role"] if loaded.config.notify.role != app.pair.role else []
        if later:
            log.warning("changes that need a restart keys=%s", ",".join(later))
        notify = dataclasses.replace(loaded.config.notify, role=app.pair.role)
        app.config = dataclasses.replace(loaded.config, **fixed, notify=notify)
        app.topology = following.topology
        app.pipeline.fold.set_inventory(inventory, app.topology)
        app.pipeline.set_inventory(app.topology, app.config)
        app.pipeline.evaluator.set_limits(following.limits)
        app.state.gauges.replace("thresholds", following.thresholds)
        app.notifier.set_config(app.config)
        app.drills.set_config(app.config)
        app.feed.set_config(app.config)
        app.replies.set_config(app.config)
        if following.profiles is not None:  # else devices need not be learnt anew
            app.poller.set_profiles(following.profiles)
        app.polls.take_targets(inventory)
        if app.ingest:
            app.ingest.set_routes(routes_of(inventory), inventory)
        if app.influx:
            app.influx.set_inventory(inventory)
        health = app.state.health
        health.last_reload_ok, health.reload_problems = True, ()
        health.last_reload_at, health.config_hash = app.clock.now(), loaded.hash
        app.state.revision += 1
        app.report.write()
        log.info("reloaded sites=%d hash=%s", len(inventory.sites), loaded.hash[:12])
