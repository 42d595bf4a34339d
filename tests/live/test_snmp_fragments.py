"""Replies that the network takes apart: a loopback of small packets in a network namespace of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT, need, need_root

pytestmark = pytest.mark.live

NETNS = f"nm{os.getpid()}f"
MTU = 1280
# Within the namespace: two polls of an agent whose replies are 20 kB long, and what the kernel counted meanwhile.
SCRIPT = """
import asyncio, json, sys
from tests.unit.scripted_agent import IF_DESCR, Agent, mib, poll, run

async def act(engine, agent):
    agent.max_bytes = 20_000
    return [await poll(engine, agent) for _ in range(2)]

objects = {oid: v._replace(value=v.value * 200) if oid[:-1] == IF_DESCR else v for oid, v in mib(40).items()}
good = [
    not got.failed and [v.value for v in got.rows[IF_DESCR].values()] == [b"eth%d" % i * 200 for i in range(1, 41)]
    for got in run(act, None, objects)
]
lines = [line.split() for line in open("/proc/net/snmp") if line.startswith("Ip:")]
print(json.dumps({"good": good, **dict(zip(lines[0][1:], map(int, lines[1][1:])))}))
"""


@pytest.fixture
def namespace() -> Iterator[None]:
    need("ip")
    need_root()
    subprocess.run(["ip", "netns", "add", NETNS], check=True, timeout=20)
    try:
        subprocess.run(["ip", "-n", NETNS, "link", "set", "lo", "mtu", str(MTU), "up"], check=True, timeout=20)
        yield
    finally:
        subprocess.run(["ip", "netns", "del", NETNS], check=False, timeout=20)


def test_fragments_are_put_together_and_nothing_is_lost(namespace: None) -> None:
    argv = ["ip", "netns", "exec", NETNS, sys.executable, "-c", SCRIPT]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["good"] == [True, True]
    assert told["FragCreates"] > 10, "the replies were not taken apart: this proves nothing"
    assert told["ReasmOKs"] > 1
