"""A real Alertmanager (Debian's) fed with incidents: one alert each, raised, ended; and what its receivers hear."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from netmon.alerts.amfeed import AlertmanagerFeed
from netmon.alerts.messages import summaries
from netmon.clock import Clock
from netmon.config import Channel, Config, NotifyConfig
from netmon.model import Cause, Incident, Secret
from netmon.words import load_words
from tests.conftest import ROOT, free_port, need, wait_until
from tests.http_sink import Sink, http_sink
from tests.message_cases import OPEN, state

pytestmark = pytest.mark.live
Spawn = Callable[..., subprocess.Popen[bytes]]
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def alertmanager(spawn: Spawn, folder: Path, port: int, sink: Sink) -> None:
    config = folder / "alertmanager.yml"
    hook = {"url": f"http://127.0.0.1:{sink.port}/hook", "send_resolved": True}
    route = {"receiver": "hook", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    # JSON is YAML.
    config.write_text(json.dumps({"route": route, "receivers": [{"name": "hook", "webhook_configs": [hook]}]}))
    spawn(
        "prometheus-alertmanager",
        f"--config.file={config}",
        f"--storage.path={folder / 'am'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )


def alerts(port: int) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=5) as response:
        found: list[dict[str, Any]] = json.load(response)
        return found


def told(sink: Sink) -> list[tuple[str, str, str]]:
    """(status, severity, incident) of each alert in each notification, in order."""
    found = []
    for body in sink.bodies:
        for alert in json.loads(body)["alerts"]:
            found.append((alert["status"], alert["labels"]["severity"], alert["annotations"]["incident"]))
    return found


def test_alertmanager_follows_an_incident(tmp_path: Path, spawn: Spawn) -> None:
    """Fed before it runs, then opened, raised and closed: a receiver hears exactly that."""
    need("prometheus-alertmanager")
    port, clock, world, words = free_port(), Clock(), state(), load_words()
    now = clock.now()
    url = Secret(f"http://127.0.0.1:{port}/")
    config = Config(notify=NotifyConfig(channels={"am": Channel("am", "alertmanager", url)}))
    results: Counter[tuple[str, str]] = Counter()
    incidents: dict[int, Incident] = {}

    def describe(incident: Incident) -> dict[str, str]:
        return summaries(incident, world, words, config, ZONE, clock.now())

    def put(incident: Incident) -> None:
        incidents[incident.id] = incident

    async def main(sink: Sink) -> None:
        feed = AlertmanagerFeed(
            config, clock, lambda: list(incidents.values()), describe, lambda c, r: results.update([(c, r)]), 0.2, 1.0
        )
        task = asyncio.create_task(feed.run())
        warned = replace(OPEN["battery"], began_at=now - 400, opened_at=now - 10, tell_at=now - 10)
        put(warned)
        put(replace(OPEN["unknown"], id=1099, began_at=now, opened_at=now, tell_at=now + 3600))  # not to be told yet
        await until(lambda: results["am", "failed"] >= 1)
        assert feed.failing == {"am": True}
        alertmanager(spawn, tmp_path, port, sink)
        await until(lambda: told(sink) == [("firing", "warning", "1050")])
        assert feed.failing == {"am": False}

        put(replace(warned, kind="outage", severity="critical", cause=Cause("power", True)))
        await until(lambda: len(told(sink)) == 3)
        assert sorted(told(sink)[1:]) == [("firing", "critical", "1050"), ("resolved", "warning", "1050")]
        (alert,) = alerts(port)
        assert alert["labels"] == {
            "alertname": "NetmonOutage",
            "device": "ups",
            "severity": "critical",
            "source": "netmon",
        }
        assert alert["annotations"]["cause"] == "power"
        assert "UBND xã Lộc Thành" in alert["annotations"]["summary"]
        assert alert["annotations"]["summary_en"].startswith("Down – power cut")
        put(replace(incidents[1050], closed_at=clock.now(), good_since=clock.now()))
        await until(lambda: told(sink)[3:] == [("resolved", "critical", "1050")])
        assert alerts(port) == []
        task.cancel()

    async def until(check: Callable[[], bool]) -> None:
        await asyncio.to_thread(wait_until, check, 20.0)

    with http_sink() as sink:
        asyncio.run(main(sink))


def test_our_example_configuration_is_valid() -> None:
    need("amtool")
    result = subprocess.run(
        ["amtool", "check-config", str(ROOT / "deploy" / "alertmanager.yml")], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
