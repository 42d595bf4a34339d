"""ICMP packets, the words of errors, addresses, and the message when the kernel forbids it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from netmon.collectors.probes import icmp
from netmon.collectors.probes.dgram import icmp_text
from netmon.collectors.probes.transport import numeric
from netmon.model import Probe

WORD = b"12345678"


@pytest.mark.parametrize(("family", "kind"), [(socket.AF_INET, 8), (socket.AF_INET6, 128)])
@pytest.mark.parametrize(("size", "length"), [(0, 24), (64, 64), (1472, 1472)])
def test_echo_request(family: int, kind: int, size: int, length: int) -> None:
    packet = icmp.encode(family, 0x12345, WORD, size)
    assert len(packet) == length
    assert packet[:8] == bytes([kind, 0, 0, 0, 0, 0, 0x23, 0x45])  # the kernel sets checksum and identifier
    assert packet[8:24] == WORD + (0x12345).to_bytes(8, "big")


@pytest.mark.parametrize(
    ("family", "kind", "code", "text"),
    [
        (socket.AF_INET, 3, 1, "icmp 3/1 host unreachable"),
        (socket.AF_INET, 3, 13, "icmp 3/13 prohibited"),
        (socket.AF_INET, 11, 0, "icmp 11/0 time to live exceeded"),
        (socket.AF_INET, 12, 7, "icmp 12/7 error"),
        (socket.AF_INET6, 1, 0, "icmp6 1/0 no route"),
        (socket.AF_INET6, 1, 3, "icmp6 1/3 address unreachable"),
    ],
)
def test_words_of_errors(family: int, kind: int, code: int, text: str) -> None:
    assert icmp_text(family, kind, code) == text


@pytest.mark.parametrize(
    ("address", "family", "host"),
    [
        ("198.18.3.4", socket.AF_INET, "198.18.3.4"),
        ("2001:DB8:0::1", socket.AF_INET6, "2001:db8::1"),
        ("fe80::1%lo", socket.AF_INET6, "fe80::1"),
    ],
)
def test_numeric_addresses(address: str, family: int, host: str) -> None:
    where = numeric(Probe("icmp", address))
    assert where is not None
    assert (where.family, where.host) == (family, host)
    assert where.scope_id == (socket.if_nametoindex("lo") if "%" in address else 0)


@pytest.mark.parametrize("address", ["router.example", "", "300.1.1.1", "fe80::1%no-such-if", "a" * 300, "nút"])
def test_names_are_not_numeric(address: str) -> None:
    assert numeric(Probe("icmp", address)) is None


@pytest.mark.parametrize(
    ("allowed", "is_forbidden"),
    [("1\t0\n", True), (f"{os.getegid()}\t{os.getegid()}\n", False), ("0 2147483647", False), ("rubbish", False)],
)
def test_the_message_names_the_setting_and_the_file(allowed: str, is_forbidden: bool, tmp_path: Path) -> None:
    setting = tmp_path / "ping_group_range"
    setting.write_text(allowed)
    text = icmp.forbidden(setting)
    assert bool(text) is is_forbidden
    if is_forbidden:
        assert "net.ipv4.ping_group_range" in text
        assert "deploy/sysctl.d/60-netmon.conf" in text
        assert "\n" not in text


def test_the_shipped_file_allows_it() -> None:
    root = Path(icmp.__file__).resolve().parents[3]
    lines = (root / "deploy/sysctl.d/60-netmon.conf").read_text(encoding="utf-8").splitlines()
    settings = dict(line.split(" = ") for line in lines if line and not line.startswith("#"))
    assert settings == {"net.ipv4.ping_group_range": "0 2147483647"}
