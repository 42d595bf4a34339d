"""The gauges of one sensor. Its label sets are made once and share their parts, and only what changed is written: at
10,000 messages a second all else would cost more than the decoding. Those of gateways, which are few. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from netmon.model import (
    GATEWAY_STATES,
    SENSOR_STATES,
    Figure,
    Gateway,
    Inventory,
    Labels,
    Sensor,
    SensorState,
    SensorType,
    labels,
)
from netmon.sensor_quality import CURRENT, is_fast, is_stuck
from netmon.state import GatewayView, Gauges, SensorView

STATE, VALUE = "netmon_sensor_state", "netmon_sensor_value"
LAST_SEEN = "netmon_sensor_last_seen_timestamp_seconds"
STUCK, FAST = "netmon_sensor_stuck", "netmon_sensor_fast"
_STATE_PAIRS = {state: ("state", state) for state in SENSOR_STATES}


class SensorSeries:
    """Made anew when the sensor or its type changes; ``drop`` the old one first."""

    __slots__ = ("_fast", "_flags", "_seen", "_shown", "_states", "_stuck", "_value", "kind", "sensor")

    def __init__(self, sensor: Sensor, kind: SensorType) -> None:
        self.sensor = sensor
        self.kind = kind
        self._seen: Labels = labels(sensor=sensor.id, site=sensor.site, node=sensor.node)
        self._states = {state: tuple(sorted((*self._seen, pair))) for state, pair in _STATE_PAIRS.items()}
        self._value: Labels = tuple(sorted((*self._seen, *labels(quantity=kind.quantity, unit=kind.unit))))
        self._shown: SensorState | None = None
        self._stuck = kind.stuck_s > 0
        self._fast = kind.rise is not None or kind.fall is not None
        self._flags: dict[str, bool] = {}

    def show(self, gauges: Gauges, view: SensorView) -> None:
        """Write the view; a stale value leaves the page (PAINS 17), and what cannot be true was none."""
        if view.state != self._shown:
            self._shown = view.state
            for state, series in self._states.items():
                gauges.set(STATE, series, float(state == view.state))
        if view.received_at is not None:
            gauges.set(LAST_SEEN, self._seen, view.received_at)
        if view.value is not None and view.state in CURRENT:
            gauges.set(VALUE, self._value, view.value)
        else:
            gauges.drop(VALUE, self._value)
        if self._stuck:
            self._flag(gauges, STUCK, is_stuck(view, self.kind))
        if self._fast:
            self._flag(gauges, FAST, is_fast(view, self.kind))

    def _flag(self, gauges: Gauges, name: str, value: bool) -> None:
        if self._flags.get(name) is not value:
            self._flags[name] = value
            gauges.set(name, self._seen, float(value))

    def drop(self, gauges: Gauges) -> None:
        """Take all of it off the page."""
        for series in self._states.values():
            gauges.drop(STATE, series)
        for name in (LAST_SEEN, STUCK, FAST):
            gauges.drop(name, self._seen)
        gauges.drop(VALUE, self._value)


def gateway_figures(view: GatewayView, gateway: Gateway) -> list[Figure]:
    """All series of one gateway."""
    place = {"gateway": gateway.id, "site": gateway.site, "node": gateway.node}
    return [Figure("netmon_gateway_state", labels(**place, state=s), float(s == view.state)) for s in GATEWAY_STATES]


def info(inventory: Inventory) -> Iterator[Figure]:
    """What people call sensors and gateways, as ``_info`` series (PAINS 8)."""
    for sensor in inventory.sensors.values():
        kind = inventory.sensor_types[sensor.type]
        series = labels(
            sensor=sensor.id, site=sensor.site, node=sensor.node, name=sensor.name, type=kind.id, quantity=kind.quantity
        )
        yield Figure("netmon_sensor_info", series, 1.0)
    for gateway in inventory.gateways.values():
        series = labels(gateway=gateway.id, site=gateway.site, node=gateway.node, name=gateway.name)
        yield Figure("netmon_gateway_info", series, 1.0)
