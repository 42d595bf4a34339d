"""The incident book, driven through a small province whose probes behave as the prober's do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from netmon.alerts.catalog import load_catalog
from netmon.alerts.joining import TIMELINE_MOST, note
from netmon.alerts.messages import kind_of
from netmon.alerts.rootcause import ALERT_CAUSES
from netmon.model import Change, Gateway, Incident, Subject
from netmon.state import GatewayView
from tests.unit.world import CONFIG, T0, World, province


def test_one_site_opens_once_is_owned_by_nobody_and_closes_with_its_true_times() -> None:
    world = World()
    world.run(10)
    world.lose("b3")
    cut_at = world.now
    opened = world.run(11)
    assert world.told(opened) == [("opened", "b3")]
    incident = world.open()["b3"]
    assert (incident.kind, incident.severity, incident.id) == ("outage", "critical", 1)
    assert cut_at <= incident.began_at <= cut_at + 3
    assert incident.opened_at - cut_at <= 10.5
    assert incident.tell_at == pytest.approx(incident.began_at + 60)  # a commune
    world.run(100)
    world.restore()
    back_at = world.now
    changes = world.run(80)
    assert world.told(changes) == [("closed", "b3")]
    closed = changes[-1].incident
    assert closed.good_since is not None and back_at <= closed.good_since <= back_at + 3.5
    assert closed.closed_at is not None and closed.closed_at - closed.good_since == pytest.approx(60, abs=1)
    assert not world.book.open


@pytest.mark.parametrize(("site", "delay"), [("core1", 30.0), ("b3", 60.0)])
def test_tell_at_follows_the_level(site: str, delay: float) -> None:
    world = World()
    world.lose(site)
    world.run(12)
    incident = world.open()[site]
    assert incident.tell_at == pytest.approx(incident.began_at + delay)


@pytest.mark.parametrize(("node", "line"), [("a", "a3"), ("b", "b3")])
def test_a_node_owns_its_sites(node: str, line: str) -> None:
    world = World()
    world.lose(node)
    cut_at = world.now
    assert world.told(world.run(13)) == [("opened", node)]
    incident = world.open()[node]
    assert set(incident.children) == {s for s in world.topology.sites_below(node) if s != "two"}
    assert incident.tell_at == incident.opened_at
    assert incident.opened_at - cut_at <= 12
    world.run(300)
    world.restore()
    assert world.told(world.run(90)) == [("closed", node)]
    assert world.verdict("site", line).condition == "up"


@pytest.mark.parametrize("node", ["a", "b"])
def test_a_lost_node_is_told_with_all_that_went_with_it(node: str) -> None:
    world = World()
    world.lose(node)
    changes = world.run(30.0, tick=0.5)
    opened = next(c.incident for c in changes if c.kind == "opened")
    assert set(opened.children) == set(world.book.open[opened.id].children)
    assert opened.opened_at - opened.began_at <= 12.0


def test_the_topmost_lost_node_owns_all() -> None:
    world = World()
    world.lose("core")
    assert world.told(world.run(60)) == [("opened", "core")]
    assert len(world.open()["core"].children) == len(world.state.inventory.sites)


def test_children_still_missing_become_incidents_with_their_true_beginning() -> None:
    world = World()
    world.lose("b")
    world.lose("b3")
    world.run(30)
    world.restore("b")
    assert world.told(world.run(40)) == []  # held while the node's incident is open
    changes = world.run(40)
    assert world.told(changes) == [("closed", "b"), ("opened", "b3")]
    assert T0 <= world.open()["b3"].began_at <= T0 + 4


def test_already_down_is_listed_and_stays_its_own() -> None:
    world = World()
    world.lose("b3")
    world.run(60)
    world.lose("b")
    world.run(30)
    incident = world.open()["b"]
    assert incident.already_down == ("b3",)
    assert "b3" not in incident.children
    assert world.open()["b3"].id == 1
    world.restore("b")
    world.run(90)
    assert set(world.open()) == {"b3"}


def test_a_child_opened_just_before_its_node_is_absorbed_untold() -> None:
    world = World()
    world.lose("b3")
    world.run(7.5)
    world.lose("b")  # the child's loss is confirmed while the node still looks well
    changes = world.run(30)
    assert set(world.open()) == {"b"}
    absorbed = [c for c in changes if c.incident.subject.id == "b3"]
    assert [c.kind for c in absorbed] == ["opened", "updated"]
    last = absorbed[-1].incident
    assert (last.open, last.timeline[-1].kind, last.timeline[-1].text) == (False, "child", f"#{world.open()['b'].id}")
    assert "b3" in world.open()["b"].children


def test_sites_of_one_house_are_one_incident() -> None:
    world = World()
    world.lose("a1", "a2")
    changes = world.run(15)
    assert len(world.told(changes)) == 1
    (incident,) = world.book.open.values()
    assert {incident.subject.id, *incident.children} == {"a1", "a2"}
    other = incident.children[0]
    world.run(60)
    world.restore(incident.subject.id)
    changes = world.run(90)
    assert world.told(changes) == [("closed", incident.subject.id), ("opened", other)]
    assert world.open()[other].began_at < T0 + 4


def test_lines_of_one_site_redundancy_then_outage_then_redundancy() -> None:
    world = World()
    world.lose("two-1")
    changes = world.run(15)
    assert world.told(changes) == [("opened", "two")]
    assert (world.open()["two"].kind, world.open()["two"].severity) == ("redundancy", "warning")
    world.run(100)
    world.lose("two-2")
    cut_at = world.now
    assert world.told(world.run(15)) == [("raised", "two")]
    incident = world.open()["two"]
    assert (incident.kind, incident.severity, incident.id) == ("outage", "critical", 1)
    assert cut_at <= incident.began_at <= cut_at + 3
    world.restore("two-2")
    changes = world.run(90)
    assert world.told(changes) == [("closed", "two"), ("opened", "two")]
    assert world.open()["two"].kind == "redundancy"
    assert world.open()["two"].began_at < T0 + 4


def test_both_lines_cut_at_once_is_one_outage_and_no_redundancy_before() -> None:
    world = World()
    world.lose("two-1", "two-2")
    changes = world.run(15)
    assert [(c.kind, c.incident.kind) for c in changes if c.kind != "updated"] == [("opened", "outage")]


def test_a_line_below_a_lost_node_is_no_lost_redundancy_of_its_own() -> None:
    world = World()
    world.lose("b")
    assert world.told(world.run(60)) == [("opened", "b")]
    assert world.verdict("site", "two").condition == "degraded"


def test_lost_redundancy_waits_while_a_node_takes_the_other_line() -> None:
    world = World()
    world.lose("two-1")
    world.run(60)
    world.lose("b")
    assert world.told(world.run(60)) == [("opened", "b")]
    assert "two" in world.open()["b"].children
    assert world.open()["two"].kind == "redundancy"
    world.restore("b")
    assert world.told(world.run(100)) == [("closed", "b")]
    world.restore()
    assert world.told(world.run(80)) == [("closed", "two")]


def test_lost_redundancy_outlives_a_restart_behind_a_lost_node() -> None:
    world = World()
    world.lose("two-2")
    world.run(60)
    world.lose("b")
    world.run(60)
    world.restart()
    assert world.told(world.run(120)) == []
    assert set(world.open()) == {"two", "b"}


def test_own_uplink_lost_is_one_incident_and_nothing_else() -> None:
    world = World()
    world.lose("b3")
    world.run(60)
    world.lose("uplink")
    assert world.told(world.run(120)) == [("opened", "netmon")]
    incident = world.open()["netmon"]
    assert (incident.cause.kind, incident.cause.confirmed) == ("monitor", True)
    assert len(incident.children) == len(world.state.inventory.sites)
    assert world.open()["b3"].open  # what cannot be seen is not over
    world.restore("uplink")
    assert world.told(world.run(120)) == [("closed", "netmon")]
    assert set(world.open()) == {"b3"}
    world.restore("b3")
    assert world.told(world.run(90)) == [("closed", "b3")]


def test_return_within_reopen_time_keeps_the_number_and_counts_flaps() -> None:
    world = World()
    for cycle in range(3):
        world.lose("b3")
        cut_at = world.now
        kinds = [k for k, _ in world.told(world.run(30))]
        assert kinds == (["opened"] if cycle == 0 else ["reopened"])
        assert world.open()["b3"].began_at >= cut_at
        world.restore()
        assert [k for k, _ in world.told(world.run(100))] == ["closed"]
    assert max(i.flaps for i in world.state.incidents.values()) == 2
    world.run(700)
    world.lose("b3")
    assert world.told(world.run(30)) == [("opened", "b3")]
    assert world.open()["b3"].id == 2


def test_return_before_it_closed_is_a_flap_of_the_same() -> None:
    world = World()
    world.lose("b3")
    world.run(30)
    world.restore()
    world.run(30)
    world.lose("b3")
    changes = world.run(60)
    assert world.told(changes) == []
    assert world.open()["b3"].flaps == 1


def test_nothing_happens_before_the_first_round() -> None:
    world = World()
    world.lose("b3")
    world.restart()
    assert world.run(6) == []
    assert not world.state.health.first_round_done
    assert world.told(world.run(6)) == [("opened", "b3")]


def test_restart_opens_nothing_twice_and_closes_what_became_good() -> None:
    world = World()
    world.lose("b", "a1", "core1")
    world.run(40)
    before = {i.id for i in world.book.open.values()}
    world.restore("core1")
    world.restart()
    changes = world.run(90)
    assert world.told(changes) == [("closed", "core1")]
    assert {i.id for i in world.book.open.values()} == before - {i.id for i in [changes[-1].incident]}


def test_restart_keeps_beginnings_apart_that_probes_see_together() -> None:
    world = World()
    for line in world.topology.lines_under("a")[:6]:
        world.lose(line)
        world.run(40)
    before = {s: i.began_at for s, i in world.open().items()}
    world.restart()
    assert world.told(world.run(60)) == []  # all lines are found lost in one moment, and yet it is no lost node
    assert {s: i.began_at for s, i in world.open().items()} == before
    assert world.verdict("line", "a1").since == before["a1"]


def test_restart_keeps_a_node_that_answers_while_its_children_are_lost() -> None:
    world = World()
    world.lose("core1", "core2", "b")  # 60 % of what hangs from the core, one of them a node
    world.run(60)
    assert set(world.open()) == {"core"}
    world.restart()
    assert world.told(world.run(100)) == []
    assert set(world.open()) == {"core"}


def test_closed_before_a_restart_may_still_reopen() -> None:
    world = World()
    world.lose("b3")
    world.run(30)
    world.restore()
    world.run(90)
    world.restart()
    world.lose("b3")
    assert world.told(world.run(30)) == [("reopened", "b3")]


def test_degraded_opens_after_its_hold_and_closes() -> None:
    world = World()
    world.state.reach["b3"] = replace(world.state.reach["b3"], loss_ratio=0.1)
    assert world.run(CONFIG.alerts.degraded_s - 5) == []
    assert world.told(world.run(10)) == [("opened", "b3")]
    incident = world.open()["b3"]
    assert (incident.kind, incident.cause.evidence[0].key) == ("degraded", "poor_loss")
    world.lose("b3")
    assert world.told(world.run(12)) == [("raised", "b3")]
    assert world.open()["b3"].kind == "outage"


def test_figures_of_poor_quality_move_on_without_a_line_for_each() -> None:
    world = World()
    for second in range(int(CONFIG.alerts.degraded_s) + 150):
        world.state.reach["b3"] = replace(world.state.reach["b3"], loss_ratio=0.1 + second / 1000)
        world.run(1)
    incident = world.open()["b3"]
    (poor,) = incident.cause.evidence
    assert float(poor.args["percent"]) > 10 + (CONFIG.alerts.degraded_s + 80) / 10  # no older than a minute or so
    assert [e.text for e in incident.timeline if e.kind == "evidence" and "poor" in e.text] == []
    changes = [c for c in world.changes if c.incident.id == incident.id and c.incident.cause != incident.cause]
    assert len(changes) < 10


def test_a_line_that_lost_packets_when_its_node_went_waits_for_the_node() -> None:
    """Its loss began seconds before the node's, and the node still answered in between."""
    world = World()
    world.run(30)
    world.lose("b3")
    world.run(4)
    world.lose("b")
    assert world.told(world.run(20)) == [("opened", "b")]
    assert "b3" in world.open()["b"].children


