"""Zigbee2MQTT: one flat object per device; ``last_seen`` in any of the forms that its settings allow."""

from __future__ import annotations

from netmon.collectors.mqtt.decode.fields import bounded, iso_time, numbers, parse_object
from netmon.collectors.mqtt.decode.options import NO_OPTIONS, Options
from netmon.collectors.mqtt.decode.record import DecodeError, Record

# No unit for voltage: mV from devices with a battery, V from plugs. The sensor says it where it is not its type's.
UNITS = {
    "temperature": "Cel", "device_temperature": "Cel", "local_temperature": "Cel", "humidity": "%RH",
    "soil_moisture": "%RH", "battery": "%", "power": "W", "current": "A", "energy": "kWh", "illuminance_lux": "lx",
    "illuminance": "lx", "pressure": "hPa", "co2": "ppm", "ac_frequency": "Hz",
}  # fmt: skip


def decode(payload: bytes, received_at: float, options: Options = NO_OPTIONS) -> list[Record]:
    """All numbers. Raises DecodeError."""
    document = parse_object(payload)
    at = _last_seen(document.pop("last_seen", None), options)
    found = bounded(numbers(document, options.words))
    return [Record(name, value, UNITS.get(name, ""), at) for name, value in found]


def _last_seen(said: object, options: Options) -> float | None:
    """ISO 8601 in UTC or with an offset, or milliseconds since 1970."""
    if said is None:
        return None
    if isinstance(said, str):
        return iso_time(said, options.zone)
    if isinstance(said, int | float) and not isinstance(said, bool) and abs(said) < 1e15:
        return said / 1000.0
    raise DecodeError("bad_time", f"last_seen is not a time: {str(said)[:40]}")
