"""A child that sends a burst: ``python -m tests.trap_burst PORT COUNT SECONDS``; prints how many left its socket."""

from __future__ import annotations

import socket
import sys
import time

from netmon.collectors.snmp import ber
from netmon.collectors.snmp.pdu import TRAP_V2, VarBind, encode_message
from netmon.collectors.snmp.trap_decode import IF_ENTRY, IF_NAME, SNMP_TRAP_OID, SNMP_TRAPS
from tests.trap_bench import COMMUNITY


def trap(number: int) -> bytes:
    """A linkDown as a router sends it."""
    port = number % 48 + 1
    binds = [
        VarBind((1, 3, 6, 1, 2, 1, 1, 3, 0), ber.TIME_TICKS, number),
        VarBind(SNMP_TRAP_OID, ber.OBJECT_ID, (*SNMP_TRAPS, 3)),
        VarBind((*IF_ENTRY, 1, port), ber.INTEGER, port),
        VarBind((*IF_ENTRY, 7, port), ber.INTEGER, 1),
        VarBind((*IF_ENTRY, 8, port), ber.INTEGER, 2),
        VarBind((*IF_NAME, port), ber.OCTET_STRING, f"GigabitEthernet0/0/{port}".encode()),
    ]
    return encode_message(1, COMMUNITY.encode(), TRAP_V2, number, 0, 0, binds)


def main() -> None:
    port, count, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    traps = [trap(number) for number in range(count)]
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        sock.connect(("127.0.0.1", port))
        begun = time.monotonic()
        for number, data in enumerate(traps):
            late_s = begun + number / count * seconds - time.monotonic()
            if late_s > 0.001:
                time.sleep(late_s)
            sent += sock.send(data) == len(data)
    print(sent, f"{time.monotonic() - begun:.3f}")


if __name__ == "__main__":
    main()
