"""Runs the prober without privileges and prints each Reach as a line of JSON; ends when its input does.

Usage: python -m tests.live.probe_script '{"name": ["icmp", "192.0.2.1", 0], ...}' [--as-shipped]
Quick intervals, unless the settings are asked for as they are shipped.
"""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401  # getaddrinfo loads it late, when nobody may no longer read Python's own files
import json
import os
import sys
from dataclasses import asdict

from netmon.clock import Clock
from netmon.collectors.probes.prober import Prober
from netmon.config import ProbeConfig
from netmon.model import Probe
from netmon.state import Reach

CONFIG = ProbeConfig(interval_s=0.4, timeout_s=0.3, burst_count=5, burst_spacing_s=0.05)
NOBODY = 65534


def tell(reach: Reach) -> None:
    print(json.dumps(asdict(reach)), flush=True)


async def main(targets: dict[str, Probe]) -> None:
    prober = Prober(ProbeConfig() if "--as-shipped" in sys.argv else CONFIG, Clock(), tell)
    prober.set_targets(targets, {})
    await prober.start()
    await asyncio.to_thread(sys.stdin.read)
    await prober.close()
    print(json.dumps({"stats": prober.stats}), flush=True)


if __name__ == "__main__":
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    asyncio.run(main({name: Probe(*probe) for name, probe in json.loads(sys.argv[1]).items()}))
