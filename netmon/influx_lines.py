"""Line protocol: readings, and what the network is doing. Pure. The schema is in docs/how-to/history.md.

Measurements ``sensor``, ``line``, ``condition``, ``device``. A point written twice is one point: its time and its tags
follow from what it is about, never from when it is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from netmon.model import CONDITIONS, Inventory, LineSample, PollResult, Reading, Subject, Verdict

CODES = {condition: code for code, condition in enumerate(CONDITIONS)}  # up 0, degraded 1, down 2, unreachable 3, ...
EVERY_S = 300.0
LINES_MOST = 50_000
_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": " ", "\r": " "})


def reading_line(reading: Reading, number: int, inventory: Inventory) -> str:
    """Site and quantity are the inventory's of now. Two readings of one microsecond are two points: by ``number``."""
    sensor = inventory.sensors.get(reading.sensor)
    kind = inventory.sensor_types.get(sensor.type) if sensor else None
    tags = {
        "node": sensor.node if sensor else "",
        "quantity": kind.quantity if kind else "",
        "sensor": reading.sensor,
        "site": sensor.site if sensor else "",
        "unit": kind.unit if kind else "",
    }
    # A field of its own keeps what its sender calls bad out of every mean of values.
    fields = {"bad" if reading.mark == "bad" else "value": reading.value}
    if reading.skew_s:
        fields["skew_s"] = reading.skew_s
    moment = reading.received_at if reading.at is None else reading.at
    return _line("sensor", tags, fields, int(moment * 1e6) * 1000 + number % 1000)


def sample_line(sample: LineSample, inventory: Inventory) -> str:
    """A five-minute sample, at its beginning."""
    line = inventory.lines.get(sample.line)
    fields = {
        "in_ratio": sample.in_ratio,
        "out_ratio": sample.out_ratio,
        "rtt_s": sample.rtt_s,
        "loss_ratio": sample.loss_ratio,
        "jitter_s": sample.jitter_s,
    }
    tags = {"line": sample.line, "site": line.site if line else ""}
    return _line("line", tags, {k: v for k, v in fields.items() if v is not None}, sample.at * 1_000_000_000)


def condition_line(verdict: Verdict, inventory: Inventory, at: float) -> str:
    """``code`` is 0 up, 1 degraded, 2 down, 3 unreachable, 4 unknown; of a node, a site or a line."""
    subject = verdict.subject
    tags: dict[str, str] = {subject.kind: subject.id}
    if subject.kind == "line" and subject.id in inventory.lines:
        tags["site"] = inventory.lines[subject.id].site
    return _line("condition", tags, {"code": CODES[verdict.condition]}, int(at * 1e6) * 1000)


def figure_lines(poll: PollResult) -> Iterable[str]:
    """The figures of a device, at the beginning of the poll that gave them: one field each, named like
    the series without netmon_ and device_."""
    groups: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for figure in poll.figures:
        if not figure.name.endswith("_info") and math.isfinite(figure.value):
            groups.setdefault(figure.labels, {})[figure.name.removeprefix("netmon_").removeprefix("device_")] = (
                figure.value
            )
    for tags, fields in groups.items():
        yield _line("device", {"device": poll.device} | dict(tags), fields, int(poll.started_at * 1e6) * 1000)


def snapshot_lines(verdicts: Iterable[Verdict], polls: Iterable[PollResult], inventory: Inventory,
                   now: float) -> list[str]:  # fmt: skip
    """All conditions, at the full five minutes, and the figures of the devices that have answered since."""
    lines = [condition_line(verdict, inventory, now // EVERY_S * EVERY_S) for verdict in verdicts]
    for poll in polls:
        if poll.ok and now - poll.started_at < EVERY_S:
            lines += figure_lines(poll)
    return lines


class Network:
    """What of the network waits to be spooled: each change of a condition, and a snapshot every five minutes."""

    def __init__(self) -> None:
        self._verdicts: Mapping[Subject, Verdict] = {}
        self._next_at = float("-inf")
        self.lines: list[str] = []
        self.dropped = 0

    def look(self, verdicts: Mapping[Subject, Verdict], inventory: Inventory, now: float) -> None:
        """Take note of conditions that are new since the last look, at the time they truly began."""
        before, self._verdicts = self._verdicts, verdicts
        for subject, verdict in verdicts.items():
            old = before.get(subject)
            if old is not verdict and (old is None or old.condition != verdict.condition):
                self.lines.append(condition_line(verdict, inventory, verdict.since or now))
        if (over := len(self.lines) - LINES_MOST) > 0:  # the disk refuses
            del self.lines[:over]
            self.dropped += over

    def due(self, now: float) -> bool:
        """Whether a snapshot is wanted: once in each five minutes (and when the clock was set back)."""
        if self._next_at - EVERY_S <= now < self._next_at:
            return False
        self._next_at = (now // EVERY_S + 1) * EVERY_S
        return True


def _line(measurement: str, tags: Mapping[str, str], fields: Mapping[str, float], ns: int) -> str:
    text = "".join(f",{key}={_tag(value)}" for key, value in sorted(tags.items()) if value)
    return f"{measurement}{text} {','.join(f'{key}={value!r}' for key, value in fields.items())} {ns}"


def _tag(value: str) -> str:
    """A tag value; a trailing backslash would escape the separator that follows."""
    return value.translate(_TAG).rstrip("\\") or "_"
