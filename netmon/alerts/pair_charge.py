"""Which of a pair tells people. Pure: monotonic times in, ``in_charge`` out.

The standby sends beats to the primary and decides; the primary answers. Rules:
 - The standby claims the charge after ``limit_s`` without an answer (the primary is dead, or the link is cut) or of
   answers that say "not able" (it is blind, stuck, or has only just started); not while it is blind itself, as then it
   is the one that is cut off.
 - A claim holds at once where nobody answers; else from the answer on, so that the two never tell at the same time.
   A primary that is able and in charge does not give way: the link had been cut, and the standby returns the charge.
 - The standby returns the charge when the primary has been able for ``limit_s``.
 - The primary takes the charge with the first beat that claims nothing, or after ``limit_s`` without any beat.
"""

from __future__ import annotations


class PrimaryCharge:
    """``start_mono``: nobody is told before the standby has been heard, or has had the time to be."""

    def __init__(self, limit_s: float, start_mono: float) -> None:
        self.in_charge = False
        self._limit_s, self._heard_at = limit_s, start_mono
        self.peer_up: bool | None = None  # not yet known

    def beat(self, claims: bool, able: bool, mono: float) -> None:
        """The standby asks."""
        self._heard_at, self.peer_up = mono, True
        self.in_charge = not claims or (self.in_charge and able)

    def tick(self, mono: float) -> None:
        """Time passes."""
        if mono - self._heard_at >= self._limit_s:
            self.in_charge, self.peer_up = True, False


class StandbyCharge:
    """``claims`` goes out with each beat."""

    def __init__(self, limit_s: float, start_mono: float) -> None:
        self.in_charge = self.claims = False
        self._limit_s = limit_s
        self._heard_at = self._able_at = start_mono
        self._steady_since: float | None = None
        self.peer_up: bool | None = None

    @property
    def lost_at(self) -> float:
        """Monotonic: when the primary was last able to tell."""
        return self._able_at

    @property
    def silent(self) -> bool:
        """No answer at all, rather than one that says "not able"."""
        return self._heard_at <= self._able_at

    def answered(self, able: bool, theirs: bool, mono: float, *, blind: bool) -> bool:
        """The primary's answer: whether it sees and judges, and has the charge. True: the charge is to be returned."""
        self._heard_at, self.peer_up = mono, True
        if able:
            self._able_at = mono
            self._steady_since = mono if self._steady_since is None else self._steady_since
        else:
            self._steady_since = None
        if self.claims:
            if self._steady_since is not None and (theirs or mono - self._steady_since >= self._limit_s):
                returned = self.in_charge
                self.in_charge = self.claims = False
                return returned
            self.in_charge = self.in_charge or not theirs
        elif mono - self._able_at >= self._limit_s and not blind:
            self.claims = True  # in charge from the next answer on
        return False

    def refused(self, mono: float) -> None:
        """Something lives there and does not know us: a wrong token or address. It may be telling by itself."""
        self._heard_at = self._able_at = mono
        self.peer_up = False

    def tick(self, mono: float, *, blind: bool) -> None:
        """Time passes."""
        if mono - self._heard_at >= self._limit_s:
            self.peer_up, self._steady_since = False, None
            if not blind:
                self.claims = self.in_charge = True
