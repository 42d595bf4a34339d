"""A real mosquitto with the settings we ship, a certificate authority of its own, and a publisher that waits."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from netmon.config import MqttConfig
from netmon.model import Secret
from tests.conftest import ROOT, free_port, wait_until
from tests.live.certificates import Authority

USER, PASSWORD = "netmon", "mật-khẩu 1"


class Broker:
    """mosquitto run with deploy/mosquitto.conf, its paths and its port replaced; without ``tls`` open to anybody."""

    def __init__(self, folder: Path, spawn: Callable[..., subprocess.Popen[bytes]], *, tls: bool = True) -> None:
        self.folder = folder
        self.tls = tls
        self.port = free_port()
        self._spawn = spawn
        Authority(folder).issue("server", "test broker")
        folder.joinpath("acl").write_text(f"topic readwrite #\nuser {USER}\ntopic readwrite #\n")
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(folder / "passwd"), USER, PASSWORD], check=True)
        text = ROOT.joinpath("deploy", "mosquitto.conf").read_text()
        for old, new in (
            ("listener 8883", f"listener {self.port} 127.0.0.1"),
            ("/etc/mosquitto/certs", str(folder)),
            ("/etc/mosquitto/netmon.passwd", str(folder / "passwd")),
            ("/etc/mosquitto/netmon.acl", str(folder / "acl")),
            ("/var/lib/mosquitto/", f"{folder}/"),
        ):
            assert old in text
            text = text.replace(old, new)
        if not tls:
            text = re.sub(r"(?m)^(cafile|certfile|keyfile|tls_version|password_file) .*\n", "", text)
            text = text.replace("allow_anonymous false", "allow_anonymous true")
        if os.geteuid() == 0:
            text += "\nuser root\n"
        folder.joinpath("mosquitto.conf").write_text(self.adapt(text))
        self.start()

    def adapt(self, text: str) -> str:
        """What is different where a test needs it so."""
        return text

    def start(self) -> None:
        self.child = self._spawn("/usr/sbin/mosquitto", "-c", str(self.folder / "mosquitto.conf"), name="mosquitto")
        wait_until(self.answers, what="mosquitto listens")

    def answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def stop(self) -> None:
        """As systemd does it; everything kept is written."""
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(10)

    def config(self, **changes: object) -> MqttConfig:
        fields: dict[str, object] = {
            "host": "127.0.0.1", "port": self.port, "tls": self.tls,
        }  # fmt: skip
        if self.tls:
            fields |= {"ca_file": str(self.folder / "ca.crt"), "username": USER, "password": Secret(PASSWORD)}
        return MqttConfig(**(fields | changes))  # type: ignore[arg-type]

    def publisher(self, name: str = "publisher", *, will: tuple[str, bytes] | None = None) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
        if will is not None:
            client.will_set(*will, qos=1, retain=True)
        if self.tls:
            client.tls_set(str(self.folder / "ca.crt"))
            client.username_pw_set(USER, PASSWORD)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        wait_until(client.is_connected, what="publisher connected")
        return client


def publish_all(client: Client, messages: Iterable[tuple[str, bytes]], window: int = 200) -> int:
    """Publish with QoS 1, never more than ``window`` unacknowledged; returns when the broker has them all."""
    waiting: list[MQTTMessageInfo] = []
    count = 0
    for topic, payload in messages:
        waiting.append(client.publish(topic, payload, qos=1))
        count += 1
        if len(waiting) >= window:
            waiting.pop(0).wait_for_publish(10)
    for info in waiting:
        info.wait_for_publish(10)
        assert info.is_published()
    return count
