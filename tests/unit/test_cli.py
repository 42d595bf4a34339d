"""The command line: exit statuses, help with an example for each command, errors as one clear line."""

from __future__ import annotations

import argparse
import asyncio
import codecs
import contextlib
import csv
import io
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from netmon import cli
from netmon.alerts.catalog import load_catalog
from netmon.api_client import ApiClient, NoAnswer, NoDaemon
from netmon.commands import RULES_FILE
from netmon.config import Config
from tests.conftest import ROOT
from tests.unit.scripted_agent import Agent, mib
from tools.reference import command_parsers

SAMPLE = ROOT / "inventory" / "netmon.yml"
COMMANDS = list(command_parsers())
INVENTORY = """
areas: [{id: "a", name: "A", sms_name: "A"}]
nodes: [{id: "n", name: "N", kind: "core", address: "127.0.0.9"}]
credentials: [{id: "c", version: "2c", community: {env: "NETMON_TEST_COMMUNITY", default: "public"}}]
sites:
  - id: "s"
    name: "Một"
    sms_name: "Mot"
    block: "party"
    level: "commune"
    area: "a"
    lines: [{id: "s-1", parent: "n", address: "127.0.0.2"}]
    devices: [{id: "r", kind: "router", address: "127.0.0.1", port: 1, credential: "c"}]
  - id: "t"
    name: "Hai"
    sms_name: "Hai"
    block: "party"
    level: "commune"
    area: "a"
    lines: [{id: "t-1", parent: "n", address: "127.0.0.3"}]
"""


