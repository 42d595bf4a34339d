"""`netmon drill`: order a drill at the running daemon and follow it; list scenarios, reports, and stop."""

from __future__ import annotations

import argparse
import time
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from netmon.api_client import ApiClient, NoAnswer
from netmon.commands import GOOD, PROBLEM
from netmon.drill.scenario import number_of
from netmon.drill.scenario_read import read_scenario, shipped, text_of
from netmon.errors import NetmonError
from netmon.inventory import load_settings

FOLLOW_S = 1.0
PATIENCE = 5  # questions in a row that may stay without an answer: the drill goes on at a busy daemon


def drill(args: argparse.Namespace) -> int:
    if args.list:
        return _list(args.lang)
    settings = load_settings(args.config)
    client = ApiClient(settings)
    query = f"?lang={args.lang}" if args.lang else ""
    if args.report:
        found = client.get(f"/api/v1/drills/{_label(args.report)}{query}")
        print(found["sheet"], end="")
        return _status(found)
    if not args.who:
        raise NetmonError("--who is missing: whoever orders or stops a drill stands in its report")
    if args.stop:
        found = client.post(f"/api/v1/drills/stop{query}", {"who": args.who})
        print(found["sheet"], end="")
        return _status(found)
    if not args.scenario:
        raise NetmonError("no scenario; netmon drill --list shows those that netmon brings")
    name, data = text_of(args.scenario)
    read_scenario(args.scenario, data)  # its mistakes, with the name of the file as it was given
    body: dict[str, object] = {"who": args.who, "scenario": name, "at": args.site, "to": args.to}
    if name not in shipped():
        body["text"] = data.decode("utf-8", "replace")
    found = client.post(f"/api/v1/drills{query}", body)
    print(f"{found['id']}: {found['scenario']} at {found['place']}, told to {', '.join(found['to'])}", flush=True)
    return _follow(client, found, query, ZoneInfo(settings.timezone))


def _follow(client: ApiClient, found: Any, query: str, zone: tzinfo) -> int:
    """Show what happens until the drill is over; Ctrl-C leaves it running."""
    shown = 0
    try:
        while True:
            for note in found["notes"][shown:]:
                at = datetime.fromisoformat(note["at"]).astimezone(zone)
                print(f"  {at:%H:%M:%S}  {note['text']}", flush=True)
            shown = len(found["notes"])
            if found["result"] != "running":
                break
            time.sleep(FOLLOW_S)
            found = _look(client, f"/api/v1/drills/{found['id']}{query}")
    except KeyboardInterrupt:
        print(f"\n{found['id']} goes on; netmon drill --stop ends it, --report {found['id']} shows it")
        return PROBLEM
    print()
    print(found["sheet"], end="")
    return _status(found)


def _look(client: ApiClient, path: str) -> Any:
    """How the drill stands. Raises NoAnswer where nothing answers for PATIENCE questions."""
    for _ in range(PATIENCE - 1):
        try:
            return client.get(path)
        except NoAnswer:
            time.sleep(FOLLOW_S)
    return client.get(path)


def _status(found: Any) -> int:
    return GOOD if found["result"] in ("passed", "running") else PROBLEM


def _label(text: str) -> str:
    if number_of(text) is None:
        raise NetmonError(f"{text!r} is no drill: they are called D1, D2, ...")
    return text


def _list(lang: str) -> int:
    for name in shipped():
        found = read_scenario(*text_of(name))
        where = f"{found.about} with {', '.join(found.needs)}" if found.needs else found.about
        print(f"{name}\t{found.cause}\t{found.title[lang or 'vi']}\t({where})")
    return GOOD
