"""Whatever comes to the trap port: one BerError or an event, never another error; nothing unsigned is believed."""

from __future__ import annotations

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from netmon.collectors.snmp import ber
from netmon.collectors.snmp.ber import BerError
from netmon.collectors.snmp.pdu import (
    INFORM,
    TRAP_V2,
    V3,
    TrapV1,
    VarBind,
    begin,
    encode_message,
    encode_pdu,
    encode_trap_v1_message,
)
from netmon.collectors.snmp.trap_decode import SNMP_TRAP_OID, decode_notification, event_of
from netmon.collectors.snmp.trap_usm import Opened, TrapUsm
from netmon.collectors.snmp.usm import KeyRing
from netmon.collectors.snmp.v3 import AUTH, PRIV, REPORTABLE, encode_scope, read_wrapper
from netmon.collectors.snmp.v3 import encode_message as encode_v3
from tests.trap_bench import V3 as CREDENTIAL

LINK = (1, 3, 6, 1, 6, 3, 1, 1, 5, 3)
BINDS = [
    VarBind((1, 3, 6, 1, 2, 1, 1, 3, 0), ber.TIME_TICKS, 1),
    VarBind(SNMP_TRAP_OID, ber.OBJECT_ID, LINK),
    VarBind((1, 3, 6, 1, 2, 1, 2, 2, 1, 1, 7), ber.INTEGER, 7),
]
ENGINE, OURS = b"\x80\x00\x00\x09agent", b"\x80\x00\x00\x09netmon"
RING = KeyRing(1)


def v3_message(pdu_type: int, engine: bytes, boots: int, time_s: int) -> bytes:
    scope = encode_scope(engine, b"", encode_pdu(pdu_type, 5, 0, 0, BINDS))
    flags = AUTH | PRIV | (REPORTABLE if pdu_type == INFORM else 0)
    keys = RING.keys(CREDENTIAL, engine)
    return encode_v3(3, flags, engine, boots, time_s, CREDENTIAL.username.encode(), keys, scope, RING.salt())


SAMPLES = (
    encode_message(1, b"c", TRAP_V2, 1, 0, 0, BINDS),
    encode_trap_v1_message(b"c", TrapV1((1, 3, 6, 1, 4, 1, 9), bytes(4), 6, 5, 1), BINDS),
    v3_message(TRAP_V2, ENGINE, 2, 100),
    v3_message(INFORM, OURS, 7, 10),
)


def open_v3(usm: TrapUsm, raw: bytes, now_mono: float = 110.0) -> Opened:
    _, start, end = begin(raw)
    return usm.open(raw, read_wrapper(raw, start, end), CREDENTIAL, "r-1", now_mono)


def usm() -> TrapUsm:
    return TrapUsm(OURS, 7, 100.0, 1)


def take(raw: bytes) -> None:
    if begin(raw)[0] == V3:
        opened = open_v3(usm(), raw)
        assert opened.notification or opened.what
    else:
        event_of(decode_notification(raw), "r-1", 0.0)


@given(st.binary(max_size=400))
@example(b"\x30\x80")
def test_arbitrary_bytes(raw: bytes) -> None:
    with contextlib.suppress(BerError):
        take(raw)


@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 399), st.integers(0, 255)), max_size=4), st.data())
def test_damaged_messages(raw: bytes, changes: list[tuple[int, int]], data: st.DataObject) -> None:
    damaged = bytearray(raw[: data.draw(st.integers(0, len(raw)))])
    for at, value in changes:
        if at < len(damaged):
            damaged[at] = value
    with contextlib.suppress(BerError):
        take(bytes(damaged))


@given(st.sampled_from(SAMPLES[2:]), st.integers(0, 399), st.integers(1, 255))
def test_a_v3_message_with_one_changed_byte_is_not_believed(raw: bytes, at: int, flip: int) -> None:
    damaged = bytearray(raw)
    damaged[at % len(raw)] ^= flip
    with contextlib.suppress(BerError):
        assert open_v3(usm(), bytes(damaged)).notification is None


def test_those_samples_are_believed_as_they_are() -> None:
    for raw in SAMPLES[2:]:
        found = open_v3(usm(), raw).notification
        assert found is not None and found.trap == LINK


@given(st.integers(0, 400), st.integers(-400, 400))
def test_a_trap_from_before_the_window_is_a_replay(later_s: int, back_s: int) -> None:
    one = usm()
    assert open_v3(one, v3_message(TRAP_V2, ENGINE, 2, 1000), 100.0).notification
    opened = open_v3(one, v3_message(TRAP_V2, ENGINE, 2, 1000 - back_s), 100.0 + later_s)
    assert (opened.notification is not None) == (back_s < 0 or later_s + back_s <= 150)


@given(st.integers(0, 9), st.integers(-400, 400))
def test_an_inform_counts_at_our_boots_and_time_only(boots: int, off_s: int) -> None:
    opened = open_v3(usm(), v3_message(INFORM, OURS, boots, max(0, 500 + off_s)), 600.0)
    good = boots == 7 and abs(off_s) <= 150
    assert (opened.notification is not None) == good
    assert opened.reply, "the sender is told our time, or that it was heard"
