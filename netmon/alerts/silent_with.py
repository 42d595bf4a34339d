"""Sensors that are silent because what they come through is lost: written down with the incident of that. Pure."""

from __future__ import annotations

from netmon.counts import incident_of_site
from netmon.model import Incident, Intent, Sensor, Subject
from netmon.state import State

MOST_WAITING = 10_000
MOST_AT_ONCE = 500  # of one decision
REASON = "explained:silent because what they come through is lost"


class SilentWith:
    """``note`` each sensor whose silence became explained; ``decide`` says to which incidents they belong."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}

    def note(self, sensor: str) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._waiting[sensor] = None

    def decide(self, state: State, now: float) -> list[Intent]:
        """One decision for each incident concerned. A sensor whose incident is not open yet waits for it."""
        if not self._waiting:
            return []
        by_site, found = incident_of_site(state), dict[int, list[str]]()
        for name in list(self._waiting):
            sensor, view = state.inventory.sensors.get(name), state.sensors.get(name)
            if sensor is None or view is None or view.state != "explained":
                del self._waiting[name]
            elif (owner := _owner(sensor, state, by_site)) is not None:
                listed = found.setdefault(owner.id, [])
                if len(listed) < MOST_AT_ONCE:
                    listed.append(name)
                    del self._waiting[name]
        return [
            Intent(f"{n}-sensors{now:.3f}", n, "sensors", "", "", "", " ".join(names), now, REASON, "suppressed")
            for n, names in found.items()
        ]


def _owner(sensor: Sensor, state: State, by_site: dict[str, Incident]) -> Incident | None:
    """The open incident of the line, gateway, site or node it comes through."""
    inventory = state.inventory
    way, _, name = sensor.via.partition(":")
    gateway = inventory.gateways.get(name) if way == "gateway" else None
    thing = gateway or sensor
    site = thing.site
    if thing.via.startswith("line:") and (line := inventory.lines.get(thing.via.removeprefix("line:"))) is not None:
        site = line.site
    if site in by_site:
        return by_site[site]
    wanted = {Subject("node", thing.node)} | ({Subject("gateway", gateway.id)} if gateway else set())
    return next((i for i in state.incidents.values() if i.open and i.subject in wanted), None)
