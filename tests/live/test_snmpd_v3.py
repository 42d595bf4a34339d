"""The engine over SNMPv3 and Debian's snmpd: every combination it supports, compared with net-snmp's own tools."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from netmon.collectors.snmp.ber import Oid
from netmon.collectors.snmp.engine import Engine, Target
from netmon.collectors.snmp.usm import AUTH_PROTOCOLS, PRIV_PROTOCOLS
from netmon.collectors.snmp.walk_cli import parse_oid
from netmon.errors import CollectError
from netmon.model import Credential, Secret
from tests.conftest import free_port, need, wait_until
from tests.live.test_snmpd import IF_COLUMNS, IF_X_COLUMNS, INTERFACES, SYSTEM, ask, shown

pytestmark = pytest.mark.live

AUTH_PASSWORD, PRIV_PASSWORD = "auth-password", "priv-password"
# what net-snmp calls them; a C at the end is -C there
AUTH_NAMES = {name: re.sub(r"(?<=SHA)(?=\d)", "-", name) for name in AUTH_PROTOCOLS}
PRIV_NAMES = {name: re.sub(r"(?<=AES)(?=\d)|(?<=\d)(?=C)", "-", name) for name in PRIV_PROTOCOLS}
CONTEXT = "vrf-1"


def credential(auth: str = "", priv: str = "", **changes: object) -> Credential:
    level = "authPriv" if priv else "authNoPriv" if auth else "noAuthNoPriv"
    whole = Credential(
        "lab", "3", username=f"u{auth}{priv}", security_level=level, auth_protocol=auth,
        auth_password=Secret(AUTH_PASSWORD), priv_protocol=priv, priv_password=Secret(PRIV_PASSWORD),
    )  # fmt: skip
    return replace(whole, **changes)  # type: ignore[arg-type]


ALL = [
    credential(),
    *(credential(auth) for auth in AUTH_PROTOCOLS),
    *(credential(auth, priv) for auth in AUTH_PROTOCOLS for priv in PRIV_PROTOCOLS),
]


def id_of(cred: Credential) -> str:
    return f"{cred.auth_protocol}-{cred.priv_protocol}".strip("-") or "noAuth"


@dataclass
class Snmpd:
    """One snmpd; it keeps its engine id and boots in ``folder``."""

    folder: Path
    port: int
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = next(p for p in ("/usr/sbin/snmpd", "/usr/local/sbin/snmpd") if Path(p).exists())
        kept = self.folder / "kept"
        path = f"{self.folder}:{kept}"
        with (self.folder / "log").open("ab") as log:
            # without -C and -c: with them snmpd does not read its boots again
            self.child = subprocess.Popen(
                [program, "-f", "-Lo"],
                stdout=log, stderr=subprocess.STDOUT,
                env=os.environ | {"MIBS": "", "SNMPCONFPATH": path, "SNMP_PERSISTENT_DIR": str(kept)},
            )  # fmt: skip
        wait_until(self.answers, what="snmpd answers")

    def answers(self) -> bool:
        try:
            return bool(ask(lambda e: e.get(self.target(ALL[0]), [parse_oid(SYSTEM + ".5.0")]), timeout_s=0.2))
        except CollectError:
            return False

    def stop(self) -> None:
        if self.child is not None:
            self.child.terminate()
            self.child.wait(10)

    def target(self, cred: Credential) -> Target:
        return Target("127.0.0.1", self.port, cred, "snmpd")

    def net_snmp(self, cred: Credential, root: str) -> dict[Oid, str]:
        """A subtree as snmpbulkwalk reads it with the same credential."""
        argv = ["snmpbulkwalk", "-v3", "-u", cred.username, "-l", cred.security_level, "-Onetx", "-OQ"]
        if cred.auth_protocol:
            argv += ["-a", AUTH_NAMES[cred.auth_protocol], "-A", AUTH_PASSWORD]
        if cred.priv_protocol:
            argv += ["-x", PRIV_NAMES[cred.priv_protocol], "-X", PRIV_PASSWORD]
        environ = os.environ | {"MIBS": "", "MIBDIRS": "/nonexistent"}
        text = subprocess.run(
            [*argv, f"127.0.0.1:{self.port}", root], capture_output=True, text=True, check=True, env=environ, timeout=60
        ).stdout
        out: dict[Oid, str] = {}
        for line in re.split(r"\n(?=\.\d)", text.strip()):
            name, _, value = line.partition(" = ")
            out[parse_oid(name)] = " ".join(value.replace('"', " ").split())
        return out


@pytest.fixture(scope="module")
def snmpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    need("snmpd", "snmpbulkwalk")
    folder = tmp_path_factory.mktemp("snmpd3")
    port = free_port(socket.SOCK_DGRAM)
    lines = [f"agentaddress udp:127.0.0.1:{port}", "sysName r1"]
    for cred in ALL:
        user = f"createUser {cred.username}"
        if cred.auth_protocol:
            user += f" {AUTH_NAMES[cred.auth_protocol]} {AUTH_PASSWORD}"
        if cred.priv_protocol:
            user += f" {PRIV_NAMES[cred.priv_protocol]} {PRIV_PASSWORD}"
        level = {"noAuthNoPriv": "noauth", "authNoPriv": "auth", "authPriv": "priv"}[cred.security_level]
        lines += [user, f"rouser {cred.username} {level}"]
    (folder / "snmpd.conf").write_text("\n".join(lines) + "\n")
    server = Snmpd(folder, port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("cred", ALL, ids=id_of)
def test_every_combination_reads_what_net_snmp_reads(snmpd: Snmpd, cred: Credential) -> None:
    theirs = snmpd.net_snmp(cred, SYSTEM)

    async def act(engine: Engine) -> None:
        walk = await engine.walk(snmpd.target(cred), parse_oid(SYSTEM))
        assert [v.oid for v in walk] == list(theirs)
        steady = {v.oid: shown(v) for v in walk if v.tag != 0x43}
        assert len(steady) > 5
        assert steady == {oid: theirs[oid] for oid in steady}
        assert set(engine.stats) == {"requests", "replies", "report_discovery"}

    ask(act)


@pytest.mark.parametrize(
    "cred", [ALL[0], credential("SHA"), credential("MD5", "DES"), credential("SHA256", "AES")], ids=id_of
)
def test_columns_equal_net_snmp_s_walk(snmpd: Snmpd, cred: Credential) -> None:
    before = snmpd.net_snmp(cred, INTERFACES)
    got = ask(lambda e: e.columns(snmpd.target(cred), [*IF_COLUMNS, *IF_X_COLUMNS]))
    after = snmpd.net_snmp(cred, INTERFACES)
    assert got.failed == {}
    for column in IF_COLUMNS:
        theirs = [oid for oid in before if oid[: len(column)] == column]
        assert [(*column, *index) for index in got.rows[column]] == theirs
        for oid in theirs:
            if before[oid] == after[oid]:
                assert shown(got.rows[column][oid[len(column) :]]) == before[oid]


@pytest.mark.parametrize(
    ("cred", "reason"),
    [
        (credential("SHA", "AES", auth_password=Secret("wrong-password")), "auth"),
        (credential("SHA", "AES", auth_protocol="MD5"), "auth"),
        (credential("SHA", "AES", priv_password=Secret("wrong-password")), "priv"),
        (credential("SHA", "AES", priv_protocol="DES"), "priv"),
        (credential("SHA", "AES", username="nobody"), "user"),
        (credential("SHA", "", security_level="authPriv", priv_protocol="AES"), "priv"),
        (credential("", "", security_level="authNoPriv", auth_protocol="SHA"), "auth"),
        (credential("SHA", "AES", security_level="authNoPriv"), "auth"),
    ],
    ids=[
        "auth password", "auth protocol", "priv password", "priv protocol", "user", "no privacy for the user",
        "no authentication for the user", "level below what the agent demands",
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_credential_is_the_reason(snmpd: Snmpd, cred: Credential, reason: str) -> None:
    async def act(engine: Engine) -> int:
        with pytest.raises(CollectError) as caught:
            await engine.get(snmpd.target(cred), [parse_oid(SYSTEM + ".5.0")])
        assert caught.value.reason == reason
        assert "password" not in str(caught.value).replace("other password", "").replace("privacy password", "")
        return engine.stats["requests"] + engine.stats["retries"]

    assert ask(act, timeout_s=0.3, retries=1) <= 2


def test_a_restarted_snmpd_is_followed(snmpd: Snmpd) -> None:
    """Its boots count up, its time starts at zero: one report, no timeout, no other poll."""
    cred = credential("SHA", "AES")

    async def act(engine: Engine) -> None:
        name = [parse_oid(SYSTEM + ".5.0")]
        assert (await engine.get(snmpd.target(cred), name))[0].value == b"r1"
        snmpd.stop()
        await asyncio.to_thread(snmpd.start)
        assert (await engine.get(snmpd.target(cred), name))[0].value == b"r1"
        assert engine.stats["report_time"] == 1, engine.stats
        assert engine.stats["timeouts"] == 0

    ask(act)
