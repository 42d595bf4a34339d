"""The reachability state machine in simulated time: rules as scenarios, and false outages counted on lossy lines."""

from __future__ import annotations

import heapq
import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace

import pytest

from netmon.collectors.probes.habit import KINDS, Fleet
from netmon.collectors.probes.reach import QUICK_PROBES, Phase, Tracker, longest_burst
from netmon.config import ProbeConfig
from netmon.state import Reach

CONFIG = ProbeConfig()
RTT_S = 0.005
Answer = Callable[[float], float | None]  # send time -> round trip, None = no answer


def calm() -> Fleet:
    """What a province of 310 clean lines tells a new one."""
    fleet = Fleet()
    for number in range(310):
        fleet.share(f"other-{number}", (1.0,) + (0.0,) * (len(KINDS) - 1))
    return fleet


class Line:
    """Drives a tracker over a simulated line; keeps each Reach with the time it came out."""

    def __init__(
        self,
        answer: Answer,
        config: ProbeConfig = CONFIG,
        start_at: float = 0.0,
        fleet: Fleet | None = None,
        quick: int = 0,
    ) -> None:
        self.answer = answer
        self.config = config
        self.tracker = Tracker("line-1", config, start_at, fleet or calm(), quick)
        self.news: list[tuple[float, Reach]] = []
        self.sent: list[float] = []
        self.error: Callable[[float], tuple[float, str, str] | None] = lambda at: None
        self._events: list[tuple[float, int, float, float]] = []  # heap of (at, token, sent at, round trip or -1)

    def run(self, until: float) -> Line:
        tracker, events = self.tracker, self._events
        while True:
            if events and events[0][0] <= tracker.due_at:
                if events[0][0] > until:
                    return self
                at, token, sent_at, round_trip = heapq.heappop(events)
                if round_trip >= 0:
                    reach = tracker.answered(token, sent_at, round_trip, at)
                else:
                    error = self.error(sent_at)
                    reach = tracker.lost(token, at, *(error[1:] if error else ()))
                if reach is not None:
                    self.news.append((at, reach))
                continue
            now = tracker.due_at
            if now > until:
                return self
            token = len(self.sent)
            self.sent.append(now)
            tracker.sent(token, now)
            rtt = self.answer(now)
            error = self.error(now)
            wait = error[0] if error else self.config.timeout_s
            if rtt is None or rtt > self.config.timeout_s:
                heapq.heappush(events, (now + wait, token, now, -1.0))
            if rtt is not None:
                heapq.heappush(events, (now + rtt, token, now, rtt))

    @property
    def reach(self) -> Reach:
        return self.tracker.reach()

    def changes(self) -> list[tuple[float, bool | None, float]]:
        """(known at, lost, since) of each change of ``lost``."""
        found: list[tuple[float, bool | None, float]] = []
        for at, reach in self.news:
            if not found or found[-1][1] is not reach.lost:
                found.append((at, reach.lost, reach.since))
        return found


def up(at: float) -> float | None:
    return RTT_S


def dead_between(start: float, end: float, rtt: float = RTT_S) -> Answer:
    return lambda at: None if start <= at < end else rtt


def test_first_answer_makes_it_reachable() -> None:
    line = Line(up).run(10.0)
    assert line.changes() == [(RTT_S, False, RTT_S)]
    assert line.sent == [0.0, 3.0, 6.0, 9.0]
    assert line.reach.rtt_s == RTT_S
    assert line.reach.loss_ratio == 0.0


def test_nothing_is_known_before_the_first_burst_has_ended() -> None:
    line = Line(dead_between(0, 1e9))
    assert line.run(9.0).reach.lost is None
    reach = line.run(17.0).reach
    assert (reach.lost, reach.since) == (True, 0.0)


@pytest.mark.parametrize("offset", [0.001, 0.5, 1.5, 2.999])
@pytest.mark.parametrize("warm", [90.0, 3000.0])
def test_a_dead_line_is_found_within_ten_seconds(offset: float, warm: float) -> None:
    died = warm + offset
    line = Line(dead_between(died, 1e9), quick=QUICK_PROBES).run(died + 10.0)
    known_at, lost, since = line.changes()[-1]
    assert lost is True
    assert known_at - died <= 10.0
    assert since == min(at for at in line.sent if at >= died)


@pytest.mark.parametrize(("warm", "count"), [(90.0, 19), (400.0, 19)])
def test_a_loss_says_how_many_probes_confirmed_it(warm: float, count: int) -> None:
    line = Line(dead_between(warm, 1e9), quick=QUICK_PROBES)
    line.run(warm + 60.0)
    assert line.tracker.reach().unanswered == count  # the first loss and the whole burst


