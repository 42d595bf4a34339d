"""Circuit numbers in port descriptions, by the looks of those in the inventory. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_EDGE = r"(?<![0-9A-Za-z]){}(?![0-9A-Za-z])"
_FEWEST_DIGITS = 3  # a pattern with fewer would find "GE-1" in every other description


class Circuits:
    """Finds the circuits of an inventory, and what looks like one of them, in free text."""

    def __init__(self, known: Iterable[str]) -> None:
        self.known = {circuit.casefold(): circuit for circuit in known if circuit}
        looks = {_looks(circuit) for circuit in self.known.values() if sum(map(str.isdigit, circuit)) >= _FEWEST_DIGITS}
        exact = {re.escape(circuit) for circuit in self.known.values()}
        words = sorted(looks | exact, key=len, reverse=True)
        self._any = re.compile(_EDGE.format(f"({'|'.join(words)})"), re.IGNORECASE) if words else None

    def within(self, text: str) -> list[str]:
        """Every circuit number in a text, each once, as the inventory writes it."""
        if self._any is None:
            return []
        found = (match[0] for match in self._any.finditer(text))
        return list(dict.fromkeys(self.known.get(word.casefold(), word) for word in found))


def _looks(circuit: str) -> str:
    """TSL-0001B -> TSL-\\d{4}B."""
    return re.sub(r"(?:\d)+", lambda run: rf"\d{{{len(run[0])}}}", re.sub(r"([^0-9A-Za-z])", r"\\\1", circuit))
