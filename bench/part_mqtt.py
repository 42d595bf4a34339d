"""Messages per CPU-second and per second, QoS 1: the real daemon against a paho loop that only counts, in turn.

A consumer is stopped (SIGSTOP) while the broker takes the messages of a round, and then goes on: nothing but the broker
and the consumer runs while it works, and the publisher's pace is not what is measured.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson

from bench.children import BenchError, cpu_of, end, wait_for
from bench.report import ROOT, Options, rounded, say, spread
from netmon.clock import Clock
from netmon.history.spool import Batch, Spool
from netmon.model import Reading
from tests.live.broker import Broker, publish_all
from tests.live.no_loss import Trial
from tests.live.sensor_daemon import SensorDaemon, sensor_ids, topic

MESSAGES = 50_000
ROUNDS = 5
NOWHERE = "http://127.0.0.1:9"  # no database answers: every reading stays in the spool
SENSORS = 1000
SENSOR_COUNTS = (100, 1000, 10_000)
DEPTHS = (0, 100_000, 1_000_000)
SETTLE_S = 2.0
AFTER_S = 0.5
IDLE_S = 20.0
TOLD_S = 12.0  # the daemon measures its own queues every ten seconds

Spawn = Callable[..., subprocess.Popen[bytes]]


@contextmanager
def spawner(folder: Path) -> Iterator[Spawn]:
    """Starts children that end with the block, like the fixture of the tests."""
    children: list[subprocess.Popen[bytes]] = []

    def spawn(*argv: str, name: str = "", **more: Any) -> subprocess.Popen[bytes]:
        log = (folder / f"{name or Path(argv[0]).name}-{len(children)}.log").open("wb")
        children.append(subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, **more))
        return children[-1]

    try:
        yield spawn
    finally:
        for child in reversed(children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                end(child)


class Bed:
    """A broker with the settings we ship, without TLS, and a publisher."""

    def __init__(self, stack: ExitStack, seed: int) -> None:
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netmon-bench-")))
        self.spawn = stack.enter_context(spawner(self.folder))
        self.broker = Broker(self.folder, self.spawn, tls=False)
        self.publisher = self.broker.publisher()
        stack.callback(self.publisher.loop_stop)
        stack.callback(self.publisher.disconnect)
        self._random = random.Random(seed)

    def daemon(self, stack: ExitStack, name: str, sensors: int, depth: int = 0) -> SensorDaemon:
        """A real daemon, connected, with so many rows waiting in its spool."""
        daemon = SensorDaemon(
            self.folder / name, self.broker, sensor_ids(sensors), influx_url=NOWHERE, prefix=f"{name}/",
            mqtt={"client_id": name},
        )  # fmt: skip
        if depth:
            fill(daemon.spool, depth)
        stack.callback(daemon.end)
        daemon.start()
        time.sleep(SETTLE_S)
        return daemon

    def publish(self, count: int, sensors: int, prefix: str) -> None:
        ids = sensor_ids(sensors)
        now = int(time.time())
        publish_all(
            self.publisher,
            ((prefix + topic(ids[n % sensors]), self._payload(now)) for n in range(count)),
        )

    def _payload(self, now: int) -> bytes:
        value = round(20 + 15 * self._random.random(), 2)
        return orjson.dumps([{"bn": "urn:dev:mac:0024befffe804ff1:", "bt": now, "n": "temp", "u": "Cel", "v": value}])


def fill(path: Path, rows: int) -> None:
    """A spool in which so many readings wait."""
    spool = Spool(path, 10**10)
    now = Clock().now()
    for first in range(0, rows, 10_000):
        spool.append(Batch([Reading(f"s{n % 100:05d}", 20.0, now, now) for n in range(first, first + 10_000)]))
    spool.close()


def drain(bed: Bed, daemon: SensorDaemon, count: int, sensors: int) -> tuple[float, float]:
    """CPU-seconds and seconds in which the daemon takes ``count`` messages that wait at the broker."""
    before = daemon.stored()
    daemon.send(signal.SIGSTOP)
    cpu_s = daemon.cpu_s()
    bed.publish(count, sensors, daemon.prefix)
    time.sleep(0.5)
    began = time.monotonic()
    daemon.send(signal.SIGCONT)
    wait_for(lambda: daemon.stored() >= before + count, 120, f"{count} messages stored")
    took_s = time.monotonic() - began
    time.sleep(AFTER_S)  # the event loop takes the last of them into the state
    if daemon.stored() != before + count:
        raise BenchError(f"{daemon.stored() - before} rows stored of {count} messages")
    return daemon.cpu_s() - cpu_s, took_s


def idle_load(daemons: Sequence[SensorDaemon]) -> dict[str, float]:
    """By topic prefix: CPU-seconds per second while no message comes (silences, the database that is away)."""
    before = [(daemon, daemon.cpu_s()) for daemon in daemons]
    time.sleep(IDLE_S)
    return {daemon.prefix: (daemon.cpu_s() - cpu_s) / IDLE_S for daemon, cpu_s in before}


def bare(bed: Bed, count: int, version: str) -> tuple[float, float]:
    """The same for a paho loop that counts and acknowledges by itself."""
    child = subprocess.Popen(
        (sys.executable, "-m", "bench.bare_paho", str(bed.broker.port), str(count), version),
        cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        if child.stdout.readline() != b"ready\n":
            raise BenchError("the bare paho loop could not subscribe")
        child.send_signal(signal.SIGSTOP)
        cpu_s = cpu_of(child.pid)
        bed.publish(count, SENSORS, "bare/")
        time.sleep(0.5)
        began = time.monotonic()
        child.send_signal(signal.SIGCONT)
        if child.stdout.readline() != b"done\n":
            raise BenchError("the bare paho loop ended early")
        took_s = time.monotonic() - began
        return cpu_of(child.pid) - cpu_s, took_s
    finally:
        child.kill()
        end(child)
        child.stdout.close()


def rate(options: Options) -> dict[str, Any]:
    """netmon beside paho with MQTT 3.1.1 (its default, the cheaper) and 5, round by round."""
    count = MESSAGES // 10 if options.quick else MESSAGES
    rounds = 2 if options.quick else ROUNDS
    found: dict[str, list[float]] = {"netmon": [], "bare_paho": [], "bare_paho_v5": []}
    sustained: list[float] = []
    with ExitStack() as stack:
        bed = Bed(stack, options.seed)
        daemon = bed.daemon(stack, "rate", SENSORS)
        drain(bed, daemon, 5000, SENSORS)  # everybody's start-up
        for number in range(rounds):
            for name, version in (("bare_paho", "3.1.1"), ("bare_paho_v5", "5")):
                found[name].append(count / bare(bed, count, version)[0])
            cpu_s, took_s = drain(bed, daemon, count, SENSORS)
            found["netmon"].append(count / cpu_s)
            sustained.append(count / took_s)
            say(f"mqtt: round {number + 1}/{rounds} " + " ".join(f"{k}={v[-1]:,.0f}" for k, v in found.items()))
    spreads = {name: spread(values) for name, values in found.items()}
    return {
        "netmon_msgs_per_cpu_s": rounded(spreads["netmon"].median),
        "bare_paho_msgs_per_cpu_s": rounded(spreads["bare_paho"].median),
        "bare_paho_v5_msgs_per_cpu_s": rounded(spreads["bare_paho_v5"].median),
        "sustained_msgs_per_s": rounded(spread(sustained).median),
        "rate": {
            "messages": count,
            "sensors": SENSORS,
            "spread": {name: one.as_json() for name, one in spreads.items()},
            "sustained": spread(sustained).as_json(),
        },
    }


def growth(options: Options) -> dict[str, Any]:
    """CPU per message over the number of sensors and over the depth of the spool, interleaved.

    What a daemon does while no message comes is taken off: it is no cost of a message.
    """
    count = MESSAGES // 10 if options.quick else MESSAGES // 5
    rounds = 1 if options.quick else ROUNDS
    depths = DEPTHS[:2] if options.quick else DEPTHS
    with ExitStack() as stack:
        bed = Bed(stack, options.seed)
        daemons = {
            ("sensors", n): (bed.daemon(stack, f"sensors{n}", n), n) for n in SENSOR_COUNTS
        } | {("depth", n): (bed.daemon(stack, f"depth{n}", SENSORS, n), SENSORS) for n in depths}  # fmt: skip
        costs: dict[tuple[str, int], list[float]] = {key: [] for key in daemons}
        idle = idle_load([daemon for daemon, _ in daemons.values()])
        for number in range(rounds + 1):
            for key, (daemon, sensors) in daemons.items():
                cpu_s, took_s = drain(bed, daemon, count, sensors)
                cpu_s -= (took_s + AFTER_S) * idle[daemon.prefix]
                if number:  # the first is everybody's start-up
                    costs[key].append(cpu_s / count * 1e6)
            say(f"mqtt: growth round {number}/{rounds}")
    medians = {key: spread(values) for key, values in costs.items()}
    return {
        "cpu_us_per_msg": {
            kind: {str(n): medians[key].as_json() for key in medians for n in (key[1],) if key[0] == kind}
            for kind in ("sensors", "depth")
        }
    }


def memory(options: Options) -> dict[str, Any]:
    """What 10,000 sensors add to the idle daemon, each heard several times, and the page scraped."""
    sensors = SENSOR_COUNTS[-1]
    rss: dict[int, int] = {}
    with ExitStack() as stack:
        bed = Bed(stack, options.seed)
        for count in (1, sensors):
            daemon = bed.daemon(stack, f"memory{count}", count)
            drain(bed, daemon, 3 * sensors, count)
            time.sleep(TOLD_S)
            rss[count] = daemon.rss_bytes()
            daemon.get("/metrics/self")
            say(f"mqtt: {count} sensors {rss[count] / 1e6:.0f} MB, {daemon.rss_bytes() / 1e6:.0f} MB after a scrape")
            daemon.end()
    return {"rss_bytes_10000_sensors": rss[sensors] - rss[1], "rss_bytes_idle": rss[1]}


def loss(options: Options) -> dict[str, Any]:
    """20,000 messages through kills, restarts and an outage of the database of a minute."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netmon-bench-")))
        spawn = stack.enter_context(spawner(folder))
        trial = Trial(folder, spawn, messages=2000 if options.quick else 20_000, outage_s=5 if options.quick else 60)
        stack.callback(trial.close)
        outcome = trial.run()
    return {
        "lost": outcome.lost,
        "duplicated": outcome.duplicated,
        "control_lost": outcome.control_lost,
        "loss": {
            "messages": outcome.sent, "kills": outcome.kills, "kills_in_mid_stream": outcome.cut,
            "broker_restarts": outcome.broker_restarts, "database_away_s": rounded(outcome.outage_s),
            "redeliveries_removed": outcome.redelivered,
        },
    }  # fmt: skip
