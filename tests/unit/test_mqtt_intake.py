"""Routes, units, clocks, redeliveries and the group commit, without a broker."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from netmon.clock import Clock
from netmon.collectors.mqtt.client import Message
from netmon.collectors.mqtt.commit import CATCH_UP_PAUSE_S, FORGET_S, HANDOVER_READINGS, Committer, Handover
from netmon.collectors.mqtt.decode.record import GONE, HERE, Kind, Record
from netmon.collectors.mqtt.decode.units import convert
from netmon.collectors.mqtt.intake import Seen, chosen, correction, digest, take
from netmon.collectors.mqtt.plan import Use, compile_plan, routes_of
from netmon.config import MqttConfig
from netmon.history.spool import Batch, Spool, SpoolError
from netmon.model import Gateway, Inventory, Reading, Sensor, SensorType, Word

NOW = 1_700_000_000.0
INVENTORY = Inventory(
    sensor_types={"temp": SensorType("temp", "temperature", "Cel"), "volt": SensorType("volt", "voltage", "V")},
    sensors={
        "room": Sensor("room", "temp", "site/1", "senml", field="temp"),
        "mains": Sensor("mains", "volt", "site/1", "senml", field="urn:dev:1:mains"),
        "box": Sensor("box", "temp", "site/2", "box-json", field="t"),
        "one": Sensor("one", "temp", "site/3", "senml"),
        "odd": Sensor("odd", "temp", "site/4", "nothing"),
        "silent": Sensor("silent", "temp", "", "senml"),
    },
    mappings={"box-json": {"fields": {"t": {"path": "t", "unit": "K"}}, "time": "ts"}},
)
PLAN, PROBLEMS = compile_plan(routes_of(INVENTORY), INVENTORY)


def taken(topic: str, payload: object, *, received_at: float = NOW, retained: bool = False, late_s: float = 0.0):  # type: ignore[no-untyped-def]
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return take(PLAN.get(topic) or (), data, received_at, retained=retained, skew_limit_s=300.0, late_s=late_s)


def test_routes_follow_the_inventory() -> None:
    assert sorted(routes_of(INVENTORY)) == ["site/1", "site/2", "site/3", "site/4"]
    assert PROBLEMS == ["sensor=odd decoder=nothing reason=no decoder is called 'nothing'"]
    assert PLAN.get("site/4") == ()


def test_one_message_feeds_several_sensors() -> None:
    pack = [{"bn": "urn:dev:1:", "n": "temp", "u": "Cel", "v": 21.5}, {"n": "mains", "u": "mV", "v": 230_000}]
    found = taken("site/1", pack)
    assert found.readings == [Reading("room", 21.5, NOW), Reading("mains", 230.0, NOW)]
    assert found.reason == ""


def test_word_that_a_device_is_gone_reaches_all_its_sensors_and_is_no_value() -> None:
    gone = take(
        [Use(lambda payload, now: [GONE], PLAN.uses["site/1"][0].sensors)], b"", NOW, retained=True, skew_limit_s=1
    )
    assert [(r.sensor, r.gone, r.retained, math.isnan(r.value)) for r in gone.readings] == [
        ("room", True, True, True),
        ("mains", True, True, True),
    ]
    here = take(
        [Use(lambda payload, now: [HERE], PLAN.uses["site/1"][0].sensors)], b"", NOW, retained=True, skew_limit_s=1
    )
    assert (here.readings, here.reason) == ([], "")


def test_a_will_reaches_the_sensors_of_its_device_by_its_format_or_as_the_inventory_says() -> None:
    sensors = {
        "volts": Sensor("volts", "volt", "tele/den/SENSOR", "tasmota", field="ENERGY.Voltage"),
        "room": Sensor("room", "temp", "zigbee2mqtt/a/b", "zigbee2mqtt", field="temperature"),
        "own": Sensor("own", "temp", "x/1", "plain", presence="x/will"),
    }
    facts = Inventory(sensor_types=INVENTORY.sensor_types, sensors=sensors)
    plan, problems = compile_plan(routes_of(facts), facts)
    assert problems == []
    gone = {}
    for topic in plan.filters:
        found = take(plan.get(topic) or (), b"offline", NOW, retained=True, skew_limit_s=300.0)
        gone[topic] = [reading.sensor for reading in found.readings if reading.gone]
    assert {topic: names for topic, names in gone.items() if names} == {
        "tele/den/LWT": ["volts"],
        "x/will": ["own"],
        "zigbee2mqtt/a/b/availability": ["room"],
        "zigbee2mqtt/bridge/state": ["room"],
    }


def test_what_a_gateway_says_of_itself_is_a_word_of_it_and_not_of_its_sensors() -> None:
    via = "gateway:gw"
    sensors = {
        "a": Sensor("a", "temp", "zigbee2mqtt/a", "zigbee2mqtt", field="temperature", via=via),
        "b": Sensor("b", "temp", "zigbee2mqtt/b", "zigbee2mqtt", field="temperature", via=via),
        "lone": Sensor("lone", "temp", "zigbee2mqtt/c", "zigbee2mqtt", field="temperature"),
    }
    gateways = {
        "gw": Gateway("gw", "bridge"),
        "lora": Gateway("lora", "LoRa", presence="as923/gateway/1/state/conn", heartbeat="as923/gateway/1/event/stats"),
    }
    facts = Inventory(sensor_types=INVENTORY.sensor_types, sensors=sensors, gateways=gateways)
    plan, problems = compile_plan(routes_of(facts), facts)
    assert problems == []

    def said(topic: str, payload: bytes, *, retained: bool = False) -> tuple[list[str], list[Word], str]:
        found = take(plan.get(topic) or (), payload, NOW, retained=retained, skew_limit_s=300.0)
        return [reading.sensor for reading in found.readings if reading.gone], list(found.words), found.reason

    state, conn = "zigbee2mqtt/bridge/state", "as923/gateway/1/state/conn"
    assert said(state, b'{"state":"offline"}') == (["lone"], [Word("gw", NOW, True)], "")
    assert said(state, b"online", retained=True) == ([], [Word("gw", NOW, False, True)], "")
    assert said("zigbee2mqtt/a/availability", b"offline") == (["a"], [], ""), "the device is not the bridge"
    assert said(conn, b'{"gatewayId":"0016c001f153a14c"}') == ([], [Word("lora", NOW, True)], "")
    assert said(conn, b"no idea") == ([], [], "bad_value"), "what is not understood is no sign of life"
    assert said("as923/gateway/1/event/stats", b"\x0a\x08\xff") == ([], [Word("lora", NOW, False)], "")
    assert {state, conn, "as923/gateway/1/event/stats"} < set(plan.filters)


def test_devices_on_one_topic_are_told_apart_and_units_of_the_inventory_count() -> None:
    sensors = {
        "a": Sensor("a", "volt", "meters", "m", field="v", device="M-1"),
        "b": Sensor("b", "volt", "meters", "m", field="v", device="m-2", unit="mV"),
    }
    facts = Inventory(
        sensor_types=INVENTORY.sensor_types,
        sensors=sensors,
        mappings={"m": {"fields": {"v": {"path": "v"}}, "device": "id"}},
    )
    plan, _ = compile_plan(routes_of(facts), facts)
    found = [
        take(plan.get("meters") or (), json.dumps({"id": name, "v": 230}).encode(), NOW, retained=False, skew_limit_s=1)
        for name in ("M-1", "M-2", "M-3")
    ]
    assert [[(r.sensor, r.value) for r in one.readings] for one in found] == [[("a", 230)], [("b", 0.23)], []]
    assert found[2].reason == "no_value"


def test_values_kept_by_the_device_say_nothing_of_its_clock() -> None:
    old = Record("temp", 20.0, "Cel", NOW - 9000, kind="old")
    found = take(
        [Use(lambda payload, now: [old], PLAN.uses["site/3"][0].sensors)], b"", NOW, retained=False, skew_limit_s=1
    )
    assert (found.readings, found.skew_s) == ([Reading("one", 20.0, NOW, NOW - 9000, mark="old")], None)
    ahead = take(
        [Use(lambda payload, now: [old._replace(at=NOW + 9000)], PLAN.uses["site/3"][0].sensors)], b"", NOW,
        retained=False, skew_limit_s=300,
    )  # fmt: skip
    assert ahead.readings == [Reading("one", 20.0, NOW, NOW, skew_s=9000.0, mark="old")], (
        "nothing is kept from tomorrow"
    )


@pytest.mark.parametrize(("kind", "mark", "gone"), [("bad", "bad", False), ("lapsed", "", True)])
def test_what_the_sender_says_of_a_value_goes_with_it(kind: Kind, mark: str, gone: bool) -> None:
    records = [Record("temp", 20.0, "Cel", NOW - 5, kind=kind), Record("other", 1.0, "Cel", NOW - 5)]
    sensors = (*PLAN.uses["site/3"][0].sensors, (Sensor("b", "temp", "site/3", "senml", field="other"), "Cel"))
    sensors = ((Sensor("a", "temp", "site/3", "senml", field="temp"), "Cel"), sensors[1])
    found = take([Use(lambda payload, now: records, sensors)], b"", NOW, retained=False, skew_limit_s=300)
    assert [(r.sensor, r.mark, r.gone) for r in found.readings] == [("a", mark, gone), ("b", "", False)]


def test_a_payload_cannot_name_another_sensor() -> None:
    found = taken("site/3", [{"n": "room", "u": "Cel", "v": 99}])
    assert [reading.sensor for reading in found.readings] == ["one"]


@pytest.mark.parametrize(
    ("payload", "reason", "readings"),
    [
        (b"{", "not_json", 0),
        ([{"n": "humidity", "v": 1}], "no_value", 0),
        ([{"bn": "urn:dev:1:", "n": "temp", "u": "V", "v": 1}], "unit", 0),
        ([{"bn": "urn:dev:1:", "n": "temp", "u": "V", "v": 1}, {"n": "mains", "u": "V", "v": 2}], "unit", 1),
        ([{"bn": "urn:dev:1:", "n": "temp", "vs": "hot"}], "no_value", 0),
    ],
)
def test_not_understood(payload: object, reason: str, readings: int) -> None:
    found = taken("site/1", payload)
    assert (found.reason, len(found.readings)) == (reason, readings)


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("temp", []),  # of two devices: it must say whose
        ("d2:temp", ["d2:temp"]),
        ("temperature", []),
        ("", []),  # several names: it must say which
    ],
)
def test_chosen(field: str, names: list[str]) -> None:
    records = [Record("d1:temp", 1, "", None, "temp"), Record("d2:temp", 2, "", None, "temp"), Record("x", 3, "", None)]
    assert [record.name for record in chosen(records, field)] == names


def test_chosen_without_a_field_takes_the_only_name() -> None:
    records = [Record("a", 1, "", 5.0), Record("a", 2, "", 6.0)]
    assert chosen(records, "") == records


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "expected"),
    [
        (294.65, "K", "Cel", 21.5),
        (70.7, "degF", "Cel", 21.5),
        (21.5, "°C", "Cel", 21.5),
        (55, "%", "%RH", 55),
        (0.55, "/", "%RH", 55),
        (1.5, "kWh", "J", 5.4e6),
        (1013.25, "hPa", "Pa", 101_325),
        (36, "m3/h", "l/s", 10),
        (5, "", "Cel", 5),
        (5, "Cel", "", 5),
        (5, "furlong", "furlong", 5),
        (5, "V", "Cel", None),
        (5, "furlong", "m", None),
    ],
)
def test_units(value: float, unit: str, wanted: str, expected: float | None) -> None:
    found = convert(value, unit, wanted)
    assert found is None if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("skew_s", "late_s", "expected"),
    [
        (None, 0, 0),
        (0, 0, 0),
        (300, 0, 0),
        (-300, 0, 0),
        (300.1, 0, 300.1),
        (-300.1, 0, -300.1),
        (-7000, 7200, 0),  # it waited at the broker while we were away
        (7000, 7200, 7000),  # nothing waits in the future
    ],
)
def test_correction(skew_s: float | None, late_s: float, expected: float) -> None:
    assert correction(skew_s, 300.0, late_s) == expected


def test_a_wrong_clock_is_corrected_marked_and_both_times_kept() -> None:
    pack = [{"n": "a", "bt": NOW - 86_400, "v": 1, "t": -60}, {"n": "a", "v": 2}]
    found = taken("site/3", pack)
    assert found.skew_s == -86_400
    assert [(r.value, r.at, r.skew_s, r.received_at) for r in found.readings] == [
        (1, NOW - 60, -86_400, NOW),
        (2, NOW, -86_400, NOW),
    ], "the newest came now; the other was a minute before it"


def test_a_good_clock_is_believed_and_older_values_keep_their_time() -> None:
    found = taken("site/3", [{"n": "a", "bt": NOW - 10, "v": 1, "t": -3600}, {"n": "a", "v": 2}])
    assert [(r.at, r.skew_s) for r in found.readings] == [(NOW - 3610, 0), (NOW - 10, 0)]


def test_a_replay_keeps_its_own_time() -> None:
    found = taken("site/3", [{"n": "a", "t": NOW - 86_400, "v": 1}], retained=True)
    assert [(r.at, r.skew_s, r.retained) for r in found.readings] == [(NOW - 86_400, 0, True)]


def test_seen() -> None:
    a, b = digest("t", b"1"), digest("t", b"2")
    assert digest("t", b"1") == a != b
    assert digest("u", b"1") != a
    seen = Seen([(1, a, 10.0)])
    assert seen.is_redelivery(1, True, a)
    assert not seen.is_redelivery(1, False, a), "an id used again, with an equal payload"
    assert not seen.is_redelivery(1, True, b)
    assert not seen.is_redelivery(2, True, a)
    seen.add(2, b, 20.0)
    seen.add(1, b, 30.0)
    seen.forget(25.0)
    assert (len(seen), seen.is_redelivery(1, True, b), seen.is_redelivery(2, True, b)) == (1, True, False)
    seen.forget()
    assert len(seen) == 0


def test_seen_is_bounded_so_that_an_id_used_again_is_no_redelivery() -> None:
    """An equal payload under an id that went round all 65,535, and was not read at first, is a new reading."""
    mark = digest("t", b"1")
    seen = Seen([(n, mark, 0.0) for n in range(1, 6)], limit=3)
    assert [seen.is_redelivery(n, True, mark) for n in range(1, 6)] == [False, False, True, True, True]
    seen.add(3, mark, 1.0)  # the id again: the newest now
    seen.add(6, mark, 2.0)
    assert [seen.is_redelivery(n, True, mark) for n in (3, 4, 5, 6)] == [True, False, True, True]


class Source:
    """A connection that notes what is acknowledged, and what was on disk at that moment."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.acks: list[tuple[int, int]] = []

    def ack(self, mids: Sequence[int]) -> None:
        self.acks += [(mid, self.spool.stats["appended"]) for mid in mids]


