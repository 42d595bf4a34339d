"""SNMPv3 byte by byte against pysnmp: keys, MACs, ciphers and whole messages; and arbitrary bytes."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pyasn1.type import univ
from pysnmp.entity import config  # first: others import each other in a circle
from pysnmp.proto import rfc1905
from pysnmp.proto.mpmod.rfc3412 import ScopedPDU, SNMPv3Message
from pysnmp.proto.secmod.rfc3414.service import SnmpUSMSecurityModel, UsmSecurityParameters

from netmon.collectors.snmp import pdu, v3
from netmon.collectors.snmp.ber import BerError
from netmon.collectors.snmp.session import Remote, Sent, Session
from netmon.collectors.snmp.usm import AUTH_PROTOCOLS, PRIV_PROTOCOLS, KeyRing, Keys, UsmError
from netmon.model import Credential, Secret

AUTH_IDS = {
    "MD5": config.USM_AUTH_HMAC96_MD5,
    "SHA": config.USM_AUTH_HMAC96_SHA,
    "SHA224": config.USM_AUTH_HMAC128_SHA224,
    "SHA256": config.USM_AUTH_HMAC192_SHA256,
    "SHA384": config.USM_AUTH_HMAC256_SHA384,
    "SHA512": config.USM_AUTH_HMAC384_SHA512,
}
PRIV_IDS = {
    "DES": config.USM_PRIV_CBC56_DES,
    "AES": config.USM_PRIV_CFB128_AES,
    "AES192": config.USM_PRIV_CFB192_AES_BLUMENTHAL,
    "AES256": config.USM_PRIV_CFB256_AES_BLUMENTHAL,
    "AES192C": config.USM_PRIV_CFB192_AES,
    "AES256C": config.USM_PRIV_CFB256_AES,
}
THEIR_AUTH: dict[str, Any] = {name: SnmpUSMSecurityModel.AUTH_SERVICES[number] for name, number in AUTH_IDS.items()}
THEIR_PRIV: dict[str, Any] = {name: SnmpUSMSecurityModel.PRIV_SERVICES[number] for name, number in PRIV_IDS.items()}
ENGINE = bytes.fromhex("8000b2f4037a6d4e99")
AUTH_PASSWORD, PRIV_PASSWORD = "mật khẩu một", "another password"

engine_ids = st.binary(min_size=5, max_size=32)
int31 = st.integers(0, 2**31 - 1)
PAIRS = [(auth, priv) for auth in AUTH_PROTOCOLS for priv in PRIV_PROTOCOLS]
pairs = st.sampled_from(PAIRS)


def credential(auth: str, priv: str = "", level: str = "") -> Credential:
    level = level or ("authPriv" if priv else "authNoPriv" if auth else "noAuthNoPriv")
    return Credential(
        "c", "3", username="ops", security_level=level, auth_protocol=auth, auth_password=Secret(AUTH_PASSWORD),
        priv_protocol=priv, priv_password=Secret(PRIV_PASSWORD),
    )  # fmt: skip


RING = KeyRing(0)
STRETCHED: dict[tuple[str, str], Any] = {}


def their_keys(auth: str, priv: str, engine_id: bytes) -> tuple[Any, Any]:
    """Localised by pysnmp; the slow first step once for each hash and password."""
    engine = univ.OctetString(engine_id)
    for password in (AUTH_PASSWORD, PRIV_PASSWORD):
        if (auth, password) not in STRETCHED:
            STRETCHED[auth, password] = THEIR_AUTH[auth].hash_passphrase(univ.OctetString(password.encode()))
    auth_key = THEIR_AUTH[auth].localize_key(STRETCHED[auth, AUTH_PASSWORD], engine)
    priv_key = THEIR_PRIV[priv].localize_key(AUTH_IDS[auth], STRETCHED[auth, PRIV_PASSWORD], engine)
    return auth_key, priv_key


def their_encryption(priv: str, key: Any, boots: int, time_s: int, salt: int, plain: bytes) -> tuple[bytes, bytes]:
    service = THEIR_PRIV[priv]
    service.local_int = salt & (0xFFFFFFFF if priv == "DES" else 0xFFFFFFFFFFFFFFFF)
    encrypted, params = service.encrypt_data(key, (boots, time_s, None), plain)
    return bytes(encrypted), bytes(params)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@settings(max_examples=5)
@given(engine_ids, int31, int31, st.integers(0, 2**64 - 1), st.binary(max_size=200))
def test_keys_macs_and_ciphers_are_pysnmp_s(
    pair: tuple[str, str], engine_id: bytes, boots: int, time_s: int, salt: int, plain: bytes
) -> None:
    auth, priv = pair
    auth_key, priv_key = their_keys(auth, priv, engine_id)
    keys = RING.keys(credential(auth, priv), engine_id)
    encrypted, params = keys.encrypt(plain, boots, time_s, salt)
    theirs, their_params = their_encryption(priv, priv_key, boots, time_s, salt, plain)
    assert params == their_params
    if priv == "DES":  # pysnmp pads even what needs none
        assert theirs[: len(encrypted)] == encrypted
    else:
        assert theirs == encrypted
    assert keys.decrypt(theirs, boots, time_s, their_params)[: len(plain)] == plain
    back = THEIR_PRIV[priv].decrypt_data(
        priv_key, (boots, time_s, univ.OctetString(params)), univ.OctetString(encrypted)
    )
    assert bytes(back)[: len(plain)] == plain
    place = bytes(keys.mac_bytes)
    message = b"\xff" + place + b"\xff" + plain
    assert (
        THEIR_AUTH[auth].authenticate_outgoing_message(auth_key, message)
        == b"\xff" + keys.mac(message) + b"\xff" + plain
    )


def their_message(
    message_id: int, flags: int, engine_id: bytes, boots: int, time_s: int, user: bytes, mac: bytes, salt: bytes,
    scope: Any, encrypted: bytes | None,
) -> bytes:  # fmt: skip
    """Built and encoded by pysnmp's definitions and pyasn1."""
    security = UsmSecurityParameters()
    for i, value in enumerate((engine_id, boots, time_s, user, mac, salt)):
        security[i] = value
    message = SNMPv3Message()
    message[0] = 3
    header = message.setComponentByPosition(1).getComponentByPosition(1)
    for i, number in enumerate((message_id, v3.MAX_MESSAGE_BYTES, bytes((flags,)), 3)):
        header[i] = number
    message[2] = encoder.encode(security)
    body = message.setComponentByPosition(3).getComponentByPosition(3)
    body[0 if encrypted is None else 1] = scope if encrypted is None else encrypted
    raw: bytes = encoder.encode(message)
    return raw


