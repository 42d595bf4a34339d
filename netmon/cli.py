"""The command line. Exit status: 0 good, 1 a problem was found, 2 wrong use. Each command says an example in --help."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from netmon.errors import ConfigError, NetmonError
from netmon.works import REPEATS, WORK_KINDS

GOOD, PROBLEM, MISUSE = 0, 1, 2
CONFIGS = ("/etc/netmon/netmon.yml", "inventory/netmon.yml")

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every expected error is one clear line on stderr, never a traceback."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(level=args.log_level, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    command: Command = args.command
    try:
        status = command(args)
        sys.stdout.flush()  # here, where a reader who has gone is no surprise
        return status
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        print(f"netmon: {len(error.problems)} problem(s)", file=sys.stderr)
        return PROBLEM
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD
    except (NetmonError, OSError) as error:
        print(f"netmon: {error}", file=sys.stderr)
        return PROBLEM
    except KeyboardInterrupt:
        return PROBLEM


def default_config() -> str:
    """The first of the usual places that exists."""
    return next((path for path in CONFIGS if Path(path).exists()), CONFIGS[0])


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def _ratio(text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no ratio: 0 to 1")
    return ratio


def build_parser() -> argparse.ArgumentParser:
    from netmon import (
        commands,
        commands_desk,
        commands_drill,
        commands_explain,
        commands_notify,
        commands_profiles,
        commands_sensors,
    )

    parser = argparse.ArgumentParser(
        prog="netmon", description="Watches a province's data network and its sensors.", allow_abbrev=False
    )
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--config", default=default_config(), help="netmon.yml (default: %(default)s)")
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    common.add_argument("--log-level", default="WARNING", choices=levels, help="least level of what goes to stderr")
    subs = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str, example: str) -> argparse.ArgumentParser:
        sub = subs.add_parser(
            name,
            parents=[common],
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=f"example: {example}",
            allow_abbrev=False,
        )
        sub.set_defaults(command=command)
        return sub

    sub = add("run", commands.run, "run the daemon", "netmon run --config /etc/netmon/netmon.yml")
    sub.set_defaults(log_level="INFO")
    sub = add("check", commands.check, "check the configuration and the inventory", "netmon check --live")
    sub.add_argument("--live", action="store_true", help="also ask the devices where the network differs from it")
    _some_devices(sub, "--live: ")
    sub = add("demo", commands.demo, "run a simulated province and the daemon on it", "netmon demo --duration 60")
    sub.add_argument("--duration", type=_count, default=0.0, metavar="SECONDS", help="end by itself (0: until Ctrl-C)")
    sub.add_argument("--port", type=_port, default=9808, metavar="PORT", help="port of the page (default: %(default)s)")
    sub.add_argument(
        "--sites", type=_count, default=0, metavar="N", help="only the first N sites of the sample (0: all)"
    )
    sub.add_argument("--no-faults", action="store_true", help="nothing breaks by itself")
    sub.add_argument("--keep", metavar="DIR", default="", help="keep configuration, logs and state in DIR")
    sub = add(
        "sim", commands.sim, "run only the simulated province", "netmon sim --config demo/netmon.yml --faults demo"
    )
    sub.add_argument(
        "--faults", default="none", metavar="WHICH", help="none, demo, or a YAML file of faults (default: %(default)s)"
    )
    sub.add_argument(
        "--broker-port", type=_port, default=0, metavar="PORT", help="also start an MQTT broker on 127.0.0.1 (0: none)"
    )
    sub.add_argument(
        "--loss", type=_ratio, default=0.0, metavar="RATIO", help="random loss on the lines, of probes and SNMP, 0..1"
    )
    sub.add_argument(
        "--bursts",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="lose them in bursts of this mean length",
    )
    sub.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is random (default: %(default)s)")
    sub.add_argument("--truth", default="", metavar="FILE", help="write what really happened to FILE")
    sub = add("poll", commands.poll, "poll the devices of one site once and show the result", "netmon poll ubnd-bu-dop")
    sub.add_argument("site", help="site, node or device id")
    sub.add_argument("--trace", action="store_true", help="show each request: bytes, columns, round trip, retries")
    sub = add("walk", commands.walk, "walk a device's MIB", "netmon walk 198.18.0.1 1.3.6.1.2.1.1 --credential routers")
    sub.add_argument("address", help="address or id of a device")
    sub.add_argument("oid", help="root of the walk, in numbers")
    sub.add_argument(
        "--credential", default="", metavar="NAME", help="name in the inventory (default: the device's own)"
    )
    sub.add_argument("--port", type=_port, default=0, metavar="PORT", help="UDP port (default: the device's own)")
    sub.add_argument("--names", action="store_true", help="names instead of numbers: the profiles', and those of --mib")
    sub.add_argument(
        "--mib", action="append", default=[], metavar="FILE", help="MIB file or standard module for --names; repeatable"
    )
    sub = add(
        "profiles",
        commands_profiles.profiles,
        "work with SNMP profiles",
        "netmon profiles from-mib UPS-MIB --table upsInput upsOutput --output ups.yml",
    )
    sub.add_argument(
        "action",
        choices=("list", "check", "from-mib"),
        help="list them, compare one with a walk, or write a module out of MIBs",
    )
    sub.add_argument(
        "subject",
        nargs="*",
        metavar="WHAT",
        help="check: profile by name or file; from-mib: MIB files, or names of standard modules such as IF-MIB",
    )
    sub.add_argument("--walk", default="", metavar="FILE", help="check: .snmprec, or output of netmon walk or snmpwalk")
    sub.add_argument(
        "--table", nargs="+", action="extend", default=[], metavar="NAME", help="from-mib: tables, groups or objects"
    )
    sub.add_argument("--output", default="", metavar="FILE", help="from-mib: file to write (default: standard output)")
    sub.add_argument("--module", default="", metavar="NAME", help="from-mib: the module's name (default: the file's)")
    sub.add_argument(
        "--mib-dir", action="append", default=[], metavar="DIR", help="from-mib: folder with imported MIBs; repeatable"
    )
    sub.add_argument(
        "--lookup",
        action="append",
        default=[],
        metavar="INDEX=COLUMN",
        help="from-mib: a column that stands for an index; repeatable (ifIndex=ifName goes without saying)",
    )
    sub.add_argument("--keep-index", action="store_true", help="from-mib: keep indexes beside the names for them")
    sub = add("status", commands.status, "one look at what is up and what is not", "netmon status")
    sub = add(
        "incidents",
        commands_desk.incidents,
        "list the open incidents, or do something with one",
        "netmon incidents comment 1043 --who 'Trực NOC' --note 'đã gọi điểm'",
    )
    sub.add_argument(
        "action",
        nargs="?",
        default="list",
        choices=("list", "open", "release", "assign", "comment", "close", "ticket", "provider"),
        help="what to do; provider: print the text that reports its circuit (default: %(default)s)",
    )
    sub.add_argument("subject", nargs="?", default="", metavar="WHICH", help="its number; open: a site, or node:ID")
    sub.add_argument("--who", default="", metavar="NAME", help="who does it")
    sub.add_argument("--note", default="", metavar="TEXT", help="what there is to say")
    sub.add_argument("--to", default="", metavar="CONTACT", help="assign: who is to deal with it (empty: nobody)")
    sub.add_argument(
        "--step", default="reported", choices=("reported", "accepted", "closed"), help="ticket: what the provider did"
    )
    sub.add_argument("--number", default="", metavar="TICKET", help="ticket: the provider's number")
    sub.add_argument("--at", default="", metavar="TIME", help='ticket: local time, "2026-11-30 07:00" (default: now)')
    sub = add("ack", commands_desk.ack, "take an incident", "netmon ack 1043 --who 'Trực NOC' --note 'đã gọi điểm'")
    sub.add_argument("incident", help="number of the incident, or of a drill: D7")
    sub.add_argument("--who", required=True, metavar="NAME", help="who takes it")
    sub.add_argument("--note", default="", metavar="TEXT", help="what else there is to say")
    sub.add_argument("--hours", type=float, default=8.0, metavar="N", help="for how long (default: %(default)s)")
    sub = add("explain", commands_explain.explain, "say why: cause, who was told, who was not", "netmon explain 1043")
    sub.add_argument("subject", metavar="WHICH", help="number of an incident, or id of a site")
    sub.add_argument("--lang", default="", metavar="CODE", help="vi or en (default: the configured one)")
    sub = add(
        "report", commands_explain.report, "print the sheet for the change of shift, or the morning sentence",
        "netmon report handover",
    )  # fmt: skip
    sub.add_argument("report", choices=("handover", "morning"), help="change of shift, or the sentence to read out")
    sub.add_argument("--lang", default="", metavar="CODE", help="vi or en (default: the configured one)")
    sub = add(
        "drill",
        commands_drill.drill,
        "pretend a fault and see how soon it is found, told and taken",
        "netmon drill cable-cut --to truc-noc --who 'Trưởng ca'",
    )
    sub.add_argument("scenario", nargs="?", default="", metavar="SCENARIO", help="one of --list, or a YAML file")
    sub.add_argument("--list", action="store_true", help="list the scenarios that netmon brings")
    sub.add_argument("--site", default="", metavar="ID", help="site, node or gateway (default: the first that fits)")
    sub.add_argument("--to", nargs="+", default=[], metavar="NAME", help="who is told, and nobody else: contacts")
    sub.add_argument("--who", default="", metavar="NAME", help="who orders it, or stops it")
    sub.add_argument("--stop", action="store_true", help="end the drill that runs")
    sub.add_argument("--report", default="", metavar="D7", help="show the report of a drill")
    sub.add_argument("--lang", default="", choices=("vi", "en"), help="of the report (default: the daemon's)")
    sub = add(
        "works",
        commands_desk.works,
        "work with planned works, which are told only when they are overrun",
        "netmon works import cat-dien.csv --kind power --who 'Trực NOC'",
    )
    sub.add_argument("action", choices=("list", "add", "import", "cancel"), help="what to do")
    sub.add_argument(
        "subject", nargs="?", default="", metavar="WHAT", help="add: kind:id,kind:id; import: CSV; cancel: a number"
    )
    sub.add_argument("--who", default="", metavar="NAME", help="who does it")
    sub.add_argument("--kind", default="power", choices=WORK_KINDS, help="whose works they are (default: %(default)s)")
    sub.add_argument("--title", default="", metavar="TEXT", help="add: what is done")
    sub.add_argument("--begin", default="", metavar="TIME", help='add: local time, "2026-11-30 07:00"')
    sub.add_argument("--end", default="", metavar="TIME", help="add: the same")
    sub.add_argument("--repeat", default="once", choices=REPEATS, help="add: how it recurs (default: %(default)s)")
    sub = add(
        "silence",
        commands_desk.silence,
        "keep news from being told, or list and end silences",
        "netmon silence add site:ubnd-bu-dop --hours 4 --reason 'sửa nhà' --who 'Trực NOC'",
    )
    sub.add_argument(
        "action", choices=("list", "add", "end", "storm"), help="what to do; storm: no quiet hours for --hours (0: off)"
    )
    sub.add_argument("subject", nargs="?", default="", metavar="WHAT", help="add: kind:id,kind:id; end: a number")
    sub.add_argument("--who", default="", metavar="NAME", help="who does it")
    sub.add_argument(
        "--hours", type=float, default=4.0, metavar="N", help="add: it ends by itself (default: %(default)s)"
    )
    sub.add_argument("--reason", default="", metavar="TEXT", help="add: why")
    sub.add_argument("--alert", default="", metavar="NAME", help="add: only incidents of this alert")
    sub = add(
        "notify",
        commands_notify.notify,
        "send a test message to a person, by each of his channels",
        "netmon notify test --to ktv-loc-ninh",
    )
    sub.add_argument("action", choices=("test",), help="real messages, marked as a test")
    sub.add_argument("--to", required=True, metavar="NAME", help="id or name of a contact")
    sub = add(
        "sensors",
        commands_sensors.sensors,
        "list the sensors, show what could not be read, or try what a payload becomes",
        "netmon sensors try 'tele/+/SENSOR' --seconds 60",
    )
    sub.add_argument(
        "action",
        choices=("list", "quarantine", "try"),
        help="ask the daemon for all, for the latest messages that it could not read, or try a payload",
    )
    sub.add_argument(
        "what", nargs="?", default="", metavar="FILE|TOPIC", help="try: one payload, or a topic to listen to"
    )
    sub.add_argument("--topic", default="", metavar="TOPIC", help="try FILE: the topic it would come on")
    sub.add_argument(
        "--decoder", default="", metavar="NAME", help="try: read it by this one, whatever the inventory says"
    )
    sub.add_argument(
        "--seconds", type=_count, default=0, metavar="N", help="try TOPIC: how long to listen (default: 10)"
    )
    sub.add_argument("--count", type=_count, default=0, metavar="N", help="try TOPIC: end after N messages (0: any)")
    sub.add_argument("--site", default="", metavar="ID", help="list: only this site")
    sub = add("rules", commands.rules, "work with the alert rules", "netmon rules export")
    sub.add_argument("action", choices=("export", "list"), help="write them for Prometheus, or list them")
    sub.add_argument(
        "--watcher", action="store_true", help="export: rules for a Prometheus on another host, which watches netmon"
    )
    sub.add_argument("--output", default="", metavar="FILE", help="file to write ('-': standard output)")
    sub = add(
        "inventory", commands.inventory, "work with the inventory", "netmon inventory import sites.csv --output new/"
    )
    sub.add_argument(
        "action",
        choices=("import", "export", "acl", "suggest"),
        help="CSV to YAML, the sites as CSV, the access list of the MQTT broker, or changes to the YAML by what the "
        "devices say",
    )
    sub.add_argument(
        "file",
        nargs="?",
        default="",
        help="CSV to read (import) or to write (export), or access list to write (acl; default: standard output)",
    )
    sub.add_argument(
        "--output",
        default="inventory/imported",
        metavar="DIR",
        help="import: folder for the YAML (default: %(default)s)",
    )
    sub.add_argument("--check", action="store_true", help="acl: write nothing; say where the file is out of date")
    sub.add_argument("--write", action="store_true", help="suggest: change the files, too")
    _some_devices(sub, "suggest: ")
    return parser


def _some_devices(sub: argparse.ArgumentParser, what: str) -> None:
    which = sub.add_mutually_exclusive_group()
    which.add_argument("--site", default="", metavar="ID", help=f"{what}only this site or node")
    which.add_argument("--device", default="", metavar="ID", help=f"{what}only this device and its lines")


if __name__ == "__main__":
    sys.exit(main())
