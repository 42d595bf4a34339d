"""What every request may use, and who may change something."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import Headers

from netmon import exposition
from netmon.alerts.catalog import load_catalog
from netmon.alerts.explain import Telling
from netmon.alerts.messages_facts import Texts
from netmon.alerts.outside import Posted
from netmon.alerts.plan_record import Record
from netmon.clock import Clock
from netmon.config import Config
from netmon.drill.report import Report
from netmon.errors import Problem
from netmon.history.sensormeans import Curve, Share
from netmon.history.spool import Bad
from netmon.model import Incident, LineSample, Reply, Secret, Subject
from netmon.state import State
from netmon.web.live import Live
from netmon.web.render import Renderer, assets_version
from netmon.works import Silence, Work

log = logging.getLogger(__name__)

LOCAL = "netmon.local"  # in the scope of requests over the unix socket: who may open its file may act


class Desk(Protocol):
    """What people do. Raises HandlingError where it cannot be done; None where there is no such thing."""

    async def find(self, number: int) -> Incident | None:
        """An incident of any age."""

    async def telling(self, number: int) -> Telling:
        """What was decided about telling of an incident. Raises StoreError."""

    async def handle(self, number: int, step: Callable[[Incident, float], Incident]) -> Incident | None:
        """Take one step with an incident."""

    async def report(self, subject: Subject, who: str, text: str) -> Incident:
        """Open an incident by hand."""

    async def add_works(self, works: Iterable[Work]) -> list[Work]:
        """Enter planned works, all or none."""

    async def cancel_work(self, number: int, who: str) -> Work | None:
        """Call a planned work off."""

    async def add_silence(self, silence: Silence) -> Silence:
        """Keep news from being told."""

    async def storm_duty(self, hours: float, who: str) -> float:
        """No quiet hours for so long."""

    async def end_silence(self, number: int, who: str) -> Silence | None:
        """End a silence now."""


class DrillDesk(Protocol):
    """Drills. Raises DrillError or HandlingError where it cannot be done; None where there is no such drill."""

    async def order(self, name: str, data: bytes, wanted: str, to: Iterable[str], by: str) -> Report:
        """Begin one. Raises ConfigError for a scenario with mistakes."""

    async def stop(self, by: str) -> Report | None:
        """End the one that runs."""

    async def acknowledge(self, number: int, who: str, note: str = "") -> Report | None:
        """Somebody takes it."""

    async def report(self, number: int) -> Report | None:
        """One of any age."""

    async def reports(self) -> list[Report]:
        """The newest first."""


class Actions(Protocol):
    """What the daemon does for the web. The three pages are rendered in a thread; the rest is awaited in the loop."""

    @property
    def desk(self) -> Desk:
        """What people do."""

    @property
    def record(self) -> Record:
        """What was told lately."""

    @property
    def drills(self) -> DrillDesk:
        """Drills."""

    async def reload(self) -> list[Problem]:
        """Load the configuration anew; the problems, if it was not taken over."""

    async def pair(self, beat: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a beat of the standby. Raises ValueError, or Refused."""

    async def line_samples(self, line: str, since: float, until: float, step: int) -> list[LineSample]:
        """What is kept of one line, ``step`` five-minute samples averaged into one. Raises StoreError."""

    async def sensor_means(self, sensors: Sequence[str], since: float, until: float) -> Mapping[str, Curve]:
        """Five-minute means of some sensors over [since, until), oldest first. Raises StoreError."""

    async def sensor_month(self, month: str) -> list[Share]:
        """For each sensor with limits of a regulation: its means in a month, and those within. Raises StoreError."""

    async def quarantine(self, limit: int) -> list[Bad]:
        """The newest messages that could not be read, newest first. Raises SpoolError."""

    def page(self) -> bytes:
        """The text of /metrics."""

    def site_page(self, site: str) -> bytes | None:
        """The text of /metrics/sites/{site}."""

    def rest_page(self) -> bytes:
        """The text of /metrics/self."""

    async def take_alerts(self, posted: Sequence[Posted]) -> tuple[int, int]:
        """An Alertmanager hands alerts in: (news, dropped as our own). Raises StoreError where it could not be kept."""

    async def try_channels(self, to: str) -> list[tuple[str, str]]:
        """Send a person test messages: (channel, problem or ""). Raises NetmonError where there is no such person."""

    async def take_reply(self, reply: Reply) -> None:
        """Somebody has answered through a gateway. Raises StoreError where it could not be kept."""

    async def snmp(self, target: str, modules: Sequence[str], auth: str) -> bytes:
        """The text of /snmp. Raises Refused, or CollectError when the device does not answer."""


