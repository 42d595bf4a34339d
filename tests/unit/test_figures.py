"""Figures: the grammar, the named quirks (each value seen in a device's walk), joins, and who wins."""

from __future__ import annotations

import math
import re

import pytest

from netmon.collectors.snmp.figures_read import read_figures
from netmon.collectors.snmp.modules_read import Reader
from netmon.figures import Condition, Expr, FigureSpec, Raw, evaluate, parse_expression
from netmon.model import Figure
from netmon.quirks import NEEDS, QUIRKS
from netmon.rawvalues import Oid, Value, as_number, as_text

BASE = {"device": "d", "site": "s"}


def spec(value: str, **fields: object) -> FigureSpec:
    return FigureSpec("netmon_x", parse_expression(value), **fields)  # type: ignore[arg-type]


def values(*specs: FigureSpec, ports: dict[int, str] | None = None, **metrics: dict[Oid, Value]) -> list[float]:
    return [figure.value for figure in evaluate(specs, Raw(metrics, ports or {}), BASE)]


def no_row(metric: str) -> float | None:
    return None


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ("a", Expr("value", "a")),
        ("value(a)", Expr("value", "a")),
        ("ratio(a, b)", Expr("ratio", args=(Expr("value", "a"), Expr("value", "b")))),
        ("sum(a,2)", Expr("sum", args=(Expr("value", "a"), Expr("number", number=2)))),
    ],
)
def test_grammar(text: str, expr: Expr) -> None:
    assert parse_expression(text) == expr


@pytest.mark.parametrize(
    "text", ["", "1", "a b", "ratio(a)", "ratio(a,b,c)", "max(a)", "sum(a", "sum()", "a)", "a-b", ","]
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(ValueError):
        parse_expression(text)


def test_expressions_row_by_row() -> None:
    used, free = {(1,): 30, (2,): 50}, {(1,): 70, (2,): 0}
    assert values(spec("ratio(a, sum(a, b))", aggregate="max"), a=used, b=free) == [1.0]
    assert values(spec("ratio(a, sum(a, b))", aggregate="min"), a=used, b=free) == [0.3]
    assert values(spec("a", aggregate="mean"), a=used) == [40.0]
    assert values(spec("a", aggregate="sum", scale=0.5), a=used) == [40.0]
    assert values(spec("ratio(a, b)"), a={(1,): 1}, b={(1,): 0}) == []  # no division by zero
    assert values(spec("ratio(a, b)"), a={(1,): 1}, b={(2,): 4, (3,): 4}) == []  # rows that do not belong together
    assert values(spec("ratio(a, b)"), a={(1,): 1}, b={(0,): 4}) == [0.25]  # a scalar belongs to every row
    assert values(spec("a")) == []


def test_the_newest_record_counts_even_if_it_has_no_value() -> None:
    records: dict[Oid, Value] = {(1, 8): 5, (1, 9): 6, (1, 10): 7}
    assert values(spec("a", aggregate="last"), a=records) == [7.0]
    assert values(spec("a", aggregate="last", high=6), a=records) == []
    over = (Condition("b", equals=frozenset({"1"})),)
    done: dict[Oid, Value] = {(1, 8): 1, (1, 9): 1, (1, 10): 0}
    assert values(spec("a", aggregate="last", where=over), a=records, b=done) == [6.0]


def test_conditions_on_labels_of_the_index() -> None:
    raw = Raw({"a": {(1, 1): 5, (1, 2): 6}}, {}, lambda metric, index: {"kind": str(index[-1])})
    wanted = spec("a", where=(Condition("kind", equals=frozenset({"2"})),))
    assert [figure.value for figure in evaluate([wanted], raw, BASE)] == [6.0]
    unknown = spec("a", where=(Condition("colour", equals=frozenset({"2"})),))
    assert evaluate([unknown], raw, BASE) == []


def test_range_and_meaning_one() -> None:
    assert values(spec("a", low=0, high=1), a={(0,): 2}) == []
    assert values(spec("a", means_one=frozenset({6.0})), a={(0,): 6}) == [1.0]
    assert values(spec("a", means_one=frozenset({6.0})), a={(0,): 5}) == [0.0]


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        (Condition("m", equals=frozenset({"8"})), 8, True),
        (Condition("m", equals=frozenset({"8"})), 9, False),
        (Condition("m", equals=frozenset({"8"})), None, False),
        (Condition("m", equals=frozenset({"1.3.6"})), (1, 3, 6), True),
        (Condition("m", unless=frozenset({"2"})), 2, False),
        (Condition("m", unless=frozenset({"2"})), None, True),
        (Condition("m", pattern=re.compile("(?i)rx")), b"Port 1 Rx Power", True),
        (Condition("m", pattern=re.compile("rx")), b"tx", False),
        (Condition("m", above=0.0), 1, True),
        (Condition("m", above=0.0), 0, False),
        (Condition("m", below=5.0), b"4.9%", True),
        (Condition("m", below=5.0), b"-", False),
    ],
)
def test_conditions(condition: Condition, value: Value, holds: bool) -> None:
    assert condition.holds(value) is holds


