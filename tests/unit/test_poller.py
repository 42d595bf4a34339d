"""Polls of a scripted agent: what is asked when, what survives a failure, and who a port is."""

from __future__ import annotations

import asyncio

import pytest

from netmon.clock import Clock
from netmon.collectors.snmp.modules import parse_oid
from netmon.collectors.snmp.poll_text import duration, format_poll, speed
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import load_profiles
from netmon.config import SnmpConfig
from netmon.model import Credential, Device, PollResult
from tests.fake_agent import FakeAgent

PROFILES = load_profiles()
IF = "1.3.6.1.2.1.2.2.1"
IFX = "1.3.6.1.2.1.31.1.1.1"
OPER = f"{IF}.8"
INT, TEXT, OID, C32, GAUGE, TICKS, C64 = 2, 4, 6, 65, 66, 67, 70


class Lab:
    """One device, its agent, and a clock that the test moves."""

    def __init__(self, device: Device | None = None) -> None:
        self.mono = 1000.0
        self.agent = FakeAgent()
        self.device = device or Device("r1", "router", "127.0.0.1", 161, "c", site="s1")
        clock = Clock(lambda: self.mono, lambda: self.mono + 1_700_000_000)
        self.poller = Poller(self.agent, PROFILES, SnmpConfig(slow_interval_s=600), clock)
        self.system("1.3.6.1.4.1.9999.1")

    def system(self, object_id: str, ticks: int = 1_000_000) -> None:
        self.agent.set("1.3.6.1.2.1.1.2.0", OID, parse_oid(object_id))
        self.agent.set("1.3.6.1.2.1.1.3.0", TICKS, ticks)
        self.agent.set("1.3.6.1.2.1.1.5.0", TEXT, "router-1")

    def port(self, index: int, name: str, octets: int = 100, alias: str = "", wide: bool = True) -> None:
        for column, tag, value in [("2", TEXT, f"Ethernet {name}"), ("7", INT, 1), ("8", INT, 1), ("14", C32, 0)]:
            self.agent.set(f"{IF}.{column}.{index}", tag, value)
        self.agent.set(f"{IF}.5.{index}", GAUGE, 100_000_000)
        for column in ("10", "16"):
            self.agent.set(f"{IF}.{column}.{index}", C32, octets % 2**32)
        if wide:
            self.agent.set(f"{IFX}.1.{index}", TEXT, name)
            self.agent.set(f"{IFX}.15.{index}", GAUGE, 1000)
            self.agent.set(f"{IFX}.18.{index}", TEXT, alias)
            for column in ("6", "10"):
                self.agent.set(f"{IFX}.{column}.{index}", C64, octets)

    def poll(self, after_s: float = 30.0, *, ticks: int | None = None, full: bool = False) -> PollResult:
        self.mono += after_s
        system = parse_oid("1.3.6.1.2.1.1.3.0")
        if ticks is not None:
            self.agent.set("1.3.6.1.2.1.1.3.0", TICKS, ticks)
        elif system in self.agent.objects:
            before = self.agent.objects[system].value
            assert isinstance(before, int)
            self.agent.set("1.3.6.1.2.1.1.3.0", TICKS, before + round(after_s * 100))
        self.agent.asked.clear()
        return asyncio.run(self.poller.poll(self.device, Credential("c"), full=full))

    def asked(self, oid: str) -> bool:
        return parse_oid(oid) in self.agent.asked


@pytest.fixture
def lab() -> Lab:
    found = Lab()
    found.port(1, "ge0", 2**40, alias="to core")
    found.port(2, "ge1", 500)
    return found


