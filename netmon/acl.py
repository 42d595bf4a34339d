"""Who may publish and read what at the broker: the ACL of mosquitto, from the inventory. Pure.

Each topic has exactly one user who may publish on it, so that nobody moves another's values:
 - a sensor behind a gateway: the gateway, ``gateway-ID``
 - else one with an owner (a tenant): the owner, ``owner-NAME`` (in lower-case letters without marks)
 - else one at a site or a node: that place, ``site-ID`` or ``node-ID``
 - else the sensor itself, ``sensor-ID``
Its device's last will and, for Sparkplug, all topics of its edge node go with it. netmon's own user may only read, and
ask edge nodes for a birth. What is not listed is denied (mosquitto.conf(5), acl_file).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from netmon.collectors.mqtt.decode import SPARKPLUG
from netmon.collectors.mqtt.decode.sparkplug import read_topic
from netmon.collectors.mqtt.plan import presence_topics
from netmon.config import MqttConfig
from netmon.model import Inventory, Sensor
from netmon.vietnamese import fold

COMMAND = "netmon inventory acl"
_UNFIT = re.compile(r"[\x00-\x1f\x7f]|^\s|\s$")  # a line of the file could not hold it, or would hold another one


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
    published = [(topic, sensor) for sensor in sensors for topic in _published(sensor, inventory)]
    problems = list(_conflicts(published, mqtt))
    topics: dict[str, set[str]] = {}
    commands: dict[str, set[str]] = {}
    for topic, sensor in published:
        topics.setdefault(publisher(sensor), set()).add(topic)
        if sensor.decoder == SPARKPLUG and (address := read_topic(sensor.topic)):
            commands.setdefault(publisher(sensor), set()).update(address.command_topics)
    parts = [
        f"# Written by `{COMMAND}`: change the inventory, not this file.\n"
        f"# {len(topics)} users publish on {len({t for t, _ in published})} topics; what is not listed is denied.\n"
    ]
    filters = sorted(set(mqtt.topics)) or sorted({_room(topic) for topic, _ in published})
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


def _published(sensor: Sensor, inventory: Inventory) -> list[str]:
    """All that its device publishes."""
    address = read_topic(sensor.topic) if sensor.decoder == SPARKPLUG else None
    own = address.published if address else [sensor.topic]
    return [*own, *presence_topics(sensor, inventory)]


def _conflicts(published: Sequence[tuple[str, Sensor]], mqtt: MqttConfig) -> Iterable[str]:
    owners: dict[str, str] = {}
    users: dict[str, Sensor] = {}
    for topic, sensor in published:
        if _UNFIT.search(topic):
            yield f'sensor "{sensor.id}": topic {topic!r} has control characters, or a space at an end'
        user = publisher(sensor)
        first = users.setdefault(topic, sensor)
        if (other := publisher(first)) != user:
            yield f'topic "{topic}": sensor "{first.id}" has it from {other}, "{sensor.id}" from {user}'
        if user == own_user(mqtt):
            yield f'sensor "{sensor.id}": its user {user} is netmon\'s own'
        if user.startswith("owner-") and owners.setdefault(user, sensor.owner) != sensor.owner:
            yield f'owners "{owners[user]}" and "{sensor.owner}" would both be user {user}'


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
