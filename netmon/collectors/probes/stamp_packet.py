"""STAMP packets, unauthenticated mode (RFC 8762 sections 4.2.1 and 4.3.1). Pure."""

from __future__ import annotations

import struct
from typing import NamedTuple

LEAST_BYTES = 44  # of both packets; what a longer one carries behind is padding
NTP_EPOCH_S = 2_208_988_800  # 1900-01-01 to 1970-01-01, RFC 5905 section 6
ERROR_ESTIMATE = 0x0001  # not synchronised to UTC by an external source, NTP format, scale 0, multiplier 1 (never 0)

_SENDER = struct.Struct("!IQH30x")
_REFLECTOR = struct.Struct("!IQH2xQIQH2xB3x")


class Reply(NamedTuple):
    """A reflected packet. Times are UTC nanoseconds by the clock of their writer."""

    sequence: int
    sent_ns: int  # the reflector's send time
    received_ns: int  # the reflector's receive time
    sender_sequence: int
    sender_timestamp: int  # as it was on the wire, to be compared


def ntp(utc_ns: int) -> int:
    """NTP 64-bit timestamp (era by overflow, RFC 5905 section 6)."""
    seconds, nanoseconds = divmod(utc_ns, 1_000_000_000)
    return (((seconds + NTP_EPOCH_S) & 0xFFFFFFFF) << 32) | (((nanoseconds << 32) + 500_000_000) // 1_000_000_000)


def utc_ns(timestamp: int) -> int:
    """Unix nanoseconds of an NTP timestamp; below the middle of the range means the era from 2036 on."""
    seconds, fraction = timestamp >> 32, timestamp & 0xFFFFFFFF
    if seconds < 0x80000000:
        seconds += 1 << 32
    return (seconds - NTP_EPOCH_S) * 1_000_000_000 + ((fraction * 1_000_000_000 + (1 << 31)) >> 32)


def encode_probe(sequence: int, timestamp: int, size: int = LEAST_BYTES) -> bytes:
    """A Session-Sender packet of ``size`` bytes, LEAST_BYTES at least."""
    return _SENDER.pack(sequence & 0xFFFFFFFF, timestamp, ERROR_ESTIMATE).ljust(size, b"\0")


def reflect(probe: bytes, received_ns: int, sent_ns: int) -> bytes | None:
    """The stateless reflector's packet for ``probe``, as long as that; None when it is too short to be one.

    Stateless: the sequence number is the sender's own (section 4.3). The sender's TTL is 0, unknown to a plain socket.
    """
    if len(probe) < LEAST_BYTES:
        return None
    sequence, timestamp, estimate = _SENDER.unpack_from(probe)
    reply = _REFLECTOR.pack(sequence, ntp(sent_ns), ERROR_ESTIMATE, ntp(received_ns), sequence, timestamp, estimate, 0)
    return reply + bytes(probe[LEAST_BYTES:])


def decode_reply(data: bytes | memoryview) -> Reply | None:
    """A Session-Reflector packet; None when it is too short to be one."""
    if len(data) < LEAST_BYTES:
        return None
    sequence, sent, _, received, sender_sequence, sender_timestamp, _, _ = _REFLECTOR.unpack_from(data)
    return Reply(sequence, utc_ns(sent), utc_ns(received), sender_sequence, sender_timestamp)
