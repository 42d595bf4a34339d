"""An event loop with nothing to do but to measure how late it is woken: the noise of the machine itself."""

from __future__ import annotations

import asyncio
import json
import sys

from netmon.clock import Clock
from netmon.selfwatch import LoopMeter


async def _main() -> None:
    meter = LoopMeter(Clock())
    task = asyncio.create_task(meter.run())
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        print(json.dumps({"worst_s": meter.worst_s()}), flush=True)
    task.cancel()


if __name__ == "__main__":
    asyncio.run(_main())
