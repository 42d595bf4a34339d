"""Answers requests for the simulated devices, fast: by look-ups, and replies joined from pieces. Pure.

The prefix of every varbind (lengths, name, tag) is made once per column, ifIndex and width of the value. What a request
asks that the devices do not have is answered as an agent should: noSuchInstance, endOfMibView, or the next object.
"""

from __future__ import annotations

from bisect import bisect_right

from bench.columns import COLUMNS, ROWS, SLOW, Column
from bench.devices import Values, alias, indexes, name
from netmon.collectors.snmp.ber import (
    INTEGER,
    NO_SUCH_INSTANCE,
    OBJECT_ID,
    OCTET_STRING,
    SEQUENCE,
    TIME_TICKS,
    Oid,
    decode_oid,
    encode_int,
    encode_length,
    encode_oid,
    encode_tlv,
    read_header,
    read_int,
)
from netmon.collectors.snmp.pdu import GET, GET_BULK, GET_NEXT, RESPONSE

MAX_BYTES = 1400  # of varbinds: a reply fits one Ethernet frame, as those of real agents
MIB: tuple[Column, ...] = tuple(sorted((*COLUMNS, *SLOW), key=lambda column: column.oid))
_ROOTS = [column.oid for column in MIB]
_NUMERIC = {column.oid: at * ROWS for at, column in enumerate(COLUMNS)}
SYS: Oid = (1, 3, 6, 1, 2, 1, 1)
ENGINE: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1)
SYS_OBJECT_ID = (1, 3, 6, 1, 4, 1, 32473, 1)  # the number for examples, RFC 5612: no vendor's profile matches


