"""STAMP: packets by RFC 8762, and sender and reflector over loopback sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.collectors.probes.stamp import Stamp, StampReflector
from netmon.collectors.probes.stamp_packet import (
    LEAST_BYTES,
    decode_reply,
    encode_probe,
    ntp,
    reflect,
    utc_ns,
)
from netmon.collectors.probes.transport import Destination, numeric
from netmon.model import Probe

AT_NS = 1_790_000_000_123_456_789


def test_probe_layout() -> None:
    """RFC 8762 section 4.2.1, figure 2: sequence, timestamp, error estimate, 30 bytes that must be zero."""
    packet = encode_probe(0x01020304, 0x1122334455667788)
    assert packet.hex() == "01020304" + "1122334455667788" + "0001" + "00" * 30
    assert len(encode_probe(1, 2, 1472)) == 1472
    assert len(encode_probe(1, 2, 10)) == LEAST_BYTES


def test_reply_layout() -> None:
    """RFC 8762 section 4.3.1, figure 5, field by field."""
    reply = reflect(encode_probe(7, 0xAABB, 50)[:-1] + b"\x5a", AT_NS, AT_NS + 1000)
    assert reply is not None
    assert len(reply) == 50
    sequence, sent, estimate, mbz, received, their_sequence, their_time, their_estimate, mbz2, ttl = struct.unpack_from(
        "!IQHHQIQHHB", reply
    )
    assert (sequence, their_sequence, their_time) == (7, 7, 0xAABB)
    assert (sent, received) == (ntp(AT_NS + 1000), ntp(AT_NS))
    assert (estimate, their_estimate, mbz, mbz2, ttl) == (1, 1, 0, 0, 0)
    assert reply[-1] == 0x5A  # padding comes back


@pytest.mark.parametrize("size", [0, 1, 14, 43])
def test_short_packets_are_not_stamp(size: int) -> None:
    assert reflect(b"\0" * size, AT_NS, AT_NS) is None
    assert decode_reply(b"\0" * size) is None


@pytest.mark.parametrize(
    ("ns", "timestamp"),
    [
        (0, 2_208_988_800 << 32),
        (500_000_000, (2_208_988_800 << 32) | 0x80000000),
        (2_085_978_496 * 10**9, 0),  # 2036-02-07 06:28:16: the next era
    ],
)
def test_ntp_times(ns: int, timestamp: int) -> None:
    assert ntp(ns) == timestamp
    assert utc_ns(timestamp) == ns


@given(st.integers(0, 4_000_000_000 * 10**9))
def test_ntp_round_trip_is_good_to_a_nanosecond(ns: int) -> None:
    assert abs(utc_ns(ntp(ns)) - ns) <= 1


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(44, 9000))
def test_what_was_sent_comes_back(sequence: int, timestamp: int, size: int) -> None:
    data = reflect(encode_probe(sequence, timestamp, size), AT_NS, AT_NS)
    assert data is not None
    assert len(data) == size
    reply = decode_reply(data)
    assert reply is not None
    assert (reply.sender_sequence, reply.sender_timestamp) == (sequence, timestamp)


@given(st.binary(max_size=200))
def test_rubbish_never_raises(data: bytes) -> None:
    decode_reply(data)
    reflect(data, AT_NS, AT_NS)


Answers = list[tuple[int, float | None, str, str]]


@asynccontextmanager
async def session(
    host: str, reflector: Callable[[], StampReflector] = StampReflector, size: int = 64
) -> AsyncIterator[tuple[Stamp, Destination, Answers, StampReflector]]:
    """A reflector on ``host`` and a sender that probes it."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(reflector, local_addr=(host, 0))
    where = numeric(Probe("stamp", host, transport.get_extra_info("sockname")[1]))
    assert where is not None
    answers: Answers = []
    sender = Stamp(where.family, size, lambda *answer: answers.append(answer))
    try:
        yield sender, where, answers, protocol
    finally:
        sender.close()
        transport.close()


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110  # what is watched is a counter
            await asyncio.sleep(0.005)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.18.3.4", "::1"])
@pytest.mark.parametrize("size", [44, 64, 1472])
def test_round_trips_over_loopback(host: str, size: int) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("no IPv6 on loopback")

    async def main() -> None:
        async with session(host, size=size) as (sender, where, answers, reflector):
            for token in (1, 2, 2**32 + 3):
                sender.send(token, where)
            await until(lambda: len(answers) == 3)
            assert [a[0] for a in answers] == [1, 2, 2**32 + 3]
            assert all(a[1] is not None and 0 < a[1] < 5 for a in answers)
            assert reflector.stats["sent"] == 3
            assert not sender.stats

    asyncio.run(main())


