"""The agent's side of SNMPv3 (RFC 3414, 3.2 and 4): one engine with one user. Pure; it refuses as real agents do."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from netmon.collectors.snmp import pdu, v3
from netmon.collectors.snmp.ber import COUNTER32, BerError, Oid, OidCache
from netmon.collectors.snmp.session import LEVELS, NOT_IN_TIME, TIME_WINDOW_S, UNKNOWN_ENGINE
from netmon.collectors.snmp.usm import KeyRing, Keys, UsmError
from netmon.model import Credential

USM_STATS: Oid = (1, 3, 6, 1, 6, 3, 15, 1, 1)
UNSUPPORTED_LEVEL: Oid = (*USM_STATS, 1, 0)
UNKNOWN_USER: Oid = (*USM_STATS, 3, 0)
WRONG_DIGEST: Oid = (*USM_STATS, 5, 0)
DECRYPTION_ERROR: Oid = (*USM_STATS, 6, 0)
UNKNOWN_CONTEXT: Oid = (1, 3, 6, 1, 6, 3, 12, 1, 5, 0)
ENTERPRISE = (0x80000000 | 32473).to_bytes(4, "big")  # the number for examples, RFC 5612


def engine_id_of(name: str) -> bytes:
    """An engine id of its own for every device (RFC 3411, SnmpEngineID: 5 = octets)."""
    return ENTERPRISE + b"\x05" + zlib.crc32(name.encode()).to_bytes(4, "big")


class Asked(NamedTuple):
    """A request that was believed, and what its reply needs."""

    message: pdu.Message
    message_id: int
    level: int
    context: bytes


class AgentV3:
    """Believes or refuses requests, wraps replies. ``uptime_s`` is its engineTime: when it falls, boots count up."""

    def __init__(self, credential: Credential, engine_id: bytes, ring: KeyRing, boots: int = 1) -> None:
        """Raises UsmError for a credential that cannot be used."""
        self.engine_id = engine_id
        self.boots = boots
        self._ring = ring
        self._user = credential.username.encode()
        self._context = credential.context_name.encode()
        self._level = LEVELS[credential.security_level]
        self._keys = ring.keys(credential, engine_id)
        self._time_s = 0
        self._counts: dict[Oid, int] = {}

    def receive(self, data: bytes, uptime_s: float) -> Asked | bytes | None:
        """A request, or the report that refuses it; None where an agent stays silent."""
        if int(uptime_s) < self._time_s:
            self.boots += 1
        self._time_s = int(uptime_s)
        try:
            return self._judge(data, v3.decode_wrapper(data))
        except BerError:
            return None

    def reply(self, asked: Asked, status: int, index: int, varbinds: list[pdu.VarBind]) -> bytes:
        """The response to a request, at its level."""
        return self.wrap(asked, pdu.encode_pdu(pdu.RESPONSE, asked.message.request_id, status, index, varbinds))

    def wrap(self, asked: Asked, response: bytes) -> bytes:
        """The message around a response PDU that somebody else encoded."""
        return self._wrap(asked.message_id, asked.level, asked.context, response)

    def report(self, message_id: int, what: Oid, level: int = 0, request_id: int = 0) -> bytes:
        """A report with a counter of its own for each kind."""
        self._counts[what] = self._counts.get(what, 0) + 1
        varbinds = [pdu.VarBind(what, COUNTER32, self._counts[what])]
        return self._wrap(message_id, level, b"", pdu.encode_pdu(pdu.REPORT, request_id, 0, 0, varbinds))

    def _wrap(self, message_id: int, level: int, context: bytes, body: bytes) -> bytes:
        scope = v3.encode_scope(self.engine_id, context, body)
        keys = self._keys if level else Keys()
        user = self._user if level or not self._level else b""
        salt = self._ring.salt()
        return v3.encode_message(message_id, level, self.engine_id, self.boots, self._time_s, user, keys, scope, salt)

    def _judge(self, data: bytes, wrapper: v3.Wrapper) -> Asked | bytes:
        level = wrapper.flags & (v3.AUTH | v3.PRIV)
        number = wrapper.message_id
        if wrapper.engine_id != self.engine_id:
            return self.report(number, UNKNOWN_ENGINE)
        if wrapper.user != self._user:
            return self.report(number, UNKNOWN_USER)
        if level != self._level:
            return self.report(number, UNSUPPORTED_LEVEL)
        pos, end = wrapper.start, wrapper.end
        if level:
            if not self._keys.verify(v3.signed_bytes(data, wrapper), wrapper.mac):
                return self.report(number, WRONG_DIGEST)
            if wrapper.boots != self.boots or abs(wrapper.time_s - self._time_s) > TIME_WINDOW_S:
                return self.report(number, NOT_IN_TIME, v3.AUTH)
        if level & v3.PRIV:
            try:
                data = self._keys.decrypt(data[pos:end], wrapper.boots, wrapper.time_s, wrapper.salt)
            except UsmError:
                return self.report(number, DECRYPTION_ERROR)
            pos, end = 0, len(data)
        scope = v3.read_scope(data, pos, end)
        head = scope.head
        if scope.context != self._context:
            return self.report(number, UNKNOWN_CONTEXT, level, head.request_id)
        varbinds = pdu.decode_varbinds(data, head.start, head.end, OidCache())
        message = pdu.Message(pdu.V2C, b"", *head[2:6], varbinds)
        return Asked(message, number, level, scope.context)
