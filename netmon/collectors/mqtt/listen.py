"""Some messages of a topic, read beside the running daemon: a session of its own that the broker does not keep."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace

from netmon.collectors.mqtt.client import Message
from netmon.collectors.mqtt.session import BAD_VERSION, V5, V311, Session
from netmon.config import MqttConfig
from netmon.errors import NetmonError

STEP_S = 0.2


def listen(config: MqttConfig, filter_: str, seconds: float, count: int) -> Iterator[Message]:
    """Messages as they come, for so long or (``count`` > 0) until so many. Raises NetmonError."""
    own = replace(config, client_id=f"{config.client_id}-try-{os.getpid()}")
    until = time.monotonic() + seconds
    version = V5
    while True:
        received: list[Message] = []
        session = Session(own, version, received.append, lasting=False)
        session.open()
        try:
            while session.step(STEP_S) and not session.connected and time.monotonic() < until:
                pass
            if session.refused is not None and session.refused.value == BAD_VERSION and version == V5:
                version = V311
                continue
            if not session.connected:
                why = f"broker says: {session.refused}" if session.refused else "no answer to CONNECT"
                raise NetmonError(f"mqtt broker {config.host}:{config.port}: {why}")
            session.subscribe([filter_])
            yield from _messages(session, received, until, count)
            return
        finally:
            session.close()


def _messages(session: Session, received: list[Message], until: float, count: int) -> Iterator[Message]:
    seen = 0
    while time.monotonic() < until:
        alive = session.step(min(STEP_S, max(until - time.monotonic(), 0.0)))
        if session.subscribe_refused:
            raise NetmonError(f"mqtt broker refuses {session.subscribe_refused[0]}: its access list does not allow it")
        session.ack([message.mid for message in received if message.qos])
        for message in received:
            yield message
            seen += 1
            if count and seen >= count:
                return
        received.clear()
        if not alive:
            raise NetmonError("mqtt broker: connection lost")
