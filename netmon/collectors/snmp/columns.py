"""Reading table columns: which requests to make and what replies mean. Pure; whoever has a socket moves the bytes.

Rules:
 - Columns of one known size share requests; each request asks for rows + 1 repetitions, so that the end is seen. Wide
   and narrow ones are mixed: a reply may have so many bytes, and the fewer replies, the less a poll costs.
 - A reply of C columns is read row by row: varbind i belongs to column i mod C, whatever number of them came.
 - A column ends at the first name outside it, at an exception, or (v1) at noSuchName. It goes on from its last name.
 - A name inside the column that does not increase is a loop: the column stops and is failed. Where the caller allows
   unsorted tables, only a name that was there before is one.
 - tooBig: half the repetitions, then half the columns. Another error: the column it points at goes on alone with
   GETNEXT; when GETNEXT has the error too, the column is failed. Every step asks for less than before, so it ends.
 - No reply: every column alone, then with GETNEXT, then it is failed.
 A failed column keeps the rows it has; ``failed`` says why it may lack some.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence

from netmon.collectors.snmp.ber import Oid, encode_oid
from netmon.collectors.snmp.course import ROOT
from netmon.collectors.snmp.pdu import NO_SUCH_NAME, TOO_BIG, VarBind, error_name

FIRST_REPETITIONS = 10  # for a table of unknown size
VARBIND_BYTES = 25  # of a column that was not read yet
SPARE_BYTES = 30  # that a packet has beside what is reckoned with, for columns whose widths are known
MAX_ROWS = 100_000  # per column: an agent that invents rows for ever must not fill the memory


@functools.lru_cache(4096)
def shape(columns: int, rows: int, reply_varbinds: int, max_repetitions: int) -> tuple[int, int]:
    """How to read a table: (requests to divide the columns among, repetitions) for the fewest packets in all.

    Of equal ones the one with the most repetitions, which needs the fewest rounds.
    """
    best = (0, 0, 0)
    for share in range(1, columns + 1):
        repetitions = max(1, min(rows, max_repetitions, reply_varbinds // share))
        requests = -(-columns // share)
        found = requests * -(-rows // repetitions), requests, repetitions
        if share <= reply_varbinds and (not best[0] or found[0] < best[0]):
            best = found
    return best[1:]


def width(varbinds: Sequence[VarBind]) -> int:
    """How many bytes the varbinds of one column take in a reply, on the average; names are longest at its end."""
    values = 0
    for _, _, value in varbinds:
        values += (value.bit_length() >> 3) + 1 if isinstance(value, int) else len(value or ())
    names = len(encode_oid(varbinds[0].oid)) + len(encode_oid(varbinds[-1].oid))
    return round(6 + names / 2 + values / len(varbinds))


class Column:
    """One column on its way."""

    __slots__ = ("last", "root", "rows", "size", "unsorted", "upper")

    def __init__(self, root: Oid, size: int | None, unsorted: bool = False) -> None:
        self.root = root
        self.size = size  # rows it had last time
        self.upper: Oid = (*root[:-1], root[-1] + 1) if root else ()
        self.last = root  # the next request asks for what follows this
        self.rows: dict[Oid, VarBind] = {}
        self.unsorted = unsorted

    def take(self, varbinds: Sequence[VarBind], max_rows: int) -> str | None:
        """Take over what a reply holds for this column: None to go on, "" at its end, else why it failed."""
        last, upper, rows, skip = self.last, self.upper, self.rows, len(self.root)
        ended: str | None = None
        for varbind in varbinds:
            oid, tag, _ = varbind
            if tag >= 0x80:
                ended = ""
                break
            if oid <= last and not (self.unsorted and oid[:skip] == self.root and oid[skip:] not in rows):
                ended = "loop" if oid[:skip] == self.root else ""
                break
            if oid >= upper and skip:
                ended = ""
                break
            rows[oid[skip:]] = varbind
            last = oid
        else:
            if len(rows) >= max_rows:
                ended = "limit"
        self.last = last
        return ended


class Ask:
    """One request: these columns, so many repetitions; ``bulk`` False means GETNEXT."""

    __slots__ = ("bulk", "columns", "most", "parent", "repetitions")

    def __init__(self, columns: list[Column], repetitions: int, most: int, bulk: bool) -> None:
        self.columns = columns
        self.bulk = bulk and most > 1
        self.most = most if self.bulk else 1  # repetitions it may grow to
        self.repetitions = min(repetitions, self.most)
        self.parent = ROOT  # the step of the recorded course that led to it

    @property
    def oids(self) -> list[Oid]:
        return [column.last for column in self.columns]

    @property
    def varbinds(self) -> int:
        return len(self.columns) * self.repetitions


class ColumnWalk:
    """All columns of one poll. `first` gives the requests to begin with, every reply gives the ones that follow it."""

    def __init__(
        self,
        columns: Iterable[Oid],
        *,
        bulk: bool,
        reply_varbinds: int,
        max_repetitions: int,
        sizes: Mapping[Oid, int],
        alone: Collection[Oid] = (),
        max_rows: int = MAX_ROWS,
        unsorted: bool = False,
        widths: Mapping[Oid, int] | None = None,
    ) -> None:
        """``reply_varbinds`` of `VARBIND_BYTES` fit a reply; ``sizes``: column -> rows, ``widths``: -> bytes of one."""
        self._widths = widths or {}
        self._columns = {root: Column(root, sizes.get(root), unsorted) for root in columns}
        self._bulk = bulk
        self._reply_varbinds = max(1, reply_varbinds)
        self._max_repetitions = max(1, max_repetitions)
        self._alone = alone
        self._max_rows = max_rows
        self._open = dict(self._columns)
        self.failed: dict[Oid, str] = {}
        self.culprits: set[Oid] = set()  # those of ``failed`` that failed by themselves
        self.varbinds = 0
        self._too_big = 0  # varbinds of the smallest request that was too big
        self._lost = 0  # ... and that stayed unanswered

    @property
    def rows(self) -> dict[Oid, dict[Oid, VarBind]]:
        return {root: column.rows for root, column in self._columns.items()}

    @property
    def trouble(self) -> int:
        """Varbinds of the smallest request that was too big for the agent or the way; 0 if none was.

        A request that stayed unanswered counts only when all its columns could be read in smaller ones.
        """
        if "timeout" in self.failed.values() or not self._lost:
            return self._too_big
        return min(self._too_big or self._lost, self._lost)

    def sizes(self) -> dict[Oid, int]:
        """Rows of every column that was read whole."""
        unread = self.failed.keys() | self._open.keys()
        return {root: len(column.rows) for root, column in self._columns.items() if root not in unread}

    def widths(self) -> dict[Oid, int]:
        """Bytes of a varbind, on the average, of every column that has any."""
        return {root: width([*rows.values()]) for root, rows in self.rows.items() if rows}

    def first(self) -> list[Ask]:
        """The requests to begin with; none depends on another."""
        groups: dict[int | Oid, list[Column]] = {}
        for column in self._columns.values():
            key = column.size if column.size is not None else column.root[:-1]
            groups.setdefault(column.root if column.root in self._alone else key, []).append(column)
        asks = []
        for columns in groups.values():
            rows = self._wanted(columns, MAX_ROWS)
            most = self._max_repetitions if self._bulk else 1
            parts, wanted = self._divide(columns, rows, most)
            asks += [Ask(part, wanted, self._max_repetitions, self._bulk) for part in parts]
        return asks

    def _divide(self, columns: list[Column], rows: int, most: int) -> tuple[list[list[Column]], int]:
        """The columns of each request, and how many repetitions.

        Widths decide only how many requests there are: which columns share one must not differ from device to device,
        or they would not share the course of their polls.
        """
        widths = [self._widths.get(column.root, VARBIND_BYTES) for column in columns]
        room = self._reply_varbinds * VARBIND_BYTES + SPARE_BYTES
        fitting = max(self._reply_varbinds, room * len(columns) // sum(widths))
        while True:
            requests, wanted = shape(len(columns), rows, fitting, most)
            fullest = max(sum(widths[i::requests]) for i in range(requests)) * wanted
            if fullest <= room or fitting <= self._reply_varbinds:
                return [columns[i::requests] for i in range(requests)], wanted
            fitting -= 1

    def _wanted(self, columns: list[Column], most: int) -> int:
        """Repetitions that reach one row past the known end, or a guess."""
        left = [column.size + 1 - len(column.rows) for column in columns if column.size is not None]
        if len(left) < len(columns) or min(left) < 1:
            return min(most, FIRST_REPETITIONS if not any(column.rows for column in columns) else most)
        return min(most, max(left))

    def _follow(self, ask: Ask, columns: list[Column]) -> list[Ask]:
        """Go on with those columns of ``ask`` that have not ended."""
        if not columns:
            return []
        room = max(1, self._reply_varbinds // len(columns))
        return [Ask(columns, min(self._wanted(columns, ask.most), room), ask.most, ask.bulk)]

    def _end(self, column: Column, reason: str = "") -> None:
        self._open.pop(column.root, None)
        if reason:
            self.failed[column.root] = reason
            self.culprits.add(column.root)

    def reply(self, ask: Ask, status: int, index: int, varbinds: list[VarBind]) -> list[Ask]:
        """Take over the reply to ``ask``; returns what to ask next."""
        if status:
            return self._error(ask, status, index)
        if not varbinds:
            return self._smaller(ask, "empty")
        columns = ask.columns
        count = len(columns)
        del varbinds[ask.varbinds :]  # more than was asked for is not believed
        self.varbinds += len(varbinds)
        going = []
        for i, column in enumerate(columns):
            ended = column.take(varbinds[i::count], self._max_rows)
            if ended is None:
                going.append(column)
            else:
                self._end(column, ended)
        return self._follow(ask, going)

    def _error(self, ask: Ask, status: int, index: int) -> list[Ask]:
        if status == TOO_BIG:
            return self._smaller(ask, error_name(status))
        if not 1 <= index <= len(ask.columns):
            if len(ask.columns) > 1:
                return [Ask([column], ask.repetitions, ask.most, ask.bulk) for column in ask.columns]
            index = 1
        column = ask.columns[index - 1]
        others = [other for other in ask.columns if other is not column]
        asks = [Ask(others, ask.repetitions, ask.most, ask.bulk)] if others else []
        if ask.bulk:  # what lies beyond the column may have failed, not the column: one row at a time
            asks.append(Ask([column], 1, 1, False))
        elif status == NO_SUCH_NAME:  # RFC 1157, section 4.1.3: nothing follows
            self._end(column)
        else:
            self._end(column, error_name(status))
        return asks

    def _smaller(self, ask: Ask, reason: str) -> list[Ask]:
        """Ask for half; ``reason`` fails the last column left alone."""
        self._too_big = min(self._too_big or ask.varbinds, ask.varbinds)
        if ask.repetitions > 1:
            half = ask.repetitions // 2
            return [Ask(ask.columns, half, half, ask.bulk)]
        if len(ask.columns) > 1:
            half = len(ask.columns) // 2
            return [Ask(part, 1, ask.most, ask.bulk) for part in (ask.columns[:half], ask.columns[half:])]
        self._end(ask.columns[0], reason)
        return []

    def no_reply(self, ask: Ask, reason: str = "timeout") -> list[Ask]:
        """``ask`` stayed unanswered by an agent that does answer others."""
        self._lost = min(self._lost or ask.varbinds, ask.varbinds)
        if len(ask.columns) > 1:
            return [Ask([column], ask.repetitions, ask.most, ask.bulk) for column in ask.columns]
        if ask.bulk:
            return [Ask(ask.columns, 1, 1, False)]
        self._end(ask.columns[0], reason)
        return []

    def stop(self, reason: str) -> None:
        """Fail all columns that have not ended (budget over, agent lost)."""
        self.failed.update(dict.fromkeys(self._open, reason))
        self._open.clear()