def test_labels_from_metrics_index_and_text() -> None:
    raw = Raw({"a": {(1, 2): 5}, "name": {(1, 2): b"PSU 1\0 "}}, {}, lambda metric, index: {"slot": "7"})
    wanted = spec("a", labels=(("sensor", "$name"), ("slot", "$slot"), ("text", "fan $index"), ("other", "$none|x")))
    (figure,) = evaluate([wanted], raw, BASE)
    assert dict(figure.labels) == BASE | {"sensor": "PSU 1", "slot": "7", "text": "fan 1.2", "other": "x"}


def test_a_row_without_its_label_is_left_out() -> None:
    assert values(spec("a", labels=(("ifName", "$port"),), join="ifindex"), a={(1,): 5, (2,): 6}, ports={1: "ge1"}) == [
        5.0
    ]


def test_first_figure_of_a_name_and_label_set_wins() -> None:
    assert evaluate([spec("a"), spec("b")], Raw({"a": {(0,): 1}, "b": {(0,): 2}}), BASE) == [
        Figure("netmon_x", (("device", "d"), ("site", "s")), 1.0)
    ]
    assert values(spec("a"), spec("b"), b={(0,): 2}) == [2.0]


ENTITY = {
    # chassis 1 > transceiver 10 (module) > port 11 and its sensor 12 beside it; 20: a board with two ports below
    "entPhysicalContainedIn": {(10,): 1, (11,): 10, (12,): 10, (20,): 1, (21,): 20, (22,): 20, (23,): 20, (24,): 21},
    "entPhysicalClass": {(1,): 3, (10,): 9, (11,): 10, (12,): 8, (20,): 9, (21,): 10, (22,): 10, (23,): 8, (24,): 8},
    "entAliasMappingIdentifier": {(11, 0): (1, 3, 6, 1, 2, 1, 2, 2, 1, 1, 5), (21, 0): (1, 1, 6), (22, 0): (1, 1, 7)},
    "entPhysicalName": {(30,): b"ge9", (12,): b"transceiver Rx", (31,): b"port 31"},
}
PORTS = {5: "ge5", 6: "ge6", 7: "ge7", 9: "ge9"}


@pytest.mark.parametrize(
    ("entity", "port"),
    [
        (11, "ge5"),  # the port itself
        (12, "ge5"),  # a sensor beside the only port of its transceiver
        (24, "ge6"),  # a sensor below its port
        (23, ""),  # a board's own sensor: two ports, so none
        (30, "ge9"),  # by its name
        (31, ""),  # a port entity without an interface never takes its neighbour's
    ],
)
def test_sensor_to_port(entity: int, port: str) -> None:
    raw = Raw({"a": {(entity,): 1}, **ENTITY}, PORTS)  # type: ignore[dict-item]
    found = evaluate([spec("a", labels=(("ifName", "$port"),), join="entity")], raw, {})
    assert [dict(figure.labels)["ifName"] for figure in found] == ([port] if port else [])


