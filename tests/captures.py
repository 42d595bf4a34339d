"""What the captures of real devices must yield, computed from the files with none of our own code but the line format.

`EXPECTED` maps a capture to all figures that its profiles make: name -> label values (in order of the label names) ->
value. What a poll adds by itself (uptime, restarts, port descriptions) is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from netmon.collectors.snmp.modules import Oid, parse_oid
from netmon.collectors.snmp.pdu import VarBind
from netmon.model import PollResult
from tests.fake_agent import read_snmprec

IF, IFX, ENTITY = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1", "1.3.6.1.2.1.47.1"
HW, CISCO, UPS = "1.3.6.1.4.1.2011.5.25.31.1.1", "1.3.6.1.4.1.9.9", "1.3.6.1.2.1.33.1"
JNX, FORTI, APC, TIK = "1.3.6.1.4.1.2636", "1.3.6.1.4.1.12356.101.4", "1.3.6.1.4.1.318.1.1.1", "1.3.6.1.4.1.14988.1.1"
OWN = {"netmon_snmp_up", "netmon_device_uptime_seconds", "netmon_device_rebooted", "netmon_interface_info"}

Rows = dict[tuple[str, ...], float]
Figures = dict[str, Rows]


class File:
    """One capture."""

    def __init__(self, path: Path) -> None:
        self.objects = read_snmprec(path)

    def column(self, oid: str) -> dict[Oid, VarBind]:
        root = parse_oid(oid)
        size = len(root)
        return {k[size:]: v for k, v in self.objects.items() if k[:size] == root and v.value is not None}

    def numbers(self, oid: str) -> dict[Oid, int]:
        return {index: v.value for index, v in self.column(oid).items() if isinstance(v.value, int)}

    def number(self, oid: str) -> int:
        value = self.objects[parse_oid(oid)].value
        assert isinstance(value, int)
        return value

    def text(self, oid: str, index: Oid = ()) -> str:
        found = self.objects.get(parse_oid(oid) + index)
        return found.value.decode().strip("\0 \r\n") if found and isinstance(found.value, bytes) else ""

    def port(self, index: Oid) -> str:
        return self.text(f"{IFX}.1", index) or self.text(f"{IF}.2", index) or f"ifIndex {index[0]}"

    def entity(self, index: Oid) -> str:
        return self.text(f"{ENTITY}.1.1.1.7", index)


def poll_figures(result: PollResult) -> Figures:
    """The figures of a poll in the form of `EXPECTED`."""
    found: Figures = {}
    for figure in result.figures:
        if figure.name not in OWN:
            labels = tuple(value for name, value in figure.labels if name not in ("device", "site", "node"))
            found.setdefault(figure.name, {})[labels] = figure.value
    return found


def dotted(arcs: Oid) -> str:
    return ".".join(map(str, arcs))


def huawei(file: File) -> Figures:
    optics: Rows = {}
    for index, value in file.numbers(f"{HW}.3.1.8").items():
        if value not in (0, -1):
            optics[file.entity(index),] = value / 100 if value < 0 else 10 * math.log10(value) - 30
    found: Figures = {
        "netmon_device_cpu_ratio": {(): max(file.numbers(f"{HW}.1.1.5").values()) / 100},
        "netmon_device_memory_ratio": {(): max(file.numbers(f"{HW}.1.1.7").values()) / 100},
        "netmon_optical_rx_dbm": optics,
        "netmon_device_temperature_celsius": {
            (file.entity(index),): value for index, value in file.numbers(f"{HW}.1.1.11").items() if value
        },
    }
    if bgp := file.numbers("1.3.6.1.2.1.15.3.1.2"):
        found["netmon_neighbor_up"] = {(dotted(index), "bgp"): float(state == 6) for index, state in bgp.items()}
    if fans := file.numbers(f"{HW}.10.1.7"):
        found["netmon_device_fan_ok"] = {(f"fan {dotted(index)}",): float(n == 1) for index, n in fans.items()}
    if supplies := file.numbers(f"{HW}.18.1.6"):
        found["netmon_device_supply_ok"] = {(f"supply {dotted(i)}",): float(n == 1) for i, n in supplies.items()}
    return found


def _cisco_sensors(file: File, *kinds: int) -> list[tuple[Oid, str, float]]:
    """(entity, name, value) of the sensors that work and measure one of ``kinds``."""
    table = f"{CISCO}.91.1.1.1.1"
    types, scales, places = (file.numbers(f"{table}.{column}") for column in (1, 2, 3))
    return [
        (index, file.entity(index), value * 1000.0 ** (scales[index] - 9) / 10 ** places[index])
        for index, value in file.numbers(f"{table}.4").items()
        if types[index] in kinds and value != -32768
    ]


def cisco(file: File) -> Figures:
    """What IOS-XE and IOS-XR have in common."""
    hottest: Rows = {}
    for _, name, value in _cisco_sensors(file, 8):
        hottest[name,] = max(value, hottest.get((name,), value))
    fans: Rows = {}
    for _, name, value in _cisco_sensors(file, 10):
        fans[name,] = min(float(value > 0), fans.get((name,), 1.0))
    supplies: Rows = {}
    for index, state in file.numbers(f"{CISCO}.117.1.1.2.1.2").items():
        if "ower" in (name := file.entity(index)):
            supplies[name,] = float(state == 2)
        elif "fan" in name:
            fans[name,] = float(state == 2)
    found: Figures = {
        "netmon_device_temperature_celsius": hottest,
        "netmon_device_fan_ok": fans,
        "netmon_device_supply_ok": supplies,
    }
    if busy := file.numbers(f"{CISCO}.109.1.1.1.1.8"):
        found["netmon_device_cpu_ratio"] = {(): max(busy.values()) / 100}
        used, free = file.numbers(f"{CISCO}.221.1.1.1.1.18"), file.numbers(f"{CISCO}.221.1.1.1.1.20")
        pools = [index for index in used if file.text(f"{CISCO}.221.1.1.1.1.3", index).lower() == "processor"]
        found["netmon_device_memory_ratio"] = {(): max(used[i] / (used[i] + free[i]) for i in pools)}
    return found


def cisco_xe(file: File) -> Figures:
    light: Rows = {}
    parents = file.numbers(f"{ENTITY}.1.1.1.4")
    for index, name, value in _cisco_sensors(file, 14):
        if "Rx" in name:  # the transceiver of a sensor holds one port
            ports = [
                target.value
                for entity, target in file.column(f"{ENTITY}.3.2.1.2").items()
                if parents.get(entity[:1]) == parents[index]
            ]
            assert len(ports) == 1 and isinstance(ports[0], tuple)
            light[file.port(ports[0][-1:]),] = value
    return cisco(file) | {"netmon_optical_rx_dbm": light}


def cisco_xr(file: File) -> Figures:
    light: Rows = {}
    for _, name, watts in _cisco_sensors(file, 6):
        if match := re.fullmatch(r"power Rx (\S+)", name):
            kind = "GigabitEthernet" if match[1].startswith("0/0/1/") else "TenGigE"
            light[kind + match[1],] = 10 * math.log10(watts) + 30
    peers = file.numbers(f"{CISCO}.187.1.2.5.1.3")
    neighbours: Rows = {(dotted(index[2:]), "bgp"): float(state == 6) for index, state in peers.items()}
    return cisco(file) | {"netmon_optical_rx_dbm": light, "netmon_neighbor_up": neighbours}


def juniper(file: File) -> Figures:
    part = f"{JNX}.3.1.13.1"
    names = {index: file.text(f"{part}.5", index) for index in file.numbers(f"{part}.6")}
    engine = next(index for index, name in names.items() if name == "Routing Engine")
    states = file.numbers(f"{part}.6")
    fans: Rows = {(name,): float(states[index] == 2) for index, name in names.items() if " fan " in name}
    peers = file.numbers(f"{JNX}.5.1.1.2.1.1.1.2")
    sent, back = file.numbers(f"{JNX}.3.50.1.2.1.2"), file.numbers(f"{JNX}.3.50.1.2.1.3")
    loss: Rows = {}
    for index, probes in sent.items():
        owner, test = index[1 : 1 + index[0]], index[2 + index[0] : -1]
        if index[-1] == 2:  # the last completed test
            loss[f"{bytes(owner).decode()}/{bytes(test).decode()}",] = 1 - back[index] / probes
    return {
        "netmon_device_cpu_ratio": {(): file.numbers(f"{part}.8")[engine] / 100},
        "netmon_device_memory_ratio": {(): file.numbers(f"{part}.11")[engine] / 100},
        "netmon_device_temperature_celsius": {
            (names[index],): value for index, value in file.numbers(f"{part}.7").items() if value
        },
        "netmon_device_fan_ok": fans,
        "netmon_device_supply_ok": {("PEM 0",): float(states[2, 1, 0, 0] == 2)},
        "netmon_neighbor_up": {(dotted(index[-4:]), "bgp"): float(state == 6) for index, state in peers.items()},
        "netmon_path_loss_ratio": loss,
    }


def host(file: File) -> Figures:
    loads = list(file.numbers("1.3.6.1.2.1.25.3.3.1.2").values())
    found: Figures = {"netmon_device_cpu_ratio": {(): sum(loads) / len(loads) / 100}}
    if (memory := (65536,)) in (size := file.numbers("1.3.6.1.2.1.25.2.3.1.5")):
        used = file.numbers("1.3.6.1.2.1.25.2.3.1.6")[memory]
        found["netmon_device_memory_ratio"] = {(): used / size[memory]}
    return found


def mikrotik7(file: File) -> Figures:
    return host(file) | {"netmon_device_temperature_celsius": {("temperature",): file.number(f"{TIK}.3.100.1.3.14")}}


def mikrotik6(file: File) -> Figures:
    """Its one cage is empty: no light, and not the 0 that it sends."""
    return host(file) | {"netmon_device_temperature_celsius": {("board",): file.number(f"{TIK}.3.10.0") / 10}}


def fortinet(file: File) -> Figures:
    test: tuple[str, ...] = (f"{file.text(f'{FORTI}.9.2.1.2.1')} {file.text(f'{FORTI}.9.2.1.14.1')}",)
    return {
        "netmon_device_cpu_ratio": {(): file.number(f"{FORTI}.1.3.0") / 100},
        "netmon_device_memory_ratio": {(): file.number(f"{FORTI}.1.4.0") / 100},
        "netmon_device_temperature_celsius": {
            (file.text(f"{FORTI}.3.2.1.2", index),): float(file.text(f"{FORTI}.3.2.1.3", index))
            for index in file.column(f"{FORTI}.3.2.1.3")
        },
        "netmon_path_rtt_seconds": {test: float(file.text(f"{FORTI}.9.2.1.5.1")) / 1000},
        "netmon_path_jitter_seconds": {test: float(file.text(f"{FORTI}.9.2.1.6.1")) / 1000},
        "netmon_path_loss_ratio": {test: float(file.text(f"{FORTI}.9.2.1.9.1")) / 100},
    }


def zte(file: File) -> Figures:
    """The capture has neither processors nor memory: ports and uptime are all."""
    assert not file.column("1.3.6.1.4.1.3902")
    return {}


def apc(file: File) -> Figures:
    return {
        "netmon_ups_on_battery": {(): float(file.number(f"{APC}.4.1.1.0") == 3)},
        "netmon_ups_on_bypass": {(): float(file.number(f"{APC}.4.1.1.0") in (6, 9, 10, 16))},
        "netmon_ups_charge_ratio": {(): file.number(f"{APC}.2.3.1.0") / 1000},
        "netmon_ups_runtime_seconds": {(): file.number(f"{APC}.2.2.3.0") / 100},
        "netmon_ups_load_ratio": {(): file.number(f"{APC}.4.3.3.0") / 1000},
        "netmon_ups_input_volts": {("1",): file.number(f"{APC}.3.3.1.0") / 10},
        "netmon_device_temperature_celsius": {("battery",): file.number(f"{APC}.2.3.2.0") / 10},
    }


def ups(file: File) -> Figures:
    source, minutes = file.number(f"{UPS}.4.1.0"), file.number(f"{UPS}.2.3.0")
    volts = file.numbers(f"{UPS}.3.3.1.3")
    found: Figures = {
        "netmon_ups_on_battery": {(): float(source == 5)},
        "netmon_ups_on_bypass": {(): float(source == 4)},
        "netmon_ups_charge_ratio": {(): file.number(f"{UPS}.2.4.0") / 100},
        "netmon_ups_load_ratio": {(): max(file.numbers(f"{UPS}.4.4.1.5").values()) / 100},
        "netmon_ups_input_volts": {(str(i[0]),): v / 10 if v > 600 else v for i, v in volts.items()},
        "netmon_device_temperature_celsius": {("battery",): file.number(f"{UPS}.2.7.0")},
    }
    if minutes != 4294967295:
        found["netmon_ups_runtime_seconds"] = {(): minutes * 60}
    return found


EXPECTED: dict[str, Callable[[File], Figures]] = {
    "vrp_ar169sfp": huawei,
    "vrp_5720": huawei,
    "vrp_ne8000-m8": huawei,
    "iosxe_isr4321": cisco_xe,
    "iosxe_c1100tgx": cisco_xe,
    "iosxr_asr9001": cisco_xr,
    "junos_rpm": juniper,
    "routeros_rb750gr3": mikrotik7,
    "routeros_rb760igs": mikrotik6,
    "fortigate_60f": fortinet,
    "draytek_vigor2962": host,
    "zxr10_5928": zte,
    "apc_smt750x-nmc2": apc,
    "huaweiups_ups2000": ups,
    "generex-ups_cs141": ups,
    "deltaups_rfc1628string": ups,
}