def test_an_answer_in_the_burst_is_a_blip() -> None:
    line = Line(dead_between(30.0, 32.0)).run(60.0)
    assert line.changes() == [(RTT_S, False, RTT_S)]
    assert line.reach.blips == 1
    assert line.reach.loss_ratio == pytest.approx(
        1 / 20
    )  # 20 regular probes before 60 s; those of the burst do not count


def test_return_needs_two_quick_confirmations_and_counts_from_the_first_answer() -> None:
    line = Line(dead_between(30.0, 100.0)).run(110.0)
    assert [lost for _, lost, _ in line.changes()] == [False, True, False]
    known_at, _, since = line.changes()[-1]
    first = min(at for at in line.sent if at >= 100.0)
    assert since == pytest.approx(first + RTT_S)
    assert known_at <= first + 2 * CONFIG.burst_spacing_s + 2 * RTT_S
    assert line.reach.rtt_s == RTT_S
    assert line.reach.loss_ratio == 0.0  # the outage is no loss


def test_a_probe_of_the_outage_that_runs_out_after_its_end_is_no_loss() -> None:
    """Probed faster than it waits: some are out when the line returns."""
    config = replace(CONFIG, interval_s=0.4, timeout_s=2.0, burst_spacing_s=0.1)
    line = Line(dead_between(30.0, 60.0), config).run(90.0)
    assert [lost for _, lost, _ in line.changes()] == [False, True, False]
    assert line.reach.loss_ratio == 0.0


def test_one_stray_answer_does_not_bring_it_back() -> None:
    line = Line(lambda at: RTT_S if at < 30 or at == 99.0 else None).run(200.0)
    assert [lost for _, lost, _ in line.changes()] == [False, True]
    assert line.reach.last_answer_at == pytest.approx(99.0 + RTT_S)


def test_a_slow_line_is_slow_and_lossy_but_not_lost() -> None:
    line = Line(lambda at: 1.2).run(300.0)
    reach = line.reach
    assert reach.lost is False
    assert reach.loss_ratio == 1.0
    assert reach.rtt_s == 1.2
    assert reach.blips == 0


def test_a_slow_line_returns_too() -> None:
    line = Line(lambda at: None if 30 <= at < 60 else 1.2).run(75.0)
    assert [lost for _, lost, _ in line.changes()] == [False, True, False]


def test_an_icmp_error_is_told_with_its_sender_and_forgotten_on_return() -> None:
    line = Line(dead_between(90.0, 120.0), quick=QUICK_PROBES)
    line.error = lambda at: (0.01, "icmp 3/1 host unreachable", "192.0.2.1") if 90 <= at < 120 else None
    line.run(110.0)
    assert (line.reach.error, line.reach.error_from) == ("icmp 3/1 host unreachable", "192.0.2.1")
    known_at = line.changes()[-1][0]
    assert known_at - 90.0 <= 5.2  # no time-out to wait for
    line.run(130.0)
    assert (line.reach.error, line.reach.error_from) == ("", "")


def test_a_probe_that_could_not_be_sent_says_nothing() -> None:
    tracker = Tracker("line-1", CONFIG, 0.0)
    for token in range(100):
        now = tracker.due_at
        tracker.sent(token, now)
        tracker.unsent(token, now)
        assert tracker.lost(token, now + 1.0) is None
    assert tracker.reach() == Reach(target="line-1")
    assert tracker.due_at == 300.0


def test_an_unsent_probe_of_a_burst_is_sent_again() -> None:
    tracker = Tracker("line-1", CONFIG, 0.0)
    tracker.sent(0, 0.0)
    tracker.lost(0, 1.0)
    token, sent, lost_at = 1, 0, []
    while sent < 17:
        now = tracker.due_at
        tracker.sent(token, now)
        if token % 2:
            tracker.unsent(token, now)
        else:
            sent += 1
            lost_at.append((now + 1.0, token))
        token += 1
    for at, lost in lost_at:
        assert tracker.lost(lost, at) is None  # the eighteenth is still to come
    assert tracker.reach().lost is None


def test_a_late_driver_skips_and_never_stacks() -> None:
    tracker = Tracker("line-1", CONFIG, 0.0)
    tracker.sent(0, 0.0)
    tracker.answered(0, 0.0, RTT_S, RTT_S)
    tracker.sent(1, 31.0)
    tracker.answered(1, 31.0, RTT_S, 31.0 + RTT_S)
    assert tracker.due_at == 33.0  # on the grid
    assert tracker.skipped == 9


