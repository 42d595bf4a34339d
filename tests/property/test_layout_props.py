"""What a layout reads is what the general decoder reads, of every list it takes for its own, however that was made."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from netmon.collectors.snmp import ber, pdu
from netmon.collectors.snmp.ber import BerError, Oid, OidCache
from netmon.collectors.snmp.course import Asked, Course, Repeat, Step
from netmon.collectors.snmp.layout import Layout, read_names, read_values
from netmon.collectors.snmp.pdu import VarBind
from tests.property.test_ber_props import oids, values

COUNTERS = {ber.COUNTER32: 32, ber.GAUGE32: 32, ber.TIME_TICKS: 32, ber.COUNTER64: 64}
tags = st.sampled_from((*COUNTERS, ber.INTEGER, ber.UINTEGER32))


@st.composite
def sloppy(draw: Any) -> bytes:
    """One varbind as agents write them: any width, needless length bytes, values without or with leading bytes."""

    def tlv(tag: int, content: bytes) -> bytes:
        form = draw(st.sampled_from((0, 0, 0, 1, 2)))
        size = len(content)
        if not form and size < 0x80:
            return bytes((tag, size)) + content
        form = max(form, 1 if size < 0x100 else 2)
        return bytes((tag, 0x80 | form)) + size.to_bytes(form, "big") + content

    name = tlv(ber.OBJECT_ID, ber.encode_oid(draw(oids)) if draw(st.booleans()) else draw(st.binary(max_size=2)))
    number = draw(st.booleans())
    value = tlv(draw(tags), draw(st.binary(max_size=10))) if number else ber.encode_value(*draw(values))
    return tlv(ber.SEQUENCE, name + value)


lists = st.one_of(
    st.lists(sloppy(), max_size=8).map(b"".join),
    st.lists(st.tuples(oids, values).map(lambda p: pdu.encode_varbind(VarBind(p[0], *p[1]))), max_size=8).map(b"".join),
)


def general(data: bytes) -> list[VarBind] | None:
    with contextlib.suppress(BerError):
        return pdu.decode_varbinds(data, 0, len(data), OidCache())
    return None


def names(varbinds: list[VarBind]) -> list[tuple[Oid, int]]:
    return [(varbind.oid, varbind.tag) for varbind in varbinds]


def layout_of(data: bytes, learnt: list[VarBind]) -> Layout:
    return Layout(data, [varbind.value for varbind in learnt])


def check(layout: Layout, learnt: list[VarBind], data: bytes) -> bool:
    """Whether the layout takes ``data``; then it must be what the general decoder makes of it, under the same names."""
    try:
        found = layout.read(b"before" + data + b"behind", 6, 6 + len(data))
    except BerError:
        assert general(data) is None
        return False
    if found is None:
        return False
    varbinds = general(data)
    assert varbinds is not None
    assert names(varbinds) == names(learnt)
    assert found == tuple(varbind.value for varbind in varbinds)
    assert [type(value) for value in found] == [type(varbind.value) for varbind in varbinds]
    return True


@given(lists)
def test_a_list_is_read_by_its_own_layout(data: bytes) -> None:
    learnt = general(data)
    assume(learnt is not None)
    assert learnt is not None
    assert check(layout_of(data, learnt), learnt, data)


@given(lists, st.lists(st.tuples(st.integers(0, 500), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_byte_flipped_anywhere_is_read_rightly_or_not_at_all(data: bytes, flips: list[tuple[int, int]]) -> None:
    learnt = general(data)
    assume(bool(learnt))
    assert learnt is not None
    layout, other = layout_of(data, learnt), bytearray(data)
    for at, flip in flips:
        other[at % len(other)] ^= flip
        check(layout, learnt, bytes(other))


@given(lists, lists)
def test_another_list_is_read_rightly_or_not_at_all(data: bytes, other: bytes) -> None:
    learnt = general(data)
    assume(learnt is not None)
    assert learnt is not None
    layout = layout_of(data, learnt)
    check(layout, learnt, other)
    check(layout, learnt, data + other)
    check(layout, learnt, data[: len(data) // 2] + other[len(other) // 2 :])


@given(
    st.lists(st.tuples(oids, tags, st.integers(0, 9)), min_size=1, max_size=10),
    st.lists(st.integers(0, 2**64 - 1), min_size=20, max_size=20),
    st.booleans(),
)
def test_other_values_of_the_same_widths_are_read(
    shape: list[tuple[Oid, int, int]], numbers: list[int], negative: bool
) -> None:
    def made(numbers: list[int]) -> bytes:
        out = b""
        for (oid, tag, width), number in zip(shape, numbers, strict=False):
            most = 8 if tag in (ber.COUNTER64, ber.INTEGER) else 4
            size = min(width, most)
            content = (number % 256**size).to_bytes(size, "big")
            if tag == ber.INTEGER:  # the sign is part of the layout
                content = bytes((byte | 0x80 if negative else byte & 0x7F) for byte in content[:1]) + content[1:]
            else:  # so are bytes that say nothing
                content = bytes(width - size) + content
            name = ber.encode_tlv(ber.OBJECT_ID, ber.encode_oid(oid))
            out += ber.encode_tlv(ber.SEQUENCE, name + ber.encode_tlv(tag, content))
        return out

    one, other = made(numbers), made(numbers[::-1])
    learnt = general(one)
    assert learnt is not None
    assert check(layout_of(one, learnt), learnt, other)


@given(lists, lists, st.booleans())
def test_a_repetition_takes_a_reply_of_the_names_it_knows_and_no_other(data: bytes, other: bytes, keep: bool) -> None:
    learnt, second = general(data), general(other)
    assume(bool(learnt) and second is not None)
    assert learnt is not None and second is not None
    wanted = read_names(data)
    assert wanted is not None
    assert [*zip(wanted.oids, wanted.tags, strict=True)] == names(learnt)
    repeat = Repeat(Course((Step(Asked(0xA0, 0, ()), -1, wanted),)), keep)
    assert repeat.read(0, data, 0, len(data)) is None
    for sent, varbinds in ((data, learnt), (other, second), (data, learnt)):
        expected = tuple(v.value for v in varbinds) if read_names(sent) == wanted else None
        assert repeat.read_again(0, b"x" + sent + b"y", 1, 1 + len(sent)) in (expected, None)
        assert repeat.learn(0, sent, varbinds) == expected
        if keep and expected is not None:
            assert repeat.read(0, sent, 0, len(sent)) == expected


@given(lists, st.lists(st.tuples(st.integers(0, 500), st.integers(1, 255)), max_size=3))
def test_what_is_read_by_names_is_what_is_read_in_general(data: bytes, flips: list[tuple[int, int]]) -> None:
    learnt = general(data)
    assume(bool(learnt))
    wanted, other = read_names(data), bytearray(data)
    assert learnt is not None and wanted is not None
    for at, flip in flips:
        other[at % len(other)] ^= flip
    came = bytes(other)
    try:
        found = read_values(came, 0, len(came), wanted)
    except BerError:
        assert general(came) is None
        return
    if found is not None:
        varbinds = general(came)
        assert varbinds is not None and names(varbinds) == names(learnt)
        assert found == tuple(varbind.value for varbind in varbinds)
