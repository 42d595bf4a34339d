"""Profiles on data of our own: every trap of real devices' values, models that nobody has seen, tables no capture has.

No capture holds NQA results, RPM means, IP SLA, link monitors or ZXR10 processors: these tests stand for them.
"""

from __future__ import annotations

import asyncio
from math import log10

import pytest

from netmon.clock import Clock
from netmon.collectors.snmp.modules import Metric, Oid, parse_oid
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import load_profiles
from netmon.config import SnmpConfig
from netmon.model import Credential, Device, PollResult
from tests.captures import Figures, poll_figures
from tests.fake_agent import FakeAgent

PROFILES = load_profiles()
METRICS: dict[str, Metric] = {name: m for p in PROFILES.by_name.values() for name, m in p.metrics.items()}
INT, TEXT, OID, TICKS = 2, 4, 6, 67

HUAWEI, CISCO, JUNIPER = "1.3.6.1.4.1.2011.2.999.1", "1.3.6.1.4.1.9.1.99999", "1.3.6.1.4.1.2636.1.1.1.2.9999"
MIKROTIK, FORTINET, ZTE = "1.3.6.1.4.1.14988.1", "1.3.6.1.4.1.12356.101.1.99999", "1.3.6.1.4.1.3902.3.100.9999"
APC, DRAYTEK, UNKNOWN = "1.3.6.1.4.1.318.1.3.9999", "1.3.6.1.4.1.7367", "1.3.6.1.4.1.99999.1"
DELTA, HUAWEI_UPS, RFC1628 = "1.3.6.1.4.1.2254.2.99", "1.3.6.1.4.1.2011.6.174.99", "1.3.6.1.2.1.33"

Sent = int | str | bytes | Oid
Table = dict[str, dict[str, Sent]]


def agent_of(object_id: str, table: Table) -> FakeAgent:
    """An agent with these metrics: name -> index ("" for a scalar) -> value."""
    agent = FakeAgent()
    agent.set("1.3.6.1.2.1.1.2.0", OID, parse_oid(object_id))
    agent.set("1.3.6.1.2.1.1.3.0", TICKS, 100_000)
    for name, rows in table.items():
        for index, value in rows.items():
            tag = TEXT if isinstance(value, (str, bytes)) else OID if isinstance(value, tuple) else INT
            agent.set(".".join(map(str, METRICS[name].oid)) + f".{index or 0}", tag, value)
    agent.objects = dict(sorted(agent.objects.items()))
    return agent


def polled(object_id: str, table: Table, kind: str = "router") -> PollResult:
    poller = Poller(agent_of(object_id, table), PROFILES, SnmpConfig(), Clock())
    return asyncio.run(poller.poll(Device("d", kind, "127.0.0.1", 161, "c", site="s"), Credential("c")))


def figures(object_id: str, table: Table, kind: str = "router") -> Figures:
    return poll_figures(polled(object_id, table, kind))


def arcs(*texts: str) -> str:
    """Index arcs of texts with their lengths before them."""
    return ".".join(f"{len(text)}" + "".join(f".{ord(letter)}" for letter in text) for text in texts)


def one(found: Figures, name: str) -> float:
    ((_, value),) = found[f"netmon_{name}"].items()
    return value


# --- Huawei


@pytest.mark.parametrize(
    ("sent", "dbm"), [(536, 10 * log10(0.536)), (1, -30.0), (-1652, -16.52), (-4000, -40.0), (0, None), (-1, None)]
)
def test_huawei_light_is_microwatts_above_zero_and_hundredths_of_dbm_below(sent: int, dbm: float | None) -> None:
    found = figures(HUAWEI, {"hwEntityOpticalRxPower": {"7": sent}, "entPhysicalName": {"7": "XGE0/0/1"}})
    assert found == ({} if dbm is None else {"netmon_optical_rx_dbm": {("XGE0/0/1",): pytest.approx(dbm)}})


def test_huawei_empty_slots_are_no_idle_processors() -> None:
    slots = {str(n): 0 for n in range(1, 40)}
    table: Table = {m: dict(slots) for m in ("hwEntityCpuUsage", "hwEntityMemUsage", "hwEntityTemperature")}
    assert figures(HUAWEI, table) == {}
    table["hwEntityCpuUsage"]["9"], table["hwEntityMemUsage"]["9"], table["hwEntityTemperature"]["9"] = 12, 34, 45
    table["entPhysicalName"] = {"9": "MPU"}
    assert figures(HUAWEI, table) == {
        "netmon_device_cpu_ratio": {(): 0.12},
        "netmon_device_memory_ratio": {(): 0.34},
        "netmon_device_temperature_celsius": {("MPU",): 45.0},
    }


