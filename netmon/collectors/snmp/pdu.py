"""SNMP messages, both directions: PDUs (RFC 3416, section 3; RFC 1157, section 4.1), community wrapper (RFC 1901).

The wrapper and the PDU are apart, so that v3 wraps the same PDUs. Versions are as on the wire: 0: v1, 1: v2c, 3: v3.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from netmon.collectors.snmp.ber import (
    EMPTY,
    INTEGER,
    IP_ADDRESS,
    OBJECT_ID,
    OCTET_STRING,
    SEQUENCE,
    TIME_TICKS,
    UNSIGNED,
    BerError,
    Oid,
    OidCache,
    decode_int,
    decode_oid,
    decode_unsigned,
    encode_int,
    encode_oid,
    encode_tlv,
    encode_value,
    expect,
    read_header,
    read_int,
)

V1, V2C, V3 = 0, 1, 3

GET = 0xA0
GET_NEXT = 0xA1
RESPONSE = 0xA2
SET = 0xA3
TRAP_V1 = 0xA4
GET_BULK = 0xA5
INFORM = 0xA6
TRAP_V2 = 0xA7
REPORT = 0xA8

TOO_BIG, NO_SUCH_NAME, BAD_VALUE, READ_ONLY, GEN_ERR = 1, 2, 3, 4, 5
ERROR_NAMES = (  # RFC 3416, section 3
    "noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength",
    "wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed",
    "undoFailed", "authorizationError", "notWritable", "inconsistentName",
)  # fmt: skip

_QUICK_PDU = Struct(">2sH2sI8sH").unpack_from  # what stands before the varbinds
QUICK_PDU_BYTES = 20
_from_bytes = int.from_bytes
_new = tuple.__new__


class VarBind(NamedTuple):
    """One object: its name, the BER tag of its value, the value. Opaque stays bytes; exceptions and NULL are None."""

    oid: Oid
    tag: int
    value: int | bytes | Oid | None


class TrapV1(NamedTuple):
    """What only a v1 trap has (RFC 1157, section 4.1.6). ``uptime`` in hundredths of a second."""

    enterprise: Oid
    agent_address: bytes
    generic: int
    specific: int
    uptime: int


class Message(NamedTuple):
    """A whole community message. In a GetBulk ``error_status`` is non-repeaters, ``error_index`` max-repetitions."""

    version: int
    community: bytes
    pdu_type: int
    request_id: int
    error_status: int
    error_index: int
    varbinds: list[VarBind]
    trap: TrapV1 | None = None


class Head(NamedTuple):
    """A message without its varbinds, which lie undecoded in ``data[start:end]``."""

    version: int
    community: bytes
    pdu_type: int
    request_id: int
    error_status: int
    error_index: int
    start: int
    end: int


def error_name(status: int) -> str:
    """The SMI word for an error-status; ``error<n>`` where the RFC knows none."""
    return ERROR_NAMES[status] if 0 <= status < len(ERROR_NAMES) else f"error{status}"


# --- writing ---------------------------------------------------------------------------------------------------------


def encode_varbind(varbind: VarBind) -> bytes:
    """One VarBind as a SEQUENCE."""
    oid, tag, value = varbind
    return encode_tlv(SEQUENCE, encode_tlv(OBJECT_ID, encode_oid(oid)) + encode_value(tag, value))


def encode_pdu(pdu_type: int, request_id: int, status: int, index: int, varbinds: Iterable[VarBind]) -> bytes:
    """Any PDU but the v1 trap."""
    head = encode_int(request_id) + encode_int(status) + encode_int(index)
    return encode_tlv(pdu_type, head + encode_tlv(SEQUENCE, b"".join(map(encode_varbind, varbinds))))


def encode_trap_v1(trap: TrapV1, varbinds: Iterable[VarBind]) -> bytes:
    """The PDU of a v1 trap."""
    head = encode_tlv(OBJECT_ID, encode_oid(trap.enterprise)) + encode_tlv(IP_ADDRESS, trap.agent_address)
    head += encode_int(trap.generic) + encode_int(trap.specific) + encode_int(trap.uptime, TIME_TICKS)
    return encode_tlv(TRAP_V1, head + encode_tlv(SEQUENCE, b"".join(map(encode_varbind, varbinds))))


def wrap(version: int, community: bytes, pdu: bytes) -> bytes:
    """A PDU in the community wrapper."""
    return encode_tlv(SEQUENCE, encode_int(version) + encode_tlv(OCTET_STRING, community) + pdu)


def encode_message(
    version: int,
    community: bytes,
    pdu_type: int,
    request_id: int,
    error_status: int,
    error_index: int,
    varbinds: Iterable[VarBind],
) -> bytes:
    """A whole v1 or v2c message; for GET_BULK the two error fields are non-repeaters and max-repetitions."""
    return wrap(version, community, encode_pdu(pdu_type, request_id, error_status, error_index, varbinds))


def encode_trap_v1_message(community: bytes, trap: TrapV1, varbinds: Iterable[VarBind]) -> bytes:
    """A whole v1 trap message."""
    return wrap(V1, community, encode_trap_v1(trap, varbinds))


# --- reading ---------------------------------------------------------------------------------------------------------


def begin(data: bytes) -> tuple[int, int, int]:
    """The outermost SEQUENCE: (version, where what follows it starts, where the message ends).

    Bytes after the message are ignored; RFC 3417 does not forbid them and some agents pad.
    """
    start, end = expect(data, 0, len(data), SEQUENCE)
    version, pos = read_int(data, start, end)
    return version, pos, end


def unwrap(data: bytes) -> tuple[int, bytes, int, int]:
    """The community wrapper: (version, community, where the PDU starts, where the message ends)."""
    version, pos, end = begin(data)
    if version not in (V1, V2C):
        raise BerError(f"version {version} has no community")
    start, stop = expect(data, pos, end, OCTET_STRING)
    return version, data[start:stop], stop, end


def decode_head(data: bytes) -> Head:
    """Everything but the varbinds, of any message except a v1 trap: enough to tell whose reply it is."""
    version, pos, end = begin(data)
    return decode_rest(data, pos, end, version)


def decode_rest(data: bytes, pos: int, end: int, version: int) -> Head:
    """What follows the version in a v1 or v2c message."""
    if version not in (V1, V2C):
        raise BerError(f"version {version} has no community")
    start, pos = expect(data, pos, end, OCTET_STRING)
    return decode_pdu(data, pos, end, version, data[start:pos])


def quick_head(data: bytes) -> tuple[int, bytes, int, int] | None:
    """(request id, community, start, end of the varbinds) of a v2c response without error as agents mostly write it.

    None for any other message, which `decode_head` may well read: this one knows only lengths in two bytes.
    """
    if len(data) < 64 or data[8] > 0x7F or data[:2] != b"\x30\x82" or data[4:8] != b"\x02\x01\x01\x04":
        return None
    at = 9 + data[8]
    end = 4 + (data[2] << 8 | data[3])
    request_id = quick_pdu(data, at, end)
    return None if request_id is None or end > len(data) else (request_id, data[9:at], at + QUICK_PDU_BYTES, end)


def quick_pdu(data: bytes, pos: int, end: int) -> int | None:
    """The request id of a response without error that lies in ``data[pos:end]``, as `quick_head` knows it.

    Its varbinds begin `QUICK_PDU_BYTES` behind ``pos``.
    """
    try:
        tag, size, id_tag, request_id, status, list_size = _QUICK_PDU(data, pos)
    except StructError:
        return None
    if (
        tag != b"\xa2\x82" or id_tag != b"\x02\x04" or status != b"\x02\x01\x00\x02\x01\x00\x30\x82"
        or request_id > 0x7FFFFFFF or pos + 4 + size != end or size != list_size + 16
    ):  # fmt: skip
        return None
    found: int = request_id
    return found


def decode_pdu(data: bytes, pos: int, end: int, version: int, community: bytes) -> Head:
    """The PDU at ``pos``, of any message except a v1 trap."""
    pdu_type, pos, end = read_header(data, pos, end)
    if not GET <= pdu_type <= REPORT or pdu_type == TRAP_V1:
        raise BerError(f"PDU type 0x{pdu_type:02x}")
    request_id, pos = read_int(data, pos, end)
    error_status, pos = read_int(data, pos, end)
    error_index, pos = read_int(data, pos, end)
    start, stop = expect(data, pos, end, SEQUENCE)
    return Head(version, community, pdu_type, request_id, error_status, error_index, start, stop)


def decode_varbinds(data: bytes, pos: int, end: int, oids: OidCache) -> list[VarBind]:
    """The varbinds in ``data[pos:end]``.

    The hottest loop of the engine: lengths of one byte are read in place, all else by `_odd_varbind`.
    """
    out: list[VarBind] = []
    append = out.append
    try:
        while pos < end:
            name_at = pos + 4
            mid = name_at + data[pos + 3]
            stop = pos + 2 + data[pos + 1]
            # One-byte lengths that add up; a long form (0x80 and over) never fits, as name and value lie within 127.
            if (
                data[pos] != SEQUENCE
                or data[pos + 1] > 0x7F
                or data[pos + 2] != OBJECT_ID
                or mid + 2 + data[mid + 1] != stop
            ):
                varbind, pos = _odd_varbind(data, pos, end, oids)
                append(varbind)
                continue
            if stop > end:
                raise BerError("truncated")
            tag = data[mid]
            if 0x41 <= tag <= 0x43 and stop - mid < 7:
                value: int | bytes | Oid | None = _from_bytes(data[mid + 2 : stop], "big")
            elif tag == INTEGER and stop - mid < 11:
                value = _from_bytes(data[mid + 2 : stop], "big", signed=True)
            elif tag == OCTET_STRING:
                value = data[mid + 2 : stop]
            else:
                value = decode_value(tag, data[mid + 2 : stop])
            append(_new(VarBind, (oids[data[name_at:mid]], tag, value)))
            pos = stop
    except IndexError:  # looked beyond the end: truncated, or an odd length near the end
        while pos < end:
            varbind, pos = _odd_varbind(data, pos, end, oids)
            append(varbind)
    return out


def _odd_varbind(data: bytes, pos: int, end: int, oids: OidCache) -> tuple[VarBind, int]:
    """One varbind whose lengths take any form, and where it ends."""
    start, stop = expect(data, pos, end, SEQUENCE)
    name_at, name_end = expect(data, start, stop, OBJECT_ID)
    tag, value_at, value_end = read_header(data, name_end, stop)
    if value_end != stop:
        raise BerError("bytes after a value")
    return VarBind(oids[data[name_at:name_end]], tag, decode_value(tag, data[value_at:value_end])), stop


def decode_value(tag: int, raw: bytes) -> int | bytes | Oid | None:
    """The value of one varbind; a primitive tag that SNMP does not know gives its bytes."""
    if tag in UNSIGNED:
        return decode_unsigned(tag, raw)
    if tag == INTEGER:
        return decode_int(raw)
    if tag == OBJECT_ID:
        return decode_oid(raw)
    if tag in EMPTY:
        return None
    if tag & 0x20 or tag & 0x1F == 0x1F:
        raise BerError(f"tag 0x{tag:02x} as a value")
    return raw


def decode_message(data: bytes, oids: OidCache | None = None) -> Message:
    """A whole v1 or v2c message. Raises BerError."""
    oids = OidCache() if oids is None else oids
    version, community, pos, end = unwrap(data)
    pdu_type, start, stop = read_header(data, pos, end)
    if pdu_type == TRAP_V1:
        trap, varbinds_at, varbinds_end = _decode_trap_v1(data, start, stop)
        varbinds = decode_varbinds(data, varbinds_at, varbinds_end, oids)
        return Message(version, community, pdu_type, 0, 0, 0, varbinds, trap)
    head = decode_head(data)
    return Message(*head[:6], decode_varbinds(data, head.start, head.end, oids))


def _decode_trap_v1(data: bytes, pos: int, end: int) -> tuple[TrapV1, int, int]:
    start, pos = expect(data, pos, end, OBJECT_ID)
    enterprise = decode_oid(data[start:pos])
    start, pos = expect(data, pos, end, IP_ADDRESS)
    address = data[start:pos]
    generic, pos = read_int(data, pos, end)
    specific, pos = read_int(data, pos, end)
    start, pos = expect(data, pos, end, TIME_TICKS)
    uptime = decode_unsigned(TIME_TICKS, data[start:pos])
    start, stop = expect(data, pos, end, SEQUENCE)
    return TrapV1(enterprise, address, generic, specific, uptime), start, stop
