"""A broker for the demo: mosquitto where it is installed, else amqtt inside this process. Loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import logging
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from netmon.errors import NetmonError

log = logging.getLogger(__name__)


def mosquitto_path() -> str | None:
    """Debian puts mosquitto where only root's PATH looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@contextlib.asynccontextmanager
async def broker(port: int) -> AsyncIterator[str]:
    """Runs a broker on 127.0.0.1:``port`` while the context lasts; yields its name."""
    program = mosquitto_path()
    if program is None:
        async with _amqtt(port):
            yield "amqtt"
        return
    with tempfile.TemporaryDirectory(prefix="netmon-broker-") as folder:
        child = _start_mosquitto(program, Path(folder), port)
        try:
            await _listening(port, child)
            yield "mosquitto"
        finally:
            child.terminate()
            await asyncio.to_thread(child.wait, 5)


def _start_mosquitto(program: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    conf = folder / "mosquitto.conf"
    # As root mosquitto would become another user, who could not read this folder: it stays who it is.
    conf.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 1000\n"
        f"persistence false\nuser {getpass.getuser()}\n"
    )
    with (folder / "log").open("wb") as sink:
        return subprocess.Popen([program, "-c", str(conf)], stdout=sink, stderr=sink)


async def _listening(port: int, child: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        if child.poll() is not None:
            break
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
    raise NetmonError(f"simulator: mosquitto does not listen on 127.0.0.1 port {port}; is the port in use?")


@contextlib.asynccontextmanager
async def _amqtt(port: int) -> AsyncIterator[None]:
    try:
        from amqtt.broker import Broker
    except ImportError as error:
        raise NetmonError("no MQTT broker: install mosquitto, or netmon with its demo extra") from error
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    embedded = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await embedded.start()
    try:
        yield
    finally:
        await embedded.shutdown()
