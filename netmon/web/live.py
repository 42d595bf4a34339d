"""The live stream: the wall is rendered once per language for all who watch, and only what changed is sent.

A follower remembers the last version it was sent and takes what is newer when it can; so nothing is queued for a slow
one, and one that connects anew gets everything once. A beat goes out every second: a page that hears none turns grey.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping

from netmon.model import labels
from netmon.state import State
from netmon.web import pages
from netmon.web.render import Renderer, json_bytes

BEAT_S = 1.0
REDRAW_S = 60.0  # also without a change: at midnight "10:31" becomes "23/11 10:31"
MOST_FOLLOWERS = 200
MOST_PATCHES = 50  # kept: followers keep pace with each other, but anybody may come with a mark of any age
PARTS = ("headline", "notices", "incidents", "sensors", "nodes")
_AGE = re.compile(r'(<time class="age"[^>]*>)[^<]*')  # counted on by the browser, so not a change


class Board:
    """The fragments of the wall in one language, each with the version it last changed in."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self.id = secrets.token_hex(4)  # versions of another start of the daemon mean nothing to this one
        self.version = 0
        self.fragments: dict[str, str] = {}
        self._changed: dict[str, int] = {}
        self._digests: dict[str, bytes] = {}
        self._patches: dict[int, bytes] = {}
        self._seen: tuple[int, list[tuple[str, str]]] | None = None
        self._drawn_at = float("-inf")
        self._lock = asyncio.Lock()

    async def draw(self, now: float) -> None:
        """Render what the state says now, giving way to others between fragments; at most once a second."""
        async with self._lock:
            renderer = self.renderer
            seen = (renderer.state.revision, renderer.notices(now))
            age = now - self._drawn_at
            if age < BEAT_S / 2 or (self._seen == seen and age < REDRAW_S):
                return
            fresh: dict[str, str] = {}
            for name in PARTS:
                fresh[name] = renderer.fragment(name, now)
                await asyncio.sleep(0)
            for area in pages.areas(renderer.state, now, renderer.zone):
                fresh[f"area-{area.id}"] = renderer.area(area, now)
                await asyncio.sleep(0)
            self._seen, self._drawn_at = seen, now
            self._take(fresh)

    def _take(self, fresh: dict[str, str]) -> None:
        digests = {name: hashlib.blake2b(_AGE.sub(r"\1", html).encode()).digest() for name, html in fresh.items()}
        changed = [name for name, digest in digests.items() if self._digests.get(name) != digest]
        self.fragments, self._digests = fresh, digests
        if changed:
            self.version += 1
            self._changed = {name: self._changed.get(name, 0) for name in fresh} | dict.fromkeys(changed, self.version)
            self._patches.clear()

    @property
    def mark(self) -> str:
        """What a page says when it comes back, so that it is sent only what it lacks."""
        return f"{self.id}.{self.version}"

    def version_of(self, mark: str) -> int:
        """The version a page has; 0, which is none, if its mark is not of this board."""
        board, _, version = mark.partition(".")
        known = board == self.id and version.isdecimal() and len(version) < 10
        return min(int(version), self.version) if known else 0

    def patch(self, since: int) -> bytes:
        """The event that brings a follower from version ``since`` to the present one; made once for all of them."""
        if since not in self._patches:
            if len(self._patches) >= MOST_PATCHES:
                self._patches.clear()
            newer = {name: html for name, html in self.fragments.items() if self._changed[name] > since}
            mark = f"id: {self.mark}\nevent: patch\ndata: ".encode()
            self._patches[since] = mark + json_bytes(newer) + b"\n\n"
        return self._patches[since]


class Live:
    """All boards and all who follow them. The ticker runs only while somebody follows."""

    def __init__(self, state: State, renderers: Mapping[str, Renderer], now: Callable[[], float]) -> None:
        self.boards = {language: Board(renderer) for language, renderer in renderers.items()}
        self._state = state
        self._now = now
        self._followers: dict[str, int] = dict.fromkeys(renderers, 0)
        self._ticker: asyncio.Task[None] | None = None
        self._tick = asyncio.Event()
        self._closed = False

    @property
    def followers(self) -> int:
        return sum(self._followers.values())

    @property
    def full(self) -> bool:
        """No more followers are taken: each costs a descriptor and a copy of the patch in the kernel."""
        return self._closed or self.followers >= MOST_FOLLOWERS

    def close(self) -> None:
        """End all streams at once; new ones are refused."""
        self._closed = True
        self._tick.set()

    async def follow(self, language: str, hello: str, mark: str = "") -> AsyncIterator[bytes]:
        """The stream for one page: what is newer than its ``mark``, then what changes, with a beat each second."""
        board = self.boards[language]
        seen = board.version_of(mark)
        self._count(language, 1)
        try:
            yield f"retry: 2000\nevent: hello\ndata: {hello}\n\n".encode()
            await board.draw(self._now())
            while not self._closed:
                event = b""
                if board.version != seen:
                    event, seen = board.patch(seen), board.version
                yield event + f"event: beat\ndata: {self._now():.3f}\n\n".encode()
                await self._tick.wait()
        finally:
            self._count(language, -1)

    def _count(self, language: str, by: int) -> None:
        self._followers[language] += by
        self._state.gauges.set("netmon_http_streams", labels(), self.followers)
        if self.followers and (self._ticker is None or self._ticker.done()):
            self._ticker = asyncio.create_task(self._run(), name="live-ticker")

    async def _run(self) -> None:
        while self.followers and not self._closed:
            await asyncio.sleep(BEAT_S)
            for language, board in self.boards.items():
                if self._followers[language]:
                    await board.draw(self._now())
            tick, self._tick = self._tick, asyncio.Event()
            tick.set()
