"""net-snmp's snmptrap and snmpinform: to the listener alone in every version, and to the whole daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netmon.model import Device
from netmon.sim.world import Fault
from tests.conftest import ROOT, free_port, need, wait_until
from tests.live.province import Province, few_sites
from tests.trap_bench import COMMUNITY, Bench, listening

pytestmark = pytest.mark.live

ENTERPRISE = "1.3.6.1.4.1.9"
LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
USER = (
    "-v3", "-u", "netmon-traps", "-l", "authPriv", "-a", "SHA-256", "-A", "auth-of-a-test", "-x", "AES", "-X",
    "priv-of-a-test",
)  # fmt: skip
PORT = ("1.3.6.1.2.1.2.2.1.1.7", "i", "7", "1.3.6.1.2.1.31.1.1.1.1.7", "s", "GE0/0/7")


def send(tool: str, port: int, source: str, *argv: str, home: Path) -> subprocess.CompletedProcess[str]:
    """net-snmp keeps the boots of its engine in ``home``."""
    environ = os.environ | {"MIBS": "", "MIBDIRS": "/nonexistent", "SNMP_PERSISTENT_DIR": str(home), "HOME": str(home)}
    command = [tool, f"--clientaddr={source}", "-r", "2", "-t", "3", *argv]
    place = command.index("TO")
    command[place] = f"127.0.0.1:{port}"
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)
    done.stderr = "".join(line for line in done.stderr.splitlines(True) if not line.startswith("Created directory"))
    return done


@pytest.mark.parametrize(
    ("tool", "source", "argv"),
    [
        ("snmptrap", "127.0.0.1", ("-v1", "-c", COMMUNITY, "TO", ENTERPRISE, "", "2", "0", "", *PORT)),
        ("snmptrap", "127.0.0.1", ("-v2c", "-c", COMMUNITY, "TO", "", LINK_DOWN, *PORT)),
        ("snmpinform", "127.0.0.1", ("-v2c", "-c", COMMUNITY, "TO", "", LINK_DOWN, *PORT)),
        ("snmptrap", "127.0.0.3", (*USER, "TO", "", LINK_DOWN, *PORT)),
        ("snmpinform", "127.0.0.3", (*USER, "TO", "", LINK_DOWN, *PORT)),
    ],
    ids=["trap-v1", "trap-v2c", "inform-v2c", "trap-v3", "inform-v3"],
)
def test_the_listener_takes_it(tool: str, source: str, argv: tuple[str, ...], tmp_path: Path) -> None:
    need(tool)

    async def main() -> Bench:
        async with listening() as bench:
            for number in range(2):  # the second time the engines know each other
                done = await asyncio.to_thread(send, tool, bench.port, source, *argv, home=tmp_path)
                assert (done.returncode, done.stderr) == (0, "")
                await bench.counted(accepted=number + 1)
            return bench

    bench = asyncio.run(main())
    device = "r-3" if source == "127.0.0.3" else "r-1"
    assert [(e.kind, e.device, e.if_index, e.if_name) for e in bench.events] == [
        ("link_down", device, 7, "GE0/0/7")
    ] * 2
    assert bench.traps.stats["acknowledged"] == (2 if tool == "snmpinform" else 0)


def test_an_inform_with_a_wrong_password_is_not_acknowledged(tmp_path: Path) -> None:
    need("snmpinform")
    wrong = [word.replace("auth-of-a-test", "another-password") for word in USER]

    async def main() -> Bench:
        async with listening() as bench:
            argv = ("-r", "0", "-t", "1", *wrong, "TO", "", LINK_DOWN)
            done = await asyncio.to_thread(send, "snmpinform", bench.port, "127.0.0.3", *argv, home=tmp_path)
            assert done.returncode != 0
            return bench

    bench = asyncio.run(main())
    assert bench.events == [] and bench.traps.stats["wrong_digest"] >= 1


# --- the whole daemon ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    """Devices are polled once at the start and then hourly, so that each further poll has a reason."""
    need("mosquitto", "snmptrap")
    port = free_port(socket.SOCK_DGRAM)
    traps = {"listen": f"127.0.0.1:{port}", "poll_gap": "1s"}
    made = few_sites(tmp_path_factory.mktemp("traps") / "province", snmp={"interval": "1h"}, traps=traps)
    try:
        made.start_sim()
        made.start_daemon()
        yield made
    finally:
        made.close()


def link_trap(province: Province, device: Device, name: str, if_name: str) -> None:
    port = int(province.settings["traps"]["listen"].rpartition(":")[2])
    community = province.inventory.credentials[device.credential].community.reveal()
    argv = ("-v2c", "-c", community, "TO", "", name, "1.3.6.1.2.1.31.1.1.1.1.3", "s", if_name)
    done = send("snmptrap", port, device.address, *argv, home=province.folder)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_trap_makes_the_daemon_poll_and_is_kept_with_the_incident(province: Province) -> None:
    devices = province.inventory.devices
    line = province.inventory.lines["ldld-tinh-1"]
    polls = "netmon_poll_time_seconds_count"
    wait_until(lambda: province.metrics()[polls] >= len(devices), 30, "the first round of polls")
    before = province.metrics()[polls]
    link_trap(province, devices["r-huyen-uy-loc-ninh"], "1.3.6.1.6.3.1.1.5.4", "GigabitEthernet0/0/4")
    wait_until(lambda: province.metrics()[polls] == before + 1, 10, "one more poll")
    assert province.metric('netmon_traps_total{kind="link_up"}') == 1
    # A machine that is busy with other things may make netmon speak of itself.
    assert [i for i in province.incidents() if i["subject_kind"] != "netmon"] == []

    # A stranger changes nothing but a count.
    stranger = Device("x", "router", "127.0.0.77", 161, "routers")
    link_trap(province, stranger, LINK_DOWN, "GigabitEthernet0/0/4")
    wait_until(lambda: province.metric('netmon_trap_events_total{event="unknown_sender"}') == 1, 10, "the stranger")

    # The router at the core tells that its port went dark, a moment before probes are sure; nobody tells of the end.
    province.happen(Fault("fibre", line.id, 0.0, 6.0))
    link_trap(province, devices["r-core"], LINK_DOWN, line.remote_if_name)
    wait_until(lambda: province.incidents_of(line.site), 20, "the incident")
    [incident] = province.incidents_of(line.site)
    query = "SELECT who, text FROM timeline WHERE incident = ? AND kind = 'evidence' AND who = 'r-core'"
    told = [("r-core", f"link_down {line.remote_if_name}")]
    wait_until(lambda: province.rows(query, incident["id"]) == told, 10, "the trap in the timeline")
    wait_until(lambda: province.incidents_of(line.site)[0]["closed_at"], 30, "the end, without a linkUp")
    assert province.metric('netmon_queue_depth{queue="traps"}') == 0
    assert province.metric('netmon_dropped_total{queue="traps"}') == 0


def test_a_socket_of_systemd_is_used(tmp_path: Path) -> None:
    """systemd-socket-activate stands in for the socket unit: it waits for the first datagram and starts the command."""
    need("systemd-socket-activate", "snmptrap")
    port = free_port(socket.SOCK_DGRAM)
    child = """
