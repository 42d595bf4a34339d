"""Keys by the examples of RFC 3414, credentials that cannot be used, and what the ring keeps."""

from __future__ import annotations

import dataclasses

import pytest

from netmon.collectors.snmp.usm import AUTH_PROTOCOLS, PRIV_PROTOCOLS, KeyRing, UsmError, localize_key, password_to_key
from netmon.inventory_parts import AUTH_PROTOCOLS as AUTH_NAMES
from netmon.inventory_parts import PRIV_PROTOCOLS as PRIV_NAMES
from netmon.model import Credential, Secret

ENGINE = bytes.fromhex("000000000000000000000002")
GOOD = Credential(
    "c", "3", username="ops", security_level="authPriv", auth_protocol="SHA256", auth_password=Secret("hidden-word-1"),
    priv_protocol="AES", priv_password=Secret("hidden-word-2"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("hash_name", "stretched", "localized"),
    [  # RFC 3414, A.3.1 and A.3.2
        ("md5", "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"),
        ("sha1", "9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"),
    ],
)
def test_the_examples_of_rfc_3414(hash_name: str, stretched: str, localized: str) -> None:
    key = password_to_key(hash_name, b"maplesyrup")
    assert key.hex() == stretched
    assert localize_key(hash_name, key, ENGINE).hex() == localized


def test_the_inventory_allows_what_there_is() -> None:
    assert set(AUTH_NAMES) == set(AUTH_PROTOCOLS)
    assert set(PRIV_NAMES) == set(PRIV_PROTOCOLS)


@pytest.mark.parametrize(
    "changes",
    [
        {"auth_protocol": "SHA3"},
        {"auth_password": None},
        {"auth_password": Secret("")},
        {"priv_protocol": "3DES"},
        {"priv_password": None},
        {"security_level": "privNoAuth"},
    ],
)
def test_a_credential_that_cannot_be_used_is_told_without_its_secrets(changes: dict[str, object]) -> None:
    with pytest.raises(UsmError) as caught:
        KeyRing(0).keys(dataclasses.replace(GOOD, **changes), ENGINE)  # type: ignore[arg-type]
    assert "hidden-word" not in str(caught.value)


def test_keys_are_made_once_per_engine_and_credential() -> None:
    ring = KeyRing(0)
    assert ring.keys(GOOD, ENGINE) is ring.keys(dataclasses.replace(GOOD), ENGINE)
    assert ring.keys(GOOD, ENGINE).mac(b"x") != ring.keys(GOOD, ENGINE + b"x").mac(b"x")
    assert ring.keys(GOOD, ENGINE).mac(b"x") != ring.keys(
        dataclasses.replace(GOOD, auth_password=Secret("hidden-word-3")), ENGINE
    ).mac(b"x")


def test_no_salt_comes_twice() -> None:
    ring = KeyRing(2**64 - 3)
    keys = ring.keys(GOOD, ENGINE)
    assert len({keys.encrypt(b"x", 1, 1, ring.salt())[1] for _ in range(10)}) == 10


def test_a_mac_is_compared_whole() -> None:
    keys = KeyRing(0).keys(GOOD, ENGINE)
    mac = keys.mac(b"message")
    assert len(mac) == AUTH_PROTOCOLS["SHA256"].mac_bytes
    assert keys.verify(b"message", mac)
    for wrong in (b"", mac[:-1], mac + b"\0", bytes(len(mac))):
        assert not keys.verify(b"message", wrong)
