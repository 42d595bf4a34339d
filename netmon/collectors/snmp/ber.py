"""BER as SNMP uses it (X.690, RFC 3417 section 8): definite lengths, low tag numbers, no I/O.

What is written is minimal. What is read may be sloppy, as agents are: lengths and integers in more bytes than needed,
unsigned values without their leading zero. Whatever cannot be read raises `BerError` and nothing else.
"""

from __future__ import annotations

from netmon.errors import NetmonError

Oid = tuple[int, ...]

INTEGER = 0x02
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_ID = 0x06
SEQUENCE = 0x30
# RFC 2578, section 7.1
IP_ADDRESS = 0x40
COUNTER32 = 0x41
GAUGE32 = 0x42
TIME_TICKS = 0x43
OPAQUE = 0x44
NSAP_ADDRESS = 0x45  # obsolete, RFC 1442
COUNTER64 = 0x46
UINTEGER32 = 0x47  # obsolete, RFC 1442
# exceptions, RFC 3416, section 3
NO_SUCH_OBJECT = 0x80
NO_SUCH_INSTANCE = 0x81
END_OF_MIB_VIEW = 0x82

UNSIGNED = frozenset((COUNTER32, GAUGE32, TIME_TICKS, COUNTER64, UINTEGER32))
EMPTY = frozenset((NULL, NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW))
EXCEPTIONS = frozenset((NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW))

MAX_SUB_ID = 2**32 - 1  # RFC 2578, section 3.5
MAX_SUB_IDS = 128  # the same
MAX_LENGTH_BYTES = 4  # no datagram needs more; a bound on what a hostile length may cost


class BerError(NetmonError):
    """The bytes are not what they should be, or a value cannot be written as asked."""


# --- writing ---------------------------------------------------------------------------------------------------------


def encode_length(length: int) -> bytes:
    """Length octets in the shortest form."""
    if length < 0x80:
        return bytes((length,))
    raw = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(raw),)) + raw


