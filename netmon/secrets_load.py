"""Secrets by name: the value comes from the environment or a file, never from the YAML, and is in no message."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from netmon.errors import Problem
from netmon.model import Secret
from netmon.yamlfile import Entry

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HOW = 'write {env: "NAME"} or {file: "/path"}'
_SECRET_WORDS = re.compile(r"pass|pwd|token|key|secret|auth|user", re.IGNORECASE)
_PLAIN_HEADERS = {"accept", "content-type", "user-agent"}


@dataclass(slots=True)
class Secrets:
    """Where secrets come from: ``environ``, and files relative to ``base``. Doubts go to ``warnings``."""

    environ: Mapping[str, str]
    base: Path
    warnings: list[Problem] = field(default_factory=list)

    def read(
        self,
        entry: Entry,
        key: str,
        *,
        required: bool = False,
        default_allowed: bool = False,
        harmless: Callable[[str], bool] | None = None,
    ) -> Secret | None:
        """The secret named at ``key``. ``harmless(text)`` says which literal values are no secret; others fail."""
        kind = entry.kind(key)
        if kind == "text" and harmless is not None and harmless(entry.raw(key)):
            return Secret(entry.raw(key))
        if kind in ("text", "list"):
            entry.raw(key)  # asked for, but not shown: it may be the secret
            entry.problem(key, f'"{key}" holds the value itself', HOW)
            return None
        source = entry.entry(key, required=required)
        if source is None:
            return None
        name, file = source.text("env"), source.text("file")
        default = source.text("default") if default_allowed else ""
        source.finish()
        if bool(name) == bool(file):
            entry.problem(key, f'"{key}" needs exactly one of env and file', HOW)
            return None
        return self._from_file(entry, key, file) if file else self._from_environ(entry, key, name, default)

    def _from_environ(self, entry: Entry, key: str, name: str, default: str) -> Secret | None:
        if not _NAME.fullmatch(name):
            entry.problem(key, f'"{key}": env is not the name of an environment variable', HOW)
            return None
        if value := self.environ.get(name, ""):
            return Secret(value)
        if default:
            text = f"environment variable {name} is not set, the default is used"
            self.warnings.append(Problem(entry.file, entry.line_of(key), entry.thing, text))
            return Secret(default)
        entry.problem(key, f'"{key}": environment variable {name} is not set')
        return None

    def _from_file(self, entry: Entry, key: str, file: str) -> Secret | None:
        # systemd's LoadCredential= puts files there (systemd.exec(5), Credentials).
        credentials = self.environ.get("CREDENTIALS_DIRECTORY", "")
        path = self.base / file.replace("$CREDENTIALS_DIRECTORY", credentials)
        try:
            value = path.read_text("utf-8").rstrip("\r\n")
            mode = path.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            entry.problem(key, f'"{key}": file {path} cannot be read: {reason}')
            return None
        if not value or "\n" in value:
            entry.problem(key, f'"{key}": file {path} must hold one line')
            return None
        if mode & stat.S_IROTH:
            text = f"file {path} can be read by everybody"
            self.warnings.append(Problem(entry.file, entry.line_of(key), entry.thing, text, "chmod o-r"))
        return Secret(value)


def harmless_url(text: str) -> bool:
    """A URL of this machine with no user, password or token in sight may stand in the file itself."""
    try:
        url = urlsplit(text)
        host = url.hostname or ""
    except ValueError:
        return False
    if "@" in url.netloc or any(_SECRET_WORDS.search(name) for name, _ in parse_qsl(url.query)):
        return False
    return bool(url.scheme) and (host in ("localhost", "::1") or host.startswith("127."))


def harmless_server(text: str) -> bool:
    """An http(s) URL without user, password or query: the address of an Alertmanager."""
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname) and "@" not in url.netloc and not url.query


def harmless_header(name: str) -> Callable[[str], bool]:
    """Header values that may stand in the file: those of headers that never authenticate."""
    return lambda _value: name.lower() in _PLAIN_HEADERS
