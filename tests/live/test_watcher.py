"""netmon as the victim: another host's Prometheus tells that it is dead, and a stop says one last word."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from netmon.alerts.watcher import watcher_rules
from netmon.sim.world import Fault
from tests.conftest import need, wait_until
from tests.live.prometheus import Prometheus
from tests.live.province import NETMON, Province

pytestmark = pytest.mark.live

SITE = "ubnd-loc-ninh"


def exported(path: Path) -> str:
    """What the command writes, valid for promtool."""
    done = subprocess.run(
        [*NETMON, "rules", "export", "--watcher", "--output", str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    checked = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    text = path.read_text(encoding="utf-8")
    assert yaml.safe_load(text) == watcher_rules()
    return text


def test_the_watcher_tells_that_netmon_is_dead(few: Callable[..., Province], tmp_path: Path) -> None:
    need("prometheus", "promtool")
    province = few()
    daemon = province.start_daemon()
    wait_until(lambda: province.metric("netmon_in_charge") == 1, what="the first gauges")
    rules = exported(tmp_path / "watcher.rules.yml")
    quick = re.sub(r"^( +)(for|interval): .*$", r"\1\2: 2s", rules, flags=re.MULTILINE)
    assert quick != rules
    job = {
        "job_name": "netmon",
        "metrics_path": "/metrics/self",
        "scrape_timeout": "2s",
        "static_configs": [{"targets": [f"127.0.0.1:{province.web_port}"]}],
    }
    watcher = Prometheus(tmp_path, province, [job], quick)
    try:
        watcher.start()

        def firing() -> set[str]:
            return {entry["metric"]["alertname"] for entry in watcher.query('ALERTS{alertstate="firing"}')}

        wait_until(lambda: firing() == {"NetmonWatchdog"}, what="the dead man's switch alone")
        time.sleep(5)
        assert firing() == {"NetmonWatchdog"}
        daemon.send(signal.SIGSTOP)  # it hangs: the port is open and nobody answers
        wait_until(lambda: firing() >= {"NetmonDown", "NetmonNobodyTells"}, what="the alerts of a hanging daemon")
        daemon.send(signal.SIGCONT)
        wait_until(lambda: firing() == {"NetmonWatchdog"}, what="all well again")
        daemon.send(signal.SIGKILL)
        daemon.wait()
        wait_until(lambda: firing() >= {"NetmonDown", "NetmonNobodyTells"}, what="the alerts of a dead daemon")
        assert "level=error" not in watcher.log
    finally:
        watcher.close()


def said(province: Province, what: str) -> list[str]:
    return [m["text"] for m in province.sink.got if what in m["text"]]


def test_a_stop_with_an_open_incident_has_one_last_word_and_the_start_joins_up(few: Callable[..., Province]) -> None:
    province = few()
    daemon = province.start_daemon()
    province.happen(Fault("fibre", f"{SITE}-1", 0.0, 3600.0))
    wait_until(lambda: province.incidents_of(SITE), 60, "the incident")
    before = len(province.sink.got)
    stopped_at = time.time()
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    assert time.time() - stopped_at < 20
    readers = {m["email"] for m in province.sink.got[before:] if "NETMON DUNG" in m["text"]}
    assert readers and len(said(province, "NETMON DUNG")) == len(readers), "one to each"

    province.start_daemon()
    wait_until(
        lambda: [m for m in province.sink.got[before:] if "TONG HOP" in m["text"]], 60, "the digest of the start"
    )
    assert len(said(province, "NETMON DUNG")) == len(readers), "not again"
    [incident] = province.incidents_of(SITE)
    assert incident["closed_at"] is None