def test_a_poor_site_that_is_slow_to_return_after_its_node_is_not_raised() -> None:
    """The node owns its loss also where it had an incident of its own."""
    world = World()
    world.state.reach["b3"] = replace(world.state.reach["b3"], loss_ratio=0.1)
    world.run(CONFIG.alerts.degraded_s + 5)
    world.lose("b")
    world.run(60)
    world.lose("b3")
    world.restore("b")
    world.run(8)
    world.restore()
    told = world.told(world.run(90))
    assert ("closed", "b") in told
    assert not [subject for kind, subject in world.told() if kind == "raised"]
    assert {i.kind for i in world.state.incidents.values() if i.subject.id == "b3"} == {"degraded"}


def test_ups_on_battery_then_the_site_is_lost_is_one_incident_raised() -> None:
    world = World()
    world.poll("ups-a6", ups_on_battery=1.0, ups_charge_ratio=0.1)
    world.alert("UpsOnBattery", Subject("device", "ups-a6"), site="a6")
    assert world.told(world.run(2)) == [("opened", "ups-a6")]
    first = world.open()["ups-a6"]
    assert (first.kind, first.severity, first.cause.kind) == ("alert", "warning", "power")
    world.alert("UpsBatteryLow", Subject("device", "ups-a6"), site="a6")
    world.run(2)
    assert len(world.open()["ups-a6"].alerts) == 2  # the same fault
    world.lose("a6")
    world.poll("ups-a6", ups_on_battery=1.0, ups_charge_ratio=0.05)
    cut_at = world.now
    assert world.told(world.run(15)) == [("raised", "a6")]
    raised = world.open()["a6"]
    assert (raised.id, raised.kind, raised.severity) == (first.id, "outage", "critical")
    assert raised.began_at >= cut_at
    assert (raised.cause.kind, raised.cause.confirmed) == ("power", True)
    # Back, and the alerts are still kept firing: told once is enough.
    world.restore()
    world.poll("ups-a6", ups_on_battery=0.0)
    assert world.told(world.run(100)) == [("closed", "a6")]
    world.state.alerts.clear()
    assert world.told(world.run(60)) == []


