"""One poll as a table for a terminal (``netmon poll``). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from netmon.model import PollResult, Port

_HIDDEN = frozenset({"netmon_interface_info", "netmon_snmp_up"})  # shown in the ports table and in the first line
_STATES = {True: "up", False: "down", None: "?"}


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """Rows as aligned columns; the first is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.rjust(widths[i]) if i in right else cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def duration(seconds: float | None) -> str:
    """``12d 03:04:05``; ``unknown`` for None."""
    if seconds is None:
        return "unknown"
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    return f"{days}d {hours:02}:{minutes:02}:{left:02}" if days else f"{hours:02}:{minutes:02}:{left:02}"


def speed(bps: float | None) -> str:
    """``100M``, ``1G``; empty for None."""
    if not bps:
        return ""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if bps >= size:
            return f"{bps / size:g}{unit}"
    return f"{bps:g}"


def _count(value: int | None) -> str:
    return "" if value is None else str(value)


def _port(port: Port) -> list[str]:
    return [
        port.if_name,
        str(port.if_index),
        _STATES[port.admin_up],
        _STATES[port.oper_up],
        speed(port.speed_bps),
        _count(port.in_octets),
        _count(port.out_octets),
        str(port.octets_bits) if port.in_octets is not None else "",
        _count(port.in_errors),
        _count(port.out_errors),
        _count(port.in_discards),
        _count(port.out_discards),
        port.alias,
    ]


_HEADING = ["PORT", "IDX", "ADMIN", "OPER", "SPEED", "IN OCTETS", "OUT OCTETS", "BITS"]
_HEADING += ["IN ERR", "OUT ERR", "IN DISC", "OUT DISC", "ALIAS"]


def format_poll(result: PollResult) -> str:
    """Identity, ports, figures, failures and what it cost, as text."""
    cost = (
        f"{result.duration_s:.3f} s, {result.requests} requests, {result.timeouts} timeouts, {result.varbinds} varbinds"
    )
    if not result.ok:
        return f"{result.device}: no SNMP answer: {result.reason} ({cost})"
    parts = [
        f"{result.device}: {result.sys_name or '(no sysName)'}, sysObjectID {result.sys_object_id or 'none'}, "
        f"up {duration(result.sys_uptime_s)}"
    ]
    if result.ports:
        ports = sorted(result.ports.values(), key=lambda port: port.if_index)
        parts.append(table([_HEADING, *map(_port, ports)], frozenset({1, *range(4, 12)})))
    figures = [
        [
            figure.name,
            ", ".join(f"{name}={value}" for name, value in figure.labels if name not in ("device", "site", "node")),
            f"{figure.value:.10g}",
        ]
        for figure in result.figures
        if figure.name not in _HIDDEN
    ]
    if figures:
        parts.append(table([["FIGURE", "LABELS", "VALUE"], *sorted(figures)], frozenset({2})))
    if result.failed:
        parts.append(table([["FAILED", "REASON"], *([name, why] for name, why in sorted(result.failed.items()))]))
    series = sum(chunk.count(b"\n") for chunk in result.chunks.values())
    parts.append(f"{cost}, {series} series in {len(result.chunks)} families")
    return "\n\n".join(parts)
