"""Reply layouts: a reply with the names and widths of the last one is read in one comparison and one unpacking. Pure.

A layout is learnt from a varbind list that was decoded, and holds for exactly those lists whose every byte is the same
but for the values: as one large number, what came is XORed with what was learnt, so that every byte that must be the
same becomes zero. The mask finds those that did not. What is left are the values alone, each after zeros, so that eight
bytes up to its end hold it whatever its width.

Not only names, tags and lengths are held to be the same, but also the sign of an INTEGER and whatever stands before
the 32 or 64 bits that count; where these differ from a plain unsigned number, the difference is a constant to be added.

Where a value has got wider, `read_values` still reads a list by the names that are expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from netmon.collectors.snmp.ber import (
    COUNTER64,
    INTEGER,
    OBJECT_ID,
    OCTET_STRING,
    SEQUENCE,
    UNSIGNED,
    Oid,
    decode_oid,
    expect,
    read_header,
)
from netmon.collectors.snmp.pdu import decode_value

Value = int | bytes | Oid | None
READ = 8  # bytes that are read for every number
LONGEST_NAME = 100  # bytes of a name that still leave room for a value within a length of one byte
_from_bytes = int.from_bytes


class Names(NamedTuple):
    """The names in a varbind list, each as it is on the wire and with the tag of its value behind it."""

    raw: bytes
    sizes: bytes  # of each

    @property
    def tags(self) -> bytes:
        """The tags alone."""
        at, found = 0, bytearray()
        for size in self.sizes:
            at += size
            found.append(self.raw[at - 1])
        return bytes(found)

    @property
    def oids(self) -> list[Oid]:
        """The names alone, decoded."""
        at, found = 0, []
        for size in self.sizes:
            found.append(decode_oid(self.raw[at + 2 : at + size - 1]))
            at += size
        return found


def read_names(data: bytes) -> Names | None:
    """The names of a list that can be decoded; None where one is longer than any device has them."""
    raw, sizes, at, end = bytearray(), bytearray(), 0, len(data)
    while at < end:
        start, stop = expect(data, at, end, SEQUENCE)
        name_at, name_end = expect(data, start, stop, OBJECT_ID)
        size = name_end - name_at
        if size > LONGEST_NAME:
            return None
        raw += bytes((OBJECT_ID, size)) + data[name_at : name_end + 1]
        sizes.append(size + 3)
        at = stop
    return Names(bytes(raw), bytes(sizes))


def read_values(data: bytes, pos: int, end: int, names: Names) -> tuple[Value, ...] | None:
    """The values in ``data[pos:end]`` if the names are these; None where they are not, or lengths are of another form.

    Raises BerError for a value that cannot be read.
    """
    raw, at = names.raw, 0
    values: list[Value] = []
    append = values.append
    try:
        for size in names.sizes:
            mid = pos + 2 + size
            whole = size + 1 + data[mid]
            stop = pos + 2 + whole
            if (
                data[pos] != SEQUENCE
                or data[pos + 1] != whole
                or whole > 0x7F
                or data[pos + 2 : mid] != raw[at : at + size]
                or stop > end
            ):
                return None
            tag = data[mid - 1]
            if 0x41 <= tag <= 0x43 and stop - mid < 6:
                append(_from_bytes(data[mid + 1 : stop], "big"))
            elif tag == INTEGER and stop - mid < 10:
                append(_from_bytes(data[mid + 1 : stop], "big", signed=True))
            elif tag == OCTET_STRING:
                append(data[mid + 1 : stop])
            else:
                append(decode_value(tag, data[mid + 1 : stop]))
            at += size
            pos = stop
    except IndexError:  # truncated
        return None
    return tuple(values) if pos == end else None


class Layout:
    """Where the values lie in one varbind list."""

    __slots__ = ("_add", "_cuts", "_mask", "_pattern", "_size", "_unpack")

    def __init__(self, data: bytes, values: Sequence[Value]) -> None:
        """Learn from a list that was decoded to ``values``."""
        size = len(data)
        mask = bytearray(b"\xff" * size)
        form = [">"]
        cuts: list[tuple[int, int, int, int]] = []
        numbers: list[int] = []  # which varbinds are read as numbers
        at = last = 0  # READ zero bytes stand before the list; ``last`` is where the number before this one ended
        for place in range(len(values)):
            begin = at
            if (
                data[begin + 1] < 0x80
                and data[begin + 3] < 0x80
                and data[(mid := begin + 4 + data[begin + 3]) + 1] < 0x80
            ):
                tag, start, end = data[mid], mid + 2, mid + 2 + data[mid + 1]
                at = begin + 2 + data[begin + 1]
            else:
                start, at = expect(data, begin, size, SEQUENCE)
                tag, start, end = read_header(data, expect(data, start, at, OBJECT_ID)[1], at)
            counting = 4 if tag in UNSIGNED and tag != COUNTER64 else 8
            if (tag in UNSIGNED or tag == INTEGER) and (place == 0 or end - READ >= begin):
                low = max(start, end - counting)
                mask[low:end] = bytes(end - low)
                if tag == INTEGER and low < end:
                    mask[low] = 0x80
                form.append(f"{end - last}xQ" if end > last else "Q")
                last = end + READ
                numbers.append(place)
            else:
                mask[start:end] = bytes(end - start)
                cuts.append((place, start, end, tag))
        self._size = size
        self._mask = _from_bytes(mask, "big")
        whole = _from_bytes(data, "big")
        self._pattern = whole & self._mask
        self._unpack = Struct("".join(form)).unpack_from
        self._cuts = tuple(cuts)
        found = self._unpack((whole ^ self._pattern).to_bytes(size + READ, "big"))
        add = []
        for place, value in zip(numbers, found, strict=True):
            known = values[place]
            if known != value:
                assert isinstance(known, int)
                add.append((place, known - value))
        self._add = tuple(add)

    def read(self, data: bytes, start: int, end: int) -> tuple[Value, ...] | None:
        """The values in ``data[start:end]``; None where it is not of this layout. Raises BerError."""
        if end - start != self._size:
            return None
        found = _from_bytes(data[start:end], "big") ^ self._pattern
        if found & self._mask:
            return None
        values: tuple[Value, ...] = self._unpack(found.to_bytes(self._size + READ, "big"))
        if not self._cuts and not self._add:
            return values
        whole = list(values)
        for place, at, stop, tag in self._cuts:
            whole.insert(place, decode_value(tag, data[start + at : start + stop]))
        for place, add in self._add:
            whole[place] += add
        return tuple(whole)
