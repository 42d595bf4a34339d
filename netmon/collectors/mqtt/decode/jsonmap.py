"""Any JSON: a small mapping says where each value stands (JMESPath), its unit and scale, and where the time is.

``{fields: {temperature: {path: "data.temp", unit: "Cel", scale: 0.1}}, time: "ts", time_format: unix|unix_ms|iso}``
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

import jmespath
from jmespath.exceptions import JMESPathError

from netmon.collectors.mqtt.decode.record import Bound, DecodeError, Record, finite, parse_json

TIME_FORMATS = ("unix", "unix_ms", "iso")
FIELD_KEYS = ("path", "unit", "scale", "offset", "values", "default")
KEYS = ("fields", "time", "time_format", "utc_offset")
DEFAULT_OFFSET = "+07:00"  # DOMAIN.md section 5: times without a zone are local, and the province keeps no summer time


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
    time_format: str
    zone: timezone


def decode(payload: bytes, received_at: float, mapping: Mapping[str, object] | None = None) -> list[Record]:
    """The fields of one payload. A field that is absent or null is left out. Raises DecodeError."""
    return bind(mapping or {})(payload, received_at)


def bind(mapping: Mapping[str, object]) -> Bound:
    """Compile the mapping once; raises DecodeError("bad_mapping") where ``check_mapping`` would complain."""
    if problems := check_mapping(mapping):
        raise DecodeError("bad_mapping", "; ".join(problems))
    compiled = _compile(mapping)
    return lambda payload, received_at: _decode(compiled, payload)


def check_mapping(mapping: Mapping[str, object]) -> list[str]:
    """Every mistake of a mapping that people wrote, one line each; empty when it can be used."""
    problems = [f"unknown key {key!r}; allowed: {', '.join(KEYS)}" for key in mapping if key not in KEYS]
    fields = mapping.get("fields")
    if not isinstance(fields, Mapping) or not fields:
        problems.append("fields: at least one field is needed, as NAME: {path: ...}")
    else:
        for name, spec in fields.items():
            problems += [f"fields.{name}: {text}" for text in _check_field(spec)]
    if "time" in mapping:
        problems += [f"time: {text}" for text in _check_path(mapping["time"])]
    if mapping.get("time_format", "unix") not in TIME_FORMATS:
        problems.append(f"time_format: {mapping['time_format']!r} is unknown; allowed: {', '.join(TIME_FORMATS)}")
    if _zone(mapping.get("utc_offset", DEFAULT_OFFSET)) is None:
        problems.append(f"utc_offset: {mapping['utc_offset']!r} is not an offset; write it as {DEFAULT_OFFSET!r}")
    return problems


def _check_field(spec: object) -> list[str]:
    if not isinstance(spec, Mapping):
        return ["must be a mapping with a path"]
    problems = [f"unknown key {key!r}; allowed: {', '.join(FIELD_KEYS)}" for key in spec if key not in FIELD_KEYS]
    problems += [f"path: {text}" for text in _check_path(spec.get("path"))]
    problems += [
        f"{key}: must be a number"
        for key in ("scale", "offset", "default")
        if key in spec and not _is_number(spec[key])
    ]
    if not isinstance(spec.get("unit", ""), str):
        problems.append("unit: must be a text")
    values = spec.get("values", {})
    if not isinstance(values, Mapping) or not all(isinstance(k, str) and _is_number(v) for k, v in values.items()):
        problems.append("values: must map texts to numbers, as {'ON': 1, 'OFF': 0}")
    return problems


def _check_path(path: object) -> list[str]:
    if not isinstance(path, str) or not path:
        return ["a JMESPath expression is needed"]
    try:
        jmespath.compile(path)
    except JMESPathError as error:
        return [f"{path!r} is not JMESPath: {str(error).splitlines()[0]}"]
    return []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and finite(value)


def _zone(text: object) -> timezone | None:
    try:
        found = datetime.fromisoformat(f"2000-01-01T00:00:00{text}").utcoffset()
    except ValueError:
        return None
    return timezone(found) if isinstance(found, timedelta) else None


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
    time = jmespath.compile(mapping["time"]) if "time" in mapping else None
    zone = _zone(mapping.get("utc_offset", DEFAULT_OFFSET)) or UTC
    return _Mapping(fields, time, mapping.get("time_format", "unix"), zone)


def _decode(mapping: _Mapping, payload: bytes) -> list[Record]:
    document = parse_json(payload)
    if not isinstance(document, dict | list):
        raise DecodeError("bad_payload", "neither an object nor an array")
    at = _time(_search(mapping.time, document), mapping) if mapping.time is not None else None
    records = []
    for field in mapping.fields:
        value = _value(field, _search(field.path, document))
        if value is not None:
            records.append(Record(field.name, value, field.unit, at))
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
            moment = datetime.fromisoformat(str(found))
            return (moment if moment.tzinfo else moment.replace(tzinfo=mapping.zone)).timestamp()
        seconds = float(found)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise DecodeError("bad_time", f"not a time: {str(found)[:40]!r}") from None
    seconds = seconds / 1000.0 if mapping.time_format == "unix_ms" else seconds
    if not finite(seconds):
        raise DecodeError("bad_time", "not a time")
    return seconds