def test_huawei_fans_and_supplies_that_are_not_there_are_not_broken() -> None:
    found = figures(
        HUAWEI,
        {
            "hwEntityFanState": {"0.1": 1, "0.2": 2, "0.3": 2},
            "hwEntityFanPresent": {"0.1": 1, "0.2": 1, "0.3": 2},
            "hwEntityPwrState": {"0.1": 1, "0.2": 2, "0.3": 2, "0.4": 3, "0.5": 4},
            "hwEntityPwrPresent": {"0.1": 1, "0.2": 1, "0.3": 2, "0.4": 1, "0.5": 1},
        },
    )
    assert found == {
        "netmon_device_fan_ok": {("fan 0.1",): 1.0, ("fan 0.2",): 0.0},
        "netmon_device_supply_ok": {("supply 0.1",): 1.0, ("supply 0.2",): 0.0},
    }


def test_huawei_bgp_peers_of_both_families_and_of_several_instances() -> None:
    v6 = "2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1"
    found = figures(HUAWEI, {"hwBgpPeerState": {"0.1.1.1.4.10.0.0.1": 6, f"0.2.1.{v6}": 6, "5.1.1.1.4.10.0.0.1": 3}})
    assert found["netmon_neighbor_up"] == {
        ("10.0.0.1", "bgp"): 0.0,
        ("2001:0DB8:0000:0000:0000:0000:0000:0001", "bgp"): 1.0,
    }


def nqa(kind: str, *records: tuple[int, int, int, int]) -> Table:
    """Records (finished, sent, answered, mean in ms) numbered from 8, so that 10 comes after 9."""
    tail = ".1" if kind == "nqaResults" else ""
    rtt = "RttAvg" if kind == "nqaResults" else "RTTAvg"
    test = arcs("admin", "to-hub")
    table: Table = {f"{kind}{name}": {} for name in ("TestFinished", "SentProbes", "ProbeResponses", rtt)}
    for number, record in enumerate(records, 8):
        for column, value in zip(table.values(), record, strict=True):
            column[f"{test}.{number}{tail}"] = value
    return table


@pytest.mark.parametrize("kind", ["nqaResults", "nqaJitterStats"])
def test_huawei_nqa_synthetic_newest_finished_record_counts(kind: str) -> None:
    found = figures(HUAWEI, nqa(kind, (1, 20, 20, 5), (1, 20, 15, 7), (1, 20, 19, 9), (0, 3, 1, 1)))
    test = ("admin/to-hub",)
    assert found["netmon_path_rtt_seconds"] == {test: pytest.approx(0.009)}
    assert found["netmon_path_loss_ratio"] == {test: pytest.approx(0.05)}


def test_huawei_nqa_synthetic_total_loss_has_no_round_trip_and_not_that_of_the_record_before() -> None:
    found = figures(HUAWEI, nqa("nqaResults", (1, 3, 3, 5), (1, 3, 0, 0)))
    assert found == {"netmon_path_loss_ratio": {("admin/to-hub",): 1.0}}


def test_huawei_nqa_synthetic_jitter() -> None:
    table = nqa("nqaJitterStats", (1, 20, 20, 5)) | {"nqaJitterStatsAvgJitter": {arcs("admin", "to-hub") + ".8": 2}}
    assert figures(HUAWEI, table)["netmon_path_jitter_seconds"] == {("admin/to-hub",): pytest.approx(0.002)}


# --- Cisco


def sensors(prefix: str, *rows: tuple[int, int, int, int, str]) -> Table:
    """Rows of (type, scale, precision, value, name) numbered from 1."""
    names = [f"{prefix}{part}" for part in ("Type", "Scale", "Precision", "Value")] + ["entPhysicalName"]
    return {name: {str(n): row[at] for n, row in enumerate(rows, 1)} for at, name in enumerate(names)}


@pytest.mark.parametrize(("object_id", "prefix"), [(CISCO, "entSensor"), (UNKNOWN, "entPhySensor")])
def test_entity_sensors_by_type_scale_and_precision(object_id: str, prefix: str) -> None:
    found = figures(
        object_id,
        sensors(
            prefix,
            (8, 9, 1, 253, "inlet"),
            (8, 8, 0, 41500, "CPU"),
            (8, 9, 1, 305, "hot spot"),
            (8, 9, 1, 405, "hot spot"),  # another of the same name: the hottest counts
            (8, 9, 0, -32768, "empty cage"),
            (8, 9, 0, 1_000_000_000, "overflow"),
            (14, 9, 1, -91, "port 1 Rx Power"),
            (14, 9, 1, -20, "port 1 Tx Power"),
            (6, 8, 4, 5847, "power Rx 0/0/0/9"),
            (6, 8, 4, 0, "power Rx 0/0/0/8"),
            (6, 9, 0, 350, "supply 0 output"),
            (10, 9, 0, 6360, "fan 1"),
            (10, 9, 0, 0, "fan 2"),
        ),
    )
    assert found == {
        "netmon_device_temperature_celsius": pytest.approx({("inlet",): 25.3, ("CPU",): 41.5, ("hot spot",): 40.5}),
        "netmon_optical_rx_dbm": pytest.approx(
            {
                ("port 1 Rx Power",): -9.1,
                ("power Rx 0/0/0/9",): 10 * log10(0.5847),
                ("power Rx 0/0/0/8",): -40.0,
            }
        ),
        "netmon_device_fan_ok": {("fan 1",): 1.0, ("fan 2",): 0.0},
    }


