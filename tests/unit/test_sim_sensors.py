"""What the simulated sensors publish, read back by the real decoders, for every sensor of the sample inventory."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from netmon import inventory as inventory_files
from netmon.collectors.mqtt.intake import take
from netmon.collectors.mqtt.plan import compile_plan, routes_of
from netmon.model import Inventory, Reading, Sensor, SensorType
from netmon.sensors import step
from netmon.sim.sensors import HOT_RISE_C, HOT_TIME_S, PERIOD_S, Publisher, pause_after
from netmon.sim.world import Fault, World
from netmon.state import SensorView
from tests.conftest import ROOT
from tests.unit.world import province

SAMPLE = inventory_files.load(ROOT / "inventory" / "netmon.yml").inventory


class Sensors:
    """A publisher, and the intake that reads what it says."""

    def __init__(self, facts: Inventory, *faults: Fault) -> None:
        self.world = World(facts, faults)
        self.routes = routes_of(facts)
        self.plan, problems = compile_plan(self.routes, facts)
        assert not problems
        self.publisher = Publisher(self.world, "127.0.0.1", 1)

    def read(self, t: float) -> dict[str, Reading]:
        """One round at ``t``: every topic that is heard, decoded."""
        self.world.step(t)
        found: dict[str, Reading] = {}
        for topic, sensors in self.routes.items():
            if not self.publisher.heard(sensors[0]):
                continue
            payload = self.publisher.payload(sensors)
            taken = take(self.plan.uses[topic], payload, time.time(), retained=False, skew_limit_s=5.0)
            assert not taken.reason, (topic, payload, taken.detail)
            assert sorted(r.sensor for r in taken.readings) == sorted(s.id for s in sensors), topic
            found |= {reading.sensor: reading for reading in taken.readings}
        return found


def test_every_sensor_of_the_sample_is_understood_and_normal() -> None:
    sensors = Sensors(SAMPLE)
    changed: dict[str, set[float]] = {}
    for t in range(0, 301, 20):
        found = sensors.read(float(t))
        assert set(found) == set(SAMPLE.sensors)
        for name, reading in found.items():
            sensor, kind = SAMPLE.sensors[name], SAMPLE.sensor_types[SAMPLE.sensors[name].type]
            calm = replace(kind, hold_s=0.0)  # no limit is touched even for a moment
            view = step(SensorView(name), sensor, calm, reading.received_at, reading, "up", True)
            assert view.state == "ok", (name, reading.value)
            assert reading.skew_s == 0.0, "its clock is right"
            changed.setdefault(name, set()).add(reading.value)
    still = {"mains": {1.0}, "door": {0.0}}
    for name, values in changed.items():
        quantity = SAMPLE.sensor_types[SAMPLE.sensors[name].type].quantity
        assert values == still[quantity] if quantity in still else len(values) > 3, name


def test_sensors_behind_a_lost_line_are_not_heard() -> None:
    behind = next(s for s in SAMPLE.sensors.values() if s.via == "line" and s.site)
    faults = [Fault("fibre", line.id, 10, 10) for line in SAMPLE.lines.values() if line.site == behind.site]
    sensors = Sensors(SAMPLE, *faults)
    assert set(SAMPLE.sensors) - set(sensors.read(15)) == {
        s.id for s in SAMPLE.sensors.values() if s.via == "line" and s.site == behind.site
    }
    assert set(sensors.read(20)) == set(SAMPLE.sensors)


@pytest.mark.parametrize(
    ("via", "at", "fault", "heard"),
    [
        ("line", {"site": "two"}, Fault("fibre", "two-1", 0, 9), True),  # the site has another line
        ("line:two-1", {"site": "two"}, Fault("fibre", "two-1", 0, 9), False),
        ("line:two-1", {}, Fault("fibre", "two-1", 0, 9), False),
        ("line:two-2", {"site": "two"}, Fault("fibre", "two-1", 0, 9), True),
        ("line", {"node": "b"}, Fault("node", "b", 0, 9), False),
        ("line", {"node": "b"}, Fault("node", "a", 0, 9), True),
        ("line", {"site": "b1"}, Fault("power", "house-b", 0, 9), False),
        ("cellular", {"site": "b1"}, Fault("power", "house-b", 0, 9), True),
        ("gateway:gw", {"site": "b1"}, Fault("fibre", "b1", 0, 9), True),
        ("line", {}, Fault("fibre", "b1", 0, 9), True),
    ],
)
def test_a_message_needs_its_way(via: str, at: dict[str, str], fault: Fault, heard: bool) -> None:
    sensor = Sensor("s", "temperature", "t", "senml", via=via, **at)
    sensors = Sensors(replace(province(), sensors={"s": sensor}), fault)
    sensors.world.step(1.0)
    assert sensors.publisher.heard(sensor) is heard


def test_a_mains_sensor_tells_of_a_power_cut() -> None:
    """It stands beside the router and has a way of its own: so it is proof."""
    sensors = Sensors(province(), Fault("power", "house-a7", 10, 10))
    assert [sensors.read(float(t))["mains-a7"].value for t in (5, 12, 25)] == [1.0, 0.0, 1.0]
    assert "heat-a7" not in sensors.read(25), "the router has not booted yet"


def test_a_gateway_takes_its_sensors_with_it() -> None:
    behind = {s.id for s in SAMPLE.sensors.values() if s.via == "gateway:gw-giao-thong"}
    sensors = Sensors(SAMPLE, Fault("gateway", "gw-giao-thong", 10, 10))
    assert len(behind) == 12
    assert set(SAMPLE.sensors) - set(sensors.read(15)) == behind
    roof = SAMPLE.gateways["gw-do-thi"].site
    lines = [Fault("fibre", line.id, 30, 10) for line in SAMPLE.lines.values() if line.site == roof]
    sensors.world.add(lines)
    silent = set(SAMPLE.sensors) - set(sensors.read(35))
    assert silent >= {s.id for s in SAMPLE.sensors.values() if s.via == "gateway:gw-do-thi"}
    assert set(sensors.read(41)) == set(SAMPLE.sensors)


def test_a_gateway_with_a_last_will_says_so_once() -> None:
    sensors = Sensors(SAMPLE, Fault("gateway", "gw-do-thi", 10, 10))
    said = []
    for t in (5, 8, 15, 18, 21):
        sensors.world.step(float(t))
        for topic, word in sensors.publisher.words():
            taken = take(sensors.plan.uses[topic], word, time.time(), retained=False, skew_limit_s=5.0)
            said += [(t, one.gateway, one.gone) for one in taken.words]
    assert said == [(5, "gw-do-thi", False), (15, "gw-do-thi", True), (21, "gw-do-thi", False)]


def test_a_meter_without_a_battery_dies_with_the_mains_and_outlives_the_line() -> None:
    meter = next(s for s in SAMPLE.sensors.values() if s.supply == "mains" and s.site)
    lines = [Fault("fibre", line.id, 10, 10) for line in SAMPLE.lines.values() if line.site == meter.site]
    sensors = Sensors(SAMPLE, *lines, Fault("power", meter.site, 30, 10))
    assert meter.id in sensors.read(15)
    assert meter.id not in sensors.read(35)


def test_sick_sensors() -> None:
    facts = province()
    sick, well = Sensors(facts), Sensors(facts)
    sick.world.add(Fault(kind, "heat-a7", at, 50) for kind, at in (("stuck", 100), ("drift", 200), ("silent", 300)))

    def values(t: float) -> tuple[float | None, float]:
        found = sick.read(t).get("heat-a7")
        return (None if found is None else found.value), well.read(t)["heat-a7"].value

    assert len({values(t)[0] for t in (100, 110, 140)}) == 1
    assert len({values(t)[1] for t in (100, 110, 140)}) == 3
    assert values(150)[0] == values(150)[1]
    assert values(200)[0] == values(200)[1]
    drifted, true = values(230)
    assert drifted is not None
    assert drifted > true + 1
    assert values(320)[0] is None


@pytest.mark.parametrize("order", ["heat first", "humidity first"])
def test_a_room_gets_hot_and_cools_down_beside_a_humidity_sensor(order: str) -> None:
    types = {
        "temperature": SensorType("temperature", "temperature", "Cel"),
        "humidity": SensorType("humidity", "humidity", "%RH"),
    }
    both = [Sensor(t, t, "room", "senml", site="a7", field=t) for t in types]
    if order == "humidity first":
        both.reverse()
    facts = replace(province(), sensors={s.id: s for s in both}, sensor_types=types)
    calm, hot = Sensors(facts), Sensors(facts, Fault("hot", "a7", 10, 100))

    def rise(t: float) -> float:
        after, before = hot.read(t), calm.read(t)
        assert after["humidity"].value == before["humidity"].value
        return after["temperature"].value - before["temperature"].value

    assert rise(5) == 0.0
    assert rise(10) == 0.0
    assert rise(10 + HOT_TIME_S / 2) == pytest.approx(HOT_RISE_C / 2, abs=0.02)
    assert rise(10 + HOT_TIME_S) == pytest.approx(HOT_RISE_C, abs=0.02)
    assert rise(100) == pytest.approx(HOT_RISE_C, abs=0.02)
    assert rise(110) == 0.0
    hot.world.add([Fault("hot", "a7", 200, 100)])
    assert rise(200) == 0.0, "it warms up anew"


@pytest.mark.parametrize("total", [1, 3, 9, 10, 11, 57, 100])
def test_a_round_takes_one_period_whatever_there_is(total: int) -> None:
    pauses = [pause_after(index, total) for index in range(total)]
    assert sum(pauses) == pytest.approx(PERIOD_S)
    assert max(sum(1 for _ in group) for group in _bursts(pauses)) <= 10


def _bursts(pauses: list[float]) -> list[list[float]]:
    """Messages that go out without a pause between them."""
    groups: list[list[float]] = [[]]
    for pause in pauses:
        groups[-1].append(pause)
        if pause:
            groups.append([])
    return groups
