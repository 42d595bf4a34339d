"""Reads scenarios of drills: those that netmon brings, and what people write. Every mistake is told with its line."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import cast

from netmon.drill.scenario import ACTIONS, LASTS_MOST_S, NEEDS, PLACES, TOGETHER, About, Limits, Scenario, Step
from netmon.errors import ConfigError, NetmonError, Problem
from netmon.model import CAUSES, CauseKind
from netmon.yamlfile import Entry, parse_entry

MOST_STEPS = 100
LANGUAGES = ("vi", "en")
_FOLDER = resources.files("netmon.drill").joinpath("scenarios")


def shipped() -> list[str]:
    """Names of the scenarios that netmon brings."""
    return sorted(file.name.removesuffix(".yml") for file in _FOLDER.iterdir() if file.name.endswith(".yml"))


def text_of(which: str) -> tuple[str, bytes]:
    """(name, YAML) of a scenario by its name, or of a file. Raises NetmonError where there is neither."""
    if which in shipped():
        return which, _FOLDER.joinpath(f"{which}.yml").read_bytes()
    path = Path(which)
    if path.suffix not in (".yml", ".yaml"):
        raise NetmonError(f"no scenario {which!r}; known: {', '.join(shipped())}; or a file that ends in .yml")
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise NetmonError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_scenario(name: str, data: bytes) -> Scenario:
    """The checked scenario. Raises ConfigError with all problems."""
    problems: list[Problem] = []
    entry = parse_entry(data, name, problems)
    found = _scenario(name.removesuffix(".yml").removesuffix(".yaml"), entry, problems) if entry else None
    if problems or found is None:
        raise ConfigError(problems or [Problem(name, 0, "", "holds no scenario")])
    return found


def _scenario(name: str, entry: Entry, problems: list[Problem]) -> Scenario | None:
    title = entry.entry("title", required=True)
    titles = {language: title.text(language, required=True) for language in LANGUAGES} if title else {}
    if title:
        title.finish()
    about = cast(About, entry.text("about", "site", choices=tuple(NEEDS)))
    needs = entry.texts("needs", choices=NEEDS[about])
    together = entry.text("together", choices=TOGETHER)
    if ("mates" in needs) != bool(together):
        entry.problem("together" if together else "needs", '"mates" in "needs" and "together" go together')
    limits = Limits()
    if (given := entry.entry("limits")) is not None:
        limits = Limits(
            given.duration("detected", limits.detected_s, low=1.0, high=LASTS_MOST_S),
            given.duration("sent", limits.sent_s, low=1.0, high=LASTS_MOST_S),
            given.duration("acknowledged", limits.acknowledged_s, low=1.0, high=LASTS_MOST_S),
        )
        given.finish()
    steps = [step for item in entry.entries("steps", "step", required=True) if (step := _step(item, together))]
    found = Scenario(
        name=name,
        title=titles,
        about=about,
        cause=cast(CauseKind, entry.text("cause", "unknown", required=True, choices=CAUSES)),
        steps=tuple(sorted(steps, key=lambda step: step.at_s)),
        needs=needs,
        together=together,
        limits=limits,
        lasts_s=entry.duration("lasts", 1800.0, low=30.0, high=LASTS_MOST_S),
        to=entry.texts("to"),
    )
    if not 0 < len(steps) <= MOST_STEPS and not problems:
        entry.problem("steps", f'"steps" has {len(steps)}', f"allowed: 1 to {MOST_STEPS}")
    elif found.steps and found.steps[-1].at_s > found.lasts_s:
        entry.problem("lasts", f"the last step is at {found.steps[-1].at_s:g} s, after the end of the drill")
    entry.finish()
    return found


def _step(entry: Entry, together: str) -> Step | None:
    at_s = entry.duration("at", required=True, high=LASTS_MOST_S)
    where = entry.text("where", "here", choices=tuple(PLACES))
    if where == "mates" and not together:
        entry.problem("where", '"mates" without "together" of the scenario', f"allowed there: {', '.join(TOGETHER)}")
    charge = entry.number("charge", low=0.0, high=1.0)
    named = [action for action in ACTIONS if entry.has(action)]
    if len(named) != 1:
        what = "two things" if named else "nothing"
        entry.problem(named[-1] if named else "", f"says {what}", f"exactly one of: {', '.join(PLACES[where])}")
    values = {action: entry.text(action, choices=ACTIONS[action]) for action in named}
    entry.finish()
    if len(named) != 1 or not values[named[0]]:
        return None
    action = named[0]
    if action not in PLACES[where]:
        entry.problem(action, f'"{action}" cannot be said of "{where}"', f"allowed: {', '.join(PLACES[where])}")
    if charge is not None and action != "ups":
        entry.problem("charge", '"charge" goes with "ups" alone')
    return Step(at_s, where, action, values[action], charge)
