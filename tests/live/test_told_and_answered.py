"""A whole daemon: Prometheus' alerts come in by a real Alertmanager, and a person answers by the Zalo Bot."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.conftest import free_port, need, wait_until
from tests.live.province import TOKEN, Province, quoted_yaml
from tests.zalo_server import BOT_TOKEN, zalo_server

pytestmark = pytest.mark.live


def add_contact(province: Province, **contact: object) -> None:
    path = next(Path(f) for f in province.files if "contacts" in f)
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree["contacts"] = [contact]
    tree.pop("rosters", None)
    path.write_text(quoted_yaml(tree), encoding="utf-8")


def test_alerts_of_prometheus_are_told_once_and_answered(
    few: Callable[..., Province], spawn: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    need("prometheus-alertmanager")
    with zalo_server() as zalo:
        (tmp_path / "bot").write_text(BOT_TOKEN + "\n")
        (tmp_path / "bot").chmod(0o600)
        province = few()  # with its network, or netmon would be blind and wait
        token = {"file": str(tmp_path / "bot")}
        bot = {"kind": "zalo_bot", "url": zalo.url, "token": token, "replies": True}
        province.write(notify={"channels": {"bot": bot}}, mqtt={"host": ""}, alerts={"recovered": "1s"})
        add_contact(province, id="noc", name="Trực NOC", audiences=["noc", "ops"], channels=["bot"], zalo_bot="c-noc")
        for site in province.inventory.sites:
            province.edit_site(site, lambda entry: entry.pop("contacts", None))
        daemon = province.start_daemon()

        port = free_port()
        hook = {
            "url": f"{province.url}/api/v1/alertmanager",
            "send_resolved": True,
            "http_config": {"authorization": {"credentials": TOKEN}},
        }
        route = {
            "receiver": "netmon",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "2s",
        }
        config = tmp_path / "am.yml"
        config.write_text(json.dumps({"route": route, "receivers": [{"name": "netmon", "webhook_configs": [hook]}]}))
        spawn(
            "prometheus-alertmanager", f"--config.file={config}", f"--storage.path={tmp_path / 'am'}",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        )  # fmt: skip

        def post(ended: bool = False) -> None:
            now = datetime.now(UTC)
            alert = {
                "labels": {"alertname": "DiskFull", "instance": "db:9100", "severity": "critical"},
                "annotations": {"summary": "đĩa đầy 97 %"},
                "startsAt": started.isoformat(),
                "endsAt": (now if ended else now + timedelta(minutes=5)).isoformat(),
            }
            url = f"http://127.0.0.1:{port}/api/v2/alerts"
            headers = {"Content-Type": "application/json"}
            urllib.request.urlopen(
                urllib.request.Request(url, json.dumps([alert]).encode(), headers), timeout=5
            ).close()

        def there() -> bool:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1).close()
            except OSError:
                return False
            return True

        def texts(word: str) -> list[str]:
            return [str(body["text"]) for method, body in zalo.sent if method == "sendMessage" and word in body["text"]]

        wait_until(there, what="Alertmanager")
        wait_until(lambda: texts("khởi động"), 60.0, "the digest of the start")
        started = datetime.now(UTC)
        post()
        wait_until(lambda: texts("DISKFULL"), what="the message")
        (told,) = texts("DISKFULL")
        assert "đĩa đầy 97 %" in told
        assert "Trả lời: " in told
        number = int(told.split()[1])

        zalo.updates.append({"message": {"message_id": "m1", "chat": {"id": "c-noc"}, "text": f"{number} 1"}})
        zalo.updates.append({"message": {"message_id": "m2", "chat": {"id": "c-nobody"}, "text": "ds"}})
        wait_until(lambda: texts("đã ghi"), what="the answer")
        daemon.send(signal.SIGKILL)
        daemon.wait()
        province.start_daemon()
        (incident,) = province.incidents("open")
        assert (incident["id"], incident["acked_by"]) == (number, "Trực NOC")

        post(ended=True)
        wait_until(lambda: province.incidents("open") == [], what="the end")
        sent = (
            "SELECT change FROM intent WHERE incident = ? AND contact = 'noc' AND state = 'sent' AND change = 'opened'"
        )
        assert len(province.rows(sent, number)) == 1, "told once, over repetitions and a kill"
        assert {body["chat_id"] for _, body in zalo.sent} == {"c-noc"}
        assert BOT_TOKEN not in province.log


def test_a_test_message_with_the_daemon_and_without_one(few: Callable[..., Province]) -> None:
    province = few(sim=False)
    broken = {"kind": "http", "form": "sms", "url": "http://127.0.0.1:9/"}
    province.write(notify={"channels": {"broken": broken}}, mqtt={"host": ""})
    add_contact(province, id="an", name="Anh An", phone="0901000001", channels=["sms", "broken"])
    for site in province.inventory.sites:
        province.edit_site(site, lambda entry: entry.pop("contacts", None))

    def run() -> tuple[int, list[str], str]:
        argv = [sys.executable, "-m", "netmon.cli", "notify", "test", "--to", "Anh An", "--config", str(province.path)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        return done.returncode, [line.split("\t")[0] for line in done.stdout.splitlines()], done.stdout + done.stderr

    status, channels, text = run()
    assert (status, channels) == (1, ["sms", "broken"]), text
    assert "no daemon runs, sending from here" in text
    province.start_daemon()
    status, channels, text = run()
    assert (status, channels) == (1, ["sms", "broken"]), text
    assert "no daemon" not in text
    assert "broken\tfailed: channel broken: Connection refused" in text
    marked = [message for message in province.sink.got if "Tin thu" in message["text"]]
    assert len(marked) == 2
