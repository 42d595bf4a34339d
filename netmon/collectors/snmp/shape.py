"""What the values of a repeated poll become, by their place: text, ports and figures without a look-up. Pure.

A shape is made once from a poll that went the general way, by following each varbind from its reply to where it ended
up; so it holds no rule of its own about what is shown and how. Devices whose polls differ in nothing but values and
base labels share one.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence, ValuesView
from functools import partial
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from netmon.collectors.snmp.ber import INTEGER
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

Packed = tuple[bytes, tuple[Value, ...]]
Placed = Mapping[str, Mapping[Oid, int]]  # metric -> index -> place of its value
NEXT = b"\xfe"  # between two lines of a template, for the end of one and the beginning of the next: no byte of UTF-8
MISSING = -1


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


class Measure(NamedTuple):
    """One figure and where what it is made of lies; ``pick`` gives just those values."""

    spec: FigureSpec
    placed: Placed
    pick: Callable[[Sequence[Value]], Any]


class Shape:
    """Shared by devices; see `make_shape`."""

    __slots__ = (
        "__weakref__", "_flat", "_numbers", "_others", "_pack", "absent", "course", "families", "lines", "measures",
        "names", "port_numbers", "port_places",
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
        self.course = course
        self.lines = merge(lines)
        self.families = families
        self.names = names
        self.absent = absent
        self.port_numbers = {name: (place, number) for place, (number, name) in enumerate(names.items())}
        self.port_places = {
            metric: tuple(rows.get((number,), MISSING) for number in names)
            for metric, rows in placed.items()
            if metric in PORT_METRICS
        }
        self.measures = tuple(
            _measure(spec, placed)
            for spec in plan.figures
            if (first := spec.expr.names()[0]) in placed or plan.by_name[first].oid in plan.slow
        )
        self._flat = picker([place for line in self.lines for place in line.places])
        tags = b"".join(step.tags for step in course.steps)
        numbers = [place for place, tag in enumerate(tags) if tag in INTEGERS]
        self._others = tuple(place for place, tag in enumerate(tags) if tag not in INTEGERS)
        self._numbers = picker(numbers) if self._others else None
        self._pack = Struct(">" + "".join("q" if tags[place] == INTEGER else "Q" for place in numbers))

    def pack(self, values: tuple[Value, ...]) -> Packed:
        """The values in a fifth of their memory."""
        if self._numbers is None:
            return self._pack.pack(*values), ()
        return self._pack.pack(*self._numbers(values)), tuple([values[place] for place in self._others])

    def unpack(self, packed: Packed) -> Sequence[Value]:
        """What was packed."""
        raw, others = packed
        if not others:
            return self._pack.unpack(raw)
        values: list[Value] = [*self._pack.unpack(raw)]
        for place, value in zip(self._others, others, strict=True):
            values.insert(place, value)
        return values

    def bad_values(self, values: Sequence[Value]) -> int:
        """How many values are no numbers though they should be."""
        return sum(one.is_number and one.text(values[one.place]) is None for line in self.lines for one in line.odd)

    def text(self, values: Sequence[Value], base: bytes, at: float, slow: Mapping[str, bytes]) -> dict[str, bytes]:
        """Family -> its lines; ``slow``: lines that lack only the time."""
        end = b" %d\n" % int(at * 1000)
        flat = self._flat(values)
        found: dict[str, bytes] = {}
        start = 0
        for family, head, template, places, odd in self.lines:
            begin = head + base
            if places:
                stop = start + len(places)
                chunk = begin + (template % flat[start:stop]).replace(NEXT, end + begin) + end
                start = stop
            else:
                texts = [(one.rest, one.text(values[one.place])) for one in odd]
                chunk = b"".join([begin + rest + text + end for rest, text in texts if text is not None])
            if chunk:
                found[family] = found[family] + chunk if family in found else chunk
        for family, chunk in slow.items():
            found[family] = found.get(family, b"") + chunk.replace(b"\n", end)
        return found


class SlowText:
    """Lines of slow facts by family, without the time; ``small``: compressed."""

    __slots__ = ("_small", "_text")

    def __init__(self, text: Mapping[str, bytes], small: bool) -> None:
        self._text: Mapping[str, bytes] = {} if small else dict(text)
        sizes = tuple((family, len(chunk)) for family, chunk in text.items())
        self._small = (sizes, zlib.compress(b"".join(text.values()))) if small else None

    def __call__(self) -> Mapping[str, bytes]:
        if self._small is None:
            return self._text
        sizes, packed = self._small
        found, at, whole = {}, 0, zlib.decompress(packed)
        for family, size in sizes:
            found[family] = whole[at : at + size]
            at += size
        return found


class TextView(Mapping[str, bytes]):
    """The text of one poll, made each time that it is asked for: a seventh of the memory."""

    __slots__ = ("_at", "_base", "_packed", "_shape", "_slow")

    def __init__(self, shape: Shape, packed: Packed, base: bytes, at: float, slow: SlowText) -> None:
        self._shape, self._packed, self._base, self._at, self._slow = shape, packed, base, at, slow

    def _all(self) -> dict[str, bytes]:
        return self._shape.text(self._shape.unpack(self._packed), self._base, self._at, self._slow())

    def __getitem__(self, family: str) -> bytes:
        return self._all()[family]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def items(self) -> ItemsView[str, bytes]:
        return self._all().items()

    def values(self) -> ValuesView[bytes]:
        return self._all().values()


class PortsView(Mapping[str, Port]):
    """The ports of one poll, each made when it is asked for: of most nobody asks."""

    __slots__ = ("_at", "_packed", "_shape", "_slow")

    def __init__(self, shape: Shape, packed: Packed, slow: Mapping[str, Sequence[Value]], at: float) -> None:
        self._shape = shape
        self._packed = packed
        self._slow = slow  # metric -> values in order of the ports
        self._at = at

    def __getitem__(self, name: str) -> Port:
        place, number = self._shape.port_numbers[name]
        values, places, slow = self._shape.unpack(self._packed), self._shape.port_places, self._slow

        def read(metric: str) -> Value:
            if metric in places:
                at = places[metric][place]
                return None if at == MISSING else values[at]
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


def merge(lines: Sequence[Lines]) -> tuple[Lines, ...]:
    """Neighbours of one family and kind as one."""
    found = []
    for (family, _), group in groupby(lines, lambda line: (line.family, bool(line.odd))):
        same = list(group)
        places = tuple(place for line in same for place in line.places)
        odd = tuple(one for line in same for one in line.odd)
        found.append(Lines(family, same[0].head, NEXT.join(line.template for line in same), places, odd))
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
