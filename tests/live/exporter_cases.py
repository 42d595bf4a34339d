"""A made-up agent and modules that use every type, index and lookup of snmp.yml, also in ways no real agent should."""

from __future__ import annotations

from typing import Any

ROOT = "1.3.6.1.4.1.9999"
INT, STR, NUL, OID, IP, C32, G32, TICKS, OPAQUE, C64 = 2, 4, 5, 6, 64, 65, 66, 67, 68, 70
Row = tuple[str, int, int | str | bytes]
ROWS: list[Row] = []
MODULES: dict[str, dict[str, Any]] = {}


def index(name: str, kind: str = "gauge", **fields: Any) -> dict[str, Any]:
    return {"labelname": name, "type": kind, **fields}


def lookup(name: str, column: str, *labels: str, kind: str = "DisplayString") -> dict[str, Any]:
    return {"labels": list(labels), "labelname": name, "oid": f"{ROOT}.{column}", "type": kind}


def drop(name: str) -> dict[str, Any]:
    return {"labels": [], "labelname": name}


class Maker:
    """One module: every metric it is given has a column of its own."""

    def __init__(self, name: str, number: int) -> None:
        self.number = number
        self.column = 0
        self.metrics: list[dict[str, Any]] = []
        MODULES[name] = {"walk": [f"{ROOT}.{number}"], "metrics": self.metrics}

    def helper(self, *rows: tuple[str, int, int | str | bytes]) -> str:
        """A column without a metric; returns its place below ROOT."""
        self.column += 1
        place = f"{self.number}.{self.column}"
        ROWS.extend((f"{ROOT}.{place}.{at}", tag, value) for at, tag, value in rows)
        return place

    def metric(self, kind: str, *rows: tuple[str, int, int | str | bytes], **fields: Any) -> str:
        place = self.helper(*rows)
        name = f"case{place.replace('.', 'x')}"
        plain = {"indexes": [index("i")]} if "indexes" not in fields else {}
        self.metrics.append(
            {"name": name, "oid": f"{ROOT}.{place}", "type": kind, "help": "A case.", **plain, **fields}
        )
        return place


def _numbers() -> None:
    make = Maker("numbers", 1)
    whole = [("1", INT, -2147483648), ("2", INT, 0), ("3", C32, 4294967295), ("4", G32, 4294967295), ("5", TICKS, 7)]
    make.metric("gauge", *whole, ("6", C64, 2**53 - 1), ("7", C64, 2**53 + 5), ("8", C64, 2**64 - 1))
    make.metric("counter", *whole, ("6", C64, 2**63))
    floats = [("1", OPAQUE, bytes.fromhex("9f780442f60000")), ("2", OPAQUE, bytes.fromhex("9f7804c2f6e979"))]
    make.metric("Float", *floats, ("3", INT, 4))
    make.metric("Double", ("1", OPAQUE, bytes.fromhex("9f7908c05ec6b7aaaaaaab")))
    make.metric("gauge", ("0", INT, 42), indexes=[])


def _dates() -> None:
    make = Maker("dates", 2)
    day = bytes.fromhex("07e6020f0a1e0500")
    make.metric(
        "DateAndTime",
        *[("1", STR, day), ("2", STR, day + b"+\x07\x00"), ("3", STR, day + b"-\x01\x1e"), ("4", STR, day + b"+")],
        *[("5", STR, b""), ("6", INT, 5), ("7", STR, bytes.fromhex("07e0021d173b3b09"))],
    )


def _enums() -> None:
    make = Maker("enums", 3)
    words, states = {-1: "below", 1: "up", 2: "down", 7: "odd one"}, [("1", INT, 1), ("2", INT, 9), ("3", INT, -1)]
    make.metric("EnumAsInfo", *states, enum_values=words)
    make.metric("EnumAsStateSet", *states, enum_values=words)
    bits = [("1", STR, b"\x40\x40"), ("2", STR, b""), ("3", STR, b"\xff\xff\xff"), ("4", STR, b"\x80")]
    make.metric("Bits", *bits, enum_values={0: "a", 1: "b", 9: "c", 20: "d"})


