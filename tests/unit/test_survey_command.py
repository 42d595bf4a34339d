"""`netmon check --live` and `netmon inventory suggest` as they are used: a simulated province, files broken by hand."""

from __future__ import annotations

import asyncio
import itertools
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netmon import cli
from netmon.commands import loader
from netmon.sim.province import Province
from netmon.sim.world import Fault, World
from tests.conftest import ROOT, free_port, need
from tests.small_province import NODES, SITES

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def act(*argv: str) -> tuple[int, str, str]:
        try:
            status = cli.main(argv)
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return act


class Simulated:
    """The province of the true files on free addresses, in a thread; ``drift`` lets something change in it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "netmon.yml"
        (folder / "nodes.yml").write_text(NODES, encoding="utf-8")
        (folder / "sites.yml").write_text(SITES, encoding="utf-8")
        port = free_port(socket.SOCK_DGRAM)
        prefix = next(
            f"127.{n}.0.0/16" for n in range(100, 200) if all(_free(f"127.{n}.{a}", port) for a in ("0.1", "3.1"))
        )
        self.config.write_text(
            f'inventory: ["nodes.yml", "sites.yml"]\naddress_map: {{"127.9.0.0/16": "{prefix}"}}\n'
            f'snmp: {{port: {port}, timeout: 150ms, retries: 0}}\nprobe: {{kind: "stamp", port: {port + 1}}}\n'
        )
        self._world = World(loader(str(self.config))().inventory)
        self._world.step(0.0)
        self._time = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._province = Province(self._world)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._province.start(), self._loop).result(10)

    def drift(self, *faults: tuple[str, str]) -> None:
        async def step() -> None:
            now = float(next(self._time)) * 10
            self._world.add([Fault(kind, target, now, 9.0) for kind, target in faults])
            self._world.step(now)

        asyncio.run_coroutine_threadsafe(step(), self._loop).result(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._province.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def _free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, port))
        except OSError:
            return False
    return True


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Simulated]:
    found = Simulated(tmp_path)
    yield found
    found.close()


def test_a_true_inventory_is_good(province: Simulated, run: Run) -> None:
    status, out, _ = run("check", "--live", "--config", str(province.config))
    assert status == 0, out
    assert out.splitlines()[-1].startswith("5 devices asked at 3 sites, 0 silent, ")
    assert out.splitlines()[-1].endswith(" s; 1 sites have no device that speaks SNMP; 0 findings")
    status, out, err = run("inventory", "suggest", "--config", str(province.config))
    assert (status, out) == (0, "")
    assert "0 proposals, 0 unsure" in err


def test_drift_is_found_proposed_patched_and_gone(
    province: Simulated, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("patch")
    config = str(province.config)
    province.drift(("moved", "one-1"), ("renamed", "three-1"), ("stranger", "r-two"), ("hang", "r-east"))
    status, out, _ = run("check", "--live", "--config", config)
    assert status == 1
    findings = [line for line in out.splitlines() if line.startswith(str(tmp_path))]
    assert [line.partition(": ")[0].removeprefix(f"{tmp_path}/") for line in findings] == [
        "nodes.yml:9",  # r-east does not answer
        "sites.yml:16",
        "sites.yml:40",
        "sites.yml:48",
    ]
    assert "does not answer (timeout)" in findings[0]
    before = (tmp_path / "sites.yml").read_bytes()
    monkeypatch.chdir(tmp_path)
    status, patch, _ = run("inventory", "suggest", "--config", config)
    assert status == 1
    assert (tmp_path / "sites.yml").read_bytes() == before, "nothing is written unasked"
    done = subprocess.run(["patch", "-p1"], input=patch.encode(), cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    assert run("check", "--config", config)[0] == 0
    status, out, err = run("inventory", "suggest", "--config", config)
    assert (status, out) == (0, ""), out + err


def test_written_when_asked_and_only_what_was_chosen(province: Simulated, run: Run, tmp_path: Path) -> None:
    config = str(province.config)
    province.drift(("moved", "one-1"), ("renamed", "three-1"))
    for chosen in (("--site", "s-two"), ("--device", "r-two")):
        assert run("inventory", "suggest", "--config", config, *chosen)[:2] == (0, "")
    (tmp_path / "real.yml").write_bytes((tmp_path / "sites.yml").read_bytes())
    (tmp_path / "real.yml").chmod(0o640)
    (tmp_path / "sites.yml").unlink()
    (tmp_path / "sites.yml").symlink_to("real.yml")
    status, out, err = run("inventory", "suggest", "--config", config, "--device", "r-three", "--write")
    assert (status, "XGE0/0/8" in out, f"wrote {tmp_path}/sites.yml" in err) == (1, True, True)
    assert (tmp_path / "sites.yml").is_symlink()
    assert (tmp_path / "real.yml").stat().st_mode & 0o777 == 0o640
    text = (tmp_path / "real.yml").read_text(encoding="utf-8")
    assert text == SITES.replace('"r-three", if_name: "GE0/0/8"', '"r-three", if_name: "XGE0/0/8"')
    status, out, _ = run("check", "--live", "--config", config)
    assert (status, out.count("sites.yml:")) == (1, 1), "the other one is still there"


def test_another_credential_of_the_inventory_is_found(province: Simulated, run: Run, tmp_path: Path) -> None:
    text = SITES.replace('"127.9.3.2", credential: "c"', '"127.9.3.2", credential: "other"')
    (tmp_path / "sites.yml").write_text(text, encoding="utf-8")
    config = str(province.config)
    _, out, _ = run("check", "--live", "--site", "s-two", "--config", config)
    (finding,) = [line for line in out.splitlines() if "sites.yml" in line]
    assert finding.endswith("answers to credential c and not to its own; the inventory says other")
    assert "secret" not in out
    assert run("inventory", "suggest", "--site", "s-two", "--write", "--config", config)[0] == 1
    assert (tmp_path / "sites.yml").read_text(encoding="utf-8") == SITES


@pytest.mark.parametrize(
    ("argv", "status", "told"),
    [
        (("check", "--site", "x"), 2, "--site and --device are for --live"),
        (("check", "--live", "--site", "x"), 1, "x is no site or node of the inventory"),
        (("check", "--live", "--device", "x"), 1, "x is no device of the inventory"),
        (("check", "--live", "--device", "x", "--site", "y"), 2, "not allowed with argument"),
        (("inventory", "suggest", "file.csv"), 2, "takes no file"),
        (("inventory", "import"), 2, "takes a file"),
        (("inventory", "export", "-", "--write"), 2, "are for suggest"),
    ],
)
def test_wrong_use(run: Run, argv: tuple[str, ...], status: int, told: str) -> None:
    got, out, err = run(*argv, "--config", str(ROOT / "inventory" / "netmon.yml"))
    assert (got, told in out + err) == (status, True), err


def test_mistakes_in_the_files_come_first(run: Run, tmp_path: Path) -> None:
    (tmp_path / "n.yml").write_text("nodes: [{id: x}]\n")
    (tmp_path / "netmon.yml").write_text('inventory: ["n.yml"]\n')
    status, out, _ = run("check", "--live", "--config", str(tmp_path / "netmon.yml"))
    assert status == 1 and "asked" not in out


def test_the_sample_matches_its_simulated_province() -> None:
    """All of it, without a network: what the demo's devices say is what the sample's files say."""
    from netmon.survey.examine import examine
    from tests.small_province import TODAY, network

    inventory = loader(str(ROOT / "inventory" / "netmon.yml"))().inventory
    facts = network(inventory)
    assert len(facts) == len(inventory.devices) > 300
    assert examine(inventory, facts, TODAY) == []
