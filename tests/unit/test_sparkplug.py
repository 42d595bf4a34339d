"""Sparkplug B: births, aliases, order, deaths, and what is asked for when a birth may have been missed."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from netmon.collectors.mqtt.decode import DecodeError, Record
from netmon.collectors.mqtt.decode.sparkplug import MAX_METRICS, REBIRTH_EVERY_S, Host, read_topic
from netmon.collectors.mqtt.decode.sparkplug_wire import parse, rebirth_command
from netmon.collectors.mqtt.intake import take
from netmon.collectors.mqtt.plan import Plan, compile_plan, routes_of
from netmon.model import Gateway, Inventory, Sensor, SensorType
from tests.sparkplug_edge import EdgeNode, M, payload

NOW = 1_757_060_000.0
BIRTH = [M("Level", 1.5, 10, alias=1, unit="m"), M("Pump/Running", 1, 11, alias=2), M("Note", "ok", 12, alias=3)]


class Talk:
    """An edge node and the host that hears it."""

    def __init__(self) -> None:
        self.node = EdgeNode()
        self.host = Host()
        self.asked: list[float] = []

    def say(self, kind: str, *metrics: M, device: str = "", now: float = NOW) -> list[Record]:
        return self.hear(*self.node.message(kind, metrics, device), now=now)

    def hear(self, topic: str, data: bytes, now: float = NOW) -> list[Record]:
        address = read_topic(topic)
        assert address is not None
        outcome = self.host.take(address, data, now)
        if outcome.rebirth:
            self.asked.append(now)
        return [record for record in outcome.records if record.kind != "here"]


def facts(records: list[Record]) -> list[tuple[str, float, str]]:
    return [(r.name, r.value, r.unit) for r in records]


def test_names_units_and_types_come_from_the_birth_and_values_by_alias() -> None:
    talk = Talk()
    assert facts(talk.say("NBIRTH", *BIRTH)) == [("bdSeq", 0, ""), ("Level", 1.5, "m"), ("Pump/Running", 1, "")]
    found = talk.say("NDATA", M(alias=1, value=1.75, typed=False), M(alias=2, value=0, kind=11, typed=False))
    assert facts(found) == [("Level", 1.75, "m"), ("Pump/Running", 0, "")]
    assert found[1].local == "Running"
    assert talk.asked == []


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        (1, -5, -5), (2, -300, -300), (3, -70_000, -70_000), (4, -(2**40), -(2.0**40)), (5, 200, 200),
        (6, 65535, 65535),
        (7, 2**32 - 1, 2.0**32 - 1), (8, 2**63, 2.0**63), (9, 1.5, 1.5), (10, -1e300, -1e300), (11, 1, 1),
        (12, "x", None),
        (13, 5, None), (9, math.inf, None), (10, math.nan, None), (10, None, None), (0, 5, None),
    ],
)  # fmt: skip
def test_values_of_every_type(kind: int, value: float | str | None, found: float | None) -> None:
    records = Talk().say("NBIRTH", M("a", value, kind))
    assert [record.value for record in records if record.name == "a"] == ([] if found is None else [found])


def test_an_alias_before_any_birth_means_nothing_and_a_birth_is_asked_for() -> None:
    talk = Talk()
    assert talk.say("NDATA", M("Level", 2.0, alias=1)) == []
    assert talk.say("DDATA", M(alias=1, value=2.0), device="plc", now=NOW + 1) == []
    assert talk.asked == [NOW]  # and not again at once
    talk.say("NDATA", now=NOW + REBIRTH_EVERY_S)
    assert talk.asked == [NOW, NOW + REBIRTH_EVERY_S]
    assert facts(talk.say("NBIRTH", *BIRTH))[1] == ("Level", 1.5, "m")


def test_after_a_gap_nothing_is_believed_until_the_next_birth() -> None:
    talk = Talk()
    talk.say("NBIRTH", *BIRTH)
    talk.node.message("NDATA")  # lost
    assert talk.say("NDATA", M(alias=1, value=9.0)) == []
    assert talk.asked == [NOW]
    assert talk.say("NDATA", M(alias=1, value=9.0)) == []
    talk.say("NBIRTH", M("Other", 1.0, alias=1))
    assert facts(talk.say("NDATA", M(alias=1, value=9.0))) == [("Other", 9, "")]


def test_seq_goes_round() -> None:
    talk = Talk()
    talk.say("NBIRTH", *BIRTH)
    for n in range(600):
        assert facts(talk.say("NDATA", M(alias=1, value=float(n)))) == [("Level", n, "m")]
    assert talk.asked == []


def test_a_birth_of_the_node_voids_those_of_its_devices() -> None:
    talk = Talk()
    talk.say("NBIRTH", *BIRTH)
    talk.say("DBIRTH", M("Flow", 3.0, alias=10, unit="l/s"), device="plc")
    found = talk.say("DDATA", M(alias=10, value=4.0), device="plc")
    assert [(r.name, r.value, r.device) for r in found] == [("Flow", 4, "plc")]
    assert talk.say("DDATA", M(alias=1, value=4.0), device="plc") == []  # the node's alias, not the device's
    talk.say("NBIRTH", *BIRTH)
    assert talk.say("DDATA", M(alias=10, value=5.0), device="plc") == []
    assert talk.asked == [NOW]


def test_deaths() -> None:
    talk = Talk()
    talk.say("NBIRTH", *BIRTH)
    talk.say("DBIRTH", M("Flow", 3.0, alias=10), device="plc")
    assert [r.kind for r in talk.say("DDEATH", device="plc")] == ["gone"]
    assert facts(talk.say("NDATA", M(alias=1, value=2.0))) == [("Level", 2, "m")]
    assert [r.kind for r in talk.say("NDEATH")] == ["gone"]
    assert talk.say("NDATA", M(alias=1, value=2.0)) == []


def test_a_late_will_of_an_earlier_session_kills_nobody() -> None:
    talk = Talk()
    talk.node.bd_seq = 6
    will = talk.node.message("NDEATH")
    talk.say("NBIRTH", *BIRTH)
    talk.node.bd_seq = 7
    talk.say("NBIRTH", *BIRTH)
    assert [r.kind for r in talk.hear(*will)] == ["none"], "nor is it a sign of life"
    assert facts(talk.say("NDATA", M(alias=1, value=2.0))) == [("Level", 2, "m")]
    assert [r.kind for r in talk.say("NDEATH")] == ["gone"]


def test_times_and_values_kept_while_cut_off() -> None:
    talk = Talk()
    talk.say("NBIRTH", *BIRTH)
    old = M(alias=1, value=1.0, at_ms=1_757_050_000_500, historical=True)
    new = M(alias=1, value=2.0)
    found = talk.hear(*talk.node.message("NDATA", [old, new], at_ms=1_757_060_000_000))
    assert [(r.value, r.at, r.kind) for r in found] == [(1, 1_757_050_000.5, "old"), (2, 1_757_060_000.0, "value")]


@pytest.mark.parametrize(
    ("quality", "kind", "kept"),
    [(None, "value", "old"), (192, "value", "old"), (201, "value", "old"), (0, "bad", ""), (500, "lapsed", ""),
     (-2147483132, "lapsed", ""), (-2147483126, "bad", ""), (1073742080, "bad", "")],
)  # fmt: skip
def test_what_the_edge_node_says_of_a_value(quality: int | None, kind: str, kept: str) -> None:
    """Good, bad or stale (section 6.4.9), and the codes of Ignition; kept ones count if they are good."""
    talk = Talk()
    talk.say("NBIRTH", *BIRTH)
    found = talk.say("NDATA", M(alias=1, value=2.0, quality=quality))
    assert [(r.value, r.kind) for r in found] == [(2.0, kind)]
    old = M(alias=1, value=1.0, at_ms=1_757_050_000_500, historical=True, quality=quality)
    assert [r.kind for r in talk.say("NDATA", old)] == ([kept] if kept else [])


def test_what_cannot_be_read_puts_the_order_in_doubt() -> None:
    talk = Talk()
    talk.say("NBIRTH", *BIRTH)
    topic, _ = talk.node.message("NDATA")
    with pytest.raises(DecodeError, match="not a Sparkplug") as caught:
        talk.hear(topic, b"\xff\xff")
    assert caught.value.reason == "not_protobuf"
    assert talk.say("NDATA", M(alias=1, value=2.0)) == []
    assert talk.asked == [NOW]


def test_births_are_bounded() -> None:
    talk = Talk()
    with pytest.raises(DecodeError, match="metrics"):
        talk.hear("spBv1.0/g/NBIRTH/e", payload([M("a", 1.0)] * (MAX_METRICS + 1), 0))


@pytest.mark.parametrize(
    "topic",
    ["spBv1.0/g/NCMD/e", "spBv1.0/g/DCMD/e/d", "spBv1.0/STATE/h", "spBv1.0/g/DDATA/e", "spBv1.0/g/NDATA/e/d", "a/b",
     "spBv1.0/g/NDATA/", "spAv1.0/g/NDATA/e"],
)  # fmt: skip
def test_topics_of_others(topic: str) -> None:
    assert read_topic(topic) is None


def test_the_command() -> None:
    message = parse(rebirth_command(NOW))
    [metric] = message.metrics
    assert (metric.name, metric.datatype, metric.boolean_value) == (b"Node Control/Rebirth", 11, True)
    assert metric.timestamp == message.timestamp == NOW * 1000


def sensor(name: str, topic: str, field: str) -> Sensor:
    return Sensor(name, "level", topic, "sparkplug", field=field)


INVENTORY = Inventory(
    sensor_types={"level": SensorType("level", "level", "m")},
    sensors={
        "node": sensor("node", "spBv1.0/nuoc/NDATA/tram-1", "Level"),
        "plc": sensor("plc", "spBv1.0/nuoc/DDATA/tram-1/plc", "Depth"),
    },
)


def test_in_the_plan() -> None:
    """Sensors get their own device's values, deaths reach all, other devices are followed, commands wait to be sent."""
    plan, problems = compile_plan(routes_of(INVENTORY), INVENTORY)
    assert (problems, plan.filters) == ([], ("spBv1.0/nuoc/+/tram-1/#",))
    node = EdgeNode()

    def heard(kind: str, *metrics: M, device: str = "", by: Plan = plan) -> list[tuple[str, str]]:
        topic, data = node.message(kind, metrics, device)
        uses = by.get(topic)
        assert uses is not None
        taken = take(uses, data, NOW, retained=False, skew_limit_s=300.0)
        assert taken.reason == ""
        return [(r.sensor, "gone" if r.gone else json.dumps(r.value)) for r in taken.readings]

    plan.ask_for_births(NOW - REBIRTH_EVERY_S)
    assert list(plan.commands) == ["spBv1.0/nuoc/NCMD/tram-1"]
    plan.commands.clear()
    assert heard("NDATA", M("Level", 1.0)) == []
    assert list(plan.commands) == ["spBv1.0/nuoc/NCMD/tram-1"]
    assert heard("NBIRTH", M("Level", 150.0, unit="cm", alias=1)) == [("node", "1.5")]
    assert heard("DBIRTH", M("Depth", 2.0, alias=2), device="plc") == [("plc", "2.0")]
    assert heard("DBIRTH", M("Depth", 9.0, alias=3), device="other") == []
    plan.commands.clear()
    plan.ask_for_births(NOW + 10 * REBIRTH_EVERY_S)
    assert plan.commands == {}, "it was born, and nothing was missed since"
    again, _ = compile_plan(routes_of(INVENTORY), INVENTORY, plan)  # a reload keeps what was born
    assert heard("DDATA", M(alias=2, value=3.0), device="plc", by=again) == [("plc", "3.0")]
    assert heard("DDEATH", device="plc", by=again) == [("plc", "gone")]
    assert heard("NDEATH", by=again) == [("node", "gone"), ("plc", "gone")]
    assert again.get("spBv1.0/nuoc/NDATA/tram-2") is None
    [command] = again.get("spBv1.0/nuoc/NCMD/tram-1") or ()
    assert [record.kind for record in command.decode(b"", NOW)] == ["here"], "our own command is nothing to put aside"
    assert again.get("spBv1.0/STATE/host") is None


def test_an_edge_node_that_is_a_gateway_speaks_for_itself() -> None:
    sensors = {name: replace(found, via="gateway:gw") for name, found in INVENTORY.sensors.items()}
    facts = replace(INVENTORY, sensors=sensors, gateways={"gw": Gateway("gw", "station")})
    plan, problems = compile_plan(routes_of(facts), facts)
    assert (problems, plan.filters) == ([], ("spBv1.0/nuoc/+/tram-1/#",))
    node = EdgeNode()

    def words(kind: str, *metrics: M, device: str = "") -> list[bool]:
        topic, data = node.message(kind, metrics, device)
        found = take(plan.get(topic) or (), data, NOW, retained=False, skew_limit_s=300.0)
        assert {word.gateway for word in found.words} <= {"gw"}
        return [word.gone for word in found.words]

    assert words("NBIRTH", *BIRTH) == [False]
    assert words("DBIRTH", M("Depth", 2.0, alias=2), device="plc") == [], "its sensors are heard as sensors"
    assert words("DDEATH", device="plc") == []
    assert words("NDEATH") == [True]
    node.bd_seq = 5
    assert words("NDEATH") == [], "a will of another session says nothing"