@pytest.mark.parametrize("status", [2, 3])
def test_sensors_that_do_not_work_say_nothing(status: int) -> None:
    rows = sensors("entSensor", (8, 9, 0, 25, "a"), (14, 9, 1, -91, "Rx"), (10, 9, 0, 0, "fan"))
    assert figures(CISCO, rows | {"entSensorStatus": {"1": status, "2": status, "3": status}}) == {}


def test_cisco_memory_of_pools_wide_narrow_and_old() -> None:
    wide: Table = {
        "cempMemPoolName": {"1.1": "Processor", "1.2": "reserve Processor", "2.1": "processor", "2.2": "image"},
        "cempMemPoolHCUsed": {"1.1": 30 << 32, "1.2": 9, "2.1": 10 << 32, "2.2": 99},
        "cempMemPoolHCFree": {"1.1": 70 << 32, "1.2": 1, "2.1": 90 << 32, "2.2": 1},
    }
    assert one(figures(CISCO, wide), "device_memory_ratio") == pytest.approx(0.3)
    narrow: Table = {
        "cempMemPoolName": {"1.1": "Processor"},
        "cempMemPoolUsed": {"1.1": 25},
        "cempMemPoolFree": {"1.1": 75},
    }
    assert one(figures(CISCO, narrow), "device_memory_ratio") == 0.25
    old: Table = {
        "ciscoMemoryPoolName": {"1": "Processor", "2": "I/O"},
        "ciscoMemoryPoolUsed": {"1": 20, "2": 99},
        "ciscoMemoryPoolFree": {"1": 80, "2": 1},
    }
    assert one(figures(CISCO, old), "device_memory_ratio") == 0.2
    assert (
        one(figures(CISCO, {"cpmCPUMemoryUsed": {"1": 1}, "cpmCPUMemoryFree": {"1": 9}}), "device_memory_ratio") == 0.1
    )


def test_cisco_processor_of_new_and_old_systems() -> None:
    assert (
        one(
            figures(CISCO, {"cpmCPUTotal5minRev": {"1": 20, "2": 44}, "cpmCPUTotal5min": {"1": 99}}), "device_cpu_ratio"
        )
        == 0.44
    )
    assert one(figures(CISCO, {"cpmCPUTotal5min": {"1": 7}}), "device_cpu_ratio") == pytest.approx(0.07)


def test_cisco_states_of_environment_units() -> None:
    found = figures(
        CISCO,
        {
            "ciscoEnvMonFanStatusDescr": {"1": "Fan 1", "2": "Fan 2", "3": "Fan 3"},
            "ciscoEnvMonFanState": {"1": 1, "2": 6, "3": 5},
            "ciscoEnvMonSupplyStatusDescr": {"1": "PS1", "2": "PS2", "3": "PS3"},
            "ciscoEnvMonSupplyState": {"1": 1, "2": 3, "3": 5},
            "ciscoEnvMonTemperatureStatusDescr": {"1": "air"},
            "ciscoEnvMonTemperatureStatusValue": {"1": 31},
        },
    )
    assert found == {
        "netmon_device_fan_ok": {("Fan 1",): 1.0, ("Fan 2",): 0.0},
        "netmon_device_supply_ok": {("PS1",): 1.0, ("PS2",): 0.0},
        "netmon_device_temperature_celsius": {("air",): 31.0},
    }


def test_cisco_field_replaceable_units() -> None:
    found = figures(
        CISCO,
        {
            "entPhysicalName": {
                "1": "Power Supply 1",
                "2": "Power Supply 2",
                "3": "module 0",
                "4": "fantray 0",
                "5": "PS3",
            },
            "cefcFRUPowerOperStatus": {"1": 2, "2": 8, "3": 2, "4": 9, "5": 3},
        },
    )
    assert found == {
        "netmon_device_supply_ok": {("Power Supply 1",): 1.0, ("Power Supply 2",): 0.0},
        "netmon_device_fan_ok": {("fantray 0",): 0.0},
    }


