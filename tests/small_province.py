"""A few sites as YAML files, their simulated devices, and what a survey of those finds, without a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from netmon.inventory import Loaded, Sources, load_with_sources
from netmon.model import Inventory
from netmon.proposals import Proposals, propose
from netmon.sim.links import own_table_of
from netmon.sim.mib import SimDevice, table_of
from netmon.sim.province import build_devices
from netmon.sim.world import Fault, World
from netmon.survey.decode import OBJECTS, SCALARS, decode
from netmon.survey.difference import Difference
from netmon.survey.examine import examine
from netmon.survey.facts import DeviceFacts

TODAY = "2026-06-01"
SETTINGS = 'inventory: ["nodes.yml", "sites.yml"]\nprobe: {kind: "stamp"}\n'
NODES = """\
# What the lines hang from.
areas: [{id: "a", name: "A", sms_name: "A"}]
nodes:
  - id: "n-core"
    name: "Lõi"
    kind: "core"
    devices:
      - {id: "r-core", kind: "router", address: "127.9.0.1", credential: "c"}   # the core router
  - {id: "n-east", name: "Đông", kind: "aggregation", parent: "n-core", devices: [{id: "r-east", kind: "router", address: "127.9.0.2", credential: "c"}]}
  - id: "n-west"
    name: "Tây"
    kind: "aggregation"
    parent: "n-core"
credentials:
  - {id: "c", version: "2c", community: {env: "NETMON_TEST_COMMUNITY", default: "public"}}
  - {id: "other", version: "2c", community: {env: "NETMON_TEST_OTHER", default: "secret"}}
"""  # noqa: E501
SITES = """\
sites:
  - id: "s-one"
    name: "Một"      # two lines, one router
    sms_name: "Mot"
    block: "party"
    level: "commune"
    area: "a"

    lines:
      - id: "one-1"
        parent: "n-core"
        circuit: "TSL-0001"   # as on the bill
        address: "127.9.1.1"
        contract: {down: "50M", up: "50M"}
        device: "r-one"
        if_name: "GE0/0/8"
        remote_device: "r-core"
        remote_if_name: "GE0/0/1/1"
      - {id: "one-2", parent: "n-east", role: "backup", circuit: "TSL-0001B", address: "127.9.2.1", device: "r-one", if_name: "GE0/0/9", remote_device: "r-east", remote_if_name: "GE0/0/2/1"}
    devices:
      - id: "r-one"
        kind: "router"
        address: "127.9.3.1"
        credential: "c"   # the usual one
  - id: "s-two"
    name: 'Hai'
    sms_name: 'Hai'
    block: "government"
    level: "commune"
    area: "a"
    lines:
      - id: "two-1"
        parent: "n-east"
        circuit: "TSL-0002"
        address: "127.9.1.2"
        device: "r-two"
        if_name: "GE0/0/8"
        remote_device: "r-east"
        remote_if_name: "GE0/0/2/2"
    devices: [{id: "r-two", kind: "router", address: "127.9.3.2", credential: "c"}]
  - id: "s-three"
    name: "Ba"
    sms_name: "Ba"
    block: "government"
    level: "commune"
    area: "a"
    lines:
      - {id: "three-1", parent: "n-west", circuit: "TSL-0003", address: "127.9.1.3", device: "r-three", if_name: "GE0/0/8"}
    devices:
      - {id: "r-three", kind: "router", address: "127.9.3.3", credential: "c"}
  - id: "s-four"
    name: "Bốn"
    sms_name: "Bon"
    block: "other"
    level: "commune"
    area: "a"
    lines: [{id: "four-1", parent: "n-west", circuit: "TSL-0004", address: "127.9.1.4"}]
"""  # noqa: E501


def write(folder: Path, nodes: str = NODES, sites: str = SITES) -> Path:
    """The files; returns netmon.yml."""
    for name, text in (("netmon.yml", SETTINGS), ("nodes.yml", nodes), ("sites.yml", sites)):
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / "netmon.yml"


def read(config: Path, instead: Mapping[str, bytes] | None = None) -> tuple[Loaded, Sources]:
    return load_with_sources(config, {}, profile_names=("generic",), alert_names=(), instead=instead)


def facts_of(sim: SimDevice) -> DeviceFacts:
    """What a survey reads from a simulated device."""
    mibs = (table_of(sim), own_table_of(sim))
    objects = {oid: mib.getters[i](sim) for mib in mibs for i, oid in enumerate(mib.oids)}
    scalars = {name: objects[oid] for name, oid in SCALARS.items() if oid in objects}
    tables = {
        name: {oid[len(column) :]: value for oid, value in sorted(objects.items()) if oid[: len(column)] == column}
        for name, column in OBJECTS.items()
    }
    return decode(sim.device.id, sim.device.credential, scalars, tables)


def network(true: Inventory, *drift: tuple[str, str]) -> dict[str, DeviceFacts]:
    """What all devices of the true inventory say, after some of the simulator's drift."""
    world = World(true, tuple(Fault(kind, target, 0.0, 1e9) for kind, target in drift))
    world.step(100.0)
    return {name: facts_of(sim) for name, sim in build_devices(world).items()}


class Case:
    """An inventory as it is written, against the network as it is."""

    def __init__(self, folder: Path, nodes: str = NODES, sites: str = SITES, drift: tuple[tuple[str, str], ...] = ()):
        folder.mkdir(exist_ok=True)
        self.true = read(write(folder))[0].inventory
        self.config = write(folder, nodes, sites)
        self.facts = network(self.true, *drift)
        self.load()

    def load(self) -> None:
        self.loaded, self.sources = read(self.config)

    def differences(self) -> list[Difference]:
        facts = {name: facts for name, facts in self.facts.items() if name in self.loaded.inventory.devices}
        return examine(self.loaded.inventory, facts, TODAY)

    def proposals(self) -> Proposals:
        return propose(self.differences(), self.sources, lambda instead: read(self.config, instead))

    def apply(self) -> Proposals:
        """Take over what is sure."""
        found = self.proposals()
        for name, data in found.after.items():
            Path(name).write_bytes(data)
        self.load()
        return found
