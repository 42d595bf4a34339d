"""One user at one agent over SNMPv3: what to send, and what of what comes back to believe. Pure.

Rules (RFC 3412, 7.2; RFC 3414, 3.2 and 4):
 - An agent whose engine id is not known is asked for it with an empty request of no user; its unauthenticated boots and
   time are a first guess, good enough to ask with, never to judge a reply by.
 - A reply counts when level, engine, user, MAC, time window, context and request id are those of the request.
 - Boots and time move forward with authenticated messages only. A reply from before the window is ignored.
 - A report that the time is wrong counts only when it is authenticated; then the request is sent again, once for each
   transmission. When the agent's time went back though its boots did not count up, its report, which carries the fresh
   random msgID of the request, shows that the agent lost count: it is started with anew.
 - Another engine id (a replaced device) is learnt from a report like the first one, as often.
 - Every other report ends the request with a reason: asking again would not help.
"""

from __future__ import annotations

from typing import NamedTuple

from netmon.collectors.snmp.ber import BerError, Oid, OidCache
from netmon.collectors.snmp.pdu import GET, REPORT, RESPONSE, Head, decode_varbinds, encode_pdu
from netmon.collectors.snmp.usm import KeyRing, Keys, UsmError
from netmon.collectors.snmp.v3 import (
    AUTH,
    MAX_ENGINE_ID,
    MAX_INT,
    PRIV,
    REPORTABLE,
    Wrapper,
    encode_message,
    encode_scope,
    read_scope,
    signed_bytes,
)
from netmon.model import Credential

TIME_WINDOW_S = 150  # RFC 3414, 2.2.3
WRAPPER_BYTES = 54  # of a message of v3 over one of v2c, without MAC, names and engine ids
LEVELS = {"noAuthNoPriv": 0, "authNoPriv": AUTH, "authPriv": AUTH | PRIV}

UNKNOWN_ENGINE: Oid = (1, 3, 6, 1, 6, 3, 15, 1, 1, 4, 0)
NOT_IN_TIME: Oid = (1, 3, 6, 1, 6, 3, 15, 1, 1, 2, 0)
REFUSALS: dict[Oid, tuple[str, str]] = {  # object of a report -> (its name, the reason it gives)
    (1, 3, 6, 1, 6, 3, 15, 1, 1, 1, 0): ("unsupported_level", ""),  # RFC 3414, 5: usmStats
    (1, 3, 6, 1, 6, 3, 15, 1, 1, 3, 0): ("unknown_user", "user"),
    (1, 3, 6, 1, 6, 3, 15, 1, 1, 5, 0): ("wrong_digest", "auth"),
    (1, 3, 6, 1, 6, 3, 15, 1, 1, 6, 0): ("decryption_error", "priv"),
    (1, 3, 6, 1, 6, 3, 12, 1, 4, 0): ("unavailable_context", "context"),  # RFC 3413, 3.2: snmpTargetMIB
    (1, 3, 6, 1, 6, 3, 12, 1, 5, 0): ("unknown_context", "context"),
}