def encode_tlv(tag: int, content: bytes) -> bytes:
    """Tag, length, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    return bytes((tag,)) + encode_length(size) + content


def encode_int(value: int, tag: int = INTEGER) -> bytes:
    """Two's complement in the fewest bytes; for unsigned types this gives the leading zero they need."""
    return encode_tlv(tag, value.to_bytes(((value + (value < 0)).bit_length() + 8) // 8, "big", signed=True))


def encode_oid(oid: Oid) -> bytes:
    """The content of an OBJECT IDENTIFIER. One that is too short to be written is filled with zeros (1 -> 1.0)."""
    first = oid[0] if oid else 0
    second = oid[1] if len(oid) > 1 else 0
    if not 0 <= first <= 2 or (first < 2 and second >= 40) or len(oid) > MAX_SUB_IDS:
        raise BerError(f"not an OID: {'.'.join(map(str, oid[:8]))}")
    out = bytearray()
    for sub_id in (first * 40 + second, *oid[2:]):
        if 0 <= sub_id < 0x80:
            out.append(sub_id)
            continue
        if not 0 <= sub_id <= MAX_SUB_ID + 80:
            raise BerError(f"not a sub-identifier: {sub_id}")
        shift = (sub_id.bit_length() - 1) // 7 * 7
        while shift:
            out.append(0x80 | (sub_id >> shift & 0x7F))
            shift -= 7
        out.append(sub_id & 0x7F)
    return bytes(out)


def encode_value(tag: int, value: int | bytes | Oid | None) -> bytes:
    """One value with its tag. Raises BerError where the type does not fit the tag."""
    if tag in EMPTY:
        if value is None:
            return bytes((tag, 0))
    elif tag == INTEGER or tag in UNSIGNED:
        if isinstance(value, int) and (tag == INTEGER or value >= 0):
            return encode_int(value, tag)
    elif tag == OBJECT_ID:
        if isinstance(value, tuple):
            return encode_tlv(tag, encode_oid(value))
    elif isinstance(value, bytes):
        return encode_tlv(tag, value)
    raise BerError(f"tag 0x{tag:02x} cannot hold a {type(value).__name__}")


# --- reading ---------------------------------------------------------------------------------------------------------


def read_header(data: bytes, pos: int, end: int) -> tuple[int, int, int]:
    """The TLV at ``pos``: (tag, start of its content, end of its content). It must lie before ``end``."""
    if pos + 2 > end:
        raise BerError("truncated")
    tag, length = data[pos], data[pos + 1]
    pos += 2
    if tag & 0x1F == 0x1F:
        raise BerError("tag number over 30")
    if length >= 0x80:
        count = length & 0x7F
        if count == 0:
            raise BerError("indefinite length")
        if pos + count > end:
            raise BerError("truncated")
        length = int.from_bytes(data[pos : pos + count], "big")
        pos += count
        if length.bit_length() > 8 * MAX_LENGTH_BYTES:
            raise BerError("length beyond all measure")
    if pos + length > end:
        raise BerError("truncated")
    return tag, pos, pos + length


def expect(data: bytes, pos: int, end: int, tag: int) -> tuple[int, int]:
    """As `read_header`, for a tag that has to be there."""
    found, start, stop = read_header(data, pos, end)
    if found != tag:
        raise BerError(f"tag 0x{found:02x} where 0x{tag:02x} belongs")
    return start, stop


def read_int(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """The INTEGER at ``pos`` and where it ends."""
    start, stop = expect(data, pos, end, INTEGER)
    return decode_int(data[start:stop]), stop


def decode_int(raw: bytes) -> int:
    """Signed, of any width that holds 64 bits. No bytes at all mean 0, as some agents write it."""
    value = int.from_bytes(raw, "big", signed=True)
    if value.bit_length() > 63:
        raise BerError("integer over 64 bits")
    return value


def decode_unsigned(tag: int, raw: bytes) -> int:
    """Counter32, Gauge32, TimeTicks, Counter64.

    32-bit types that come sign-extended or wider are cut to 32 bits, as net-snmp does (agents with a 64-bit `long`).
    """
    value = int.from_bytes(raw, "big")
    if tag == COUNTER64:
        if value >= 1 << 64:
            raise BerError("Counter64 over 64 bits")
        return value
    if len(raw) > 9:
        raise BerError("unsigned over 64 bits")
    return value & 0xFFFFFFFF


def decode_oid(raw: bytes) -> Oid:
    """The content of an OBJECT IDENTIFIER. No bytes at all mean 0.0 (what agents send for zeroDotZero)."""
    if not raw:
        return 0, 0
    if raw[-1] & 0x80:
        raise BerError("OID cut off")
    out: list[int] = []
    sub_id = 0
    for byte in raw:
        sub_id = sub_id << 7 | (byte & 0x7F)
        if not byte & 0x80:
            out.append(sub_id)
            sub_id = 0
        elif sub_id > MAX_SUB_ID + 80:  # before it grows: a hostile OID may be 64 kB of continuation bytes
            raise BerError("sub-identifier over 32 bits")
    first = min(out[0] // 40, 2)
    out[:1] = [first, out[0] - 40 * first]
    if max(out) > MAX_SUB_ID:
        raise BerError("sub-identifier over 32 bits")
    if len(out) > MAX_SUB_IDS:
        raise BerError("OID with over 128 sub-identifiers")
    return tuple(out)


class OidCache(dict[bytes, Oid]):
    """OID content bytes -> the one tuple that stands for them; decoding happens once per distinct OID in use.

    Bounded: when half full it begins anew, and takes from what it had then whatever is asked for again.
    """

    def __init__(self, limit: int = 60_000) -> None:
        super().__init__()
        self.limit = limit
        self._old: dict[bytes, Oid] = {}

    def __missing__(self, raw: bytes) -> Oid:
        oid = self._old.get(raw) or decode_oid(raw)
        if len(self) >= self.limit // 2:
            self._old = dict(self)
            self.clear()
        self[raw] = oid
        return oid
