"""SNMPv3 messages, both directions (RFC 3412, section 6; RFC 3414, section 2.4): wrapper and scoped PDU. Pure.

What is sent is signed and encrypted on the way out. What comes in is only taken apart here; whether to believe it is
for the caller, with `signed_bytes` and the keys.
"""

from __future__ import annotations

from typing import NamedTuple

from netmon.collectors.snmp.ber import (
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    BerError,
    encode_int,
    encode_tlv,
    expect,
    read_int,
)
from netmon.collectors.snmp.pdu import QUICK_PDU_BYTES, RESPONSE, V3, Head, begin, decode_pdu, quick_pdu
from netmon.collectors.snmp.usm import Keys

AUTH, PRIV, REPORTABLE = 1, 2, 4  # msgFlags, RFC 3412, 6.4
_HEADER_TAGS = (SEQUENCE, INTEGER, INTEGER, OCTET_STRING, 1)
_SECURITY_TAGS = (OCTET_STRING, SEQUENCE, OCTET_STRING, INTEGER, INTEGER, OCTET_STRING, OCTET_STRING, OCTET_STRING)
_new = tuple.__new__
USM = 3  # msgSecurityModel, RFC 3411, SnmpSecurityModel
MAX_MESSAGE_BYTES = 65507  # what UDP over IPv4 carries
_MAX_MESSAGE = encode_int(MAX_MESSAGE_BYTES)
MAX_INT = 2**31 - 1
MAX_ENGINE_ID = 32  # bytes; RFC 3411, SnmpEngineID. The lower bound of 5 is not demanded: devices have shorter ones
MAX_USER = 32  # bytes; RFC 3414, SnmpAdminString (SIZE(0..32))


class Wrapper(NamedTuple):
    """Everything but the scoped PDU, which lies (perhaps encrypted) in ``data[start:end]``; ``stop``: message end."""

    message_id: int
    flags: int
    engine_id: bytes
    boots: int
    time_s: int
    user: bytes
    mac: bytes
    mac_at: int  # where in the message it lies
    salt: bytes
    start: int
    end: int
    stop: int


class Scope(NamedTuple):
    """The plaintext: whose objects, in which context, and the PDU without its varbinds."""

    engine_id: bytes
    context: bytes
    head: Head


# --- writing ---------------------------------------------------------------------------------------------------------


def encode_scope(engine_id: bytes, context: bytes, pdu: bytes) -> bytes:
    """A scopedPDU (RFC 3412, section 6)."""
    return encode_tlv(SEQUENCE, encode_tlv(OCTET_STRING, engine_id) + encode_tlv(OCTET_STRING, context) + pdu)


def encode_message(
    message_id: int,
    flags: int,
    engine_id: bytes,
    boots: int,
    time_s: int,
    user: bytes,
    keys: Keys,
    scope: bytes,
    salt: int,
) -> bytes:
    """A whole message, signed and encrypted as ``flags`` say."""
    params = b""
    if flags & PRIV:
        encrypted, params = keys.encrypt(scope, boots, time_s, salt)
        scope = encode_tlv(OCTET_STRING, encrypted)
    header = encode_tlv(SEQUENCE, b"%b%b\x04\x01%c\x02\x01%c" % (encode_int(message_id), _MAX_MESSAGE, flags, USM))
    tail = b"\x04%c%b" % (len(params), params)
    mac_bytes = keys.mac_bytes if flags & AUTH else 0
    security = b"%b%b%b%b\x04%c%b%b" % (
        encode_tlv(OCTET_STRING, engine_id), encode_int(boots), encode_int(time_s), encode_tlv(OCTET_STRING, user),
        mac_bytes, bytes(mac_bytes), tail,
    )  # fmt: skip
    security = encode_tlv(SEQUENCE, security)
    whole = encode_tlv(SEQUENCE, bytes((INTEGER, 1, V3)) + header + encode_tlv(OCTET_STRING, security) + scope)
    if not flags & AUTH:
        return whole
    end = len(whole) - len(scope) - len(tail)
    return whole[: end - keys.mac_bytes] + keys.mac(whole) + whole[end:]


# --- reading ---------------------------------------------------------------------------------------------------------


def decode_wrapper(data: bytes) -> Wrapper:
    """Take a message apart up to the scoped PDU. Raises BerError."""
    version, pos, end = begin(data)
    if version != V3:
        raise BerError(f"version {version} is not 3")
    return read_wrapper(data, pos, end)


def read_wrapper(data: bytes, pos: int, stop: int) -> Wrapper:
    """As `decode_wrapper`, from what follows the version at ``pos``."""
    return _quick_wrapper(data, pos, stop) or _any_wrapper(data, pos, stop)


