"""An IMAP server over TLS on loopback, as far as netmon's reading goes: LOGIN, EXAMINE, UID SEARCH, UID FETCH."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.certificates import Authority

PASSWORD = "mail-s3cret"


@dataclass
class Imap:
    """``letters``: UID -> the letter."""

    port: int = 0
    ca_file: str = ""
    validity: int = 7
    letters: dict[int, bytes] = field(default_factory=dict)
    fetched: list[int] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def add(self, sender: str, text: str, subject: str = "Re: [netmon 1001] tin", head: str = "") -> None:
        uid = max(self.letters, default=0) + 1
        lines = f"From: {sender}\nSubject: {subject}\n{head}Content-Type: text/plain; charset=utf-8\n\n{text}\n"
        self.letters[uid] = lines.replace("\n", "\r\n").encode()


@contextmanager
def imap_server(folder: Path) -> Iterator[Imap]:
    authority = Authority(folder)
    authority.issue("imap", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "imap.crt", folder / "imap.key")
    imap = Imap(ca_file=str(authority.file))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("* OK ready")
            for raw in self.rfile:
                tag, _, command = raw.decode().strip().partition(" ")
                imap.commands.append(command.split(" ")[0].upper())
                self._answer(tag, command)

        def _say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

        def _answer(self, tag: str, command: str) -> None:
            word = command.upper()
            if word.startswith("CAPABILITY"):
                self._say("* CAPABILITY IMAP4rev1")
            elif word.startswith("LOGIN") and PASSWORD not in command:
                self._say(f"{tag} NO wrong: {command}")
                return
            elif word.startswith("EXAMINE"):
                if "INBOX" not in word:
                    self._say(f"{tag} NO no such folder")
                    return
                self._say(f"* {len(imap.letters)} EXISTS")
                self._say(f"* OK [UIDVALIDITY {imap.validity}] valid")
                self._say(f"* OK [UIDNEXT {max(imap.letters, default=0) + 1}] next")
            elif found := re.match(r"UID SEARCH UID (\d+):\*", word):
                first, last = int(found[1]), max(imap.letters, default=0)
                uids = [u for u in sorted(imap.letters) if u >= min(first, last)]  # RFC 3501: "5:*" holds the last one
                self._say("* SEARCH " + " ".join(map(str, uids)))
            elif found := re.match(r"UID FETCH (\d+) ", word):
                uid = int(found[1])
                imap.fetched.append(uid)
                letter = imap.letters[uid]
                self._say(f"* 1 FETCH (UID {uid} BODY[]<0> {{{len(letter)}}}")
                self.wfile.write(letter + b")\r\n")
            self._say(f"{tag} OK done")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def get_request(self):  # type: ignore[no-untyped-def]
            raw, address = super().get_request()
            return context.wrap_socket(raw, server_side=True), address

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    imap.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield imap
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
