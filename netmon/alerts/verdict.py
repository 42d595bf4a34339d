"""Judges every line, site and node: up, degraded, down, unreachable or unknown, and since when. Pure.

Rules (DESIGN.md, section 3, Verdicts and root cause):
 - A line is judged by its probe. A lost line is `unreachable` when a node above it was lost with it or before it, and
   stays `down` when it had been lost earlier: that is another fault.
 - A node with a probe is judged by it, one without by its children: lost when `upstream_ratio` of them were lost
   within one round. Children that a narrower group explains (one building, feeder or cable) are not a lost node.
 - A probed node that answers while that many children vanish is `degraded` by "children", and explains them.
   A probed node that is silent while its children answer is `degraded` by "silent", and explains nothing.
 - Own uplink lost and nearly nothing answers: netmon is blind. The uplink is `down` by "monitor"; all else that does
   not answer is `unknown`.
 - A site is lost only when all its lines are, in the way the last of them was lost; with one of several lost it is
   `degraded` by "redundancy".
``since`` is the true beginning and stays as long as the condition does, also over a restart: the daemon then starts
with what `faults.recall` makes of its open incidents, and what it has not yet heard of is `unknown` by "recalled".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from netmon.config import Config, ProbeConfig
from netmon.model import Condition, Inventory, Line, Node, Subject, Verdict
from netmon.state import Reach
from netmon.topology import Topology

LOST: frozenset[Condition] = frozenset({"down", "unreachable"})
LEAVE = 0.7  # a degraded line is good again below this share of the limit: hysteresis, so that it does not flicker
MIN_LOST = 3  # fewer lost children never make a lost node, unless they are all (and at least two houses)
QUALITY = ("loss", "rtt", "jitter")


@dataclass(frozen=True, slots=True)
class Loss:
    """Whether a line or node is lost, taken alone. ``how``: "" | children | partial (answers itself) | silent."""

    lost: bool | None
    since: float = 0.0
    how: str = ""


def burst_s(probe: ProbeConfig) -> float:
    """How long a confirming burst takes with the defaults of the config."""
    return probe.burst_count * probe.burst_spacing_s


def window_s(probe: ProbeConfig) -> float:
    """Beginnings this close together are one fault.

    Targets are probed in turn, so the first unanswered probes of one fault spread over one interval; a stray loss just
    before adds another, and a burst that an answer cut short may start the count anew.
    """
    return 2 * probe.interval_s + burst_s(probe)


def judge(
    inventory: Inventory,
    topology: Topology,
    reach: Mapping[str, Reach],
    previous: Mapping[Subject, Verdict],
    config: Config,
    now: float,
) -> dict[Subject, Verdict]:
    """The verdict of every line, site and node. An unchanged verdict is the same object as before."""
    judge = _Judge(inventory, topology, reach, previous, config, now)
    return judge.verdicts()


class _Judge:
    def __init__(
        self,
        inventory: Inventory,
        topology: Topology,
        reach: Mapping[str, Reach],
        previous: Mapping[Subject, Verdict],
        config: Config,
        now: float,
    ) -> None:
        self.inventory = inventory
        self.topology = topology
        self.reach = reach
        self.previous = previous
        self.config = config
        self.now = now
        self.window = window_s(config.probe)
        self.lines = {line.id: self._line_loss(line) for line in inventory.lines.values()}
        self.nodes: dict[str, Loss] = {}
        for node in sorted(inventory.nodes.values(), key=lambda n: -len(topology.ancestors(n.id))):
            self.nodes[node.id] = self._node_loss(node)
        self.blind = self._blind()

    # --- what is lost, from below ---

    def _line_loss(self, line: Line) -> Loss:
        reach = self.reach.get(line.id)
        return Loss(None) if reach is None else Loss(reach.lost, self._since(Subject("line", line.id), reach))

    def _since(self, subject: Subject, reach: Reach) -> float:
        """When the present value of ``reach.lost`` began; an outage goes on over a restart, which probes forget."""
        before = self.previous.get(subject)
        if not reach.lost or before is None or not _was_lost(before):
            return reach.since
        answered = reach.last_answer_at is not None and reach.last_answer_at > before.since
        return reach.since if answered else min(before.since, reach.since)

    def _node_loss(self, node: Node) -> Loss:
        begin = self._children_lost(node)
        reach = self.reach.get(node.id) if probed(node) else None
        if reach is not None and reach.lost is not None:
            since = self._since(Subject("node", node.id), reach)
            if reach.lost:
                return Loss(False, since, "silent") if self._serves(node, reach.since) else Loss(True, since)
            return Loss(False, reach.since) if begin is None else Loss(True, begin, "partial")
        if begin is not None:
            return Loss(True, begin, "children")
        answering = any(loss.lost is False for loss in self._children(node.id).values())
        return Loss(False if answering else None)

    def _children(self, node: str) -> dict[str, Loss]:
        """Direct children, lines and nodes, of which something is known."""
        lines = {line: self.lines[line] for line in self.topology.lines_under(node)}
        nodes = {child: self.nodes[child] for child in self.topology.children_nodes(node)}
        return {child: loss for child, loss in {**lines, **nodes}.items() if loss.lost is not None}

    def _children_lost(self, node: Node) -> float | None:
        """When enough of a node's children were lost within one round; None if they were not."""
        children = self._children(node.id)
        lost = sorted((loss.since, child) for child, loss in children.items() if loss.lost)
        before = self.previous.get(Subject("node", node.id))
        if before is not None and (_was_lost(before) or before.by == "children"):
            # Children that fall later count too, and one that returns early does not move the beginning.
            since = before.since - self.window
            together = [child for at, child in lost if at >= since]
            if enough(together, len(children) - len(lost) + len(together), self.inventory, self.config):
                return before.since
        for first, (begin, _) in enumerate(lost):
            together = [child for since, child in lost[first:] if since <= begin + self.window]
            if enough(together, len(children) - first, self.inventory, self.config):
                return begin
        return None

    def _serves(self, node: Node, since: float) -> bool:
        """True if the node is silent but so many children answered meanwhile that it must be working."""
        below = [self.reach.get(line) for line in self.topology.lines_below(node.id)]
        return self._alive_share(below, since)

    def _alive_share(self, below: Iterable[Reach | None], since: float) -> bool:
        known = [reach for reach in below if reach is not None and reach.lost is not None]
        after = since + self.config.probe.timeout_s
        alive = sum(1 for reach in known if not reach.lost and (reach.last_answer_at or 0.0) > after)
        return bool(alive) and alive >= (1 - self.config.alerts.upstream_ratio) * len(known)

    def _blind(self) -> Loss | None:
        """The loss of netmon's own uplink, if that is what cuts netmon off."""
        own = self.nodes.get(self.config.own_uplink)
        if own is None or not own.lost or own.how == "partial":
            return None
        lines = [self.reach.get(line) for line in self.inventory.lines]
        return None if self._alive_share(lines, own.since) else own

    # --- what it means, from above ---

    def verdicts(self) -> dict[Subject, Verdict]:
        found: dict[Subject, Verdict] = {}
        for node in sorted(self.inventory.nodes.values(), key=lambda n: len(self.topology.ancestors(n.id))):
            subject = Subject("node", node.id)
            found[subject] = self._node(subject, node, found)
        for line in self.inventory.lines.values():
            subject = Subject("line", line.id)
            loss, above = self.lines[line.id], self.topology.line_ancestors(line.id)
            found[subject] = self._target(subject, loss, above, found)
        for site in self.inventory.sites:
            subject = Subject("site", site)
            found[subject] = self._site(subject, found)
        return found

    def _node(self, subject: Subject, node: Node, found: Mapping[Subject, Verdict]) -> Verdict:
        loss = self.nodes[node.id]
        if self.blind and node.id == self.config.own_uplink:
            return self._keep(subject, "down", loss.since, "monitor")
        if loss.how == "partial" and not self.blind:
            return self._keep(subject, "degraded", loss.since, "children")
        if loss.how == "silent":
            return self._keep(subject, "degraded", loss.since, "silent")
        return self._target(subject, loss, self.topology.ancestors(node.id), found)

    def _target(
        self, subject: Subject, loss: Loss, above: tuple[str, ...], found: Mapping[Subject, Verdict]
    ) -> Verdict:
        if loss.lost is None:
            before = self.previous.get(subject)
            if before is not None and _was_lost(before):
                return self._keep(subject, "unknown", before.since, "recalled")
            return self._keep(subject, "unknown", self._begin(subject, "unknown", self.now), "")
        if loss.lost and self.blind:
            return self._keep(subject, "unknown", self.blind.since, "monitor")
        if loss.lost:
            owner = self._owner(loss, above, found)
            return self._keep(subject, "unreachable" if owner else "down", loss.since, owner)
        if poor := self._poor(subject):
            return self._keep(subject, "degraded", self._begin(subject, "degraded", self.now), poor)
        before = self.previous.get(subject)
        ended = self.now if before is not None and before.condition == "degraded" else loss.since or self.now
        return self._keep(subject, "up", self._begin(subject, "up", ended, since=loss.since), "")

    def _owner(self, loss: Loss, above: tuple[str, ...], found: Mapping[Subject, Verdict]) -> str:
        """The node whose loss explains this one; "" if there is none."""
        for node in above:
            over = self.nodes[node]
            if over.lost and loss.since >= over.since - self.window:
                verdict = found[Subject("node", node)]
                return verdict.by if verdict.condition == "unreachable" else node
        return ""

    def _poor(self, subject: Subject) -> str:
        """What is beyond its limit: loss, rtt, jitter or nothing."""
        reach = self.reach.get(subject.id)
        if reach is None:
            return ""
        probe, before = self.config.probe, self.previous.get(subject)
        figures = zip(
            QUALITY,
            (reach.loss_ratio, reach.rtt_s or 0.0, reach.jitter_s),
            (probe.degraded_loss_ratio, probe.degraded_rtt_s, probe.degraded_jitter_s),
            strict=True,
        )
        for word, value, limit in figures:
            was = before is not None and before.condition == "degraded" and before.by == word
            if value > limit * (LEAVE if was else 1.0):
                return word
        return ""

    def _site(self, subject: Subject, found: Mapping[Subject, Verdict]) -> Verdict:
        lines = [found[Subject("line", line)] for line in self.topology.lines_of(subject.id)]
        lost = [v for v in lines if v.condition in LOST]
        alive = [v for v in lines if v.condition in ("up", "degraded")]
        if lost and len(lost) == len(lines):
            # What took the last line took the site.
            last = max(lost, key=lambda v: (v.since, v.condition == "unreachable"))
            return self._keep(subject, last.condition, last.since, last.by)
        if not alive:
            blind = next((v for v in lines if v.by == "monitor"), None)
            since = blind.since if blind else self._begin(subject, "unknown", self.now)
            return self._keep(subject, "unknown", since, blind.by if blind else "" if lines else "no_line")
        if lost:
            return self._keep(subject, "degraded", min(v.since for v in lost), "redundancy")
        # Traffic runs over the first (primary) line: a poor spare line alone does not make the site poor.
        first = alive[0]
        if first.condition == "degraded":
            return self._keep(subject, "degraded", first.since, first.by)
        since = self._begin(subject, "up", max(v.since for v in alive), since=min(v.since for v in alive))
        return self._keep(subject, "up", since, "")

    # --- beginnings that stay ---

    def _begin(self, subject: Subject, condition: Condition, at: float, since: float = 0.0) -> float:
        """The beginning of ``condition``: as before if it lasts (and nothing happened after), else ``at``."""
        before = self.previous.get(subject)
        return before.since if before is not None and before.condition == condition and before.since >= since else at

    def _keep(self, subject: Subject, condition: Condition, since: float, by: str) -> Verdict:
        verdict, before = Verdict(subject, condition, since, by), self.previous.get(subject)
        return before if before == verdict else verdict


def _was_lost(verdict: Verdict) -> bool:
    return verdict.condition in LOST or verdict.by == "recalled"


def enough(together: list[str], known: int, inventory: Inventory, config: Config) -> bool:
    """True if children lost together, of ``known`` that were there before, speak for the loss of their node."""
    if len(together) < max(2, config.alerts.upstream_ratio * known):
        return False
    if len(together) == known:
        return not _share_group(together, inventory, building_only=True)
    return len(together) >= MIN_LOST and not _share_group(together, inventory)


def _share_group(children: Iterable[str], inventory: Inventory, building_only: bool = False) -> bool:
    """True if one building, power feeder or cable is common to all these children."""
    sites = []
    for child in children:
        line = inventory.lines.get(child)
        site = inventory.sites.get(line.site) if line else None
        if site is None:
            return False
        sites.append(site)
    groups = [{site.building or site.id for site in sites}]
    if not building_only:
        groups += [{site.power or site.id for site in sites}, {site.cable or site.id for site in sites}]
    return any(len(group) == 1 for group in groups)


def probed(node: Node | None) -> bool:
    """True if the node has a probe of its own."""
    return node is not None and node.probe is not None and node.probe.kind != "none"