import asyncio
from netmon.collectors.trap_socket import TrapSocket
from netmon.systemd import handed_over
from tests.trap_bench import listening

async def main():
    sockets = [TrapSocket(sock) for sock in handed_over("netmon-traps")]
    async with listening("127.0.0.1", *sockets, listen="") as bench:
        await bench.counted(accepted=1)
        print(bench.traps.addresses, bench.events[0].kind, flush=True)

asyncio.run(main())
"""
    argv = ["systemd-socket-activate", "-d", "-l", f"127.0.0.1:{port}", "--fdname=netmon-traps"]
    log = tmp_path / "out"
    with log.open("wb") as out:
        activate = subprocess.Popen([*argv, sys.executable, "-c", child], stdout=out, stderr=out, cwd=ROOT)
    try:
        wait_until(lambda: b"Listening" in log.read_bytes(), 10, "the socket")
        send("snmptrap", port, "127.0.0.1", "-v2c", "-c", COMMUNITY, "TO", "", LINK_DOWN, home=tmp_path)
        wait_until(lambda: "link_down" in log.read_text(), 30, f"the trap in {log}")
        assert f"['127.0.0.1:{port}'] link_down" in log.read_text()
        assert activate.wait(20) == 0
    finally:
        if activate.poll() is None:
            activate.send_signal(signal.SIGKILL)
            activate.wait()
