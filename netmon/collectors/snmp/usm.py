"""The User-based Security Model's arithmetic: keys, MACs, ciphers (RFC 3414, RFC 3826, RFC 7860). Pure.

Where a hash is too short for an AES-192 or AES-256 key, devices extend the key in one of two ways, both from expired
drafts: AES192 and AES256 as draft-blumenthal-aes-usm-04 says, AES192C and AES256C as draft-reeder-snmpv3-usm-3desede-00
does for 3DES (Cisco and others).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from netmon.errors import NetmonError
from netmon.model import Credential, Secret

STRETCHED_BYTES = 1 << 20  # RFC 3414, A.2: the password is repeated to this length
SALT_BYTES = 8  # RFC 3414, 8.1.1.1 and RFC 3826, 3.1.2.1
DES_BLOCK = 8
KEYS_KEPT = 100_000  # localised keys; emptied when full


class AuthProtocol(NamedTuple):
    """``mac_bytes`` of the HMAC go on the wire."""

    hash: str
    mac_bytes: int


class PrivProtocol(NamedTuple):
    """``key_bytes`` of the localised key are used; ``extension`` says how a shorter one is made longer."""

    cipher: str  # des | aes
    key_bytes: int
    extension: str  # blumenthal | reeder


AUTH_PROTOCOLS = {
    "MD5": AuthProtocol("md5", 12),  # RFC 3414, 6
    "SHA": AuthProtocol("sha1", 12),  # RFC 3414, 7
    "SHA224": AuthProtocol("sha224", 16),  # RFC 7860, 4.1
    "SHA256": AuthProtocol("sha256", 24),
    "SHA384": AuthProtocol("sha384", 32),
    "SHA512": AuthProtocol("sha512", 48),
}
PRIV_PROTOCOLS = {
    "DES": PrivProtocol("des", 16, "blumenthal"),  # RFC 3414, 8: 8 bytes of key, 8 of pre-IV
    "AES": PrivProtocol("aes", 16, "blumenthal"),  # RFC 3826
    "AES192": PrivProtocol("aes", 24, "blumenthal"),
    "AES256": PrivProtocol("aes", 32, "blumenthal"),
    "AES192C": PrivProtocol("aes", 24, "reeder"),
    "AES256C": PrivProtocol("aes", 32, "reeder"),
}


class UsmError(NetmonError):
    """A credential that cannot be used, or a message that cannot be deciphered. Names no secret."""


def password_to_key(hash_name: str, password: bytes) -> bytes:
    """Ku of RFC 3414, A.2: a megabyte of the password, hashed. About 2 ms."""
    if not password:
        raise UsmError("an empty password makes no key")
    return hashlib.new(hash_name, (password * (STRETCHED_BYTES // len(password) + 1))[:STRETCHED_BYTES]).digest()


def localize_key(hash_name: str, key: bytes, engine_id: bytes) -> bytes:
    """Kul of RFC 3414, 2.6: the user's key at one engine."""
    return hashlib.new(hash_name, key + engine_id + key).digest()


def extend_key(hash_name: str, key: bytes, engine_id: bytes, protocol: PrivProtocol) -> bytes:
    """A localised key of the length that the cipher needs."""
    last = key
    while len(key) < protocol.key_bytes:
        if protocol.extension == "reeder":  # the key so far taken for a password
            last = localize_key(hash_name, password_to_key(hash_name, last), engine_id)
            key += last
        else:
            key += hashlib.new(hash_name, key).digest()
    return key[: protocol.key_bytes]