class Said(NamedTuple):
    """What a command ended with and printed."""

    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command in this process, with argparse's exit as a status."""

    def go(*argv: object) -> Said:
        capsys.readouterr()
        try:
            status = cli.main([str(word) for word in argv])
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return Said(status, out, err)

    return go


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A small configuration of its own, with its state beside it."""
    (tmp_path / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    path = tmp_path / "netmon.yml"
    path.write_text('inventory: ["inventory.yml"]\nstate_dir: "state"\nsnmp: {timeout: 50ms, retries: 0}\n')
    return path


def one_line(said: Said, text: str) -> None:
    """A problem, told in one line on stderr that holds ``text``."""
    assert said.status == 1
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert said.err.startswith("netmon: ")
    assert text in said.err


# --- help and wrong use ---


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_that_it_understands(run: Run, name: str) -> None:
    said = run(name, "--help")
    assert said.status == 0
    example = " ".join(said.out.partition("example: ")[2].split())
    words = shlex.split(example)
    assert words[:2] == ["netmon", name]
    assert cli.build_parser().parse_args(words[1:]).name == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_says_what_it_is(name: str) -> None:
    for action in command_parsers()[name]._actions:
        assert action.help, f"{name}: {action.dest}"


def test_help_lists_every_command(run: Run) -> None:
    said = run("--help")
    assert said.status == 0
    assert all(f"    {name} " in " ".join(said.out.split("\n")) + " " for name in COMMANDS)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ((), "COMMAND"),
        (("chek",), "invalid choice: 'chek'"),
        (("check", "--confg", "x"), "unrecognized arguments: --confg x"),
        (("check", "--conf", "x"), "unrecognized arguments"),  # no abbreviations: they change meaning with each option
        (("poll",), "site"),
        (("ack", "1043"), "--who"),
        (("rules", "delete"), "invalid choice: 'delete'"),
        (("demo", "--duration", "soon"), "'soon' is no whole number from 0"),
        (("check", "--log-level", "LOUD"), "invalid choice: 'LOUD'"),
    ],
)
def test_wrong_use_is_status_2(run: Run, argv: tuple[str, ...], told: str) -> None:
    said = run(*argv)
    assert said.status == 2
    assert told in said.err
    assert said.out == ""


def test_commands_and_their_options_are_lower_case_words() -> None:
    for name, parser in command_parsers().items():
        assert isinstance(parser, argparse.ArgumentParser)
        options = [option for action in parser._actions for option in action.option_strings]
        assert all(word.strip("-").replace("-", "").islower() for word in [name, *options])


# --- check ---


def test_check_of_the_sample_is_good(run: Run) -> None:
    said = run("check", "--config", SAMPLE)
    assert said.status == 0
    assert "310 sites" in said.out
    assert said.err == ""


def test_check_tells_every_mistake_with_its_place(run: Run, config: Path) -> None:
    file = config.parent / "inventory.yml"
    text = file.read_text(encoding="utf-8").replace('level: "commune"', 'level: "comune"', 1)
    file.write_text(text.replace('parent: "n", address: "127.0.0.3"', 'parent: "m", address: "127.0.0.3"'))
    said = run("check", "--config", config)
    assert said.status == 1
    lines = said.out.splitlines()
    wrong = {number: line for number, line in enumerate(text.splitlines(), 1) if "comune" in line or "t-1" in line}
    assert len(lines) == 3
    for (number, _), line in zip(wrong.items(), lines, strict=False):
        assert line.startswith(f"{file}:{number}: "), line
    assert 'did you mean "commune"?' in lines[0]
    assert 'unknown node "m"' in lines[1]
    assert lines[2] == "2 problems"


def test_check_of_broken_yaml(run: Run, config: Path) -> None:
    config.write_text("inventory: [\n")
    said = run("check", "--config", config)
    assert said.status == 1
    assert said.out.startswith(f"{config}:")
    assert "Traceback" not in said.out + said.err


def test_check_shows_no_secret(run: Run, config: Path) -> None:
    config.write_text(config.read_text() + 'web: {token: "hunter2-hunter2"}\n')
    said = run("check", "--config", config)
    assert said.status == 1
    assert "hunter2" not in said.out + said.err
    assert 'write {env: "NAME"}' in said.out


def test_the_program_itself_ends_with_the_status(config: Path) -> None:
    """Once as a process: what cron, CI and systemd see."""
    argv = [sys.executable, "-m", "netmon.cli", "check", "--config", str(config)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    config.write_text('inventory: ["nothing.yml"]\n')
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f'{config}:1: "inventory": no file matches "nothing.yml"' in done.stdout


def test_output_may_be_cut_off(config: Path) -> None:
    """`netmon rules export --output - | head -1` ends quietly."""
    argv = f"{shlex.quote(sys.executable)} -m netmon.cli rules export --output - | head -c 1 >/dev/null"
    done = subprocess.run(argv, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""


# --- errors are one line ---


@pytest.mark.parametrize(
    "argv",
    [("run",), ("poll", "s"), ("status",), ("incidents",), ("ack", "1", "--who", "NOC"), ("sim",),
     ("walk", "127.0.0.1", "1.3"), ("inventory", "export", "-")],
    ids=lambda argv: argv[0],
)  # fmt: skip
def test_a_missing_configuration_is_told(run: Run, tmp_path: Path, argv: tuple[str, ...]) -> None:
    missing = tmp_path / "none.yml"
    said = run(*argv, "--config", missing)
    assert said.status == 1
    assert said.err.splitlines() == [f"{missing}: cannot be read: No such file or directory", "netmon: 1 problem(s)"]


@pytest.mark.parametrize("argv", [("status",), ("incidents",), ("ack", "1", "--who", "NOC")], ids=lambda argv: argv[0])
def test_no_daemon_is_told(run: Run, config: Path, argv: tuple[str, ...]) -> None:
    socket_path = config.parent / "state" / "api.sock"
    one_line(run(*argv, "--config", config), f"no daemon answers at {socket_path}: No such file or directory")


def test_poll_of_what_is_not_there(run: Run, config: Path) -> None:
    one_line(run("poll", "nowhere", "--config", config), "nowhere is no site, node or device of the inventory")
    one_line(run("poll", "t", "--config", config), "t has no device that answers SNMP")


def test_poll_of_a_silent_device_is_a_problem_and_no_error(run: Run, config: Path) -> None:
    said = run("poll", "s", "--config", config)
    assert said.status == 1
    assert "timeout" in said.out
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("192.0.2.9", "1.3"), "192.0.2.9 is not in the inventory; name one with --credential: c"),
        (("127.0.0.1", "1.3", "--credential", "d"), "credential 'd' is unknown; name one with --credential: c"),
        (("127.0.0.1", "sysDescr"), "sysDescr"),
    ],
)
def test_walk_of_what_cannot_be_walked(run: Run, config: Path, argv: tuple[str, ...], told: str) -> None:
    one_line(run("walk", *argv, "--config", config), told)


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_what_is_no_port_is_wrong_use(run: Run, port: str) -> None:
    said = run("demo", f"--port={port}")
    assert (said.status, said.out) == (2, "")
    assert f"'{port}' is no port: 0 to 65535" in said.err


def test_sim_refuses_addresses_that_are_not_its_own(run: Run, config: Path) -> None:
    file = config.parent / "inventory.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("127.0.0.1", "192.0.2.1"), encoding="utf-8")
    one_line(run("sim", "--config", config), "192.0.2.1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- {kind: power, target: s}\n", "faults.yml: fault 1: "),
        ("- {kind: flood, target: s, at: 1, duration: 2}\n", "faults.yml: fault 1: kind 'flood' is unknown"),
        ("- {kind: power, target: u, at: 1, duration: 2}\n", "faults.yml: fault 1: target 'u' is nothing"),
        ("- {\n", "faults.yml: not valid YAML"),
    ],
)
def test_sim_tells_mistakes_in_its_faults(run: Run, config: Path, text: str, told: str) -> None:
    faults = config.parent / "faults.yml"
    faults.write_text(text)
    said = run("sim", "--config", config, "--faults", faults)
    assert (said.status, said.out) == (1, "")
    assert told in said.err.splitlines()[0]
    assert "Traceback" not in said.err


def test_demo_on_a_port_in_use_is_told(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one_line(run("demo", "--config", SAMPLE, "--port", port), f"port {port} is in use; choose another with --port")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("demo", "--sites=-3"), "'-3' is no whole number from 0"),
        (("demo", "--duration=-5"), "'-5' is no whole number from 0"),
        (("demo", "--duration=1m"), "'1m' is no whole number from 0"),
        (("sim", "--loss=5"), "'5' is no ratio: 0 to 1"),
        (("sim", "--loss=nan"), "'nan' is no ratio: 0 to 1"),
        (("sim", "--loss=few"), "'few' is no ratio: 0 to 1"),
    ],
)
def test_numbers_that_mean_nothing_are_wrong_use(run: Run, argv: tuple[str, ...], told: str) -> None:
    said = run(*argv)
    assert (said.status, said.out) == (2, "")
    assert told in said.err


def test_a_demo_does_not_write_over_another(run: Run, tmp_path: Path) -> None:
    (tmp_path / "netmon.yml").write_text("of the first")
    with daemon(tmp_path / "state" / "api.sock", b""):
        one_line(run("demo", "--config", SAMPLE, "--port", 0, "--keep", tmp_path), f"another demo runs in {tmp_path}")
    assert (tmp_path / "netmon.yml").read_text() == "of the first"


# --- a daemon that answers ---


@contextlib.contextmanager
def daemon(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """Answers one request on the daemon's socket with ``answer``; yields what it was asked."""
    path.parent.mkdir(exist_ok=True)
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(TimeoutError), listener.accept()[0] as conversation:
            conversation.settimeout(10)
            asked.append(conversation.recv(65536))
            if b"Content-Length: " in asked[0] and not asked[0].partition(b"\r\n\r\n")[2]:
                asked.append(conversation.recv(65536))
            conversation.sendall(answer)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(10)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield asked
        finally:
            thread.join()


