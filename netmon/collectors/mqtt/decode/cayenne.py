"""Cayenne Low Power Payload as a layout: a channel byte, a type byte (IPSO object id - 3200), the value."""

from __future__ import annotations

from netmon.collectors.mqtt.decode.layout import Channel, Field, Frame, size


def _one(name: str, kind: int, number: str, scale: float, unit: str) -> Channel:
    return Channel(None, kind, size(number), (Field(name, 0, number, None, scale, 0.0, unit, (), None),))


def _row(kind: int, number: str, *values: tuple[str, float, str]) -> Channel:
    wide = size(number)
    fields = [Field(name, n * wide, number, None, scale, 0.0, u, (), None) for n, (name, scale, u) in enumerate(values)]
    return Channel(None, kind, wide * len(values), tuple(fields))


_CHANNELS = (
    _one("digital_in", 0, "u8", 1, ""),
    _one("digital_out", 1, "u8", 1, ""),
    _one("analog_in", 2, "i16be", 0.01, ""),
    _one("analog_out", 3, "i16be", 0.01, ""),
    _one("generic", 100, "u32be", 1, ""),
    _one("illuminance", 101, "u16be", 1, "lx"),
    _one("presence", 102, "u8", 1, ""),
    _one("temperature", 103, "i16be", 0.1, "Cel"),
    _one("humidity", 104, "u8", 0.5, "%RH"),
    _row(113, "i16be", *((f"acceleration_{axis}", 0.001, "[g]") for axis in "xyz")),
    _one("pressure", 115, "u16be", 0.1, "hPa"),
    _one("voltage", 116, "u16be", 0.01, "V"),
    _one("current", 117, "u16be", 0.001, "A"),
    _one("frequency", 118, "u32be", 1, "Hz"),
    _one("percentage", 120, "u8", 1, "%"),
    _one("altitude", 121, "i16be", 1, "m"),
    _one("concentration", 125, "u16be", 1, "ppm"),
    _one("power", 128, "u16be", 1, "W"),
    _one("distance", 130, "u32be", 0.001, "m"),
    _one("energy", 131, "u32be", 0.001, "kWh"),
    _one("direction", 132, "u16be", 1, "deg"),
    _one("time", 133, "u32be", 1, "s"),
    _row(134, "i16be", *((f"gyrometer_{axis}", 0.01, "deg/s") for axis in "xyz")),
    _row(136, "i24be", ("latitude", 0.0001, "lat"), ("longitude", 0.0001, "lon"), ("height", 0.01, "m")),
    _one("switch", 142, "u8", 1, ""),
)
FRAME = Frame((), None, (), {(None, channel.type): channel for channel in _CHANNELS})