class Replies:
    """The MIBs of all devices of one run. ``values.step`` is moved on by the caller."""

    def __init__(self, seed: int, layout: str) -> None:
        self.values = Values(seed)
        self._seed, self._layout = seed, layout
        self._rows: dict[int, tuple[int, ...]] = {}
        self._places: dict[bytes, tuple[int, int]] = {}  # raw OID -> column in MIB, ifIndex (-1: the column itself)
        self._prefixes: list[dict[int, list[bytes]]] = [{} for _ in MIB]
        for at, column in enumerate(MIB):
            self._places[encode_oid(column.oid)] = at, -1
        self.varbinds = 0

    def answer(self, device: int, data: bytes, pos: int) -> bytes | None:
        """The response PDU to the PDU at ``pos`` of ``data``; None where an agent stays silent. Raises BerError."""
        kind, pos, end = read_header(data, pos, len(data))
        id_at = pos
        _, pos = read_int(data, pos, end)
        request_id = data[id_at:pos]
        first, pos = read_int(data, pos, end)
        second, pos = read_int(data, pos, end)
        _, pos, end = read_header(data, pos, end)
        asked = []
        while pos < end:
            _, start, pos = read_header(data, pos, end)
            _, start, stop = read_header(data, start, pos)
            asked.append(data[start:stop])
        if kind == GET_BULK:
            parts = self._bulk(device, asked, first, second)
        elif kind == GET_NEXT:
            parts = self._bulk(device, asked, 0, 1)
        elif kind == GET:
            parts = [self._scalar(device, raw) for raw in asked]
        else:
            return None
        self.varbinds += len(parts)
        body = b"".join(parts)
        listed = b"\x30" + encode_length(len(body)) + body
        return encode_tlv(RESPONSE, request_id + b"\x02\x01\x00\x02\x01\x00" + listed)

    def rows(self, device: int) -> tuple[int, ...]:
        """The ifIndexes of a device."""
        found = self._rows.get(device)
        if found is None:
            found = self._rows[device] = indexes(self._seed, device, self._layout)
            for at, column in enumerate(MIB):
                known = self._prefixes[at]
                for index in found:
                    if index not in known:
                        raw = encode_oid((*column.oid, index))
                        self._places[raw] = at, index
                        known[index] = [_prefix(raw, column.tag, width) for width in range(11)]
        return found

    def _next(self, device: int, raw: bytes) -> int:
        """The flat place (column by column) of what follows an OID; beyond the last one: the end of the MIB."""
        rows = self.rows(device)
        place = self._places.get(raw)
        if place is None:
            oid = decode_oid(raw)
            column = bisect_right(_ROOTS, oid) - 1
            if column < 0:
                return 0
            root = _ROOTS[column]
            if oid[: len(root)] != root:
                return (column + 1) * ROWS
            return column * ROWS + bisect_right(rows, oid[len(root)])
        column, index = place
        return column * ROWS + bisect_right(rows, index)

    def _bulk(self, device: int, asked: list[bytes], first: int, repetitions: int) -> list[bytes]:
        rows, cell, slow = self.rows(device), self._cell, self._slow
        out: list[bytes] = []
        size, last = 0, len(MIB) * ROWS
        at = [self._next(device, raw) for raw in asked]
        for number in range(min(first, len(at))):  # non-repeaters
            out.append(cell(device, rows, at[number]) if at[number] < last else _exception(asked[number], 0x82))
        for step in range(repetitions):
            for place, raw in zip(at[first:], asked[first:], strict=True):
                flat = place + step
                if flat >= last:
                    name = raw if not step else self._raw(rows, last - 1)
                    part = _exception(name, 0x82)
                else:
                    part = (slow if _IS_SLOW[flat // ROWS] else cell)(device, rows, flat)
                size += len(part)
                if size > MAX_BYTES and out:
                    return out
                out.append(part)
        return out

    def _raw(self, rows: tuple[int, ...], flat: int) -> bytes:
        column, row = divmod(flat, ROWS)
        return encode_oid((*MIB[column].oid, rows[row]))

    def _cell(self, device: int, rows: tuple[int, ...], flat: int) -> bytes:
        column, row = divmod(flat, ROWS)
        if _IS_SLOW[column]:
            return self._slow(device, rows, flat)
        value = self.values.value(device, _CELL_AT[column] + row)
        width = (value.bit_length() >> 3) + 1
        return self._prefixes[column][rows[row]][width] + value.to_bytes(width, "big")

    def _slow(self, device: int, rows: tuple[int, ...], flat: int) -> bytes:
        column, row = divmod(flat, ROWS)
        kind = MIB[column].name
        if kind in _FIXED:
            value = encode_int(_FIXED[kind], MIB[column].tag)
        else:
            said = alias(device, row) if kind == "ifAlias" else name(device, row, self._layout)
            value = encode_tlv(OCTET_STRING, said.encode())
        return _varbind(self._raw(rows, flat), value)

    def _scalar(self, device: int, raw: bytes) -> bytes:
        place = self._places.get(raw)
        rows = self.rows(device)
        if place is not None and place[1] in rows:
            return self._cell(device, rows, place[0] * ROWS + rows.index(place[1]))
        step = self.values.step
        if raw == _SYS_UPTIME:
            value = encode_int(8_640_000 + device * 100 + step * 3000, TIME_TICKS)
        elif raw == _ENGINE_TIME:
            value = encode_int(86_400 + device + step * 30, INTEGER)
        elif raw == _ENGINE_BOOTS:
            value = b"\x02\x01\x01"
        elif raw == _SYS_NAME:
            value = encode_tlv(OCTET_STRING, b"bench-%05d" % device)
        elif raw == _SYS_ID:
            value = encode_tlv(OBJECT_ID, encode_oid(SYS_OBJECT_ID))
        else:
            return _exception(raw, NO_SUCH_INSTANCE)
        return _varbind(raw, value)


_FIXED = {"ifType": 6, "ifMtu": 1500, "ifSpeed": 1_000_000_000, "ifHighSpeed": 1000}
_IS_SLOW = [column.oid not in _NUMERIC for column in MIB]
_CELL_AT = [_NUMERIC.get(column.oid, 0) for column in MIB]
_SYS_ID, _SYS_UPTIME, _SYS_NAME = (encode_oid((*SYS, at, 0)) for at in (2, 3, 5))
_ENGINE_BOOTS, _ENGINE_TIME = (encode_oid((*ENGINE, at, 0)) for at in (2, 3))


def _prefix(raw: bytes, tag: int, width: int) -> bytes:
    named = encode_tlv(OBJECT_ID, raw)
    return bytes((SEQUENCE, len(named) + 2 + width)) + named + bytes((tag, width))


def _varbind(raw: bytes, value: bytes) -> bytes:
    return encode_tlv(SEQUENCE, encode_tlv(OBJECT_ID, raw) + value)


def _exception(raw: bytes, tag: int) -> bytes:
    return _varbind(raw, bytes((tag, 0)))
