"""Coverage-guided fuzzing of everything that reads SNMP from the network: BER, PDUs, v3 wrappers, USM.

`python -m tests.fuzz.fuzz_snmp FOLDER [libFuzzer options]`: FOLDER gets a corpus made by the code itself, and keeps
what was found. A target may raise `BerError` and `UsmError`, and nothing else; rubbish that is signed and encrypted
rightly must not be taken for a reply.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["netmon.collectors.snmp"]):
    from netmon.collectors.snmp import ber, layout, pdu, v3
    from netmon.collectors.snmp.session import Remote, Sent, Session
    from netmon.collectors.snmp.trap_decode import decode_notification
    from netmon.collectors.snmp.usm import KeyRing, UsmError

from netmon.model import Credential, Secret

ENGINE = bytes.fromhex("8000b2f4037a6d4e99")
LEVELS = (("", ""), ("SHA", ""), ("SHA256", "AES"), ("MD5", "DES"))
RING = KeyRing(0)
SENT = Sent(0x01020304, False, True)


def credential(auth: str, priv: str) -> Credential:
    level = "authPriv" if priv else "authNoPriv" if auth else "noAuthNoPriv"
    return Credential(
        "c", "3", username="ops", security_level=level, auth_protocol=auth, auth_password=Secret("first password"),
        priv_protocol=priv, priv_password=Secret("second password"),
    )  # fmt: skip


def session(auth: str, priv: str) -> Session:
    remote = Remote()
    remote.learn(ENGINE, 3, 990, 0.0)
    return Session(remote, credential(auth, priv), RING)


def sealed(auth: str, priv: str, scope: bytes) -> bytes:
    """A message that is signed and encrypted rightly, whatever it holds."""
    flags = (v3.AUTH if auth else 0) | (v3.PRIV if priv else 0)
    keys = RING.keys(credential(auth, priv), ENGINE)
    return v3.encode_message(77, flags, ENGINE, 3, 1000, b"ops", keys, scope, 42)


def by_layout(data: bytes) -> None:
    """The first half as a list that a layout is learnt from, the second as what comes next: read as in general."""
    if (quick := pdu.quick_head(data)) is not None:
        head = pdu.decode_head(data)
        assert quick == (head.request_id, head.community, head.start, head.end) and not head.error_status
    size = len(data) // 2
    for learnt, came in ((data, data), (data[:size], data[size:]), (data[:size], data[:size] + data[size:])):
        with contextlib.suppress(ber.BerError):
            known = pdu.decode_varbinds(learnt, 0, len(learnt), ber.OidCache())
            names = layout.read_names(learnt)
            values = layout.Layout(learnt, [v.value for v in known]).read(came, 0, len(came))
            named = layout.read_values(came, 0, len(came), names) if names else None
            assert None in (values, named) or values == named
            if (values := named if values is None else values) is not None:
                found = pdu.decode_varbinds(came, 0, len(came), ber.OidCache())
                assert values == tuple(varbind.value for varbind in found)
                assert [v[:2] for v in found] == [v[:2] for v in known]


def one(data: bytes) -> None:
    """One execution: the bytes as a datagram, as a list of varbinds, as an OID, and as what a v3 message holds."""
    with contextlib.suppress(ber.BerError):
        message = pdu.decode_message(data)
        if message.trap is None:
            again = pdu.encode_message(*message[:7])
            assert pdu.decode_message(again) == message, "what is written again reads otherwise"
    with contextlib.suppress(ber.BerError):
        decode_notification(data)
    with contextlib.suppress(ber.BerError):
        pdu.decode_varbinds(data, 0, len(data), ber.OidCache())
    by_layout(data)
    with contextlib.suppress(ber.BerError):
        oid = ber.decode_oid(data)
        assert ber.decode_oid(ber.encode_oid(oid)) == oid
    with contextlib.suppress(ber.BerError):
        wrapper = v3.decode_wrapper(data)
        for auth, priv in LEVELS:
            session(auth, priv).judge(data, wrapper, SENT, 0.0)
    auth, priv = LEVELS[len(data) % len(LEVELS)]
    message_bytes = sealed(auth, priv, data)
    with contextlib.suppress(ber.BerError):
        verdict = session(auth, priv).judge(message_bytes, v3.decode_wrapper(message_bytes), SENT, 0.0)
        assert verdict.action != "reply" or (verdict.head is not None and verdict.head.request_id == SENT.request_id)
    with contextlib.suppress(UsmError):
        RING.keys(credential("SHA", "AES"), ENGINE).decrypt(data[8:], 1, 2, data[:8])


def corpus() -> list[bytes]:
    """One message of each kind, and the parts that `one` takes alone."""
    values: list[tuple[int, int | bytes | ber.Oid | None]] = [
        (ber.INTEGER, -5), (ber.OCTET_STRING, b"eth0" * 40), (ber.OBJECT_ID, (1, 3, 6, 1, 4, 1, 2**32 - 1)),
        (ber.IP_ADDRESS, b"\xc6\x12\x00\x01"), (ber.COUNTER32, 2**32 - 1), (ber.COUNTER64, 2**64 - 1),
        (ber.TIME_TICKS, 4711), (ber.OPAQUE, b"\x9f\x78\x04\0\0\0\0"), (ber.NULL, None), (ber.END_OF_MIB_VIEW, None),
    ]  # fmt: skip
    binds = [pdu.VarBind((1, 3, 6, 1, 2, 1, 2, 2, 1, i), tag, value) for i, (tag, value) in enumerate(values, 1)]
    out = [ber.encode_oid(binds[0].oid), b"".join(map(pdu.encode_varbind, binds))]
    kinds = (pdu.GET, pdu.GET_NEXT, pdu.RESPONSE, pdu.SET, pdu.GET_BULK, pdu.INFORM, pdu.TRAP_V2, pdu.REPORT)
    out += [pdu.encode_message(1, b"public", kind, SENT.request_id, 0, 10, binds[:3]) for kind in kinds]
    out += [pdu.encode_message(0, b"", pdu.RESPONSE, 7, 2, 1, [bind]) for bind in binds]
    trap = pdu.TrapV1((1, 3, 6, 1, 4, 1, 9), b"\xc6\x12\x00\x01", 3, 0, 100)
    out.append(pdu.encode_trap_v1_message(b"public", trap, binds[:2]))
    for value in (1, 200, 2**40, -3):  # a list twice, for a layout
        tag = ber.COUNTER64 if value > 0 else ber.INTEGER
        rows = b"".join(pdu.encode_varbind(pdu.VarBind((1, 3, 6, 1, 2, 1, i), tag, value + i)) for i in (1, 2))
        out.append(rows * 2)
    many = [bind._replace(oid=(*bind.oid, i)) for i in range(9) for bind in binds[4:6]]
    out.append(pdu.encode_message(1, b"public", pdu.RESPONSE, SENT.request_id, 0, 0, many))
    for kind in (pdu.RESPONSE, pdu.REPORT):
        scope = v3.encode_scope(ENGINE, b"", pdu.encode_pdu(kind, SENT.request_id, 0, 0, binds[:4]))
        out += [scope, *(sealed(auth, priv, scope) for auth, priv in LEVELS)]
    return out


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus()):
        (folder / f"seed-{number:02}").write_bytes(data)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