class Kit:
    def __init__(self, folder: Path, **config: object) -> None:
        self.time = NOW
        self.clock = Clock(lambda: self.time, lambda: self.time)
        self.spool = Spool(folder / "spool.db", 10**8)
        self.loop = asyncio.new_event_loop()
        self.delivered: list[Reading] = []
        self.events: Counter[str] = Counter()
        fields = {"commit_interval_s": 0.03, "queue_size": 10} | config
        self.committer = Committer(
            MqttConfig(**fields), self.spool, self.clock, self.delivered.extend, self.loop, self.events  # type: ignore[arg-type]
        )  # fmt: skip
        self.committer.plan = PLAN
        self.committer.connected(session_present=True)
        self.source = Source(self.spool)

    def receive(self, mid: int, value: float, *, topic: str = "site/3", dup: bool = False, qos: int = 1,
                payload: bytes | None = None, retain: bool = False) -> None:  # fmt: skip
        data = payload if payload is not None else json.dumps([{"n": "a", "v": value}]).encode()
        self.committer.receive(self.source, Message(topic.encode(), data, mid, qos, dup, retain))

    def commit(self) -> None:
        self.time += 0.05
        self.committer.commit_if_due()
        self.loop.run_until_complete(asyncio.sleep(0))

    def stored(self) -> list[float]:
        return [row.reading.value for row in self.spool.read("influx", 1000)]


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    one = Kit(tmp_path)
    yield one
    one.spool.close()
    one.loop.close()


