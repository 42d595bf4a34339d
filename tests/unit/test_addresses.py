"""One spelling per address, and prefixes that are translated with the host part kept."""

from __future__ import annotations

import pytest

from netmon.addresses import AddressMap, normal


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
