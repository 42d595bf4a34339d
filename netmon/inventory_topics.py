"""Which decoder reads a sensor's topic, and that a topic belongs to one place."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from netmon.collectors.mqtt.decode import SPARKPLUG, form_of
from netmon.collectors.mqtt.decode.sparkplug import read_topic
from netmon.inventory_decoders import decoder_for, matches
from netmon.inventory_read import Draft
from netmon.model import Sensor
from netmon.yamlvalues import suggest

_WITH_DEVICE = ("bytes", "cayenne", "chirpstack", "tts")  # formats whose payloads say which device


class Report(Protocol):
    """Tells of a mistake at a key of a thing of the inventory."""

    def __call__(self, kind: str, name: str, key: str, message: str, allowed: str = "") -> None: ...


def name_decoders(draft: Draft, decoders: Collection[str], report: Report, *, complete: bool) -> None:
    """A sensor that names no decoder has that of the most specific filter of ``topics`` for its topic."""
    seen: dict[str, str] = {}
    for named in draft.named:
        first = seen.setdefault(named.filter, f"{named.entry.file}:{named.entry.line}")
        if named.filter and first != f"{named.entry.file}:{named.entry.line}":
            named.entry.problem("filter", f'filter "{named.filter}" is there twice', f"first in {first}")
        if named.decoder and named.decoder not in decoders and complete:
            text = f'unknown decoder "{named.decoder}"'
            named.entry.problem("decoder", text, suggest(named.decoder, decoders, "known"))
    for sensor in list(draft.sensors.values()):
        if not sensor.decoder and sensor.topic:
            name = decoder_for(sensor.topic, draft.named)
            draft.sensors[sensor.id] = replace(sensor, decoder=name if name in decoders else "")
            if not name and complete and all(named.filter for named in draft.named):  # else the filter was told already
                allowed = f'give it one, or a filter of "topics" that matches {sensor.topic}'
                report("sensor", sensor.id, "decoder", '"decoder" is missing', allowed)


def check_topics(draft: Draft, report: Report) -> None:
    """Whose value it is follows from the topic: exact ones, and one place for all that a payload tells apart."""
    sources: dict[tuple[str, str, str], str] = {}
    shared = {sensor.topic for sensor in draft.sensors.values() if sensor.device}
    places: dict[str, Sensor] = {}
    for gateway in draft.gateways.values():
        for key in ("presence", "heartbeat"):
            _check_topic("gateway", gateway.id, key, getattr(gateway, key), report)
    for sensor in draft.sensors.values():
        for key in ("topic", "presence"):
            _check_topic("sensor", sensor.id, key, getattr(sensor, key), report)
        form = form_of(sensor.decoder, draft.mappings)
        if sensor.topic and form == SPARKPLUG and read_topic(sensor.topic) is None:
            allowed = "spBv1.0/GROUP/DDATA/NODE/DEVICE, or spBv1.0/GROUP/NDATA/NODE"
            report("sensor", sensor.id, "topic", f'"topic" cannot be "{sensor.topic}"', allowed)
        first = sources.setdefault((sensor.topic, sensor.field, sensor.device.casefold()), sensor.id)
        if sensor.topic and first != sensor.id:
            text = f'sensor "{first}" reads the same field of "{sensor.topic}"'
            report("sensor", sensor.id, "topic", text)
        if sensor.topic not in shared:
            continue
        if sensor.device and form not in _WITH_DEVICE and "device" not in draft.mappings.get(sensor.decoder, {}):
            allowed = f"only {', '.join(_WITH_DEVICE)}, and mappings with a path of that name, tell devices apart"
            report("sensor", sensor.id, "device", f'"device" with decoder "{sensor.decoder}"', allowed)
        other = places.setdefault(sensor.topic, sensor)
        if (other.site, other.node) != (sensor.site, sensor.node):
            text = f'sensor "{other.id}" of another place is read from "{sensor.topic}" by "device", too'
            report("sensor", sensor.id, "device", text, "a payload must not choose the place: one topic each")


def _check_topic(kind: str, name: str, key: str, topic: str, report: Report) -> None:
    if re.search(r"[+#\x00]", topic) or topic.startswith("$"):
        report(kind, name, key, f'"{key}" cannot be "{topic}"', "one exact topic, no + and #, no $ in front")


def unheard(draft: Draft, filters: Sequence[str]) -> str:
    """What to say where these are the only filters that are subscribed and topics lie outside of them; else ""."""
    plain = [re.sub(r"^\$share/[^/]+/", "", one) for one in filters]
    topics = [(sensor.topic, f'sensor "{sensor.id}"') for sensor in draft.sensors.values()]
    for gateway in draft.gateways.values():
        topics += [(topic, f'gateway "{gateway.id}"') for topic in (gateway.presence, gateway.heartbeat)]
    outside = [(t, whose) for t, whose in topics if t and not any(matches(one, t) for one in plain)] if plain else []
    if not outside:
        return ""
    more = f" and {len(outside) - 1} more topics" if len(outside) > 1 else ""
    return f'"topics" does not cover "{outside[0][0]}" of {outside[0][1]}{more}: nothing of it is heard'
