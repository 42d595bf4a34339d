"""What the values of a repeated poll become, by their place: text, ports and figures without a look-up. Pure.

A shape is made once from a poll that went the general way, by following each varbind from its reply to where it ended
up; so it holds no rule of its own about what is shown and how. Devices whose polls differ in nothing but values and
base labels share one.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence, ValuesView
from functools import partial
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from netmon.collectors.snmp.index import text_of
from netmon.collectors.snmp.layout import Value
from netmon.collectors.snmp.modules import NUMBER_TYPES, TEXT_TYPES, Extract, Metric, Oid
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.plan import Plan
from netmon.collectors.snmp.ports import METRICS as PORT_METRICS
from netmon.collectors.snmp.ports import build_port
from netmon.collectors.snmp.tables import EXTRACTED, Renderer, extracted, format_value, header, number_text
from netmon.collectors.snmp.values import INTEGERS
from netmon.figures import FigureSpec, needs
from netmon.model import Port

if TYPE_CHECKING:
    from netmon.collectors.snmp.course import Course

Split = tuple[Sequence[int], tuple[Value, ...]]  # integers in order of templates, others
Placed = Mapping[str, Mapping[Oid, int]]  # metric -> index -> place of its value
NEXT = b"\xfe"  # between two lines of a template, for the end of one and the beginning of the next: no byte of UTF-8


class Odd(NamedTuple):
    """A line whose value is not just an integer: text that holds a number, Opaque, scaled."""

    rest: bytes  # what stands between base labels and value
    place: int
    text: Callable[[Value], bytes | None]  # the value as it stands in the line
    is_number: bool  # what is none is counted


class Lines(NamedTuple):
    """One metric: a template with one ``%d`` for each of its values, or lines that are made one by one."""

    family: str
    head: bytes  # what stands before the base labels
    template: bytes
    places: tuple[int, ...]
    odd: tuple[Odd, ...] = ()


class Family(NamedTuple):
    """The neighbours of one family and kind: a template and how many values it takes, or odd lines."""

    family: str
    head: bytes
    template: bytes
    places: int
    odd: tuple[Odd, ...]


class Measure(NamedTuple):
    """One figure and where what it is made of lies; ``pick`` gives just those values."""

    spec: FigureSpec
    placed: Placed
    pick: Callable[[Sequence[Value]], Any]


class Shape:
    """Shared by devices; see `make_shape`."""

    __slots__ = (
        "__weakref__", "_common", "_others", "_shown", "absent", "course", "families", "lines", "measures",
        "names", "port_numbers", "port_ranks",
    )  # fmt: skip

    def __init__(
        self,
        course: Course,
        plan: Plan,
        lines: Sequence[Lines],
        families: Mapping[str, bytes],
        placed: Placed,
        names: dict[int, str],
        absent: frozenset[Oid],
    ) -> None:
        shown = [place for line in lines for place in line.places]
        ranks = {place: rank for rank, place in enumerate(shown)}
        of_ports = {metric: rows for metric, rows in placed.items() if metric in PORT_METRICS}
        others = [one.place for line in lines for one in line.odd]
        others += [place for rows in of_ports.values() for place in rows.values() if place not in ranks]
        ranks |= {place: -rank for rank, place in enumerate(others, 1)}
        self._shown, self._others = picker(shown), picker(others)
        self._common: dict[str, Any] = {}
        self.course = course
        self.lines = merge(lines, ranks)
        self.families = families
        self.names = names
        self.absent = absent
        self.port_numbers = {name: (place, number) for place, (number, name) in enumerate(names.items())}
        self.port_ranks = {
            metric: tuple(ranks[rows[index]] if index in rows else None for index in ((number,) for number in names))
            for metric, rows in of_ports.items()
        }
        self.measures = tuple(
            _measure(spec, placed)
            for spec in plan.figures
            if (first := spec.expr.names()[0]) in placed or plan.by_name[first].oid in plan.slow
        )

    def common(self, what: str, value: Any) -> Any:
        """``value``, or the equal one that a device of this shape brought first: only one is kept."""
        first = self._common.setdefault(what, value)
        return first if first == value else value

    def split(self, values: Sequence[Value]) -> Split:
        """What text and ports are made of: the integers of templates in their order, and the rest."""
        return self._shown(values), self._others(values)

    def bad_values(self, split: Split) -> int:
        """How many values are no numbers though they should be."""
        return sum(one.is_number and one.text(split[1][one.place]) is None for line in self.lines for one in line.odd)

    def text(self, split: Split, base: bytes, at: float, slow: Mapping[str, bytes]) -> dict[str, bytes]:
        """Family -> its lines; ``slow``: lines that lack only the time."""
        end = b" %d\n" % int(at * 1000)
        shown, others = split
        found: dict[str, bytes] = {}
        start = 0
        for family, head, template, places, odd in self.lines:
            begin = head + base
            if places:
                stop = start + places
                chunk = begin + (template % shown[start:stop]).replace(NEXT, end + begin) + end
                start = stop
            else:
                texts = [(one.rest, one.text(others[one.place])) for one in odd]
                chunk = b"".join([begin + rest + text + end for rest, text in texts if text is not None])
            if chunk:
                found[family] = found[family] + chunk if family in found else chunk
        for family, chunk in slow.items():
            found[family] = found.get(family, b"") + chunk.replace(b"\n", end)
        return found


def pack(split: Split) -> Split:
    """The same in a fifth of the memory."""
    for kind in "Qq":  # of a device that has negative numbers hardly any is over 2^63
        try:
            return array(kind, split[0]), split[1]
        except OverflowError:
            continue
    return split


class KeptText(Mapping[str, bytes]):
    """Text by family that is made each time that it is asked for."""

    __slots__ = ()

    def made(self) -> dict[str, bytes]:
        """All of it."""
        raise NotImplementedError

    def __getitem__(self, family: str) -> bytes:
        return self.made()[family]

    def __iter__(self) -> Iterator[str]:
        return iter(self.made())

    def __len__(self) -> int:
        return len(self.made())

    def items(self) -> ItemsView[str, bytes]:
        return self.made().items()

    def values(self) -> ValuesView[bytes]:
        return self.made().values()


class PackedText(KeptText):
    """Text as it is, compressed."""

    __slots__ = ("_packed", "_sizes")

    def __init__(self, text: Mapping[str, bytes]) -> None:
        self._sizes = tuple((family, len(chunk)) for family, chunk in text.items())
        self._packed = zlib.compress(b"".join(text.values()), 1)

    def made(self) -> dict[str, bytes]:
        found, at, whole = {}, 0, zlib.decompress(self._packed)
        for family, size in self._sizes:
            found[family] = whole[at : at + size]
            at += size
        return found


class TextView(KeptText):
    """The text of one repeated poll, made of its values."""

    __slots__ = ("_at", "_base", "_packed", "_shape", "_slow")

    def __init__(self, shape: Shape, packed: Split, base: bytes, at: float, slow: Mapping[str, bytes]) -> None:
        self._shape, self._packed, self._base, self._at, self._slow = shape, packed, base, at, slow

    def made(self) -> dict[str, bytes]:
        shown, others = self._packed
        return self._shape.text((tuple(shown), others), self._base, self._at, self._slow)


class PortsView(Mapping[str, Port]):
    """The ports of one poll, each made when it is asked for: of most nobody asks."""

    __slots__ = ("_at", "_packed", "_shape", "_slow")

    def __init__(self, shape: Shape, packed: Split, slow: Mapping[str, Sequence[Value]], at: float) -> None:
        self._shape = shape
        self._packed = packed
        self._slow = slow  # metric -> values in order of the ports
        self._at = at

    def __getitem__(self, name: str) -> Port:
        place, number = self._shape.port_numbers[name]
        ranks, slow = self._shape.port_ranks, self._slow
        numbers, others = self._packed

        def read(metric: str) -> Value:
            if metric in ranks:
                at = ranks[metric][place]
                return None if at is None else numbers[at] if at >= 0 else others[-1 - at]
            return slow[metric][place] if metric in slow else None

        return build_port(read, number, name, self._at)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shape.port_numbers)

    def __len__(self) -> int:
        return len(self._shape.port_numbers)


class Shapes:
    """Each shape once, as long as a device has it."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[bytes, Shape] = WeakValueDictionary()

    def __call__(
        self,
        course: Course,
        plan: Plan,
        lines: Sequence[Lines],
        families: Mapping[str, bytes],
        placed: Placed,
        names: dict[int, str],
        absent: frozenset[Oid],
    ) -> Shape:
        known = plan.names, id(course), lines, [*families], placed, names, sorted(absent)
        key = blake2b(repr(known).encode(), digest_size=32).digest()
        shape = self._known.get(key)
        if shape is None or shape.course is not course:
            shape = self._known[key] = Shape(course, plan, lines, families, placed, names, absent)
        return shape

    def __len__(self) -> int:
        return len(self._known)


