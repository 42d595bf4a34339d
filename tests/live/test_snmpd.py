"""The engine and Debian's snmpd, compared with what net-snmp's own tools read from it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from netmon.clock import Clock
from netmon.collectors.snmp.ber import OBJECT_ID, OPAQUE, Oid
from netmon.collectors.snmp.engine import Engine, Target
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.walk_cli import format_oid, opaque_float, parse_oid
from netmon.config import SnmpConfig
from netmon.errors import CollectError
from netmon.model import Credential, Secret
from tests.conftest import free_port, need, wait_until

pytestmark = pytest.mark.live

COMMUNITY = "netmon-lab"
LONG = "x" * 180  # a varbind of over 127 bytes
SYSTEM, INTERFACES, IF_X, LOAD = "1.3.6.1.2.1.1", "1.3.6.1.2.1.2", "1.3.6.1.2.1.31", "1.3.6.1.4.1.2021.10"
IF_COLUMNS = [(1, 3, 6, 1, 2, 1, 2, 2, 1, i) for i in (1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 16, 19, 20)]
IF_X_COLUMNS = [(1, 3, 6, 1, 2, 1, 31, 1, 1, 1, i) for i in (1, 6, 10, 15, 18)]


def target(port: int, version: str = "2c", host: str = "127.0.0.1", community: str = COMMUNITY) -> Target:
    return Target(host, port, Credential("lab", version, Secret(community)), "snmpd")


def ask(act: Callable[[Engine], Awaitable[Any]], **options: Any) -> Any:
    async def whole() -> Any:
        engine = Engine(SnmpConfig(**options), Clock())
        await engine.start()
        try:
            return await act(engine)
        finally:
            await engine.close()

    return asyncio.run(whole())


def net_snmp(port: int, root: str, version: str = "2c") -> dict[Oid, str]:
    """A subtree as net-snmp prints it: numeric names, strings in hexadecimal, no types."""
    tool = "snmpwalk" if version == "1" else "snmpbulkwalk"
    argv = [tool, f"-v{version}", "-c", COMMUNITY, "-Onetx", "-OQ", f"127.0.0.1:{port}", root]
    environ = os.environ | {"MIBS": "", "MIBDIRS": "/nonexistent"}
    text = subprocess.run(argv, capture_output=True, text=True, check=True, env=environ, timeout=60).stdout
    out: dict[Oid, str] = {}
    for line in re.split(r"\n(?=\.\d)", text.strip()):
        name, _, value = line.partition(" = ")
        out[parse_oid(name)] = " ".join(value.replace('"', " ").split())
    return out


def shown(varbind: VarBind) -> str:
    """A value of ours as `net_snmp` shows it."""
    if varbind.tag == OPAQUE and isinstance(varbind.value, bytes):
        return f"{opaque_float(varbind.value):.6f}"
    if varbind.tag == OBJECT_ID and isinstance(varbind.value, tuple):
        return "." + format_oid(varbind.value)
    if isinstance(varbind.value, bytes):
        return varbind.value.hex(" ").upper()
    return str(varbind.value)


@pytest.fixture(scope="module")
def snmpd(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A port on 127.0.0.1 and [::1] where snmpd answers."""
    need("snmpd", "snmpbulkwalk", "snmpwalk")
    folder = tmp_path_factory.mktemp("snmpd")
    port = free_port(socket.SOCK_DGRAM)
    config = folder / "snmpd.conf"
    config.write_text(
        f"agentaddress udp:127.0.0.1:{port},udp6:[::1]:{port}\n"
        f"rocommunity {COMMUNITY} 127.0.0.1\nrocommunity6 {COMMUNITY} ::1\n"
        f"sysName r1\nsysLocation {LONG}\nsysContact noc\n"
    )
    program = next(p for p in ("/usr/sbin/snmpd", "/usr/local/sbin/snmpd") if Path(p).exists())
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [program, "-f", "-Lo", "-C", "-c", str(config), f"--persistentDir={folder}"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"MIBS": ""},
        )
    try:

        def up() -> bool:
            try:
                return bool(ask(lambda e: e.get(target(port), [parse_oid(SYSTEM + ".5.0")]), timeout_s=0.2))
            except CollectError:
                return False

        wait_until(up, what="snmpd answers")
        yield port
    finally:
        child.terminate()
        child.wait(10)


@pytest.mark.parametrize("root", [SYSTEM, INTERFACES, IF_X, LOAD])
@pytest.mark.parametrize("version", ["2c", "1"])
def test_a_walk_equals_net_snmp_s(snmpd: int, root: str, version: str) -> None:
    before = net_snmp(snmpd, root, version)
    walk = ask(lambda e: e.walk(target(snmpd, version), parse_oid(root)))
    after = net_snmp(snmpd, root, version)
    ours = {varbind.oid: shown(varbind) for varbind in walk}
    assert walk.reason == ""
    assert list(ours) == list(before) == list(after)
    steady = [oid for oid in ours if before[oid] == after[oid]]
    assert len(steady) > len(ours) // 2
    assert {oid: ours[oid] for oid in steady} == {oid: before[oid] for oid in steady}


@pytest.mark.parametrize("version", ["2c", "1"])
@pytest.mark.parametrize("repetitions", [1, 2, 25])
def test_columns_equal_net_snmp_s_walk(snmpd: int, version: str, repetitions: int) -> None:
    columns = [*IF_COLUMNS, *IF_X_COLUMNS]
    before = net_snmp(snmpd, INTERFACES, version) | net_snmp(snmpd, IF_X, version)
    got = ask(lambda e: e.columns(target(snmpd, version), columns, max_repetitions=repetitions))
    after = net_snmp(snmpd, INTERFACES, version) | net_snmp(snmpd, IF_X, version)
    assert got.failed == {}
    for column in columns:
        theirs = [oid for oid in before if oid[: len(column)] == column]
        assert [(*column, *index) for index in got.rows[column]] == theirs
        for oid in theirs:
            if before[oid] == after[oid]:
                assert shown(got.rows[column][oid[len(column) :]]) == before[oid]
    # v1 has no Counter64: ifHCInOctets and ifHCOutOctets are holes there
    assert bool(got.rows[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6]) == (version == "2c")


def test_long_values_and_absent_ones(snmpd: int) -> None:
    names = [parse_oid(SYSTEM + tail) for tail in (".6.0", ".5.0", ".99.0")]
    for version in ("2c", "1"):
        got = ask(lambda e, v=version: e.get(target(snmpd, v), names))
        assert [v.value for v in got] == [LONG.encode(), b"r1", None]


def test_over_ipv6(snmpd: int) -> None:
    assert ask(lambda e: e.get(target(snmpd, host="::1"), [parse_oid(SYSTEM + ".5.0")]))[0].value == b"r1"


def test_a_wrong_community_is_silence(snmpd: int) -> None:
    with pytest.raises(CollectError) as caught:
        ask(lambda e: e.columns(target(snmpd, community="wrong-word"), IF_COLUMNS), timeout_s=0.1, retries=0)
    assert caught.value.reason == "timeout"
    assert "wrong-word" not in str(caught.value)


def test_many_polls_at_once(snmpd: int) -> None:
    """One agent, 40 polls together: whatever is lost on the way is fetched again, every poll is whole."""

    async def act(engine: Engine) -> list[Any]:
        return await asyncio.gather(*(engine.columns(target(snmpd), IF_COLUMNS) for _ in range(40)))

    polls = ask(act)
    assert {tuple(len(rows) for rows in got.rows.values()) for got in polls} == {
        tuple(len(rows) for rows in polls[0].rows.values())
    }
    assert all(got.failed == {} for got in polls)