def test_alert_of_a_dark_site_neither_opens_nor_ends() -> None:
    world = World()
    world.alert("UpsOnBattery", Subject("device", "ups-a6"), site="a6")
    world.run(2)
    world.lose("a")
    world.run(15)
    world.state.alerts.clear()  # its figures are gone with the site
    world.run(200)
    assert world.open()["ups-a6"].good_since is None
    world.alert("UpsOnBattery", Subject("device", "ups-a2"), site="a2")
    assert world.told(world.run(20)) == []


def test_alert_opens_closes_and_reopens() -> None:
    world = World()
    world.hear("heat-a7", 41.5, "alarm")
    subject = Subject("sensor", "heat-a7")
    world.alert("SensorAlarm", subject, severity="critical", site="a7", state="alarm")
    opened = world.run(1)
    assert [(c.kind, c.incident.kind, c.incident.severity) for c in opened] == [("opened", "alert", "critical")]
    world.hear("heat-a7", 30.0)
    world.state.alerts.clear()
    assert world.told(world.run(70)) == [("closed", "heat-a7")]
    world.hear("heat-a7", 41.5, "alarm")
    world.alert("SensorAlarm", subject, severity="critical", site="a7", state="alarm")
    assert world.told(world.run(1)) == [("reopened", "heat-a7")]
    world.hear("heat-a7", 41.5, "explained")
    world.state.alerts.clear()
    assert world.told(world.run(100)) == []  # not heard: nobody knows whether it is over


