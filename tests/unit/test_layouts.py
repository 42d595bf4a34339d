"""Byte layouts: numbers of every type, frames that do not fit, and every mistake of one at its line."""

from __future__ import annotations

import base64
import json

import pytest

from netmon.collectors.mqtt.decode import DecodeError, Record, bind
from netmon.collectors.mqtt.decode.layout import TYPES, LayoutError, size
from netmon.errors import Problem
from netmon.inventory_decoders import Named, decoder_for, matches, read_decoder
from netmon.yamlfile import Entry, parse_entry
from tests.golden.test_payloads import mappings

NOW = 1_757_060_000.0


def layout(text: str) -> list[str]:
    """The problems of one decoder, without the file's name."""
    problems: list[Problem] = []
    root = parse_entry(f"decoders:\n{text}".encode(), "d.yml", problems)
    assert root is not None
    for entry in root.entries("decoders", "decoder"):
        entry.text("id")
        read_decoder(entry)
    return [str(problem).removeprefix("d.yml:") for problem in problems]


def read(fields: str, hexa: str) -> list[float]:
    problems: list[Problem] = []
    text = f'{{id: "x", format: "bytes", envelope: "raw", frames: [{{fields: {{{fields}}}}}]}}'
    root = parse_entry(text.encode(), "d.yml", problems)
    assert root is not None
    root.text("id")
    mapping = read_decoder(root)
    assert problems == []
    return [record.value for record in bind("x", {"x": mapping})(bytes.fromhex(hexa), NOW) if record.kind == "value"]


@pytest.mark.parametrize(
    ("kind", "hexa", "value"),
    [
        ("u8", "ff", 255), ("i8", "ff", -1), ("u16be", "0102", 258), ("u16le", "0102", 513), ("i16be", "fffe", -2),
        ("i16le", "feff", -2), ("u24be", "010203", 66051), ("u24le", "010203", 197121), ("i24be", "fffffe", -2),
        ("i24le", "feffff", -2), ("u32be", "00010000", 65536), ("u32le", "00010000", 256), ("i32be", "fffffffe", -2),
        ("i32le", "feffffff", -2), ("u64be", "00" * 7 + "09", 9), ("u64le", "09" + "00" * 7, 9),
        ("i64be", "ff" * 8, -1), ("i64le", "ff" * 8, -1), ("f32be", "3fa00000", 1.25), ("f32le", "0000a03f", 1.25),
        ("f64be", "3ff4000000000000", 1.25), ("f64le", "000000000000f43f", 1.25), ("bcd", "42", 42),
    ],
)  # fmt: skip
def test_types(kind: str, hexa: str, value: float) -> None:
    assert read(f'a: {{type: "{kind}"}}', hexa) == [value]
    assert size(kind) == len(hexa) // 2
    assert kind in TYPES


@pytest.mark.parametrize(
    ("fields", "hexa", "found"),
    [
        ('a: {type: "u16be", scale: 0.01}', "09f7", [25.51]),  # and not 25.510000000000002
        ('a: {type: "u8", scale: 3, add: -1}', "02", [5]),
        ('a: {type: "u8", bits: [4, 7]}', "a5", [10]),
        ('a: {type: "u8", bits: 0}', "a5", [1]),
        ('a: {type: "i16be", bits: [0, 11]}', "0fff", [-1]),
        ('a: {type: "u8", absent: 255}', "ff", []),
        ('a: {type: "bcd"}', "4a", []),
        ('a: {type: "f32be"}', "7fc00000", []),  # NaN
        ('a: {type: "f64be", scale: 10}', "7fefffffffffffff", []),  # overflows
        ('a: {type: "u8", if: {offset: 1, bits: 3}}', "0708", [7]),
        ('a: {type: "u8", if: {offset: 1, bits: 3}}', "0707", []),
        ('a: {type: "u8", if: {offset: 1, is: [2, 7]}}', "0907", [9]),
        ('a: {type: "u8", if: {offset: 5}}', "09", []),
        ('a: {type: "u8"}, b: {offset: 1, type: "u16be", if: {offset: 0, is: 2}}', "01", [1]),
    ],
)
def test_fields(fields: str, hexa: str, found: list[float]) -> None:
    assert read(fields, hexa) == found


def uplink(hexa: str, port: int) -> bytes:
    data = base64.b64encode(bytes.fromhex(hexa)).decode()
    return json.dumps({"deviceInfo": {"devEui": "01"}, "fPort": port, "data": data}).encode()


def told(name: str, payload: bytes) -> tuple[str, int, list[Record]]:
    with pytest.raises(LayoutError) as caught:
        bind(name, mappings())(payload, NOW)
    return f"{caught.value.reason}: {caught.value}", caught.value.position, list(caught.value.records)


