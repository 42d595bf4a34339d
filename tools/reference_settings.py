"""The settings of netmon.yml as tables, for tools/reference.py: the dataclasses of netmon.config are the schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from netmon import settings_load
from netmon.config import Channel, Config, NotifyConfig
from netmon.model import Secret
from netmon.reload import FIXED
from netmon.yamlvalues import DURATION, SIZE, Measure
from tools.reference_words import SETTINGS


def sections() -> dict[str, type]:
    """Key of a section of netmon.yml ("" = the top level) -> the dataclass that is its schema."""
    nested = {f.name: t for f in fields(Config) if is_dataclass(t := get_type_hints(Config)[f.name])}
    hints = get_type_hints(NotifyConfig)
    nested |= {f"notify.{f.name}": t for f in fields(NotifyConfig) if is_dataclass(t := hints[f.name])}
    return {"": Config, **cast("dict[str, type]", nested), "notify.channels.NAME": Channel}


def setting_keys() -> dict[str, tuple[type, str]]:
    """Every key of netmon.yml in full -> the dataclass and the field it fills."""
    found = {}
    for section, cls in sections().items():
        for field in fields(cls):
            name = f"{cls.__name__}.{field.name}"
            if name not in ("Config.path", "Channel.name") and not is_dataclass(_hint(cls, field.name)):
                found[f"{section}.{settings_load.key_of(field.name)}".lstrip(".")] = (cls, field.name)
    return found


def _hint(cls: type, name: str) -> Any:
    hint = get_type_hints(cls)[name]
    return None if hint is Secret else hint


def rows(section: str) -> list[tuple[str, str, str, str]]:
    """Key, value, default and meaning of every setting of one section ("top" = the top level)."""
    cls = sections()["" if section == "top" else section]
    found: list[tuple[str, str, str, str]] = []
    for key, (owner, name) in setting_keys().items():
        if owner is cls:
            later = " A new value needs a restart." if key in FIXED else ""
            found.append(
                (f"`{key.rpartition('.')[2]}`", _allowed(cls, name), _default(cls, name), SETTINGS[key] + later)
            )
    return found


def restart(section: str) -> bool:
    """Whether a new value is only read at the start."""
    return section.partition(".")[0] in FIXED


def _allowed(cls: type, name: str) -> str:
    hint = get_type_hints(cls)[name]
    place = f"{cls.__name__}.{name}"
    limits = settings_load._LIMITS.get(place, settings_load._LIMITS.get(name))
    choices = settings_load._CHOICES.get(place, get_args(hint) if get_origin(hint) is Literal else ())
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if name in _COMPOSITE:
        return _COMPOSITE[name]
    if name.endswith("_max_bytes"):
        return f"size, {_range(limits, SIZE)}" if limits else "size"
    if name.endswith("_s"):
        return f"duration, {_range(limits, DURATION)}" if limits else "duration"
    if hint is float:
        low, high = limits or (0.0, 1.0)
        return f"{'ratio' if high <= 1.0 else 'number'}, {low:g} to {high:g}"
    if hint is int and limits:
        return f"whole number, {limits[0]:g} to {limits[1]:.0f}"
    return {bool: "`true` or `false`", str: "text", tuple[str, ...]: "list of texts"}.get(hint, "secret")


_COMPOSITE = {
    "retry_s": "list of durations",
    "tell_after_s": "name: duration",
    "thresholds": "alert: number",
    "address_map": "prefix: prefix",
    "channels": "name: channel",
    "headers": "name: secret",
    "parameters": "name: text, most",
}


def _default(cls: type, name: str) -> str:
    field = next(field for field in fields(cls) if field.name == name)
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if value is MISSING:
        return "must be given"
    if value in (None, "", ()) or value == {}:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: `{spell(seconds, DURATION)}`" for key, seconds in value.items())
    values = value if isinstance(value, tuple) else (value,)
    measure = SIZE if name.endswith("_max_bytes") else DURATION if name.endswith("_s") else None
    return ", ".join(f"`{spell(v, measure) if measure else _yaml(v)}`" for v in values)


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _range(limits: tuple[float, float], measure: Measure) -> str:
    return f"{spell(limits[0], measure)} to {spell(limits[1], measure)}"


def spell(value: float, measure: Measure) -> str:
    """The shortest spelling with a unit: 600.0 s is 10m."""
    for unit, size in sorted(measure.units.items(), key=lambda pair: -pair[1]):
        count = round(value / size)
        if count and abs(count * size - value) < 1e-9 * size:
            return f"{count}{unit}"
    return f"{value:g}{measure.base}"
