"""Walks of real devices, replayed by an agent that is not ours, polled by ours, and compared with the file."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netmon.clock import Clock
from netmon.collectors.snmp.engine import Engine, Target, Walk
from netmon.collectors.snmp.modules import NUMBER_TYPES, Oid, parse_oid
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import load_profiles
from netmon.config import SnmpConfig
from netmon.errors import CollectError
from netmon.model import Credential, Device, PollResult, Secret
from tests.conftest import SHARED, shared
from tests.fake_agent import read_snmprec
from tests.live.snmpsim import snmpsim

pytestmark = pytest.mark.live

CAPTURES = sorted((SHARED / "captures").glob("*.snmprec")) or [Path("absent.snmprec")]
CONFIG = SnmpConfig(timeout_s=5.0, retries=3, budget_s=60.0)
IF, IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
HW, CISCO, UPS = "1.3.6.1.4.1.2011.5.25.31.1.1", "1.3.6.1.4.1.9.9", "1.3.6.1.2.1.33.1"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    shared("captures")
    with snmpsim(CAPTURES) as number:
        asyncio.run(_ready(number))
        yield number


async def _ready(port: int) -> None:
    engine = Engine(SnmpConfig(timeout_s=0.5, retries=0), Clock())
    await engine.start()
    try:
        for _ in range(120):
            try:
                await engine.get(_target(CAPTURES[0].stem, port), [parse_oid("1.3.6.1.2.1.1.2.0")])
                return
            except CollectError:
                await asyncio.sleep(0.1)
        pytest.fail("snmpsim does not answer")
    finally:
        await engine.close()


def _target(community: str, port: int) -> Target:
    return Target("127.0.0.1", port, Credential("c", community=Secret(community)), community)


class File:
    """One capture, read without any of our own code but the line format."""

    def __init__(self, path: Path) -> None:
        self.objects = read_snmprec(path)

    def column(self, oid: str) -> dict[Oid, VarBind]:
        root = parse_oid(oid)
        size = len(root)
        return {k[size:]: v for k, v in self.objects.items() if k[:size] == root and v.value is not None}

    def numbers(self, oid: str) -> dict[Oid, int]:
        return {index: v.value for index, v in self.column(oid).items() if isinstance(v.value, int)}

    def text(self, oid: str, index: Oid) -> str:
        found = self.column(oid).get(index)
        return found.value.decode().strip("\0 \r\n") if found and isinstance(found.value, bytes) else ""

    def port(self, index: Oid) -> str:
        return self.text(f"{IFX}.1", index) or self.text(f"{IF}.2", index) or f"ifIndex {index[0]}"


async def _walk(port: int, community: str) -> Walk:
    engine = Engine(CONFIG, Clock())
    await engine.start()
    try:
        return await engine.walk(_target(community, port), (1,))
    finally:
        await engine.close()


async def _poll(port: int, community: str, polls: int = 2) -> list[PollResult]:
    engine = Engine(CONFIG, Clock())
    await engine.start()
    try:
        poller = Poller(engine, load_profiles(), CONFIG, Clock())
        kind = "ups" if "ups" in community else "router"
        device = Device(community, kind, "127.0.0.1", port, "c", site="s1")
        credential = Credential("c", community=Secret(community))
        found = [await poller.poll(device, credential) for _ in range(polls)]
        assert poller.stats["duplicate_series"] == 0
        return found
    finally:
        await engine.close()


def _same(a: float, b: float) -> bool:
    return a == pytest.approx(b)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_walk_gives_the_whole_file(port: int, path: Path) -> None:
    walk = asyncio.run(_walk(port, path.stem))
    assert walk.reason == ""
    got = {varbind.oid: varbind for varbind in walk}
    assert len(got) == len(walk)
    assert got == File(path).objects


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_polls_equal_the_file(port: int, path: Path) -> None:
    file = File(path)
    first, second = asyncio.run(_poll(port, path.stem))
    for result in (first, second):
        assert (result.ok, result.reason, result.failed) == (True, "", {})
        _check_ports(file, result)
        _check_text(file, result)
    assert second.varbinds < first.varbinds
    assert {(f.name, f.labels) for f in second.figures} == {(f.name, f.labels) for f in first.figures}


def _check_ports(file: File, result: PollResult) -> None:
    oper = file.numbers(f"{IF}.8")
    assert {port.if_index for port in result.ports.values()} == {index[0] for index in oper}
    columns = {name: file.numbers(oid) for name, oid in PORT_COLUMNS.items()}
    for index, state in oper.items():
        port = result.ports[file.port(index)]
        assert port.if_index == index[0]
        assert port.oper_up is (None if state == 4 else state == 1)
        wide = columns["hc_in"].get(index), columns["hc_out"].get(index)
        narrow = columns["in"].get(index), columns["out"].get(index)
        if None not in wide:
            assert (port.in_octets, port.out_octets, port.octets_bits) == (*wide, 64)
        elif narrow != (None, None):
            assert (port.in_octets, port.out_octets, port.octets_bits) == (*narrow, 32)
        for name in ("in_errors", "out_errors", "in_discards", "out_discards"):
            assert getattr(port, name) == columns[name].get(index)
        assert port.alias == file.text(f"{IFX}.18", index)
        if high := columns["high_speed"].get(index):
            assert port.speed_bps == high * 1e6


PORT_COLUMNS = {
    "hc_in": f"{IFX}.6",
    "hc_out": f"{IFX}.10",
    "in": f"{IF}.10",
    "out": f"{IF}.16",
    "in_errors": f"{IF}.14",
    "out_errors": f"{IF}.20",
    "in_discards": f"{IF}.13",
    "out_discards": f"{IF}.19",
    "high_speed": f"{IFX}.15",
}
_LINE = re.compile(r"[^ {]+\{.*\} (\S+) (\d+)\Z")


def _check_text(file: File, result: PollResult) -> None:
    """Every number that is exposed stands in the file's column, and every number of the column is exposed."""
    profiles = load_profiles().choose(parse_oid(result.sys_object_id or "0"), ("auto",), "ups")
    compared = 0
    for profile in profiles:
        for metric in profile.metrics.values():
            if metric.type not in NUMBER_TYPES or metric.name in profile.hide or metric.name in profile.fallback:
                continue
            oid = ".".join(map(str, metric.oid))
            lines = [_LINE.match(line) for line in result.chunks.get(metric.name, b"").decode().splitlines()]
            assert all(lines), metric.name
            shown = sorted(float(line[1]) for line in lines if line)
            assert shown == sorted(map(float, file.numbers(oid).values())), metric.name
            compared += len(shown)
    assert compared > 5


