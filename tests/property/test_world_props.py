"""The simulated province under any faults: never more than physics allows, and whole again when all is over."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netmon.sim.province import build_devices
from netmon.sim.world import Fault, World
from tests.unit.world import province

FACTS = province()
END_S, BOOT_S = 60, 5.0
TARGETS = {
    "power": [*FACTS.sites, *{s.building for s in FACTS.sites.values() if s.building}],
    "fibre": list(FACTS.lines),
    "node": list(FACTS.nodes),
    "hang": list(FACTS.devices),
    "hot": [*FACTS.sites, *FACTS.nodes],
    "door": [*FACTS.sites, *FACTS.nodes],
    "stuck": list(FACTS.sensors),
}
seconds = st.integers(0, END_S)
faults = st.sampled_from(sorted(TARGETS)).flatmap(
    lambda kind: st.builds(Fault, st.just(kind), st.sampled_from(sorted(TARGETS[kind])), seconds, st.integers(1, END_S))
)


@settings(max_examples=25, deadline=None)
@given(st.lists(faults, max_size=8), st.sampled_from([2.0, 15.0, 500.0]))
def test_any_faults(script: list[Fault], ups_s: float) -> None:
    world = World(FACTS, tuple(script), ups_runtime_s=ups_s, boot_s=BOOT_S)
    devices = build_devices(world)
    uptimes = {site: world.uptime_s(site) for site in FACTS.sites}
    for t in range(2 * END_S + int(BOOT_S) + 2):
        world.step(float(t))
        for site in FACTS.sites:
            assert 0.0 <= world.battery_ratio(site) <= 1.0
            assert world.battery_ratio(site) == 1.0 or not world.mains(site)
            uptime_s = world.uptime_s(site)
            assert uptime_s == uptimes[site] + (1 if t else 0) or uptime_s == 0.0 or not world.powered(site)
            uptimes[site] = uptime_s
            assert not world.site_reachable(site) or world.powered(site)
        for line in FACTS.lines.values():
            assert not world.line_up(line) or world.port_up(line)
            assert not world.port_up(line) or (world.fibre_ok(line.id) and world.node_up(line.parent))
            changed_at = world.port_changed_at(line.id)
            assert changed_at is None or changed_at <= t
        for node in FACTS.nodes.values():
            assert not world.node_up(node.id) or node.parent is None or world.node_up(node.parent)
    for device in devices.values():
        for port in device.ports:
            assert device.port_up(port)
            assert 0.0 <= device.last_change_s(port) <= device.uptime_s()
    assert all(map(world.site_reachable, FACTS.sites)), "all faults are over and everything has booted"
    begun = sorted((kind, target) for _, word, kind, target in world.truth if word == "begins")
    ended = sorted((kind, target) for _, word, kind, target in world.truth if word == "ends")
    assert begun == ended == sorted((f.kind, f.target) for f in set(script))