def test_check_looks_at_once_and_is_content_with_one_answer() -> None:
    line = Line(up).run(10.0)
    line.tracker.check(10.0)
    line.run(13.0)
    assert 10.0 in line.sent
    assert len([at for at in line.sent if at > 9.5]) == 2  # the look and the regular one
    assert line.reach.blips == 0


def test_check_finds_a_loss_before_the_next_regular_probe() -> None:
    line = Line(dead_between(90.5, 1e9), quick=QUICK_PROBES).run(90.6)
    line.tracker.check(90.6)
    line.run(97.0)
    assert line.changes()[-1][1:] == (True, 90.6)


def test_check_on_a_lost_line_sends_one_probe() -> None:
    line = Line(dead_between(9.0, 50.0)).run(50.5)
    line.tracker.check(50.5)
    line.run(51.5)
    assert line.changes()[-1][1:] == (False, pytest.approx(50.5 + RTT_S))


def test_check_is_content_with_a_fresh_answer() -> None:
    line = Line(up).run(9.1)
    line.tracker.check(9.1)
    assert line.tracker.due_at == 12.0


def test_jitter_of_alternating_round_trips() -> None:
    line = Line(lambda at: 0.010 if at % 2 < 1 else 0.030)  # 0 3 6 9 ...: differs each time
    assert line.run(1000.0).reach.jitter_s == pytest.approx(0.020, rel=1e-3)


def test_burst_size_follows_loss_gaps_and_history() -> None:
    assert Line(up, fleet=Fleet()).tracker.burst_size(0.0) > 35  # nothing known yet, of this line or of others
    line = Line(up, quick=QUICK_PROBES)
    assert line.tracker.burst_size(0.0) > 24  # it may be the odd one
    assert line.run(60.0).tracker.burst_size(60.0) == 18
    rng = random.Random(7)
    lossy = Line(lambda at: None if rng.random() < 0.5 else RTT_S).run(600.0)
    assert 25 <= lossy.tracker.burst_size(600.0) <= longest_burst(CONFIG)
    gap = Line(dead_between(600.0, 604.6)).run(700.0)
    assert gap.tracker.burst_size(700.0) > 24
    assert gap.tracker.burst_size(700.0 + 6 * 3600) <= gap.tracker.burst_size(700.0)


def test_a_long_gap_is_forgotten_after_some_clean_hours() -> None:
    line = Line(dead_between(600.0, 604.6)).run(1200.0)
    assert line.tracker.burst_size(1200.0) > 18
    line.run(4 * 3600.0)
    assert line.tracker.burst_size(4 * 3600.0) == 18


def test_in_bad_weather_a_line_without_history_is_slow_to_be_called_lost() -> None:
    fleet = calm()
    for number in range(310):
        fleet.share(f"other-{number}", (0.0,) * (len(KINDS) - 1) + (1.0,))  # all of long gaps now
    line = Line(up, fleet=fleet).run(30.0)
    assert line.tracker.burst_size(30.0) > 40
    for number in range(310):
        fleet.forget(f"other-{number}")
    assert sum(fleet.prior()) == pytest.approx(sum(kind.lines for kind in KINDS) + 1)  # the line itself


def bursty(rng: random.Random, until: float, mean_bad_s: float = 0.5, loss: float = 0.15) -> Answer:
    """Gilbert-Elliott in continuous time: nothing passes in bad states, everything in good ones."""
    mean_good_s = mean_bad_s * (1 - loss) / loss
    edges, at = [], 0.0
    while at < until:
        at += rng.expovariate(1 / mean_good_s)
        edges.append(at)
        at += rng.expovariate(1 / mean_bad_s)
        edges.append(at)
    return lambda sent_at: None if bisect_right(edges, sent_at) % 2 else RTT_S


@pytest.mark.parametrize(("kind", "lines"), [("bursty", 310), ("independent", 100)])
def test_no_false_outage_in_half_an_hour_of_15_percent_loss(kind: str, lines: int) -> None:
    rng = random.Random(2026)
    false, ratios, blips = 0, [], 0
    for _ in range(lines):
        answer = bursty(rng, 1800) if kind == "bursty" else lambda at: None if rng.random() < 0.15 else RTT_S
        line = Line(answer).run(1800.0)
        false += sum(lost is True for _, lost, _ in line.changes())
        ratios.append(line.reach.loss_ratio)
        blips += line.reach.blips
    assert false == 0
    assert blips > 30 * lines  # the loss was there
    assert sum(ratios) / lines == pytest.approx(0.15, abs=0.02)  # and bursts did not bias it