def test_cisco_bgp_of_both_families_without_those_stopped_on_purpose() -> None:
    v6 = "2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.2"
    found = figures(
        CISCO,
        {
            "cbgpPeer2State": {"1.4.10.0.0.1": 6, "1.4.10.0.0.2": 1, v6: 6, "1.4.10.0.0.3": 1},
            "cbgpPeer2AdminStatus": {"1.4.10.0.0.1": 2, "1.4.10.0.0.2": 2, v6: 2, "1.4.10.0.0.3": 1},
        },
    )
    assert found["netmon_neighbor_up"] == {
        ("10.0.0.1", "bgp"): 1.0,
        ("10.0.0.2", "bgp"): 0.0,
        ("2001:0DB8:0000:0000:0000:0000:0000:0002", "bgp"): 1.0,
    }


def test_cisco_ip_sla_synthetic_echo() -> None:
    found = figures(
        CISCO,
        {
            "rttMonCtrlAdminTag": {"1": "to-hub", "2": "", "3": "slow", "4": "fine", "5": "odd"},
            "rttMonEchoAdminPrecision": {"4": 2},
            "rttMonLatestRttOperCompletionTime": {"1": 16, "2": 0, "3": 900, "4": 2500, "5": 3},
            "rttMonLatestRttOperSense": {"1": 1, "2": 4, "3": 3, "4": 1, "5": 9},
        },
    )
    assert found["netmon_path_rtt_seconds"] == pytest.approx({("to-hub",): 0.016, ("slow",): 0.9, ("fine",): 0.0025})
    # A test that timed out has lost its only probe; what another error means for the path nobody knows.
    assert found["netmon_path_loss_ratio"] == {("to-hub",): 0.0, ("sla 2",): 1.0, ("slow",): 0.0, ("fine",): 0.0}


def test_cisco_ip_sla_synthetic_jitter() -> None:
    jitter = "rttMonLatestJitterOper"
    found = figures(
        CISCO,
        {
            "rttMonCtrlAdminTag": {"7": "voice", "8": "dead"},
            "rttMonLatestRttOperSense": {"7": 1, "8": 4},
            "rttMonLatestRttOperCompletionTime": {"7": 3, "8": 0},
            f"{jitter}NumOfRTT": {"7": 95, "8": 0},
            f"{jitter}RTTSum": {"7": 1900, "8": 0},
            f"{jitter}PacketLossSD": {"7": 3, "8": 0},
            f"{jitter}PacketLossDS": {"7": 1, "8": 0},
            f"{jitter}PacketMIA": {"7": 1, "8": 0},
            f"{jitter}AvgJitter": {"7": 4, "8": 0},
        },
    )
    assert found == {
        "netmon_path_rtt_seconds": {("voice",): pytest.approx(0.02)},
        "netmon_path_jitter_seconds": {("voice",): pytest.approx(0.004)},
        "netmon_path_loss_ratio": {("voice",): pytest.approx(0.05), ("dead",): 1.0},
    }


# --- Juniper

RE, FPC = "9.1.0.0", "7.1.0.0"


def test_juniper_parts_by_their_names() -> None:
    names: dict[str, Sent] = {
        RE: "Routing Engine 0",
        FPC: "FPC: FPC 0",
        "2.1.0.0": "PEM 0",
        "2.2.0.0": "PEM 1",
        "4.1.0.0": "PEM 0 Fan 1",
    }
    found = figures(
        JUNIPER,
        {
            "jnxOperatingDescr": names | {"4.2.0.0": "FAN TRAY 1", "1.1.0.0": "midplane"},
            "jnxOperatingCPU": {RE: 0, FPC: 61, "2.1.0.0": 0},
            "jnxOperatingBuffer": {RE: 40, FPC: 70, "2.1.0.0": 0},
            "jnxOperatingTemp": {RE: 45, FPC: 0},
            "jnxOperatingState": {RE: 2, FPC: 2, "2.1.0.0": 2, "2.2.0.0": 6, "4.1.0.0": 5, "4.2.0.0": 6, "1.1.0.0": 1},
        },
    )
    assert found == {
        "netmon_device_cpu_ratio": {(): 0.0},  # an idle routing engine is idle
        "netmon_device_memory_ratio": {(): 0.4},
        "netmon_device_temperature_celsius": {("Routing Engine 0",): 45.0},
        "netmon_device_supply_ok": {("PEM 0",): 1.0, ("PEM 1",): 0.0},
        "netmon_device_fan_ok": {("PEM 0 Fan 1",): 1.0, ("FAN TRAY 1",): 0.0},
    }
    assert (
        one(figures(JUNIPER, {"jnxOperatingDescr": {FPC: "EX"}, "jnxOperatingCPU": {FPC: 9}}), "device_cpu_ratio")
        == 0.09
    )