def test_one_commit_for_a_group_then_acknowledgements_then_news(kit: Kit) -> None:
    kit.receive(1, 10)
    kit.receive(2, 11)
    kit.committer.commit_if_due()
    assert (kit.stored(), kit.source.acks) == ([], []), "not before its time"
    assert kit.committer.depth == 2
    kit.commit()
    assert kit.stored() == [10, 11]
    assert kit.source.acks == [(1, 2), (2, 2)], "acknowledged when both were on disk"
    assert [reading.value for reading in kit.delivered] == [10, 11]
    assert (kit.committer.depth, kit.committer.due_in_s) == (0, None)


def test_redeliveries_change_nothing_but_are_acknowledged(kit: Kit) -> None:
    kit.receive(1, 10)
    kit.receive(1, 10, dup=True)  # within one batch
    kit.commit()
    kit.receive(1, 10, dup=True)  # after it
    kit.receive(2, 10)
    kit.receive(1, 10)  # the id again, not a redelivery: a true equal reading
    kit.commit()
    assert kit.stored() == [10, 10, 10]
    assert len(kit.source.acks) == 5
    assert kit.committer.stats == Counter(ok=3, duplicate=2)


def test_redelivery_after_a_crash(kit: Kit, tmp_path: Path) -> None:
    kit.receive(7, 10)
    kit.commit()
    kit.spool.close()
    again = Kit(tmp_path)
    again.receive(7, 10, dup=True)
    again.receive(8, 10, dup=True)
    again.commit()
    assert again.stored() == [10, 10], "7 was there, 8 was not"
    again.spool.close()
    again.loop.close()