class Remote:
    """The agent's engine as far as it is known: RFC 3414, 2.3. Times of ours are monotonic seconds."""

    __slots__ = ("boots", "engine_id", "latest_s", "synced", "time_s", "updated_mono")

    def __init__(self) -> None:
        self.engine_id = b""
        self.boots = 0
        self.time_s = 0  # engineTime at ``updated_mono``
        self.latest_s = 0  # the highest engineTime received
        self.updated_mono = 0.0
        self.synced = False  # boots and time come from an authenticated message

    def learn(self, engine_id: bytes, boots: int, time_s: int, now_mono: float) -> None:
        """What an unauthenticated report tells of an engine that was not known."""
        if engine_id != self.engine_id:
            self.engine_id, self.synced = engine_id, False
            self._set(boots, time_s, now_mono)

    def adopt(self, boots: int, time_s: int, now_mono: float) -> None:
        """Start anew with what an authenticated report to our own request says."""
        self._set(boots, time_s, now_mono)
        self.synced = True

    def forget(self) -> None:
        """Ask it anew who it is."""
        self.engine_id, self.synced = b"", False

    def clock(self, now_mono: float) -> tuple[int, int]:
        """(boots, time) to ask with."""
        return self.boots, min(self.time_s + int(now_mono - self.updated_mono), MAX_INT)

    def timely(self, boots: int, time_s: int, now_mono: float) -> bool:
        """Whether an authenticated message is within the window; moves the clock forward (RFC 3414, 3.2, step 7b)."""
        if not self.synced or boots > self.boots or (boots == self.boots and time_s > self.latest_s):
            self.adopt(boots, time_s, now_mono)
        ours_s = self.time_s + int(now_mono - self.updated_mono)
        return boots == self.boots and boots != MAX_INT and time_s >= ours_s - TIME_WINDOW_S

    def _set(self, boots: int, time_s: int, now_mono: float) -> None:
        self.boots, self.time_s, self.latest_s, self.updated_mono = boots, time_s, time_s, now_mono


class Verdict(NamedTuple):
    """What to make of a datagram.

    ``reply``: take ``head`` and the varbinds in ``data``. ``again``: send the request anew, now that more is known.
    ``refused``: the request is over. ``ignored``: as if it had not come. ``what`` names the kind, for the count;
    ``reason`` is what the request fails with if nothing better comes.
    """

    action: str
    what: str
    reason: str = ""
    head: Head | None = None
    data: bytes = b""


class Sent(NamedTuple):
    """What was sent under the msgID that a datagram names. ``newest``: nothing was sent for this request since."""

    request_id: int
    discovery: bool
    newest: bool


