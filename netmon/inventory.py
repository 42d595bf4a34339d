"""netmon.yml and the inventory files beside it -> Config and Inventory, or every mistake at once."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from netmon.addresses import AddressMap
from netmon.config import Config
from netmon.errors import ConfigError, Problem
from netmon.inventory_check import Check
from netmon.inventory_read import Draft
from netmon.inventory_topics import unheard
from netmon.model import Inventory
from netmon.settings_load import Settings
from netmon.yamlfile import Entry, load_entry, parse_entry

# Names a device may write under ``profiles``, or a function that is given config.profiles (files), returns the names
# and raises ConfigError on mistakes in the files.
Profiles = Collection[str] | Callable[[Sequence[str]], Collection[str]] | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded. ``hash`` is over the bytes of all files; values of secrets are not in it."""

    config: Config
    inventory: Inventory
    hash: str
    warnings: list[Problem]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where an inventory came from: the bytes of its files, and the entry of each (kind, id)."""

    texts: Mapping[str, bytes]
    places: Mapping[tuple[str, str], Entry]


def load(
    path: str | Path,
    environ: Mapping[str, str] = os.environ,
    profile_names: Profiles = None,
    alert_names: Collection[str] | None = None,
) -> Loaded:
    """Everything, checked. Raises ConfigError with all problems. Names that are not given are not checked."""
    return load_with_sources(path, environ, profile_names, alert_names)[0]


def load_with_sources(
    path: str | Path,
    environ: Mapping[str, str] = os.environ,
    profile_names: Profiles = None,
    alert_names: Collection[str] | None = None,
    instead: Mapping[str, bytes] | None = None,
) -> tuple[Loaded, Sources]:
    """As ``load``, for those who edit. ``instead``: bytes that an inventory file is taken to hold, by its name."""
    path = Path(path)
    problems: list[Problem] = []
    digest = hashlib.sha256()
    root = load_entry(path, problems, seen=digest.update)
    if root is None:
        raise ConfigError(problems)
    settings = Settings(root, path, environ)
    config = settings.read(path)
    draft = Draft(config, settings.secrets, AddressMap(config.address_map))
    check = Check(draft, settings, None, alert_names)
    texts: dict[str, bytes] = {}
    for name in config.inventory:
        if instead and name in instead:
            texts[name] = instead[name]
            entry = parse_entry(texts[name], name, problems)
        else:
            entry = load_entry(Path(name), problems, seen=partial(texts.__setitem__, name))
        digest.update(texts.get(name, b""))
        if entry is None:
            check.complete = False
        else:
            draft.read(entry)
    check.profiles = _profile_names(profile_names, config, problems)
    for name in config.profiles:
        try:
            digest.update(Path(name).read_bytes())
        except OSError as error:
            problems.append(Problem(name, 0, "", f"cannot be read: {error.strerror or error}"))
    check.run()
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    inventory = Inventory(
        areas=draft.areas,
        nodes=draft.nodes,
        sites=draft.sites,
        lines=draft.lines,
        devices=draft.devices,
        sensor_types=draft.sensor_types,
        sensors=draft.sensors,
        gateways=draft.gateways,
        contacts=draft.contacts,
        rosters=draft.rosters,
        credentials=draft.credentials,
        mappings=draft.mappings,
    )
    warnings = list(settings.secrets.warnings)
    if text := unheard(draft, config.mqtt.topics):
        mqtt = settings.places["mqtt"]
        warnings.append(Problem(mqtt.file, mqtt.line_of("topics"), "mqtt", text))
    loaded = Loaded(config, inventory, digest.hexdigest(), sorted(warnings))
    return loaded, Sources(texts, draft.places)


def load_settings(path: str | Path, environ: Mapping[str, str] = os.environ) -> Config:
    """netmon.yml alone, for those who only ask the daemon: it runs on, whatever has become wrong in the files since.

    Secrets of its environment may be missing here, too. Raises ConfigError only where the file cannot be read at all.
    """
    problems: list[Problem] = []
    root = load_entry(Path(path), problems)
    if root is None:
        raise ConfigError(problems)
    return Settings(root, Path(path), environ).read(Path(path))


def _profile_names(profiles: Profiles, config: Config, problems: list[Problem]) -> Collection[str] | None:
    if not callable(profiles):
        return profiles
    try:
        return profiles(config.profiles)
    except ConfigError as error:
        problems += error.problems
        return None


def check_text(
    path: str | Path,
    environ: Mapping[str, str] = os.environ,
    profile_names: Profiles = None,
    alert_names: Collection[str] | None = None,
) -> tuple[list[Problem], str]:
    """For ``netmon check``: all problems (none if good) and a summary, one line per fact or warning."""
    try:
        loaded = load(path, environ, profile_names, alert_names)
    except ConfigError as error:
        return error.problems, f"{len(error.problems)} problem{'s' if len(error.problems) != 1 else ''}"
    return [], summary(loaded)


def summary(loaded: Loaded) -> str:
    """What was found, in numbers, then the warnings."""
    found = loaded.inventory
    blocks = Counter(site.block for site in found.sites.values())
    by_block = ", ".join(f"{number} {block}" for block, number in blocks.most_common())
    polled = len({device.site for device in found.devices.values() if device.site})
    lines = [
        f"{len(found.sites)} sites ({by_block or 'none'}) in {len(found.areas)} areas, {len(found.nodes)} nodes, "
        f"{len(found.lines)} lines",
        f"{len(found.devices)} devices at {polled} sites, {len(found.sites) - polled} sites by reachability alone",
        f"{len(found.sensors)} sensors, {len(found.gateways)} gateways, "
        f"{len(found.contacts)} contacts, {len(found.credentials)} credentials",
    ]
    return "\n".join([*lines, *(f"warning: {problem}" for problem in loaded.warnings)])
