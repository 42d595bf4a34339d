"""netmon's few exceptions. Foreign errors are translated into these at the border where they appear."""

from __future__ import annotations

from dataclasses import dataclass


class NetmonError(Exception):
    """Base of every error netmon raises on purpose; its text is one clear line."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a file that people edit, printed as ``file:line: thing: what is wrong; what is allowed``."""

    file: str
    line: int
    thing: str
    message: str
    allowed: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        thing = f"{self.thing}: " if self.thing else ""
        return f"{where}{thing}{self.message}" + (f"; {self.allowed}" if self.allowed else "")


class ConfigError(NetmonError):
    """The configuration or the inventory has mistakes; ``problems`` holds all of them, sorted by place."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class Refused(NetmonError):
    """What was asked for is not done. ``status`` as in HTTP: 400 it is wrong, 403 it is not permitted, 503 not now."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class CollectError(NetmonError):
    """A poll, a probe or a delivery failed. ``reason``: a short metric label; ``retryable``: trying again may help."""

    def __init__(self, reason: str, message: str, *, device: str = "", retryable: bool = True) -> None:
        self.reason = reason
        self.device = device
        self.retryable = retryable
        super().__init__(message)
