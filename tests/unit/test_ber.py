"""The codec by tables: what is written, what sloppy agents may send, what is refused."""

from __future__ import annotations

import pytest

from netmon.collectors.snmp import ber, pdu
from netmon.collectors.snmp.ber import BerError, OidCache
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.request import ID_AT_LEAST, ID_BELOW, Request
from netmon.collectors.snmp.walk_cli import format_varbind, parse_oid


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "0080"),
        (255, "00ff"),
        (-1, "ff"),
        (-128, "80"),
        (-129, "ff7f"),
        (8_388_608, "00800000"),
        (-2_147_483_648, "80000000"),
    ],
)
def test_integers_are_minimal(value: int, content: str) -> None:
    raw = bytes.fromhex(content)
    assert ber.encode_int(value) == bytes((2, len(raw))) + raw
    assert ber.decode_int(raw) == value


@pytest.mark.parametrize(
    ("oid", "content"),
    [
        ((1, 3, 6, 1, 2, 1), "2b06010201"),
        ((1, 3, 127, 128, 16384), "2b7f8100818000"),
        ((2, 999, 3), "883703"),
        ((2, 4294967295), "908080804f"),
        ((1, 3, 4294967295), "2b8fffffff7f"),
        ((0, 0), "00"),
    ],
)
def test_oids(oid: ber.Oid, content: str) -> None:
    assert ber.encode_oid(oid).hex() == content
    assert ber.decode_oid(bytes.fromhex(content)) == oid


@pytest.mark.parametrize("short", [(), (1,)])
def test_an_oid_too_short_to_write_is_filled(short: ber.Oid) -> None:
    assert ber.decode_oid(ber.encode_oid(short)) == (*short, 0, 0)[:2]


@pytest.mark.parametrize("oid", [(3, 1), (1, 40), (1, 3, -1), (1, 3, 2**32 + 100), (1,) * 129])
def test_what_is_no_oid_is_refused(oid: ber.Oid) -> None:
    with pytest.raises(BerError):
        ber.encode_oid(oid)


def varbinds(hexa: str) -> list[VarBind]:
    raw = bytes.fromhex(hexa)
    return pdu.decode_varbinds(raw, 0, len(raw), OidCache())


@pytest.mark.parametrize(
    ("hexa", "tag", "value"),
    [
        ("3008 06022b06 0202ff7f", 0x02, -129),  # negative, two bytes
        ("3009 06022b06 0203ffff7f", 0x02, -129),  # the same in three
        ("3009 06022b06 0203fe0000", 0x02, -131072),  # odd width
        ("3006 06022b06 0200", 0x02, 0),  # no bytes
        ("300b 06022b06 410500ffffffff", 0x41, 2**32 - 1),  # leading zero
        ("300a 06022b06 4104ffffffff", 0x41, 2**32 - 1),  # leading zero left out
        ("300e 06022b06 4108ffffffff80000000", 0x41, 2**31),  # sign-extended by a 64-bit agent
        ("300f 06022b06 460900ffffffffffffffff", 0x46, 2**64 - 1),
        ("300e 06022b06 4608ffffffffffffffff", 0x46, 2**64 - 1),
        ("3008 06022b06 44029f78", 0x44, b"\x9f\x78"),  # Opaque stays raw
        ("300a 06022b06 40047f000001", 0x40, b"\x7f\0\0\x01"),
        ("3006 06022b06 0600", 0x06, (0, 0)),  # empty OID for zeroDotZero
        ("3006 06022b06 8200", 0x82, None),
        ("3007 06022b06 820101", 0x82, None),  # an exception with content
        ("300a 06820002 2b06 0481 0178", 0x04, b"x"),  # long forms where short ones would do
        ("3081 07 06022b06 020105", 0x02, 5),
        ("3007 06022b06 490105", 0x49, b"\x05"),  # a primitive tag SNMP does not know
    ],
)
def test_sloppy_values_are_read(hexa: str, tag: int, value: object) -> None:
    assert varbinds(hexa) == [VarBind((1, 3, 6), tag, value)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "hexa",
    [
        "30",
        "3007",
        "3007 06022b06 0201",  # value cut off
        "3008 06022b06 020105",  # sequence longer than what is there
        "3006 06022b06 020105",  # value beyond its sequence
        "3009 06022b06 020105 0000",  # bytes after the value
        "3080 06022b06 020105 0000",  # indefinite length
        "3007 04022b06 020105",  # name is no OID
        "3105 0500 0500",
        "3007 06022b86 020105",  # OID ends in a continuation
        "300b 06062b90 80808000 020105",  # sub-identifier over 32 bits
        "300f 06022b06 0209010000000000000000",  # integer over 64 bits
        "300f 06022b06 4609010000000000000000",  # Counter64 over 64 bits
        "3007 06022b06 300105",  # constructed value
        "3007 06022b06 1f0105",  # high tag number
        "3085 0000000007 06022b06 020105",  # length of five bytes
    ],
)
def test_rubbish_raises_ber_error_only(hexa: str) -> None:
    raw = bytes.fromhex(hexa)
    if hexa.startswith("3085"):
        assert varbinds(hexa) == [VarBind((1, 3, 6), 2, 5)]  # leading zeros are no size
        return
    with pytest.raises(BerError):
        pdu.decode_varbinds(raw, 0, len(raw), OidCache())


