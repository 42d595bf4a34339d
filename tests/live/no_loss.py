"""20,000 messages through a real broker while everything around netmon is killed, restarted or stopped: what is left?

Used by a live test and by the bench. The broker has the settings we ship, the daemon is the real one, the database is a
real VictoriaMetrics. Beside the daemon runs the control: the common pattern of a consumer (clean session, automatic
acknowledgement), killed and started at the same moments.

A message is told by its sensor and its value, which is its number. Every twentieth repeats an earlier message byte for
byte: a true equal reading, of which both must be there. VictoriaMetrics keeps milliseconds, so messages of one sensor
must not come in the same one: consecutive ones stand SENSORS apart, equal ones EQUAL_APART. A row that is written twice
(a kill between the write and its note) has the same time and value both times, and is one point.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.conftest import ROOT, free_port, wait_until
from tests.live.broker import PASSWORD, USER, Broker
from tests.live.sensor_daemon import SensorDaemon, sensor_ids, topic

SENSORS = 100
EQUAL_EVERY, EQUAL_APART = 20, 1000
WINDOW = 200  # messages the publisher has unacknowledged at most
PATIENCE_S = 180.0

Key = tuple[str, int]  # sensor, number
Spawn = Callable[..., subprocess.Popen[bytes]]


@dataclass
class Outcome:
    """What came of it; ``cut`` counts kills that hit while messages were on their way."""

    sent: int = 0
    lost: int = 0
    duplicated: int = 0
    control_lost: int = 0
    kills: int = 0
    cut: int = 0
    redelivered: int = 0  # removed by netmon, as far as its counter could be read before the next kill
    sent_twice: int = 0  # by the publisher, whose acknowledgement a broker's restart had swallowed
    written_twice: int = 0  # rows that the database got again after a kill
    outage_s: float = 0.0
    broker_restarts: int = 0
    examples: list[str] = field(default_factory=list)


def number_of(message: int) -> int:
    """What message number ``message`` says."""
    equal = message % EQUAL_EVERY == EQUAL_EVERY - 1 and message >= EQUAL_APART
    return message - EQUAL_APART if equal else message


def sensor_of(message: int) -> str:
    return f"s{message % SENSORS:05d}"


def payload_of(message: int) -> bytes:
    return json.dumps([{"n": "temperature", "u": "Cel", "v": number_of(message)}]).encode()


class Publisher:
    """Publishes with QoS 1 and keeps every message until its PUBACK has come, over restarts of the broker."""

    def __init__(self, broker: Broker) -> None:
        self.sent_twice: Counter[Key] = Counter()
        self._waiting: dict[int, int] = {}  # packet id -> message
        self._early: set[int] = set()  # acknowledged before `publish` could note them
        self._changed = threading.Condition()
        self._client = Client(
            CallbackAPIVersion.VERSION2, "publisher", clean_session=False, protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.tls_set(str(broker.folder / "ca.crt"))
        self._client.username_pw_set(USER, PASSWORD)
        self._client.reconnect_delay_set(1, 1)
        self._client.max_inflight_messages_set(WINDOW)
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        wait_until(self._client.is_connected, what="publisher connected")

    def publish(self, messages: Iterable[int]) -> None:
        for message in messages:
            with self._changed:
                if not self._changed.wait_for(lambda: len(self._waiting) < WINDOW, PATIENCE_S):
                    raise TimeoutError("the broker does not acknowledge")
            # Without our lock: paho holds one of its own while it calls us back.
            info = self._client.publish(topic(sensor_of(message)), payload_of(message), qos=1)
            with self._changed:
                if info.mid in self._early:
                    self._early.remove(info.mid)
                else:
                    self._waiting[info.mid] = message

    def finish(self) -> None:
        """Until the broker has acknowledged everything."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._waiting, PATIENCE_S):
                raise TimeoutError(f"{len(self._waiting)} messages were never acknowledged")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_publish(self, client: Client, userdata: object, mid: int, *more: object) -> None:
        with self._changed:
            if self._waiting.pop(mid, None) is None:
                self._early.add(mid)
            self._changed.notify_all()

    def _on_disconnect(self, *told: object) -> None:
        """The client sends anew what was not acknowledged; the broker may have it already, and cannot know."""
        with self._changed:
            self.sent_twice.update((sensor_of(m), number_of(m)) for m in self._waiting.values())


class Control:
    """The common pattern, in a process of its own: what it gets is in a file at once, and acknowledged by itself."""

    def __init__(self, broker: Broker, folder: Path, spawn: Spawn) -> None:
        self._broker, self._spawn = broker, spawn
        self._got = folder / "control.txt"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._child = self._spawn(
            sys.executable, "-m", "tests.live.control_child", str(self._broker.port), str(self._broker.folder),
            str(self._got), name="control", cwd=ROOT,
        )  # fmt: skip

    def kill(self) -> None:
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def got(self) -> Counter[Key]:
        found: Counter[Key] = Counter()
        for line in self._got.read_text().splitlines():
            sensor, _, number = line.partition(" ")
            if number.isdigit():  # the last line before a kill may be cut
                found[sensor, int(number)] += 1
        return found


