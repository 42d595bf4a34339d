"""netmon notify: try the ways to a person, with the running daemon or without one."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from netmon.alerts.channels.ways import Ways
from netmon.api_client import ApiClient, NoDaemon
from netmon.commands import GOOD, PROBLEM, loader
from netmon.inventory import load_settings
from netmon.trial import Tried, find_contact, try_channels
from netmon.words import load_words

LONGEST_S = 600.0  # ten channels that do not answer


def notify(args: argparse.Namespace) -> int:
    """The daemon sends, as it would an alarm; where none runs, this process does."""
    try:
        client = ApiClient(load_settings(args.config), LONGEST_S)
        found = [Tried(**entry) for entry in client.post("/api/v1/notify/test", {"to": args.to})]
    except NoDaemon:
        print("netmon: no daemon runs, sending from here", file=sys.stderr)
        found = _from_here(args)
    for tried in found:
        print(f"{tried.channel}\t{'failed: ' + tried.problem if tried.problem else 'sent'}")
    return PROBLEM if any(tried.problem for tried in found) else GOOD


def _from_here(args: argparse.Namespace) -> list[Tried]:
    loaded = loader(args.config)()
    contact = find_contact(loaded.inventory.contacts, args.to)
    return asyncio.run(try_channels(Ways(loaded.config), contact, load_words(), time.time()))
