"""A reload takes over what is good and refuses what is not: then the old configuration stays, and everybody can see."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import need, wait_until
from tests.live.province import TOKEN, Answer, Province, fetch, few_sites

pytestmark = pytest.mark.live

SUCCESS = "netmon_config_last_reload_success"


@pytest.fixture(scope="module")
def alive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    """A daemon that must live through all of it."""
    need("mosquitto")
    province = few_sites(tmp_path_factory.mktemp("reload") / "province")
    try:
        province.start_sim()
        province.start_daemon()
        yield province
    finally:
        province.close()


@pytest.fixture
def running(alive: Province) -> Iterator[Province]:
    """The same for each test: with the files as they were, and these taken over."""
    files = [alive.path, *map(Path, alive.files)]
    before = {path: path.read_bytes() for path in files}
    yield alive
    for path, content in before.items():
        path.write_bytes(content)
    assert post_reload(alive).json == {"reloaded": True}
    assert alive.daemon is not None
    assert alive.daemon.status is None


def hang_up(province: Province) -> None:
    assert province.daemon is not None
    province.daemon.send(signal.SIGHUP)


def post_reload(province: Province, token: str = TOKEN) -> Answer:
    return fetch(province.url + "/-/reload", method="POST", token=token)


def names(province: Province) -> dict[str, str]:
    return {site["id"]: site["name"] for site in province.get("/api/v1/sites").json}


def test_broken_yaml_keeps_the_old_configuration(running: Province) -> None:
    before, good, told = names(running), running.path.read_text(), len(running.log)
    assert running.metric(SUCCESS) == 1
    running.path.write_text(good + "alerts: [\n")
    hang_up(running)
    wait_until(lambda: running.metric(SUCCESS) == 0, what="the failed reload in the metrics")
    [line] = [line for line in running.log[told:].splitlines() if "reload refused" in line]
    assert "old configuration stays" in line
    assert "netmon.yml:" in line
    assert running.get("/api/v1/summary").json["last_reload_ok"] is False
    wait_until(lambda: "still on the old one" in running.get("/?lang=en").text, what="the failed reload on the page")
    assert names(running) == before
    assert running.get("/-/ready").status == 200

    running.path.write_text(good)
    hang_up(running)
    wait_until(lambda: running.metric(SUCCESS) == 1, what="the good reload in the metrics")
    wait_until(lambda: "still on the old one" not in running.get("/?lang=en").text, what="a page without the notice")


def test_every_mistake_of_the_inventory_is_told(running: Province) -> None:
    before = names(running)

    def spoil(site: dict[str, object]) -> None:
        site["level"] = "planet"
        site["colour"] = "green"

    running.edit_site("ldld-tinh", spoil)
    answer = post_reload(running)
    assert answer.status == 422
    problems = answer.json["problems"]
    assert len(problems) == 2
    assert all('site "ldld-tinh"' in problem for problem in problems)
    assert {bool(problem.split(":")[1].isdigit()) for problem in problems} == {True}, "each names its line"
    assert names(running) == before
    assert running.metric(SUCCESS) == 0


def test_only_with_the_token(running: Province) -> None:
    told = len(running.log)
    assert post_reload(running, "").status == 401
    assert post_reload(running, "wrong").status == 403
    assert "reloaded" not in running.log[told:]
    assert fetch(running.url + "/-/reload").status == 405
    answer = post_reload(running)
    assert (answer.status, answer.json) == (200, {"reloaded": True})
    assert TOKEN not in running.log


def test_changes_are_taken_over(running: Province) -> None:
    province, before = running, names(running)
    file = next(Path(path) for path in province.files if "hoi-nong-dan-tinh" in Path(path).read_text())
    whole = file.read_text()

    # By signal: another name.
    province.edit_site("ldld-tinh", lambda site: site.update(name="Toà nhà mới"))
    hang_up(province)
    wait_until(lambda: names(province)["ldld-tinh"] == "Toà nhà mới", what="the new name")
    assert 'name="Toà nhà mới"' in province.get("/metrics").text
    # What did not change was not looked at anew.
    assert {site["condition"] for site in province.get("/api/v1/sites").json} == {"up"}

    # Over HTTP: a site leaves without a trace,
    province.edit_site("hoi-nong-dan-tinh", None)
    assert post_reload(province).status == 200
    wait_until(lambda: 'site="hoi-nong-dan-tinh"' not in province.get("/metrics").text, what="no series of it")
    assert province.get("/metrics/sites/hoi-nong-dan-tinh").status == 404
    assert before.keys() - names(province).keys() == {"hoi-nong-dan-tinh"}

    # and a new one is probed and polled like the others.
    file.write_text(whole)
    assert post_reload(province).json == {"reloaded": True}
    up = 'netmon_site_up{site="hoi-nong-dan-tinh"}'
    wait_until(lambda: province.metric(up) == 1, what="the new site up")
    device = 'netmon_snmp_up{device="r-hoi-nong-dan-tinh",site="hoi-nong-dan-tinh"}'
    wait_until(lambda: province.metric(device) == 1, what="the new device polled")
    assert names(province).keys() == before.keys()
    # A machine that is busy with other things may make netmon speak of itself.
    assert [i for i in province.incidents() if i["subject_kind"] != "netmon"] == []
