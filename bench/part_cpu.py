"""CPU per million useful varbinds, text rendered: netmon and the others on the same agents, in turn."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import Any

from bench.children import BenchError, Child, agents
from bench.columns import USEFUL
from bench.contenders import Contender, Round, exporter, net_snmp, netmon_poller, pysnmp, scraped
from bench.report import Options, rounded, say, spread

NAMES = ("netmon_v2c", "netmon_v3", "snmp_exporter_v2c", "snmp_exporter_v3", "pysnmp_v2c", "net_snmp_v2c")
DEVICES = 310
FEW = 16  # for those that take a hundred times as long
WARM_UP, ROUNDS = 3, 5
_LINE = re.compile(r'^(\w+)\{(?:[^}]*,)?ifName="([^"]*)"[^}]*\} (\S+)', re.MULTILINE)


def cost(rounds: list[Round]) -> list[float]:
    """CPU-seconds per million useful varbinds of each round. Raises BenchError for a round that missed any.

    A failed poll would be a cheap one: there must be none.
    """
    for number, found in enumerate(rounds, 1):
        if found.ok != found.polls or found.series != found.polls * USEFUL:
            raise BenchError(
                f"round {number}: {found.ok} of {found.polls} polls good, {found.series} series instead of "
                f"{found.polls * USEFUL}"
            )
    return [found.cpu_s / found.series * 1e6 for found in rounds]


def readings(text: str) -> dict[tuple[str, str], float]:
    """(column, ifName) -> value of an exposition."""
    return {(name, port): float(value) for name, port, value in _LINE.findall(text)}


def check_same(contenders: dict[str, Contender], agent: Child) -> None:
    """netmon and snmp_exporter, asked one after the other with the agents standing still, must say the same."""
    for version in ("2c", "3"):
        ours, theirs = contenders.get(f"netmon_v{version}"), contenders.get(f"snmp_exporter_v{version}")
        if ours is None or theirs is None or ours.text is None or theirs.text is None:
            continue
        seen = []
        for _ in range(2):
            agent.ask("tick")
            ours.poll(0, 1)
            mine, other = readings(ours.text(0)), readings(theirs.text(0))
            if mine != other or len(mine) != USEFUL:
                raise BenchError(
                    f"v{version}: netmon has {len(mine)} series, snmp_exporter {len(other)}, or other values"
                )
            seen.append(mine)
        changed = sum(1 for key in seen[0] if seen[0][key] != seen[1][key])
        if changed < USEFUL // 2:
            raise BenchError(f"only {changed} of {USEFUL} values changed between two polls")


def measure(options: Options) -> dict[str, Any]:
    """Medians under the names of the results file, spreads, and who could not be measured."""
    rounds = 1 if options.quick else ROUNDS
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        agent, port = stack.enter_context(agents(DEVICES, options.seed, "own"))
        contenders: dict[str, Contender] = {}

        def add(name: str, make: Any) -> None:
            try:
                contenders[name] = make()
            except BenchError as error:
                missing[name] = str(error)
                say(f"cpu: {name} is missing: {error}")

        at: list[tuple[str, int]] = []

        def ask_exporter(version: str) -> Contender:
            if not at:
                at.append(stack.enter_context(exporter()))
            return scraped(*at[0], version, DEVICES, port)

        add("netmon_v2c", lambda: stack.enter_context(netmon_poller("2c", DEVICES, port)))
        add("netmon_v3", lambda: stack.enter_context(netmon_poller("3", DEVICES, port)))
        add("snmp_exporter_v2c", lambda: ask_exporter("2c"))
        add("snmp_exporter_v3", lambda: ask_exporter("3"))
        add("pysnmp_v2c", lambda: stack.enter_context(pysnmp(FEW, port)))
        add("net_snmp_v2c", lambda: net_snmp(FEW, port))

        for number in range(1, WARM_UP + 1):  # everybody's start-up: names, keys, caches, layouts
            say(f"cpu: warming up, {number}/{WARM_UP}")
            agent.ask("tick")
            for contender in contenders.values():
                contender.poll(0, contender.devices)
        found: dict[str, list[Round]] = {name: [] for name in contenders}
        for number in range(1, rounds + 1):
            agent.ask("tick")  # once for all: each is asked again after the same time has passed
            for name, contender in contenders.items():
                done = contender.poll(0, contender.devices)
                found[name].append(done)
                say(f"cpu: round {number}/{rounds} {name}: {done.cpu_s:.2f} s CPU for {done.series} series")
        check_same(contenders, agent)
    costs: dict[str, list[float]] = {}
    for name, each in found.items():
        try:
            costs[name] = cost(each)
        except BenchError as error:
            missing[name] = str(error)
            say(f"cpu: {name} does not count: {error}")
    return {
        "cpu_s_per_mvb": {name: rounded(spread(costs[name]).median) if name in costs else None for name in NAMES},
        "cpu": {
            "spread": {name: spread(values).as_json() for name, values in costs.items()},
            "devices": {name: contender.devices for name, contender in contenders.items()},
        },
        "missing": missing,
    }
