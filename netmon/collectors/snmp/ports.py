"""Interfaces of one device: a name that stays, and the counters that are best where they are. Pure.

ifIndex only joins tables within one poll (RFC 2863 lets it change at a restart); ifName is what a port is known by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netmon.model import Port
from netmon.rawvalues import Oid, Value, as_number, as_text

Values = Mapping[str, Mapping[Oid, Value]]
UP, UNKNOWN = 1, 4  # ifOperStatus
HIGHEST_GAUGE = 4294967295  # ifSpeed: "too fast for me, ask ifHighSpeed"
# What Ports are made of: 64-bit first, its 32-bit stand-in beside it.
COUNTERS: Mapping[str, tuple[str, str]] = {
    "in_octets": ("ifHCInOctets", "ifInOctets"),
    "out_octets": ("ifHCOutOctets", "ifOutOctets"),
    "in_packets": ("ifHCInUcastPkts", "ifInUcastPkts"),
    "out_packets": ("ifHCOutUcastPkts", "ifOutUcastPkts"),
}
STATE = ("ifName", "ifDescr", "ifAlias", "ifAdminStatus", "ifOperStatus", "ifHighSpeed", "ifSpeed", "ifLastChange")
NAMES = ("ifName", "ifDescr")  # what a port is known by, the better first
QUALITY = ("ifCounterDiscontinuityTime", "ifInErrors", "ifOutErrors", "ifInDiscards", "ifOutDiscards")
_NOTHING: Mapping[Oid, Value] = {}
METRICS = frozenset([*STATE, *QUALITY, *(name for pair in COUNTERS.values() for name in pair)])


def port_names(values: Values) -> tuple[dict[int, str], int]:
    """(ifIndex -> name, how many share theirs with another). ifName, else ifDescr, else the index.

    Of ports that share a name each gets its ifIndex appended: none of them is then mistaken for the other.
    """
    found: dict[int, str] = {}
    for metric in (*NAMES, "ifOperStatus"):
        for index, value in values.get(metric, {}).items():
            if len(index) != 1:
                continue
            if text := as_text(value) if metric != "ifOperStatus" else f"ifIndex {index[0]}":
                found.setdefault(index[0], text)
    seen: dict[str, list[int]] = {}
    for number, name in found.items():
        seen.setdefault(name, []).append(number)
    clashes = 0
    for name, numbers in seen.items():
        if len(numbers) > 1:
            clashes += len(numbers)
            found |= {number: f"{name}#{number}" for number in numbers}
    return found, clashes


def build_ports(values: Values, names: Mapping[int, str], at: float) -> dict[str, Port]:
    """All ports by name. ``at`` is when the counters were read."""
    columns = {metric: values.get(metric, _NOTHING) for metric in METRICS}
    return {
        name: build_port(lambda metric, index=(number,): columns[metric].get(index), number, name, at)  # type: ignore[misc]
        for number, name in names.items()
    }


def build_port(read: Callable[[str], Value], number: int, name: str, at: float) -> Port:
    """One port, of ifIndex ``number``; ``read`` gives the value that a metric has in its row."""

    def whole(metric: str) -> int | None:
        value = read(metric)
        if value is None or type(value) is int:
            return value
        number = as_number(value)
        return None if number is None else int(number)

    def seconds(metric: str) -> float | None:
        ticks = whole(metric)
        return None if ticks is None else ticks / 100

    def pair(first: str, second: str) -> tuple[int | None, int | None, int]:
        # Both directions of a port from the same width, so that one number of bits says it.
        wide = whole(COUNTERS[first][0]), whole(COUNTERS[second][0])
        if None not in wide:
            return *wide, 64
        narrow = whole(COUNTERS[first][1]), whole(COUNTERS[second][1])
        return (*narrow, 32) if narrow != (None, None) else (*wide, 64)

    oper, admin = whole("ifOperStatus"), whole("ifAdminStatus")
    speed = (whole("ifHighSpeed") or 0) * 1e6
    if not speed:
        low = whole("ifSpeed") or 0
        speed = float(low) if low != HIGHEST_GAUGE else 0.0
    in_octets, out_octets, octets_bits = pair("in_octets", "out_octets")
    in_packets, out_packets, packets_bits = pair("in_packets", "out_packets")
    return Port(
        if_name=name,
        if_index=number,
        at=at,
        alias=as_text(read("ifAlias")),
        admin_up=None if admin is None else admin == UP,
        oper_up=None if oper in (None, UNKNOWN) else oper == UP,
        speed_bps=speed or None,
        in_octets=in_octets,
        out_octets=out_octets,
        in_errors=whole("ifInErrors"),
        out_errors=whole("ifOutErrors"),
        in_discards=whole("ifInDiscards"),
        out_discards=whole("ifOutDiscards"),
        in_packets=in_packets,
        out_packets=out_packets,
        octets_bits=octets_bits,
        packets_bits=packets_bits,
        last_change_s=seconds("ifLastChange"),
        discontinuity_s=seconds("ifCounterDiscontinuityTime"),
    )
