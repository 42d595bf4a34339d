"""A sheet of paper in parts, as the page shows it and the command line prints it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST_LINES = 100  # of one part; the rest is counted


@dataclass(frozen=True, slots=True)
class Section:
    """One part: ``key`` names it for programs, ``title`` for people."""

    key: str
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A title and its parts, in the order of reading."""

    title: str
    sections: tuple[Section, ...]

    def text(self) -> str:
        """For a terminal, a chat or the body of an e-mail."""
        parts = [self.title]
        for section in self.sections:
            parts += ["", f"{section.title}:", *(_item(line) for line in section.lines)]
        return "\n".join(parts)


def _item(line: str) -> str:
    """A line that begins with a space belongs to the one before it."""
    return f"  {line}" if line.startswith(" ") else f"- {line}"


def bounded(lines: Iterable[str], more: str, most: int = MOST_LINES) -> tuple[str, ...]:
    """The first lines; ``more`` (with ``{n}``) says how many there are besides."""
    found = list(lines)
    return tuple(found) if len(found) <= most else (*found[:most], more.format(n=len(found) - most))
