"""The simulated sensors: they publish what their decoder expects, as long as the world lets their packets out."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import math
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from netmon.model import Gateway, Sensor, SensorType
from netmon.sim.world import World

log = logging.getLogger(__name__)

# quantity -> (low, high): normal values; the type's own limits narrow them, so that a calm province raises no alarm
NORMAL: Mapping[str, tuple[float, float]] = {
    "temperature": (21.5, 25.5),
    "humidity": (48.0, 58.0),
    "voltage": (218.0, 232.0),
    "power": (400.0, 2400.0),
    "energy": (1000.0, 9000.0),
    "water_level": (1.2, 2.4),
    "flow": (3.0, 14.0),
    "pressure": (2.5e5, 4.5e5),
    "rain": (0.0, 2.0),
    "vehicles": (20.0, 260.0),
    "speed": (18.0, 52.0),
    "noise": (48.0, 66.0),
    "pm25": (8.0, 32.0),
    "oil_temperature": (48.0, 64.0),
    "load": (30.0, 75.0),
    "turbidity": (0.3, 1.2),
    "chlorine": (0.35, 0.7),
    "ph": (6.8, 7.6),
    "flood": (0.0, 0.02),
    "fill": (15.0, 60.0),
    "parking": (4.0, 48.0),
}
HOT_RISE_C = 18.0  # what a room gains when its air conditioning fails
HOT_TIME_S = 25.0
DRIFT_TIME_S = 60.0  # in which a drifting sensor gains its whole normal range
PERIOD_S = 5.0


class Publisher:
    """Publishes every sensor about every five seconds, spread, over one connection to the broker."""

    def __init__(self, world: World, host: str, port: int) -> None:
        self._world, self._host, self._port = world, host, port
        self._hot_since: dict[str, float] = {}
        self._drift_since: dict[str, float] = {}
        self._stuck_at: dict[str, float] = {}
        self._said: dict[str, bool] = {}  # gateway -> whether the broker's last word of it is that it is there
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="netmon-sim")
        self.published = 0

    async def run(self) -> None:
        """Until cancelled. A broker that is not there yet is tried again by paho's own thread."""
        self._client.connect_async(self._host, self._port)
        self._client.loop_start()
        topics: dict[str, list[Sensor]] = {}
        for sensor in self._world.inventory.sensors.values():
            topics.setdefault(sensor.topic, []).append(sensor)
        ordered = sorted(topics, key=lambda topic: zlib.crc32(topic.encode()))
        try:
            while True:
                for topic, word in self.words():
                    self._client.publish(topic, word, qos=1, retain=True)
                for index, topic in enumerate(ordered):
                    if speaking := [sensor for sensor in topics[topic] if self.heard(sensor)]:
                        self._client.publish(topic, self.payload(speaking), qos=1)
                        self.published += 1
                    if pause_s := pause_after(index, len(ordered)):
                        await asyncio.sleep(pause_s)
                if not ordered:
                    await asyncio.sleep(PERIOD_S)
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def words(self) -> Iterator[tuple[str, bytes]]:
        """What gateways, or their last wills, say anew of themselves."""
        for gateway in self._world.inventory.gateways.values():
            there = not self._world.gateway_dead(gateway.id)
            if gateway.presence and self._said.get(gateway.id) is not there:
                self._said[gateway.id] = there
                yield gateway.presence, b"online" if there else b"offline"

    def heard(self, sensor: Sensor) -> bool:
        """Whether a message of this sensor reaches the broker now."""
        world = self._world
        if world.sensor_fault(sensor.id) == "silent" or (sensor.supply == "mains" and not world.mains(sensor.site)):
            return False
        way, _, name = sensor.via.partition(":")
        if way == "gateway" and (gateway := world.inventory.gateways.get(name)) is not None:
            return not world.gateway_dead(name) and self._arrives(gateway)
        return self._arrives(sensor)

    def _arrives(self, thing: Sensor | Gateway) -> bool:
        """Whether its way carries packets; cellular always does."""
        way, _, name = thing.via.partition(":")
        if way != "line":
            return True
        if name in self._world.inventory.lines:
            return self._world.line_up(self._world.inventory.lines[name])
        if thing.site:
            return self._world.site_reachable(thing.site)
        return not thing.node or self._world.node_up(thing.node)

    def payload(self, sensors: list[Sensor]) -> bytes:
        """What the sensors of one topic publish now."""
        inventory = self._world.inventory
        values = {s.field or s.id: self._value(s, inventory.sensor_types[s.type]) for s in sensors}
        mapping = inventory.mappings.get(sensors[0].decoder)
        if mapping is not None:
            return orjson.dumps(_unmap(mapping, values))
        units = {s.field or s.id: inventory.sensor_types[s.type].unit for s in sensors}
        return orjson.dumps([{"n": name, "u": units[name], "v": round(value, 2)} for name, value in values.items()])

    def _value(self, sensor: Sensor, kind: SensorType) -> float:
        if kind.quantity == "mains":
            return float(self._world.mains(sensor.site))
        if kind.quantity == "door":
            return float(self._world.door_open(sensor.site or sensor.node))
        low, high = NORMAL.get(kind.quantity, (kind.valid_min or 0.0, kind.valid_max or 1.0))
        if kind.warn_above is not None:
            high = min(high, kind.warn_above * 0.9)
        if kind.warn_below is not None:
            low = max(low, kind.warn_below * 1.1)
        phase = zlib.crc32(sensor.id.encode()) % 628 / 100
        value = low + (high - low) * (0.5 + 0.5 * math.sin(self._world.t / 300 * math.tau + phase))
        place = sensor.site or sensor.node
        if not self._world.hot(place):
            self._hot_since.pop(place, None)
        elif kind.quantity == "temperature":
            since = self._hot_since.setdefault(place, self._world.t)
            value += HOT_RISE_C * min(1.0, (self._world.t - since) / HOT_TIME_S)
        return self._faulty(sensor.id, value, high - low)

    def _faulty(self, sensor: str, value: float, span: float) -> float:
        """What a sensor makes of the true value."""
        fault = self._world.sensor_fault(sensor)
        if fault != "drift":
            self._drift_since.pop(sensor, None)
        if fault == "stuck":
            return self._stuck_at.setdefault(sensor, value)
        self._stuck_at.pop(sensor, None)
        if fault == "drift":
            since = self._drift_since.setdefault(sensor, self._world.t)
            value += span * (self._world.t - since) / DRIFT_TIME_S
        return value


