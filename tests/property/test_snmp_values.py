"""Counters, uptimes, index decoding and exposition text under arbitrary input."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from netmon.collectors.snmp.index import decode_arcs, decode_index
from netmon.collectors.snmp.modules import INDEX_TYPES, Index, Lookup, Metric
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.tables import Renderer, format_value
from netmon.collectors.snmp.values import date_number, number
from netmon.model import Port
from netmon.rates import COUNTER32, TICKS_S, Uptime, follow_uptime, port_rates

counters = st.integers(0, 2**64 - 1)
seconds = st.floats(1, 300)
bit_sizes = st.sampled_from([32, 64])


def port(at: float, octets: int, bits: int, speed: float | None) -> Port:
    return Port("p", 1, at, in_octets=octets, out_octets=octets, octets_bits=bits, speed_bps=speed)


@given(counters, st.floats(0, 1.2), seconds, st.sampled_from([1e6, 1e8, 1e9]), st.sampled_from([32, 64]))
def test_what_moved_is_what_is_found_or_nothing(start: int, load: float, dt: float, speed: float, bits: int) -> None:
    """However the counter wraps: the true rate, or none where it may have wrapped twice."""
    moved = int(speed / 8 * dt * load)
    size = 2**bits
    before, after = port(0, start % size, bits, speed), port(dt, (start + moved) % size, bits, speed)
    found = port_rates(before, after, before_uptime_s=1000, after_uptime_s=1000 + dt)
    if bits == 32 and speed / 8 * dt >= COUNTER32:
        assert found is None
    elif moved < size:
        assert found is not None and found.in_bps is not None
        assert math.isclose(found.in_bps, moved * 8 / dt, rel_tol=1e-9, abs_tol=1e-6)


@given(counters, counters, st.none() | st.floats(1, 1e11), bit_sizes, seconds, st.none() | st.floats(0, 1e8))
def test_rates_are_never_negative(a: int, b: int, speed: float | None, bits: int, dt: float, up: float | None) -> None:
    size = 2**bits
    later = None if up is None else up + dt
    before, after = port(0, a % size, bits, speed), port(dt, b % size, bits, speed)
    found = port_rates(before, after, before_uptime_s=up, after_uptime_s=later)
    for rate in () if found is None else (found.in_bps, found.out_bps):
        assert rate is None or (rate >= 0 and math.isfinite(rate))


@given(counters, st.floats(1, 29), st.integers(0, 10**9), st.sampled_from([32, 64]))
def test_a_restart_never_yields_a_rate(start: int, young: float, fresh: int, bits: int) -> None:
    before, after = port(0, start % 2**bits, bits, 1e9), port(30, fresh, bits, 1e9)
    assert port_rates(before, after, before_uptime_s=1e6, after_uptime_s=young) is None


@given(st.floats(0, 1500 * 86400), st.lists(st.floats(1, 3600), min_size=1, max_size=20), st.integers(0, 3))
def test_a_running_device_is_never_called_rebooted(up: float, steps: list[float], jitter: int) -> None:
    """Three wraps of sysUpTime, seen by somebody who polled all the while."""
    state, now, true = Uptime(), 0.0, up
    for step in steps:
        ticks = int(true * 100) % COUNTER32
        state = follow_uptime(state, now + jitter, ticks or 1)
        assert not state.rebooted
        now, true = now + step, true + step
    assert state.uptime_s is not None
    wraps = (true - steps[-1] - state.uptime_s) / TICKS_S
    assert abs(wraps - round(wraps)) < 1e-3


@given(st.floats(200, 490 * 86400), st.floats(60, 86400), st.floats(0.1, 0.8))
def test_a_restart_is_always_seen(up: float, gap: float, share: float) -> None:
    state = follow_uptime(Uptime(), 0, int(up * 100))
    young = gap * share
    state = follow_uptime(state, gap, max(int(young * 100), 1))
    assert state.rebooted or abs(young - (up + gap)) < 60 + 0.02 * gap


arcs = st.lists(st.integers(0, 2**32 - 1), max_size=24).map(tuple)


@given(arcs, st.sampled_from(sorted(INDEX_TYPES)), st.integers(0, 8), st.booleans())
def test_any_index_decodes_and_uses_each_arc_once(oid: tuple[int, ...], kind: str, size: int, implied: bool) -> None:
    text, used, left = decode_arcs(oid, Index("i", kind, size, implied))
    assert isinstance(text, str)
    assert (used + left)[: len(oid)] == oid or len(used) > len(oid)
    assert len(left) <= len(oid)
    labels, parts = decode_index([Index("a", kind, size), Index("b", "gauge")], oid)
    assert labels.keys() == parts.keys() == {"a", "b"}


@given(st.binary(max_size=16), st.integers(0, 255))
def test_any_value_is_a_number_or_none(value: bytes, tag: int) -> None:
    found = number(tag, value)
    assert found is None or isinstance(found, (int, float))
    for kind in ("DateAndTime", "ParseDateAndTime", "NTPTimeStamp"):
        date_number(kind, value, "%Y")


# Prometheus' own parser of the test splits lines at more than \n, so other line ends are left out here.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.just("\n"), max_size=30)


@given(st.dictionaries(st.integers(1, 50), st.tuples(texts, counters), min_size=1, max_size=8))
def test_text_reads_back_and_no_series_is_there_twice(table: dict[int, tuple[str, int]]) -> None:
    column, names = (1, 2, 3), (1, 2, 4)
    metric = Metric(
        "m",
        column,
        "counter",
        "h",
        (Index("i", "gauge"),),
        (Lookup(("i",), "name", names, "DisplayString"), Lookup((), "i")),
    )
    columns = {
        column: {(i,): VarBind((*column, i), 70, value) for i, (_, value) in table.items()},
        names: {(i,): VarBind((*names, i), 4, name.encode()) for i, (name, _) in table.items()},
    }
    renderer = Renderer({"device": "d"})
    text = renderer.render(metric, columns[column], columns, " 5\n")["m"].decode()
    (family,) = text_string_to_metric_families(renderer.families["m"].decode() + text)
    series = [tuple(sorted(sample.labels.items())) for sample in family.samples]
    assert len(set(series)) == len(series) == len(table)
    assert sorted(s.labels.get("name", "") for s in family.samples) == sorted(name for name, _ in table.values())
    assert sorted(int(sample.value) for sample in family.samples) == sorted(value for _, value in table.values())


@given(st.floats() | st.integers(-(2**64), 2**64))
def test_values_read_back(value: float) -> None:
    text = format_value(value)
    if isinstance(value, int):
        assert int(text) == value
    else:
        assert float(text) == value or (math.isnan(value) and text == "NaN")
