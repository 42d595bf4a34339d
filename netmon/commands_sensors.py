"""`netmon sensors`: what the daemon knows of them, what it could not read, and what a payload becomes."""

from __future__ import annotations

import argparse
import base64
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from netmon.api_client import ApiClient
from netmon.collectors.mqtt.decode import BUILT_IN, SPARKPLUG, bind
from netmon.collectors.mqtt.explain import Explained, dump
from netmon.collectors.mqtt.listen import listen
from netmon.collectors.mqtt.plan import Plan, Use, compile_plan, routes_of
from netmon.commands import GOOD, MISUSE, PROBLEM, loader
from netmon.errors import NetmonError
from netmon.inventory import Loaded, load_settings
from netmon.inventory_decoders import FILTER, FILTER_ALLOWED
from netmon.yamlvalues import suggest

MAX_BYTES = 1_000_000  # of a file: far above what a broker passes on
DEFAULT_S = 10
MOST_BAD = 100  # in one answer of the daemon
_ONLY = {"list": ("site",), "try": ("topic", "decoder", "count", "seconds")}


def sensors(args: argparse.Namespace) -> int:
    for action, options in _ONLY.items():
        strange = [option for option in options if action != args.action and getattr(args, option)]
        if strange:
            return _misuse(f"--{strange[0]} is for `netmon sensors {action}`")
    if args.action != "try":
        if args.what:
            return _misuse(f"{args.action} takes no FILE or TOPIC")
        return show(args) if args.action == "list" else put_aside(args)
    return try_out(args) if args.what else _misuse("try needs a FILE or a TOPIC")


def _misuse(text: str) -> int:
    print(f"netmon sensors: {text}", file=sys.stderr)
    return MISUSE


def show(args: argparse.Namespace) -> int:
    """One line for each sensor, from the daemon: id, type, site, state, value, age."""
    now = time.time()
    for entry in _known(ApiClient(load_settings(args.config)), args.site):
        value = "-" if entry["value"] is None else f"{entry['value']:g} {entry['unit']}".rstrip()
        heard = entry["received_at"]
        age = "-" if heard is None else f"{now - datetime.fromisoformat(heard).timestamp():.0f}s"
        print("\t".join((entry["id"], entry["type"], entry["site"] or "-", entry["state"], value, age)))
    return GOOD


def put_aside(args: argparse.Namespace) -> int:
    """What the daemon could not read, the oldest first, so that the newest stands last on the screen."""
    loaded = load_settings(args.config)
    zone = ZoneInfo(loaded.timezone)
    for entry in reversed(ApiClient(loaded).get(f"/api/v1/quarantine?limit={MOST_BAD}")):
        at = datetime.fromisoformat(entry["received_at"]).astimezone(zone).isoformat(" ", "seconds")
        print(f"{at}  {entry['topic']!r}  {entry['reason']}: {entry['detail'] or '-'}")
        print("\n".join(dump(base64.b64decode(entry["payload"]))))
    return GOOD


def _known(client: ApiClient, site: str) -> Iterator[dict[str, Any]]:
    """All sensors, page by page."""
    after = ""
    while page := client.get(f"/api/v1/sensors?{urlencode({'site': site, 'after': after})}"):
        yield from page
        after = page[-1]["id"]


class Trial:
    """The intake of a configuration, to try messages on; nothing is stored."""

    def __init__(self, loaded: Loaded, decoder: str) -> None:
        self._loaded = loaded
        self._decoder = decoder
        self._named: dict[str, tuple[Use, ...]] = {}  # with --decoder: topic -> use, as some decoders remember
        self.plan: Plan
        self.plan, problems = compile_plan(routes_of(loaded.inventory), loaded.inventory)
        for problem in problems:
            print(f"netmon sensors: {problem}", file=sys.stderr)

    def message(
        self, topic: str, payload: bytes, now: float, *, retained: bool = False, qos: int | None = None
    ) -> bool:
        """Print what it becomes; whether all of it was understood."""
        config, inventory = self._loaded.config, self._loaded.inventory
        out = Explained(inventory, ZoneInfo(config.timezone), config.mqtt.clock_skew_s)
        how = [f"{len(payload)} bytes", *([] if qos is None else [f"QoS {qos}"]), *(["retained"] if retained else [])]
        print(f"{topic or 'payload'}  {', '.join(how)}, arrived {out.time(now)}")
        uses = self._uses(topic)
        if uses is None:
            out.problem("no sensor has this topic; --decoder NAME shows what it would be read as")
        else:
            out.message(uses, payload, now, retained=retained)
        print("\n".join(out.lines), flush=True)
        return out.good

    def _uses(self, topic: str) -> tuple[Use, ...] | None:
        known = self.plan.get(topic)
        if not self._decoder:
            return known
        if topic not in self._named:
            sensors = tuple(routed for use in known or () for routed in use.sensors)
            self._named[topic] = (Use(bind(self._decoder, self._loaded.inventory.mappings), sensors),)
        return self._named[topic]


def try_out(args: argparse.Namespace) -> int:
    file = Path(args.what)
    if file.is_file() and not (args.topic or args.decoder):
        return _misuse("a FILE needs --topic TOPIC (of a sensor) or --decoder NAME")
    if file.is_file() and (args.count or args.seconds):
        return _misuse("--count and --seconds are for a TOPIC")
    if not file.is_file() and args.topic:
        return _misuse(f"{args.what} is no file; --topic is for a FILE")
    loaded = loader(args.config)()
    known = {*loaded.inventory.mappings, *BUILT_IN}
    if args.decoder == SPARKPLUG:
        return _misuse("sparkplug needs the topics of its messages: leave --decoder out")
    if args.decoder and args.decoder not in known:
        return _misuse(f'unknown decoder "{args.decoder}"; {suggest(args.decoder, known, "known")}')
    trial = Trial(loaded, args.decoder)
    if file.is_file():
        payload = file.read_bytes()
        if len(payload) > MAX_BYTES:
            raise NetmonError(f"{file} has more than {MAX_BYTES} bytes: no payload of a sensor")
        return GOOD if trial.message(args.topic, payload, time.time()) else PROBLEM
    if not FILTER.fullmatch(args.what):
        return _misuse(f"{args.what!r} is no file and no topic; {FILTER_ALLOWED}")
    return _live(trial, loaded, args)


def _live(trial: Trial, loaded: Loaded, args: argparse.Namespace) -> int:
    config = loaded.config.mqtt
    if not config.host:
        raise NetmonError(f"{args.what} is no file, and netmon.yml names no broker (mqtt.host)")
    seconds = args.seconds or DEFAULT_S
    good, seen = True, 0
    for message in listen(config, args.what, seconds, args.count):
        topic = message.topic.decode(errors="replace")
        good &= trial.message(topic, message.payload, time.time(), retained=message.retain, qos=message.qos)
        seen += 1
    for topic in trial.plan.commands:
        print(f"netmon run would ask for a birth: {topic}")
    if not seen:
        print(f"netmon: nothing on {args.what} within {seconds} s", file=sys.stderr)
    return GOOD if good and seen else PROBLEM
