"""Compares what netmon told with what was true: one incident per fault, its cause first and at the end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.scenarios.faults import CAUSES, Case
from netmon.model import Incident, Inventory

ANSWERS = ("power", "line", "device", "upstream", "monitor", "unknown")
EARLY_S, LATE_S = 15.0, 150.0  # an incident may begin a lost packet before its fault, or with a battery's end


@dataclass(slots=True)
class Score:
    """Figures of one run or of several, added up. ``matrix`` counts the causes at the end."""

    scenarios: int = 0
    told: int = 0  # faults that anybody could feel
    evidence: int = 0  # ... and whose evidence reached netmon
    matrix: Counter[tuple[str, str]] = field(default_factory=Counter)  # (truth, answer), all that were told
    proven: Counter[tuple[str, str]] = field(default_factory=Counter)  # ... with evidence
    first: Counter[tuple[str, str]] = field(default_factory=Counter)  # ... as the opening message said
    confirmed_wrong: int = 0
    doubled: int = 0
    lost: int = 0
    left_open: int = 0
    stray: int = 0
    names: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (name, truth, answer) with evidence
    notes: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        for name in ("scenarios", "told", "evidence", "confirmed_wrong", "doubled", "lost", "left_open", "stray"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("matrix", "proven", "first", "names"):
            getattr(self, name).update(getattr(other, name))
        self.notes += other.notes

    def figures(self) -> dict[str, float]:
        """The figures that are published."""
        all_of = self.proven.total() or 1
        right = sum(n for (truth, answer), n in self.proven.items() if truth == answer)
        unknown = sum(n for (_, answer), n in self.proven.items() if answer == "unknown")
        power = sum(n for (truth, _), n in self.matrix.items() if truth == "power") or 1
        line = sum(n for (truth, _), n in self.matrix.items() if truth == "line") or 1
        return {
            "scenarios": self.scenarios,
            "with_evidence": self.evidence,
            "cause_right_ratio": round(right / all_of, 4),
            "left_unknown_ratio": round(unknown / all_of, 4),
            "power_blamed_on_line": self.matrix["power", "line"] + self.first["power", "line"],
            "power_blamed_on_line_ratio": round(self.matrix["power", "line"] / power, 4),
            "line_blamed_on_power_ratio": round(self.matrix["line", "power"] / line, 4),
            "confirmed_but_wrong": self.confirmed_wrong,
            "doubled": self.doubled,
            "lost": self.lost,
            "left_open": self.left_open,
            "stray": self.stray,
        }

    def table(self, counts: Counter[tuple[str, str]]) -> list[str]:
        """A confusion matrix in Markdown: truth downwards, netmon's word across."""
        lines = ["| truth | " + " | ".join(ANSWERS) + " |", "|---|" + "--:|" * len(ANSWERS)]
        for truth in CAUSES:
            lines.append(f"| {truth} | " + " | ".join(str(counts[truth, answer]) for answer in ANSWERS) + " |")
        return lines


def score(cases: Sequence[Case], incidents: Iterable[Incident], inventory: Inventory, t0: float) -> Score:
    """``incidents``: all there were. One that was absorbed into another before anybody was told is no incident."""
    told = [i for i in incidents if i.open or not i.timeline or i.timeline[-1].kind != "child"]
    found = Score(scenarios=len(cases))
    left = {i.id: i for i in told}
    for case in cases:
        mine = [i for i in left.values() if _about(i, case, inventory) and _when(i, case, t0)]
        felt = bool(mine) or not _carried(case, inventory)
        if not felt:
            continue
        found.told += 1
        found.evidence += bool(case.evidence)
        if not mine:
            found.lost += 1
            found.notes.append(f"lost: {_words(case)}")
            continue
        if len(mine) > 1:
            found.doubled += 1
            subjects = ", ".join(
                f"#{i.id} {i.kind} {i.subject.kind}:{i.subject.id} {i.began_at - t0:.0f}" for i in mine
            )
            found.notes.append(f"doubled: {_words(case)}: {subjects}")
        for incident in mine:
            del left[incident.id]
        main = min(mine, key=lambda i: (i.kind == "alert", i.began_at))
        if main.open:
            found.left_open += 1
            found.notes.append(f"left open: {_words(case)}: #{main.id}")
        _count(found, case, main)
    found.stray = len(left)
    found.notes += [
        f"stray: #{i.id} {i.kind} {i.subject.kind}:{i.subject.id} {i.began_at - t0:.0f} {i.cause.kind} {i.alerts}"
        for i in left.values()
    ]
    return found


def _count(found: Score, case: Case, incident: Incident) -> None:
    answer = (case.cause, incident.cause.kind)
    found.matrix[answer] += 1
    found.first[case.cause, incident.first_cause] += 1
    if case.evidence:
        found.proven[answer] += 1
        found.names[case.name, *answer] += 1
    if incident.cause.confirmed and incident.cause.kind != case.cause:
        found.confirmed_wrong += 1
    wrong = answer[0] != answer[1] and (case.evidence or answer[1] != "unknown")
    if wrong or (case.cause == "power" and incident.first_cause == "line"):
        seen = " ".join(e.key for e in incident.cause.evidence)
        found.notes.append(
            f"{answer[1]}{'!' * incident.cause.confirmed} (first {incident.first_cause}): {_words(case)}: "
            f"#{incident.id} {seen} | {incident.cause.rule}"
        )


def _about(incident: Incident, case: Case, inventory: Inventory) -> bool:
    subject = incident.subject
    if case.cause == "monitor":
        return subject.kind == "netmon"
    if subject.kind == "device":
        return inventory.devices[subject.id].site in case.sites
    if subject.kind == "sensor":
        return inventory.sensors[subject.id].site in case.sites
    return subject.id == case.node if case.node else subject.kind == "site" and subject.id in case.sites


def _when(incident: Incident, case: Case, t0: float) -> bool:
    begins_at = case.begins_at if case.hidden_from is None else case.hidden_from
    return begins_at - EARLY_S <= incident.began_at - t0 <= case.ends_at + LATE_S


def _carried(case: Case, inventory: Inventory) -> bool:
    """True for mains cuts that batteries may carry without anybody being told."""
    return case.name == "mains cut, battery holds"


def _words(case: Case) -> str:
    evidence = ", ".join(sorted(case.evidence)) or "no evidence"
    where, when = case.node or "/".join(case.sites), f"{case.begins_at:.0f}-{case.ends_at:.0f}"
    return f"case {case.number} {case.name} {where} {when} ({evidence})"
