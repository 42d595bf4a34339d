"""The module format, both forms, and what a wrong file says."""

from __future__ import annotations

import csv
import functools
from pathlib import Path

import pytest

from netmon.collectors.snmp.modules import Module, parse_oid
from netmon.collectors.snmp.modules_read import go_template, parse_modules
from netmon.collectors.snmp.plan import make_plan
from netmon.collectors.snmp.profiles import BUILTIN, Profile, load_profiles, read_profiles, read_tree
from netmon.errors import ConfigError
from tests.conftest import shared

METRIC = {"name": "x", "oid": "1.3.6.1.4.1.9999.1.1.2", "type": "gauge"}


def one(**fields: object) -> Module:
    parsed = parse_modules({"modules": {"m": {"walk": ["1.3.6.1.4.1.9999"], **fields}}}, "f.yml")
    assert not parsed.problems, parsed.problems
    return parsed.modules["m"]


@functools.cache
def field_modules() -> dict[str, Module]:
    tree, found = read_tree(shared("peers", "snmp_exporter", "snmp.yml"))
    assert found == []
    _, modules, found = read_profiles(tree, "snmp.yml", "snmp")
    assert found == []
    return modules


def problems(tree: object) -> list[str]:
    return [str(problem) for problem in parse_modules(tree, "f.yml").problems]


def write(tmp_path: Path, text: str, name: str = "p.yml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_module_of_the_field_is_accepted() -> None:
    modules = field_modules()
    assert len(modules) == 53
    assert sum(len(module.metrics) for module in modules.values()) == 4802
    assert any(m.datetime_pattern for module in modules.values() for m in module.metrics)
    assert any(m.extracts for module in modules.values() for m in module.metrics)
    for module in modules.values():
        plan = make_plan([Profile(module.name, (module,))])
        assert plan.fast_columns or plan.slow_columns or plan.instances


def test_an_operators_snmp_yml_gives_one_profile_per_module() -> None:
    profiles = load_profiles([str(shared("peers", "snmp_exporter", "snmp.yml"))])
    assert {"if_mib", "ups_mib", "generic", "huawei_vrp"} <= set(profiles.names())
    assert [profile.name for profile in profiles.choose((), ("if_mib",))] == ["if_mib", "generic"]


def test_old_form_has_version_and_auth_inside_the_module() -> None:
    tree = {"if_mib": {"walk": ["1.3.6.1.2.1.2"], "version": "1", "auth": {"community": "s3cret"}, "metrics": [METRIC]}}
    parsed = parse_modules(tree)
    assert not parsed.problems
    module = parsed.modules["if_mib"]
    assert module.version == 1
    assert module.auth["community"] == "s3cret"
    assert "s3cret" not in repr(module)


def test_new_form_has_auths_beside_the_modules_and_never_prints_them() -> None:
    tree = {"auths": {"a": {"community": "s3cret"}}, "modules": {"m": {"metrics": [METRIC]}}}
    parsed = parse_modules(tree)
    assert not parsed.problems
    assert parsed.auths["a"]["community"] == "s3cret"
    assert "s3cret" not in repr(parsed)


def test_everything_a_module_may_say_is_read() -> None:
    module = one(
        get=["1.3.6.1.4.1.9999.2.0"],
        max_repetitions="7",
        retries="2",
        timeout="2500ms",
        allow_nonincreasing_oids="true",
        use_unconnected_udp_socket="true",
        filters={
            "static": [{"targets": ["1.3.6.1.4.1.9999.1"], "indices": ["2", "3"]}],
            "dynamic": [{"oid": "1.3.6.1.4.1.9999.1.1.5", "targets": ["1.3.6.1.4.1.9999.1"], "values": ["1", "2"]}],
        },
        metrics=[
            METRIC
            | {
                "help": "h",
                "scale": "0.1",
                "offset": "-2",
                "enum_values": {"1": "up"},
                "indexes": [{"labelname": "i", "type": "OctetString", "fixed_size": "4", "implied": "true"}],
                "lookups": [{"labels": ["i"], "labelname": "n", "oid": ".1.3.6.1", "type": "DisplayString"}],
                "regex_extracts": {"Volts": [{"regex": r"(\d+)V", "value": "$1"}]},
            }
        ],
    )
    assert (module.max_repetitions, module.retries, module.timeout_s) == (7, 2, 2.5)
    assert module.allow_nonincreasing_oids and module.use_unconnected_udp_socket
    assert module.static_filters[0].indices == ((2,), (3,))
    assert module.dynamic_filters[0].values[0].pattern == "1"
    metric = module.metrics[0]
    assert (metric.scale, metric.offset, metric.enum_values) == (0.1, -2.0, {1: "up"})
    assert (metric.indexes[0].fixed_size, metric.indexes[0].implied) == (4, True)
    assert metric.lookups[0].oid == (1, 3, 6, 1)
    assert metric.extracts["Volts"][0].regex.pattern == r"(\d+)V"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"oid": "1.3.x"}, 'metric "x": cannot be "1.3.x"'),
        ({"oid": "1.3.4294967296"}, 'cannot be "1.3.4294967296"'),
        ({"oid": None}, '"oid" is missing'),
        ({"type": "gauges"}, 'unknown type "gauges"; allowed: Bits, '),
        ({"name": "9x"}, 'not a metric name: "9x"'),
        ({"scael": "1"}, 'unknown key "scael"; allowed: name, oid'),
        ({"scale": "much"}, 'cannot be "much"; a number'),
        ({"regex_extracts": {"": [{"regex": "(", "value": "$1"}]}}, 'cannot be "("; a regular expression'),
        ({"indexes": [{"labelname": "i", "type": "nonsense"}]}, 'unknown type "nonsense"'),
        ({"indexes": "i"}, "not a list"),
        ({"lookups": [["i"]]}, "not a mapping"),
        ({"enum_values": {"one": "up"}}, 'cannot be "one"; an enum is number: name'),
    ],
)
def test_mistakes_in_a_metric(change: dict[str, object], said: str) -> None:
    found = problems({"modules": {"m": {"metrics": [METRIC | change]}}})
    assert len(found) == 1
    assert said in found[0]
    assert found[0].startswith('f.yml: module "m"')


