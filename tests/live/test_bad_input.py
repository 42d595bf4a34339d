"""What is wrong outside costs one clear line or a count, and everything else runs on; and the daemon always ends."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from netmon.collectors.snmp import pdu
from netmon.sim.world import Fault
from tests.conftest import free_port, wait_until
from tests.live.province import Province

pytestmark = pytest.mark.live

ODD, GOOD = "ldld-tinh", "hoi-nong-dan-tinh"


# --- it cannot start: one line, status 1 ------------------------------------------------------------------------------


def refused(province: Province, **env: str) -> str:
    """The one line with which the daemon refuses to start."""
    daemon = province.start_daemon(ready=False, env=env)
    assert daemon.wait() == 1
    assert "Traceback" not in daemon.text
    lines = [line for line in daemon.text.splitlines() if not line.startswith(("INFO ", "netmon: 1 problem"))]
    assert len(lines) == 1, daemon.text
    return lines[0]


def test_port_in_use(few: Callable[..., Province]) -> None:
    province = few(sim=False)
    with socket.create_server(("127.0.0.1", province.web_port)):
        line = refused(province)
    assert f"cannot listen on 127.0.0.1:{province.web_port}" in line
    assert "in use" in line


def test_second_daemon_on_the_same_state(few: Callable[..., Province]) -> None:
    province = few(sim=False)
    first = province.start_daemon(ready=False)
    wait_until(lambda: province.get("/-/healthy").status == 200, what="the first daemon")
    province.write(web={"port": free_port()})
    log = province.folder / "run.log"
    log.rename(province.folder / "first.log")
    line = refused(province)
    assert "another daemon" in line
    assert first.status is None
    assert province.get("/-/healthy").status == 200
    first.end()


def test_missing_secret(few: Callable[..., Province]) -> None:
    province = few(sim=False)
    province.write(mqtt={"username": "netmon", "password": {"env": "NETMON_NO_SUCH_SECRET"}})
    line = refused(province)
    assert line.startswith(f"{province.path}:")
    assert "NETMON_NO_SUCH_SECRET" in line


def test_state_directory_that_cannot_be_written(few: Callable[..., Province]) -> None:
    province = few(sim=False)
    (province.folder / "state").write_text("a file, no folder\n")
    assert "state" in refused(province)


# --- it runs on -------------------------------------------------------------------------------------------------------


def test_unreachable_broker(few: Callable[..., Province]) -> None:
    province = few()
    province.write(mqtt={"port": free_port()})
    province.start_daemon()
    assert province.metric("netmon_mqtt_connected") == 0
    time.sleep(2.0)  # the third try is due by then: the trouble is told once, not each time
    told = [line for line in province.log.splitlines() if "netmon.collectors.mqtt" in line]
    assert len(told) == 1, told
    assert province.get("/api/v1/summary").json["broker_connected"] is False
    assert {sensor["state"] for sensor in province.get("/api/v1/sensors").json} == {"unknown"}
    assert {site["condition"] for site in province.get("/api/v1/sites").json} == {"up"}


class Babbler:
    """An agent that answers every datagram with several kinds of rubbish."""

    def __init__(self, address: str, port: int) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((address, port))
        self._sock.settimeout(0.2)
        self.asked = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                data, peer = self._sock.recvfrom(65535)
            except TimeoutError:
                continue
            self.asked += 1
            for rubbish in self._rubbish(data):
                self._sock.sendto(rubbish, peer)

    def _rubbish(self, data: bytes) -> Iterator[bytes]:
        yield b""
        yield os.urandom(200)
        yield data  # our own request, back
        yield data[: len(data) // 2]
        yield b"\x30\x84\xff\xff\xff\xff" + data[6:]  # a length of 4 GB
        yield b"\x30\x80" * 2000  # deeply nested, without end
        yield bytes(65000)
        asked = pdu.decode_message(data)
        yield pdu.encode_message(asked.version, b"wrong", pdu.RESPONSE, asked.request_id, 0, 0, asked.varbinds)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._sock.close()


@contextmanager
def publisher(port: int) -> Iterator[mqtt.Client]:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="rubbish")
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def test_rubbish_from_an_agent_and_a_sensor(few: Callable[..., Province]) -> None:
    province = few()
    device = province.inventory.devices[f"r-{ODD}"]
    with closing(Babbler(device.address, free_port(socket.SOCK_DGRAM))) as babbler:
        port = babbler._sock.getsockname()[1]
        province.edit_site(ODD, lambda site: site["devices"][0].update(port=port))
        province.start_daemon()
        wait_until(
            lambda: province.metric(f'netmon_snmp_up{{device="r-{ODD}",site="{ODD}"}}') == 0, what="a failed poll"
        )
        assert babbler.asked > 0
        counts = province.metrics()
        assert counts['netmon_snmp_events_total{event="malformed"}'] > 0
        assert sum(v for k, v in counts.items() if k.startswith("netmon_poll_failures_total{")) >= 1
        assert len([line for line in province.log.splitlines() if f"r-{ODD}" in line]) == 1
        # Everything else is as if nothing were.
        assert counts[f'netmon_snmp_up{{device="r-{GOOD}",site="{GOOD}"}}'] == 1
        assert counts[f'netmon_site_up{{site="{ODD}"}}'] == 1

    sensor = next(s for s in province.inventory.sensors.values() if s.site == "ubnd-loc-ninh")
    bad = ("not JSON", "[", "\xff\xfe", "{}", '[{"n": "temperature", "v": "hot"}]', "[" * 5000, '[{"v": 1e999}]')
    undecodable = 'netmon_mqtt_messages_total{result="undecodable"}'
    before = province.metric(undecodable) or 0.0
    with publisher(province.broker_port) as client:
        for payload in bad:
            client.publish(sensor.topic, payload.encode("latin-1"), qos=1).wait_for_publish(10)
    wait_until(lambda: (province.metric(undecodable) or 0.0) >= before + len(bad), what="each of them counted")
    well = 'netmon_mqtt_messages_total{result="ok"}'
    good = province.metric(well) or 0.0
    wait_until(lambda: (province.metric(well) or 0.0) > good, what="good messages after the bad ones")
    assert "Traceback" not in province.log
    assert province.metric("netmon_mqtt_connected") == 1
    assert province.daemon is not None
    assert province.daemon.status is None


# --- it ends ----------------------------------------------------------------------------------------------------------


class DeafGateway:
    """Takes connections and never answers: a message sent there is never done."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.taken: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            while True:
                self.taken.append(self._server.accept()[0])
        except OSError:
            pass

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for sock in self.taken:
            sock.close()


