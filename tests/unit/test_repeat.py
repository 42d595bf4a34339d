"""Polls that are repeated by place must bring exactly what polls of the general way bring, whatever the agent does."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable

import pytest

from netmon.clock import Clock
from netmon.collectors.snmp.engine import Columns, Target
from netmon.collectors.snmp.modules import Oid, parse_oid
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import load_profiles
from netmon.config import SnmpConfig
from netmon.exposition import join_chunks
from netmon.model import Credential, Device, PollResult
from tests.captures import EXPECTED
from tests.conftest import shared
from tests.fake_agent import FakeAgent, read_snmprec

PROFILES = load_profiles()
IF, IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
UPTIME, OBJECT_ID, NAME = "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.2.0", "1.3.6.1.2.1.1.5.0"
INT, TEXT, OID, C32, GAUGE, TICKS, C64 = 2, 4, 6, 65, 66, 67, 70
COUNTING = {C32: 2**32, GAUGE: 2**32, C64: 2**64}


class PlainAgent(FakeAgent):
    """One whose polls are never recorded, so that each goes the general way."""

    async def get(self, target: Target, oids: list[Oid], **options: object) -> list[VarBind]:  # type: ignore[override]
        return await super().get(target, oids)

    async def columns(self, target: Target, columns: list[Oid], **options: object) -> Columns:  # type: ignore[override]
        options.pop("recorder", None)
        return await super().columns(target, columns, **options)  # type: ignore[arg-type]


class Twins:
    """Two pollers and two agents with the same objects: one pair repeats, the other never does."""

    def __init__(self, objects: dict[Oid, VarBind] | None = None, *, compact: bool = False) -> None:
        self.mono = 1000.0
        self.clock = Clock(lambda: self.mono, lambda: self.mono + 1_700_000_000)
        self.agent, self.plain = FakeAgent(objects), PlainAgent(objects)
        self.plain.objects = self.agent.objects  # one world
        config = SnmpConfig(slow_interval_s=600, compact=compact)
        self.poller, self.other = (Poller(a, PROFILES, config, self.clock) for a in (self.agent, self.plain))
        self.device = Device("r%1", "router", "127.0.0.1", 161, "c", site='s"1')

    def system(self, object_id: str = "1.3.6.1.4.1.9999.1", ticks: int = 1_000_000) -> None:
        self.agent.set(OBJECT_ID, OID, parse_oid(object_id))
        self.agent.set(UPTIME, TICKS, ticks)
        self.agent.set(NAME, TEXT, "router-1")

    def port(self, index: int, name: str, octets: int = 100, alias: str = "") -> None:
        for column, tag, value in [("2", TEXT, f"Ethernet {name}"), ("7", INT, 1), ("8", INT, 1), ("14", C32, 0)]:
            self.agent.set(f"{IF}.{column}.{index}", tag, value)
        self.agent.set(f"{IF}.5.{index}", GAUGE, 100_000_000)
        for column in ("10", "16"):
            self.agent.set(f"{IF}.{column}.{index}", C32, octets % 2**32)
        for column, tag, value in [("1", TEXT, name), ("15", GAUGE, 1000), ("18", TEXT, alias), ("19", TICKS, 0)]:
            self.agent.set(f"{IFX}.{column}.{index}", tag, value)
        for column in ("6", "10"):
            self.agent.set(f"{IFX}.{column}.{index}", C64, octets)

    def poll(self, after_s: float = 30.0, *, uptime: bool = True) -> PollResult:
        """One poll of both; they must not differ in anything but their cost."""
        self.mono += after_s
        before = self.agent.objects.get(parse_oid(UPTIME))
        if uptime and before is not None and isinstance(before.value, int):
            self.agent.set(UPTIME, TICKS, (before.value + round(after_s * 100)) % 2**32)
        self.agent.asked.clear()
        found, plain = (asyncio.run(p.poll(self.device, Credential("c"))) for p in (self.poller, self.other))
        assert shown(found) == shown(plain)
        return found

    @property
    def repeated(self) -> int:
        return self.poller.stats["repeated"]

    def settle(self) -> None:
        """Poll until it repeats."""
        for _ in range(4):
            self.poll()
        assert self.repeated
        assert not self.other.stats["repeated"]


def shown(result: PollResult) -> dict[str, object]:
    """Everything that a poll tells, but for what it cost."""
    return {
        "ok": (result.ok, result.reason, dict(result.failed)),
        "chunks": dict(result.chunks),
        "families": {family: result.families[family] for family in result.chunks},
        "page": join_chunks([result]),
        "figures": result.figures,
        "ports": dict(result.ports),
        "system": (result.sys_uptime_s, result.sys_name, result.sys_object_id),
    }


@pytest.fixture
def twins() -> Twins:
    found = Twins()
    found.system()
    found.port(1, "ge0", 2**40, alias="to 50 % of the core")
    found.port(2, "ge1", 500)
    return found


def stir(objects: dict[Oid, VarBind], seed: int) -> None:
    """Other counts and states, as time brings them; widths change, signs and names do not."""
    rng = random.Random(seed)
    for oid, varbind in objects.items():
        if varbind.tag in COUNTING and rng.random() < 0.7:
            top = COUNTING[varbind.tag].bit_length() - 1
            objects[oid] = varbind._replace(value=rng.getrandbits(rng.randint(1, top)))
        elif varbind.tag == INT and isinstance(varbind.value, int) and rng.random() < 0.1:
            objects[oid] = varbind._replace(value=rng.choice((varbind.value, 1, 2, 3, -1, 200, 70000)))


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_devices_repeated_polls_equal_the_general_ones(name: str, compact: bool) -> None:
    twins = Twins(read_snmprec(shared("captures", f"{name}.snmprec")), compact=compact)
    for seed in range(5):
        twins.poll()
        stir(twins.agent.objects, seed)
    assert twins.repeated == 3
    for _ in range(3):
        twins.poll(700)  # full polls are repeated, too: once they have been recorded
        twins.poll()
    assert twins.poller.stats["full"] == 4


def change_alias(twins: Twins) -> None:
    twins.agent.set(f"{IFX}.18.1", TEXT, "to another place")


def test_slow_facts_are_news_at_the_next_full_poll_and_not_before(twins: Twins) -> None:
    twins.settle()
    for _ in range(3):
        twins.poll(700)
        twins.poll()
    change_alias(twins)
    assert twins.poll().ports["ge0"].alias == "to 50 % of the core"
    assert twins.poll(700).ports["ge0"].alias == "to another place"
    assert twins.poll().ports["ge0"].alias == "to another place"


def restart(twins: Twins) -> None:
    twins.agent.set(UPTIME, TICKS, 500)


def reset_counters(twins: Twins) -> None:
    twins.agent.set(f"{IFX}.19.2", TICKS, 777)
    twins.agent.set(f"{IFX}.1.2", TEXT, "ge7")


def drop_port(twins: Twins) -> None:
    for column in range(1, 20):
        twins.agent.drop(f"{IF}.{column}.2")
        twins.agent.drop(f"{IFX}.{column}.2")


def swap_port(twins: Twins) -> None:
    drop_port(twins)
    twins.port(9, "ge9")


def drop_tables(twins: Twins) -> None:
    twins.agent.drop(IF)
    twins.agent.drop(IFX)


def replace(twins: Twins) -> None:
    twins.system("1.3.6.1.4.1.2011.2.224.279", 90)


def silence(twins: Twins) -> None:
    twins.agent.silent = twins.plain.silent = "timeout"


def fail_column(twins: Twins) -> None:
    twins.agent.fail_columns = twins.plain.fail_columns = {parse_oid(f"{IFX}.6"): "timeout"}


CHANGES: dict[str, Callable[[Twins], None]] = {
    "a port more": lambda twins: twins.port(3, "ge2", 5),
    "a port more, in front": lambda twins: twins.port(0, "ge2", 5),
    "a port less": drop_port,
    "no ports": drop_tables,
    "another port": swap_port,
    "one cell less": lambda twins: twins.agent.drop(f"{IFX}.6.2"),
    "another type": lambda twins: twins.agent.set(f"{IF}.14.1", GAUGE, 3),
    "text for a number": lambda twins: twins.agent.set(f"{IF}.14.1", TEXT, "12"),
    "a negative state": lambda twins: twins.agent.set(f"{IF}.8.1", INT, -3),
    "restarted": restart,
    "restarted as another device": replace,
    "counters reset and renamed": reset_counters,
    "uptime gone": lambda twins: twins.agent.drop(UPTIME),
    "uptime 0": lambda twins: twins.agent.set(UPTIME, TICKS, 0),
    "two of one name": lambda twins: twins.port(3, "ge1"),
    "nothing left": lambda twins: twins.agent.objects.clear(),
    "silent": silence,
    "a column fails": fail_column,
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_shown_as_the_general_way_shows_it(twins: Twins, change: str) -> None:
    twins.settle()
    CHANGES[change](twins)
    twins.poll(uptime=False)
    for agent in (twins.agent, twins.plain):
        agent.silent, agent.fail_columns = "", {}
    for after_s in (30, 30, 30, 30, 700, 30, 30, 700, 30):
        twins.poll(after_s)
    before = twins.repeated
    twins.poll()
    assert twins.repeated > before, "it found no way to repeat afterwards"


def test_what_came_before_something_changed_is_not_asked_for_again(twins: Twins) -> None:
    twins.settle()
    twins.port(3, "ge2")
    twins.poll()
    fast = parse_oid(f"{IFX}.6")
    assert twins.agent.asked.count(fast) == 1


def test_devices_of_one_shape_share_it_and_others_do_not(twins: Twins) -> None:
    other = Device("r2", "router", "127.0.0.2", 161, "c", site="s2")

    def poll(device: Device) -> None:
        twins.mono += 30
        asyncio.run(twins.poller.poll(device, Credential("c")))

    for _ in range(4):
        poll(twins.device)
        poll(other)
    facts = twins.poller._facts
    ways = [facts[name].routine.usual for name in ("r%1", "r2")]  # type: ignore[union-attr]
    assert ways[0].shape is ways[1].shape and ways[0].repeat is not ways[1].repeat
    twins.port(3, "ge2")
    for _ in range(3):
        poll(other)
    third = facts["r2"].routine
    assert third is not None and third.usual.shape is not ways[0].shape
    assert len(twins.poller._shapes) == 2


def test_a_device_that_leaves_takes_its_shape_along(twins: Twins) -> None:
    twins.settle()
    assert len(twins.poller._shapes) == len(twins.poller._courses) == 1
    twins.poller.forget(twins.device.id)
    gc.collect()
    assert len(twins.poller._shapes) == len(twins.poller._courses) == 0
