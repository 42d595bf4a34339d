"""Was there mains at a site when it was lost? Signs for and against, each with its evidence. Pure.

Sources: the site's own UPS (by poll or trap), a UPS in the same building or on the same feeder, mains sensors, sensors
without a battery that are still heard, and what a person on site answers. A UPS on battery proves a mains cut; that it
also stopped the router is proven only when the battery was at its end. A UPS that was on mains before the loss proves
little: its battery may be dead. Only one that netmon has seen carry its site is trusted to have carried it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netmon.alerts.evidence import Supply, Witness
from netmon.config import Config
from netmon.model import Evidence, Site
from netmon.sensors import moment
from netmon.state import State
from netmon.topology import Topology

DRAINED_RATIO = 0.3  # UpsBatteryLow's limit: below it nobody trusts the rest
DRAINED_RUNTIME_S = 600.0
HELD_S = 300.0  # on battery this long (UpsOnBattery's `for`) with no charge told: long enough to have run out
HEALTHY_RATIO = 0.5  # a UPS on mains with at least this charge would have carried a cut
TOGETHER_S = 120.0  # a UPS is polled every 30 s and may miss a poll or two
MAINS = "mains"  # quantity of sensor types that tell mains present (1) or not (0)
SENSOR_AGE_S = 600.0
POWER_KEYS = frozenset(
    {
        "ups_on_battery",
        "neighbour_ups_on_battery",
        "feeder_ups_on_battery",
        "mains_lost",
        "no_mains_said",
        "same_feeder",
    }
)
# Seen or said while the site was lost.
GOOD_KEYS = frozenset({"mains_present", "mains_fed_sensor", "neighbour_ups_on_mains", "mains_said"})


@dataclass(frozen=True, slots=True)
class Power:
    """What speaks for a mains cut (``lost``, ``proof`` if beyond doubt) by ``rule``, and against it (``good``)."""

    lost: tuple[Evidence, ...] = ()
    proof: bool = False
    good: tuple[Evidence, ...] = ()
    good_after: bool = False  # mains were seen after the loss began, not only before
    carries: bool = False  # a UPS on mains that has carried the site before: mains are taken to be good
    known: bool = False  # there is telemetry at all
    rule: str = ""


def power_at(site: Site, began_at: float, state: State, topology: Topology, config: Config, witness: Witness) -> Power:
    """Signs of the mains at ``site`` around ``began_at``."""
    lost: list[Evidence] = []
    good: list[Evidence] = []
    proof = after = known = carries = False
    rule = ""
    recent = began_at - max(TOGETHER_S, 3 * config.snmp.interval_s)
    for device in _ups(topology, state, site.id):
        known = True
        told = _told_since(state, device, recent)
        supply = witness.supply(device)
        if supply is not None and supply.seen_at < recent:
            supply = None  # silent long before: it tells nothing of this moment
        if supply is not None and supply.on_battery and supply.battery_from is not None:
            lost.append(Evidence("ups_on_battery", min(supply.battery_from, told or supply.battery_from)))
            if supply.charge_ratio is not None:
                lost.append(Evidence("ups_charge", supply.seen_at, {"percent": f"{supply.charge_ratio * 100:.0f}"}))
            proof = proof or drained(supply, began_at)
            rule = "power_ups_drained" if drained(supply, began_at) else "power_ups"
        elif told is not None and (supply is None or (supply.mains_at or 0.0) < told):
            lost.append(Evidence("ups_on_battery", told))
            rule = rule or "power_ups"
        elif supply is not None and supply.mains_at is not None and _trusted(supply, began_at):
            charge = supply.charge_ratio
            args = {} if charge is None else {"percent": f"{charge * 100:.0f}"}
            good.append(Evidence("ups_on_mains", supply.mains_at, args))
            after = after or supply.mains_at > began_at
            carries = carries or (supply.carried_at is not None and (supply.charge_ratio or 0.0) >= HEALTHY_RATIO)
    for key, other, device in _neighbours(topology, state, site):
        supply = witness.supply(device)
        if supply is None or supply.seen_at < recent:
            continue
        args = {"name": state.inventory.sites[other].name}
        if supply.on_battery and supply.battery_from is not None:
            lost.append(Evidence(key, supply.battery_from, args))
            # Lost in the moment the house lost its mains: a router without a UPS. Later: perhaps one that ran out.
            at_once = abs(supply.battery_from - began_at) <= TOGETHER_S
            proof = proof or (at_once and key == "neighbour_ups_on_battery" and not known)
            rule = rule or "power_neighbour_ups"
        elif key == "neighbour_ups_on_battery" and supply.mains_at is not None and supply.mains_at > began_at:
            good.append(Evidence("neighbour_ups_on_mains", supply.mains_at, args))
            after = True
    for value, at in _mains_sensors(topology, state, site):
        known = True
        if value < 0.5 and at >= began_at - SENSOR_AGE_S:
            lost.append(Evidence("mains_lost", at))
            proof, rule = True, "power_mains_sensor"
        elif value >= 0.5 and at > began_at:
            good.append(Evidence("mains_present", at))
            after = True
    # What runs on mains alone and still speaks (by a way of its own) has mains. Its silence would prove nothing.
    for name, at in _mains_fed(topology, state, site):
        if at > began_at + config.probe.timeout_s:
            good.append(Evidence("mains_fed_sensor", at, {"name": name}))
            after = True
    said = state.said.get(site.id)
    if said is not None and said.at > began_at:
        if said.mains:
            good.append(Evidence("mains_said", said.at, {"name": said.who}))
            after = True
        else:
            lost.append(Evidence("no_mains_said", said.at, {"name": said.who}))
            proof, rule = True, "power_person"
    return Power(tuple(lost), proof, tuple(good), after, carries, known, rule)


def _trusted(supply: Supply, began_at: float) -> bool:
    """True if a UPS on mains says something: seen after the loss began, or its battery would have carried on."""
    return (supply.mains_at or 0.0) > began_at or (supply.charge_ratio or 0.0) >= HEALTHY_RATIO


def drained(supply: Supply, at: float) -> bool:
    """True if the battery was at its end by ``at``: told so, or by the rate at which it went down."""
    if supply.battery_from is None or supply.battery_at is None:
        return False
    if supply.runtime_s is not None and supply.battery_at + supply.runtime_s <= at + DRAINED_RUNTIME_S:
        return True
    if supply.charge_ratio is None:
        return supply.runtime_s is None and at - supply.battery_from >= HELD_S
    spent_s = supply.battery_at - supply.battery_from
    rate = max(0.0, 1.0 - supply.charge_ratio) / spent_s if spent_s > 0 else 0.0
    return supply.charge_ratio - rate * max(0.0, at - supply.battery_at) <= DRAINED_RATIO


def _ups(topology: Topology, state: State, owner: str) -> Iterator[str]:
    return (d for d in topology.devices_of(owner) if state.inventory.devices[d].kind == "ups")


def _neighbours(topology: Topology, state: State, site: Site) -> Iterator[tuple[str, str, str]]:
    """(evidence key, site, UPS) in the same building, then on the same feeder."""
    seen = {site.id}
    house = topology.sites_in_building(site.building) if site.building else ()
    feeder = topology.sites_in_power(site.power) if site.power else ()
    for key, group in (("neighbour_ups_on_battery", house), ("feeder_ups_on_battery", feeder)):
        for other in group:
            if other not in seen:
                seen.add(other)
                yield from ((key, other, device) for device in _ups(topology, state, other))


def _sensors_in_house(topology: Topology, site: Site) -> Iterator[str]:
    house = topology.sites_in_building(site.building) if site.building else ()
    return (s for owner in dict.fromkeys((site.id, *house)) for s in topology.sensors_of(owner))


def _mains_fed(topology: Topology, state: State, site: Site) -> Iterator[tuple[str, float]]:
    """(name, when it measured) of each sensor in the building that has no battery, as last heard."""
    for key in _sensors_in_house(topology, site):
        sensor, view = state.inventory.sensors[key], state.sensors.get(key)
        if sensor.supply == "mains" and view is not None and view.received_at is not None and view.gone_at is None:
            yield sensor.name or sensor.id, moment(view, view.received_at)


def _mains_sensors(topology: Topology, state: State, site: Site) -> Iterator[tuple[float, float]]:
    """(value, when) of the mains sensors of the building."""
    for sensor in _sensors_in_house(topology, site):
        kind = state.inventory.sensor_types.get(state.inventory.sensors[sensor].type)
        view = state.sensors.get(sensor)
        if kind is None or kind.quantity != MAINS or view is None or view.state == "invalid":
            continue
        if view.value is not None and view.received_at is not None:
            yield view.value, view.received_at


def _told_since(state: State, device: str, recent: float) -> float | None:
    """Since when the catalogue's UpsOnBattery holds for a UPS, or when it lately told so by a trap."""
    for (name, labels), alert in state.alerts.items():
        if name == "UpsOnBattery" and ("device", device) in labels:
            return alert.since
    traps = (e.at for e in state.events if e.device == device and e.kind == "ups_on_battery" and e.at >= recent)
    return next(traps, None)
