"""The pure parts of bench-incidents: which faults happen, and what is made of what was told."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from bench import incidents, judge, usual
from bench.children import BenchError
from bench.ground import Believed, Cut, Outcome, Post, Stage, faults_of
from bench.report import Target, provenance
from netmon.commands import loader
from netmon.model import Inventory
from netmon.sim.weather import Climate
from netmon.topology import Topology
from tests.conftest import ROOT

T0 = 1_790_000_000.0
SITE = Cut("s1", ("s1",), T0, T0 + 240, False)
NODE = Cut("n1", ("a", "b", "c"), T0 + 400, T0 + 640, True)


@pytest.fixture(scope="module")
def sample() -> Inventory:
    return loader(str(ROOT / "inventory" / "netmon.yml"))().inventory


# --- which faults ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stage", [s for lane in (*incidents.LANES, *incidents.QUICK) for s in lane], ids=lambda s: s.name
)
def test_faults_are_apart_and_over_in_time(stage: Stage, sample: Inventory) -> None:
    faults = faults_of(sample, stage, random.Random("a seed"))
    assert len(faults) == stage.singles // stage.waves * stage.waves + stage.cascades
    if not faults:
        return
    end = max(f.at_s + f.duration_s for f in faults)
    assert stage.warm_s + end + stage.after_s <= stage.minutes * 60
    topology = Topology(sample)
    nodes = [f.target for f in faults if f.kind == "node"]
    assert len(set(nodes)) == len(nodes)
    below = {site for node in nodes for site in topology.sites_below(node)}
    cut = [(f, sample.sites[sample.lines[f.target].site]) for f in faults if f.kind == "fibre"]
    assert not below & {site.id for _, site in cut}
    assert len({site.id for _, site in cut}) == len(cut)
    for kind in ("building", "power", "cable"):
        groups: dict[str, list[tuple[float, float]]] = {}
        for fault, site in cut:
            if group := getattr(site, kind):
                groups.setdefault(group, []).append((fault.at_s, fault.at_s + fault.duration_s))
        for times in groups.values():
            assert all(b[0] - a[1] > 60 for a, b in pairwise(sorted(times))), "one is over before the next"


def test_more_sites_than_there_are_cannot_be_cut_at_once(sample: Inventory) -> None:
    with pytest.raises(BenchError, match="of 300 sites of the sample can be cut at once"):
        faults_of(sample, Stage("x", Climate(), 60, singles=300, waves=1), random.Random(1))


# --- what was told ---------------------------------------------------------------------------------------------------


def note(at: float, *firing: str, resolved: tuple[str, ...] = (), key: str = "1") -> judge.Note:
    return judge.Note(T0 + at, dict.fromkeys(firing, key), frozenset(resolved))


def test_seconds_and_messages_of_each_fault() -> None:
    notes = [
        note(7, "s1"),
        note(60, "s1"),
        note(250, resolved=("s1",)),
        note(410, "n1"),
        note(420, "a", "b"),
        note(630, "elsewhere"),
        note(700, resolved=("n1",)),
    ]
    told = judge.judge([SITE, NODE], notes)
    assert (told.singles, told.cascades, told.resolved) == ([7], [10], [10])
    assert (told.per_single, told.per_cascade) == ([2], [2])
    assert told.false == 1


def test_what_comes_too_late_or_never_is_missed() -> None:
    told = judge.judge([SITE, NODE], [note(241, "s1"), note(239, resolved=("s1",))])
    assert (told.singles, told.resolved, told.cascades) == ([None], [None], [None])
    assert told.as_json()["single"] == {"n": 1, "missed": 1}
    assert told.false == 0, "a minute after the repair the fault is still its reason"


@pytest.mark.parametrize(("at", "false"), [(-30, 1), (0, 0), (300, 0), (301, 1)])
def test_what_no_fault_explains_is_false(at: float, false: int) -> None:
    assert judge.judge([SITE], [note(at, "s1")]).false == false


def test_what_is_told_again_is_false_once_and_an_alert_counts_from_its_start() -> None:
    again = [note(900, "x", key="2026-09-21T14:10:00.123456789Z"), note(960, "x", key="2026-09-21T14:10:00.123456789Z")]
    assert judge.judge([SITE], again).false == 1
    late = [note(500, "s1", key="2026-09-21T14:14:20.5Z")]  # T0 + 60.5
    assert judge.judge([SITE], late).false == 0


def outcome(sample: Inventory, *believed: Believed, posts: list[Post] | None = None) -> Outcome:
    return Outcome(Stage("loss1", Climate(0.01), 5), sample, [SITE, NODE], posts or [], list(believed))


def test_messages_of_netmon_belong_to_the_place_of_their_incident(sample: Inventory) -> None:
    line = next(iter(sample.lines.values()))
    posts = [
        Post(T0 + 7, "/netmon", {"id": "1-0-opened|noc|sink"}),
        Post(T0 + 8, "/netmon", {"id": "start|noc|sink"}),
        Post(T0 + 9, "/stock", {"alerts": []}),
        Post(T0 + 90, "/netmon", {"id": "1-1-closed|noc|sink"}),
    ]
    found = outcome(sample, Believed(1, "redundancy", "line", line.id, T0, None), posts=posts)
    found.intents = {
        "1-0-opened|noc|sink": (1, "opened"),
        "start|noc|sink": (0, "digest"),
        "1-1-closed|noc|sink": (1, "closed"),
    }
    assert judge.of_netmon(found) == [
        judge.Note(T0 + 7, {line.site: "1"}, frozenset()),
        judge.Note(T0 + 8, {}, frozenset()),
        judge.Note(T0 + 90, {}, frozenset({line.site})),
    ]


def test_incidents_where_nothing_was_cut_are_false_whether_told_or_not(sample: Inventory) -> None:
    found = outcome(
        sample,
        Believed(1, "outage", "site", "s1", T0 + 1, T0 + 300),
        Believed(2, "outage", "site", "b", T0 + 402, None),
        Believed(3, "degraded", "site", "x", T0 + 5, None),
        Believed(4, "outage", "site", "x", T0 + 5, None),
        Believed(5, "redundancy", "site", "s1", T0 + 999, None),
        Believed(6, "outage", "site", "s1", T0 - 14, None),  # lost packets when it was cut
        Believed(7, "outage", "site", "s1", T0 - 16, None),
    )
    false = [f"outage x {T0 + 5:.0f}", f"redundancy s1 {T0 + 999:.0f}", f"outage s1 {T0 - 16:.0f}"]
    assert judge.false_incidents(found) == false


def test_what_alertmanager_sends() -> None:
    def alert(status: str, **labels: str) -> dict[str, Any]:
        return {"status": status, "labels": labels, "startsAt": "2026-09-21T14:13:20Z"}

    body = {
        "alerts": [alert("firing", site="s1", parent="n1"), alert("resolved", site="s2"), alert("firing", parent="n1")]
    }
    posts = [Post(T0, "/tuned", body), Post(T0, "/stock", body)]
    firing = {"s1": "2026-09-21T14:13:20Z", "n1": "2026-09-21T14:13:20Z"}
    assert judge.of_alertmanager(posts, "tuned") == [judge.Note(T0, firing, frozenset({"s2"}))]


# --- the usual stack -------------------------------------------------------------------------------------------------


def test_every_way_has_its_job_rules_route_and_receiver(sample: Inventory) -> None:
    prometheus = usual.prometheus_config(sample, 161, "127.0.0.1:9116", "127.0.0.1:9093", "rules.yml")
    routers = sum(bool(usual.router_of(sample, site)) for site in sample.sites)
    names = [tier.name for tier in usual.TIERS]
    assert [job["job_name"] for job in prometheus["scrape_configs"]] == names
    assert {len(job["static_configs"]) for job in prometheus["scrape_configs"]} == {routers}
    assert {job["params"]["module"][0] for job in prometheus["scrape_configs"]} <= usual.exporter_config().keys()
    assert [group["name"] for group in usual.rules()["groups"]] == names
    alertmanager = usual.alertmanager_config("http://127.0.0.1:1")
    receivers = {receiver["name"] for receiver in alertmanager["receivers"]}
    assert {route["receiver"] for route in alertmanager["route"]["routes"]} == receivers == set(usual.NAMES)
    assert set(incidents.SHOWN) == {"netmon", *receivers}


# --- results and page ------------------------------------------------------------------------------------------------

PROMISED = (
    "single_p50_s", "single_p95_s", "lossy_p95_s", "cascade_p95_s", "resolved_p95_s", "messages_per_cascade",
    "false_incidents_loss5", "false_incidents_loss15", "false_incidents_bursty", "stock_single_p50_s",
    "stock_messages_per_cascade",
)  # fmt: skip


def lived(sample: Inventory, stage: Stage) -> Outcome:
    """A stage in which netmon tells each fault after 7 s and its end after 300, and stock after 100 and 500."""
    found = Outcome(stage, sample, [SITE, NODE] if stage.singles else [], load=1.5)
    for number, cut in enumerate(found.cuts, 1):
        found.believed.append(
            Believed(number, "outage", "node" if cut.node else "site", cut.subject, cut.began_at, None)
        )
        for what, after in (("opened", 7.0), ("closed", 300.0)):
            found.intents[f"{number}-{what}"] = (number, what)
            found.posts.append(Post(cut.began_at + after, "/netmon", {"id": f"{number}-{what}"}))
        for site in cut.sites if stage.usual else ():
            alert = {"status": "firing", "labels": {"site": site}, "startsAt": "2026-09-21T14:13:30Z"}
            found.posts.append(Post(cut.began_at + 100, "/stock", {"alerts": [alert]}))
    return found


def test_the_figures_that_are_promised_and_the_page_made_of_them(sample: Inventory) -> None:
    stages = [stage for lane in incidents.LANES for stage in lane]
    result: dict[str, Any] = incidents.figures({stage.name: lived(sample, stage) for stage in stages})
    assert {name: result[name] for name in PROMISED} == {
        "single_p50_s": 7.0, "single_p95_s": 7.0, "lossy_p95_s": 7.0, "cascade_p95_s": 7.0, "resolved_p95_s": 60.0,
        "messages_per_cascade": 1, "false_incidents_loss5": 0, "false_incidents_loss15": 0, "false_incidents_bursty": 0,
        "stock_single_p50_s": 100.0, "stock_messages_per_cascade": 3,
    }  # fmt: skip
    json.dumps(result)
    result |= {**provenance("make bench-incidents", 7), "cause_right_ratio": 0.99, "power_blamed_on_line": 1}
    text = incidents.page(result)
    assert "| one site, loss under 2 %, p95 | ≤ 10 s | 7 | met | from fault to message |" in text
    assert "| power blamed on the line | 0 | 1 | missed, 1 and not none | at the end or first |" in text
    assert "| causes left unknown there | ≤ 5 % | – | not measured |  |" in text


def test_what_was_not_measured_is_none_and_no_figure(sample: Inventory) -> None:
    (stage,) = (s for lane in incidents.LANES for s in lane if s.name == "loss15")
    result: Mapping[str, Any] = incidents.figures({"loss15": lived(sample, stage)})
    missing = {name for name in PROMISED if result[name] is None}
    assert missing == set(PROMISED) - {"lossy_p95_s", "resolved_p95_s", "false_incidents_loss15"}
    assert "not measured" in incidents.page({**result, **provenance("make bench-incidents", 7)})


def test_nothing_to_miss_is_no_division() -> None:
    assert Target("x", "0", 0, 2.0).verdict == "missed, 2 and not none"
