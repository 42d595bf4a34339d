"""The pages that Prometheus scrapes: text format 0.0.4 only, families never interleaved.

`netmon_*` and self metrics come from the registry and bear no time; the samples of a device were rendered when its
poll ended, bear that poll's time, and are only joined here. All functions may run in a thread beside the loop: what
they take from the state is copied in single steps.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from prometheus_client import CollectorRegistry, generate_latest

from netmon.metrics import GaugesCollector, SelfMetrics
from netmon.model import Inventory, PollResult
from netmon.state import State

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def page(state: State, registry: CollectorRegistry) -> bytes:
    """Everything: self metrics, gauges, and every device that answered its latest poll."""
    return generate_latest(registry) + join_chunks(_polls(state, None))


def site_page(state: State, site: str) -> bytes | None:
    """The gauges of one site and the samples of its devices; None if there is no such site."""
    if site not in state.inventory.sites:
        return None
    return generate_latest(GaugesCollector(state.gauges, site)) + join_chunks(_polls(state, site))


def rest_page(state: State, self_metrics: SelfMetrics) -> bytes:
    """What belongs to no site: self metrics, nodes and their devices. Together with all site pages it is `page`."""
    gauges = generate_latest(GaugesCollector(state.gauges, ""))
    return generate_latest(self_metrics.registry) + gauges + join_chunks(_polls(state, ""))


def join_chunks(polls: Iterable[PollResult]) -> bytes:
    """The devices' samples, family by family in the order of names, each family with the header of its first device."""
    families: dict[str, list[bytes]] = {}
    for poll in polls:
        if not poll.ok:  # what a device said before is not true of it now
            continue
        for family, chunk in poll.chunks.items():
            if not chunk:
                continue
            parts = families.get(family)
            if parts is None:
                parts = families[family] = [poll.families.get(family, b"")]
            parts.append(chunk)
    return b"".join([part for family in sorted(families) for part in families[family]])


def _polls(state: State, site: str | None) -> list[PollResult]:
    """The polls of devices still in the inventory, in order of id; of one site ("" = of nodes), or of all (None)."""
    devices = state.inventory.devices
    return [
        poll
        for device, poll in sorted(state.polls.copy().items())
        if device in devices and (site is None or devices[device].site == site)
    ]


def compress(text: bytes) -> bytes:
    """gzip at the cheapest level: the text repeats itself so much that more effort gains little."""
    packer = zlib.compressobj(level=1, wbits=31)  # 31: gzip header and trailer
    return packer.compress(text) + packer.flush()


def targets(inventory: Inventory, address: str) -> list[dict[str, object]]:
    """Prometheus HTTP service discovery: one target per site, and one for what belongs to no site.

    All have netmon's own ``address`` and differ by path. Facts of a site are ``__meta_`` labels, as the series bear a
    ``site`` label of their own; keep what you want of them by relabelling.
    """
    listed = [_target(address, "/metrics/self", {})]
    for site in sorted(inventory.sites.values(), key=lambda site: site.id):
        facts = {"site": site.id, "name": site.name, "area": site.area, "block": site.block, "level": site.level}
        listed.append(_target(address, f"/metrics/sites/{quote(site.id, safe='')}", facts))
    return listed


def _target(address: str, path: str, facts: Mapping[str, str]) -> dict[str, object]:
    labels = {"__metrics_path__": path, **{f"__meta_netmon_{key}": value for key, value in facts.items()}}
    return {"targets": [address], "labels": labels}
