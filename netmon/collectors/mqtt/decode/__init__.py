"""Payload formats, one pure decoder per file: bytes in, records out."""

from __future__ import annotations

from collections.abc import Mapping

from netmon.collectors.mqtt.decode import jsonmap, senml
from netmon.collectors.mqtt.decode.jsonmap import check_mapping
from netmon.collectors.mqtt.decode.record import Bound, DecodeError, Decoder, Record

__all__ = ["DECODERS", "Bound", "DecodeError", "Decoder", "Record", "bind", "check_mapping"]

DECODERS: dict[str, Decoder] = {
    "senml": senml.decode,
}


def bind(name: str, mappings: Mapping[str, Mapping[str, object]]) -> Bound:
    """The decoder a sensor names: a format, or a mapping of the inventory. Raises DecodeError("unknown_decoder")."""
    if name in mappings:
        return jsonmap.bind(mappings[name])
    decoder = DECODERS.get(name)
    if decoder is None:
        raise DecodeError("unknown_decoder", f"no decoder and no mapping is called {name!r}")
    return lambda payload, received_at: decoder(payload, received_at, None)