@pytest.mark.parametrize(("sent", "dbm"), [(-2677, -26.77), (0, None), (-9999, None)])
def test_juniper_light_in_hundredths_and_zero_for_no_module(sent: int, dbm: float | None) -> None:
    port: Table = {"ifName": {"512": "xe-0/0/0"}, "ifOperStatus": {"512": 1}}
    found = figures(JUNIPER, port | {"jnxDomCurrentRxLaserPower": {"512": sent}})
    assert found == ({} if dbm is None else {"netmon_optical_rx_dbm": {("xe-0/0/0",): pytest.approx(dbm)}})


def test_juniper_bgp_of_both_families_worst_of_instances_without_the_halted() -> None:
    local, peer = "1.10.0.0.9", "1.10.0.0.1"
    v6 = ".".join(["2", *map(str, bytes.fromhex("20010db8000000000000000000000003"))])
    state = {f"0.{local}.{peer}": 6, f"3.{local}.{peer}": 1, f"0.{v6}.{v6}": 6, f"0.{local}.1.10.0.0.2": 1}
    status = dict.fromkeys(state, 2) | {f"0.{local}.1.10.0.0.2": 1}
    found = figures(JUNIPER, {"jnxBgpM2PeerState": dict(state), "jnxBgpM2PeerStatus": dict(status)})
    assert found["netmon_neighbor_up"] == {
        ("10.0.0.1", "bgp"): 0.0,
        ("2001:0DB8:0000:0000:0000:0000:0000:0003", "bgp"): 1.0,
    }


@pytest.mark.parametrize(
    ("sent", "back", "lost", "ratio"),
    [
        (5790, 5643, 2538860, 147 / 5790),  # counted, not the rounded percent
        (1, 0, 100_000_000, 1.0),
        (10, 10, 0, 0.0),
        (5, 6, 0, 0.0),  # a late answer of the test before
        (None, None, 2538860, 0.0253886),
        (0, 0, None, None),  # nothing was sent yet
    ],
)
def test_juniper_rpm_loss(sent: int | None, back: int | None, lost: int | None, ratio: float | None) -> None:
    test = arcs("me", "to-hub")
    columns = {"jnxRpmResSumSent": sent, "jnxRpmResSumReceived": back, "jnxRpmResSumPercentLost": lost}
    found = figures(
        JUNIPER,
        {
            name: {f"{test}.2": value, f"{test}.1": 99, f"{test}.4": 9}
            for name, value in columns.items()
            if value is not None
        },
    )
    assert found.get("netmon_path_loss_ratio") == (None if ratio is None else {("me/to-hub",): pytest.approx(ratio)})


def test_juniper_rpm_synthetic_means_and_samples() -> None:
    kept, fresh = arcs("me", "kept"), arcs("me", "fresh")
    found = figures(
        JUNIPER,
        {
            "jnxRpmResCalcAverage": {f"{kept}.2.1": 23500, f"{kept}.2.2": 800, f"{kept}.1.1": 99, f"{kept}.4.1": 88},
            "jnxRpmResSampleValue": {f"{kept}.1": 1, f"{fresh}.1": 4100, f"{fresh}.2": 300, f"{fresh}.4": 2000},
        },
    )
    assert found == {
        "netmon_path_rtt_seconds": pytest.approx({("me/kept",): 0.0235, ("me/fresh",): 0.0041}),
        "netmon_path_jitter_seconds": pytest.approx({("me/kept",): 0.0008, ("me/fresh",): 0.0003}),
    }


# --- MikroTik, Fortinet, DrayTek, ZTE


def test_mikrotik_health_of_routeros_6_and_7() -> None:
    six = figures(MIKROTIK, {"mtxrHlTemperature": {"": 330}, "mtxrHlProcessorTemperature": {"": 0}})
    assert six == {"netmon_device_temperature_celsius": {("board",): 33.0}}
    seven = figures(
        MIKROTIK,
        {
            "mtxrGaugeName": {
                "1": "cpu-temperature",
                "2": "fan1-speed",
                "3": "voltage",
                "4": "psu1-state",
                "5": "fan-state",
            },
            "mtxrGaugeValue": {"1": 45, "2": 4000, "3": 243, "4": 1, "5": 0},
            "mtxrGaugeUnit": {"1": 1, "2": 2, "3": 3, "4": 6, "5": 6},
        },
    )
    assert seven == {
        "netmon_device_temperature_celsius": {("cpu-temperature",): 45.0},
        "netmon_device_supply_ok": {("psu1-state",): 0.0},
        "netmon_device_fan_ok": {("fan-state",): 1.0},
    }


