"""Decoders: whatever arrives, they return finite numbers or raise DecodeError; SenML resolves as the RFC reads."""

from __future__ import annotations

import base64
import contextlib
import json
import math

import cbor2
from hypothesis import given
from hypothesis import strategies as st

from netmon.collectors.mqtt.decode import BUILT_IN, DecodeError, bind, jsonmap, senml, senml_cbor
from netmon.collectors.mqtt.decode.units import convert
from tests.golden.test_payloads import mappings

NOW = 1_700_000_000.0
LAYOUTS = mappings()
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
FORMS = ["Time", "ENERGY", "TempUnit", "last_seen", "state", "method", "params", "ts", "em:0", "a_freq", "a_voltage",
         "deviceInfo", "devEui", "fPort", "data", "object", "margin", "batteryLevel", "rxInfo", "rssi", "time",
         "end_device_ids", "uplink_message", "f_port", "frm_payload", "decoded_payload", "received_at"]  # fmt: skip
SAID = st.sampled_from(["NotifyStatus", "NotifyFullStatus", "2024-02-30", "2024-01-01T00:00:00.123456789Z", "qg==",
                        "A2cBEA==", "online", "0001-01-01T00:00:00+23:59", "F"])  # fmt: skip
TREE = st.recursive(
    JSON | SAID, lambda inner: st.dictionaries(st.sampled_from(FORMS), inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=20,
)  # fmt: skip
NAMES = sorted({*BUILT_IN, *LAYOUTS})
MAPPING = {"fields": {"a": {"path": "v", "scale": 1e300}, "b": {"path": "n[0]", "values": {"on": 1}}}, "time": "t"}


@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_never_anything_but_records_or_a_decode_error(payload: bytes) -> None:
    for decode in (senml.decode, jsonmap.bind(MAPPING)):
        with contextlib.suppress(DecodeError):
            for record in decode(payload, NOW):
                assert math.isfinite(record.value)
                assert record.at is None or math.isfinite(record.at)


@given(
    st.sampled_from(NAMES),
    st.lists(st.binary(max_size=60) | TREE.map(lambda v: json.dumps(v).encode()), min_size=1, max_size=3),
)
def test_no_format_raises_anything_but_a_decode_error(name: str, payloads: list[bytes]) -> None:
    decode = bind(name, LAYOUTS)
    for payload in payloads:
        try:
            records = decode(payload, NOW)
        except DecodeError as error:
            records = list(error.records)
        for record in records:
            assert record.kind in ("gone", "here") or math.isfinite(record.value)
            assert record.at is None or math.isfinite(record.at)


@given(st.sampled_from(sorted(LAYOUTS)), st.binary(max_size=40), st.integers(0, 255))
def test_any_bytes_in_any_layout(name: str, data: bytes, port: int) -> None:
    uplink = {"deviceInfo": {}, "fPort": port, "data": base64.b64encode(data).decode()}
    for payload in (json.dumps(uplink).encode(), data.hex().encode()):
        with contextlib.suppress(DecodeError):
            assert all(r.kind == "here" or math.isfinite(r.value) for r in bind(name, LAYOUTS)(payload, NOW))


CBOR = st.recursive(
    st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(-8, 9), inner, max_size=4),
    max_leaves=10,
)


@given(CBOR)
def test_any_cbor(value: object) -> None:
    with contextlib.suppress(DecodeError):
        assert all(math.isfinite(record.value) for record in senml_cbor.decode(cbor2.dumps(value), NOW))


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
