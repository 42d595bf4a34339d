"""What the ingest takes over from paho: reading PUBLISH packets in bulk and acknowledging them together."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from netmon.collectors.mqtt.client import FastClient, Message, decode_publish

PROPERTIES = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
PROPERTIES.UserProperty = [("key", "value" * 40)]  # longer than one byte can say
PROPERTIES.MessageExpiryInterval = 60


def body(topic: bytes, payload: bytes, mid: int, properties: bytes | None) -> bytes:
    packet_id = mid.to_bytes(2, "big") if mid else b""
    return len(topic).to_bytes(2, "big") + topic + packet_id + (properties or b"") + payload


def framed(command: int, packet: bytes) -> bytes:
    length, size = b"", len(packet)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([command]) + length + packet


@given(
    topic=st.binary(min_size=1, max_size=40),
    payload=st.binary(max_size=300),
    mid=st.integers(0, 65_535),
    dup=st.booleans(),
    retain=st.booleans(),
    properties=st.sampled_from([None, b"\0", PROPERTIES.pack()]),  # type: ignore[no-untyped-call]
)
def test_every_publish_is_read_as_it_was_sent(
    topic: bytes, payload: bytes, mid: int, dup: bool, retain: bool, properties: bytes | None
) -> None:
    qos = 1 if mid else 0
    command = 0x30 | dup << 3 | qos << 1 | retain
    found = decode_publish(command, body(topic, payload, mid, properties), properties is not None)
    assert found == Message(topic, payload, mid, qos, dup, retain)


@pytest.mark.parametrize(
    ("command", "packet"),
    [
        (0x30, b""),
        (0x30, b"\x00"),
        (0x30, b"\x00\x00\x00"),  # an empty topic
        (0x30, b"\x00\x05abc"),
        (0x32, b"\x00\x01t\x00\x00\x00"),  # packet id 0
        (0x32, b"\x00\x01t\x00"),
        (0x36, b"\x00\x01t\x00\x01\x00"),  # QoS 3
        (0x30, b"\x00\x01t"),  # no properties
        (0x30, b"\x00\x01t\x05\x01"),
        (0x30, b"\x00\x01t\xff\xff\xff\xff\xff"),
    ],
)
def test_what_is_no_publish_is_refused(command: int, packet: bytes) -> None:
    assert decode_publish(command, packet, v5=True) is None


@given(st.integers(0, 255), st.binary(max_size=60), st.booleans())
def test_nothing_makes_it_fail(command: int, packet: bytes, v5: bool) -> None:
    decode_publish(command, packet, v5)


class Talk:
    """A client on one end of a socket pair; the broker's end is the test's."""

    def __init__(self) -> None:
        ours, self.broker = socket.socketpair()
        ours.setblocking(False)
        self.broker.settimeout(5)
        self.got: list[Message] = []
        self.client = FastClient(
            CallbackAPIVersion.VERSION2, "x", protocol=MQTTProtocolVersion.MQTTv311, on_publish_in=self.got.append
        )
        self.client._sock = ours

    def read_all(self) -> None:
        while True:
            before = len(self.got)
            assert self.client.loop_read() == 0
            if len(self.got) == before:
                return

    def close(self) -> None:
        self.broker.close()
        sock = self.client.socket()
        if sock is not None:
            sock.close()


@pytest.fixture
def talk() -> Iterator[Talk]:
    one = Talk()
    yield one
    one.close()


PACKETS = [framed(0x32, body(b"t/%d" % n, b"x" * n, n, None)) for n in range(1, 200, 7)]
SENT = [Message(b"t/%d" % n, b"x" * n, n, 1) for n in range(1, 200, 7)]


def test_many_packets_of_one_read(talk: Talk) -> None:
    talk.broker.sendall(b"".join(PACKETS))
    assert talk.client.loop_read() == 0
    assert talk.client.buffered, "the others are in memory, where select does not see them"
    talk.read_all()
    assert talk.got == SENT
    assert not talk.client.buffered


def test_packets_in_pieces(talk: Talk) -> None:
    stream = b"".join(PACKETS)
    for at in range(0, len(stream), 5):
        talk.broker.sendall(stream[at : at + 5])
        talk.read_all()
    assert talk.got == SENT


def test_acknowledgements_go_together_and_in_order(talk: Talk) -> None:
    talk.client.ack_all([])
    assert not talk.client.want_write()
    talk.client.ack_all([1, 65_535])
    talk.client.ack_all([7])
    assert talk.client.want_write(), "queued, not sent one by one"
    assert talk.client.loop_write() == 0
    assert talk.broker.recv(100) == bytes.fromhex("40020001 4002ffff 40020007")
    assert not talk.client.want_write()


def test_a_malformed_publish_ends_the_connection(talk: Talk) -> None:
    talk.broker.sendall(framed(0x32, b"\x00\x09t"))
    assert talk.client.loop_read() != 0
    assert talk.got == []


def test_a_closed_connection_is_noticed(talk: Talk) -> None:
    talk.broker.close()
    assert talk.client.loop_read() != 0
