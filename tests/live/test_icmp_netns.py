"""Real ICMP, IPv4 and IPv6, between two network namespaces: errors with their sender, loss, return, and the sysctl.

Netmon's side 192.0.2.1, 2001:db8:2::1, fe80::1; the router's 192.0.2.2, 2001:db8:2::2, fe80::2; behind the router, on
itself, 198.18.0.1 and 2001:db8:18::1. All of it exists only in the two namespaces.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, need, need_root, wait_until

pytestmark = pytest.mark.live

NEAR, FAR = f"nm{os.getpid()}a", f"nm{os.getpid()}b"
LINES = {
    "v4": ["icmp", "198.18.0.1", 0],
    "v6": ["icmp", "2001:db8:18::1", 862],  # a port means nothing to ICMP
    "scoped": ["icmp", "fe80::2%near", 0],
    "dead4": ["icmp", "198.51.100.7", 0],
    "dead6": ["icmp", "2001:db8:dead::7", 0],
    "nowhere": ["icmp", "203.0.113.1", 0],  # no route from here
}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


def inside(netns: str, *words: str) -> None:
    subprocess.run(["ip", "netns", "exec", netns, *words], check=True, capture_output=True, timeout=20)


@pytest.fixture
def namespaces() -> Iterator[None]:
    need("ip", "sysctl")
    need_root()
    made = []
    try:
        for netns in (NEAR, FAR):
            ip("netns", "add", netns)
            made.append(netns)
            ip("-n", netns, "link", "set", "lo", "up")
        ip("-n", NEAR, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", FAR)
        for netns, name, host in ((NEAR, "near", "1"), (FAR, "far", "2")):
            ip("-n", netns, "link", "set", name, "addrgenmode", "none")
            ip("-n", netns, "link", "set", name, "up")
            ip("-n", netns, "addr", "add", f"192.0.2.{host}/24", "dev", name)
            ip("-n", netns, "addr", "add", f"2001:db8:2::{host}/64", "dev", name, "nodad")
            ip("-n", netns, "addr", "add", f"fe80::{host}/64", "dev", name, "nodad")
        inside(FAR, "sysctl", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        inside(FAR, "sysctl", "-w", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")  # an error for each probe
        for prefix in ("198.18.0.0/15", "198.51.100.0/24"):
            ip("-n", NEAR, "route", "add", prefix, "via", "192.0.2.2")
        for prefix in ("2001:db8:18::/48", "2001:db8:dead::/48"):
            ip("-n", NEAR, "-6", "route", "add", prefix, "via", "2001:db8:2::2")
        ip("-n", FAR, "route", "add", "unreachable", "198.51.100.0/24")
        ip("-n", FAR, "-6", "route", "add", "unreachable", "2001:db8:dead::/48")
        addresses("add")
        yield
    finally:
        for netns in made:
            subprocess.run(["ip", "netns", "del", netns], check=False, timeout=20)


def addresses(what: str) -> None:
    """Give the router its addresses, or take them away."""
    ip("-n", FAR, "addr", what, "198.18.0.1/32", "dev", "lo")
    ip("-n", FAR, "addr", what, "2001:db8:18::1/128", "dev", "lo", *(["nodad"] if what == "add" else []))


class Daemon:
    """The script in the near namespace, and the latest it told of each target."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.latest: dict[str, dict[str, Any]] = {}
        self.ever_lost: set[str] = set()
        self.stats: dict[str, int] = {}
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            told = json.loads(line)
            if "stats" in told:
                self.stats = told["stats"]
            else:
                self.latest[told["target"]] = told
                self.ever_lost |= {told["target"]} if told["lost"] else set()

    def lost(self, *targets: str) -> list[bool | None]:
        return [self.latest.get(target, {}).get("lost") for target in targets]

    def end(self) -> None:
        """Close its input and wait; it must end well."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        assert self.child.wait(20) == 0
        self._reader.join(20)


@pytest.fixture
def daemon(namespaces: None) -> Iterator[Callable[..., Daemon]]:
    started: list[Daemon] = []

    def start(targets: dict[str, list[Any]], *more: str) -> Daemon:
        child = subprocess.Popen(
            ["ip", "netns", "exec", NEAR, sys.executable, "-m", "tests.live.probe_script", json.dumps(targets), *more],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(Daemon(child))
        return started[-1]

    yield start
    for one in started:
        if one.child.poll() is None:
            one.child.kill()
            one.child.wait(10)


def test_the_kernels_default_forbids_and_the_message_says_what_to_do(daemon: Callable[..., Daemon]) -> None:
    inside(NEAR, "sysctl", "-w", "net.ipv4.ping_group_range=1 0")
    one = daemon({name: LINES[name] for name in ("v4", "v6")})
    wait_until(lambda: {"v4", "v6"} <= one.latest.keys(), what="both told")
    for name in ("v4", "v6"):
        told = one.latest[name]
        assert told["lost"] is None
        assert 'net.ipv4.ping_group_range is "1 0" and must include group 65534' in told["error"]
        assert "deploy/sysctl.d/60-netmon.conf" in told["error"]
    one.end()
    assert one.stats["icmp_forbidden"] == 2  # once per family, not per probe
    assert "sent" not in one.stats


def test_errors_come_with_their_sender(daemon: Callable[..., Daemon]) -> None:
    inside(NEAR, "sysctl", "-p", str(ROOT / "deploy/sysctl.d/60-netmon.conf"))
    dead = ("dead4", "dead6", "nowhere")
    one = daemon({name: LINES[name] for name in dead})
    wait_until(lambda: one.lost(*dead) == [True] * 3, what="unreachable")
    told = {name: (one.latest[name]["error"], one.latest[name]["error_from"]) for name in dead}
    assert told["dead4"] == ("icmp 3/1 host unreachable", "192.0.2.2")
    assert told["dead6"][0].startswith("icmp6 1/")
    assert told["dead6"][1] == "2001:db8:2::2"
    assert told["nowhere"] == ("Network is unreachable", "")
    one.end()
    assert one.stats["errors"] >= 2
    assert one.stats["send_errors"] >= 5


def test_reachable_lost_and_back(daemon: Callable[..., Daemon]) -> None:
    inside(NEAR, "sysctl", "-p", str(ROOT / "deploy/sysctl.d/60-netmon.conf"))
    alive = ("v4", "v6", "scoped")
    one = daemon({name: LINES[name] for name in alive})
    wait_until(lambda: one.lost(*alive) == [False] * 3, what="reachable")
    for name in alive:
        assert 0 < one.latest[name]["rtt_s"] < 0.3
        assert one.latest[name]["error"] == ""

    addresses("del")
    wait_until(lambda: one.lost("v4", "v6") == [True] * 2, what="lost")
    # The router's kernel sends few errors to one host (net.ipv4.route.error_cost), so the first may come late.
    wait_until(lambda: one.latest["v4"]["error"] and one.latest["v6"]["error"], what="errors")
    assert one.latest["v4"]["error"] == "icmp 3/0 net unreachable"
    assert one.latest["v4"]["error_from"] == "192.0.2.2"
    assert one.latest["v6"]["error"] == "icmp6 1/0 no route"
    assert one.latest["v6"]["error_from"] == "2001:db8:2::2"
    assert one.latest["v4"]["rtt_s"] is None
    lost_at = one.latest["v4"]["since"]

    addresses("add")
    wait_until(lambda: one.lost("v4", "v6") == [False] * 2, what="back")
    assert one.latest["v4"]["since"] > lost_at
    assert one.latest["v4"]["error"] == ""
    assert one.lost("scoped") == [False]

    ip("-n", FAR, "link", "set", "far", "down")  # silence instead of an error
    wait_until(lambda: one.lost(*alive) == [True] * 3, what="all lost")
    one.end()
    assert one.stats["answered"] > 0


LOSSY = {f"line-{n}": ["icmp", f"198.19.64.{n}", 0] for n in range(1, 101)}
WEATHER_S = 25.0


@pytest.fixture
def bad_weather(namespaces: None) -> Iterator[subprocess.Popen[str]]:
    """198.19.64.0/24 behind a TUN device: 15 % round-trip loss, in bursts of 1 s on average."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("no /dev/net/tun")
    child = subprocess.Popen(
        ["ip", "netns", "exec", NEAR, sys.executable, "-m", "tests.live.tun_lines", "lossy", "0.15", "1.0", "7"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        ip("-n", NEAR, "route", "add", "198.19.64.0/24", "dev", "lossy", "src", "192.0.2.1")
        yield child
    finally:
        child.kill()
        child.wait(10)


@pytest.mark.slow
def test_a_hundred_lines_in_bad_weather_and_one_that_dies(
    bad_weather: subprocess.Popen[str], daemon: Callable[..., Daemon]
) -> None:
    """Real packets, settings as shipped: nothing is called lost for losing packets, and what is dead is."""
    inside(NEAR, "sysctl", "-p", str(ROOT / "deploy/sysctl.d/60-netmon.conf"))
    one = daemon(LOSSY, "--as-shipped")
    wait_until(lambda: one.lost(*LOSSY) == [False] * len(LOSSY), what="all reachable")
    time.sleep(WEATHER_S)  # what is looked for is that nothing happens
    assert one.ever_lost == set()
    assert sum(told["blips"] for told in one.latest.values()) > len(LOSSY)
    assert bad_weather.stdin is not None
    died = time.time()
    bad_weather.stdin.write("dead 198.19.64.33\n")
    bad_weather.stdin.flush()
    wait_until(lambda: one.lost("line-33") == [True], timeout_s=60.0, what="the dead one")
    assert died - 15.0 <= one.latest["line-33"]["since"] <= died + 3.5  # a gap may have begun just before it
    assert one.ever_lost == {"line-33"}
    one.end()
    assert one.stats["lost"] > len(LOSSY)