class Keys:
    """One user's keys at one engine; without a protocol it neither signs nor encrypts."""

    __slots__ = ("_aes", "_auth_key", "_hash", "_priv_key", "_priv_protocol", "encrypts", "mac_bytes", "signs")

    def __init__(
        self,
        auth: AuthProtocol | None = None,
        auth_key: bytes = b"",
        priv: PrivProtocol | None = None,
        priv_key: bytes = b"",
    ) -> None:
        self.signs = auth is not None
        self.encrypts = priv is not None
        self.mac_bytes = auth.mac_bytes if auth else 0
        self._hash = auth.hash if auth else ""
        self._auth_key = auth_key
        self._priv_protocol = priv
        self._priv_key = priv_key
        self._aes: AES | None = None

    def mac(self, message: bytes) -> bytes:
        """The MAC over a whole message whose own place for it is filled with zeros (RFC 3414, 6.3.1)."""
        return hmac.digest(self._auth_key, message, self._hash)[: self.mac_bytes]

    def verify(self, message: bytes, mac: bytes) -> bool:
        """Whether ``mac`` is that of ``message``, in constant time."""
        return hmac.compare_digest(self.mac(message), mac)

    def encrypt(self, plain: bytes, boots: int, time_s: int, salt: int) -> tuple[bytes, bytes]:
        """(ciphertext, msgPrivacyParameters). ``salt``: a number never used before with this key."""
        if self._is_des:
            params = boots.to_bytes(4, "big") + (salt & 0xFFFFFFFF).to_bytes(4, "big")
            plain += bytes(-len(plain) % DES_BLOCK)
        else:
            params = (salt & 0xFFFFFFFFFFFFFFFF).to_bytes(SALT_BYTES, "big")
        return self._cipher(boots, time_s, params).encryptor().update(plain), params  # whole blocks, or a stream

    def decrypt(self, encrypted: bytes, boots: int, time_s: int, params: bytes) -> bytes:
        """The plaintext, with what padding the sender put there. Raises UsmError; a wrong key gives rubbish instead."""
        if len(params) != SALT_BYTES:
            raise UsmError(f"{len(params)} bytes of privacy parameters")
        if self._is_des and len(encrypted) % DES_BLOCK:
            raise UsmError("ciphertext is no whole number of DES blocks")
        return self._cipher(boots, time_s, params).decryptor().update(encrypted)

    @property
    def _is_des(self) -> bool:
        return self._priv_protocol is not None and self._priv_protocol.cipher == "des"

    def _cipher(self, boots: int, time_s: int, params: bytes) -> Cipher[CBC | CFB]:
        key = self._priv_key
        if self._is_des:
            pre_iv = int.from_bytes(key[8:16], "big") ^ int.from_bytes(params, "big")
            return Cipher(TripleDES(key[:8] * 3), CBC(pre_iv.to_bytes(8, "big")))  # three equal keys are single DES
        if self._aes is None:
            self._aes = AES(key)
        return Cipher(self._aes, CFB(boots.to_bytes(4, "big") + time_s.to_bytes(4, "big") + params))


class KeyRing:
    """Localised keys, each made once per (engine id, credential), and salts that never repeat."""

    def __init__(self, first_salt: int) -> None:
        self._stretched: dict[tuple[str, Secret], bytes] = {}
        self._keys: dict[tuple[bytes, Credential], Keys] = {}
        self._salt = first_salt

    def salt(self) -> int:
        """The next one (RFC 3826, 3.1.2.1: any number at the start, then counted up)."""
        self._salt += 1
        return self._salt

    def keys(self, credential: Credential, engine_id: bytes) -> Keys:
        """The keys of a version 3 credential at one engine. Raises UsmError for a credential that cannot be used."""
        known = self._keys.get((engine_id, credential))
        if known is None:
            if len(self._keys) >= KEYS_KEPT:
                self._keys.clear()
            known = self._keys[engine_id, credential] = self._make(credential, engine_id)
        return known

    def _make(self, credential: Credential, engine_id: bytes) -> Keys:
        level = credential.security_level
        if level == "noAuthNoPriv":
            return Keys()
        auth = AUTH_PROTOCOLS.get(credential.auth_protocol)
        if auth is None or credential.auth_password is None or level not in ("authNoPriv", "authPriv"):
            raise UsmError(f"credential {credential.name!r}: no such security level or authentication")
        auth_key = localize_key(auth.hash, self._stretch(auth.hash, credential.auth_password), engine_id)
        if level == "authNoPriv":
            return Keys(auth, auth_key)
        priv = PRIV_PROTOCOLS.get(credential.priv_protocol)
        if priv is None or credential.priv_password is None:
            raise UsmError(f"credential {credential.name!r}: no such privacy")
        priv_key = localize_key(auth.hash, self._stretch(auth.hash, credential.priv_password), engine_id)
        return Keys(auth, auth_key, priv, extend_key(auth.hash, priv_key, engine_id, priv))

    def _stretch(self, hash_name: str, password: Secret) -> bytes:
        """Ku; the slow part, the same for all engines."""
        key = hash_name, password
        known = self._stretched.get(key)
        if known is None:
            known = self._stretched[key] = password_to_key(hash_name, password.reveal().encode())
        return known
