"""Finds MIB modules offline: in the files given, in folders, then in the installed packages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from netmon.errors import Problem
from netmon.mibs import compiled
from netmon.mibs.text import Source, module_names, parse_file, read_text

# Where Debian and net-snmp put MIBs; looked at after the packages, as what is there is often older or cut.
SYSTEM = ("~/.snmp/mibs", "/usr/share/snmp/mibs", "/usr/share/mibs/ietf", "/usr/share/mibs/iana", "/var/lib/mibs/ietf")
_SUFFIXES = ("", ".txt", ".mib", ".my", ".TXT", ".MIB", ".MY")
_MODULE = re.compile(r"[A-Z][A-Za-z0-9-]*\Z")

Found = Source | compiled.Compiled | Problem | None  # a Problem: there is a file, but it cannot be read


class Shelf:
    """Modules by name. ``given``: those that were asked for, by file or by name."""

    def __init__(self, files: Sequence[str], folders: Sequence[str] = ()) -> None:
        self.problems: list[Problem] = []
        self._modules: dict[str, Found] = {}
        self._folders = [Path(folder).expanduser() for folder in folders]
        self._beside: list[Path] = []
        self._index: dict[str, Path] | None = None
        self.given = tuple(dict.fromkeys(name for file in files for name in self._give(file)))

    @property
    def modules(self) -> Mapping[str, Found]:
        """What was looked for until now."""
        return self._modules

    def tell(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _give(self, file: str) -> list[str]:
        """The modules of a file, or the standard module of that name where there is no such file."""
        path = Path(file)
        if not path.exists() and _MODULE.match(file):
            source = self.module(file)
            if source is None:
                self.tell(Problem(file, 0, "", "is no file, and no module of this name is found", "try --mib-dir"))
            elif isinstance(source, Problem):
                self.tell(source)
            return [file] if isinstance(source, (Source, compiled.Compiled)) else []
        sources, problems = parse_file(path)
        for problem in problems:
            self.tell(problem)
            self._modules.setdefault(problem.thing.removeprefix("MIB "), problem)
        for source in sources:
            if isinstance(known := self._modules.get(source.name), Source) and known.path != source.path:
                self.tell(source.problem(source.name, f"is in {known.path} too", "the last one counts"))
            self._modules[source.name] = source
        if path.parent not in self._beside:
            self._beside.append(path.parent)
        return [source.name for source in sources]

    def module(self, name: str) -> Found:
        if name not in self._modules:
            self._modules[name] = None  # modules that import each other
            self._modules[name] = self._search(name)
        return self._modules[name]

    def _search(self, name: str) -> Found:
        if path := self._indexed().get(name):
            return _pick(path, name)
        for folder in self._beside:
            if path := _file_named(folder, name):
                return _pick(path, name)
        if found := compiled.load(name):
            return found
        path = next((path for place in SYSTEM if (path := _file_named(Path(place).expanduser(), name))), None)
        return _pick(path, name) if path else None

    def _indexed(self) -> dict[str, Path]:
        """Module -> file of the folders named, whatever their files are called."""
        if self._index is None:
            self._index = {}
            for folder in self._folders:
                if not folder.is_dir():
                    self.tell(Problem(str(folder), 0, "", "is no folder", "--mib-dir names folders with MIBs"))
                    continue
                for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                    try:
                        names = module_names(read_text(path))
                    except OSError:
                        continue  # told when a module in it is missed
                    for name in names:
                        self._index.setdefault(name, path)
        return self._index


def _file_named(folder: Path, module: str) -> Path | None:
    names = (f"{stem}{suffix}" for stem in dict.fromkeys((module, module.lower())) for suffix in _SUFFIXES)
    return next((path for name in names if (path := folder / name).is_file()), None)


def _pick(path: Path, name: str) -> Source | Problem | None:
    sources, problems = parse_file(path)
    by_name: dict[str, Source | Problem] = {problem.thing.removeprefix("MIB "): problem for problem in problems}
    by_name |= {source.name: source for source in sources}
    return by_name.get(name)
