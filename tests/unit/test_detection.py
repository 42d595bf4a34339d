"""Detection in virtual time: no false outage in bad weather, and how long it takes to know of a true one."""

from __future__ import annotations

import pytest

from bench.detection import CLIMATES, delays, false_outages, outages
from bench.report import percentile

# Worst cases and half the province, one seed, to stay lean; `make soak` runs all climates and many seeds.
WEATHERS = ["loss 5 %", "loss 15 %", "bursts 0.3 s, 15 %", "bursts 1 s, 5 %", "bursts 1 s, 15 %"]


@pytest.mark.parametrize("name", WEATHERS)
def test_no_false_outage_in_bad_weather_from_the_first_second_on(name: str) -> None:
    false, blips = false_outages(CLIMATES[name], seed=2026, minutes=10.0, lines=155)
    assert false == 0
    assert blips > 155 * 5  # the loss was there


@pytest.mark.parametrize(("name", "limit_s"), [("clean", 10.0), ("loss 2 %", 10.0), ("bursts 1 s, 15 %", 20.0)])
@pytest.mark.parametrize("after_s", [45.0, 300.0])
def test_a_death_is_known_in_time(name: str, limit_s: float, after_s: float) -> None:
    found = delays(CLIMATES[name], seed=7, after_s=after_s, lines=155)
    assert len(found) == 155
    # Known is told: the book waits for nothing more where what is above answers (0.3 s for the step and the sink).
    assert percentile(found, 0.95) + 0.3 <= limit_s


@pytest.mark.parametrize("name", ["clean", "loss 2 %"])
@pytest.mark.parametrize("length_s", [0.5, 2.0, 4.9])
def test_an_outage_under_five_seconds_is_a_blip_and_counted(name: str, length_s: float) -> None:
    told, blips = outages(CLIMATES[name], seed=3, length_s=length_s, lines=100)
    assert told == 0
    assert blips >= (100 if length_s > 3.0 else 10)  # a probe every 3 s sees only those that it hits


def test_an_outage_of_a_quarter_minute_is_told() -> None:
    assert outages(CLIMATES["clean"], seed=3, length_s=15.0, lines=100)[0] == 100