class Odd(StampReflector):
    """Answers each packet with what the test asks for."""

    how: Callable[[bytes], bytes | None]

    def __init__(self, how: Callable[[bytes], bytes | None]) -> None:
        super().__init__()
        self.how = how

    def respond(self, data: bytes, addr: tuple[Any, ...]) -> bytes | None:
        return self.how(data)


def held_for(ns: int) -> Callable[[bytes], bytes | None]:
    return lambda data: reflect(data, time.time_ns() - ns, time.time_ns())


@pytest.mark.parametrize(
    ("how", "counted"),
    [
        (lambda data: data[:20], "malformed"),
        (lambda data: reflect(encode_probe(99, 1), AT_NS, AT_NS), "unknown"),
        (lambda data: reflect(data[:4] + b"\0" * 8 + data[12:], AT_NS, AT_NS), "unknown"),  # forged: wrong timestamp
    ],
    ids=["short", "sequence", "timestamp"],
)
def test_wrong_replies_are_counted_and_not_believed(how: Callable[[bytes], bytes | None], counted: str) -> None:
    async def main() -> None:
        async with session("127.0.0.1", lambda: Odd(how)) as (sender, where, answers, _):
            sender.send(1, where)
            await until(lambda: sender.stats[counted])
            assert answers == []

    asyncio.run(main())


def test_a_reply_from_another_place_is_not_believed() -> None:
    async def main() -> None:
        async with session("127.0.0.1", lambda: Odd(lambda data: None)) as (sender, where, answers, reflector):
            seen: list[tuple[bytes, Any]] = []
            reflector.datagram_received = lambda data, addr: seen.append((data, addr))  # type: ignore[method-assign]
            sender.send(1, where)
            await until(lambda: seen)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(reflect(seen[0][0], AT_NS, AT_NS) or b"", seen[0][1])
            await until(lambda: sender.stats["wrong_source"])
            assert answers == []

    asyncio.run(main())


def test_the_time_in_the_reflector_is_taken_off() -> None:
    async def main() -> None:
        async with session("127.0.0.1", lambda: Odd(held_for(20_000))) as (sender, where, answers, _):
            for token in range(20):
                sender.send(token, where)
            await until(lambda: len(answers) == 20)
            assert all(a[1] is not None and a[1] > 0 for a in answers)
        async with session("127.0.0.1", lambda: Odd(held_for(10**12))) as (sender, where, answers, _):
            sender.send(1, where)  # a reflector that lies about it is not believed
            await until(lambda: answers)
            assert answers[0][1] is not None
            assert 0 < answers[0][1] < 5

    asyncio.run(main())


class Twice(StampReflector):
    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        super().datagram_received(data, addr)
        super().datagram_received(data, addr)


def test_a_duplicate_is_reported_once() -> None:
    async def main() -> None:
        async with session("127.0.0.1", Twice) as (sender, where, answers, _):
            sender.send(1, where)
            await until(lambda: sender.stats["unknown"] == 1)
            assert [token for token, _, _, _ in answers] == [1]

    asyncio.run(main())


def test_a_forgotten_probe_is_not_reported() -> None:
    async def main() -> None:
        async with session("127.0.0.1") as (sender, where, answers, _):
            sender.send(1, where)
            sender.forget(1)
            await until(lambda: sender.stats["unknown"] == 1)
            assert answers == []

    asyncio.run(main())


def test_a_closed_port_is_told_at_once_with_its_sender() -> None:
    """The kernel itself answers with ICMP port unreachable, from the target's address."""

    async def main() -> None:
        async with session("127.18.3.5") as (sender, where, answers, reflector):
            assert reflector.transport is not None
            reflector.transport.close()
            await asyncio.sleep(0)
            sender.send(5, where)
            await until(lambda: answers)
            assert answers == [(5, None, "icmp 3/3 port unreachable", "127.18.3.5")]

    asyncio.run(main())


def test_an_error_of_one_target_does_not_hit_the_next() -> None:
    async def main() -> None:
        async with session("127.18.3.6") as (sender, where, answers, _):
            closed = where._replace(host="127.18.3.7", sockaddr=("127.18.3.7", where.port))
            for token in range(0, 40, 2):
                sender.send(token, closed)
                sender.send(token + 1, where)
            await until(lambda: len(answers) >= 40)
            assert {token for token, rtt, _, _ in answers if rtt is not None} == set(range(1, 40, 2))
            assert {sent_by for _, rtt, _, sent_by in answers if rtt is None} == {"127.18.3.7"}

    asyncio.run(main())
