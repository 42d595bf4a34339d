"""A task that is cancelled ends, whatever happens in the same moment: a stop must not wait for ever.

Python 3.11's asyncio.wait_for swallows a cancellation that comes when what it waits for is just done
(python/cpython#86296); asyncio.timeout does not.
"""

from __future__ import annotations

import ast
import asyncio

import pytest

from netmon.clock import Clock
from netmon.model import PollResult
from netmon.scheduler import Scheduler
from tests.conftest import ROOT


def test_nothing_waits_in_a_way_that_swallows_a_cancellation() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "netmon").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "wait_for"
    ]
    assert found == []


@pytest.mark.parametrize("turns", range(5))
def test_a_scheduler_that_is_woken_and_cancelled_ends(turns: int) -> None:
    """``turns`` of the loop between the two: in one of them the wait is over and not yet noticed."""

    async def act() -> bool:
        async def poll(device: object) -> PollResult:
            raise AssertionError("there is no device")

        scheduler = Scheduler(poll, lambda result: None, Clock(), 30.0)
        task = asyncio.create_task(scheduler.run())
        await asyncio.sleep(0.01)
        scheduler.set_devices({})  # wakes it
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=2.0)
        return task.cancelled()

    assert asyncio.run(act())