def test_frames_that_do_not_fit() -> None:
    words, at, records = told("milesight-em500-swl", uplink("01755c05000203770200", 85))
    assert words == "unknown_channel: unknown channel 0x05 type 0x00 at byte 3; the layout needs its length"
    assert (at, [(r.name, r.value, r.device) for r in records]) == (3, [("battery", 92, "01")])
    assert told("milesight-em500-swl", uplink("01755c037702", 85))[:2] == (
        "bad_length: channel 0x03 type 0x77 needs 2 bytes, 1 are there", 3,
    )  # fmt: skip
    assert told("milesight-em500-swl", uplink("01755c03", 85))[0] == "bad_length: ends within a channel"
    words, _, records = told("dragino-ps-lb", uplink("0cf60101030000", 2))
    assert words == "bad_length: voltage ends at byte 8, the frame at 7"
    assert [r.name for r in records] == ["battery", "current"]
    assert told("dragino-ps-lb", uplink("0cf6", 3))[0] == "unknown_port: unknown port 3; the layout has 2, 5"
    assert told("meter-raw", b"00" * 12)[0] == "bad_length: 12 bytes instead of 13"
    with pytest.raises(DecodeError, match="not hex"):
        bind("meter-raw", mappings())(b"zz", NOW)


FRAME = '  - id: "x"\n    format: "bytes"\n    frames:\n'


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ('  - {id: "x", format: "bytes"}\n', ['2: decoder "x": "frames" is missing']),
        (
            '  - {id: "x", format: "bytes", frames: []}\n',
            ['2: decoder "x": "frames" is empty; one frame for each port'],
        ),
        (FRAME + "      - {port: 2}\n", ['5: decoder "x", frame number 1: a frame has either "fields" or "channels"']),
        (
            FRAME + '      - fields:\n          a: {type: "u17be"}\n',
            ['6: decoder "x", frame number 1 fields a: "type" cannot be "u17be"; did you mean "u16be"?'],
        ),
        (
            FRAME + '      - fields:\n          a: {type: "u8", ofset: 1}\n',
            ['6: decoder "x", frame number 1 fields a: unknown key "ofset"; did you mean "offset"?'],
        ),
        (
            FRAME + '      - fields:\n          a: {type: "u8", bits: [3, 9]}\n',
            ['6: decoder "x", frame number 1 fields a: "bits" must be one bit or [lowest, highest]; 0'],
        ),
        (
            FRAME + '      - fields:\n          a: {type: "f32be", bits: 3}\n',
            ['6: decoder "x", frame number 1 fields a: "bits" is not for type f32be; types that begin with u or i'],
        ),
        (
            FRAME + '      - port: 300\n        fields: {a: {type: "u8"}}\n',
            ['5: decoder "x", frame number 1: "port" cannot be 300; allowed: 0 to 255'],
        ),
        (
            FRAME + '      - {fields: {a: {type: "u8"}}}\n      - {port: 1, fields: {a: {type: "u8"}}}\n',
            ['6: decoder "x", frame number 2: an earlier frame takes this port; one frame for each, one without'],
        ),
        (
            FRAME + "      - channels:\n          - {channel: 0x100, type: 0x75, length: 1}\n",
            ['6: decoder "x", frame number 1, channel number 1: "channel" cannot be 0x100; a byte: 0 to 255'],
        ),
        (
            FRAME + "      - channels:\n          - {channel: 1, type: 0x75}\n",
            ['6: decoder "x", frame number 1, channel number 1: "length" is missing; what has no'],
        ),
        (
            FRAME + "      - channels:\n          - {channel: 1, length: 1}\n",
            ['6: decoder "x", frame number 1, channel number 1: "type" is missing; a byte, such as 0x75'],
        ),
        (
            FRAME + '      - channels:\n          - {channel: 1, type: 2, length: 1, fields: {a: {type: "u16le"}}}\n',
            ['6: decoder "x", frame number 1, channel number 1: "length" 1 is less than its fields take; at least 2'],
        ),
        (
            '  - {id: "x", format: "bytes", envelope: "hex", frames: [{port: 1, fields: {a: {type: "u8"}}}]}\n',
            ['2: decoder "x", frame number 1: "port" is not for envelope hex; only LoRaWAN has ports'],
        ),
    ],
)
def test_every_mistake_at_its_line(text: str, problems: list[str]) -> None:
    found = layout(text)
    assert len(found) == len(problems), found
    assert all(said.startswith(problem) for said, problem in zip(found, problems, strict=True)), found


@pytest.mark.parametrize(
    ("filter_", "topic", "fits"),
    [
        ("a/b", "a/b", True), ("a/b", "a/b/c", False), ("a/+", "a/b", True), ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True), ("a/#", "a/b/c", True), ("#", "a/b", True), ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("+/+/c", "a/b/c", True), ("a/+/c/#", "a/b/c", True), ("a/+/c/#", "a/b/d", False),
    ],
)  # fmt: skip
def test_filters(filter_: str, topic: str, fits: bool) -> None:
    assert matches(filter_, topic) is fits


def test_the_most_specific_filter_names_the_decoder() -> None:
    entry: Entry | None = parse_entry(b"a: {}", "", [])
    assert entry is not None
    named = [Named(f, f, entry) for f in ("#", "a/#", "a/+/c", "a/+/#", "a/b/#", "+/b/c")]
    assert [decoder_for(t, named) for t in ("a/b/c", "a/x/c", "a/x/d", "a", "z/b/c", "z", "$SYS")] == [
        "a/b/#", "a/+/c", "a/+/#", "a/#", "+/b/c", "#", "",
    ]  # fmt: skip
