"""Two real daemons on one simulated province: one tells, whoever dies, and nobody hears of a fault twice."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from netmon.sim.world import Fault
from tests.conftest import free_port, wait_until
from tests.live.province import NETMON, Process, Province, fetch

pytestmark = pytest.mark.live

FIRST, SECOND, NODE = "ubnd-loc-ninh", "ubnd-phuoc-long", "node-loc-ninh"
BEAT = {"interval": "1s", "missed": 3}


class Standby:
    """A second daemon on the same configuration, with a state and a port of its own."""

    def __init__(self, province: Province, link: str) -> None:
        self.folder = province.folder / "standby"
        self.folder.mkdir()
        self.port = free_port()
        tree: dict[str, Any] = yaml.safe_load(province.path.read_text(encoding="utf-8"))
        tree["state_dir"] = str(self.folder / "state")
        tree["web"]["port"] = self.port
        tree["notify"]["role"] = "standby"
        tree["pair"] |= {"url": link}
        self.path = self.folder / "netmon.yml"
        self.path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
        self.process: Process | None = None

    def start(self) -> None:
        self.process = Process(self.folder / "run.log", *NETMON, "run", "--config", str(self.path))
        self.process.wait_for(lambda: fetch(self.url + "/-/ready").status == 200, "readiness of the standby")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def metric(self, name: str) -> float | None:
        for line in fetch(self.url + "/metrics/self").text.splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
        return None

    def incidents_of(self, subject: str) -> list[dict[str, Any]]:
        return [i for i in fetch(self.url + "/api/v1/incidents?which=all").json if i["subject"] == subject]


@pytest.fixture
def two(few: Callable[..., Province], tmp_path: Path) -> Iterator[tuple[Province, Standby]]:
    (tmp_path / "pair").write_text("khoá của cặp\n", encoding="utf-8")
    token = {"file": str(tmp_path / "pair")}
    province = few(notify={"role": "primary"}, pair={**BEAT, "token": token}, mqtt={"host": ""})
    standby = Standby(province, province.url)
    yield province, standby
    if standby.process:
        standby.process.end()


def news(province: Province, change: str) -> Counter[tuple[str, str, str]]:
    """Singles of one kind: (site, contact, channel) -> how often the sink got it."""
    found: Counter[tuple[str, str, str]] = Counter()
    for message in province.sink.got:
        what, _, rest = message["id"].partition("|")
        if change in what:
            contact, channel = rest.split("|")[:2]
            site = next((s for s in (FIRST, SECOND) if sms_name(province, s) in message["text"]), message["text"])
            found[site, contact, channel] += 1
    return found


def sms_name(province: Province, site: str) -> str:
    return province.inventory.sites[site].sms_name


def sites(counted: Counter[tuple[str, str, str]]) -> set[str]:
    return {site for site, _, _ in counted}


def said(province: Province, text: str) -> list[str]:
    return [message["id"] for message in province.sink.got if text in message["text"]]


def both_up(province: Province, standby: Standby) -> None:
    wait_until(lambda: province.metric("netmon_in_charge") == 1, 30, "the primary in charge")
    wait_until(lambda: standby.metric('netmon_pair_peer_up{peer="primary"}') == 1, 30, "the link")
    assert standby.metric("netmon_in_charge") == 0
    wait_until(lambda: said(province, "TONG HOP"), 40, "the digest of the start")


def test_the_primary_is_killed_in_the_middle_of_an_incident(two: tuple[Province, Standby]) -> None:
    province, standby = two
    primary = province.start_daemon()
    standby.start()
    both_up(province, standby)
    province.happen(Fault("fibre", f"{FIRST}-1", 0.0, 50.0), Fault("fibre", f"{SECOND}-1", 12.0, 38.0))
    wait_until(lambda: sites(news(province, "opened")) == {FIRST}, 30, "the message of the first")
    [known] = {i["id"] for i in province.incidents_of(FIRST)}
    assert known % 2 == 1
    wait_until(lambda: province.truth_at("begins", f"{SECOND}-1"), 30, "the second fault")
    primary.send(signal.SIGKILL)
    primary.wait()
    killed_at = time.time()
    wait_until(lambda: standby.metric("netmon_in_charge") == 1, 30, "the takeover")
    assert time.time() - killed_at > 2.0, "not with the first missed beat"
    wait_until(lambda: said(province, "MAY DU PHONG BAO THAY"), 30, "who watches over netmon hears of it")
    wait_until(lambda: sites(news(province, "opened")) == {FIRST, SECOND}, 30, "the message of the second")
    [own] = standby.incidents_of(FIRST)
    assert own["id"] % 2 == 0

    province.start_daemon()
    wait_until(lambda: province.metric("netmon_in_charge") == 1, 40, "the charge returned")
    assert standby.metric("netmon_in_charge") == 0
    wait_until(lambda: said(province, "MAY CHINH BAO LAI"), 30, "the word that it is")
    wait_until(lambda: sites(news(province, "closed")) == {FIRST, SECOND}, 90, "both ends")
    time.sleep(3)
    for change in ("opened", "closed", "took_over", "handed_back"):
        counted = news(province, change)
        assert counted and set(counted.values()) == {1}, (change, counted)
    assert {c[1:] for c in news(province, "opened")} == {c[1:] for c in news(province, "closed")}
    ends = [m["text"] for m in province.sink.got if m["id"].partition("|")[0].endswith("closed")]
    assert {text.split()[0] for text in ends if sms_name(province, FIRST) in text} == {str(known)}
    # Either number leads to the incident, wherever one asks.
    assert fetch(f"{standby.url}/incidents/{known}").status == 200
    assert fetch(f"{province.url}/incidents/{own['id']}").status == 200
