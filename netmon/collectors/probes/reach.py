"""Is a target reachable, since when, and how well: one pure state machine per target.

Rules (docs/explanation/detection.md has the arithmetic):
 - One regular probe each ``interval_s``, on a fixed grid; the first ``quick`` ones come QUICK times as often, so that
   the line's habits are known soon after a start. Loss ratio, round trip and jitter come from regular probes alone.
 - A regular probe that is overdue by the line's own round trips starts a confirming burst. Any answer ends it: a blip.
   No answer to any of it: lost, since the first unanswered probe was sent.
 - The burst is as long as the line's own history asks for: see `Tracker.burst_size`.
 - While lost: regular probes. An answer starts up to RETURN_PROBES quick ones; RETURN_ANSWERS of them answered: back
   since the first answer. Nothing between the first unanswered probe and the return counts as loss.
 - An answer after ``timeout_s`` is a loss for the ratio (RFC 7680 judges loss by a waiting time), but
   it proves that the line lives.

All times are seconds on one steady scale that the caller chooses; the caller drives: it sends when `Tracker.due_at` has
come and reports each probe once by ``answered``, ``lost`` or ``unsent`` (and perhaps ``answered`` again, when late).
"""

from __future__ import annotations

import copy
import math
import statistics
from collections import deque
from enum import Enum

from netmon.collectors.probes.habit import Fleet, Habit
from netmon.config import ProbeConfig
from netmon.state import Reach

FALSE_LOSS = 1e-10  # 310 lines * 10.5 million probes a year: below one false outage in a year at 15 % loss
FEW = 10  # probes, below which the measured loss is taken as if they had been this many
GAP_MARGIN = 1.5  # a burst covers this multiple of the longest gap survived lately
GAP_HALF_LIFE_S = 3600.0  # so that one bad minute does not slow detection for ever
BURST_MOST = 2.85  # times burst_count: the longest burst, 51 probes over 15 s with the defaults
QUICK = 4  # times as often as later ...
QUICK_PROBES = 80  # ... for the first minute after a start
OVERDUE = 2.0  # times the longest round trip of late
RETURN_PROBES, RETURN_ANSWERS = 4, 2
RTT_SAMPLES = 10  # the median of 30 s: one late packet is no degraded line
JITTER_GAIN = 1 / 16  # RFC 3550 section 6.4.1
NEVER = math.inf


def longest_burst(config: ProbeConfig) -> int:
    """Probes of the longest burst."""
    return max(1, round(BURST_MOST * config.burst_count))


class Phase(Enum):
    STEADY = "steady"  # reachable, or nothing known yet
    SUSPECT = "suspect"  # a confirming burst is under way
    DOWN = "down"
    RETURNING = "returning"


