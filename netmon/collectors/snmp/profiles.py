"""Profile files: ours and the operator's. A file is a ``snmp.yml`` with modules, and for us a ``netmon:`` key beside
them that says for which sysObjectIDs it is meant and which figures it yields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from netmon.collectors.snmp.figures_read import read_figures
from netmon.collectors.snmp.modules import Metric, Module, Oid
from netmon.collectors.snmp.modules_read import Reader, parse_modules
from netmon.errors import ConfigError, Problem
from netmon.figures import FigureSpec
from netmon.yamlcompose import Loader

BUILTIN = Path(__file__).resolve().parents[2] / "profiles"
GENERIC = "generic"  # lies under every other profile: ports are known only from here
MAX_CONTEXT_BYTES = 32  # RFC 3415, vacmContextName
_NETMON_KEYS = "name match kinds modules slow hide fallback context_name figures"


class Text(str):
    """A scalar as it was typed, with its line."""

    line: int = 0


class Tree(dict[str, object]):
    """A mapping with its line."""

    line: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """What to ask a family of devices, how often, and what it means.

    ``slow``: metrics read at the slow interval (text and lookups are slow anyway). ``hide``: metrics read for figures
    and joins only, not exposed. ``fallback``: 32-bit metric -> 64-bit metric that replaces it where a row has both.
    ``context_name``: the SNMPv3 context that its objects are read in, where it is not the credential's.
    """

    name: str
    modules: tuple[Module, ...] = ()
    match: tuple[Oid, ...] = ()
    kinds: tuple[str, ...] = ()  # device kinds that get it when no sysObjectID matches
    slow: frozenset[str] = frozenset()
    hide: frozenset[str] = frozenset()
    fallback: Mapping[str, str] = field(default_factory=dict)
    context_name: str = ""
    figures: tuple[FigureSpec, ...] = ()

    @property
    def metrics(self) -> dict[str, Metric]:
        return {metric.name: metric for module in self.modules for metric in module.metrics}


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles and modules by name."""

    by_name: Mapping[str, Profile]
    modules: Mapping[str, Module]

    def names(self) -> list[str]:
        """What an inventory may write under ``profiles``, beside ``auto``."""
        return sorted(self.by_name)

    def choose(self, sys_object_id: Oid, names: tuple[str, ...] = ("auto",), kind: str = "") -> list[Profile]:
        """The profiles of a device, vendor first, ``generic`` last (its figures yield to theirs)."""
        chosen: list[Profile] = []
        for name in names:
            profile = self._match(sys_object_id, kind) if name == "auto" else self.by_name.get(name)
            if profile and profile not in chosen and profile.name != GENERIC:
                chosen.append(profile)
        return [*chosen, self.by_name[GENERIC]] if GENERIC in self.by_name else chosen

    def _match(self, sys_object_id: Oid, kind: str) -> Profile | None:
        best: tuple[int, Profile] | None = None
        for profile in self.by_name.values():
            for prefix in profile.match:
                if sys_object_id[: len(prefix)] == prefix and (best is None or len(prefix) > best[0]):
                    best = (len(prefix), profile)
        if best:
            return best[1]
        return next((profile for profile in self.by_name.values() if kind in profile.kinds), None)


def read_tree(path: Path, shown: str = "") -> tuple[object, list[Problem]]:
    """A YAML file as Tree, list and Text: nothing is converted, so ``1.10`` and ``NO`` stay what was typed."""
    name = shown or str(path)
    problems: list[Problem] = []
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=Loader)
    except OSError as error:
        return None, [Problem(name, 0, "", f"cannot be read: {error.strerror or error}")]
    except UnicodeDecodeError:
        return None, [Problem(name, 0, "", "not UTF-8", "save the file as UTF-8")]
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        return None, [Problem(name, mark.line + 1 if mark else 0, "", f"not valid YAML: {what}")]
    return (None if node is None else _plain(node, name, problems, ())), problems


