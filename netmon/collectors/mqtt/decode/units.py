"""Units that senders use for one quantity, and how they become the unit of the sensor's type (all linear)."""

from __future__ import annotations

# Spellings in the field -> unit of SenML (RFC 8428, section 12.1) or UCUM.
ALIASES = {
    "°C": "Cel", "C": "Cel", "degC": "Cel", "celsius": "Cel", "°F": "degF", "F": "degF", "[degF]": "degF",
    "%": "%RH", "% RH": "%RH", "percent": "%RH", "volt": "V", "watt": "W", "lux": "lx", "L": "l",
}  # fmt: skip

# unit -> (base, scale, offset): base value = value * scale + offset. SenML secondary units: RFC 8798, section 3.
_LINEAR = {
    "Cel": ("Cel", 1.0, 0.0),
    "K": ("Cel", 1.0, -273.15),
    "degF": ("Cel", 5 / 9, -160 / 9),
    "%RH": ("/", 0.01, 0.0),  # a percentage of anything; "%" and "%RH" are told apart by the quantity
    "/": ("/", 1.0, 0.0),
    "V": ("V", 1.0, 0.0),
    "mV": ("V", 0.001, 0.0),
    "kV": ("V", 1000.0, 0.0),
    "A": ("A", 1.0, 0.0),
    "mA": ("A", 0.001, 0.0),
    "W": ("W", 1.0, 0.0),
    "mW": ("W", 0.001, 0.0),
    "kW": ("W", 1000.0, 0.0),
    "J": ("J", 1.0, 0.0),
    "W.s": ("J", 1.0, 0.0),
    "Wh": ("J", 3600.0, 0.0),
    "kWh": ("J", 3.6e6, 0.0),
    "Pa": ("Pa", 1.0, 0.0),
    "hPa": ("Pa", 100.0, 0.0),
    "kPa": ("Pa", 1000.0, 0.0),
    "bar": ("Pa", 1e5, 0.0),
    "m": ("m", 1.0, 0.0),
    "cm": ("m", 0.01, 0.0),
    "mm": ("m", 0.001, 0.0),
    "km": ("m", 1000.0, 0.0),
    "m/s": ("m/s", 1.0, 0.0),
    "km/h": ("m/s", 1 / 3.6, 0.0),
    "m3": ("m3", 1.0, 0.0),
    "l": ("m3", 0.001, 0.0),
    "m3/s": ("m3/s", 1.0, 0.0),
    "l/s": ("m3/s", 0.001, 0.0),
    "m3/h": ("m3/s", 1 / 3600, 0.0),
    "s": ("s", 1.0, 0.0),
    "ms": ("s", 0.001, 0.0),
    "min": ("s", 60.0, 0.0),
    "h": ("s", 3600.0, 0.0),
}


def convert(value: float, unit: str, wanted: str) -> float | None:
    """``value`` in the unit ``wanted``; None where they do not measure the same. No unit at all is taken as right."""
    unit, wanted = ALIASES.get(unit, unit), ALIASES.get(wanted, wanted)
    if unit == wanted or not unit or not wanted:
        return value
    source, target = _LINEAR.get(unit), _LINEAR.get(wanted)
    if source is None or target is None or source[0] != target[0]:
        return None
    return (value * source[1] + source[2] - target[2]) / target[1]