def _quick_wrapper(data: bytes, pos: int, stop: int) -> Wrapper | None:
    """A wrapper as agents mostly write it, with lengths of one byte; None for any other, which may be right as well."""
    try:
        at = pos + 2
        ids_end = at + 2 + data[at + 1]
        sizes_end = ids_end + 2 + data[ids_end + 1]
        head_end = pos + 2 + data[pos + 1]
        security = head_end + 2
        engine_at = security + 2
        boots_at = engine_at + 2 + data[engine_at + 1]
        time_at = boots_at + 2 + data[boots_at + 1]
        user_at = time_at + 2 + data[time_at + 1]
        mac_at = user_at + 2 + data[user_at + 1]
        salt_at = mac_at + 2 + data[mac_at + 1]
        end = salt_at + 2 + data[salt_at + 1]
        flags = data[sizes_end + 2]
        if (
            (data[pos], data[at], data[ids_end], data[sizes_end], data[sizes_end + 1]) != _HEADER_TAGS
            or data[sizes_end + 3 : head_end] != b"\x02\x01\x03"
            or (data[head_end], data[security], data[engine_at], data[boots_at], data[time_at], data[user_at],
                data[mac_at], data[salt_at]) != _SECURITY_TAGS
            or head_end + 2 + data[head_end + 1] != end or security + 2 + data[security + 1] != end
            or data[head_end + 1] > 0x7F or flags & (AUTH | PRIV) == PRIV or ids_end - at > 6 or sizes_end - ids_end > 6
            or not (boots_at < time_at < user_at <= boots_at + 14) or max(data[boots_at + 1], data[time_at + 1]) > 5
            or boots_at - engine_at > MAX_ENGINE_ID + 2 or mac_at - user_at > MAX_USER + 2
        ):  # fmt: skip
            return None
    except IndexError:
        return None
    message_id = int.from_bytes(data[at + 2 : ids_end], "big", signed=True)
    max_bytes = int.from_bytes(data[ids_end + 2 : sizes_end], "big", signed=True)
    boots = int.from_bytes(data[boots_at + 2 : time_at], "big", signed=True)
    time_s = int.from_bytes(data[time_at + 2 : user_at], "big", signed=True)
    if not (0 <= message_id <= MAX_INT and max_bytes >= 484 and 0 <= boots <= MAX_INT and 0 <= time_s <= MAX_INT):
        return None
    scope_at, scope_end = expect(data, end, stop, OCTET_STRING if flags & PRIV else SEQUENCE)
    return _new(Wrapper, (
        message_id, flags, data[engine_at + 2 : boots_at], boots, time_s, data[user_at + 2 : mac_at],
        data[mac_at + 2 : salt_at], mac_at + 2, data[salt_at + 2 : end], scope_at if flags & PRIV else end, scope_end,
        stop,
    ))  # fmt: skip


def _any_wrapper(data: bytes, pos: int, stop: int) -> Wrapper:
    at, pos = expect(data, pos, stop, SEQUENCE)
    message_id, at = read_int(data, at, pos)
    max_bytes, at = read_int(data, at, pos)
    at, flags_end = expect(data, at, pos, OCTET_STRING)
    model, _ = read_int(data, flags_end, pos)
    if flags_end - at != 1 or data[at] & (AUTH | PRIV) == PRIV:  # RFC 3412, 7.2, step 5
        raise BerError("msgFlags that cannot be")
    if model != USM:
        raise BerError(f"security model {model}")
    if not 0 <= message_id <= MAX_INT or max_bytes < 484:
        raise BerError("msgID or msgMaxSize out of range")
    flags = data[at]

    at, pos = expect(data, pos, stop, OCTET_STRING)
    at, security_end = expect(data, at, pos, SEQUENCE)
    at, field_end = expect(data, at, security_end, OCTET_STRING)
    engine_id = data[at:field_end]
    boots, field_end = read_int(data, field_end, security_end)
    time_s, field_end = read_int(data, field_end, security_end)
    at, field_end = expect(data, field_end, security_end, OCTET_STRING)
    user = data[at:field_end]
    mac_at, mac_end = expect(data, field_end, security_end, OCTET_STRING)
    at, field_end = expect(data, mac_end, security_end, OCTET_STRING)
    if not (0 <= boots <= MAX_INT and 0 <= time_s <= MAX_INT) or len(engine_id) > MAX_ENGINE_ID or len(user) > MAX_USER:
        raise BerError("security parameters out of range")
    start, end = expect(data, pos, stop, OCTET_STRING if flags & PRIV else SEQUENCE)
    return Wrapper(
        message_id, flags, engine_id, boots, time_s, user, data[mac_at:mac_end], mac_at, data[at:field_end],
        start if flags & PRIV else pos, end, stop,
    )  # fmt: skip


def signed_bytes(data: bytes, wrapper: Wrapper) -> bytes:
    """What the MAC was made over: the message with zeros in its place (RFC 3414, 6.3.2)."""
    mac_end = wrapper.mac_at + len(wrapper.mac)
    return data[: wrapper.mac_at] + bytes(len(wrapper.mac)) + data[mac_end : wrapper.stop]


def read_scope(data: bytes, pos: int, end: int) -> Scope:
    """The scopedPDU at ``pos``; what follows it is padding (RFC 3414, 8.1.1.2). Raises BerError."""
    pos, end = expect(data, pos, end, SEQUENCE)
    if end - pos > 50 and data[pos] == OCTET_STRING and data[pos + 1] <= MAX_ENGINE_ID:
        name = pos + 2 + data[pos + 1]
        at = name + 2 + data[name + 1]
        if (
            data[name] == OCTET_STRING
            and data[name + 1] < 0x80
            and at < end
            and (number := quick_pdu(data, at, end)) is not None
        ):
            head = Head(V3, b"", RESPONSE, number, 0, 0, at + QUICK_PDU_BYTES, end)
            return Scope(data[pos + 2 : name], data[name + 2 : at], head)
    return _any_scope(data, pos, end)


def _any_scope(data: bytes, pos: int, end: int) -> Scope:
    at, pos = expect(data, pos, end, OCTET_STRING)
    engine_id = data[at:pos]
    at, pos = expect(data, pos, end, OCTET_STRING)
    return Scope(engine_id, data[at:pos], decode_pdu(data, pos, end, V3, b""))
