"""`netmon sim`: the province, its broker and its sensors in one process, with faults by script."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from netmon.errors import ConfigError, NetmonError, Problem
from netmon.model import Inventory
from netmon.sim.broker import broker
from netmon.sim.province import Province, count
from netmon.sim.sensors import Publisher
from netmon.sim.weather import CALM, Climate
from netmon.sim.world import FAULTS, Fault, World
from netmon.yamlcompose import Loader

log = logging.getLogger(__name__)

STEP_S = 0.1
DEMO_EVERY_S = 240.0


def demo_faults(inventory: Inventory) -> list[Fault]:
    """A fibre, the mains of a building, a node: chosen from the inventory itself, so that any sample will do.

    They begin when the daemon has seen everything well once: what is lost before belongs to the digest after a start.
    """
    faults: list[Fault] = []
    cut = [line for line in inventory.lines.values() if line.remote_device and line.handoff == "sfp"]
    alone = [line for line in cut if sum(other.site == line.site for other in inventory.lines.values()) == 1]
    if alone:
        faults.append(Fault("fibre", alone[len(alone) // 2].id, 27.0, 20.0))
    with_ups = [d.site for d in inventory.devices.values() if d.kind == "ups" and d.site]
    far = [s for s in with_ups if inventory.sites[s].level == "commune"]
    if far:
        site = inventory.sites[far[len(far) // 3]]
        faults.append(Fault("power", site.building or site.id, 25.0, 45.0))
    nodes = [n.id for n in inventory.nodes.values() if n.kind == "aggregation"]
    busy = [n for n in nodes if sum(line.parent == n for line in inventory.lines.values()) >= 3]
    if busy:
        faults.append(Fault("node", busy[len(busy) // 2], 31.0, 20.0))
    return faults


def load_faults(path: str, inventory: Inventory) -> list[Fault]:
    """A YAML file's list of {kind, target, at, duration}, times in seconds. Raises NetmonError with all mistakes."""
    try:
        entries: Any = yaml.load(Path(path).read_text(encoding="utf-8-sig"), Loader=Loader)
    except OSError as error:
        raise NetmonError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NetmonError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if entries is not None and not isinstance(entries, list):
        raise NetmonError(f"{path}: must be a list of faults")
    targets = _targets(inventory)
    faults, problems = [], []
    for number, entry in enumerate(entries or (), 1):
        mistake = _mistake(entry, targets)
        if mistake:
            problems.append(Problem(path, 0, f"fault {number}", *mistake))
        else:
            faults.append(Fault(entry["kind"], entry["target"], float(entry["at"]), float(entry["duration"])))
    if problems:
        raise ConfigError(problems)
    return faults


def _targets(inventory: Inventory) -> dict[str, set[str]]:
    """What each kind of fault can happen to."""
    buildings = {site.building for site in inventory.sites.values()} - {""}
    with_port = {line.id for line in inventory.lines.values() if line.device and line.if_name}
    routers = {device.id for device in inventory.devices.values() if device.kind != "ups"}
    return {
        "power": buildings | set(inventory.sites),
        "feeder": {site.power for site in inventory.sites.values()} - {""},
        "fibre": set(inventory.lines),
        "cabinet": {site.cable for site in inventory.sites.values()} - {""},
        "cable": {site.cable for site in inventory.sites.values()} - {""},
        "node": set(inventory.nodes),
        "frozen": {d.id for d in inventory.devices.values() if d.kind == "router" and d.site},
        "hang": set(inventory.devices),
        "hot": set(inventory.sites) | set(inventory.nodes),
        "door": set(inventory.sites) | set(inventory.nodes),
        "gateway": set(inventory.gateways),
        "silent": set(inventory.sensors),
        "stuck": set(inventory.sensors),
        "drift": set(inventory.sensors),
        "moved": with_port,
        "renamed": with_port,
        "recircuited": with_port,
        "slow": with_port,
        "stranger": routers,
        "replaced": routers,
    }


def _mistake(entry: Any, targets: dict[str, set[str]]) -> tuple[str, str] | None:
    """What is wrong with an entry, and what is allowed."""
    if not isinstance(entry, dict) or set(entry) != {"kind", "target", "at", "duration"}:
        return "is not a fault", "needs exactly kind, target, at, duration"
    kind, target = entry["kind"], entry["target"]
    if kind not in FAULTS:
        return f"kind {kind!r} is unknown", f"allowed: {', '.join(FAULTS)}"
    if not isinstance(target, str) or target not in targets[kind]:
        return f"target {target!r} is nothing in the inventory that {kind} happens to", ""
    for key, low in (("at", 0.0), ("duration", 0.1)):
        value = entry[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < float("inf"):
            return f"{key} {value!r} is wrong", f"seconds, at least {low:g}"
    return None


async def simulate(
    inventory: Inventory,
    faults: str,
    *,
    broker_port: int = 0,
    climate: Climate = CALM,
    seed: int = 1,
    ups_runtime_s: float = 18.0,
    truth: str = "",
    ready: Callable[[str], None] = print,
) -> None:
    """Run until SIGTERM or SIGINT. ``faults`` is none, demo, or a file, which SIGHUP lets happen again from then on."""
    world = World(inventory, ups_runtime_s=ups_runtime_s)
    if faults == "demo":
        world.add(demo_faults(inventory))
    elif faults != "none":
        world.add(load_faults(faults, inventory))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if faults not in ("none", "demo"):
        loop.add_signal_handler(signal.SIGHUP, _happen_again, world, faults)
    province = Province(world, climate=climate, seed=seed)
    async with contextlib.AsyncExitStack() as stack:
        name = await stack.enter_async_context(broker(broker_port)) if broker_port else "none"
        stack.callback(province.close)
        await province.start()
        tasks = [asyncio.create_task(_advance(province, truth, repeat=faults == "demo"))]
        if broker_port:
            tasks.append(asyncio.create_task(Publisher(world, "127.0.0.1", broker_port).run()))
        ready(f"simulated: {count(inventory)}, {len(inventory.sensors)} sensors, broker {name}")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()  # a crash of the simulator is told, never hidden
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _happen_again(world: World, path: str) -> None:
    try:
        read = load_faults(path, world.inventory)
    except (NetmonError, OSError) as error:
        log.error("faults not read error=%s", error)
        return
    world.add(dataclasses.replace(fault, at_s=world.t + fault.at_s) for fault in read)


async def _advance(province: Province, truth: str, repeat: bool) -> None:
    world = province.world
    start, began_at, told = time.monotonic(), time.time(), 0
    script = world.faults
    rounds = 1
    while True:
        t = time.monotonic() - start
        if repeat and t > DEMO_EVERY_S * rounds:
            world.add(Fault(f.kind, f.target, f.at_s + DEMO_EVERY_S * rounds, f.duration_s) for f in script)
            rounds += 1
        world.step(t)
        await province.follow()
        for entry in world.truth[told:]:
            log.info("truth t=%.1f %s kind=%s target=%s", *entry)
        if truth and told < len(world.truth):
            lines = [json.dumps([*entry, round(began_at + entry[0], 2)]) + "\n" for entry in world.truth]
            await asyncio.to_thread(Path(truth).write_text, "".join(lines))
        told = len(world.truth)
        await asyncio.sleep(STEP_S)
