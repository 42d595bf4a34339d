"""The parts of an inventory that stand alone: places, dates, sensor types, contacts, credentials."""

from __future__ import annotations

import datetime
import re

from netmon.model import Contact, Credential, Place, Roster, Secret, SensorType, Swap
from netmon.secrets_load import Secrets
from netmon.settings_load import LANGUAGES
from netmon.yamlfile import Entry

QUALITIES = ("surveyed", "approx", "synthetic-in-district")
AUDIENCES = ("technician", "noc", "ops", "owner", "leader")
AUTH_PROTOCOLS = ("MD5", "SHA", "SHA224", "SHA256", "SHA384", "SHA512")  # RFC 3414, RFC 7860
PRIV_PROTOCOLS = ("DES", "AES", "AES192", "AES256", "AES192C", "AES256C")  # RFC 3414, RFC 3826 and the two drafts
SECURITY_LEVELS = ("noAuthNoPriv", "authNoPriv", "authPriv")
_MIN_PASSWORD = 8  # RFC 3414, section 11.2
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_STAMP = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) ([01][0-9]|2[0-3]):[0-5][0-9]")
_STAMP_TEXT = 'write it as "2026-12-24 07:00", local time'
_PHONE = re.compile(r"\+?[0-9]{3,15}")
_ZALO = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LIMITS = ("valid_min", "valid_max", "warn_above", "alarm_above", "warn_below", "alarm_below")
_ORDER = (  # each pair must not fall
    ("valid_min", "valid_max"),
    ("warn_above", "alarm_above"),
    ("alarm_below", "warn_below"),
    ("warn_below", "warn_above"),
)


def read_place(entry: Entry) -> Place | None:
    """``place: {lat, lon, quality}``."""
    place = entry.entry("place")
    if place is None:
        return None
    lat = place.number("lat", required=True, low=-90, high=90)
    lon = place.number("lon", required=True, low=-180, high=180)
    quality = place.text("quality", required=True, choices=QUALITIES)
    place.finish()
    return None if lat is None or lon is None else Place(lat, lon, quality)


def read_date(entry: Entry, key: str, *, required: bool = False) -> str:
    """An ISO date in quotes, "" where there is none."""
    text = entry.text(key, required=required)
    if text:
        try:
            if datetime.date.fromisoformat(text).isoformat() == text:
                return text
        except ValueError:
            pass
        entry.problem(key, f'"{key}" cannot be "{text}"', 'a date is written "2026-01-31"')
    return ""


def read_sensor_type(entry: Entry, name: str) -> SensorType:
    limits = {key: entry.number(key) for key in _LIMITS}
    for low, high in _ORDER:
        below, above = limits[low], limits[high]
        if below is not None and above is not None and below > above:
            entry.problem(high, f'"{high}" {above:g} is below "{low}" {below:g}')
    watch = entry.text("watch", "always", choices=("always", "closed-hours"))
    words = entry.entry("words")
    report = entry.text("report", "periodic", choices=("periodic", "on-change"))
    kind = SensorType(
        id=name,
        quantity=entry.text("quantity", required=True),
        unit=entry.text("unit", required=True),
        hysteresis=entry.number("hysteresis", 0.0, low=0.0) or 0.0,
        hold_s=entry.duration("hold"),
        # Who reports on change only may rightly be silent for ever, unless the type says otherwise (0 = no limit).
        silence_s=entry.duration("silence", 3600.0 if report == "periodic" else 0.0),
        report=report,
        rise=entry.number("rise", low=0.0),
        fall=entry.number("fall", low=0.0),
        within_s=entry.duration("within", 900.0),
        stuck_s=entry.duration("stuck"),
        rest=entry.numbers("rest"),
        watch=watch,
        words={language: words.text(language) for language in LANGUAGES} if words else {},
        values=_read_values(entry),
        **_read_comply(entry),
        **limits,
    )
    if kind.within_s <= 0 and (kind.rise is not None or kind.fall is not None):
        entry.problem("within", '"rise" and "fall" need "within"', 'such as "15m"')
    if kind.rest and not kind.stuck_s:
        entry.problem("rest", '"rest" without "stuck"', "it names values at which a sensor may stay")
    if words:
        words.finish()
    entry.finish()
    return kind


