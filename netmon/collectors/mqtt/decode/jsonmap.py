"""Any JSON: a small mapping says where each value stands (JMESPath), its unit and scale, and where the time is.

``{fields: {temperature: {path: "data.temp", unit: "Cel", scale: 0.1}}, time: "ts", time_format: unix|unix_ms|iso}``
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timezone
from typing import Any, NamedTuple

import jmespath
from jmespath.exceptions import JMESPathError

from netmon.collectors.mqtt.decode.fields import iso_time
from netmon.collectors.mqtt.decode.options import check_options, check_words, is_number, read_options
from netmon.collectors.mqtt.decode.record import Bound, DecodeError, Record, finite, parse_json

MAX_DEVICE_CHARS = 100
TIME_FORMATS = ("unix", "unix_ms", "iso")
FIELD_KEYS = ("path", "unit", "scale", "offset", "values", "default")
KEYS = ("format", "fields", "time", "time_format", "utc_offset", "device")


class _Field(NamedTuple):
    name: str
    path: Any  # a compiled JMESPath expression
    unit: str
    scale: float
    offset: float
    values: Mapping[str, float]  # words that stand for numbers
    default: float | None  # where senders leave out zeros


class _Mapping(NamedTuple):
    fields: tuple[_Field, ...]
    time: Any | None
    device: Any | None
    time_format: str
    zone: timezone


def bind(mapping: Mapping[str, object]) -> Bound:
    """Compile the mapping once; raises DecodeError("bad_mapping") where ``check_mapping`` would complain."""
    if problems := check_mapping(mapping):
        raise DecodeError("bad_mapping", "; ".join(problems))
    compiled = _compile(mapping)
    return lambda payload, received_at: _decode(compiled, payload)


def check_mapping(mapping: Mapping[str, object]) -> list[str]:
    """Every mistake of a mapping that people wrote, one line each; empty when it can be used."""
    problems = check_options(mapping, KEYS)
    fields = mapping.get("fields")
    if not isinstance(fields, Mapping) or not fields:
        problems.append("fields: at least one field is needed, as NAME: {path: ...}")
    else:
        for name, spec in fields.items():
            problems += [f"fields.{name}: {text}" for text in _check_field(spec)]
    for key in ("time", "device"):
        if key in mapping:
            problems += [f"{key}: {text}" for text in _check_path(mapping[key])]
    if mapping.get("time_format", "unix") not in TIME_FORMATS:
        problems.append(f"time_format: {mapping['time_format']!r} is unknown; allowed: {', '.join(TIME_FORMATS)}")
    return problems


def _check_field(spec: object) -> list[str]:
    if not isinstance(spec, Mapping):
        return ["must be a mapping with a path"]
    problems = [f"unknown key {key!r}; allowed: {', '.join(FIELD_KEYS)}" for key in spec if key not in FIELD_KEYS]
    problems += [f"path: {text}" for text in _check_path(spec.get("path"))]
    problems += [
        f"{key}: must be a number" for key in ("scale", "offset", "default") if key in spec and not is_number(spec[key])
    ]
    if not isinstance(spec.get("unit", ""), str):
        problems.append("unit: must be a text")
    return problems + check_words(spec.get("values", {}))


def _check_path(path: object) -> list[str]:
    if not isinstance(path, str) or not path:
        return ["a JMESPath expression is needed"]
    try:
        jmespath.compile(path)
    except JMESPathError as error:
        return [f"{path!r} is not JMESPath: {str(error).splitlines()[0]}"]
    return []


def _compile(mapping: Mapping[str, Any]) -> _Mapping:
    fields = tuple(
        _Field(
            str(name),
            jmespath.compile(spec["path"]),
            spec.get("unit", ""),
            float(spec.get("scale", 1.0)),
            float(spec.get("offset", 0.0)),
            {key.casefold(): float(value) for key, value in spec.get("values", {}).items()},
            float(spec["default"]) if "default" in spec else None,
        )
        for name, spec in mapping["fields"].items()
    )
    time, device = (jmespath.compile(mapping[key]) if key in mapping else None for key in ("time", "device"))
    return _Mapping(fields, time, device, mapping.get("time_format", "unix"), read_options(mapping).zone)


def _decode(mapping: _Mapping, payload: bytes) -> list[Record]:
    document = parse_json(payload)
    if not isinstance(document, dict | list):
        raise DecodeError("bad_payload", "neither an object nor an array")
    at = _time(_search(mapping.time, document), mapping) if mapping.time is not None else None
    device = _search(mapping.device, document) if mapping.device is not None else None
    whose = str(device)[:MAX_DEVICE_CHARS] if isinstance(device, str | int) else ""
    records = []
    for field in mapping.fields:
        value = _value(field, _search(field.path, document))
        if value is not None:
            records.append(Record(field.name, value, field.unit, at, device=whose))
    return records


def _search(path: Any, document: object) -> object:
    try:
        found: object = path.search(document)
    except JMESPathError as error:  # a function that met the wrong type
        raise DecodeError("bad_payload", str(error).splitlines()[0]) from None
    return found


def _value(field: _Field, found: object) -> float | None:
    if isinstance(found, str):
        mapped = field.values.get(found.strip().casefold())
        if mapped is not None:
            return mapped
    if found is None:
        return field.default
    try:
        number = float(found)  # type: ignore[arg-type]  # true and false are 1 and 0, "23.4" is a number
    except (TypeError, ValueError, OverflowError):
        raise DecodeError("bad_value", f"{field.name}: not a number: {str(found)[:40]!r}") from None
    number = number * field.scale + field.offset
    if not finite(number):
        raise DecodeError("bad_value", f"{field.name}: not a finite number")
    return number


def _time(found: object, mapping: _Mapping) -> float | None:
    if found is None:
        return None
    try:
        if mapping.time_format == "iso":
            return iso_time(str(found), mapping.zone)
        seconds = float(found)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise DecodeError("bad_time", f"not a time: {str(found)[:40]!r}") from None
    seconds = seconds / 1000.0 if mapping.time_format == "unix_ms" else seconds
    if not finite(seconds):
        raise DecodeError("bad_time", "not a time")
    return seconds
