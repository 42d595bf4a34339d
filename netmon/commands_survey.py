"""`netmon check --live` and `netmon inventory suggest`: what the network says against what the inventory says."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from netmon.addresses import AddressMap
from netmon.clock import Clock
from netmon.collectors.snmp import profiles as snmp_profiles
from netmon.collectors.snmp.engine import Engine
from netmon.collectors.snmp.survey import survey
from netmon.commands import GOOD, PROBLEM, alert_names
from netmon.errors import NetmonError
from netmon.inventory import Loaded, Sources, load_with_sources
from netmon.model import Device, Inventory
from netmon.proposals import problem, propose, show
from netmon.survey.difference import Difference
from netmon.survey.examine import examine
from netmon.survey.facts import DeviceFacts


class Seen(NamedTuple):
    """One survey and what came of it."""

    loaded: Loaded
    sources: Sources
    facts: Mapping[str, DeviceFacts]
    differences: list[Difference]
    seconds: float

    def summary(self, found: str) -> str:
        """What was asked, in numbers."""
        inventory = self.loaded.inventory
        silent = sum(not facts.ok for facts in self.facts.values())
        speaking = {inventory.devices[name].site for name in self.facts}
        rest = len(set(inventory.sites) - {d.site for d in inventory.devices.values()})
        return (
            f"{len(self.facts)} devices asked at {len(speaking - {''})} sites, {silent} silent, {self.seconds:.1f} s; "
            f"{rest} sites have no device that speaks SNMP; {found}"
        )


def check_live(args: argparse.Namespace) -> int:
    """After a check without mistakes: every difference that is drift, a line each."""
    seen = _see(args)
    drift = sorted(problem(d, seen.sources) for d in seen.differences if d.drift)
    for line in drift:
        print(line)
    print(seen.summary(f"{len(drift)} finding{'s' if len(drift) != 1 else ''}"))
    return PROBLEM if drift else GOOD


def suggest(args: argparse.Namespace) -> int:
    """The diff on standard output, all else on standard error, so that the one can be piped into patch."""
    seen = _see(args)

    def would_load(instead: Mapping[str, bytes]) -> object:
        return _load(args.config, instead)

    found = propose(seen.differences, seen.sources, would_load)
    sys.stdout.write(show(found, seen.sources))
    sys.stdout.flush()
    print("netmon: " + seen.summary(f"{len(found.sure)} proposals, {len(found.unsure)} unsure"), file=sys.stderr)
    if args.write:
        for name, data in found.after.items():
            _write(Path(name), seen.sources.texts[name], data)
            print(f"netmon: wrote {name}", file=sys.stderr)
    return PROBLEM if found.sure or found.unsure else GOOD


def _load(config: str, instead: Mapping[str, bytes] | None = None) -> tuple[Loaded, Sources]:
    return load_with_sources(
        config, profile_names=snmp_profiles.profile_names, alert_names=alert_names(), instead=instead
    )


def _see(args: argparse.Namespace) -> Seen:
    loaded, sources = _load(args.config)
    inventory = loaded.inventory
    devices = _chosen(inventory, args.site, args.device)
    translate = AddressMap(loaded.config.address_map).translate

    async def ask() -> dict[str, DeviceFacts]:
        engine = Engine(loaded.config.snmp, Clock())
        await engine.start()
        try:
            return await survey(engine, devices, inventory.credentials, translate, _progress())
        finally:
            await engine.close()

    began = time.monotonic()
    facts = asyncio.run(ask())
    seconds = time.monotonic() - began
    for found in facts.values():
        for table, reason in sorted(found.failed.items()):
            print(f"netmon: {found.device}: {table} was not read to its end ({reason})", file=sys.stderr)
    today = dt.datetime.now(dt.UTC).date().isoformat()  # the day of UTC, as everywhere a contract counts
    differences = [d for d in examine(inventory, facts, today) if _about(d, inventory, args.site, args.device)]
    return Seen(loaded, sources, facts, differences, seconds)


def _chosen(inventory: Inventory, site: str, device: str) -> list[Device]:
    """Whom to ask: all, or those of one place or the one named, with those at nodes, which see them from outside."""
    if site and site not in inventory.sites and site not in inventory.nodes:
        raise NetmonError(f"{site} is no site or node of the inventory")
    if device and device not in inventory.devices:
        raise NetmonError(f"{device} is no device of the inventory")
    return [
        found
        for found in inventory.devices.values()
        if not (site or device) or found.node or found.id == device or (site and site == found.site)
    ]


def _about(difference: Difference, inventory: Inventory, site: str, device: str) -> bool:
    """Whether a difference belongs to what was chosen."""
    if not site and not device:
        return True
    own = {device} if device else {d.id for d in inventory.devices.values() if site in (d.site, d.node)}
    if difference.kind == "device":
        return difference.id in own
    line = inventory.lines.get(difference.id)
    return line is not None and (line.site == site or bool({line.device, line.remote_device} & own))


def _progress() -> Callable[[int, int], object]:
    """A line that counts, for people at a terminal."""
    if not sys.stderr.isatty():
        return lambda done, total: None

    def tell(done: int, total: int) -> None:
        sys.stderr.write(f"\r{done} of {total} devices" + ("\r\x1b[K" if done == total else ""))
        sys.stderr.flush()

    return tell


def _write(path: Path, before: bytes, after: bytes) -> None:
    """In one step, and only over what the proposal was made from."""
    if path.read_bytes() != before:
        raise NetmonError(f"{path} has changed meanwhile; nothing was written to it")
    target = path.resolve()  # a link stays one
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        new = Path(file.name)
        try:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
            status = target.stat()
            new.chmod(status.st_mode)
            os.chown(file.name, status.st_uid, status.st_gid)
            new.replace(target)
        except BaseException:
            new.unlink()
            raise
