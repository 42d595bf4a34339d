"""The real daemon on the whole simulated province in bad weather, in real time: false incidents, seconds to the sink.

    python -m tests.live.soak_detection --loss 0.15 --bursts 1 --minutes 30 --faults 10

A site's fibre is cut now and then, once a node fails; everything else that is called lost is false. One line of JSON at
the end. `make soak` runs it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from netmon.sim.world import Fault
from netmon.topology import Topology
from tests.live.province import Province

WARM_S, GAP_S, LASTS_S = 90.0, 100.0, 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--bursts", type=float, default=0.0)
    parser.add_argument("--minutes", type=float, default=10.0, help="of bad weather, from the start of the daemon on")
    parser.add_argument("--faults", type=int, default=5, help="sites that are cut meanwhile; a node follows")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        province = Province(
            Path(folder) / "p",
            probe={"interval": "3s"},
            snmp={"interval": "30s"},
            alerts={"recovered": "30s", "evaluate": "5s", "storm_incidents": 1000},
        )
        try:
            found = run(province, args)
        finally:
            province.close()
    print(json.dumps({**vars(args), **found}, ensure_ascii=False))
    return 1 if found["false_incidents"] or found["missed"] else 0


def run(province: Province, args: argparse.Namespace) -> dict[str, object]:
    rng, topology = random.Random(args.seed), Topology(province.inventory)
    province.start_sim("--loss", str(args.loss), "--bursts", str(args.bursts), "--seed", str(args.seed))
    province.start_daemon()
    end = time.monotonic() + args.minutes * 60.0
    time.sleep(WARM_S)
    single = sorted(s for s in province.inventory.sites if len(topology.lines_of(s)) == 1)
    alone = [s for s in single if not province.inventory.sites[s].building]
    nodes = [n.id for n in province.inventory.nodes.values() if n.kind == "aggregation"]
    biggest = max(nodes, key=lambda n: len(topology.sites_below(n)))
    below = set(topology.sites_below(biggest))
    sites = rng.sample([s for s in alone or single if s not in below], args.faults)
    delays: dict[str, float] = {}
    for name, fault in [
        *((s, Fault("fibre", topology.lines_of(s)[0], 1.0 + rng.uniform(0, 3), LASTS_S)) for s in sites),
        (biggest, Fault("node", biggest, 1.0, LASTS_S)),
    ]:
        seen = len(province.sink.got)
        province.happen(fault)
        began = province.truth_at("begins", fault.target)
        node = province.inventory.nodes.get(name)
        text = node.short_name if node else province.inventory.sites[name].sms_name
        time.sleep(GAP_S)
        told = zip(province.sink.got_at[seen:], province.sink.got[seen:], strict=True)
        first = next((at for at, message in told if text in json.dumps(message, ensure_ascii=False)), None)
        if first is not None and began is not None:
            delays[name] = round(first - began, 2)
        print(f"{name}: {delays.get(name)} s", file=sys.stderr, flush=True)
    time.sleep(max(0.0, end - time.monotonic()))
    subjects = {*sites, biggest}
    incidents = [i for i in province.incidents() if i["kind"] in ("outage", "redundancy")]
    false = [
        (i["subject"], i["kind"], i["began_at"], i["opened_at"]) for i in incidents if i["subject"] not in subjects
    ]
    cascade = [i for i in incidents if i["subject"] == biggest]
    return {
        "false_incidents": len(false),
        "false": false[:10],
        "missed": len(subjects) - len(delays),
        "delays_s": delays,
        "node_s": delays.get(biggest),
        "node_sites": len(below),
        "node_incidents": len(cascade),
        "messages": len(province.sink.got),
    }


if __name__ == "__main__":
    sys.exit(main())
