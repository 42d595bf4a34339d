"""An ingest alone in a process of its own, to be killed: ``python -m tests.live.ingest_child CONFIG.json``.

CONFIG: {"spool": path, "mqtt": {fields of MqttConfig, "password" as text}, "topics": [...], "max_bytes": n}. Every
topic is one sensor of that name with a SenML payload. Logs a line when connected and runs until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from netmon.clock import Clock
from netmon.collectors.mqtt.ingest import Ingest
from netmon.collectors.mqtt.intake import routes_of
from netmon.config import MqttConfig
from netmon.history.spool import Spool
from netmon.model import Inventory, Secret, Sensor, SensorType


def inventory_of(topics: list[str], decoder: str = "senml") -> Inventory:
    return Inventory(
        sensor_types={"any": SensorType("any", "count", "")},
        sensors={topic: Sensor(topic, "any", topic, decoder) for topic in topics},
    )


async def run(wanted: dict[str, Any]) -> None:
    mqtt = wanted["mqtt"] | {"password": Secret(wanted["mqtt"].get("password", ""))}
    inventory = inventory_of(wanted["topics"])
    spool = Spool(wanted["spool"], wanted.get("max_bytes", 10**9))
    loop = asyncio.get_running_loop()
    ingest = Ingest(MqttConfig(**mqtt), routes_of(inventory), inventory, spool, Clock(), lambda _: None, loop,
                    backoff_s=(0.05, 0.2))  # fmt: skip
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    ingest.start()
    await stop.wait()
    ingest.stop()
    spool.close()
    print(json.dumps({"stats": ingest.stats, "events": ingest.events}), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))
