"""Counters -> rates, and time ticks -> uptime. Pure.

The rule above all: a number that may be wrong is no number. None means "not knowable between these two polls"; since
rates take only two neighbouring polls, one bad pair never spoils the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from netmon.model import Port

COUNTER32 = 2**32
COUNTER64 = 2**64
TICKS_S = COUNTER32 / 100  # sysUpTime wraps after 497 days (TimeTicks, RFC 2578 section 7.1.8)
SLACK_S = 5.0  # counters are read some seconds apart within one poll
UPTIME_SLACK_S = 30.0  # some agents refresh sysUpTime only every few seconds
DRIFT = 0.02  # and their clocks run apart from ours
ENGINE_SLACK_S = 120.0  # snmpEngineTime starts some seconds after sysUpTime
BURST = 1.25  # counters are refreshed by hardware every few seconds: a rate may read above the port's speed


@dataclass(frozen=True, slots=True)
class PortRates:
    """What a port did between two polls. Each is None where its own counter is missing or not to be trusted."""

    seconds: float
    in_bps: float | None = None
    out_bps: float | None = None
    in_errors_per_s: float | None = None
    out_errors_per_s: float | None = None
    in_discards_per_s: float | None = None
    out_discards_per_s: float | None = None
    in_error_ratio: float | None = None  # of all packets that came
    out_error_ratio: float | None = None
    in_discard_ratio: float | None = None
    out_discard_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Uptime:
    """How long a device runs, followed from poll to poll. ``at`` and ``ticks`` are of the last poll that gave any."""

    uptime_s: float | None = None  # None: unknown (no sysUpTime, or it reads 0)
    at: float = 0.0
    ticks: int | None = None
    turns: int = 0  # how often sysUpTime has wrapped
    engine_boots: int | None = None
    rebooted: bool = False  # since the poll before


def follow_uptime(
    before: Uptime,
    at: float,
    ticks: int | None,
    engine_time_s: int | None = None,
    engine_boots: int | None = None,
) -> Uptime:
    """Uptime beyond 497 days, and whether the device was restarted since ``before``.

    snmpEngineTime (RFC 3411) does not wrap, but some agents keep it over restarts (RouterOS) and others start it anew
    with the SNMP process alone: it only counts the wraps of sysUpTime, and only where it agrees with it.
    """
    if not ticks:  # 0 and missing are unknown, not a restart
        return replace(before, uptime_s=None, rebooted=False)
    plain_s = (ticks % COUNTER32) / 100
    turns = 0
    if engine_time_s and engine_time_s > plain_s:
        near = round((engine_time_s - plain_s) / TICKS_S)
        if abs(plain_s + near * TICKS_S - engine_time_s) <= ENGINE_SLACK_S:
            turns = near
    if before.ticks is None:
        return Uptime(plain_s + turns * TICKS_S, at, ticks, turns, engine_boots)
    before_s = before.ticks / 100
    expected_s = before_s + at - before.at
    slack_s = max(UPTIME_SLACK_S, (at - before.at) * DRIFT)
    wraps = round((expected_s - plain_s) / TICKS_S)
    on_time = abs(plain_s + wraps * TICKS_S - expected_s) <= slack_s
    if ticks == before.ticks:
        rebooted = False  # an agent that refreshes it rarely, or a frozen one
    elif ticks > before.ticks:
        rebooted = not on_time and plain_s < expected_s
    else:
        new_boot = None not in (engine_boots, before.engine_boots) and engine_boots != before.engine_boots
        rebooted = not (on_time and wraps > 0) or new_boot
    if not rebooted:
        turns = max(turns, before.turns + (max(wraps, 0) if on_time else 0))
    return Uptime(plain_s + turns * TICKS_S, at, ticks, turns, engine_boots, rebooted)


def restarted(before_uptime_s: float | None, after_uptime_s: float | None, seconds: float) -> bool | None:
    """True if the device was restarted between two polls; None if that is unknown."""
    if before_uptime_s is None or after_uptime_s is None:
        return None
    if before_uptime_s == after_uptime_s:
        return False  # an agent that refreshes it rarely
    return after_uptime_s < before_uptime_s + seconds - max(UPTIME_SLACK_S, seconds * DRIFT)


def delta(before: int | None, after: int | None, bits: int, limit: float | None = None) -> int | None:
    """How far a counter moved. A lower value is a wrap only if it moved at most ``limit`` (default: half the counter),
    else a reset: None."""
    if before is None or after is None:
        return None
    if after >= before:
        return after - before
    size = COUNTER32 if bits == 32 else COUNTER64
    moved = after - before + size
    return moved if moved <= (size // 2 if limit is None else limit) else None


def port_rates(
    before: Port, after: Port, *, before_uptime_s: float | None, after_uptime_s: float | None
) -> PortRates | None:
    """Rates between two neighbouring polls of one port; None where a restart, a reset or another port behind the
    same name makes them unknowable."""
    seconds = after.at - before.at
    if seconds <= 0 or before.if_name != after.if_name or before.if_index != after.if_index:
        return None
    gone = restarted(before_uptime_s, after_uptime_s, seconds)
    if gone:
        return None
    if before.discontinuity_s != after.discontinuity_s or before.octets_bits != after.octets_bits:
        return None
    octets = after.speed_bps / 8 * seconds if after.speed_bps else None  # the most that fits through the port
    bits = after.octets_bits
    if bits == 32 and octets is not None and octets >= COUNTER32:
        return None  # may have wrapped more than once (100 Mbit/s: in 343 s)
    limit = octets * (1 + SLACK_S / seconds) * BURST if octets is not None else None
    if gone is None:  # nothing says that the device was not restarted: only an early wrap is believed
        limit = min(limit or COUNTER32, COUNTER32 // 2)
    moved_in = delta(before.in_octets, after.in_octets, bits, limit)
    moved_out = delta(before.out_octets, after.out_octets, bits, limit)
    fell = [
        b is not None and a is not None and a < b and moved is None
        for b, a, moved in (
            (before.in_octets, after.in_octets, moved_in),
            (before.out_octets, after.out_octets, moved_out),
        )
    ]
    if any(fell):
        return None  # one counter was cleared: so were its neighbours, and theirs may look like a wrap

    def moved(name: str) -> int | None:
        return delta(getattr(before, name), getattr(after, name), 32)

    def per_s(count: int | None, factor: float = 1.0) -> float | None:
        return None if count is None else count * factor / seconds

    def ratio(part: int | None, packets: int | None) -> float | None:
        # ifInUcastPkts does not count what was in error or discarded (RFC 2863), so these are added.
        if part is None or packets is None:
            return None
        return part / (part + packets) if part + packets else 0.0

    in_errors, out_errors = moved("in_errors"), moved("out_errors")
    in_discards, out_discards = moved("in_discards"), moved("out_discards")
    in_packets = delta(before.in_packets, after.in_packets, after.packets_bits, limit)  # no packet has under 1 octet
    out_packets = delta(before.out_packets, after.out_packets, after.packets_bits, limit)
    return PortRates(
        seconds=seconds,
        in_bps=per_s(moved_in, 8),
        out_bps=per_s(moved_out, 8),
        in_errors_per_s=per_s(in_errors),
        out_errors_per_s=per_s(out_errors),
        in_discards_per_s=per_s(in_discards),
        out_discards_per_s=per_s(out_discards),
        in_error_ratio=ratio(in_errors, in_packets),
        out_error_ratio=ratio(out_errors, out_packets),
        in_discard_ratio=ratio(in_discards, in_packets),
        out_discard_ratio=ratio(out_discards, out_packets),
    )
