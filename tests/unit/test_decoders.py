"""The traps of each format: what must not be read, what must be remembered, what must be refused."""

from __future__ import annotations

import json
from collections.abc import Mapping

import cbor2
import pytest

from netmon.collectors.mqtt.decode import DecodeError, Record, bind, check_mapping, lorawan, plain, presence, senml_cbor
from netmon.collectors.mqtt.decode.shelly import Decoder as Shelly

NOW = 1_757_060_000.0


def read(name: str, payload: object, mappings: Mapping[str, Mapping[str, object]] | None = None) -> dict[str, float]:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return values(bind(name, mappings or {})(data, NOW))


def values(records: list[Record]) -> dict[str, float]:
    return {record.name: record.value for record in records if record.kind == "value"}


@pytest.mark.parametrize(
    ("payload", "reason", "words"),
    [
        (b"", "not_cbor", "not CBOR"),
        (b"\xff", "not_cbor", "not CBOR"),
        (b"\x9b\x7f" + b"\xff" * 7, "not_cbor", "end"),  # an array as long as it likes
        (b"\x81" * 100_000, "not_cbor", "depth"),
        (bytes.fromhex("d81c81d81d00"), "not_cbor", "tag"),  # holds itself
        (bytes.fromhex("81a200616102d82365282e2a292b"), "not_cbor", "tag"),  # a pattern
        (cbor2.dumps({0: "a", 2: 1}), "bad_senml", "array"),
        (cbor2.dumps([{0: "a", 2: "1"}]), "bad_senml", "v is not a number"),
        (cbor2.dumps([{0: "a", 2: 2**5000}]), "bad_senml", "v is too large"),
        (cbor2.dumps([{0: "a", 2: float("nan")}]), "bad_senml", "v is not a number"),
        (bytes.fromhex("81a200616102c4821b0fffffffffffffff01"), "not_cbor", "fraction"),  # 1e1152921504606846975
        (cbor2.dumps([{0: "a", "n": "b", 2: 1}]), "bad_senml", "repeated"),
        (cbor2.dumps([{0: "a", 2: 1, "must_": 1}]), "bad_senml", "must_"),
        (cbor2.dumps([{0: "a", 2: 1, -1: 11}]), "bad_senml", "bver"),
    ],
)
def test_cbor_refused(payload: bytes, reason: str, words: str) -> None:
    with pytest.raises(DecodeError, match=words) as caught:
        senml_cbor.decode(payload, NOW)
    assert caught.value.reason == reason


def test_cbor_numbers_of_every_kind() -> None:
    # A decimal fraction (tag 4, RFC 8428 section 6), a half float, a negative; unknown integer labels are left out.
    pack = bytes.fromhex("83a200616102c48221190113a200616202f94d00a3006163023963ff186401")
    assert values(senml_cbor.decode(pack, NOW)) == {"a": 2.75, "b": 20.0, "c": -25600.0}
    assert [r.name for r in senml_cbor.decode(cbor2.dumps([{0: "a", 8: b"\x01\x02"}, {0: "b", 4: True}]), NOW)] == ["b"]


UP = {"deduplicationId": "one", "deviceInfo": {"devEui": "01"}, "devAddr": "0", "object": {"t": 1}}


def test_a_repeated_chirpstack_event_is_taken_once() -> None:
    decode = lorawan.Decoder()
    first = decode(json.dumps(UP).encode(), NOW)
    again = decode(json.dumps(UP).encode(), NOW)
    other = decode(json.dumps({**UP, "deduplicationId": "two"}).encode(), NOW)
    assert [values(found) for found in (first, again, other)] == [{"t": 1}, {}, {"t": 1}]
    assert [record.kind for record in again] == ["here"]


def test_repeats_are_bounded() -> None:
    repeats = lorawan.Repeats()
    assert all(repeats.first(str(n)) for n in range(1000))
    assert repeats.first("0")
    assert not repeats.first("999")