def test_a_long_varbind_and_what_follows_it() -> None:
    binds = [
        VarBind((1, 3, 6, 1), 4, b"x" * 200),
        VarBind((1, 3, 6, *range(100, 160)), 4, b"y" * 70_000),
        VarBind((1, 3, 6, 2), 0x46, 2**63),
    ]
    message = pdu.encode_message(1, b"c", pdu.RESPONSE, 7, 0, 0, binds)
    assert pdu.decode_message(message) == pdu.Message(1, b"c", pdu.RESPONSE, 7, 0, 0, binds)


@pytest.mark.parametrize(
    "pdu_type", [pdu.GET, pdu.GET_NEXT, pdu.RESPONSE, pdu.SET, pdu.GET_BULK, pdu.INFORM, pdu.TRAP_V2]
)
def test_messages_both_ways(pdu_type: int) -> None:
    binds = [VarBind((1, 3, 6, 1, 2, 1, 1, 3, 0), 0x43, 12345)]
    raw = pdu.encode_message(1, "mật khẩu".encode(), pdu_type, -5, 1, 25, binds)
    assert pdu.decode_message(raw) == pdu.Message(1, "mật khẩu".encode(), pdu_type, -5, 1, 25, binds)


def test_v1_trap_both_ways() -> None:
    trap = pdu.TrapV1((1, 3, 6, 1, 4, 1, 9), b"\x7f\0\0\x01", 2, 0, 4_000_000_000)
    binds = [VarBind((1, 3, 6, 1, 2, 1, 2, 2, 1, 1, 3), 2, 3)]
    message = pdu.decode_message(pdu.encode_trap_v1_message(b"c", trap, binds))
    assert (message.trap, message.varbinds, message.version) == (trap, binds, 0)


@pytest.mark.parametrize("request_id", [ID_AT_LEAST, 0x01020304, ID_BELOW - 1])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_patched_request_equals_one_encoded_whole(request_id: int, count: int) -> None:
    oids = [(1, 3, 6, 1, 2, 1, 2, 2, 1, i) for i in range(1, count + 1)]
    whole = pdu.encode_message(1, b"public", pdu.GET_BULK, request_id, 0, 25, [VarBind(o, 5, None) for o in oids])
    assert Request(1, b"public", pdu.GET_BULK, 0, 25, oids).with_id(request_id) == whole


@pytest.mark.parametrize("version", [2, 3, 17])
def test_other_versions_have_no_community(version: int) -> None:
    raw = bytearray(pdu.encode_message(1, b"c", pdu.GET, 1, 0, 0, []))
    raw[4] = version
    with pytest.raises(BerError, match="version"):
        pdu.decode_message(bytes(raw))


def test_a_value_that_does_not_fit_its_tag_is_refused() -> None:
    for tag, value in [(2, b"x"), (4, 5), (0x41, -1), (6, b"x"), (5, 0), (0x40, None)]:
        with pytest.raises(BerError):
            ber.encode_value(tag, value)


def test_the_oid_cache_is_bounded() -> None:
    cache = OidCache(limit=2)
    for i in range(5):
        assert cache[bytes((0x2B, i))] == (1, 3, i)
    assert len(cache) <= 2


@pytest.mark.parametrize(
    ("varbind", "text"),
    [
        (VarBind((1, 3, 6, 1), 0x43, 4711), "1.3.6.1 = TimeTicks: 4711"),
        (VarBind((1, 3), 4, "Trạm 1".encode()), '1.3 = STRING: "Trạm 1"'),
        (VarBind((1, 3), 4, b"\x00\x1b\x2c"), "1.3 = Hex-STRING: 00 1b 2c"),
        (VarBind((1, 3), 0x40, b"\x7f\0\0\x01"), "1.3 = IpAddress: 127.0.0.1"),
        (VarBind((1, 3), 0x44, bytes.fromhex("9f7804 3fc00000")), "1.3 = Opaque: 1.5"),
        (VarBind((1, 3), 0x44, bytes.fromhex("9f7908 3ff8000000000000")), "1.3 = Opaque: 1.5"),
        (VarBind((1, 3), 0x44, b"\x01"), "1.3 = Hex-Opaque: 01"),
        (VarBind((1, 3), 6, (1, 3, 6)), "1.3 = OID: 1.3.6"),
        (VarBind((1, 3), 0x81, None), "1.3 = noSuchInstance"),
        (VarBind((1, 3), 0x49, b"\x05"), "1.3 = Hex-0x49: 05"),
    ],
)
def test_varbinds_as_text(varbind: VarBind, text: str) -> None:
    assert format_varbind(varbind) == text


def test_oids_from_people() -> None:
    assert parse_oid(" .1.3.6.1 ") == (1, 3, 6, 1)
    for text in ("", "1..3", "sysDescr", "1.3.-1", "3.1", "1.²"):
        with pytest.raises(BerError, match="not an OID"):
            parse_oid(text)
