"""What a decoder of the inventory may say beside its format, and the mistakes people make there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from netmon.collectors.mqtt.decode.fields import HUGE
from netmon.collectors.mqtt.decode.record import finite

DEFAULT_OFFSET = "+07:00"  # DOMAIN.md section 5: times without a zone are local, and the province keeps no summer time


class Options(NamedTuple):
    """``words`` (in lower case) stand for numbers; ``zone`` is for times without one, ``unit`` for values without."""

    words: Mapping[str, float] = {}
    zone: timezone = timezone(timedelta(hours=7))
    unit: str = ""


NO_OPTIONS = Options()


def read_options(mapping: Mapping[str, object]) -> Options:
    """From a mapping in which ``check_options`` found nothing."""
    values = mapping.get("values", {})
    words = {str(k).casefold(): float(v) for k, v in values.items()} if isinstance(values, Mapping) else {}
    zone = read_zone(mapping.get("utc_offset", DEFAULT_OFFSET))
    return Options(words, zone or NO_OPTIONS.zone, str(mapping.get("unit", "")))


def check_options(mapping: Mapping[str, object], allowed: tuple[str, ...]) -> list[str]:
    """One line for each mistake."""
    problems = [f"unknown key {key!r}; allowed: {', '.join(allowed)}" for key in mapping if key not in allowed]
    if "values" in mapping:
        problems += check_words(mapping["values"])
    if read_zone(mapping.get("utc_offset", DEFAULT_OFFSET)) is None:
        problems.append(f"utc_offset: {mapping['utc_offset']!r} is not an offset; write it as {DEFAULT_OFFSET!r}")
    if not isinstance(mapping.get("unit", ""), str):
        problems.append("unit: must be a text")
    return problems


def check_words(values: object) -> list[str]:
    if isinstance(values, Mapping) and all(isinstance(k, str) and is_number(v) for k, v in values.items()):
        return []
    return ["values: must map texts to numbers, as {'ON': 1, 'OFF': 0}"]


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -HUGE < value < HUGE and finite(value)


def read_zone(text: object) -> timezone | None:
    """``+07:00``; None where it is no offset."""
    try:
        found = datetime.fromisoformat(f"2000-01-01T00:00:00{text}").utcoffset()
    except ValueError:
        return None
    return timezone(found) if isinstance(found, timedelta) else None
