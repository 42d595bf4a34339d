"""The usual stack beside netmon: Debian's Prometheus, snmp_exporter and Alertmanager on the same simulated routers.

Three ways to set it, side by side, each polls every router of a site over snmp_exporter and alerts on `up == 0`:
 stock: 15 s scrape, `for: 1m`, Alertmanager's shipped times; a group per site, so that none waits for another's
 tuned: 5 s scrape, `for: 15s`, group_wait 5 s, and sites below a lost aggregation point inhibited by it
 patient: as tuned, and snmp_exporter asks again after 1 s instead of 5
What stock finds is sent a second time grouped as Debian ships it (`grouped`).
"""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.columns import as_yaml
from bench.contenders import EXPORTER, fetch, need
from bench.daemon import child, free_port
from netmon.model import Inventory
from netmon.topology import Topology

PROMETHEUS, ALERTMANAGER = "prometheus", "prometheus-alertmanager"


class Tier(NamedTuple):
    """One way to set the stack."""

    name: str
    scrape: str
    scrape_timeout: str
    held: str  # `for`
    group_wait: str
    group_interval: str
    module: str


TIERS = (
    Tier("stock", "15s", "10s", "1m", "30s", "5m", "plain"),
    Tier("tuned", "5s", "5s", "15s", "5s", "10s", "plain"),
    Tier("patient", "5s", "5s", "15s", "5s", "10s", "patient"),
)
NAMES = (*(tier.name for tier in TIERS), "grouped")
INHIBITED = ("tuned", "patient")
COLUMNS = (
    ("ifOperStatus", "1.3.6.1.2.1.2.2.1.8", "gauge"),
    ("ifHCInOctets", "1.3.6.1.2.1.31.1.1.1.6", "counter"),
    ("ifHCOutOctets", "1.3.6.1.2.1.31.1.1.1.10", "counter"),
)


@contextmanager
def usual(place: Path, inventory: Inventory, snmp_port: int, sink: str) -> Iterator[dict[str, int]]:
    """All three programs, ready: their process ids. Raises BenchError where one is not installed or not ready."""
    for program in (PROMETHEUS, EXPORTER, ALERTMANAGER):
        need(program)
    exporter, alertmanager, prometheus = (f"127.0.0.1:{free_port()}" for _ in range(3))
    files = {
        "snmp.yml": exporter_config(),
        "rules.yml": rules(),
        "alertmanager.yml": alertmanager_config(sink),
        "prometheus.yml": prometheus_config(inventory, snmp_port, exporter, alertmanager, str(place / "rules.yml")),
    }
    for name, tree in files.items():
        (place / name).write_text(as_yaml(tree), encoding="utf-8")
    programs: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
        (EXPORTER, exporter, (f"--config.file={place}/snmp.yml",), "/"),
        (
            ALERTMANAGER,
            alertmanager,
            (
                f"--config.file={place}/alertmanager.yml",
                f"--storage.path={place}/alertmanager",
                "--cluster.listen-address=",
            ),
            "/-/ready",
        ),
        (
            PROMETHEUS,
            prometheus,
            (f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/tsdb"),
            "/-/ready",
        ),
    )
    with ExitStack() as stack:
        pids = {}
        for program, at, args, page in programs:
            argv = (program, *args, f"--web.listen-address={at}")
            popen = stack.enter_context(child(program, argv, place / f"{program}.log", _answers(at, page)))
            pids[program] = popen.pid
        yield pids


def router_of(inventory: Inventory, site: str) -> str:
    """The device id of the site's router; empty where there is none."""
    return next((d.id for d in inventory.devices.values() if d.site == site and d.kind == "router"), "")


def _answers(at: str, page: str) -> Any:
    def ready() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return fetch(at, page)[0] == 200
        return False

    return ready


def exporter_config() -> dict[str, Any]:
    """snmp.yml: a device's uptime, and state and octets of its ports: few packets, so that few are lost."""
    index = [{"labelname": "ifIndex", "type": "gauge"}]
    uptime = {"name": "sysUpTime", "oid": "1.3.6.1.2.1.1.3", "type": "gauge", "help": "uptime"}
    columns = [{"name": n, "oid": oid, "type": kind, "help": n, "indexes": index} for n, oid, kind in COLUMNS]
    module = {
        "walk": [oid for _, oid, _ in COLUMNS],
        "get": ["1.3.6.1.2.1.1.3.0"],
        "metrics": [uptime, *columns],
        "version": 2,
        "auth": {"community": "public"},
        "max_repetitions": 25,
        "retries": 3,
    }
    return {"plain": {**module, "timeout": "5s"}, "patient": {**module, "timeout": "1s"}}


def prometheus_config(inventory: Inventory, snmp_port: int, exporter: str, am: str, rule_file: str) -> dict[str, Any]:
    """A job per way, a target per site that has a router."""
    topology, targets = Topology(inventory), []
    for site in inventory.sites:
        if router := router_of(inventory, site):
            parent = inventory.lines[topology.lines_of(site)[0]].parent
            address = f"{inventory.devices[router].address}:{snmp_port}"
            targets.append({"targets": [address], "labels": {"site": site, "parent": parent}})
    relabel = [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": exporter},
    ]
    jobs = [
        {
            "job_name": tier.name,
            "metrics_path": "/snmp",
            "params": {"module": [tier.module]},
            "scrape_interval": tier.scrape,
            "scrape_timeout": tier.scrape_timeout,
            "static_configs": targets,
            "relabel_configs": relabel,
        }
        for tier in TIERS
    ]
    return {
        "rule_files": [rule_file],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [am]}]}]},
        "scrape_configs": jobs,
    }


def rules() -> dict[str, Any]:
    """A group per way, evaluated as often as it is scraped."""
    groups = []
    for tier in TIERS:
        labels = {"tier": tier.name}
        found = [{"alert": "SiteDown", "expr": f'up{{job="{tier.name}"}} == 0', "for": tier.held, "labels": labels}]
        if tier.name in INHIBITED:
            expr = f'avg by (parent) (up{{job="{tier.name}"}}) < 0.4'
            found.append({"alert": "NodeDown", "expr": expr, "for": tier.held, "labels": labels})
        groups.append({"name": tier.name, "interval": tier.scrape, "rules": found})
    return {"groups": groups}


def alertmanager_config(sink: str) -> dict[str, Any]:
    """A route and a receiver per way."""
    routes: list[dict[str, Any]] = [
        {
            "matchers": ['tier="stock"'],
            "receiver": "grouped",
            "group_by": ["alertname", "cluster", "service"],
            "continue": True,
        }
    ]
    for tier in TIERS:
        routes.append(
            {
                "matchers": [f'tier="{tier.name}"'],
                "receiver": tier.name,
                "group_by": ["alertname", "site", "parent"],
                "group_wait": tier.group_wait,
                "group_interval": tier.group_interval,
            }
        )
    inhibit = [
        {
            "source_matchers": ['alertname="NodeDown"'],
            "target_matchers": ['alertname="SiteDown"'],
            "equal": ["tier", "parent"],
        }
    ]
    return {
        "route": {
            "receiver": "stock",
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "3h",
            "routes": routes,
        },
        "inhibit_rules": inhibit,
        "receivers": [
            {"name": name, "webhook_configs": [{"url": f"{sink}/{name}", "send_resolved": True}]} for name in NAMES
        ],
    }
