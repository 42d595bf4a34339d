"""A child for the kill test: commits incidents and intents in a loop and says each one only after it is on disk."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from netmon.history.store import Store
from netmon.model import Cause, Change, Evidence, Incident, Intent, Subject, TimelineEntry, Verdict

SITES = [Subject("site", f"s{n}") for n in range(5)]


async def main(path: str, base: int) -> None:
    store = Store(path)
    await store.open(float(base))
    number = await store.next_incident_id()
    while True:
        now = float(base + number)
        cause = Cause("power", True, (Evidence("ups_charge", now, {"percent": "4"}),), ("uptime",))
        timeline = (TimelineEntry(now, "opened", "netmon", "outage"),)
        incident = Incident(number, SITES[number % 5], "outage", "critical", now, now, cause, timeline=timeline)
        intent = Intent(f"{number}-0-opened|an|mail", number, "opened", "an", "mail", "s", "b" * 500, now)
        others = Intent(f"{number}-others", number, "others", "", "", "", "area=binh", now, "others:", "suppressed")
        verdicts = {s: Verdict(s, "down" if number % 2 else "up", now) for s in SITES}
        if not await store.commit_step([Change("opened", incident, now)], [intent, others], verdicts, now):
            raise SystemExit("the store refused")
        await store.mark_intents([(replace(intent, state="sent", attempts=1), "")], now)
        await store.heartbeat(now)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
