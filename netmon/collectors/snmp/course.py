"""The course of a poll: which requests it made and which names the replies had, kept so as to be repeated. Pure.

What a table walk asks next depends on names, tags and numbers of varbinds, never on values. So where every reply has
the names it had when the course was recorded, the same requests are the right ones and every value is where it was.
Where one has other names the repetition ends; the replies that came are not asked for again.

A course is shared by all devices that went the same one. Each has layouts of its own, unless memory matters more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

from netmon.collectors.snmp.ber import Oid
from netmon.collectors.snmp.layout import Layout, Names, Value, read_names, read_values
from netmon.collectors.snmp.pdu import VarBind
from netmon.collectors.snmp.request import Request

ROOT = -1  # the parent of a request that follows no reply


class Asked(NamedTuple):
    """One request, apart from whom it goes to."""

    pdu_type: int
    repetitions: int  # of a GETBULK, else 0
    oids: tuple[Oid, ...]
    context: str = ""  # v3 only; empty: the credential's own


class Step(NamedTuple):
    """One request of a course and the names that its reply has."""

    asked: Asked
    parent: int  # the step whose reply led to it
    names: Names


class Course:
    """All steps, each after its parent; the first is answered before the others are sent."""

    __slots__ = ("__weakref__", "after", "contexts", "roots", "starts", "steps")

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps
        self.after = tuple(tuple(i for i, step in enumerate(steps) if step.parent == n) for n in range(len(steps)))
        self.roots = tuple(i for i, step in enumerate(steps) if step.parent == ROOT and i)
        at, starts = 0, []
        for step in steps:
            starts.append(at)
            at += len(step.names.sizes)
        self.contexts = frozenset(step.asked.context for step in steps)
        self.starts = tuple(starts)  # where the values of each step begin among those of all


class Courses:
    """Each course once, as long as a device goes it."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[tuple[Step, ...], Course] = WeakValueDictionary()

    def __call__(self, steps: tuple[Step, ...]) -> Course:
        course = self._known.get(steps)
        if course is None:
            course = self._known[steps] = Course(steps)
        return course

    def __len__(self) -> int:
        return len(self._known)


class Recorder:
    """What one poll asked and got. ``answers`` are replies that are at hand: they are not asked for again."""

    __slots__ = ("_steps", "answers", "clean", "lists", "varbinds")

    def __init__(self, answers: Mapping[Asked, list[VarBind]] | None = None) -> None:
        self.answers = dict(answers or {})
        self.clean = not self.answers  # nothing went wrong, so that it may be repeated
        self._steps: list[Step] = []
        self.varbinds: list[VarBind] = []  # all of them, in order of the steps
        self.lists: list[bytes] = []  # the steps' own, as they came

    def take(self, asked: Asked, varbinds: Sequence[VarBind], data: bytes, parent: int = ROOT) -> int:
        """A good reply, decoded and as its list came; returns the number of its step."""
        names = read_names(data) if self.clean else None
        if names is None:
            self.clean = False
            return ROOT
        self._steps.append(Step(asked, parent, names))
        self.varbinds.extend(varbinds)
        self.lists.append(data)
        return len(self._steps) - 1

    def spoil(self) -> None:
        """Something happened that is not to be repeated."""
        self.clean = False

    def places(self) -> dict[int, int]:
        """id() of every varbind taken -> its place among all."""
        return {id(varbind): place for place, varbind in enumerate(self.varbinds)}

    def course(self, courses: Courses) -> Course:
        """The course recorded; it must be clean."""
        return courses(tuple(self._steps))


class Repeat:
    """One device's repetition of a course. ``layouts`` False: none are kept, every reply is decoded."""

    __slots__ = ("_keep", "_layouts", "course", "requests", "spoken")

    def __init__(self, course: Course, layouts: bool) -> None:
        self.course = course
        self.requests: tuple[Request, ...] = ()  # the steps' own, encoded for the version and community ``spoken``
        self.spoken: tuple[int, bytes] | None = None
        self._keep = layouts
        self._layouts: list[Layout | None] = [None] * len(course.steps)

    def know(self, recorder: Recorder) -> None:
        """Learn the layouts of the poll that was recorded."""
        values = [varbind.value for varbind in recorder.varbinds]
        for number, (data, at, step) in enumerate(
            zip(recorder.lists, self.course.starts, self.course.steps, strict=True)
        ):
            self._layouts[number] = Layout(data, values[at : at + len(step.names.sizes)])

    def read(self, number: int, data: bytes, start: int, end: int) -> tuple[Value, ...] | None:
        """The values of a reply to step ``number`` that is as the last one; None where it is not. Raises BerError."""
        layout = self._layouts[number]
        return None if layout is None else layout.read(data, start, end)

    def read_again(self, number: int, data: bytes, start: int, end: int) -> tuple[Value, ...] | None:
        """The same by names, of a reply that is not as the last one; it is the last one then. Raises BerError."""
        values = read_values(data, start, end, self.course.steps[number].names)
        if values is not None and self._keep:
            self._layouts[number] = Layout(data[start:end], values)
        return values

    def learn(self, number: int, data: bytes, varbinds: Sequence[VarBind]) -> tuple[Value, ...] | None:
        """The same of a list that had to be decoded in full, as it has other forms of lengths."""
        if read_names(data) != self.course.steps[number].names:
            return None
        values = tuple([varbind.value for varbind in varbinds])
        if self._keep:
            self._layouts[number] = Layout(data, values)
        return values


def decoded(step: Step, values: Iterable[Value]) -> list[VarBind]:
    """The varbinds that a repetition read as values alone."""
    names = step.names
    return [VarBind(oid, tag, value) for oid, tag, value in zip(names.oids, names.tags, values, strict=True)]
