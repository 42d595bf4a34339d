"""What every decoder returns and raises, and the readings of JSON they have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import orjson

from netmon.errors import NetmonError

Kind = Literal["value", "old", "bad", "lapsed", "gone", "here", "none"]
VALUES = ("value", "old", "bad", "lapsed")  # kinds that are about one name


class Record(NamedTuple):
    """One number of a payload. ``at`` is the device's own time (UTC Unix seconds), None if it gave none.

    ``kind``: a ``value``, an ``old`` one that the device had kept for us while it was cut off, a ``bad`` one that its
    sender does not believe, one that has ``lapsed`` (the sender has no newer); or no number but word that all of the
    device's sensors are ``gone`` (or ``here``, which is no proof that they measure), or ``none``: nothing.
    """

    name: str
    value: float
    unit: str
    at: float | None
    local: str = ""  # the short name where ``name`` was put together from parts
    kind: Kind = "value"
    device: str = ""  # whose it is, where the payload says so


GONE = Record("", math.nan, "", None, kind="gone")
HERE = Record("", math.nan, "", None, kind="here")
NOTHING = Record("", math.nan, "", None, kind="none")


class DecodeError(NetmonError):
    """A payload that cannot be understood. ``reason`` is a short metric label, ``records`` what was read before."""

    def __init__(self, reason: str, message: str = "", records: Sequence[Record] = ()) -> None:
        self.reason = reason
        self.records = records
        super().__init__(message or reason)


Bound = Callable[[bytes, float], list[Record]]  # payload and time of arrival; options are worked in


def parse_json(payload: bytes) -> object:
    """The payload as JSON values; raises DecodeError("not_json")."""
    try:
        parsed: object = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise DecodeError("not_json", f"not JSON: {error}") from None
    return parsed


def finite(value: float) -> bool:
    """False for NaN and the infinities, which no sensor means and no database takes."""
    return math.isfinite(value)
