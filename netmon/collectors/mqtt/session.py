"""One connection to the broker: MQTT 5 with a session that outlives it, else 3.1.1; nothing is acknowledged by itself.

Built anew for every attempt and used by one thread only, so an acknowledgement can never reach a later connection.
"""

from __future__ import annotations

import select
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from netmon.collectors.mqtt.client import FastClient, Message
from netmon.config import MqttConfig
from netmon.errors import CollectError

V5, V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
KEEPALIVE_S = 30
CONNECT_TIMEOUT_S = 5.0
SESSION_EXPIRY_S = 7 * 86_400  # how long the broker keeps messages for us; deploy/mosquitto.conf keeps sessions longer
MAX_PACKET_BYTES = 262_144  # a bound on what one message can cost; the broker leaves out larger ones
SUBSCRIBE_CHUNK = 200  # filters in one SUBSCRIBE packet
READ_AT_ONCE = 500  # messages taken from the socket before anything else is looked at
BAD_VERSION = 0x84  # MQTT 5, section 3.2.2.2: Unsupported Protocol Version
BAD_CREDENTIALS = (0x86, 0x87, 0x8A, 0x8C)  # bad user name or password, not authorized, banned, bad method


class Session:
    """``connected`` becomes true with a good CONNACK; ``refused`` holds the reason of a bad one.

    Unless it is ``lasting`` the broker forgets it at its end.
    """

    def __init__(
        self, config: MqttConfig, version: MQTTProtocolVersion, on_message: Callable[[Message], None], *,
        lasting: bool = True,
    ) -> None:  # fmt: skip
        self.config = config
        self._lasting = lasting
        self.version = version
        self.connected = False
        self.present = False  # the broker had kept our session
        self.refused: ReasonCode | None = None
        self.subscribe_refused: list[str] = []
        self._asked: dict[int, Sequence[str]] = {}  # SUBSCRIBE packet id -> filters
        v3: dict[str, Any] = {} if version == V5 else {"clean_session": not lasting}
        self._received = 0
        self._client = FastClient(
            CallbackAPIVersion.VERSION2, config.client_id, protocol=version, reconnect_on_failure=False,
            on_publish_in=self._on_publish, **v3,
        )  # fmt: skip
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._take = on_message

    def open(self) -> None:
        """Connect and send CONNECT; the answer comes with ``step``. Raises CollectError."""
        config = self.config
        try:
            if config.tls:
                self._client.tls_set_context(_tls(config))
            if config.username:
                self._client.username_pw_set(config.username, config.password.reveal() if config.password else None)
            if self.version == V5:
                properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                properties.SessionExpiryInterval = SESSION_EXPIRY_S if self._lasting else 0
                properties.ReceiveMaximum = config.receive_maximum
                properties.MaximumPacketSize = MAX_PACKET_BYTES
                self._client.connect(config.host, config.port, KEEPALIVE_S, clean_start=False, properties=properties)
            else:
                self._client.connect(config.host, config.port, KEEPALIVE_S)
        except ssl.SSLCertVerificationError as error:
            raise CollectError("tls", f"the broker's certificate is not believed: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise CollectError("tls", f"TLS failed: {error.reason or error}") from error
        except OSError as error:
            raise CollectError("connect", str(error) or type(error).__name__) from error
        except ValueError as error:
            raise CollectError("config", str(error), retryable=False) from error

    def step(self, timeout_s: float) -> bool:
        """Wait up to ``timeout_s``, then read and write what there is; False when the connection has ended."""
        client = self._client
        sock = client.socket()
        if sock is None:
            return False
        if not client.buffered and not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
            try:
                ready, _, _ = select.select([sock], [sock] if client.want_write() else [], [], timeout_s)
            except (OSError, ValueError):  # closed meanwhile
                return False
            if not ready:
                return self.flush() and self._succeeded(client.loop_misc())
        for _ in range(READ_AT_ONCE):
            before = self._received
            if not self._succeeded(client.loop_read()):
                return False
            if self._received == before:
                break  # no whole message was there
        return self.flush() and self._succeeded(client.loop_misc())

    def ack(self, mids: Sequence[int]) -> None:
        """Acknowledge these messages; without effect when the connection has ended (the broker will repeat them)."""
        if self.connected:
            self._client.ack_all(mids)
            self.flush()

    def flush(self) -> bool:
        """Write what is queued, as far as the socket takes it; False when the connection has ended."""
        return not self._client.want_write() or self._succeeded(self._client.loop_write())

    def _succeeded(self, code: MQTTErrorCode) -> bool:
        return code == MQTTErrorCode.MQTT_ERR_SUCCESS and self._client.socket() is not None

    def subscribe(self, filters: Sequence[str]) -> None:
        for chunk in _chunks(filters):
            if self.version == V5:
                _, mid = self._client.subscribe([(name, SubscribeOptions(qos=1)) for name in chunk])
            else:
                _, mid = self._client.subscribe([(name, 1) for name in chunk])
            if mid is not None:
                self._asked[mid] = chunk

    @property
    def subscribing(self) -> bool:
        """The broker has not yet answered every subscription."""
        return bool(self._asked)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        for chunk in _chunks(filters):
            self._client.unsubscribe(list(chunk))

    def publish(self, topic: str, payload: bytes) -> None:
        """Once, without an acknowledgement: who asks asks again."""
        self._client.publish(topic, payload, qos=0)

    def close(self) -> None:
        """Send DISCONNECT and what is still to be written, as far as the socket takes it at once."""
        if self.connected:
            self._client.disconnect()
            self.flush()
        self.connected = False

    def _on_publish(self, message: Message) -> None:
        self._received += 1
        self._take(message)

    def _on_connect(
        self, client: Client, userdata: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self.refused = reason
        else:
            self.connected, self.present = True, flags.session_present

    def _on_disconnect(
        self, client: Client, userdata: object, flags: DisconnectFlags, reason: ReasonCode, properties: object
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.refused = reason
        self.connected = False

    def _on_subscribe(
        self, client: Client, userdata: object, mid: int, reasons: list[ReasonCode], properties: object
    ) -> None:
        asked = self._asked.pop(mid, ())
        self.subscribe_refused += [name for name, reason in zip(asked, reasons, strict=False) if reason.is_failure]


def _chunks(filters: Sequence[str]) -> list[Sequence[str]]:
    return [filters[at : at + SUBSCRIBE_CHUNK] for at in range(0, len(filters), SUBSCRIBE_CHUNK)]


def _tls(config: MqttConfig) -> ssl.SSLContext:
    """Server certificate and name are always checked, against ``ca_file`` or the system's authorities."""
    for path in (config.ca_file, config.cert_file, config.key_file):
        if path:
            Path(path).open("rb").close()  # so that the error names the file
    context = ssl.create_default_context(cafile=config.ca_file or None)
    if config.cert_file:
        context.load_cert_chain(config.cert_file, config.key_file or None)
    return context