def pause_after(index: int, total: int) -> float:
    """Seconds to wait after message ``index`` of a round of ``total``: ten at a time, a round in one period."""
    if index % 10 != 9 and index != total - 1:
        return 0.0
    return PERIOD_S * (index % 10 + 1) / total


def _unmap(mapping: Mapping[str, object], values: Mapping[str, float]) -> dict[str, Any]:
    """A payload from which the mapping reads ``values``: the reverse of the JSON decoder, for plain dotted paths."""
    body: dict[str, Any] = {}
    fields: Any = mapping["fields"]
    for name, value in values.items():
        spec = fields[name]
        raw = (value - float(spec.get("offset", 0))) / float(spec.get("scale", 1))
        _put(body, spec["path"], round(raw, 3))
    if path := mapping.get("time"):
        now = dt.datetime.now(dt.UTC)
        stamp: object = now.timestamp()
        if mapping.get("time_format") == "unix_ms":
            stamp = int(now.timestamp() * 1000)
        elif mapping.get("time_format") == "iso":
            stamp = now.isoformat()
        _put(body, str(path), stamp)
    return body


def _put(body: dict[str, Any], path: str, value: object) -> None:
    *parents, last = path.replace('"', "").split(".")
    for parent in parents:
        body = body.setdefault(parent, {})
    body[last] = value
