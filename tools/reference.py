"""Writes the parts of docs/reference that follow from the code, between `<!-- generated: NAME -->` and `<!-- end -->`.

`python tools/reference.py` writes them; `--check` only says which files are stale (tests/unit/test_docs.py does too).
What stands outside the markers is written by hand and left alone.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from netmon.alerts.catalog import load_catalog  # noqa: E402
from netmon.alerts.rules import Rule  # noqa: E402
from netmon.cli import CONFIGS, build_parser  # noqa: E402
from netmon.collectors.snmp.profiles import load_profiles  # noqa: E402
from netmon.config import Config  # noqa: E402
from netmon.metrics import METRICS  # noqa: E402
from netmon.model import Inventory  # noqa: E402
from netmon.state import State  # noqa: E402
from netmon.web.app import create_app  # noqa: E402
from netmon.web.context import Actions  # noqa: E402
from netmon.words import load_words  # noqa: E402
from netmon.yamlvalues import DURATION  # noqa: E402
from tools.reference_settings import restart, rows, spell  # noqa: E402
from tools.reference_words import ENDING, METRIC_GROUPS, TELL  # noqa: E402

DOCS = ROOT / "docs" / "reference"
_BLOCK = re.compile(r"(<!-- generated: ([a-z]+) ?([\w.]*) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar within a cell would end it."""
    lines = [head, ["---"] * len(head), *cells]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def settings(section: str) -> str:
    """The table of one section of netmon.yml ("top" = the top level)."""
    note = "A new value needs a restart.\n\n" if restart(section) else ""
    return note + table(("Key", "Value", "Default", "Meaning"), rows(section))


# --- metrics, alerts, profiles ---------------------------------------------------------------------------------------


def metrics(_: str) -> str:
    """All series of the catalogue, in its order, under headings."""
    text: list[str] = []
    found: list[tuple[str, str, str, str]] = []
    for name, metric in METRICS.items():
        if name in METRIC_GROUPS:
            text += [table(_METRIC_HEAD, found)] if found else []
            text, found = [*text, f"### {METRIC_GROUPS[name]}\n\n"], []
        found.append((f"`{name}`", metric.kind, ", ".join(f"`{label}`" for label in metric.labels) or "—", metric.help))
    return "\n".join([*text, table(_METRIC_HEAD, found)]).replace("\n\n\n", "\n\n")


_METRIC_HEAD = ("Series", "Kind", "Labels", "Meaning")


@cache
def catalog() -> list[Rule]:
    """Read once: each of its alerts is a part of its own."""
    return load_catalog()


def alerts(_: str) -> str:
    """All alerts at one glance."""
    found = [
        (f"[{r.alert}](#{r.alert.lower()})", f"`{condition(r)}`", _held(r), r.severity, r.audience, TELL[r.tell])
        for r in catalog()
    ]
    return table(("Alert", "Condition", "Held for", "Severity", "For", "Told"), found)


def alert(name: str) -> str:
    """What the catalogue says of one alert, in two lines."""
    rule = next(rule for rule in catalog() if rule.alert == name)
    kept = f", kept {_seconds(rule.keep_firing_for_s)} after it ended" if rule.keep_firing_for_s else ""
    held = f" for {_seconds(rule.for_s)}" if rule.for_s else ""
    told = f"Severity {rule.severity}, for {rule.audience}; told: {TELL[rule.tell]}."
    return f"- **Fires** when `{condition(rule)}`{held}{kept}. {told}\n- **Limit:** {_limit(rule)}\n"


def condition(rule: Rule) -> str:
    match = ",".join(f'{key}="{value}"' for key, value in rule.match)
    return (
        f"{rule.gauge}{{{match}}} {rule.op} {rule.threshold:g}"
        if match
        else f"{rule.gauge} {rule.op} {rule.threshold:g}"
    )


def _held(rule: Rule) -> str:
    return _seconds(rule.for_s) if rule.for_s else "at once"


def _seconds(value: float) -> str:
    return spell(value, DURATION)


def _limit(rule: Rule) -> str:
    if rule.threshold == 1 and rule.op in (">=", "<") and not rule.unit:
        return "none to set; the series is 0 or 1."
    unit = {"": "", "ratio": f" ({rule.threshold:.0%})", "celsius": " °C", "seconds": " s"}.get(
        rule.unit, f" {rule.unit}"
    )
    everywhere = f"`alerts: {{thresholds: {{{rule.alert}: …}}}}` in netmon.yml changes it for all"
    alone = f", `thresholds: {{{rule.alert}: …}}` of a site for that site" if rule.threshold_by else ""
    return f"{rule.threshold:g}{unit}; {everywhere}{alone}."


