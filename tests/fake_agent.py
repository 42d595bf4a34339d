"""An SNMP agent at the engine's seam: a dict of objects that answers get, walk and columns, or fails on request."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from netmon.collectors.snmp.course import Asked, Recorder, Repeat
from netmon.collectors.snmp.engine import AS_CONFIGURED, Columns, Manner, PollStats, Repeated, Target
from netmon.collectors.snmp.layout import Value
from netmon.collectors.snmp.modules import Oid, parse_oid
from netmon.collectors.snmp.pdu import GET, GET_BULK, VarBind, encode_varbind
from netmon.errors import CollectError

NO_SUCH_INSTANCE = 0x81
TEXT_TAGS = {0x04, 0x44}


def oid(text: str) -> Oid:
    return parse_oid(text)


def read_snmprec(path: Path) -> dict[Oid, VarBind]:
    """A capture's objects in OID order, as an agent would send them; of an OID that is there twice the first counts."""
    found: dict[Oid, VarBind] = {}
    for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        name, _, rest = line.partition("|")
        kind, _, text = rest.partition("|")
        if not kind:
            continue
        tag = int(kind.rstrip("x"))
        key = parse_oid(name)
        # snmpsim reads lines without the white space at their end, so a value's own is lost there, too.
        found.setdefault(key, VarBind(key, tag, snmprec_value(tag, text.rstrip(), kind.endswith("x"))))
    return dict(sorted(found.items()))


def snmprec_value(tag: int, text: str, is_hex: bool) -> int | bytes | Oid | None:
    if is_hex:
        return bytes.fromhex(text)
    if tag in TEXT_TAGS:
        return text.encode("utf-8", "surrogateescape")
    if tag == 0x40:
        return bytes(int(part) for part in text.split("."))
    if tag == 0x06:
        return parse_oid(text)
    return None if tag == 0x05 else int(text)


class FakeAgent:
    """``objects`` may be changed between polls. ``asked`` holds every OID asked for since it was last cleared."""

    def __init__(self, objects: Mapping[Oid, VarBind] | None = None) -> None:
        self.objects: dict[Oid, VarBind] = dict(objects or {})
        self.fail_columns: dict[Oid, str] = {}
        self.silent = ""  # reason, if it does not answer at all
        self.asked: list[Oid] = []

    def set(self, name: str, tag: int, value: int | bytes | str | Oid | None) -> None:
        key = parse_oid(name)
        self.objects[key] = VarBind(key, tag, value.encode() if isinstance(value, str) else value)

    def drop(self, prefix: str) -> None:
        root = parse_oid(prefix)
        for key in [key for key in self.objects if key[: len(root)] == root]:
            del self.objects[key]

    async def get(
        self, target: Target, oids: Sequence[Oid], *, manner: Manner = AS_CONFIGURED, recorder: Recorder | None = None
    ) -> list[VarBind]:
        asked = Asked(GET, 0, tuple(oids), manner.context)
        if recorder is not None and asked in recorder.answers:
            return recorder.answers[asked]
        self.asked += oids
        if self.silent:
            raise CollectError(self.silent, f"{target.key} does not answer", device=target.key)
        found = self._reply(asked)
        if recorder is not None:
            recorder.take(asked, found, b"".join(map(encode_varbind, found)))
        return found

    def _reply(self, asked: Asked) -> list[VarBind]:
        """What one request brings; a GETBULK here brings whole columns."""
        if asked.pdu_type == GET:
            return [VarBind(*self.objects.get(key, VarBind(key, NO_SUCH_INSTANCE, None))) for key in asked.oids]
        names = sorted(self.objects)
        found: list[VarBind] = []
        for column in asked.oids:
            low, high = bisect_right(names, column), bisect_left(names, (*column[:-1], column[-1] + 1))
            found += [VarBind(*self.objects[name]) for name in names[low:high]]
        return found

    async def repeat(
        self,
        target: Target,
        repeat: Repeat,
        go: Callable[[tuple[Value, ...]], bool],
        *,
        budget_s: float | None = None,
        manner: Manner = AS_CONFIGURED,
    ) -> Repeated:
        values: list[Value] = []
        answers: dict[Asked, list[VarBind]] = {}
        others = False
        for number, step in enumerate(repeat.course.steps):
            self.asked += step.asked.oids
            if self.silent:
                raise CollectError(self.silent, f"{target.key} does not answer", device=target.key)
            if self.fail_columns.keys() & set(step.asked.oids):
                others = True
                continue
            answers[step.asked] = found = self._reply(step.asked)
            data = b"".join(map(encode_varbind, found))
            learnt = repeat.read(number, data, 0, len(data))
            if learnt is None:
                learnt = repeat.read_again(number, data, 0, len(data))
            if learnt is None:
                learnt = repeat.learn(number, data, found)
            if learnt is None:
                others = True
            else:
                values += learnt
            if number == 0 and (learnt is None or not go(learnt)):
                return Repeated(None, answers, others, PollStats(requests=1))
        stats = PollStats(requests=len(repeat.course.steps), varbinds=len(values))
        return Repeated(None if others else tuple(values), answers, others, stats)

    async def walk(self, target: Target, root: Oid) -> list[VarBind]:
        return [varbind for key, varbind in sorted(self.objects.items()) if key[: len(root)] == root]

    async def columns(
        self,
        target: Target,
        columns: Sequence[Oid],
        *,
        budget_s: float | None = None,
        max_repetitions: int | None = None,
        manner: Manner = AS_CONFIGURED,
        recorder: Recorder | None = None,
    ) -> Columns:
        asked = Asked(GET_BULK, 0, tuple(columns), manner.context)
        known = recorder.answers.get(asked) if recorder is not None else None
        if known is None:
            self.asked += columns
            if self.silent:
                raise CollectError(self.silent, f"{target.key} does not answer", device=target.key)
        varbinds = self._reply(asked) if known is None else known
        if recorder is not None:
            recorder.take(asked, varbinds, b"".join(map(encode_varbind, varbinds)))
            if self.fail_columns.keys() & set(columns):
                recorder.spoil()
        rows: dict[Oid, dict[Oid, VarBind]] = {}
        for column in columns:
            size = len(column)
            found = {varbind.oid[size:]: varbind for varbind in varbinds if varbind.oid[:size] == column}
            if found and column not in self.fail_columns:
                rows[column] = found
        failed = {column: reason for column, reason in self.fail_columns.items() if column in columns}
        return Columns(rows, failed, PollStats(requests=1, timeouts=0, varbinds=sum(map(len, rows.values()))))
