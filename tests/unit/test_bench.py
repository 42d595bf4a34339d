"""The pure parts of the bench: devices and replies are what they claim; arithmetic, tables, what does not count."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from bench import snmp
from bench.__main__ import TOPICS
from bench.children import BenchError
from bench.columns import COLUMNS, IF_NAME, ROWS, USEFUL, as_yaml, exporter_modules, profile
from bench.contenders import Round
from bench.devices import Values, address, indexes, number
from bench.part_cpu import NAMES, cost, readings
from bench.replies import MIB, Replies
from bench.report import Target, percentile, provenance, spread, table, write_section
from bench.worker import lateness
from netmon.clock import Clock
from netmon.collectors.snmp import pdu
from netmon.collectors.snmp.ber import END_OF_MIB_VIEW, NO_SUCH_INSTANCE, NULL, Oid, OidCache
from netmon.collectors.snmp.profiles import load_profiles
from netmon.model import Device, PollResult
from netmon.scheduler import Scheduler

SEED = 5


def ask(replies: Replies, device: int, kind: int, oids: list[Oid], repetitions: int = 0) -> list[pdu.VarBind]:
    names = [pdu.VarBind(oid, NULL, None) for oid in oids]
    data = replies.answer(device, pdu.encode_pdu(kind, 77, 0, repetitions, names), 0)
    assert data is not None
    head = pdu.decode_pdu(data, 0, len(data), pdu.V2C, b"")
    assert (head.pdu_type, head.request_id, head.error_status) == (pdu.RESPONSE, 77, 0)
    return pdu.decode_varbinds(data, head.start, head.end, OidCache())


def walk(replies: Replies, device: int) -> list[pdu.VarBind]:
    found: list[pdu.VarBind] = []
    last: Oid = MIB[0].oid
    while True:
        for varbind in ask(replies, device, pdu.GET_BULK, [last], 30):
            if varbind.tag == END_OF_MIB_VIEW:
                return found
            found.append(varbind)
        last = found[-1].oid


# --- the agents ---


@pytest.mark.parametrize("layout", ["own", "shared"])
def test_a_walk_of_a_device_yields_every_cell_once_in_order(layout: str) -> None:
    oids = [varbind.oid for varbind in walk(Replies(SEED, layout), 3)]
    assert len(oids) == len(MIB) * ROWS
    assert oids == sorted(set(oids))


def test_columns_are_read_side_by_side_as_one_by_one() -> None:
    replies = Replies(SEED, "own")
    singly = {varbind.oid: varbind for varbind in walk(replies, 9)}
    roots = [column.oid for column in COLUMNS[:3]]
    together = ask(replies, 9, pdu.GET_BULK, roots, 4)
    assert [varbind.oid[:-1] for varbind in together] == roots * 4
    assert all(singly[varbind.oid] == varbind for varbind in together)


def test_a_reply_fits_one_frame() -> None:
    replies = Replies(SEED, "own")
    names = [pdu.VarBind(column.oid, NULL, None) for column in COLUMNS]
    data = replies.answer(1, pdu.encode_pdu(pdu.GET_BULK, 1, 0, 100, names), 0)
    assert data is not None and 1200 < len(data) < 1472


def test_what_a_device_does_not_have_is_said_as_an_agent_says_it() -> None:
    replies = Replies(SEED, "own")
    assert ask(replies, 1, pdu.GET, [(1, 3, 6, 1, 9)])[0].tag == NO_SUCH_INSTANCE
    assert ask(replies, 1, pdu.GET_NEXT, [(1, 3, 6, 1, 2, 1, 99)])[0].tag == END_OF_MIB_VIEW
    assert ask(replies, 1, pdu.GET_NEXT, [(1, 3, 6)])[0].oid[:-1] == MIB[0].oid
    row = replies.rows(1)[4]
    assert ask(replies, 1, pdu.GET, [(*IF_NAME, row)])[0].value == b"ether1/5"


def test_layouts_are_of_each_device_or_of_a_few_models() -> None:
    assert len({indexes(SEED, device, "own") for device in range(200)}) == 200
    assert len({indexes(SEED, device, "shared") for device in range(200)}) == 6


def test_counters_count_and_now_and_then_become_wider() -> None:
    replies = Replies(SEED, "own")
    before = {varbind.oid: varbind.value for varbind in walk(replies, 2)}
    replies.values.step += 1
    changed = [varbind.oid for varbind in walk(replies, 2) if varbind.value != before[varbind.oid]]
    assert len(changed) > USEFUL // 2

    values, cell = Values(SEED), Values(SEED).restless(2)
    widths = []
    for step in range(101):
        values.step = step
        widths.append(values.value(2, cell).bit_length() // 8)
    assert sum(a != b for a, b in itertools.pairwise(widths)) == 5


def test_addresses_are_on_loopback_and_lead_back() -> None:
    assert address(0) == "127.40.0.1" and address(30_999) == "127.40.121.24"
    for device in (0, 254, 255, 65_535, 30_999):
        packed = bytes(map(int, address(device).split(".")))
        assert number(packed) == device


def test_netmon_takes_the_profile_for_its_own(tmp_path: Path) -> None:
    path = tmp_path / "generic.yml"
    path.write_text(as_yaml(profile()), encoding="utf-8")
    chosen = load_profiles((str(path),)).choose((1, 3, 6, 1, 4, 1, 32473, 1))
    assert [one.name for one in chosen] == ["generic"]
    exposed = [metric.name for metric in chosen[0].metrics.values() if metric.name not in chosen[0].hide]
    assert exposed == [metric["name"] for metric in exporter_modules()["v2c"]["metrics"]]


# --- what counts ---


def test_a_round_that_missed_something_does_not_count() -> None:
    good = Round(0.5, 1.0, 10, 10, 10 * USEFUL)
    assert cost([good, good]) == [pytest.approx(0.5 / (10 * USEFUL) * 1e6)] * 2
    with pytest.raises(BenchError, match="round 2: 9 of 10"):
        cost([good, good._replace(ok=9)])
    with pytest.raises(BenchError, match="3399 series"):
        cost([good._replace(series=3399)])


def test_readings_of_both_forms_of_exposition_compare() -> None:
    ours = 'ifInErrors{device="d",site="s",ifName="ge-0/0/1"} 5 1700000000000\n'
    theirs = '# TYPE ifInErrors counter\nifInErrors{ifName="ge-0/0/1"} 5\nsnmp_scrape_duration_seconds 0.1\n'
    assert readings(ours) == readings(theirs) == {("ifInErrors", "ge-0/0/1"): 5.0}


def test_lateness_is_counted_from_the_grid_of_the_scheduler() -> None:
    async def never(device: Device) -> PollResult:
        raise AssertionError

    now = 1000.0
    clock = Clock(lambda: now, lambda: now)
    scheduler = Scheduler(never, lambda result: None, clock, 30.0)
    devices = {name: Device(name, "router", "127.0.0.1", 1, "c") for name in ("a", "b", "c")}
    scheduler.set_devices({"a": devices["a"]})
    scheduler.set_devices(devices)
    seen = {}
    for _ in range(300):
        now += 0.1
        seen |= {device: clock.mono() for device in scheduler.due() if device != "a"}
    assert seen.keys() == {"b", "c"}
    assert all(0 <= lateness(device, at, 30.0) <= 0.1 for device, at in seen.items())
    assert all(lateness(device, at + 2.0, 30.0) == pytest.approx(2.0, abs=0.1) for device, at in seen.items())


# --- what is told ---


def test_spread_and_percentile() -> None:
    assert spread([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0, 3)
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="nothing"):
        spread([])
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.99)


def test_a_target_is_met_missed_or_not_measured() -> None:
    assert Target("x", "at most 2", 2.0, 2.0).verdict == "met"
    assert Target("x", "at most 2", 2.0, 3.0).verdict == "missed, 1.50 times the target"
    assert Target("x", "at most 2", 2.0, None).verdict == "not measured"


def test_tables_are_markdown() -> None:
    assert table(("a", "b"), [("1", "x|y")]) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |\n"


def test_a_section_of_the_page_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:x -->\nold\n<!-- end of bench:x -->\nafter\n")
    write_section("x", "new\n", page)
    assert page.read_text() == "before\n<!-- bench:x -->\nnew\n<!-- end of bench:x -->\nafter\n"
    with pytest.raises(ValueError, match="no section"):
        write_section("y", "new\n", page)


def test_every_results_file_says_where_it_comes_from() -> None:
    told = provenance("make bench", 7)
    assert told["command"] == "make bench" and told["seed"] == 7 and told["commit"]
    assert set(told["machine"]) == {"cpu", "cores", "memory_gb", "python", "kernel"}


def test_the_page_tells_targets_and_what_is_missing() -> None:
    result = {
        **provenance("make bench", 7),
        "cpu_s_per_mvb": {**dict.fromkeys(NAMES, 2.0), "snmp_exporter_v2c": 30.0, "net_snmp_v2c": None},
        "cpu": {"spread": {}},
        "missing": {"net_snmp_v2c": "snmpbulkwalk is not installed"},
    }
    text = snmp.page(result)
    assert "| Memory per device, compact | at most 40 kB | – | not measured |  |" in text
    assert "| at most 1/10 | 1/15.0 | met |" in text
    assert "| at most 1/4 | 1/1.0 | missed, 4.00 times the target |" in text
    assert "- net_snmp_v2c: snmpbulkwalk is not installed" in text
    assert set(TOPICS) == {"snmp", "mqtt", "causes", "incidents"}


def test_the_page_of_a_whole_run() -> None:
    cost = {"median": 0.001, "min": 0.0009, "max": 0.0012, "n": 3}
    size = {
        "cpu_s_per_device_poll": 0.001, "rss_bytes_per_device": 120_000, "layout_hit_ratio": 0.95, "spread": cost,
        "text_cpu_s_per_device": 0.0001,
        "compact": {
            "text_cpu_s_per_device": 0.0007,
            "cpu_s_per_device_poll": 0.002, "rss_bytes_per_device": 50_000, "layout_hit_ratio": None, "spread": cost,
        },
    }  # fmt: skip
    late = {
        "late_p99_s": 0.2, "late_p99_s_none_dead": 0.1, "late_max_s": 0.4, "polls_of_living": 2790, "failed_polls": 310,
    }  # fmt: skip
    result = {
        **provenance("make bench", 7),
        "growth": {
            "310": {**size, "profile": {"netmon/x.py:f": 0.25}},
            "3100": {**size, "core_share": 0.05, "interval_s": 30.0},
            "31000": {**size, "cpu_s_per_device_poll": 0.0015, "core_share": 0.8, "interval_s": 60.0},
        },
        "dead10": {"late_p99_s": 1.2, "late_p99_s_none_dead": 0.1, "by_devices": {"31000": late}},
        "scrape": {
            "samples": 104_040, "join_s": 0.001, "generate_latest_s": 0.6, "loop_hold_max_s": 0.03,
            "loop_hold_s": {"polls": 0.03}, "idle_loop_hold_s": {"polls": 0.004}, "daemon_samples": 122_060,
        },
        "varbinds": {"first_poll": 579.6, "later_poll": 360.0},
        "missing": {},
    }  # fmt: skip
    verdicts = {target.what: target.verdict for target in snmp.targets(result)}
    assert verdicts["CPU per poll, most against least, 310 to 31,000 devices"] == "missed, 1.20 times the target"
    assert verdicts["Memory per device, text ready"] == "met"
    assert verdicts["Memory per device, compact"] == "missed, 1.25 times the target"
    assert verdicts["31,000 devices every 60 s"] == verdicts["3,100 devices every 30 s"] == "met"
    assert verdicts["Joining 104,040 samples against generate_latest"] == "met"
    assert verdicts["Longest hold of the loop by scrapes, polls, reloads"] == "missed, 1.50 times the target"
    text = snmp.page(result)
    assert (
        "| 3,100 | text ready, own layouts | 1 ms | 0.9 ms to 1.2 ms | in the poll | 120 kB | 95.0% | 0.05 every 30 s |"
        in text
    )
    assert "| 31,000 | 0.1 s | 0.2 s | 0.4 s | 2,790 | 310 |" in text
    assert "580 by the first poll, 360 by every later one" in text
    assert "| `netmon/x.py:f` | 25% |" in text
    assert "Not measured" not in text
