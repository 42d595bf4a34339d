"""One process that is all agents (and reflectors): a socket on loopback that answers for every address of the bench.

Told what to do by lines on its standard input (``tick``, ``every SECONDS``, ``dead RATIO``, ``stats``), each answered
by one line of JSON. It ends when its input does, so it never outlives the bench. Its CPU is nobody's cost, but is told.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import struct
import sys
import time
import zlib
from collections.abc import Callable

from bench.columns import AUTH_PASSWORD, COMMUNITY, PRIV_PASSWORD, USER
from bench.devices import number
from bench.replies import Replies
from netmon.collectors.probes.stamp_packet import reflect
from netmon.collectors.snmp.ber import BerError, OidCache, encode_tlv
from netmon.collectors.snmp.pdu import V2C, begin, encode_pdu, unwrap
from netmon.collectors.snmp.usm import KeyRing
from netmon.model import Credential, Secret
from netmon.sim.agent_v3 import AgentV3, Asked, engine_id_of

IP_PKTINFO = 8  # ip(7); Python names it only from 3.14 on
SO_BINDTODEVICE, SO_RCVBUFFORCE = 25, 33  # socket(7)
RECEIVE_BUFFER = 8 << 20
DATAGRAMS_PER_WAKE = 64
V2C_HEAD = b"\x02\x01\x01" + encode_tlv(4, COMMUNITY.encode())
CREDENTIAL = Credential(
    "bench", "3", username=USER, security_level="authPriv", auth_protocol="SHA", auth_password=Secret(AUTH_PASSWORD),
    priv_protocol="AES", priv_password=Secret(PRIV_PASSWORD),
)  # fmt: skip


class Agent:
    """The socket and what is behind it."""

    def __init__(self, devices: int, seed: int, layout: str) -> None:
        self.devices = devices
        self.replies = Replies(seed, layout)
        self.packets = self.refused = 0
        self._dead_below = 0
        self._every_s = 0.0
        self._tick_at = float("inf")
        self._v3: dict[int, AgentV3] = {}
        self._ring = KeyRing(seed)
        self._oids = OidCache()
        self._snmp, self._stamp = _socket(), _socket()

    def serve(self) -> None:
        """Until the input ends."""
        selector = selectors.DefaultSelector()
        selector.register(self._snmp, selectors.EVENT_READ, lambda: self._receive(self._snmp, self._answer))
        selector.register(self._stamp, selectors.EVENT_READ, lambda: self._receive(self._stamp, _reflect))
        selector.register(sys.stdin, selectors.EVENT_READ, None)
        self._say(port=self._snmp.getsockname()[1], stamp_port=self._stamp.getsockname()[1])
        while True:
            wait = max(0.0, self._tick_at - time.monotonic()) if self._every_s else None
            for key, _ in selector.select(wait):
                if key.data is not None:
                    key.data()
                elif not self._command(sys.stdin.readline()):
                    return
            if time.monotonic() >= self._tick_at:
                self._tick_at += self._every_s
                self.replies.values.step += 1

    def _command(self, line: str) -> bool:
        words = line.split()
        if not words:
            return False
        if words[0] == "tick":
            self.replies.values.step += 1
        elif words[0] == "every":
            self._every_s = float(words[1])
            self._tick_at = time.monotonic() + self._every_s if self._every_s else float("inf")
        elif words[0] == "dead":
            self._dead_below = int(float(words[1]) * 2**32)
        times = os.times()
        self._say(packets=self.packets, varbinds=self.replies.varbinds, cpu_s=times.user + times.system)
        return True

    def _say(self, **what: object) -> None:
        print(json.dumps(what), flush=True)

    def _receive(self, sock: socket.socket, answer: Callable[[int, bytes], bytes | None]) -> None:
        receive, send = sock.recvmsg, sock.sendmsg
        for _ in range(DATAGRAMS_PER_WAKE):
            try:
                data, extra, _, source = receive(4096, 64)
            except BlockingIOError:
                return
            here = extra[0][2][8:12]  # in_pktinfo: interface, local address, address of the header
            device = number(here)
            if not 0 <= device < self.devices or dead(device) < self._dead_below:
                continue
            self.packets += 1
            try:
                reply = answer(device, data)
            except BerError:
                reply = None
            if reply is not None:
                info = struct.pack("=I4s4s", 0, here, here)  # so that the reply comes from where the request went
                try:
                    send([reply], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, source)
                except OSError:
                    self.refused += 1

    def _answer(self, device: int, data: bytes) -> bytes | None:
        version, _, _ = begin(data)
        if version == V2C:
            _, community, at, _ = unwrap(data)
            if community != COMMUNITY.encode():
                return None
            pdu = self.replies.answer(device, data, at)
            return None if pdu is None else encode_tlv(0x30, V2C_HEAD + pdu)
        agent = self._v3.get(device)
        if agent is None:
            agent = self._v3[device] = AgentV3(CREDENTIAL, engine_id_of(f"bench-{device}"), self._ring)
        asked = agent.receive(data, 86_400 + time.monotonic() % 86_400)
        if not isinstance(asked, Asked):
            return asked
        message = asked.message
        plain = encode_pdu(message.pdu_type, message.request_id, *message[4:6], message.varbinds)
        pdu = self.replies.answer(device, plain, 0)
        return None if pdu is None else agent.wrap(asked, pdu)


def _socket() -> socket.socket:
    """One for all addresses of the loopback interface; it tells which one a datagram was sent to."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo\0")
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:  # not root: what comes in elsewhere is told by its address
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    sock.bind(("0.0.0.0", 0))
    sock.setblocking(False)
    return sock


def _reflect(device: int, data: bytes) -> bytes | None:
    now_ns = time.time_ns()
    return reflect(data, now_ns, now_ns)


def dead(device: int) -> int:
    """A number of 32 bits that says, against a ratio, whether a device is dead."""
    return zlib.crc32(b"dead %d" % device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--layout", choices=("own", "shared"), required=True)
    given = parser.parse_args()
    Agent(given.devices, given.seed, given.layout).serve()


if __name__ == "__main__":
    main()
