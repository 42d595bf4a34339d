"""Modules of snmp.yml asked of an agent, and what /snmp makes of them and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from netmon.clock import Clock
from netmon.collectors.snmp.ber import COUNTER64, GAUGE32, INTEGER, NULL, OCTET_STRING, Oid
from netmon.collectors.snmp.engine import Engine
from netmon.collectors.snmp.exporter import Exporter
from netmon.collectors.snmp.exporter_text import Page, metrics_of
from netmon.collectors.snmp.modules import Module
from netmon.collectors.snmp.modules_read import parse_modules
from netmon.collectors.snmp.pdu import GEN_ERR, GET, GET_BULK, Message, VarBind
from netmon.config import SnmpConfig
from netmon.errors import CollectError, Refused
from netmon.model import Credential, Device, Inventory, Secret
from netmon.snmp_page import MOST, SnmpPage
from tests.unit.scripted_agent import Agent, has, run
from tests.unit.scripted_v3 import run3

T = "1.3.6.1.4.1.9999.1.1"  # a table entry
ENTRY: Oid = (1, 3, 6, 1, 4, 1, 9999, 1, 1)
I = {"labelname": "i", "type": "gauge"}  # noqa: E741
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def module(name: str = "m", **fields: Any) -> Module:
    parsed = parse_modules({"modules": {name: fields}}, "f.yml")
    assert not parsed.problems, parsed.problems
    return parsed.modules[name]


def gauge(name: str, oid: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "oid": oid, "type": "gauge", "help": "h", **fields}


def table(columns: dict[int, Callable[[int], object]], rows: int = 3) -> dict[Oid, VarBind]:
    found: dict[Oid, VarBind] = {(1, 3, 6, 1, 2, 1, 1, 3, 0): VarBind((1, 3, 6, 1, 2, 1, 1, 3, 0), 0x43, 1)}
    for column, value in columns.items():
        for index in range(1, rows + 1):
            oid, cell = (*ENTRY, column, index), value(index)
            found[oid] = VarBind(oid, OCTET_STRING if isinstance(cell, bytes) else INTEGER, cell)  # type: ignore[arg-type]
    return dict(sorted(found.items()))


def series(text: bytes) -> Series:
    found: Series = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def scrape(objects: dict[Oid, VarBind], *modules: Module, script: Any = None, **config: Any) -> tuple[Series, Agent]:
    async def act(engine: Engine, agent: Agent) -> tuple[Series, Agent]:
        text = await Exporter(engine, Clock()).text(agent.target(), modules, 5.0)
        return series(text), agent

    found: tuple[Series, Agent] = run(act, script, objects, **config)
    return found


def page(m: Module, *varbinds: VarBind) -> str:
    made = Page()
    made.add(m, {varbind.oid: varbind for varbind in varbinds})
    return made.text().decode()


# --- the text --------------------------------------------------------------------------------------------------------


def test_families_and_labels_stand_in_alphabetical_order_and_empty_labels_stay() -> None:
    m = module(
        metrics=[
            gauge("zeta", f"{T}.2", type="counter", indexes=[{"labelname": "z", "type": "gauge"}]),
            gauge(
                "alpha", f"{T}.3", indexes=[{"labelname": "z", "type": "gauge"}, {"labelname": "a", "type": "gauge"}]
            ),
            gauge("named", f"{T}.4", indexes=[I], lookups=[lookup("name", 9)]),
        ]
    )
    at = (*ENTRY, 2, 1), (*ENTRY, 3, 1, 2), (*ENTRY, 4, 1)
    assert page(m, *(VarBind(oid, INTEGER, 5) for oid in at)) == (
        "# HELP alpha h\n# TYPE alpha gauge\n"
        'alpha{a="2",z="1"} 5\n'
        "# HELP named h\n# TYPE named gauge\n"
        'named{i="1",name=""} 5\n'
        "# HELP zeta h\n# TYPE zeta counter\n"
        'zeta{z="1"} 5\n'
    )


def lookup(name: str, column: int, kind: str = "DisplayString", *labels: str, **fields: Any) -> dict[str, Any]:
    return {"labels": list(labels or ("i",)), "labelname": name, "oid": f"{T}.{column}", "type": kind, **fields}


def test_counters_wrap_where_a_float_would_round_and_nulls_are_no_values() -> None:
    m = module(metrics=[gauge("c", f"{T}.2", type="counter", indexes=[I])])
    big, small = VarBind((*ENTRY, 2, 1), COUNTER64, 2**53 + 7), VarBind((*ENTRY, 2, 2), COUNTER64, 2**53 - 1)
    text = page(m, big, small, VarBind((*ENTRY, 2, 3), NULL, None))
    assert text.splitlines()[2:] == ['c{i="1"} 7', 'c{i="2"} 9007199254740991']


def test_scale_and_offset_are_for_numbers_not_for_what_was_cut_out_of_text() -> None:
    cut = {"V": [{"regex": "(.*) V", "value": "$1"}]}
    m = module(
        metrics=[
            gauge("n", f"{T}.2", scale="0.1", offset="-1"),
            gauge("t", f"{T}.3", type="DisplayString", scale="0.1", regex_extracts=cut),
        ]
    )
    text = page(m, VarBind((*ENTRY, 2, 0), GAUGE32, 35), VarBind((*ENTRY, 3, 0), OCTET_STRING, b"24 V"))
    assert "\nn{} 2.5\n" in text
    assert text.endswith("\ntV{} 24.0\n")


def test_two_indexes_lead_to_a_name_and_a_chain_leads_on() -> None:
    m = module(
        metrics=[
            gauge(
                "x",
                f"{T}.2",
                indexes=[{"labelname": "a", "type": "gauge"}, {"labelname": "b", "type": "gauge"}],
                lookups=[
                    lookup("kind", 3, "EnumAsInfo", "a", "b", enum_values={"7": "fan"}),
                    lookup("name", 4, "DisplayString", "kind"),
                    {"labels": [], "labelname": "b"},
                ],
            )
        ]
    )
    name = VarBind((*ENTRY, 4, 7), OCTET_STRING, b"north")
    text = page(m, VarBind((*ENTRY, 2, 1, 2), INTEGER, 5), VarBind((*ENTRY, 3, 1, 2), INTEGER, 7), name)
    assert text.endswith('\nx{a="1",kind="fan",name="north"} 5\n')


def test_of_two_metrics_of_one_object_the_later_counts_and_none_lies_below_another() -> None:
    m = module(
        metrics=[
            gauge("first", f"{T}.2"),
            gauge("below", f"{T}.2.1"),
            gauge("last", f"{T}.2"),
            gauge("other", f"{T}.3"),
        ]
    )
    assert [metric.name for metric in metrics_of(m)] == ["last", "other"]


# --- the asking ------------------------------------------------------------------------------------------------------

VALUES: dict[int, Callable[[int], object]] = {2: lambda i: i * 10, 3: lambda i: b"eth%d" % i}
NAMED = module(metrics=[gauge("x", f"{T}.2", indexes=[I], lookups=[lookup("name", 3)])], walk=[T])


def test_a_module_is_walked_and_its_own_figures_tell_of_it() -> None:
    found, agent = scrape(table(VALUES), NAMED)
    own = {name.removeprefix("snmp_scrape_"): v for (name, _), v in found.items() if name.startswith("snmp_scrape_")}
    assert {key: v for key, v in found.items() if not key[0].startswith("snmp_scrape_")} == {
        ("x", (("i", str(i)), ("name", f"eth{i}"))): i * 10.0 for i in (1, 2, 3)
    }
    assert own.keys() == {
        "walk_duration_seconds",
        "packets_sent",
        "packets_retried",
        "pdus_returned",
        "duration_seconds",
    }
    assert (own["pdus_returned"], own["packets_sent"], own["packets_retried"]) == (6, len(agent.seen), 0)
    assert ("snmp_scrape_pdus_returned", (("module", "m"),)) in found


def test_get_lists_single_objects_under_walk_and_what_is_absent() -> None:
    m = module(
        get=[f"{T}.2.1", f"{T}.2.99"],
        walk=[f"{T}.3.2", f"{T}.7"],
        metrics=[gauge("x", f"{T}.2"), gauge("t", f"{T}.3", type="DisplayString"), gauge("no", f"{T}.7")],
    )
    found, _ = scrape(table(VALUES), m)
    assert {key: v for key, v in found.items() if not key[0].startswith("snmp_")} == {
        ("x", ()): 10.0,
        ("t", (("t", "eth2"),)): 1.0,
    }
    assert found["snmp_scrape_pdus_returned", (("module", "m"),)] == 2


def test_dynamic_and_static_filters_get_the_rows_that_match() -> None:
    walk = [f"{T}.2", f"{T}.3"]
    metrics = [gauge("x", f"{T}.2", indexes=[I]), gauge("y", f"{T}.3", type="DisplayString", indexes=[I])]
    dynamic = {"oid": f"{T}.3", "targets": [f"{T}.2"], "values": ["eth[12]", "^lo"]}
    for filters in ([dynamic], {"dynamic": [dynamic]}, {"static": [{"targets": [f"{T}.2"], "indices": ["1", "2"]}]}):
        found, agent = scrape(table(VALUES), module(walk=walk, metrics=metrics, filters=filters))
        assert [dict(labels)["i"] for name, labels in found if name == "x"] == ["1", "2"]
        assert [dict(labels)["i"] for name, labels in found if name == "y"] == ["1", "2", "3"]
        walked = {v.oid for message in agent.seen if message.pdu_type == GET_BULK for v in message.varbinds}
        assert (*ENTRY, 2) not in walked


def test_modules_come_together_and_what_two_have_in_common_is_told_once() -> None:
    other = module("n", metrics=[gauge("x", f"{T}.2", indexes=[I]), gauge("y", f"{T}.2.1")], walk=[T])
    found, _ = scrape(table(VALUES), NAMED, other)
    assert sum(name == "x" for name, _ in found) == 3
    assert {dict(labels)["module"] for name, labels in found if name == "snmp_scrape_pdus_returned"} == {"m", "n"}


def test_a_subtree_that_fails_does_not_lose_the_others_and_is_counted() -> None:
    def script(agent: Agent, message: Message) -> bytes | None:
        place = has(message, (*ENTRY, 2))
        return agent.reply(message, message.varbinds, GEN_ERR, place) if place else None

    m = module(walk=[f"{T}.2", f"{T}.3"], metrics=[gauge("y", f"{T}.3", type="DisplayString", indexes=[I])])
    found, _ = scrape(table(VALUES), m, script=script)
    assert sum(name == "y" for name, _ in found) == 3
    assert found["snmp_scrape_walks_failed", (("module", "m"),)] == 1


def test_retries_timeout_and_repetitions_are_the_modules() -> None:
    m = module(walk=[T], retries=0, timeout="60ms", max_repetitions=2, metrics=[gauge("x", f"{T}.2", indexes=[I])])
    found, agent = scrape(table(VALUES), m)
    assert {message.error_index for message in agent.seen if message.pdu_type == GET_BULK} == {2}
    assert sum(name == "x" for name, _ in found) == 3

    async def silent(engine: Engine, agent: Agent) -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(CollectError, match="no answer to SNMP"):
            await Exporter(engine, Clock()).text(agent.target("1"), [m], 5.0)
        assert len(agent.seen) == 1
        return asyncio.get_running_loop().time() - began

    assert run(silent, lambda agent, message: [], table(VALUES), timeout_s=60.0) < 30


def test_unsorted_tables_are_read_where_the_module_allows_them() -> None:
    def script(agent: Agent, message: Message) -> bytes | None:
        if message.pdu_type == GET:
            return None
        order = [5, 9, 1, 3]  # the rows as this agent gives them; after the last one comes another table
        last = message.varbinds[0].oid
        rows = order[order.index(last[-1]) + 1 :] if last[:-1] == (*ENTRY, 2) else order
        found = [VarBind((*ENTRY, 2, row), INTEGER, row) for row in rows]
        return agent.reply(message, [*found, VarBind((*ENTRY, 3, 1), INTEGER, 1)][: message.error_index or 1])

    for allowed, rows, failed in ((True, {"5", "9", "1", "3"}, 0), (False, {"5", "9"}, 1)):
        m = module(
            walk=[f"{T}.2"],
            allow_nonincreasing_oids=allowed,
            use_unconnected_udp_socket=True,
            max_repetitions=2,
            metrics=[gauge("x", f"{T}.2", indexes=[I])],
        )
        found, _ = scrape(table(VALUES), m, script=script)
        assert {dict(labels)["i"] for name, labels in found if name == "x"} == rows
        assert found.get(("snmp_scrape_walks_failed", (("module", "m"),)), 0) == failed


def test_an_unsorted_table_that_runs_in_circles_ends() -> None:
    def script(agent: Agent, message: Message) -> bytes | None:
        if message.pdu_type == GET:
            return None
        row = {1: 2, 2: 3, 3: 1}.get(message.varbinds[0].oid[-1], 1)
        return agent.reply(message, [VarBind((*ENTRY, 2, row), INTEGER, row)])

    metrics = [gauge("x", f"{T}.2", indexes=[I])]
    m = module(walk=[f"{T}.2"], allow_nonincreasing_oids=True, max_repetitions=1, metrics=metrics)
    found, _ = scrape(table(VALUES), m, script=script)
    assert sum(name == "x" for name, _ in found) == 3
    assert found["snmp_scrape_walks_failed", (("module", "m"),)] == 1


# --- whom to ask -----------------------------------------------------------------------------------------------------

KNOWN = {"m": NAMED, "old": module("old", walk=[T], version="2", auth={"community": "public"})}


def inventory(port: int) -> Inventory:
    credentials = {"ro": Credential("ro", community=Secret("public")), "bad": Credential("bad", version="9")}
    devices = [
        Device("r1", "router", "127.0.0.1", port, "ro", site="s"),
        Device("r2", "router", "127.9.9.9", 1, "ro", site="s"),
        Device("r3", "router", "127.9.9.9", 2, "ro", site="s"),
    ]
    return Inventory(credentials=credentials, devices={device.id: device for device in devices})


def ask(target: str, names: tuple[str, ...] = ("m",), auth: str = "", allow: tuple[str, ...] = ()) -> str:
    """What /snmp answers when an agent listens on 127.0.0.1; its port is written PORT."""

    async def act(engine: Engine, agent: Agent) -> str:
        config = SnmpConfig(port=agent.port, allow_targets=allow, budget_s=5.0)
        made = SnmpPage(engine, Clock(), config)
        asked = target.replace("PORT", str(agent.port))
        return (await made.text(inventory(agent.port), KNOWN, asked, names, auth)).decode()

    return str(run(act, None, table(VALUES)))


@pytest.mark.parametrize("target", ["r1", "127.0.0.1", "127.0.0.1:PORT", "udp://127.0.0.1:PORT"])
@pytest.mark.parametrize("auth", ["", "ro"])
def test_devices_of_the_inventory_are_asked(target: str, auth: str) -> None:
    assert 'x{i="1",name="eth1"} 10' in ask(target, auth=auth)


def test_an_allowed_target_is_asked_with_the_auth_named_or_the_modules_own() -> None:
    assert 'x{i="1",name="eth1"} 10' in ask("127.0.0.1:PORT", auth="ro", allow=("127.0.0.0/8",))
    assert 'pdus_returned{module="old"} 6' in ask("localhost", names=("old",), allow=("localhost",))


@pytest.mark.parametrize(("context", "good"), [("vrf-1", True), ("vrf-2", False)])
def test_a_module_of_the_old_form_chooses_the_context(context: str, good: bool) -> None:
    auth = {
        "username": "ops", "security_level": "authPriv", "auth_protocol": "SHA256", "password": "hidden-word-1",
        "priv_protocol": "AES", "priv_password": "hidden-word-2", "context_name": context,
    }  # fmt: skip
    old = module("old", walk=["1.3.6.1.2.1.2.2.1.10"], metrics=[gauge("x", "1.3.6.1.2.1.2.2.1.10", indexes=[I])],
                 version=3, auth=auth)  # fmt: skip

    async def act(engine: Engine, agent: Agent) -> str:
        page = SnmpPage(engine, Clock(), SnmpConfig(port=agent.port, allow_targets=("127.0.0.1",), budget_s=5.0))
        return (await page.text(Inventory(), {"old": old}, f"127.0.0.1:{agent.port}", ("old",), "")).decode()

    if good:
        assert 'x{i="3"} 10003' in run3(act)
    else:
        with pytest.raises(CollectError, match="context"):
            run3(act)


@pytest.mark.parametrize(
    ("target", "names", "auth", "status", "told"),
    [
        ("127.0.0.2", ("m",), "ro", 403, 'target "127.0.0.2" is neither in the inventory nor in snmp.allow_targets'),
        ("127.0.0.1:9", ("m",), "ro", 403, "neither in the inventory"),  # its own port only
        ("127.9.9.9", ("m",), "", 403, "neither in the inventory"),  # two devices there, none at the usual port
        ("127.0.0.1:x", ("m",), "", 400, 'target "127.0.0.1:x" is no address, and no address with a port'),
        ("tcp://127.0.0.1", ("m",), "", 400, 'target "tcp://127.0.0.1": only udp is spoken'),
        ("r1", ("gone",), "", 400, 'unknown module "gone"'),
        ("r1", ("m",), "gone", 400, 'unknown auth "gone"'),
        ("127.8.0.1", ("m",), "", 400, "auth is missing"),
    ],
)
def test_what_is_refused(target: str, names: tuple[str, ...], auth: str, status: int, told: str) -> None:
    with pytest.raises(Refused, match=told) as caught:
        ask(target, names, auth, allow=("127.8.0.0/16",))
    assert caught.value.status == status


def test_without_a_module_the_usual_one_is_meant() -> None:
    made = SnmpPage(None, Clock(), SnmpConfig(allow_targets=("127.0.0.1",)))  # type: ignore[arg-type]
    with pytest.raises(Refused, match="auth is missing"):  # the module was found
        asyncio.run(made.text(Inventory(), {"generic": NAMED, "other": NAMED}, "127.0.0.1", (), ""))


def test_only_so_many_at_once() -> None:
    async def act(engine: Engine, agent: Agent) -> tuple[int, int]:
        made = SnmpPage(engine, Clock(), SnmpConfig(budget_s=1.0))
        asked = [made.text(inventory(agent.port), KNOWN, "r1", ("m",), "") for _ in range(MOST + 3)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        refused = [e for e in found if isinstance(e, Refused)]
        assert {e.status for e in refused} == {503}
        await made.text(inventory(agent.port), KNOWN, "r1", ("m",), "")
        return len(refused), sum(isinstance(text, bytes) for text in found)

    assert run(act, None, table(VALUES)) == (3, MOST)