def _figures(result: PollResult, name: str, label: str = "") -> dict[str, float]:
    return {dict(f.labels).get(label, ""): f.value for f in result.figures if f.name == name}


Expected = Callable[[File], dict[tuple[str, str], dict[str, float]]]
CPU, MEMORY, RX = (
    ("netmon_device_cpu_ratio", ""),
    ("netmon_device_memory_ratio", ""),
    ("netmon_optical_rx_dbm", "ifName"),
)
HEAT, PEER = ("netmon_device_temperature_celsius", "sensor"), ("netmon_neighbor_up", "peer")


def _huawei(file: File) -> dict[tuple[str, str], dict[str, float]]:
    import math

    optics = {}
    for index, value in file.numbers(f"{HW}.3.1.8").items():
        if value not in (0, -1):
            name = file.text("1.3.6.1.2.1.47.1.1.1.1.7", index)
            optics[name] = value / 100 if value < 0 else 10 * math.log10(value) - 30
    bgp = file.numbers("1.3.6.1.2.1.15.3.1.2")
    return {
        CPU: {"": max(file.numbers(f"{HW}.1.1.5").values()) / 100},
        MEMORY: {"": max(file.numbers(f"{HW}.1.1.7").values()) / 100},
        RX: optics,
        HEAT: {
            file.text("1.3.6.1.2.1.47.1.1.1.1.7", index): value
            for index, value in file.numbers(f"{HW}.1.1.11").items()
            if value
        },
        PEER: {".".join(map(str, index)): float(state == 6) for index, state in bgp.items()},
    }


def _cisco_heat(file: File) -> dict[str, float]:
    kinds, scales = file.numbers(f"{CISCO}.91.1.1.1.1.1"), file.numbers(f"{CISCO}.91.1.1.1.1.2")
    places, names = file.numbers(f"{CISCO}.91.1.1.1.1.3"), "1.3.6.1.2.1.47.1.1.1.1.7"
    found: dict[str, float] = {}
    for index, value in file.numbers(f"{CISCO}.91.1.1.1.1.4").items():
        if kinds[index] == 8 and value != -32768:
            found.setdefault(file.text(names, index), value * 1000.0 ** (scales[index] - 9) / 10 ** places[index])
    return found


