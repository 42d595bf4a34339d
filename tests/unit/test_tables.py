"""Varbinds to text: labels, values, types, clashes."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netmon.collectors.snmp.index import decode_arcs
from netmon.collectors.snmp.modules import Index, Metric, Oid
from netmon.collectors.snmp.modules_read import parse_modules
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.tables import Renderer, escape, format_value, header
from netmon.collectors.snmp.values import date_number, number

BASE = {"device": "d", "site": "s"}
COLUMN: Oid = (1, 3, 6, 1, 4, 1, 9999, 1, 1, 2)
TEXT = (1, 3, 6, 1, 4, 1, 9999, 1, 1, 3)


def metric(**fields: object) -> Metric:
    tree = {"name": "m", "oid": ".".join(map(str, COLUMN)), "type": "gauge", "help": "h", **fields}
    parsed = parse_modules({"modules": {"x": {"metrics": [tree]}}})
    assert not parsed.problems, parsed.problems
    return parsed.modules["x"].metrics[0]


def rows(values: dict[Oid, tuple[int, object]], column: Oid = COLUMN) -> dict[Oid, VarBind]:
    return {index: VarBind(column + index, tag, value) for index, (tag, value) in values.items()}  # type: ignore[arg-type]


def render(
    m: Metric, values: dict[Oid, tuple[int, object]], others: dict[Oid, dict[Oid, tuple[int, object]]] | None = None
) -> str:
    renderer = Renderer(BASE)
    columns = {COLUMN: rows(values)} | {oid: rows(found, oid) for oid, found in (others or {}).items()}
    return b"".join(renderer.render(m, columns[COLUMN], columns, " 7\n").values()).decode()


INDEXES = [
    ("gauge", {}, (7,), "7", ()),
    ("gauge", {}, (7, 8), "7", (8,)),
    ("gauge", {}, (), "0", ()),  # an index that is too short
    ("PhysAddress48", {}, (1, 2, 3, 170, 187, 204, 9), "01:02:03:AA:BB:CC", (9,)),
    ("InetAddressIPv4", {}, (10, 0, 0, 1), "10.0.0.1", ()),
    ("InetAddressIPv6", {}, (*range(16), 5), "0001:0203:0405:0607:0809:0A0B:0C0D:0E0F", (5,)),
    ("OctetString", {}, (2, 65, 66, 9), "0x4142", (9,)),
    ("OctetString", {}, (0,), "", ()),
    ("OctetString", {"fixed_size": 2}, (65, 66, 9), "0x4142", (9,)),
    ("OctetString", {"implied": True}, (65, 66, 9), "0x414209", ()),
    ("DisplayString", {}, (2, 104, 105, 9), "hi", (9,)),
    ("DisplayString", {"implied": True}, (104, 105), "hi", ()),
    ("DisplayString", {}, (2, 195, 169), "é", ()),
    ("DisplayString", {}, (1, 233), "\ufffd", ()),
    ("EnumAsInfo", {"enum_values": {2: "two"}}, (2, 1), "two", (1,)),
    ("EnumAsInfo", {"enum_values": {2: "two"}}, (3,), "3", ()),
    ("InetAddress", {}, (1, 4, 10, 0, 0, 1, 9), "10.0.0.1", (9,)),
    ("InetAddress", {}, (2, 16, *range(16)), "0001:0203:0405:0607:0809:0A0B:0C0D:0E0F", ()),
    ("InetAddress", {}, (16, 2, 97, 98, 9), "0x10026162", (9,)),
    ("LldpPortId", {}, (5, 2, 104, 105, 9), "hi", (9,)),
    ("InetAddressMissingSize", {}, (1, 10, 0, 0, 1), "10.0.0.1", ()),
]


@pytest.mark.parametrize(("kind", "fields", "arcs", "text", "left"), INDEXES)
def test_index_types(kind: str, fields: dict[str, object], arcs: Oid, text: str, left: Oid) -> None:
    assert decode_arcs(arcs, Index("i", kind, **fields))[::2] == (text, left)  # type: ignore[arg-type]


def test_numbers_carry_base_labels_index_and_time() -> None:
    m = metric(indexes=[{"labelname": "i", "type": "gauge"}])
    assert render(m, {(1,): (65, 5), (2,): (70, 2**64 - 1)}) == (
        'm{device="d",site="s",i="1"} 5 7\nm{device="d",site="s",i="2"} 18446744073709551615 7\n'
    )


def test_scale_and_offset() -> None:
    assert render(metric(scale="0.1", offset="2"), {(0,): (2, 235)}) == 'm{device="d",site="s"} 25.5 7\n'


def test_values_that_are_no_numbers_are_left_out_and_counted() -> None:
    renderer = Renderer(BASE)
    found = rows({(1,): (4, b""), (2,): (4, b"12"), (3,): (4, b"abc"), (4,): (6, (1, 3)), (5,): (4, b" 4.5 ")})
    m = metric(indexes=[{"labelname": "i", "type": "gauge"}])
    text = b"".join(renderer.render(m, found, {}, "\n").values()).decode()
    assert text == 'm{device="d",site="s",i="2"} 12\nm{device="d",site="s",i="5"} 4.5\n'
    assert renderer.bad_values == 3


LOOKUP = {"labels": ["i"], "labelname": "name", "oid": ".".join(map(str, TEXT)), "type": "DisplayString"}


def test_lookups_add_and_drop_labels() -> None:
    m = metric(indexes=[{"labelname": "i", "type": "gauge"}], lookups=[LOOKUP, {"labels": [], "labelname": "i"}])
    text = render(m, {(1,): (2, 5), (2,): (2, 6)}, {TEXT: {(1,): (4, b'a"\\\nb')}})
    assert text == 'm{device="d",site="s",name="a\\"\\\\\\nb"} 5 7\nm{device="d",site="s"} 6 7\n'


def test_chained_lookup_goes_through_a_number() -> None:
    other = (1, 3, 6, 1, 4, 1, 9999, 2, 1, 1)
    lookups = [
        {"labels": ["i"], "labelname": "group", "oid": ".".join(map(str, other)), "type": "gauge"},
        {"labels": ["group"], "labelname": "name", "oid": ".".join(map(str, TEXT)), "type": "DisplayString"},
    ]
    m = metric(indexes=[{"labelname": "i", "type": "gauge"}], lookups=lookups)
    text = render(m, {(1,): (2, 5)}, {other: {(1,): (2, 42)}, TEXT: {(42,): (4, b"north")}})
    assert 'i="1",group="42",name="north"' in text


def test_stable_names_stand_for_a_looked_up_column() -> None:
    m = metric(indexes=[{"labelname": "i", "type": "gauge"}], lookups=[LOOKUP])
    renderer = Renderer(BASE, {TEXT: {(1,): "eth0#1"}})
    columns = {COLUMN: rows({(1,): (2, 5)}), TEXT: rows({(1,): (4, b"eth0")}, TEXT)}
    assert b'name="eth0#1"' in renderer.render(m, columns[COLUMN], columns, "\n")["m"]


def test_clashing_rows_get_their_index_and_are_counted_once() -> None:
    m = metric(indexes=[{"labelname": "i", "type": "gauge"}], lookups=[LOOKUP, {"labels": [], "labelname": "i"}])
    renderer = Renderer(BASE)
    columns = {COLUMN: rows({(1,): (2, 5), (2,): (2, 6)}), TEXT: rows({(1,): (4, b"x"), (2,): (4, b"x")}, TEXT)}
    for _ in range(2):
        text = renderer.render(m, columns[COLUMN], columns, "\n")["m"].decode()
        assert text == 'm{device="d",site="s",name="x"} 5\nm{device="d",site="s",name="x",index="2"} 6\n'
    assert renderer.duplicates == 1


def test_two_objects_of_one_name_never_share_a_series() -> None:
    first, second = metric(), metric(oid="1.3.6.1.4.1.9999.9")
    renderer = Renderer(BASE)
    lines = renderer.render(first, rows({(0,): (2, 1)}), {}, "\n")["m"]
    lines += renderer.render(second, rows({(0,): (2, 2)}, second.oid), {}, "\n")["m"]
    assert lines == b'm{device="d",site="s"} 1\nm{device="d",site="s",index="0"} 2\n'


def test_text_becomes_a_label_of_a_one() -> None:
    assert render(metric(type="DisplayString"), {(0,): (4, b"v1 \xff")}) == 'm{device="d",site="s",m="v1 \ufffd"} 1 7\n'
    assert render(metric(type="OctetString"), {(0,): (4, b"\x01\xab")}) == 'm{device="d",site="s",m="0x01AB"} 1 7\n'
    assert render(metric(type="PhysAddress48"), {(0,): (4, bytes(range(6)))}) == (
        'm{device="d",site="s",m="00:01:02:03:04:05"} 1 7\n'
    )
    assert render(metric(type="OctetString"), {(0,): (6, (1, 3, 6))}) == 'm{device="d",site="s",m="1.3.6"} 1 7\n'


def test_combined_type_comes_from_the_column_before() -> None:
    before = (*COLUMN[:-1], COLUMN[-1] - 1)
    m = metric(type="InetAddress")
    assert 'm="10.0.0.1"' in render(m, {(0,): (4, bytes([10, 0, 0, 1]))}, {before: {(0,): (2, 1)}})
    assert 'm="0x0A000001"' in render(m, {(0,): (4, bytes([10, 0, 0, 1]))})


ENUM = {"1": "up", "2": "down"}


def test_enums() -> None:
    assert render(metric(type="EnumAsInfo", enum_values=ENUM), {(0,): (2, 2)}) == (
        'm_info{device="d",site="s",m="down"} 1 7\n'
    )
    assert render(metric(type="EnumAsInfo", enum_values=ENUM), {(0,): (2, 9)}).count('m="9"') == 1
    assert render(metric(type="EnumAsStateSet", enum_values=ENUM), {(0,): (2, 2)}) == (
        'm{device="d",site="s",m="up"} 0 7\nm{device="d",site="s",m="down"} 1 7\n'
    )
    assert render(metric(type="EnumAsStateSet", enum_values=ENUM), {(0,): (2, 5)}).splitlines()[-1] == (
        'm{device="d",site="s",m="5"} 1 7'
    )


def test_bits() -> None:
    m = metric(type="Bits", enum_values={"0": "a", "1": "b", "9": "c", "20": "d"})
    text = render(m, {(0,): (4, bytes([0b01000000, 0b01000000]))})
    assert [line.split("m=")[1] for line in text.splitlines()] == ['"a"} 0 7', '"b"} 1 7', '"c"} 1 7', '"d"} 0 7']


def test_extracts_take_the_first_that_matches_whole() -> None:
    m = metric(
        type="DisplayString",
        regex_extracts={
            "Volts": [{"regex": r"(\d+) V", "value": "$1"}, {"regex": r"(.*)", "value": "$1"}],
            "On": [{"regex": "on", "value": "1"}, {"regex": ".*", "value": "0"}],
        },
    )
    assert render(m, {(0,): (4, b"230 V")}) == 'mVolts{device="d",site="s"} 230.0 7\nmOn{device="d",site="s"} 0.0 7\n'
    assert render(m, {(0,): (4, b"on")}) == 'mOn{device="d",site="s"} 1.0 7\n'


@pytest.mark.parametrize(
    ("kind", "value", "pattern", "seconds"),
    [
        ("DateAndTime", bytes([7, 226, 1, 15, 10, 30, 5, 0]), "", 1516012205.0),
        ("DateAndTime", bytes([7, 226, 1, 15, 10, 30, 5, 0]) + b"+\x07\x00", "", 1516012205.0 - 7 * 3600),
        ("DateAndTime", bytes([7, 226, 1, 15, 10, 30, 5, 0]) + b"-\x01\x1e", "", 1516012205.0 + 5400),
        ("DateAndTime", bytes(8), "", None),  # no date set
        ("DateAndTime", b"abc", "", None),
        ("ParseDateAndTime", b"Jan 15 2018", "%b %d %Y", 1515974400.0),
        ("ParseDateAndTime", b"soon", "%b %d %Y", None),
        ("NTPTimeStamp", bytes([0xDE, 0x07, 0x0B, 0xAD, 0, 0, 0, 0]), "", 0xDE070BAD - 2208988800),
    ],
)
def test_dates(kind: str, value: bytes, pattern: str, seconds: float | None) -> None:
    assert date_number(kind, value, pattern) == seconds


@pytest.mark.parametrize(
    ("tag", "value", "found"),
    [
        (0x44, b"\x9f\x78\x04\x41\x48\x00\x00", 12.5),
        (0x44, b"\x9f\x79\x08\x40\x29\x00\x00\x00\x00\x00\x00", 12.5),
        (0x44, b"\x9f\x78\x04", None),
        (0x04, b"1_000", None),
        (0x04, b"nan", None),
        (0x04, b"-7", -7),
        (0x80, 0, None),
        (0x05, None, None),
    ],
)
def test_numbers(tag: int, value: object, found: float | None) -> None:
    assert number(tag, value) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (0.1, "0.1"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (1e300, "1e+300"),
        (-0.0, "-0.0"),
    ],
)
def test_formatting(value: float, text: str) -> None:
    assert format_value(value) == text


def test_types_and_help_are_as_prometheus_wants_them() -> None:
    assert header("m", metric(type="counter")) == b"# HELP m h\n# TYPE m counter\n"
    assert header("m", metric(type="DisplayString", help="a\\b\nc")) == b"# HELP m a\\\\b\\nc\n# TYPE m gauge\n"


def test_prometheus_reads_back_what_was_written() -> None:
    m = metric(indexes=[{"labelname": "i", "type": "DisplayString", "implied": True}])
    nasty = 'đường "x" \\ {a="b"}\n,'
    text = render(m, {tuple(nasty.encode()): (2, 5)})
    (family,) = text_string_to_metric_families(text)
    assert family.samples[0].labels["i"] == nasty
    assert escape(nasty) in text