def profiles(_: str) -> str:
    """The built-in SNMP profiles and what they are chosen by."""
    found = []
    for profile in load_profiles().by_name.values():
        match = ", ".join(f"`{'.'.join(map(str, oid))}`" for oid in profile.match)
        kinds = ", ".join(profile.kinds)
        figures = sorted({figure.name for figure in profile.figures})
        found.append((f"`{profile.name}`", match or "—", kinds or "—", ", ".join(f"`{name}`" for name in figures)))
    return table(("Profile", "`sysObjectID` begins with", "Else for", "Figures"), found)


# --- commands --------------------------------------------------------------------------------------------------------


def command_parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command and its parser."""
    found = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


def command(name: str) -> str:
    """Description, usage, arguments and example of one command. Options that all commands have are left out."""
    parser = command_parsers()[name]
    actions = [a for a in parser._actions if a.dest not in ("help", "config", "log_level")]
    usage = " ".join(["netmon", name, *(part for a in actions for part in _usage(a))])
    found = [(f"`{_spelled(a)}`", (a.help or "").replace("%(default)s", str(a.default))) for a in actions]
    example = (parser.epilog or "").removeprefix("example: ")
    listed = table(("Argument", "Meaning"), found) + "\n" if found else ""
    return f"{parser.description}\n\n`{usage}`\n\n{listed}```console\n$ {example}\n```\n\n{ENDING[name]}\n"


def common(_: str) -> str:
    """The options of every command."""
    parser, *others = command_parsers().values()
    everywhere = set.intersection(*({a.dest for a in p._actions} for p in (parser, *others)))
    found = []
    for action in (a for a in parser._actions if a.dest in everywhere):
        if action.dest == "config":
            found.append(
                ("`--config FILE`", f"netmon.yml; without it the first that exists of `{'`, `'.join(CONFIGS)}`")
            )
        elif action.dest != "help":
            found.append((f"`{_spelled(action)}`", (action.help or "").replace("%(default)s", str(action.default))))
    return table(("Option", "Meaning"), [*found, ("`--help`", "what the command does, with an example")])


def _spelled(action: argparse.Action) -> str:
    if not action.option_strings:
        return "|".join(action.choices) if action.choices else str(action.metavar or action.dest)
    value = (
        ""
        if action.nargs == 0
        else f" {action.metavar or ('|'.join(action.choices) if action.choices else action.dest.upper())}"
    )
    return action.option_strings[-1] + value


def _usage(action: argparse.Action) -> list[str]:
    text = _spelled(action)
    return (
        [text.upper() if not action.option_strings and not action.choices else text]
        if action.required
        else [f"[{text}]"]
    )


# --- endpoints -------------------------------------------------------------------------------------------------------


def openapi() -> dict[str, Any]:
    """The daemon's own description of its API."""
    return create_app(State(Inventory()), cast(Actions, None), Config(), load_words()).openapi()


def api(_: str) -> str:
    """The calls of the API."""
    found = []
    for path, calls in openapi()["paths"].items():
        for method, call in calls.items():
            asked = [f"`{p['name']}`: {p.get('description', 'number')}" for p in call.get("parameters", ())]
            if "requestBody" in call:
                asked.append(f"body {_type(_schema_of(call['requestBody']))}")
            answer = next(_type(_schema_of(a)) for status, a in call["responses"].items() if status < "3")
            found.append((f"`{method.upper()} {path}`", "; ".join(asked) or "—", answer, call["description"]))
    return table(("Call", "Parameters", "Answer", "Meaning"), found)


def objects(_: str) -> str:
    """The objects that the API answers with."""
    text = ""
    for name, schema in openapi()["components"]["schemas"].items():
        if not name.endswith("ValidationError"):
            parts = [f"`{key}` {_type(value)}" + _note(value) for key, value in schema["properties"].items()]
            text += f"- **{name}**: {schema['description']} {', '.join(parts)}.\n"
    return text


def _note(schema: Mapping[str, Any]) -> str:
    return f" ({schema['description']})" if "description" in schema else ""


def _schema_of(part: Mapping[str, Any]) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], part["content"]["application/json"]["schema"])


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return f"{str(schema['$ref']).rpartition('/')[2]}"
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " / ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("format") or schema.get("type") or "any")


# --- files -----------------------------------------------------------------------------------------------------------

BLOCKS: dict[str, Callable[[str], str]] = {
    block.__name__: block for block in (settings, metrics, alerts, alert, profiles, command, common, api, objects)
}


def blocks(text: str) -> list[tuple[str, str]]:
    """The generated parts of a page: (name, argument)."""
    return [(found[2], found[3]) for found in _BLOCK.finditer(text)]


def render(text: str) -> str:
    """The page with its generated parts made anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]](found[3])}{found[4]}", text)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the generated parts of docs/reference.")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is stale, with status 1")
    only_check = parser.parse_args(argv).check
    stale = 0
    for page in sorted(DOCS.glob("*.md")):
        before = page.read_text(encoding="utf-8")
        after = render(before)
        if before != after:
            stale += 1
            print(f"{'stale' if only_check else 'wrote'} {page.relative_to(ROOT)}")
            if not only_check:
                page.write_text(after, encoding="utf-8")
    return 1 if only_check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
