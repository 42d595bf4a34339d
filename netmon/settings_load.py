"""netmon.yml -> Config. The dataclasses of ``netmon.config`` are the schema: a new field there is a new key here.

A field ``interval_s`` is the key ``interval`` and takes a duration (``30s``); ``_bytes`` takes a size under its own
name, ``_ratio`` a number from 0 to 1. What else a field may hold stands in the tables below.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from netmon.addresses import AllowList, parse_listen, parse_pair
from netmon.alerts import zns
from netmon.config import Channel, Config, MqttConfig, NotifyConfig, PairConfig, Parameter
from netmon.model import Secret
from netmon.secrets_load import Secrets, harmless_header, harmless_server, harmless_url
from netmon.yamlfile import Entry
from netmon.yamlvalues import DURATION, suggest

CHANNEL_KINDS = ("apprise", "http", "zalo_oa", "zns", "zalo_bot", "alertmanager")
MOST_PARAMETER = 30  # what templates allow unless they say otherwise
ZALO_URLS = {
    "zalo_oa": "https://openapi.zalo.me/v3.0/oa/message/cs",
    "zns": "https://business.openapi.zalo.me/message/template",
    "zalo_bot": "https://bot-api.zaloplatforms.com",
}
LANGUAGES = ("vi", "en")
_CHOICES: dict[str, tuple[str, ...]] = {
    "Channel.kind": CHANNEL_KINDS,
    "Channel.form": ("long", "short", "sms"),
    "Channel.detail": ("plain", "full"),
    "Channel.method": ("POST", "PUT", "GET"),
    "Config.language": LANGUAGES,
}
# Lowest and highest, both included. Durations without a row here are 0 s to a year.
_LIMITS: dict[str, tuple[float, float]] = {
    "port": (1, 65535),
    "ProbeConfig.interval_s": (0.1, 3600),
    "ProbeConfig.timeout_s": (0.01, 60),
    "ProbeConfig.burst_count": (1, 1000),
    "ProbeConfig.burst_spacing_s": (0.01, 60),
    "ProbeConfig.size_bytes": (0, 9000),
    "ProbeConfig.window": (10, 10_000),
    "ProbeConfig.degraded_rtt_s": (0.001, 60),
    "SnmpConfig.interval_s": (1, 86400),
    "SnmpConfig.slow_interval_s": (1, 7 * 86400),
    "SnmpConfig.timeout_s": (0.05, 60),
    "SnmpConfig.retries": (0, 10),
    "SnmpConfig.budget_s": (0.1, 3600),
    "SnmpConfig.sockets": (1, 64),
    "SnmpConfig.in_flight": (1, 1000),
    "SnmpConfig.max_repetitions": (1, 1000),
    "TrapConfig.queue_size": (1, 10_000_000),
    "TrapConfig.poll_gap_s": (0.1, 3600),
    "MqttConfig.commit_interval_s": (0.001, 10),
    "MqttConfig.receive_maximum": (1, 32_768),  # half of the packet ids: intake.Seen
    "MqttConfig.queue_size": (1, 10_000_000),
    "PairConfig.interval_s": (0.2, 60),
    "PairConfig.missed": (2, 100),
    "InfluxConfig.batch": (1, 100_000),
    "InfluxConfig.interval_s": (0.1, 3600),
    "InfluxConfig.spool_max_bytes": (1_000_000, 1e12),
    "HistoryConfig.line_samples_s": (8 * 86400, 3660 * 86400),  # the rule of 7 days needs a week of them
    "AlertConfig.evaluate_s": (0.1, 300),
    "AlertConfig.upstream_ratio": (0.01, 1),
    "AlertConfig.storm_incidents": (1, 1_000_000),
    "AlertConfig.flap_changes": (2, 1000),
    "MailboxConfig.interval_s": (1, 3600),
    "Channel.per_minute": (0.1, 100_000),
    "Channel.burst": (1, 10_000),
}
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_HOURS = re.compile(f"({_CLOCK}-{_CLOCK})?"), 'write it as "22:00-05:30", or "" for none'
_PATTERNS = {
    "AlertConfig.quiet_hours": _HOURS,
    "AlertConfig.office_hours": _HOURS,
    "ZaloConfig.token_url": (re.compile(r"https?://\S+"), "a URL begins with https://"),
    "AlertConfig.morning": (re.compile(f"({_CLOCK})?"), 'write it as "07:15", or "" for none'),
}
# What each text of a list looks like.
_EACH = {"heartbeat": (re.compile(_CLOCK), 'write each as "07:00"')}
_FILES = ("ca_file", "cert_file", "key_file")
_ONLY = dict.fromkeys(("method", "headers", "body", "success"), "http") | {
    "template": "zns",
    "parameters": "zns",
    "token": "zalo_bot",
}
_YEAR_S = 366 * 86400.0


def key_of(field_name: str) -> str:
    """The YAML key of a dataclass field: durations lose their ``_s``, as the value names its unit."""
    return field_name.removesuffix("_s")


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


class Settings:
    """Reads netmon.yml once. ``places`` keeps the entries that checks across files need later."""

    def __init__(self, root: Entry, path: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self.base = path.parent
        self.secrets = Secrets(environ, self.base)
        self.places: dict[str, Entry] = {"": root}
        self._environ = environ

    def read(self, path: Path) -> Config:
        """The checked Config; problems are in the entry's list."""
        values = self._fields(Config, self.root, skip=("path",))
        given = self.base / values["state_dir"] if self.root.has("state_dir") else Path("state")
        set_by_unit = self._environ.get("STATE_DIRECTORY", "").split(":")[0]  # systemd.exec(5)
        values["state_dir"] = str(Path(set_by_unit or given).absolute())
        values["path"] = str(path.absolute())
        values["inventory"] = self._globs("inventory", values["inventory"], skip=path)
        values["profiles"] = self._globs("profiles", values["profiles"], skip=path)
        self._check_zone(str(values["timezone"]))
        self._check_targets(values["snmp"].allow_targets)
        self._check_listen(values["traps"].listen)
        self._check_zalo(values["notify"])
        self._check_replies(values["notify"])
        self._check_pair(values["notify"].role, values["pair"], values["mqtt"])
        return Config(**values)

    def _fields(self, cls: type, entry: Entry, skip: tuple[str, ...] = ()) -> dict[str, Any]:
        defaults = None if cls is Channel else cls()
        values = {}
        for field in fields(cls):
            if field.name not in skip:
                default = getattr(defaults, field.name, None) if defaults else field.default
                values[field.name] = self._field(cls, field.name, entry, default)
        entry.finish()
        return values

    def _field(self, cls: type, name: str, entry: Entry, default: Any) -> Any:
        hint, key, place = _hints(cls)[name], key_of(name), f"{cls.__name__}.{name}"
        low, high = _LIMITS.get(place, _LIMITS.get(name, (0.0, 1.0 if name.endswith("_ratio") else _YEAR_S)))
        if is_dataclass(hint) and isinstance(hint, type) and hint is not Secret:
            nested = entry.entry(key)
            if nested is None:
                return default
            nested.thing = key
            self.places[key] = nested
            return hint(**self._fields(hint, nested))
        if hint is bool:
            return entry.flag(key, default)
        if hint is int or (hint is float and not name.endswith("_s")):
            if name.endswith("_max_bytes"):
                return int(entry.size(key, default, low=low, high=high))
            number = entry.number(key, default, low=low, high=high, whole=hint is int)
            return int(number or 0) if hint is int else number
        if hint is float:
            return entry.duration(key, default, low=low, high=high)
        if hint is str or get_origin(hint) is Literal:
            pattern, allowed = _PATTERNS.get(place, (None, ""))
            choices = _CHOICES.get(place, get_args(hint))
            text = entry.text(key, default, choices=choices, pattern=pattern, allowed=allowed)
            return self._file(entry, key, text) if name in _FILES and text else text
        if hint == Secret | None:
            return self.secrets.read(entry, key)
        return self._collection(name, key, entry, default, hint)

    def _collection(self, name: str, key: str, entry: Entry, default: Any, hint: Any) -> Any:
        if hint == tuple[str, ...]:
            return self._texts(entry, key, name) or default
        if hint == tuple[float, ...]:
            return self._durations(entry, key) or default
        nested = entry.entry(key)
        if nested is None:
            return default
        nested.thing = f"{entry.thing} {key}".strip()
        self.places[key] = nested
        if hint == Mapping[str, Channel]:
            return {channel: self._channel(nested, channel) for channel in nested.names()}
        if hint == Mapping[str, float] and name.endswith("_s"):
            return {**default, **{k: nested.duration(k) for k in nested.names()}}
        if hint == Mapping[str, float]:
            return {k: nested.number(k) or 0.0 for k in nested.names()}
        return self._prefixes(nested)

    def _texts(self, entry: Entry, key: str, name: str) -> tuple[str, ...]:
        found = entry.texts(key)
        for text in found:
            if name in _EACH and not _EACH[name][0].fullmatch(text):
                entry.problem(key, f'"{key}" cannot hold "{text}"', _EACH[name][1])
        return found

    def _durations(self, entry: Entry, key: str) -> tuple[float, ...]:
        found = []
        for text in entry.texts(key, unique=False):
            try:
                found.append(DURATION.parse(text))
            except ValueError:
                entry.problem(key, f'"{key}" cannot hold {text!r}', DURATION.allowed)
        return tuple(found)

    def _prefixes(self, entry: Entry) -> dict[str, str]:
        pairs = {}
        for source in entry.names():
            target = entry.text(source, required=True)
            try:
                parse_pair(source, target)
            except ValueError as error:
                if target:
                    entry.problem(source, str(error), "allowed: two prefixes of equal length, such as 198.18.0.0/15")
            else:
                pairs[source] = target
        return pairs

    def _channel(self, channels: Entry, name: str) -> Channel:
        entry = channels.entry(name)
        if entry is None:
            return Channel(name, "http", Secret(""))
        entry.thing = f'channel "{name}"'
        self.places[f"channel {name}"] = entry
        kind = entry.text("kind", required=True, choices=CHANNEL_KINDS)
        usual = ZALO_URLS.get(kind, "")
        harmless = harmless_server if usual or kind == "alertmanager" else harmless_url
        url = self.secrets.read(entry, "url", required=not usual, harmless=harmless) or Secret(usual)
        headers = {}
        if head := entry.entry("headers"):
            for header in head.names():
                value = self.secrets.read(head, header, required=True, harmless=harmless_header(header))
                headers[header] = value or Secret("")
        for key, owner in _ONLY.items():
            if kind and kind != owner and entry.has(key):
                entry.problem(key, f'"{key}" is for channels of kind {owner} only')
            elif kind == owner and key in ("template", "parameters", "token") and not entry.has(key):
                entry.problem(key, f'"{key}" is missing', f"a channel of kind {owner} needs it")
        success = entry.text("success")
        try:
            re.compile(success)
        except re.error as error:
            entry.problem("success", f'"success" is not a regular expression: {error}')
        values = {key: self._field(Channel, key, entry, Channel.__dataclass_fields__[key].default) for key in _SIMPLE}
        values["parameters"] = self._parameters(entry)
        entry.finish()
        return Channel(name, kind or "http", url, headers=headers, success=success, **values)

    def _parameters(self, channel: Entry) -> tuple[Parameter, ...]:
        given, found = channel.entry("parameters"), []
        for name in given.names() if given else ():
            entry = given.entry(name) if given else None
            if entry is None:
                continue
            entry.thing = f"{channel.thing} parameter {name}"
            text = entry.text("text", required=True)
            try:
                unknown = [blank for blank in zns.blanks(text) if blank not in zns.BLANKS]
            except ValueError:
                unknown = [text]
            if unknown:
                allowed = f"allowed: {', '.join(f'{{{blank}}}' for blank in zns.BLANKS)}"
                entry.problem("text", f'"text" cannot have {{{unknown[0]}}}', allowed)
            most = int(entry.number("most", MOST_PARAMETER, low=1, high=2000, whole=True) or MOST_PARAMETER)
            found.append(Parameter(name, text, most))
            entry.finish()
        return tuple(found)

    def _globs(self, key: str, patterns: tuple[str, ...], *, skip: Path) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for pattern in patterns:
            root = Path(Path(pattern).anchor) if Path(pattern).is_absolute() else self.base
            try:
                paths = sorted(p for p in root.glob(pattern.removeprefix(root.anchor)) if p.is_file())
            except ValueError:  # an empty pattern, or ** within a name
                paths = []
            if not paths:
                self.root.problem(key, f'"{key}": no file matches "{pattern}"')
            found.update(dict.fromkeys(str(p) for p in paths if p.absolute() != skip.absolute()))
        return tuple(found)

    def _file(self, entry: Entry, key: str, text: str) -> str:
        path = (self.base / text).absolute()
        if not path.is_file():
            entry.problem(key, f'"{key}": there is no file {path}')
        return str(path)

    def _check_listen(self, text: str) -> None:
        try:
            parse_listen(text or "0.0.0.0:162")
        except ValueError as error:
            allowed = 'allowed: such as "127.0.0.1:10162" or "[::]:10162"'
            self.places["traps"].problem("listen", f'"listen": {error}', allowed)

    def _check_pair(self, role: str, pair: PairConfig, mqtt: MqttConfig) -> None:
        place = self.places.get("pair", self.root)
        if role == "alone":
            if pair.url or pair.token:
                place.problem("", '"pair" needs "notify.role"', 'allowed: "primary", "standby"')
            return
        if pair.token is None:
            place.problem("token", f'"pair.token" is missing: the {role} needs it', "allowed: the same for both")
        if role == "standby" and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", pair.url):
            place.problem(
                "url", f'"pair.url" cannot be "{pair.url}"', 'allowed: such as "https://noc-1.example.vn:9808"'
            )
        if role == "standby" and mqtt.host and mqtt.client_id == MqttConfig().client_id:
            allowed = "allowed: a name of its own, as a broker keeps one connection for each"
            self.places["mqtt"].problem("client_id", '"client_id" of the standby is that of the primary', allowed)
        if role == "primary" and pair.url:
            place.problem("url", '"pair.url" is the standby\'s: the primary is asked and asks nobody')

    def _check_targets(self, entries: tuple[str, ...]) -> None:
        for entry in entries:
            try:
                AllowList([entry], 161)
            except ValueError as error:
                allowed = 'allowed: such as "192.0.2.7", "192.0.2.8:1161", "[2001:db8::1]:1161", "198.51.100.0/24"'
                self.places["snmp"].problem("allow_targets", f'"allow_targets": {error}', allowed)

    def _check_replies(self, notify: NotifyConfig) -> None:
        """A text that says "answer 1" must be one that somebody hears."""
        for name, channel in notify.channels.items():
            mail = channel.kind == "apprise" and channel.form == "long"
            if channel.replies and not (channel.kind in ("zalo_bot", "http") or mail):
                text = f'"replies": nobody can answer by a channel of kind {channel.kind}, form {channel.form}'
                self.places[f"channel {name}"].problem("replies", text, "allowed: zalo_bot, http, e-mail")
            elif channel.replies and mail and not notify.mailbox.host:
                self.places[f"channel {name}"].problem("replies", '"replies": e-mail needs notify.mailbox')

    def _check_zalo(self, notify: NotifyConfig) -> None:
        account = notify.zalo
        whole = account.app_id and account.secret_key is not None and account.refresh_token is not None
        for name, channel in notify.channels.items():
            if channel.kind in ("zalo_oa", "zns") and not whole:
                text = f'"kind": {channel.kind} needs notify.zalo'
                self.places[f"channel {name}"].problem("kind", text, "with app_id, secret_key and refresh_token")

    def _check_zone(self, name: str) -> None:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            known = zoneinfo.available_timezones()
            hint = suggest(name, known, "such as") if known else "this machine has no time zones: install tzdata"
            self.root.problem("timezone", f'"timezone" cannot be "{name}"', hint)


_SIMPLE = ("form", "detail", "fallback", "method", "body", "per_minute", "burst", "template", "token", "replies")
