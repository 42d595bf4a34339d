"""What real devices say in LLDP-MIB, IP-MIB and the BGP MIBs, and that no answer whatever breaks the decoder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.addresses import AddressMap
from netmon.rawvalues import Oid, Value
from netmon.survey.decode import OBJECTS, SCALARS, decode, find_port, inet_address, mac_text, useful
from netmon.survey.facts import DeviceFacts, Neighbour, OwnAddress, Peer, SeenPort
from tests.conftest import SHARED, shared
from tests.fake_agent import read_snmprec

CAPTURES = sorted((SHARED / "captures").glob("*.snmprec"))


def capture(path: Path) -> DeviceFacts:
    objects = {oid: varbind.value for oid, varbind in read_snmprec(path).items()}
    scalars = {name: objects[oid] for name, oid in SCALARS.items() if oid in objects}
    tables = {
        name: {oid[len(column) :]: value for oid, value in objects.items() if oid[: len(column)] == column}
        for name, column in OBJECTS.items()
    }
    return decode(path.stem, "c", scalars, tables)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_capture_is_digested(path: Path) -> None:
    facts = capture(path)
    assert facts.ok
    for neighbour in facts.neighbours:
        assert neighbour.chassis or neighbour.name
        assert not neighbour.port or neighbour.port in facts.ports
    assert all(not own.port or own.port in facts.ports for own in facts.addresses)


def seen(name: str) -> DeviceFacts:
    return capture(shared("captures", f"{name}.snmprec"))


def test_junos_calls_its_ports_by_their_index() -> None:
    facts = seen("junos_rpm")
    assert [(n.port, n.name, n.chassis, n.port_ids, n.addresses) for n in facts.neighbours] == [
        ("ge-0/0/0.0", "gsm-core-1", "00:1a:c1:40:90:80", ("GigabitEthernet1/0/3",), ("10.1.2.241",)),
        ("ge-0/0/1.0", "J9660A", "6c:c2:17:94:82:00", ("3", "Port #3"), ("10.1.2.242",)),
    ]
    assert {p.address for p in facts.peers} >= {"10.0.251.13", "10.0.251.17", "10.0.251.25", "10.0.251.29"}
    assert all(peer.established for peer in facts.peers)
    assert OwnAddress("10.0.251.14", "st0.4", "10.0.251.12/30") in facts.addresses


def test_routeros_6_does_not_tell_on_which_port() -> None:
    facts = seen("routeros_rb760igs")
    assert {n.port for n in facts.neighbours} == {""}
    assert [(n.name, n.chassis) for n in facts.neighbours][:3] == [
        ("peca-sw02", "c0:06:c3:a1:3f:46"),  # what lay in memory behind the name is cut off
        ("peca-mkt", "00:0c:29:93:07:f1"),
        ("peca-sw02", "c0:06:c3:a1:3f:46"),
    ]


def test_routeros_7_counts_by_ifindex_and_has_no_table_of_its_ports() -> None:
    facts = seen("routeros_rb750gr3")
    assert [(n.port, n.name, n.addresses) for n in facts.neighbours] == [
        ("trunk: Down (eth5)", "sw11.mzmol", ()),  # its only address is link-local
        ("trunk: SoAda (eoip1)", "r1.soada", ("fdfd:0:2:1::1",)),
    ]


def test_vrp_counts_its_ports_otherwise_than_by_ifindex() -> None:
    facts = seen("vrp_5720")
    assert [(n.port, n.name, n.chassis, n.port_ids[0]) for n in facts.neighbours] == [
        ("GigabitEthernet0/0/14", "LNS-Huawei", "14:a0:f8:cf:af:39", "GigabitEthernet0/0/7"),
        ("XGigabitEthernet0/0/1", "CE-NG", "b4:fb:f9:ad:b8:81", "10GE1/0/42"),
        ("XGigabitEthernet0/0/2", "Zrih", "48:8e:ef:71:61:60", "XGigabitEthernet0/0/1"),
        ("XGigabitEthernet0/0/4", "CE-NG", "b4:fb:f9:ad:b8:81", "10GE1/0/41"),
        ("MEth0/0/1", "pm-test", "48:8e:ef:71:68:10", "GigabitEthernet0/0/1"),
    ]
    assert facts.peers == (Peer("2.2.2.2", True, 65000), Peer("5.5.5.5", True, 65000))


def test_ipv6_addresses_and_cisco_and_huawei_bgp() -> None:
    assert {a.address for a in seen("vrp_ne8000-m8").addresses} >= {"2804:44cc::156:0", "2804:44cc::156:148"}
    states = {peer.address: peer.established for peer in seen("iosxr_asr9001").peers}
    assert states["10.246.0.3"] and not states["10.246.0.4"]
    index = (0, 1, 1, 1, 4, 192, 0, 2, 1)
    facts = decode("d", "c", {}, {"hwBgpPeerState": {index: 6}, "hwBgpPeerRemoteAs": {index: 64512}})
    assert facts.peers == (Peer("192.0.2.1", True, 64512),)
    facts = decode("d", "c", {}, {"hwBgpPeerState": {(0, 2, 1, 2, 16, *[0x20, 1, 0xD, 0xB8], *[0] * 11, 9): 3}})
    assert facts.peers == (Peer("2001:db8::9", False),)


def test_addresses_are_translated_as_those_of_the_inventory() -> None:
    tables: dict[str, dict[Oid, Value]] = {
        "ifName": {(3,): b"ge3"},
        "ipAddressIfIndex": {(1, 4, 198, 18, 1, 5): 3},
        "ipAddressPrefix": {(1, 4, 198, 18, 1, 5): (1, 3, 6, 1, 2, 1, 4, 32, 1, 5, 3, 1, 4, 198, 18, 1, 4, 30)},
        "ipAdEntIfIndex": {(198, 18, 1, 5): 3, (127, 0, 0, 1): 1, (169, 254, 0, 1): 1, (198, 18, 9, 9): 3},
        "ipAdEntNetMask": {(198, 18, 9, 9): b"\xff\xff\xff\0"},
        "bgpPeerState": {(198, 18, 1, 6): 6},
    }
    facts = decode("d", "c", {}, tables, AddressMap({"198.18.0.0/15": "127.18.0.0/15"}).translate)
    assert facts.addresses == (
        OwnAddress("127.18.1.5", "ge3", "127.18.1.4/30"),
        OwnAddress("127.18.9.9", "ge3", "127.18.9.0/24"),
    )
    assert facts.peers == (Peer("127.18.1.6", True),)


@pytest.mark.parametrize(
    ("value", "mac"),
    [
        (b"\xaa\xbb\xcc\x01\x02\x03", "aa:bb:cc:01:02:03"),
        (b"AA:bb:CC:1:2:3", "aa:bb:cc:01:02:03"),
        (b"AA-BB-CC-01-02-03", "aa:bb:cc:01:02:03"),
        (b"\0\0\0\0\0\0", ""),
        (b"gi0/1x", "67:69:30:2f:31:78"),  # six octets are a MAC: only the subtype knows better
        (b"", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_macs(value: Value, mac: str) -> None:
    assert mac_text(value) == mac


PORTS = {
    port.name: port
    for port in (
        SeenPort("Gi0/0/1", 1, "GigabitEthernet0/0/1", "to core", "02:00:00:00:00:01", True),
        SeenPort("Te0/0/1", 2, "TenGigE0/0/1", "", "02:00:00:00:00:02", True),
        SeenPort("ether1", 3, "ether1", "uplink", "02:00:00:00:00:03", True),
        SeenPort("ether2", 4, "ether2", "uplink", "02:00:00:00:00:03", True),
    )
}


@pytest.mark.parametrize(
    ("words", "port"),
    [
        (("Gi0/0/1",), "Gi0/0/1"),
        (("GigabitEthernet0/0/1",), "Gi0/0/1"),
        (("gigabitethernet0/0/1",), "Gi0/0/1"),
        (("Gig0/0/1",), "Gi0/0/1"),
        (("0/0/1",), ""),  # of two ports
        (("02:00:00:00:00:02",), "Te0/0/1"),
        (("02:00:00:00:00:03",), ""),  # of two ports
        (("to core",), "Gi0/0/1"),
        (("uplink", "ether2"), "ether2"),
        (("nothing", "ether1"), "ether1"),
        (("", "G0/0/1"), ""),  # one letter is no name
        ((), ""),
    ],
)
def test_a_port_by_what_others_call_it(words: tuple[str, ...], port: str) -> None:
    assert find_port(PORTS, words) == port


def test_addresses_in_indexes() -> None:
    assert inet_address((1, 4, 192, 0, 2, 1, 7)) == ("192.0.2.1", (7,))
    assert inet_address((4, 20, *[0xFE, 0x80], *[0] * 13, 1, 0, 0, 0, 2))[0] == "fe80::1"
    for index in ((), (1,), (1, 4, 192, 0), (2, 4, 1, 2, 3, 4), (16, 3, 97, 98, 99)):
        assert inet_address(index)[0] == ""
    assert [
        a for a in ("127.0.0.1", "127.18.0.1", "::1", "fe80::1", "224.0.0.5", "0.0.0.0", "192.0.2.1") if useful(a)
    ] == [
        "127.18.0.1",
        "192.0.2.1",
    ]


VALUES = st.one_of(st.none(), st.integers(-5, 2**33), st.binary(max_size=24), st.lists(st.integers(0, 300)).map(tuple))
INDEXES = st.lists(st.one_of(st.integers(0, 20), st.integers(0, 2**32 - 1)), max_size=24).map(tuple)


@given(
    st.dictionaries(st.sampled_from(sorted(SCALARS)), VALUES),
    st.dictionaries(st.sampled_from(sorted(OBJECTS)), st.dictionaries(INDEXES, VALUES, max_size=6)),
)
def test_whatever_an_agent_says_is_digested(scalars: dict[str, Value], tables: dict[str, dict[Oid, Value]]) -> None:
    assert isinstance(decode("d", "c", scalars, tables), DeviceFacts)


def test_capabilities_are_bits_and_not_text() -> None:
    def of(value: Value) -> frozenset[str]:
        index = (0, 1, 1)
        facts = decode("d", "c", {}, {"lldpRemChassisId": {index: b"x"}, "lldpRemSysCapEnabled": {index: value}})
        assert facts.neighbours == (Neighbour("", "", "x", (), (), facts.neighbours[0].capabilities),)
        return facts.neighbours[0].capabilities

    assert of(b"\x28") == of(b"\x28\0") == {"bridge", "router"}
    assert of(b"\x24") == {"bridge", "telephone"}
    assert of(b"28 2 4") == of(None) == of(40) == of(b"") == frozenset()
