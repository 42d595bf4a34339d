"""Text of spreadsheets: Unicode is read, the Vietnamese encodings of before Unicode are recognised and refused. Pure.

TCVN3 (.VnTime fonts) puts Vietnamese letters on the codes of Latin-1's symbols, so ``nhân xã`` shows as ``nh©n x·``: a
symbol within a word is proof. VNI (VNI-Times) writes a vowel and then a mark from Latin-1's letters, so ``Thành`` shows
as ``Thaønh``: a vowel followed by a letter that Vietnamese does not have is proof. Marks that Vietnamese has, too
(``oá``), prove nothing. A file may hold these as single bytes, or as UTF-8 after a program took them for Latin-1.
"""

from __future__ import annotations

import codecs
import re

from netmon.errors import Problem

# TCVN 5712:1993, codes A8..AE (ă â ê ô ơ ư đ) and B5..BE (vowels with a tone), as Latin-1 shows them.
_TCVN3 = re.compile(r"[^\W\d_][\xa8\xa9\xaa\xab\xac\xad\xae\xb5\xb6\xb7\xb8\xb9\xbb\xbc\xbd\xbe]")
_VNI = re.compile(r"[aeiouyAEIOUY][øûïåäëüØÛÏÅÄËÜ]")
# UTF-8 that a program took for Latin-1 or Windows-1252 and saved again: "Lá»™c" for "Lộc".
_TWICE = re.compile(r"á[»º].|Ã[\xa0-\xbf]|Æ[°¡]|Ä[\x91‘]")
_ADVICE = "convert it to Unicode first (UniKey does), then export as UTF-8"
_KINDS = (
    ("UTF-8 that was opened as another encoding and saved", _TWICE, 'import it as "65001: UTF-8", then export again'),
    ("TCVN3 (.VnTime fonts), not Unicode", _TCVN3, _ADVICE),
    ("VNI (VNI-Times fonts), not Unicode", _VNI, _ADVICE),
)


def decode_text(data: bytes, name: str, problems: list[Problem]) -> str | None:
    """The text of an export (UTF-8 with or without BOM, UTF-16 with); None and one problem where it is not Unicode."""
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # spreadsheets' "Unicode text"
            text = data.decode("utf-16")
        else:
            text = data.decode("utf-8-sig")
        broken = False
    except UnicodeDecodeError:
        text, broken = data.decode("latin-1"), True
    for number, line in enumerate(text.splitlines(), 1):
        for kind, pattern, advice in _KINDS:
            if found := pattern.search(line):
                start = max(line.rfind(sep, 0, found.start()) for sep in ",;\t") + 1
                shown = line[start : start + 40].strip(' "')
                problems.append(Problem(name, number, "", f'"{shown}" looks like {kind}', advice))
                return None
        if broken and any("\x80" <= c <= "\xff" for c in line):
            problems.append(Problem(name, number, "", "not UTF-8", 'save as "CSV UTF-8"'))
            return None
    return text
