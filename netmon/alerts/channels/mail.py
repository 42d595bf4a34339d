"""E-mail: apprise reads the URL, the standard library writes the message and carries it (docs/adr/0005).

Every message has a Message-ID of its own that stays the same when it is sent again, and those about one incident name a
common root in References (RFC 5322, 3.6.4), so that mail programs show opening and close as one thread.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Any

import apprise

from netmon.alerts.channels import Outgoing
from netmon.config import Channel
from netmon.errors import CollectError

SCHEMES = ("mailto://", "mailtos://")
TIMEOUT_S = 15.0


def send(channel: Channel, message: Outgoing) -> None:
    """Blocking. Raises CollectError; its text holds neither the URL nor what the server answered."""
    account: Any = apprise.Apprise.instantiate(channel.url.reveal())
    if account is None:
        raise CollectError("config", f"channel {channel.name}: not an address that apprise knows", retryable=False)
    to = [message.email] if message.email else [address for _, address in account.targets]
    if not to:
        raise CollectError(
            "no_address", f"channel {channel.name}: {message.name} has no e-mail address", retryable=False
        )
    name, sender = account.from_addr
    letter = compose(message, formataddr((name or "netmon", sender)), to, sender.rpartition("@")[2])
    try:
        smtp = _connect(account)
        try:
            refused = smtp.send_message(letter, from_addr=sender, to_addrs=to)
            with contextlib.suppress(OSError, smtplib.SMTPException):  # the letter is theirs, however they part
                smtp.quit()
        finally:
            smtp.close()
    except smtplib.SMTPAuthenticationError:
        raise CollectError("auth", f"channel {channel.name}: the mail server refused the password") from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        text = f"channel {channel.name}: the mail server refused the recipient, code {codes}"
        raise CollectError("refused", text, retryable=max(codes) < 500) from None
    except smtplib.SMTPResponseException as error:
        text = f"channel {channel.name}: the mail server refused the message, code {error.smtp_code}"
        raise CollectError("refused", text) from None
    except ssl.SSLError as error:
        raise CollectError("tls", f"channel {channel.name}: TLS failed: {error.reason}") from None
    except (OSError, smtplib.SMTPException) as error:
        what = getattr(error, "strerror", None) or type(error).__name__
        raise CollectError("unreachable", f"channel {channel.name}: {what}") from None
    if refused:
        raise CollectError("refused", f"channel {channel.name}: the mail server refused a recipient")


def compose(message: Outgoing, sender: str, to: list[str], domain: str) -> EmailMessage:
    """The letter. Same message, same Message-ID."""
    letter = EmailMessage()
    letter["Subject"] = " ".join(message.subject.split())
    letter["From"] = sender
    letter["To"] = ", ".join(to)
    letter["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
    letter["Message-ID"] = f"<{_atom(message.id)}.{message.at:.0f}@{domain}>"
    if message.thread:
        root = f"<{_atom(message.thread)}.netmon@{domain}>"
        letter["In-Reply-To"] = root
        letter["References"] = root
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    letter.set_content(message.body, cte="8bit" if message.body.isascii() else "base64")
    return letter


def _connect(account: Any) -> smtplib.SMTP:
    """A connection as the URL asks for: plain, STARTTLS or TLS from the first byte; logged in if it names a user."""
    context = ssl.create_default_context()
    if not account.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    host, port = account.smtp_host or account.host, account.port
    smtp: smtplib.SMTP
    if account.secure_mode == "ssl":
        smtp = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
    else:
        smtp = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    try:
        if account.secure_mode == "starttls":
            smtp.starttls(context=context)
        if account.user and account.password:
            smtp.login(account.user, account.password)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _atom(text: str) -> str:
    """Only what may stand in a Message-ID (RFC 5322, dot-atom)."""
    return re.sub(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~-]", "_", text)