def make_lines(
    plan: Plan, columns: Mapping[Oid, Mapping[Oid, VarBind]], everything: Mapping[Oid, Mapping[Oid, VarBind]],
    places: Mapping[int, int], renderer: Renderer,
) -> tuple[list[Lines], dict[str, bytes]] | None:  # fmt: skip
    """What `Facts.text` makes of the columns that are read at every poll, as templates, and their families' headers.

    None where it takes more than the value of one varbind to make a line.
    """
    found: list[Lines] = []
    headers: dict[str, bytes] = {}
    for metric in plan.exposed:
        rows = columns.get(metric.oid)
        if metric.oid in plan.slow or not rows:
            continue
        if metric.oid in plan.fallback:
            other = everything.get(plan.fallback[metric.oid], {})
            rows = {index: varbind for index, varbind in rows.items() if index not in other}
        if metric.type in NUMBER_TYPES:
            headers.setdefault(metric.name, header(metric.name, metric))
            found += _number_lines(metric, rows, everything, places, renderer)
        elif metric.type in TEXT_TYPES and metric.extracts:
            for suffix, tries in metric.extracts.items():
                family = metric.name + suffix
                headers.setdefault(family, header(family, metric, EXTRACTED))
                for index, varbind in rows.items():
                    begin = renderer.begin_extracted(metric, suffix, index, everything)
                    text = partial(_extracted_text, varbind.tag, metric.type, tries)
                    found.append(_line(family, begin, renderer.base, places[id(varbind)], text, False))
        else:
            return None
    return found, headers


