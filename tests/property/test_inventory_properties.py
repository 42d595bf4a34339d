"""Whatever is in a file: problems, never an exception; and what is written by us is read back as it was."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from netmon.addresses import AddressMap
from netmon.config import Config
from netmon.errors import Problem
from netmon.importer import import_bytes, quote
from netmon.inventory_check import Check
from netmon.inventory_read import Draft
from netmon.model import Inventory, Node
from netmon.secrets_load import Secrets
from netmon.settings_load import Settings
from netmon.topology import Topology
from netmon.yamlfile import parse_entry
from netmon.yamlvalues import BANDWIDTH, DURATION

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates())
KEYS = """areas nodes sites lines devices sensors contacts credentials decoders sensor_types id name kind parent place
lat lon address probe port contract down up thresholds community env file fields path via topic decoder type"""
keys = st.sampled_from(KEYS.split())
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=25
)


def check(data: bytes) -> list[Problem]:
    """Read any bytes as an inventory file, with all checks."""
    problems: list[Problem] = []
    root = parse_entry(data, "f.yml", problems)
    settings_root = parse_entry(b"", "netmon.yml", problems)
    if root is None or settings_root is None:
        assert len(problems) == 1
        return problems
    settings = Settings(settings_root, Path("netmon.yml"), {})
    draft = Draft(Config(), Secrets({}, Path()), AddressMap({}))
    draft.read(root)
    Check(draft, settings, ["generic"], ["SiteDown"]).run()
    return problems


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for problem in check(data):
        assert "\n" not in str(problem)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    check(text.encode("utf-8", "surrogatepass"))


@given(st.dictionaries(keys, trees, max_size=5))
def test_any_tree_of_known_keys(tree: dict[str, object]) -> None:
    for problem in check(yaml.safe_dump(tree, allow_unicode=True).encode()):
        assert problem.file == "f.yml"
        assert problem.line >= 1


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=60))
def test_what_we_quote_is_read_as_it_was(text: str) -> None:
    problems: list[Problem] = []
    entry = parse_entry(f"k: {quote(text)}\n".encode(), "f.yml", problems)
    assert entry is not None, problems
    assert entry.raw("k") == text


@given(st.binary(max_size=300))
def test_any_bytes_as_a_table(data: bytes) -> None:
    texts, problems = import_bytes(data, "s.csv")
    assert texts == {} or not problems
    header = b"site_id,name,sms_name,block,level,area,parent,lat\n"
    import_bytes(header + data, "s.csv")


@given(st.integers(1, 10**6), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_durations_scale_with_their_unit(number: int, unit: str) -> None:
    seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    assert DURATION.parse(f"{number}{unit}") == number * seconds


@given(st.text(max_size=10))
def test_a_measure_is_a_number_or_an_error(text: str) -> None:
    for measure in (DURATION, BANDWIDTH):
        try:
            assert measure.parse(text) >= 0
        except ValueError as error:
            assert str(error) == text


@given(st.integers(0, 2**17 - 1))
def test_translation_keeps_the_host_part_and_can_be_undone(host: int) -> None:
    there = AddressMap({"198.18.0.0/15": "127.18.0.0/15"})
    back = AddressMap({"127.18.0.0/15": "198.18.0.0/15"})
    given_address = str(ipaddress.ip_address("198.18.0.0") + host)
    moved = there.translate(given_address)
    assert moved.split(".")[2:] == given_address.split(".")[2:]
    assert back.translate(moved) == given_address


@given(st.lists(st.integers(0, 11), min_size=12, max_size=12))
def test_ancestors_and_descendants_agree_on_any_graph_of_parents(parents: list[int]) -> None:
    nodes = {str(i): Node(str(i), "", "core", str(parent)) for i, parent in enumerate(parents)}
    topology = Topology(Inventory(nodes=nodes))
    for node in nodes:
        assert node not in topology.ancestors(node)
        assert all(node in topology.nodes_below(above) for above in topology.ancestors(node))
        assert all(node in topology.ancestors(below) for below in topology.nodes_below(node))
