"""What the values of a repeated poll become, by their place: text, ports and figures without a look-up. Pure.

A shape is made once from a poll that went the general way, by following each varbind from its reply to where it ended
up; so it holds no rule of its own about what is shown and how. Devices whose polls differ in nothing but values and
base labels share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from netmon.collectors.snmp.layout import Value
from netmon.collectors.snmp.modules import NUMBER_TYPES, Oid
from netmon.collectors.snmp.plan import Plan
from netmon.collectors.snmp.ports import METRICS as PORT_METRICS
from netmon.collectors.snmp.ports import build_port
from netmon.collectors.snmp.tables import Renderer, number_text
from netmon.collectors.snmp.values import INTEGERS
from netmon.figures import FigureSpec, needs
from netmon.model import Port

if TYPE_CHECKING:
    from netmon.collectors.snmp.course import Course
    from netmon.collectors.snmp.pdu import VarBind

Placed = Mapping[str, Mapping[Oid, int]]  # metric -> index -> place of its value
BASE = b"\xfe"  # stands for the base labels in a template: no byte of UTF-8
MISSING = -1


class Odd(NamedTuple):
    """A line whose value is not just an integer: text that holds a number, Opaque, scaled."""

    begin: bytes
    place: int
    tag: int
    scale: float
    offset: float


class Lines(NamedTuple):
    """One metric: a template with one ``%d`` for each of its values, or lines that are made one by one."""

    family: str
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
        "__weakref__", "_flat", "_pack", "absent", "course", "families", "lines", "measures", "names", "numbers",
        "port_numbers", "port_places",
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
        self.measures = tuple(_measure(spec, placed) for spec in plan.figures)
        self._flat = picker([place for line in self.lines for place in line.places])
        tags = b"".join(step.tags for step in course.steps)
        whole = all(tag in INTEGERS for tag in tags)
        form = "".join("q" if tag == 2 else "Q" for tag in tags)
        self._pack = Struct(f">{form}") if whole else None

    def pack(self, values: tuple[Value, ...]) -> bytes | tuple[Value, ...]:
        """The values in a fifth of the memory, where they are all integers."""
        return values if self._pack is None else self._pack.pack(*values)

    def unpack(self, packed: bytes | tuple[Value, ...]) -> tuple[Value, ...]:
        if isinstance(packed, tuple):
            return packed
        assert self._pack is not None
        return self._pack.unpack(packed)

    def text(
        self, values: Sequence[Value], base: bytes, at: float, slow: Mapping[str, bytes]
    ) -> tuple[dict[str, bytes], int]:
        """(Family -> its lines, values that are no numbers); ``slow``: lines that lack only the time."""
        end = b" %d\n" % int(at * 1000)
        flat = self._flat(values)
        found: dict[str, bytes] = {}
        start = bad = 0
        for family, template, places, odd in self.lines:
            stop = start + len(places)
            chunk = (template % flat[start:stop]).replace(BASE, base)
            start = stop
            for line in odd:
                text = number_text(line.tag, values[line.place], line.scale, line.offset)
                if text is None:
                    bad += 1
                else:
                    chunk += line.begin.replace(BASE, base) + text + b"\n"
            if chunk:
                found[family] = found.get(family, b"") + chunk.replace(b"\n", end)
        for family, chunk in slow.items():
            found[family] = found.get(family, b"") + chunk.replace(b"\n", end)
        return found, bad


class PortsView(Mapping[str, Port]):
    """The ports of one poll, each made when it is asked for: of most nobody asks."""

    __slots__ = ("_at", "_packed", "_shape", "_slow")

    def __init__(
        self, shape: Shape, packed: bytes | tuple[Value, ...], slow: Mapping[str, Sequence[Value]], at: float
    ) -> None:
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
) -> list[Lines] | None:  # fmt: skip
    """What `Facts.text` makes of the columns that are read at every poll, as templates; None where it takes more."""
    found = []
    for metric in plan.exposed:
        rows = columns.get(metric.oid)
        if metric.oid in plan.slow or not rows:
            continue
        if metric.type not in NUMBER_TYPES:
            return None
        other = everything.get(plan.fallback[metric.oid], {}) if metric.oid in plan.fallback else {}
        template, numbers, odd = [], [], []
        for index, varbind in rows.items():
            if index in other:
                continue
            begin = _hollow(metric.name, renderer.begin(metric, index, everything), renderer.base)
            if varbind.tag in INTEGERS and not metric.scale and not metric.offset:
                template.append(begin.replace(b"%", b"%%") + b"%d\n")
                numbers.append(places[id(varbind)])
            else:
                odd.append(Odd(begin, places[id(varbind)], varbind.tag, metric.scale, metric.offset))
        if numbers:
            found.append(Lines(metric.name, b"".join(template), tuple(numbers)))
        if odd:
            found.append(Lines(metric.name, b"", (), tuple(odd)))
    return found


def merge(lines: Sequence[Lines]) -> tuple[Lines, ...]:
    """Neighbours of one family as one."""
    found: list[Lines] = []
    for line in lines:
        last = found[-1] if found else None
        if last is not None and last.family == line.family and not last.odd and not line.odd:
            found[-1] = Lines(line.family, last.template + line.template, last.places + line.places)
        else:
            found.append(line)
    return tuple(found)


def _hollow(family: str, begin: bytes, base: bytes) -> bytes:
    """The beginning of a line without the base labels."""
    size = len(family) + 1
    assert begin[size : size + len(base)] == base
    return begin[:size] + BASE + begin[size + len(base) :]


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