def _number_lines(
    metric: Metric, rows: Mapping[Oid, VarBind], everything: Mapping[Oid, Mapping[Oid, VarBind]],
    places: Mapping[int, int], renderer: Renderer,
) -> Iterator[Lines]:  # fmt: skip
    for index, varbind in rows.items():
        text = None
        if varbind.tag not in INTEGERS or metric.scale or metric.offset:
            text = partial(_number_text, varbind.tag, metric.scale, metric.offset)
        begin = renderer.begin(metric, index, everything)
        yield _line(metric.name, begin, renderer.base, places[id(varbind)], text, True)


def _line(
    family: str, begin: bytes, base: bytes, place: int, text: Callable[[Value], bytes | None] | None, is_number: bool
) -> Lines:
    """One line that begins so; ``text`` makes its value if that is not just an integer."""
    head = family.encode() + b"{"
    assert begin.startswith(head + base)
    rest = begin[len(head) + len(base) :]
    if text is None:
        return Lines(family, head, rest.replace(b"%", b"%%") + b"%d", (place,))
    return Lines(family, head, b"", (), (Odd(rest, place, text, is_number),))


def _number_text(tag: int, scale: float, offset: float, value: Value) -> bytes | None:
    return number_text(tag, value, scale, offset)


def _extracted_text(tag: int, kind: str, tries: Sequence[Extract], value: Value) -> bytes | None:
    text = text_of(VarBind((), tag, value), kind)
    found = None if text is None else extracted(tries, text)
    return None if found is None else format_value(found).encode()


def merge(lines: Sequence[Lines], ranks: Mapping[int, int]) -> tuple[Family, ...]:
    """Neighbours of one family and kind as one; odd lines know their place among the others of `Split`."""
    found = []
    for (family, _), group in groupby(lines, lambda line: (line.family, bool(line.odd))):
        same = list(group)
        odd = tuple(one._replace(place=-1 - ranks[one.place]) for line in same for one in line.odd)
        template = b"" if odd else NEXT.join(line.template for line in same)
        found.append(Family(family, same[0].head, template, sum(len(line.places) for line in same), odd))
    return tuple(found)


def _measure(spec: FigureSpec, placed: Placed) -> Measure:
    own = {metric: placed[metric] for metric in sorted(needs(spec)) if metric in placed}
    return Measure(spec, own, picker([place for rows in own.values() for place in rows.values()]))


def picker(places: Sequence[int]) -> Callable[[Sequence[Value]], Any]:
    """The values at these places, as a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    if not places:
        return lambda values: ()
    return lambda values, place=places[0]: (values[place],)  # type: ignore[misc]
