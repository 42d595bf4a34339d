"""A real SMTP server (aiosmtpd) with STARTTLS or TLS and a password: from incidents to letters."""

from __future__ import annotations

import asyncio
import datetime
import email
import email.policy
import ipaddress
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from netmon.alerts.channels import Outgoing, apprise_channel
from netmon.alerts.notify import Notifier
from netmon.alerts.plan import plan
from netmon.clock import Clock
from netmon.config import Channel, Config, NotifyConfig
from netmon.errors import CollectError
from netmon.history.store import Store
from netmon.model import Change, Contact, Incident, Secret
from netmon.words import load_words
from tests.conftest import free_port, wait_until
from tests.message_cases import CLOSED, NOW, OPEN, state

pytestmark = pytest.mark.live

PASSWORD = "mat-khau-bi-mat"
MESSAGE = Outgoing(
    "7-0-opened|an|mail", "incident-7", "Mất kết nối – thử", "Dòng một\nDòng hai: đã có lại", NOW, "An", "an@x.vn"
)


@dataclass
class Mailbox:
    """What the server took, and how each session was."""

    letters: list[EmailMessage] = field(default_factory=list)
    tls: list[bool] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    refuse_next: int = 0  # letters to be turned away for now (451)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("unknown"):
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse_next:
            self.refuse_next -= 1
            return "451 try again later"
        assert isinstance(envelope.content, bytes)
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        self.tls.append(session.ssl is not None)
        return "250 OK"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


@contextmanager
def mail_server(folder: Path, mode: str) -> Iterator[tuple[Mailbox, int]]:
    """``mode``: plain | starttls | ssl; with starttls it takes nobody without a password."""
    box, port = Mailbox(), free_port()

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        if isinstance(data, LoginPassword):
            box.users.append(data.login.decode())
        return AuthResult(success=good, handled=good)

    options: dict[str, Any] = {"hostname": "127.0.0.1", "port": port}
    if mode != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate(folder))
        if mode == "ssl":
            options |= {"ssl_context": context}
        else:
            options |= {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": check}
    controller = Controller(box, **options)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def mail_channel(port: int, mode: str = "plain", password: str = PASSWORD, name: str = "mail") -> Channel:
    address = f"netmon:{password}@127.0.0.1:{port}" if mode == "starttls" else f"127.0.0.1:{port}"
    scheme = "mailto" if mode == "plain" else "mailtos"
    query = "from=netmon@province.vn&name=netmon" + ("" if mode == "plain" else f"&mode={mode}")
    return Channel(name, "apprise", Secret(f"{scheme}://{address}/?{query}"))


@pytest.mark.parametrize("mode", ["plain", "starttls", "ssl"])
def test_a_letter_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    with mail_server(tmp_path, mode) as (box, port):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))  # the machine trusts the server
        apprise_channel.send(mail_channel(port, mode), MESSAGE)
        (letter,) = box.letters
        assert letter["Subject"] == MESSAGE.subject
        assert letter["To"] == "an@x.vn"
        assert letter["From"] == "netmon <netmon@province.vn>"
        assert letter.get_content().rstrip() == MESSAGE.body
        assert box.tls == [mode == "starttls"]  # aiosmtpd tells of STARTTLS only; a TLS port takes nothing else anyway
        assert box.users == (["netmon"] if mode == "starttls" else [])
        assert len(letter.get_all("Message-ID")) == 1


def test_a_server_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    with mail_server(tmp_path, "starttls") as (box, port):
        with pytest.raises(CollectError, match="TLS failed") as caught:
            apprise_channel.send(mail_channel(port, "starttls"), MESSAGE)
        assert (caught.value.reason, box.letters, box.users) == ("tls", [], [])


def test_a_wrong_password_is_said_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server(tmp_path, "starttls") as (box, port):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        with pytest.raises(CollectError, match="refused the password") as caught:
            apprise_channel.send(mail_channel(port, "starttls", "wr0ng-one"), MESSAGE)
        assert "wr0ng-one" not in str(caught.value)
        assert box.letters == []


def test_an_unknown_recipient_is_not_tried_again(tmp_path: Path) -> None:
    with mail_server(tmp_path, "plain") as (_, port):
        with pytest.raises(CollectError, match="refused the recipient") as caught:
            apprise_channel.send(mail_channel(port), replace(MESSAGE, email="unknown@x.vn"))
        assert not caught.value.retryable


def test_a_dead_server_is_tried_again() -> None:
    with pytest.raises(CollectError) as caught:
        apprise_channel.send(mail_channel(free_port()), MESSAGE)
    assert (caught.value.reason, caught.value.retryable) == ("unreachable", True)


def test_an_incident_is_one_thread_from_plan_to_mailbox(tmp_path: Path) -> None:
    """Opened, sent twice because the first time was refused, closed: one thread, each message once, in Vietnamese."""
    people = {"an": Contact("an", "An", email="an@x.vn", audiences=("technician",), channels=("mail",))}
    world = state()
    world.inventory = replace(world.inventory, contacts=people)
    world.health.first_round_done = True
    results: Counter[tuple[str, str]] = Counter()

    async def main(box: Mailbox, port: int) -> None:
        config = Config(notify=NotifyConfig(channels={"mail": mail_channel(port)}, retry_s=(0.1, 0.1)))
        store = Store(tmp_path / "netmon.db")
        await store.open(NOW)
        notifier = Notifier(config, store, Clock(), lambda: people, lambda c, r: results.update([(c, r)]))
        await notifier.start()

        async def step(incident: Incident, kind: str, now: float) -> None:
            world.incidents[incident.id] = incident
            changes = [Change(kind, incident, now)]  # type: ignore[arg-type]
            intents = plan(changes, world, config, notifier.record, now, load_words())
            assert await store.commit_step(changes, intents, {}, now)
            notifier.submit(intents)

        box.refuse_next = 1
        await step(OPEN["power"], "opened", NOW)
        await asyncio.to_thread(wait_until, lambda: len(box.letters) == 1)
        await step(CLOSED["back"], "closed", NOW + 5700)
        await asyncio.to_thread(wait_until, lambda: len(box.letters) == 2)
        await notifier.close(5.0)
        await store.close()

    with mail_server(tmp_path, "plain") as (box, port):
        asyncio.run(main(box, port))
        opened, closed = box.letters
    assert opened["Subject"] == "[netmon 1043] Mất kết nối – mất điện – UBND xã Lộc Thành (Lộc Ninh) – 10:30 23/11/2026"
    assert closed["Subject"].startswith("[netmon 1043] Đã có lại sau 1 giờ 35 phút")
    assert opened["References"] == closed["References"]
    assert opened["Message-ID"] != closed["Message-ID"]
    assert "UPS chạy ắc quy từ 10:05" in opened.get_content()
    assert "198.18" not in opened.get_content() + closed.get_content(), "no addresses outside"
    assert results == {("mail", "failed"): 1, ("mail", "sent"): 2}