def _c1100(file: File) -> dict[tuple[str, str], dict[str, float]]:
    used = file.numbers(f"{CISCO}.221.1.1.1.1.18")[7000, 1]
    free = file.numbers(f"{CISCO}.221.1.1.1.1.20")[7000, 1]
    light = file.numbers(f"{CISCO}.91.1.1.1.1.4")[1098,]
    return {
        CPU: {"": file.numbers(f"{CISCO}.109.1.1.1.1.8")[7,] / 100},
        MEMORY: {"": used / (used + free)},
        RX: {file.port((1,)): light / 10},
        HEAT: _cisco_heat(file),
    }


def _xr(file: File) -> dict[tuple[str, str], dict[str, float]]:
    used, free = file.numbers(f"{CISCO}.221.1.1.1.1.18"), file.numbers(f"{CISCO}.221.1.1.1.1.20")
    pools = [index for index in used if file.text(f"{CISCO}.221.1.1.1.1.3", index) == "processor"]
    peers = {index[2:]: state for index, state in file.numbers(f"{CISCO}.187.1.2.5.1.3").items()}
    return {
        CPU: {"": max(file.numbers(f"{CISCO}.109.1.1.1.1.8").values()) / 100},
        MEMORY: {"": max(used[index] / (used[index] + free[index]) for index in pools)},
        HEAT: _cisco_heat(file),
        PEER: {".".join(map(str, index)): float(state == 6) for index, state in peers.items()},
    }


def _host(file: File) -> dict[tuple[str, str], dict[str, float]]:
    loads = list(file.numbers("1.3.6.1.2.1.25.3.3.1.2").values())
    found = {CPU: {"": sum(loads) / len(loads) / 100}}
    if (memory := (65536,)) in (size := file.numbers("1.3.6.1.2.1.25.2.3.1.5")):
        found[MEMORY] = {"": file.numbers("1.3.6.1.2.1.25.2.3.1.6")[memory] / size[memory]}
    return found


def _mikrotik7(file: File) -> dict[tuple[str, str], dict[str, float]]:
    return _host(file) | {HEAT: {"temperature": file.numbers("1.3.6.1.4.1.14988.1.1.3.100.1.3")[14,]}, RX: {}}


def _mikrotik6(file: File) -> dict[tuple[str, str], dict[str, float]]:
    return _host(file) | {HEAT: {"board": file.numbers("1.3.6.1.4.1.14988.1.1.3.10")[0,] / 10}, RX: {}}


def _ups(file: File) -> dict[tuple[str, str], dict[str, float]]:
    minutes = file.numbers(f"{UPS}.2.3")[0,]
    volts = file.numbers(f"{UPS}.3.3.1.3")
    return {
        ("netmon_ups_on_battery", ""): {"": float(file.numbers(f"{UPS}.4.1")[0,] == 5)},
        ("netmon_ups_charge_ratio", ""): {"": file.numbers(f"{UPS}.2.4")[0,] / 100},
        ("netmon_ups_runtime_seconds", ""): {} if minutes == 4294967295 else {"": minutes * 60},
        ("netmon_ups_input_volts", "phase"): {str(i[0]): v / 10 if v > 600 else v for i, v in volts.items()},
        HEAT: {"battery": file.numbers(f"{UPS}.2.7")[0,]},
    }


EXPECTED: dict[str, Expected] = {
    "vrp_ar169sfp": _huawei,
    "vrp_5720": _huawei,
    "vrp_ne8000-m8": _huawei,
    "iosxe_c1100tgx": _c1100,
    "iosxr_asr9001": _xr,
    "routeros_rb750gr3": _mikrotik7,
    "routeros_rb760igs": _mikrotik6,
    "draytek_vigor2962": _host,
    "huaweiups_ups2000": _ups,
    "generex-ups_cs141": _ups,
    "deltaups_rfc1628string": _ups,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_figures_equal_the_file(port: int, name: str) -> None:
    path = shared("captures", f"{name}.snmprec")
    (result,) = asyncio.run(_poll(port, name, polls=1))
    for (figure, label), expected in EXPECTED[name](File(path)).items():
        found = _figures(result, figure, label)
        assert found.keys() == expected.keys(), figure
        assert all(_same(found[key], expected[key]) for key in expected), (figure, found, expected)
