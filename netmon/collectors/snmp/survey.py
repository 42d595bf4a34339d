"""Asks devices what they are, what they are connected to and what their ports are called: the facts of a survey.

A device that is silent is tried with the other credentials of the inventory: it may only have been given another one.
Those are our own and go to an address of the inventory; a neighbour that nobody knows is never asked anything.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Collection, Mapping

from netmon.collectors.snmp.ber import EXCEPTIONS
from netmon.collectors.snmp.engine import Engine, Target
from netmon.errors import CollectError
from netmon.model import Credential, Device
from netmon.rawvalues import Oid, Value
from netmon.survey.decode import OBJECTS, SCALARS, decode
from netmon.survey.facts import DeviceFacts

AT_ONCE = 32  # devices; the engine bounds the packets
MAX_ROWS = 20_000  # of one table: some routers have that many addresses
NAMES = {oid: name for name, oid in OBJECTS.items()}


async def survey(
    engine: Engine,
    devices: Collection[Device],
    credentials: Mapping[str, Credential],
    translate: Callable[[str], str] = str,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> dict[str, DeviceFacts]:
    """Device id -> what it said, all devices; ``progress`` is told how many of how many are done."""
    slots = asyncio.Semaphore(AT_ONCE)
    found: dict[str, DeviceFacts] = {}

    async def one(device: Device) -> None:
        async with slots:
            found[device.id] = await _ask(engine, device, credentials, translate)
        progress(len(found), len(devices))

    async with asyncio.TaskGroup() as tasks:
        for device in devices:
            tasks.create_task(one(device))
    return {device.id: found[device.id] for device in devices}


async def _ask(
    engine: Engine, device: Device, credentials: Mapping[str, Credential], translate: Callable[[str], str]
) -> DeviceFacts:
    own = credentials[device.credential]
    try:
        return await _read(engine, device, own, translate)
    except CollectError as error:
        reason = error.reason
    for credential in _others(own, credentials):
        try:
            return await _read(engine, device, credential, translate)
        except CollectError:
            continue
    return DeviceFacts(device.id, ok=False, reason=reason)


def _others(own: Credential, credentials: Mapping[str, Credential]) -> list[Credential]:
    """Those that differ in more than their name: two names for one community are no two credentials."""
    tried = [dataclasses.replace(own, name="")]
    found = []
    for credential in credentials.values():
        bare = dataclasses.replace(credential, name="")
        # v1 and v2c of one community are answered by the same agent: the inventory may have chosen either.
        if not any(bare == other or _one_community(bare, other) for other in tried):
            tried.append(bare)
            found.append(credential)
    return found


def _one_community(one: Credential, other: Credential) -> bool:
    return "3" not in (one.version, other.version) and one.community == other.community


async def _read(engine: Engine, device: Device, credential: Credential, translate: Callable[[str], str]) -> DeviceFacts:
    """Everything of one device; raises CollectError when it does not answer."""
    target = Target(device.address, device.port, credential, device.id)
    names = list(SCALARS)
    answers = await engine.get(target, [SCALARS[name] for name in names])
    scalars = {n: vb.value for n, vb in zip(names, answers, strict=True) if vb.tag not in EXCEPTIONS}
    columns = await engine.columns(target, list(OBJECTS.values()), max_rows=MAX_ROWS)
    tables: dict[str, dict[Oid, Value]] = {
        NAMES[oid]: {index: vb.value for index, vb in rows.items() if vb.tag not in EXCEPTIONS}
        for oid, rows in columns.rows.items()
    }
    facts = decode(device.id, credential.name, scalars, tables, translate)
    failed = {NAMES[oid]: reason for oid, reason in columns.failed.items()}
    # Half a table of ports would make the others ports that are not there.
    ports = {} if {"ifName", "ifDescr", "ifOperStatus"} & failed.keys() else facts.ports
    return dataclasses.replace(facts, ports=ports, failed=failed)