def http(body: str, status: str = "200 OK") -> bytes:
    data = body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data


INCIDENT = (
    '{"id": 1043, "severity": "critical", "subject": "s", "cause": "power", "confirmed": true,'
    ' "began_at": "2026-11-23T03:31:00Z", "name": "Một"}'
)


def test_status_shows_the_summary(run: Run, config: Path) -> None:
    with daemon(config.parent / "state" / "api.sock", http('{"sites": 2, "name": "Một"}')) as asked:
        said = run("status", "--config", config)
    assert (said.status, said.err) == (0, "")
    assert said.out == '{\n  "sites": 2,\n  "name": "Một"\n}\n'
    assert asked[0].startswith(b"GET /api/v1/summary ")


def test_incidents_are_lines_and_status_1(run: Run, config: Path) -> None:
    with daemon(config.parent / "state" / "api.sock", http(f"[{INCIDENT}]")):
        said = run("incidents", "--config", config)
    assert said.status == 1
    assert said.out == "1043\tcritical\ts\tpower (confirmed)\t2026-11-23T03:31:00Z\tMột\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("inventory.yml", "sites: ["),
        ("netmon.yml", 'state_dir: "state"\ninventory: ["none.yml"]\nprobe: {interval: 2sec}\n'),
        ("netmon.yml", 'state_dir: "state"\nweb: {token: {env: "NOT_SET_HERE"}}\n'),  # the unit's environment has it
    ],
)
def test_the_daemon_is_asked_whatever_the_files_have_become(run: Run, config: Path, name: str, text: str) -> None:
    (config.parent / name).write_text(text)
    assert run("check", "--config", config).status == 1
    with daemon(config.parent / "state" / "api.sock", http("[]")):
        assert run("incidents", "--config", config) == Said(0, "", "")