def figures(result: PollResult, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    base = ("device", "site", "node")
    return {tuple(pair for pair in f.labels if pair[0] not in base): f.value for f in result.figures if f.name == name}


def test_a_poll_brings_ports_figures_and_text(lab: Lab) -> None:
    result = lab.poll()
    assert (result.ok, result.reason, result.failed) == (True, "", {})
    assert (result.sys_name, result.sys_object_id) == ("router-1", "1.3.6.1.4.1.9999.1")
    assert result.sys_uptime_s == 10030.0
    port = result.ports["ge0"]
    assert (port.if_index, port.alias, port.oper_up, port.admin_up) == (1, "to core", True, True)
    assert (port.in_octets, port.octets_bits, port.speed_bps) == (2**40, 64, 1e9)
    assert figures(result, "netmon_snmp_up") == {(): 1.0}
    assert figures(result, "netmon_interface_info") == {(("ifAlias", "to core"), ("ifName", "ge0")): 1.0}
    stamp = str(int(port.at * 1000)).encode()
    assert result.chunks["ifHCInOctets"].splitlines() == [
        b'ifHCInOctets{device="r1",site="s1",ifName="ge0"} 1099511627776 ' + stamp,
        b'ifHCInOctets{device="r1",site="s1",ifName="ge1"} 500 ' + stamp,
    ]
    assert result.families["ifHCInOctets"].endswith(b"# TYPE ifHCInOctets counter\n")
    assert result.families.keys() == result.chunks.keys()
    assert result.varbinds > 10 and result.requests >= 2


def test_a_nodes_device_carries_its_node() -> None:
    lab = Lab(Device("agg1", "router", "h", 161, "c", node="n1"))
    lab.port(1, "ge0")
    result = lab.poll()
    assert dict(result.figures[0].labels) == {"device": "agg1", "node": "n1"}
    assert b'{device="agg1",node="n1",ifName="ge0"}' in result.chunks["ifHCInOctets"]


def test_names_are_in_no_counters_labels(lab: Lab) -> None:
    text = b"".join(lab.poll().chunks.values())
    assert b"to core" not in text
    assert b"ifIndex=" not in text
    assert b"ifAlias=" not in text


def test_slow_facts_are_read_rarely(lab: Lab) -> None:
    first = lab.poll()
    assert lab.asked(f"{IFX}.1") and lab.asked(f"{IFX}.6")
    second = lab.poll()
    assert lab.asked(f"{IFX}.6") and lab.asked(OPER)
    assert not lab.asked(f"{IFX}.1") and not lab.asked(f"{IFX}.15") and not lab.asked("1.3.6.1.2.1.1.2.0")
    assert second.varbinds < first.varbinds
    assert second.ports["ge0"].alias == "to core"
    assert second.chunks.keys() == first.chunks.keys()
    lab.agent.set(f"{IFX}.18.1", TEXT, "to edge")
    assert lab.poll().ports["ge0"].alias == "to core"
    assert lab.poll(900).ports["ge0"].alias == "to edge"
    lab.agent.set(f"{IFX}.18.1", TEXT, "back")
    assert lab.poll(full=True).ports["ge0"].alias == "back"


def test_what_the_device_does_not_have_is_not_asked_for_again(lab: Lab) -> None:
    lab.poll()
    assert lab.asked("1.3.6.1.2.1.25.3.3.1.2")
    lab.poll()
    assert not lab.asked("1.3.6.1.2.1.25.3.3.1.2")
    assert not lab.asked(f"{IF}.10")  # every port has its 64-bit counters
    lab.agent.set("1.3.6.1.2.1.25.3.3.1.2.1", INT, 40)
    assert figures(lab.poll(900), "netmon_device_cpu_ratio") == {(): 0.4}


def test_a_restart_brings_new_names_at_once(lab: Lab) -> None:
    lab.poll()
    lab.agent.drop(IF)
    lab.agent.drop(IFX)
    lab.port(1, "ge1", 5)
    lab.port(2, "ge0", 7)
    result = lab.poll(ticks=1500)
    assert (result.ports["ge0"].if_index, result.ports["ge0"].in_octets) == (2, 7)
    assert b'ifName="ge0"} 7 ' in result.chunks["ifHCInOctets"]
    assert figures(result, "netmon_device_rebooted") == {(): 1.0}
    assert lab.poller.stats["reboots"] == 1
    assert figures(lab.poll(300), "netmon_device_rebooted") == {(): 1.0}
    assert figures(lab.poll(301), "netmon_device_rebooted") == {(): 0.0}


def test_a_new_port_brings_new_names_in_the_same_poll(lab: Lab) -> None:
    lab.poll()
    lab.port(3, "ge2", 9, alias="new")
    result = lab.poll()
    assert result.ports["ge2"].alias == "new"
    assert b'ifName="ge2"} 9 ' in result.chunks["ifHCInOctets"]
    assert not lab.asked("1.3.6.1.2.1.1.2.0")  # no full poll for it
    lab.agent.drop(f"{IFX}.6.3")
    assert "ge2" in lab.poll().ports
    lab.poll()
    assert not lab.asked(f"{IFX}.1")  # and it calms down


def test_a_port_that_went_away_is_gone(lab: Lab) -> None:
    lab.poll()
    for table in (IF, IFX):
        for column in range(1, 23):
            lab.agent.drop(f"{table}.{column}.2")
    assert set(lab.poll().ports) == {"ge0"}


def test_another_port_under_the_same_ifindex_gets_its_name_in_the_same_poll(lab: Lab) -> None:
    lab.agent.set(f"{IFX}.19.2", TICKS, 0)
    before = lab.poll()
    lab.poll()
    assert not lab.asked(f"{IFX}.1")
    lab.port(2, "tun7", 90_000)  # ge1 was removed and its index given to a tunnel; its counters began anew
    lab.agent.set(f"{IFX}.19.2", TICKS, 1_005_000)
    after = lab.poll()
    assert set(after.ports) == {"ge0", "tun7"}
    assert b'ifName="tun7"} 90000 ' in after.chunks["ifHCInOctets"]
    assert before.ports.keys() - after.ports.keys() == {"ge1"}
    lab.poll()
    assert not lab.asked(f"{IFX}.1")  # and it calms down


def test_a_renamed_port_begins_anew_under_its_new_name(lab: Lab) -> None:
    lab.poll()
    lab.agent.set(f"{IFX}.1.2", TEXT, "wan")
    assert set(lab.poll().ports) == {"ge0", "ge1"}  # names are slow facts
    result = lab.poll(900)
    assert set(result.ports) == {"ge0", "wan"}
    assert b'ifName="wan"} 500 ' in result.chunks["ifHCInOctets"] and b"ge1" not in result.chunks["ifHCInOctets"]


def test_reset_times_are_read_at_every_poll(lab: Lab) -> None:
    lab.agent.set(f"{IFX}.19.1", TICKS, 0)
    lab.poll()
    lab.agent.set(f"{IFX}.19.1", TICKS, 1_004_000)
    assert lab.poll().ports["ge0"].discontinuity_s == 10_040.0


def test_ports_that_share_a_name_are_told_apart_and_counted(lab: Lab) -> None:
    lab.port(3, "ge1", 9)
    result = lab.poll()
    assert set(result.ports) == {"ge0", "ge1#2", "ge1#3"}
    assert b'ifName="ge1#3"} 9 ' in result.chunks["ifHCInOctets"]
    assert lab.poller.stats["duplicate_port_names"] == 2


def test_without_ifxtable_names_and_counters_are_the_old_ones() -> None:
    lab = Lab()
    lab.port(1, "0", 4000, wide=False)
    for _ in range(2):
        result = lab.poll()
        port = result.ports["Ethernet 0"]
        assert (port.in_octets, port.octets_bits, port.speed_bps) == (4000, 32, 100e6)
        assert b'ifInOctets{device="r1",site="s1",ifName="Ethernet 0"} 4000 ' in result.chunks["ifInOctets"]
        assert "ifHCInOctets" not in result.chunks


def test_64_bits_per_port(lab: Lab) -> None:
    lab.port(3, "old", 77, wide=False)
    for _ in range(2):
        result = lab.poll()
        assert result.ports["Ethernet old"].octets_bits == 32
        assert result.ports["ge0"].octets_bits == 64
        assert result.chunks["ifInOctets"].count(b"\n") == 1  # only where nothing better is


def test_a_failed_column_loses_only_itself(lab: Lab) -> None:
    lab.poll()
    lab.agent.fail_columns = {parse_oid(f"{IF}.14"): "timeout"}
    result = lab.poll()
    assert result.ok
    assert result.failed == {"ifInErrors": "timeout"}
    assert result.ports["ge0"].in_errors is None
    assert result.ports["ge0"].in_octets == 2**40
    assert "ifInErrors" not in result.chunks and "ifHCInOctets" in result.chunks
    lab.agent.fail_columns = {}
    assert lab.poll().ports["ge0"].in_errors == 0


def test_names_that_could_not_be_read_again_are_kept_and_soon_tried_again(lab: Lab) -> None:
    lab.poll()
    lab.agent.fail_columns = {parse_oid(f"{IFX}.1"): "timeout"}
    assert set(lab.poll(900).ports) == {"ge0", "ge1"}
    lab.agent.fail_columns = {}
    lab.poll(90)
    assert lab.asked(f"{IFX}.1")


def test_silence_is_a_result_and_not_an_error(lab: Lab) -> None:
    lab.poll()
    lab.agent.silent = "timeout"
    result = lab.poll()
    assert (result.ok, result.reason, result.chunks, result.ports) == (False, "timeout", {}, {})
    assert [(f.name, f.value) for f in result.figures] == [("netmon_snmp_up", 0.0)]
    lab.agent.silent = ""
    assert lab.poll().ok
    assert not lab.asked(f"{IFX}.1")  # it was not restarted, so its names are still known


def test_an_agent_that_has_nothing_at_all() -> None:
    lab = Lab()
    lab.agent.objects.clear()
    for _ in range(2):
        result = lab.poll()
        assert (result.ok, result.ports, result.chunks, result.sys_uptime_s) == (True, {}, {}, None)


def test_nulls_and_rubbish_are_left_out(lab: Lab) -> None:
    lab.agent.set(f"{IFX}.6.1", 5, None)
    lab.agent.set(f"{IF}.14.1", TEXT, "abc")
    result = lab.poll()
    assert result.ports["ge0"].octets_bits == 32
    assert result.ports["ge0"].in_errors is None
    assert lab.poller.stats["bad_values"] == 1


def test_a_changed_device_is_learnt_anew(lab: Lab) -> None:
    lab.poll()
    lab.system("1.3.6.1.4.1.14988.1")
    lab.agent.set("1.3.6.1.4.1.14988.1.1.3.10.0", INT, 350)
    result = lab.poll(full=True)
    assert figures(result, "netmon_device_temperature_celsius") == {(("sensor", "board"),): 35.0}
    lab.poller.keep_only([])
    lab.poll()
    assert lab.asked(f"{IFX}.1")


def test_neighbours_optics_and_ups_figures() -> None:
    lab = Lab(Device("u", "ups", "h", 161, "c", site="s1"))
    for oid, tag, value in [
        ("1.3.6.1.2.1.33.1.2.3.0", GAUGE, 4294967295),
        ("1.3.6.1.2.1.33.1.2.4.0", INT, 80),
        ("1.3.6.1.2.1.33.1.3.3.1.3.1", INT, 2313),
        ("1.3.6.1.2.1.33.1.4.1.0", INT, 4),
        ("1.3.6.1.2.1.33.1.2.7.0", INT, 0),
        ("1.3.6.1.2.1.15.3.1.2.10.0.0.1", INT, 6),
        ("1.3.6.1.2.1.15.3.1.2.10.0.0.2", INT, 1),
        ("1.3.6.1.2.1.15.3.1.2.10.0.0.3", INT, 1),
        ("1.3.6.1.2.1.15.3.1.3.10.0.0.3", INT, 1),  # stopped on purpose
        ("1.3.6.1.2.1.14.10.1.6.10.0.0.9.0", INT, 8),
    ]:
        lab.agent.set(oid, tag, value)
    result = lab.poll()
    assert figures(result, "netmon_ups_on_battery") == {(): 0.0}  # bypass is mains
    assert figures(result, "netmon_ups_runtime_seconds") == {}
    assert figures(result, "netmon_ups_charge_ratio") == {(): 0.8}
    assert figures(result, "netmon_ups_input_volts") == {(("phase", "1"),): pytest.approx(231.3)}
    assert figures(result, "netmon_device_temperature_celsius") == {}
    assert figures(result, "netmon_neighbor_up") == {
        (("peer", "10.0.0.1"), ("protocol", "bgp")): 1.0,
        (("peer", "10.0.0.2"), ("protocol", "bgp")): 0.0,
        (("peer", "10.0.0.9"), ("protocol", "ospf")): 1.0,
    }
    lab.agent.set("1.3.6.1.2.1.33.1.4.1.0", INT, 5)
    assert figures(lab.poll(), "netmon_ups_on_battery") == {(): 1.0}


def test_as_a_table(lab: Lab) -> None:
    text = format_poll(lab.poll())
    assert text.splitlines()[0] == "r1: router-1, sysObjectID 1.3.6.1.4.1.9999.1, up 02:47:10"
    row = next(line for line in text.splitlines() if line.startswith("ge0")).split()
    assert row == ["ge0", "1", "up", "up", "1G", str(2**40), str(2**40), "64", "0", "to", "core"]
    assert "netmon_device_uptime_seconds" in text and "netmon_interface_info" not in text
    assert "varbinds" in text.splitlines()[-1]
    lab.agent.fail_columns = {parse_oid(f"{IF}.14"): "timeout"}
    assert "ifInErrors  timeout" in format_poll(lab.poll())
    lab.agent.silent = "auth"
    assert format_poll(lab.poll()).startswith("r1: no SNMP answer: auth (")


@pytest.mark.parametrize(("seconds", "text"), [(None, "unknown"), (59.9, "00:00:59"), (90061, "1d 01:01:01")])
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("bps", "text"), [(None, ""), (1e9, "1G"), (2.5e9, "2.5G"), (64000, "64k"), (300, "300")])
def test_speeds(bps: float | None, text: str) -> None:
    assert speed(bps) == text
