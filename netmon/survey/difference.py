"""What a survey finds: where network and inventory differ, and what would mend the inventory. Facts only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["site", "line", "device", "node"]


@dataclass(frozen=True, slots=True)
class Put:
    """Give a key of an entry this value."""

    kind: Kind
    id: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Include:
    """Add a name to a list of texts of an entry."""

    kind: Kind
    id: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Add:
    """Add a device to a site or a node."""

    kind: Kind
    id: str
    device: Mapping[str, str] = field(hash=False)


Fix = Put | Include | Add


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the network says and the inventory does not, or says otherwise.

    ``drift``: the inventory says something that is not so (else it says nothing of it). ``fixes`` mend it; unless
    ``sure`` a person has to judge them first.
    """

    kind: Kind
    id: str
    key: str  # the place in the entry
    found: str
    says: str
    drift: bool = True
    fixes: tuple[Fix, ...] = ()
    sure: bool = False


FIELDS: Mapping[Kind, tuple[str, ...]] = {  # the order in which people write them
    "line": (
        "id", "parent", "role", "provider", "circuit", "handoff", "address", "probe", "contract", "sla_ratio",
        "device", "if_name", "remote_device", "remote_if_name",
    ),
    "device": ("id", "kind", "address", "port", "credential", "profiles", "interval", "sys_name"),
    "node": ("id", "name", "short_name", "kind", "parent", "known_as", "address", "probe", "devices", "sensors"),
    "site": ("id", "lines", "devices", "sensors"),
}  # fmt: skip