@settings(max_examples=80)
@given(
    st.sampled_from([("", ""), *((auth, "") for auth in AUTH_PROTOCOLS), *PAIRS]),
    int31, engine_ids, int31, int31, st.text(max_size=10), st.text(max_size=12), st.integers(0, 2**64 - 1), int31,
)  # fmt: skip
def test_whole_messages_are_pysnmp_s(
    pair: tuple[str, str], message_id: int, engine_id: bytes, boots: int, time_s: int, user: str, context: str,
    salt: int, request_id: int,
) -> None:  # fmt: skip
    auth, priv = pair
    name = user.encode()[:32]
    body = pdu.encode_pdu(pdu.GET_BULK, request_id, 0, 25, [pdu.VarBind((1, 3, 6, 1, 2, 1, 2, 2, 1, 2), 5, None)])
    scope = v3.encode_scope(engine_id, context.encode(), body)
    keys = RING.keys(credential(auth, priv), engine_id) if auth else Keys()
    flags = v3.REPORTABLE | (v3.AUTH if auth else 0) | (v3.PRIV if priv else 0)
    ours = v3.encode_message(message_id, flags, engine_id, boots, time_s, name, keys, scope, salt)

    their_scope = ScopedPDU()
    their_scope[0], their_scope[1] = engine_id, context.encode()
    their_scope[2] = decoder.decode(body, asn1Spec=rfc1905.PDUs())[0]
    encrypted, params = None, b""
    if priv:
        plain = encoder.encode(their_scope)
        assert plain == scope
        encrypted, params = their_encryption(priv, their_keys(auth, priv, engine_id)[1], boots, time_s, salt, plain)
        if priv == "DES" and len(plain) % 8 == 0:
            encrypted = encrypted[:-8]
    wrapper = v3.decode_wrapper(ours)
    theirs = their_message(
        message_id, flags, engine_id, boots, time_s, name, wrapper.mac, params, their_scope, encrypted
    )
    assert ours == theirs
    assert wrapper[:6] == (message_id, flags, engine_id, boots, time_s, name)
    data, pos, end = ours, wrapper.start, wrapper.end
    if auth:
        assert keys.verify(v3.signed_bytes(ours, wrapper), wrapper.mac)
    if priv:
        data = keys.decrypt(ours[pos:end], boots, time_s, wrapper.salt)
        pos, end = 0, len(data)
    read = v3.read_scope(data, pos, end)
    assert (read.engine_id, read.context, read.head.request_id) == (engine_id, context.encode(), request_id)


# --- robustness ------------------------------------------------------------------------------------------------------

SENT = Sent(0x01020304, False, True)


def reply(auth: str, priv: str, engine_id: bytes = ENGINE, request_id: int = SENT.request_id) -> bytes:
    body = pdu.encode_pdu(pdu.RESPONSE, request_id, 0, 0, [pdu.VarBind((1, 3, 6, 1), 4, b"value")])
    scope = v3.encode_scope(engine_id, b"", body)
    flags = (v3.AUTH if auth else 0) | (v3.PRIV if priv else 0)
    keys = RING.keys(credential(auth, priv), engine_id)
    return v3.encode_message(77, flags, engine_id, 3, 1000, b"ops", keys, scope, 42)


