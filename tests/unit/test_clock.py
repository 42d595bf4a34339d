"""One clock: a step of the system clock reaches no difference, and what is told afterwards is right again."""

from __future__ import annotations

import pytest

from netmon.clock import Clock


class Machine:
    """The two clocks of a computer, moved by hand."""

    def __init__(self) -> None:
        self.mono, self.wall = 500.0, 1_790_000_000.0
        self.clock = Clock(lambda: self.mono, lambda: self.wall)

    def pass_s(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += seconds


def test_time_passes_with_the_monotonic_clock() -> None:
    machine = Machine()
    assert (machine.clock.mono(), machine.clock.now()) == (500.0, 1_790_000_000.0)
    machine.pass_s(30)
    assert (machine.clock.mono(), machine.clock.now()) == (530.0, 1_790_000_030.0)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 1.5, -1.5, 86400.0 * 365])
def test_a_step_is_noticed_once_and_moves_now_but_no_difference(step_s: float) -> None:
    machine = Machine()
    machine.wall += step_s
    assert machine.clock.now() == 1_790_000_000.0, "until it is checked, time goes on as before"
    before = machine.clock.mono()
    assert machine.clock.check_step() == step_s
    assert machine.clock.check_step() == 0.0
    assert machine.clock.now() == 1_790_000_000.0 + step_s
    machine.pass_s(10)
    assert machine.clock.mono() - before == 10.0
    assert machine.clock.now() == 1_790_000_010.0 + step_s


@pytest.mark.parametrize("step_s", [0.0, 0.9, -0.9, 1.0])
def test_small_corrections_are_no_steps(step_s: float) -> None:
    machine = Machine()
    machine.wall += step_s
    assert machine.clock.check_step() == 0.0
    assert machine.clock.now() == 1_790_000_000.0


def test_small_corrections_that_add_up_are_one_step() -> None:
    machine = Machine()
    steps = []
    for _ in range(12):
        machine.pass_s(10)
        machine.wall += 0.25
        steps.append(machine.clock.check_step())
    assert [s for s in steps if s] == [1.25, 1.25]
    assert abs(machine.clock.now() - machine.wall) <= 1.0


def test_the_real_clock_is_utc() -> None:
    clock = Clock()
    assert clock.check_step() == 0.0
    assert clock.now() > 1_700_000_000
    assert clock.mono() <= clock.mono()