class Hand:
    """A tracker driven by hand: every due probe is sent, answers come only as the test says."""

    def __init__(self, timeout_s: float = 1.0) -> None:
        self.tracker = Tracker("line-1", ProbeConfig(burst_count=4, timeout_s=timeout_s), 0.0)
        self.sent: dict[int, float] = {}

    def send_until(self, until: float) -> list[int]:
        """Send what is due; returns the tokens."""
        tokens = []
        while self.tracker.due_at <= until:
            token, now = len(self.sent), self.tracker.due_at
            self.sent[token] = now
            self.tracker.sent(token, now)
            tokens.append(token)
        return tokens

    def answer(self, token: int, now: float) -> Reach | None:
        return self.tracker.answered(token, self.sent[token], now - self.sent[token], now)

    def lose(self, tokens: list[int], now: float) -> None:
        for token in tokens:
            self.tracker.lost(token, now)


def slow_and_lost() -> tuple[Hand, int, int]:
    """A line of long round trips: a probe of 3.0 is still on its way when the one of 6.0 comes back as an error."""
    hand = Hand(timeout_s=4.0)
    (first,) = hand.send_until(0.0)
    hand.answer(first, 1.6)
    early, lost = hand.send_until(6.0)
    hand.lose([lost], 6.05)
    return hand, early, lost


def test_an_answer_from_before_the_loss_is_no_proof_of_life() -> None:
    hand, early, _ = slow_and_lost()
    burst = hand.send_until(6.2)
    hand.answer(early, 6.3)
    assert hand.tracker.phase is Phase.SUSPECT
    hand.lose(burst + hand.send_until(11.0), 15.0)
    assert (hand.tracker.reach().lost, hand.tracker.reach().since) == (True, 6.0)


def test_an_answer_from_before_the_outage_is_no_return() -> None:
    hand, early, lost = slow_and_lost()
    hand.lose(hand.send_until(11.0), 15.0)
    assert hand.tracker.reach().lost is True
    hand.answer(early, 15.1)
    assert hand.tracker.phase is Phase.DOWN
    hand.answer(lost, 15.2)  # sent in it: the line passes packets again
    assert hand.tracker.phase is Phase.RETURNING


def test_an_overdue_answer_is_looked_into_and_is_no_blip_when_it_comes() -> None:
    hand = Hand()
    (first,) = hand.send_until(0.0)
    hand.answer(first, 0.1)
    (second,) = hand.send_until(3.0)
    assert hand.tracker.due_at == 3.3
    assert len(hand.send_until(3.5)) == 1
    assert hand.tracker.phase is Phase.SUSPECT
    hand.answer(second, 3.55)
    assert hand.tracker.phase is Phase.STEADY
    assert hand.tracker.reach().blips == 0


def lost_and_one_answer() -> tuple[Hand, list[int]]:
    """An outage, its first answer at 15.005, and the four quick probes that follow."""
    hand = Hand()
    hand.lose(hand.send_until(0.0), 1.0)
    hand.lose(hand.send_until(5.5), 7.0)
    assert hand.tracker.phase is Phase.DOWN
    before, first = hand.send_until(15.0)[-2:]
    hand.answer(first, 15.005)
    quick = hand.send_until(16.5)
    assert len(quick) == 4
    return hand, [before, *quick]


def test_two_of_the_quick_probes_must_be_answered() -> None:
    hand, (_, one, two, three, four) = lost_and_one_answer()
    hand.answer(one, 15.01)
    hand.lose([two, three], 16.7)
    assert hand.tracker.reach().lost is True
    hand.lose([four], 17.0)
    assert hand.tracker.reach().lost is True
    assert hand.tracker.phase is Phase.DOWN  # the next regular answer begins anew
    (again,) = hand.send_until(18.0)
    hand.answer(again, 18.005)
    assert hand.tracker.phase is Phase.RETURNING


def test_a_reordered_answer_is_no_confirmation() -> None:
    hand, (before, one, two, _, _) = lost_and_one_answer()
    hand.answer(one, 15.01)
    hand.answer(before, 15.02)
    assert hand.tracker.reach().lost is True
    back = hand.answer(two, 15.31)
    assert back is not None
    assert (back.lost, back.since) == (False, pytest.approx(15.005))
