"""Who may do what at a real mosquitto with the settings and the access list we ship; and whom netmon believes."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from netmon.acl import encode_acl
from netmon.collectors.mqtt.plan import routes_of
from netmon.config import MqttConfig
from netmon.model import Inventory, Secret, Sensor, SensorType, Site
from tests.conftest import need, wait_until
from tests.live.broker import Broker
from tests.live.certificates import Authority
from tests.live.test_mqtt_mosquitto import Running, senml

pytestmark = pytest.mark.live

A, B, TANK, METER = "p/room/a/env", "p/room/b/env", "p/water/tank", "p/meter/7"
INVENTORY = Inventory(
    sites={s: Site(s, s, s, "government", "commune", "area") for s in ("a", "b")},
    sensor_types={"t": SensorType("t", "temperature", "Cel")},
    sensors={
        "a-t": Sensor("a-t", "t", A, "senml", site="a"),
        "b-t": Sensor("b-t", "t", B, "senml", site="b"),
        "tank": Sensor("tank", "t", TANK, "senml", via="cellular", owner="Cấp nước Đồng Xoài"),
        "meter": Sensor("meter", "t", METER, "senml", site="a", via="gateway:gw-7"),
    },
)
USERS = ("netmon", "site-a", "site-b", "owner-cap-nuoc-dong-xoai", "gateway-gw-7")
WORD = "mật-khẩu 1"


def drive(client: Client) -> bool:
    """Read and write what there is, without a thread (whose end takes up to a second)."""
    for _ in range(10):
        client.loop(0.02)
    return True


class Guarded(Broker):
    """The broker as shipped, with the generated access list; ``identity``: by client certificates alone."""

    identity = False
    server_days = 1.0

    def adapt(self, text: str) -> str:
        authority = Authority(self.folder)
        authority.issue("server", "test broker", days=self.server_days)
        made, problems = encode_acl(INVENTORY, MqttConfig(username="netmon"))
        assert not problems
        self.folder.joinpath("acl").write_text(made)
        for user in USERS:
            authority.issue(user, user)
            subprocess.run(["mosquitto_passwd", "-b", str(self.folder / "passwd"), user, WORD], check=True)
        if self.identity:
            for setting in ("require_certificate true", "use_identity_as_username true"):
                assert f"# {setting}\n" in text
                text = text.replace(f"# {setting}\n", f"{setting}\n")
        return text

    def client(self, user: str) -> Client:
        # no client id of ours: the broker would throw one client out for the other
        found = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if self.identity:
            certificate = str(self.folder / f"{user}.crt"), str(self.folder / f"{user}.key")
            found.tls_set(str(self.folder / "ca.crt"), *certificate)
        else:
            found.tls_set(str(self.folder / "ca.crt"))
            found.username_pw_set(user, WORD)
        return found

    def publish(self, user: str, topic: str, payload: bytes) -> bool:
        """Whether the broker took it. mosquitto 2.0.11 hangs up after a refusal, hence a connection each time."""
        client, reasons = self.client(user), list[ReasonCode]()
        client.on_connect = lambda *_: client.publish(topic, payload, qos=1)
        client.on_publish = lambda client, userdata, mid, reason, properties: reasons.append(reason)
        client.connect("127.0.0.1", self.port)
        wait_until(lambda: drive(client) and reasons, what=f"an answer to {user} about {topic}")
        client.disconnect()
        assert not reasons[0].is_failure or reasons[0] == "Not authorized"
        return not reasons[0].is_failure


class ByCertificate(Guarded):
    identity = True


class Expired(Guarded):
    server_days = -1.0


Start = Callable[[type[Guarded]], Guarded]


@pytest.fixture
def guarded(tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]) -> Start:
    need("mosquitto", "mosquitto_passwd")
    return lambda kind: kind(tmp_path, spawn)


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Callable[[MqttConfig], Running]]:
    started: list[Running] = []

    def start(config: MqttConfig) -> Running:
        started.append(Running(config, tmp_path, []))
        started[-1].ingest.set_routes(routes_of(INVENTORY), INVENTORY)
        return started[-1]

    yield start
    for one in started:
        one.stop()


def netmon_config(broker: Guarded, **changes: object) -> MqttConfig:
    if broker.identity:
        files = {"cert_file": str(broker.folder / "netmon.crt"), "key_file": str(broker.folder / "netmon.key")}
        return broker.config(username="", password=None, **files, **changes)
    return broker.config(password=Secret(WORD), **changes)


@pytest.mark.parametrize("kind", [Guarded, ByCertificate], ids=["passwords", "client certificates"])
def test_each_publishes_its_own_and_nobody_elses(
    kind: type[Guarded],
    guarded: Start,
    listen: Callable[[MqttConfig], Running],
) -> None:
    broker = guarded(kind)
    running = listen(netmon_config(broker))
    wait_until(lambda: running.ingest.connected, what="connected")
    heard: list[str] = []
    listener = broker.client("site-b")
    listener.on_connect = lambda *_: listener.subscribe("#", 1)
    listener.on_message = lambda client, userdata, message: heard.append(message.topic)
    subscribed: list[object] = []
    listener.on_subscribe = lambda *_: subscribed.append(1)
    listener.connect("127.0.0.1", broker.port)
    listener.loop_start()
    wait_until(lambda: subscribed, what="subscribed")
    own = {"site-a": A, "site-b": B, "owner-cap-nuoc-dong-xoai": TANK, "gateway-gw-7": METER}
    for user in own:
        for topic in ("p/room/a/env/more", *own.values()):
            if topic != own[user]:
                assert not broker.publish(user, topic, senml(66.6)), f"{user} publishes on {topic}"
    for value, (user, topic) in enumerate(own.items()):
        assert broker.publish(user, topic, b'[{"bn": "a-t", "n": "a-t", "v": %d}]' % value)
    wait_until(lambda: len(running.readings) >= 4, what="one reading of each")
    assert {(r.sensor, r.value) for r in running.readings} == {("a-t", 0), ("b-t", 1), ("tank", 2), ("meter", 3)}
    assert running.ingest.stats["ok"] == sum(running.ingest.stats.values()) == 4
    assert heard == [], "a site reads nothing, not even its own"
    listener.disconnect()
    listener.loop_stop()


def test_netmon_itself_may_only_read(guarded: Start, listen: Callable[[MqttConfig], Running]) -> None:
    broker = guarded(Guarded)
    running = listen(netmon_config(broker))
    wait_until(lambda: running.ingest.connected, what="connected")
    assert not broker.publish("netmon", A, senml(66.6))
    assert broker.publish("site-a", A, senml(1))
    wait_until(lambda: running.readings, what="the reading of the site")
    assert running.values() == [1]


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        (Guarded, {"ca_file": "other.crt"}, "self-signed certificate|unable to get local issuer|signature failure"),
        (Guarded, {"host": "localhost"}, "Hostname mismatch"),
        (Expired, {}, "certificate has expired"),
    ],
    ids=["another authority", "another name", "expired"],
)
def test_a_broker_that_cannot_be_believed_gets_nothing(
    kind: type[Guarded], changes: dict[str, str], why: str, guarded: Start, listen: Callable[[MqttConfig], Running],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO, "netmon")
    broker = guarded(kind)
    Authority(broker.folder, "other", "other ca")
    if "ca_file" in changes:
        changes = {"ca_file": str(broker.folder / changes["ca_file"])}
    running = listen(netmon_config(broker, **changes))
    wait_until(lambda: running.ingest.events["failed_tls"] >= 3, what="three attempts")
    (line,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert "reason=tls" in line
    assert any(part in line for part in why.split("|")), line
    assert WORD not in caplog.text
    assert not running.ingest.events["connected"]


def test_without_a_client_certificate_the_broker_says_no(
    guarded: Start,
    listen: Callable[[MqttConfig], Running],
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = guarded(ByCertificate)
    running = listen(broker.config(username="", password=None))
    wait_until(lambda: sum(v for k, v in running.ingest.events.items() if k.startswith("failed_")) >= 3, what="three")
    lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(lines) == 1
    assert "certificate" in lines[0]
    assert not running.ingest.events["connected"]
