"""Walks of real devices, replayed by an agent that is not ours, polled by ours, and compared with the file."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netmon.clock import Clock
from netmon.collectors.snmp.engine import Engine, Target, Walk
from netmon.collectors.snmp.modules import NUMBER_TYPES, parse_oid
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import load_profiles
from netmon.collectors.snmp.survey import survey
from netmon.config import SnmpConfig
from netmon.errors import CollectError
from netmon.model import Credential, Device, PollResult, Secret
from netmon.survey.facts import DeviceFacts
from tests.captures import EXPECTED, IF, IFX, File, poll_figures
from tests.conftest import SHARED, shared
from tests.live.snmpsim import snmpsim
from tests.unit.test_survey_decode import capture as decoded

pytestmark = pytest.mark.live

CAPTURES = sorted((SHARED / "captures").glob("*.snmprec")) or [Path("absent.snmprec")]
CONFIG = SnmpConfig(timeout_s=5.0, retries=3, budget_s=60.0)


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
            sent = [value * (metric.scale or 1) + metric.offset for value in file.numbers(oid).values()]
            assert shown == pytest.approx(sorted(sent)), metric.name
            compared += len(shown)
    assert compared > 5


@pytest.mark.parametrize("name", EXPECTED)
def test_figures_equal_the_file(port: int, name: str) -> None:
    expected = EXPECTED[name](File(shared("captures", f"{name}.snmprec")))
    (result,) = asyncio.run(_poll(port, name, polls=1))
    found = poll_figures(result)
    assert found.keys() == expected.keys()
    for figure, rows in expected.items():
        assert found[figure] == pytest.approx(rows), figure


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_a_survey_equals_the_file(port: int, capture: Path) -> None:
    """Names, neighbours, addresses and BGP peers, through the engine, as they stand in the walk."""

    async def ask() -> DeviceFacts:
        engine = Engine(CONFIG, Clock())
        await engine.start()
        try:
            device = Device(capture.stem, "router", "127.0.0.1", port, "c", site="s1")
            credential = Credential("c", community=Secret(capture.stem))
            return (await survey(engine, [device], {"c": credential}))[capture.stem]
        finally:
            await engine.close()

    assert asyncio.run(ask()) == decoded(capture)