def session(auth: str, priv: str) -> Session:
    remote = Remote()
    remote.learn(ENGINE, 3, 990, 0.0)
    return Session(remote, credential(auth, priv), RING)


@pytest.mark.parametrize("pair", [("MD5", "DES"), ("SHA", "AES"), ("SHA512", "AES256"), ("SHA256", "")], ids="-".join)
@given(st.data())
def test_no_changed_byte_is_ever_believed(pair: tuple[str, str], data: st.DataObject) -> None:
    good = reply(*pair)
    assert session(*pair).judge(good, v3.decode_wrapper(good), SENT, 0.0).action == "reply"
    bad = bytearray(good)
    at = data.draw(st.integers(0, len(good) - 1))
    bad[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(BerError):
        verdict = session(*pair).judge(bytes(bad), v3.decode_wrapper(bytes(bad)), SENT, 0.0)
        assert verdict.action == "ignored", verdict


@pytest.mark.parametrize("pair", [("SHA", "AES"), ("SHA256", "")], ids="-".join)
def test_no_truncated_reply_is_believed(pair: tuple[str, str]) -> None:
    good = reply(*pair)
    for end in range(len(good)):
        with pytest.raises(BerError):
            v3.decode_wrapper(good[:end])
    padded = good + b"\0\0"
    assert session(*pair).judge(padded, v3.decode_wrapper(padded), SENT, 0.0).action == "reply"


@given(st.binary(max_size=300), st.sampled_from([("", ""), ("SHA", ""), ("SHA", "AES"), ("MD5", "DES")]))
@example(b"", ("", ""))
@example(bytes.fromhex("303f020103"), ("", ""))
def test_arbitrary_bytes_raise_nothing_but_ber_errors(raw: bytes, pair: tuple[str, str]) -> None:
    with contextlib.suppress(BerError):
        v3.decode_wrapper(raw)
    # signed and encrypted rightly, rubbish inside: an agent's bug, or ours
    keys = RING.keys(credential(*pair), ENGINE)
    flags = (v3.AUTH if pair[0] else 0) | (v3.PRIV if pair[1] else 0)
    message = v3.encode_message(77, flags, ENGINE, 3, 1000, b"ops", keys, raw, 1)
    with contextlib.suppress(BerError):
        assert session(*pair).judge(message, v3.decode_wrapper(message), SENT, 0.0).action == "ignored"


@given(st.binary(max_size=60), st.binary(max_size=12), st.sampled_from(sorted(PRIV_PROTOCOLS)))
def test_what_cannot_be_deciphered_is_a_usm_error(encrypted: bytes, params: bytes, priv: str) -> None:
    keys = RING.keys(credential("SHA", priv), ENGINE)
    with contextlib.suppress(UsmError):
        assert len(keys.decrypt(encrypted, 1, 2, params)) == len(encrypted)
        assert len(params) == 8


@given(
    st.sampled_from((("", ""), ("SHA", ""), ("SHA256", "AES"), ("SHA512", "DES"))), engine_ids, int31, int31,
    st.integers(2**24, 2**31 - 1), st.binary(max_size=40),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), max_size=3),
)  # fmt: skip
def test_what_is_read_quickly_is_read_as_in_general(
    names: tuple[str, str], engine_id: bytes, boots: int, time_s: int, number: int, user: bytes,
    flips: list[tuple[int, int]],
) -> None:  # fmt: skip
    """Wrapper and scope have a short way for what agents mostly send; of anything else it must know nothing."""
    auth, priv = names
    keys = RING.keys(credential(auth, priv), engine_id)
    binds = [pdu.VarBind((1, 3, 6, 1, 2, 1, 2, 2, 1, 10, i), 0x41, 1000 + i) for i in range(20)]
    scope = v3.encode_scope(engine_id, user, pdu.encode_pdu(pdu.RESPONSE, number, 0, 0, binds))
    flags = (v3.AUTH if auth else 0) | (v3.PRIV if priv else 0)
    message = bytearray(v3.encode_message(number, flags, engine_id, boots, time_s, user, keys, scope, 7))
    clear = bytearray(scope)
    for at, flip in flips:
        message[at % len(message)] ^= flip
        clear[at % len(clear)] ^= flip
    data = bytes(message)
    with contextlib.suppress(BerError):
        version, pos, end = pdu.begin(data)
        if version == pdu.V3 and (quick := v3._quick_wrapper(data, pos, end)) is not None:
            assert quick == v3._any_wrapper(data, pos, end)
        elif not flips and len(user) <= 32:
            raise AssertionError("an ordinary wrapper is not read quickly")
    plain = bytes(clear)
    with contextlib.suppress(BerError):
        found = v3.read_scope(plain, 0, len(plain))
        assert found == v3._any_scope(plain, *v3.expect(plain, 0, len(plain), 0x30))
