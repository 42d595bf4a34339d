"""The access list of the broker: one user per topic, the same text every time, and nothing that could say more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from netmon import cli
from netmon.acl import encode_acl, publisher
from netmon.config import MqttConfig
from netmon.model import Gateway, Inventory, Sensor
from tests.conftest import ROOT

SENSORS = (
    Sensor("z", "t", "p/room/z/env", "senml", site="song-ba", field="temperature"),
    Sensor("y", "t", "p/room/z/env", "senml", site="song-ba", field="humidity"),
    Sensor("node", "t", "p/room/node", "senml", node="node-1", via="cellular"),
    Sensor("tank", "t", "water/bể chứa 1", "senml", site="song-ba", via="cellular", owner="Cấp nước Đồng Xoài"),
    Sensor("behind", "t", "lora/7/up", "senml", site="song-ba", via="gateway:gw-1", owner="Cấp nước Đồng Xoài"),
    Sensor("lone", "t", "lone", "senml", via="cellular"),
    Sensor("without", "t", "", "senml"),
)
EXPECTED = """\
# Written by `netmon inventory acl`: change the inventory, not this file.
# 5 users publish on 5 topics; what is not listed is denied.

user netmon
topic read lone
topic read lora/#
topic read p/#
topic read water/#

user gateway-gw-1
topic write lora/7/up

user node-node-1
topic write p/room/node

user owner-cap-nuoc-dong-xoai
topic write water/bể chứa 1

user sensor-lone
topic write lone

user site-song-ba
topic write p/room/z/env
"""


def inventory(*sensors: Sensor) -> Inventory:
    return Inventory(sensors={sensor.id: sensor for sensor in sensors})


def test_the_list_is_the_same_whatever_the_order() -> None:
    for sensors in (SENSORS, SENSORS[::-1]):
        assert encode_acl(inventory(*sensors), MqttConfig()) == (EXPECTED, [])


def test_filters_and_user_of_the_configuration() -> None:
    text, _ = encode_acl(inventory(SENSORS[0]), MqttConfig(username="watcher", topics=("p/+/+/env", "a/#")))
    assert "\nuser watcher\ntopic read a/#\ntopic read p/+/+/env\n\nuser site-song-ba\n" in text


@pytest.mark.parametrize(
    ("sensors", "problem"),
    [
        ([replace(SENSORS[0], topic="a\nuser netmon\ntopic readwrite #")], "control characters"),
        ([replace(SENSORS[0], topic="a ")], "a space at an end"),
        ([SENSORS[0], replace(SENSORS[1], site="other")],
         'topic "p/room/z/env": sensor "y" has it from site-other, sensor "z" from site-song-ba'),
        ([SENSORS[3], replace(SENSORS[3], id="t2", topic="w2", owner="cap nuoc dong xoai")],
         'owners "cap nuoc dong xoai" and "Cấp nước Đồng Xoài" would both be user owner-cap-nuoc-dong-xoai'),
        ([replace(SENSORS[0], site="x")], "is netmon's own"),
    ],
)  # fmt: skip
def test_mistakes_that_would_let_somebody_in(sensors: list[Sensor], problem: str) -> None:
    _, problems = encode_acl(inventory(*sensors), MqttConfig(username="site-x"))
    assert len(problems) == 1
    assert problem in problems[0]


def test_wills_and_edge_nodes() -> None:
    sensors = (
        Sensor("lamp", "t", "tele/lamp/SENSOR", "tasmota", site="song-ba"),
        Sensor("pump", "t", "spBv1.0/nuoc/DDATA/tram-1/plc", "sparkplug", via="gateway:gw-1"),
    )
    text, problems = encode_acl(inventory(*sensors), MqttConfig())
    assert problems == []
    assert (
        text.partition("\n\n")[2]
        == """\
user netmon
topic read spBv1.0/#
topic read tele/#
topic write spBv1.0/nuoc/NCMD/tram-1

user gateway-gw-1
topic write spBv1.0/nuoc/DBIRTH/tram-1/+
topic write spBv1.0/nuoc/DDATA/tram-1/+
topic write spBv1.0/nuoc/DDEATH/tram-1/+
topic write spBv1.0/nuoc/NBIRTH/tram-1
topic write spBv1.0/nuoc/NDATA/tram-1
topic write spBv1.0/nuoc/NDEATH/tram-1
topic read spBv1.0/nuoc/DCMD/tram-1/+
topic read spBv1.0/nuoc/NCMD/tram-1

user site-song-ba
topic write tele/lamp/LWT
topic write tele/lamp/SENSOR
"""
    )
    other = Sensor("other", "t", "spBv1.0/nuoc/NDATA/tram-1", "sparkplug", site="x")
    _, problems = encode_acl(inventory(*sensors, other), MqttConfig())
    assert problems, "one edge node has one user"


def test_everybody_has_a_user() -> None:
    assert [publisher(s) for s in SENSORS[:6]] == [
        "site-song-ba", "site-song-ba", "node-node-1", "owner-cap-nuoc-dong-xoai", "gateway-gw-1", "sensor-lone",
    ]  # fmt: skip


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, file = ["--config", str(ROOT / "inventory" / "netmon.yml")], tmp_path / "netmon.acl"
    assert cli.main(["inventory", "acl", *config]) == 0
    text = capsys.readouterr().out
    assert "\nuser netmon\n" in text
    assert cli.main(["inventory", "acl", str(file), *config]) == 0
    assert file.read_text(encoding="utf-8") == text
    assert cli.main(["inventory", "acl", str(file), "--check", *config]) == 0
    users = text.count("\nuser ")
    assert capsys.readouterr().out == f"wrote {file}: {users} users\n"
    file.write_text(text.replace("topic write", "topic readwrite", 1), encoding="utf-8")
    assert cli.main(["inventory", "acl", str(file), "--check", *config]) == 1
    said = capsys.readouterr().out
    assert [line[:16] for line in said.splitlines()[3:]] == [
        "-topic readwrite",
        "+topic write " + said.split("+topic write ")[1][:3],
    ]
    for wrong in (["acl", "--check"], ["export"], ["import", "a.csv", "--check"]):
        assert cli.main(["inventory", *wrong, *config]) == 2


def test_a_gateway_publishes_what_it_says_of_itself() -> None:
    gateways = {
        "gw-1": Gateway("gw-1", "LoRa", presence="as923/gateway/1/state/conn", heartbeat="as923/gateway/1/event/stats"),
        "plc": Gateway("plc", "station", presence="spBv1.0/nuoc/NDATA/tram-1"),
    }
    text, problems = encode_acl(replace(inventory(SENSORS[4]), gateways=gateways), MqttConfig())
    assert problems == []
    assert "topic read as923/#\n" in text
    gw, plc = text.split("user gateway-gw-1\n")[1].split("\nuser gateway-plc\n")
    assert gw.split("topic write ")[1:] == [
        "as923/gateway/1/event/stats\n", "as923/gateway/1/state/conn\n", "lora/7/up\n"
    ]  # fmt: skip
    assert "topic write spBv1.0/nuoc/NDEATH/tram-1\n" in plc
    assert "topic read spBv1.0/nuoc/NCMD/tram-1\n" in plc
    assert "topic write spBv1.0/nuoc/NCMD/tram-1\n" in text.split("user netmon\n")[1].split("\nuser")[0]
