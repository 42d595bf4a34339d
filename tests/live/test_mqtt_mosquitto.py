"""The ingest against a real mosquitto with the settings we ship: TLS, password, kills, restarts, bad payloads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import amqtt.broker
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from netmon.clock import Clock
from netmon.collectors.mqtt.ingest import Ingest
from netmon.collectors.mqtt.plan import routes_of
from netmon.config import MqttConfig
from netmon.history.spool import Spool
from netmon.model import Inventory, Reading, Secret, Sensor, SensorType
from tests.conftest import free_port, need, wait_until
from tests.live.broker import Broker, publish_all

pytestmark = pytest.mark.live

TOPICS = ["t/a", "t/b", "t/c"]


def inventory_of(topics: list[str]) -> Inventory:
    """Every topic is one sensor of that name with a SenML payload."""
    return Inventory(
        sensor_types={"any": SensorType("any", "count", "")},
        sensors={topic: Sensor(topic, "any", topic, "senml") for topic in topics},
    )


def senml(value: float) -> bytes:
    return json.dumps([{"n": "x", "v": value}]).encode()


@pytest.fixture
def broker(tmp_path: Path, spawn: Callable[..., subprocess.Popen[bytes]]) -> Broker:
    need("mosquitto", "mosquitto_passwd")
    return Broker(tmp_path, spawn)


class Running:
    """An ingest and the loop it delivers to."""

    def __init__(self, config: MqttConfig, folder: Path, topics: list[str], spool: type[Spool] = Spool) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.spool = spool(folder / "spool.db", 10**8)
        self.readings: list[Reading] = []
        inventory = inventory_of(topics)
        self.ingest = Ingest(config, routes_of(inventory), inventory, self.spool, Clock(), self.readings.extend,
                             self.loop, backoff_s=(0.05, 0.2))  # fmt: skip
        self.ingest.start()

    def values(self) -> list[float]:
        return [reading.value for reading in self.readings]

    def stop(self) -> None:
        self.ingest.stop()
        self.spool.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(config: MqttConfig, topics: list[str] | None = None, spool: type[Spool] = Spool) -> Running:
        started.append(Running(config, tmp_path, topics or TOPICS, spool))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_tls_password_and_delivery(broker: Broker, run: Callable[..., Running]) -> None:
    running = run(broker.config())
    wait_until(lambda: running.ingest.connected, what="connected")
    publisher = broker.publisher()
    publish_all(publisher, [("t/a", senml(1)), ("t/b", senml(2)), ("t/a", senml(2)), ("t/a", senml(2))])
    wait_until(lambda: len(running.readings) == 4, what="four readings")
    assert running.values() == [1, 2, 2, 2], "two true equal readings stay two"
    assert [row.reading.value for row in running.spool.read("influx", 10)] == [1, 2, 2, 2]
    assert {reading.sensor: reading.value for reading in running.spool.last_readings()} == {"t/a": 2, "t/b": 2}
    assert running.ingest.stats == Counter(ok=4)
    publisher.disconnect()


def test_bad_payload_retained_and_unknown_topic(broker: Broker, run: Callable[..., Running]) -> None:
    publisher = broker.publisher()
    publisher.publish("t/a", senml(7), qos=1, retain=True).wait_for_publish(5)
    running = run(broker.config(topics=("t/#",)))
    wait_until(lambda: running.readings, what="the retained replay")
    assert running.readings[0].retained
    publish_all(publisher, [("t/a", b"not json"), ("t/nobody", senml(1)), ("t/b", b"\xff\x00"), ("t/b", senml(3))])
    wait_until(lambda: len(running.readings) == 2, what="the good reading after the bad ones")
    assert running.values() == [7, 3]
    assert running.ingest.stats == Counter(ok=1, retained=1, undecodable=2, unknown_topic=1)
    bad = running.spool.quarantine()
    assert {(one.topic, one.reason, one.payload) for one in bad} == {
        ("t/a", "not_json", b"not json"),
        ("t/b", "not_json", b"\xff\x00"),
        ("t/nobody", "unknown_topic", senml(1)),
    }
    assert [reading.sensor for reading in running.spool.last_readings()] == ["t/b"], "a replay is no reading"
    publisher.disconnect()


def test_wrong_password_is_one_clear_line(
    broker: Broker, run: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "netmon")
    running = run(broker.config(password=Secret("wrong-one")))
    wait_until(lambda: running.ingest.events["failed_auth"] >= 3, what="three attempts")
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(lines) == 1
    assert "reason=auth" in lines[0]
    assert f"port={broker.port}" in lines[0]
    assert "wrong-one" not in caplog.text
    assert not running.ingest.connected


def test_wrong_authority_is_a_clear_line(
    broker: Broker, run: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    running = run(broker.config(ca_file=""))
    wait_until(lambda: running.ingest.events["failed_tls"] >= 2, what="refusals")
    assert [r.getMessage() for r in caplog.records if "reason=tls" in r.getMessage()]
    assert not running.ingest.events["connected"]


def test_broker_absent_then_there(
    tmp_path: Path, run: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    running = run(MqttConfig(host="127.0.0.1", port=port, tls=False))
    wait_until(lambda: running.ingest.events["failed_connect"] >= 3, what="three attempts")
    assert len([r for r in caplog.records if r.levelno >= logging.ERROR]) == 1
    assert "Connection refused" in caplog.text


def test_new_routes_are_subscribed_and_old_ones_left(broker: Broker, run: Callable[..., Running]) -> None:
    running = run(broker.config(), ["t/a"])
    wait_until(lambda: running.ingest.connected, what="connected")
    inventory = inventory_of(["t/b"])
    running.ingest.set_routes(routes_of(inventory), inventory)
    publisher = broker.publisher()

    def arrives() -> bool:
        publish_all(publisher, [("t/a", senml(1)), ("t/b", senml(2))])
        return any(reading.sensor == "t/b" for reading in running.readings)

    wait_until(arrives, what="a reading by the new route")
    before = running.ingest.stats["unknown_topic"]
    publish_all(publisher, [("t/a", senml(1)), ("t/b", senml(99))])
    wait_until(lambda: 99 in running.values(), what="the last one")
    assert running.ingest.stats["unknown_topic"] == before, "the old filter is no longer subscribed"
    publisher.disconnect()


def test_messages_wait_while_netmon_is_away(broker: Broker, run: Callable[..., Running], tmp_path: Path) -> None:
    first = run(broker.config())
    wait_until(lambda: first.ingest.connected, what="connected")
    first.ingest.stop()
    publisher = broker.publisher()
    publish_all(publisher, [("t/a", senml(n)) for n in range(1500)])  # more than mosquitto's default queue
    publisher.disconnect()
    broker.stop()
    broker.start()
    first.spool.close()
    second = run(broker.config())
    wait_until(lambda: len(second.readings) >= 1500, what="all that had waited")
    assert second.values() == list(range(1500))


def test_reconnects_by_itself_when_the_broker_restarts(broker: Broker, run: Callable[..., Running]) -> None:
    running = run(broker.config())
    wait_until(lambda: running.ingest.connected, what="connected")
    broker.stop()
    wait_until(lambda: not running.ingest.connected, what="the loss is noticed")
    broker.start()
    wait_until(lambda: running.ingest.connected, what="connected again")
    publisher = broker.publisher()
    publish_all(publisher, [("t/a", senml(1))])
    wait_until(lambda: running.values() == [1], what="a reading after it")
    assert running.ingest.events["connected"] == 2
    publisher.disconnect()


class Faulty(Spool):
    """Fails once in a way nobody thought of, in the midst of a connection."""

    left = 1

    def get_note(self, key: str) -> str:
        if self.left:
            self.left -= 1
            raise ZeroDivisionError("a fault of ours")
        return super().get_note(key)


def test_a_fault_in_the_thread_is_counted_and_it_connects_again(
    broker: Broker, run: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    running = run(broker.config(), spool=Faulty)
    wait_until(lambda: running.ingest.events["connected"] == 2, what="connected again after the fault")
    assert running.ingest.events["failed_internal"] == 1
    assert "a fault of ours" in caplog.text
    publisher = broker.publisher()

    def arrives() -> bool:
        publish_all(publisher, [("t/a", senml(1))])
        return bool(running.readings)

    wait_until(arrives, what="a reading after it")
    publisher.disconnect()


def test_only_a_client_certificate_lets_in(tmp_path: Path, broker: Broker, run: Callable[..., Running]) -> None:
    broker.stop()
    text = (tmp_path / "mosquitto.conf").read_text().replace("tls_version", "require_certificate true\ntls_version")
    (tmp_path / "mosquitto.conf").write_text(text)
    broker.start()
    without = run(broker.config())
    wait_until(lambda: sum(v for k, v in without.ingest.events.items() if k.startswith("failed_")), what="a refusal")
    assert not without.ingest.events["connected"]
    without.ingest.stop()
    without.spool.close()
    # The authority of the test signs servers and clients alike.
    ours = run(broker.config(cert_file=str(tmp_path / "server.crt"), key_file=str(tmp_path / "server.key")))
    wait_until(lambda: ours.ingest.connected, what="connected with a certificate")


def test_a_broker_that_speaks_only_3_1_1(run: Callable[..., Running]) -> None:
    port = free_port()
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        server = amqtt.broker.Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await server.start()
        ready.set()
        await asyncio.to_thread(done.wait)
        with contextlib.suppress(Exception):
            await server.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        running = run(MqttConfig(host="127.0.0.1", port=port, tls=False))
        wait_until(lambda: running.ingest.connected, what="connected with 3.1.1")
        publisher = Client(CallbackAPIVersion.VERSION2)
        publisher.connect("127.0.0.1", port)
        publisher.loop_start()

        def heard() -> bool:  # connected is not yet subscribed
            publish_all(publisher, [("t/a", senml(-1))])
            return bool(running.readings)

        wait_until(heard, what="a first reading")
        publish_all(publisher, [("t/a", senml(n)) for n in range(20)])
        wait_until(lambda: 19 in running.values(), what="all readings")
        assert [value for value in running.values() if value >= 0] == list(range(20))
        publisher.disconnect()
        publisher.loop_stop()
        running.ingest.stop()
    finally:
        done.set()
        thread.join()
