"""Vietnamese text: dictionary order, search without diacritics, and the plain letters of an SMS. Pure.

Order (MESSAGES.md: Đ after D): letters decide first (a ă â b c d đ e ê ... o ô ơ ... u ư ... y), then tones in the
order of Vietnamese dictionaries (level, grave, hook, tilde, acute, dot), then case. Runs of digits count as numbers.
"""

from __future__ import annotations

import re
import unicodedata

SMS_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:;-/()+=?")  # MESSAGES.md
SMS_LENGTH = 160  # one message of the GSM 7-bit alphabet, 3GPP TS 23.040

_TONES = {"\u0300": 1, "\u0309": 2, "\u0303": 3, "\u0301": 4, "\u0323": 5}
_ALPHABET = {letter: rank for rank, letter in enumerate("aăâbcdđeêfghijklmnoôơpqrstuưvwxyz")}
_NUMBER = re.compile(r"(\d+)")
# What the safe set has no sign for. Anything else outside it becomes a space.
_SPELLED = str.maketrans(
    {"Đ": "D", "đ": "d", "–": "-", "—": "-", "‑": "-", "“": "", "”": "", '"': "", "'": "", "’": "", "…": "...",
     "·": ",", "%": " phan tram ", "°": " do ", "&": " + ", "_": "-", "²": "2", "³": "3", "µ": "u"}
)  # fmt: skip

SortKey = tuple[tuple[tuple[int, int], ...], tuple[int, ...], str]


def sort_key(text: str) -> SortKey:
    """Key for ``sorted``: (letters and numbers, tones, the text itself)."""
    letters: list[tuple[int, int]] = []
    tones: list[int] = []
    for run in _NUMBER.split(unicodedata.normalize("NFC", text)):
        if run.isdecimal():
            letters.append((1, int(run)))
            continue
        for letter in run.casefold():
            base, tone = _split(letter)
            rank = _ALPHABET.get(base)
            # Spaces before numbers before letters, whatever else stays in the order of its code.
            letters.append((2, rank) if rank is not None else (0, ord(base[0]) if base else 0))
            tones.append(tone)
    return tuple(letters), tuple(tones), text


def _split(letter: str) -> tuple[str, int]:
    """A letter without its tone, and the rank of the tone."""
    tone, base = 0, ""
    for mark in unicodedata.normalize("NFD", letter):
        if mark in _TONES:
            tone = _TONES[mark]
        else:
            base += mark
    return unicodedata.normalize("NFC", base), tone


def fold(text: str) -> str:
    """For searching only: small letters without any diacritics, one space between words. Two places may fold alike."""
    return " ".join(_plain(text).replace("Đ", "D").replace("đ", "d").casefold().split())


def sms_text(text: str) -> str:
    """The text in the safe characters of an SMS, spaces tidied."""
    spelled = _plain(text.translate(_SPELLED)).translate(_SPELLED)
    safe = "".join(letter if letter in SMS_SAFE else " " for letter in spelled)
    return re.sub(r" +([,.:;)?])", r"\1", " ".join(safe.split()))


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
