"""MIB modules in files: parsed by pysmi, kept as it gives them, with the lines that problems are told with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from netmon.errors import NetmonError, Problem

MOST_BYTES = 16 * 2**20  # the largest vendor's module known to us has two megabytes
_BEGIN = re.compile(r"^[ \t]*([A-Z][A-Za-z0-9-]*)\s+(?:\{[^}]*\}\s*)?DEFINITIONS\b[^:]*::=\s*BEGIN\b", re.MULTILINE)
_COMMENT = re.compile(r"--.*?(?:--|$)", re.MULTILINE)
# clause of pysmi's tree -> where its OID stands
_OIDS = ("moduleIdentityClause", "objectIdentityClause", "valueDeclaration", "objectTypeClause")


def missing(package: str) -> NetmonError:
    return NetmonError(f"the package {package} is not installed, which reading MIBs needs: pip install 'netmon[mibs]'")


@dataclass(frozen=True, slots=True)
class Source:
    """One module as its file says it. ``types`` and ``objects`` hold pysmi's tuples."""

    name: str
    path: str
    first_line: int
    text: str = field(repr=False)
    imports: Mapping[str, str] = field(default_factory=dict)  # symbol -> module
    types: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    objects: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def problem(self, name: str, message: str, allowed: str = "") -> Problem:
        """About what ``name`` defines."""
        return Problem(self.path, self._line(rf"^[ \t]*{re.escape(name)}\b"), f"MIB {self.name}", message, allowed)

    def import_problem(self, module: str, message: str, allowed: str = "") -> Problem:
        line = self._line(rf"\bFROM\s+{re.escape(module)}(?![\w-])")
        return Problem(self.path, line, f"MIB {self.name}", message, allowed)

    def _line(self, pattern: str) -> int:
        found = re.search(pattern, self.text, re.MULTILINE)
        return self.first_line + (self.text.count("\n", 0, found.start()) if found else 0)


@cache
def _parser() -> Any:
    try:
        from pysmi.parser.dialect import smi_v1_relaxed
        from pysmi.parser.smi import parserFactory
    except ImportError as error:
        raise missing("pysmi") from error
    factory: Any = parserFactory
    return factory(**smi_v1_relaxed)()


def read_text(path: Path) -> str:
    """A file's text; vendors' modules are in many encodings, and only comments and descriptions suffer."""
    with path.open("rb") as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise OSError(f"larger than {MOST_BYTES // 2**20} MB")
    return raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").replace("\x1a", "")


def module_names(text: str) -> list[str]:
    """The modules a text defines, without parsing it."""
    return [found[1] for found in _BEGIN.finditer(text)]


def parse_file(path: Path) -> tuple[list[Source], list[Problem]]:
    """All modules of a file. Each module that is broken is one problem; the file's others go on."""
    try:
        text = read_text(path)
    except OSError as error:
        return [], [Problem(str(path), 0, "", f"cannot be read: {error.strerror or error}")]
    begins = list(_BEGIN.finditer(text))
    if not begins:
        return [], [Problem(str(path), 0, "", "holds no MIB module", "expected NAME DEFINITIONS ::= BEGIN … END")]
    sources, problems = [], []
    for begin, after in zip(begins, [*begins[1:], None], strict=True):
        part = text[begin.start() : after.start() if after else len(text)]
        found = parse_module(str(path), begin[1], part, text.count("\n", 0, begin.start()) + 1)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            sources.append(found)
    return sources, problems


def parse_module(path: str, name: str, text: str, first_line: int) -> Source | Problem:
    """One module, or why it is none."""
    parser = _parser()
    from pysmi.error import PySmiError

    try:
        tree = next(iter(parser.parse(text)), None)
    except PySmiError as error:
        return _broken(path, name, text, first_line, getattr(error, "lineno", None))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        # What pysmi lets through of its parser's own trouble, as with a number that is none.
        return _broken(path, name, text, first_line, None)
    if tree is None:
        return _broken(path, name, text, first_line, None)
    _, _, imported, clauses = tree
    imports = {symbol: module for module, symbols in (imported or {}).items() for symbol in symbols}
    types: dict[str, tuple[Any, ...]] = {}
    objects: dict[str, tuple[Any, ...]] = {}
    for clause in clauses or ():
        if clause and clause[0] == "typeDeclaration" and clause[2]:
            types[clause[1]] = clause[2]
        elif clause and clause[0] in _OIDS:
            objects[clause[1]] = clause
    return Source(name, path, first_line, text, imports, types, objects)


def _broken(path: str, name: str, text: str, first_line: int, line: object) -> Problem:
    number = line if isinstance(line, int) and line > 0 else 1
    lines = text.split("\n")
    shown = lines[number - 1].strip()[:60] if number <= len(lines) else ""
    near = f' near "{shown}"' if shown else ""
    if not re.search(r"\bEND\b", _COMMENT.sub("", text)):
        return Problem(path, first_line + number - 1, f"MIB {name}", f"is cut off: there is no END{near}")
    return Problem(path, first_line + number - 1, f"MIB {name}", f"is not valid{near}")