@pytest.mark.parametrize(("sent", "dbm"), [(-5673, -5.673), (0, None)])
def test_mikrotik_light_in_thousandths_and_zero_for_no_module(sent: int, dbm: float | None) -> None:
    found = figures(MIKROTIK, {"mtxrOpticalRxPower": {"6": sent}, "mtxrOpticalName": {"6": "sfp1"}})
    assert found == ({} if dbm is None else {"netmon_optical_rx_dbm": {("sfp1",): pytest.approx(dbm)}})


def test_fortinet_sensors_by_their_names() -> None:
    found = figures(
        FORTINET,
        {
            "fgSysCpuUsage": {"": 42},
            "fgSysMemUsage": {"": 23},
            "fgHwSensorEntName": {
                "1": "+3.3V",
                "2": "CPU ON-DIE Temperature",
                "3": "TD1",
                "4": "FAN_TMP_3",
                "5": "Fan 1",
                "6": "PS1 Fan 1",
                "7": "PS1 Status",
                "8": "PSU 2 Status",
                "9": "DTS CPU0",
                "10": "Temp empty",
            },
            "fgHwSensorEntValue": {
                "1": "3.3504",
                "2": "51.569",
                "3": "46",
                "4": "38.0",
                "5": "5100",
                "6": "0",
                "7": "0",
                "8": "1",
                "9": "60.5",
                "10": "n/a",
            },
            "fgHwSensorEntAlarmStatus": {str(n): int(n in (6, 8)) for n in range(1, 11)},
        },
    )
    assert found == {
        "netmon_device_cpu_ratio": {(): 0.42},
        "netmon_device_memory_ratio": {(): 0.23},
        "netmon_device_temperature_celsius": {
            ("CPU ON-DIE Temperature",): 51.569,
            ("TD1",): 46.0,
            ("FAN_TMP_3",): 38.0,
            ("DTS CPU0",): 60.5,
        },
        "netmon_device_fan_ok": {("Fan 1",): 1.0, ("PS1 Fan 1",): 0.0},
        "netmon_device_supply_ok": {("PS1 Status",): 1.0, ("PSU 2 Status",): 0.0},
    }


def test_fortinet_paths_are_text_with_and_without_percent() -> None:
    table: Table = {
        "fgLinkMonitorName": {"1": "hub", "2": "down"},
        "fgLinkMonitorState": {"1": 0, "2": 1},
        "fgLinkMonitorLatency": {"1": "4.102", "2": "0.000"},
        "fgLinkMonitorJitter": {"1": "0.092", "2": "0.000"},
        "fgLinkMonitorPacketLoss": {"1": "1.500%", "2": "100.000%"},
        "fgVWLHealthCheckLinkName": {"1": "dns"},
        "fgVWLHealthCheckLinkIfName": {"1": "wan2"},
        "fgVWLHealthCheckLinkState": {"1": 0},
        "fgVWLHealthCheckLinkLatency": {"1": "2.403"},
        "fgVWLHealthCheckLinkJitter": {"1": "0.168"},
        "fgVWLHealthCheckLinkPacketLoss": {"1": "2.000"},
    }
    result = polled(FORTINET, table)
    assert poll_figures(result) == {
        "netmon_path_rtt_seconds": pytest.approx({("hub",): 0.004102, ("dns wan2",): 0.002403}),
        "netmon_path_jitter_seconds": pytest.approx({("hub",): 0.000092, ("dns wan2",): 0.000168}),
        "netmon_path_loss_ratio": pytest.approx({("hub",): 0.015, ("down",): 1.0, ("dns wan2",): 0.02}),
    }
    assert b'fgLinkMonitorName="hub"} 1.5 ' in result.chunks["fgLinkMonitorPacketLoss"]


def test_fortinet_paths_are_read_at_every_poll_though_they_are_text() -> None:
    agent = agent_of(FORTINET, {"fgLinkMonitorName": {"1": "hub"}, "fgLinkMonitorPacketLoss": {"1": "0.000%"}})
    poller = Poller(agent, PROFILES, SnmpConfig(), Clock())
    device = Device("d", "router", "127.0.0.1", 161, "c", site="s")
    asyncio.run(poller.poll(device, Credential("c")))
    key = (*METRICS["fgLinkMonitorPacketLoss"].oid, 1)
    agent.objects[key] = VarBind(key, TEXT, b"30.000%")
    result = asyncio.run(poller.poll(device, Credential("c")))
    assert poll_figures(result) == {"netmon_path_loss_ratio": {("hub",): 0.3}}