def test_no_incidents_are_status_0(run: Run, config: Path) -> None:
    with daemon(config.parent / "state" / "api.sock", http("[]")):
        assert run("incidents", "--config", config) == Said(0, "", "")


def test_a_step_of_the_ticket_has_its_own_time(run: Run, config: Path) -> None:
    argv = ("ticket", "1043", "--step", "accepted", "--number", "VN-17", "--at", "2026-11-30 07:00", "--who", "NOC")
    with daemon(config.parent / "state" / "api.sock", http(INCIDENT)) as asked:
        assert run("incidents", *argv, "--config", config).status == 0
    assert b'"at": "2026-11-30T00:00:00+00:00"' in b"".join(asked)


def test_the_text_for_the_provider_is_printed(run: Run, config: Path) -> None:
    with daemon(config.parent / "state" / "api.sock", http('{"sms": "BAO HONG", "text": "Báo hỏng"}')) as asked:
        said = run("incidents", "provider", "1043", "--config", config)
    assert said == Said(0, "Báo hỏng\n\nSMS: BAO HONG\n", "")
    assert asked[0].startswith(b"GET /api/v1/incidents/1043/provider-report ")


def test_ack_says_who(run: Run, config: Path) -> None:
    with daemon(config.parent / "state" / "api.sock", http(INCIDENT)) as asked:
        said = run("ack", "1043", "--who", "Trực NOC", "--note", "đã gọi", "--config", config)
    assert (said.status, said.out) == (0, "incident 1043: taken by Trực NOC for 8 h\n")
    assert asked[0].startswith(b"POST /api/v1/incidents/1043/ack ")


def test_ack_wants_a_number(run: Run, config: Path) -> None:
    one_line(run("ack", "first", "--who", "NOC", "--config", config), "'first' is no number of an incident")


def test_what_the_daemon_refuses_is_told(run: Run, config: Path) -> None:
    with daemon(config.parent / "state" / "api.sock", http('{"detail": "no such open incident"}', "404 Not Found")):
        one_line(run("ack", "7", "--who", "NOC", "--config", config), "netmon: no such open incident (")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"what?\r\n\r\n", "no daemon answers at "),
        (b"", "no daemon answers at "),
        (http("so\nso"), "the answer is not JSON"),
        (http("two\nlines", "500 Internal Server Error"), "two lines (GET /api/v1/summary: 500)"),
    ],
)
def test_an_answer_that_is_none_is_told(run: Run, config: Path, answer: bytes, told: str) -> None:
    with daemon(config.parent / "state" / "api.sock", answer):
        one_line(run("status", "--config", config), told)


def test_what_a_daemon_may_be_sending_is_not_sent_from_here_as_well(run: Run, config: Path) -> None:
    with daemon(config.parent / "state" / "api.sock", b""):
        one_line(run("notify", "test", "--to", "an", "--config", config), "no daemon answers at ")


def test_a_daemon_that_hangs_up_is_there_all_the_same(tmp_path: Path) -> None:
    client = ApiClient(Config(state_dir=str(tmp_path)))
    with daemon(tmp_path / "api.sock", b""), pytest.raises(NoAnswer) as caught:
        client.get("/api/v1/drills/D7")
    assert not isinstance(caught.value, NoDaemon)
    (tmp_path / "api.sock").unlink()
    with pytest.raises(NoDaemon):
        client.get("/api/v1/drills/D7")


# --- a device that answers ---