def test_all_mistakes_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """modules:
  m:
    walks: [1.3.6.1]
    timeout: 5
    metrics:
      - name: a
        oid: 1.3.6.1.4.1.x
        type: gauge
netmon:
  match: [1.3.6.1.4.1.9999]
  modules: [m, n]
  slow: [b]
  figures:
    - {name: netmon_device_cpu_ratio, value: nowhere}
""",
    )
    with pytest.raises(ConfigError) as caught:
        load_profiles([str(path)])
    text = str(caught.value)
    for line, said in [
        (3, 'unknown key "walks"'),
        (4, 'cannot be "5"; a duration such as 5s'),
        (7, 'metric "a": cannot be "1.3.6.1.4.1.x"'),
        (10, 'no module "n"'),
        (10, 'no metric "b" in its modules'),
        (14, 'figure "netmon_device_cpu_ratio": no metric "nowhere"'),
    ]:
        assert any(row.startswith(f"{path}:{line}: ") and said in row for row in text.splitlines()), (line, said, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2", "not valid YAML"),
        ("", "the file is empty"),
        ("modules: {a: &x [*x]}", "an alias holds itself"),
        ("modules:\n  a: {walk: [1.3.6.1]}\n  a: {walk: [1.3.6.1]}\n", 'key "a" is there twice'),
        ("- a", "not a mapping"),
        (
            "a: 1\nb: " + "[" * 50_000,
            "p.yml:2: not valid YAML: (nested too deeply|exceeded maximum nesting)",
        ),  # libyaml alone would crash
        ("{a: " * 50_000, "not valid YAML: (nested too deeply|.*maximum nesting)"),
    ],
)
def test_files_that_are_no_profiles(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_profiles([str(write(tmp_path, text))])


def test_missing_file_and_wrong_encoding(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yml"
    latin.write_bytes(b"modules: {m\xe9: {}}")
    with pytest.raises(ConfigError) as caught:
        load_profiles([str(tmp_path / "none.yml"), str(latin)])
    assert "none.yml: cannot be read: No such file" in str(caught.value)
    assert "latin.yml: not UTF-8" in str(caught.value)


@pytest.mark.parametrize(
    ("go", "python"), [("$1", r"\g<1>"), ("${1}.$2", r"\g<1>.\g<2>"), ("$name", r"\g<name>"), ("a\\1", r"a\\1")]
)
def test_go_templates(go: str, python: str) -> None:
    assert go_template(go) == python


def test_profile_is_chosen_by_the_longest_prefix() -> None:
    profiles = load_profiles()

    def names(oid: str, kind: str = "router", asked: tuple[str, ...] = ("auto",)) -> list[str]:
        return [profile.name for profile in profiles.choose(parse_oid(oid), asked, kind)]

    assert names("1.3.6.1.4.1.2011.2.224.62") == ["huawei_vrp", "generic"]
    assert names("1.3.6.1.4.1.2011.6.174.4.1.2.4") == ["ups_rfc1628", "generic"]  # Huawei's UPS, not its routers
    assert names("1.3.6.1.4.1.9.1.2093") == ["cisco_ios", "generic"]
    assert names("1.3.6.1.4.1.14988.1") == ["mikrotik", "generic"]
    assert names("1.3.6.1.4.1.7367") == ["draytek", "generic"]
    assert names("1.3.6.1.4.1.99999.5", "ups") == ["ups_rfc1628", "generic"]  # an unknown maker's UPS
    assert names("1.3.6.1.4.1.99999.5", "router", ("mikrotik",)) == ["mikrotik", "generic"]
    assert names("1.3.6.1.4.1.9.1.1", "router", ("auto", "mikrotik")) == ["cisco_ios", "mikrotik", "generic"]


def test_operators_profile_replaces_ours_by_name_but_not_his_own(tmp_path: Path) -> None:
    text = (
        "modules: {m: {walk: [1.3.6.1.4.1.9999], metrics: []}}\nnetmon: {name: mikrotik, match: [1.3.6.1.4.1.9999]}\n"
    )
    first, second = write(tmp_path, text), write(tmp_path, text, "q.yml")
    profiles = load_profiles([str(first)])
    assert profiles.by_name["mikrotik"].match == ((1, 3, 6, 1, 4, 1, 9999),)
    with pytest.raises(ConfigError, match=r'q.yml: profile "mikrotik": is in .*p.yml too'):
        load_profiles([str(first), str(second)])


def test_metric_names_of_ours_are_those_of_the_mibs() -> None:
    """Names and OIDs equal what the field uses, wherever it has the object at all."""
    field = {metric.oid: metric for module in field_modules().values() for metric in module.metrics}
    compared = 0
    for profile in load_profiles().by_name.values():
        for metric in profile.metrics.values():
            if metric.oid in field:
                assert metric.name == field[metric.oid].name
                compared += 1
    assert compared > 50


def test_oids_of_ours_are_in_the_domain_list() -> None:
    with shared("domain", "oids.csv").open(newline="") as file:
        known = {row["object"]: parse_oid(row["oid"]) for row in csv.DictReader(file)}
    ours = {
        metric.name: metric.oid for profile in load_profiles().by_name.values() for metric in profile.metrics.values()
    }
    common = known.keys() & ours.keys()
    assert len(common) > 40
    assert {name: ours[name] for name in common} == {name: known[name] for name in common}


def test_our_files_share_no_help_text_with_the_fields() -> None:
    text = shared("peers", "snmp_exporter", "snmp.yml").read_text()
    for path in BUILTIN.glob("*.yml"):
        for line in path.read_text().splitlines():
            if "help:" in line and len(line) > 40:
                assert line.split('"')[1] not in text
