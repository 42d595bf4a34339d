"""Zalo's access token, and the refresh token that works once: the new pair is on disk before anything uses it.

Whoever loses the answer to a refresh has lost the account: the old refresh token is spent, the new one is nowhere. So
one refresh at a time runs, over all threads and processes (a lock on a file); before it asks, it writes the file anew,
which finds a full disk while the old token is still good; the pair is stored (write, fsync, rename, fsync of the
folder) before the access token is handed out. One window remains that no client can close: a kill or a power cut
between Zalo's answer and the store. It is recognised, and the error says what to do.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from netmon.alerts.channels import OPENER, plain_reason
from netmon.config import ZaloConfig
from netmon.errors import CollectError

FILE = "zalo-tokens.json"
TIMEOUT_S = 15.0
MOST_BYTES = 65_536
MARGIN_S = 300.0  # a token that ends this soon is not begun with
LEAST_S = 600.0  # where the answer does not say how long it lasts; the true one is about 25 h
REMEDY = (
    "get a new refresh token for the Official Account (Zalo for Developers, API Explorer), put it where "
    "notify.zalo.refresh_token points and reload netmon"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """What the file holds. ``origin`` names the configured token that the pair descends from, without saying it."""

    origin: str
    refresh_token: str
    access_token: str = ""
    expires_at: float = 0.0
    asked_at: float = 0.0  # a refresh was begun then, and no pair of it has been stored


class ZaloTokens:
    """For the threads of the channels. ``now`` is UTC Unix seconds: it must outlive restarts."""

    def __init__(self, folder: str | Path, now: Callable[[], float] = time.time) -> None:
        self._path = Path(folder, FILE)
        self._now = now
        self._mutex = threading.Lock()
        self._unsaved: Pair | None = None  # the disk refused a pair that Zalo has given out

    def access(self, account: ZaloConfig, refused: str = "") -> str:
        """A token that may be used. ``refused``: one that Zalo has just refused. Raises CollectError."""
        if account.refresh_token is None:
            raise CollectError("config", "notify.zalo.refresh_token is missing", retryable=False)
        origin = hashlib.sha256(account.refresh_token.reveal().encode()).hexdigest()[:16]
        with self._locked():
            pair = self._unsaved or self._read()
            if pair is None or pair.origin != origin:  # the operator has a new one: what was stored is of the old
                pair = Pair(origin, account.refresh_token.reveal())
            fresh = pair.access_token != refused and self._now() < pair.expires_at - MARGIN_S
            if not pair.access_token or not fresh:
                pair = self._refresh(account, pair)
            elif self._unsaved is not None:
                self._keep(pair)
            return pair.access_token

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._mutex:
            try:
                held = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise self._disk(error) from error
            try:
                self._give_to_owner(held)
                fcntl.flock(held, fcntl.LOCK_EX)
                yield
            finally:
                os.close(held)

    def _disk(self, error: OSError) -> CollectError:
        return CollectError("disk", f"Zalo's tokens cannot be kept: file={self._path} error={error.strerror}")

    # --- the refresh -------------------------------------------------------------------------------------------------

    def _refresh(self, account: ZaloConfig, pair: Pair) -> Pair:
        before = pair.asked_at
        try:
            self._write(replace(pair, asked_at=before or self._now()))
        except OSError as error:  # nothing has been asked: the refresh token is still good
            raise self._disk(error) from error
        try:
            answer = self._ask(account, pair, before)
        except CollectError as error:
            if error.reason == "account" and not before:  # answered, and nothing was spent
                with contextlib.suppress(OSError):
                    self._write(pair)
            raise
        seconds = _seconds(answer.get("expires_in"))
        new = Pair(pair.origin, str(answer["refresh_token"]), str(answer["access_token"]), self._now() + seconds)
        self._keep(new)
        return new

    def _keep(self, pair: Pair) -> None:
        self._unsaved = pair
        try:
            self._write(pair)
        except OSError:  # good for as long as this process lives; the next call tries to store it again
            return
        self._unsaved = None

    def _ask(self, account: ZaloConfig, pair: Pair, asked_before: float) -> dict[str, Any]:
        form = {"refresh_token": pair.refresh_token, "app_id": account.app_id, "grant_type": "refresh_token"}
        secret = account.secret_key.reveal() if account.secret_key else ""
        headers = {"secret_key": secret, "Content-Type": "application/x-www-form-urlencoded"}
        try:
            request = urllib.request.Request(account.token_url, urlencode(form).encode(), headers, method="POST")
            with OPENER.open(request, timeout=TIMEOUT_S) as response:
                body = response.read(MOST_BYTES)
        except urllib.error.HTTPError as error:
            text = f"Zalo's token server: HTTP status {error.code}"
            raise CollectError(f"http_{error.code}", text, retryable=error.code >= 500 or error.code == 429) from None
        except (OSError, http.client.HTTPException) as error:
            raise CollectError("unreachable", f"Zalo's token server: {plain_reason(error)}") from None
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise CollectError("refused", "Zalo's token server: the answer is not JSON")
        if answer.get("access_token") and answer.get("refresh_token"):
            return answer
        said = f"{answer.get('error_name', '')} {answer.get('error_description', '')} {answer.get('message', '')}"
        code = answer.get("error") if isinstance(answer.get("error"), int) else "none"
        if "refresh" not in said.casefold():
            raise CollectError(
                "account", f"Zalo refuses notify.zalo.app_id or secret_key, error {code}", retryable=False
            )
        how = "it may be over 3 months old, or another program has used it"
        if asked_before:
            at = datetime.fromtimestamp(asked_before, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
            how = f"the refresh begun at {at} was cut off, and its answer is lost"
        raise CollectError(
            "token_lost", f"Zalo refuses the refresh token, error {code}: {how}; {REMEDY}", retryable=False
        )

    # --- the file ----------------------------------------------------------------------------------------------------

    def _read(self) -> Pair | None:
        try:
            return Pair(**json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            # Going back to the configured token would not help: it was spent when this file was first written.
            what = error.strerror if isinstance(error, OSError) else "not what netmon wrote"
            text = f"file {self._path}: {what}; restore it, or remove it and {REMEDY}"
            raise CollectError("token_lost", text, retryable=False) from None

    def _give_to_owner(self, file: int) -> None:
        """What root writes while the daemon is down (netmon notify test) is the daemon's to read."""
        if os.geteuid() == 0:
            folder = self._path.parent.stat()
            os.fchown(file, folder.st_uid, folder.st_gid)

    def _write(self, pair: Pair) -> None:
        new = self._path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # one that was left over may have another mode
            self._give_to_owner(file.fileno())
            file.write(json.dumps(asdict(pair)).encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _seconds(given: object) -> float:
    """``expires_in``: Zalo sends it as text."""
    try:
        return max(LEAST_S, float(str(given)))
    except ValueError:
        return LEAST_S
