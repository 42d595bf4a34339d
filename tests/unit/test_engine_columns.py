"""The pure part of the engine: which requests a table needs and what replies mean, without a socket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.collectors.snmp.ber import COUNTER32, END_OF_MIB_VIEW, Oid
from netmon.collectors.snmp.columns import SPARE_BYTES, VARBIND_BYTES, Ask, ColumnWalk, shape
from netmon.collectors.snmp.pdu import GEN_ERR, NO_SUCH_NAME, TOO_BIG, VarBind, encode_varbind
from netmon.collectors.snmp.peer import CLEAN_POLLS, FLOOR_S, LEAST_VARBINDS, REPLY_VARBINDS, Peer

A, B, C = (1, 3, 1), (1, 3, 2), (1, 3, 3)


def bind(*oid: int, value: int = 0) -> VarBind:
    return VarBind(oid, COUNTER32, value)


def new_walk(*columns: Oid, **options: Any) -> ColumnWalk:
    settings: dict[str, Any] = {"bulk": True, "reply_varbinds": 56, "max_repetitions": 25, "sizes": {}} | options
    return ColumnWalk(columns, **settings)


def agent(objects: dict[Oid, VarBind], ask: Ask, cut: int = 10_000) -> list[VarBind]:
    """What an agent with ``objects`` answers, at most ``cut`` varbinds of it."""
    order, out, names = sorted(objects), [], list(ask.oids)
    for _ in range(ask.repetitions if ask.bulk else 1):
        row = []
        for name in names:
            oid = next((o for o in order if o > name), None)
            row.append(objects[oid] if oid else VarBind(name, END_OF_MIB_VIEW, None))
        out += row
        names = [v.oid for v in row]
    return out[:cut]


def drive(walk: ColumnWalk, objects: dict[Oid, VarBind], cut: int = 10_000) -> int:
    """Answer until the walk asks no more; returns the number of requests."""
    asks, count = walk.first(), 0
    while asks:
        count += 1
        assert count < 2000
        ask = asks.pop()
        asks += walk.reply(ask, 0, 0, agent(objects, ask, cut))
    return count


def table(rows: int, *columns: Oid) -> dict[Oid, VarBind]:
    return {(*c, i): bind(*c, i, value=i) for c in columns for i in range(1, rows + 1)}


@pytest.mark.parametrize(
    ("columns", "rows", "reply", "most", "expected"),
    [
        (20, 11, 56, 25, (4, 11)),  # a router's ports and one beyond
        (3, 101, 56, 25, (1, 18)),  # a long table: all columns together
        (1, 101, 56, 25, (1, 25)),
        (40, 1, 56, 25, (1, 1)),
        (80, 1, 56, 25, (2, 1)),
        (5, 10, 1, 25, (5, 1)),  # an agent that had trouble
        (5, 10, 56, 1, (1, 1)),  # v1
    ],
)
def test_shape_takes_the_fewest_packets(
    columns: int, rows: int, reply: int, most: int, expected: tuple[int, int]
) -> None:
    assert shape(columns, rows, reply, most) == expected


@given(st.integers(1, 60), st.integers(1, 300), st.integers(1, 60), st.integers(1, 50))
def test_shape_keeps_within_its_limits(columns: int, rows: int, reply: int, most: int) -> None:
    requests, repetitions = shape(columns, rows, reply, most)
    assert 1 <= repetitions <= most
    assert 1 <= requests <= columns
    assert -(-columns // requests) * repetitions <= reply or repetitions == 1


@given(
    st.dictionaries(st.sampled_from((A, B, C)), st.sets(st.integers(0, 200), max_size=40), min_size=1),
    st.integers(1, 60),
    st.integers(1, 30),
    st.integers(1, 70),
    st.booleans(),
    st.dictionaries(st.sampled_from((A, B, C)), st.integers(0, 50)),
)
def test_any_truncation_and_any_size_give_the_whole_table(
    rows: dict[Oid, set[int]], reply: int, most: int, cut: int, bulk: bool, sizes: dict[Oid, int]
) -> None:
    objects = {(*c, i): bind(*c, i, value=i) for c, indexes in rows.items() for i in indexes} | {(2, 0): bind(2, 0)}
    walk = new_walk(*rows, reply_varbinds=reply, max_repetitions=most, bulk=bulk, sizes=sizes)
    drive(walk, objects, cut)
    assert not walk.failed
    assert {c: [i for (i,) in got] for c, got in walk.rows.items()} == {c: sorted(i) for c, i in rows.items()}
    assert all(v.oid == (*c, *i) for c, got in walk.rows.items() for i, v in got.items())


def test_a_known_size_is_read_in_one_round() -> None:
    objects = table(10, A, B, C)
    walk = new_walk(A, B, C)
    drive(walk, objects)
    assert walk.sizes() == {A: 10, B: 10, C: 10}
    again = new_walk(A, B, C, sizes=walk.sizes())
    assert [(len(ask.columns), ask.repetitions) for ask in again.first()] == [(3, 11)]
    assert drive(again, objects) == 1


def test_tables_of_one_size_share_requests_and_troublesome_columns_stay_alone() -> None:
    other = (1, 4, 1)
    assert len(new_walk(A, B, other, sizes={A: 3, B: 3, other: 3}).first()) == 1
    assert len(new_walk(A, B, other, sizes={A: 3, B: 3, other: 3}, alone={B}).first()) == 2


def test_the_end_of_the_mib_ends_a_column() -> None:
    walk = new_walk(A)
    drive(walk, table(3, A))
    assert (len(walk.rows[A]), walk.failed) == (3, {})


@pytest.mark.parametrize(
    "binds",
    [
        [bind(1, 3, 1, 2), bind(1, 3, 1, 2)],  # stands still
        [bind(1, 3, 1, 2), bind(1, 3, 1, 1)],  # goes back
        [bind(1, 3, 1)],  # echoes the request
    ],
)
def test_names_that_do_not_increase_are_a_loop(binds: list[VarBind]) -> None:
    walk = new_walk(A)
    assert walk.reply(walk.first()[0], 0, 0, binds) == []
    assert walk.failed == {A: "loop"}


def test_leaving_the_column_backwards_is_its_end() -> None:
    """Some agents begin anew at the end of the MIB."""
    walk = new_walk(A)
    assert walk.reply(walk.first()[0], 0, 0, [bind(1, 3, 1, 5), bind(1, 2, 1)]) == []
    assert (list(walk.rows[A]), walk.failed) == ([(5,)], {})


def test_a_column_without_end_is_stopped() -> None:
    walk = new_walk(A, max_rows=50)
    asks, n = walk.first(), 0
    while asks:
        ask = asks.pop()
        asks += walk.reply(ask, 0, 0, [bind(*A, n := n + 1) for _ in range(ask.repetitions)])
    assert walk.failed == {A: "limit"}
    assert 50 <= len(walk.rows[A]) < 80


def test_more_varbinds_than_asked_for_are_not_believed() -> None:
    walk = new_walk(A, B, reply_varbinds=8)
    ask = walk.first()[0]
    walk.reply(ask, 0, 0, [bind(*c, i) for i in range(1, 100) for c in (A, B)])
    assert len(walk.rows[A]) == ask.repetitions


def errors(walk: ColumnWalk, status: int, bad: Oid | None, objects: dict[Oid, VarBind]) -> list[tuple[int, int, bool]]:
    """Drive an agent that answers every request holding ``bad`` (or any) with an error; returns what was asked."""
    asks, seen = walk.first(), []
    while asks:
        ask = asks.pop(0)
        seen.append((len(ask.columns), ask.repetitions, ask.bulk))
        assert len(seen) < 500
        roots = [column.root for column in ask.columns]
        if bad is None or bad in roots:
            asks += walk.reply(ask, status, 0 if bad is None or status == TOO_BIG else roots.index(bad) + 1, [])
        else:
            asks += walk.reply(ask, 0, 0, agent(objects, ask))
    return seen


def test_gen_err_fails_one_column_and_keeps_the_others() -> None:
    walk = new_walk(A, B, C)
    seen = errors(walk, GEN_ERR, B, table(4, A, B, C))
    assert walk.failed == {B: "genErr"}
    assert (len(walk.rows[A]), len(walk.rows[C])) == (4, 4)
    assert (1, 1, False) in seen  # asked alone with GETNEXT before it was given up
    assert walk.culprits == {B}


def test_too_big_halves_the_repetitions_then_the_columns() -> None:
    walk = new_walk(A, B, sizes={A: 7, B: 7})
    seen = errors(walk, TOO_BIG, None, {})
    assert seen == [(2, 8, True), (2, 4, True), (2, 2, True), (2, 1, False), (1, 1, False), (1, 1, False)]
    assert walk.failed == {A: "tooBig", B: "tooBig"}
    assert walk.trouble == 1


def test_an_error_that_points_nowhere_is_narrowed_down() -> None:
    walk = new_walk(A, B)
    errors(walk, GEN_ERR, None, {})
    assert walk.failed == {A: "genErr", B: "genErr"}


def test_no_such_name_ends_one_column_of_a_v1_agent() -> None:
    walk = new_walk(A, B, bulk=False)
    [ask] = walk.first()
    [ask] = walk.reply(ask, 0, 0, [bind(*A, 1), bind(*B, 1)])
    [ask] = walk.reply(ask, NO_SUCH_NAME, 2, [])
    assert [column.root for column in ask.columns] == [A]
    assert walk.reply(ask, NO_SUCH_NAME, 1, []) == []
    assert (walk.failed, walk.sizes()) == ({}, {A: 1, B: 1})


def test_empty_replies_end() -> None:
    walk = new_walk(A, B)
    asks = walk.first()
    while asks:
        asks += walk.reply(asks.pop(), 0, 0, [])
    assert walk.failed == {A: "empty", B: "empty"}


def test_what_stays_unanswered_is_asked_in_ever_smaller_parts() -> None:
    walk = new_walk(A, B)
    [ask] = walk.first()
    alone = walk.no_reply(ask)
    assert [len(a.columns) for a in alone] == [1, 1]
    [next_a] = walk.no_reply(alone[0])
    assert not next_a.bulk
    assert walk.no_reply(next_a) == []
    walk.stop("budget")
    assert walk.failed == {A: "timeout", B: "budget"}
    assert walk.culprits == {A}


def test_the_timeout_follows_the_round_trip() -> None:
    """RFC 6298 section 2, by hand: 1.0, then 2.0."""
    peer = Peer(1.5)
    assert peer.rto_s == 1.5
    peer.answered(0.0, 1.0)
    assert (peer.srtt_s, peer.rttvar_s, peer.rto_s) == (1.0, 0.5, 3.0)
    peer.answered(0.0, 2.0)
    assert (peer.srtt_s, peer.rttvar_s, peer.rto_s) == (1.125, 0.625, 3.625)
    for _ in range(50):
        peer.answered(0.0, 0.001)
    assert peer.rto_s == FLOOR_S
    peer.answered(0.0, None)  # ambiguous: doubled, not measured
    assert peer.rto_s == 2 * FLOOR_S
    for _ in range(9):
        peer.answered(0.0, None)
    assert peer.rto_s == 6.0


@pytest.mark.parametrize(
    ("rtt_s", "waits"),
    [
        (None, [1.5, 1.5, 1.5]),  # unknown: the configured timeout each time
        (0.001, [0.3, 0.6, 3.6]),  # near: sent again soon, given up as late as any
        (2.0, [6.0, 6.0, 6.0]),  # slower than the configured timeout
    ],
)
def test_resent_early_given_up_late(rtt_s: float | None, waits: list[float]) -> None:
    peer = Peer(1.5)
    if rtt_s:
        peer.answered(0.0, rtt_s)
    got: list[float] = []
    for attempt in range(3):
        got.append(peer.wait_s(attempt, 3, sum(got)))
    assert got == pytest.approx(waits)


def test_trouble_is_remembered_and_forgotten() -> None:
    peer = Peer(1.0)
    peer.learn({A: 3}, {}, {B}, 40)
    assert (peer.reply_varbinds, peer.alone, peer.sizes) == (20, {B}, {A: 3})
    peer.learn({}, {}, set(), 2)
    assert peer.reply_varbinds == LEAST_VARBINDS
    for _ in range(3 * CLEAN_POLLS):
        peer.learn({B: 3}, {}, set(), 0)
    assert (peer.reply_varbinds, peer.alone) == (REPLY_VARBINDS, set())


def test_a_reply_holds_as_many_columns_as_have_room_in_it_by_their_bytes() -> None:
    columns = [(*A[:-1], number) for number in range(1, 18)]
    sizes = dict.fromkeys(columns, 20)

    def asked(widths: dict[Oid, int]) -> list[tuple[int, int]]:
        walk = new_walk(*columns, sizes=sizes, widths=widths)
        return [(len(ask.columns), ask.repetitions) for ask in walk.first()]

    narrow = dict.fromkeys(columns, 20)
    assert asked(narrow) == [(3, 21)] * 5 + [(2, 21)]
    assert asked({}) == asked(dict.fromkeys(columns, 25)) == [(17, 3)]  # three of 25 bytes would be too much
    assert asked(narrow | {columns[0]: 24, columns[1]: 18}) == asked(narrow)  # who shares a request stays the same
    for wide in (60, 300, 2000):  # asked for as if nothing was known of them, at worst
        assert asked(dict.fromkeys(columns, wide)) == [(17, 3)]


@given(st.lists(st.integers(6, 200), min_size=1, max_size=40), st.integers(1, 60), st.integers(1, 60))
def test_no_request_asks_for_more_than_fits_but_for_one_that_asks_for_as_much_as_any_unknown(
    widths: list[int], rows: int, reply: int
) -> None:
    columns = {(1, 3, 1, number): size for number, size in enumerate(widths)}
    walk = new_walk(*columns, sizes=dict.fromkeys(columns, rows), widths=columns, reply_varbinds=reply)
    asks = walk.first()
    assert sorted(column.root for ask in asks for column in ask.columns) == sorted(columns)
    for ask in asks:
        size = sum(columns[column.root] for column in ask.columns) * ask.repetitions
        assert size <= reply * VARBIND_BYTES + SPARE_BYTES or ask.varbinds <= reply or ask.repetitions == 1


def test_widths_are_those_on_the_wire() -> None:
    objects = {(*A, i): VarBind((*A, i), 0x46, 1 << 8 * (i % 8) - (i % 8 > 0)) for i in range(1, 100)}
    walk = new_walk(A)
    drive(walk, objects)
    encoded = [len(encode_varbind(varbind)) for varbind in objects.values()]
    assert abs(walk.widths()[A] - sum(encoded) / len(encoded)) <= 1
