"""`netmon profiles`: what profiles there are, whether one fits a device, and a module out of MIB files."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from netmon.collectors.snmp.modules import Oid, parse_oid
from netmon.collectors.snmp.profiles import Profile, load_profiles
from netmon.commands import GOOD, MISUSE, PROBLEM, loader
from netmon.errors import ConfigError, NetmonError, Problem
from netmon.mibs.build import Builder, Wish
from netmon.mibs.collection import Library
from netmon.mibs.facts import Tree
from netmon.mibs.find import Shelf
from netmon.mibs.yamltext import module_text
from netmon.profile_check import check_profile, read_walk

_ONLY = {"list": (), "check": ("walk",), "from-mib": ("table", "output", "mib_dir", "lookup", "keep_index", "module")}


def profiles(args: argparse.Namespace) -> int:
    """One of its actions; an option that belongs to another one is wrong use."""
    for action, options in _ONLY.items():
        strange = [option for option in options if action != args.action and getattr(args, option)]
        if strange:
            return _misuse(f"--{strange[0].replace('_', '-')} is for `netmon profiles {action}`")
    return {"list": show, "check": check, "from-mib": from_mib}[args.action](args)


def _misuse(text: str) -> int:
    print(f"netmon profiles: {text}", file=sys.stderr)
    return MISUSE


def _configured(config: str) -> list[str]:
    """The operator's own profile files; none where there is no configuration, as the built-in ones need none."""
    return list(loader(config)().config.profiles) if Path(config).exists() else []


# --- list and check --------------------------------------------------------------------------------------------------


def show(args: argparse.Namespace) -> int:
    if args.subject:
        return _misuse("list takes no names")
    for profile in load_profiles(_configured(args.config)).by_name.values():
        match = ", ".join(_dotted(oid) for oid in profile.match) or "-"
        kinds = f" (else kind {', '.join(profile.kinds)})" if profile.kinds else ""
        figures = ", ".join(sorted({figure.name for figure in profile.figures})) or "-"
        print(f"{profile.name}\t{match}{kinds}\t{len(profile.metrics)} metrics\t{figures}")
    return GOOD


def check(args: argparse.Namespace) -> int:
    if len(args.subject) != 1 or not args.walk:
        return _misuse("check takes one PROFILE (a name or a file) and --walk FILE")
    walk = read_walk(Path(args.walk))
    good = True
    for profile in _chosen(args.subject[0], args.config):
        found = check_profile(profile, walk)
        for missing in found.missing:
            print(f"{profile.name}: {_dotted(missing.oid)} {missing.what}: not in the walk")
        for figure, lacks in found.empty.items():
            print(f"{profile.name}: figure {figure} would be empty: no {', '.join(lacks)}")
        empty = f", {len(found.empty)} of {found.figures} figures would be empty" if found.figures else ""
        print(f"{profile.name}: {len(found.missing)} of {found.asked} OIDs are not in the walk{empty}")
        good = good and not found.missing
    return GOOD if good else PROBLEM


def _chosen(name: str, config: str) -> list[Profile]:
    """The profile of that name, or those of a file."""
    if Path(name).is_file():
        return list(load_profiles((name,), builtin=Path(name) / "nothing built-in").by_name.values())
    found = load_profiles(_configured(config))
    if name not in found.by_name:
        raise NetmonError(f'no profile "{name}": neither a file nor one of {", ".join(found.names())}')
    return [found.by_name[name]]


# --- from-mib --------------------------------------------------------------------------------------------------------


def read_mibs(files: Sequence[str], folders: Sequence[str] = ()) -> tuple[Tree, list[Problem]]:
    """The objects of MIB files, or of standard modules by name, and what could not be read."""
    library = Library(Shelf(files, folders))
    return library.tree(), library.problems


def from_mib(args: argparse.Namespace) -> int:
    if not args.subject or not args.table:
        return _misuse("from-mib takes MIB files (or names of standard modules) and --table NAME")
    lookups = dict(pair.split("=", 1) for pair in args.lookup if re.fullmatch(r"[\w-]+=[\w:-]+", pair))
    if len(lookups) != len(args.lookup):
        return _misuse("--lookup is INDEX=COLUMN, each index once")
    tree, problems = read_mibs(args.subject, args.mib_dir)
    name = args.module or re.sub(r"\W", "_", Path(args.subject[0]).stem.lower())
    builder = Builder(tree, Wish(name, args.table, lookups, args.keep_index))
    module = builder.build()
    problems = [*problems, *builder.problems]
    if module.metrics:
        text = module_text(module, f"Made by `netmon profiles from-mib` of {', '.join(args.table)}.")
        if args.output in ("", "-"):
            sys.stdout.write(text)
        else:
            Path(args.output).write_text(text, encoding="utf-8")
            print(f"wrote {args.output}: module {name}, {len(module.metrics)} metrics")
    if problems:
        raise ConfigError(problems)
    return GOOD


# --- names for `netmon walk` -----------------------------------------------------------------------------------------


class Names:
    """Names of OIDs: those of the MIBs given, and of what the profiles ask for."""

    def __init__(self, mibs: Sequence[str], profile_paths: Sequence[str]) -> None:
        self._names: dict[Oid, tuple[str, dict[int, str]]] = {}
        self.problems: list[Problem] = []
        for profile in load_profiles(profile_paths).by_name.values():
            for metric in profile.metrics.values():
                self._names[metric.oid] = (metric.name, dict(metric.enum_values))
        if mibs:
            tree, self.problems = read_mibs(mibs)
            for oid, node in tree.nodes.items():
                enums = dict(node.syntax.enums) if node.syntax and node.syntax.base == "Integer32" else {}
                self._names[oid] = (f"{node.module}::{node.name}", enums)

    def line(self, text: str) -> str:
        """A line of `netmon walk` with names instead of the numbers of its object and its value."""
        number, equals, value = text.partition(" = ")
        oid = parse_oid(number)
        for length in range(len(oid), 1, -1):
            if found := self._names.get(oid[:length]):
                name, enums = found
                kind, _, said = value.partition(": ")
                if kind == "INTEGER" and said.isdigit() and int(said) in enums:
                    value = f"{kind}: {enums[int(said)]}({said})"
                return f"{'.'.join((name, *map(str, oid[length:])))}{equals}{value}"
        return text


def _dotted(oid: Oid) -> str:
    return ".".join(map(str, oid))
