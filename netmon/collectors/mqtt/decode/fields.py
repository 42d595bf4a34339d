"""What the JSON formats have in common: numbers found by their path, words that stand for numbers, times as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo

from netmon.collectors.mqtt.decode.record import DecodeError, finite, parse_json

MAX_DEPTH = 8  # deeper than any sender nests its values
MAX_VALUES = 1000  # of one message; a bound for us
HUGE = 2**1023  # above, an integer of JSON is no float


def parse_object(payload: bytes) -> dict[str, object]:
    """The payload as a JSON object; raises DecodeError."""
    parsed = parse_json(payload)
    if not isinstance(parsed, dict):
        raise DecodeError("bad_payload", "not a JSON object")
    return parsed


def child(owner: object, key: str) -> dict[str, object]:
    """The object under ``key``, empty where there is none."""
    found = owner.get(key) if isinstance(owner, dict) else None
    return found if isinstance(found, dict) else {}


def text(owner: object, key: str) -> str:
    """The text under ``key``, "" where there is none."""
    found = owner.get(key) if isinstance(owner, dict) else None
    return found if isinstance(found, str) else ""


def numbers(owner: object, words: Mapping[str, float], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, float]]:
    """Every number below, by its path ("ENERGY.Power"); true and false are 1 and 0, null and other texts are none."""
    if depth > MAX_DEPTH:
        raise DecodeError("bad_payload", f"nested deeper than {MAX_DEPTH}")
    pairs = owner.items() if isinstance(owner, dict) else enumerate(owner) if isinstance(owner, list) else ()
    for key, value in pairs:
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, dict | list):
            yield from numbers(value, words, name, depth + 1)
        elif (number := as_number(value, words)) is not None:
            yield name, number


def as_number(value: object, words: Mapping[str, float]) -> float | None:
    """A number, true or false, or one of ``words`` (in lower case); None for all else."""
    if isinstance(value, str):
        return words.get(value.strip().casefold())
    if isinstance(value, float):
        return value if finite(value) else None
    return float(value) if isinstance(value, int) and -HUGE < value < HUGE else None


def bounded(found: Iterator[tuple[str, float]]) -> list[tuple[str, float]]:
    """All of them; raises DecodeError where there are too many."""
    taken: list[tuple[str, float]] = []
    for pair in found:
        if len(taken) >= MAX_VALUES:
            raise DecodeError("bad_payload", f"more than {MAX_VALUES} values")
        taken.append(pair)
    return taken


def iso_time(found: str, zone: tzinfo) -> float:
    """Seconds of an ISO 8601 time, with up to any number of digits of a second; without a zone it is in ``zone``."""
    try:
        moment = datetime.fromisoformat(found)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        raise DecodeError("bad_time", f"not a time: {found[:40]!r}") from None
    if not finite(seconds):
        raise DecodeError("bad_time", "not a time")
    return seconds
