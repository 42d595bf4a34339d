"""A certificate authority for tests: what it signs lies in a folder as NAME.crt and NAME.key."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """``FILE.crt`` in ``folder`` is its own certificate."""

    def __init__(self, folder: Path, file: str = "ca", name: str = "test ca") -> None:
        self.folder, self.file = folder, folder / f"{file}.crt"
        self._name, self._key = name, ec.generate_private_key(ec.SECP256R1())
        self.file.write_bytes(self._build(name, self._key, days=1))

    def issue(self, file: str, name: str, *, days: float = 1) -> None:
        """A certificate with this common name for 127.0.0.1; with ``days`` below 0 one that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem, form, open_ = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self.folder.joinpath(f"{file}.crt").write_bytes(self._build(name, key, days))
        self.folder.joinpath(f"{file}.key").write_bytes(key.private_bytes(pem, form, open_))

    def _build(self, name: str, key: ec.EllipticCurvePrivateKey, days: float) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=10))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=name == self._name, path_length=None), critical=True)
            .add_extension(alternative, critical=False)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