def test_a_lost_session_and_a_long_connection_forget_the_marks(kit: Kit) -> None:
    kit.receive(1, 10)
    kit.commit()
    kit.committer.connected(session_present=False)
    kit.receive(1, 10, dup=True)
    kit.commit()
    assert kit.stored() == [10, 10], "ids of a new session have nothing to do with the old one's"
    kit.time += FORGET_S + 1
    kit.receive(2, 11)
    kit.commit()
    assert [mid for mid, _, _ in kit.spool.seen()] == [2]


def test_qos_0_is_always_new(kit: Kit) -> None:
    for _ in range(2):
        kit.receive(0, 10, qos=0)
    kit.commit()
    assert kit.stored() == [10, 10]
    assert kit.spool.seen() == []


def test_bad_messages_are_put_aside_and_acknowledged(kit: Kit) -> None:
    kit.receive(1, 0, payload=b"garbage")
    kit.receive(2, 0, topic="nobody/knows")
    kit.receive(3, 0, topic="site/4")
    kit.receive(4, 12)
    kit.receive(5, 13, retain=True)
    kit.commit()
    assert kit.committer.stats == Counter(undecodable=2, unknown_topic=1, ok=1, retained=1)
    assert [mid for mid, _ in kit.source.acks] == [1, 2, 3, 4, 5]
    assert kit.stored() == [12]
    assert {bad.reason for bad in kit.spool.quarantine()} == {"not_json", "unknown_topic", "no_value"}


