"""Who may publish and read what at the broker: the ACL of mosquitto, from the inventory. Pure.

Each topic has exactly one user who may publish on it, so that nobody moves another's values:
 - a sensor behind a gateway: the gateway, ``gateway-ID``
 - else one with an owner (a tenant): the owner, ``owner-NAME`` (in lower-case letters without marks)
 - else one at a site or a node: that place, ``site-ID`` or ``node-ID``
 - else the sensor itself, ``sensor-ID``
netmon's own user may only read. What is not listed is denied (mosquitto.conf(5), acl_file).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

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
    problems = list(_conflicts(sensors, mqtt))
    topics: dict[str, set[str]] = {}
    for sensor in sensors:
        topics.setdefault(publisher(sensor), set()).add(sensor.topic)
    parts = [
        f"# Written by `{COMMAND}`: change the inventory, not this file.\n"
        f"# {len(topics)} users publish on {len({s.topic for s in sensors})} topics; what is not listed is denied.\n"
    ]
    filters = sorted(set(mqtt.topics)) or sorted({_room(sensor.topic) for sensor in sensors})
    parts.append(_user(own_user(mqtt), "read", filters))
    parts += [_user(user, "write", sorted(topics[user])) for user in sorted(topics)]
    return "\n".join(parts), problems


def own_user(mqtt: MqttConfig) -> str:
    """netmon's user; with a client certificate alone its common name must be the client id."""
    return mqtt.username or mqtt.client_id


def _conflicts(sensors: Sequence[Sensor], mqtt: MqttConfig) -> Iterable[str]:
    owners: dict[str, str] = {}
    users: dict[str, Sensor] = {}
    for sensor in sensors:
        if _UNFIT.search(sensor.topic):
            yield f'sensor "{sensor.id}": topic {sensor.topic!r} has control characters, or a space at an end'
        user = publisher(sensor)
        first = users.setdefault(sensor.topic, sensor)
        if (other := publisher(first)) != user:
            yield f'topic "{sensor.topic}": sensor "{first.id}" has it from {other}, "{sensor.id}" from {user}'
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
    return f"user {name}\n" + "".join(f"topic {access} {topic}\n" for topic in topics)
