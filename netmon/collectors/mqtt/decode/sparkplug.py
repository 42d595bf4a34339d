"""Sparkplug B (Sparkplug 3.0, sections 5 and 6) as a pure state machine: topic, payload and time in; values, deaths
and the wish for a rebirth out.

The rules: a birth gives metrics their names, aliases, types and units, and nothing else does. NBIRTH makes all earlier
births of the edge node and of its devices void; each message of an edge node carries the next ``seq`` (0..255). After a
gap a birth may have been missed, so nothing is believed until the next NBIRTH, which is asked for. NDEATH counts only
for the birth whose ``bdSeq`` it carries: a late will of an earlier session kills nobody. The property ``Quality`` of a
metric (section 6.4.9) says whether it is good (as it is without one), bad, or stale: the last that the edge node had.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from netmon.collectors.mqtt.decode.record import GONE, HERE, NOTHING, DecodeError, Kind, Record, finite
from netmon.collectors.mqtt.decode.sparkplug_wire import parse

NAMESPACE = "spBv1.0"
REBIRTH_EVERY_S = 60.0  # how often one edge node is asked at most
MAX_METRICS = 10_000  # of one edge node
MAX_DEVICES = 1000
MAX_TEXT = 500
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}  # datatype -> bits; values are their two's complement, section 6.4.16
_UNSIGNED = (5, 6, 7, 8)
_FLOAT, _DOUBLE, _BOOLEAN = 9, 10, 11
_EDGE, _DEVICE = ("NBIRTH", "NDATA", "NDEATH"), ("DBIRTH", "DDATA", "DDEATH")
_GOOD = range(192, 256)  # of the property Quality: 192 in the specification, Ignition has some more
_STALE = (500, 516)  # the specification's; Ignition's Bad_Stale, which has a level in the bits above these 16
MAX_MS = 1e14  # of a time since 1970: the year 5138


class Address(NamedTuple):
    """What a topic says: ``spBv1.0/{group}/{kind}/{edge}[/{device}]``."""

    group: str
    kind: str
    edge: str
    device: str

    @property
    def command_topic(self) -> str:
        return f"{NAMESPACE}/{self.group}/NCMD/{self.edge}"

    @property
    def node_topic(self) -> str:
        """That of the edge node's own data."""
        return f"{NAMESPACE}/{self.group}/NDATA/{self.edge}"

    @property
    def published(self) -> list[str]:
        """Filters of all that the edge node says, for itself and its devices."""
        node = [f"{NAMESPACE}/{self.group}/{kind}/{self.edge}" for kind in _EDGE]
        return node + [f"{NAMESPACE}/{self.group}/{kind}/{self.edge}/+" for kind in _DEVICE]

    @property
    def command_topics(self) -> list[str]:
        """Filters of all that it is asked."""
        return [self.command_topic, f"{NAMESPACE}/{self.group}/DCMD/{self.edge}/+"]

    @property
    def filter(self) -> str:
        """Everything of the edge node: other devices' messages are needed to know its ``seq``."""
        return f"{NAMESPACE}/{self.group}/+/{self.edge}/#"


def read_topic(topic: str) -> Address | None:
    """None for what is no message of an edge node or device (commands, STATE, other topics)."""
    parts = topic.split("/")
    if parts[0] != NAMESPACE or not all(parts):
        return None
    if (len(parts) == 4 and parts[2] in _EDGE) or (len(parts) == 5 and parts[2] in _DEVICE):
        return Address(parts[1], parts[2], parts[3], parts[4] if len(parts) == 5 else "")
    return None


def is_command(topic: str) -> bool:
    return topic.split("/")[2:3] in (["NCMD"], ["DCMD"])


class Outcome(NamedTuple):
    """Records (GONE for a death, of the edge node with all its devices or of the one device), and whether to ask."""

    records: list[Record]
    rebirth: bool = False


class _Metric(NamedTuple):
    name: str
    datatype: int
    unit: str


@dataclass(slots=True)
class _Born:
    """What one birth has told."""

    by_name: dict[str, _Metric] = field(default_factory=dict)
    by_alias: dict[int, _Metric] = field(default_factory=dict)


@dataclass(slots=True)
class _Edge:
    seq: int = -1  # of its last message
    in_order: bool = False  # since its NBIRTH nothing was missed
    bd_seq: int | None = None
    born: dict[str, _Born] = field(default_factory=dict)  # "" is the edge node itself
    asked_at: float | None = None


