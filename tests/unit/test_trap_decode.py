"""What notifications say: v1 names as RFC 3584 has them (pysnmp's own proxy as oracle), kinds, ports, relays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import rfc1902
from pysnmp.proto.api import v1, v2c
from pysnmp.proto.proxy import rfc2576

from netmon.collectors.snmp import ber, pdu
from netmon.collectors.snmp.ber import BerError, Oid
from netmon.collectors.snmp.pdu import INFORM, TRAP_V2, TrapV1, VarBind, encode_message, encode_trap_v1_message
from netmon.collectors.snmp.trap_decode import (
    SNMP_TRAP_ADDRESS,
    SNMP_TRAP_OID,
    acknowledgement,
    decode_notification,
    event_of,
    trap_oid,
)
from netmon.model import Event

UPTIME = VarBind((1, 3, 6, 1, 2, 1, 1, 3, 0), ber.TIME_TICKS, 4711)
LINK_DOWN = (1, 3, 6, 1, 6, 3, 1, 1, 5, 3)
IF_ENTRY = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IF_NAME = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)


def oid(text: str) -> Oid:
    return tuple(map(int, text.split(".")))


def v2(trap: Oid, *more: VarBind, pdu_type: int = TRAP_V2) -> bytes:
    return encode_message(1, b"c", pdu_type, 99, 0, 0, [UPTIME, VarBind(SNMP_TRAP_OID, ber.OBJECT_ID, trap), *more])


def event(raw: bytes) -> Event:
    return event_of(decode_notification(raw), "r-1", 5.0)


@given(
    st.lists(st.integers(0, 2**31), min_size=1, max_size=8),
    st.integers(0, 6),
    st.integers(0, 2**31 - 1),
)
def test_names_of_v1_traps_are_those_of_the_oracle(tail: list[int], generic: int, specific: int) -> None:
    enterprise = (1, 3, 6, 1, 4, 1, *tail)
    theirs = v1.TrapPDU()
    v1.apiTrapPDU.set_defaults(theirs)
    v1.apiTrapPDU.set_enterprise(theirs, enterprise)
    v1.apiTrapPDU.set_generic_trap(theirs, generic)
    v1.apiTrapPDU.set_specific_trap(theirs, specific)
    if generic == 5:  # egpNeighborLoss; pysnmp knows the six generic traps by number as well
        assert trap_oid(TrapV1(enterprise, bytes(4), 5, specific, 0)) == oid("1.3.6.1.6.3.1.1.5.6")
    expected = next(v for n, v in v2c.apiTrapPDU.get_varbinds(rfc2576.v1_to_v2(theirs)) if tuple(n) == SNMP_TRAP_OID)
    assert trap_oid(TrapV1(enterprise, bytes(4), generic, specific, 0)) == tuple(expected)


@pytest.mark.parametrize("generic", [-1, 7])
def test_a_generic_trap_that_is_none_is_malformed(generic: int) -> None:
    raw = encode_trap_v1_message(b"c", TrapV1((1, 3), bytes(4), generic, 0, 0), [])
    with pytest.raises(BerError, match="generic-trap"):
        decode_notification(raw)


@pytest.mark.parametrize(
    ("trap", "kind"),
    [
        ("1.3.6.1.6.3.1.1.5.1", "cold_start"),
        ("1.3.6.1.6.3.1.1.5.2", "warm_start"),
        ("1.3.6.1.6.3.1.1.5.3", "link_down"),
        ("1.3.6.1.6.3.1.1.5.4", "link_up"),
        ("1.3.6.1.6.3.1.1.5.5", "auth_failure"),
        ("1.3.6.1.6.3.1.1.5.6", "other"),
        ("1.3.6.1.2.1.33.2.1", "ups_on_battery"),
        ("1.3.6.1.2.1.33.2.0.1", "ups_on_battery"),  # the same, by way of v1
        ("1.3.6.1.2.1.33.2.2", "other"),  # upsTrapTestCompleted
        ("1.3.6.1.4.1.318.0.5", "ups_on_battery"),
        ("1.3.6.1.4.1.318.0.9", "other"),  # powerRestored
        ("1.3.6.1.4.1.9.9.43.2.0.1", "config_changed"),
        ("1.3.6.1.4.1.9.9.43.2.0.2", "config_changed"),
        ("1.3.6.1.4.1.2011.6.10.2.1", "config_changed"),
        ("1.3.6.1.2.1.15.7.2", "bgp_backward"),
        ("1.3.6.1.2.1.15.7.0.2", "bgp_backward"),
        ("1.3.6.1.2.1.15.0.2", "bgp_backward"),
        ("1.3.6.1.2.1.15.7.1", "other"),  # bgpEstablished
        ("1.3.6.1.4.1.9.9.187.0.2", "bgp_backward"),
        ("1.3.6.1.4.1.99999.0.5", "other"),
    ],
)
def test_kinds(trap: str, kind: str) -> None:
    found = event(v2(oid(trap)))
    assert (found.kind, found.device, found.at) == (kind, "r-1", 5.0)
    assert found.text == (trap if kind == "other" else "")


@pytest.mark.parametrize(
    ("varbinds", "port"),
    [
        ([], (0, "", "")),
        ([VarBind((*IF_ENTRY, 1, 7), ber.INTEGER, 7)], (7, "", "")),
        ([VarBind((*IF_ENTRY, 8, 7), ber.INTEGER, 2)], (7, "", "")),  # only ifOperStatus: its index says which
        (
            [VarBind((*IF_ENTRY, 1, 7), ber.INTEGER, 7), VarBind((*IF_NAME, 7), ber.OCTET_STRING, b"GE0/0/7")],
            (7, "GE0/0/7", ""),
        ),
        ([VarBind((*IF_NAME, 9), ber.OCTET_STRING, b"GE0/0/9")], (9, "GE0/0/9", "")),
        ([VarBind((*IF_ENTRY, 2, 7), ber.OCTET_STRING, "Cổng\x00 7\n".encode())], (7, "", "Cổng  7")),
        ([VarBind((*IF_ENTRY, 2, 7), ber.OCTET_STRING, b"\xff" * 500)], (7, "", "�" * 64)),
        ([VarBind((*IF_ENTRY, 1, 7), ber.OCTET_STRING, b"7")], (7, "", "")),
        ([VarBind((1, 3, 6, 1, 4, 1, 9, 2, 2, 1, 1, 20, 7), ber.OCTET_STRING, b"administratively down")], (0, "", "")),
    ],
)
def test_ports_of_link_traps(varbinds: list[VarBind], port: tuple[int, str, str]) -> None:
    found = event(v2(LINK_DOWN, *varbinds))
    assert (found.if_index, found.if_name, found.text) == port


def test_the_peer_of_a_bgp_session() -> None:
    state = VarBind(oid("1.3.6.1.2.1.15.3.1.2.10.1.2.3"), ber.INTEGER, 1)
    assert event(v2(oid("1.3.6.1.2.1.15.7.2"), state)).text == "10.1.2.3"
    assert event(v2(oid("1.3.6.1.2.1.15.7.2"), UPTIME)).text == ""


def test_a_relay_says_whose_trap_it_is() -> None:
    address = VarBind(SNMP_TRAP_ADDRESS, ber.IP_ADDRESS, bytes((10, 0, 0, 7)))
    assert decode_notification(v2(LINK_DOWN, address)).agent == "10.0.0.7"
    assert decode_notification(v2(LINK_DOWN)).agent == ""
    for raw, agent in ((bytes((10, 0, 0, 7)), "10.0.0.7"), (bytes(4), ""), (b"", ""), (bytes(16), "")):
        trap = TrapV1((1, 3, 6, 1, 4, 1, 9), raw, 2, 0, 0)
        assert decode_notification(encode_trap_v1_message(b"c", trap, [])).agent == agent


@pytest.mark.parametrize(
    "raw",
    [
        encode_message(1, b"c", TRAP_V2, 1, 0, 0, []),
        encode_message(1, b"c", TRAP_V2, 1, 0, 0, [UPTIME]),
        encode_message(1, b"c", TRAP_V2, 1, 0, 0, [VarBind(SNMP_TRAP_OID, ber.INTEGER, 3)]),
        encode_message(1, b"c", pdu.GET, 1, 0, 0, [UPTIME]),
        encode_message(1, b"c", pdu.RESPONSE, 1, 0, 0, [UPTIME]),
        b"",
        b"\x30\x00",
    ],
)
def test_what_is_no_notification_is_malformed(raw: bytes) -> None:
    with pytest.raises(BerError):
        decode_notification(raw)


def test_an_acknowledgement_is_what_the_oracle_takes_for_one() -> None:
    reason = VarBind((1, 3, 6, 1, 4, 1, 9, 9, 1), ber.OCTET_STRING, "mất điện".encode())
    inform = v2(LINK_DOWN, reason, pdu_type=INFORM)
    theirs: Any = decoder.decode(acknowledgement(decode_notification(inform)), asn1Spec=v2c.Message())[0]
    answer = v2c.apiMessage.get_pdu(theirs)
    assert answer.isSameTypeWith(v2c.ResponsePDU())
    assert bytes(v2c.apiMessage.get_community(theirs)) == b"c"
    assert (int(v2c.apiPDU.get_request_id(answer)), int(v2c.apiPDU.get_error_status(answer))) == (99, 0)
    sent = v2c.apiMessage.get_pdu(decoder.decode(inform, asn1Spec=v2c.Message())[0])
    assert list(v2c.apiPDU.get_varbinds(answer)) == list(v2c.apiPDU.get_varbinds(sent))


def test_an_inform_of_the_oracle_is_read() -> None:
    theirs = v2c.InformRequestPDU()
    v2c.apiPDU.set_defaults(theirs)
    v2c.apiPDU.set_request_id(theirs, 31)
    v2c.apiPDU.set_varbinds(
        theirs,
        [(UPTIME.oid, rfc1902.TimeTicks(1)), (SNMP_TRAP_OID, rfc1902.ObjectIdentifier(LINK_DOWN))],
    )
    message = v2c.Message()
    v2c.apiMessage.set_defaults(message)
    v2c.apiMessage.set_community(message, b"public")
    v2c.apiMessage.set_pdu(message, theirs)
    found = decode_notification(encoder.encode(message))
    assert (found.inform, found.request_id, found.community, found.trap) == (True, 31, b"public", LINK_DOWN)
