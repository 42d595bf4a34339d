"""What holds for every line, whatever it does, and for every order in which a driver may report."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from netmon.collectors.probes.reach import Phase, Tracker, longest_burst
from netmon.config import ProbeConfig
from tests.unit.test_reach import Line

RTT_S = 0.007
configs = st.builds(
    ProbeConfig,
    interval_s=st.sampled_from([1.0, 3.0, 10.0]),
    timeout_s=st.sampled_from([0.25, 1.0, 4.0]),  # also longer than the interval
    burst_count=st.integers(1, 20),
    burst_spacing_s=st.sampled_from([0.1, 0.3]),
    window=st.sampled_from([1, 5, 100]),
)
segments = st.lists(
    st.tuples(st.floats(0.1, 120.0), st.sampled_from(["good", "dead", "lossy", "slow"])), min_size=1, max_size=12
)


def longest(config: ProbeConfig) -> float:
    """Seconds within which any loss must be known."""
    burst_s = longest_burst(config) * config.burst_spacing_s
    return config.interval_s + config.timeout_s + burst_s + config.timeout_s + 0.01


class Told(Line):
    """A line that goes through segments, and remembers which probes were answered when."""

    def __init__(self, config: ProbeConfig, plan: list[tuple[float, str]], seed: int) -> None:
        self.plan, self.rng = plan, random.Random(seed)
        self.answers: list[tuple[float, float]] = []  # sent at, answered at
        super().__init__(self._answer, config)

    def _answer(self, at: float) -> float | None:
        mode, start = "good", 0.0
        for length, name in self.plan:
            if at < start + length:
                mode = name
                break
            start += length
        rtt = {"good": RTT_S, "dead": None, "slow": self.config.timeout_s * 1.5}.get(mode, RTT_S)
        if mode == "lossy" and self.rng.random() < 0.4:
            rtt = None
        if rtt is not None:
            self.answers.append((at, at + rtt))
        return rtt

    @property
    def length(self) -> float:
        return sum(length for length, _ in self.plan)


@given(configs, segments, st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_what_is_told_is_true(config: ProbeConfig, plan: list[tuple[float, str]], seed: int) -> None:
    line = Told(config, plan, seed)
    line.run(line.length + 60.0)
    told = [(at, reach) for at, reach in line.news if reach.lost is not None]
    for at, reach in told:
        assert 0.0 <= reach.loss_ratio <= 1.0
        assert reach.jitter_s >= 0.0
        assert reach.since <= at
        assert (reach.rtt_s is None) or not reach.lost
    for at, lost, since in line.changes():
        answered = [when for sent_at, when in line.answers if since <= sent_at and when < at]
        if lost:
            assert since in line.sent  # the true beginning: the send time of an unanswered probe
            assert not answered, "lost although a probe after its beginning was answered before that was told"
        elif lost is False:
            assert any(math.isclose(when, since) for _, when in line.answers)


@given(configs, st.floats(0.0, 400.0), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_dead_line_is_always_found_and_a_good_one_always_comes_back(
    config: ProbeConfig, before: float, seed: int
) -> None:
    dead_s = longest(config)
    line = Told(config, [(before / 2, "good"), (before / 2, "lossy"), (dead_s, "dead")], seed)
    line.run(before + dead_s)
    assert line.reach.lost is True
    line.run(before + dead_s + longest(config) + config.interval_s)
    assert line.reach.lost is False


@given(configs, st.integers(0, 2**32), st.floats(0.0, 0.2))
@settings(max_examples=60, deadline=None)
def test_the_loss_ratio_counts_regular_probes_only(config: ProbeConfig, seed: int, loss: float) -> None:
    config = replace(config, timeout_s=0.25, burst_count=20)  # so that no outage is found
    rng = random.Random(seed)
    results: dict[float, bool] = {}

    def answer(at: float) -> float | None:
        lost = rng.random() < loss
        if at % config.interval_s == 0.0:  # the grid; exact in floats, as intervals are whole seconds
            results[at] = lost
        return None if lost else RTT_S

    line = Line(answer, config)
    line.run(150 * config.interval_s + config.interval_s * 0.9)
    assert line.reach.lost is False
    if line.tracker.phase is Phase.SUSPECT:
        return  # the last results wait for the end of the burst
    counted = list(results.values())[-config.window :]
    assert line.reach.loss_ratio == sum(counted) / len(counted)


@given(configs, st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40), st.floats(0.0, 5.0)), max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_order_of_reports_is_survived(config: ProbeConfig, steps: list[tuple[int, int, float]]) -> None:
    tracker = Tracker("line-1", config, 0.0)
    now, sent = 0.0, [0.0]
    tracker.sent(0, 0.0)
    for what, which, passed in steps:
        now += passed
        token = which % len(sent)
        match what:
            case 0 | 1:
                now = max(now, tracker.due_at)
                tracker.sent(len(sent), now)
                sent.append(now)
            case 2:
                tracker.answered(token, sent[token], now - sent[token], now)
            case 3:
                tracker.lost(token, now, "icmp 3/1", "192.0.2.1")
            case 4:
                tracker.unsent(token, now)
            case 5:
                tracker.check(now)
        reach = tracker.reach()
        assert 0.0 <= reach.loss_ratio <= 1.0
        assert reach.since <= now + 1e-9
        assert math.isfinite(tracker.due_at)
        assert 1 <= tracker.burst_size(now) <= longest_burst(config)
    # However muddled before: a line that answers from now on is found to be alive.
    for token in range(len(sent), len(sent) + 3 * longest_burst(config) + 20):
        now = max(now, tracker.due_at)
        tracker.sent(token, now)
        tracker.answered(token, now, 0.001, now + 0.001)
    assert tracker.reach().lost is False
    assert tracker.phase is Phase.STEADY
