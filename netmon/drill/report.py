"""What came of a drill: how long each thing took against its limit, and the sheet that is kept as evidence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Literal

from netmon.alerts.messages_facts import Texts, lower_first
from netmon.drill.scenario import Limits, label

Ending = Literal["", "over", "stopped", "interrupted"]
Result = Literal["running", "passed", "failed", "stopped", "interrupted"]


@dataclass(frozen=True, slots=True)
class Noted:
    """One thing that happened. ``kind`` is a text ``drill.did_*`` of words.yml."""

    at: float
    kind: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One drill. Times ``*_s`` are None for what has not happened; detection and sending count from the fault."""

    id: int
    scenario: str
    title: Mapping[str, str]
    place: str
    by: str
    to: tuple[str, ...]  # names
    began_at: float
    expected: str  # cause
    limits: Limits
    ended_at: float | None = None
    ending: Ending = ""
    ended_by: str = ""
    detected_s: float | None = None
    sent_s: float | None = None
    acknowledged_s: float | None = None
    acknowledged_by: str = ""
    first_cause: str = ""
    cause: str = ""
    confirmed: bool = False
    incidents: int = 0
    messages: int = 0  # that were sent
    failed: int = 0  # messages that could not be
    notes: tuple[Noted, ...] = field(default_factory=tuple)

    @property
    def label(self) -> str:
        return label(self.id)

    @property
    def result(self) -> Result:
        if self.ended_at is None:
            return "running"
        if self.ending in ("stopped", "interrupted"):
            return "stopped" if self.ending == "stopped" else "interrupted"
        return "passed" if all(row.good for row in rows(self)) else "failed"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is measured. ``key`` is a text ``drill.row_*``; the cause has neither limit nor time."""

    key: str
    good: bool
    limit_s: float | None = None
    took_s: float | None = None


def rows(report: Report) -> list[Row]:
    """What decides between passed and failed."""

    def timed(key: str, took_s: float | None, limit_s: float) -> Row:
        return Row(key, took_s is not None and took_s <= limit_s, limit_s, took_s)

    limits = report.limits
    return [
        timed("detected", report.detected_s, limits.detected_s),
        timed("sent", report.sent_s, limits.sent_s),
        timed("acknowledged", report.acknowledged_s, limits.acknowledged_s),
        Row("cause", report.cause == report.expected),
    ]


def pending(row: Row, report: Report) -> bool:
    """Whether it can still turn out either way: the cause until the end, the others until they happen."""
    return report.result == "running" and row.took_s is None


def report_of(raw: Mapping[str, Any]) -> Report:
    """From JSON."""
    notes = tuple(Noted(**note) for note in raw["notes"])
    return Report(**{**raw, "limits": Limits(**raw["limits"]), "to": tuple(raw["to"]), "notes": notes})


def raw_of(report: Report) -> dict[str, Any]:
    """For JSON."""
    return asdict(report)


def seconds(value: float | None, words: Texts) -> str:
    """12,3 giây; a dash for what has not happened."""
    if value is None:
        return "–"
    text = f"{value:.1f}"
    return f"{text.replace('.', ',') if words.language == 'vi' else text} {words.text('unit.s')}"


def cells(row: Row, report: Report, words: Texts) -> tuple[str, str, str, str]:
    """(what, found, limit, verdict) of one row, as people read it."""
    verdict = "–" if pending(row, report) else words.text("drill.good" if row.good else "drill.bad")
    if row.limit_s is not None:
        return words.text(f"drill.row_{row.key}"), seconds(row.took_s, words), seconds(row.limit_s, words), verdict
    found = words.text(f"cause.{report.cause}") if report.cause else "–"
    return words.text("drill.row_cause"), found, words.text(f"cause.{report.expected}"), verdict


def facts(report: Report, words: Texts, zone: tzinfo) -> list[tuple[str, str]]:
    """(name, value) of what stands above the table."""

    def at(moment: float | None) -> str:
        return f"{datetime.fromtimestamp(moment, zone):%H:%M:%S %d/%m/%Y}" if moment is not None else "–"

    found = [
        ("title", f"{report.title.get(words.language, '')} ({report.scenario})"),
        ("place", report.place),
        ("began", at(report.began_at)),
        ("ended", at(report.ended_at)),
        ("by", report.by),
        ("to", ", ".join(report.to)),
        ("taken", report.acknowledged_by or "–"),
        ("messages", words.text("drill.messages_count", sent=report.messages, failed=report.failed)),
        ("incidents", str(report.incidents)),
        ("result", words.text(f"drill.result_{report.result}")),
    ]
    return [(words.text(f"drill.fact_{key}"), value) for key, value in found]


def happened(report: Report, words: Texts, zone: tzinfo) -> Iterable[tuple[str, str]]:
    """(time, what) of all that happened."""
    for note in report.notes:
        text = words.text(f"drill.did_{note.kind}", text=_spoken(note, words))
        yield f"{datetime.fromtimestamp(note.at, zone):%H:%M:%S}", text


def _spoken(note: Noted, words: Texts) -> str:
    """The note's text, with the cause it begins with in words."""
    if note.kind not in ("detected", "cause", "closed"):
        return note.text
    code, _, rest = note.text.partition(" ")
    cause = lower_first(words.text(f"cause.{code.rstrip('?')}"))
    return f"{cause}{'?' * code.endswith('?')} {rest}".rstrip()


def sheet(report: Report, words: Texts, zone: tzinfo) -> str:
    """The report as text, to be printed and signed."""
    lines = [words.text("drill.sheet", id=report.label), words.text("drill.head"), ""]
    lines += [f"{name}: {value}" for name, value in facts(report, words, zone)]
    head = tuple(words.text(f"drill.column_{key}") for key in ("what", "found", "limit", "verdict"))
    table = [head, *(cells(row, report, words) for row in rows(report))]
    widths = [max(len(line[n]) for line in table) for n in range(4)]
    lines += ["", *("  ".join(cell.ljust(widths[n]) for n, cell in enumerate(line)).rstrip() for line in table), ""]
    lines += [f"{time}  {text}" for time, text in happened(report, words, zone)]
    return "\n".join([*lines, "", words.text("drill.signature")]) + "\n"