@pytest.mark.parametrize(
    ("sensor", "port"),
    [
        ("power Rx 0/0/1/1", "Gi0/0/1/1"),
        ("power Rx 0/0/1/10", ""),  # no such port
        ("power Rx 0/0/0/0", ""),  # two have this place
        ("power Rx 1/1", ""),  # too short to be sure
        ("power Rx", ""),
    ],
)
def test_sensor_to_port_by_the_place_in_their_names(sensor: str, port: str) -> None:
    ports = {1: "Gi0/0/1/1", 2: "Gi0/0/0/0", 3: "Te0/0/0/0", 4: "dwdm0/0/1/1", 5: "Gi1/1"}
    alias = (1, 3, 6, 1, 2, 1, 2, 2, 1, 1)
    metrics: dict[str, dict[Oid, Value]] = {
        "a": {(50,): 1},
        "entPhysicalName": {(50,): sensor.encode()},
        "entPhysicalClass": {(50,): 8},
        "entAliasMappingIdentifier": {(n, 0): (*alias, n) for n in (1, 2, 3, 5)},  # dwdm is no physical port
    }
    found = evaluate([spec("a", labels=(("ifName", "$port"),), join="entity")], Raw(metrics, ports), {})
    assert [dict(figure.labels)["ifName"] for figure in found] == ([port] if port else [])


@pytest.mark.parametrize(
    ("quirk", "value", "row", "expected"),
    [
        ("entity_light", -91, {"entSensorType": 14, "entSensorScale": 9, "entSensorPrecision": 1}, -9.1),
        (
            "entity_light",
            5847,
            {"entSensorType": 6, "entSensorScale": 8, "entSensorPrecision": 4},
            10 * math.log10(0.5847),
        ),
        ("entity_light", 0, {"entPhySensorType": 6, "entPhySensorScale": 8}, -40.0),
        ("entity_light", -1, {"entPhySensorType": 6, "entPhySensorScale": 8}, None),
        ("entity_light", -32768, {"entSensorType": 6, "entSensorScale": 8}, None),
        ("entity_turns", 6360, {"entSensorScale": 9}, 1.0),
        ("entity_turns", 0, {"entSensorScale": 9}, 0.0),
        ("entity_turns", -32768, {"entSensorScale": 9}, None),
        ("cisco_precision", 2500, {"rttMonEchoAdminPrecision": 2}, 2.5),
        ("cisco_precision", 25, {"rttMonEchoAdminPrecision": 1}, 25),
        ("cisco_precision", 25, {}, 25),
        ("nqa_answered", 0, {"nqaResultsProbeResponses": 0}, None),
        ("nqa_answered", 0, {"nqaResultsProbeResponses": 3}, 0),
        ("nqa_answered", 5, {"nqaJitterStatsProbeResponses": 0}, None),
        ("nqa_answered", 5, {}, 5),
        ("lost_share", 0.97, {}, 0.03),
        ("lost_share", 1.2, {}, 0.0),
        ("juniper_percent", 2538860, {}, 0.0253886),
        ("juniper_percent", 100_000_000, {}, 1.0),
    ],
)
def test_quirks_that_look_beside(quirk: str, value: float, row: dict[str, float], expected: float | None) -> None:
    found = QUIRKS[quirk](value, row.get)
    assert found == (None if expected is None else pytest.approx(expected))
    assert row.keys() <= NEEDS.get(quirk, frozenset())


