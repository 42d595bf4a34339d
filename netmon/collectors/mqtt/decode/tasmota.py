"""Tasmota: ``tele/…/SENSOR`` and ``STATE``. Values by path ("ENERGY.Power"); its time is local and says no zone."""

from __future__ import annotations

from netmon.collectors.mqtt.decode.fields import bounded, iso_time, numbers, parse_object, text
from netmon.collectors.mqtt.decode.options import NO_OPTIONS, Options
from netmon.collectors.mqtt.decode.record import DecodeError, Record

UNITS = {
    "Voltage": "V", "Current": "A", "Power": "W", "ApparentPower": "VA", "ReactivePower": "var", "Factor": "/",
    "Frequency": "Hz", "Total": "kWh", "Today": "kWh", "Yesterday": "kWh", "Humidity": "%RH", "Illuminance": "lx",
    "UptimeSec": "s", "RSSI": "%", "Signal": "dBm", "CarbonDioxide": "ppm", "Vcc": "V",
}  # fmt: skip
TEMPERATURES = ("Temperature", "DewPoint")
PRESSURES = ("Pressure", "SeaPressure")
PRESSURE_UNITS = {"mmHg": "mm[Hg]", "inHg": "[in_i'Hg]"}


def decode(payload: bytes, received_at: float, options: Options = NO_OPTIONS) -> list[Record]:
    """All numbers. Raises DecodeError."""
    document = parse_object(payload)
    said = document.pop("Time", None)
    if said is not None and not isinstance(said, str):
        raise DecodeError("bad_time", "Time is not a text")
    at = iso_time(said, options.zone) if said else None
    degrees = {"F": "degF"}.get(text(document, "TempUnit"), "Cel")
    pressure = text(document, "PressureUnit") or "hPa"
    records = []
    for name, value in bounded(numbers(document, options.words)):
        last = name.rpartition(".")[2]
        unit = UNITS.get(last, "")
        if last in TEMPERATURES:
            unit = degrees
        elif last in PRESSURES:
            unit = PRESSURE_UNITS.get(pressure, pressure)
        records.append(Record(name, value, unit, at, last))
    return records
