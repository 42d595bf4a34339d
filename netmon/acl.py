"""Who may publish and read what at the broker: the ACL of mosquitto, from the inventory. Pure.

Each topic has exactly one user who may publish on it, so that nobody moves another's values:
 - a sensor behind a gateway: the gateway, ``gateway-ID``
 - else one with an owner (a tenant): the owner, ``owner-NAME`` (in lower-case letters without marks)
 - else one at a site or a node: that place, ``site-ID`` or ``node-ID``
 - else the sensor itself, ``sensor-ID``
Its device's last will and, for Sparkplug, all topics of its edge node go with it; a gateway also has the topics on
which it speaks for itself. netmon's own user may only read, and ask edge nodes for a birth. What is not listed is
denied (mosquitto.conf(5), acl_file).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from netmon.collectors.mqtt.decode import SPARKPLUG
from netmon.collectors.mqtt.decode.sparkplug import Address, read_topic
from netmon.collectors.mqtt.plan import gateway_topics, presence_topics
from netmon.config import MqttConfig
from netmon.model import Inventory, Sensor
from netmon.vietnamese import fold

COMMAND = "netmon inventory acl"
_UNFIT = re.compile(r"[\x00-\x1f\x7f]|^\s|\s$")  # a line of the file could not hold it, or would hold another one


class _Published(NamedTuple):
    """A topic, who publishes on it, and for what thing of the inventory."""

    topic: str
    user: str
    thing: str
    owner: str = ""
    edge: Address | None = None  # the Sparkplug edge node it is of


def publisher(sensor: Sensor) -> str:
    """The user who publishes a sensor's topic."""
    way, _, gateway = sensor.via.partition(":")
    if way == "gateway":
        return f"gateway-{gateway}"
    if sensor.owner:
        return f"owner-{_slug(sensor.owner)}"
    if sensor.site:
        return f"site-{sensor.site}"
    return f"node-{sensor.node}" if sensor.node else f"sensor-{sensor.id}"


def encode_acl(inventory: Inventory, mqtt: MqttConfig) -> tuple[str, list[str]]:
    """The file, the same for the same inventory; and what keeps it from being right, one line each."""
    sensors = [sensor for _, sensor in sorted(inventory.sensors.items()) if sensor.topic]
    published = [*(p for sensor in sensors for p in _of_sensor(sensor, inventory)), *_of_gateways(inventory)]
    problems = list(_conflicts(published, mqtt))
    topics: dict[str, set[str]] = {}
    commands: dict[str, set[str]] = {}
    for one in published:
        topics.setdefault(one.user, set()).add(one.topic)
        if one.edge is not None:
            commands.setdefault(one.user, set()).update(one.edge.command_topics)
    parts = [
        f"# Written by `{COMMAND}`: change the inventory, not this file.\n"
        f"# {len(topics)} users publish on {len({p.topic for p in published})} topics; what is not listed is denied.\n"
    ]
    filters = sorted(set(mqtt.topics)) or sorted({_room(p.topic) for p in published})
    asks = sorted(topic for found in commands.values() for topic in found if not topic.endswith("/+"))
    parts.append(_user(own_user(mqtt), "read", filters) + _lines("write", asks))
    parts += [
        _user(user, "write", sorted(topics[user])) + _lines("read", sorted(commands.get(user, ())))
        for user in sorted(topics)
    ]
    return "\n".join(parts), problems


def own_user(mqtt: MqttConfig) -> str:
    """netmon's user; with a client certificate alone its common name must be the client id."""
    return mqtt.username or mqtt.client_id


def _of_sensor(sensor: Sensor, inventory: Inventory) -> Iterator[_Published]:
    """All that its device publishes."""
    edge = read_topic(sensor.topic) if sensor.decoder == SPARKPLUG else None
    for topic in (*(edge.published if edge else [sensor.topic]), *presence_topics(sensor, inventory)):
        yield _Published(topic, publisher(sensor), f'sensor "{sensor.id}"', sensor.owner, edge)


def _of_gateways(inventory: Inventory) -> Iterator[_Published]:
    """All that gateways publish for themselves."""
    for name, presence in sorted(gateway_topics(inventory).items()):
        edge = read_topic(presence)
        for topic in (*(edge.published if edge else [presence]), inventory.gateways[name].heartbeat):
            if topic:
                yield _Published(topic, f"gateway-{name}", f'gateway "{name}"', edge=edge)


def _conflicts(published: Sequence[_Published], mqtt: MqttConfig) -> Iterable[str]:
    owners: dict[str, str] = {}
    users: dict[str, _Published] = {}
    for one in published:
        if _UNFIT.search(one.topic):
            yield f"{one.thing}: topic {one.topic!r} has control characters, or a space at an end"
        first = users.setdefault(one.topic, one)
        if first.user != one.user:
            yield f'topic "{one.topic}": {first.thing} has it from {first.user}, {one.thing} from {one.user}'
        if one.user == own_user(mqtt):
            yield f"{one.thing}: its user {one.user} is netmon's own"
        if one.user.startswith("owner-") and owners.setdefault(one.user, one.owner) != one.owner:
            yield f'owners "{owners[one.user]}" and "{one.owner}" would both be user {one.user}'


def _room(topic: str) -> str:
    """What netmon reads: all below the first level. Exact topics would be compared one by one for every message."""
    first, slash, _ = topic.partition("/")
    return f"{first}/#" if slash else first


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", fold(text)).strip("-") or "unnamed"


def _user(name: str, access: str, topics: Iterable[str]) -> str:
    return f"user {name}\n" + _lines(access, topics)


def _lines(access: str, topics: Iterable[str]) -> str:
    return "".join(f"topic {access} {topic}\n" for topic in topics)
