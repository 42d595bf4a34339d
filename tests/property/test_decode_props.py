"""Decoders: whatever arrives, they return finite numbers or raise DecodeError; SenML resolves as the RFC reads."""

from __future__ import annotations

import contextlib
import json
import math

from hypothesis import given
from hypothesis import strategies as st

from netmon.collectors.mqtt.decode import DecodeError, jsonmap, senml
from netmon.collectors.mqtt.decode.units import convert

NOW = 1_700_000_000.0
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["bn", "bt", "bv", "n", "v", "vb", "vs", "t", "s", "u", "x", "x_"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)
MAPPING = {"fields": {"a": {"path": "v", "scale": 1e300}, "b": {"path": "n[0]", "values": {"on": 1}}}, "time": "t"}


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_never_anything_but_records_or_a_decode_error(payload: bytes) -> None:
    for decode in (senml.decode, jsonmap.bind(MAPPING)):
        with contextlib.suppress(DecodeError):
            for record in decode(payload, NOW):
                assert math.isfinite(record.value)
                assert record.at is None or math.isfinite(record.at)


NUMBERS = st.integers(-1000, 1000).map(lambda n: n / 4)
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {"n": st.sampled_from(["a", "b"]), "v": NUMBERS},
        optional={
            "t": NUMBERS,
            "u": st.just("V"),
            "bn": st.sampled_from(["x:", "y:"]),
            "bt": NUMBERS,
            "bv": NUMBERS,
            "bu": st.just("A"),
        },
    ),
    max_size=6,
)


@given(ENTRIES)
def test_base_fields(entries: list[dict[str, object]]) -> None:
    found = senml.decode(json.dumps(entries).encode(), NOW)
    for number, (entry, record) in enumerate(zip(entries, found, strict=True)):
        base: dict[str, object] = {}
        for before in entries[: number + 1]:
            base |= {key: value for key, value in before.items() if key.startswith("b")}
        time_s = float(base.get("bt", 0)) + float(entry.get("t", 0))  # type: ignore[arg-type]
        assert record.name == str(base.get("bn", "")) + str(entry["n"])
        assert record.value == float(entry["v"]) + float(base.get("bv", 0))  # type: ignore[arg-type]
        assert record.unit == entry.get("u", base.get("bu", ""))
        assert record.at == (NOW + time_s if time_s else None)


@given(
    st.floats(-1e6, 1e6), st.sampled_from([("K", "Cel"), ("degF", "Cel"), ("kWh", "J"), ("%RH", "/"), ("m3/h", "l/s")])
)
def test_units_there_and_back(value: float, pair: tuple[str, str]) -> None:
    there = convert(value, *pair)
    assert there is not None
    back = convert(there, pair[1], pair[0])
    assert back is not None
    assert math.isclose(back, value, rel_tol=1e-9, abs_tol=1e-6)
