"""Commands for what people do: incidents, planned works, silences. They ask the running daemon."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from netmon.api_client import ApiClient
from netmon.commands import GOOD, PROBLEM, loader
from netmon.drill.scenario import number_of
from netmon.errors import NetmonError
from netmon.inventory import load_settings
from netmon.topology import Topology
from netmon.works import Work
from netmon.works_csv import TIMES, load_works


def incidents(args: argparse.Namespace) -> int:
    config = load_settings(args.config)
    client = ApiClient(config)
    if args.action == "list":
        return _list_incidents(client)
    if args.action == "provider":
        found = client.get(f"/api/v1/incidents/{_number(args.subject)}/provider-report")
        print(f"{found['text']}\n\nSMS: {found['sms']}")
        return GOOD
    if not args.who:
        raise NetmonError("--who is missing: whoever does something is named in the timeline")
    if args.action == "open":
        kind, _, name = args.subject.rpartition(":")
        body = {"subject_kind": kind or "site", "subject": name, "who": args.who, "text": args.note}
        made = client.post("/api/v1/incidents", body)
        print(f"incident {made['id']}: opened for {made['name']}")
        return GOOD
    number = _number(args.subject)
    at = (
        datetime.fromtimestamp(_moment(args.at, "--at", ZoneInfo(config.timezone)), UTC).isoformat()
        if args.at
        else None
    )
    bodies: dict[str, dict[str, Any]] = {
        "release": {"note": args.note},
        "assign": {"to": args.to},
        "comment": {"text": args.note},
        "close": {"note": args.note},
        "ticket": {"step": args.step, "number": args.number, "at": at},
    }
    client.post(f"/api/v1/incidents/{number}/{args.action}", {"who": args.who, **bodies[args.action]})
    print(f"incident {args.subject}: {args.action} by {args.who}")
    return GOOD


def _number(subject: str) -> int:
    if not subject.isdecimal():
        raise NetmonError(f"{subject or 'nothing'} is no number of an incident")
    return int(subject)


def _list_incidents(client: ApiClient) -> int:
    found: Any = client.get("/api/v1/incidents")
    for entry in found:
        sure = "confirmed" if entry["confirmed"] else "suspected"
        about = f"{entry['severity']}\t{entry['subject']}\t{entry['cause']} ({sure})"
        print(f"{entry['id']}\t{about}\t{entry['began_at']}\t{entry['name']}")
    return PROBLEM if found else GOOD


def ack(args: argparse.Namespace) -> int:
    if number_of(args.incident) is not None:
        client = ApiClient(load_settings(args.config))
        found = client.post(f"/api/v1/drills/{args.incident}/ack", {"who": args.who, "note": args.note})
        print(f"drill {found['id']}: taken by {args.who}")
        return GOOD
    if not args.incident.isdecimal():
        raise NetmonError(f"{args.incident!r} is no number of an incident, nor of a drill (D7)")
    body = {"who": args.who, "note": args.note, "hours": args.hours}
    ApiClient(load_settings(args.config)).post(f"/api/v1/incidents/{args.incident}/ack", body)
    print(f"incident {args.incident}: taken by {args.who} for {args.hours:g} h")
    return GOOD


def works(args: argparse.Namespace) -> int:
    config = load_settings(args.config)
    client, zone = ApiClient(config), ZoneInfo(config.timezone)
    if args.action == "list":
        for entry in client.get("/api/v1/works"):
            if entry["cancelled_at"] is None:
                window = f"{_local(entry['begin'], zone)}\t{_local(entry['end'], zone)}"
                about = f"{entry['kind']}\t{window}\t{entry['repeat']}"
                print(f"{entry['id']}\t{about}\t{','.join(entry['where'])}\t{entry['title']}")
        return GOOD
    if not args.who:
        raise NetmonError("--who is missing")
    if args.action == "cancel":
        client.post(f"/api/v1/works/{args.subject}/cancel", {"who": args.who})
        print(f"works {args.subject}: called off")
        return GOOD
    if args.action == "import":
        topology = Topology(loader(args.config)().inventory)
        found, problems = load_works(args.subject, args.kind, args.who, topology, zone)
        for problem in problems:
            print(problem, file=sys.stderr)
        if problems:
            print("netmon: nothing was entered", file=sys.stderr)
            return PROBLEM
    else:
        begin, end = (_moment(text, name, zone) for text, name in ((args.begin, "--begin"), (args.end, "--end")))
        where = tuple(args.subject.split(","))
        found = [Work(0, args.kind, args.title or args.kind, where, begin, end, args.repeat)]
    saved = client.post("/api/v1/works", {"who": args.who, "works": [_body(work) for work in found]})
    print(f"entered {len(saved)} works: {', '.join(str(entry['id']) for entry in saved)}")
    return GOOD


def _local(text: str, zone: ZoneInfo) -> str:
    """A time of the API as it is entered here, with its offset."""
    return datetime.fromisoformat(text).astimezone(zone).isoformat(" ", "minutes")


def _moment(text: str, name: str, zone: ZoneInfo) -> float:
    for form in TIMES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=zone).timestamp()
        except ValueError:
            continue
    raise NetmonError(f'{name} cannot be "{text}"; a local time like "2026-11-30 07:00"')


def _body(work: Work) -> dict[str, object]:
    return {
        "kind": work.kind,
        "title": work.title,
        "where": list(work.where),
        "begin": datetime.fromtimestamp(work.begin_at, UTC).isoformat(),
        "end": datetime.fromtimestamp(work.end_at, UTC).isoformat(),
        "repeat": work.repeat,
        "reference": work.reference,
    }


def silence(args: argparse.Namespace) -> int:
    config = load_settings(args.config)
    client, zone = ApiClient(config), ZoneInfo(config.timezone)
    if args.action == "list":
        for entry in client.get("/api/v1/silences"):
            if datetime.fromisoformat(entry["end"]) > datetime.now(UTC):  # the API has those that are over, too
                about = f"{_local(entry['end'], zone)}\t{','.join(entry['where'])}"
                print(f"{entry['id']}\t{about}\t{entry['by']}\t{entry['reason']}")
        return GOOD
    if not args.who:
        raise NetmonError("--who is missing")
    if args.action == "storm":
        made = client.post("/api/v1/storm-duty", {"who": args.who, "hours": args.hours})
        print(f"storm duty: {'until ' + _local(made['until'], zone) if made['until'] else 'off'}")
        return GOOD
    if args.action == "end":
        client.post(f"/api/v1/silences/{args.subject}/end", {"who": args.who})
        print(f"silence {args.subject}: ended")
        return GOOD
    body = {
        "who": args.who,
        "where": args.subject.split(","),
        "reason": args.reason,
        "hours": args.hours,
        "alert": args.alert,
    }
    made = client.post("/api/v1/silences", body)
    print(f"silence {made['id']}: until {_local(made['end'], zone)}")
    return GOOD
