"""The live stream: only what changed is sent, made once for all, and nobody can hold it up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from netmon.web import live
from tests import wall_state
from tests.unit.web_app import Stage


@pytest.fixture(autouse=True)
def fast_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.01)


def run(stage: Stage, use: Callable[[live.Live], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        feed: live.Live = stage.app.state.web.live
        try:
            return await asyncio.wait_for(use(feed), 10)
        finally:
            feed.close()

    return asyncio.run(go())


def events(text: bytes) -> list[tuple[str, str]]:
    found = []
    for block in text.decode().strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        assert lines["data"]  # an event without data is thrown away by the browser
        found.append((lines["event"], lines["data"]))
    return found


async def next_patch(stage: Stage, stream: AsyncIterator[bytes], most: int = 50) -> dict[str, str] | None:
    """The next patch; None if ``most`` pieces bring only beats. The page's clock goes on meanwhile."""
    for _ in range(most):
        stage.now += 1
        for event, data in events(await anext(stream)):
            if event == "patch":
                found: dict[str, str] = json.loads(data)
                return found
    return None


def test_a_new_follower_gets_everything_and_a_beat():
    stage = Stage()

    async def use(feed: live.Live) -> None:
        stream = feed.follow("vi", "abc")
        assert events(await anext(stream)) == [("hello", "abc")]
        (patch, data), (beat, now) = events(await anext(stream))
        assert (patch, beat, now) == ("patch", "beat", f"{wall_state.NOW:.3f}")
        parts = json.loads(data)
        assert parts.keys() == {*live.PARTS, *(f"area-{key}" for key, _, _ in wall_state.AREAS)}
        assert feed.followers == 1
        assert stage.state.gauges.family("netmon_http_streams") == {(): 1}
        await stream.aclose()
        assert feed.followers == 0

    run(stage, use)


def test_only_what_changed_is_sent_and_only_once():
    stage = Stage()

    async def use(feed: live.Live) -> None:
        stream = feed.follow("vi", "v")
        assert await next_patch(stage, stream)
        wall_state.change(stage.state, "tinh-05", "down", stage.now)
        patch = await next_patch(stage, stream)
        assert patch is not None
        assert patch.keys() == {"headline", "area-tinh"}
        assert "285" in patch["headline"]
        assert 'class="tile down" href="/sites/tinh-05"' in patch["area-tinh"]
        assert await next_patch(stage, stream, 20) is None
        await stream.aclose()

    run(stage, use)


def test_a_change_that_nobody_sees_is_not_sent():
    stage = Stage()

    async def use(feed: live.Live) -> None:
        stream = feed.follow("vi", "v")
        assert await next_patch(stage, stream)
        stage.state.revision += 1
        stage.now += 7200  # ages grow, but those the browser counts
        patch = await next_patch(stage, stream, 20)
        assert patch is None
        await stream.aclose()

    run(stage, use)


@pytest.mark.parametrize(
    ("mark", "parts"),
    [
        ("{id}.1", {"headline", "area-tinh"}),
        ("{id}.2", None),
        ("{id}.99", None),
        ("{id}.x", 17),
        ("other.2", 17),
        ("", 17),
    ],
)
def test_a_page_that_comes_back_is_sent_what_it_lacks(mark, parts):
    stage = Stage()

    async def use(feed: live.Live) -> None:
        board = feed.boards["vi"]
        await board.draw(stage.now)
        stage.now += 1
        wall_state.change(stage.state, "tinh-05", "down", stage.now)
        await board.draw(stage.now)
        assert board.version == 2
        stream = feed.follow("vi", "v", mark.format(id=board.id))
        patch = await next_patch(stage, stream, 5)
        if isinstance(parts, int):
            assert patch is not None
            assert len(patch) == parts
        else:
            assert (set(patch) if patch else None) == parts
        await stream.aclose()

    run(stage, use)


def test_a_failed_reload_and_a_lost_broker_are_told_without_a_new_revision():
    stage = Stage()

    async def use(feed: live.Live) -> None:
        stream = feed.follow("vi", "v")
        assert await next_patch(stage, stream)
        stage.state.health.last_reload_ok = False
        stage.state.health.broker_connected = False
        patch = await next_patch(stage, stream)
        assert patch is not None
        assert patch.keys() == {"notices"}
        assert "vẫn chạy cấu hình cũ" in patch["notices"]
        assert "MQTT" in patch["notices"]
        await stream.aclose()

    run(stage, use)


