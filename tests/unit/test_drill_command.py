"""`netmon drill` follows a drill at a daemon that does not always answer."""

from __future__ import annotations

from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from netmon import commands_drill
from netmon.api_client import ApiClient, NoAnswer

RUNNING = {"id": "D07", "result": "running", "notes": [{"at": "2026-11-25T02:00:00Z", "text": "begun"}], "sheet": ""}
PASSED = {**RUNNING, "result": "passed", "sheet": "the report\n"}


class Busy:
    """Gives these answers in turn; None is a time-out."""

    def __init__(self, *answers: dict[str, Any] | None) -> None:
        self.answers = list(answers)

    def get(self, path: str) -> Any:
        if (answer := self.answers.pop(0)) is None:
            raise NoAnswer("no daemon answers: timed out")
        return answer


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands_drill, "FOLLOW_S", 0.0)


def follow(*answers: dict[str, Any] | None) -> int:
    return commands_drill._follow(cast(ApiClient, Busy(*answers)), RUNNING, "", ZoneInfo("Asia/Ho_Chi_Minh"))


def test_a_busy_daemon_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    pauses = [None] * (commands_drill.PATIENCE - 1)
    assert follow(*pauses, RUNNING, *pauses, PASSED) == 0
    assert capsys.readouterr().out.count("  09:00:00  begun\n") == 1


def test_a_daemon_that_is_gone_is_told() -> None:
    with pytest.raises(NoAnswer):
        follow(*[None] * commands_drill.PATIENCE, PASSED)