class Host:
    """All edge nodes that were heard. Feed it only those of the inventory: then its size is bounded by it."""

    def __init__(self) -> None:
        self._edges: dict[tuple[str, str], _Edge] = {}

    def take(self, address: Address, payload: bytes, now: float) -> Outcome:
        """One message. Raises DecodeError; then the edge node's order is in doubt, and it will be asked."""
        edge = self._edges.setdefault((address.group, address.edge), _Edge())
        try:
            records = self._step(edge, address, parse(payload))
        except DecodeError:
            if address.kind != "NDEATH":
                edge.in_order = False
            raise
        return Outcome(records, rebirth=not edge.in_order and address.kind != "NDEATH" and _may_ask(edge, now))

    def missing(self, group: str, name: str, now: float) -> bool:
        """Whether to ask this edge node for a birth without a word of it: who reports on change may be silent long."""
        edge = self._edges.setdefault((group, name), _Edge())
        return not edge.in_order and _may_ask(edge, now)

    def _step(self, edge: _Edge, address: Address, message: Any) -> list[Record]:
        if address.kind == "NDEATH":
            return self._node_death(edge, message)
        seq = message.seq
        if address.kind == "NBIRTH":
            edge.born.clear()
            edge.bd_seq = _bd_seq(message)
            edge.in_order = True
        elif seq != (edge.seq + 1) % 256:
            edge.in_order = False
        edge.seq = seq if seq <= 255 else -1
        if not edge.in_order:
            return [HERE]
        if address.kind == "DDEATH":
            edge.born.pop(address.device, None)
            return [GONE]
        if address.kind in ("NBIRTH", "DBIRTH"):
            self._bear(edge, address.device, message)
        born = edge.born.get(address.device)
        if born is None:  # data of a device whose birth we have not heard
            edge.in_order = False
            return [HERE]
        return [*_records(born, address.device, message), HERE]

    def _node_death(self, edge: _Edge, message: Any) -> list[Record]:
        told = _bd_seq(message)
        if edge.bd_seq is not None and told is not None and told != edge.bd_seq:
            return [NOTHING]
        edge.born.clear()
        edge.in_order, edge.asked_at = False, None
        return [GONE]

    def _bear(self, edge: _Edge, device: str, message: Any) -> None:
        if len(edge.born) >= MAX_DEVICES and device not in edge.born:
            raise DecodeError("too_many", f"more than {MAX_DEVICES} devices at one edge node")
        edge.born.pop(device, None)
        known = sum(len(born.by_name) for born in edge.born.values())
        if known + len(message.metrics) > MAX_METRICS:
            raise DecodeError("too_many", f"more than {MAX_METRICS} metrics at one edge node")
        born = _Born()
        for entry in message.metrics:
            metric = _Metric(_text(entry.name), entry.datatype, _unit(entry))
            born.by_name[metric.name] = metric
            if entry.HasField("alias"):
                born.by_alias[entry.alias] = metric
        edge.born[device] = born


def _may_ask(edge: _Edge, now: float) -> bool:
    """Not more often than every so many seconds; notes that it is asked."""
    if edge.asked_at is not None and 0 <= now - edge.asked_at < REBIRTH_EVERY_S:
        return False
    edge.asked_at = now
    return True


def _bd_seq(message: Any) -> int | None:
    for metric in message.metrics:
        if metric.name == b"bdSeq":
            return int(metric.long_value if metric.HasField("long_value") else metric.int_value)
    return None


def _text(raw: bytes) -> str:
    return raw[:MAX_TEXT].decode(errors="replace")


def _property(metric: Any, name: bytes) -> Any:
    properties = metric.properties
    return next((value for key, value in zip(properties.keys, properties.values, strict=False) if key == name), None)


def _unit(metric: Any) -> str:
    """The property ``engUnit``, which births may carry."""
    found = _property(metric, b"engUnit")
    return _text(found.string_value) if found is not None else ""


def _kind(metric: Any, at: float | None) -> Kind | None:
    """What a value is worth; None where it is neither good nor of now."""
    found = _property(metric, b"Quality") if metric.HasField("properties") else None
    good = found is None or not found.HasField("int_value") or found.int_value in _GOOD
    if metric.is_historical and at is not None:
        return "old" if good else None
    return "value" if good or found is None else "lapsed" if found.int_value & 0xFFFF in _STALE else "bad"


def _records(born: _Born, device: str, message: Any) -> list[Record]:
    records = []
    for entry in message.metrics[:MAX_METRICS]:
        metric = born.by_name.get(_text(entry.name)) if entry.name else born.by_alias.get(entry.alias)
        if metric is None or entry.is_null:  # null: there is no value now
            continue
        value = _value(entry, entry.datatype or metric.datatype)
        if value is None or not finite(value):
            continue
        at_ms = entry.timestamp if entry.HasField("timestamp") else message.timestamp
        at = at_ms / 1000.0 if 0 < at_ms < MAX_MS else None
        if (kind := _kind(entry, at)) is not None:
            local = metric.name.rpartition("/")[2]
            records.append(Record(metric.name, value, metric.unit, at, local, kind, device))
    return records


def _value(entry: Any, datatype: int) -> float | None:
    """A number, or None for all that is none (texts, data sets, templates) or was not sent."""
    if datatype == _BOOLEAN:
        return float(entry.boolean_value) if entry.HasField("boolean_value") else None
    if datatype == _FLOAT:
        return float(entry.float_value) if entry.HasField("float_value") else None
    if datatype == _DOUBLE:
        return float(entry.double_value) if entry.HasField("double_value") else None
    if datatype not in _SIGNED and datatype not in _UNSIGNED:
        return None
    if not entry.HasField("int_value") and not entry.HasField("long_value"):
        return None
    raw = int(entry.int_value if entry.HasField("int_value") else entry.long_value)
    bits = _SIGNED.get(datatype, 0)
    # Some senders write small negative numbers with 32 or 64 bits whatever their type.
    return float((raw & ((1 << bits) - 1)) - (1 << bits) if bits and raw >> (bits - 1) & 1 else raw)
