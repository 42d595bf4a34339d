"""What polls, probes, verdicts and sensors become on the page: exact numbers, and series that leave in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from netmon.fold import Fold
from netmon.line_samples import P95, SAMPLE_S
from netmon.metrics import METRICS
from netmon.model import (
    Condition,
    Contract,
    Device,
    Figure,
    Inventory,
    Line,
    LineSample,
    Node,
    PollResult,
    Port,
    Probe,
    Sensor,
    SensorType,
    Site,
    Subject,
    Verdict,
    labels,
)
from netmon.state import Reach, SensorView, State
from netmon.topology import Topology

T0 = 1_790_000_100.0  # a full multiple of 300 s: a bucket of the percentile begins here
PING = Probe("icmp", "198.18.0.9")


def inventory() -> Inventory:
    """Site `two` has a main line with a contract and a backup without; site `one` has one line; `core` is a node."""
    main = Line("two-1", "two", "core", PING, "VNPT", contracts=(Contract(20e6, 10e6),), device="r-two", if_name="wan1")
    lines = [
        main,
        Line("two-2", "two", "core", PING, role="backup", device="r-two", if_name="wan2"),
        Line("one-1", "one", "core", PING, device="r-one", if_name="wan1"),
    ]
    devices = [
        Device("r-two", "router", "198.18.1.1", 161, "public", site="two"),
        Device("r-one", "router", "198.18.1.2", 161, "public", site="one"),
        Device("r-core", "router", "198.18.0.1", 161, "public", node="core"),
    ]
    sensors = [
        Sensor("heat", "temperature", "t/one", "senml", site="one"),
        Sensor("heat-core", "temperature", "t/core", "senml", node="core"),
    ]
    return Inventory(
        nodes={"core": Node("core", "Lõi", "core", None, probe=PING)},
        sites={s: Site(s, f"UBND {s}", s, "government", "commune", "area") for s in ("two", "one")},
        lines={line.id: line for line in lines},
        devices={device.id: device for device in devices},
        sensor_types={"temperature": SensorType("temperature", "temperature", "Cel", rise=5, stuck_s=3600)},
        sensors={sensor.id: sensor for sensor in sensors},
    )


class Page:
    """A fold with its state, and what it shows."""

    def __init__(self, facts: Inventory | None = None) -> None:
        self.state = State(facts or inventory())
        self.fold = Fold(self.state, Topology(self.state.inventory))

    def reload(self, facts: Inventory) -> None:
        self.fold.set_inventory(facts, Topology(facts))

    def get(self, name: str, **pairs: str) -> float | None:
        return self.state.gauges.family(name).get(labels(**pairs))

    def of(self, name: str) -> dict[str, float]:
        """Series of a family by their label values, in the order of the names, e.g. "in two-1 two"."""
        return {" ".join(v for _, v in pairs): value for pairs, value in self.state.gauges.family(name).items()}

    def judge(self, **conditions: Condition) -> None:
        """Conditions by id, with _ for -; those not named are up."""
        facts = self.state.inventory
        everything = [("line", i) for i in facts.lines] + [("site", i) for i in facts.sites]
        everything += [("node", i) for i in facts.nodes]
        found: dict[Subject, Verdict] = {}
        for kind, key in everything:
            subject = Subject(kind, key)  # type: ignore[arg-type]
            found[subject] = Verdict(subject, conditions.get(key.replace("-", "_"), "up"), T0)
        self.fold.verdicts(found)


def port(name: str, at: float, octets: tuple[int, int] = (0, 0), **more: object) -> Port:
    found = Port(name, 1, at, oper_up=True, speed_bps=1e9, in_octets=octets[0], out_octets=octets[1])
    return replace(found, **more)  # type: ignore[arg-type]


def poll(device: str, at: float, *ports: Port, uptime_s: float | None = None, **figures: float) -> PollResult:
    site = {"r-core": ""}.get(device, device.removeprefix("r-"))
    own = tuple(Figure(f"netmon_{n}", labels(device=device, site=site), v) for n, v in figures.items())
    return PollResult(
        device,
        at,
        0.25,
        True,
        figures=own,
        ports={p.if_name: p for p in ports},
        sys_uptime_s=1e6 + at - T0 if uptime_s is None else uptime_s,
    )


def failed(device: str, at: float) -> PollResult:
    return PollResult(device, at, 3.0, False, "timeout")


# --- polls -----------------------------------------------------------------------------------------------------------


def test_a_good_poll_shows_the_figures_of_the_device() -> None:
    page = Page()
    page.fold.poll(poll("r-two", T0, device_cpu_ratio=0.4))
    assert page.get("netmon_snmp_up", device="r-two", site="two") == 1.0
    assert page.get("netmon_poll_duration_seconds", device="r-two", site="two") == 0.25
    assert page.get("netmon_device_cpu_ratio", device="r-two", site="two") == 0.4
    page.fold.poll(poll("r-core", T0))
    assert page.get("netmon_snmp_up", device="r-core", node="core") == 1.0


def test_a_failed_poll_takes_everything_the_device_said_away_but_that_it_failed() -> None:
    page = Page()
    page.fold.poll(poll("r-two", T0, port("wan1", T0), device_cpu_ratio=0.4))
    page.fold.poll(poll("r-two", T0 + 30, port("wan1", T0 + 30, (100, 100)), device_cpu_ratio=0.4))
    assert page.of("netmon_line_utilization_ratio")
    page.fold.poll(failed("r-two", T0 + 60))
    assert page.get("netmon_snmp_up", device="r-two", site="two") == 0.0
    for name in page.state.gauges.names():
        if name not in ("netmon_snmp_up", "netmon_poll_duration_seconds") and not name.endswith("_info"):
            assert not page.of(name), name


def test_a_figure_a_device_no_longer_has_leaves() -> None:
    page = Page()
    page.fold.poll(poll("r-two", T0, device_cpu_ratio=0.4, ups_on_battery=1.0))
    page.fold.poll(poll("r-two", T0 + 30, device_cpu_ratio=0.5))
    assert page.of("netmon_device_cpu_ratio") == {"r-two two": 0.5}
    assert page.of("netmon_ups_on_battery") == {}


def test_a_poll_of_a_device_that_is_gone_changes_nothing() -> None:
    page = Page()
    before = len(page.state.gauges)
    page.fold.poll(poll("r-gone", T0, device_cpu_ratio=0.4))
    assert (len(page.state.gauges), page.state.polls) == (before, {})


def test_utilisation_is_traffic_over_the_contract_of_its_direction() -> None:
    page = Page()
    page.fold.poll(poll("r-two", T0, port("wan1", T0, (1000, 500)), port("wan2", T0, (0, 0))))
    assert page.of("netmon_line_utilization_ratio") == {}, "one poll is no rate"
    page.fold.poll(
        poll(
            "r-two",
            T0 + 30,
            port("wan1", T0 + 30, (1000 + 7_500_000, 500 + 11_250_000)),
            port("wan2", T0 + 30, (37_500_000, 0), speed_bps=1e8),
        )
    )
    # 7.5 MB in 30 s are 2 Mbit/s of 20; 11.25 MB are 3 of 10; the line without a contract: 10 of the port's 100.
    assert page.of("netmon_line_utilization_ratio") == {
        "in two-1 two": pytest.approx(0.1),
        "out two-1 two": pytest.approx(0.3),
        "in two-2 two": pytest.approx(0.1),
        "out two-2 two": 0.0,
    }


def test_errors_and_discards_are_parts_of_all_packets() -> None:
    page = Page()
    counted = {"in_packets": 1000, "out_packets": 2000, "in_errors": 3, "out_errors": 0}
    page.fold.poll(poll("r-two", T0, port("wan1", T0, **counted, in_discards=0, out_discards=10)))
    counted = {"in_packets": 1095, "out_packets": 2000, "in_errors": 8, "out_errors": 0}
    page.fold.poll(poll("r-two", T0 + 30, port("wan1", T0 + 30, **counted, in_discards=0, out_discards=20)))
    assert page.of("netmon_line_error_ratio") == {"in two-1 two": 0.05, "out two-1 two": 0.0}
    assert page.of("netmon_line_discard_ratio") == {"in two-1 two": 0.0, "out two-1 two": 1.0}


def test_a_port_without_counters_or_speed_gives_what_it_can() -> None:
    page = Page()
    silent = port("wan2", T0, in_octets=None, out_octets=None)
    page.fold.poll(poll("r-two", T0, silent))
    page.fold.poll(poll("r-two", T0 + 30, replace(silent, at=T0 + 30, oper_up=False)))
    assert page.of("netmon_line_utilization_ratio") == {}
    assert page.of("netmon_line_port_up") == {"two-2 two": 0.0}
    unknown = port("wan2", T0 + 60, speed_bps=None, oper_up=None)
    page.fold.poll(poll("r-two", T0 + 60, unknown))
    page.fold.poll(poll("r-two", T0 + 90, replace(unknown, at=T0 + 90, in_octets=1000)))
    assert page.of("netmon_line_utilization_ratio") == {}, "nothing to compare with"
    assert page.of("netmon_line_port_up") == {}


@pytest.mark.parametrize(
    ("what", "after", "uptime_s"),
    [
        ("another name", port("wan1-new", T0 + 30, (9000, 9000)), None),
        ("another index", port("wan1", T0 + 30, (9000, 9000), if_index=7), None),
        ("cleared counters", port("wan1", T0 + 30, (10, 9000)), None),
        ("restarted device", port("wan1", T0 + 30, (9000, 9000)), 20.0),
    ],
)
def test_no_rate_is_told_across(what: str, after: Port, uptime_s: float | None) -> None:
    page = Page()
    page.fold.poll(poll("r-two", T0, port("wan1", T0, (5000, 5000))))
    page.fold.poll(poll("r-two", T0 + 30, after, uptime_s=uptime_s))
    assert page.of("netmon_line_utilization_ratio") == {}, what
    following = replace(after, at=T0 + 60, in_octets=(after.in_octets or 0) + 7_500_000)
    page.fold.poll(poll("r-two", T0 + 60, following, uptime_s=None if uptime_s is None else uptime_s + 30))
    known = {} if after.if_name != "wan1" else {"in two-1 two": pytest.approx(0.1), "out two-1 two": 0.0}
    assert page.of("netmon_line_utilization_ratio") == known, f"the next pair is good again: {what}"


def test_a_rate_is_taken_over_a_failed_poll_from_the_good_ones_around_it() -> None:
    page = Page()
    page.fold.poll(poll("r-two", T0, port("wan1", T0)))
    page.fold.poll(failed("r-two", T0 + 30))
    page.fold.poll(poll("r-two", T0 + 60, port("wan1", T0 + 60, (15_000_000, 0))))
    assert page.get("netmon_line_utilization_ratio", site="two", line="two-1", direction="in") == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("contracts", "ratio"),
    [
        ((Contract(20e6, 20e6, "2026-01-01"), Contract(40e6, 40e6, "2026-09-01")), 0.05),
        ((Contract(20e6, 20e6, "2026-01-01"), Contract(40e6, 40e6, "2026-10-01")), 0.1),
        ((Contract(20e6, 20e6, "2026-10-01"),), 0.002),  # none yet: the port's own 1 Gbit/s
        ((Contract(20e6, 20e6), Contract(40e6, 40e6, "2099-01-01")), 0.1),
    ],
)
def test_the_contract_of_the_day_counts(contracts: tuple[Contract, ...], ratio: float) -> None:
    """T0 is in September 2026."""
    facts = inventory()
    line = replace(facts.lines["two-1"], contracts=contracts)
    page = Page(replace(facts, lines={**facts.lines, "two-1": line}))
    page.fold.poll(poll("r-two", T0, port("wan1", T0)))
    page.fold.poll(poll("r-two", T0 + 30, port("wan1", T0 + 30, (7_500_000, 0))))
    found = page.get("netmon_line_utilization_ratio", site="two", line="two-1", direction="in")
    assert found == pytest.approx(ratio)


# --- five-minute samples and the 95th percentile ---------------------------------------------------------------------


def test_the_page_shows_p95_when_a_slot_is_over() -> None:
    page = Page()
    octets, rates, samples = 0, [], []
    for number in range(21):  # every 30 s
        at = T0 + 30 * number
        page.fold.poll(poll("r-two", at, port("wan1", at, (octets, 0))))
        samples += page.fold.samples(at + 1)
        if number and at < T0 + SAMPLE_S:
            rates.append(0.1 * (number % 3))
            assert page.of("netmon_line_p95_ratio") == {}
        octets += 7_500_000 * ((number + 1) % 3)
    (sample,) = samples
    assert (sample.line, sample.at, sample.rtt_s) == ("two-1", T0, None)
    assert sample.in_ratio == pytest.approx(sum(rates) / len(rates)) == pytest.approx(0.1)
    assert sample.out_ratio == 0.0
    assert page.get("netmon_line_p95_ratio", site="two", line="two-1", direction="in") == sample.in_ratio
    page.fold.poll(PollResult("r-two", T0 + 700, 1.0, ok=False, reason="timeout"))
    assert page.of("netmon_line_utilization_ratio") == {}
    assert len(page.of("netmon_line_p95_ratio")) == 2, "a router that is silent for a while does not end the week"


def test_probes_are_in_the_sample_and_what_netmon_cannot_see_is_not() -> None:
    page = Page()
    page.fold.reach(Reach("two-1", False, T0, rtt_s=0.012, loss_ratio=0.01, jitter_s=0.002))
    page.fold.reach(Reach("two-2", True, T0, loss_ratio=0.3))
    page.fold.reach(Reach("one-1", True, T0))
    page.judge(two_2="down", one_1="unknown")
    found = [sample for second in range(362) for sample in page.fold.samples(T0 + second)]
    assert [replace(s, loss_ratio=round(s.loss_ratio or 0, 9)) for s in found] == [
        LineSample("two-1", int(T0), None, None, pytest.approx(0.012), 0.01, pytest.approx(0.002)),
        LineSample("two-2", int(T0), None, None, None, 1.0, None),
    ]
    assert page.of("netmon_line_p95_ratio") == {}, "use is not known"


def test_percentiles_from_before_a_restart_are_shown_at_once_and_leave_with_their_line() -> None:
    page = Page()
    known = P95([int(T0) - 600, int(T0) - 300], [0.95, 0.5]), P95()
    page.fold.remember({"two-1": known, "gone": known})
    assert page.of("netmon_line_p95_ratio") == {"in two-1 two": 0.95}
    facts = inventory()
    page.reload(replace(facts, lines={k: line for k, line in facts.lines.items() if k != "two-1"}))
    assert page.of("netmon_line_p95_ratio") == {}


# --- reachability and verdicts ---------------------------------------------------------------------------------------


def test_a_lost_target_has_loss_but_no_round_trip() -> None:
    page = Page()
    page.fold.reach(Reach("two-1", False, T0, rtt_s=0.012, loss_ratio=0.01, jitter_s=0.002))
    page.fold.reach(Reach("core", False, T0, rtt_s=0.001))
    assert page.of("netmon_probe_rtt_seconds") == {"two-1 two": 0.012, "core": 0.001}
    assert page.of("netmon_probe_jitter_seconds") == {"two-1 two": 0.002, "core": 0.0}
    revision = page.state.revision
    page.fold.reach(Reach("two-1", False, T0, rtt_s=0.013))
    assert page.state.revision == revision, "a fresh round trip is no news for a page"
    page.fold.reach(Reach("two-1", True, T0 + 9, rtt_s=0.012, loss_ratio=0.01))
    assert page.state.revision == revision + 1
    assert page.of("netmon_probe_rtt_seconds") == {"core": 0.001}
    assert page.get("netmon_probe_loss_ratio", site="two", line="two-1") == 0.01
    page.fold.reach(Reach("nobody", False, T0))
    assert "nobody" not in page.state.reach


def test_every_condition_is_a_series_of_its_own() -> None:
    page = Page()
    page.judge(one="degraded", two="down", core="unknown")
    state = "netmon_site_state"
    assert {k: v for k, v in page.of(state).items() if v} == {"one degraded": 1.0, "two down": 1.0}
    assert len(page.of(state)) == 10
    assert page.of("netmon_site_up") == {"one": 1.0, "two": 0.0}
    assert page.get("netmon_line_state", line="two-1", site="two", state="up") == 1.0
    assert page.get("netmon_node_state", node="core", state="unknown") == 1.0


def test_an_unchanged_verdict_is_no_news() -> None:
    page = Page()
    page.judge()
    revision = page.state.revision
    page.judge()
    assert page.state.revision == revision
    page.judge(one="down")
    assert page.state.revision == revision + 1


@pytest.mark.parametrize(
    ("main", "backup", "lost", "on_backup"),
    [
        ("up", "up", 0, 0),
        ("degraded", "up", 0, 0),
        ("down", "up", 1, 1),
        ("unreachable", "degraded", 1, 1),
        ("up", "down", 1, 0),
        ("down", "down", 0, 0),  # an outage, which is told as such
        ("unknown", "unknown", 0, 0),
        ("up", "unknown", 0, 0),  # not probed, or not yet: nobody knows of a loss
        ("unknown", "up", 0, 0),
    ],
)
def test_redundancy_of_a_site_with_two_lines(main: Condition, backup: Condition, lost: int, on_backup: int) -> None:
    page = Page()
    page.judge(two_1=main, two_2=backup)
    assert page.of("netmon_site_redundancy_lost") == {"two": lost}, "sites with one line have no such series"
    assert page.of("netmon_site_on_backup") == {"two": on_backup}


def test_two_main_lines_are_no_backup() -> None:
    facts = inventory()
    both = replace(facts.lines["two-2"], role="primary")
    page = Page(replace(facts, lines={**facts.lines, "two-2": both}))
    page.judge(two_1="down")
    assert page.of("netmon_site_redundancy_lost") == {"two": 1.0}
    assert page.of("netmon_site_on_backup") == {"two": 0.0}


def test_silent_is_a_device_that_fails_at_a_site_that_answers() -> None:
    page = Page()
    page.judge(one="down")
    for device in ("r-one", "r-two"):
        page.fold.poll(failed(device, T0))
    page.fold.snmp_silence()
    assert page.of("netmon_device_snmp_silent") == {"r-one one": 0.0, "r-two two": 1.0}, "r-core: not polled yet"
    page.fold.poll(poll("r-two", T0 + 30))
    page.fold.poll(failed("r-core", T0 + 30))
    page.fold.snmp_silence()
    assert page.get("netmon_device_snmp_silent", device="r-two", site="two") == 0.0
    assert page.get("netmon_device_snmp_silent", device="r-core", node="core") == 1.0


# --- sensors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("ok", True),
        ("warning", True),
        ("alarm", True),
        ("invalid", False),
        ("stale", False),
        ("explained", False),
        ("unknown", False),
    ],
)
def test_only_a_fresh_value_is_on_the_page(state: str, shown: bool) -> None:
    page = Page()
    page.fold.sensor(SensorView("heat", "ok", T0, value=26.0, received_at=T0))
    page.fold.sensor(SensorView("heat", state, T0, value=26.5, received_at=T0 + 60))  # type: ignore[arg-type]
    assert page.of("netmon_sensor_value") == ({"temperature heat one Cel": 26.5} if shown else {})
    assert page.of("netmon_sensor_last_seen_timestamp_seconds") == {"heat one": T0 + 60}
    assert {k for k, v in page.of("netmon_sensor_state").items() if v} == {f"heat one {state}"}


def test_a_sensor_never_heard_has_a_state_and_nothing_else() -> None:
    page = Page()
    page.fold.sensor(SensorView("heat-core", "unknown"))
    page.fold.sensor(SensorView("nobody", "ok", value=1.0, received_at=T0))
    assert page.of("netmon_sensor_value") == page.of("netmon_sensor_last_seen_timestamp_seconds") == {}
    assert page.get("netmon_sensor_state", sensor="heat-core", node="core", state="unknown") == 1.0
    assert list(page.state.sensors) == ["heat-core"]


# --- reload ----------------------------------------------------------------------------------------------------------


def without(facts: Inventory, *ids: str) -> Inventory:
    names = ("sites", "lines", "devices", "sensors")
    kept = {name: {k: v for k, v in getattr(facts, name).items() if k not in ids} for name in names}
    return replace(facts, **kept)


def everything(page: Page) -> None:
    """All that the fold can write."""
    page.judge(two_1="down")
    for device, site in (("r-two", "two"), ("r-one", "one")):
        wan = {"in_packets": 5, "out_packets": 5, "in_errors": 0, "out_errors": 0, "in_discards": 0, "out_discards": 0}
        for number in range(12):
            at = T0 + 60 * number
            page.fold.poll(poll(device, at, port("wan1", at, (1000 * number, 0), **wan)))
        page.fold.reach(Reach(f"{site}-1", False, T0, rtt_s=0.01))
    page.fold.poll(poll("r-core", T0))
    page.fold.reach(Reach("core", False, T0, rtt_s=0.001))
    page.fold.sensor(SensorView("heat", "ok", T0, value=26.0, received_at=T0))
    page.fold.sensor(SensorView("heat-core", "ok", T0, value=26.0, received_at=T0))
    page.fold.samples(T0 + 700)
    page.fold.snmp_silence()


def test_what_is_gone_after_a_reload_is_on_no_page() -> None:
    page = Page()
    everything(page)
    smaller = without(page.state.inventory, "two", "two-1", "two-2", "r-two", "heat")
    page.reload(smaller)
    page.fold.snmp_silence()
    left = [(name, pairs) for name, pairs, _ in page.state.gauges]
    assert left
    for name, pairs in left:
        assert not {"two", "two-1", "two-2", "r-two", "heat"} & {value for _, value in pairs}, (name, pairs)
    assert set(page.state.polls) == {"r-one", "r-core"}
    assert set(page.state.reach) == {"one-1", "core"}
    assert set(page.state.sensors) == {"heat-core"}
    assert Subject("site", "two") not in page.state.verdicts


def test_facts_follow_a_reload() -> None:
    page = Page()
    assert page.of("netmon_site_info")["area government commune UBND one one"] == 1.0
    assert page.get("netmon_line_info", line="two-1", site="two", provider="VNPT", parent="core") == 1.0
    facts = page.state.inventory
    renamed = replace(facts.sites["one"], name="Phường Một")
    page.reload(replace(facts, sites={**facts.sites, "one": renamed}))
    assert "area government commune Phường Một one" in page.of("netmon_site_info")
    assert "area government commune UBND one one" not in page.of("netmon_site_info")
    assert len(page.of("netmon_line_info")) == 3


def test_a_second_line_that_is_given_up_takes_its_redundancy_along() -> None:
    page = Page()
    page.judge(two_1="down")
    page.reload(without(page.state.inventory, "two-2"))
    assert page.of("netmon_site_redundancy_lost") == {}
    assert page.of("netmon_site_on_backup") == {}


def test_what_moved_is_shown_in_its_new_place_and_only_there() -> None:
    page = Page()
    everything(page)
    facts = page.state.inventory
    line = replace(facts.lines["two-1"], site="one")
    heat = replace(facts.sensors["heat"], site="two")
    page.reload(replace(facts, lines={**facts.lines, "two-1": line}, sensors={**facts.sensors, "heat": heat}))
    places = {pairs for name, pairs, _ in page.state.gauges if name.startswith(("netmon_line_state", "netmon_probe"))}
    assert all(("site", "two") not in pairs for pairs in places if ("line", "two-1") in pairs)
    assert page.get("netmon_line_state", line="two-1", site="one", state="down") == 1.0
    assert page.get("netmon_probe_rtt_seconds", line="two-1", site="one") == 0.01
    assert page.of("netmon_sensor_value") == {"temperature heat two Cel": 26.0, "core temperature heat-core Cel": 26.0}
    assert page.of("netmon_site_redundancy_lost") == {"one": 1.0}, "it is the other site that has two lines now"


def test_a_reload_shows_what_a_new_start_with_the_same_state_would_show() -> None:
    page = Page()
    everything(page)
    facts = page.state.inventory
    kinds = {"temperature": replace(facts.sensor_types["temperature"], unit="K")}
    lines = {**facts.lines, "two-2": replace(facts.lines["two-2"], role="primary", provider="Viettel")}
    page.reload(replace(facts, sensor_types=kinds, lines=lines))
    fresh = State(page.state.inventory)
    fresh.reach, fresh.verdicts, fresh.sensors = page.state.reach, page.state.verdicts, page.state.sensors
    Fold(fresh, Topology(fresh.inventory))
    theirs = {(name, pairs): value for name, pairs, value in fresh.gauges}
    assert theirs
    families = {name for name, _ in theirs}
    assert {(name, pairs): value for name, pairs, value in page.state.gauges if name in families} == theirs


# --- the catalogue ---------------------------------------------------------------------------------------------------


def written() -> Iterator[tuple[str, tuple[str, ...]]]:
    page = Page()
    everything(page)
    yield from sorted({(name, tuple(n for n, _ in pairs)) for name, pairs, _ in page.state.gauges})


@pytest.mark.parametrize(("name", "names"), list(written()))
def test_every_series_is_in_the_catalogue_with_its_labels(name: str, names: tuple[str, ...]) -> None:
    assert METRICS[name].kind == "gauge"
    assert set(names) <= set(METRICS[name].labels)


def test_the_catalogue_test_sees_every_family_of_the_fold() -> None:
    parts = ("line", "site", "node", "probe", "sensor", "snmp", "poll_duration", "device_snmp")
    ours = {m for m in METRICS if m.startswith(tuple(f"netmon_{p}_" for p in parts)) or m == "netmon_snmp_up"}
    others = {"netmon_snmp_events_total", "netmon_probe_events_total", "netmon_sensor_clock_skew_seconds"}
    assert ours == {name for name, _ in written()} | others


def test_a_line_or_node_that_is_probed_no_more_is_not_known_any_longer() -> None:
    """A reload may take the probe away and leave the line: its last round trip is not true for ever."""
    page = Page()
    for target in ("one-1", "core"):
        page.fold.reach(Reach(target, False, T0, T0, 0.01))
    facts = inventory()
    lines = {**facts.lines, "one-1": replace(facts.lines["one-1"], probe=Probe("none", ""))}
    page.reload(replace(facts, lines=lines, nodes={"core": replace(facts.nodes["core"], probe=None)}))
    assert page.state.reach == {}
    assert page.of("netmon_probe_rtt_seconds") == page.of("netmon_probe_loss_ratio") == {}
    page.fold.reach(Reach("one-1", False, T0, T0, 0.01))  # an answer that was still on its way
    assert page.state.reach == {}
