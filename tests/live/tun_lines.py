"""Lines that lose real packets: answers ICMP echo requests on a TUN device, each address with weather of its own.

Usage, inside a network namespace: python -m tests.live.tun_lines DEVICE LOSS BAD_SECONDS SEED
Says "ready" once the device is up. A line of input, "dead ADDRESS", silences that address. Ends with its input.
The kernel here has no netem, so loss is made where the answer would come from: it is round trip.
"""

from __future__ import annotations

import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time
from ipaddress import IPv4Address

from netmon.sim.weather import Climate, Weather

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
ECHO_REQUEST, ICMP = 8, 1


def reply(packet: bytes) -> bytes | None:
    """The echo reply (RFC 792); None for anything that is no IPv4 echo request."""
    size = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or packet[9] != ICMP or len(packet) < size + 8 or packet[size] != ECHO_REQUEST:
        return None
    (checksum,) = struct.unpack_from("!H", packet, size + 2)
    checksum += ECHO_REQUEST << 8  # the type became 0: the sum of the rest is the same (RFC 1624)
    checksum = (checksum & 0xFFFF) + (checksum >> 16)
    header = packet[:12] + packet[16:20] + packet[12:16] + packet[20:size]  # the addresses swapped
    return header + struct.pack("!BBH", 0, 0, checksum) + packet[size + 4 :]


def main(device: str, climate: Climate, seed: int) -> None:
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", device, "up"], check=True, timeout=20)
    lines: dict[bytes, Weather] = {}
    dead: set[bytes] = set()
    print("ready", flush=True)
    while True:
        for source in select.select([tun, 0], [], [])[0]:
            if source == 0:
                words = os.read(0, 4096).split()
                if not words:
                    return
                dead.update(IPv4Address(word.decode()).packed for word in words[1::2])
                continue
            packet = os.read(tun, 2048)
            target, now = packet[16:20], time.monotonic()
            if target not in lines:
                lines[target] = climate.line(random.Random(seed * 1000 + len(lines)), now)
            if lines[target].passes(now) and target not in dead and (answer := reply(packet)) is not None:
                os.write(tun, answer)


if __name__ == "__main__":
    main(sys.argv[1], Climate(float(sys.argv[2]), float(sys.argv[3])), int(sys.argv[4]))