class Session:
    """Encodes requests of one credential to one agent and judges the answers."""

    __slots__ = ("_context", "_credential", "_keys", "_keys_for", "_level", "_ring", "_scope", "_user", "remote")

    def __init__(self, remote: Remote, credential: Credential, ring: KeyRing) -> None:
        """Raises UsmError for a credential that cannot be used."""
        self.remote = remote
        self._credential = credential
        self._ring = ring
        self._user = credential.username.encode()
        self._context = credential.context_name.encode()
        if credential.security_level not in LEVELS:
            raise UsmError(f"credential {credential.name!r}: no security level {credential.security_level!r}")
        self._level = LEVELS[credential.security_level]
        self._keys_for = remote.engine_id
        self._keys = ring.keys(credential, remote.engine_id)

    @property
    def keys(self) -> Keys:
        """Those of the engine as it is known now."""
        if self._keys_for != self.remote.engine_id:
            self._keys_for = self.remote.engine_id
            self._keys = self._ring.keys(self._credential, self._keys_for)
        return self._keys

    @property
    def wrapper_bytes(self) -> int:
        """How much longer its messages are than those of v2c."""
        return WRAPPER_BYTES + self.keys.mac_bytes + 2 * len(self.remote.engine_id) + len(self._user + self._context)

    def encode(self, message_id: int, request_id: int, pdu: bytes, now_mono: float) -> tuple[bytes, bool]:
        """The datagram that carries ``pdu``, or asks who the agent is: then the second value is True."""
        engine_id = self.remote.engine_id
        if not engine_id:
            scope = encode_scope(b"", b"", encode_pdu(GET, request_id, 0, 0, ()))
            return encode_message(message_id, REPORTABLE, b"", 0, 0, b"", Keys(), scope, 0), True
        boots, time_s = self.remote.clock(now_mono) if self._level else (0, 0)
        salt = self._ring.salt() if self._level & PRIV else 0
        scope = encode_scope(engine_id, self._context, pdu)
        flags = self._level | REPORTABLE
        return encode_message(message_id, flags, engine_id, boots, time_s, self._user, self.keys, scope, salt), False

    def judge(self, data: bytes, wrapper: Wrapper, sent: Sent, now_mono: float) -> Verdict:
        """What a datagram means that came from the agent's address and names the msgID of ``sent``."""
        level = wrapper.flags & (AUTH | PRIV)
        timely = True
        pos, end = wrapper.start, wrapper.end
        if level:
            keys = self.keys
            if level & ~self._level:
                return Verdict("ignored", "wrong_level")
            if wrapper.engine_id != self.remote.engine_id or not wrapper.engine_id:
                return Verdict("ignored", "wrong_engine")
            if wrapper.user != self._user:
                return Verdict("ignored", "wrong_user")
            if not keys.verify(signed_bytes(data, wrapper), wrapper.mac):
                return Verdict("ignored", "wrong_digest", "auth")
            timely = self.remote.timely(wrapper.boots, wrapper.time_s, now_mono)
            if level & PRIV:
                if not timely:
                    return Verdict("ignored", "not_in_window", "time")
                try:
                    data = keys.decrypt(data[pos:end], wrapper.boots, wrapper.time_s, wrapper.salt)
                except UsmError:
                    return Verdict("ignored", "undecipherable", "priv")
                pos, end = 0, len(data)
        try:
            engine_id, context, head = read_scope(data, pos, end)
        except BerError:
            return Verdict("ignored", "undecipherable", "priv") if level & PRIV else Verdict("ignored", "malformed")
        if head.pdu_type == REPORT:
            return self._report(data, head, wrapper, sent, timely, now_mono)
        wrong = (
            "not_in_window" if not timely
            else "wrong_pdu" if head.pdu_type != RESPONSE or sent.discovery
            else "wrong_level" if level != self._level
            else "wrong_engine" if wrapper.engine_id != self.remote.engine_id
            else "wrong_user" if wrapper.user != self._user
            else "wrong_context" if context != self._context or engine_id != wrapper.engine_id
            else "wrong_id" if head.request_id != sent.request_id
            else ""
        )  # fmt: skip
        if wrong:
            return Verdict("ignored", wrong, "time" if wrong == "not_in_window" else wrong)
        return Verdict("reply", "", "", head, data)

    def silence(self, reason: str, introduced: bool) -> str:
        """A request failed with ``reason``, after the agent was ``introduced`` in it or not: what that looks like.

        Agents drop what they cannot decipher without a word: it comes out as silence after the introduction.
        """
        if reason != "timeout":
            return reason
        undeciphered = introduced and not self.remote.synced and self._level & PRIV
        self.remote.forget()
        return "priv" if undeciphered else reason

    def _report(self, data: bytes, head: Head, wrapper: Wrapper, sent: Sent, timely: bool, now_mono: float) -> Verdict:
        try:
            varbinds = decode_varbinds(data, head.start, head.end, OidCache())
        except BerError:
            return Verdict("ignored", "malformed")
        if not sent.newest:  # about a request that was sent anew since
            return Verdict("ignored", "late")
        name = varbinds[0].oid if varbinds else ()
        if name == UNKNOWN_ENGINE or sent.discovery:
            if not 1 <= len(wrapper.engine_id) <= MAX_ENGINE_ID:
                return Verdict("ignored", "wrong_engine", "engine")
            self.remote.learn(wrapper.engine_id, wrapper.boots, wrapper.time_s, now_mono)
            return Verdict("again", "discovery" if sent.discovery else "other_engine", "engine")
        if wrapper.engine_id != self.remote.engine_id:
            return Verdict("ignored", "wrong_engine")
        if name == NOT_IN_TIME:
            if not wrapper.flags & AUTH:
                return Verdict("ignored", "unauthenticated_time", "time")
            if timely:
                return Verdict("again", "time", "time")
            self.remote.adopt(wrapper.boots, wrapper.time_s, now_mono)
            return Verdict("again", "time_went_back", "time")
        what, reason = REFUSALS.get(name, ("unknown_report", "report"))
        return Verdict("refused", what, reason or ("priv" if self._level & PRIV else "auth"))