def test_a_topic_that_is_no_text(kit: Kit) -> None:
    kit.committer.receive(kit.source, Message(b"\xff\xfe", b"1", 1, 1))
    kit.commit()
    assert kit.committer.stats == Counter(undecodable=1)
    assert kit.source.acks


class FullSpool(Spool):
    full = True

    def append(self, batch: Batch) -> None:
        if self.full:
            raise SpoolError("no room", full=True)
        super().append(batch)


def test_a_full_disk_stops_acknowledgements_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    kit = Kit(tmp_path / "unused")
    kit.spool.close()
    spool = FullSpool(tmp_path / "spool.db", 10**8)
    committer = Committer(MqttConfig(queue_size=3), spool, kit.clock, kit.delivered.extend, kit.loop, kit.events)
    committer.plan = PLAN
    kit.committer, kit.spool, kit.source = committer, spool, Source(spool)
    kit.receive(1, 10)
    for _ in range(3):
        kit.time += 2
        kit.commit()
    for mid in (2, 3, 4):
        kit.receive(mid, 10 + mid)
    assert committer.full
    assert (kit.source.acks, kit.delivered, committer.depth) == ([], [], 4)
    assert kit.events["commit_failed"] == 3
    assert caplog.text.count("cannot be stored") == 1
    spool.full = False
    kit.time += 2
    kit.commit()
    kit.commit()
    assert [mid for mid, _ in kit.source.acks] == [1, 2, 3, 4]
    assert kit.stored() == [10, 12, 13, 14]
    assert "stored again" in caplog.text
    spool.close()
    kit.loop.close()


