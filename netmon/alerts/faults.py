"""What is wrong now, as faults with their owners, and whether what is above has been checked. Pure.

A fault is what one incident is about: netmon's own uplink, a node with everything below it, a site. Lines are no
subjects: a lost line is its site's outage or its lost redundancy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from netmon.alerts.verdict import LOST, QUALITY, burst_s, enough, probed, window_s
from netmon.collectors.probes.reach import longest_burst
from netmon.config import Config
from netmon.model import Incident, Severity, Subject, Verdict
from netmon.state import State
from netmon.topology import Topology

NETMON = Subject("netmon", "netmon")
BEFORE_S = 0.001  # "before", where nobody wrote down by how much
RANK = {"degraded": 0, "report": 1, "redundancy": 2, "outage": 3}  # a person's report is no fault that netmon sees


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``lines``: the lost lines it is made of (sites only)."""

    subject: Subject
    kind: str  # outage | degraded | redundancy
    began_at: float
    severity: Severity
    lines: tuple[str, ...] = ()
    children: tuple[str, ...] = ()  # sites that are lost with it
    already_down: tuple[str, ...] = ()  # sites below it that were lost before, for a reason of their own


def faults(state: State, topology: Topology, config: Config) -> list[Fault]:
    """All present faults, owners before what they own, then by beginning."""
    verdicts = state.verdicts
    own = verdicts.get(Subject("node", config.own_uplink))
    if own is not None and own.by == "monitor":
        hidden = [s.id for s in verdicts if s.kind == "site" and verdicts[s].by == "monitor"]
        return [Fault(NETMON, "outage", own.since, "critical", children=tuple(hidden))]
    found: list[tuple[int, Fault]] = []
    for subject, verdict in verdicts.items():
        if subject.kind == "node":
            if (fault := _node(verdict, verdicts, topology)) is not None:
                found.append((len(topology.ancestors(subject.id)), fault))
        elif subject.kind == "site" and (fault := _site(verdict, verdicts, topology)) is not None:
            found.append((1000, fault))
    found.sort(key=lambda f: (f[0], f[1].began_at, f[1].subject.id))
    return [fault for _, fault in found]


def _node(verdict: Verdict, verdicts: Mapping[Subject, Verdict], topology: Topology) -> Fault | None:
    node = verdict.subject.id
    if verdict.condition == "down" or (verdict.condition == "degraded" and verdict.by == "children"):
        below = [v for site in topology.sites_below(node) if (v := verdicts.get(Subject("site", site))) is not None]
        lost = tuple(v.subject.id for v in below if v.condition == "unreachable" and v.by == node)
        before = tuple(v.subject.id for v in below if v.condition == "down")
        return Fault(verdict.subject, "outage", verdict.since, "critical", children=lost, already_down=before)
    if verdict.condition == "degraded":
        return Fault(verdict.subject, "degraded", verdict.since, "warning")
    return None


def _site(verdict: Verdict, verdicts: Mapping[Subject, Verdict], topology: Topology) -> Fault | None:
    subject = verdict.subject
    lines = [v for line in topology.lines_of(subject.id) if (v := verdicts.get(Subject("line", line))) is not None]
    down = [v for v in lines if v.condition == "down"]
    ids = tuple(v.subject.id for v in down)
    if verdict.condition == "down":
        return Fault(subject, "outage", verdict.since, "critical", ids)
    if verdict.condition == "degraded" and verdict.by == "redundancy" and down:
        return Fault(subject, "redundancy", min(v.since for v in down), "warning", ids)
    if verdict.condition == "degraded" and verdict.by in QUALITY:
        return Fault(subject, "degraded", verdict.since, "warning")
    return None


def recall(incidents: Iterable[Incident], topology: Topology) -> dict[Subject, Verdict]:
    """The verdicts that open incidents stand for: `judge` takes them as ``previous`` after a restart."""
    found: dict[Subject, Verdict] = {}
    for incident in sorted(incidents, key=lambda i: (i.subject.kind != "node", i.began_at)):
        if not incident.open or incident.kind not in ("outage", "redundancy") or incident.good_since is not None:
            continue
        subject, since = incident.subject, incident.began_at
        if subject.kind == "node":
            found[subject] = Verdict(subject, "down", since)
            # All below: what answers is up, whatever is recalled of it.
            lines = [Subject("line", line) for line in topology.lines_below(subject.id)]
            for below in (*lines, *(Subject("node", node) for node in topology.nodes_below(subject.id))):
                found.setdefault(below, Verdict(below, "unreachable", since, subject.id))
            for site in incident.children:  # their other lines had been lost by then
                for below in (Subject("line", line) for line in topology.lines_of(site)):
                    found.setdefault(below, Verdict(below, "down", since))
        elif subject.kind == "site":
            for site in (subject.id, *incident.children):
                lines = [Subject("line", line) for line in topology.lines_of(site)]
                free = any(line not in found for line in lines)
                for below in lines:
                    over = found.get(below)
                    # Lost before the node above it; of a lost redundancy nobody wrote down which line it was.
                    own = over is not None and (incident.kind == "outage" or over.condition == "down")
                    # What the node does not explain was lost last, else the outage would be the node's.
                    at = since - BEFORE_S if over is not None and free else since
                    if over is None or (own and at < over.since):
                        found[below] = Verdict(below, "down", at)
    return found


