"""kill -9 in the middle of an incident: after the restart it is the same incident, and nobody is told of it twice."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections.abc import Callable
from itertools import groupby, pairwise
from typing import Any

import pytest

from netmon.history.linesamples import LineSamples
from netmon.history.store import Store
from netmon.line_samples import SAMPLE_S, WEEK
from netmon.model import LineSample
from netmon.sim.world import Fault
from tests.conftest import wait_until
from tests.live.province import Province

pytestmark = pytest.mark.live

NODE, BELOW, ELSEWHERE = "node-loc-ninh", "ubnd-loc-ninh", "ldld-tinh"


P95 = f'netmon_line_p95_ratio{{direction="in",line="{ELSEWHERE}-1",site="{ELSEWHERE}"}}'


async def seed_week(province: Province) -> None:
    """The seven days before now: 110 of 2,011 samples over the limit of article 5.6 are more than 5 %."""
    now = int(time.time()) // SAMPLE_S
    times = [(now - n) * SAMPLE_S for n in range(WEEK - 5)]
    store = Store(province.folder / "state" / "netmon.db")
    await store.open(times[-1])
    week = [LineSample(f"{ELSEWHERE}-1", at, 0.95 if n < 110 else 0.2) for n, at in enumerate(times)]
    await LineSamples(store).save(week)
    await store.close()


def sensors(province: Province, site: str) -> dict[str, dict[str, Any]]:
    return {sensor["id"]: sensor for sensor in province.get(f"/api/v1/sensors?site={site}").json}


def told(province: Province) -> list[str]:
    """How messages about the node begin, in the order they came to one reader."""
    noc = [m for m in province.sink.got if m["email"] == "noc@example.invalid"]
    return [m["text"] for m in noc if "Loc Ninh" in m["text"]]


def test_killed_with_an_open_incident(few: Callable[..., Province]) -> None:
    province = few()
    asyncio.run(seed_week(province))
    daemon = province.start_daemon()
    assert province.metric(P95) == 0.95, "what was measured before a start counts at once"
    wait_until(lambda: all(s["received_at"] for s in sensors(province, BELOW).values()), what="all sensors heard")
    province.happen(Fault("node", NODE, 0.0, 3600.0))
    [before] = wait_until(lambda: province.incidents_of(NODE), 40, "the incident of the node")
    wait_until(lambda: len(told(province)) == 1, what="the message that opens it")
    wait_until(lambda: province.rows("SELECT 1 FROM intent WHERE state = 'sent'"), what="the record of the message")
    # Nothing comes from behind a lost node: what is known of these sensors after the restart was kept.
    known = sensors(province, BELOW)

    killed_at = time.time()
    daemon.send(signal.SIGKILL)
    assert daemon.wait() == -signal.SIGKILL
    again = province.start_daemon()
    assert province.metric(P95) == 0.95, "the rule of 7 days does not begin anew"
    assert len(province.get(f"/api/v1/lines/{ELSEWHERE}-1/samples").json["samples"]) > 280
    [after] = province.incidents()
    same = ("id", "subject", "began_at", "opened_at", "cause", "kind")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    assert after["closed_at"] is None
    kept = sensors(province, BELOW)
    assert kept
    for name, sensor in kept.items():
        assert (sensor["value"], sensor["received_at"]) == (known[name]["value"], known[name]["received_at"])

    # The sites below stay children of the same incident while netmon finds them lost again.
    lost = f'netmon_site_state{{site="{BELOW}",state="unreachable"}}'
    wait_until(lambda: province.metric(lost) == 1, 40, "the site found unreachable again")
    assert [i["id"] for i in province.incidents()] == [before["id"]]

    # Without netmon nothing was known: from its last heartbeat to the first look it is not "up".
    query = "SELECT condition, since, until FROM interval WHERE kind = 'site' AND subject = ? ORDER BY since, id"
    wait_until(lambda: province.rows(query, ELSEWHERE)[-1][0] == "up", what="a first look after the restart")
    rows = province.rows(query, ELSEWHERE)
    seen = [condition for condition, _ in groupby(row[0] for row in rows)]
    assert seen in (["unknown", "up", "unknown", "up"], ["up", "unknown", "up"]), (
        "its first answer may beat the first step"
    )
    assert all(before[2] == after[1] for before, after in pairwise(rows)), "no holes"
    [at_the_kill] = [condition for condition, since, until in rows if since <= killed_at < (until or math.inf)]
    assert at_the_kill == "unknown"

    heal(province)
    wait_until(lambda: province.incidents_of(NODE)[0]["closed_at"], 40, "the end of the incident")
    wait_until(lambda: len(told(province)) == 2, what="the message that closes it")
    opened, closed = told(province)
    assert opened != closed
    # While a slow machine changes simulators all lines are silent at once: netmon may have spoken of its own uplink.
    assert [i["id"] for i in province.incidents() if i["subject_kind"] != "netmon"] == [before["id"]]
    query = "SELECT change FROM intent WHERE contact = 'truc-noc' AND state = 'sent' AND incident = ?"
    changes = province.rows(query, before["id"])
    assert sorted(changes) == [("closed",), ("opened",)]

    again.send(signal.SIGTERM)
    assert again.wait() == 0
    assert again.text.splitlines()[-1].endswith("stopped")
    assert not (province.folder / "state" / "api.sock").exists()


def heal(province: Province) -> None:
    """A simulator in which nothing is broken takes the place of the present one."""
    assert province.sim is not None
    province.sim.end()
    province.faults_file.write_text("[]\n")
    province.start_sim()