def test_a_loop_that_lags_loses_news_not_data(kit: Kit) -> None:
    for mid in range(1, 13):
        kit.receive(mid, mid)
        kit.time += 0.05
        kit.committer.commit_if_due()
    kit.loop.run_until_complete(asyncio.sleep(0))
    assert [reading.value for reading in kit.delivered] == list(range(3, 13)), "the newest ten"
    assert kit.events["handover_dropped"] == 2
    assert kit.stored() == list(range(1, 13))


def test_a_backlog_is_handed_over_in_slices() -> None:
    loop = asyncio.new_event_loop()
    sizes: list[int] = []
    handover = Handover(lambda readings: sizes.append(len(readings)), loop, 10_000, Counter())
    handover.give([Reading("a", 1.0, NOW)] * HANDOVER_READINGS)
    handover.give([Reading("a", 1.0, NOW)] * (HANDOVER_READINGS + 1))
    loop.run_until_complete(asyncio.sleep(0.001))
    handover.give([Reading("a", 1.0, NOW)])
    loop.run_until_complete(asyncio.sleep(0.001))
    assert sizes == [HANDOVER_READINGS, HANDOVER_READINGS, 1, 1]
    loop.close()


def test_what_waited_at_the_broker_keeps_its_time_until_the_backlog_is_through(kit: Kit, tmp_path: Path) -> None:
    kit.receive(1, 10)
    kit.commit()
    kit.spool.close()
    again = Kit(tmp_path)
    again.time = NOW + 7200
    again.committer.connected(session_present=True)
    old = json.dumps([{"n": "a", "v": 11, "t": NOW + 100}]).encode()
    again.receive(2, 0, payload=old)
    again.commit()
    assert again.committer.skew_s == {}, "that it waited says nothing of the device's clock"
    again.time += CATCH_UP_PAUSE_S + 0.1
    again.commit()
    again.receive(3, 0, payload=old)
    again.commit()
    found = [(row.reading.at, row.reading.skew_s != 0) for row in again.spool.read("influx", 10)[1:]]
    assert found == [(NOW + 100, False), (pytest.approx(again.time - 0.05), True)]
    assert again.committer.skew_s["one"] < -7000
    again.spool.close()
    again.loop.close()
