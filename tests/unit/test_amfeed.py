"""What Alertmanagers are told: each incident an alert of its own, at once, and nothing that could end the feed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from netmon.alerts.amfeed import AlertmanagerFeed
from netmon.alerts.channels import alertmanager
from netmon.clock import Clock
from netmon.config import Channel, Config, NotifyConfig
from netmon.errors import CollectError
from netmon.model import Incident, Subject, labels
from netmon.model import Secret as Hidden
from tests.http_sink import Sink, http_sink

DEVICE = Subject("device", "r-a")


def channel(url: str) -> Channel:
    return Channel("am", "alertmanager", Hidden(url))


def incident(number: int, alert: str = "", **more: object) -> Incident:
    series = labels(device="r-a", site="a", peer=f"10.0.0.{number}")
    made = Incident(number, DEVICE, "alert", "warning", 1e9, 1e9, alerts=((alert or "NeighborLost", series),))
    return replace(made, **more)  # type: ignore[arg-type]


def config(*channels: Channel) -> Config:
    return Config(notify=NotifyConfig(channels={c.name: c for c in channels}))


def fed(
    sink: Sink, incidents: dict[int, Incident], work: Callable[[AlertmanagerFeed], Any], describe: Any = lambda i: {}
) -> Counter[tuple[str, str]]:
    """Run a feed while ``work`` (a coroutine function) goes on; the results it counted."""
    results: Counter[tuple[str, str]] = Counter()

    async def main() -> None:
        feed = AlertmanagerFeed(
            config(channel(f"http://127.0.0.1:{sink.port}")),
            Clock(),
            lambda: list(incidents.values()),
            describe,
            lambda name, what: results.update([(name, what)]),
            0.01,
            0.01,
        )
        task = asyncio.create_task(feed.run())
        await work(feed)
        assert not task.done(), task
        task.cancel()

    asyncio.run(main())
    return results


async def until(check: Callable[[], bool]) -> None:
    for _ in range(500):
        if check():
            return
        await asyncio.sleep(0.01)
    pytest.fail("not within 5 s")


def test_two_alerts_of_one_device_are_two_alerts() -> None:
    """With the same labels the end of one would end the other."""
    found = [alertmanager.alert(i, {}, 2e9)["labels"] for i in (incident(1), incident(2), incident(1, "FanFailed"))]
    assert len({json.dumps(labels, sort_keys=True) for labels in found}) == 3
    assert found[0] == {
        "alertname": "NetmonAlert",
        "alert": "NeighborLost",
        "device": "r-a",
        "site": "a",
        "peer": "10.0.0.1",
        "severity": "warning",
        "source": "netmon",
    }


def test_an_alert_that_grows_into_an_outage_is_told_at_once() -> None:
    incidents = {1: incident(1, "UpsBatteryLow", severity="critical")}
    with http_sink() as sink:

        async def work(feed: AlertmanagerFeed) -> None:
            await until(lambda: len(sink.bodies) == 1)
            incidents[1] = replace(incidents[1], subject=Subject("site", "a"), kind="outage")
            await until(lambda: len(sink.bodies) == 2)

        fed(sink, incidents, work)
        posted = json.loads(sink.bodies[1])
    assert [alert["labels"]["alertname"] for alert in posted] == ["NetmonAlert", "NetmonOutage"]


def test_a_redirect_is_a_failure_for_nobody_posts_there() -> None:
    with http_sink((302, "/elsewhere"), (200, "[]")) as sink:
        with pytest.raises(CollectError, match="HTTP status 302"):
            alertmanager.post(channel(f"http://127.0.0.1:{sink.port}"), [])
        assert [method for method, _, _, _ in sink.seen] == ["POST"]


@pytest.mark.parametrize("url", ["http://a..b:9093", "alertmanager", "http://[::1", "http://a b/"])
def test_an_address_that_is_none_is_a_failure_not_the_end(url: str) -> None:
    """It comes from the environment, where nobody checked it."""
    with pytest.raises(CollectError) as failed:
        alertmanager.post(channel(url), [])
    assert url not in str(failed.value)


def test_words_that_fail_keep_nothing_from_being_told() -> None:
    def describe(found: Incident) -> dict[str, str]:
        raise KeyError("no such words")

    with http_sink() as sink:

        async def work(feed: AlertmanagerFeed) -> None:
            await until(lambda: len(sink.bodies) == 1)

        fed(sink, {1: incident(1)}, work, describe)
        assert json.loads(sink.bodies[0])[0]["annotations"]["incident"] == "1"


def test_a_channel_that_a_reload_took_away_is_failing_no_more() -> None:
    with http_sink((500, "")) as sink:

        async def work(feed: AlertmanagerFeed) -> None:
            await until(lambda: feed.failing == {"am": True})
            feed.set_config(config())
            await asyncio.sleep(0.05)
            assert feed.failing == {}

        assert fed(sink, {1: incident(1)}, work)["am", "failed"] >= 1
