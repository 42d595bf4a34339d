"""The JSON mapping: real payloads of DOMAIN.md section 5, every mistake of a mapping, every odd value."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from netmon.collectors.mqtt.decode import DecodeError, bind, check_mapping, jsonmap

NOW = 1_700_000_000.0

CHIRPSTACK = {
    "fields": {"battery": {"path": "batteryLevel", "unit": "%"}, "rssi": {"path": "max(rxInfo[].rssi)"}},
    "time": "time",
    "time_format": "iso",
}
TASMOTA = {
    "fields": {"power": {"path": "ENERGY.Power", "unit": "W"}, "today": {"path": "ENERGY.Today", "unit": "kWh"}},
    "time": "Time",
    "time_format": "iso",
}
SHELLY = {
    "fields": {
        "voltage": {"path": 'params."em:0".c_voltage', "unit": "V"},
        "neutral": {"path": 'params."em:0".n_current', "unit": "A"},
    },
    "time": "params.ts",
}


def local(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("mapping", "payload", "expected"),
    [
        (
            CHIRPSTACK,
            {
                "time": "2022-07-18T09:34:15.775023242+00:00",
                "batteryLevel": 88.3,
                "rxInfo": [{"rssi": -48}, {"rssi": -36}],
            },
            [
                ("battery", 88.3, "%", local("2022-07-18T09:34:15.775023+00:00")),
                ("rssi", -36, "", local("2022-07-18T09:34:15.775023+00:00")),
            ],
        ),
        (  # a time without a zone is the province's
            TASMOTA,
            {"Time": "2018-01-17T18:59:50", "ENERGY": {"Total": 1.956, "Today": 0.049, "Power": 9}},
            [
                ("power", 9, "W", local("2018-01-17T11:59:50+00:00")),
                ("today", 0.049, "kWh", local("2018-01-17T11:59:50+00:00")),
            ],
        ),
        (  # null is left out
            SHELLY,
            {
                "src": "shellypro3em-1234567890ab",
                "params": {"ts": 1757059829.08, "em:0": {"c_voltage": 228.3, "n_current": None}},
            },
            [("voltage", 228.3, "V", 1757059829.08)],
        ),
        (
            {"fields": {"t": {"path": "data.temp", "scale": 0.1, "offset": -40, "unit": "Cel"}}},
            {"data": {"temp": 655}},
            [("t", 25.5, "Cel", None)],
        ),
        (
            {"fields": {"t": {"path": "v"}}, "time": "ts", "time_format": "unix_ms"},
            {"v": 1, "ts": 1700000000500},
            [("t", 1, "", 1700000000.5)],
        ),
        ({"fields": {"t": {"path": "v"}}, "time": "ts"}, {"v": 1}, [("t", 1, "", None)]),
        (
            {"fields": {"door": {"path": "s", "values": {"open": 1, "closed": 0}}}},
            {"s": " OPEN "},
            [("door", 1, "", None)],
        ),
        ({"fields": {"on": {"path": "s"}}}, {"s": True}, [("on", 1, "", None)]),
        ({"fields": {"t": {"path": "s"}}}, {"s": "23.4"}, [("t", 23.4, "", None)]),
        ({"fields": {"level": {"path": "p.level", "default": 0}}}, {"p": {}}, [("level", 0, "", None)]),
        ({"fields": {"t": {"path": "s"}}}, {"other": 1}, []),
        ({"fields": {"t": {"path": "[0].s"}}}, [{"s": 3}], [("t", 3, "", None)]),
    ],
)
def test_decoded(mapping: dict[str, object], payload: object, expected: list[tuple[object, ...]]) -> None:
    assert check_mapping(mapping) == []
    found = jsonmap.bind(mapping)(json.dumps(payload).encode(), NOW)
    assert [record[:4] for record in found] == expected


ONE = {"fields": {"t": {"path": "v"}}, "time": "ts"}


@pytest.mark.parametrize(
    ("mapping", "payload", "reason"),
    [
        (ONE, b"on", "not_json"),
        (ONE, b"23.4", "bad_payload"),
        (ONE, b'"text"', "bad_payload"),
        (ONE, b'{"v":"warm"}', "bad_value"),
        (ONE, b'{"v":"nan"}', "bad_value"),
        (ONE, b'{"v":"1e999"}', "bad_value"),
        (ONE, b'{"v":[1]}', "bad_value"),
        (ONE, b'{"v":{"a":1}}', "bad_value"),
        (ONE, b'{"v":1,"ts":"yesterday"}', "bad_time"),
        (ONE, b'{"v":1,"ts":[]}', "bad_time"),
        (ONE | {"time_format": "iso"}, b'{"v":1,"ts":"2026-13-01"}', "bad_time"),
        (ONE | {"time_format": "iso"}, b'{"v":1,"ts":5}', "bad_time"),
        ({"fields": {"t": {"path": "abs(v)"}}}, b'{"v":"x"}', "bad_payload"),
        ({}, b"{}", "bad_mapping"),
    ],
)
def test_refused(mapping: dict[str, object], payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        jsonmap.bind(mapping)(payload, NOW)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({}, ["fields: at least one"]),
        ({"fields": {}}, ["fields: at least one"]),
        ({"fields": {"t": "v"}}, ["fields.t: must be a mapping"]),
        ({"fields": {"t": {}}}, ["fields.t: path: a JMESPath"]),
        ({"fields": {"t": {"path": "a..b"}}}, ["fields.t: path: 'a..b' is not JMESPath"]),
        ({"fields": {"t": {"path": "v", "scale": "10"}}}, ["fields.t: scale: must be a number"]),
        ({"fields": {"t": {"path": "v", "default": True}}}, ["fields.t: default: must be a number"]),
        ({"fields": {"t": {"path": "v", "unit": 3}}}, ["fields.t: unit: must be a text"]),
        ({"fields": {"t": {"path": "v", "values": {True: 1}}}}, ["fields.t: values: must map texts"]),
        ({"fields": {"t": {"path": "v", "factor": 1}}}, ["fields.t: unknown key 'factor'; allowed: path, unit"]),
        (ONE | {"tmie": "x"}, ["unknown key 'tmie'; allowed: format, fields, time"]),
        (ONE | {"time": 3}, ["time: a JMESPath"]),
        (ONE | {"time_format": "rfc"}, ["time_format: 'rfc' is unknown; allowed: unix, unix_ms, iso"]),
        (ONE | {"utc_offset": "Hanoi"}, ["utc_offset: 'Hanoi' is not an offset"]),
        (ONE | {"time_format": "x", "y": 1}, ["unknown key 'y'", "time_format: 'x'"]),
    ],
)
def test_every_mistake_of_a_mapping_is_named(mapping: dict[str, object], words: list[str]) -> None:
    problems = check_mapping(mapping)
    assert len(problems) == len(words)
    for problem, word in zip(problems, words, strict=True):
        assert problem.startswith(word)


def test_offset_of_times_without_zone() -> None:
    mapping = {"fields": {"t": {"path": "v"}}, "time": "ts", "time_format": "iso", "utc_offset": "+00:00"}
    payload = b'{"v":1,"ts":"2026-01-02T03:04:05"}'
    assert (
        bind("meter", {"meter": mapping})(payload, NOW)[0].at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    )