def test_draytek_has_processors_and_old_counters() -> None:
    result = polled(
        DRAYTEK,
        {
            "hrProcessorLoad": {"": 6},
            "ifDescr": {"4": "WAN1"},
            "ifOperStatus": {"4": 1},
            "ifInOctets": {"4": 4_000_000_000},
            "ifOutOctets": {"4": 5},
            "ifSpeed": {"4": 1_000_000_000},
        },
    )
    assert poll_figures(result) == {"netmon_device_cpu_ratio": {(): 0.06}}
    port = result.ports["WAN1"]
    assert (port.octets_bits, port.in_octets, port.speed_bps) == (32, 4_000_000_000, 1e9)


def test_zte_synthetic_units_and_cards() -> None:
    units: Table = {
        "zxr10SystemUnitRunStatus": {"1": 1, "2": 1, "3": 0},
        "zxr10SystemCpuUtility5m": {"1": 12, "2": 30, "3": 99},
        "zxr10SystemMemUsed": {"1": 44, "2": 40, "3": 99},
    }
    assert figures(ZTE, units) == {"netmon_device_cpu_ratio": {(): 0.3}, "netmon_device_memory_ratio": {(): 0.44}}
    assert figures(ZTE, {"zxr10SystemCpuUtility2m": {"1": 8}}) == {"netmon_device_cpu_ratio": {(): 0.08}}
    cards: Table = {"zxAnCardCpuLoad": {"1.1.1": 0, "1.1.3": 11}, "zxAnCardMemUsage": {"1.1.1": 0, "1.1.3": 26}}
    assert figures("1.3.6.1.4.1.3902.1082.1001.320", cards) == {
        "netmon_device_cpu_ratio": {(): 0.11},
        "netmon_device_memory_ratio": {(): 0.26},
    }


# --- UPS


@pytest.mark.parametrize(("source", "battery", "bypass"), [(3, 0.0, 0.0), (4, 0.0, 1.0), (5, 1.0, 0.0), (6, 0.0, 0.0)])
def test_ups_bypass_is_not_battery(source: int, battery: float, bypass: float) -> None:
    found = figures(RFC1628, {"upsOutputSource": {"": source}})
    assert (one(found, "ups_on_battery"), one(found, "ups_on_bypass")) == (battery, bypass)


def test_ups_that_does_not_know_what_feeds_the_load_says_nothing() -> None:
    assert figures(RFC1628, {"upsOutputSource": {"": 1}}) == {}


@pytest.mark.parametrize(("minutes", "seconds"), [(4294967295, None), (-1, None), (544, 32640.0), (0, 0.0)])
def test_ups_runtime_that_is_not_known(minutes: int, seconds: float | None) -> None:
    found = figures(HUAWEI_UPS, {"upsEstimatedMinutesRemaining": {"": minutes}})
    assert found == ({} if seconds is None else {"netmon_ups_runtime_seconds": {(): seconds}})


def test_ups_tenths_of_volts_and_phases_of_empty_text() -> None:
    found = figures(
        DELTA,
        {
            "upsInputVoltage": {"1": 2360, "2": "", "3": ""},
            "upsOutputPercentLoad": {"1": 8, "2": "", "3": ""},
            "upsBatteryTemperature": {"": ""},
        },
    )
    assert found == {"netmon_ups_input_volts": {("1",): 236.0}, "netmon_ups_load_ratio": {(): 0.08}}
    assert figures(RFC1628, {"upsInputVoltage": {"1": 231, "2": 0}})["netmon_ups_input_volts"] == {
        ("1",): 231.0,
        ("2",): 0.0,
    }


def test_ups_without_a_sensor_has_no_frozen_battery() -> None:
    assert figures(RFC1628, {"upsBatteryTemperature": {"": 0}}) == {}
    assert one(figures(RFC1628, {"upsBatteryTemperature": {"": 25}}), "device_temperature_celsius") == 25


def test_apc_runtime_is_in_ticks_and_tenths_go_before_whole_numbers() -> None:
    plain: Table = {
        "upsBasicOutputStatus": {"": 3},
        "upsAdvBatteryCapacity": {"": 97},
        "upsAdvBatteryRunTimeRemaining_seconds": {"": 10_976_200},
        "upsAdvInputLineVoltage": {"": 0},
        "upsAdvOutputLoad": {"": 31},
        "upsAdvBatteryTemperature": {"": 27},
    }
    expected: Figures = {
        "netmon_ups_on_battery": {(): 1.0},
        "netmon_ups_on_bypass": {(): 0.0},
        "netmon_ups_charge_ratio": {(): 0.97},
        "netmon_ups_runtime_seconds": {(): 109_762.0},  # 30.5 hours
        "netmon_ups_input_volts": {("1",): 0.0},
        "netmon_ups_load_ratio": {(): 0.31},
        "netmon_device_temperature_celsius": {("battery",): 27.0},
    }
    assert figures(APC, plain) == expected
    fine: Table = {"upsHighPrecBatteryCapacity": {"": 968}, "upsHighPrecInputLineVoltage": {"": 2291}}
    found = figures(APC, plain | fine)
    assert (one(found, "ups_charge_ratio"), one(found, "ups_input_volts")) == pytest.approx((0.968, 229.1))


