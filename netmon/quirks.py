"""Where a vendor's value is not what its MIB says: one small rule each, by name, used by figures. Pure.

A quirk gets the number and a look-up of other metrics in the same row; None means that there is no value.
Sources: DOMAIN.md, section 4.3, each seen in a device's walk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

Lookup = Callable[[str], float | None]
Quirk = Callable[[float, Lookup], float | None]

UNSIGNED_UNKNOWN = 4294967295  # -1 sent as Gauge32: Huawei UPS2000, upsEstimatedMinutesRemaining
HIGHEST_MAINS_V = 600  # no phase voltage at a site is higher
CISCO_NO_SENSOR = -32768  # IOS XR shows it for a sensor that is not there
SENSOR_WATTS = 6  # entSensorType, entPhySensorType
NO_LIGHT_DBM = -40.0  # what transceivers show for darkness (SFF-8472: 0.1 microwatt is their lowest)
SENSOR_LIMIT = 1_000_000_000  # RFC 3433, EntitySensorValue: at or beyond it means under- or overflow


def huawei_optical_power(value: float, row: Lookup) -> float | None:
    """dBm. Above 0 it is microwatts, below hundredths of dBm; 0 and -1 mean no module (hwEntityOpticalRxPower)."""
    if value in (0, -1):
        return None
    return 10 * math.log10(value / 1000) if value > 0 else value / 100


def zero_is_absent(value: float, row: Lookup) -> float | None:
    """Empty slots and missing modules or sensors read 0 (Huawei entities, MikroTik and Juniper optics)."""
    return value or None


def unknown_is_all_ones(value: float, row: Lookup) -> float | None:
    """-1, or -1 read as Gauge32, where the device does not know."""
    return None if value in (-1, UNSIGNED_UNKNOWN, 2147483647) else value


def mains_deci_volts(value: float, row: Lookup) -> float | None:
    """Volts from a UPS that counts tenths although RFC 1628 says RMS volts (Delta: 2360)."""
    return value / 10 if value > HIGHEST_MAINS_V else value


def entity_sensor(value: float, row: Lookup) -> float | None:
    """A sensor value by its scale and precision columns: ENTITY-SENSOR-MIB (RFC 3433) or Cisco's of the same form."""
    if value == CISCO_NO_SENSOR or abs(value) >= SENSOR_LIMIT:
        return None
    scale, precision = _beside(row, "Scale"), _beside(row, "Precision")
    exponent = 3 * (int(scale) - 9) if scale is not None else 0  # 9 is units, each step is a thousand
    try:
        return float(value * 10.0**exponent / 10.0 ** (precision or 0))
    except (OverflowError, ZeroDivisionError):  # scale and precision are whatever the device says
        return None


def entity_light(value: float, row: Lookup) -> float | None:
    """dBm of a sensor that says dBm (type 14, Cisco) or watts (type 6, IOS XR); no watts are no light, -40 dBm."""
    found = entity_sensor(value, row)
    if found is None or _beside(row, "Type") != SENSOR_WATTS:
        return found
    if found < 0:
        return None
    return max(10 * math.log10(found * 1000), NO_LIGHT_DBM) if found else NO_LIGHT_DBM


def entity_turns(value: float, row: Lookup) -> float | None:
    """1 for a fan that turns, 0 for one that stands (revolutions per minute of an entity sensor)."""
    found = entity_sensor(value, row)
    return None if found is None else float(found > 0)


def _beside(row: Lookup, what: str) -> float | None:
    found = row(f"entSensor{what}")
    return row(f"entPhySensor{what}") if found is None else found


def cisco_precision(value: float, row: Lookup) -> float | None:
    """Milliseconds of an IP SLA test that may be set to count microseconds (rttMonEchoAdminPrecision 2)."""
    return value / 1000 if row("rttMonEchoAdminPrecision") == 2 else value


def nqa_answered(value: float, row: Lookup) -> float | None:
    """A mean of Huawei's NQA, 0 where no probe was answered: then there is none (NQA-MIB, ProbeResponses)."""
    answers = row("nqaResultsProbeResponses")
    if answers is None:
        answers = row("nqaJitterStatsProbeResponses")
    return None if answers == 0 else value


def lost_share(value: float, row: Lookup) -> float | None:
    """The lost part from the part that came back; more answers than questions (late ones, duplicates) are no loss."""
    return max(1 - value, 0.0)


def juniper_percent(value: float, row: Lookup) -> float | None:
    """A ratio from millionths of a percent (jnxRpmResSumPercentLost: 2538860 of 5790 sent and 5643 received)."""
    return value / 1e8


QUIRKS: Mapping[str, Quirk] = {
    quirk.__name__: quirk
    for quirk in (
        huawei_optical_power,
        zero_is_absent,
        unknown_is_all_ones,
        mains_deci_volts,
        entity_sensor,
        entity_light,
        entity_turns,
        cisco_precision,
        nqa_answered,
        lost_share,
        juniper_percent,
    )
}
_ENTITY = frozenset(f"{mib}{what}" for mib in ("entSensor", "entPhySensor") for what in ("Type", "Scale", "Precision"))
NEEDS: Mapping[str, frozenset[str]] = {  # the metrics that a quirk looks up
    "entity_sensor": _ENTITY,
    "entity_light": _ENTITY,
    "entity_turns": _ENTITY,
    "cisco_precision": frozenset({"rttMonEchoAdminPrecision"}),
    "nqa_answered": frozenset({"nqaResultsProbeResponses", "nqaJitterStatsProbeResponses"}),
}
