"""Every format through a real mosquitto into a real daemon: values, units, words that a device is gone, rebirths."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from paho.mqtt.client import Client, MQTTMessage

from netmon.cli import main
from tests.conftest import need, wait_until
from tests.golden.test_payloads import FOLDER
from tests.live.broker import Broker
from tests.live.province import quoted_yaml
from tests.live.sensor_daemon import SensorDaemon
from tests.sparkplug_edge import EdgeNode, M

pytestmark = pytest.mark.live

CONN = "as923/gateway/0016c001f153a14c/state/conn"  # of ChirpStack's forwarder, which writes protobuf
ONLINE, OFFLINE = b"\x10\x01\x1a\x100016c001f153a14c", b"\x1a\x100016c001f153a14c"
LORA = "application/a/device/24e124136b324567/event/up"
SENSORS: dict[str, tuple[str, str, str, str]] = {  # id -> type, topic, field, decoder ("": by the filters)
    "senml": ("/", "f/senml", "humidity", "senml"),
    "cbor": ("V", "f/cbor", "voltage", "senml-cbor"),
    "sparkplug": ("m", "spBv1.0/nuoc/DDATA/tram-1/plc", "Level", "sparkplug"),
    "chirpstack": ("Cel", "application/a/device/0101010101010101/event/up", "temperature", ""),
    "chirpstack-battery": ("/", "application/a/device/0101010101010101/event/status", "battery", ""),
    "tts": ("lx", "v3/app1@t/devices/dev1/up", "luminosity", "tts"),
    "layout": ("A", LORA, "current", "milesight-ct101"),
    "tasmota": ("J", "tele/den-01/SENSOR", "ENERGY.Total", "tasmota"),
    "zigbee": ("Cel", "zigbee2mqtt/Tầng 1/phòng máy", "temperature", ""),
    "zigbee-battery": ("V", "zigbee2mqtt/Tầng 1/phòng máy", "voltage", ""),
    "shelly": ("W", "shellypro3em-1/events/rpc", "total_act_power", "shelly"),
    "plain": ("Cel", "f/plain", "", "plain"),
    "gate": ("/", "f/gate", "", "gate"),
}
SENT = {  # topic -> payload file
    "f/senml": "senml-room.senml.json", "f/cbor": "senml-cbor-rfc8428.cbor", LORA: "milesight-ct101-alarm.json",
    SENSORS["chirpstack"][1]: "chirpstack-up.json", SENSORS["chirpstack-battery"][1]: "chirpstack-status.json",
    SENSORS["tts"][1]: "tts-up.json", SENSORS["tasmota"][1]: "tasmota-pow.json",
    SENSORS["zigbee"][1]: "zigbee2mqtt-climate.json", SENSORS["shelly"][1]: "shelly-em.json",
    "f/plain": "plain-unit.txt", "f/gate": "gate-word.txt",
}  # fmt: skip
EXPECTED = {
    "senml": 0.61, "cbor": 120.1, "sparkplug": 1.5, "chirpstack": 26.4, "chirpstack-battery": 0.883, "tts": 0.64,
    "layout": 25.0, "tasmota": 1.956 * 3.6e6, "zigbee": 27.34, "zigbee-battery": 2.985, "shelly": -18.017,
    "plain": -3.25, "gate": 1.0,
}  # fmt: skip


def configure(daemon: SensorDaemon) -> None:
    sensors: list[dict[str, Any]] = []
    for name, (unit, topic, field, decoder) in SENSORS.items():
        sensor = {"id": name, "type": f"t-{unit.lower()}".replace("/", "share"), "topic": topic, "node": "core"}
        sensor["via"] = "cellular"  # nobody knows how the node is, which nothing probes
        sensors.append(sensor | ({"field": field} if field else {}) | ({"decoder": decoder} if decoder else {}))
    sensors[list(SENSORS).index("zigbee-battery")]["unit"] = "mV"
    for name in ("chirpstack", "layout"):
        sensors[list(SENSORS).index(name)]["via"] = "gateway:lora"
    types = {sensor["type"]: SENSORS[sensor["id"]][0] for sensor in sensors}
    tree = {
        "nodes": [{"id": "core", "kind": "core", "name": "Core"}],
        "sensor_types": [{"id": t, "quantity": t, "unit": unit, "silence": "1h"} for t, unit in types.items()],
        "topics": [
            {"filter": "application/+/device/+/event/+", "decoder": "chirpstack"},
            {"filter": "zigbee2mqtt/#", "decoder": "zigbee2mqtt"},
        ],
        "sensors": sensors,
        "gateways": [{"id": "lora", "name": "LoRaWAN", "node": "core", "via": "cellular", "presence": CONN}],
    }
    (daemon.folder / "inventory.yml").write_text(quoted_yaml(tree), encoding="utf-8")
    (daemon.folder / "decoders.yml").write_text((FOLDER / "decoders.yml").read_text(encoding="utf-8"), encoding="utf-8")
    settings = yaml.safe_load((daemon.folder / "netmon.yml").read_text(encoding="utf-8"))
    settings["inventory"] = ["inventory.yml", "decoders.yml"]
    (daemon.folder / "netmon.yml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def known(daemon: SensorDaemon) -> dict[str, tuple[str, float | None]]:
    return {entry["id"]: (entry["state"], entry["value"]) for entry in daemon.get("/api/v1/sensors").json}


def gateway(daemon: SensorDaemon, state: str) -> bool:
    return daemon.metric(f'netmon_gateway_state{{gateway="lora",node="core",state="{state}"}}') == 1.0


def test_every_format(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    need("mosquitto", "mosquitto_passwd")
    broker = Broker(tmp_path, spawn)
    daemon = SensorDaemon(tmp_path / "netmon", broker, [])
    configure(daemon)
    client = broker.publisher()
    node = EdgeNode()

    def born(client: Client, userdata: object, message: MQTTMessage) -> None:
        node.bd_seq += 1
        client.publish(*node.message("NBIRTH"), qos=0)
        client.publish(*node.message("DBIRTH", [M("Level", 150.0, unit="cm", alias=7)], "plc"), qos=0)

    client.on_message = born
    client.subscribe("spBv1.0/nuoc/NCMD/tram-1", 1)
    try:
        daemon.start()
        # It asks the edge node, which it has never heard, for a birth, and gets one.
        for topic, file in SENT.items():
            client.publish(topic, (FOLDER / file).read_bytes(), qos=1).wait_for_publish(10)
        wait_until(
            lambda: all(value is not None for _, value in known(daemon).values()), 20, what="a value of every sensor"
        )
        assert {name: value for name, (_, value) in known(daemon).items()} == pytest.approx(EXPECTED)
        assert re.search(r'netmon_sensor_value{[^}]*sensor="layout"[^}]*} 25\b', daemon.get("/metrics").text)
        assert daemon.metric('netmon_mqtt_messages_total{result="undecodable"}') in (None, 0.0)

        client.publish("zigbee2mqtt/bridge/state", b'{"state":"offline"}', qos=1).wait_for_publish(10)
        client.publish(*node.message("NDEATH"), qos=1).wait_for_publish(10)
        away = ("zigbee", "zigbee-battery", "sparkplug")
        wait_until(
            lambda: all(known(daemon)[name][0] == "stale" for name in away), what="told to be away, stale at once"
        )
        assert known(daemon)["plain"][0] == "ok"

        config = str(daemon.folder / "netmon.yml")
        lora = broker.publisher("lora-gateway", will=(CONN, OFFLINE))
        lora.publish(CONN, ONLINE, qos=1, retain=True).wait_for_publish(10)
        wait_until(lambda: gateway(daemon, "ok"), what="the gateway is heard")
        lora.loop_stop()
        lora.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        wait_until(lambda: gateway(daemon, "stale"), what="its will, published by the broker")
        assert [known(daemon)[name][0] for name in ("chirpstack", "layout")] == ["ok", "ok"], "not late, not blamed"
        daemon.kill()
        daemon.start()
        wait_until(lambda: gateway(daemon, "stale"), what="a kill does not bring it back")
        assert main(["sensors", "try", CONN, "--count", "1", "--seconds", "5", "--config", config]) == 0
        assert 'gateway "lora": gone: silent from now on' in capsys.readouterr().out
        client.publish("tele/den-02/SENSOR", b"{}", qos=1, retain=True).wait_for_publish(10)
        assert main(["sensors", "try", "tele/+/SENSOR", "--count", "1", "--seconds", "5", "--config", config]) == 1
        assert "no sensor has this topic" in capsys.readouterr().out
        assert main(["sensors", "list", "--config", config]) == 0
        assert "layout\tt-a\t-\t" in capsys.readouterr().out
    finally:
        client.disconnect()
        client.loop_stop()
        daemon.end()
