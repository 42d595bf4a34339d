"""Addresses of devices and probes: one spelling per address, prefixes translated at load (NAT, laboratory). Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

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


_TARGET = re.compile(r"\[(?P<v6>[^\[\]]*)\](:(?P<p6>\d{1,5}))?|(?P<host>[^:]*)(:(?P<port>\d{1,5}))?|(?P<bare>[^\[\]]*)")


def parse_target(text: str) -> tuple[str, int | None]:
    """Address and port, from "192.0.2.1:161", "[2001:db8::1]:161", or without a port; ValueError if it is neither."""
    match = _TARGET.fullmatch(text)
    if match:
        port = match["p6"] or match["port"]
        if port is None or 0 < int(port) < 65536:
            try:
                return normal(match["v6"] or match["host"] or match["bare"] or ""), int(port) if port else None
            except ValueError:
                pass
    raise ValueError(f'"{text}" is no address, and no address with a port')


class AllowList:
    """Addresses, addresses with a port, and prefixes. What names no port means ``port``: behind another port of a
    permitted host anybody may listen."""

    def __init__(self, entries: Iterable[str], port: int) -> None:
        """Raises ValueError with one line on a wrong entry."""
        self._port = port
        self._networks: list[Network] = []
        self._exact: set[tuple[str, int]] = set()
        for entry in entries:
            if "/" in entry:
                try:
                    self._networks.append(ipaddress.ip_network(entry))
                except ValueError as error:
                    raise ValueError(f'"{entry}" is not a prefix ({error})') from None
            else:
                host, given = parse_target(entry)
                self._exact.add((host, given or port))

    def holds(self, host: str, port: int) -> bool:
        """Whether an address in its one spelling is permitted. Names are compared as names, never resolved."""
        if (host, port) in self._exact:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return port == self._port and any(address in network for network in self._networks)


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
