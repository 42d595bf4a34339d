"""What one device says of itself and of what it is connected to, in plain terms. Facts only, no behaviour.

Addresses are in the one spelling of `netmon.addresses`, MACs are `aa:bb:cc:dd:ee:ff`; "" is: not said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SeenPort:
    """One row of IF-MIB's tables. ``name`` is the one that netmon knows the port by."""

    name: str
    if_index: int
    descr: str = ""
    alias: str = ""
    mac: str = ""
    physical: bool = False  # ifType is Ethernet: no VLAN, tunnel, loopback, bridge or aggregate
    speed_bps: float | None = None
    oper_up: bool | None = None


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """An address on a port of the device; ``prefix`` such as "192.0.2.0/30", "" where it is not told."""

    address: str
    port: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What LLDP heard on a port: who is there, and how it calls its own port (``port_ids``, the best first)."""

    port: str  # of the device that heard it; "" where the agent does not tell
    name: str = ""
    chassis: str = ""
    port_ids: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()  # for management
    capabilities: frozenset[str] = frozenset()  # in use: bridge, router, telephone, station, ...; empty: not told


@dataclass(frozen=True, slots=True)
class Peer:
    """A BGP neighbour; ``established`` is state 6 (RFC 4273)."""

    address: str
    established: bool
    remote_as: int = 0


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """All that one device said. Not ``ok``: it did not answer, ``reason`` says why."""

    device: str
    ok: bool = True
    reason: str = ""
    credential: str = ""  # the one it answered to, by name
    sys_name: str = ""
    chassis: str = ""
    ports: Mapping[str, SeenPort] = field(default_factory=dict)
    addresses: tuple[OwnAddress, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    peers: tuple[Peer, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)  # table -> why it may lack rows
