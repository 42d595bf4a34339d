"""The MQTT ingest's bench: its parts, its targets, and the page made of a results file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench import part_mqtt
from bench.report import Options, Target, machine_line, number, table, target_table

CPU_RATIO = 4.0  # of the bare loop's CPU per message
RATE = 10_000.0
RSS_BYTES = 150e6
GROWTH = 1.3  # a message may cost so many times what it costs with the fewest sensors, with an empty spool

PARTS: dict[str, Callable[[Options], Mapping[str, Any]]] = {
    "rate": part_mqtt.rate,
    "growth": part_mqtt.growth,
    "memory": part_mqtt.memory,
    "loss": part_mqtt.loss,
}


def page(result: Mapping[str, Any]) -> str:
    """The section of the page, from the results file alone."""
    parts = [machine_line(result), "", target_table(targets(result))]
    if "rate" in result:
        parts += ["Messages per CPU-second, QoS 1:", "", _rates(result)]
    if "cpu_us_per_msg" in result:
        parts += ["CPU of netmon per message, microseconds:", "", _growth(result)]
    if result.get("missing"):
        parts += ["Not measured:", "", "".join(f"- {name}: {why}\n" for name, why in sorted(result["missing"].items()))]
    return "\n".join(parts) + "\n"


def targets(result: Mapping[str, Any]) -> list[Target]:
    """What was promised, against what was measured."""
    ours, bare = result.get("netmon_msgs_per_cpu_s"), result.get("bare_paho_msgs_per_cpu_s")
    sustained, rss = result.get("sustained_msgs_per_s"), result.get("rss_bytes_10000_sensors")
    lost = None if "lost" not in result else float(result["lost"] + result["duplicated"])
    return [
        Target("CPU per message against a paho loop that only counts", "at most 4 times", CPU_RATIO,
               bare / ours if ours and bare else None),
        # Targets are upper bounds: the time of one message.
        Target("Sustained rate on one core", "at least 10,000/s", 1 / RATE, 1 / sustained if sustained else None,
               f"{number(sustained)}/s" if sustained else ""),
        Target("10,000 sensors add to the idle daemon", "less than 150 MB", RSS_BYTES, rss,
               f"{rss / 1e6:.0f} MB" if rss else ""),
        _growing(result, "sensors", "CPU per message, 10,000 sensors against 100"),
        _growing(result, "depth", "CPU per message, 1,000,000 rows waiting against none"),
        Target("Lost or doubled of 20,000 messages", "0", 0.0, lost, "" if lost is None else f"{lost:.0f}",
               "" if lost is None else f"the common pattern lost {result['control_lost']:,} in the same run"),
    ]  # fmt: skip


def _growing(result: Mapping[str, Any], kind: str, what: str) -> Target:
    costs = [one["median"] for _, one in _sorted(result, kind)]
    return Target(what, f"at most {GROWTH:g} times", GROWTH, costs[-1] / costs[0] if len(costs) > 1 else None)


def _sorted(result: Mapping[str, Any], kind: str) -> list[tuple[int, Mapping[str, float]]]:
    return sorted((int(n), one) for n, one in result.get("cpu_us_per_msg", {}).get(kind, {}).items())


def _rates(result: Mapping[str, Any]) -> str:
    shown = {
        "netmon": "netmon: decoded, in state, spooled, acknowledged after the commit (MQTT 5)",
        "bare_paho": "paho loop that only counts, MQTT 3.1.1",
        "bare_paho_v5": "paho loop that only counts, MQTT 5",
    }
    seen = result["rate"]["spread"]
    rows = [
        (shown[name], number(one["median"]), f"{number(one['min'])} to {number(one['max'])}")
        for name, one in seen.items()
    ]
    return table(("Who", "Median", "Lowest to highest"), rows)


def _growth(result: Mapping[str, Any]) -> str:
    rows = [
        (f"{n:,} {what}", number(one["median"]), f"{number(one['min'])} to {number(one['max'])}")
        for kind, what in (("sensors", "sensors, spool empty at the start"), ("depth", "rows waiting, 1,000 sensors"))
        for n, one in _sorted(result, kind)
    ]
    return table(("With", "Median", "Lowest to highest"), rows)
