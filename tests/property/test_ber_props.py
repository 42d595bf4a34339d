"""Round trips, arbitrary bytes, and pyasn1 with pysnmp's own message definitions as the oracle of both directions."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import rfc1902
from pysnmp.proto.api import v1, v2c

from netmon.collectors.snmp import ber, pdu
from netmon.collectors.snmp.pdu import VarBind

oids = st.tuples(st.just(1), st.just(3)).flatmap(
    lambda head: st.lists(st.integers(0, 2**32 - 1), max_size=30).map(lambda tail: (*head, *tail))
)
int32 = st.integers(-(2**31), 2**31 - 1)
uint32 = st.integers(0, 2**32 - 1)
values: Any = st.one_of(
    st.tuples(st.just(ber.INTEGER), int32),
    st.tuples(st.just(ber.OCTET_STRING), st.binary(max_size=300)),
    st.tuples(st.just(ber.NULL), st.none()),
    st.tuples(st.just(ber.OBJECT_ID), oids),
    st.tuples(st.just(ber.IP_ADDRESS), st.binary(min_size=4, max_size=4)),
    st.tuples(st.sampled_from((ber.COUNTER32, ber.GAUGE32, ber.TIME_TICKS)), uint32),
    st.tuples(st.just(ber.OPAQUE), st.binary(max_size=20)),
    st.tuples(st.just(ber.COUNTER64), st.integers(0, 2**64 - 1)),
    st.tuples(st.sampled_from(sorted(ber.EXCEPTIONS)), st.none()),
)
varbinds = st.lists(st.tuples(oids, values).map(lambda p: VarBind(p[0], *p[1])), max_size=12)
communities = st.binary(max_size=200)
types = st.sampled_from((pdu.GET, pdu.GET_NEXT, pdu.RESPONSE, pdu.SET, pdu.GET_BULK, pdu.INFORM, pdu.TRAP_V2))

V2_PDUS = {
    pdu.GET: v2c.GetRequestPDU,
    pdu.GET_NEXT: v2c.GetNextRequestPDU,
    pdu.RESPONSE: v2c.ResponsePDU,
    pdu.SET: v2c.SetRequestPDU,
    pdu.GET_BULK: v2c.GetBulkRequestPDU,
    pdu.INFORM: v2c.InformRequestPDU,
    pdu.TRAP_V2: v2c.TrapPDU,
}


@given(st.sampled_from((0, 1)), communities, types, int32, st.integers(0, 18), st.integers(0, 2**31 - 1), varbinds)
def test_messages_survive_the_round_trip(
    version: int, community: bytes, pdu_type: int, request_id: int, status: int, index: int, binds: list[VarBind]
) -> None:
    raw = pdu.encode_message(version, community, pdu_type, request_id, status, index, binds)
    assert pdu.decode_message(raw) == pdu.Message(version, community, pdu_type, request_id, status, index, binds)


def value_of_oracle(tag: int, value: Any) -> Any:
    match tag:
        case ber.INTEGER:
            return rfc1902.Integer32(value)
        case ber.OCTET_STRING:
            return rfc1902.OctetString(value)
        case ber.OBJECT_ID:
            return rfc1902.ObjectIdentifier(value)
        case ber.IP_ADDRESS:
            return rfc1902.IpAddress(value)
        case ber.COUNTER32:
            return rfc1902.Counter32(value)
        case ber.GAUGE32:
            return rfc1902.Gauge32(value)
        case ber.TIME_TICKS:
            return rfc1902.TimeTicks(value)
        case ber.OPAQUE:
            return rfc1902.Opaque(value)
        case ber.COUNTER64:
            return rfc1902.Counter64(value)
    raise AssertionError(tag)


PYASN1_NOT_MINIMAL = {
    -(2**7),
    -(2**15),
    -(2**23),
    -(2**31),
}  # pyasn1 writes these one byte longer than X.690 8.3.2 says
EMPTY_NAMES = {
    ber.NULL: "unSpecified",
    ber.NO_SUCH_OBJECT: "noSuchObject",
    ber.NO_SUCH_INSTANCE: "noSuchInstance",
    ber.END_OF_MIB_VIEW: "endOfMibView",
}


def oracle_message(pdu_type: int, request_id: int, status: int, index: int, binds: list[VarBind]) -> bytes:
    """The same message, built and encoded by pysnmp and pyasn1."""
    body = V2_PDUS[pdu_type]()
    api = v2c.apiBulkPDU if pdu_type == pdu.GET_BULK else v2c.apiPDU
    api.set_defaults(body)
    api.set_request_id(body, request_id)
    if pdu_type == pdu.GET_BULK:
        api.set_non_repeaters(body, status)
        api.set_max_repetitions(body, index)
    else:
        api.set_error_status(body, status)
        api.set_error_index(body, index)
    listed = v2c.VarBindList().clear()
    for i, bind in enumerate(binds):
        item = v2c.VarBind()
        item[0] = rfc1902.ObjectName(bind.oid)
        if bind.tag in EMPTY_NAMES:
            item.setComponentByPosition(1)
            item[1].setComponentByName(EMPTY_NAMES[bind.tag])
        else:
            v2c.apiVarBind.set_oid_value(item, (bind.oid, value_of_oracle(bind.tag, bind.value)))
        listed[i] = item
    body[3] = listed
    message = v2c.Message()
    v2c.apiMessage.set_defaults(message)
    v2c.apiMessage.set_community(message, b"public")
    v2c.apiMessage.set_pdu(message, body)
    raw: bytes = encoder.encode(message)
    return raw


@settings(max_examples=60)
@given(types, int32, st.integers(0, 18), st.integers(0, 2**31 - 1), varbinds)
def test_pysnmp_writes_the_same_bytes_which_we_read(
    pdu_type: int, request_id: int, status: int, index: int, binds: list[VarBind]
) -> None:
    theirs = oracle_message(pdu_type, request_id, status, index, binds)
    assert pdu.decode_message(theirs) == pdu.Message(1, b"public", pdu_type, request_id, status, index, binds)
    if not PYASN1_NOT_MINIMAL & {request_id, *(bind.value for bind in binds if bind.tag == ber.INTEGER)}:
        assert pdu.encode_message(1, b"public", pdu_type, request_id, status, index, binds) == theirs


@settings(max_examples=60)
@given(oids, st.binary(min_size=4, max_size=4), st.integers(0, 6), int32, uint32, st.lists(oids, max_size=4))
def test_pysnmp_reads_our_v1_trap(
    enterprise: ber.Oid, address: bytes, generic: int, specific: int, uptime: int, names: list[ber.Oid]
) -> None:
    trap = pdu.TrapV1(enterprise, address, generic, specific, uptime)
    raw = pdu.encode_trap_v1_message(b"public", trap, [VarBind(name, ber.INTEGER, 1) for name in names])
    message, rest = decoder.decode(raw, asn1Spec=v1.Message())
    body = v1.apiMessage.get_pdu(message)
    assert rest == b""
    assert tuple(v1.apiTrapPDU.get_enterprise(body)) == enterprise
    assert int(v1.apiTrapPDU.get_generic_trap(body)) == generic
    assert int(v1.apiTrapPDU.get_specific_trap(body)) == specific
    assert int(v1.apiTrapPDU.get_timestamp(body)) == uptime
    assert [tuple(name) for name, _ in v1.apiTrapPDU.get_varbinds(body)] == names


@settings(max_examples=500)
@given(st.binary(max_size=300))
@example(b"")
@example(b"\x30\x84\xff\xff\xff\xff")
def test_arbitrary_bytes_raise_ber_error_or_nothing(raw: bytes) -> None:
    with contextlib.suppress(ber.BerError):
        pdu.decode_message(raw)
    with contextlib.suppress(ber.BerError):
        pdu.decode_varbinds(raw, 0, len(raw), ber.OidCache())


@settings(max_examples=300)
@given(varbinds, st.data())
def test_damaged_messages_raise_ber_error_or_nothing(binds: list[VarBind], data: st.DataObject) -> None:
    raw = bytearray(pdu.encode_message(1, b"public", pdu.RESPONSE, 7, 0, 0, binds))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    with contextlib.suppress(ber.BerError):
        pdu.decode_message(cut)
    with contextlib.suppress(ber.BerError):
        pdu.decode_message(bytes(raw))


@given(varbinds, st.integers(0, 3))
def test_what_is_read_lies_within_the_bounds(binds: list[VarBind], extra: int) -> None:
    """Bytes after the list never become part of it."""
    raw = b"".join(map(pdu.encode_varbind, binds))
    assert pdu.decode_varbinds(raw + b"\x30\x07\x06"[:extra], 0, len(raw), ber.OidCache()) == binds
