"""Debian's snmp_exporter beside netmon's, on the same agent and the same modules."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from netmon.clock import Clock
from netmon.collectors.snmp.engine import Engine, Target
from netmon.collectors.snmp.exporter import Exporter
from netmon.collectors.snmp.modules_read import parse_modules
from netmon.config import SnmpConfig
from netmon.errors import CollectError
from netmon.model import Credential, Secret
from tests.conftest import free_port, need, wait_until

EXPORTER = "prometheus-snmp-exporter"
AT_ONCE = 4
Modules = Mapping[str, Mapping[str, Any]]  # as in snmp.yml
Pair = tuple[str, str]  # module, community
Series = dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, str, str]]  # name, labels -> value, type, help


class Answer(NamedTuple):
    """What one of the two made of a scrape; of a refused one the reason only."""

    series: Series
    text: str
    error: str = ""


def converted(module: Mapping[str, Any]) -> dict[str, Any]:
    """A module of 0.30 as 0.21 takes it: what 0.21 does not know is taken out, so that both are given the same."""
    metrics = []
    for metric in module["metrics"]:
        kept = {key: value for key, value in metric.items() if key not in ("scale", "offset", "datetime_pattern")}
        if kept["type"] == "ParseDateAndTime":
            kept["type"] = "DisplayString"
        lookups = [{k: v for k, v in lookup.items() if k != "enum_values"} for lookup in kept.get("lookups", ())]
        metrics.append({**kept, "lookups": lookups} if lookups else kept)
    return {**module, "metrics": metrics}


def without(module: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """A module without some of its metrics."""
    return {**module, "metrics": [metric for metric in module["metrics"] if metric["name"] not in names]}


def _config(modules: Modules, pairs: list[Pair]) -> str:
    """snmp.yml in the old form, one module per pair. JSON is YAML but for keys that are numbers."""
    tree = {f"{m}@{c}": {**modules[m], "version": 2, "auth": {"community": c}} for m, c in pairs}
    return re.sub(r'"(-?\d+)": ', r"\1: ", json.dumps(tree))


@contextmanager
def _exporter(config: Path) -> Iterator[str]:
    need(EXPORTER)
    address = f"127.0.0.1:{free_port()}"
    log = config.with_suffix(".log").open("wb")
    argv = [EXPORTER, f"--config.file={config}", f"--web.listen-address={address}"]
    child = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: urllib.request.urlopen(f"http://{address}/", timeout=2).status == 200, 30, "snmp_exporter")
        yield address
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(10)
        log.close()


def theirs(modules: Modules, pairs: list[Pair], agent: int, folder: Path) -> dict[Pair, Answer]:
    """What snmp_exporter says of every pair."""
    config = folder / "snmp.yml"
    config.write_text(_config(modules, pairs), encoding="utf-8")
    with _exporter(config) as address, ThreadPoolExecutor(AT_ONCE) as pool:

        def ask(pair: Pair) -> Answer:
            url = f"http://{address}/snmp?module={pair[0]}@{pair[1]}&target=127.0.0.1:{agent}"
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:
                    return _answer(answer.read().decode())
            except urllib.error.HTTPError as error:
                return Answer({}, "", error.read().decode(errors="replace"))

        return dict(zip(pairs, pool.map(ask, pairs), strict=True))


def ours(modules: Modules, pairs: list[Pair], agent: int) -> dict[Pair, Answer]:
    """What netmon says of every pair. The modules are read in the old form."""
    parsed = parse_modules({name: dict(module) for name, module in modules.items()}, "snmp.yml")
    assert not parsed.problems, parsed.problems[:3]

    async def go() -> dict[Pair, Answer]:
        # snmpsim is slow and its buffer small: no more at once than it can hold
        engine = Engine(SnmpConfig(timeout_s=5.0, retries=3, sockets=1, in_flight=16), Clock())
        await engine.start()
        exporter, turn, found = Exporter(engine, Clock()), asyncio.Semaphore(AT_ONCE), {}

        async def ask(pair: Pair) -> None:
            target = Target("127.0.0.1", agent, Credential("c", community=Secret(pair[1])), pair[1])
            async with turn:
                try:
                    text = await exporter.text(target, [parsed.modules[pair[0]]], 60.0)
                    found[pair] = _answer(text.decode())
                except CollectError as error:
                    found[pair] = Answer({}, "", str(error))

        try:
            await asyncio.gather(*map(ask, pairs))
        finally:
            await engine.close()
        return found

    return asyncio.run(go())


def ready(agent: int, community: str) -> None:
    """Wait until the agent answers."""
    module = {"up": {"walk": ["1.3.6.1.2.1.1"], "timeout": "500ms", "retries": 0, "metrics": []}}
    wait_until(lambda: not ours(module, [("up", community)], agent)["up", community].error, 60, "snmpsim answers")


def _answer(text: str) -> Answer:
    found: Series = {}
    written = {re.split("[{ ]", line, maxsplit=1)[0] for line in text.splitlines()}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = (
                sample.name if sample.name in written else sample.name.removesuffix("_total")
            )  # the parser's addition
            key = name, tuple(sorted(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value, family.type, family.documentation
    return Answer(found, text)


def told(answer: Answer) -> Series:
    """The series without those that tell of the scrape itself."""
    return {key: value for key, value in answer.series.items() if not key[0].startswith("snmp_scrape_")}


def returned(answer: Answer) -> float:
    """How many objects the scrape brought."""
    return next(value for (name, _), (value, *_) in answer.series.items() if name == "snmp_scrape_pdus_returned")


def differences(mine: Series, other: Series) -> list[str]:
    """One line per series that only one has, or that differ in value or type."""
    lines = []
    for key in sorted(mine.keys() | other.keys()):
        if mine.get(key) != other.get(key):
            lines.append(f"{key}: netmon {mine.get(key)}, snmp_exporter {other.get(key)}")
    return lines