def _plain(node: yaml.Node, file: str, problems: list[Problem], above: tuple[int, ...]) -> object:
    line = node.start_mark.line + 1
    if id(node) in above:
        problems.append(Problem(file, line, "", "an alias holds itself"))
        return None
    if isinstance(node, yaml.ScalarNode):
        if node.tag.endswith(":null") and node.value in ("", "~", "null"):
            return None
        text = Text(node.value)
        text.line = line
        return text
    above = (*above, id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, file, problems, above) for item in node.value]
    tree = Tree()
    tree.line = line
    for key_node, value_node in node.value:
        key = _plain(key_node, file, problems, above)
        if not isinstance(key, str):
            problems.append(Problem(file, key_node.start_mark.line + 1, "", "a key must be text"))
        elif key in tree:
            problems.append(Problem(file, key_node.start_mark.line + 1, "", f'key "{key}" is there twice'))
        else:
            tree[key] = _plain(value_node, file, problems, above)
    return tree


def read_profiles(tree: object, file: str, stem: str) -> tuple[list[Profile], dict[str, Module], list[Problem]]:
    """One file: with ``netmon:`` one profile, without it each module is a profile of its own."""
    parsed = parse_modules(tree, file)
    problems = list(parsed.problems)
    if not isinstance(tree, Mapping) or "netmon" not in tree:
        return [Profile(m.name, (m,)) for m in parsed.modules.values()], dict(parsed.modules), problems
    reader = Reader(file)
    own = reader.mapping(tree["netmon"], "netmon", _NETMON_KEYS)
    name = str(own.get("name") or stem)
    wanted = [str(item) for item in reader.items(own.get("modules"), "netmon modules")] or list(parsed.modules)
    for module in wanted:
        if module not in parsed.modules:
            reader.problem(own, "netmon modules", f'no module "{module}"', f"in this file: {', '.join(parsed.modules)}")
    modules = tuple(parsed.modules[module] for module in wanted if module in parsed.modules)
    metrics = {metric.name: metric for module in modules for metric in module.metrics}
    fallback = reader.texts(own.get("fallback"), "netmon fallback")
    slow = [str(item) for item in reader.items(own.get("slow"), "netmon slow")]
    hide = [str(item) for item in reader.items(own.get("hide"), "netmon hide")]
    for key, names in (("slow", slow), ("hide", hide), ("fallback", [*fallback, *fallback.values()])):
        for metric in names:
            if metric not in metrics:
                reader.problem(own, f"netmon {key}", f'no metric "{metric}" in its modules')
    labels = {index.labelname for metric in metrics.values() for index in metric.indexes}
    figures = read_figures(reader, own.get("figures"), frozenset(metrics), frozenset(labels))
    profile = Profile(
        name=name,
        modules=modules,
        match=reader.oids(own.get("match"), "netmon match"),
        kinds=tuple(str(item) for item in reader.items(own.get("kinds"), "netmon kinds")),
        slow=frozenset(slow),
        hide=frozenset(hide),
        fallback=fallback,
        context_name=_context(reader, own),
        figures=figures,
    )
    return [profile], dict(parsed.modules), [*problems, *reader.problems]


def _context(reader: Reader, own: Mapping[str, object]) -> str:
    name = own.get("context_name") or ""
    if isinstance(name, str) and len(name.encode()) <= MAX_CONTEXT_BYTES:
        return str(name)
    reader.problem(own, "netmon context_name", "not a context name", f"text of at most {MAX_CONTEXT_BYTES} bytes")
    return ""


def load_profiles(paths: Sequence[str] = (), builtin: Path = BUILTIN) -> Profiles:
    """The built-in profiles and those of ``paths``, which may replace built-in ones by name.

    Raises ConfigError with all problems of all files.
    """
    by_name: dict[str, Profile] = {}
    modules: dict[str, Module] = {}
    problems: list[Problem] = []
    own = sorted(builtin.glob("*.yml"))
    places: dict[str, str] = {}
    for path in [*own, *map(Path, paths)]:
        tree, found = read_tree(path)
        problems += found
        if tree is None:
            if not found:
                problems.append(Problem(str(path), 0, "", "the file is empty", "expected modules"))
            continue
        profiles, parsed, found = read_profiles(tree, str(path), path.stem)
        problems += found
        for profile in profiles:
            if profile.name in places and path not in own:
                first = places[profile.name]
                problems.append(Problem(str(path), 0, f'profile "{profile.name}"', f"is in {first} too"))
            elif path not in own:
                places[profile.name] = str(path)
            by_name[profile.name] = profile
        modules |= parsed
    if problems:
        raise ConfigError(problems)
    return Profiles(by_name, modules)


def profile_names(paths: Sequence[str] = ()) -> list[str]:
    """The names that an inventory may use under ``profiles``."""
    return load_profiles(paths).names()
