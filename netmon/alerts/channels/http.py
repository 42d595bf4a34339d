"""A generic HTTP template, for SMS gateways: method, URL, headers and body from the config, success by a pattern.

``{phone}`` ``{email}`` ``{name}`` ``{subject}`` ``{text}`` ``{id}`` are filled in, each escaped for where it stands:
JSON when the body begins with ``{`` or ``[``, else form or URL encoding. Without a body, a JSON object of all is sent.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from netmon.alerts.channels import OPENER, Outgoing, plain_reason
from netmon.config import Channel
from netmon.errors import CollectError

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 65_536
RETRYABLE = (408, 425, 429, 500, 502, 503, 504)
FIELD = re.compile(r"\{(phone|email|name|subject|text|id)\}")


def send(channel: Channel, message: Outgoing) -> None:
    """Blocking. Raises CollectError; its text holds neither URL nor headers."""
    request = build(channel, message)
    try:
        with OPENER.open(request, timeout=TIMEOUT_S) as response:
            answer = response.read(MAX_ANSWER_BYTES).decode(errors="replace")
    except urllib.error.HTTPError as error:
        text = f"channel {channel.name}: HTTP status {error.code}"
        raise CollectError(f"http_{error.code}", text, retryable=error.code in RETRYABLE) from None
    except (OSError, http.client.HTTPException) as error:
        raise CollectError("unreachable", f"channel {channel.name}: {plain_reason(error)}") from None
    if channel.success and not re.search(channel.success, answer):
        raise CollectError("refused", f"channel {channel.name}: the answer does not match the success pattern")


def build(channel: Channel, message: Outgoing) -> urllib.request.Request:
    """The request as it will be sent."""
    values = {
        "phone": message.phone,
        "email": message.email,
        "name": message.name,
        "subject": message.subject,
        "text": message.body,
        "id": message.id,
    }
    if "{phone}" in channel.body + channel.url.reveal() and not message.phone:
        raise CollectError("no_address", f"channel {channel.name}: {message.name} has no phone number", retryable=False)
    headers = {name: value.reveal() for name, value in channel.headers.items()}
    url = _fill(channel.url.reveal(), values, lambda text: quote(text, safe=""))
    body: bytes | None = None
    if channel.method != "GET":
        template = channel.body.strip()
        if not template:
            body = json.dumps(values, ensure_ascii=False).encode()
        elif template[0] in "{[":
            body = _fill(channel.body, values, lambda text: json.dumps(text, ensure_ascii=False)[1:-1]).encode()
        else:
            body = _fill(channel.body, values, quote_plus).encode()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        headers.setdefault("Content-Type", "application/json; charset=utf-8")
    return urllib.request.Request(url, body, headers, method=channel.method)


def _fill(template: str, values: dict[str, str], escape: Callable[[str], str]) -> str:
    return FIELD.sub(lambda match: escape(values[match[1]]), template)
