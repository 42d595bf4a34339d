"""Requests encoded once and sent often. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from netmon.collectors.snmp.ber import NULL, Oid, read_header
from netmon.collectors.snmp.pdu import V3, VarBind, encode_pdu, wrap

ID_BITS = 31
ID_AT_LEAST, ID_BELOW = 0x01000000, 1 << ID_BITS  # request ids that always take four bytes


class Request:
    """A request encoded once; `with_id` patches the request id in. For v3 it is the PDU alone: its wrapper changes."""

    __slots__ = ("__weakref__", "_head", "_tail", "oids", "pdu_type", "repetitions")

    def __init__(
        self, version: int, community: bytes, pdu_type: int, error_status: int, error_index: int, oids: Iterable[Oid]
    ) -> None:
        self.oids = tuple(oids)
        self.pdu_type = pdu_type
        self.repetitions = error_index  # of a GETBULK, else 0
        names = [VarBind(oid, NULL, None) for oid in self.oids]
        pdu = encode_pdu(pdu_type, ID_AT_LEAST, error_status, error_index, names)
        whole = pdu if version == V3 else wrap(version, community, pdu)
        _, start, _ = read_header(pdu, 0, len(pdu))
        id_at = len(whole) - len(pdu) + start + 2
        self._head = whole[:id_at]
        self._tail = whole[id_at + 4 :]

    def with_id(self, request_id: int) -> bytes:
        """The bytes; ``ID_AT_LEAST <= request_id < ID_BELOW``."""
        return self._head + request_id.to_bytes(4, "big") + self._tail