class Tracker:
    """Reachability of one target. ``due_at`` is when the next probe wants to be sent."""

    def __init__(
        self, target: str, config: ProbeConfig, start_at: float, fleet: Fleet | None = None, quick: int = 0
    ) -> None:
        self.target = target
        self.phase = Phase.STEADY
        self.due_at = start_at
        self.first_lost = NEVER  # send time of the first unanswered probe, while there is one
        self.skipped = 0  # regular probes left out because their time had passed
        self._config = config
        self._habit = Habit(target, fleet or Fleet(), config)
        self._quick = quick
        self._regular_at = start_at
        self._doubt_at = NEVER  # when the regular probe that is out is overdue ...
        self._doubted = 0.0  # ... and when it was sent
        self._extra_at = NEVER  # next probe of a burst
        self._extra_left = 0
        self._group = 0  # grows with each burst, so that a probe of an earlier one is not counted
        self._open = 0  # probes of this burst that are neither answered nor lost
        self._out: dict[int, tuple[float, bool, int]] = {}  # token -> sent at, regular, burst
        self._lost: bool | None = None
        self._since = 0.0
        self._held: list[bool] = []  # regular results of this burst: True = lost
        self._returned_at = 0.0
        self._return_sent_at = 0.0
        self._return_answers = 0
        self._answered_sent_at = -NEVER  # latest send time among answered probes
        self._answer_at: float | None = None
        self._window: deque[bool] = deque(maxlen=max(config.window, 1))
        self._losses = 0
        self._rtts: deque[float] = deque(maxlen=RTT_SAMPLES)
        self._rtt: float | None = None  # of the last regular answer
        self._jitter = 0.0
        self._gap = 0.0
        self._gap_at = start_at
        self._blips = 0
        self._silent = 0  # probes lost in a row
        self._confirmed_by = 0
        self._error = ""
        self._error_from = ""

    def forked(self, memo: dict[int, object]) -> Tracker:
        """One of its own with the same history and nothing on its way. ``memo``: as of `copy.deepcopy`, for all those
        that are forked together, so that they share a copy of what they share."""
        memo[id(self._config)] = self._config
        other = copy.deepcopy(self, memo)
        other._out.clear()
        other._steady()
        other._doubt_at = NEVER
        other._set_due()
        return other

    # --- what the driver reports ---

    def sent(self, token: int, now: float) -> None:
        """A probe leaves now. ``token`` names it and is never used twice."""
        regular = now >= self._regular_at
        if self.phase is Phase.STEADY and now >= self._doubt_at:
            self._start(Phase.SUSPECT, self.burst_size(now), now)
            self.first_lost = self._doubted
        if regular:
            self._advance(now)
            if self.phase is Phase.STEADY and self._doubt_at == NEVER:
                self._doubt_at, self._doubted = now + self._patience_s(), now
        if self._extra_left:
            self._extra_left -= 1
            self._open += 1
            spacing = self._config.burst_spacing_s
            self._extra_at = max(self._extra_at, now - spacing) + spacing if self._extra_left else NEVER
            self._out[token] = (now, regular, self._group)
        else:
            self._out[token] = (now, regular, 0)
        self._set_due()

    def unsent(self, token: int, now: float) -> None:
        """The probe reported by ``sent`` did not leave, for a local reason: it says nothing about the target."""
        probe = self._out.pop(token, None)
        if probe is None:
            return
        if probe[0] == self._doubted:
            self._doubt_at = NEVER
            self._set_due()
        if probe[2] and probe[2] == self._group and self.phase is not Phase.STEADY:
            self._open -= 1
            self._extra_left += 1
            self._extra_at = now + self._config.burst_spacing_s
            self._set_due()

    def answered(self, token: int, sent_at: float, rtt_s: float, now: float) -> Reach | None:
        """An answer came (perhaps after ``lost``); a new Reach when there is news."""
        probe = self._out.pop(token, None)
        regular = probe is not None and probe[1]
        if sent_at >= self._doubted:
            self._doubt_at = NEVER
            self._set_due()
        late = probe is None or rtt_s > self._config.timeout_s
        if probe is not None and regular:
            self._sample(late)
        if regular or late:
            self._take_rtt(rtt_s)
        at = sent_at + rtt_s
        self._answer_at = at if self._answer_at is None else max(self._answer_at, at)
        self._silent = 0
        self._answered_sent_at = max(self._answered_sent_at, sent_at)
        if self.phase is Phase.STEADY or self.phase is Phase.SUSPECT:
            return self._alive(sent_at, at, now, late) or (self.reach() if regular else None)
        if self.phase is Phase.DOWN:
            if sent_at >= self._since:
                self._returned_at, self._return_sent_at, self._return_answers = at, sent_at, 0
                self._start(Phase.RETURNING, RETURN_PROBES, now)
            return None
        if probe is not None and probe[2] == self._group:
            self._open -= 1
        if sent_at > self._return_sent_at:
            self._return_answers += 1
        if self._return_answers >= RETURN_ANSWERS:
            self._lost, self._since = False, self._returned_at
            self._steady()
            return self.reach()
        self._settle(now)
        return None

    def lost(self, token: int, now: float, error: str = "", error_from: str = "") -> Reach | None:
        """No answer in time, or an error came instead; a new Reach when there is news."""
        new_error = bool(error) and (error, error_from) != (self._error, self._error_from)
        if error:
            self._error, self._error_from = error, error_from
        probe = self._out.pop(token, None)
        if probe is None:
            return None
        sent_at, regular, group = probe
        overtaken = sent_at < self._answered_sent_at  # a later probe was answered: a lost packet, not a lost line
        self._silent += not overtaken
        if self.phase is Phase.STEADY and not overtaken:
            self._start(Phase.SUSPECT, self.burst_size(now), now)
        if regular and sent_at >= self._returned_at:  # one from within an outage may run out after its end
            self._sample(True)
        if self.phase is Phase.SUSPECT and not overtaken:
            self.first_lost = min(self.first_lost, sent_at)
        before = self._lost
        if group and group == self._group and self.phase in (Phase.SUSPECT, Phase.RETURNING):
            self._open -= 1
            self._settle(now)
        if self._lost is not before or (self.phase is Phase.STEADY and regular) or (self._lost and new_error):
            return self.reach()
        return None

    def check(self, now: float) -> None:
        """Look at once: somebody below lost a probe, or a person asks. Nothing if a fresh answer says enough."""
        if self.phase is Phase.STEADY and self._answered_sent_at < now - self._config.burst_spacing_s:
            self._start(Phase.SUSPECT, self.burst_size(now), now)
        elif self.phase is Phase.DOWN and not self._extra_left:
            self._start(Phase.DOWN, 1, now)

    # --- what it concludes ---

    def burst_size(self, now: float) -> int:
        """Probes of a burst that starts now.

        Enough that it is all lost by chance with a probability below FALSE_LOSS at the line's measured loss (rule of
        succession), that it outlasts the gaps the line is used to (`Habit.probes`), and that it spans GAP_MARGIN times
        the longest gap survived lately; ``burst_count`` at least: an outage that is shorter than that is a blip.
        """
        config, seen = self._config, len(self._window)
        most = longest_burst(config)
        loss = (self._losses + 1) / (max(seen, FEW) + 2)
        by_loss = math.ceil(math.log(FALSE_LOSS) / math.log(loss)) - 1  # the first loss is one of them
        size = max(by_loss, config.burst_count, self._habit.probes(most))
        gap = self._gap * 0.5 ** ((now - self._gap_at) / GAP_HALF_LIFE_S)
        if config.burst_spacing_s > 0:
            size = max(size, math.ceil(GAP_MARGIN * gap / config.burst_spacing_s))
        return max(1, min(size, most))

    def reach(self) -> Reach:
        """What is known now, on the caller's time scale."""
        return Reach(
            target=self.target,
            lost=self._lost,
            since=self._since,
            last_answer_at=self._answer_at,
            rtt_s=statistics.median(self._rtts) if self._rtts and not self._lost else None,
            loss_ratio=self._losses / len(self._window) if self._window else 0.0,
            jitter_s=self._jitter,
            blips=self._blips,
            unanswered=self._confirmed_by if self._lost else 0,
            error=self._error,
            error_from=self._error_from,
        )

    # --- inside ---

    def _start(self, phase: Phase, probes: int, now: float) -> None:
        self.phase = phase
        self._doubt_at = NEVER
        self._group += 1
        self._open = 0
        self._extra_left, self._extra_at = probes, now
        if phase is Phase.SUSPECT:
            self.first_lost = NEVER
            self._held.clear()
        self._set_due()

    def _steady(self) -> None:
        self.phase = Phase.STEADY
        self._extra_left, self._extra_at, self._open = 0, NEVER, 0
        self.first_lost = NEVER
        self._error = self._error_from = ""
        self._set_due()

    def _settle(self, now: float) -> None:
        """Conclude when every probe of the burst has been sent and has ended."""
        if self._extra_left or self._open:
            return
        if self.phase is Phase.SUSPECT:
            self._lost, self._since, self._confirmed_by = True, self.first_lost, self._silent
            self._held.clear()
            self._rtts.clear()
            self._rtt = None
        self.phase = Phase.DOWN
        self._set_due()

    def _alive(self, sent_at: float, at: float, now: float, late: bool) -> Reach | None:
        """An answer while not lost: end a burst if it is proof, and learn from it."""
        news = None
        if self.phase is Phase.SUSPECT:
            if self.first_lost < NEVER and sent_at < self.first_lost:
                return None  # sent before the loss: no proof of life after it
            if sent_at > self.first_lost:
                self._blips += 1
                self._survive(sent_at - self.first_lost, now)
            for lost in self._held:
                self._push(lost)
            self._held.clear()
            self._steady()
            news = self.reach()
        elif not late:
            self._error = self._error_from = ""
        if self._lost is None:
            self._lost, self._since = False, at
            news = self.reach()
        return news

    def _survive(self, gap_s: float, now: float) -> None:
        self._habit.survived(gap_s)
        if gap_s >= self._gap * 0.5 ** ((now - self._gap_at) / GAP_HALF_LIFE_S):
            self._gap, self._gap_at = gap_s, now

    def _take_rtt(self, rtt_s: float) -> None:
        if self._rtt is not None:
            self._jitter += (abs(rtt_s - self._rtt) - self._jitter) * JITTER_GAIN
        self._rtt = rtt_s
        self._rtts.append(rtt_s)

    def _sample(self, lost: bool) -> None:
        """Count a regular result; in a burst only when the burst has ended well, in an outage never."""
        if self.phase is Phase.STEADY:
            self._push(lost)
            if not lost:
                self._habit.answered()
        elif self.phase is Phase.SUSPECT:
            self._held.append(lost)

    def _push(self, lost: bool) -> None:
        if len(self._window) == self._window.maxlen:
            self._losses -= self._window[0]
        self._window.append(lost)
        self._losses += lost

    def _advance(self, now: float) -> None:
        interval = self._config.interval_s
        if self._quick > 0:
            self._quick -= 1
            interval /= QUICK
        behind = math.floor((now - self._regular_at) / interval)
        self.skipped += behind
        self._regular_at += (behind + 1) * interval
        if self._regular_at <= now:  # rounding
            self._regular_at += interval

    def _set_due(self) -> None:
        self.due_at = min(self._regular_at, self._extra_at, self._doubt_at)

    def _patience_s(self) -> float:
        """How long an answer may take before the line is looked at more closely."""
        config = self._config
        longest = OVERDUE * max(self._rtts) if self._rtts else 0.0
        return min(config.timeout_s, max(config.burst_spacing_s, longest))
