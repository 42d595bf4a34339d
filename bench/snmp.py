"""The SNMP engine's bench: its parts, its targets, and the page made of a results file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench import part_cpu, part_growth, part_scrape, part_varbinds
from bench.report import Options, Target, machine_line, number, table, target_table

SHOWN = {
    "netmon_v2c": "netmon, v2c",
    "netmon_v3": "netmon, v3 authPriv (SHA, AES-128)",
    "snmp_exporter_v2c": "snmp_exporter 0.21, v2c",
    "snmp_exporter_v3": "snmp_exporter 0.21, v3 authPriv (SHA, AES-128)",
    "pysnmp_v2c": "pysnmp, v2c",
    "net_snmp_v2c": "net-snmp's snmpbulkwalk, once per column, v2c",
}

Part = Callable[[Options], Mapping[str, Any]]
Result = Mapping[str, Any]
PARTS: dict[str, Part] = {
    "cpu": part_cpu.measure,
    "growth": part_growth.measure,
    "scrape": part_scrape.measure,
    "varbinds": part_varbinds.measure,
}


def page(result: Result) -> str:
    """The section of the page, from the results file alone."""
    parts = [machine_line(result), target_table(targets(result))]
    if result.get("cpu_s_per_mvb"):
        parts += ["CPU-seconds per million useful varbinds, text rendered:", cpu_table(result)]
    if result.get("growth"):
        parts += ["From one province to a hundred, every device with values and a layout of its own:"]
        parts += [growth_table(result)]
    if (result.get("dead10") or {}).get("by_devices"):
        parts += ["How late polls of living devices begin, the same process with and without dead ones:"]
        parts += [dead_table(result)]
    if result.get("scrape"):
        parts += [scrape_text(result["scrape"])]
    if varbinds := result.get("varbinds"):
        first, later = number(varbinds["first_poll"]), number(varbinds["later_poll"])
        parts += [f"Objects read per device: {first} by the first poll, {later} by every later one."]
    for profile in (sizes["profile"] for sizes in result.get("growth", {}).values() if "profile" in sizes):
        rows = [(f"`{name}`", f"{share:.0%}") for name, share in profile.items()]
        parts += ["What the profile of a round shows, by own time (v2c):", table(("Function", "Share"), rows)]
    if missing := result.get("missing"):
        parts += ["Not measured:", "".join(f"- {name}: {why}\n" for name, why in sorted(missing.items()))]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


# --- targets ---------------------------------------------------------------------------------------------------------


def targets(result: Result) -> list[Target]:
    """What was promised, against what was measured."""
    return [*_cpu_targets(result), *_growth_targets(result), *_scrape_targets(result.get("scrape") or {})]


def _cpu_targets(result: Result) -> list[Target]:
    cost = result.get("cpu_s_per_mvb") or {}
    return [
        _ratio("CPU of netmon against snmp_exporter, v2c", 10, cost.get("netmon_v2c"), cost.get("snmp_exporter_v2c")),
        _ratio("CPU of netmon against snmp_exporter, v3", 4, cost.get("netmon_v3"), cost.get("snmp_exporter_v3")),
    ]


def _growth_targets(result: Result) -> list[Target]:
    growth: Result = result.get("growth") or {}
    costs = [sizes["cpu_s_per_device_poll"] for sizes in growth.values()]
    most: Result = growth.get("31000") or {}
    ten: Result = growth.get("3100") or {}
    spread = max(costs) / min(costs) if len(costs) > 1 else None
    memory = most.get("rss_bytes_per_device")
    compact = (most.get("compact") or {}).get("rss_bytes_per_device")
    late: Result = result.get("dead10") or {}
    without = late.get("late_p99_s_none_dead")
    return [
        Target("CPU per poll, most against least, 310 to 31,000 devices", "at most 1.25", 1.25, spread),
        Target("Memory per device, text ready", "at most 130 kB", 130e3, memory, _kb(memory)),
        Target("Memory per device, compact", "at most 40 kB", 40e3, compact, _kb(compact)),
        Target("31,000 devices every 60 s", "less than 1 core", 1.0, most.get("core_share")),
        Target("3,100 devices every 30 s", "less than 0.1 core", 0.1, ten.get("core_share")),
        Target(
            "Lateness of polls of living devices, 1 in 10 dead, 99th percentile", "at most 1 s", 1.0,
            late.get("late_p99_s"), number(late.get("late_p99_s"), "s"),
            f"{number(without, 's')} with none dead" if without is not None else "",
        ),
    ]  # fmt: skip


def _scrape_targets(scrape: Result) -> list[Target]:
    held, idle = scrape.get("loop_hold_max_s"), scrape.get("idle_loop_hold_s") or {}
    noise = f"an idle loop beside it: {_ms(max(idle.values()))}" if idle else ""
    return [
        _ratio(
            f"Joining {number(scrape.get('samples', 104_040))} samples against generate_latest", 50,
            scrape.get("join_s"), scrape.get("generate_latest_s"),
        ),
        Target("Longest hold of the loop by scrapes, polls, reloads", "at most 20 ms", 0.020, held, _ms(held), noise),
    ]  # fmt: skip


def _ratio(what: str, part: int, mine: float | None, other: float | None) -> Target:
    measured = mine / other if mine and other else None
    shown = f"1/{1 / measured:.1f}" if measured else number(None)
    return Target(what, f"at most 1/{part}", 1 / part, measured, shown)


def _kb(value: float | None) -> str:
    return number(value / 1e3 if value is not None else None, "kB")


def _ms(value: float | None) -> str:
    return number(value * 1e3 if value is not None else None, "ms")


# --- tables ----------------------------------------------------------------------------------------------------------


def cpu_table(result: Result) -> str:
    """Everybody's cost, its spread and how often netmon's."""
    cost, spreads = result["cpu_s_per_mvb"], result["cpu"]["spread"]
    rows = []
    for name, shown in SHOWN.items():
        value, seen = cost.get(name), spreads.get(name)
        ours = cost.get("netmon_v3" if name.endswith("v3") else "netmon_v2c")
        between = f"{number(seen['min'])} to {number(seen['max'])}" if seen else number(None)
        rows.append((shown, number(value), between, number(value / ours if value and ours else None)))
    return table(("Who", "Median", "Lowest to highest", "Times netmon's"), rows)


def growth_table(result: Result) -> str:
    """One line per size and mode."""
    rows = []
    for devices, found in result["growth"].items():
        for mode, seen in (("text ready, own layouts", found), ("compact, shared layouts", found.get("compact"))):
            if seen is None:
                continue
            least, most = seen["spread"]["min"], seen["spread"]["max"]
            share = number(seen.get("core_share"))
            if "interval_s" in seen:
                share += f" every {seen['interval_s']:g} s"
            hits = seen["layout_hit_ratio"]
            rows.append(
                (
                    number(int(devices)), mode, _ms(seen["cpu_s_per_device_poll"]), f"{_ms(least)} to {_ms(most)}",
                    _ms(seen["text_cpu_s_per_device"]) if mode.startswith("compact") else "in the poll",
                    _kb(seen["rss_bytes_per_device"]), "–" if hits is None else f"{hits:.1%}", share,
                )
            )  # fmt: skip
    head = (
        "Devices", "Mode", "CPU per poll", "Lowest to highest", "CPU of the text", "Memory per device", "Layout hits",
        "Cores",
    )  # fmt: skip
    return table(head, rows)


def dead_table(result: Result) -> str:
    """One line per size that ran under the scheduler."""
    rows = [
        (
            number(int(devices)), number(seen["late_p99_s_none_dead"], "s"), number(seen["late_p99_s"], "s"),
            number(seen["late_max_s"], "s"), number(seen["polls_of_living"]), number(seen["failed_polls"]),
        )
        for devices, seen in result["dead10"]["by_devices"].items()
    ]  # fmt: skip
    head = ("Devices", "99th percentile, none dead", "1 in 10 dead", "Longest", "Polls of living", "Polls of dead")
    return table(head, rows)


def scrape_text(scrape: Result) -> str:
    """What a scrape costs, and what held the loop."""
    rows = [
        (f"with {name}", _ms(held), _ms(scrape["idle_loop_hold_s"][name]))
        for name, held in scrape["loop_hold_s"].items()
    ]
    joined = (
        f"{number(scrape['samples'])} samples are joined in {_ms(scrape['join_s'])}; `generate_latest` takes "
        f"{_ms(scrape['generate_latest_s'])} for them. Longest hold of the loop of a real daemon with "
        f"{number(scrape['daemon_samples'])} samples within a minute, and of an idle loop beside it:"
    )
    return f"{joined}\n\n{table(('Daemon', 'Its loop', 'Idle loop'), rows)}"
