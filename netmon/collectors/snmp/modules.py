"""What a module of snmp_exporter's ``snmp.yml`` says: which objects to ask for and which series they become. Facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from netmon.errors import Problem

Oid = tuple[int, ...]

NUMBER_TYPES = frozenset({"gauge", "counter", "Float", "Double"})
DATE_TYPES = frozenset({"DateAndTime", "ParseDateAndTime", "NTPTimeStamp"})
ENUM_TYPES = frozenset({"EnumAsInfo", "EnumAsStateSet", "Bits"})
COMBINED_TYPES = frozenset({"InetAddress", "InetAddressMissingSize", "LldpPortId"})  # the type stands in another column
TEXT_TYPES = frozenset({"DisplayString", "OctetString", "PhysAddress48", "InetAddressIPv4", "InetAddressIPv6"})
METRIC_TYPES = NUMBER_TYPES | DATE_TYPES | ENUM_TYPES | COMBINED_TYPES | TEXT_TYPES
INDEX_TYPES = COMBINED_TYPES | TEXT_TYPES | {"gauge", "counter", "Integer", "Integer32", "EnumAsInfo"}


@dataclass(frozen=True, slots=True)
class Index:
    """One part of a row's index, decoded from OID arcs (RFC 2578, section 7.7)."""

    labelname: str
    type: str
    fixed_size: int = 0  # octets; 0 = the length precedes the octets
    implied: bool = False  # the rest of the index, no length
    enum_values: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A label from another column of the same index; without ``labels`` the label ``labelname`` is dropped."""

    labels: tuple[str, ...]
    labelname: str
    oid: Oid = ()
    type: str = ""
    enum_values: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Extract:
    """One try to read a number out of text: the whole value must match; ``value`` is a Python template."""

    regex: re.Pattern[str]
    value: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One MIB object and the series it becomes."""

    name: str
    oid: Oid
    type: str
    help: str = ""
    indexes: tuple[Index, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    enum_values: Mapping[int, str] = field(default_factory=dict)
    extracts: Mapping[str, tuple[Extract, ...]] = field(default_factory=dict)
    scale: float = 0.0  # 0 = none
    offset: float = 0.0
    datetime_pattern: str = ""


@dataclass(frozen=True, slots=True)
class StaticFilter:
    """Of the columns ``targets`` only the rows ``indices`` are wanted."""

    targets: tuple[Oid, ...]
    indices: tuple[Oid, ...]


@dataclass(frozen=True, slots=True)
class DynamicFilter:
    """Of the columns ``targets`` only the rows whose value in ``oid`` matches one of ``values``."""

    oid: Oid
    targets: tuple[Oid, ...]
    values: tuple[re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class Module:
    """What to ask a kind of device and what to make of it. None = the engine's own setting."""

    name: str
    walk: tuple[Oid, ...] = ()
    get: tuple[Oid, ...] = ()
    metrics: tuple[Metric, ...] = ()
    static_filters: tuple[StaticFilter, ...] = ()
    dynamic_filters: tuple[DynamicFilter, ...] = ()
    max_repetitions: int | None = None
    retries: int | None = None
    timeout_s: float | None = None
    allow_nonincreasing_oids: bool = False
    use_unconnected_udp_socket: bool = False
    version: int = 0  # old form only; 0 = not said
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)  # old form only, holds secrets


@dataclass(frozen=True, slots=True)
class Parsed:
    """All modules of one file. ``auths`` may hold secrets and never prints them."""

    modules: Mapping[str, Module]
    auths: Mapping[str, Mapping[str, str]] = field(repr=False)
    problems: tuple[Problem, ...]


def parse_oid(text: str) -> Oid:
    """``1.3.6.1`` (a leading dot is allowed) as a tuple; ValueError if it is not an OID."""
    arcs = tuple(map(int, str(text).removeprefix(".").split(".")))
    if not arcs or any(not 0 <= arc < 2**32 for arc in arcs):
        raise ValueError(text)
    return arcs
