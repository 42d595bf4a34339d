"""Line protocol: tags, times that make one point of two writes, and what of the network is written when."""

from __future__ import annotations

import pytest

from netmon.influx_lines import (
    LINES_MOST,
    Network,
    condition_line,
    figure_lines,
    reading_line,
    sample_line,
    snapshot_lines,
)
from netmon.model import (
    Condition,
    Figure,
    Inventory,
    Line,
    LineSample,
    PollResult,
    Probe,
    Reading,
    Sensor,
    SensorType,
    Subject,
    SubjectKind,
    Verdict,
    labels,
)

INVENTORY = Inventory(
    lines={"x-1": Line("x-1", "x", "core", Probe("none", ""))},
    sensor_types={"t": SensorType("t", "temperature", "Cel")},
    sensors={"a": Sensor("a", "t", "topic", "senml", site="x")},
)


@pytest.mark.parametrize(
    ("reading", "number", "line"),
    [
        (Reading("b", 1.0, 10.25), 1, "sensor,sensor=b value=1.0 10250000001"),
        (Reading("b", 1.0, 10.25, at=9.5), 2, "sensor,sensor=b value=1.0 9500000002"),
        (Reading("b", 1.5, 10.0, 10.0, skew_s=-900.0), 0, "sensor,sensor=b value=1.5,skew_s=-900.0 10000000000"),
        (Reading("b", 99.0, 10.0, mark="bad"), 0, "sensor,sensor=b bad=99.0 10000000000"),
        (Reading("a b,c=d", -2.0, 1.0), 1000, r"sensor,sensor=a\ b\,c\=d value=-2.0 1000000000"),
        (Reading("b\\", 0.0, 1.0), 0, "sensor,sensor=b value=0.0 1000000000"),
        (Reading("a", 1.0, 1.0), 1, "sensor,quantity=temperature,sensor=a,site=x,unit=Cel value=1.0 1000000001"),
    ],
)
def test_readings(reading: Reading, number: int, line: str) -> None:
    assert reading_line(reading, number, INVENTORY) == line


def verdict(kind: SubjectKind, name: str, condition: Condition, since: float = 5.5) -> Verdict:
    return Verdict(Subject(kind, name), condition, since)


def test_samples_conditions_and_figures() -> None:
    sample = LineSample("x-1", 300, 0.25, None, 0.012, 0.0)
    assert (
        sample_line(sample, INVENTORY) == "line,line=x-1,site=x in_ratio=0.25,rtt_s=0.012,loss_ratio=0.0 300000000000"
    )
    assert sample_line(LineSample("gone", 300, 1.0), INVENTORY) == "line,line=gone in_ratio=1.0 300000000000"
    assert condition_line(verdict("line", "x-1", "down"), INVENTORY, 5.5) == (
        "condition,line=x-1,site=x code=2 5500000000"
    )
    assert condition_line(verdict("site", "x", "up"), INVENTORY, 5.5) == "condition,site=x code=0 5500000000"
    assert condition_line(verdict("node", "core", "unknown"), INVENTORY, 5.5) == "condition,node=core code=4 5500000000"
    place = {"device": "r", "site": "x"}
    figures = (
        Figure("netmon_device_cpu_ratio", labels(**place), 0.5),
        Figure("netmon_device_memory_ratio", labels(**place), 0.25),
        Figure("netmon_optical_rx_dbm", labels(**place, ifName="GE 0/1"), -20.5),
        Figure("netmon_interface_info", labels(**place, ifName="GE 0/1", ifAlias="to x"), 1.0),
        Figure("netmon_device_temperature_celsius", labels(**place, sensor="s"), float("nan")),
    )
    poll = PollResult("r", 7.25, 1.0, ok=True, figures=figures)
    assert list(figure_lines(poll)) == [
        "device,device=r,site=x cpu_ratio=0.5,memory_ratio=0.25 7250000000",
        r"device,device=r,ifName=GE\ 0/1,site=x optical_rx_dbm=-20.5 7250000000",
    ]
    silent = PollResult("q", 7.0, 1.0, ok=False, reason="timeout")
    old = PollResult("o", 7.0, 1.0, ok=True, figures=(Figure("netmon_device_cpu_ratio", labels(device="o"), 0.1),))
    made = snapshot_lines([verdict("site", "x", "down")], [poll, silent, old], INVENTORY, 307.1)
    assert made[0] == "condition,site=x code=2 300000000000"
    assert len(made) == 3, "one condition, and two lines of the device that answered lately"


def test_a_change_is_written_once_at_the_time_it_truly_began() -> None:
    network = Network()
    up, down = verdict("site", "x", "up", 0.0), verdict("site", "x", "down", 95.5)
    for now, found in ((100.0, up), (101.0, up), (102.0, down), (103.0, verdict("site", "x", "down", 95.5))):
        network.look({found.subject: found}, INVENTORY, now)
    assert network.lines == ["condition,site=x code=0 100000000000", "condition,site=x code=2 95500000000"]


def test_a_snapshot_is_due_once_in_five_minutes() -> None:
    network = Network()
    times = (1000.0, 1010.0, 1199.0, 1200.0, 1201.0, 2000.0, 500.0, 510.0, 600.0)
    assert [network.due(now) for now in times] == [True, False, False, True, False, True, True, False, True]


def test_what_waits_for_a_disk_is_bounded() -> None:
    network = Network()
    for number in range(LINES_MOST + 10):
        found = verdict("site", "x", "down" if number % 2 else "up", float(number + 1))
        network.look({found.subject: found}, INVENTORY, 0.0)
    assert len(network.lines) == LINES_MOST
    assert network.dropped == 10
    assert network.lines[-1].endswith(f" {LINES_MOST + 10}000000000")