LAYOUT = {"x": {"format": "bytes", "envelope": "lorawan", "frames": ()}}


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("chirpstack", {}, "bad_payload"),
        ("chirpstack", [], "bad_payload"),
        ("chirpstack", {**UP, "time": 5}, "bad_time"),
        ("chirpstack", {**UP, "time": "yesterday"}, "bad_time"),
        ("chirpstack", {**UP, "fPort": "2"}, "bad_payload"),
        ("chirpstack", {**UP, "fPort": -1}, "bad_payload"),
        ("chirpstack", {**UP, "data": "*"}, "bad_payload"),
        ("chirpstack", {**UP, "object": {str(n): n for n in range(1001)}}, "bad_payload"),
        ("x", {**UP, "fPort": 3, "data": "qg=="}, "unknown_port"),
        ("tasmota", {"Time": 5}, "bad_time"),
        ("tasmota", {"Time": "2024-02-30T00:00:00"}, "bad_time"),
        ("tasmota", b'{"Time":"2014-01-01T00:00:00","POWER":nan}', "not_json"),  # as in an old firmware
        ("tasmota", b'{"a":' * 50 + b"1" + b"}" * 50, "bad_payload"),
        ("zigbee2mqtt", {"last_seen": True}, "bad_time"),
        ("zigbee2mqtt", {"last_seen": 1e300}, "bad_time"),
        ("shelly", {"method": "NotifyStatus", "params": []}, "bad_payload"),
        ("shelly", {"method": "NotifyStatus", "params": {"ts": 1e200}}, "bad_time"),
        ("shelly", {"method": "NotifyStatus", "params": {f"em:{n}": {} for n in range(65)}}, "bad_payload"),
        ("plain", b"", "bad_value"),
        ("plain", b"21,5", "bad_value"),
        ("plain", b"nan", "bad_value"),
        ("plain", b"1e999", "bad_value"),
        ("plain", b"ON", "bad_value"),
        ("plain", b"1" * 65, "bad_payload"),
        ("plain", b"\xff", "bad_payload"),
        ("presence", b"maybe", "bad_value"),
        ("presence", b'{"state":1}', "bad_value"),
    ],
)
def test_refused(name: str, payload: object, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        read(name, payload, LAYOUT)
    assert caught.value.reason == reason


def test_uplinks_without_bytes_only_acknowledge() -> None:
    for payload in (UP, {"end_device_ids": {"device_id": "a"}, "uplink_message": {"f_cnt": 1}}):
        assert [record.kind for record in bind("x", LAYOUT)(json.dumps(payload).encode(), NOW)] == ["here"]


def notify(**components: object) -> bytes:
    return json.dumps({"src": "s", "method": "NotifyStatus", "params": {"ts": NOW, **components}}).encode()


def test_shelly_changes_are_laid_over_what_was_told() -> None:
    decode = Shelly()
    assert values(decode(notify(em={"id": 0, "volts": 230, "amps": 1.5, "e": {"total": 7}}), NOW)) == {
        "em.volts": 230, "em.amps": 1.5, "em.e.total": 7,
    }  # fmt: skip
    assert values(decode(notify(em={"amps": 2}), NOW)) == {"em.volts": 230, "em.amps": 2, "em.e.total": 7}
    assert values(decode(notify(em={"amps": None, "e": {"total": 8}}), NOW)) == {"em.volts": 230, "em.e.total": 8}
    assert values(decode(notify(em=None, other={"a": 1}), NOW)) == {"other.a": 1}
    full = json.dumps({"method": "NotifyFullStatus", "params": {"em": {"volts": 229}}}).encode()
    assert values(decode(full, NOW)) == {"em.volts": 229}
    assert values(decode(b'{"method":"NotifyEvent","params":{"events":[]}}', NOW)) == {}


def test_shelly_state_is_bounded() -> None:
    decode = Shelly()
    for n in range(64):
        decode(notify(**{f"c:{n}": {"a": 1}}), NOW)
    with pytest.raises(DecodeError, match="components"):
        decode(notify(more={"a": 1}), NOW)
    with pytest.raises(DecodeError, match="fields"):
        decode(notify(**{"c:1": {str(n): n for n in range(65)}}), NOW)
    assert values(decode(notify(**{"c:1": {"b": 2}}), NOW)) == {"c:1.a": 1, "c:1.b": 2}  # the refused left no trace


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"Online", "here"), (b"Offline", "gone"), (b"online", "here"), (b"offline", "gone"), (b"true", "here"),
        # ChirpStack 4, in JSON and in protobuf, which leave out the state that is 0.
        (b'{"gatewayId":"0016c001f153a14c","state":"ONLINE"}', "here"), (b'{"gatewayId":"0016c001f153a14c"}', "gone"),
        (b"\x10\x01\x1a\x100016c001f153a14c", "here"), (b"\x1a\x100016c001f153a14c", "gone"),
        (b"\x0a\x08\x00\x16\xc0\x01\xf1\x53\xa1\x4c\x10\x01", "here"),
        (b"false", "gone"), (b'{"state":"online"}', "here"), (b'{"state":"offline"}', "gone"), (b" 0\n", "gone"),
    ],
)  # fmt: skip
def test_presence(payload: bytes, kind: str) -> None:
    assert [record.kind for record in presence.decode(payload, NOW)] == [kind]