@pytest.mark.parametrize(
    ("quirk", "value", "expected"),
    [
        # Huawei optical power: microwatts if positive, hundredths of dBm if negative, 0 and -1 no module
        ("huawei_optical_power", 536, 10 * math.log10(0.536)),
        ("huawei_optical_power", 345, 10 * math.log10(0.345)),
        ("huawei_optical_power", 1000, 0.0),
        ("huawei_optical_power", -1652, -16.52),
        ("huawei_optical_power", -4000, -40.0),  # a module that sees no light is a value, and the one that matters
        ("huawei_optical_power", -1, None),
        ("huawei_optical_power", 0, None),
        # UPS that does not know its runtime
        ("unknown_is_all_ones", 4294967295, None),
        ("unknown_is_all_ones", -1, None),
        ("unknown_is_all_ones", 544, 544),
        # Delta: tenths of a volt; others volts
        ("mains_deci_volts", 2360, 236.0),
        ("mains_deci_volts", 2313, 231.3),
        ("mains_deci_volts", 233, 233),
        ("mains_deci_volts", 0, 0),
        # MikroTik and Juniper optics, Huawei's empty slots, battery temperature without a sensor
        ("zero_is_absent", 0, None),
        ("zero_is_absent", -5673, -5673),
    ],
)
def test_quirks(quirk: str, value: float, expected: float | None) -> None:
    found = QUIRKS[quirk](value, no_row)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("value", "scale", "precision", "expected"),
    [
        (-91, 9, 1, -9.1),
        (25, 9, 0, 25),
        (32834, 8, 1, 3.2834),  # millivolts with one decimal
        (28000, 8, 0, 28),
        (-32768, 9, 1, None),  # IOS XR without the module
        (1_000_000_000, 9, 0, None),  # RFC 3433: overflow
    ],
)
def test_entity_sensors(value: float, scale: int, precision: int, expected: float | None) -> None:
    for prefix in ("entSensor", "entPhySensor"):
        row = {f"{prefix}Scale": scale, f"{prefix}Precision": precision}
        found = QUIRKS["entity_sensor"](value, row.get)
        assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (5, 5),
        (b"13.039", 13.039),
        (b"0.000%", 0.0),
        (b" -1 ", -1.0),
        (b"", None),
        (b"n/a", None),
        ((1, 3), None),
        (None, None),
    ],
)
def test_numbers_in_text(value: Value, found: float | None) -> None:
    assert as_number(value) == found


def test_texts() -> None:
    assert [as_text(v) for v in (None, 3, b"a\0", (1, 3), "đ".encode(), b"\xff")] == [
        "",
        "3",
        "a",
        "1.3",
        "đ",
        "\ufffd",
    ]


METRICS = frozenset({"a", "b", "entSensorValue"})


def test_a_figure_is_read_whole() -> None:
    reader = Reader("f")
    tree = {
        "name": "netmon_x",
        "value": "ratio(a, b)",
        "where": {"a": ["1", "2"], "b": {"above": "0", "matches": "x"}},
        "quirk": "entity_sensor",
        "scale": "0.5",
        "low": "0",
        "high": "9",
        "is": ["1"],
        "aggregate": "max",
        "labels": {"sensor": "$a"},
        "join": "entity",
    }
    (found,) = read_figures(reader, [tree], METRICS)
    assert reader.problems == []
    assert found.where[0].equals == {"1", "2"}
    assert found.where[1].above == 0
    assert (found.quirk, found.scale, found.low, found.high, found.aggregate) == ("entity_sensor", 0.5, 0.0, 9.0, "max")
    assert (found.means_one, found.labels, found.join) == (frozenset({1.0}), (("sensor", "$a"),), "entity")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "cpu"}, "not the name of a figure"),
        ({"value": "min(a)"}, 'cannot be "min(a)"'),
        ({"value": None}, '"value" is missing'),
        ({"value": "c"}, 'no metric "c"'),
        ({"where": {"c": ["1"]}}, 'no metric "c"'),
        ({"quirk": "magic"}, 'cannot be "magic"; allowed: '),
        ({"aggregate": "median"}, 'cannot be "median"; allowed: max, min, mean, sum'),
        ({"join": "luck"}, 'cannot be "luck"; allowed: ifindex, entity, name'),
        ({"colour": "red"}, 'unknown key "colour"'),
        ({"where": {"a": {"over": "1"}}}, 'unknown key "over"'),
    ],
)
def test_mistakes_in_a_figure(change: dict[str, object], said: str) -> None:
    reader = Reader("f")
    read_figures(reader, [{"name": "netmon_x", "value": "a"} | change], METRICS)
    assert said in "\n".join(map(str, reader.problems))
