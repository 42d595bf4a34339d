"""paho's client, its inner loop made cheap: it keeps the connection, we take and acknowledge the messages.

paho 2 reads each packet with three calls of recv, builds some thirty objects for the properties of an MQTT 5 PUBLISH,
and sends each acknowledgement by itself; each such call gives the interpreter away to the event loop. Without this
one message costs twice as much (docs/adr/0007). The methods are paho's inner ones: setup.cfg bounds its
version, tests/unit/test_mqtt_client.py holds what is expected of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

READ_BYTES = 65_536
PUBACK = 0x40  # MQTT 5, section 3.4
_PUBACK = struct.Struct("!BBH")


class Message(NamedTuple):
    """One PUBLISH as it came: the topic is not yet known to be text."""

    topic: bytes
    payload: bytes
    mid: int = 0  # packet id, 0 with QoS 0
    qos: int = 0
    dup: bool = False
    retain: bool = False


class FastClient(Client):
    """``on_publish_in`` is called with every message; it must not raise."""

    def __init__(self, *args: Any, on_publish_in: Callable[[Message], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._take = on_publish_in
        self._read = b""
        self._read_at = 0
        # With somebody to tell that there is something to write, paho queues instead of writing each packet at once.
        self.on_socket_register_write = lambda client, userdata, sock: None

    @property
    def buffered(self) -> bool:
        """Bytes were read from the socket that no packet has used: select does not know of them."""
        return self._read_at < len(self._read)

    def ack_all(self, mids: Iterable[int]) -> None:
        """Queue a PUBACK for each; sent together by ``loop_write``."""
        packets = b"".join([_PUBACK.pack(PUBACK, 2, mid) for mid in mids])
        if packets:
            self._packet_queue(PUBACK, packets, 0, 1)

    def _sock_recv(self, bufsize: int) -> bytes:
        at = self._read_at
        if at >= len(self._read):
            self._read = super()._sock_recv(READ_BYTES)  # raises BlockingIOError when there is nothing
            at = 0
        self._read_at = at + bufsize
        return self._read[at : at + bufsize]

    def _handle_publish(self) -> MQTTErrorCode:
        message = decode_publish(
            self._in_packet["command"], self._in_packet["packet"], self._protocol == MQTTProtocolVersion.MQTTv5
        )
        if message is None:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        self._take(message)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def decode_publish(command: int, body: bytes | bytearray, v5: bool) -> Message | None:
    """The PUBLISH packet (MQTT 5, section 3.3) with this first byte and this rest; None if it is none."""
    qos = command >> 1 & 3
    at = 2 + int.from_bytes(body[:2], "big")
    topic = bytes(body[2:at])
    mid = 0
    if qos:
        mid = int.from_bytes(body[at : at + 2], "big")
        at += 2
    if v5:  # no property matters to us: topic aliases are not allowed by our CONNECT
        length = shift = 0
        more = True
        while more:
            if at >= len(body) or shift > 21:
                return None
            length |= (body[at] & 127) << shift
            more = body[at] > 127
            at, shift = at + 1, shift + 7
        at += length
    if at > len(body) or not topic or qos == 3 or (qos and not mid):
        return None
    return Message(topic, bytes(body[at:]), mid, qos, bool(command & 8), bool(command & 1))