def _texts() -> None:
    make = Maker("texts", 4)
    values: list[Row] = [
        ("1", STR, "Trạm Sông Ba"), ("2", STR, b""), ("3", STR, b'a"b\\c\nd\te'), ("4", STR, b"\x00\x01"),
        ("5", INT, -5), ("6", OID, "1.3.6.1.4.1.9"), ("7", IP, "192.0.2.255"), ("8", C64, 2**64 - 1),
    ]  # fmt: skip
    for kind in ("DisplayString", "OctetString"):
        make.metric(kind, *values)
    raw = [("1", STR, bytes(range(250, 256))), ("2", STR, b""), ("3", STR, b"\x01\x02"), ("4", STR, bytes(8))]
    for kind in ("PhysAddress48", "InetAddressIPv4", "InetAddressIPv6", "OctetString"):
        make.metric(kind, *raw, ("5", IP, "192.0.2.1"), ("6", STR, bytes(range(16, 32))))


def _combined() -> None:
    make = Maker("combined", 5)
    v4, v6 = b"\xc0\x00\x02\x07", bytes.fromhex("20010db8000000000000000000000007")
    addresses = [("1", STR, v4), ("2", STR, v6), ("3", STR, b"name"), ("4", STR, v4), ("5", STR, b""), ("6", STR, b"x")]
    for kind in ("InetAddress", "InetAddressMissingSize"):
        make.helper(("1", INT, 1), ("2", INT, 2), ("3", INT, 16), ("5", INT, 1), ("6", INT, 0))
        make.metric(kind, *addresses)
    kinds = {1: b"alias", 2: b"port", 3: b"\x00\x11\x22\x33\x44\x55", 4: b"\x01\x02", 5: b"Gi0/1", 7: b"local"}
    make.helper(*((str(k), INT, k) for k in kinds))
    make.metric("LldpPortId", *((str(k), STR, text) for k, text in kinds.items()))


def _indexes() -> None:
    make = Maker("indexes", 6)
    v6 = "32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.7"
    for kind, fields, places in (
        ("gauge", {}, ("1", "4294967295")),
        ("PhysAddress48", {}, ("0.17.34.51.68.255", "0.17.34")),
        ("PhysAddress48", {"fixed_size": 6}, ("1.2.3.4.5.6",)),
        ("InetAddressIPv4", {}, ("192.0.2.1", "10.1")),
        ("InetAddressIPv6", {}, (v6,)),
        ("InetAddress", {}, ("1.4.192.0.2.1", f"2.16.{v6}", "16.3.97.46.98", "0.0")),
        ("InetAddressMissingSize", {}, ("1.192.0.2.1", f"2.{v6}", "16.97.98.99")),
        ("LldpPortId", {}, ("3.6.0.17.34.51.68.85", "4.2.1.2")),
        ("OctetString", {}, ("3.1.2.255", "0", "4.1.2")),
        ("OctetString", {"fixed_size": 2}, ("1.2",)),
        ("OctetString", {"implied": True}, ("1.2.3",)),
        ("DisplayString", {}, ("5.104.101.108.108.111", "0", "4.104.105")),
        ("DisplayString", {"fixed_size": 2}, ("104.105",)),
        ("DisplayString", {"implied": True}, ("104.105", "225.186.175")),
        ("EnumAsInfo", {"enum_values": {1: "one", 2: "two"}}, ("1", "2", "3")),
    ):
        rows = [(place, INT, number) for number, place in enumerate(places, 1)]
        make.metric("gauge", *rows, indexes=[index("i", kind, **fields)])
    two = [index("name", "DisplayString"), index("to", "InetAddressIPv4"), index("n")]
    make.metric("gauge", ("2.104.105.192.0.2.1.9", INT, 5), ("0.192.0.2.2.8", INT, 6), indexes=two)


def _lookups() -> None:
    make = Maker("lookups", 7)
    names = make.helper(("1", STR, "eth1"), ("2", STR, ""), ("9", STR, "nine"))
    macs = make.helper(("1", STR, b"\x00\x11\x22\x33\x44\x55"), ("2", STR, b""))
    numbers = make.helper(("1", INT, 9), ("2", INT, 77))
    pairs = make.helper(("1.2", STR, "one-two"), ("2.2", STR, "two-two"))
    by_mac = make.helper(("0.17.34.51.68.85", INT, 9))
    by_text = make.helper(("2.104.105", STR, "greeting"))
    rows = [("1", INT, 1), ("2", INT, 2), ("3", INT, 3)]
    for kind, column in (("DisplayString", names), ("PhysAddress48", macs), ("OctetString", macs), ("gauge", numbers)):
        make.metric("gauge", *rows, lookups=[lookup("x", column, "i", kind=kind)])
    chain = [lookup("n", numbers, "i", kind="gauge"), lookup("name", names, "n"), drop("i"), drop("n")]
    make.metric("gauge", *rows[:2], lookups=chain)
    make.metric("gauge", *rows[:2], lookups=[lookup("i", names, "i"), drop("absent")])  # the label of the index itself
    both = [index("a"), index("b")]
    make.metric("gauge", ("1.2", INT, 1), ("2.2", INT, 2), indexes=both, lookups=[lookup("ab", pairs, "a", "b")])
    turned = [lookup("ba", pairs, "b", "a"), drop("b")]
    make.metric("gauge", ("2.1", INT, 1), indexes=both, lookups=turned)
    mac = [lookup("n", by_mac, "m", kind="gauge"), lookup("name", names, "n")]
    make.metric("gauge", ("0.17.34.51.68.85", INT, 1), indexes=[index("m", "PhysAddress48")], lookups=mac)
    text = [lookup("long", by_text, "t")]
    make.metric("gauge", ("2.104.105", INT, 1), indexes=[index("t", "DisplayString")], lookups=text)


