"""Messages as lists of parts: parts without their value are left out, an SMS drops whole parts until it fits. Pure."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

from netmon.vietnamese import SMS_LENGTH, sms_text

Part = tuple[int, str, str]  # rank (0: never dropped), text with {blanks}, flag that must be set ("" = always)


def filled(parts: Sequence[Part], args: Mapping[str, str]) -> list[tuple[int, str]]:
    """(rank, text) of the parts whose flag is set and whose blanks all have a value."""
    found = []
    for rank, text, flag in parts:
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name]
        if (not flag or args[flag]) and all(args[name] for name in names):
            found.append((rank, text.format(**args)))
    return found


def lines(parts: Sequence[Part], args: Mapping[str, str]) -> list[str]:
    """The parts as lines of a chat message."""
    return [text for _, text in filled(parts, args)]


def sms(parts: Sequence[Part], args: Mapping[str, str]) -> str:
    """One SMS: plain letters, at most 160; the part of the highest rank goes first, of two equal ones the later."""
    kept = filled(parts, args)
    while len(text := sms_text("".join(part for _, part in kept))) > SMS_LENGTH:
        worst = max(range(len(kept)), key=lambda n: (kept[n][0], n))
        if kept[worst][0] == 0:
            return text[:SMS_LENGTH].rsplit(" ", 1)[0]  # names longer than the inventory allows: better short than none
        del kept[worst]
    return text
