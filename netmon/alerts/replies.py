"""What a reply asks for (MESSAGES.md). Pure: text in, an order out.

``<no> 1`` taken · ``2`` cannot go · ``3`` there · ``4`` done · ``5`` mains present · ``6`` no mains · ``KT`` look now ·
``DS`` what is open · ``HOP`` the rooms. The number may be missing where the letter's subject names the incident. Case,
diacritics and what follows a sign do not matter; what is not exactly one of these is asked back, never guessed: a wrong
"taken" keeps everybody else away from a fault.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from netmon.vietnamese import fold

Verb = Literal["take", "cannot", "there", "done", "mains", "no_mains", "look", "list", "rooms", "help"]
VERBS: dict[str, Verb] = {
    "1": "take",
    "2": "cannot",
    "3": "there",
    "4": "done",
    "5": "mains",
    "6": "no_mains",
    "kt": "look",
    "ds": "list",
    "hop": "rooms",
}
# Words that may follow a digit. "1043 5 phút nữa tới" is not about the mains, and "3 người" is nobody's arrival.
MEANT: dict[Verb, tuple[str, ...]] = {
    "take": ("nhan", "da nhan", "toi nhan", "em nhan", "ok", "taken"),
    "cannot": ("khong", "ban", "cannot"),
    "there": ("den", "da den", "toi", "da toi", "there"),
    "done": ("xong", "da xong", "done"),
    "mains": ("co dien", "da co dien", "mains"),
    "no_mains": ("mat dien", "khong co dien", "no mains"),
}
SIGNS = ".,;:!=-("
ALONE = ("look", "list", "rooms")  # make sense without a number
MOST = 2000  # characters that are read

_NUMBER = r"#?(?P<{}>d?[0-9]{{1,6}})"
_WORD = r"(?P<{}>[1-6]|kt|ds|hop)"
_GAP = r"[ .,:;=-]+"
_END = r"(?![0-9a-z])"
_FORMS = (
    re.compile(_NUMBER.format("number") + _GAP + _WORD.format("word") + _END),
    re.compile(r"(?P<word>kt|ds|hop)" + _GAP + _NUMBER.format("number") + _END),
    re.compile(_WORD.format("word") + _END + r"(?!" + _GAP + r"#?d?[0-9])"),  # "1 1043" may be either way round
)
_SUBJECT = re.compile(r"\[netmon (d?[0-9]{1,6})\]")
_QUOTE = re.compile(r"^(>|-{2,}|_{5,}|(on|vao|from|tu|sent|da gui)\b.*(:|wrote|viet)\s*$|(from|tu)\s*:)")


@dataclass(frozen=True, slots=True)
class Asked:
    """``number``: of an incident ("1043"), of a drill ("D07"), or none."""

    verb: Verb
    number: str = ""

    @property
    def drill(self) -> bool:
        return self.number.startswith("D")


def parse(text: str, subject: str = "") -> Asked:
    """The order in a reply; ``help`` where it is none."""
    said = " ".join(plain(own_words(text[:MOST])).split())
    about = _SUBJECT.search(plain(subject[:MOST]))
    for form in _FORMS:
        found = form.match(said)
        if found is None:
            continue
        verb = VERBS[found["word"]]
        rest = said[found.end() :].strip()
        if rest and rest[0] not in SIGNS and verb in MEANT and not rest.startswith(MEANT[verb]):
            return Asked("help")
        number = found.groupdict().get("number") or (about[1] if about else "")
        if number or verb in ALONE:
            return Asked(verb, _named(number))
    return Asked("help")


def own_words(text: str) -> str:
    """The first line that the person wrote himself: mail programs put what is answered below, or above with ``>``."""
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith(">"):
            return "" if _QUOTE.match(plain(line.strip())) else line
    return ""


def plain(text: str) -> str:
    """Small letters without marks; digits and signs of other widths as the usual ones."""
    return fold(unicodedata.normalize("NFKC", text))


def _named(number: str) -> str:
    """1043, or D07."""
    if not number:
        return ""
    return f"D{int(number[1:]):02d}" if number.startswith("d") else str(int(number))
