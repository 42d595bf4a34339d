"""Payload formats, one pure decoder per file: bytes in, records out.

Some remember (what a device told before, which messages it repeated): these are bound anew for each topic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from netmon.collectors.mqtt.decode import (
    cayenne,
    jsonmap,
    layout,
    lorawan,
    plain,
    presence,
    senml,
    senml_cbor,
    shelly,
    tasmota,
    zigbee2mqtt,
)
from netmon.collectors.mqtt.decode.options import Options, check_options, read_options
from netmon.collectors.mqtt.decode.record import Bound, DecodeError, Record

__all__ = ["BUILT_IN", "FORMATS", "SPARKPLUG", "Bound", "DecodeError", "Record", "bind", "check_mapping", "form_of"]

Mappings = Mapping[str, Mapping[str, object]]
SPARKPLUG = "sparkplug"  # needs to know the topic and all messages of an edge node: see intake and sparkplug.Host


class Format(NamedTuple):
    """``bind`` makes a decoder of an inventory entry with ``keys``; ``remembers``: one is needed for each topic."""

    bind: Callable[[Mapping[str, object]], Bound]
    keys: tuple[str, ...] = ("format",)
    remembers: bool = False


def _simple(decode: Callable[[bytes, float, Options], list[Record]]) -> Callable[[Mapping[str, object]], Bound]:
    def make(mapping: Mapping[str, object]) -> Bound:
        options = read_options(mapping)
        return lambda payload, received_at: decode(payload, received_at, options)

    return make


def _bytes(mapping: Mapping[str, object]) -> Bound:
    return layout.Decoder(str(mapping["envelope"]), cast(tuple[layout.Frame, ...], mapping["frames"]))


FORMATS = {  # what an inventory entry may name as its ``format``
    "json": Format(jsonmap.bind, jsonmap.KEYS),
    "bytes": Format(_bytes, ("format", "envelope", "frames"), remembers=True),
    "chirpstack": Format(lambda m: lorawan.Decoder(read_options(m)), ("format", "values"), remembers=True),
    "tts": Format(lambda m: lorawan.Decoder(read_options(m)), ("format", "values"), remembers=True),
    "tasmota": Format(_simple(tasmota.decode), ("format", "values", "utc_offset")),
    "zigbee2mqtt": Format(_simple(zigbee2mqtt.decode), ("format", "values", "utc_offset")),
    "plain": Format(_simple(plain.decode), ("format", "values", "unit")),
}
BUILT_IN = {  # what a sensor may name without an entry
    "senml": Format(lambda m: senml.decode),
    "senml-cbor": Format(lambda m: senml_cbor.decode),
    "shelly": Format(lambda m: shelly.Decoder(), remembers=True),
    "cayenne": Format(lambda m: layout.Decoder("lorawan", (cayenne.FRAME,)), remembers=True),
    "presence": Format(lambda m: presence.decode),
    **{name: found for name, found in FORMATS.items() if name not in ("json", "bytes")},
}


def form_of(name: str, mappings: Mappings) -> str:
    """The format behind a decoder's name."""
    return str(mappings[name].get("format", "json")) if name in mappings else name


def bind(name: str, mappings: Mappings) -> Bound:
    """The decoder a sensor names: a format, or an entry of the inventory. Raises DecodeError("unknown_decoder")."""
    found = _found(name, mappings)
    if found is None:
        raise DecodeError("unknown_decoder", f"no decoder is called {name!r}")
    return found.bind(mappings.get(name, {}))


def remembers(name: str, mappings: Mappings) -> bool:
    found = _found(name, mappings)
    return found is not None and found.remembers


def _found(name: str, mappings: Mappings) -> Format | None:
    return FORMATS.get(form_of(name, mappings)) if name in mappings else BUILT_IN.get(name)


def check_mapping(mapping: Mapping[str, object]) -> list[str]:
    """Every mistake of a decoder that people wrote (but for byte layouts), one line each; empty when it can be used."""
    form = mapping.get("format", "json")
    if not isinstance(form, str) or form not in FORMATS:
        return [f"format: {form!r} is unknown; allowed: {', '.join(FORMATS)}"]
    return jsonmap.check_mapping(mapping) if form == "json" else check_options(mapping, FORMATS[form].keys)
