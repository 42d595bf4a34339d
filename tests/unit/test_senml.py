"""SenML decoder against the examples of RFC 8428 and against what it forbids."""

from __future__ import annotations

import json

import pytest

from netmon.collectors.mqtt.decode import DecodeError, bind
from netmon.collectors.mqtt.decode.senml import MAX_RECORDS, decode

NOW = 1_700_000_000.0
BT = 1.276020076001e09


def test_rfc_8428_section_5_1_2() -> None:
    pack = [
        {"bn": "urn:dev:ow:10e2073a0108006:", "bt": BT, "bu": "A", "bver": 5, "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "t": -5, "v": 1.2},
        {"n": "current", "t": -4, "v": 1.3},
        {"n": "current", "v": 1.7},
    ]
    found = decode(json.dumps(pack).encode(), NOW)
    name = "urn:dev:ow:10e2073a0108006:"
    assert [record[:4] for record in found] == [
        (name + "voltage", 120.1, "V", BT),
        (name + "current", 1.2, "A", BT - 5),
        (name + "current", 1.3, "A", BT - 4),
        (name + "current", 1.7, "A", BT),
    ]
    assert found[0].local == "voltage"


@pytest.mark.parametrize(
    ("pack", "expected"),
    [
        (
            [{"n": "urn:dev:ow:10e2073a01080063", "u": "Cel", "v": 23.1}],
            [("urn:dev:ow:10e2073a01080063", 23.1, "Cel", None)],
        ),
        ([{"n": "a", "v": 1, "t": 0}], [("a", 1, "", None)]),  # "now" is no clock
        ([{"n": "a", "v": 1, "t": -30}], [("a", 1, "", NOW - 30)]),
        ([{"n": "a", "v": 1, "t": 5}], [("a", 1, "", NOW + 5)]),
        ([{"n": "a", "v": 1, "t": 2**28 - 1}], [("a", 1, "", NOW + 2**28 - 1)]),
        ([{"n": "a", "v": 1, "t": 2**28}], [("a", 1, "", 2**28)]),
        ([{"bn": "a", "bt": -10, "v": 1}, {"t": -5, "v": 2}], [("a", 1, "", NOW - 10), ("a", 2, "", NOW - 15)]),
        ([{"bn": "a", "bv": 20, "v": 1.5}, {"v": -1}], [("a", 21.5, "", None), ("a", 19, "", None)]),
        ([{"bn": "x", "bv": 20}, {"n": "a"}], [("xa", 20, "", None)]),  # only a base value
        ([{"bn": "a"}, {"bn": "b", "v": 1}], [("b", 1, "", None)]),  # a base field holds until the next
        ([{"n": "a", "vb": True}, {"n": "a", "vb": False}], [("a", 1, "", None), ("a", 0, "", None)]),
        ([{"n": "a", "vs": "open"}, {"n": "a", "vd": "aGk"}, {"n": "b", "v": 1}], [("b", 1, "", None)]),
        ([{"n": "a", "u": "W", "v": 5, "s": 300}], [("a", 5, "W", None), ("a#sum", 300, "W.s", None)]),
        ([{"bn": "a", "bs": 100, "s": 3}], [("a#sum", 103, "", None)]),
        ([{"n": "a", "s": 3}], [("a#sum", 3, "", None)]),
        ([{"n": "a", "v": 1, "ut": 60, "extra": {"any": 1}}], [("a", 1, "", None)]),
        ([{"bver": 10, "n": "a", "v": 1}], [("a", 1, "", None)]),
        ([], []),
    ],
)
def test_resolved(pack: object, expected: list[tuple[object, ...]]) -> None:
    assert [record[:4] for record in decode(json.dumps(pack).encode(), NOW)] == expected


@pytest.mark.parametrize(
    ("payload", "reason", "words"),
    [
        (b"", "not_json", "not JSON"),
        (b"21.5 C", "not_json", "not JSON"),
        (b"\xff\xfe", "not_json", "not JSON"),
        (b'[{"n":"a","v":NaN}]', "not_json", "not JSON"),
        (b"[" * 100_000, "not_json", "not JSON"),
        (b'{"n":"a","v":1}', "bad_senml", "array"),
        (b"[1]", "bad_senml", "object"),
        (b'[{"n":"a","v":"1"}]', "bad_senml", "v is not a number"),
        (b'[{"n":"a","v":true}]', "bad_senml", "v is not a number"),
        (b'[{"n":"a","vb":1}]', "bad_senml", "vb"),
        (b'[{"n":1,"v":1}]', "bad_senml", "n is not a text"),
        (b'[{"n":"a","v":1,"vs":"x"}]', "bad_senml", "more than one value"),
        (b'[{"n":"a"}]', "bad_senml", "without a value"),
        (b'[{"n":"a","v":1,"must_":1}]', "bad_senml", "must_"),
        (b'[{"v":1}]', "bad_senml", "bad name"),
        (b'[{"n":"-a","v":1}]', "bad_senml", "bad name"),
        (b'[{"n":"a b","v":1}]', "bad_senml", "bad name"),
        (b'[{"bver":11,"n":"a","v":1}]', "bad_senml", "bver"),
        (b'[{"bver":5,"n":"a","v":1},{"bver":6,"n":"a","v":1}]', "bad_senml", "bver"),
        (b'[{"n":"a","v":1.7e308,"bv":1.7e308}]', "bad_senml", "overflows"),
        (json.dumps([{"n": "a", "v": 1}] * (MAX_RECORDS + 1)).encode(), "bad_senml", "more than"),
    ],
)
def test_refused(payload: bytes, reason: str, words: str) -> None:
    with pytest.raises(DecodeError, match=words) as caught:
        decode(payload, NOW)
    assert caught.value.reason == reason


def test_found_by_name() -> None:
    assert bind("senml", {})(b'[{"n":"a","v":1}]', NOW)[0].value == 1
    with pytest.raises(DecodeError, match="no decoder"):
        bind("senlm", {})
