"""`netmon explain` and `netmon report`, asked of the running daemon; why also of netmon.db where none runs."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from netmon.alerts.explain import explain as explain_incident
from netmon.alerts.sheet import Section, Sheet
from netmon.api_client import ApiClient, NoDaemon
from netmon.commands import GOOD, loader
from netmon.config import Config
from netmon.errors import ConfigError, NetmonError
from netmon.history import decisions
from netmon.inventory import load_settings
from netmon.model import Inventory
from netmon.state import State
from netmon.words import load_words


def explain(args: argparse.Namespace) -> int:
    config = load_settings(args.config)
    number = args.subject if args.subject.isdecimal() else ""
    where = f"incidents/{number}" if number else f"sites/{quote(args.subject, safe='')}"
    try:
        sheet = fetch(config, f"/api/v1/{where}/explain", lang=args.lang)
    except NoDaemon as error:
        if not number:
            raise NetmonError(f"{error}; what is true of a site now only a running daemon knows") from error
        sheet = _from_file(args, config, int(number))
    print(sheet.text())
    return GOOD


def report(args: argparse.Namespace) -> int:
    config = load_settings(args.config)
    print(fetch(config, f"/api/v1/reports/{args.report}", lang=args.lang).text())
    return GOOD


def fetch(config: Config, path: str, **query: str) -> Sheet:
    """A sheet from the daemon. Raises NoDaemon, or NetmonError where it refuses."""
    given = urlencode({name: value for name, value in query.items() if value})
    answer: Any = ApiClient(config).get(f"{path}?{given}" if given else path)
    return Sheet(answer["title"], tuple(Section(s["key"], s["title"], tuple(s["lines"])) for s in answer["sections"]))


def _inventory(args: argparse.Namespace) -> Inventory:
    """For the names; a daemon may be down because of just this inventory, and then ids must do."""
    try:
        return loader(args.config)().inventory
    except ConfigError as error:
        print(f"ids instead of names, as the inventory has {len(error.problems)} problem(s)", file=sys.stderr)
        return Inventory()


def _from_file(args: argparse.Namespace, config: Config, number: int) -> Sheet:
    """What a daemon that does not run wrote down; names come from the inventory as it is now."""
    words = load_words().get(args.lang or config.language)
    if words is None:
        raise NetmonError(f"there are no words in {args.lang!r}; vi or en")
    zone, state = ZoneInfo(config.timezone), State(_inventory(args))
    with decisions.open_read_only(Path(config.state_dir, "netmon.db")) as db:
        try:
            incident = decisions.load(db, number)
        except LookupError:
            raise NetmonError(f"there is no incident {number}") from None
        row = db.execute("SELECT at FROM heartbeat").fetchone()
        sheet = explain_incident(incident, decisions.read(db, number), state, words, config, zone, time.time())
    when = f"{datetime.fromtimestamp(row[0], zone):%H:%M:%S %d/%m/%Y}" if row else "–"
    return Sheet(f"{words.text('explain.as_of', t=when)}\n{sheet.title}", sheet.sections)
