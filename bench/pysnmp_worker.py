"""pysnmp as the bench's contender: the same columns over its asyncio interface, text rendered in the simplest way."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import Any

from pysnmp.hlapi.v3arch import asyncio as hlapi
from pysnmp.proto.rfc1905 import EndOfMibView

from bench.columns import COLUMNS, COMMUNITY, ROWS, dotted
from bench.devices import address
from bench.worker import cpu_s

PYSNMP: Any = hlapi  # its types are not those it works with
AT_ONCE = 4
REPETITIONS = ROWS + 1  # as netmon asks: one more, so that the end is seen


async def _device(engine: Any, number: int, port: int) -> str:
    target = await PYSNMP.UdpTransportTarget.create((address(number), port), timeout=5, retries=2)
    lines = []
    for column in COLUMNS:
        last, root = dotted(column.oid), dotted(column.oid) + "."
        while last:
            asked = PYSNMP.ObjectType(PYSNMP.ObjectIdentity(last))
            error, status, _, found = await PYSNMP.bulk_cmd(
                engine,
                PYSNMP.CommunityData(COMMUNITY),
                target,
                PYSNMP.ContextData(),
                0,
                REPETITIONS,
                asked,
                lookupMib=False,
            )
            if error or status:
                raise OSError(f"device {number}: {error or status}")
            last = ""
            for oid, value in found:
                name = str(oid)
                if not name.startswith(root) or isinstance(value, EndOfMibView):
                    last = ""
                    break
                lines.append(f'{column.name}{{ifIndex="{name[len(root) :]}"}} {int(value)}\n')
                last = name
    return "".join(lines)


async def _round(engine: Any, numbers: range, port: int) -> dict[str, Any]:
    before, turn = (cpu_s(), time.monotonic()), iter(numbers)
    texts: list[str] = []

    async def one_after_another() -> None:
        for number in turn:
            texts.append(await _device(engine, number, port))

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
    cpu, wall = cpu_s() - before[0], time.monotonic() - before[1]
    good = sum(1 for text in texts if text)
    return {
        "cpu_s": cpu,
        "wall_s": wall,
        "polls": len(numbers),
        "ok": good,
        "series": sum(text.count("\n") for text in texts),
    }


async def _main(given: argparse.Namespace) -> None:
    engine = PYSNMP.SnmpEngine()
    for line in sys.stdin:  # between two rounds nothing else has to be done, so the loop may stand still
        what = json.loads(line)
        told = await _round(engine, range(what["first"], what["first"] + what["count"]), given.port)
        print(json.dumps(told), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