def _read_comply(entry: Entry) -> dict[str, float | None]:
    """``comply: {min, max}``: what a regulation asks for."""
    limits = entry.entry("comply")
    if limits is None:
        return {}
    low, high = limits.number("min"), limits.number("max")
    if low is not None and high is not None and low > high:
        limits.problem("max", f'"max" {high:g} is below "min" {low:g}')
    limits.finish()
    return {"comply_min": low, "comply_max": high}


def _read_values(entry: Entry) -> dict[str, dict[float, str]]:
    """``values: {"0": {vi: "đóng", en: "closed"}, ...}`` turned round: language -> value -> word."""
    given = entry.entry("values")
    found: dict[str, dict[float, str]] = {}
    for name in given.names() if given else ():
        try:
            value = float(name)
        except ValueError:
            entry.problem("values", f'"values" has the key "{name}"', "its keys are numbers in quotes")
            continue
        if given and (called := given.entry(name)):
            for language in LANGUAGES:
                found.setdefault(language, {})[value] = called.text(language, required=True)
            called.finish()
    if given:
        given.finish()
    return found


def read_contact(entry: Entry, name: str) -> Contact:
    contact = Contact(
        id=name,
        name=entry.text("name", required=True),
        phone=entry.text("phone", pattern=_PHONE, allowed='a phone number is digits, such as "+842710000000"'),
        email=entry.text("email", pattern=_EMAIL, allowed="an e-mail address has a name, an @ and a domain"),
        audiences=entry.texts("audiences", choices=AUDIENCES),
        areas=entry.texts("areas"),
        channels=entry.texts("channels"),
        language=entry.text("language", choices=LANGUAGES),
        backup=entry.text("backup"),
        zalo=entry.text("zalo", pattern=_ZALO, allowed="an id is letters and digits, as Zalo shows it"),
        zalo_bot=entry.text(
            "zalo_bot", pattern=_ZALO, allowed="an id is letters and digits, as the Bot's updates show it"
        ),
    )
    entry.finish()
    return contact


def read_roster(entry: Entry, name: str) -> Roster:
    rotation = entry.texts("rotation")
    if not rotation:
        entry.problem("rotation", '"rotation" is missing', "contacts in the order of their turns")
    swaps = []
    for given in entry.entries("swaps", "swap"):
        times = [given.text(key, required=True, pattern=_STAMP, allowed=_STAMP_TEXT) for key in ("from", "to")]
        swaps.append(Swap(given.text("who", required=True), *times))
        given.finish()
    roster = Roster(
        id=name,
        rotation=rotation or ("",),
        since=read_date(entry, "since", required=True) or "2000-01-03",
        handover=entry.text("handover", "07:00", pattern=_CLOCK, allowed='write it as "07:00"'),
        days=int(entry.number("days", 7, low=1, high=366, whole=True) or 7),
        swaps=tuple(swaps),
    )
    entry.finish()
    return roster


def read_credential(entry: Entry, name: str, secrets: Secrets) -> Credential:
    """SNMP access; what its version does not use is refused, what it needs is demanded."""
    version = entry.text("version", "2c", choices=("1", "2c", "3"))
    if version != "3":
        community = secrets.read(entry, "community", required=True, default_allowed=True)
        for key in ("username", "security_level", "auth_password", "priv_password"):
            if entry.has(key):
                entry.raw(key)
                entry.problem(key, f'"{key}" is for version "3" only')
        entry.finish()
        return Credential(name, version, community or Secret(""))
    level = entry.text("security_level", "authPriv", choices=SECURITY_LEVELS)
    auth, priv = level != "noAuthNoPriv", level == "authPriv"
    credential = Credential(
        name=name,
        version=version,
        username=entry.text("username", required=True),
        security_level=level,
        auth_protocol=entry.text("auth_protocol", required=auth, choices=AUTH_PROTOCOLS),
        auth_password=secrets.read(entry, "auth_password", required=auth),
        priv_protocol=entry.text("priv_protocol", required=priv, choices=PRIV_PROTOCOLS),
        priv_password=secrets.read(entry, "priv_password", required=priv),
        context_name=entry.text("context_name"),
    )
    for key, secret in (("auth_password", credential.auth_password), ("priv_password", credential.priv_password)):
        if secret is not None and len(secret.reveal()) < _MIN_PASSWORD:
            entry.problem(key, f'"{key}" is shorter than {_MIN_PASSWORD} characters')
    entry.finish()
    return credential
