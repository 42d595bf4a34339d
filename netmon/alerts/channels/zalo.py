"""Zalo: messages of an Official Account, ZNS templates, the Bot. Blocking; a CollectError holds no token and no URL."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from netmon.alerts.channels import OPENER, Outgoing, plain_reason
from netmon.alerts.channels.zalo_tokens import ZaloTokens
from netmon.alerts.zalo_codes import OA, TOKEN_REFUSED, ZNS, Meaning, meaning
from netmon.config import Channel, ZaloConfig
from netmon.errors import CollectError
from netmon.phones import international

TIMEOUT_S = 15.0
MOST_BYTES = 1_000_000
MOST_TEXT = 2000  # characters of one OA or Bot message
RETRYABLE = (408, 425, 429, 500, 502, 503, 504)
BOT_PERMANENT = (400, 401, 403, 404)  # the Bot's own error_code; the rest may pass


def send_oa(channel: Channel, message: Outgoing, account: ZaloConfig, tokens: ZaloTokens) -> None:
    """A text to somebody who has written to the Official Account."""
    if not message.zalo:
        raise CollectError("no_address", f"channel {channel.name}: {message.name} has no zalo id", retryable=False)
    body = {"recipient": {"user_id": message.zalo}, "message": {"text": message.body[:MOST_TEXT]}}
    _with_token(channel, body, account, tokens, OA)


def send_zns(channel: Channel, message: Outgoing, account: ZaloConfig, tokens: ZaloTokens) -> None:
    """The parameters of a template to a phone number; the message's body holds them as JSON (netmon/alerts/zns.py)."""
    if not message.phone:
        raise CollectError("no_address", f"channel {channel.name}: {message.name} has no phone number", retryable=False)
    body = {
        "phone": international(message.phone),
        "template_id": channel.template,
        "template_data": json.loads(message.body),
        "tracking_id": hashlib.sha256(message.id.encode()).hexdigest()[:32],  # the same when it is sent again
    }
    _with_token(channel, body, account, tokens, ZNS)


def send_bot(channel: Channel, message: Outgoing) -> None:
    """A text from the Bot to somebody who has written to it."""
    if not message.zalo_bot:
        raise CollectError("no_address", f"channel {channel.name}: {message.name} has no zalo_bot id", retryable=False)
    bot(channel, "sendMessage", {"chat_id": message.zalo_bot, "text": message.body[:MOST_TEXT]}, TIMEOUT_S)


def bot(channel: Channel, method: str, body: Mapping[str, object], timeout_s: float) -> Any:
    """One call of the Bot API; its result. Raises CollectError, with reason ``quiet`` where a long poll ended empty."""
    token = channel.token.reveal() if channel.token else ""
    answer = _post(channel, f"{channel.url.reveal().rstrip('/')}/bot{token}/{method}", body, {}, timeout_s)
    if answer.get("ok") is True:
        return answer.get("result")
    code = answer.get("error_code")
    if code == 408:
        raise CollectError("quiet", f"channel {channel.name}: nothing came")
    what = f"error {code}" if isinstance(code, int) else "no error number"
    reason = "auth" if code in (401, 404) else "refused"
    text = f"channel {channel.name}: the Zalo Bot refused it, {what}"
    raise CollectError(reason, text, retryable=code not in BOT_PERMANENT)


def _with_token(
    channel: Channel, body: Mapping[str, object], account: ZaloConfig, tokens: ZaloTokens, table: dict[int, Meaning]
) -> None:
    """Send; where Zalo refuses the access token before its time, once more with a new one."""
    code, token = 0, ""
    for _ in range(2):
        token = tokens.access(account, refused=token)
        answer = _post(channel, channel.url.reveal(), body, {"access_token": token}, TIMEOUT_S)
        code = answer["error"] if isinstance(answer.get("error"), int) else -1
        if code not in TOKEN_REFUSED:
            break
    if code == 0:
        return
    if code in TOKEN_REFUSED:
        text = f"channel {channel.name}: Zalo refuses a new access token, error {code}: the application lost its rights"
        raise CollectError("account", text, retryable=False)
    found = meaning(code, table)
    text = f"channel {channel.name}: {found.text}, error {code}"
    raise CollectError(found.reason, text, retryable=found.kind == "retry")


def _post(
    channel: Channel, url: str, body: Mapping[str, object], headers: Mapping[str, str], timeout_s: float
) -> dict[str, Any]:
    """The answer, whatever it says; the Bot sends its errors with a status of the same number."""
    data = json.dumps(body, ensure_ascii=False).encode()
    try:
        request = urllib.request.Request(url, data, {**headers, "Content-Type": "application/json"}, method="POST")
        with OPENER.open(request, timeout=timeout_s) as response:
            text = response.read(MOST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read(MOST_BYTES)
        if _object(text) is None:
            reason = f"channel {channel.name}: HTTP status {error.code}"
            raise CollectError(f"http_{error.code}", reason, retryable=error.code in RETRYABLE) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CollectError("unreachable", f"channel {channel.name}: {plain_reason(error)}") from None
    answer = _object(text)
    if answer is None:
        raise CollectError("refused", f"channel {channel.name}: the answer is not what Zalo sends")
    return answer


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
