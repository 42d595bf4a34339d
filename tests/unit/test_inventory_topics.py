"""Decoders by topic filter, and that nobody's payload can choose the place of a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from netmon.errors import ConfigError
from netmon.inventory import load
from netmon.model import Inventory

WHOLE = """\
nodes:
  - {id: "n1", name: "Một", kind: "core"}
  - {id: "n2", name: "Hai", kind: "core"}
sensor_types: [{id: "t", quantity: "temperature", unit: "Cel"}]
decoders:
  - {id: "shared", fields: {v: {path: "v"}}, device: "id"}
topics:
  - {filter: "z/#", decoder: "zigbee2mqtt"}
  - {filter: "z/+/raw", decoder: "plain"}
sensors:
  - {id: "a", type: "t", node: "n1", topic: "z/a", field: "temperature"}
  - {id: "b", type: "t", node: "n1", topic: "z/a/raw"}
  - {id: "c", type: "t", node: "n1", topic: "z/c", decoder: "tasmota", field: "x"}
  - {id: "d", type: "t", node: "n1", topic: "m", decoder: "shared", field: "v", device: "1"}
  - {id: "e", type: "t", node: "n1", topic: "m", decoder: "shared", field: "v", device: "2"}
  - {id: "p", type: "t", node: "n1", topic: "spBv1.0/g/NDATA/e", decoder: "sparkplug", field: "x"}
"""


def read(tmp_path: Path, text: str) -> Inventory:
    (tmp_path / "netmon.yml").write_text('inventory: ["i.yml"]\n', encoding="utf-8")
    (tmp_path / "i.yml").write_text(text, encoding="utf-8")
    return load(tmp_path / "netmon.yml", {}).inventory


def test_decoders_by_topic(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    decoders = {sensor.id: sensor.decoder for sensor in found.sensors.values()}
    assert decoders == {
        "a": "zigbee2mqtt",
        "b": "plain",
        "c": "tasmota",
        "d": "shared",
        "e": "shared",
        "p": "sparkplug",
    }


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"z/#"', '"z/#/x"', '8: topic number 1: "filter" cannot be "z/#/x"; an MQTT filter'),
        ('"z/#"', '"y/#"', '11: sensor "a": "decoder" is missing; give it one, or a filter of "topics"'),
        ('"z/+/raw"', '"z/#"', '9: topic number 2: filter "z/#" is there twice; first in '),
        ('"plain"', '"plane"', '9: topic number 2: unknown decoder "plane"; did you mean "plain"?'),
        ('"z/c", ', '"z/c", device: "1", ', '13: sensor "c": "device" with decoder "tasmota"; only bytes, cayenne'),
        (
            'node: "n1", topic: "m", decoder: "shared", field: "v", device: "2"',
            'node: "n2", topic: "m", decoder: "shared", field: "v", device: "2"',
            '15: sensor "e": sensor "d" of another place is read from "m" by "device", too; a payload must not choose',
        ),
        (
            'node: "n1", topic: "m", decoder: "shared", field: "v", device: "2"',
            'node: "n2", topic: "m", decoder: "shared", field: "v"',
            '15: sensor "e": sensor "d" of another place is read from "m" by "device", too; a payload must not choose',
        ),
        ('device: "2"', 'device: "1"', '15: sensor "e": sensor "d" reads the same field of "m"'),
        ("NDATA/e", "NDATA/e/d", '16: sensor "p": "topic" cannot be "spBv1.0/g/NDATA/e/d"; spBv1.0/GROUP/DDATA'),
        ('"z/c", ', '"z/c", presence: "z/+", ', '13: sensor "c": "presence" cannot be "z/+"; one exact topic'),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in WHOLE
    with pytest.raises(ConfigError) as told:
        read(tmp_path, WHOLE.replace(old, new, 1))
    [said] = [str(one).replace(f"{tmp_path}/i.yml:", "", 1) for one in told.value.problems]
    assert said.startswith(problem), said


def test_topics_that_nobody_subscribes_to_are_told(tmp_path: Path) -> None:
    read(tmp_path, WHOLE)

    def warned(topics: str) -> list[str]:
        text = f'inventory: ["i.yml"]\nmqtt:\n  host: "h"\n  topics: {topics}\n'
        (tmp_path / "netmon.yml").write_text(text, encoding="utf-8")
        return [str(one).rpartition("netmon.yml:")[2] for one in load(tmp_path / "netmon.yml", {}).warnings]

    assert warned("[]") == []
    assert warned('["$share/netmon/z/#", "m", "spBv1.0/g/#"]') == []
    assert warned('["z/#", "m"]') == [
        '4: mqtt: "topics" does not cover "spBv1.0/g/NDATA/e" of sensor "p": nothing of it is heard'
    ]
    assert warned('["z/a", "z/c"]') == [
        '4: mqtt: "topics" does not cover "z/a/raw" of sensor "b" and 3 more topics: nothing of it is heard'
    ]
