"""The words that people read, by language and key, from words.yml."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml


class Words:
    """One language: ``text("cause.power")``, placeholders filled from the arguments. KeyError for a missing key."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts

    def text(self, key: str, /, **args: Any) -> str:
        return self._texts[key].format(**args) if args else self._texts[key]

    def keys(self) -> set[str]:
        return set(self._texts)


def load_words() -> dict[str, Words]:
    """Language -> words."""
    tree: Any = yaml.safe_load(resources.files("netmon").joinpath("words.yml").read_text(encoding="utf-8"))
    return {language: Words(language, dict(_flat("", groups))) for language, groups in tree.items()}


def _flat(prefix: str, tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in tree.items():
        pairs += _flat(f"{prefix}{key}.", value) if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return pairs
