"""GET of any number of names: what an agent cannot give is told apart, the rest is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from netmon.collectors.snmp.ber import NO_SUCH_INSTANCE, Oid
from netmon.collectors.snmp.course import Asked, Recorder
from netmon.collectors.snmp.link import Link, Reply
from netmon.collectors.snmp.pdu import GET, TOO_BIG, VarBind, error_name
from netmon.errors import CollectError

GET_OIDS = 40  # names per GET: request and reply fit one unfragmented packet
AUTHORIZATION_ERROR = 16  # RFC 3416, section 3


async def get(link: Link, oids: Sequence[Oid], recorder: Recorder | None = None) -> list[VarBind]:
    """One varbind per name, in order. The first request is answered before the others are sent, together."""
    chunks = [oids[i : i + GET_OIDS] for i in range(0, len(oids), GET_OIDS)]
    got = await _chunk(link, chunks[0], recorder)
    for more in await asyncio.gather(*(_chunk(link, chunk, recorder) for chunk in chunks[1:])):
        got.update(more)
    return [got[oid] for oid in oids]


async def _chunk(link: Link, oids: Sequence[Oid], recorder: Recorder | None) -> dict[Oid, VarBind]:
    """The answers to ``oids``. Every step asks for fewer names than before, so it ends."""
    got: dict[Oid, VarBind] = {}
    asking = [list(dict.fromkeys(oids))]
    while asking:
        names = asking.pop()
        asked = Asked(GET, 0, tuple(names), link.context)
        if recorder is not None and asked in recorder.answers:
            reply = Reply(0, 0, recorder.answers[asked])
        else:
            reply = await link.ask(GET, names, recorder is not None)
            if recorder is not None:
                recorder.take(asked, reply.varbinds, reply.listed)
                if reply.error_status or [varbind.oid for varbind in reply.varbinds] != names:
                    recorder.spoil()
        if reply.error_status == AUTHORIZATION_ERROR:
            raise CollectError("auth", f"{link.target.key}: not authorised", device=link.target.key)
        if not reply.error_status:
            wanted = set(names)
            given = {varbind.oid: varbind for varbind in reply.varbinds if varbind.oid in wanted}
            got.update(given)  # by name, never by place: a short reply must not shift values
            names = [name for name in names if name not in given]
            if not names or given:
                asking += [names] if names else []
                continue
        elif 1 <= reply.error_index <= len(names) and reply.error_status != TOO_BIG:
            # v1 has no exceptions: noSuchName names the one, the others must be asked for again (RFC 1157, 4.1.2)
            name = names.pop(reply.error_index - 1)
            got[name] = VarBind(name, NO_SUCH_INSTANCE, None)
            if names:
                asking.append(names)
            continue
        if len(names) == 1:
            link.count(f"get_{error_name(reply.error_status) if reply.error_status else 'missing'}")
            got[names[0]] = VarBind(names[0], NO_SUCH_INSTANCE, None)
        else:
            half = len(names) // 2
            asking += [names[:half], names[half:]]
    return got
