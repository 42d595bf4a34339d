"""The live gauges and the percentile against models that are too simple to be wrong."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from netmon.line_samples import GRACE_S, P95, SAMPLE_S, WEEK, Sampler
from netmon.model import Figure, Labels, labels
from netmon.state import Gauges

NAMES = ("netmon_a", "netmon_b")
PLACES = tuple(labels(site=site) for site in "xyz")
names, places = st.sampled_from(NAMES), st.sampled_from(PLACES)
values = st.floats(-9, 9)
owners = st.sampled_from(("one", "two", "three"))
figures = st.lists(st.builds(Figure, names, places, values), max_size=6)


class Ownership(RuleBasedStateMachine):
    """Model: each series has a value and the owner who wrote it last ("" for nobody)."""

    def __init__(self) -> None:
        super().__init__()
        self.gauges = Gauges()
        self.model: dict[tuple[str, Labels], tuple[str, float]] = {}

    @rule(owner=owners, brought=figures)
    def replace(self, owner: str, brought: list[Figure]) -> None:
        self.gauges.replace(owner, iter(brought))
        self.model = {key: (who, value) for key, (who, value) in self.model.items() if who != owner}
        self.model |= {(f.name, f.labels): (owner, f.value) for f in brought}

    @rule(name=names, place=places, value=values)
    def set(self, name: str, place: Labels, value: float) -> None:
        self.gauges.set(name, place, value)
        self.model[name, place] = "", value

    @rule(name=names, place=places)
    def drop(self, name: str, place: Labels) -> None:
        self.gauges.drop(name, place)
        self.model.pop((name, place), None)

    @invariant()
    def all_views_agree_with_the_model(self) -> None:
        expected = {key: value for key, (_, value) in self.model.items()}
        assert {(name, place): value for name, place, value in self.gauges} == expected
        assert len(self.gauges) == len(expected)
        assert self.gauges.names() == sorted({name for name, _ in expected})
        assert {(n, p): v for n, series in self.gauges.snapshot() for p, v in series.items()} == expected
        for name in NAMES:
            assert dict(self.gauges.family(name)) == {p: v for (n, p), v in expected.items() if n == name}


Ownership.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestOwnership = Ownership.TestCase

steps = st.tuples(st.sampled_from([30.0, 60.0, 299.0, 300.0, 900.0, 86400.0, 3 * 86400.0]), st.integers(0, 100))


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=60))
def test_p95_is_the_nearest_rank_of_the_closed_slots_of_seven_days(rates: list[tuple[float, int]]) -> None:
    sampler, p95, at = Sampler(), P95(), 1_790_000_100.0
    slots: dict[int, list[int]] = {}
    for wait_s, rate in rates:
        at += wait_s
        sampler.add("a", at, in_ratio=float(rate))
        slots.setdefault(int(at // SAMPLE_S), []).append(rate)
        for sample in sampler.close(at):
            p95.add(sample.at, sample.in_ratio)
        closed = {slot: sum(r) / len(r) for slot, r in slots.items() if slot < (at - GRACE_S) // SAMPLE_S}
        recent = sorted(mean for slot, mean in closed.items() if slot > max(closed) - WEEK)
        assert p95.value() == (recent[math.ceil(0.95 * len(recent)) - 1] if recent else None)