@pytest.mark.parametrize(
    "payload",
    [b"", b"off", b"{}", b'{"uptime":7}', b"\x10\x01", b"\x1a\x10too short", b"\x1a\x02ab\x18", b"\x0a\x01a\x10\x02"],
)
def test_what_is_neither_online_nor_offline_says_nothing(payload: bytes) -> None:
    with pytest.raises(DecodeError, match="neither online nor offline"):
        presence.decode(payload, NOW)


@pytest.mark.parametrize(
    ("form", "topic", "told"),
    [
        ("tasmota", "tele/den-01/SENSOR", ["tele/den-01/LWT"]),
        ("tasmota", "tang-1/den/tele/SENSOR", ["tang-1/den/tele/LWT"]),
        ("zigbee2mqtt", "zigbee2mqtt/Tầng 1/phòng máy", ["zigbee2mqtt/Tầng 1/phòng máy/availability",
                                                         "zigbee2mqtt/bridge/state"]),
        ("shelly", "shellypro3em-1/events/rpc", ["shellypro3em-1/online"]),
        ("shelly", "nha/tu-dien/status/em:0", ["nha/tu-dien/online"]),
        ("senml", "a/b", []),
    ],
)  # fmt: skip
def test_where_devices_say_that_they_are_there(form: str, topic: str, told: list[str]) -> None:
    assert presence.topics(form, topic) == told


def test_words_of_plain_values() -> None:
    door = {"door": {"format": "plain", "values": {"ON": 1, "OFF": 0, "mở": 1}, "unit": "/"}}
    assert [read("door", said.encode(), door)["value"] for said in ("on", "OFF", '"ON"', "Mở", "7")] == [1, 0, 1, 1, 7]
    assert plain.decode(b"21.5 \xc2\xb0C", NOW) == [Record("value", 21.5, "°C", None)]


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"format": "xml"}, "format: 'xml' is unknown; allowed: json, bytes, chirpstack"),
        ({"format": "tasmota", "fields": {}}, "unknown key 'fields'; allowed: format, values, utc_offset"),
        ({"format": "tasmota", "utc_offset": "local"}, "utc_offset: 'local' is not an offset; write it as '+07:00'"),
        ({"format": "plain", "values": {"ON": "1"}}, "values: must map texts to numbers"),
        ({"format": "plain", "unit": 5}, "unit: must be a text"),
        ({"fields": {"a": {"path": "a"}}, "device": "a["}, "device: 'a[' is not JMESPath"),
    ],
)
def test_mistakes_in_options(mapping: dict[str, object], words: str) -> None:
    assert [problem for problem in check_mapping(mapping) if problem.startswith(words)], check_mapping(mapping)