@dataclass(slots=True)
class Web:
    """The parts that requests share. ``config`` is replaced by a reload."""

    state: State
    actions: Actions
    config: Config
    clock: Clock
    zone: tzinfo
    renderers: Mapping[str, Renderer]
    live: Live
    assets: str
    words: Mapping[str, Texts]

    @classmethod
    def build(cls, state: State, actions: Actions, config: Config, words: Mapping[str, Texts], clock: Clock) -> Web:
        zone = ZoneInfo(config.timezone)
        renderers = {code: Renderer(state, words, code, config.language, zone, _summaries(code)) for code in words}
        return cls(
            state, actions, config, clock, zone, renderers, Live(state, renderers, clock.now), assets_version(), words
        )

    def language(self, asked: str) -> str:
        """The language asked for if there are words in it, else the configured one."""
        return asked if asked in self.renderers else self.config.language

    def renderer(self, asked: str) -> Renderer:
        return self.renderers[self.language(asked)]


@cache
def _summaries(language: str) -> dict[str, str]:
    """Alert -> its sentence in the catalogue; the alert's name where the catalogue has no such language."""
    return {rule.alert: rule.summary.get(language, rule.alert) for rule in load_catalog()}


def token_is_right(web: Web, given: str) -> bool:
    """Compared in constant time. Without a configured token nothing is right."""
    return _is(web.config.web.token, given)


def _is(token: Secret | None, given: str) -> bool:
    return token is not None and bool(given) and hmac.compare_digest(token.reveal().encode(), given.encode())


def bearer_of(headers: Headers) -> str:
    """The bearer token of a request; "" without one."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    # Header bytes come as Latin-1 (ASGI); what was typed is UTF-8.
    return given.strip().encode("latin-1").decode("utf-8", "replace") if scheme.lower() == "bearer" else ""


def require_token(web: Web, request: Request) -> None:
    """401 without a bearer token, 403 with a wrong one or where none is configured; none needed on the unix socket."""
    if request.scope.get(LOCAL):
        return
    _require(web.config.web.token, "web.token", request)


def require_pair_token(web: Web, request: Request) -> None:
    """The same for what the other daemon of a pair asks."""
    _require(web.config.pair.token, "pair.token", request)


def _require(token: Secret | None, key: str, request: Request) -> None:
    if token is None:
        raise HTTPException(403, f"no token is configured: {key} in netmon.yml")
    given = bearer_of(request.headers)
    if not given:
        raise HTTPException(401, "bearer token needed", {"WWW-Authenticate": 'Bearer realm="netmon"'})
    if not _is(token, given):
        log.warning("wrong token path=%s client=%s", request.url.path, request.client.host if request.client else "")
        raise HTTPException(403, "wrong token")


def html(request: Request, text: str, status: int = 200) -> Response:
    """A page, compressed when asked."""
    body = text.encode()
    headers = {"Vary": "Accept-Encoding"}
    if wants_gzip(request):
        body, headers["Content-Encoding"] = exposition.compress(body), "gzip"
    return HTMLResponse(body, status, headers)


def wants_gzip(request: Request) -> bool:
    """Whether the client takes gzip (RFC 9110, section 12.5.3; a weight of 0 refuses)."""
    for offer in request.headers.get("accept-encoding", "").split(","):
        coding, _, weight = offer.partition(";")
        if coding.strip().lower() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