def settled(fault: Fault, state: State, topology: Topology, config: Config, now: float) -> bool:
    """True when what is above has been checked after the fault began: it is lost (then it owns the fault) or works.

    A node works for this purpose when it answered after the fault began, and in its last turn (in bad weather a line
    may have been losing packets already when its node went), and so many of its children did that it cannot become
    lost with this fault. Siblings are probed every few seconds while a loss takes longer to confirm, so a single fault
    normally waits for nothing. Redundancy also waits for the site's other lines.
    """
    probe = config.probe
    longest_s = longest_burst(probe) * probe.burst_spacing_s + 2 * probe.timeout_s
    if now - fault.began_at >= 3 * probe.interval_s + longest_s:
        return True  # whatever is still in doubt by now has nothing to do with it
    since = max(fault.began_at, now - probe.interval_s - 2 * probe.timeout_s)
    above: dict[str, None] = {}
    if fault.subject.kind == "site":
        for line in topology.lines_of(fault.subject.id):
            if line in fault.lines:
                above.update(dict.fromkeys(topology.line_ancestors(line)))
            elif fault.kind == "redundancy" and not _answered(state, line, fault.began_at):
                return False
    elif fault.subject.kind == "node":
        above.update(dict.fromkeys(topology.ancestors(fault.subject.id)))
        if not _counted(fault, state, topology, config, now):
            return False
    if config.own_uplink in state.inventory.nodes and fault.subject.id != config.own_uplink:
        above[config.own_uplink] = None
    return all(_node_settled(node, fault, since, state, topology, config) for node in above)


def _counted(fault: Fault, state: State, topology: Topology, config: Config, now: float) -> bool:
    """True when each line below a lost node has been confirmed lost or has answered since, or has had the time to be:
    how many sites went with it is the news, and a number that is wrong a second later is none."""
    probe = config.probe
    if now - fault.began_at >= probe.interval_s + burst_s(probe) + probe.timeout_s:
        return True
    for line in topology.lines_below(fault.subject.id):
        verdict = state.verdicts.get(Subject("line", line))
        if verdict is None or verdict.condition == "unknown" or verdict.condition in LOST:
            continue
        if not _answered(state, line, fault.began_at):
            return False
    return True


def _node_settled(node: str, fault: Fault, since: float, state: State, topology: Topology, config: Config) -> bool:
    """``since``: what has not answered after this is in doubt."""
    reach = state.reach.get(node) if probed(state.inventory.nodes.get(node)) else None
    verdict = state.verdicts.get(Subject("node", node))
    if verdict is not None and verdict.condition in LOST:
        return True
    # Lost and yet not down: it was silent all along while its children answer.
    if reach is not None and reach.lost is False and not _answered(state, node, since):
        return False
    doubtful: list[str] = []
    known = 0
    before = fault.began_at - window_s(config.probe)
    for child in (*topology.lines_under(node), *topology.children_nodes(node)):
        seen = state.verdicts.get(Subject("line" if child in state.inventory.lines else "node", child))
        if seen is None or seen.condition == "unknown" or (seen.condition in LOST and seen.since < before):
            continue
        known += 1
        if seen.condition in LOST or not _alive(state, topology, child, since):
            doubtful.append(child)
    return not enough(doubtful, known, state.inventory, config)


def _alive(state: State, topology: Topology, child: str, since: float) -> bool:
    """True if a line, a probed node, or anything below a node without a probe answered after ``since``."""
    if child in state.inventory.lines or state.reach.get(child) is not None:
        return _answered(state, child, since)
    return any(_answered(state, line, since) for line in topology.lines_below(child))


def _answered(state: State, target: str, since: float) -> bool:
    reach = state.reach.get(target)
    return reach is not None and not reach.lost and (reach.last_answer_at or 0.0) > since
