"""Relations of a small tree: core over two aggregation points, a site with two lines, a shared building."""

from __future__ import annotations

from netmon.model import Device, Inventory, Line, Node, Probe, Sensor, Site
from netmon.topology import Topology


def node(name: str, parent: str | None = None, probe: Probe | None = None) -> Node:
    return Node(name, name, "aggregation", parent, probe=probe)


def site(name: str, building: str = "", power: str = "", cable: str = "") -> Site:
    return Site(name, name, name, "party", "commune", "a", building=building, power=power, cable=cable)


def line(name: str, owner: str, parent: str, role: str = "primary") -> Line:
    return Line(name, owner, parent, Probe("icmp", name), role=role)


def by_id(items: list) -> dict:  # type: ignore[type-arg]
    return {item.id: item for item in items}


PROBED = Probe("icmp", "192.0.2.1")
TREE = Inventory(
    nodes=by_id(
        [node("up"), node("core", "up", PROBED), node("a", "core"), node("b", "core", PROBED), node("b2", "b")]
    ),
    sites=by_id([site("s1", "house", "feeder", "duct"), site("s2", "house", "feeder"), site("s3", cable="duct")]),
    lines=by_id(
        [
            line("s1-0", "s1", "a", "backup"),
            line("s1-1", "s1", "b2"),
            line("s2-1", "s2", "b2"),
            line("s3-1", "s3", "core"),
        ]
    ),
    devices=by_id(
        [
            Device("r1", "router", "192.0.2.2", 161, "c", site="s1"),
            Device("ups1", "ups", "192.0.2.3", 161, "c", site="s1"),
            Device("r-core", "router", "192.0.2.1", 161, "c", node="core"),
        ]
    ),
    sensors=by_id([Sensor("t1", "room", "t/1", "senml", site="s1"), Sensor("tc", "room", "t/c", "senml", node="core")]),
)
TOPOLOGY = Topology(TREE)


def test_nodes() -> None:
    assert TOPOLOGY.children_nodes("core") == ("a", "b")
    assert TOPOLOGY.children_nodes("b2") == ()
    assert TOPOLOGY.nodes_below("core") == ("a", "b", "b2")
    assert TOPOLOGY.ancestors("b2") == ("b", "core", "up")
    assert TOPOLOGY.ancestors("up") == ()


def test_lines() -> None:
    assert TOPOLOGY.lines_under("core") == ("s3-1",)
    assert TOPOLOGY.lines_under("b") == ()
    assert set(TOPOLOGY.lines_below("b")) == {"s1-1", "s2-1"}
    assert set(TOPOLOGY.lines_below("up")) == {"s1-0", "s1-1", "s2-1", "s3-1"}
    assert TOPOLOGY.lines_of("s1") == ("s1-1", "s1-0"), "the primary line comes first"
    assert TOPOLOGY.line_ancestors("s1-1") == ("b2", "b", "core", "up")


def test_a_site_with_two_lines_is_below_both_and_once_below_their_common_node() -> None:
    assert TOPOLOGY.sites_below("a") == ("s1",)
    assert set(TOPOLOGY.sites_below("b")) == {"s1", "s2"}
    assert sorted(TOPOLOGY.sites_below("core")) == ["s1", "s2", "s3"]


def test_owned_things_and_risk_groups() -> None:
    assert TOPOLOGY.devices_of("s1") == ("r1", "ups1")
    assert TOPOLOGY.devices_of("core") == ("r-core",)
    assert TOPOLOGY.sensors_of("s1") == ("t1",)
    assert TOPOLOGY.sensors_of("core") == ("tc",)
    assert TOPOLOGY.sites_in_building("house") == ("s1", "s2")
    assert TOPOLOGY.sites_in_power("feeder") == ("s1", "s2")
    assert TOPOLOGY.sites_in_cable("duct") == ("s1", "s3")


def test_parents_of_a_target_are_those_with_a_probe_nearest_first() -> None:
    assert TOPOLOGY.parents_of_target("s1-1") == ("b", "core")
    assert TOPOLOGY.parents_of_target("s1-0") == ("core",)
    assert TOPOLOGY.parents_of_target("b") == ("core",)
    assert TOPOLOGY.parents_of_target("core") == ()


def test_a_probe_of_kind_none_is_no_probe() -> None:
    tree = Inventory(nodes=by_id([node("n", None, Probe("none", "")), node("m", "n")]))
    assert Topology(tree).parents_of_target("m") == ()


def test_unknown_ids_have_no_relatives() -> None:
    for ask in (
        TOPOLOGY.children_nodes,
        TOPOLOGY.nodes_below,
        TOPOLOGY.lines_under,
        TOPOLOGY.lines_below,
        TOPOLOGY.sites_below,
        TOPOLOGY.lines_of,
        TOPOLOGY.ancestors,
        TOPOLOGY.line_ancestors,
        TOPOLOGY.devices_of,
        TOPOLOGY.sensors_of,
        TOPOLOGY.sites_in_building,
        TOPOLOGY.sites_in_power,
        TOPOLOGY.sites_in_cable,
        TOPOLOGY.parents_of_target,
    ):
        assert ask("nobody") == ()
        assert ask("") == ()


def test_a_loop_ends() -> None:
    loop = Topology(Inventory(nodes=by_id([node("x", "y"), node("y", "z"), node("z", "x"), node("self", "self")])))
    assert loop.ancestors("x") == ("y", "z")
    assert loop.ancestors("self") == ()


def test_a_line_with_an_unknown_parent_has_no_ancestors() -> None:
    assert Topology(Inventory(lines=by_id([line("l", "s", "gone")]))).line_ancestors("l") == ()
