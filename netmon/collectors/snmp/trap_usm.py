"""SNMPv3 traps and informs: which to believe, and what to answer (RFC 3412, 7; RFC 3414, 3.2 and 4). Pure.

Rules:
 - The user must be that of the sender's credential, at exactly its security level, and the MAC must be right.
 - Of a trap the sender's engine is the authority: its boots and time are followed from its first message on; what is
   older than the window is a replay.
 - Of an inform netmon's engine is. Who does not know it, or its time, is told by a report and asks again.
"""

from __future__ import annotations

from typing import NamedTuple

from netmon.collectors.snmp.ber import COUNTER32, BerError, Oid, OidCache
from netmon.collectors.snmp.pdu import INFORM, REPORT, RESPONSE, TRAP_V2, V3, VarBind, decode_varbinds, encode_pdu
from netmon.collectors.snmp.session import LEVELS, NOT_IN_TIME, TIME_WINDOW_S, UNKNOWN_ENGINE, Remote
from netmon.collectors.snmp.trap_decode import Notification, of_varbinds
from netmon.collectors.snmp.usm import KeyRing, Keys, UsmError
from netmon.collectors.snmp.v3 import (
    AUTH,
    MAX_INT,
    PRIV,
    REPORTABLE,
    Scope,
    Wrapper,
    encode_message,
    encode_scope,
    read_scope,
    signed_bytes,
)
from netmon.model import Credential

REMOTES_MOST = 10_000  # engines that proved who they are; forgotten all together beyond this


class Opened(NamedTuple):
    """``notification``: believe it. ``reply``: send it. ``what``: why there is none, for the count."""

    notification: Notification | None = None
    reply: bytes = b""
    what: str = ""


class TrapUsm:
    """netmon's own engine, and what is known of those of the senders. Times are monotonic seconds."""

    def __init__(self, engine_id: bytes, boots: int, started_mono: float, first_salt: int) -> None:
        """``boots`` must grow with every start, so that nothing recorded before counts again."""
        self.engine_id = engine_id
        self._boots = boots
        self._started_mono = started_mono
        self._ring = KeyRing(first_salt)
        self._remotes: dict[tuple[str, bytes], Remote] = {}
        self._reports = 0

    def open(self, data: bytes, wrapper: Wrapper, credential: Credential, sender: str, now_mono: float) -> Opened:
        """Judge one message of ``sender`` (a device), whose credential this is. Raises BerError for malformed ones."""
        if not wrapper.engine_id:
            return self._report(data, wrapper, UNKNOWN_ENGINE, Keys(), now_mono, "discovery")
        level = wrapper.flags & (AUTH | PRIV)
        if wrapper.user != credential.username.encode():
            return Opened(what="wrong_user")
        if level != LEVELS.get(credential.security_level):
            return Opened(what="wrong_level")
        ours = wrapper.engine_id == self.engine_id
        try:
            keys = self._ring.keys(credential, wrapper.engine_id)
            if level & AUTH:
                if not keys.verify(signed_bytes(data, wrapper), wrapper.mac):
                    return Opened(what="wrong_digest")
                if ours and not self._timely(wrapper, now_mono):
                    return self._report(data, wrapper, NOT_IN_TIME, keys, now_mono, "not_in_window")
                if not ours and not self._remote(sender, wrapper.engine_id).timely(
                    wrapper.boots, wrapper.time_s, now_mono
                ):
                    return Opened(what="not_in_window")
            plain, pos, end = data, wrapper.start, wrapper.end
            if level & PRIV:
                plain = keys.decrypt(data[pos:end], wrapper.boots, wrapper.time_s, wrapper.salt)
                pos, end = 0, len(plain)
            scope = read_scope(plain, pos, end)
        except UsmError:
            return Opened(what="undecipherable")
        except BerError:
            if not level & PRIV:
                raise
            return Opened(what="undecipherable")  # the privacy password differs
        return self._take(plain, wrapper, scope, keys, now_mono)

    def _take(self, plain: bytes, wrapper: Wrapper, scope: Scope, keys: Keys, now_mono: float) -> Opened:
        head = scope.head
        if head.pdu_type not in (TRAP_V2, INFORM):
            raise BerError(f"PDU type 0x{head.pdu_type:02x} is no notification")
        varbinds = decode_varbinds(plain, head.start, head.end, OidCache())
        inform = head.pdu_type == INFORM
        if inform and wrapper.engine_id != self.engine_id:
            return self._report(plain, wrapper, UNKNOWN_ENGINE, Keys(), now_mono, "other_engine", head.request_id)
        found = of_varbinds(V3, b"", head.request_id, inform, varbinds)
        if not inform:
            return Opened(found)
        pdu = encode_pdu(RESPONSE, head.request_id, 0, 0, varbinds)
        return Opened(found, self._encode(wrapper, encode_scope(scope.engine_id, scope.context, pdu), keys, now_mono))

    def _timely(self, wrapper: Wrapper, now_mono: float) -> bool:
        """RFC 3414, 3.2, step 7a."""
        off_s = abs(wrapper.time_s - self._time(now_mono))
        return wrapper.boots == self._boots != MAX_INT and off_s <= TIME_WINDOW_S

    def _time(self, now_mono: float) -> int:
        return int(now_mono - self._started_mono)

    def _remote(self, sender: str, engine_id: bytes) -> Remote:
        if len(self._remotes) >= REMOTES_MOST:
            self._remotes.clear()
        return self._remotes.setdefault((sender, engine_id), Remote())

    def _report(
        self, data: bytes, wrapper: Wrapper, name: Oid, keys: Keys, now_mono: float, what: str, request_id: int = 0
    ) -> Opened:
        """A report that tells the sender our engine id or time, where it wants one (RFC 3412, 7.1, step 3)."""
        if not wrapper.flags & REPORTABLE:
            return Opened(what=what)
        if not request_id and not wrapper.flags & PRIV:
            request_id = read_scope(data, wrapper.start, wrapper.end).head.request_id
        self._reports += 1
        pdu = encode_pdu(REPORT, request_id, 0, 0, [VarBind(name, COUNTER32, self._reports & 0xFFFFFFFF)])
        plain = wrapper._replace(flags=AUTH if keys.signs else 0)
        return Opened(reply=self._encode(plain, encode_scope(self.engine_id, b"", pdu), keys, now_mono), what=what)

    def _encode(self, to: Wrapper, scope: bytes, keys: Keys, now_mono: float) -> bytes:
        level = to.flags & (AUTH | PRIV)
        salt = self._ring.salt() if level & PRIV else 0
        boots, time_s = self._boots, self._time(now_mono)
        return encode_message(to.message_id, level, self.engine_id, boots, time_s, to.user, keys, scope, salt)
