"""Addresses of devices and probes: one spelling per address, prefixes translated at load (NAT, laboratory). Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

# RFC 1123, section 2.1; the last label is not all digits, so that a broken IPv4 address is no host name.
_HOST = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*(?![0-9]+\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z"
)
ADDRESS = "an address is IPv4, IPv6 or a host name"


def normal(address: str) -> str:
    """The one spelling of an address (IPv6 compressed, names in lower case); ValueError if it is none."""
    try:
        return ipaddress.ip_address(address).compressed
    except ValueError:
        name = address.lower().removesuffix(".")
        if not _HOST.match(name):
            raise
        return name


class AddressMap:
    """Prefix -> prefix of equal length. The longest matching prefix wins; other addresses and names stay."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        """Raises ValueError with one line on a wrong pair."""
        self._pairs = [parse_pair(source, target) for source, target in pairs.items()]
        self._pairs.sort(key=lambda pair: -pair[0].prefixlen)

    def translate(self, address: str) -> str:
        """The address to talk to; the host part stays."""
        try:
            given = ipaddress.ip_address(address)
        except ValueError:
            return address
        for source, target in self._pairs:
            if given.version == source.version and given in source:
                host = int(given) - int(source.network_address)
                return (target.network_address + host).compressed
        return address


def parse_listen(text: str) -> tuple[str, int]:
    """Address and port to listen on, from "127.0.0.1:162" or "[::]:162"; ValueError with one line if it is neither."""
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(bare)
        if (host == f"[{bare}]") != (address.version == 6) or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError
    except ValueError:
        raise ValueError(f'"{text}" is no address with a port') from None
    return bare, int(port)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_pair(source: str, target: str) -> tuple[Network, Network]:
    """Two prefixes of one family and length; ValueError says what is wrong."""
    nets = []
    for text in (source, target):
        try:
            nets.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise ValueError(f'"{text}" is not a prefix ({error})') from None
    if nets[0].version != nets[1].version or nets[0].prefixlen != nets[1].prefixlen:
        raise ValueError(f'"{source}" and "{target}" differ in family or length')
    return nets[0], nets[1]