class Database:
    """A real VictoriaMetrics that can be stopped and started on its files."""

    def __init__(self, folder: Path, spawn: Spawn) -> None:
        self._folder, self._spawn = folder, spawn
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self._child = self._spawn(
            "victoria-metrics", f"-httpListenAddr=127.0.0.1:{self.port}", f"-storageDataPath={self._folder}/vm",
            "-retentionPeriod=1d", "-loggerLevel=ERROR", "-search.latencyOffset=0s",
        )  # fmt: skip
        wait_until(lambda: self._get("/health"), what="VictoriaMetrics answers")

    def stop(self) -> None:
        self._child.send_signal(signal.SIGTERM)
        self._child.wait(30)

    def points(self) -> Counter[tuple[str, float, int]]:
        """(sensor, value, time in ms) of everything stored, and how often."""
        return self.field("sensor_value")

    def field(self, name: str) -> Counter[tuple[str, float, int]]:
        """The same of another field than the value."""
        self._get("/internal/force_flush")
        found: Counter[tuple[str, float, int]] = Counter()
        for line in self._get("/api/v1/export?" + urllib.parse.urlencode({"match[]": name})).splitlines():
            series = json.loads(line)
            pairs = zip(series["values"], series["timestamps"], strict=True)
            found.update((series["metric"]["sensor"], value, at) for value, at in pairs)
        return found

    def _get(self, path: str) -> bytes:
        with contextlib.closing(urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30)) as answer:
            body: bytes = answer.read()
            return body


class Trial:
    """One run. ``outage_s``: how long the database is away, over kills and a broker's restart."""

    def __init__(
        self, folder: Path, spawn: Spawn, *, messages: int = 20_000, kills: int = 10, outage_s: float = 60.0
    ) -> None:
        self._messages, self._kills, self._outage_s = messages, kills, outage_s
        self.outcome = Outcome(sent=messages)
        self._broker = Broker(folder, spawn)
        self._database = Database(folder, spawn)
        self._daemon = SensorDaemon(
            folder / "netmon", self._broker, sensor_ids(SENSORS), influx_url=f"http://127.0.0.1:{self._database.port}"
        )
        self._control = Control(self._broker, folder, spawn)
        self._stopped_mono = 0.0

    def run(self) -> Outcome:
        self._daemon.start()
        self._control.start()
        publisher = Publisher(self._broker)
        try:
            self._go_through_it(publisher)
            publisher.finish()
        finally:
            publisher.close()
        self._judge(publisher)
        self._daemon.end()
        return self.outcome

    def close(self) -> None:
        self._daemon.end()

    def _go_through_it(self, publisher: Publisher) -> None:
        share = self._messages // self._kills
        restarts = (self._kills // 3, self._kills * 2 // 3)
        for number in range(self._kills):
            first = number * share
            last = self._messages if number == self._kills - 1 else first + share
            if number == 1:
                self._database.stop()
                self._stopped_mono = time.monotonic()
            half = first + (last - first) // 2
            stored = self._daemon.stored()
            stream = threading.Thread(target=publisher.publish, args=(range(first, half),), daemon=True)
            stream.start()
            if number in restarts:
                self._restart_broker(stored)
            wait_until(lambda at=stored: self._daemon.stored() > at, PATIENCE_S, "something stored")  # type: ignore[misc]
            self.outcome.redelivered += int(self._counted("duplicate"))
            self._daemon.kill()
            self._control.kill()
            self.outcome.kills += 1
            stream.join(PATIENCE_S)
            self.outcome.cut += self._daemon.stored() < half
            publisher.publish(range(half, last))  # while nobody listens
            self._database_back(self._outage_s)
            self._control.start()
            self._daemon.start()
        self._database_back(0.0)

    def _restart_broker(self, stored: int) -> None:
        wait_until(lambda: self._daemon.stored() > stored, PATIENCE_S, "something stored before the broker ends")
        self._broker.stop()
        self._broker.start()
        self.outcome.broker_restarts += 1

    def _database_back(self, after_s: float) -> None:
        """Start the database again if it has been away for long enough; with 0 wait until it has."""
        if not self._stopped_mono:
            return
        away_s = time.monotonic() - self._stopped_mono
        if after_s and away_s < after_s:
            return
        time.sleep(max(0.0, self._outage_s - away_s))
        self.outcome.outage_s = time.monotonic() - self._stopped_mono
        self._stopped_mono = 0.0
        self._database.start()

    def _counted(self, result: str) -> float:
        return self._daemon.metric(f'netmon_mqtt_messages_total{{result="{result}"}}') or 0.0

    def _judge(self, publisher: Publisher) -> None:
        outcome = self.outcome
        expected: Counter[Key] = Counter((sensor_of(m), number_of(m)) for m in range(self._messages))

        def points() -> Counter[tuple[str, float, int]]:
            return self._database.points()

        def there() -> bool:
            return not expected - _keys(points()) and self._daemon.metric('netmon_queue_depth{queue="spool"}') == 0

        with contextlib.suppress(pytest.fail.Exception):  # counted below: a loss is a result, not an accident
            wait_until(there, PATIENCE_S, "everything in the database")
        outcome.redelivered += int(self._counted("duplicate"))
        found = points()
        got = _keys(found)
        outcome.written_twice = found.total() - len(found)
        outcome.sent_twice = publisher.sent_twice.total()
        lost, more = expected - got, got - expected - publisher.sent_twice
        outcome.lost, outcome.duplicated = lost.total(), more.total()
        outcome.control_lost = (expected - self._control.got()).total()
        outcome.examples = [f"lost {key}" for key in list(lost)[:5]] + [f"twice {key}" for key in list(more)[:5]]
        self._control.kill()


def _keys(points: Counter[tuple[str, float, int]]) -> Counter[Key]:
    """How many points each message has; a point that was written twice is one."""
    return Counter((sensor, int(value)) for sensor, value, _ in points)
