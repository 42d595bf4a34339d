"""`python -m bench [TOPIC...] [--only PART,...] [--quick] [--seed N]`: measure, write results and tables.

A whole run of a topic writes bench/results/TOPIC.json and its section of docs/reference/benchmarks.md. A run of some
parts, or a quick one, prints what it found and writes nothing there: half a results file would be worth nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench import causes, incidents, mqtt, snmp
from bench.children import BenchError
from bench.report import PAGE, ROOT, Options, provenance, say, write_results, write_section


class Topic(NamedTuple):
    """``parts`` measure, by name; ``page`` makes the text of the results."""

    parts: Mapping[str, Callable[[Options], Mapping[str, Any]]]
    page: Callable[[Mapping[str, Any]], str]
    file: Path = PAGE  # where the section stands
    make: str = "bench"  # the make target that measures it; of its own: only when asked for


TOPICS = {
    "snmp": Topic(snmp.PARTS, snmp.page),
    "mqtt": Topic(mqtt.PARTS, mqtt.page),
    "causes": Topic(causes.PARTS, causes.page, causes.PAGE, "scenarios"),
    "incidents": Topic(incidents.PARTS, incidents.page, make="bench-incidents"),
}


def run(name: str, topic: Topic, only: Sequence[str], options: Options, command: str) -> None:
    """Measure one topic. A part that cannot be measured is no failure of the bench: it stands in the results."""
    result: dict[str, Any] = {**provenance(command, options.seed), "missing": {}}
    for part, measure in topic.parts.items():
        if only and part not in only:
            continue
        began = time.monotonic()
        say(f"{name}: {part} begins")
        try:
            found = dict(measure(options))
        except BenchError as error:
            found = {"missing": {part: " ".join(str(error).split())[-300:]}}
            say(f"{name}: {part} could not be measured: {error}")
        result["missing"] |= found.pop("missing", {})
        result |= found
        say(f"{name}: {part} took {time.monotonic() - began:.0f} s")
    text = topic.page(result)
    print(text)
    if only or options.quick:
        print(json.dumps(result, indent=2, ensure_ascii=False))
        say("a partial run: results and page stay as they are")
    else:
        path = write_results(name, result)
        write_section(name, text, topic.file)
        say(f"written: {path.relative_to(ROOT)}, {topic.file.relative_to(ROOT)}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    usual = [name for name, topic in TOPICS.items() if topic.make == "bench"]
    said = f"what to measure, of {', '.join(TOPICS)}; else {', '.join(usual)}"
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=said)
    parser.add_argument("--only", default="", metavar="PART,...", help="only these parts; nothing is written")
    parser.add_argument("--quick", action="store_true", help="a small trial run; nothing is written")
    parser.add_argument("--seed", type=int, default=20250701, help="of the simulated values")
    parser.add_argument(
        "--most", type=int, default=31_000, help="devices of the largest size; it needs 15 minutes alone"
    )
    given = parser.parse_args(argv)
    logging.disable(logging.INFO)
    only = [part for part in given.only.split(",") if part]
    wanted = given.topics or usual
    known = {part for name in wanted if name in TOPICS for part in TOPICS[name].parts}
    if wrong := [*(set(wanted) - TOPICS.keys()), *(set(only) - known)]:
        parser.error(f"there is no {', '.join(wrong)}; topics: {', '.join(TOPICS)}; parts: {', '.join(sorted(known))}")
    command = _command(given.topics, sys.argv[1:] if argv is None else argv)
    options = Options(given.seed, given.quick, given.most)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that all children are ended
    for name in wanted:
        run(name, TOPICS[name], only, options, command)
    return 0


def _command(topics: Sequence[str], argv: Sequence[str]) -> str:
    """What to type to have the same measured again."""
    target, args = "bench", list(argv)
    if len(topics) == 1 and TOPICS[topics[0]].make != "bench":
        target = TOPICS[topics[0]].make
        args.remove(topics[0])
    return f'make {target} ARGS="{" ".join(map(shlex.quote, args))}"' if args else f"make {target}"


if __name__ == "__main__":
    sys.exit(main())