def test_an_alert_for_office_hours_is_told_when_they_begin() -> None:
    world = World(now=T0 + 3600 * 9)  # 06:13 in Asia/Ho_Chi_Minh
    world.alert("SnmpSilent", Subject("device", "r-b3"), tell="hours", site="b3")
    world.run(2)
    (incident,) = world.book.open.values()
    opens = datetime.fromtimestamp(incident.tell_at, ZoneInfo("Asia/Ho_Chi_Minh"))
    assert (opens.hour, opens.minute) == (7, 0)
    assert 0 < incident.tell_at - world.now < 86400


@pytest.mark.parametrize("tell", ["daily", "page", "verdict"])
def test_only_alerts_to_be_told_now_open_incidents(tell: str) -> None:
    world = World()
    world.alert("SnmpSilent", Subject("device", "r-b3"), tell=tell, site="b3")
    assert world.run(30) == []


def test_verdict_alerts_join_the_incident_of_their_site() -> None:
    world = World()
    world.lose("b3")
    world.run(12)
    world.alert("SiteDown", Subject("site", "b3"), tell="verdict", severity="critical")
    changes = world.run(1)
    assert world.told(changes) == []
    assert [name for name, _ in world.open()["b3"].alerts] == ["SiteDown"]


def test_names_of_alerts_are_those_of_the_catalogue() -> None:
    tells = {rule.alert: rule.tell for rule in load_catalog()}
    assert {tells[name] for name in ALERT_CAUSES} == {"now"}
    assert tells["NetmonBlind"] == tells["SiteDown"] == "verdict"


