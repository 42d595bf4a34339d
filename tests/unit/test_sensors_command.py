"""`netmon sensors`: what a payload becomes, in words; wrong uses; the list."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netmon import commands_sensors
from netmon.cli import main

SETTINGS = 'inventory: ["i.yml"]\nstate_dir: "state"\n'
INVENTORY = """
nodes: [{id: "core", name: "Lõi", kind: "core", address: "192.0.2.1"}]
sensor_types:
  - {id: "temp", quantity: "temperature", unit: "Cel", valid_min: -20, valid_max: 80}
  - {id: "amp", quantity: "current", unit: "A"}
decoders:
  - id: "meter"
    format: "bytes"
    frames: [{port: 85, channels: [{channel: 1, type: 0x75, fields: {amps: {type: "u8", unit: "A"}}}]}]
topics: [{filter: "tele/#", decoder: "tasmota"}]
sensors:
  - {id: "room", type: "temp", node: "core", topic: "r/1", decoder: "senml", field: "t"}
  - {id: "lamp", type: "amp", node: "core", topic: "tele/l/SENSOR", field: "ENERGY.Current"}
  - {id: "mains", type: "amp", node: "core", topic: "m/1", decoder: "meter", field: "amps"}
"""


@pytest.fixture
def attempt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    (tmp_path / "netmon.yml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "i.yml").write_text(INVENTORY, encoding="utf-8")

    def run(payload: object, *args: str) -> tuple[int, str]:
        file = tmp_path / "payload"
        file.write_bytes(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        status = main(["sensors", "try", str(file), *args, "--config", str(tmp_path / "netmon.yml")])
        told = capsys.readouterr()
        return status, told.out.partition("\n")[2] + told.err

    return run


def uplink(hexa: str, port: int) -> dict[str, object]:
    data = base64.b64encode(bytes.fromhex(hexa)).decode()
    return {"deviceInfo": {"devEui": "01"}, "fPort": port, "data": data}


@pytest.mark.parametrize(
    ("topic", "payload", "status", "said"),
    [
        (
            "r/1",
            [{"n": "t", "u": "K", "v": 300.15}, {"n": "h", "u": "%RH", "v": 61}],
            0,
            't = 300.15 K\n    -> sensor "room" (core): temperature 27 Cel  good\n  h = 61 %RH  -> no sensor\n',
        ),
        ("r/1", [{"n": "t", "u": "Cel", "v": 99}], 0, "temperature 99 Cel  invalid: above 80"),
        ("r/1", [{"n": "t", "v": 20, "t": -7200}], 0, "its clock is -7200 s off: the time of arrival counts"),
        ("r/1", [{"n": "t", "u": "V", "v": 20}], 1, '-> sensor "room": V is not Cel; give the sensor or the decoder'),
        ("r/1", [{"n": "h", "v": 20}], 1, 'no value for the sensors of this topic: room ("t")'),
        ("tele/l/SENSOR", {"Time": "2024-02-24T22:20:38"}, 1, "no value for the sensors of this topic: lamp"),
        ("r/1", b"21.5", 1, "not understood: bad_senml: a SenML pack is an array\n    21.5"),
        ("r/1", b"\x01\x02", 1, "not understood: not_json: not JSON"),
        ("r/2", b"21.5", 1, "no sensor has this topic; --decoder NAME"),
        (
            "tele/l/SENSOR",
            {"Time": "2024-02-24T22:20:38", "ENERGY": {"Current": 0.1}},
            0,
            "at 2024-02-24 22:20:38+07:00",
        ),
        ("tele/l/LWT", b"Offline", 0, "gone: lamp: stale from now on"),
        ("m/1", uplink("017505", 85), 0, '-> sensor "mains" (core): current 5 A  good'),
        (
            "m/1",
            uplink("0175050300", 85),
            1,
            "not understood: unknown_channel: unknown channel 0x03 type 0x00 at byte 3; the layout needs its length\n"
            "    0000  01 75 05 03 00\n                   ^^ byte 3\n",
        ),
        ("m/1", uplink("017505", 2), 1, "not understood: unknown_port: unknown port 2; the layout has 85"),
    ],
)
def test_what_becomes_of_it(
    attempt: Callable[..., tuple[int, str]], topic: str, payload: object, status: int, said: str
) -> None:
    found, text = attempt(payload, "--topic", topic)
    assert said in text
    assert found == status


def test_by_a_decoder_alone(attempt: Callable[..., tuple[int, str]]) -> None:
    assert attempt("21.5", "--decoder", "plain") == (0, "  value = 21.5\n")
    assert attempt(b"ON", "--decoder", "plain")[0] == 1
    assert attempt(b'[{"n":"t","v":5}]', "--decoder", "senml", "--topic", "m/1")[1].startswith("  t = 5  -> no sensor")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "a FILE needs --topic TOPIC (of a sensor) or --decoder NAME"),
        (("--topic", "r/1", "--count", "1"), "--count and --seconds are for a TOPIC"),
        (("--topic", "r/1", "--site", "x"), "--site is for `netmon sensors list`"),
        (("--decoder", "senlm"), 'unknown decoder "senlm"; did you mean "senml"?'),
        (("--decoder", "sparkplug"), "sparkplug needs the topics of its messages"),
    ],
)
def test_wrong_use(attempt: Callable[..., tuple[int, str]], args: tuple[str, ...], said: str) -> None:
    status, text = attempt(b"1", *args)
    assert (status, said in text) == (2, True), text


def test_a_topic_needs_a_broker(
    attempt: Callable[..., tuple[int, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt(b"1", "--decoder", "plain")
    config = ["--config", str(tmp_path / "netmon.yml")]
    assert main(["sensors", "try", "r/#", *config]) == 1
    assert "netmon.yml names no broker" in capsys.readouterr().err
    assert main(["sensors", "try", "r/#/x", *config]) == 2
    assert "is no file and no topic" in capsys.readouterr().err
    assert main(["sensors", "try", "r/#", "--topic", "r/1", *config]) == 2
    assert main(["sensors", "try", *config]) == 2
    assert main(["sensors", "list", "x", *config]) == 2


def test_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "netmon.yml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "i.yml").write_text(INVENTORY, encoding="utf-8")

    asked: list[str] = []

    class Answers:
        def __init__(self, config: object) -> None: ...

        def get(self, path: str) -> list[dict[str, Any]]:
            asked.append(path)
            usual = {
                "type": "temp",
                "site": None,
                "state": "unknown",
                "value": None,
                "unit": "Cel",
                "received_at": None,
            }
            heard = {"site": "s1", "state": "ok", "value": 21.5, "received_at": "2020-01-01T00:00:00+00:00"}
            pages = {"": [{"id": "a", **usual}], "a": [{"id": "b", **usual, **heard}]}
            return pages.get(path.rpartition("=")[2], [])

    monkeypatch.setattr(commands_sensors, "ApiClient", Answers)
    assert main(["sensors", "list", "--config", str(tmp_path / "netmon.yml")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "a\ttemp\t-\tunknown\t-\t-"
    assert second.startswith("b\ttemp\ts1\tok\t21.5 Cel\t")
    assert asked == [f"/api/v1/sensors?site=&after={last}" for last in ("", "a", "b")]
    assert main(["sensors", "list", "--site", "s 2", "--config", str(tmp_path / "netmon.yml")]) == 0
    assert asked[3] == "/api/v1/sensors?site=s+2&after="


def test_what_could_not_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "netmon.yml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "i.yml").write_text(INVENTORY, encoding="utf-8")

    class Answers:
        def __init__(self, config: object) -> None: ...

        def get(self, path: str) -> list[dict[str, Any]]:
            assert path == "/api/v1/quarantine?limit=100"
            entry = {"received_at": "2026-11-23T03:30:00Z", "topic": "a/\x1bb", "reason": "not_json", "detail": "at 1"}
            return [entry | {"payload": "e3g="}, entry | {"reason": "unknown_topic", "detail": "", "payload": "/wA="}]

    monkeypatch.setattr(commands_sensors, "ApiClient", Answers)
    assert main(["sensors", "quarantine", "--config", str(tmp_path / "netmon.yml")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-23 10:30:00+07:00  'a/\\x1bb'  unknown_topic: -",
        "    0000  ff 00",
        "2026-11-23 10:30:00+07:00  'a/\\x1bb'  not_json: at 1",
        "    {x",
    ]
    assert main(["sensors", "quarantine", "x", "--config", str(tmp_path / "netmon.yml")]) == 2
