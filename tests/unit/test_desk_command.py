"""`netmon works` and `netmon silence`: times are shown as they are entered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from netmon import commands_desk
from netmon.cli import main

NOW = datetime.now(UTC)
SOON = NOW + timedelta(hours=4)
WORK = {
    "id": 1,
    "kind": "power",
    "begin": "2026-11-30T00:00:00Z",
    "end": "2026-11-30T04:00:00.5Z",
    "repeat": "once",
    "where": ["area:bu-dang"],
    "title": "Lộ 471",
    "cancelled_at": None,
}


def silence(number: int, end: datetime) -> dict[str, object]:
    return {"id": number, "end": end.isoformat(), "where": ["site:a"], "by": "An", "reason": "sửa nhà"}


class Daemon:
    """Answers as the API does."""

    def __init__(self, config: object) -> None:
        pass

    def get(self, path: str) -> Any:
        over = silence(1, NOW - timedelta(minutes=1))
        return [WORK, {**WORK, "id": 2, "cancelled_at": "x"}] if "works" in path else [silence(2, SOON), over]

    def post(self, path: str, body: object) -> Any:
        return silence(2, SOON)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setattr(commands_desk, "ApiClient", Daemon)
    config = tmp_path / "netmon.yml"
    config.write_text('timezone: "Asia/Ho_Chi_Minh"\n')

    def said(*args: str) -> str:
        assert main([*args, "--config", str(config)]) == 0
        return capsys.readouterr().out

    return said


def test_works_are_listed_in_local_time(run: Any) -> None:
    listed = "1\tpower\t2026-11-30 07:00+07:00\t2026-11-30 11:00+07:00\tonce\tarea:bu-dang\tLộ 471\n"
    assert run("works", "list") == listed


def test_only_silences_in_force_are_listed(run: Any) -> None:
    until = f"{SOON + timedelta(hours=7):%Y-%m-%d %H:%M}+07:00"
    assert run("silence", "list") == f"2\t{until}\tsite:a\tAn\tsửa nhà\n"
    assert run("silence", "add", "site:a", "--who", "An") == f"silence 2: until {until}\n"