def test_first_cause_is_what_the_opening_will_say() -> None:
    world = World()
    world.lose("b3")
    world.run(12)
    assert world.open()["b3"].first_cause == "unknown"
    world.hear("mains-a7", 0.0)  # another site's sensor
    world.lose("a7")
    world.run(12)
    world.hear("mains-a7", 0.0)
    world.run(10)
    incident = world.open()["a7"]
    assert (incident.cause.kind, incident.first_cause) == ("power", "power")
    world.run(60)
    world.state.polls.clear()
    assert world.open()["a7"].first_cause == "power"


def test_site_taken_out_of_the_inventory_closes() -> None:
    world = World()
    world.lose("b3")
    world.run(12)
    inventory = province()
    for things in (inventory.sites, inventory.lines):
        things.pop("b3")  # type: ignore[attr-defined]
    world.state.inventory = inventory
    world.topology = type(world.topology)(inventory)
    world.phase.pop("b3")
    assert world.told(world.run(70)) == [("closed", "b3")]


def test_timeline_is_bounded_and_keeps_its_first_line() -> None:
    incident = Incident(1, Subject("site", "x"), "outage", "critical", T0, T0)
    for n in range(TIMELINE_MOST * 2):
        incident = note(incident, T0 + n, "flap", str(n))
    assert len(incident.timeline) == TIMELINE_MOST
    assert (incident.timeline[0].text, incident.timeline[-1].text) == ("0", str(TIMELINE_MOST * 2 - 1))


def test_a_limit_passed_after_a_fast_rise_is_the_same_incident() -> None:
    world = World()
    subject = Subject("sensor", "heat-a7")
    world.hear("heat-a7", 33.0)
    world.alert("SensorFast", subject, site="a7")
    assert world.told(world.run(1)) == [("opened", "heat-a7")]
    world.hear("heat-a7", 41.5, "alarm")
    world.alert("SensorAlarm", subject, severity="critical", site="a7", state="alarm")
    assert world.told(world.run(1)) == [("raised", "heat-a7")]
    incident = world.open()["heat-a7"]
    assert incident.severity == "critical"
    assert kind_of(Change("raised", incident, world.now)) == "alarm"
    other = Subject("sensor", "mains-a7")
    world.alert("SensorFast", other, site="a7")
    assert world.told(world.run(1)) == [("opened", "mains-a7")], "another sensor is another matter"


def test_a_silent_gateway_is_one_incident_until_it_is_heard_again() -> None:
    world = World()
    subject = Subject("gateway", "gw")
    world.state.inventory = replace(
        world.state.inventory, gateways={"gw": Gateway("gw", "gateway", site="a7", via="cellular")}
    )
    silent = ("heat-a7", "mains-a7", "heat-b")
    world.state.gateways["gw"] = GatewayView("gw", "stale", world.now, world.now - 900, silent=silent)
    world.alert("GatewaySilent", subject, site="a7", state="stale")
    assert world.told(world.run(1)) == [("opened", "gw")]
    [evidence] = world.open()["gw"].cause.evidence
    assert evidence.key == "gateway_silent"
    assert evidence.args["count"] == str(sum(name in world.state.inventory.sensors for name in silent))
    assert "heat-a7" in evidence.args["names"]
    world.state.alerts.clear()
    for state in ("unknown", "explained"):  # a lost broker or line: nobody knows whether it is over
        world.state.gateways["gw"] = GatewayView("gw", state, world.now, world.now - 900)  # type: ignore[arg-type]
        assert world.told(world.run(100)) == []
    world.state.gateways["gw"] = GatewayView("gw", "ok", world.now, world.now)
    assert world.told(world.run(70)) == [("closed", "gw")]


def test_a_gateway_at_a_lost_site_belongs_to_its_outage() -> None:
    world = World()
    world.state.inventory = replace(
        world.state.inventory, gateways={"gw": Gateway("gw", "gateway", site="b3", via="cellular")}
    )
    world.lose("b3")
    world.run(12)
    world.state.gateways["gw"] = GatewayView("gw", "stale", world.now, world.now - 900)
    world.alert("GatewaySilent", Subject("gateway", "gw"), site="b3", state="stale")
    assert world.told(world.run(5)) == []
    assert [name for name, _ in world.open()["b3"].alerts] == ["GatewaySilent"]
