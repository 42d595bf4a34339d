"""The pages that Prometheus scrapes."""

from __future__ import annotations

import gzip
import re
import sys
import threading
from dataclasses import replace

import pytest

from netmon import exposition
from netmon.metrics import SelfMetrics, build_registry
from netmon.model import PollResult, labels
from tests import wall_state
from tests.unit.test_metrics import parse, series

STATE = wall_state.state()
OWN = SelfMetrics()
COUNTER = {"x": b"# TYPE x counter\n"}
PAGE = exposition.page(STATE, build_registry(STATE, OWN))


def family_of(line: str) -> str:
    return re.split(r"[{ ]", line.split(" ")[2] if line.startswith("#") else line)[0]


def test_a_parser_reads_back_every_sample():
    found = series(parse(PAGE))
    devices = [p for p in STATE.polls.values() if p.ok]
    assert len({k for k in found if k[0].startswith("ifHC")}) == sum(p.varbinds for p in devices)
    for name, key, value in STATE.gauges:
        assert found[name, frozenset(key)] == value


def test_families_are_never_interleaved():
    seen: list[str] = []
    for line in PAGE.decode().splitlines():
        name = re.sub(r"_(bucket|sum|count)$", "", family_of(line)) if "poll_time" in line else family_of(line)
        if not seen or seen[-1] != name:
            assert name not in seen, name
            seen.append(name)


def test_header_comes_once_and_first():
    lines = PAGE.decode().splitlines()
    at = lines.index("# HELP ifHCOutOctets Octets - 1.3.6.1.2.1")
    assert lines[at + 1] == "# TYPE ifHCOutOctets counter"
    assert lines[at + 2].startswith('ifHCOutOctets{device="binh-an-00-rt",site="binh-an-00",ifName=')
    assert sum(line.startswith("# TYPE ifHCOutOctets ") for line in lines) == 1


def test_only_what_a_device_said_bears_a_time():
    for family in parse(PAGE):
        for sample in family.samples:
            assert (sample.timestamp is not None) == family.name.startswith("ifHC"), sample
            if sample.timestamp is not None:
                assert sample.timestamp == wall_state.NOW


def test_a_failed_poll_removes_the_devices_samples():
    state = wall_state.state()
    assert b'ifHCOutOctets{device="tinh-00-rt"' in exposition.page(state, build_registry(state, SelfMetrics()))
    state.polls["tinh-00-rt"] = replace(state.polls["tinh-00-rt"], ok=False, reason="timeout")
    page = exposition.page(state, build_registry(state, SelfMetrics()))
    assert b'ifHCOutOctets{device="tinh-00-rt"' not in page
    assert b'ifHCOutOctets{device="tinh-01-rt"' in page


def test_a_device_that_left_the_inventory_leaves_the_page():
    state = wall_state.state()
    devices = dict(state.inventory.devices)
    del devices["tinh-00-rt"]
    state.inventory = replace(state.inventory, devices=devices)
    assert b'ifHCOutOctets{device="tinh-00-rt"' not in exposition.page(state, build_registry(state, SelfMetrics()))


def test_devices_with_different_families_are_joined_by_family():
    polls = [
        PollResult("a", 0, 0, True, chunks={"x": b"x 1\n", "y": b"y 1\n"}, families={"x": b"# TYPE x gauge\n"}),
        PollResult(
            "b", 0, 0, True, chunks={"w": b"w 2\n", "x": b"x 2\n", "y": b""}, families={"x": b"# TYPE x counter\n"}
        ),
        PollResult("c", 0, 0, False, chunks={"x": b"x 3\n"}),
    ]
    assert exposition.join_chunks(polls) == b"w 2\n# TYPE x gauge\nx 1\nx 2\ny 1\n"


def test_the_parts_of_discovery_make_up_the_whole():
    parts: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for target in exposition.targets(STATE.inventory, "netmon:9808"):
        path = target["labels"]["__metrics_path__"]  # type: ignore[index]
        text = (
            exposition.rest_page(STATE, OWN)
            if path == "/metrics/self"
            else exposition.site_page(STATE, path.removeprefix("/metrics/sites/"))
        )
        assert text is not None
        found = series(parse(text))
        assert not parts.keys() & found.keys()
        parts |= found
    whole = series(parse(exposition.page(STATE, build_registry(STATE, OWN))))
    assert parts.keys() == whole.keys()


def test_site_page_knows_no_other_site():
    assert exposition.site_page(STATE, "nowhere") is None
    text = exposition.site_page(STATE, "song-ba-00")
    assert text is not None
    assert {dict(key)["site"] for _, key in series(parse(text))} == {"song-ba-00"}


def test_discovery_gives_one_target_per_site_and_one_for_the_rest():
    found = exposition.targets(STATE.inventory, "netmon:9808")
    assert len(found) == 311
    assert found[0] == {"targets": ["netmon:9808"], "labels": {"__metrics_path__": "/metrics/self"}}
    assert found[1]["labels"] == {
        "__metrics_path__": "/metrics/sites/binh-an-00",
        "__meta_netmon_site": "binh-an-00",
        "__meta_netmon_name": "UBND xã Lộc Thành",
        "__meta_netmon_area": "binh-an",
        "__meta_netmon_block": "government",
        "__meta_netmon_level": "commune",
    }


def test_compressed_is_the_same():
    assert gzip.decompress(exposition.compress(PAGE)) == PAGE
    assert len(exposition.compress(PAGE)) < len(PAGE) / 10


def test_a_page_may_be_made_while_the_loop_writes():
    """A thread renders while series come and go; without `Gauges.snapshot` this fails with a changed dictionary."""
    state = wall_state.state()
    registry = build_registry(state, SelfMetrics())
    failed: list[Exception] = []

    def render() -> None:
        try:
            for _ in range(3):
                exposition.page(state, registry)
        except RuntimeError as error:
            failed.append(error)

    thread = threading.Thread(target=render)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        thread.start()
        k = 0
        while thread.is_alive():
            k += 1
            for name in ("netmon_site_up", f"netmon_new_{k % 50}"):
                state.gauges.set(name, labels(site=str(k)), k)
                state.gauges.drop(name, labels(site=str(k - 50)))
            state.polls[f"new-{k % 500}"] = PollResult("x", 0, 0, False)
            state.polls.pop(f"new-{(k - 100) % 500}", None)
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert not failed


@pytest.mark.parametrize("chunk", [b"", b"x 1\n"])
def test_no_header_without_a_sample(chunk):
    poll = PollResult("a", 0, 0, True, chunks={"x": chunk}, families={"x": b"# TYPE x gauge\n"})
    assert (exposition.join_chunks([poll]) == b"") == (chunk == b"")
