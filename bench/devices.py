"""The simulated devices: their addresses, ports and values, all computed from a seed and the device's number. Pure.

``own``: every device has its own ifIndexes and names; ``shared``: a few models, as in a province of one tender.
Counters count with every step of the simulated time, and at one step in twenty one of a device's becomes a byte longer
in BER.
"""

from __future__ import annotations

import random

from bench.columns import COLUMNS, ROWS
from netmon.collectors.snmp.ber import COUNTER64

FIRST = 127 << 24 | 40 << 16  # 127.40.0.0, and so on
MODELS = 6
NAMES = ("GigabitEthernet0/0/", "ether", "ge-0/0/", "Ethernet1/", "port", "xe-0/1/", "Gi1/0/")
WIDEN_STEPS = 20  # steps after which the restless counter of a device is a byte longer
_TABLE = 4096  # values are drawn from tables of this size, at a place of each device's own


def address(number: int) -> str:
    """The loopback address of device ``number``, from 0."""
    at = FIRST + 1 + number
    return f"127.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}"


def number(packed: bytes) -> int:
    """The device that a packed address belongs to; outside of the range negative or too large."""
    return int.from_bytes(packed, "big") - FIRST - 1


def indexes(seed: int, device: int, layout: str) -> tuple[int, ...]:
    """The ifIndexes of a device, increasing."""
    drawn = random.Random(f"{seed} {device % MODELS if layout == 'shared' else device} {layout}")
    at, found = drawn.randrange(1, 300), []
    for _ in range(ROWS):
        found.append(at)
        at += drawn.choice((1, 1, 1, 1, 2, 3, 17, 40))
    return tuple(found)


def name(device: int, row: int, layout: str) -> str:
    """ifName of a port."""
    if layout == "shared":
        return f"{NAMES[device % MODELS]}{row + 1}"
    return f"{NAMES[device % len(NAMES)]}{device % 997}/{row + 1}"


def alias(device: int, row: int) -> str:
    return f"WAN {device:05d}-{row + 1}"


class Values:
    """What the numeric cells of all devices hold. ``cell`` counts column by column, ``ROWS`` to each."""

    def __init__(self, seed: int) -> None:
        drawn = random.Random(seed)
        self.step = 1
        self._base = [drawn.getrandbits(drawn.choice((18, 22, 26, 29))) for _ in range(_TABLE)]
        self._share = [drawn.randrange(1, 9) for _ in range(_TABLE)]
        self._rates = [column.rate for column in COLUMNS for _ in range(ROWS)]
        self._wide = [column.tag == COUNTER64 for column in COLUMNS for _ in range(ROWS)]
        self._restless = [at for at, wide in enumerate(self._wide) if wide]

    def restless(self, device: int) -> int:
        """The cell of a device that grows so fast that its width changes."""
        return self._restless[device * 7919 % len(self._restless)]

    def value(self, device: int, cell: int) -> int:
        """The number in a cell now."""
        rate = self._rates[cell]
        if not rate:
            return 1 if cell < 2 * ROWS else self._base[(device + cell) % _TABLE]
        at = (device * 31 + cell) % _TABLE
        if cell == self.restless(device):
            steps = (self.step + device) % (7 * WIDEN_STEPS)
            return (1 << 6 + 8 * (steps // WIDEN_STEPS)) + (steps % WIDEN_STEPS) + device % 17
        if not self._wide[cell]:
            return (self._base[at] >> 12) + (self.step * self._share[at] * rate >> 2)
        return (self._base[at] << 9) + device + self.step * self._share[at] * rate
