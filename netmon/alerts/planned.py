"""What planned works say about a fault: explained by them, and so told only when their window is overrun. Pure.

A work explains what begins within its window, unless confirmed evidence says otherwise: a fibre cut by an excavator
during a planned power cut is not planned. The cause carries the work and its end as evidence, so that messages, pages
and the moment of telling need nothing else.
"""

from __future__ import annotations

from datetime import tzinfo

from netmon.model import Cause, CauseKind, Evidence, Subject
from netmon.works import OVERRUN_S, Plans, Window, Work, WorkKind

# Confirmed causes that agree with a work; every suspected one yields to it.
AGREES: dict[WorkKind, frozenset[CauseKind]] = {
    "power": frozenset({"power"}),
    "provider": frozenset({"line", "upstream"}),
    "own": frozenset({"device", "power", "line"}),
}
KEYS = frozenset({"planned_power", "planned_provider", "planned_own", "planned_until"})


def explain(found: Cause, subject: Subject, began_at: float, plans: Plans, zone: tzinfo) -> Cause:
    """The cause as planned where a work covers the fault, else as it was found."""
    planned = plans.work_at(subject, zone, began_at)
    if planned is None:
        return found
    work, window = planned
    if found.kind == "monitor" or (found.confirmed and found.kind not in (*AGREES[work.kind], "unknown")):
        return found
    return Cause("planned", True, (*_evidence(work, window), *found.evidence), (), "planned_work", found.rejected)


def _evidence(work: Work, window: Window) -> tuple[Evidence, Evidence]:
    named = {"name": work.title, "work": str(work.id)}
    return Evidence(f"planned_{work.kind}", window.begin, named), Evidence("planned_until", window.end)


def due_at(cause: Cause) -> float | None:
    """When a planned fault is overdue, so that it is told after all; None for what is not planned."""
    if cause.kind != "planned":
        return None
    return next((e.at + OVERRUN_S for e in cause.evidence if e.key == "planned_until"), None)
