"""Letters that answer netmon's: what is new in one folder, over IMAP with TLS (RFC 3501). Blocking.

Letters are only looked at, never changed or removed. The cursor is ``UIDVALIDITY:UID`` of the last one seen; where it
is missing, or the server has numbered the folder anew, reading begins with what comes from now on.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import imaplib
import ssl
from email.utils import parseaddr

from netmon.config import MailboxConfig
from netmon.errors import CollectError
from netmon.model import Reply

NAME = "mailbox"
TIMEOUT_S = 20.0
MOST_BYTES = 65_536  # of one letter: the answer stands at the top
MOST_LETTERS = 50  # in one turn
MOST_TEXT = 4000


def fetch(mailbox: MailboxConfig, cursor: str, now: float) -> tuple[list[Reply], str]:
    """(letters that came, how far it has been read). Raises CollectError; its text holds no password."""
    try:
        imap = imaplib.IMAP4_SSL(mailbox.host, mailbox.port, ssl_context=_context(mailbox), timeout=TIMEOUT_S)
        try:
            return _read(imap, mailbox, cursor, now)
        finally:
            with contextlib.suppress(OSError):  # it is over, however they part
                imap.shutdown()
    except ssl.SSLError as error:
        raise CollectError("tls", f"mailbox: TLS failed: {error.reason}", retryable=False) from None
    except imaplib.IMAP4.error as error:
        # What the server says may quote what it was sent.
        raise CollectError("refused", f"mailbox: the server refused: {type(error).__name__}") from None
    except OSError as error:
        raise CollectError("unreachable", f"mailbox: {error.strerror or type(error).__name__}") from None


def _context(mailbox: MailboxConfig) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=mailbox.ca_file or None)


def _read(imap: imaplib.IMAP4, mailbox: MailboxConfig, cursor: str, now: float) -> tuple[list[Reply], str]:
    try:
        imap.login(mailbox.username, mailbox.password.reveal() if mailbox.password else "")
    except imaplib.IMAP4.error:
        raise CollectError("auth", "mailbox: the server refused user or password", retryable=False) from None
    if imap.select(f'"{mailbox.folder}"', readonly=True)[0] != "OK":
        raise CollectError("config", f'mailbox: there is no folder "{mailbox.folder}"', retryable=False)
    validity = _number(imap, "UIDVALIDITY")
    known, _, last = cursor.partition(":")
    if known != str(validity) or not last.isdecimal():
        return [], f"{validity}:{_number(imap, 'UIDNEXT') - 1}"
    answer = imap.uid("SEARCH", f"UID {int(last) + 1}:*")[1]
    numbers = sorted(int(uid) for uid in (answer[0] or b"").split() if uid.isdigit())
    found = []
    for uid in [n for n in numbers if n > int(last)][:MOST_LETTERS]:  # "5:*" holds the last one even if it is 4
        parts = imap.uid("FETCH", str(uid), f"(BODY.PEEK[]<0.{MOST_BYTES}>)")[1]
        raw = next((part[1] for part in parts if isinstance(part, tuple)), b"")
        if (reply := letter(raw, f"{NAME}|{validity}|{uid}", now)) is not None:
            found.append(reply)
        last = str(uid)
    return found, f"{validity}:{last}"


def _number(imap: imaplib.IMAP4, name: str) -> int:
    """A number that the server told on SELECT."""
    found = imap.response(name)[1]
    text = found[0] if found else None
    if not isinstance(text, bytes) or not text.isdigit():
        raise CollectError("refused", f"mailbox: the server does not say its {name}")
    return int(text)


def letter(raw: bytes, key: str, now: float) -> Reply | None:
    """A letter as a reply; None for what a program sent (RFC 3834), names no sender, or cannot be read."""
    try:
        message = email.message_from_bytes(raw, policy=email.policy.default)
        address = parseaddr(str(message.get("From", "")))[1].casefold()
        automatic = str(message.get("Auto-Submitted", "no")).split(";")[0].strip().casefold() != "no"
        body = message.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        subject = str(message.get("Subject", ""))
    except Exception:  # noqa: BLE001  the parser breaks in many ways (nesting without end); the next letter must be read
        return None
    if not address or automatic:
        return None
    return Reply(key, NAME, address[:254], subject[:500], str(text)[:MOST_TEXT], now)
