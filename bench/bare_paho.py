"""A paho loop that only counts: ``python -m bench.bare_paho PORT COUNT 3.1.1|5``. Says "ready", and "done" at COUNT."""

from __future__ import annotations

import sys

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def main(port: int, count: int, version: str) -> None:
    got = 0

    def take(client: Client, *message: object) -> None:
        nonlocal got
        got += 1
        if got == count:
            print("done", flush=True)
            client.disconnect()

    v5 = version == "5"
    protocol = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
    client = Client(CallbackAPIVersion.VERSION2, "bare", protocol=protocol)
    client.on_message = take
    client.on_connect = lambda client, *told: client.subscribe("bare/#", 1)
    client.on_subscribe = lambda *told: print("ready", flush=True)
    properties = None
    if v5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = 1000  # as netmon
    client.connect("127.0.0.1", port, properties=properties)
    client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