@pytest.mark.parametrize(
    ("status", "battery", "bypass"), [(2, 0, 0), (4, 0, 0), (15, 0, 0), (6, 0, 1), (9, 0, 1), (10, 0, 1)]
)
def test_apc_states(status: int, battery: float, bypass: float) -> None:
    found = figures(APC, {"upsBasicOutputStatus": {"": status}})
    assert (one(found, "ups_on_battery"), one(found, "ups_on_bypass")) == (battery, bypass)


# --- any maker


def test_generic_neighbours_processors_memory_and_ping_tests() -> None:
    test, silent = arcs("root", "isp"), arcs("root", "gone")
    found = figures(
        UNKNOWN,
        {
            "hrProcessorLoad": {"1": 10, "2": 30},
            "hrStorageType": {"1": (1, 3, 6, 1, 2, 1, 25, 2, 1, 2), "2": (1, 3, 6, 1, 2, 1, 25, 2, 1, 4)},
            "hrStorageUsed": {"1": 40, "2": 99},
            "hrStorageSize": {"1": 100, "2": 100},
            "bgpPeerState": {"10.0.0.1": 6, "10.0.0.2": 3},
            "ospfNbrState": {"10.0.0.9.0": 8, "10.0.0.8.0": 4, "10.0.0.7.0": 5},
            "pingResultsAverageRtt": {test: 25, silent: 0},
            "pingResultsProbeResponses": {test: 9, silent: 0},
            "pingResultsSentProbes": {test: 10, silent: 10},
        },
    )
    assert found == {
        "netmon_device_cpu_ratio": {(): 0.2},
        "netmon_device_memory_ratio": {(): 0.4},
        "netmon_neighbor_up": {
            ("10.0.0.1", "bgp"): 1.0,
            ("10.0.0.2", "bgp"): 0.0,
            ("10.0.0.9", "ospf"): 1.0,
            ("10.0.0.8", "ospf"): 1.0,
            ("10.0.0.7", "ospf"): 0.0,
        },
        "netmon_path_rtt_seconds": {("root/isp",): 0.025},
        "netmon_path_loss_ratio": pytest.approx({("root/isp",): 0.1, ("root/gone",): 1.0}),
    }


def test_names_with_line_ends_zeros_and_placeholders_are_kept_as_text() -> None:
    """Some agents send names as octets with CR LF or NUL at their end; captures have "<private>"."""
    agent = agent_of(HUAWEI, {"ifName": {"1": b"GE0/0/1\r\n\0", "2": "<private>"}, "ifOperStatus": {"1": 1, "2": 1}})
    agent.set("1.3.6.1.2.1.1.5.0", TEXT, b"core \xc4\x91\r\n")
    poller = Poller(agent, PROFILES, SnmpConfig(), Clock())
    result = asyncio.run(poller.poll(Device("d", "router", "h", 161, "c", site="s"), Credential("c")))
    assert result.sys_name == "core đ"
    assert set(result.ports) == {"GE0/0/1", "<private>"}


@pytest.mark.parametrize(
    ("object_id", "profile"),
    [
        (HUAWEI, "huawei_vrp"),
        ("1.3.6.1.4.1.2011.10.1.999", "huawei_vrp"),
        ("1.3.6.1.4.1.2011.999", "huawei_vrp"),
        (HUAWEI_UPS, "ups_rfc1628"),
        (CISCO, "cisco_ios"),
        ("1.3.6.1.4.1.9.12.3.1.3.9999", "cisco_ios"),
        (JUNIPER, "juniper"),
        ("1.3.6.1.4.1.2636.1.9.9", "juniper"),
        (MIKROTIK, "mikrotik"),
        ("1.3.6.1.4.1.14988.2", "mikrotik"),
        (FORTINET, "fortinet"),
        (DRAYTEK, "draytek"),
        (f"{DRAYTEK}.1.2.3", "draytek"),
        (ZTE, "zte"),
        ("1.3.6.1.4.1.3902.1082.1001.600", "zte"),
        (APC, "apc"),
        (DELTA, "ups_rfc1628"),
        (RFC1628, "ups_rfc1628"),
        (UNKNOWN, "generic"),
    ],
)
def test_models_that_nobody_has_seen(object_id: str, profile: str) -> None:
    assert PROFILES.choose(parse_oid(object_id), ("auto",), "router")[0].name == profile
