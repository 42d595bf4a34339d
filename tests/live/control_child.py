"""The common pattern of an MQTT consumer: ``python -m tests.live.control_child PORT BROKER_FOLDER FILE``.

A clean session and automatic acknowledgement, as in every example: each message is written to FILE as it comes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.live.broker import PASSWORD, USER


def main(port: int, folder: Path, file: Path) -> None:
    with file.open("a", buffering=1) as out:

        def take(client: Client, userdata: object, message: MQTTMessage) -> None:
            out.write(f"{message.topic.rpartition('/')[2]} {json.loads(message.payload)[0]['v']}\n")

        client = Client(CallbackAPIVersion.VERSION2, "control")
        client.tls_set(str(folder / "ca.crt"))
        client.username_pw_set(USER, PASSWORD)
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda client, *told: client.subscribe("province/#", qos=1)
        client.on_message = take
        client.connect("127.0.0.1", port)
        client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
