"""Differences -> edits of the inventory's files, and how both are shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netmon.errors import ConfigError, Problem
from netmon.inventory import Sources
from netmon.survey.difference import FIELDS, Add, Difference, Fix, Include
from netmon.yamledit import CannotEdit, Edit, Text, unified


@dataclass(slots=True)
class Proposals:
    """``sure``: those whose edits are in ``after`` (file -> its new bytes); ``unsure``: the others, and what else is in
    the way of their edits."""

    sure: list[Difference] = field(default_factory=list)
    unsure: list[tuple[Difference, str]] = field(default_factory=list)
    after: dict[str, bytes] = field(default_factory=dict)


def propose(
    differences: Sequence[Difference], sources: Sources, check: Callable[[Mapping[str, bytes]], object]
) -> Proposals:
    """Edits for all that can be mended. ``check`` raises ConfigError where the inventory would not load with them."""
    found = Proposals()
    texts = {name: Text(data) for name, data in sources.texts.items()}
    edits: list[tuple[Difference, list[tuple[str, Edit]]]] = []
    for difference in differences:
        if not difference.sure:
            if difference.fixes or not difference.drift:
                found.unsure.append((difference, ""))
            continue
        try:
            edits.append((difference, [_edit(fix, sources, texts) for fix in difference.fixes]))
        except CannotEdit as error:
            found.unsure.append((difference, f"the text {error}"))

    def accept(part: list[tuple[Difference, list[tuple[str, Edit]]]]) -> None:
        """All at once; where that does not do, each half by itself."""
        try:
            after = _apply([*kept, *part], texts)
            check(after)
        except (ConfigError, CannotEdit) as error:
            if len(part) == 1:
                why = str(error.problems[0].message if isinstance(error, ConfigError) else error)
                found.unsure.append((part[0][0], f"the inventory would be wrong: {why}"))
            else:
                accept(part[: len(part) // 2])
                accept(part[len(part) // 2 :])
        else:
            kept.extend(part)
            found.after = after

    kept: list[tuple[Difference, list[tuple[str, Edit]]]] = []
    if edits:
        accept(edits)
    found.sure = [difference for difference, _ in kept]
    return found


def _edit(fix: Fix, sources: Sources, texts: Mapping[str, Text]) -> tuple[str, Edit]:
    entry = sources.places[fix.kind, fix.id]
    text, order = texts[entry.file], FIELDS[fix.kind]
    if isinstance(fix, Add):
        return entry.file, text.add(entry, "devices", fix.device, order)
    if isinstance(fix, Include):
        return entry.file, text.include(entry, fix.key, fix.value, order)
    return entry.file, text.put(entry, fix.key, fix.value, order)


def _apply(parts: Sequence[tuple[Difference, list[tuple[str, Edit]]]], texts: Mapping[str, Text]) -> dict[str, bytes]:
    by_file: dict[str, list[Edit]] = {}
    for _, edits in parts:
        for name, edit in edits:
            by_file.setdefault(name, []).append(edit)
    return {name: texts[name].apply(edits) for name, edits in by_file.items()}


def problem(difference: Difference, sources: Sources) -> Problem:
    """A difference as a line of a check: where the inventory says it, what was found, what it says."""
    entry = sources.places[difference.kind, difference.id]
    return Problem(entry.file, entry.line_of(difference.key), entry.thing, difference.found, difference.says)


def base_of(files: Sequence[str]) -> str:
    """The folder that the paths of a diff start from: the current one, or / where a file lies elsewhere."""
    here = Path.cwd()
    return str(here) if all(_whole(name).is_relative_to(here) for name in files) else "/"


def _whole(name: str) -> Path:
    """From the root on, links kept: the file is patched where the configuration names it."""
    return Path(os.path.normpath(Path.cwd() / name))


def show(found: Proposals, sources: Sources) -> str:
    """The proposals as a patch: reasons as comments before the file that they change, then what is not sure."""
    base = base_of(list(found.after))
    out = [f"# apply with: patch -p1 -d {base} < FILE, or take it over with --write"] if found.after else []
    for name, after in sorted(found.after.items()):
        for difference in found.sure:
            if sources.places[difference.fixes[0].kind, difference.fixes[0].id].file == name:
                out.append(f"# sure: {problem(difference, sources)}")
        path = str(_whole(name).relative_to(base))
        out.append(unified(path, sources.texts[name], after).rstrip("\n"))
    for difference, why in found.unsure:
        reason = f" ({why})" if why else ""
        out.append(f"# unsure{reason}: {problem(difference, sources)}{_would(difference)}")
    return "\n".join(out) + "\n" if out else ""


def _would(difference: Difference) -> str:
    """What a change would be that is not made."""
    parts = []
    for fix in difference.fixes:
        if isinstance(fix, Add):
            parts.append(f"device {fix.device['id']} with address {fix.device['address']}")
        else:
            parts.append(f'{fix.key}: "{fix.value}"')
    return f"; perhaps {', '.join(parts)}" if parts else ""
