"""Counters to rates and ticks to uptime: what is known, and above all what is not."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from netmon.model import Port
from netmon.rates import COUNTER32, TICKS_S, PortRates, Uptime, delta, follow_uptime, port_rates

BEFORE = Port("ge0", 1, 1000.0, speed_bps=1e9, in_octets=1000, out_octets=2000, octets_bits=64)


def rates(
    change: dict[str, object],
    start: dict[str, object] | None = None,
    uptimes: tuple[float | None, float | None] = (500.0, 530.0),
) -> PortRates | None:
    before = replace(BEFORE, **(start or {}))  # type: ignore[arg-type]
    after = replace(before, at=before.at + 30, **change)  # type: ignore[arg-type]
    return port_rates(before, after, before_uptime_s=uptimes[0], after_uptime_s=uptimes[1])


def test_plain_rates() -> None:
    found = rates(
        {"in_octets": 31000, "out_octets": 2000, "in_errors": 30, "in_discards": 60, "in_packets": 270},
        {"in_errors": 0, "in_discards": 0, "in_packets": 0},
    )
    assert found is not None
    assert (found.seconds, found.in_bps, found.out_bps) == (30, 8000, 0)
    assert (found.in_errors_per_s, found.in_discards_per_s) == (1, 2)
    assert found.in_error_ratio == pytest.approx(0.1)
    assert found.in_discard_ratio == pytest.approx(60 / 330)
    assert (found.out_error_ratio, found.out_errors_per_s) == (None, None)


def test_no_packets_is_no_error() -> None:
    found = rates({}, {"in_errors": 5, "in_packets": 10})
    assert found is not None and found.in_error_ratio == 0.0


NARROW = {"octets_bits": 32, "speed_bps": 100e6, "in_octets": COUNTER32 - 1000}
UNKNOWABLE: list[tuple[str, dict[str, object], dict[str, object], tuple[float | None, float | None]]] = [
    ("counter went back", {"in_octets": 10}, {}, (500, 530)),
    (
        "32-bit counter went back further than the speed allows",
        {"in_octets": 500},
        NARROW | {"in_octets": 10**9},
        (500, 530),
    ),
    ("restarted", {"in_octets": 5000}, {}, (500, 12)),
    ("restarted, counters already higher", {"in_octets": 10**9}, {}, (500, 400)),
    ("discontinuity", {"in_octets": 5000, "discontinuity_s": 9.0}, {"discontinuity_s": 0.0}, (500, 530)),
    ("discontinuity that the agent did not tell before", {"in_octets": 5000, "discontinuity_s": 9.0}, {}, (500, 530)),
    ("one direction was cleared, the other looks well", {"in_octets": 10, "out_octets": 9000}, {}, (500, 530)),
    ("64-bit columns went away", {"in_octets": 5000, "octets_bits": 32}, {"octets_bits": 64}, (500, 530)),
    ("another port behind the name", {"in_octets": 5000, "if_index": 2}, {}, (500, 530)),
    ("other width", {"in_octets": 5000, "octets_bits": 32}, {}, (500, 530)),
    (
        "32 bits at 10 Gbit/s may wrap twice in 30 s",
        {"in_octets": 5000},
        NARROW | {"speed_bps": 1e10, "in_octets": 1},
        (1, 31),
    ),
    ("uptime unknown, big step back", {"in_octets": 5}, NARROW | {"in_octets": 1000, "speed_bps": None}, (None, None)),
]


@pytest.mark.parametrize(
    ("change", "start", "uptimes"), [row[1:] for row in UNKNOWABLE], ids=[row[0] for row in UNKNOWABLE]
)
def test_unknowable(
    change: dict[str, object], start: dict[str, object], uptimes: tuple[float | None, float | None]
) -> None:
    assert rates(change, start, uptimes) is None


KNOWABLE: list[tuple[str, dict[str, object], dict[str, object], tuple[float | None, float | None], float]] = [
    ("32-bit wrap", {"in_octets": 2000}, NARROW, (500, 530), 3000 * 8 / 30),
    ("32-bit wrap, speed unknown", {"in_octets": 2000}, NARROW | {"speed_bps": None}, (500, 530), 800),
    ("32-bit wrap, uptime unknown", {"in_octets": 2000}, NARROW, (None, None), 800),
    ("64-bit wrap", {"in_octets": 2000}, {"in_octets": 2**64 - 1000}, (500, 530), 800),
    ("uptime unknown", {"in_octets": 4000}, {}, (None, None), 800),
    ("wrap of sysUpTime at 497 days", {"in_octets": 4000}, {}, (TICKS_S - 10, TICKS_S + 20), 800),
    ("uptime 0 now", {"in_octets": 4000}, {}, (500, None), 800),
    ("uptime 0 before", {"in_octets": 4000}, {}, (None, 530), 800),
    ("uptime read late", {"in_octets": 4000}, {}, (500, 520), 800),
    ("agent with a frozen uptime", {"in_octets": 4000}, {}, (500, 500), 800),
    ("faster than the speed that the port names (tunnels)", {"in_octets": 4000}, {"speed_bps": 9.0}, (500, 530), 800),
]


@pytest.mark.parametrize(
    ("change", "start", "uptimes", "bps"), [row[1:] for row in KNOWABLE], ids=[row[0] for row in KNOWABLE]
)
def test_knowable(
    change: dict[str, object], start: dict[str, object], uptimes: tuple[float | None, float | None], bps: float
) -> None:
    found = rates(change, start, uptimes)
    assert found is not None
    assert found.in_bps == pytest.approx(bps)


def test_a_renamed_port_has_no_rate() -> None:
    assert rates({"in_octets": 5000, "if_name": "ge1"}) is None


def test_uptime_and_engine_time_of_a_device_that_has_both() -> None:
    """sysUpTime 2038026003 ticks beside 20380155 s of snmpEngineTime: the same time, no wrap."""
    (up,) = follow((0, 2038026003, 20380155, 1))
    assert up.uptime_s == pytest.approx(20380260.03)


def test_missing_counters_leave_the_others() -> None:
    found = rates({"in_octets": None, "out_octets": 5000})
    assert found is not None
    assert found.in_bps is None
    assert found.out_bps == 800


def test_no_time_between() -> None:
    assert port_rates(BEFORE, BEFORE, before_uptime_s=1, after_uptime_s=1) is None


def test_one_bad_pair_does_not_spoil_the_next() -> None:
    counters = [10**12, 10**12 + 30000, 500, 30500, 60500]
    ports = [replace(BEFORE, at=1000.0 + 30 * i, in_octets=n) for i, n in enumerate(counters)]
    found = [port_rates(a, b, before_uptime_s=None, after_uptime_s=None) for a, b in itertools.pairwise(ports)]
    assert [rate and rate.in_bps for rate in found] == [8000, None, 8000, 8000]


@pytest.mark.parametrize(
    ("before", "after", "bits", "limit", "moved"),
    [
        (5, 5, 32, None, 0),
        (None, 5, 32, None, None),
        (5, None, 32, None, None),
        (COUNTER32 - 1, 0, 32, None, 1),
        (COUNTER32 - 1, 0, 64, None, None),
        (1000, 999, 32, None, None),
        (1000, 999, 32, COUNTER32, COUNTER32 - 1),
        (2**64 - 1, 1, 64, None, 2),
    ],
)
def test_delta(before: int | None, after: int | None, bits: int, limit: float | None, moved: int | None) -> None:
    assert delta(before, after, bits, limit) == moved


W = COUNTER32  # ticks


def follow(*polls: tuple[float, int | None, int | None, int | None]) -> list[Uptime]:
    """(at, ticks, engine time, engine boots) one after the other."""
    found = [Uptime()]
    for poll in polls:
        found.append(follow_uptime(found[-1], *poll))
    return found[1:]


def test_uptime_goes_on_through_the_wrap_at_497_days() -> None:
    found = follow((0, W - 1000, None, None), (30, 2000, None, None), (60, 5000, None, None))
    assert [up.rebooted for up in found] == [False, False, False]
    assert [up.uptime_s for up in found] == pytest.approx([(W - 1000) / 100, (W + 2000) / 100, (W + 5000) / 100])


def test_engine_time_counts_the_wraps_that_nobody_saw() -> None:
    (up,) = follow((0, 20380155, (W + 20380155) // 100, 1))
    assert up.uptime_s == pytest.approx((W + 20380155) / 100)


@pytest.mark.parametrize("engine_time", [3703088, 10, 0, None, 2038026003])
def test_engine_time_that_disagrees_is_not_believed(engine_time: int | None) -> None:
    """RouterOS keeps it over restarts (430400 ticks beside 3703088 s), others restart it alone; one counts in ticks."""
    (up,) = follow((0, 430400, engine_time, 1))
    assert up.uptime_s == 4304


REBOOTS: list[tuple[str, tuple[float, int, int | None, int | None], tuple[float, int, int | None, int | None]]] = [
    ("plain", (0, 500_000, None, None), (30, 1000, None, None)),
    ("after a long silence, uptime already higher", (0, 100_000, None, None), (86400, 200_000, None, None)),
    ("shortly before the wrap", (0, W - 100_000_00, None, None), (30, 1000, None, None)),
    ("at the wrap, but the engine booted", (0, W - 1000, None, 3), (30, 1500, None, 4)),
    ("twice in two minutes", (0, 9000, None, None), (60, 3000, None, None)),
]


@pytest.mark.parametrize(("first", "second"), [row[1:] for row in REBOOTS], ids=[row[0] for row in REBOOTS])
def test_reboots(
    first: tuple[float, int, int | None, int | None], second: tuple[float, int, int | None, int | None]
) -> None:
    found = follow(first, second)
    assert found[1].rebooted
    assert found[1].uptime_s == second[1] / 100


STEADY: list[tuple[str, tuple[float, int, int | None, int | None], tuple[float, int, int | None, int | None]]] = [
    ("plain", (0, 500_000, None, None), (30, 503_000, None, None)),
    ("clock of the agent runs 1 % fast", (0, 500_000, None, None), (86400, 500_000 + 8_726_400, None, None)),
    ("clock of the agent runs 1 % slow", (0, 500_000, None, None), (86400, 500_000 + 8_553_600, None, None)),
    ("read from a cache", (0, 500_000, None, None), (30, 500_900, None, None)),
    ("frozen", (0, 500_000, None, None), (86400, 500_000, None, None)),
    ("SNMP process restarted, sysUpTime goes on", (0, 500_000, 5000, 3), (30, 503_000, 4, 4)),
    ("wrapped during a long silence", (0, W - 100_000, None, None), (86400, 8_640_000 - 100_000, None, None)),
]


@pytest.mark.parametrize(("first", "second"), [row[1:] for row in STEADY], ids=[row[0] for row in STEADY])
def test_no_reboots(
    first: tuple[float, int, int | None, int | None], second: tuple[float, int, int | None, int | None]
) -> None:
    assert not follow(first, second)[1].rebooted


def test_uptime_zero_is_unknown_and_not_a_reboot() -> None:
    found = follow((0, 500_000, None, None), (30, 0, None, None), (60, 506_000, None, None), (90, None, None, None))
    assert [up.rebooted for up in found] == [False, False, False, False]
    assert [up.uptime_s for up in found] == [5000, None, 5060, None]


def test_a_reboot_behind_an_unknown_uptime_is_still_seen() -> None:
    found = follow((0, 500_000, None, None), (30, 0, None, None), (60, 1000, None, None))
    assert [up.rebooted for up in found] == [False, False, True]
