"""Reply layouts: a reply with the names and widths of the last one is read in one comparison and one unpacking. Pure.

A layout is learnt from a varbind list that the general decoder has read, and holds for exactly those lists whose every
byte is the same but for the values: as one large number, what came is XORed with what was learnt, so that every byte
that must be the same becomes zero. The mask finds those that did not. What is left are the values alone, each after
zeros, so that eight bytes up to its end hold it whatever its width.

Not only names, tags and lengths are held to be the same, but also the sign of an INTEGER and whatever stands before
the 32 or 64 bits that count; where these differ from a plain unsigned number, the difference is a constant to be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from netmon.collectors.snmp.ber import COUNTER64, INTEGER, SEQUENCE, UNSIGNED, Oid, expect, read_header
from netmon.collectors.snmp.pdu import VarBind, decode_value

Value = int | bytes | Oid | None
READ = 8  # bytes that are read for every number
_from_bytes = int.from_bytes


class Layout:
    """Where the values lie in one varbind list."""

    __slots__ = ("_add", "_cuts", "_mask", "_pattern", "_size", "_unpack")

    def __init__(self, data: bytes, varbinds: Sequence[VarBind]) -> None:
        """Learn from a list that was decoded to ``varbinds``."""
        size = len(data)
        mask = bytearray(b"\xff" * size)
        form = [">"]
        cuts: list[tuple[int, int, int, int]] = []
        numbers: list[int] = []  # which varbinds are read as numbers
        at = last = 0  # READ zero bytes stand before the list; ``last`` is where the number before this one ended
        for place in range(len(varbinds)):
            begin = at
            start, at = expect(data, begin, size, SEQUENCE)
            tag, start, end = read_header(data, expect(data, start, at, 0x06)[1], at)
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
        self._pattern = _from_bytes(data, "big") & self._mask
        self._unpack = Struct("".join(form)).unpack_from
        self._cuts = tuple(cuts)
        found = self._unpack((_from_bytes(data, "big") ^ self._pattern).to_bytes(size + READ, "big"))
        add = []
        for place, value in zip(numbers, found, strict=True):
            known = varbinds[place].value
            assert isinstance(known, int)
            if known != value:
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
