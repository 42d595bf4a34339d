"""Objects read by the first poll of a device, which learns its slow facts, and by later ones."""

from __future__ import annotations

from typing import Any

from bench.children import BenchError, agents, netmon
from bench.report import Options, rounded

DEVICES = 310


def measure(options: Options) -> dict[str, Any]:
    """Varbinds per device."""
    with agents(DEVICES, options.seed, "own") as (agent, port), netmon(DEVICES, port) as poller:
        polls = []
        for _ in range(3):
            polls.append(poller.ask({"do": "round"}))
            agent.ask("tick")
    if any(done["ok"] != DEVICES for done in polls):
        raise BenchError(f"polls failed: {[done['ok'] for done in polls]} of {DEVICES} good")
    first, _, later = (rounded(done["varbinds"] / DEVICES) for done in polls)
    return {"varbinds": {"first_poll": first, "later_poll": later}}
