"""A real Prometheus scrapes the daemon that watches the whole province, and evaluates the rules we export."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import need, wait_until
from tests.live.prometheus import INTERVAL, Prometheus
from tests.live.province import Province

pytestmark = pytest.mark.live

SITES = 310


def test_all_sites_are_scraped(prometheus: Prometheus) -> None:
    wait_until(lambda: prometheus.value("count(netmon_site_up)") == SITES, what="310 sites")
    assert prometheus.value("count(count by (site) (netmon_site_state))") == SITES
    assert prometheus.value('min(up{job="netmon"})') == 1
    [target] = prometheus.targets()
    assert (target["health"], target["lastError"]) == ("up", "")
    assert prometheus.value("scrape_samples_scraped") > 30_000


def test_every_device_that_answers_has_its_ports(province: Province, prometheus: Prometheus) -> None:
    wait_until(
        lambda: prometheus.value("count(netmon_snmp_up)") == len(province.inventory.devices), what="all devices polled"
    )
    routers = {device.id for device in province.inventory.devices.values() if device.kind == "router"}
    answering = f'netmon_snmp_up{{device=~"{"|".join(sorted(routers))}"}} == 1'
    # Other tests of this province may be breaking sites: only those that answer are asked about.
    wait_until(
        lambda: prometheus.value(f"count(({answering}) unless on (device) ifHCInOctets) or vector(0)") == 0,
        what="every router that answers has its ports",
    )
    assert prometheus.value(f"count({answering})") > len(routers) / 2
    # The time of a MIB sample is the poll's, not the scrape's.
    assert prometheus.value("max(time() - timestamp(ifHCInOctets))") > 0


def test_samples_are_not_refused(prometheus: Prometheus) -> None:
    """Duplicates, out-of-order and out-of-bounds samples are counted by Prometheus, not told as a failed scrape."""
    wait_until(lambda: prometheus.value("scrape_samples_scraped") > 30_000, what="a scrape with devices")
    assert "Error on ingesting" not in prometheus.log
    assert "level=error" not in prometheus.log


def test_rules_are_evaluated_without_error(prometheus: Prometheus) -> None:
    def evaluated() -> list[dict[str, str]]:
        rules = [rule for group in prometheus.ask("/api/v1/rules")["groups"] for rule in group["rules"]]
        return rules if rules and all(rule["health"] != "unknown" for rule in rules) else []

    rules = wait_until(evaluated, what="every rule evaluated once")
    assert len(rules) >= 20
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []


def test_promtool_on_the_living_page(province: Province) -> None:
    need("promtool")
    page = province.get("/metrics")
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=page.body, capture_output=True, timeout=60, check=False
    )
    assert done.returncode in (0, 3), done.stderr  # 3: findings of style only
    found = done.stderr.decode().splitlines()
    # What devices call their objects is not ours to change; of ours only the labels named after them may stand out.
    ours = [line for line in found if line.startswith("netmon_") and "camelCase" not in line]
    theirs = [line for line in found if not line.startswith("netmon_")]
    assert ours == []
    assert [line for line in theirs if not re.match(r"[a-z]+[A-Z]\w* ", line)] == []


def test_service_discovery(province: Province, tmp_path: Path) -> None:
    need("prometheus")
    chosen = ["ubnd-loc-ninh", "tt-cntt-tt"]
    job = {
        "job_name": "sites",
        "scrape_timeout": INTERVAL,
        "http_sd_configs": [{"url": province.url + "/sd"}],
        "relabel_configs": [
            {"source_labels": ["__meta_netmon_site"], "regex": "|".join(chosen), "action": "keep"},
            {"source_labels": ["__meta_netmon_area"], "target_label": "area"},
        ],
    }
    server = Prometheus(tmp_path, province, [job])
    try:
        server.start()
        wait_until(lambda: server.value("count(netmon_site_up)") == len(chosen), what="both sites")
        assert {target["labels"]["area"] for target in server.targets()} == {"loc-ninh", "tinh"}
        assert {target["lastError"] for target in server.targets()} == {""}
        sites = {entry["metric"]["site"] for entry in server.query("count by (site) (ifHCInOctets)")}
        assert sites == set(chosen)
    finally:
        server.close()
