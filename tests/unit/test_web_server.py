"""The server inside our own loop: a taken port is one clear line, and it ends at once though somebody listens."""

from __future__ import annotations

import asyncio
import signal
import socket
import stat
from pathlib import Path

import httpx
import pytest

from netmon.api_client import ApiClient
from netmon.config import Config
from netmon.errors import NetmonError
from netmon.web import server
from netmon.web.server import serve
from tests.unit.web_app import Stage


def test_a_taken_port_is_named_in_one_line():
    async def go() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(
                NetmonError, match=rf"^web: cannot listen on 127\.0\.0\.1:{port}: Address already in use$"
            ):
                async with serve(Stage().app, "127.0.0.1", port):
                    pass

    asyncio.run(go())


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_an_address_that_is_not_ours_is_named(host):
    async def go() -> None:
        with pytest.raises(NetmonError, match=f"cannot listen on {host}:0"):
            async with serve(Stage().app, host, 0):
                pass

    asyncio.run(go())


def test_streams_end_at_once_with_the_server(monkeypatch):
    monkeypatch.setattr(server, "GRACE_S", 600)

    async def go() -> None:
        async with httpx.AsyncClient() as client:
            async with serve(Stage().app, "127.0.0.1", 0) as port:
                request = client.build_request("GET", f"http://127.0.0.1:{port}/live")
                answer = await client.send(request, stream=True)
                assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
                lines = answer.aiter_lines()
                while not (await anext(lines)).startswith("event: beat"):
                    pass
            rest = [line async for line in lines]  # ends, and is no broken connection
            assert rest[0].startswith("data: ")

    asyncio.run(asyncio.wait_for(go(), 30))


def test_signals_stay_the_daemons_own():
    async def go() -> None:
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        async with serve(Stage().app, "127.0.0.1", 0) as port, httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/-/healthy")).text == "healthy\n"
            assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before

    asyncio.run(go())


def test_who_may_open_the_unix_socket_may_act(tmp_path: Path):
    stage = Stage()
    client = ApiClient(Config(state_dir=str(tmp_path)))
    path = tmp_path / "api.sock"

    async def go() -> None:
        async with serve(stage.app, uds=str(path)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert (await asyncio.to_thread(client.get, "/api/v1/summary"))["sites"] == 310
            assert await asyncio.to_thread(client.post, "/-/reload", {}) == {"reloaded": True}

    asyncio.run(go())
    assert stage.daemon.reloads == 1
    assert not path.exists()
    with pytest.raises(NetmonError, match="no daemon answers"):
        client.get("/api/v1/summary")


def test_a_socket_left_behind_is_replaced_and_a_living_one_is_not(tmp_path: Path):
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def go() -> None:
        async with serve(Stage().app, uds=str(path)):
            with pytest.raises(NetmonError, match="another daemon does"):
                async with serve(Stage().app, uds=str(path)):
                    pass
            assert path.exists()

    asyncio.run(go())


def test_large_pages_do_not_hold_the_loop():
    """The pages are made in a thread and sent in pieces: other tasks get their turn while one is on its way."""

    async def go() -> int:
        stage = Stage()
        turns = 0
        async with serve(stage.app, "127.0.0.1", 0) as port, httpx.AsyncClient() as client:
            asked = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/metrics", headers={"accept-encoding": ""}))
            while not asked.done():
                await asyncio.sleep(0)
                turns += 1
            assert len((await asked).content) > 500_000
        return turns

    assert asyncio.run(go()) > 10