@contextlib.contextmanager
def device() -> Iterator[int]:
    """An agent in a loop of its own, as the command has its own; yields its port."""
    loop = asyncio.new_event_loop()
    agent = loop.run_until_complete(Agent(mib()).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield agent.port
    finally:
        loop.call_soon_threadsafe(agent.transport.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_walk_and_poll_of_a_device(run: Run, config: Path) -> None:
    file = config.parent / "inventory.yml"
    with device() as port:
        text = file.read_text(encoding="utf-8").replace("port: 1,", f"port: {port},")
        file.write_text(text, encoding="utf-8")
        walked = run("walk", "r", "1.3.6.1.2.1.2", "--config", config)
        assert (walked.status, walked.err) == (0, "")
        assert len(walked.out.splitlines()) == 30
        assert walked.out.startswith("1.3.6.1.2.1.2.2.1.2.1 = ")
        nothing = run("walk", "r", "1.3.6.1.4.1", "--config", config)
        assert nothing == Said(1, "", "netmon: r: nothing under 1.3.6.1.4.1\n")
        one_line(run("walk", "r", "1.3.6.1.2.1.2", "--port", 1, "--config", config), "port 1)")
        by_site, by_device = (run("poll", name, "--config", config) for name in ("s", "r"))
        assert by_site.status == by_device.status == 0
        assert "eth1" in by_site.out
        traced = run("poll", "r", "--trace", "--config", config)
        assert traced.status == 0
        assert "GETBULK of " in traced.out and ", round trip " in traced.out and "engine: " in traced.out


# --- rules and inventory ---


def test_rules_export_is_the_committed_file(run: Run, tmp_path: Path) -> None:
    committed = RULES_FILE.read_text(encoding="utf-8")
    assert run("rules", "export", "--output", "-") == Said(0, committed, "")
    target = tmp_path / "rules.yml"
    said = run("rules", "export", "--output", target)
    assert (said.status, said.out) == (0, f"wrote {target}: {len(load_catalog())} rules\n")
    assert target.read_text(encoding="utf-8") == committed


def test_rules_that_cannot_be_written_are_told(run: Run, tmp_path: Path) -> None:
    one_line(run("rules", "export", "--output", tmp_path / "no" / "rules.yml"), "No such file or directory")


def test_rules_list_names_every_alert(run: Run) -> None:
    said = run("rules", "list")
    assert said.status == 0
    assert [line.split("\t")[0] for line in said.out.splitlines()] == [rule.alert for rule in load_catalog()]


def test_the_sample_goes_out_as_csv_and_comes_back(run: Run, tmp_path: Path) -> None:
    table, folder = tmp_path / "sites.csv", tmp_path / "sites"
    assert run("inventory", "export", table, "--config", SAMPLE) == Said(0, f"wrote {table}: 310 sites\n", "")
    one_line(run("inventory", "export", table, "--config", SAMPLE), f"{table} is there already")
    assert table.read_bytes().startswith(codecs.BOM_UTF8)  # without it spreadsheets take Vietnamese for Windows-1258
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"))))
    assert len(rows) == 310
    said = run("inventory", "import", table, "--output", folder)
    assert said.status == 0
    assert len(said.out.splitlines()) == 12
    again = tmp_path / "netmon.yml"
    others = [f'"{SAMPLE.parent / name}"' for name in ("areas.yml", "nodes.yml", "contacts.yml", "credentials.yml")]
    others += [f'"{SAMPLE.parent / name}"' for name in ("sensor_types.yml",)]
    again.write_text(
        f'inventory: [{", ".join(others)}, "sites/*.yml"]\n'
        'notify: {channels: {email: {kind: "apprise", url: "mailto://127.0.0.1/"}, '
        'sms: {kind: "apprise", url: "json://127.0.0.1/"}}}\n'
    )
    back = run("inventory", "export", "-", "--config", again)
    assert (back.status, back.err) == (0, "")
    assert sorted(csv.DictReader(io.StringIO(back.out)), key=str) == sorted(rows, key=str)


def test_a_wrong_csv_is_told_line_by_line_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    table, folder = tmp_path / "sites.csv", tmp_path / "new"
    table.write_text("site_id,name,sms_name,block,level,area,parent\ns,Một,Mot,partei,commune,a,n\nS 2,,,,,,\n")
    said = run("inventory", "import", table, "--output", folder)
    assert said.status == 1
    assert said.out == ""
    assert all(line.startswith(f"{table}:") for line in said.err.splitlines())
    assert f'{table}:2: site "s": "block" cannot be "partei"' in said.err
    assert not folder.exists()


def test_a_missing_csv_is_told(run: Run, tmp_path: Path) -> None:
    said = run("inventory", "import", tmp_path / "none.csv", "--output", tmp_path / "new")
    assert said == Said(1, "", f"{tmp_path}/none.csv: cannot be read: No such file or directory\n")


# --- which file without --config ---


def test_the_usual_places_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    system, local = cli.CONFIGS
    if not os.path.exists(system):  # noqa: PTH110
        assert cli.default_config() == system, "the message about a missing file names the usual one"
        Path(local).parent.mkdir()
        Path(local).touch()
        assert cli.default_config() == local


@pytest.mark.parametrize("command", [["rules", "list"], ["rules", "export", "--output", "-"]])
def test_a_reader_who_has_seen_enough_is_no_error(command: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([sys.executable, "-m", "netmon.cli", *command], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, b"")
