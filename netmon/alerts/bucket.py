"""A token bucket: so many at once, so many per minute on the average. Pure; monotonic seconds."""

from __future__ import annotations


class Bucket:
    """``take`` one token, or learn how long to wait for it."""

    __slots__ = ("_at_mono", "_tokens", "burst", "per_s")

    def __init__(self, per_minute: float, burst: int, now_mono: float) -> None:
        self.per_s, self.burst = per_minute / 60.0, float(burst)
        self._tokens, self._at_mono = self.burst, now_mono

    def take(self, now_mono: float) -> float:
        """0.0 and a token taken, or the seconds until there will be one."""
        gained = (now_mono - self._at_mono) * self.per_s
        self._tokens, self._at_mono = min(self.burst, self._tokens + gained), now_mono
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self.per_s
