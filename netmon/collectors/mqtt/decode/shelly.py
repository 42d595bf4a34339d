"""Shelly Gen2 and later: ``{id}/events/rpc`` and ``{id}/status/{component}``. Notifications hold what has changed only.

So each is laid over the state that the device has told before; what it left out stands unchanged and is as good as
told again. null takes a value away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from netmon.collectors.mqtt.decode.fields import HUGE, as_number, parse_object
from netmon.collectors.mqtt.decode.record import HERE, DecodeError, Record

MAX_COMPONENTS = 64
MAX_FIELDS = 64  # of one component
_SUFFIXES = (  # the end of a name -> unit; the first that fits
    ("total_act_energy", "Wh"), ("total_act_ret_energy", "Wh"), ("aenergy.total", "Wh"), ("ret_aenergy.total", "Wh"),
    ("voltage", "V"), ("current", "A"), ("act_power", "W"), ("apower", "W"), ("aprt_power", "VA"), ("freq", "Hz"),
    ("pf", "/"), ("temperature.tC", "Cel"), ("tC", "Cel"), ("tF", "degF"), ("rh", "%RH"), ("battery.percent", "%"),
    ("battery.V", "V"), ("lux", "lx"), ("total_act", "Wh"), ("total_act_ret", "Wh"),
)  # fmt: skip
_NOT_VALUES = ("id", "minute_ts")  # numbers that measure nothing
_METHODS = ("NotifyStatus", "NotifyFullStatus")


class Decoder:
    """The state of one device (of one topic), as far as it has told. Bounded."""

    def __init__(self) -> None:
        self._state: dict[str, dict[str, object]] = {}

    def __call__(self, payload: bytes, received_at: float) -> list[Record]:
        """The components that the message is about, whole. Raises DecodeError."""
        document = parse_object(payload)
        if "method" not in document:  # status/{component}: the whole component, of which it says the number only
            return self._records({"": document}, None, whole=True)
        if document["method"] not in _METHODS:
            return [HERE]  # NotifyEvent and what is to come
        params = document.get("params")
        if not isinstance(params, dict):
            raise DecodeError("bad_payload", "params is not an object")
        at = as_number(params.pop("ts", None), {})
        if at is not None and not 0 <= at < 1e11:
            raise DecodeError("bad_time", "ts is not a time")
        told = {name: value for name, value in params.items() if isinstance(value, dict)}
        return self._records(told, at, whole=document["method"] == "NotifyFullStatus")

    def _records(self, told: Mapping[str, dict[str, object]], at: float | None, *, whole: bool) -> list[Record]:
        if len(told) > MAX_COMPONENTS or len(self._state.keys() | told.keys()) > MAX_COMPONENTS:
            raise DecodeError("bad_payload", f"more than {MAX_COMPONENTS} components")
        records = []
        for name, values in told.items():
            state = _laid_over({} if whole else self._state.get(name, {}), values)
            self._state[name] = state
            records += _component(name, state, at)
        return [*records, HERE]


def _laid_over(state: Mapping[str, object], changes: Mapping[str, object], depth: int = 0) -> dict[str, object]:
    """``changes`` over ``state``; objects are merged, null and all that is no number is left out."""
    merged = dict(state)
    for key, value in changes.items():
        if isinstance(value, dict) and depth < 2:
            before = merged.get(key)
            merged[key] = _laid_over(before if isinstance(before, dict) else {}, value, depth + 1)
        elif isinstance(value, int | float) and -HUGE < value < HUGE:
            merged[key] = value
        else:
            merged.pop(key, None)
    if len(merged) > MAX_FIELDS:
        raise DecodeError("bad_payload", f"more than {MAX_FIELDS} fields in a component")
    return merged


def _component(component: str, state: Mapping[str, object], at: float | None) -> list[Record]:
    records = []
    for name, value in _flat(state):
        if name in _NOT_VALUES or name.endswith(".minute_ts"):
            continue
        # A phase without voltage has no frequency either; what the meter makes up for it (198 Hz) is none.
        if name.endswith("freq") and state.get(name.removesuffix("freq") + "voltage") == 0:
            continue
        unit = next((unit for end, unit in _SUFFIXES if name.endswith(end)), "")
        records.append(Record(f"{component}.{name}" if component else name, value, unit, at, name))
    return records


def _flat(state: Mapping[str, object], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for key, value in state.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, float(cast(float, value))))
    return found
