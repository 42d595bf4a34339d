"""What each command does. Reading commands ask the running daemon through its API; the others work by themselves."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import difflib
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from netmon import importer
from netmon.acl import COMMAND, encode_acl
from netmon.alerts.catalog import export, export_watcher, load_catalog
from netmon.api_client import ApiClient
from netmon.clock import Clock
from netmon.collectors.snmp import profiles as snmp_profiles
from netmon.collectors.snmp.ber import BerError
from netmon.collectors.snmp.engine import Engine, Target
from netmon.collectors.snmp.poll_text import format_poll
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.trace_text import Tracer
from netmon.collectors.snmp.walk_cli import format_varbind, parse_oid
from netmon.errors import NetmonError
from netmon.inventory import Loaded, check_text, load, load_settings
from netmon.model import Credential, Device

GOOD, PROBLEM, MISUSE = 0, 1, 2
SWITCH_S = 0.0005
RULES_FILE = Path(__file__).parent / "alerts" / "netmon.rules.yml"


def alert_names() -> list[str]:
    return [rule.alert for rule in load_catalog()]


def loader(path: str) -> Callable[[], Loaded]:
    """Loads and checks the configuration at ``path`` anew each time it is called (start, and every reload)."""

    def load_now() -> Loaded:
        return load(path, profile_names=snmp_profiles.profile_names, alert_names=alert_names())

    return load_now


def run(args: argparse.Namespace) -> int:
    from netmon.app import App  # late: only this command needs the web server's weight

    # Every receive of the loop lets a thread in that renders or loads, for this long: the default's 5 ms would add up.
    sys.setswitchinterval(SWITCH_S)

    async def until_ended() -> int:
        status = await App(loader(args.config)).run()
        # All is committed and closed. A thread that still waits for a gateway or a name server must not hold the exit.
        logging.shutdown()
        os._exit(status)

    return asyncio.run(until_ended())


def check(args: argparse.Namespace) -> int:
    if (args.site or args.device) and not args.live:
        print("netmon check: --site and --device are for --live", file=sys.stderr)
        return MISUSE
    problems, summary = check_text(args.config, profile_names=snmp_profiles.profile_names, alert_names=alert_names())
    for problem in problems:
        print(problem)
    print(summary)
    if problems or not args.live:
        return PROBLEM if problems else GOOD
    from netmon.commands_survey import check_live  # late: it needs this module

    return check_live(args)


def demo(args: argparse.Namespace) -> int:
    from netmon.sim.demo import Demo

    return Demo(
        config=args.config,
        port=args.port,
        duration_s=args.duration,
        sites=args.sites,
        faults="none" if args.no_faults else "demo",
        keep=args.keep,
    ).run()


def sim(args: argparse.Namespace) -> int:
    from netmon.sim.run import simulate
    from netmon.sim.weather import Climate

    inventory = loader(args.config)().inventory
    asyncio.run(
        simulate(
            inventory,
            args.faults,
            broker_port=args.broker_port,
            climate=Climate(args.loss, args.bursts),
            seed=args.seed,
            truth=args.truth,
            ready=lambda text: print(text, flush=True),
        )
    )
    return GOOD


def _line(text: str) -> None:
    """From within the event loop, where a reader who has gone (head) would be an error of each callback."""
    with contextlib.suppress(BrokenPipeError):
        print(text)


def poll(args: argparse.Namespace) -> int:
    loaded = loader(args.config)()
    inventory = loaded.inventory
    devices = [d for d in inventory.devices.values() if args.site in (d.id, d.site, d.node)]
    if not devices:
        known = args.site in inventory.sites or args.site in inventory.nodes
        why = "has no device that answers SNMP" if known else "is no site, node or device of the inventory"
        raise NetmonError(f"{args.site} {why}")

    async def poll_all() -> bool:
        engine = Engine(loaded.config.snmp, Clock(), Tracer(_line) if args.trace else None)
        await engine.start()
        poller = Poller(engine, snmp_profiles.load_profiles(loaded.config.profiles), loaded.config.snmp, Clock())
        good = True
        try:
            for device in devices:
                result = await poller.poll(device, inventory.credentials[device.credential], full=True)
                print(format_poll(result))
                good = good and result.ok
            if args.trace:
                print("engine: " + ", ".join(f"{count} {what}" for what, count in sorted(engine.stats.items())))
        finally:
            await engine.close()
        return good

    return GOOD if asyncio.run(poll_all()) else PROBLEM


def walk(args: argparse.Namespace) -> int:
    loaded = loader(args.config)()
    show = _namer(args, loaded)
    device, credential = _walk_target(args, loaded)
    target = Target(device.address, device.port, credential, device.id)
    try:
        root = parse_oid(args.oid)
    except BerError as error:
        raise NetmonError(str(error)) from error

    async def walk_all() -> int:
        engine = Engine(loaded.config.snmp, Clock())
        await engine.start()
        try:
            found = await engine.walk(target, root)
        finally:
            await engine.close()
        for varbind in found:
            print(show(format_varbind(varbind)))
        if not found:
            print(f"netmon: {device.id}: nothing under {args.oid}", file=sys.stderr)
        return GOOD if found else PROBLEM

    return asyncio.run(walk_all())


def _namer(args: argparse.Namespace, loaded: Loaded) -> Callable[[str], str]:
    """What makes names of the numbers in a line of the walk, if asked for."""
    if not args.names and not args.mib:
        return str
    from netmon.commands_profiles import Names  # late: it needs this module

    names = Names(args.mib, loaded.config.profiles)
    for problem in names.problems:
        print(problem, file=sys.stderr)
    return names.line


def _walk_target(args: argparse.Namespace, loaded: Loaded) -> tuple[Device, Credential]:
    inventory, port = loaded.inventory, args.port or loaded.config.snmp.port
    known = [d for d in inventory.devices.values() if args.address in (d.address, d.id)]
    device = known[0] if known else Device(args.address, "router", args.address, port, "")
    device = replace(device, port=args.port or device.port)
    name = args.credential or device.credential
    if name not in inventory.credentials:
        allowed = ", ".join(sorted(inventory.credentials))
        what = f"credential {name!r} is unknown" if name else f"{args.address} is not in the inventory"
        raise NetmonError(f"{what}; name one with --credential: {allowed}")
    return device, inventory.credentials[name]


def status(args: argparse.Namespace) -> int:
    summary = ApiClient(load_settings(args.config)).get("/api/v1/summary")
    print(json.dumps(summary, ensure_ascii=False, indent=2))
    return GOOD


def rules(args: argparse.Namespace) -> int:
    catalogue = load_catalog()
    if args.action == "list":
        for rule in catalogue:
            print(f"{rule.alert}\t{rule.severity}\t{rule.gauge} {rule.op} {rule.threshold:g}\t{rule.summary['en']}")
        return GOOD
    text = export_watcher() if args.watcher else export(catalogue)
    if args.output == "-" or (args.watcher and not args.output):
        sys.stdout.write(text)
        return GOOD
    target = Path(args.output) if args.output else RULES_FILE
    target.write_text(text, encoding="utf-8")
    print(f"wrote {target}: {text.count('- alert: ')} rules")
    return GOOD


def _inventory_misuse(args: argparse.Namespace) -> str:
    """What does not go with the action; "" if all does."""
    if args.check and args.action != "acl":
        return "--check is for acl"
    if (args.write or args.site or args.device) and args.action != "suggest":
        return "--write, --site and --device are for suggest"
    if args.action == "suggest" and args.file:
        return "suggest takes no file"
    return f"{args.action} takes a file" if args.action in ("import", "export") and not args.file else ""


def inventory(args: argparse.Namespace) -> int:
    if misuse := _inventory_misuse(args):
        print(f"netmon: inventory {misuse}", file=sys.stderr)
        return MISUSE
    if args.action == "acl":
        return _acl(args)
    if args.action == "suggest":
        from netmon.commands_survey import suggest  # late: it needs this module

        return suggest(args)
    if args.action == "import":
        written, problems = importer.run(args.file, args.output)
        for problem in problems:
            print(problem, file=sys.stderr)
        for path in written:
            print(f"wrote {path}")
        return PROBLEM if problems else GOOD
    loaded = loader(args.config)().inventory
    text = importer.export_csv(loaded)
    if args.file == "-":
        sys.stdout.write(text)
        return GOOD
    try:
        with Path(args.file).open("x", encoding="utf-8-sig", newline="") as file:  # Excel needs the BOM
            file.write(text)
    except FileExistsError as error:
        raise NetmonError(f"{args.file} is there already; remove it or write to another") from error
    print(f"wrote {args.file}: {len(loaded.sites)} sites")
    return GOOD


def _acl(args: argparse.Namespace) -> int:
    loaded = loader(args.config)()
    text, problems = encode_acl(loaded.inventory, loaded.config.mqtt)
    if problems:  # a list with mistakes would let somebody in
        raise NetmonError("\nnetmon: ".join(problems))
    if args.check:
        if args.file in ("", "-"):
            print("netmon: inventory acl --check takes a file", file=sys.stderr)
            return MISUSE
        old = Path(args.file).read_text(encoding="utf-8")
        differences = list(difflib.unified_diff(old.splitlines(), text.splitlines(), args.file, COMMAND, "", "", 0, ""))
        for line in differences:
            print(line)
        return PROBLEM if differences else GOOD
    if args.file in ("", "-"):
        sys.stdout.write(text)
        return GOOD
    Path(args.file).write_text(text, encoding="utf-8")
    print(f"wrote {args.file}: {text.count(chr(10) + 'user ')} users")
    return GOOD
