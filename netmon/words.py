"""The words that people read, by language and key, from words.yml."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

Part = tuple[int, str, str]  # rank (0: never left out), text, flag that must be set ("" = always)


class Words:
    """One language: ``text("cause.power")``, placeholders filled from the arguments. KeyError for a missing key."""

    def __init__(self, language: str, texts: Mapping[str, str], lists: Mapping[str, tuple[Part, ...]]) -> None:
        self.language = language
        self._texts = texts
        self._lists = lists

    def text(self, key: str, /, **args: Any) -> str:
        return self._texts[key].format(**args) if args else self._texts[key]

    def parts(self, key: str, /) -> tuple[Part, ...]:
        """The parts of a message (``sms.*``, ``chat.*``), not filled in."""
        return self._lists[key]

    def keys(self) -> set[str]:
        return {*self._texts, *self._lists}


def load_words() -> dict[str, Words]:
    """Language -> words."""
    tree: Any = yaml.safe_load(resources.files("netmon").joinpath("words.yml").read_text(encoding="utf-8"))
    found = {}
    for language, groups in tree.items():
        leaves = dict(_flat("", groups))
        lists = {key: tuple(map(_part, leaf)) for key, leaf in leaves.items() if isinstance(leaf, list)}
        found[language] = Words(language, {k: leaf for k, leaf in leaves.items() if k not in lists}, lists)
    return found


def _part(entry: list[Any]) -> Part:
    return entry[0], entry[1], entry[2] if len(entry) > 2 else ""


def _flat(prefix: str, tree: Mapping[str, Any]) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in tree.items():
        pairs += _flat(f"{prefix}{key}.", value) if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return pairs