def _extracts() -> None:
    make = Maker("extracts", 8)
    values = [("1", STR, "230 V, 50.1 Hz"), ("2", STR, "on"), ("3", STR, "off"), ("4", STR, "1e3"), ("5", STR, "+Inf")]
    tries = {
        "Volts": [{"regex": r"(\d+) V.*", "value": "$1"}, {"regex": r"(.*)", "value": "$1"}],
        "Hertz": [{"regex": r"(?P<v>\d+) V, (?P<f>[0-9.]+) Hz", "value": "${f}"}],
        "On": [{"regex": "on", "value": "1"}, {"regex": ".*", "value": "0"}],
        "": [{"regex": "o(.*)", "value": "${1}0"}],
    }
    make.metric("DisplayString", *values, ("6", INT, 12), regex_extracts=tries)


def _gets() -> None:
    make = Maker("gets", 9)
    column = make.metric("gauge", ("1", INT, 5), ("2", INT, 6), ("3", INT, 7))
    single = make.metric("gauge", ("0", INT, 8), indexes=[])
    make.metric("gauge")  # nothing there
    empty = f"{ROOT}.9.3"
    get = [f"{ROOT}.{column}.1", f"{ROOT}.{column}.3", f"{ROOT}.{column}.99", f"{empty}.0"]
    MODULES["gets"] |= {"get": get, "walk": [f"{ROOT}.{single}.0", empty], "max_repetitions": 2}


for _make in (_numbers, _dates, _enums, _texts, _combined, _indexes, _lookups, _extracts, _gets):
    _make()
EQUAL = tuple(MODULES)

# What netmon does otherwise on purpose: reason -> module.
_false = Maker("false_numbers", 11)
_false.metric(
    "gauge", ("1", STR, "12"), ("2", STR, "abc"), ("3", STR, ""), ("4", NUL, ""), ("5", OID, "1.3"), ("6", INT, 6)
)
_no_date = Maker("no_date", 12)
_no_date.metric("DateAndTime", ("1", STR, bytes(8)), ("2", STR, bytes.fromhex("07e6020f0a1e0500")))
_twice = Maker("twice", 13)
_twice.metric("gauge", ("1", INT, 1), ("2", INT, 2), lookups=[drop("i")])
_odd = Maker("odd_bytes", 14)
_odd.metric("DisplayString", ("1", STR, b"a\xff\xfeb\xc3"), ("2", STR, "good"))
_no_bits = Maker("no_bits", 15)
_no_bits.metric("Bits", ("1", INT, 5), ("2", STR, b"\x80"), enum_values={0: "a", 1: "b"})
_text = Maker("text_for_number", 17)
_text.metric("gauge", ("1", INT, 1), lookups=[lookup("x", _text.helper(("1", STR, "9 units")), "i", kind="gauge")])
_lldp = Maker("lldp_text", 16)
_lldp.metric("gauge", ("5.2.104.105", INT, 1), indexes=[index("i", "LldpPortId")])


def snmprec() -> str:
    """The rows as snmpsim reads them, in OID order."""

    def line(row: Row) -> str:
        oid, tag, value = row
        raw = value.encode() if isinstance(value, str) and tag == STR else value
        return f"{oid}|{tag}x|{raw.hex()}" if isinstance(raw, bytes) else f"{oid}|{tag}|{raw}"

    up = ("1.3.6.1.2.1.1.3.0", TICKS, 4711)
    ordered = sorted(
        {row[0]: row for row in [up, *ROWS]}.values(), key=lambda row: [int(arc) for arc in row[0].split(".")]
    )
    return "".join(line(row) + "\n" for row in ordered)
