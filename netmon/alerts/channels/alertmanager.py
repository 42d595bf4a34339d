"""Incidents as alerts for an Alertmanager (API v2): one each; number and cause are annotations, never labels."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from netmon.alerts.channels import OPENER, plain_reason
from netmon.config import Channel
from netmon.errors import CollectError
from netmon.model import Incident

TIMEOUT_S = 10.0
REPEAT_S = 60.0  # posted again while open; Alertmanager forgets what it has not heard of for resolve_timeout (5 min)
HOLD_S = 4 * REPEAT_S  # endsAt of an open one: should netmon die, it ends by itself


def alert(incident: Incident, annotations: Mapping[str, str], now: float) -> dict[str, Any]:
    """One incident in Alertmanager's form. Its labels are its identity there, so a raised severity makes it another.

    One of an alert bears the series of that alert too: two neighbours lost by one router are two alerts.
    """
    rule, series = incident.alerts[0] if incident.kind == "alert" and incident.alerts else ("", ())
    return {
        "labels": {
            **dict(series),
            **({"alert": rule} if rule else {}),
            "alertname": f"Netmon{incident.kind.capitalize()}",
            incident.subject.kind: incident.subject.id,
            "severity": incident.severity,
            "source": "netmon",
        },
        "annotations": {
            "incident": str(incident.id),
            "cause": incident.cause.kind,
            "certainty": "confirmed" if incident.cause.confirmed else "suspected",
            **annotations,
        },
        "startsAt": _time(incident.began_at),
        "endsAt": _time(incident.closed_at or now + HOLD_S),
    }


def ended(before: dict[str, Any], now: float) -> dict[str, Any]:
    """An alert that was posted and is now another one."""
    return {**before, "endsAt": _time(now)}


def post(channel: Channel, alerts: Iterable[dict[str, Any]]) -> None:
    """Blocking. Raises CollectError."""
    url = channel.url.reveal().rstrip("/") + "/api/v2/alerts"
    body = json.dumps(list(alerts), ensure_ascii=False).encode()
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
        with OPENER.open(request, timeout=TIMEOUT_S) as response:
            response.read()
    except urllib.error.HTTPError as error:
        text = f"channel {channel.name}: HTTP status {error.code}"
        raise CollectError(f"http_{error.code}", text, retryable=error.code >= 500) from None
    except (OSError, http.client.HTTPException) as error:
        raise CollectError("unreachable", f"channel {channel.name}: {plain_reason(error)}") from None
    except ValueError:
        raise CollectError("config", f"channel {channel.name}: not an address", retryable=False) from None


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
