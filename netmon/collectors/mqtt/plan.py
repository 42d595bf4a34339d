"""Which sensors a topic feeds, through which decoder, and which gateways speak for themselves on it. Pure.

Whose value it is follows from the topic, as the inventory says, and never from a payload: where several devices share a
topic, a payload can only choose among that topic's own sensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from netmon.collectors.mqtt.decode import SPARKPLUG, Bound, DecodeError, Record, bind, form_of, presence, remembers
from netmon.collectors.mqtt.decode.record import HERE
from netmon.collectors.mqtt.decode.sparkplug import NAMESPACE, Address, Host, is_command, read_topic
from netmon.collectors.mqtt.decode.sparkplug_wire import rebirth_command
from netmon.model import Inventory, Sensor

Routed = tuple[Sensor, str]  # a sensor and the unit that its type stores


class Use(NamedTuple):
    """Sensors of one topic that share a decoder, each with the unit its type stores; gateways that speak there."""

    decode: Bound
    sensors: tuple[Routed, ...]
    gateways: tuple[str, ...] = ()


class Plan:
    """Topic -> what to do with its messages. Decoders that remember are taken over from the plan before.

    Used by one thread. ``commands`` (topic -> payload) is what decoders wish to send, at most one to an edge node.
    """

    def __init__(self, old: Plan | None = None) -> None:
        self.uses: dict[str, tuple[Use, ...]] = {}
        self.commands: dict[str, bytes] = {}
        self._edges: dict[tuple[str, str], dict[str, tuple[Routed, ...]]] = {}  # edge node -> device -> sensors
        self._speakers: dict[tuple[str, str], tuple[str, ...]] = {}  # edge node -> the gateways it is
        self._filters: dict[str, None] = {}  # of edge nodes
        self._old = old
        self._bound: dict[tuple[str, str], Bound] = {}
        self._host: Host = old._host if old else Host()

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return (*sorted(self.uses), *sorted(self._filters))

    def get(self, topic: str) -> tuple[Use, ...] | None:
        """None for a topic that the inventory does not know."""
        uses = self.uses.get(topic)
        return self._sparkplug(topic) if uses is None else uses

    def ask_for_births(self, now: float) -> None:
        """At every connect: values of edge nodes mean nothing before their births, and some speak rarely."""
        for group, edge in self._edges:
            if self._host.missing(group, edge, now):
                self.commands[f"{NAMESPACE}/{group}/NCMD/{edge}"] = rebirth_command(now)

    def _sparkplug(self, topic: str) -> tuple[Use, ...] | None:
        if not topic.startswith(f"{NAMESPACE}/"):
            return None
        address = read_topic(topic)
        if address is None:
            # Commands of ours and of other hosts come with an edge node's messages.
            return (Use(lambda payload, now: [HERE], ()),) if is_command(topic) else None
        devices = self._edges.get((address.group, address.edge))
        if devices is None:
            return None
        edge = self._speakers.get((address.group, address.edge), ()) if not address.device else ()
        if address.kind == "NDEATH":
            sensors = tuple(routed for found in devices.values() for routed in found)
        else:
            sensors = devices.get(address.device, ())
        return (Use(lambda payload, now: self._take(address, payload, now), sensors, edge),)

    def _take(self, address: Address, payload: bytes, now: float) -> list[Record]:
        outcome = self._host.take(address, payload, now)
        if outcome.rebirth:
            self.commands[address.command_topic] = rebirth_command(now)
        return outcome.records

    def add(self, topic: str, decoder: str, sensors: tuple[Routed, ...], inventory: Inventory) -> None:
        """Raises DecodeError."""
        if decoder == SPARKPLUG:
            self._add_edge(topic, sensors)
            return
        self.uses.setdefault(topic, ())  # known, whatever becomes of the decoder
        mappings = inventory.mappings
        keep = remembers(decoder, mappings)
        key = (decoder, topic if keep else "")
        if key not in self._bound:
            known = self._old._bound.get(key) if self._old and keep and decoder not in mappings else None
            self._bound[key] = known or bind(decoder, mappings)
        self._add(topic, Use(self._bound[key], sensors))

    def add_presence(self, topic: str, sensors: tuple[Routed, ...]) -> None:
        self._add(topic, Use(presence.decode, sensors))

    def add_gateway(self, gateway: str, presence_topic: str, heartbeat: str) -> None:
        """What it says of itself: on ``presence_topic`` (an edge node's, or with words), and by any ``heartbeat``."""
        if (address := read_topic(presence_topic)) is not None:
            self._add_edge(presence_topic, ())
            key = (address.group, address.edge)
            self._speakers[key] = (*self._speakers.get(key, ()), gateway)
        elif presence_topic:
            self._add(presence_topic, Use(presence.decode, (), (gateway,)))
        if heartbeat:
            self._add(heartbeat, Use(lambda payload, now: [HERE], (), (gateway,)))

    def _add(self, topic: str, use: Use) -> None:
        self.uses[topic] = (*self.uses.get(topic, ()), use)

    def _add_edge(self, topic: str, sensors: tuple[Routed, ...]) -> None:
        address = read_topic(topic)
        if address is None:
            raise DecodeError("bad_topic", f"no topic of Sparkplug data: {topic}")
        devices = self._edges.setdefault((address.group, address.edge), {})
        devices[address.device] = (*devices.get(address.device, ()), *sensors)
        self._filters[address.filter] = None

    def forget_old(self) -> None:
        """All is taken over: let go of the plan before."""
        self._old = None


def routes_of(inventory: Inventory) -> dict[str, list[Sensor]]:
    """Topic -> the sensors that publish on it."""
    routes: dict[str, list[Sensor]] = {}
    for sensor in inventory.sensors.values():
        if sensor.topic:
            routes.setdefault(sensor.topic, []).append(sensor)
    return routes


def compile_plan(
    routes: Mapping[str, Sequence[Sensor]], inventory: Inventory, old: Plan | None = None
) -> tuple[Plan, list[str]]:
    """The routes with decoders bound and units looked up; and one line for each sensor that had to be left out."""
    plan = Plan(old)
    problems: list[str] = []
    presences: dict[str, list[Routed]] = {}
    gateways = gateway_topics(inventory)
    for topic, sensors in routes.items():
        by_decoder: dict[str, list[Routed]] = {}
        for sensor in sensors:
            kind = inventory.sensor_types.get(sensor.type)
            by_decoder.setdefault(sensor.decoder, []).append((sensor, kind.unit if kind else ""))
        for name, found in by_decoder.items():
            try:
                plan.add(topic, name, tuple(found), inventory)
            except DecodeError as error:
                problems += [f"sensor={sensor.id} decoder={name} reason={error}" for sensor, _ in found]
                continue
            for routed in found:
                spoken_for = gateways.get(routed[0].via.removeprefix("gateway:"), "")
                for told in presence_topics(routed[0], inventory):
                    if told != spoken_for:
                        presences.setdefault(told, []).append(routed)
    for topic, told_of in presences.items():
        plan.add_presence(topic, tuple(told_of))
    for name, topic in gateways.items():
        plan.add_gateway(name, topic, inventory.gateways[name].heartbeat)
    plan.forget_old()
    return plan, problems


def presence_topics(sensor: Sensor, inventory: Inventory) -> list[str]:
    """Where its device says whether it is there: as the inventory says, else as its format does."""
    if sensor.presence:
        return [sensor.presence]
    return presence.topics(form_of(sensor.decoder, inventory.mappings), sensor.topic)


def gateway_topics(inventory: Inventory) -> dict[str, str]:
    """Where each gateway says whether it is there: as the inventory says, else as the format of all its sensors does
    (the bridge's state of Zigbee2MQTT, the edge node of Sparkplug); "" where nothing is known of it."""
    own: dict[str, set[str]] = {name: set() for name in inventory.gateways}
    for sensor in inventory.sensors.values():
        name = sensor.via.removeprefix("gateway:")
        if sensor.via != name and name in own:
            form = form_of(sensor.decoder, inventory.mappings)
            address = read_topic(sensor.topic) if form == SPARKPLUG else None
            own[name].add(address.node_topic if address else presence.bridge(form, sensor.topic))
    return {
        name: gateway.presence or (next(iter(own[name])) if len(own[name]) == 1 else "")
        for name, gateway in inventory.gateways.items()
    }
