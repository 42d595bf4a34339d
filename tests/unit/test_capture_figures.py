"""Walks of real devices through poller and profiles: every figure equals the file, and there are no others."""

from __future__ import annotations

import asyncio

import pytest

from netmon.clock import Clock
from netmon.collectors.snmp.poller import Poller
from netmon.collectors.snmp.profiles import load_profiles
from netmon.config import SnmpConfig
from netmon.metrics import METRICS
from netmon.model import Credential, Device, PollResult
from tests.captures import EXPECTED, File, poll_figures
from tests.conftest import shared
from tests.fake_agent import FakeAgent, read_snmprec

PROFILES = load_profiles()


def _polls(name: str) -> list[PollResult]:
    agent = FakeAgent(read_snmprec(shared("captures", f"{name}.snmprec")))
    poller = Poller(agent, PROFILES, SnmpConfig(), Clock())
    device = Device(name, "router", "127.0.0.1", 161, "c", site="s1")  # a UPS, too, is known by its sysObjectID
    return [asyncio.run(poller.poll(device, Credential("c"))) for _ in range(2)]


@pytest.mark.parametrize("name", EXPECTED)
def test_figures_equal_the_file(name: str) -> None:
    expected = EXPECTED[name](File(shared("captures", f"{name}.snmprec")))
    for result in _polls(name):  # the second poll lives on the slow facts of the first
        found = poll_figures(result)
        assert found.keys() == expected.keys()
        for figure, rows in expected.items():
            assert found[figure] == pytest.approx(rows), figure


def test_every_capture_is_expected() -> None:
    assert {path.stem for path in shared("captures").glob("*.snmprec")} == EXPECTED.keys()


def test_figures_are_in_the_catalogue_with_their_labels() -> None:
    for profile in PROFILES.by_name.values():
        for spec in profile.figures:
            labels = {label for label, _ in spec.labels}
            assert labels == set(METRICS[spec.name].labels) - {"device", "site", "node"}, spec.name
