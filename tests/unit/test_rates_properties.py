"""Counters and uptimes of invented devices: a rate is right or it is none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from netmon.model import Port
from netmon.rates import COUNTER32, TICKS_S, Uptime, follow_uptime, port_rates

DAY_S = 86400.0
SLACK_S = 31.0  # a device is away at least this long when it restarts


@dataclass(frozen=True)
class Truth:
    """A port between two polls: what really passed, and what the agent shows of it."""

    speed_bps: float
    seconds: float
    octets: int
    start: int
    bits: int
    known_speed: bool

    def ports(self, after: int | None = None, **change: object) -> tuple[Port, Port]:
        shown = self.start + self.octets if after is None else after
        speed = self.speed_bps if self.known_speed else None

        def port(at: float, octets: int, **fields: object) -> Port:
            size = 2**self.bits
            plain = Port("ge0", 1, at, speed_bps=speed, octets_bits=self.bits)
            return replace(plain, **{"in_octets": octets % size, "out_octets": octets % size, **fields})

        return port(1000.0, self.start), port(1000.0 + self.seconds, shown, **change)

    @property
    def bps(self) -> float:
        return self.octets * 8 / self.seconds


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    bits = draw(st.sampled_from([32, 64]))
    speed = draw(st.sampled_from([2e6, 10e6, 100e6, 1e9, 10e9]))
    seconds = draw(st.floats(5, 600))
    known = draw(st.booleans())
    octets = draw(st.integers(0, int(speed / 8 * seconds)))
    # Of a port whose speed nobody tells, two wraps of 32 bits cannot be told from one.
    assume(known or bits == 64 or octets < COUNTER32)
    near_the_top = st.integers(2**bits - 10**9, 2**bits - 1)
    start = draw(st.one_of(st.integers(0, 2**bits - 1), near_the_top))
    return Truth(speed, seconds, octets, start, bits, known)


@given(truths(), st.one_of(st.none(), st.floats(1, 3 * TICKS_S)))
def test_what_passed_is_what_is_told_or_nothing(truth: Truth, uptime_s: float | None) -> None:
    before, after = truth.ports()
    then = None if uptime_s is None else uptime_s + truth.seconds
    found = port_rates(before, after, before_uptime_s=uptime_s, after_uptime_s=then)
    if found is not None:
        assert found.in_bps == found.out_bps == pytest.approx(truth.bps)
    else:  # where 32 bits could wrap twice, or a wrap cannot be told from a reset
        twice = truth.bits == 32 and truth.known_speed and truth.speed_bps / 8 * truth.seconds >= COUNTER32
        wrapped = truth.start + truth.octets >= 2**truth.bits
        assert twice or (wrapped and (uptime_s is None or not truth.known_speed))


@given(truths(), st.floats(60, 2 * TICKS_S), st.integers(0, 2**40), st.floats(1, 500))
def test_a_restart_between_two_polls_is_never_a_rate(truth: Truth, before_s: float, counted: int, up_s: float) -> None:
    assume(before_s + truth.seconds - up_s > max(SLACK_S, truth.seconds * 0.02) and up_s < truth.seconds)
    assume(up_s != before_s)  # an agent with a frozen uptime shows just that
    before, after = truth.ports(after=counted)
    assert port_rates(before, after, before_uptime_s=before_s, after_uptime_s=up_s) is None


CHANGES: list[tuple[str, dict[str, object]]] = [
    ("discontinuity", {"discontinuity_s": 77.0}),
    ("ifIndex reused", {"if_index": 2}),
    ("renamed", {"if_name": "ge1"}),
]


@pytest.mark.parametrize("change", [row[1] for row in CHANGES], ids=[row[0] for row in CHANGES])
@given(truth=truths())
def test_a_port_that_is_not_the_same_has_no_rate(change: dict[str, object], truth: Truth) -> None:
    before, plain = truth.ports()
    after = replace(plain, **change)  # type: ignore[arg-type]
    assert port_rates(before, after, before_uptime_s=500.0, after_uptime_s=500.0 + truth.seconds) is None


@given(truths(), st.sampled_from([(64, 32), (32, 64)]))
def test_a_port_that_got_or_lost_its_wide_counters_has_no_rate_for_once(truth: Truth, bits: tuple[int, int]) -> None:
    before, after = truth.ports(octets_bits=bits[1] if truth.bits == bits[0] else bits[0])
    assert port_rates(before, after, before_uptime_s=500.0, after_uptime_s=500.0 + truth.seconds) is None


@given(truths(), st.integers(0, 10**6))
def test_counters_cleared_by_hand_are_no_traffic_beyond_the_ports_speed(truth: Truth, counted: int) -> None:
    """Nothing tells of it but the counter: 64 bits show it, 32 bits may look like a wrap, but never like a flood."""
    assume(counted < truth.start)
    before, after = truth.ports(after=counted)
    found = port_rates(before, after, before_uptime_s=500.0, after_uptime_s=500.0 + truth.seconds)
    if truth.bits == 64 and truth.start < 2**63:
        assert found is None
    elif found is not None and found.in_bps is not None and truth.known_speed:
        assert found.in_bps <= truth.speed_bps * (1 + 5 / truth.seconds) * 1.25 + 1


@given(truths(), st.lists(st.sampled_from(["in_octets", "out_octets"]), min_size=1, unique=True))
def test_missing_counters_are_missing_rates(truth: Truth, missing: list[str]) -> None:
    before, plain = truth.ports()
    after = replace(plain, **dict.fromkeys(missing))  # type: ignore[arg-type]
    found = port_rates(before, after, before_uptime_s=500.0, after_uptime_s=500.0 + truth.seconds)
    if found is not None:
        for name in ("in_octets", "out_octets"):
            value = getattr(found, name.replace("octets", "bps"))
            assert value is None if name in missing else value == pytest.approx(truth.bps)


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[float, float, bool]]:
    """Polls of one device as (time, true uptime, restarted since the poll before)."""
    at, uptime = 0.0, draw(st.floats(1, TICKS_S - 1))
    polls = [(at, uptime, False)]
    for _ in range(draw(st.integers(1, 12))):
        step = draw(st.one_of(st.floats(5, 300), st.floats(300, 400 * DAY_S)))
        restarted = draw(st.integers(0, 3)) == 0
        before, at = uptime, at + step
        uptime = draw(st.floats(0.01, step)) if restarted else uptime + step
        if restarted:
            slack = max(SLACK_S, step * 0.02)
            away = (before + step - uptime) % TICKS_S  # a restart at the very moment of a wrap is told by nothing
            assume(min(away, TICKS_S - away) > slack + 1 and before + step - uptime > slack + 1)
            assume(abs(uptime - before % TICKS_S) > 0.1)  # nor one that was just as long ago as the poll before
        polls.append((at, uptime, restarted))
    return polls


@given(lives())
def test_uptime_is_followed_through_wraps_and_restarts(polls: list[tuple[float, float, bool]]) -> None:
    up = Uptime()
    for at, true_s, restarted in polls:
        ticks = int(true_s * 100) % COUNTER32
        assume(ticks)
        up = follow_uptime(up, at, ticks)
        assert up.rebooted is restarted
        if true_s < TICKS_S or not restarted:
            assert up.uptime_s == pytest.approx(true_s, abs=0.02)


@given(lives(), st.data())
def test_polls_without_an_uptime_change_nothing_for_the_others(
    polls: list[tuple[float, float, bool]], data: st.DataObject
) -> None:
    plain, holed = Uptime(), Uptime()
    for at, true_s, _ in polls:
        ticks = int(true_s * 100) % COUNTER32
        assume(ticks)
        plain = follow_uptime(plain, at, ticks)
        for nothing in data.draw(st.lists(st.sampled_from([0, None]), max_size=2)):
            holed = follow_uptime(holed, at - 1, nothing)
            assert (holed.uptime_s, holed.rebooted) == (None, False)
        holed = follow_uptime(holed, at, ticks)
        assert holed == plain
