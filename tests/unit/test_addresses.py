"""One spelling per address, and prefixes that are translated with the host part kept."""

from __future__ import annotations

import pytest

from netmon.addresses import AddressMap, AllowList, normal, parse_target


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("198.18.5.7", "198.18.5.7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("Router.Example.invalid.", "router.example.invalid"),
        ("r1", "r1"),
    ],
)
def test_one_spelling(text: str, one: str) -> None:
    assert normal(text) == one


@pytest.mark.parametrize(
    "text", ["198.18.5.256", "198.18.5", "010.1.1.1", "1.2.3.4/32", "a b", "-x", "::g", "", "a..b"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        normal(text)


def test_the_host_part_stays_and_the_longest_prefix_wins() -> None:
    table = AddressMap(
        {
            "198.18.0.0/15": "127.18.0.0/15",
            "198.18.9.0/24": "10.9.9.0/24",
            "2001:db8::/64": "fd00::/64",
        }
    )
    assert table.translate("198.18.5.7") == "127.18.5.7"
    assert table.translate("198.19.255.1") == "127.19.255.1"
    assert table.translate("198.18.9.200") == "10.9.9.200"
    assert table.translate("2001:db8::7") == "fd00::7"
    assert table.translate("203.0.113.1") == "203.0.113.1"
    assert table.translate("router.example.invalid") == "router.example.invalid"


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("198.18.0.0/15", "127.18.0.0/16", '"198.18.0.0/15" and "127.18.0.0/16" differ in family or length'),
        ("198.18.0.0/16", "fd00::/16", '"198.18.0.0/16" and "fd00::/16" differ in family or length'),
        ("198.18.0.1/15", "127.18.0.0/15", '"198.18.0.1/15" is not a prefix (198.18.0.1/15 has host bits set)'),
    ],
)
def test_wrong_pairs(source: str, target: str, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        AddressMap({source: target})
    assert str(error.value) == told


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.1", ("192.0.2.1", None)),
        ("192.0.2.1:1161", ("192.0.2.1", 1161)),
        ("Router.example:161", ("router.example", 161)),
        ("2001:DB8::1", ("2001:db8::1", None)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
        ("[2001:db8::1]:1161", ("2001:db8::1", 1161)),
    ],
)
def test_targets(text: str, found: tuple[str, int | None]) -> None:
    assert parse_target(text) == found


@pytest.mark.parametrize(
    "text", ["", ":161", "r:", "r:0", "r:65536", "r:x", "[::1", "[::1]x", "[]:5", "a b", "1.2.3:5"]
)
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(ValueError, match="is no address, and no address with a port"):
        parse_target(text)


def test_an_allow_list_means_the_snmp_port_where_it_names_none() -> None:
    allowed = AllowList(["192.0.2.7", "192.0.2.8:1161", "198.51.100.0/24", "2001:db8::/64", "Router.example"], 161)
    for host, port in [
        ("192.0.2.7", 161), ("192.0.2.8", 1161), ("198.51.100.9", 161), ("2001:db8::9", 161), ("router.example", 161),
    ]:  # fmt: skip
        assert allowed.holds(host, port), host
    for host, port in [
        ("192.0.2.7", 1161), ("192.0.2.8", 161), ("198.51.100.9", 9999), ("198.51.101.1", 161), ("::1", 161),
        ("other.example", 161),
    ]:  # fmt: skip
        assert not allowed.holds(host, port), host
    assert not AllowList([], 161).holds("192.0.2.7", 161)