def test_many_followers_share_one_rendering():
    stage = Stage()

    async def use(feed: live.Live) -> None:
        streams = [feed.follow("vi", "v") for _ in range(20)]
        firsts = [await next_patch(stage, stream) for stream in streams]
        assert all(first == firsts[0] for first in firsts)
        board = feed.boards["vi"]
        assert board.version == 1
        wall_state.change(stage.state, "tinh-05", "down", stage.now)
        patches = [await next_patch(stage, stream) for stream in streams]
        assert all(patch == patches[0] for patch in patches)
        assert board.version == 2
        assert board.patch(1) is board.patch(1)
        assert feed.boards["en"].version == 0  # nobody reads English: nothing is rendered for it
        for stream in streams:
            await stream.aclose()

    run(stage, use)


def test_a_slow_follower_gets_the_sum_of_what_it_missed():
    stage = Stage()

    async def use(feed: live.Live) -> None:
        slow, quick = feed.follow("vi", "v"), feed.follow("vi", "v")
        assert await next_patch(stage, slow)
        assert await next_patch(stage, quick)
        for site in ("tinh-05", "song-ba-09", "binh-an-01"):
            wall_state.change(stage.state, site, "down", stage.now)
            assert await next_patch(stage, quick)
        patch = await next_patch(stage, slow)
        assert patch is not None
        assert patch.keys() == {"headline", "area-tinh", "area-song-ba", "area-binh-an"}
        await slow.aclose()
        await quick.aclose()

    run(stage, use)


def test_an_area_that_goes_is_no_longer_sent():
    stage = Stage()

    async def use(feed: live.Live) -> None:
        stream = feed.follow("vi", "v")
        assert await next_patch(stage, stream)
        whole = stage.state.inventory
        stage.state.inventory = type(whole)(whole.areas, whole.nodes, {"tinh-00": whole.sites["tinh-00"]})
        stage.state.revision += 1
        assert await next_patch(stage, stream)
        assert [name for name in feed.boards["vi"].fragments if name.startswith("area-")] == ["area-tinh"]
        await stream.aclose()

    run(stage, use)


def test_close_ends_all_streams_at_once_and_refuses_new_ones():
    stage = Stage()

    async def use(feed: live.Live) -> None:
        stream = feed.follow("vi", "v")
        assert await next_patch(stage, stream)
        feed.close()
        with pytest.raises(StopAsyncIteration):
            for _ in range(3):
                await anext(stream)
        assert feed.full

    run(stage, use)
    assert stage.get("/live").status_code == 503


def test_not_more_followers_than_allowed(monkeypatch):
    monkeypatch.setattr(live, "MOST_FOLLOWERS", 2)
    stage = Stage()

    async def use(feed: live.Live) -> None:
        streams = [feed.follow("vi", "v") for _ in range(2)]
        for stream in streams:
            assert not feed.full
            await anext(stream)
        assert feed.full
        for stream in streams:
            await stream.aclose()
        assert not feed.full

    run(stage, use)


def test_the_wall_itself_is_rendered_at_most_once_a_beat():
    stage = Stage()
    stage.get("/")
    board = stage.app.state.web.live.boards["vi"]
    for _ in range(5):
        stage.state.revision += 1
        wall_state.change(stage.state, "tinh-05", "down", stage.now)
        stage.get("/")
    assert board.version == 1
    stage.now += 1
    stage.get("/")
    assert board.version == 2


def test_marks_that_somebody_makes_up_do_not_fill_the_memory():
    """A patch is kept for those who follow at one pace; there may be thousands of versions to ask for."""
    stage = Stage()

    async def use(feed: live.Live) -> None:
        board = feed.boards["vi"]
        await board.draw(stage.now)
        board.version = 5000
        for version in range(5000):
            assert board.patch(version)
        assert len(board._patches) <= live.MOST_PATCHES

    run(stage, use)