@pytest.fixture
def stuck(few: Callable[..., Province]) -> Iterator[Callable[[str], Province]]:
    """Provinces whose gateway for messages and whose history database never answer, and with this drain time."""
    gateway, database = DeafGateway(), DeafGateway()

    def make(drain: str) -> Province:
        channel = {"kind": "http", "form": "sms", "url": f"http://127.0.0.1:{gateway.port}/"}
        history = {"url": f"http://127.0.0.1:{database.port}"}
        province = few(drain=drain, notify={"channels": {"email": channel, "sms": channel}}, influx=history)
        province.start_daemon()
        province.happen(Fault("node", "node-loc-ninh", 0.0, 3600.0))
        wait_until(lambda: gateway.taken and database.taken, 40, "a message on its way, and readings")
        return province

    yield make
    gateway.close()
    database.close()


def test_sigterm_does_not_wait_longer_than_the_drain_time(stuck: Callable[[str], Province]) -> None:
    province = stuck("2s")
    assert province.daemon is not None
    began = time.monotonic()
    province.daemon.send(signal.SIGTERM)
    # The gateway would be waited for 15 s, the database for 10 s; a stop has systemd's patience, and not much more than
    # the drain time for all of it.
    assert province.daemon.wait(7) == 0
    print(f"ended after {time.monotonic() - began:.1f} s")
    # What could not be sent is still to be sent.
    assert province.rows("SELECT count(*) FROM intent WHERE state = 'pending'")[0][0] > 0


def test_second_sigterm_forces(stuck: Callable[[str], Province]) -> None:
    province = stuck("1h")
    assert province.daemon is not None
    province.daemon.send(signal.SIGTERM)
    wait_until(lambda: "stopping drain_s=3600" in province.log, what="the beginning of the stop")
    province.daemon.send(signal.SIGTERM)
    assert province.daemon.wait(5) == 1
    assert "second signal" in province.log
