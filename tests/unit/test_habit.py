"""What kind of loss a line is used to: learned from few gaps, told to new lines, and not for ever."""

from __future__ import annotations

import pytest

from netmon.collectors.probes.habit import FALSE_LOSS, KINDS, Fleet, Habit
from netmon.config import ProbeConfig

CONFIG = ProbeConfig()
MOST = 51


def habit(fleet: Fleet | None = None, line: str = "a") -> Habit:
    return Habit(line, fleet or Fleet(), CONFIG)


def test_kinds_are_probabilities_whatever_was_seen() -> None:
    one = habit()
    for step in range(5000):
        one.answered() if step % 7 else one.survived(0.3 * (step % 5 + 1))
        assert sum(one.kinds()) == pytest.approx(1.0)
        assert all(0.0 <= share <= 1.0 for share in one.kinds())


def test_long_gaps_ask_for_long_bursts_and_single_losses_do_not() -> None:
    single, long = habit(), habit()
    for _ in range(10):
        for one, gap_s in ((single, 0.3), (long, 1.5)):
            one.survived(gap_s)
            for _ in range(20):
                one.answered()
    assert single.probes(MOST) <= 12
    assert long.probes(MOST) > 40
    chance = sum(share * kind.loss_ratio for share, kind in zip(long.kinds(), KINDS, strict=True))
    assert chance * 0.75 ** long.probes(99) <= 10 * FALSE_LOSS


def test_what_is_true_of_the_fleet_is_believed_of_a_new_line() -> None:
    calm, stormy = Fleet(), Fleet()
    for number in range(200):
        for fleet, gap_s in ((calm, 0.0), (stormy, 1.5)):
            one = habit(fleet, f"line-{number}")
            for _ in range(60):
                one.answered()
            for _ in range(5 if gap_s else 0):
                one.survived(gap_s)
    assert habit(stormy, "new").probes(MOST) > habit(calm, "new").probes(MOST) + 10


def test_one_that_is_gone_counts_no_more() -> None:
    fleet = Fleet()
    before = fleet.prior()
    one = habit(fleet)
    one.survived(1.5)
    assert fleet.prior() != pytest.approx(before)
    fleet.forget("a")
    fleet.forget("never there")
    assert fleet.prior() == pytest.approx(before)
